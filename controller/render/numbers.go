package render

import (
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
)

// ErrNoNumber is the fault of a name for which the program has no number left.
var ErrNoNumber = errors.New("no number is left")

// Space is a set of numbers, from 1 to Max, that stand for names in tables.
type Space struct {
	Name string
	Max  uint32
}

// The largest numbers that programs have room for.
const (
	// maxCell is the last cell of nve.p4's registers and counters by tunnel and
	// by peer.
	maxCell = 4095
	// maxGroup is as high as P4Runtime servers go that are made with PI, such as
	// bmv2's: they keep the upper half of the ids for clone sessions.
	maxGroup = 1<<15 - 1
	max16    = 1<<16 - 1
)

// spaceOfNodes numbers NVEs: their node ids, and the cells of their peers'
// counters.
func spaceOfNodes() Space { return Space{"nodes", maxCell} }

// spaceOfLayouts numbers layouts by what they hold, for all devices alike.
func spaceOfLayouts() Space { return Space{"layouts", max16} }

func spaceOfTunnels(device string) Space  { return Space{"tunnels of " + device, maxCell} }
func spaceOfNextHops(device string) Space { return Space{"next hops of " + device, max16} }
func spaceOfGroups(device string) Space   { return Space{"multicast groups of " + device, maxGroup} }

// Numbers gives names the small numbers that stand for them in tables. A name
// keeps its number, also while the intent does not have it, until Recycle: a
// number in use never changes its meaning under a packet.
//
// A number is a digest of the name; only where two digests meet does it matter
// which name came first. So a controller that starts anew gives nearly all
// names the numbers that devices have for them already.
//
// Its zero value is empty. It is safe for concurrent use.
type Numbers struct {
	mu     sync.Mutex
	round  uint64
	spaces map[Space]*names
}

type names struct {
	byName map[string]*numbered
	taken  map[uint32]bool
}

type numbered struct {
	number uint32
	round  uint64 // in which it was asked for last
}

// Of returns the number of a name in a space, or an error that wraps
// [ErrNoNumber].
func (n *Numbers) Of(s Space, name string) (uint32, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	in := n.spaces[s]
	if in == nil {
		in = &names{make(map[string]*numbered), make(map[uint32]bool)}
		if n.spaces == nil {
			n.spaces = make(map[Space]*names)
		}
		n.spaces[s] = in
	}
	if known := in.byName[name]; known != nil {
		known.round = n.round
		return known.number, nil
	}
	if uint64(len(in.byName)) >= uint64(s.Max) {
		return 0, fmt.Errorf("%s: %w: there are %d", s.Name, ErrNoNumber, s.Max)
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // cannot fail
	number := h.Sum32()%s.Max + 1
	for in.taken[number] {
		number = number%s.Max + 1
	}
	in.byName[name], in.taken[number] = &numbered{number, n.round}, true
	return number, nil
}

// Begin starts a round of asking for all names of an intent. Names that are
// asked for from now on are of this round, or of a later one.
func (n *Numbers) Begin() (round uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.round++
	return n.round
}

// Recycle forgets the names that were last asked for before a round. No device
// may hold them any more.
func (n *Numbers) Recycle(round uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for s, in := range n.spaces {
		for name, known := range in.byName {
			if known.round < round {
				delete(in.byName, name)
				delete(in.taken, known.number)
			}
		}
		if len(in.byName) == 0 {
			delete(n.spaces, s)
		}
	}
}
