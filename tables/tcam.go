package tables

import (
	"fmt"
	"math/bits"

	"github.com/keyway-nve/keyway/proto/bytestring"
)

// Row is one row of a TCAM. It matches the keys that equal Value in the bits
// that are set in Mask. A key is its fields one after the other in the order
// of P4Info, each big-endian in whole bytes, as bmv2 lays them. Value and Mask
// have the length of the key, and no bit of Value is outside Mask.
type Row struct {
	Value, Mask string
}

// Matches reports whether the row matches a key of the same table.
func (r Row) Matches(key []byte) bool {
	if len(key) != len(r.Mask) {
		return false
	}
	for i, b := range key {
		if b&r.Mask[i] != r.Value[i] {
			return false
		}
	}
	return true
}

// Overlaps reports whether some key matches both rows of the same table.
func (r Row) Overlaps(o Row) bool {
	for i := range len(r.Mask) {
		if (r.Value[i]^o.Value[i])&r.Mask[i]&o.Mask[i] != 0 {
			return false
		}
	}
	return true
}

// Covers reports whether every key that o matches, r matches too.
func (r Row) Covers(o Row) bool {
	for i := range len(r.Mask) {
		if r.Mask[i]&^o.Mask[i] != 0 {
			return false
		}
	}
	return r.Overlaps(o)
}

// Rows returns the rows by which a TCAM holds the canonical entry e of t: one,
// or if the key has ranges, one for each combination of the blocks that
// [ExpandRange] gives.
func (t *Table) Rows(e Entry) ([]Row, error) {
	type part struct{ value, mask []byte }
	rows := []part{{}}
	for i := range t.Fields {
		f := &t.Fields[i]
		n := bytestring.Len(f.Width)
		blocks := []Masked[Value]{{Value: "\x00", Mask: "\x00"}} // don't care
		if m := e.find(f.Name); m != nil {
			switch m.Kind {
			case KindRange:
				low, err := m.Value.Uint64()
				high, highErr := m.Mask.Uint64()
				if err != nil || highErr != nil {
					return nil, fmt.Errorf("%s: field %s: ranges of more than 64 bits are %w", t.Name, f.Name, ErrUnsupported)
				}
				blocks = blocks[:0]
				for _, b := range ExpandRange(low, high, f.Width) {
					blocks = append(blocks, Masked[Value]{Value: Uint(b.Value), Mask: Uint(b.Mask)})
				}
			case KindTernary:
				blocks[0] = Masked[Value]{Value: m.Value, Mask: m.Mask}
			case KindLPM:
				blocks[0] = Masked[Value]{Value: m.Value, Mask: ones(m.Prefix, f.Width-m.Prefix)}
			default:
				blocks[0] = Masked[Value]{Value: m.Value, Mask: ones(f.Width, 0)}
			}
		}
		next := make([]part, 0, len(rows)*len(blocks))
		for _, r := range rows {
			for _, b := range blocks {
				value, mask := make([]byte, n), make([]byte, n)
				AsBytes(b.Value, value)
				AsBytes(b.Mask, mask)
				next = append(next, part{
					append(r.value[:len(r.value):len(r.value)], value...),
					append(r.mask[:len(r.mask):len(r.mask)], mask...),
				})
			}
		}
		rows = next
	}
	out := make([]Row, len(rows))
	for i, r := range rows {
		out[i] = Row{Value: string(r.value), Mask: string(r.mask)}
	}
	return out, nil
}

// RowCount returns how many rows a TCAM needs for the canonical entry e of t:
// len of what Rows returns, without making them.
func (t *Table) RowCount(e Entry) int {
	n := 1
	for i := range e.Matches {
		m := &e.Matches[i]
		if m.Kind != KindRange {
			continue
		}
		f, err := t.Field(m.Field)
		if err != nil {
			continue
		}
		low, err := m.Value.Uint64()
		high, highErr := m.Mask.Uint64()
		if err == nil && highErr == nil {
			n *= len(ExpandRange(low, high, f.Width))
		}
	}
	return n
}

// TCAMRows returns, for each table whose key has ternary or range fields, how
// many rows these canonical entities need. Compare it with a device's budget:
// a P4 table's size counts entries, a TCAM's rows.
func (s *Schema) TCAMRows(es []Entity) map[string]int {
	rows := make(map[string]int)
	for _, e := range es {
		e, ok := e.(Entry)
		if !ok || e.Default {
			continue
		}
		if t, err := s.Table(e.Table); err == nil && t.Ranked() {
			rows[t.Name] += t.RowCount(e)
		}
	}
	return rows
}

