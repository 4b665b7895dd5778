package device_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/tables"
)

// A controller that comes after another is told what that has left before it
// wants anything, and may want it.
func TestFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := newTarget(t, nil)
		left := []tables.Entity{vn(7), endpoint(7, 1, 300), group(5, 300, 301), node(4)}
		first := tg.controller(device.Options{})
		stop := run(t, first)
		must(t, first.SetDesired(9, left))
		expect(t, first, device.InSync, 9)
		stop()
		tg.told()

		var r repairs
		o := r.options()
		var second *device.Device
		var calls [][]string
		o.Found = func(es []tables.Entity) {
			calls = append(calls, tg.texts(es...))
			if len(calls) == 2 {
				must(t, second.SetDesired(1, append(es, vn(8))))
			}
		}
		o.Session.ElectionID.Low = 2
		second = tg.controller(o)
		stop = run(t, second)
		settle(time.Second)
		if s := second.Status(); s.State != device.Syncing || s.Watermark != 0 {
			t.Errorf("status %+v before anything was wanted", s)
		}
		tg.server.CutStreams()
		settle(time.Minute)
		expect(t, second, device.InSync, 1)
		tg.server.CutStreams()
		settle(time.Minute)
		want := [][]string{tg.texts(left...), tg.texts(left...)} // and no more once there is a desired state
		if diff := cmp.Diff(want, calls); diff != "" {
			t.Errorf("found (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"INSERT " + tg.texts(vn(8))[0]}, tg.told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		r.expect(t)
		stop()
	})
}

// What a device has from its program is nobody's.
func TestFoundNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := newTarget(t, nil)
		found := -1
		d := tg.controller(device.Options{Found: func(es []tables.Entity) { found = len(es) }})
		run(t, d)
		settle(time.Second)
		if found != 0 {
			t.Errorf("%d entities on a blank device", found)
		}
	})
}

// A state speaks of the desired state of now: of a newer one it says nothing
// until that has been tried.
func TestStateOfANewDesiredState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, d := start(t, device.Options{})
		tg.fault(codes.ResourceExhausted, func(int, string) bool { return true })
		must(t, d.SetDesired(1, []tables.Entity{vn(7)}))
		synctest.Wait()
		if s := d.Status(); s.State != device.Degraded || len(s.Reasons) == 0 {
			t.Fatalf("status %+v", s)
		}
		must(t, d.SetDesired(2, []tables.Entity{vn(8)}))
		if s := d.Status(); s.State != device.Syncing || len(s.Reasons) != 0 {
			t.Errorf("status %+v of a desired state that nobody has tried", s)
		}
		synctest.Wait()
		if s := d.Status(); s.State != device.Degraded {
			t.Errorf("status %+v", s)
		}
		tg.fault(codes.OK, nil)
		must(t, d.SetDesired(3, []tables.Entity{vn(8)}))
		settle(time.Minute)
		expect(t, d, device.InSync, 3)
	})
}
