package arbitration

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// script plays clients against an arbiter and writes down what happens.
type script struct {
	*Arbiter
	t       *testing.T
	out     strings.Builder
	clients map[string]*Client
	names   map[*Client]string
}

func newScript(t *testing.T, maxClients int, scheme Scheme) *script {
	return &script{
		Arbiter: New(7, maxClients, scheme),
		t:       t,
		clients: map[string]*Client{},
		names:   map[*Client]string{},
	}
}

func (s *script) client(name string) *Client {
	c := s.clients[name]
	if c == nil {
		c = &Client{}
		s.clients[name], s.names[c] = c, name
	}
	return c
}

func (s *script) notices(list []Notice) {
	for _, n := range list {
		u := n.Update
		id := "unset"
		if e := u.GetElectionId(); e != nil {
			id = ID{High: e.GetHigh(), Low: e.GetLow()}.String()
		}
		fmt.Fprintf(&s.out, "  -> %s: %v, election id %s", s.names[n.To], codes.Code(u.GetStatus().GetCode()), id)
		if u.GetRole() != nil {
			fmt.Fprintf(&s.out, ", role %q", u.GetRole().GetName())
			if c := u.GetRole().GetConfig(); c != nil {
				v := &wrapperspb.StringValue{}
				if err := c.UnmarshalTo(v); err != nil {
					s.t.Error(err)
				}
				fmt.Fprintf(&s.out, ", config %q", v.GetValue())
			}
		}
		s.out.WriteString("\n")
	}
}

type option func(*p4v1.MasterArbitrationUpdate)

func election(id uint64) option {
	return func(m *p4v1.MasterArbitrationUpdate) { m.ElectionId = &p4v1.Uint128{Low: id} }
}

func electionHigh(high, low uint64) option {
	return func(m *p4v1.MasterArbitrationUpdate) { m.ElectionId = &p4v1.Uint128{High: high, Low: low} }
}

func roleNamed(name string) option {
	return func(m *p4v1.MasterArbitrationUpdate) { m.Role = &p4v1.Role{Name: name} }
}

func config(t *testing.T, v string) option {
	a, err := anypb.New(wrapperspb.String(v))
	if err != nil {
		t.Fatal(err)
	}
	return func(m *p4v1.MasterArbitrationUpdate) { m.Role.Config = a }
}

func device(id uint64) option {
	return func(m *p4v1.MasterArbitrationUpdate) { m.DeviceId = id }
}

// update plays one message of a client to the end.
func (s *script) update(what, name string, opts ...option) {
	m := &p4v1.MasterArbitrationUpdate{DeviceId: 7}
	for _, o := range opts {
		o(m)
	}
	fmt.Fprintf(&s.out, "%s: %s\n", name, what)
	h, err := s.Update(s.client(name), m)
	if err != nil {
		fmt.Fprintf(&s.out, "  stream ends: %v: %v\n", refusal.Code(err), err)
		s.leave(name)
		return
	}
	s.notices(h.Others)
	if len(h.Primary) > 0 {
		s.out.WriteString("  writes that have begun are done\n")
	}
	h.Confirm()
	s.notices(h.Primary)
}

func (s *script) leave(name string) {
	fmt.Fprintf(&s.out, "%s: leaves\n", name)
	c := s.client(name)
	s.notices(s.Leave(c))
	delete(s.clients, name)
}

func (s *script) write(role string, id *p4v1.Uint128) {
	_, err := s.Authorize(role, id)
	fmt.Fprintf(&s.out, "write as %q with election id %v: %v\n", role, id.GetLow(), refusal.Code(err))
}

func (s *script) golden() {
	s.t.Helper()
	path := filepath.Join("testdata", strings.ReplaceAll(s.t.Name(), "/", "_")+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(s.out.String()), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), s.out.String()); diff != "" {
		s.t.Errorf("transcript (-want +got):\n%s", diff)
	}
}

