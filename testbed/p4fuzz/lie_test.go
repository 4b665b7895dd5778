package p4fuzz

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// lie is a fault that a server might have. Its functions may be nil.
type lie struct {
	name   string
	write  func(*p4v1.WriteRequest)
	answer func(*p4v1.WriteRequest, *spb.Status) *spb.Status
	read   func(*p4v1.ReadRequest)
	entity func(*p4v1.Entity) bool // false: it is lost
	told   func(*p4v1.MasterArbitrationUpdate)
	config func(*p4v1.SetForwardingPipelineConfigRequest)
	want   string // of the problem
	steps  int    // that a reproduction may have
}

// with returns options that have a client believe a lie.
func (l *lie) with() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			w, ok := req.(*p4v1.WriteRequest)
			if ok && l.write != nil {
				w = proto.CloneOf(w)
				l.write(w)
				req = w
			}
			if c, ok := req.(*p4v1.SetForwardingPipelineConfigRequest); ok && l.config != nil {
				c = proto.CloneOf(c)
				l.config(c)
				req = c
			}
			err := next(ctx, method, req, reply, cc, opts...)
			if ok && l.answer != nil {
				return status.FromProto(l.answer(w, status.Convert(err).Proto())).Err()
			}
			return err
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			s, err := next(ctx, desc, cc, method, opts...)
			return &liar{s, l}, err
		}),
	}
}

// liar is a stream of a read.
type liar struct {
	grpc.ClientStream
	*lie
}

func (l *liar) SendMsg(m any) error {
	if r, ok := m.(*p4v1.ReadRequest); ok && l.read != nil {
		r = proto.CloneOf(r)
		l.read(r)
		m = r
	}
	return l.ClientStream.SendMsg(m)
}

func (l *liar) RecvMsg(m any) error {
	err := l.ClientStream.RecvMsg(m)
	if r, ok := m.(*p4v1.StreamMessageResponse); ok && err == nil && l.told != nil && r.GetArbitration() != nil {
		l.told(r.GetArbitration())
	}
	if r, ok := m.(*p4v1.ReadResponse); ok && err == nil && l.entity != nil {
		all := r.Entities
		r.Entities = nil
		for _, e := range all {
			if l.entity(e) {
				r.Entities = append(r.Entities, e)
			}
		}
	}
	return err
}

// codeOf replaces codes in the details of a status.
func codeOf(was, is codes.Code) func(*p4v1.WriteRequest, *spb.Status) *spb.Status {
	return func(_ *p4v1.WriteRequest, s *spb.Status) *spb.Status {
		for i, d := range s.GetDetails() {
			e := &p4v1.Error{}
			if d.UnmarshalTo(e) == nil && e.GetCanonicalCode() == int32(was) {
				n, _ := anypb.New(&p4v1.Error{CanonicalCode: int32(is)})
				s.Details[i] = n
			}
		}
		return s
	}
}

