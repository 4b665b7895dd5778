package p4rt_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyway-nve/keyway/testbed/p4rt"
	"github.com/keyway-nve/keyway/testbed/p4rt/pipeline"
)

func learning(config string) string {
	return `digest_entry { digest_id: $learn_t$ ` + config + ` }`
}

// Section 9.8: what a write of a digest's configuration is refused for.
func TestDigestEntry(t *testing.T) {
	f, _ := start(t)
	for _, c := range []struct {
		name string
		u    *p4v1.Update
		want codes.Code
	}{
		{"MODIFY before INSERT", f.modify(learning("")), codes.NotFound},
		{"DELETE before INSERT", f.delete(learning("")), codes.NotFound},
		{"negative list size", f.insert(learning("config { max_list_size: -1 }")), codes.InvalidArgument},
		{"negative timeout", f.insert(learning("config { max_timeout_ns: -1 }")), codes.InvalidArgument},
		{"negative ack timeout", f.insert(learning("config { ack_timeout_ns: -1 }")), codes.InvalidArgument},
		{"unknown digest", f.insert(`digest_entry { digest_id: 1 }`), codes.InvalidArgument},
		{"INSERT", f.insert(learning("config { max_list_size: 5 }")), codes.OK},
		{"INSERT again", f.insert(learning("")), codes.AlreadyExists},
	} {
		if got := f.code(c.u); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	want := []*p4v1.Entity{f.entity(learning("config { max_list_size: 5 }"))}
	for _, request := range []string{learning(""), "digest_entry { }"} {
		if diff := cmp.Diff(want, f.read(f.entity(request)), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	f.apply(f.modify(learning("config { max_list_size: 6 }")), f.delete(learning("")))
	if got := f.read(f.entity("digest_entry { }")); len(got) != 0 {
		t.Errorf("read after DELETE: %v", got)
	}
}

// Section 9.8: a list by the stream, and its acknowledgement.
func TestDigestOnStream(t *testing.T) {
	f, s := start(t)
	f.server.Process(3, probe(toDigest, 0x7f, 0, 0)) // not enabled
	f.apply(f.insert(learning("config { ack_timeout_ns: 3600000000000 }")))
	f.server.Process(3, probe(toDigest, 0x7f, 0, 0))
	list := s.next().GetDigest()
	want := &p4v1.DigestList{DigestId: list.GetDigestId(), ListId: 1, Timestamp: list.GetTimestamp()}
	data := f.entity(`register_entry { data { struct {
		members { bitstring: "\x02\x00\x00\x00\x00\x01" } members { bitstring: "\x03" } members { bitstring: "\xff" } } } }`)
	want.Data = append(want.Data, data.GetRegisterEntry().GetData())
	if diff := cmp.Diff(want, list, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d := time.Since(time.Unix(0, list.GetTimestamp())); d < 0 || d > time.Minute {
		t.Errorf("timestamp is %v ago", d)
	}
	f.server.Process(3, probe(toDigest, 0x7f, 0, 0)) // not acknowledged: held back
	s.quiet()
	s.send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_DigestAck{
		DigestAck: &p4v1.DigestListAck{DigestId: list.GetDigestId(), ListId: list.GetListId()}}})
	s.quiet() // an acknowledgement has no answer
	f.server.Process(3, probe(toDigest, 0x7f, 0, 0))
	if got := s.next().GetDigest(); got.GetListId() != 2 {
		t.Errorf("after the acknowledgement: %v", got)
	}
}

// alone runs a pipeline without a server, so that time can be faked.
func alone(t *testing.T, digest func(*p4v1.DigestList)) (*pipeline.Pipeline, *fixture) {
	t.Helper()
	config, err := pipeline.Verify(entitiesConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.New(config, pipeline.Options{Digest: digest}), &fixture{t: t}
}

func write(t *testing.T, p *pipeline.Pipeline, updates ...*p4v1.Update) {
	t.Helper()
	for _, err := range p.Write(updates, p4v1.WriteRequest_CONTINUE_ON_ERROR, nil) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Section 9.8: when lists are sent, and what they do not repeat.
func TestDigestTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sizes []int
		var first *p4v1.DigestList
		p, f := alone(t, func(l *p4v1.DigestList) {
			mu.Lock()
			defer mu.Unlock()
			sizes = append(sizes, len(l.GetData()))
			if first == nil {
				first = l
			}
		})
		learn := func(args ...uint16) {
			for _, a := range args {
				p.Process(1, probe(toDigest, a, 0, 0))
			}
		}
		expect := func(what string, want ...int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff(want, sizes); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
			sizes = nil
		}
		write(t, p, f.insert(learning("config { max_list_size: 3 max_timeout_ns: 1000000000 ack_timeout_ns: 10000000000 }")))
		learn(1, 1, 2, 1)
		expect("two distinct messages wait")
		time.Sleep(time.Second)
		expect("max_timeout_ns has passed", 2)
		learn(1, 2)
		time.Sleep(2 * time.Second)
		expect("both are not acknowledged yet")
		learn(3, 4, 5, 6)
		expect("max_list_size is reached", 3)
		time.Sleep(time.Second)
		expect("the rest", 1)
		if err := p.AckDigest(&p4v1.DigestListAck{DigestId: first.GetDigestId(), ListId: first.GetListId()}); err != nil {
			t.Error(err)
		}
		learn(1, 2, 3)
		time.Sleep(time.Second)
		expect("acknowledged messages may come again", 2)
		time.Sleep(10 * time.Second)
		learn(1, 3, 4)
		expect("ack_timeout_ns has passed", 3)
		write(t, p, f.modify(learning("config { max_list_size: 1 }")))
		learn(7, 7, 7)
		expect("nothing is held back without ack_timeout_ns", 1, 1, 1)
		learn(8)
		write(t, p, f.delete(learning("")))
		learn(9)
		expect("disabled", 1)
		p.Close()
	})
}

// Sections 9.1.8 and 16.4.
func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := alone(t, nil)
		write(t, p,
			f.insert(exact(1, `metadata: "m" controller_metadata: 5 idle_timeout_ns: 2000000000 `+forward(1))),
			f.insert(exact(2, `idle_timeout_ns: 5000000000 `+forward(1))),
			f.insert(exact(3, forward(1))))
		idle := func() []string {
			var out []string
			for _, e := range p.Sweep().GetTableEntry() {
				out = append(out, string(e.GetMatch()[0].GetExact().GetValue()))
			}
			return out
		}
		expect := func(what string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(want, idle()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		expect("at once")
		time.Sleep(2 * time.Second)
		n := p.Sweep()
		want := f.entity(exact(1, `metadata: "m" controller_metadata: 5 idle_timeout_ns: 2000000000`)).GetTableEntry()
		if diff := cmp.Diff([]*p4v1.TableEntry{want}, n.GetTableEntry(), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n.GetTimestamp() != time.Now().UnixNano() {
			t.Errorf("timestamp %v", n.GetTimestamp())
		}
		expect("the time begins anew")
		time.Sleep(time.Second)
		p.Process(1, probe(toTables, 1, 0, 0))
		time.Sleep(time.Second)
		expect("one was hit a second ago")
		time.Sleep(time.Second)
		expect("two seconds and five seconds", "\x01", "\x02")
		// What is read, with and without a timeout.
		var elapsed []int64
		for i := 1; i <= 3; i++ {
			if err := p.Read(f.entity(exact(i, "time_since_last_hit { }")), func(e *p4v1.Entity) {
				elapsed = append(elapsed, e.GetTableEntry().GetTimeSinceLastHit().GetElapsedNs())
			}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff([]int64{2e9, 5e9, 5e9}, elapsed); diff != "" {
			t.Errorf("time since last hit (-want +got):\n%s", diff)
		}
		write(t, p, f.modify(exact(1, forward(1))))
		time.Sleep(3 * time.Second)
		expect("a timeout that was taken back")
		p.Close()
	})
}

func TestIdleTimeoutOnStream(t *testing.T) {
	f, s := start(t, roleOfTables)
	barred := f.open()
	barred.sendArbitration(&p4v1.MasterArbitrationUpdate{DeviceId: device, ElectionId: election(1), Role: tablesRole(t)})
	barred.next()
	f.apply(f.insert(exact(1, `idle_timeout_ns: 1 `+forward(1))))
	f.server.Sweep()
	for _, x := range []*stream{s, barred} {
		if n := x.next().GetIdleTimeoutNotification(); len(n.GetTableEntry()) != 1 {
			t.Errorf("notification %v", n)
		}
	}
}

// Section 14, RECONCILE_AND_COMMIT.
func TestReconcile(t *testing.T) {
	for _, oneShots := range []bool{false, true} {
		f, _ := start(t)
		f.populate(oneShots)
		want := f.everything()
		same := entitiesConfig(t)
		same.Cookie.Cookie = 43
		if err := f.setConfig(reconcile, same); err != nil {
			t.Fatal(err)
		}
		if c := f.getConfig(0).GetCookie().GetCookie(); c != 43 {
			t.Errorf("cookie %d", c)
		}
		if diff := cmp.Diff(want, f.everything(), protocmp.Transform()); diff != "" {
			t.Errorf("the same program (-want +got):\n%s", diff)
		}
		// A program with another P4Info: the state moves.
		larger := entitiesConfig(t)
		larger.P4Info.Tables[1].Size = 8
		if err := f.setConfig(reconcile, larger); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, f.everything(), asSet, protocmp.Transform()); diff != "" {
			t.Errorf("a larger table (-want +got):\n%s", diff)
		}
		if got := f.ports(9, toTables, 5, 0, 0); len(got) != 1 {
			t.Errorf("ports %v", got)
		}
		// A program without a table that has entries: nothing changes.
		f.apply(f.delete(lpm(10, 8, "")))
		want = f.everything()
		without := entitiesConfig(t)
		without.P4Info.Tables = append(without.P4Info.Tables[:2:2], without.P4Info.Tables[3:]...)
		without.P4Info.DirectMeters = nil
		if err := f.setConfig(reconcile, without); !isCode(err, codes.InvalidArgument) {
			t.Errorf("a table with entries is gone: %v", err)
		}
		if diff := cmp.Diff(want, f.everything(), asSet, protocmp.Transform()); diff != "" {
			t.Errorf("after a refusal (-want +got):\n%s", diff)
		}
		f.apply(f.delete(ternary(10, 5, "")))
		if err := f.setConfig(reconcile, without); err != nil {
			t.Errorf("an empty table is gone: %v", err)
		}
	}
	f := newFixture(t)
	f.open().arbitrate(election(1))
	if err := f.setConfig(reconcile, entitiesConfig(t)); err != nil {
		t.Errorf("with nothing to preserve: %v", err)
	}
}

// Faults that a server makes on its own.
func TestForgetAndCut(t *testing.T) {
	f, s := start(t)
	f.populate(false)
	config := entitiesConfig(t)
	config.Cookie.Cookie = 44
	if err := f.setConfig(reconcile, config); err != nil {
		t.Fatal(err)
	}
	f.server.Forget()
	if c := f.getConfig(0).GetCookie().GetCookie(); c != 44 {
		t.Errorf("cookie %d", c)
	}
	if got := f.read(f.entity(`table_entry { table_id: $exact_table$ }`)); len(got) != 0 {
		t.Errorf("entries %v", got)
	}
	f.server.CutStreams()
	if got := s.ended(); got != codes.Unavailable {
		t.Errorf("stream ended with %v", got)
	}
	if err := f.write(f.request()); !isCode(err, codes.PermissionDenied) {
		t.Errorf("write after: %v", err)
	}
}

// A program without P4Info runs packets and has no entities.
func TestBareProgram(t *testing.T) {
	f := newFixture(t)
	if err := f.server.Load(entitiesJSON); err != nil {
		t.Fatal(err)
	}
	if got := f.ports(4, toRegister, 1, 0, 0); len(got) != 1 || got[0] != 4 {
		t.Errorf("ports %v", got)
	}
	f.server.Process(4, probe(toCPU, 1, 0, 0)) // nobody is there, and nothing is known
	if err := f.server.SetPort(4, false); err != nil {
		t.Error(err)
	}
	if f.server.Stats().Received != 2 {
		t.Errorf("%+v", f.server.Stats())
	}
	f.open().arbitrate(election(1))
	if err := f.write(f.request()); !isCode(err, codes.FailedPrecondition) {
		t.Errorf("write: %v", err)
	}
	if c := f.getConfig(0); c != nil {
		t.Errorf("config %v", c)
	}
	if err := f.server.Load([]byte("{")); err == nil {
		t.Error("nonsense was taken for a program")
	}
	var empty p4rt.Options
	if s := p4rt.New(empty); s.Stats().Received != 0 {
		t.Error("a new server has seen packets")
	}
}
