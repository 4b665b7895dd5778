package p4rt

import (
	"context"
	"slices"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/testbed/p4rt/arbitration"
	"github.com/keyway-nve/keyway/testbed/p4rt/pipeline"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// Load starts a program without P4Info, as bmv2 does with a JSON file on its
// command line: packets run through it, and P4Runtime has no config yet.
func (s *Server) Load(deviceConfig []byte) error {
	c, err := pipeline.Bare(deviceConfig)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.activate(pipeline.New(c, s.pipelineOptions()))
	return nil
}

// activate makes p what packets see. mu must be held.
func (s *Server) activate(p *pipeline.Pipeline) {
	if old := s.active.Swap(p); old != nil && old != p {
		old.Close()
	}
	if s.opts.Configured != nil {
		s.opts.Configured(p.Installed().GetP4Info())
	}
}

func (s *Server) pipelineOptions() pipeline.Options {
	opts := pipeline.Options{
		DropPort:       s.opts.DropPort,
		CPUPort:        s.opts.CPUPort,
		PriorityQueues: s.opts.PriorityQueues,
		Output:         s.output,
		Digest:         s.digest,
		Log:            s.opts.Log,
	}
	for port := range s.down {
		opts.Down = append(opts.Down, port)
	}
	slices.Sort(opts.Down)
	return opts
}

// SetForwardingPipelineConfig implements p4.v1.P4Runtime (section 14).
func (s *Server) SetForwardingPipelineConfig(_ context.Context, req *p4v1.SetForwardingPipelineConfigRequest) (*p4v1.SetForwardingPipelineConfigResponse, error) {
	if err := s.setConfig(req); err != nil {
		return nil, refusal.RPC(err)
	}
	return &p4v1.SetForwardingPipelineConfigResponse{}, nil
}

func (s *Server) setConfig(req *p4v1.SetForwardingPipelineConfigRequest) error {
	if err := s.device(req.GetDeviceId()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	role := arbitration.RoleName(req.GetRole(), req.GetRoleId())
	if _, err := s.arbiter.Authorize(role, req.GetElectionId()); err != nil {
		return err
	}
	switch req.GetAction() {
	case p4v1.SetForwardingPipelineConfigRequest_VERIFY:
		_, err := pipeline.Verify(req.GetConfig())
		return err

	case p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_SAVE:
		c, err := pipeline.Verify(req.GetConfig())
		if err != nil {
			return err
		}
		// The saved pipeline is a whole one that no packet reaches yet. What
		// clients write is realized in it at once, so that COMMIT has nothing
		// to replay.
		s.discardSaved()
		s.saved = pipeline.New(c, s.pipelineOptions())
		return nil

	case p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT:
		c, err := pipeline.Verify(req.GetConfig())
		if err != nil {
			return err
		}
		s.discardSaved()
		s.activate(pipeline.New(c, s.pipelineOptions()))
		return nil

	case p4v1.SetForwardingPipelineConfigRequest_COMMIT:
		if req.GetConfig() != nil {
			return refusal.New(codes.InvalidArgument, "COMMIT takes no config")
		}
		if s.saved == nil {
			return refusal.New(codes.NotFound, "no config has been saved")
		}
		s.activate(s.saved)
		s.saved = nil
		return nil

	case p4v1.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT:
		c, err := pipeline.Verify(req.GetConfig())
		if err != nil {
			return err
		}
		// What is preserved is the state of the data plane, not that of a
		// config that waits for its COMMIT.
		old := s.active.Load()
		if old == nil || old.Wire == nil {
			s.discardSaved()
			s.activate(pipeline.New(c, s.pipelineOptions()))
			return nil
		}
		p, err := pipeline.Reconcile(old, c, s.pipelineOptions())
		if err != nil {
			return err
		}
		s.discardSaved()
		s.activate(p)
		return nil
	}
	return refusal.New(codes.InvalidArgument, "action %v", req.GetAction())
}

func (s *Server) discardSaved() {
	if s.saved != nil {
		s.saved.Close()
		s.saved = nil
	}
}

// GetForwardingPipelineConfig implements p4.v1.P4Runtime (section 15).
func (s *Server) GetForwardingPipelineConfig(_ context.Context, req *p4v1.GetForwardingPipelineConfigRequest) (*p4v1.GetForwardingPipelineConfigResponse, error) {
	if err := s.device(req.GetDeviceId()); err != nil {
		return nil, refusal.RPC(err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, err := s.current()
	if err != nil { // no config is no error here
		return &p4v1.GetForwardingPipelineConfigResponse{}, nil
	}
	config := p.Installed()
	out := &p4v1.ForwardingPipelineConfig{Cookie: config.GetCookie()}
	switch req.GetResponseType() {
	case p4v1.GetForwardingPipelineConfigRequest_ALL:
		out = config
	case p4v1.GetForwardingPipelineConfigRequest_COOKIE_ONLY:
	case p4v1.GetForwardingPipelineConfigRequest_P4INFO_AND_COOKIE:
		out.P4Info = config.GetP4Info()
	case p4v1.GetForwardingPipelineConfigRequest_DEVICE_CONFIG_AND_COOKIE:
		out.P4DeviceConfig = config.GetP4DeviceConfig()
	default:
		return nil, refusal.RPC(refusal.New(codes.InvalidArgument, "response type %v", req.GetResponseType()))
	}
	return &p4v1.GetForwardingPipelineConfigResponse{Config: out}, nil
}
