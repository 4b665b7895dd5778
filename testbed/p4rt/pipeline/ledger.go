package pipeline

import "iter"

// ledger is a map that remembers the order in which its keys came, so that
// reads are reproducible. Deleting is as cheap as in a map.
type ledger[K comparable, V any] struct {
	byKey       map[K]*line[K, V]
	first, last *line[K, V]
}

type line[K comparable, V any] struct {
	key        K
	value      V
	prev, next *line[K, V]
}

func (l *ledger[K, V]) len() int { return len(l.byKey) }

func (l *ledger[K, V]) get(k K) (V, bool) {
	if n := l.byKey[k]; n != nil {
		return n.value, true
	}
	var zero V
	return zero, false
}

// put adds a key at the end, or replaces the value of one that is there.
func (l *ledger[K, V]) put(k K, v V) {
	if n := l.byKey[k]; n != nil {
		n.value = v
		return
	}
	if l.byKey == nil {
		l.byKey = make(map[K]*line[K, V])
	}
	n := &line[K, V]{key: k, value: v, prev: l.last}
	if l.last != nil {
		l.last.next = n
	} else {
		l.first = n
	}
	l.last = n
	l.byKey[k] = n
}

func (l *ledger[K, V]) remove(k K) {
	n := l.byKey[k]
	if n == nil {
		return
	}
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		l.first = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		l.last = n.prev
	}
	delete(l.byKey, k)
}

// all yields keys and values, oldest first.
func (l *ledger[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for n := l.first; n != nil; n = n.next {
			if !yield(n.key, n.value) {
				return
			}
		}
	}
}
