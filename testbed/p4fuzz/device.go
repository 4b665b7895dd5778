package p4fuzz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// within bounds each RPC: a server that does not answer is at fault, too.
const within = 30 * time.Second

// device is a server, of whose device this is the primary.
type device struct {
	client p4v1.P4RuntimeClient
	id     uint64
	stream p4v1.P4Runtime_StreamChannelClient
	cancel context.CancelFunc
	ended  chan error
}

// election is the election id of the fuzzer.
var election = p4v1.Uint128{Low: 1}

func connect(ctx context.Context, conn grpc.ClientConnInterface, id uint64) (*device, error) {
	ctx, cancel := context.WithCancel(ctx)
	d := &device{client: p4v1.NewP4RuntimeClient(conn), id: id, cancel: cancel, ended: make(chan error, 1)}
	if err := d.arbitrate(ctx); err != nil {
		cancel()
		return nil, fmt.Errorf("arbitration: %w", err)
	}
	return d, nil
}

func (d *device) arbitrate(ctx context.Context) error {
	s, err := d.client.StreamChannel(ctx)
	if err != nil {
		return err
	}
	d.stream = s
	if err := s.Send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Arbitration{
		Arbitration: &p4v1.MasterArbitrationUpdate{DeviceId: d.id, ElectionId: &p4v1.Uint128{High: election.High, Low: election.Low}}}}); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	m, err := s.Recv()
	if err != nil {
		return err
	}
	if c := codes.Code(m.GetArbitration().GetStatus().GetCode()); m.GetArbitration() == nil || c != codes.OK {
		return fmt.Errorf("not the primary: %v", m)
	}
	go func() { // notifications are of no interest
		for {
			if _, err := s.Recv(); err != nil {
				d.ended <- err
				return
			}
		}
	}()
	return nil
}

func (d *device) close() {
	d.cancel()
	<-d.ended
}

// install starts a program, without entries.
func (d *device) install(ctx context.Context, c *p4v1.ForwardingPipelineConfig) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	_, err := d.client.SetForwardingPipelineConfig(ctx, &p4v1.SetForwardingPipelineConfigRequest{
		DeviceId: d.id, ElectionId: &p4v1.Uint128{High: election.High, Low: election.Low},
		Action: p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, Config: c,
	})
	return err
}

// write sends a request and returns the code of the RPC, and that of each of n
// updates if they were tried. The error says how the status breaks section
// 12.3.
func (d *device) write(ctx context.Context, req *p4v1.WriteRequest) (codes.Code, []codes.Code, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	_, err := d.client.Write(ctx, req)
	return outcome(err, len(req.GetUpdates()))
}

// outcome reads the status of a batch (sections 12.3 and 13.3).
func outcome(err error, n int) (codes.Code, []codes.Code, error) {
	s := status.Convert(err)
	each := make([]codes.Code, n)
	details := s.Details()
	switch {
	case s.Code() == codes.OK:
		return codes.OK, each, nil
	case len(details) == 0:
		return s.Code(), nil, nil
	case s.Code() != codes.Unknown:
		return s.Code(), nil, fmt.Errorf("12.3 a status with details is UNKNOWN, not %v: %s", s.Code(), s.Message())
	case len(details) != n:
		return s.Code(), nil, fmt.Errorf("12.3 %d details for %d in the batch: %s", len(details), n, s.Message())
	}
	failed := false
	for i, x := range details {
		e, ok := x.(*p4v1.Error)
		if !ok {
			return s.Code(), nil, fmt.Errorf("12.3 detail %d is a %T", i, x)
		}
		each[i] = codes.Code(e.GetCanonicalCode())
		failed = failed || each[i] != codes.OK
		if each[i] == codes.OK && (e.GetMessage() != "" || e.GetSpace() != "" || e.GetCode() != 0) {
			return s.Code(), nil, fmt.Errorf("12.3 detail %d is OK and has more than its code: %v", i, e)
		}
	}
	if !failed {
		return s.Code(), nil, fmt.Errorf("12.3 UNKNOWN, and all is OK: %s", s.Message())
	}
	return s.Code(), each, nil
}

// read sends a request and returns what was read, and the outcomes as write
// does.
func (d *device) read(ctx context.Context, req *p4v1.ReadRequest) ([]*p4v1.Entity, codes.Code, []codes.Code, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var out []*p4v1.Entity
	r, err := d.client.Read(ctx, req)
	for err == nil {
		var m *p4v1.ReadResponse
		if m, err = r.Recv(); err == nil {
			out = append(out, m.GetEntities()...)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	rpc, each, err := outcome(err, len(req.GetEntities()))
	return out, rpc, each, err
}
