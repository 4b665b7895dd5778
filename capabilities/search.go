package capabilities

import (
	"math"
	"math/bits"
	"slices"
)

// set is a set of wanted options: bit i is option i.
type set uint32

func (s set) has(i int) bool { return s>>i&1 == 1 }

// all yields the options of the set from the first on.
func (s set) all(yield func(int) bool) {
	for ; s != 0; s &= s - 1 {
		if !yield(bits.TrailingZeros32(uint32(s))) {
			return
		}
	}
}

// problem is a conjunction of constraints. A layout is a sequence of options; what may follow next depends only on the set of those that
// stand already, because their words together are where the next one starts. So the search is over sets, of which there are 2^n.
type problem struct {
	n      int
	never  bool
	words  []int
	usable set // what no constraint rejects
	sums   []sum
	room   int       // that the sums leave for words
	before []set     // option i stands before all of before[i]
	apart  []set     // option i is not with any of apart[i]
	at     []WordSet // option i starts at one of at[i]
	// positional is set if it matters where an option starts. If it does not, every part of a layout is a layout.
	positional bool
}

// sum bounds the cost of all options of a layout.
type sum struct {
	cost []int
	room int
}

// problem returns the conjunction of the constraints that are enabled, but for what they need.
func (c *compiler) problem(enabled func(int) bool) *problem {
	n := len(c.options)
	p := &problem{n: n, words: c.words, room: math.MaxInt, usable: set(1)<<n - 1, before: make([]set, n), apart: make([]set, n), at: make([]WordSet, n)}
	for i := range p.at {
		p.at[i] = anywhere
	}
	for x := range c.list {
		if enabled(x) {
			p.add(&c.list[x])
		}
	}
	for i := range p.at {
		if p.at[i] == 0 {
			p.usable &^= 1 << i
		}
		p.positional = p.positional || p.at[i] != anywhere
	}
	return p
}

func (p *problem) add(k *constraint) {
	p.never = p.never || k.never
	p.usable &^= k.reject
	for i, s := range k.before {
		p.before[i] |= s
	}
	for i, s := range k.apart {
		p.apart[i] |= s
	}
	for i, s := range k.at {
		p.at[i] &= s
	}
	if k.cost == nil {
		return
	}
	if slices.Equal(k.cost, p.words) {
		p.room = min(p.room, k.room)
	}
	if i := slices.IndexFunc(p.sums, func(s sum) bool { return slices.Equal(s.cost, k.cost) }); i >= 0 {
		p.sums[i].room = min(p.sums[i].room, k.room)
		return
	}
	p.sums = append(p.sums, sum{k.cost, k.room})
}

// fits reports whether the options of s keep all sums and are none that must be apart.
func (p *problem) fits(s set) bool {
	if p.never || s&^p.usable != 0 {
		return false
	}
	for i := range s.all {
		if p.apart[i]&s != 0 {
			return false
		}
	}
	return p.within(s)
}

func total(cost []int, s set) int {
	n := 0
	for i := range s.all {
		n += cost[i]
	}
	return n
}

// next reports whether option i may stand directly behind those of s, whose length is length words.
func (p *problem) next(s set, length, i int) bool {
	return p.before[i]&s == 0 && (p.at[i] == anywhere || p.at[i].Has(length))
}

// order returns the options of s, all of which fit, in the order that has the option of the smallest number first wherever it can; nil if
// there is none.
func (p *problem) order(s set) []int {
	dead := map[set]bool{}
	out := make([]int, 0, p.n)
	var place func(done set, length int) bool
	place = func(done set, length int) bool {
		if done == s {
			return true
		}
		if dead[done] {
			return false
		}
		for i := range (s &^ done).all {
			// What has to stand before i and is still to come would come too late.
			if !p.next(done, length, i) || p.late(i, s&^done) {
				continue
			}
			out = append(out, i)
			if place(done|1<<i, length+p.words[i]) {
				return true
			}
			out = out[:len(out)-1]
			if !p.positional {
				break // only what must come before what is left matters, and that is the same after any choice
			}
		}
		dead[done] = true
		return false
	}
	if !place(0, 0) {
		return nil
	}
	return out
}

// late reports whether an option of rest has to stand before i.
func (p *problem) late(i int, rest set) bool {
	for j := range rest.all {
		if j != i && p.before[j].has(i) {
			return true
		}
	}
	return false
}

