package wire

import (
	"fmt"
	"maps"
	"slices"
)

// Faults are what a wire does wrong. Frames are counted from 1 in both directions together, from the moment that the faults are set, so
// that a fault strikes the same frame each time.
type Faults struct {
	// Down loses every frame.
	Down bool
	// Lose and Duplicate strike the frames of these numbers, and so does Delay.
	Lose, Duplicate []uint64
	// Delay holds a frame back until the next one has passed on its wire, so that the two arrive out of order, or until somebody waits for the
	// network to settle.
	Delay []uint64
}

// SetFaults makes a wire behave so from now on; the zero value makes it well. Frames that were held back by the faults before arrive
// as if they had been sent now.
func (n *Network) SetFaults(wire string, f Faults) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.wires[wire]
	if l == nil {
		return fmt.Errorf("wire: %s %w", wire, ErrUnknown)
	}
	for _, held := range l.held {
		n.enqueue(held)
	}
	l.held, l.passed, l.faults = nil, 0, f
	return nil
}

// apply returns what becomes of a frame that is put on the wire.
func (l *link) apply(f Frame) []Frame {
	l.passed++
	switch {
	case l.faults.Down || slices.Contains(l.faults.Lose, l.passed):
		f.Lost = true
	case slices.Contains(l.faults.Delay, l.passed):
		l.held = append(l.held, f)
		return nil
	}
	out := []Frame{f}
	if !f.Lost && slices.Contains(l.faults.Duplicate, l.passed) {
		out = append(out, f)
	}
	out = append(out, l.held...)
	l.held = nil
	return out
}

// releaseHeld lets frames go that no further frame has overtaken, in the order of the wires' names. The caller holds n.mu.
func (n *Network) releaseHeld() {
	for _, name := range slices.Sorted(maps.Keys(n.wires)) {
		l := n.wires[name]
		for _, f := range l.held {
			n.enqueue(f)
		}
		l.held = nil
	}
}
