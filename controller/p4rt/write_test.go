package p4rt_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/keyway-nve/keyway/controller/p4rt"
)

func update(n int) *p4v1.Update {
	return &p4v1.Update{Type: p4v1.Update_INSERT, Entity: entity(n)}
}

func entity(n int) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{TableId: 1, Priority: int32(n)}}}
}

func updates(n int) []*p4v1.Update {
	us := make([]*p4v1.Update, n)
	for i := range us {
		us[i] = update(i)
	}
	return us
}

// perUpdate is the status of a batch in which some updates failed.
func perUpdate(errs ...*p4v1.Error) error {
	details := make([]protoadapt.MessageV1, len(errs))
	for i, e := range errs {
		details[i] = protoadapt.MessageV1Of(e)
	}
	st, err := status.New(codes.Unknown, "write failure").WithDetails(details...)
	if err != nil {
		return err
	}
	return st.Err()
}

func named() p4rt.Options {
	o := primary()
	o.Name = "leaf1"
	o.Describe = func(e *p4v1.Entity) string { return fmt.Sprintf("vn_lookup row %d", e.GetTableEntry().GetPriority()) }
	return o
}

func TestWriteErrors(t *testing.T) {
	ok := &p4v1.Error{}
	full := &p4v1.Error{CanonicalCode: int32(codes.ResourceExhausted), Message: "table is full", Space: "targetX", Code: 500}
	exists := &p4v1.Error{CanonicalCode: int32(codes.AlreadyExists)}
	type failure struct {
		Index int
		Code  codes.Code
	}
	tests := []struct {
		name   string
		errs   []error // of each request; the batch size is 2
		failed []failure
		tried  int
		code   codes.Code // of the request that failed as a whole
		sent   int        // requests
		text   string
	}{{
		name: "one refused",
		errs: []error{perUpdate(ok, full)}, failed: []failure{{1, codes.ResourceExhausted}}, tried: 5, sent: 3,
		text: "leaf1: write: 1 of 5 updates refused: insert vn_lookup row 1: ResourceExhausted: table is full (targetX 500)",
	}, {
		name: "refused in several requests",
		errs: []error{perUpdate(exists, ok), nil, perUpdate(full)}, tried: 5, sent: 3,
		failed: []failure{{0, codes.AlreadyExists}, {4, codes.ResourceExhausted}},
		text: "leaf1: write: 2 of 5 updates refused: insert vn_lookup row 0: AlreadyExists; " +
			"insert vn_lookup row 4: ResourceExhausted: table is full (targetX 500)",
	}, {
		name: "a request fails after a refusal",
		errs: []error{perUpdate(exists, ok), status.Error(codes.Internal, "oops")}, tried: 2, sent: 2,
		failed: []failure{{0, codes.AlreadyExists}}, code: codes.Internal,
		text: "leaf1: write: updates 3 to 5 of 5: rpc error: code = Internal desc = oops; " +
			"1 of 5 updates refused: insert vn_lookup row 0: AlreadyExists",
	}, {
		name: "details for the wrong number of updates",
		errs: []error{perUpdate(exists)}, sent: 1, code: codes.Unknown,
		text: "leaf1: write: updates 1 to 5 of 5: rpc error: code = Unknown desc = write failure",
	}, {
		name: "details that refuse nothing",
		errs: []error{perUpdate(ok, ok)}, sent: 1, code: codes.Unknown,
		text: "leaf1: write: updates 1 to 5 of 5: rpc error: code = Unknown desc = write failure",
	}, {
		name: "details left out since they exceed the header limit",
		errs: []error{status.Error(codes.ResourceExhausted, "trailers too long")}, sent: 1, code: codes.ResourceExhausted,
		text: "leaf1: write: updates 1 to 5 of 5: rpc error: code = ResourceExhausted desc = trailers too long",
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newScript()
				d.onWrite = func(*p4v1.WriteRequest) error {
					if n := len(d.writes); n <= len(tt.errs) {
						return tt.errs[n-1]
					}
					return nil
				}
				o := named()
				o.BatchSize = 2
				err := start(t, d, o).term().Write(t.Context(), updates(5)...)
				var we *p4rt.WriteError
				if !errors.As(err, &we) {
					t.Fatalf("Write: %v", err)
				}
				var failed []failure
				for _, f := range we.Failed {
					failed = append(failed, failure{f.Index, f.Code})
					if int(f.Update.GetEntity().GetTableEntry().GetPriority()) != f.Index {
						t.Errorf("failure %d is of update %v", f.Index, f.Update)
					}
				}
				if diff := cmp.Diff(tt.failed, failed); diff != "" {
					t.Errorf("failed (-want +got):\n%s", diff)
				}
				if we.Tried != tt.tried || we.Total != 5 || status.Code(we.Err) != tt.code || len(d.writes) != tt.sent {
					t.Errorf("tried %d of %d, request failed with %v, %d requests", we.Tried, we.Total, we.Err, len(d.writes))
				}
				if we.Error() != tt.text {
					t.Errorf("text:\n%s\nwant:\n%s", we, tt.text)
				}
			})
		})
	}
}

