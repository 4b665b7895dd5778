package miss

// recent is a map of bounded size that knows which of its keys was touched longest ago. Its memory is that of the most keys it ever
// held, at most limit; nothing is allocated once it has grown.
type recent[K comparable, V any] struct {
	limit int
	index map[K]int32
	// slots[0] is the ring's anchor: its next is the key touched last, its prev the one touched longest ago.
	slots []slot[K, V]
	free  int32 // a chain through next of slots not in use, ended by 0
}

type slot[K comparable, V any] struct {
	key        K
	value      V
	prev, next int32
}

func newRecent[K comparable, V any](limit int) recent[K, V] {
	return recent[K, V]{limit: max(limit, 1), index: make(map[K]int32), slots: make([]slot[K, V], 1)}
}

func (r *recent[K, V]) len() int { return len(r.index) }

func (r *recent[K, V]) full() bool { return len(r.index) >= r.limit }

// get returns the value of a key, or nil. The pointer holds until the next put.
func (r *recent[K, V]) get(k K) *V {
	if i := r.index[k]; i != 0 {
		return &r.slots[i].value
	}
	return nil
}

// put returns the value of a key, a zero one if it is new, and makes it the key touched last. In a full map a new key takes
// the place of the one touched longest ago. The pointer holds until the next put.
func (r *recent[K, V]) put(k K) *V {
	i := r.index[k]
	switch {
	case i != 0:
		r.unlink(i)
	case r.full():
		r.drop(r.slots[r.slots[0].prev].key)
		fallthrough
	default:
		i = r.take()
		r.slots[i] = slot[K, V]{key: k}
		r.index[k] = i
	}
	first := r.slots[0].next
	r.slots[i].prev, r.slots[i].next = 0, first
	r.slots[first].prev, r.slots[0].next = i, i
	return &r.slots[i].value
}

// oldest returns the key touched longest ago and its value; the value is nil if there is none.
func (r *recent[K, V]) oldest() (K, *V) {
	i := r.slots[0].prev
	if i == 0 {
		var none K
		return none, nil
	}
	return r.slots[i].key, &r.slots[i].value
}

func (r *recent[K, V]) drop(k K) {
	i := r.index[k]
	if i == 0 {
		return
	}
	r.unlink(i)
	delete(r.index, k)
	r.slots[i] = slot[K, V]{next: r.free}
	r.free = i
}

func (r *recent[K, V]) take() int32 {
	if i := r.free; i != 0 {
		r.free = r.slots[i].next
		return i
	}
	r.slots = append(r.slots, slot[K, V]{})
	return int32(len(r.slots) - 1)
}

func (r *recent[K, V]) unlink(i int32) {
	s := &r.slots[i]
	r.slots[s.prev].next, r.slots[s.next].prev = s.next, s.prev
}
