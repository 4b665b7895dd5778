package tables_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/tables"
)

func TestExpandRange(t *testing.T) {
	for _, tc := range []struct {
		name      string
		low, high uint64
		width     int
		blocks    int
	}{
		{"one number", 7, 7, 16, 1},
		{"everything", 0, 0xffff, 16, 1},
		{"everything of 64 bits", 0, math.MaxUint64, 64, 1},
		{"worst case", 1, 0xfffe, 16, 30},
		{"worst case of 64 bits", 1, math.MaxUint64 - 1, 64, 126},
		{"unprivileged ports", 1024, 0xffff, 16, 6},
		{"backwards", 2, 1, 16, 0},
		{"too high", 0, 0x10000, 16, 0},
		{"no bits", 0, 0, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if b := tables.ExpandRange(tc.low, tc.high, tc.width); len(b) != tc.blocks {
				t.Errorf("%d blocks, want %d: %v", len(b), tc.blocks, b)
			}
		})
	}
}

func TestExpandRangeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 8).Draw(t, "width")
		a := rapid.Uint64Range(0, 1<<width-1).Draw(t, "low")
		b := rapid.Uint64Range(a, 1<<width-1).Draw(t, "high")
		blocks := tables.ExpandRange(a, b, width)
		if n := max(1, 2*width-2); len(blocks) > n {
			t.Fatalf("%d blocks, at most %d", len(blocks), n)
		}
		for v := range uint64(1) << width {
			hits := 0
			for _, m := range blocks {
				if v&m.Mask == m.Value {
					hits++
				}
			}
			if in := v >= a && v <= b; in && hits != 1 || !in && hits != 0 {
				t.Fatalf("%d is hit %d times by %v", v, hits, blocks)
			}
		}
	})
}

// entries draws entries of the acl whose every key can be tried: only the low
// bits of two fields are used.
func entries(s *tables.Schema) *rapid.Generator[tables.Entry] {
	return rapid.Custom(func(t *rapid.T) tables.Entry {
		e := acl(func(e *tables.Entry) { e.Priority = rapid.Int32Range(1, 3).Draw(t, "priority") })
		if rapid.Bool().Draw(t, "ports") {
			low := rapid.Uint64Range(0, 15).Draw(t, "low")
			e.Matches = append(e.Matches, tables.Range("l4_port", num(low), num(rapid.Uint64Range(low, 15).Draw(t, "high"))))
		}
		if rapid.Bool().Draw(t, "flow") {
			e.Matches = append(e.Matches, tables.Ternary("flow", num(rapid.Uint64Range(0, 7).Draw(t, "value")),
				num(rapid.Uint64Range(0, 7).Draw(t, "mask"))))
		}
		if rapid.Bool().Draw(t, "proto") {
			e.Matches = append(e.Matches, tables.Optional("proto", num(rapid.Uint64Range(0, 1).Draw(t, "proto value"))))
		}
		if rapid.Bool().Draw(t, "action") {
			e.Action = tables.Do("deny", tables.Arg{Param: "reason", Value: num(1)}, tables.Arg{Param: "log", Value: num(0)})
		}
		e, err := s.Entry(e)
		if err != nil {
			t.Fatal(err)
		}
		return e
	})
}

// hits says which of the keys of the test an entry matches, by its rows.
func hits(t interface{ Fatal(...any) }, table *tables.Table, e tables.Entry) map[[3]byte]bool {
	rows, err := table.Rows(e)
	if err != nil || len(rows) != table.RowCount(e) {
		t.Fatal(err, len(rows), table.RowCount(e))
	}
	out := map[[3]byte]bool{}
	for port := range byte(16) {
		for flow := range byte(8) {
			for proto := range byte(2) {
				key := make([]byte, 16+4+2+1+1+3)
				key[21], key[22], key[26] = port, proto, flow
				for _, r := range rows {
					if r.Matches(key) {
						out[[3]byte{port, flow, proto}] = true
					}
				}
			}
		}
	}
	return out
}

