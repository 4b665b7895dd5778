package engine

import (
	"cmp"
	"math/bits"
	"slices"
)

// A key is packed into words. Entries are grouped by their mask (tuple space search): within a group a lookup is one
// hash probe. An exact table has one group, a longest-prefix table one a prefix length, tried from the longest, and a
// ternary or range table as many as there are masks, tried from the one with the best priority. Range fields do not
// take part in the hash but are compared afterwards.

type order uint8

const (
	orderNone     order = iota // one group
	orderLongest               // the longest prefix wins
	orderPriority              // the lowest priority number wins, then the lowest handle
)

type entry struct {
	handle   Handle
	priority int32
	key      []uint64 // under the mask
	group    *group
	ranges   []uint64 // low and high words of each range field
	hash     uint64
	next     *entry // in its bucket, by priority, then handle
	prefix   int

	act    *action // of a simple table
	args   []uint64
	node   *node // what comes next
	target Target
	ttl    int64 // ns
	hit    int64 // ns since the start of the switch
	armed  int64 // from when on the idle time counts
	count  CounterData
	meter  meterCell
	fixed  bool
}

type group struct {
	mask    []uint64
	rank    int32 // by which groups are tried, lowest first
	buckets []*entry
	n       int
	ranks   map[int32]int // entries a priority
}

type lookup struct {
	words  int
	order  order
	ranges []rangeField
	groups []*group
}

// rangeField is where a range field stands in a key: consecutive pieces, the most significant first.
type rangeField struct {
	pieces []keyPiece
	at     int // of its low words in entry.ranges; the high ones follow
}

// keyPiece is up to 64 bits of one field within a key.
type keyPiece struct {
	slot  int // in the header vector
	word  int // in the key
	shift uint
	mask  uint64 // of the bits, before shifting
}

const hashMul = 0x9E3779B97F4A7C15

func mix(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^v, hashMul)
	return hi ^ lo
}

func (g *group) hash(key []uint64) uint64 {
	h := uint64(len(key))
	for i, m := range g.mask {
		h = mix(h, key[i]&m)
	}
	return h
}

func (g *group) matches(e *entry, key []uint64) bool {
	for i, m := range g.mask {
		if key[i]&m != e.key[i] {
			return false
		}
	}
	return true
}

// findExact is find for a table with one group, whose mask leaves out nothing that a key can have.
func (l *lookup) findExact(key []uint64) *entry {
	g := l.groups[0]
	h := uint64(len(key))
	for _, v := range key {
		h = mix(h, v)
	}
next:
	for e := g.buckets[h&uint64(len(g.buckets)-1)]; e != nil; e = e.next {
		if e.hash != h {
			continue
		}
		for i, v := range key {
			if e.key[i] != v {
				continue next
			}
		}
		return e
	}
	return nil
}

// find returns the entry that wins for the key, or nil.
func (l *lookup) find(key []uint64) *entry {
	var best *entry
	for _, g := range l.groups {
		if best != nil && g.rank > best.priority {
			break // only orderPriority goes on after a hit
		}
		h := g.hash(key)
		for e := g.buckets[h&uint64(len(g.buckets)-1)]; e != nil; e = e.next {
			if e.hash != h || !g.matches(e, key) || len(l.ranges) > 0 && !l.inRange(e, key) {
				continue
			}
			if l.order != orderPriority {
				return e
			}
			if best == nil || e.before(best) {
				best = e
			}
			break
		}
	}
	return best
}

func (e *entry) before(o *entry) bool {
	return e.priority < o.priority || e.priority == o.priority && e.handle < o.handle
}

func (l *lookup) inRange(e *entry, key []uint64) bool {
	for i := range l.ranges {
		r := &l.ranges[i]
		n := len(r.pieces)
		lo, hi := e.ranges[r.at:r.at+n], e.ranges[r.at+n:r.at+2*n]
		above, below := false, false // decided by a more significant piece
		for k := range r.pieces {
			p := &r.pieces[k]
			v := key[p.word] >> p.shift & p.mask
			if !above && v < lo[k] || !below && v > hi[k] {
				return false
			}
			above = above || v > lo[k]
			below = below || v < hi[k]
		}
	}
	return true
}

// exists finds the entry that is the same as e would be, or nil.
func (l *lookup) exists(e *entry, mask []uint64) *entry {
	g := l.group(mask)
	if g == nil {
		return nil
	}
	h := g.hash(e.key)
	for o := g.buckets[h&uint64(len(g.buckets)-1)]; o != nil; o = o.next {
		if o.hash == h && slices.Equal(o.key, e.key) && o.priority == e.priority && slices.Equal(o.ranges, e.ranges) {
			return o
		}
	}
	return nil
}

func (l *lookup) group(mask []uint64) *group {
	for _, g := range l.groups {
		if slices.Equal(g.mask, mask) {
			return g
		}
	}
	return nil
}

func (l *lookup) insert(e *entry, mask []uint64) {
	g := l.group(mask)
	if g == nil {
		g = &group{mask: mask, buckets: make([]*entry, 8), ranks: map[int32]int{}}
		l.groups = append(l.groups, g)
	}
	if g.n >= len(g.buckets) {
		g.grow()
	}
	e.group, e.hash = g, g.hash(e.key)
	g.link(e)
	g.n++
	rank := l.rank(e)
	g.ranks[rank]++
	if g.n == 1 || rank < g.rank {
		g.rank = rank
		l.sort()
	}
}

// rank orders groups: entries of a group in a longest-prefix table share the prefix length.
func (l *lookup) rank(e *entry) int32 {
	if l.order == orderLongest {
		return int32(-e.prefix)
	}
	return e.priority
}

func (l *lookup) sort() {
	slices.SortStableFunc(l.groups, func(a, b *group) int { return cmp.Compare(a.rank, b.rank) })
}

func (l *lookup) remove(e *entry) {
	g := e.group
	for at := &g.buckets[e.hash&uint64(len(g.buckets)-1)]; *at != nil; at = &(*at).next {
		if *at == e {
			*at = e.next
			break
		}
	}
	g.n--
	if g.n == 0 {
		l.groups = slices.DeleteFunc(l.groups, func(o *group) bool { return o == g })
		return
	}
	rank := l.rank(e)
	if g.ranks[rank]--; g.ranks[rank] > 0 {
		return
	}
	delete(g.ranks, rank)
	if rank == g.rank {
		first := true
		for r := range g.ranks {
			if first || r < g.rank {
				g.rank, first = r, false
			}
		}
		l.sort()
	}
}

func (g *group) grow() {
	old := g.buckets
	g.buckets = make([]*entry, 2*len(old))
	for _, e := range old {
		for e != nil {
			next := e.next
			g.link(e)
			e = next
		}
	}
}

// link puts the entry into its bucket, which is kept in the order in which entries win.
func (g *group) link(e *entry) {
	at := &g.buckets[e.hash&uint64(len(g.buckets)-1)]
	for *at != nil && (*at).before(e) {
		at = &(*at).next
	}
	e.next = *at
	*at = e
}
