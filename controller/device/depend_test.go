package device_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/tables"
)

func flood(vni, group uint32) tables.Entity {
	return tables.Entry{
		Table: "flood",
		Matches: []tables.Match{
			tables.Exact("vni", tables.Uint(vni)), tables.Exact("from_underlay", tables.Uint(uint8(0))),
		},
		Action: tables.Do("replicate", tables.Arg{Param: "multicast_group", Value: tables.Uint(group)}),
	}
}

// Packets that would be pointed at what was refused stay where they were, and
// what they are pointed at stays too.
func TestHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, d := start(t, device.Options{})
		must(t, d.SetDesired(1, []tables.Entity{vn(5), group(1, 300), flood(5, 1)}))
		expect(t, d, device.InSync, 1)

		tg.fault(codes.ResourceExhausted, func(_ int, text string) bool { return strings.HasPrefix(text, "INSERT multicast") })
		must(t, d.SetDesired(2, []tables.Entity{vn(5), vn(6), group(2, 301), flood(5, 2), flood(6, 2)}))
		expect(t, d, device.Degraded, 1,
			"modify NveIngress.forward.flood vni=5 from_underlay=0 -> replicate(multicast_group=2): held back: it needs multicast group 2",
			"insert NveIngress.forward.flood vni=6 from_underlay=0 -> replicate(multicast_group=2): held back: it needs multicast group 2",
			"delete multicast group 1 -> {300/0}: held back: it is needed by NveIngress.forward.flood vni=0x05 from_underlay=0x00",
			"insert multicast group 2 -> {301/0}: ResourceExhausted: injected (embedded-v1model-keyway 0)",
		)
		tg.expect(vn(5), vn(6), group(1, 300), flood(5, 1))
		for _, f := range d.Failures() {
			if held := errors.Is(f.Err, device.ErrHeld); held != (f.Attempts == 0) {
				t.Errorf("failure %+v", f)
			}
		}
		tg.fault(0, nil)
		settle(time.Minute)
		expect(t, d, device.InSync, 2)
		tg.expect(vn(5), vn(6), group(2, 301), flood(5, 2), flood(6, 2))
	})
}

// Whatever a device refuses, no entry is ever without what it refers to.
func TestNeverDangling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// With room for two groups, a change of both has to take apart what
		// refers to them and put it together again.
		tg := newTarget(t, func(info *p4configv1.P4Info) {
			info.PkgInfo.PlatformProperties = &p4configv1.PlatformProperties{MulticastGroupTableSize: 2}
		})
		d := tg.controller(device.Options{MaxRetry: time.Second, Audit: 24 * time.Hour})
		run(t, d)
		revision, dangling := uint64(0), ""
		there := make(map[string]bool)
		shadow := func(text string) { // "INSERT entity -> action"
			op, entity, _ := strings.Cut(text, " ")
			entity, action, _ := strings.Cut(entity, " -> ")
			for key := range there {
				if strings.HasPrefix(key, entity+" -> ") {
					delete(there, key)
				}
			}
			if op != "DELETE" {
				there[entity+" -> "+action] = true
			}
			for key := range there {
				var vni, group int
				if n, _ := fmt.Sscanf(key, "NveIngress.forward.flood vni=%d from_underlay=0 -> replicate(multicast_group=%d)", &vni, &group); n == 0 {
					continue
				}
				for _, needed := range []string{
					fmt.Sprintf("NveIngress.from_underlay.virtual_network vni=%d -> ", vni), fmt.Sprintf("multicast group %d -> ", group),
				} {
					if !slices.ContainsFunc(slices.Collect(maps.Keys(there)), func(k string) bool { return strings.HasPrefix(k, needed) }) {
						dangling = fmt.Sprintf("after %s: %s lacks %s", text, key, needed)
					}
				}
			}
		}
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			var want []tables.Entity
			for range rapid.IntRange(1, 5).Draw(rt, "steps") {
				refused := rapid.SliceOfN(rapid.Bool(), 12, 12).Draw(rt, "refused")
				tg.fault(codes.Internal, func(n int, text string) bool {
					if n <= len(refused) && refused[n-1] {
						return true
					}
					shadow(text)
					return false
				})
				want = nil
				vnis := rapid.IntRange(1, 15).Draw(rt, "vnis")
				groups := rapid.SampledFrom([]int{1, 2, 3, 4, 5, 6, 8, 9, 10, 12}).Draw(rt, "groups")
				for i := range uint32(4) {
					if groups>>i&1 == 1 {
						want = append(want, group(i+1, 300+i))
					}
					if vnis>>i&1 == 0 {
						continue
					}
					want = append(want, vn(i+1))
					if g := rapid.Uint32Range(1, 4).Draw(rt, "group"); groups>>(g-1)&1 == 1 {
						want = append(want, flood(i+1, g))
					}
				}
				revision++
				must(t, d.SetDesired(revision, want))
				settle(time.Duration(rapid.IntRange(0, 1500).Draw(rt, "ms")) * time.Millisecond)
				if dangling != "" {
					rt.Fatal(dangling)
				}
			}
			tg.fault(0, func(_ int, text string) bool { shadow(text); return false })
			settle(10 * time.Second)
			if s := d.Status(); s.State != device.InSync || dangling != "" {
				rt.Fatalf("%+v %s", s, dangling)
			}
			if diff := cmp.Diff(tg.texts(want...), tg.holds()); diff != "" {
				rt.Fatalf("the target holds (-want +got):\n%s", diff)
			}
		})
	})
}