// gRPC's own limit on a header list is 8 KiB in some servers' clients; a batch
// of refusals with long messages must come through whole.
func TestWriteManyErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		d.onWrite = func(r *p4v1.WriteRequest) error {
			errs := make([]*p4v1.Error, len(r.GetUpdates()))
			for i := range errs {
				errs[i] = &p4v1.Error{CanonicalCode: int32(codes.InvalidArgument), Message: fmt.Sprintf("%0300d", i)}
			}
			return perUpdate(errs...)
		}
		err := start(t, d, named()).term().Write(t.Context(), updates(1000)...)
		var we *p4rt.WriteError
		if !errors.As(err, &we) || len(we.Failed) != 1000 || we.Err != nil {
			t.Fatalf("Write: %v", err)
		}
	})
}

func TestWriteRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		o := primary()
		o.Role, o.ElectionID.High = "tenant", 4
		s := start(t, d, o)
		r := s.term()
		big := update(0)
		big.GetEntity().GetTableEntry().Metadata = make([]byte, 2<<20)
		if err := r.Write(t.Context(), big, big, update(1)); err != nil {
			t.Fatal(err)
		}
		if err := r.Write(t.Context()); err != nil || len(d.writes) != 2 {
			t.Errorf("empty write: %v, %d requests", err, len(d.writes))
		}
		if n := len(d.writes[1].GetUpdates()); n != 2 {
			t.Errorf("second request holds %d updates: one request must not exceed what servers take", n)
		}
		w := d.writes[0]
		if w.GetDeviceId() != deviceID || w.GetRole() != "tenant" || idText(w.GetElectionId()) != "4:1" {
			t.Errorf("request as device %d, role %q, id %v", w.GetDeviceId(), w.GetRole(), w.GetElectionId())
		}
		st := s.Stats()
		if st.Requests != 2 || st.Updates != 3 || st.UpdatesFailed != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

// A write that finds itself fenced ends the term even before the device's
// notice arrives.
func TestWriteNotPrimary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		d.onWrite = func(*p4v1.WriteRequest) error { return status.Error(codes.PermissionDenied, "not primary") }
		s := start(t, d, primary())
		err := s.term().Write(t.Context(), update(1))
		if !errors.Is(err, p4rt.ErrNotPrimary) {
			t.Errorf("Write: %v", err)
		}
		if err := <-s.ended; !errors.Is(err, p4rt.ErrNotPrimary) {
			t.Errorf("term ended with %v", err)
		}
	})
}

func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		d.onWrite = func(*p4v1.WriteRequest) error { <-t.Context().Done(); return nil }
		err := start(t, d, primary()).term().Write(t.Context(), update(1))
		var we *p4rt.WriteError
		if !errors.As(err, &we) || status.Code(we.Err) != codes.DeadlineExceeded {
			t.Errorf("Write: %v", err)
		}
	})
}