// exists reports whether there is a layout that has all of need.
func (p *problem) exists(need set) bool {
	if !p.fits(need) {
		return false
	}
	if alone := p.order(need) != nil; alone || !p.positional {
		return alone
	}
	// An option that nobody needs may have to fill the words before one that has a fixed place.
	_, ok := p.search(need, make([]int, p.n), true)
	return ok
}

// best returns the options of the best layout that has all of need: the greatest value, then the fewest words, then the first options.
func (p *problem) best(need set, values []int) (set, bool) {
	if !p.fits(need) {
		return 0, false
	}
	return p.search(need, values, false)
}

type search struct {
	*problem
	need    set
	values  []int
	any     bool
	density []int    // options by value a word, the best first
	visited []uint64 // a bitmap of sets

	found              bool
	chosen             set
	value, chosenWords int
}

func (p *problem) search(need set, values []int, first bool) (set, bool) {
	s := &search{problem: p, need: need, values: values, any: first}
	for i := range p.usable.all {
		s.density = append(s.density, i)
	}
	slices.SortStableFunc(s.density, func(a, b int) int { return values[b]*p.words[a] - values[a]*p.words[b] })
	s.visited = make([]uint64, 1<<max(0, p.n-6))
	s.visit(0, 0, 0)
	return s.chosen, s.found
}

// again reports whether done was visited before, and marks it.
func (s *search) again(done set) bool {
	bit := uint64(1) << (done & 63)
	ok := s.visited[done>>6]&bit != 0
	s.visited[done>>6] |= bit
	return ok
}

func (s *search) visit(done set, length, value int) {
	if s.again(done) || s.any && s.found {
		return
	}
	if s.need&^done == 0 && s.better(done, length, value) {
		s.found, s.chosen, s.value, s.chosenWords = true, done, value, length
	}
	open := s.open(done, length)
	if s.need&^(done|open) != 0 || s.hopeless(done, open, length, value) || !s.reachable(done, open, length) {
		return
	}
	for _, part := range [...]set{open & s.need, open &^ s.need} {
		for i := range part.all {
			if s.next(done, length, i) {
				s.visit(done|1<<i, length+s.words[i], value+s.values[i])
			}
		}
	}
}

func (s *search) better(done set, length, value int) bool {
	switch {
	case !s.found:
		return true
	case value != s.value:
		return value > s.value
	case length != s.chosenWords:
		return length < s.chosenWords
	}
	differ := done ^ s.chosen
	return differ&-differ&done != 0
}

// open returns the options that may still come, sooner or later, behind those of done.
func (s *search) open(done set, length int) set {
	var open set
	for i := range (s.usable &^ done).all {
		if s.apart[i]&done == 0 && s.before[i]&done == 0 && (s.at[i] == anywhere || s.at[i]>>length != 0) && s.within(done|1<<i) {
			open |= 1 << i
		}
	}
	return open
}

// within reports whether the options of done keep all sums.
func (p *problem) within(done set) bool {
	for _, b := range p.sums {
		if total(b.cost, done) > b.room {
			return false
		}
	}
	return true
}

// reachable reports whether the words of open, in any order, can bring each option that is needed to a place where it may stand.
func (s *search) reachable(done, open set, length int) bool {
	if !s.positional {
		return true
	}
	for i := range (s.need &^ done).all {
		if s.at[i] == anywhere {
			continue
		}
		starts := WordSet(1) << length
		for j := range (open &^ (1 << i)).all {
			starts |= starts << s.words[j]
		}
		if starts&s.at[i] == 0 {
			return false
		}
	}
	return true
}

// hopeless reports whether no layout that goes on from done with options of open is better than what was found.
func (s *search) hopeless(done, open set, length, value int) bool {
	if !s.found {
		return false
	}
	sum, words := value, length
	for i := range open.all {
		sum += s.values[i]
		words += s.words[i]
	}
	if sum < s.value {
		return true
	}
	// A layout of the same value would have all of open: what has no value is needed.
	if sum == s.value {
		return !s.better(done|open, words, sum)
	}
	return s.value > s.relaxed(open, length, value)
}

// relaxed bounds the value of what can still be reached if only the words counted and options could be cut.
func (s *search) relaxed(open set, length, value int) int {
	left := s.room - length
	for _, i := range s.density {
		if !open.has(i) {
			continue
		}
		if s.words[i] > left {
			return value + s.values[i]*left/s.words[i]
		}
		left -= s.words[i]
		value += s.values[i]
	}
	return value
}