// Each transcript is a rule of section 5, followed through with every message
// that it causes.
func TestTranscript(t *testing.T) {
	id := func(low uint64) *p4v1.Uint128 { return &p4v1.Uint128{Low: low} }

	t.Run("primary and backup 5.3", func(t *testing.T) {
		s := newScript(t, 0, nil)
		s.write("", id(1))
		s.update("election id 10", "a", election(10))
		s.update("election id 9", "b", election(9))
		s.write("", id(10))
		s.write("", id(9))
		s.update("election id 11", "b", election(11))
		s.write("", id(10))
		s.write("", id(11))
		s.golden()
	})
	t.Run("election ids are 128 bits 5.3", func(t *testing.T) {
		s := newScript(t, 0, nil)
		s.update("election id 1:0", "a", electionHigh(1, 0))
		s.update("election id 0:max", "b", electionHigh(0, 1<<64-1))
		s.golden()
	})
	t.Run("unset election id is never primary 16.2.1", func(t *testing.T) {
		s := newScript(t, 0, nil)
		s.update("no election id", "a")
		s.write("", nil)
		s.update("no election id", "b")
		s.update("election id 0", "c", election(0))
		s.write("", nil)
		s.write("", id(0))
		s.golden()
	})
	t.Run("primary disconnects 5", func(t *testing.T) {
		s := newScript(t, 0, nil)
		s.update("election id 10", "a", election(10))
		s.update("election id 9", "b", election(9))
		s.leave("a")
		s.write("", id(10))
		s.update("election id 9 again, below the highest", "b", election(9))
		s.update("election id 10, that of the lost primary", "c", election(10))
		s.write("", id(10))
		s.golden()
	})
	t.Run("primary downgrades itself 5.3", func(t *testing.T) {
		s := newScript(t, 0, nil)
		s.update("election id 10", "a", election(10))
		s.update("election id 9", "b", election(9))
		s.update("election id 8", "a", election(8))
		s.write("", id(8))
		s.update("election id 10", "b", election(10))
		s.golden()
	})
	t.Run("primary says the same again 5.3", func(t *testing.T) {
		s := newScript(t, 0, nil)
		s.update("election id 10", "a", election(10))
		s.update("election id 9", "b", election(9))
		s.update("election id 10", "a", election(10))
		s.write("", id(10))
		s.golden()
	})
	t.Run("backup leaves in silence 5.4", func(t *testing.T) {
		s := newScript(t, 0, nil)
		s.update("election id 10", "a", election(10))
		s.update("election id 9", "b", election(9))
		s.leave("b")
		s.golden()
	})
	t.Run("refused streams 5.3", func(t *testing.T) {
		s := newScript(t, 2, nil)
		s.update("device 8", "a", device(8))
		s.update("election id 10", "a", election(10))
		s.update("election id 10 in use", "b", election(10))
		s.update("election id 9", "b", election(9))
		s.update("one too many", "c", election(8))
		s.update("election id 10 in use, live", "b", election(10))
		s.update("election id 9", "b", election(9))
		s.update("device changes", "b", election(9), device(8))
		s.update("election id 9", "b", election(9))
		s.update("role changes", "b", election(9), roleNamed("x"))
		s.update("election id 9", "b", election(9))
		s.update("primary changes its role", "a", election(10), roleNamed("x"))
		s.golden()
	})
	t.Run("roles are apart 5", func(t *testing.T) {
		s := newScript(t, 0, nil)
		s.update("election id 10", "a", election(10))
		s.update("election id 10, role x", "b", election(10), roleNamed("x"))
		s.update("election id 1, role y", "c", election(1), roleNamed("y"))
		s.write("", id(10))
		s.write("x", id(10))
		s.write("y", id(10))
		s.write("y", id(1))
		s.write("z", id(1))
		s.leave("b")
		s.write("x", id(10))
		s.golden()
	})
	t.Run("role config 5.2", func(t *testing.T) {
		scheme := func(_ string, c *anypb.Any) (Scope, error) {
			v := &wrapperspb.StringValue{}
			if err := c.UnmarshalTo(v); err != nil {
				return Scope{}, err
			}
			if v.GetValue() == "bad" {
				return Scope{}, errors.New("not a configuration")
			}
			return Scope{NoPacketIn: v.GetValue() == "quiet"}, nil
		}
		s := newScript(t, 0, scheme)
		s.update("election id 10, role x, config quiet", "a", election(10), roleNamed("x"), config(t, "quiet"))
		s.update("election id 9, role x, config other", "b", election(9), roleNamed("x"), config(t, "other"))
		s.update("election id 10, role x, config loud", "a", election(10), roleNamed("x"), config(t, "loud"))
		s.update("election id 10, role x, config bad", "a", election(10), roleNamed("x"), config(t, "bad"))
		s.golden()
	})
	t.Run("role config without a scheme 5.3", func(t *testing.T) {
		s := newScript(t, 0, nil)
		s.update("election id 10, role x, config any", "a", election(10), roleNamed("x"), config(t, "any"))
		s.golden()
	})
}

// Between the refusal of the old primary and the welcome of the new one nobody
// may write (section 5.3, 1.2).
func TestNobodyWritesDuringHandover(t *testing.T) {
	a := New(7, 0, nil)
	first, second := &Client{}, &Client{}
	h, err := a.Update(first, &p4v1.MasterArbitrationUpdate{DeviceId: 7, ElectionId: &p4v1.Uint128{Low: 1}})
	if err != nil {
		t.Fatal(err)
	}
	h.Confirm()
	h, err = a.Update(second, &p4v1.MasterArbitrationUpdate{DeviceId: 7, ElectionId: &p4v1.Uint128{Low: 2}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []uint64{1, 2} {
		if _, err := a.Authorize("", &p4v1.Uint128{Low: id}); refusal.Code(err) != codes.PermissionDenied {
			t.Errorf("write with election id %d before Confirm: %v", id, err)
		}
	}
	h.Confirm()
	if _, err := a.Authorize("", &p4v1.Uint128{Low: 2}); err != nil {
		t.Error(err)
	}
	if _, ok := a.Primary(first); ok {
		t.Error("the old primary still is one")
	}
}

// Clients older than version 1.4 have numbers for roles.
func TestNumberedRole(t *testing.T) {
	s := newScript(t, 0, nil)
	s.update("role 5", "a", election(1), func(m *p4v1.MasterArbitrationUpdate) {
		m.Role = &p4v1.Role{Id: 5}
	})
	if _, err := s.Authorize(RoleName("", 5), &p4v1.Uint128{Low: 1}); err != nil {
		t.Error(err)
	}
	if _, err := s.Authorize("", &p4v1.Uint128{Low: 1}); refusal.Code(err) != codes.PermissionDenied {
		t.Errorf("default role: %v", err)
	}
}
