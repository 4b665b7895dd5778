package tables_test

import (
	"testing"

	"github.com/keyway-nve/keyway/tables"
)

// endpoints returns n endpoints of the demo, of which each step-th has moved
// to another tunnel; a step of 0 is none.
func endpoints(b *testing.B, s *tables.Schema, n, step int) []tables.Entity {
	b.Helper()
	var set tables.Set
	for i := range uint32(4) {
		set.Add(s.Entry(tables.Entry{
			Table: "tunnel", Matches: []tables.Match{tables.Exact("tunnel_id", num(uint64(i)))},
			Action: tables.Do("encap_v4",
				tables.Arg{Param: "src", Value: num(1)}, tables.Arg{Param: "dst", Value: num(2)},
				tables.Arg{Param: "next_hop", Value: num(3)}, tables.Arg{Param: "layout_id", Value: num(0)}),
		}))
	}
	for i := range n {
		tunnel := uint64(i % 3)
		if step > 0 && i%step == 0 {
			tunnel = 3
		}
		set.Add(s.Entry(tables.Entry{
			Table:   "endpoint",
			Matches: []tables.Match{tables.Exact("vni", num(uint64(i%1000))), tables.Exact("mac", num(uint64(i)|2<<40))},
			Action:  tables.Do("remote", tables.Arg{Param: "tunnel_id", Value: num(tunnel)}),
		}))
	}
	if err := set.Err(); err != nil {
		b.Fatal(err)
	}
	return set.Entities
}

func BenchmarkPlan(b *testing.B) {
	s := demo(b)
	const n = 100_000
	for _, bm := range []struct {
		name       string
		have, want []tables.Entity
		updates    int
	}{
		{"100k/unchanged", endpoints(b, s, n, 0), endpoints(b, s, n, 0), 0},
		{"100k/1%modified", endpoints(b, s, n, 0), endpoints(b, s, n, 100), n / 100},
		{"100k/1%inserted", endpoints(b, s, n-n/100, 0), endpoints(b, s, n, 0), n / 100},
		{"100k/all", nil, endpoints(b, s, n, 0), n + 4},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				updates := 0
				for _, batch := range s.Plan(bm.have, bm.want, tables.PlanOptions{MaxBatch: 1000}) {
					updates += len(batch)
				}
				if updates != bm.updates {
					b.Fatalf("%d updates, want %d", updates, bm.updates)
				}
			}
		})
	}
}

func BenchmarkEncodeEntry(b *testing.B) {
	s := demo(b)
	e := endpoints(b, s, 1, 0)[4].(tables.Entry)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.EncodeEntry(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeEntry(b *testing.B) {
	s := demo(b)
	te, err := s.EncodeEntry(endpoints(b, s, 1, 0)[4].(tables.Entry))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.DecodeEntry(te); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	info := demoInfo(b)
	for _, t := range info.GetTables() {
		t.Size = 1 << 20
	}
	s, err := tables.NewSchema(info)
	if err != nil {
		b.Fatal(err)
	}
	want := endpoints(b, s, 100_000, 0)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Check(want); err != nil {
			b.Fatal(err)
		}
	}
}
