package p4rt_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/keyway-nve/keyway/testbed/p4rt"
)

// join opens a stream and arbitrates for a role, "" being none; id 0 is unset.
// It returns the answer, too.
func (f *fixture) join(role string, id uint64) (*stream, *p4v1.MasterArbitrationUpdate) {
	f.t.Helper()
	s := f.open()
	s.sendArbitration(mastership(role, id))
	return s, s.told()
}

func mastership(role string, id uint64) *p4v1.MasterArbitrationUpdate {
	m := &p4v1.MasterArbitrationUpdate{DeviceId: device}
	if id != 0 {
		m.ElectionId = election(id)
	}
	if role != "" {
		m.Role = &p4v1.Role{Name: role}
	}
	return m
}

// told returns the next notification of arbitration.
func (s *stream) told() *p4v1.MasterArbitrationUpdate {
	s.f.t.Helper()
	m := s.next().GetArbitration()
	if m == nil {
		s.f.t.Fatal("another message than one of arbitration")
	}
	return m
}

// expect checks a notification: its status and the highest election id, 0 being
// unset.
func (s *stream) expect(want codes.Code, highest uint64) {
	s.f.t.Helper()
	check(s.f.t, s.told(), want, highest)
}

func check(t testing.TB, m *p4v1.MasterArbitrationUpdate, want codes.Code, highest uint64) {
	t.Helper()
	if got := codes.Code(m.GetStatus().GetCode()); got != want || m.GetElectionId().GetLow() != highest || (m.GetElectionId() == nil) != (highest == 0) {
		t.Errorf("told %v; want %v with election id %d", m, want, highest)
	}
}

// writes returns the code of an empty write under a role.
func (f *fixture) writes(role string, id uint64) codes.Code {
	f.t.Helper()
	return status.Code(f.write(&p4v1.WriteRequest{DeviceId: device, Role: role, ElectionId: election(id)}))
}

// ends sends a message that must end the stream with a code.
func (s *stream) ends(m *p4v1.MasterArbitrationUpdate, want codes.Code) {
	s.f.t.Helper()
	s.sendArbitration(m)
	if got := s.ended(); got != want {
		s.f.t.Errorf("the stream ended with %v, want %v", got, want)
	}
}

func configured(t *testing.T, f func(m *p4v1.MasterArbitrationUpdate)) *p4v1.MasterArbitrationUpdate {
	t.Helper()
	m := mastership("", 7)
	m.Role = tablesRole(t)
	f(m)
	return m
}

