package render

import "sync"

// Numbers gives names the small numbers that stand for them in tables. A name
// keeps its number for as long as the value lives, also while the intent does
// not have it, so that a number in use never changes its meaning under a packet.
// Its zero value is empty. It is safe for concurrent use.
type Numbers struct {
	mu     sync.Mutex
	spaces map[string]map[string]uint32
}

// Of returns the number of a name in a space of numbers, from 1 in the order
// in which names are first asked for.
func (n *Numbers) Of(space, name string) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	names := n.spaces[space]
	if names == nil {
		names = make(map[string]uint32)
		if n.spaces == nil {
			n.spaces = make(map[string]map[string]uint32)
		}
		n.spaces[space] = names
	}
	v, ok := names[name]
	if !ok {
		v = uint32(len(names)) + 1
		names[name] = v
	}
	return v
}