// TestConflicts compares what Conflicts says with all keys, one by one.
func TestConflicts(t *testing.T) {
	s := demo(t)
	table, err := s.Table("acl")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := entries(s).Draw(t, "a"), entries(s).Draw(t, "b")
		inA, inB := hits(t, table, a), hits(t, table, b)
		both, aOnly := 0, 0
		for k := range inA {
			if inB[k] {
				both++
			} else {
				aOnly++
			}
		}
		same := cmp.Equal(a.Action, b.Action)
		var want []tables.Conflict
		switch {
		// Values above the drawn ones make "any" wider than any range here.
		case b.Priority > a.Priority && aOnly == 0 && wide(a, b):
			want = append(want, tables.Conflict{Entry: a, By: b})
		case a.Priority > b.Priority && both == len(inB) && wide(b, a):
			want = append(want, tables.Conflict{Entry: b, By: a})
		case a.Priority == b.Priority && both > 0 && !same:
			want = append(want, tables.Conflict{Entry: b, By: a, Tied: true})
		}
		got := table.Conflicts([]tables.Entry{a, b})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// wide reports whether by constrains no field that e leaves open.
func wide(e, by tables.Entry) bool {
	for _, m := range by.Matches {
		found := false
		for _, n := range e.Matches {
			found = found || n.Field == m.Field
		}
		if !found {
			return false
		}
	}
	return true
}

func TestRowRelations(t *testing.T) {
	s := demo(t)
	table, err := s.Table("acl")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) tables.Row {
			e := entries(s).Filter(func(e tables.Entry) bool { return table.RowCount(e) == 1 }).Draw(t, name)
			rows, err := table.Rows(e)
			if err != nil {
				t.Fatal(err)
			}
			return rows[0]
		}
		a, b := draw("a"), draw("b")
		if a.Overlaps(b) != b.Overlaps(a) || a.Covers(b) && !a.Overlaps(b) || a.Covers(b) && b.Covers(a) && a != b || !a.Covers(a) {
			t.Fatalf("%x and %x: overlaps %v, covers %v %v", a, b, a.Overlaps(b), a.Covers(b), b.Covers(a))
		}
	})
}

func TestTCAMRows(t *testing.T) {
	s := demo(t)
	var set tables.Set
	set.Add(s.Entry(acl(func(e *tables.Entry) { e.Matches = []tables.Match{tables.Range("l4_port", num(1), num(0xfffe))} })))
	set.Add(s.Entry(acl(nil)))
	set.Add(s.Entry(endpoint(t, nil)))
	set.Add(tables.Entry{Table: "Ingress.acl", Default: true}, nil)
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"Ingress.acl": 31}, s.TCAMRows(set.Entities)); diff != "" {
		t.Error(diff)
	}
}

func TestWideRow(t *testing.T) {
	s := demo(t)
	table, err := s.Table("option_layout")
	if err != nil {
		t.Fatal(err)
	}
	mask := make([]byte, 64)
	mask[0], mask[63] = 0xff, 0x0f
	e, err := s.Entry(tables.Entry{
		Table: "option_layout", Priority: 1, Action: tables.Do("bind", tables.Arg{Param: "layout_id", Value: num(1)}),
		Matches: []tables.Match{tables.Exact("opt_len", num(16)), tables.Ternary("words", tables.Bytes(mask), tables.Bytes(mask))},
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := table.Rows(e)
	if err != nil || len(rows) != 1 || len(rows[0].Mask) != 65 || table.Width() != 518 {
		t.Fatalf("%d rows, key of %d bits, %v", len(rows), table.Width(), err)
	}
	if want := fmt.Sprintf("3fff%0124x0f", 0); fmt.Sprintf("%x", rows[0].Mask) != want {
		t.Errorf("mask %x", rows[0].Mask)
	}
}
