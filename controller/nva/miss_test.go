package nva_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/controller/nva"
)

// vm2At is where a has vm2.
func vm2At() miss.Place {
	return miss.Place{Device: "a", VNI: 20000, MAC: mac("02:00:00:02:00:02")}
}

// told are two authorities, of which east has been told that vm2 has moved to c.
func told(t *testing.T, policy intent.PolicyMode, o nva.Options) (b *bed, in, now intent.Intent, west, east *nva.NVA) {
	in = parse(t, mesh)
	in.Devices = slices.Clone(in.Devices)
	in.Devices[0].NVGREExt.Policy = policy
	b = newBed(t, in)
	west, east = b.start(o), b.start(nva.Options{})
	apply(t, west, seenBy(in, "a"))
	apply(t, east, seenBy(in, "b", "c"))
	now = moved(in, "vm2", "c", 256)
	apply(t, east, seenBy(now, "b", "c"))
	return b, in, now, west, east
}

// An endpoint moves, its peer's authority has not heard of it, and a REDIRECT
// puts that right: for a while, or for good when its own intent says the same.
func TestRedirectAcrossAuthorities(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, in, now, west, east := told(t, intent.Provisional, nva.Options{})
		b.send(in, "vm1", "vm2", 1) // is lost, and tells
		b.expect("c", 256)
		if err := west.InSync(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.send(in, "vm1", "vm2", 2)
		b.expect("c", 256, 2)
		counted(t, east, map[string]uint64{"redirects-sent": 1, "miss-sent-redirect": 1})
		counted(t, west, map[string]uint64{
			"redirects-received": 1, "message-retargeted-provisional": 1, "retargets": 1, "overrides": 1,
		})
		if o, ok := west.Overridden()[vm2At()]; !ok || o.Device != "c" {
			t.Errorf("overridden: %v", west.Overridden())
		}

		time.Sleep(31 * time.Second) // nobody confirms it
		counted(t, west, map[string]uint64{"overrides": 0})
		b.send(in, "vm1", "vm2", 3) // goes astray again, to b
		b.expect("c", 256)
		b.send(in, "vm1", "vm2", 4)
		b.expect("c", 256, 4)
		apply(t, west, seenBy(now, "a"))
		counted(t, west, map[string]uint64{"overrides": 0})
		time.Sleep(time.Minute)
		b.send(in, "vm1", "vm2", 5)
		b.expect("c", 256, 5)
		if got := b.redirects("a"); got != 2 {
			t.Errorf("%d messages to a", got)
		}
	})
}

// A new intent that knows nothing of the NVE that an override sends to is made
// in all the same.
func TestOverrideLosesItsTarget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, in, _, west, _ := told(t, intent.Trust, nva.Options{})
		b.send(in, "vm1", "vm2", 1)
		b.expect("c", 256)
		counted(t, west, map[string]uint64{"overrides": 1})
		left := seenBy(in, "a")
		left.Endpoints = slices.DeleteFunc(slices.Clone(left.Endpoints), func(e intent.Endpoint) bool { return e.Name == "vm3" })
		apply(t, west, left) // c is no NVE of red any more
		if err := west.InSync(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// With one authority for all the sender is put right by that, not by messages:
// it waits only for the device to be reached.
func TestRedirectInOneAuthority(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := parse(t, mesh)
		b := newBed(t, in)
		n := b.start(nva.Options{})
		apply(t, n, in)
		b.reach("a", false)
		now := moved(in, "vm2", "c", 256)
		if err := n.Set(now); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		b.send(in, "vm1", "vm2", 1) // a forwards as it was, and b knows better
		time.Sleep(10 * time.Millisecond)
		if got := b.redirects("a"); got != 1 {
			t.Errorf("%d messages to a", got)
		}
		b.send(in, "vm1", "vm4", 2) // what has not moved goes on
		b.expect("b", 258, 2)
		if pending := n.Devices()[0]; pending.Watermark >= pending.Revision {
			t.Errorf("a has not been reached and stands at %+v", pending.Status)
		}
		b.reach("a", true)
		if err := n.InSync(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.send(in, "vm1", "vm2", 3)
		b.expect("c", 256, 3)
	})
}

