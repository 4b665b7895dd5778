package device_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/tables"
)

// repairs collects what a device reports.
type repairs []string

func (r *repairs) options() device.Options {
	return device.Options{Repair: func(d device.Difference) { *r = append(*r, d.Kind.String()+" "+d.Text) }}
}

func (r *repairs) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	got := slices.Sorted(slices.Values(*r))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	*r = nil
}

func TestDrift(t *testing.T) {
	wanted := []tables.Entity{vn(5), endpoint(5, 1, 301), group(1, 300), node(77)}
	tests := []struct {
		name    string
		fault   func(*target)
		reports []string
	}{{
		name:    "nothing",
		fault:   func(*target) {},
		reports: nil,
	}, {
		name:  "all forgotten",
		fault: func(tg *target) { tg.server.Forget() },
		reports: []string{
			"changed NveEgress.node default -> identity(node_id=77)",
			"missing NveIngress.forward.endpoint vni=5 mac=00:00:00:00:00:01 -> local(port=301, group=0)",
			"missing NveIngress.from_underlay.virtual_network vni=5 -> member()",
			"missing multicast group 1 -> {300/0}",
		},
	}, {
		name:    "deleted",
		fault:   func(tg *target) { tg.tamper(tables.Delete, endpoint(5, 1, 301)) },
		reports: []string{"missing NveIngress.forward.endpoint vni=5 mac=00:00:00:00:00:01 -> local(port=301, group=0)"},
	}, {
		name:  "changed",
		fault: func(tg *target) { tg.tamper(tables.Modify, endpoint(5, 1, 302), group(1, 300, 301), node(5)) },
		reports: []string{
			"changed NveEgress.node default -> identity(node_id=77)",
			"changed NveIngress.forward.endpoint vni=5 mac=00:00:00:00:00:01 -> local(port=301, group=0)",
			"changed multicast group 1 -> {300/0}",
		},
	}, {
		name:  "added",
		fault: func(tg *target) { tg.tamper(tables.Insert, vn(6), group(2, 301)) },
		reports: []string{
			"foreign NveIngress.from_underlay.virtual_network vni=6 -> member()",
			"foreign multicast group 2 -> {301/0}",
		},
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r repairs
				tg, d := start(t, r.options())
				must(t, d.SetDesired(1, wanted))
				expect(t, d, device.InSync, 1)
				tt.fault(tg)
				tg.slow(time.Millisecond) // so that who watches sees every status that a repair goes through
				var lowest uint64 = 1
				ctx, cancel := context.WithCancel(t.Context())
				watched := make(chan struct{})
				go func() {
					defer close(watched)
					for s := range d.Watch(ctx) {
						lowest = min(lowest, s.Watermark)
					}
				}()
				settle(time.Minute + time.Second) // an audit, and what it leads to
				cancel()
				<-watched
				expect(t, d, device.InSync, 1)
				tg.expect(vn(5), endpoint(5, 1, 301), group(1, 300))
				r.expect(t, tt.reports...)
				if withdrawn := lowest == 0; withdrawn != (len(tt.reports) > 0) {
					t.Errorf("watermark withdrawn: %v", withdrawn)
				}
				settle(5 * time.Minute)
				r.expect(t)
			})
		})
	}
}

// What a device did while nobody was connected is found when it is back.
func TestStreamLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r repairs
		tg, d := start(t, r.options())
		must(t, d.SetDesired(1, []tables.Entity{vn(5), vn(6)}))
		expect(t, d, device.InSync, 1)
		tg.tamper(tables.Delete, vn(6))
		tg.server.CutStreams()
		synctest.Wait()
		s := d.Status()
		if s.State != device.Connecting || len(s.Reasons) != 1 || !strings.Contains(s.Reasons[0], "stream") {
			t.Errorf("status %+v", s)
		}
		must(t, d.SetDesired(2, []tables.Entity{vn(5), vn(6), vn(7)}))
		settle(time.Second)
		expect(t, d, device.InSync, 2)
		tg.expect(vn(5), vn(6), vn(7))
		r.expect(t, "missing NveIngress.from_underlay.virtual_network vni=6 -> member()")
	})
}

// A device that has lost its pipeline with everything else gets both again.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, d := start(t, device.Options{})
		must(t, d.SetDesired(1, []tables.Entity{vn(5), node(77)}))
		expect(t, d, device.InSync, 1)
		tg.halt()
		settle(time.Minute)
		if s := d.Status(); s.State != device.Connecting {
			t.Errorf("status %+v", s)
		}
		tg.boot()
		settle(10 * time.Second)
		expect(t, d, device.InSync, 1)
		tg.expect(vn(5))
		if n := d.Stats(); n.Session.Pipelines != 2 {
			t.Errorf("stats %+v", n)
		}
	})
}

