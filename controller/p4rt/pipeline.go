package p4rt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// A Pipeline is a compiled P4 program as a device takes it.
type Pipeline struct {
	Info *p4configv1.P4Info
	// DeviceConfig is what the device's compiler back end made; its form is the
	// target's affair.
	DeviceConfig []byte
	// Cookie identifies the program. The device keeps it with the pipeline and
	// returns it, so that a controller that comes back can tell, without
	// reading the program, that there is nothing to set. Zero stands for a
	// digest of Info and DeviceConfig.
	Cookie uint64
}

// Cookie returns the first 8 bytes of the SHA-256 digest of the parts, each
// preceded by its length.
func Cookie(parts ...[]byte) uint64 {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

func (p *Pipeline) cookie() (uint64, error) {
	if p.Cookie != 0 {
		return p.Cookie, nil
	}
	info, err := proto.MarshalOptions{Deterministic: true}.Marshal(p.Info)
	if err != nil {
		return 0, fmt.Errorf("p4info: %w", err)
	}
	return Cookie(info, p.DeviceConfig), nil
}

// PipelineConfig reads the device's pipeline, or the parts of it that what
// names. It is nil when the device runs none.
func (s *Session) PipelineConfig(ctx context.Context, what p4v1.GetForwardingPipelineConfigRequest_ResponseType) (*p4v1.ForwardingPipelineConfig, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	resp, err := s.p4.GetForwardingPipelineConfig(ctx, &p4v1.GetForwardingPipelineConfigRequest{
		DeviceId: s.o.DeviceID, ResponseType: what,
	})
	switch {
	case err == nil:
		return resp.GetConfig(), nil
	case status.Code(err) == codes.FailedPrecondition:
		// What PI (bmv2) says where the specification (section 15) has it leave
		// the config unset.
		return nil, nil
	}
	return nil, s.requestFailed("get pipeline", err)
}

// settlePipeline makes the device run the pipeline we were given.
func (r *Ready) settlePipeline(ctx context.Context) error {
	want := r.s.o.Pipeline
	if want == nil {
		return r.adoptPipeline(ctx)
	}
	cookie, err := want.cookie()
	if err != nil {
		return fmt.Errorf("%s: %w", r.s.o.Name, err)
	}
	r.Info = want.Info
	r.cookie = &p4v1.ForwardingPipelineConfig_Cookie{Cookie: cookie}
	have, err := r.s.PipelineConfig(ctx, p4v1.GetForwardingPipelineConfigRequest_COOKIE_ONLY)
	if err != nil {
		return err
	}
	if proto.Equal(have.GetCookie(), r.cookie) {
		return nil
	}
	if have != nil {
		// Another controller, or another version of this one, may have made the
		// cookie in another way. Setting the pipeline could clear the device's
		// tables, so look closer.
		all, err := r.s.PipelineConfig(ctx, p4v1.GetForwardingPipelineConfigRequest_ALL)
		if err != nil {
			return err
		}
		if proto.Equal(all.GetP4Info(), want.Info) && bytes.Equal(all.GetP4DeviceConfig(), want.DeviceConfig) {
			r.cookie = all.GetCookie()
			return nil
		}
	}
	r.Cleared, err = r.setPipeline(ctx, have != nil)
	if err != nil {
		return err
	}
	r.s.n.pipelines.Add(1)
	r.st.flush()
	// A server that keeps no cookies would seem to have lost its pipeline at
	// every check.
	have, err = r.s.PipelineConfig(ctx, p4v1.GetForwardingPipelineConfigRequest_COOKIE_ONLY)
	if err != nil {
		return err
	}
	r.cookie = have.GetCookie()
	return nil
}

// setPipeline sends the pipeline and reports whether that cleared the device's
// tables. Where the device runs another program it is asked first to keep its
// state (RECONCILE_AND_COMMIT), which it may be unable to do, in general or
// between these two programs.
func (r *Ready) setPipeline(ctx context.Context, reconcile bool) (cleared bool, err error) {
	o := &r.s.o
	set := func(a p4v1.SetForwardingPipelineConfigRequest_Action) error {
		ctx, cancel := context.WithTimeout(ctx, o.PipelineTimeout)
		defer cancel()
		_, err := r.s.p4.SetForwardingPipelineConfig(ctx, &p4v1.SetForwardingPipelineConfigRequest{
			DeviceId:   o.DeviceID,
			Role:       o.Role,
			ElectionId: r.id.proto(),
			Action:     a,
			Config: &p4v1.ForwardingPipelineConfig{
				P4Info:         o.Pipeline.Info,
				P4DeviceConfig: o.Pipeline.DeviceConfig,
				Cookie:         r.cookie,
			},
		})
		if err != nil {
			return r.s.requestFailed("set pipeline", err)
		}
		o.Log.Info("pipeline set", "cookie", fmt.Sprintf("%#x", r.cookie.GetCookie()), "action", a)
		return nil
	}
	if reconcile {
		err := set(p4v1.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT)
		switch status.Code(err) {
		case codes.Unimplemented, codes.InvalidArgument:
			o.Log.Info("pipeline cannot be reconciled", "err", err)
		default:
			return false, err
		}
	}
	return true, set(p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT)
}

// adoptPipeline takes the device's pipeline as it is.
func (r *Ready) adoptPipeline(ctx context.Context) error {
	have, err := r.s.PipelineConfig(ctx, p4v1.GetForwardingPipelineConfigRequest_P4INFO_AND_COOKIE)
	if err != nil {
		return err
	}
	if have.GetP4Info() == nil {
		return fmt.Errorf("%s: %w", r.s.o.Name, ErrNoPipeline)
	}
	r.Info, r.cookie = have.GetP4Info(), have.GetCookie()
	return nil
}

// CheckPipeline asks the device whether it still runs the pipeline of this
// term. If not, the term ends, and the error is ErrPipelineLost.
func (r *Ready) CheckPipeline(ctx context.Context) error {
	have, err := r.s.PipelineConfig(ctx, p4v1.GetForwardingPipelineConfigRequest_COOKIE_ONLY)
	if err != nil {
		return err
	}
	if have != nil && proto.Equal(have.GetCookie(), r.cookie) {
		return nil
	}
	return r.lost(ErrPipelineLost)
}

// lost ends the term for a reason that the stream did not tell.
func (r *Ready) lost(cause error) error {
	err := fmt.Errorf("%s: %w", r.s.o.Name, cause)
	r.end(err)
	return err
}

// refused looks at why a whole request failed for signs that the term is over.
func (r *Ready) refused(err error) error {
	switch status.Code(err) {
	case codes.PermissionDenied:
		return errors.Join(r.lost(ErrNotPrimary), err)
	case codes.FailedPrecondition:
		return errors.Join(r.lost(ErrPipelineLost), err)
	}
	return err
}
