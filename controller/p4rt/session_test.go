package p4rt_test

import (
	"context"
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

func TestFirstTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		var states []p4rt.Phase
		o := primary()
		o.OnState = func(s p4rt.State) { states = append(states, s.Phase) }
		s := start(t, d, o)
		r := s.term()
		if !r.Cleared || r.Info.GetPkgInfo().GetName() != "test" || r.ElectionID().Low != 1 {
			t.Errorf("ready: cleared %v, info %v, id %v", r.Cleared, r.Info, r.ElectionID())
		}
		want := []string{"stream", "arbitrate 1", "get COOKIE_ONLY", "set VERIFY_AND_COMMIT", "get COOKIE_ONLY"}
		if diff := cmp.Diff(want, d.transcript()); diff != "" {
			t.Errorf("transcript (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]p4rt.Phase{p4rt.PhasePreparing, p4rt.PhaseReady}, states); diff != "" {
			t.Errorf("phases (-want +got):\n%s", diff)
		}
		if err := s.Run(t.Context(), nil); !errors.Is(err, p4rt.ErrRunning) {
			t.Errorf("second Run: %v", err)
		}
		if err := s.stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		if err := <-s.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("term ended with %v", err)
		}
	})
}

func TestPipelineStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		s := start(t, d, primary())
		s.term()
		d.transcript()
		d.cut <- errDown
		time.Sleep(time.Second)
		if r := s.term(); r.Cleared {
			t.Error("pipeline was set again")
		}
		want := []string{"stream", "arbitrate 1", "get COOKIE_ONLY"}
		if diff := cmp.Diff(want, d.transcript()); diff != "" {
			t.Errorf("transcript after reconnecting (-want +got):\n%s", diff)
		}
		err := <-s.ended
		if !errors.Is(err, p4rt.ErrStreamLost) || status.Code(err) != codes.Unavailable {
			t.Errorf("first term ended with %v", err)
		}
		if st := s.Stats(); st.Streams != 2 || st.Terms != 2 || st.Pipelines != 1 {
			t.Errorf("stats: %+v", st)
		}
	})
}

