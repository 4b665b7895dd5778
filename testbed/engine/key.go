package engine

import (
	"bytes"
	"fmt"
	"math/big"
)

func lowOnes(n int) *big.Int {
	v := new(big.Int).Lsh(bigOne, uint(n))
	return v.Sub(v, bigOne)
}

// pack turns a key of the control plane into an entry without target, and its mask. Bits beyond the width of a field,
// its mask or its prefix are ignored, as bmv2 does.
func (t *tableDef) pack(key []Match, priority int32) (*entry, []uint64, error) {
	if len(t.keys) == 0 {
		return nil, nil, fmt.Errorf("table %s: %w", t.name, ErrNoKey)
	}
	if len(key) != len(t.keys) {
		return nil, nil, &KeyError{Table: t.name, Reason: fmt.Sprintf("has %d fields, not %d", len(t.keys), len(key))}
	}
	e := &entry{key: make([]uint64, t.words)}
	if t.order == orderPriority {
		e.priority = priority
	}
	mask := make([]uint64, t.words)
	for i := range t.keys {
		k := &t.keys[i]
		if reason := k.check(&key[i]); reason != "" {
			return nil, nil, &KeyError{Table: t.name, Field: k.Name, Reason: reason}
		}
		k.pack(e, mask, &key[i])
	}
	for i, parts := range t.gather { // the program's own mask applies to entries too
		for _, g := range parts {
			e.key[i] &^= (g.mask &^ g.static) << g.shift
		}
	}
	for i, m := range mask {
		e.key[i] &= m
	}
	return e, mask, nil
}

func (k *keyField) check(m *Match) string {
	n := bytesOf(k.Bits)
	switch {
	case m.Kind != k.Kind:
		return fmt.Sprintf("is matched as %v, not %v", k.Kind, m.Kind)
	case len(m.Value) != n:
		return fmt.Sprintf("value has %d bytes, not %d", len(m.Value), n)
	case m.Kind == MatchTernary && len(m.Mask) != n:
		return fmt.Sprintf("mask has %d bytes, not %d", len(m.Mask), n)
	case m.Kind == MatchRange && len(m.High) != n:
		return fmt.Sprintf("upper bound has %d bytes, not %d", len(m.High), n)
	case m.Kind == MatchRange && bytes.Compare(m.Value, m.High) > 0:
		return "lower bound exceeds the upper one"
	case m.Kind == MatchLPM && (m.PrefixLen < 0 || m.PrefixLen > k.Bits):
		return fmt.Sprintf("prefix length %d is outside of 0..%d", m.PrefixLen, k.Bits)
	}
	return ""
}

func (k *keyField) pack(e *entry, mask []uint64, m *Match) {
	n := len(k.pieces)
	w := make([]uint64, n)
	if k.Kind == MatchRange {
		wordsFromBytes(w, m.Value, k.Bits)
		e.ranges = append(e.ranges, w...)
		wordsFromBytes(w, m.High, k.Bits)
		e.ranges = append(e.ranges, w...)
		return
	}
	wordsFromBytes(w, m.Value, k.Bits)
	ones := make([]uint64, n)
	switch k.Kind {
	case MatchLPM:
		v := lowOnes(m.PrefixLen)
		setBig(ones, v.Lsh(v, uint(k.Bits-m.PrefixLen)), k.Bits)
		e.prefix = m.PrefixLen
	case MatchTernary:
		wordsFromBytes(ones, m.Mask, k.Bits)
	default:
		setBig(ones, lowOnes(k.Bits), k.Bits)
	}
	for i, p := range k.pieces {
		e.key[p.word] |= w[i] << p.shift
		mask[p.word] |= ones[i] << p.shift
	}
}

// unpack is the reverse of pack.
func (t *tableDef) unpack(e *entry) []Match {
	out := make([]Match, len(t.keys))
	ranges := e.ranges
	for i := range t.keys {
		k := &t.keys[i]
		n := len(k.pieces)
		m := &out[i]
		m.Kind = k.Kind
		if k.Kind == MatchRange {
			m.Value, m.High = appendWords(nil, ranges[:n], k.Bits), appendWords(nil, ranges[n:2*n], k.Bits)
			ranges = ranges[2*n:]
			continue
		}
		w, ones := make([]uint64, n), make([]uint64, n)
		for j, p := range k.pieces {
			w[j] = e.key[p.word] >> p.shift & p.mask
			ones[j] = e.group.mask[p.word] >> p.shift & p.mask
		}
		m.Value = appendWords(nil, w, k.Bits)
		switch k.Kind {
		case MatchLPM:
			m.PrefixLen = e.prefix
		case MatchTernary:
			m.Mask = appendWords(nil, ones, k.Bits)
		}
	}
	return out
}

// String returns the name that P4 has for the match.
func (k MatchKind) String() string {
	return [...]string{"exact", "lpm", "ternary", "range", "valid"}[min(k, MatchValid)]
}
