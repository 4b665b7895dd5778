package p4rt_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyway-nve/keyway/controller/p4rt"
)

func TestPipelineDiffers(t *testing.T) {
	const (
		get       = "get COOKIE_ONLY"
		all       = "get ALL"
		reconcile = "set RECONCILE_AND_COMMIT"
		commit    = "set VERIFY_AND_COMMIT"
	)
	refuse := func(c codes.Code) func(*p4v1.SetForwardingPipelineConfigRequest) error {
		return func(r *p4v1.SetForwardingPipelineConfigRequest) error {
			if r.GetAction() == p4v1.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT {
				return status.Error(c, "not so")
			}
			return nil
		}
	}
	tests := []struct {
		name    string
		device  func(*script)
		calls   []string
		cleared bool
	}{{
		name:   "device keeps its state",
		device: func(*script) {},
		calls:  []string{get, all, reconcile, get},
	}, {
		name:    "device cannot reconcile",
		device:  func(d *script) { d.onSet = refuse(codes.Unimplemented) },
		calls:   []string{get, all, reconcile, commit, get},
		cleared: true,
	}, {
		name:    "state does not fit the new program",
		device:  func(d *script) { d.onSet = refuse(codes.InvalidArgument) },
		calls:   []string{get, all, reconcile, commit, get},
		cleared: true,
	}, {
		name:   "same program under another cookie",
		device: func(d *script) { d.config.P4Info, d.config.P4DeviceConfig = pipeline.Info, pipeline.DeviceConfig },
		calls:  []string{get, all},
	}, {
		name:    "device has no pipeline",
		device:  func(d *script) { d.config = nil },
		calls:   []string{get, commit, get},
		cleared: true,
	}, {
		name: "device has no pipeline and says so by an error",
		device: func(d *script) {
			d.config = nil
			d.onGet = func() error {
				if d.config == nil {
					return status.Error(codes.FailedPrecondition, "no pipeline")
				}
				return nil
			}
		},
		calls:   []string{get, commit, get},
		cleared: true,
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newScript()
				d.config = &p4v1.ForwardingPipelineConfig{Cookie: &p4v1.ForwardingPipelineConfig_Cookie{Cookie: 3}}
				tt.device(d)
				r := start(t, d, primary()).term()
				if r.Cleared != tt.cleared {
					t.Errorf("cleared: %v", r.Cleared)
				}
				if diff := cmp.Diff(append([]string{"stream", "arbitrate 1"}, tt.calls...), d.transcript()); diff != "" {
					t.Errorf("transcript (-want +got):\n%s", diff)
				}
				if err := r.CheckPipeline(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestPipelineRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		d.onSet = func(*p4v1.SetForwardingPipelineConfigRequest) error {
			return status.Error(codes.InvalidArgument, "too many stages")
		}
		s := start(t, d, primary())
		time.Sleep(time.Minute)
		s.standsBy()
		st := s.State()
		if st.Phase != p4rt.PhasePreparing || status.Code(st.Err) != codes.InvalidArgument {
			t.Errorf("state %+v", st)
		}
		if n := s.Stats().Streams; n != 1 {
			t.Errorf("%d streams: a refusal is no reason to leave", n)
		}
	})
}

func TestPipelineLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		s := start(t, d, primary())
		r := s.term()
		if err := r.CheckPipeline(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.setConfig(nil)
		if err := r.CheckPipeline(t.Context()); !errors.Is(err, p4rt.ErrPipelineLost) {
			t.Errorf("CheckPipeline: %v", err)
		}
		if err := <-s.ended; !errors.Is(err, p4rt.ErrPipelineLost) {
			t.Errorf("term ended with %v", err)
		}
		time.Sleep(time.Second)
		if r = s.term(); !r.Cleared {
			t.Error("pipeline was not set again")
		}

		d.onWrite = func(*p4v1.WriteRequest) error { return status.Error(codes.FailedPrecondition, "no pipeline") }
		if err := r.Write(t.Context(), update(1)); !errors.Is(err, p4rt.ErrPipelineLost) {
			t.Errorf("Write: %v", err)
		}
		if err := <-s.ended; !errors.Is(err, p4rt.ErrPipelineLost) {
			t.Errorf("term ended with %v", err)
		}
		if n := s.Stats().Streams; n != 1 {
			t.Errorf("%d streams", n)
		}
	})
}

// A server that does not keep cookies is sent its pipeline in each term, and
// not at each check as well.
func TestNoCookies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		d.noCookies = true
		r := start(t, d, primary()).term()
		if err := r.CheckPipeline(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAdoptPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		o := primary()
		o.Pipeline = nil
		s := start(t, d, o)
		s.standsBy()
		if err := s.State().Err; !errors.Is(err, p4rt.ErrNoPipeline) {
			t.Errorf("state: %v", err)
		}
		d.setConfig(&p4v1.ForwardingPipelineConfig{P4Info: pipeline.Info})
		time.Sleep(time.Second)
		if r := s.term(); r.Info.GetPkgInfo().GetName() != "test" || r.Cleared {
			t.Errorf("info %v, cleared %v", r.Info, r.Cleared)
		}
	})
}