func TestArbitration(t *testing.T) {
	type step struct {
		push    *p4v1.StreamMessageResponse // the device says this
		elect   uint64                      // or our id changes
		calls   []string                    // what we then say
		phase   p4rt.Phase
		vacant  bool
		terms   int   // terms that have begun
		ended   error // the term that has ended
		highest uint64
	}
	get := []string{"get COOKIE_ONLY"}
	tests := []struct {
		name     string
		options  p4rt.Options
		answer   func(n int, m *p4v1.MasterArbitrationUpdate) []*p4v1.StreamMessageResponse
		arrival  p4rt.Phase
		terms    int
		sequence []step
	}{{
		name:    "another becomes primary and leaves",
		options: primary(),
		arrival: p4rt.PhaseReady, terms: 1,
		sequence: []step{
			{push: arbitration(codes.AlreadyExists, low(5)), phase: p4rt.PhaseStandby, ended: p4rt.ErrNotPrimary, highest: 5},
			{push: arbitration(codes.NotFound, low(5)), phase: p4rt.PhaseStandby, vacant: true, highest: 5},
			{elect: 6, calls: append([]string{"arbitrate 6"}, get...), phase: p4rt.PhaseReady, terms: 1, highest: 6},
		},
	}, {
		name:    "told again that we are primary",
		options: primary(),
		arrival: p4rt.PhaseReady, terms: 1,
		sequence: []step{
			{push: arbitration(codes.OK, low(1)), phase: p4rt.PhaseReady, highest: 1},
		},
	}, {
		name:    "no id is never primary",
		options: p4rt.Options{Pipeline: pipeline},
		answer: func(int, *p4v1.MasterArbitrationUpdate) []*p4v1.StreamMessageResponse {
			return []*p4v1.StreamMessageResponse{arbitration(codes.NotFound, nil)}
		},
		arrival: p4rt.PhaseStandby,
		sequence: []step{
			{push: arbitration(codes.AlreadyExists, low(5)), phase: p4rt.PhaseStandby, highest: 5},
		},
	}, {
		name:    "takes over a vacancy",
		options: p4rt.Options{Pipeline: pipeline, ElectionID: p4rt.ElectionID{Low: 1}, TakeOver: true},
		answer: func(n int, m *p4v1.MasterArbitrationUpdate) []*p4v1.StreamMessageResponse {
			if n == 1 {
				return []*p4v1.StreamMessageResponse{arbitration(codes.AlreadyExists, low(9))}
			}
			return []*p4v1.StreamMessageResponse{arbitration(codes.OK, m.GetElectionId())}
		},
		arrival: p4rt.PhaseStandby,
		sequence: []step{
			{push: arbitration(codes.NotFound, low(9)), calls: append([]string{"arbitrate 10"}, get...),
				phase: p4rt.PhaseReady, terms: 1, highest: 10},
		},
	}, {
		name:    "an OK for an id that we gave up",
		options: primary(),
		answer: func(n int, m *p4v1.MasterArbitrationUpdate) []*p4v1.StreamMessageResponse {
			if n == 2 {
				return []*p4v1.StreamMessageResponse{arbitration(codes.OK, low(1)), arbitration(codes.AlreadyExists, low(8))}
			}
			return []*p4v1.StreamMessageResponse{arbitration(codes.OK, m.GetElectionId())}
		},
		arrival: p4rt.PhaseReady, terms: 1,
		sequence: []step{
			{elect: 2, calls: []string{"arbitrate 2"}, phase: p4rt.PhaseStandby, ended: p4rt.ErrNotPrimary, highest: 8},
		},
	}, {
		name:    "steps down",
		options: primary(),
		answer: func(n int, m *p4v1.MasterArbitrationUpdate) []*p4v1.StreamMessageResponse {
			if m.GetElectionId() == nil {
				return []*p4v1.StreamMessageResponse{arbitration(codes.NotFound, low(1))}
			}
			return []*p4v1.StreamMessageResponse{arbitration(codes.OK, m.GetElectionId())}
		},
		arrival: p4rt.PhaseReady, terms: 1,
		sequence: []step{
			{elect: 0, calls: []string{"arbitrate unset"}, phase: p4rt.PhaseStandby, vacant: true, ended: p4rt.ErrNotPrimary, highest: 1},
		},
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newScript()
				d.onArbitration = tt.answer
				d.config = &p4v1.ForwardingPipelineConfig{Cookie: &p4v1.ForwardingPipelineConfig_Cookie{Cookie: 99}}
				tt.options.Pipeline = &p4rt.Pipeline{Info: pipeline.Info, Cookie: 99}
				s := start(t, d, tt.options)
				synctest.Wait()
				if got := s.State().Phase; got != tt.arrival || len(s.ready) != tt.terms {
					t.Fatalf("arrived in %v with %d terms, want %v, %d", got, len(s.ready), tt.arrival, tt.terms)
				}
				for len(s.ready) > 0 {
					<-s.ready
				}
				d.transcript()
				for i, step := range tt.sequence {
					if step.push != nil {
						d.push <- step.push
					} else {
						s.Elect(p4rt.ElectionID{Low: step.elect})
					}
					time.Sleep(time.Second)
					synctest.Wait()
					if diff := cmp.Diff(step.calls, d.transcript()); diff != "" {
						t.Errorf("step %d: transcript (-want +got):\n%s", i, diff)
					}
					st := s.State()
					if st.Phase != step.phase || st.Vacant != step.vacant || st.Highest.Low != step.highest {
						t.Errorf("step %d: state %+v", i, st)
					}
					if len(s.ready) != step.terms {
						t.Errorf("step %d: %d terms have begun, want %d", i, len(s.ready), step.terms)
					}
					if (step.ended != nil) != (len(s.ended) == 1) {
						t.Fatalf("step %d: %d terms have ended", i, len(s.ended))
					}
					if step.ended != nil {
						if err := <-s.ended; !errors.Is(err, step.ended) {
							t.Errorf("step %d: term ended with %v", i, err)
						}
					}
				}
			})
		})
	}
}