// A controller that comes back finds its entries, and touches none that it
// wants.
func TestControllerRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := newTarget(t, nil)
		d := tg.controller(device.Options{})
		stop := run(t, d)
		must(t, d.SetDesired(1, []tables.Entity{vn(5), endpoint(5, 1, 301), vn(6), node(77), group(1, 300)}))
		expect(t, d, device.InSync, 1)
		stop()
		tg.told()

		var r repairs
		d = tg.controller(r.options())
		run(t, d)
		must(t, d.SetDesired(1, []tables.Entity{vn(5), endpoint(5, 1, 301), node(77), group(1, 300), vn(7)}))
		settle(time.Second)
		expect(t, d, device.InSync, 1)
		want := []string{
			"INSERT NveIngress.from_underlay.virtual_network vni=7 -> member()",
			"DELETE NveIngress.from_underlay.virtual_network vni=6 -> member()",
		}
		if diff := cmp.Diff(want, tg.told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		r.expect(t, "foreign NveIngress.from_underlay.virtual_network vni=6 -> member()")
	})
}

// An entry that somebody else put there just before us is taken over.
func TestAlreadyThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, d := start(t, device.Options{})
		must(t, d.SetDesired(1, []tables.Entity{vn(5), vn(9)}))
		expect(t, d, device.InSync, 1)
		tg.tamper(tables.Insert, endpoint(5, 1, 444))
		tg.tamper(tables.Delete, vn(9))
		must(t, d.SetDesired(2, []tables.Entity{vn(5), endpoint(5, 1, 301)}))
		synctest.Wait()
		if s := d.Status(); s.State != device.Degraded {
			t.Errorf("status %+v", s)
		}
		settle(time.Second)
		expect(t, d, device.InSync, 2)
		tg.expect(vn(5), endpoint(5, 1, 301))
		if n := d.Stats(); n.Missing != 1 || n.Foreign != 1 {
			t.Errorf("stats %+v", n)
		}
	})
}

// Whatever happens, a device ends up with what was wanted last.
func TestConverges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		universe := []tables.Entity{
			vn(1), vn(2), vn(3), group(1, 300), group(2, 301), node(1),
			endpoint(1, 1, 301), endpoint(1, 2, 302), endpoint(2, 1, 301), endpoint(3, 1, 301),
		}
		variants := []tables.Entity{group(1, 300, 301), node(2), endpoint(1, 1, 400), endpoint(2, 1, 401)}
		state := func(rt *rapid.T) []tables.Entity {
			byKey := make(map[string]tables.Entity)
			for _, e := range append(slices.Clone(universe), variants...) {
				if rapid.Bool().Draw(rt, "wanted") {
					byKey[e.Key()] = e
				}
			}
			var es []tables.Entity
			for _, e := range byKey {
				es = append(es, e)
			}
			return es
		}
		tg, d := start(t, device.Options{Audit: 10 * time.Second, MaxRetry: 5 * time.Second})
		revision := uint64(0)
		// A bubble has no deadline, and says so by a panic.
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			var want []tables.Entity
			for range rapid.IntRange(1, 4).Draw(rt, "steps") {
				switch rapid.SampledFrom([]string{"desire", "desire", "refuse", "forget", "cut", "wait"}).Draw(rt, "step") {
				case "refuse":
					from := rapid.IntRange(1, 5).Draw(rt, "from")
					to := from + rapid.IntRange(0, 5).Draw(rt, "more")
					code := rapid.SampledFrom([]codes.Code{codes.Internal, codes.ResourceExhausted, codes.NotFound, codes.AlreadyExists}).Draw(rt, "code")
					tg.fault(code, func(n int, _ string) bool { return from <= n && n <= to })
				case "forget":
					tg.server.Forget()
				case "cut":
					tg.server.CutStreams()
				case "wait":
					settle(time.Duration(rapid.IntRange(0, 2000).Draw(rt, "ms")) * time.Millisecond)
				case "desire":
				}
				want = state(rt)
				revision++
				must(t, d.SetDesired(revision, want))
			}
			tg.fault(0, nil)
			settle(15 * time.Second)
			if s := d.Status(); s.State != device.InSync || s.Watermark != revision {
				rt.Fatalf("revision %d: %+v", revision, s)
			}
			var entries []tables.Entity
			for _, e := range want {
				if e.Key() != node(1).Key() {
					entries = append(entries, e)
				}
			}
			if diff := cmp.Diff(tg.texts(entries...), tg.holds()); diff != "" {
				rt.Fatalf("the target holds (-want +got):\n%s", diff)
			}
		})
	})
}