func lies() []lie {
	return []lie{
		{
			name: "an insert is lost",
			write: func(w *p4v1.WriteRequest) {
				if len(w.Updates) == 1 && w.Updates[0].GetType() == insert && w.Updates[0].GetEntity().GetTableEntry() != nil {
					w.Updates = nil
				}
			},
			want: "not read: table_entry", steps: 1,
		},
		{
			name: "a delete is lost",
			write: func(w *p4v1.WriteRequest) {
				if len(w.Updates) == 1 && w.Updates[0].GetType() == remove {
					w.Updates = nil
				}
			},
			want: "", steps: 2,
		},
		{name: "a code is another", answer: codeOf(codes.AlreadyExists, codes.InvalidArgument), want: "AlreadyExists (12 INSERT of what exists)", steps: 2},
		{name: "a refusal has the code of another fault", answer: codeOf(codes.PermissionDenied, codes.InvalidArgument), want: "PermissionDenied", steps: 1},
		{name: "the server blames itself", answer: codeOf(codes.InvalidArgument, codes.Internal), want: "was answered Internal", steps: 1},
		{
			name: "what is refused is called done",
			answer: func(w *p4v1.WriteRequest, s *spb.Status) *spb.Status {
				if len(w.GetUpdates()) == 1 && s.GetCode() == int32(codes.Unknown) {
					return &spb.Status{}
				}
				return s
			},
			want: "was answered OK", steps: 1,
		},
		{
			name: "a detail is missing",
			answer: func(_ *p4v1.WriteRequest, s *spb.Status) *spb.Status {
				if len(s.GetDetails()) > 1 {
					s.Details = s.Details[1:]
				}
				return s
			},
			want: "12.3 1 details for 2 in the batch", steps: 1,
		},
		{
			name: "the code of the whole is that of an update",
			answer: func(_ *p4v1.WriteRequest, s *spb.Status) *spb.Status {
				if len(s.GetDetails()) > 0 {
					s.Code = int32(codes.InvalidArgument)
				}
				return s
			},
			want: "12.3 a status with details is UNKNOWN", steps: 1,
		},
		{
			name:  "a batch that fails is done in part",
			write: func(w *p4v1.WriteRequest) { w.Atomicity = p4v1.WriteRequest_CONTINUE_ON_ERROR },
			want:  "of a batch that failed as a whole", steps: 1,
		},
		{
			name:  "anyone may write",
			write: func(w *p4v1.WriteRequest) { w.ElectionId = proto.CloneOf(&election) },
			want:  "12 only the primary writes", steps: 1,
		},
		{
			name: "values are read in another form",
			entity: func(e *p4v1.Entity) bool {
				for _, p := range e.GetTableEntry().GetAction().GetAction().GetParams() {
					p.Value = append([]byte{0}, p.Value...)
				}
				return true
			},
			want: "what is read is not what was written", steps: 1,
		},
		{
			name: "metadata is forgotten",
			entity: func(e *p4v1.Entity) bool {
				if e.GetTableEntry() != nil {
					e.GetTableEntry().Metadata = nil
				}
				return true
			},
			want: "metadata:", steps: 1,
		},
		{
			name:   "a group is not read",
			entity: func(e *p4v1.Entity) bool { return e.GetPacketReplicationEngineEntry().GetMulticastGroupEntry() == nil },
			want:   "not read: packet_replication_engine_entry", steps: 1,
		},
		{
			name: "a filter is not looked at",
			read: func(r *p4v1.ReadRequest) {
				for _, e := range r.Entities {
					if e.GetTableEntry() != nil {
						e.GetTableEntry().Metadata = nil
					}
				}
			},
			want: "read, but not there: table_entry", steps: 3,
		},
		{
			name: "to verify is to commit",
			config: func(c *p4v1.SetForwardingPipelineConfigRequest) {
				if c.GetAction() == p4v1.SetForwardingPipelineConfigRequest_VERIFY {
					c.Action = p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT
				}
			},
			want: "what is read is not what was written", steps: 2,
		},
		{
			name: "meters are never configured",
			write: func(w *p4v1.WriteRequest) {
				for _, u := range w.Updates {
					if m := u.GetEntity().GetMeterEntry(); m.GetConfig().GetEburst() == 0 && m.GetConfig().GetCir() > 0 && m.GetConfig().GetCir() <= m.GetConfig().GetPir() {
						m.Config = nil
					}
				}
			},
			want: "not read: meter_entry", steps: 1,
		},
	}
}

// TestFindsFaults shows that faults are found, and that what is left of a run to
// show them is little.
func TestFindsFaults(t *testing.T) {
	for _, l := range lies() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			conn := embedded(t, l.with()...)
			_, err := Run(t.Context(), conn, Options{DeviceID: *deviceID, Config: entities(t), Seed: 1, Episodes: 20,
				InOrder: true, Deviations: Embedded(), Shrink: 30 * time.Second})
			var f *Failure
			if !errors.As(err, &f) {
				t.Fatalf("not found: %v", err)
			}
			if !strings.Contains(f.Problem, l.want) {
				t.Errorf("want %q in\n%v", l.want, f)
			}
			updates := 0
			for _, s := range f.Steps {
				updates += len(s.Write.GetUpdates())
			}
			if len(f.Steps) > l.steps || updates > 2*l.steps {
				t.Errorf("%d steps with %d updates:\n%v", len(f.Steps), updates, f)
			}
		})
	}
}
