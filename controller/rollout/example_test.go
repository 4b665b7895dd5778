package rollout_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/controller/rollout"
)

// Device a is to send to b in layout 2 instead of 1.
func ExampleFleet() {
	fleet := rollout.Fleet{Drain: time.Second}
	fleet.Target("a", []render.Desired{tunnel("b", 2)})
	fleet.Target("b", []render.Desired{row(2)})
	fleet.Found("a", raw(tunnel("b", 1)))
	fleet.Found("b", raw(row(1)))

	now := time.Unix(0, 0)
	for revision := uint64(1); !fleet.Settled(); revision++ {
		for _, h := range fleet.Advance(revision, now) {
			var put []string
			for _, e := range h.Put {
				put = append(put, short(e))
			}
			slices.Sort(put)
			fmt.Printf("%d  %s: put %q, remove %d\n", revision, h.Device, put, len(h.Remove))
			fleet.Reached(h.Device, revision) // at once, here
		}
		if next, ok := fleet.Next(); ok {
			now = next
		}
	}
	// Output:
	// 1  a: put ["tunnel b 1"], remove 0
	// 1  b: put ["row 1" "row 2"], remove 0
	// 2  a: put ["tunnel b 2"], remove 0
	// 4  b: put [], remove 1
}