var arbitrationRules = []rule{
	{"5", "a write is by device, role and election id, not by election id alone", func(t *testing.T) {
		f, _ := start(t)
		f.join("x", 5)
		for _, c := range []struct {
			role string
			id   uint64
			want codes.Code
		}{{"", 1, codes.OK}, {"x", 5, codes.OK}, {"", 5, codes.PermissionDenied}, {"x", 1, codes.PermissionDenied}} {
			if got := f.writes(c.role, c.id); got != c.want {
				t.Errorf("role %q, election id %d: %v", c.role, c.id, got)
			}
		}
	}},
	{"5", "primaries are selected for each role on its own, and may have the same election id", func(t *testing.T) {
		f := newFixture(t)
		_, a := f.join("", 3)
		_, b := f.join("x", 3)
		_, c := f.join("y", 1)
		check(t, a, codes.OK, 3)
		check(t, b, codes.OK, 3)
		check(t, c, codes.OK, 1)
	}},
	{"5", "a write may come by any connection", func(t *testing.T) {
		f, _ := start(t)
		conn, err := grpc.NewClient("passthrough:///server", grpc.WithContextDialer(f.dial), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := p4v1.NewP4RuntimeClient(conn).Write(f.context(), f.request(f.insert(exact(1, forward(1))))); err != nil {
			t.Error(err)
		}
	}},
	{"5", "when the channel of the primary breaks, all others are told and there is none", func(t *testing.T) {
		f, primary := start(t)
		a, _ := f.join("", 0)
		b, _ := f.join("", 9)
		for _, s := range []*stream{primary, a} {
			s.expect(codes.AlreadyExists, 9)
		}
		other, _ := f.join("x", 1)
		b.cancel()
		for _, s := range []*stream{primary, a} {
			s.expect(codes.NotFound, 9)
		}
		other.quiet()
		for _, id := range []uint64{1, 9} {
			if got := f.writes("", id); got != codes.PermissionDenied {
				t.Errorf("a write with election id %d: %v", id, got)
			}
		}
	}},
	{"5", "there is no primary until one comes with an election id at least as high", func(t *testing.T) {
		f, first := start(t)
		b, _ := f.join("", 9)
		first.expect(codes.AlreadyExists, 9)
		b.cancel()
		first.expect(codes.NotFound, 9)
		check(t, first.arbitrate(election(8)), codes.NotFound, 9)
		if got := f.writes("", 8); got != codes.PermissionDenied {
			t.Errorf("a write: %v", got)
		}
		check(t, first.arbitrate(election(9)), codes.OK, 9)
		if got := f.writes("", 9); got != codes.OK {
			t.Errorf("a write: %v", got)
		}
	}},
	{"5", "only the primary takes part in packet I/O", func(t *testing.T) {
		f, primary := start(t)
		backup, _ := f.join("", 0)
		f.server.Process(1, probe(toCPU, 1, 0, 0))
		if primary.next().GetPacket() == nil {
			t.Error("no packet for the primary")
		}
		backup.quiet()
		backup.send(packetOut(probe(toTables, 1, 0, 0), metadata(1, 1), metadata(2, 0), metadata(3, 0)))
		backup.next()
		if got := f.frames(); len(got) != 0 {
			t.Errorf("the packet of a backup left: %v", got)
		}
	}},
	{"5.1", "no role is the default role, with an empty name", func(t *testing.T) {
		f, _ := start(t)
		s := f.open()
		s.sendArbitration(&p4v1.MasterArbitrationUpdate{DeviceId: device, ElectionId: election(1), Role: &p4v1.Role{}})
		if got := s.ended(); got != codes.InvalidArgument {
			t.Errorf("the same election id in the same role: %v", got)
		}
	}},
	{"5.2", "a role without a configuration has full access", func(t *testing.T) {
		f, _ := start(t, roleOfTables)
		f.join("x", 1)
		req := f.request(f.insert(exact(1, forward(1))), f.insert(multicast(1, "")))
		req.Role = "x"
		if err := f.write(req); err != nil {
			t.Error(err)
		}
	}},
	{"5.2", "the server remembers the configuration of each role", func(t *testing.T) {
		f := newFixture(t, roleOfTables)
		f.open().sendArbitrationAndWait(configured(t, func(*p4v1.MasterArbitrationUpdate) {}))
		_, m := f.join("tables", 1)
		if diff := cmp.Diff(tablesRole(t), m.GetRole(), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if _, m := f.join("x", 1); m.GetRole().GetConfig() != nil {
			t.Errorf("another role: %v", m)
		}
	}},
	{"5.3 1.1", "an unknown device ends the stream with NOT_FOUND", func(t *testing.T) {
		newFixture(t).open().ends(&p4v1.MasterArbitrationUpdate{DeviceId: 8, ElectionId: election(1)}, codes.NotFound)
	}},
	{"5.3 1.2", "an election id in use ends the stream with INVALID_ARGUMENT", func(t *testing.T) {
		f := newFixture(t)
		f.join("", 3)
		f.open().ends(mastership("", 3), codes.InvalidArgument)
		f.join("", 0)
		f.join("", 0) // unset is not used
	}},
	{"5.3 1.3", "a role configuration against the scheme is INVALID_ARGUMENT", func(t *testing.T) {
		f := newFixture(t, roleOfTables)
		f.open().ends(configured(t, func(m *p4v1.MasterArbitrationUpdate) { m.Role.Config = &anypb.Any{TypeUrl: "x"} }), codes.InvalidArgument)
	}},
	{"5.3 1.4", "a stream too many is RESOURCE_EXHAUSTED", func(t *testing.T) {
		f := newFixture(t, func(o *p4rt.Options) { o.MaxClients = 1 })
		f.join("", 3)
		f.open().ends(mastership("", 4), codes.ResourceExhausted)
		f.join("x", 1) // the limit is that of a role
	}},
	{"5.3 1.5", "only a controller that was accepted is live", func(t *testing.T) {
		f := newFixture(t)
		a, _ := f.join("", 3)
		f.open().ends(mastership("", 3), codes.InvalidArgument)
		a.quiet()
		if _, m := f.join("", 2); codes.Code(m.GetStatus().GetCode()) != codes.AlreadyExists {
			t.Errorf("another: %v", m)
		}
	}},
	{"5.3 2.1", "another device is FAILED_PRECONDITION", func(t *testing.T) {
		s, _ := newFixture(t).join("", 3)
		s.ends(&p4v1.MasterArbitrationUpdate{DeviceId: 8, ElectionId: election(3)}, codes.FailedPrecondition)
	}},
	{"5.3 2.2", "another role is FAILED_PRECONDITION", func(t *testing.T) {
		s, _ := newFixture(t).join("x", 3)
		s.ends(mastership("", 3), codes.FailedPrecondition)
	}},
	{"5.3 2.3", "a later role configuration against the scheme is INVALID_ARGUMENT", func(t *testing.T) {
		s := newFixture(t, roleOfTables).open()
		s.sendArbitrationAndWait(configured(t, func(*p4v1.MasterArbitrationUpdate) {}))
		s.ends(configured(t, func(m *p4v1.MasterArbitrationUpdate) { m.Role.Config = &anypb.Any{TypeUrl: "x"} }), codes.InvalidArgument)
	}},
	{"5.3 2.4", "to take an election id in use is INVALID_ARGUMENT, one's own is none", func(t *testing.T) {
		f := newFixture(t)
		f.join("", 3)
		s, _ := f.join("", 2)
		check(t, s.arbitrate(election(2)), codes.AlreadyExists, 3)
		s.ends(mastership("", 3), codes.InvalidArgument)
	}},
	{"5.3 2.5", "a live controller may change its election id", func(t *testing.T) {
		f := newFixture(t)
		a, _ := f.join("", 3)
		s, _ := f.join("", 2)
		check(t, s.arbitrate(election(4)), codes.OK, 4)
		a.expect(codes.AlreadyExists, 4)
		check(t, a.arbitrate(election(2)), codes.AlreadyExists, 4) // it is free again
	}},
}

// sendArbitrationAndWait sends a message and waits for its answer.
func (s *stream) sendArbitrationAndWait(m *p4v1.MasterArbitrationUpdate) {
	s.f.t.Helper()
	s.sendArbitration(m)
	s.told()
}

var notificationRules = []rule{
	{"5.3", "an election id at least as high as any seen makes the primary", func(t *testing.T) {
		f := newFixture(t)
		s, m := f.join("", 3)
		check(t, m, codes.OK, 3)
		check(t, s.arbitrate(election(3)), codes.OK, 3)
		check(t, s.arbitrate(&p4v1.Uint128{Low: 4}), codes.OK, 4)
		check(t, s.arbitrate(election(3)), codes.NotFound, 4)
	}},
	{"5.3", "election ids have 128 bits", func(t *testing.T) {
		f := newFixture(t)
		if m := f.open().arbitrate(&p4v1.Uint128{High: 1}); codes.Code(m.GetStatus().GetCode()) != codes.OK {
			t.Error(m)
		}
		if m := f.open().arbitrate(&p4v1.Uint128{Low: 1<<64 - 1}); codes.Code(m.GetStatus().GetCode()) != codes.AlreadyExists || m.GetElectionId().GetHigh() != 1 {
			t.Error(m)
		}
	}},
	{"5.3 1.1", "without a primary before, all are told at once of a new one", func(t *testing.T) {
		f := newFixture(t)
		a, m := f.join("", 0)
		check(t, m, codes.NotFound, 0)
		_, m = f.join("", 3)
		check(t, m, codes.OK, 3)
		a.expect(codes.AlreadyExists, 3)
	}},
	{"5.3 1.2", "hand-over: writes stop, others are told, writes end, then the new primary is told", TestHandoverWaitsForWrites},
	{"5.3 1.2.4", "the new primary may write, the old one may not", func(t *testing.T) {
		f, _ := start(t)
		f.join("", 2)
		if a, b := f.writes("", 1), f.writes("", 2); a != codes.PermissionDenied || b != codes.OK {
			t.Errorf("old %v, new %v", a, b)
		}
	}},
	{"5.3", "a primary that downgrades itself is one no more, and all are told", func(t *testing.T) {
		f, primary := start(t)
		b, _ := f.join("", 0)
		check(t, primary.arbitrate(nil), codes.NotFound, 1)
		b.expect(codes.NotFound, 1)
		if got := f.writes("", 1); got != codes.PermissionDenied {
			t.Errorf("a write: %v", got)
		}
	}},
	{"5.3", "of a backup that comes, stays or leaves nobody else is told", func(t *testing.T) {
		f, primary := start(t)
		b, m := f.join("", 0)
		check(t, m, codes.AlreadyExists, 1)
		check(t, b.arbitrate(nil), codes.AlreadyExists, 1)
		b.cancel()
		primary.quiet()
	}},
	{"5.4", "a notification has the device and the role", func(t *testing.T) {
		_, m := newFixture(t).join("x", 1)
		if m.GetDeviceId() != device || m.GetRole().GetName() != "x" {
			t.Error(m)
		}
	}},
	{"5.4", "role.config is what a primary sent last, and all are told of it", func(t *testing.T) {
		f := newFixture(t, roleOfTables)
		primary := f.open()
		primary.sendArbitrationAndWait(configured(t, func(m *p4v1.MasterArbitrationUpdate) { m.Role.Config = nil }))
		backup := f.open()
		backup.sendArbitration(configured(t, func(m *p4v1.MasterArbitrationUpdate) { m.ElectionId = election(6) }))
		if m := backup.told(); m.GetRole().GetConfig() != nil {
			t.Errorf("that of a backup: %v", m)
		}
		primary.sendArbitration(configured(t, func(*p4v1.MasterArbitrationUpdate) {}))
		for _, s := range []*stream{primary, backup} {
			if diff := cmp.Diff(tablesRole(t), s.told().GetRole(), protocmp.Transform()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	}},
	{"5.4", "election_id is unset if there never was a primary, else the highest seen", func(t *testing.T) {
		f := newFixture(t)
		b, m := f.join("", 0)
		check(t, m, codes.NotFound, 0)
		a, _ := f.join("", 5)
		b.expect(codes.AlreadyExists, 5)
		a.cancel()
		b.expect(codes.NotFound, 5)
	}},
	{"5.4", "status is OK for the primary, ALREADY_EXISTS or, without one, NOT_FOUND for backups", func(t *testing.T) {
		f := newFixture(t)
		_, none := f.join("", 0)
		check(t, none, codes.NotFound, 0)
		_, primary := f.join("", 2)
		check(t, primary, codes.OK, 2)
		_, backup := f.join("", 1)
		check(t, backup, codes.AlreadyExists, 2)
	}},
	{"16.2", "the highest election id is remembered when all clients are gone", func(t *testing.T) {
		f := newFixture(t)
		watch, _ := f.join("", 0)
		a, _ := f.join("", 5)
		watch.expect(codes.AlreadyExists, 5)
		a.cancel()
		watch.expect(codes.NotFound, 5)
		watch.cancel()
		_, m := f.join("", 4)
		check(t, m, codes.NotFound, 5)
		_, m = f.join("", 5)
		check(t, m, codes.OK, 5)
	}},
	{"16.2", "a full restart resets it", func(t *testing.T) {
		newFixture(t).join("", 5)
		_, m := newFixture(t).join("", 1)
		check(t, m, codes.OK, 1)
	}},
	{"16.2.1", "a client without an election id never is primary", func(t *testing.T) {
		f := newFixture(t)
		_, m := f.join("", 0)
		check(t, m, codes.NotFound, 0)
		if got := status.Code(f.write(&p4v1.WriteRequest{DeviceId: device})); got != codes.PermissionDenied {
			t.Errorf("a write: %v", got)
		}
	}},
	{"16.2.1", "election id 0 is not an unset one", func(t *testing.T) {
		f := newFixture(t)
		m := f.open().arbitrate(&p4v1.Uint128{})
		if codes.Code(m.GetStatus().GetCode()) != codes.OK || m.GetElectionId() == nil {
			t.Error(m)
		}
		if got := f.writes("", 0); got != codes.FailedPrecondition { // there is no config
			t.Errorf("a write: %v", got)
		}
		if got := status.Code(f.write(&p4v1.WriteRequest{DeviceId: device})); got != codes.PermissionDenied {
			t.Errorf("a write without one: %v", got)
		}
	}},
	{"16.6", "a fault of arbitration ends the stream, and is no StreamError", func(t *testing.T) {
		s := newFixture(t).open()
		s.sendArbitration(&p4v1.MasterArbitrationUpdate{DeviceId: 8})
		if got := s.ended(); got != codes.NotFound {
			t.Error(got)
		}
		select {
		case m := <-s.in:
			t.Errorf("before its end: %v", m)
		default:
		}
	}},
}