// ExpandRange returns the fewest value/mask blocks of width bits that together
// match the numbers from low to high: at most 2*width-2 of them, in ascending
// order. It returns none if low is above high or high does not fit.
func ExpandRange(low, high uint64, width int) []Masked[uint64] {
	if low > high || width < 1 || width > 64 || high>>(width-1)>>1 != 0 {
		return nil
	}
	span := func(size int) uint64 { return ^uint64(0) >> (64 - size) } // 2^size-1
	full := span(width)
	var blocks []Masked[uint64]
	for {
		// The largest block that starts at low and does not pass high.
		size := min(bits.TrailingZeros64(low), width)
		for size > 0 && span(size) > high-low {
			size--
		}
		blocks = append(blocks, Masked[uint64]{Value: low, Mask: full &^ span(size)})
		if high-low == span(size) {
			return blocks
		}
		low += span(size) + 1
	}
}

// Conflict is a pair of entries of a table with priorities of which one is in
// the other's way.
type Conflict struct {
	// Entry is the entry that suffers, By the one that it suffers from.
	Entry, By Entry
	// Tied is set if the two have the same priority, match some key both, and
	// do not do the same: which wins is up to the device. Otherwise Entry is
	// shadowed: By has the higher priority and matches all that Entry does.
	Tied bool
}

func (c Conflict) String() string {
	if c.Tied {
		return fmt.Sprintf("%v: ties with %v", c.Entry, c.By)
	}
	return fmt.Sprintf("%v: shadowed by %v", c.Entry, c.By)
}

// Conflicts returns the conflicts among canonical entries of t, in their
// order. Each entry is compared with each: the tables that this serves have
// some hundred rows. An entry that only several others together shadow is not
// found.
func (t *Table) Conflicts(es []Entry) []Conflict {
	if !t.Ranked() {
		return nil
	}
	var cs []Conflict
	for i := range es {
		a := &es[i]
		for j := range es {
			b := &es[j]
			switch {
			case i == j || a.Default || b.Default:
			case b.Priority > a.Priority && t.covers(b, a):
				cs = append(cs, Conflict{Entry: *a, By: *b})
			case j < i && b.Priority == a.Priority && !a.equal(b) && t.overlaps(a, b):
				cs = append(cs, Conflict{Entry: *a, By: *b, Tied: true})
			}
		}
	}
	return cs
}

// covers and overlaps compare keys field by field: an entry matches the
// product of what its fields match, and no field matches nothing.
func (t *Table) covers(a, b *Entry) bool {
	for i := range t.Fields {
		if m := a.find(t.Fields[i].Name); m != nil && !m.covers(b.find(t.Fields[i].Name), t.Fields[i].Width) {
			return false
		}
	}
	return true
}

func (t *Table) overlaps(a, b *Entry) bool {
	for i := range t.Fields {
		m, n := a.find(t.Fields[i].Name), b.find(t.Fields[i].Name)
		if m != nil && n != nil && !m.overlaps(n, t.Fields[i].Width) {
			return false
		}
	}
	return true
}

// covers reports whether m matches all that n, of the same field, matches. A
// nil n matches anything, and m never does.
func (m *Match) covers(n *Match, width int) bool {
	switch {
	case n == nil:
		return false
	case m.Kind == KindTernary:
		return m.Mask.and(n.Mask) == m.Mask && n.Value.and(m.Mask) == m.Value
	case m.Kind == KindRange:
		return !n.Value.less(m.Value) && !m.Mask.less(n.Mask)
	case m.Kind == KindLPM:
		return m.Prefix <= n.Prefix && m.overlaps(n, width)
	}
	return m.Value == n.Value
}

func (m *Match) overlaps(n *Match, width int) bool {
	switch m.Kind {
	case KindTernary:
		both := m.Mask.and(n.Mask)
		return m.Value.and(both) == n.Value.and(both)
	case KindRange:
		return !m.Mask.less(n.Value) && !n.Mask.less(m.Value)
	case KindLPM:
		p := min(m.Prefix, n.Prefix)
		mask := ones(p, width-p)
		return m.Value.and(mask) == n.Value.and(mask)
	}
	return m.Value == n.Value
}