// Two sessions that raise their ids to the same number: the device cuts the
// later one off, which must return under its own id.
func TestTakeOverClash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		d.onArbitration = func(n int, m *p4v1.MasterArbitrationUpdate) []*p4v1.StreamMessageResponse {
			switch n {
			case 1:
				return []*p4v1.StreamMessageResponse{arbitration(codes.NotFound, low(9))}
			case 2:
				go func() { d.cut <- status.Error(codes.InvalidArgument, "election id in use") }()
				return nil
			}
			return []*p4v1.StreamMessageResponse{arbitration(codes.AlreadyExists, low(10))}
		}
		o := primary()
		o.TakeOver = true
		s := start(t, d, o)
		time.Sleep(time.Second)
		s.standsBy()
		want := []string{"stream", "arbitrate 1", "arbitrate 10", "stream", "arbitrate 1"}
		if diff := cmp.Diff(want, d.transcript()); diff != "" {
			t.Errorf("transcript (-want +got):\n%s", diff)
		}
	})
}

func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		d.onArbitration = func(n int, m *p4v1.MasterArbitrationUpdate) []*p4v1.StreamMessageResponse {
			if n == 1 {
				return nil
			}
			return []*p4v1.StreamMessageResponse{arbitration(codes.OK, m.GetElectionId())}
		}
		o := primary()
		var errs []error
		o.OnState = func(s p4rt.State) {
			if s.Phase == p4rt.PhaseConnecting {
				errs = append(errs, s.Err)
			}
		}
		s := start(t, d, o)
		time.Sleep(31 * time.Second)
		s.term()
		if len(errs) != 1 || !errors.Is(errs[0], p4rt.ErrNoAnswer) {
			t.Errorf("errors: %v", errs)
		}
	})
}

func TestUnknownDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		d.onArbitration = func(int, *p4v1.MasterArbitrationUpdate) []*p4v1.StreamMessageResponse {
			go func() { d.cut <- status.Error(codes.NotFound, "no such device") }()
			return nil
		}
		s := start(t, d, primary())
		time.Sleep(time.Minute)
		s.standsBy()
		if st := s.State(); st.Phase != p4rt.PhaseConnecting || status.Code(st.Err) != codes.NotFound {
			t.Errorf("state %+v", st)
		}
		// 0.1, 0.2, ... 3.2 and then 5 s, less up to a half: 12 to 30 in a
		// minute.
		if n := s.Stats().Streams; n < 12 || n > 32 {
			t.Errorf("%d attempts in a minute", n)
		}
	})
}

func TestReadyFails(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		streams uint64
	}{
		{"for a reason of its own", errors.New("odd table"), 1},
		{"since the device is out of reach", errDown, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, newScript(), primary(), tt.err, tt.err)
				time.Sleep(time.Second)
				synctest.Wait()
				if st := s.Stats(); st.Terms != 3 || st.Streams != tt.streams {
					t.Errorf("%d terms on %d streams", st.Terms, st.Streams)
				}
				if st := s.State(); st.Phase != p4rt.PhaseReady || st.Err != nil {
					t.Errorf("state %+v", st)
				}
			})
		})
	}
}

// A ready func that returns early without error leaves the term going.
func TestReadyReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		s := start(t, d, primary(), nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := s.Stats(); st.Terms != 1 || st.Streams != 1 || s.State().Phase != p4rt.PhaseReady {
			t.Errorf("state %+v, stats %+v", s.State(), st)
		}
		s.term()
		d.push <- arbitration(codes.AlreadyExists, low(5))
		s.standsBy()
		d.push <- arbitration(codes.OK, low(1))
		s.term()
	})
}