// A message that the policy does not act on makes the authority ask for the
// newest intent.
func TestRefresh(t *testing.T) {
	type inventory func(ctx context.Context, now intent.Intent) (intent.Intent, error)
	for name, c := range map[string]struct {
		ask  inventory
		want []uint32 // of the second frame, at vm2's new place
	}{
		"knows of the move": {
			func(_ context.Context, now intent.Intent) (intent.Intent, error) { return now, nil }, []uint32{2},
		},
		"fails": {
			func(context.Context, intent.Intent) (intent.Intent, error) {
				return intent.Intent{}, errors.New("gone")
			}, nil,
		},
		"answers nonsense": {
			func(_ context.Context, now intent.Intent) (intent.Intent, error) {
				now.Endpoints = slices.Repeat(now.Endpoints, 2)
				return now, nil
			}, nil,
		},
		"never answers": {
			func(ctx context.Context, _ intent.Intent) (intent.Intent, error) {
				<-ctx.Done()
				return intent.Intent{}, ctx.Err()
			}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var asked atomic.Int32
				var now intent.Intent
				b, in, after, west, _ := told(t, intent.RefreshOnly, nva.Options{
					Inventory: func(ctx context.Context) (intent.Intent, error) {
						asked.Add(1)
						return c.ask(ctx, now)
					},
				})
				now = seenBy(after, "a")
				b.send(in, "vm1", "vm2", 1)
				time.Sleep(15 * time.Second)
				if err := west.InSync(t.Context()); err != nil {
					t.Fatal(err)
				}
				b.send(in, "vm1", "vm2", 2)
				b.expect("c", 256, c.want...)
				b.send(in, "vm1", "vm4", 3)
				b.expect("b", 258, 3)
				if asked.Load() == 0 {
					t.Error("nobody was asked")
				}
			})
		})
	}
}

// An answer of the inventory that is older than what was made in meanwhile is
// dropped.
func TestInventoryIsOvertaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var stale intent.Intent
		b, in, now, west, _ := told(t, intent.RefreshOnly, nva.Options{
			Inventory: func(context.Context) (intent.Intent, error) {
				time.Sleep(5 * time.Second)
				return stale, nil
			},
		})
		stale = seenBy(in, "a")
		b.send(in, "vm1", "vm2", 1)
		time.Sleep(time.Second)
		apply(t, west, seenBy(now, "a"))
		time.Sleep(time.Minute)
		held := west.Intent()
		if e, _ := held.Endpoint("vm2"); e.Device != "c" {
			t.Errorf("vm2 is behind %s again", e.Device)
		}
		counted(t, west, map[string]uint64{"refreshes": 1})
	})
}

// Intents come from the handler of packets while others are made in, and all of
// it while devices come and go.
func TestAllAtOnce(t *testing.T) {
	in := parse(t, mesh)
	in.Devices = slices.Clone(in.Devices)
	in.Devices[0].NVGREExt.Policy = intent.RefreshOnly
	b := newBed(t, in)
	away := moved(in, "vm2", "c", 256)
	west := b.start(nva.Options{
		Inventory: func(context.Context) (intent.Intent, error) { return seenBy(in, "a"), nil },
		Drain:     time.Millisecond, Audit: 20 * time.Millisecond,
	})
	east := b.start(nva.Options{Drain: time.Millisecond, Audit: 20 * time.Millisecond})
	apply(t, west, seenBy(in, "a"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range uint32(300) {
			b.send(in, "vm1", "vm2", i)
			west.Counters()
			east.Devices()
			time.Sleep(time.Millisecond)
		}
	}()
	for i, running := 0, true; running; i++ {
		select {
		case <-done:
			running = false
		case <-time.After(10 * time.Millisecond):
		}
		if err := east.Set(seenBy([]intent.Intent{in, away}[i%2], "b", "c")); err != nil {
			t.Error(err)
		}
		if err := west.Set(seenBy([]intent.Intent{in, away}[i/2%2], "a")); err != nil {
			t.Error(err)
		}
		if i%7 == 3 {
			b.reach("b", false)
			b.reach("b", true)
		}
	}
	apply(t, west, seenBy(away, "a"))
	apply(t, east, seenBy(away, "b", "c"))
	b.send(away, "vm1", "vm2", 1000)
	b.await("c", 256, 1000)
}

// What a transit device or NVE reports is kept, the newest of it.
func TestSightings(t *testing.T) {
	got := nva.KeepSightings(3000)
	if len(got) != 1024 || got[0].Origin != 1976 || got[1023].Origin != 2999 {
		t.Errorf("%d kept, from %d to %d", len(got), got[0].Origin, got[len(got)-1].Origin)
	}
	var few []uint32
	for _, s := range nva.KeepSightings(3) {
		few = append(few, s.Origin)
	}
	if diff := cmp.Diff([]uint32{0, 1, 2}, few); diff != "" {
		t.Error(diff)
	}
}
