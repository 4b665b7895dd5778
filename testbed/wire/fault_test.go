package wire_test

import (
	"context"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/testbed/wire"
)

// Whatever is lost, duplicated and delayed: what arrives is what was sent, less the lost, plus the duplicates, and only delayed frames
// are out of order.
func TestFaultsLoseNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 20).Draw(t, "count")
		numbers := func(label string) []uint64 {
			return rapid.SliceOfNDistinct(rapid.Uint64Range(1, uint64(count)), 0, count, rapid.ID).Draw(t, label)
		}
		faults := wire.Faults{Lose: numbers("lose"), Duplicate: numbers("duplicate"), Delay: numbers("delay")}
		n := wire.New(wire.Options{})
		defer n.Close()
		b := wire.End{Node: "b", Port: 1}
		if err := n.Connect(wire.Wire{Name: "w", A: a, B: b}); err != nil {
			t.Fatal(err)
		}
		if err := n.SetFaults("w", faults); err != nil {
			t.Fatal(err)
		}
		var arrived []uint64
		n.Attach("b", func(_ uint32, frame []byte) {
			i, _ := strconv.ParseUint(string(frame), 10, 64)
			arrived = append(arrived, i)
		})
		var want []uint64
		for i := uint64(1); i <= uint64(count); i++ {
			if err := n.Send(a, strconv.AppendUint(nil, i, 10)); err != nil {
				t.Fatal(err)
			}
			lost := slices.Contains(faults.Lose, i)
			if !lost {
				want = append(want, i)
			}
			if !lost && slices.Contains(faults.Duplicate, i) && !slices.Contains(faults.Delay, i) {
				want = append(want, i)
			}
		}
		if err := n.Settle(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(slices.Values(arrived)); !slices.Equal(got, want) {
			t.Fatalf("arrived %v, want %v in some order", got, want)
		}
		onTime := slices.DeleteFunc(arrived, func(i uint64) bool { return slices.Contains(faults.Delay, i) })
		if !slices.IsSorted(onTime) {
			t.Fatalf("frames %v that were not delayed are out of order", onTime)
		}
	})
}
