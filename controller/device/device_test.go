package device_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/tables"
)

// expect checks a device's state and watermark once it has settled.
func expect(t *testing.T, d *device.Device, state device.State, watermark uint64, reasons ...string) {
	t.Helper()
	synctest.Wait()
	s := d.Status()
	if s.State != state || s.Watermark != watermark {
		t.Errorf("%v with watermark %d, want %v with %d; reasons: %q", s.State, s.Watermark, state, watermark, s.Reasons)
	}
	if diff := cmp.Diff(reasons, s.Reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func (tg *target) expect(entities ...tables.Entity) {
	tg.t.Helper()
	if diff := cmp.Diff(tg.texts(entities...), tg.holds()); diff != "" {
		tg.t.Errorf("the target holds (-want +got):\n%s", diff)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, d := start(t, device.Options{})
		settle(3 * time.Minute)
		if us := tg.told(); len(us) > 0 {
			t.Errorf("without a desired state the target was told %q", us)
		}
		expect(t, d, device.Syncing, 0, "waiting for a first desired state")
		if err := d.Apply(1, nil, nil); !errors.Is(err, device.ErrUnloaded) {
			t.Errorf("Apply: %v", err)
		}

		must(t, d.SetDesired(3, []tables.Entity{endpoint(5, 0xa, 300), vn(5), group(1, 300, 301)}))
		expect(t, d, device.InSync, 3)
		tg.expect(vn(5), endpoint(5, 0xa, 300), group(1, 300, 301))
		if s := d.Status(); s.Revision != 3 || s.Wanted != 3 || s.Held != 3 || s.Audited.IsZero() {
			t.Errorf("status %+v", s)
		}
		tg.told()

		moved, gone := endpoint(5, 0xa, 301), key(t, d.Schema(), group(1))
		must(t, d.Apply(4, []tables.Entity{moved, endpoint(5, 0xb, 302)}, []string{gone, "never there"}))
		expect(t, d, device.InSync, 4)
		tg.expect(vn(5), moved, endpoint(5, 0xb, 302))
		want := []string{
			"INSERT NveIngress.forward.endpoint vni=5 mac=00:00:00:00:00:0b -> local(port=302, group=0)",
			"MODIFY NveIngress.forward.endpoint vni=5 mac=00:00:00:00:00:0a -> local(port=301, group=0)",
			"DELETE multicast group 1 -> {300/0 301/1}",
		}
		got := tg.told()
		for _, w := range want { // the order within a batch is free
			if !strings.Contains(strings.Join(got, "\n"), w) {
				t.Errorf("not told: %s\nbut %q", w, got)
			}
		}

		must(t, d.SetDesired(5, nil))
		expect(t, d, device.InSync, 5)
		tg.expect()
	})
}

func TestDesiredRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, d := start(t, device.Options{})
		must(t, d.SetDesired(3, []tables.Entity{vn(5)}))
		if err := d.SetDesired(2, nil); !errors.Is(err, device.ErrStale) {
			t.Errorf("SetDesired with an older revision: %v", err)
		}
		if err := d.Apply(2, nil, nil); !errors.Is(err, device.ErrStale) {
			t.Errorf("Apply with an older revision: %v", err)
		}
		bad := vn(5).(tables.Entry)
		bad.Action = tables.Do("guest")
		err := d.SetDesired(4, []tables.Entity{vn(6), vn(6), bad, endpoint(1<<24, 1, 1)})
		for _, want := range []string{"leaf1", "given twice", "guest", "vni"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("SetDesired does not complain about %s: %v", want, err)
			}
		}
		expect(t, d, device.InSync, 3)
		tg.expect(vn(5))
	})
}

// The same revision may come with other contents, when something it depends on
// has moved on. Until those are in the tables the watermark must not say so.
func TestSameRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, d := start(t, device.Options{})
		must(t, d.SetDesired(3, []tables.Entity{vn(5)}))
		expect(t, d, device.InSync, 3)
		tg.told()

		must(t, d.SetDesired(3, []tables.Entity{vn(5)}))
		if s := d.Status(); s.Watermark != 3 || s.State != device.InSync {
			t.Errorf("after the same once more: %+v", s)
		}
		must(t, d.SetDesired(3, []tables.Entity{vn(6)}))
		if s := d.Status(); s.Watermark != 2 {
			t.Errorf("after another state of the same revision: %+v", s)
		}
		expect(t, d, device.InSync, 3)
		tg.expect(vn(6))
		must(t, d.SetDesired(9, []tables.Entity{vn(6)}))
		expect(t, d, device.InSync, 9)
		if us := tg.told(); len(us) != 2 {
			t.Errorf("told %q", us)
		}
	})
}

func TestUpdateRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, d := start(t, device.Options{})
		must(t, d.SetDesired(1, []tables.Entity{vn(5)}))
		expect(t, d, device.InSync, 1)

		tg.fault(codes.Internal, func(n int, _ string) bool { return n == 2 || n == 4 })
		must(t, d.SetDesired(2, []tables.Entity{vn(5), endpoint(5, 1, 301), endpoint(5, 2, 302), endpoint(5, 3, 303)}))
		const refused = "NveIngress.forward.endpoint vni=5 mac=00:00:00:00:00:02 -> local(port=302, group=0)"
		expect(t, d, device.Degraded, 1, "insert "+refused+": Internal: injected (embedded-v1model-keyway 0)")
		tg.expect(vn(5), endpoint(5, 1, 301), endpoint(5, 3, 303))
		fs := d.Failures()
		var ue *p4rt.UpdateError
		if len(fs) != 1 || fs[0].Text != "insert "+refused || fs[0].Attempts != 1 || !errors.As(fs[0].Err, &ue) || status.Code(fs[0].Err) != codes.Internal {
			t.Errorf("failures %+v", fs)
		}

		settle(600 * time.Millisecond) // the fourth update is the retry
		if fs := d.Failures(); len(fs) != 1 || fs[0].Attempts != 2 {
			t.Errorf("failures %+v", fs)
		}
		settle(time.Minute)
		expect(t, d, device.InSync, 2)
		tg.expect(vn(5), endpoint(5, 1, 301), endpoint(5, 2, 302), endpoint(5, 3, 303))
		if fs := d.Failures(); len(fs) != 0 {
			t.Errorf("failures %+v", fs)
		}
		if n := d.Stats(); n.Refused != 2 || n.Inserts != 4 || n.Missing+n.Changed+n.Foreign != 0 {
			t.Errorf("stats %+v", n)
		}
	})
}

// What the device refuses may become unwanted, or wanted as it is.
func TestRefusedThenUnwanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, d := start(t, device.Options{})
		must(t, d.SetDesired(1, []tables.Entity{vn(5), endpoint(5, 1, 301)}))
		expect(t, d, device.InSync, 1)
		tg.fault(codes.Internal, func(int, string) bool { return true })
		must(t, d.SetDesired(2, []tables.Entity{vn(5), endpoint(5, 1, 302), endpoint(5, 2, 302)}))
		synctest.Wait()
		if fs := d.Failures(); len(fs) != 2 {
			t.Errorf("failures %+v", fs)
		}
		must(t, d.SetDesired(3, []tables.Entity{vn(5), endpoint(5, 1, 301)}))
		expect(t, d, device.InSync, 3)
	})
}

func TestTableFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := newTarget(t, func(info *p4configv1.P4Info) {
			for _, table := range info.GetTables() {
				if table.GetPreamble().GetAlias() == "virtual_network" {
					table.Size = 3
				}
			}
		})
		d := tg.controller(device.Options{})
		run(t, d)
		must(t, d.SetDesired(1, []tables.Entity{vn(7), vn(8)}))
		expect(t, d, device.InSync, 1)
		tg.told()

		// What is there stays, though what is new comes before it.
		must(t, d.SetDesired(2, []tables.Entity{vn(1), vn(2), vn(7), vn(8)}))
		expect(t, d, device.Degraded, 1,
			"insert NveIngress.from_underlay.virtual_network vni=2 -> member(): no room: NveIngress.from_underlay.virtual_network is guaranteed to hold 3")
		if fs := d.Failures(); len(fs) != 1 || !errors.Is(fs[0].Err, device.ErrNoRoom) || fs[0].Attempts != 0 {
			t.Errorf("failures %+v", fs)
		}
		settle(5 * time.Minute)
		tg.expect(vn(1), vn(7), vn(8))
		if us := tg.told(); len(us) != 1 {
			t.Errorf("told %q: the limit was known before the write", us)
		}

		// Full, and all is to change: nothing may come before something goes.
		must(t, d.SetDesired(3, []tables.Entity{vn(2), vn(3), vn(4)}))
		expect(t, d, device.InSync, 3)
		tg.expect(vn(2), vn(3), vn(4))
		held := 3
		for _, u := range tg.told() {
			if strings.HasPrefix(u, "INSERT") {
				held++
			} else {
				held--
			}
			if held > 3 {
				t.Errorf("table was asked to hold %d", held)
			}
		}
		must(t, d.Apply(4, []tables.Entity{vn(5)}, nil))
		synctest.Wait()
		must(t, d.Apply(5, nil, []string{key(t, d.Schema(), vn(3))}))
		expect(t, d, device.InSync, 5)
		tg.expect(vn(2), vn(4), vn(5))
		if n := d.Stats(); n.NoRoom != 2 {
			t.Errorf("stats %+v", n)
		}
	})
}

func TestDefaultAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, d := start(t, device.Options{})
		must(t, d.SetDesired(1, []tables.Entity{node(77)}))
		expect(t, d, device.InSync, 1)
		if diff := cmp.Diff(tg.texts(node(77)), tg.holds("node")); diff != "" {
			t.Errorf("default action (-want +got):\n%s", diff)
		}
		tg.told()
		d.Audit()
		settle(5 * time.Minute)
		if us := tg.told(); len(us) != 0 {
			t.Errorf("told %q though nothing changed", us)
		}
		must(t, d.SetDesired(2, nil))
		expect(t, d, device.InSync, 2)
		settle(5 * time.Minute)
		if us := tg.told(); len(us) != 1 {
			t.Errorf("told %q to reset the default action", us)
		}
	})
}
