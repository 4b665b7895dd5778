package tables_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/tables"
)

// state builds a state of the demo from lines of a small notation, so that a
// scenario can be read:
//
//	endpoint 1 -> tunnel 3        endpoint 1 -> group 2       endpoint 1 -> port 4
//	tunnel 3 to 9                 group 2: 1 2                copy 1 -> tunnel 3
//	layout 5 at 10                place word0 5 = 7           read read_group 5 from 2
//	route default drop            meter 3 = 100               route 1 via 2
func state(t *testing.T, s *tables.Schema, lines ...string) []tables.Entity {
	t.Helper()
	var set tables.Set
	arg := func(p string, v uint64) tables.Arg { return tables.Arg{Param: p, Value: num(v)} }
	for _, line := range lines {
		var a, b uint64
		var name string
		scan := func(format string, args ...any) bool {
			n, err := fmt.Sscanf(line, format, args...)
			return err == nil && n == len(args)
		}
		entry := func(table string, do tables.Call, ms ...tables.Match) {
			set.Add(s.Entry(tables.Entry{Table: table, Matches: ms, Action: do}))
		}
		host := func() []tables.Match {
			return []tables.Match{tables.Exact("vni", num(5)), tables.Exact("mac", num(a))}
		}
		switch {
		case scan("endpoint %d -> tunnel %d", &a, &b):
			entry("endpoint", tables.Do("remote", arg("tunnel_id", b)), host()...)
		case scan("endpoint %d -> group %d", &a, &b):
			entry("endpoint", tables.Do("flood", arg("group", b)), host()...)
		case scan("endpoint %d -> port %d", &a, &b):
			entry("endpoint", tables.Do("local", arg("port", b)), host()...)
		case scan("tunnel %d to %d", &a, &b):
			entry("tunnel", tables.Do("encap_v4", arg("src", 1), arg("dst", b), arg("next_hop", 2), arg("layout_id", 0)),
				tables.Exact("tunnel_id", num(a)))
		case scan("copy %d -> tunnel %d", &a, &b):
			entry("copy", tables.Do("to_tunnel", arg("tunnel_id", b)), tables.Exact("port", num(1)), tables.Exact("rid", num(a)))
		case scan("layout %d at %d", &a, &b):
			set.Add(s.Entry(tables.Entry{
				Table: "option_layout", Priority: int32(b), Action: tables.Do("bind", arg("layout_id", a)),
				Matches: []tables.Match{tables.Exact("opt_len", num(2))},
			}))
		case scan("place %s %d = %d", &name, &a, &b):
			entry(name+".place", tables.Do(name+".constant", arg("word", b)), tables.Exact("layout_id", num(a)))
		case scan("read %s %d from %d", &name, &a, &b):
			entry(name+".extract", tables.Do(name+".from_word", arg("word", b)), tables.Exact("layout_id", num(a)))
		case scan("route %d via %d", &a, &b):
			entry("route", tables.Do("to_vrf", arg("vrf", 1), arg("vni", 5), arg("mac", b)),
				tables.Exact("vni", num(5)), tables.LPM("dst_ip", num(a<<24), 8))
		case line == "route default drop":
			set.Add(s.Entry(tables.Entry{Table: "route", Default: true, Action: tables.Do("drop")}))
		case scan("meter %d = %d", &a, &b):
			set.Add(s.Canonical(tables.MeterCell{
				Meter: "punt_meter", Index: int64(a), Rates: &tables.Rates{CIR: int64(b), PIR: int64(b)},
			}))
		case strings.HasPrefix(line, "group"):
			id, members, _ := strings.Cut(line, ":")
			g := tables.MulticastGroup{}
			if _, err := fmt.Sscanf(id, "group %d", &g.ID); err != nil {
				t.Fatal(err)
			}
			for _, m := range strings.Fields(members) {
				r := tables.Replica{Port: 1}
				if _, err := fmt.Sscan(m, &r.Instance); err != nil {
					t.Fatal(err)
				}
				g.Replicas = append(g.Replicas, r)
			}
			set.Add(s.Canonical(g))
		default:
			t.Fatalf("what is %q?", line)
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return set.Entities
}

// TestPlanScenarios keeps the plans of situations that the design speaks of.
func TestPlanScenarios(t *testing.T) {
	s := demo(t)
	var out strings.Builder
	for _, tc := range []struct {
		name       string
		have, want []string
	}{
		{"from nothing: what is pointed at comes first", nil, []string{
			"route 10 via 1", "endpoint 1 -> tunnel 1", "endpoint 2 -> group 1", "group 1: 7", "copy 7 -> tunnel 1", "tunnel 1 to 9",
			"route default drop", "meter 3 = 100",
		}},
		{"to nothing: what points goes first", []string{
			"tunnel 1 to 9", "copy 7 -> tunnel 1", "group 1: 7", "endpoint 2 -> group 1", "endpoint 1 -> tunnel 1", "route 10 via 1",
			"route default drop", "meter 3 = 100",
		}, nil},
		{"an endpoint moves: the new tunnel is there before, the old one goes after",
			[]string{"endpoint 1 -> tunnel 1", "tunnel 1 to 9"},
			[]string{"endpoint 1 -> tunnel 2", "tunnel 2 to 8"},
		},
		{"a layout that changes gets a new number: readers first, old readers last",
			[]string{"layout 5 at 10", "read read_group 5 from 0", "read read_sequence 5 from 1"},
			[]string{"layout 6 at 10", "read read_group 6 from 1", "read read_sequence 6 from 0"},
		},
		{"what is modified is modified before somebody new points at it",
			[]string{"tunnel 1 to 9"}, []string{"tunnel 1 to 8", "endpoint 1 -> tunnel 1"},
		},
		{"exceptions are made before the rule",
			nil, []string{"layout 1 at 1", "layout 2 at 20", "layout 3 at 3", "route 10 via 1", "endpoint 1 -> port 1"},
		},
		{"exceptions go after the rule",
			[]string{"layout 2 at 20", "layout 1 at 1", "layout 3 at 3"}, nil,
		},
		{"a full table: as many deletions as needed, what nobody points at first",
			[]string{"tunnel 1 to 1", "tunnel 2 to 2", "tunnel 3 to 3", "tunnel 4 to 4", "endpoint 1 -> tunnel 1", "endpoint 3 -> tunnel 3"},
			[]string{"tunnel 2 to 2", "tunnel 3 to 3", "tunnel 5 to 5", "endpoint 1 -> tunnel 5", "endpoint 3 -> tunnel 3"},
		},
		{"a full table whose entries are all pointed at by what goes",
			[]string{"tunnel 1 to 1", "tunnel 2 to 2", "tunnel 3 to 3", "tunnel 4 to 4", "endpoint 1 -> tunnel 1", "route 10 via 1"},
			[]string{"tunnel 2 to 2", "tunnel 3 to 3", "tunnel 4 to 4", "tunnel 5 to 5"},
		},
		{"a full table whose entries are all pointed at by what stays: it is taken apart",
			[]string{"tunnel 1 to 1", "tunnel 2 to 2", "tunnel 3 to 3", "tunnel 4 to 4", "endpoint 1 -> tunnel 1", "route 10 via 1",
				"endpoint 2 -> tunnel 2", "endpoint 3 -> tunnel 3", "endpoint 4 -> tunnel 4"},
			[]string{"tunnel 5 to 5", "tunnel 2 to 2", "tunnel 3 to 3", "tunnel 4 to 4", "endpoint 1 -> tunnel 5", "route 10 via 1",
				"endpoint 2 -> tunnel 2", "endpoint 3 -> tunnel 3", "endpoint 4 -> tunnel 4"},
		},
	} {
		fmt.Fprintf(&out, "== %s\n", tc.name)
		for i, b := range s.Plan(state(t, s, tc.have...), state(t, s, tc.want...), tables.PlanOptions{}) {
			for _, u := range b {
				fmt.Fprintf(&out, "%d %v %s\n", i+1, u.Op, s.Text(u.Entity))
			}
		}
	}
	golden(t, "plans.golden", out.String())
}

func TestPlanLeavesAlone(t *testing.T) {
	s := demo(t)
	fixed := tables.Entry{
		Table: "Ingress.fixed", Matches: []tables.Match{tables.Exact("proto", num(6))}, Action: tables.Do("Ingress.permit"), Const: true,
	}
	initial := tables.Entry{Table: "Ingress.endpoint", Default: true, Action: tables.Do("Ingress.drop")}
	green := tables.MeterCell{Meter: "Ingress.punt_meter", Index: 1}
	for _, tc := range []struct {
		name       string
		have, want []tables.Entity
	}{
		{"entries of the program", []tables.Entity{fixed}, nil},
		{"the program's default action", []tables.Entity{initial}, nil},
		{"the program's default action, wanted", nil, []tables.Entity{initial}},
		{"a reset of what is at rest", []tables.Entity{initial}, []tables.Entity{tables.Entry{Table: "Ingress.endpoint", Default: true}}},
		{"meters at rest", []tables.Entity{green}, nil},
		{"meters at rest, wanted", nil, []tables.Entity{green}},
		{"what is given twice alike", []tables.Entity{fixed, fixed}, []tables.Entity{fixed, fixed}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if b := s.Plan(tc.have, tc.want, tables.PlanOptions{}); b != nil {
				t.Errorf("got %v", b)
			}
		})
	}
}

// TestPlanOfBadStates: states that Check refuses still give a plan that ends,
// that leaves no update out, and that does nothing twice.
func TestPlanOfBadStates(t *testing.T) {
	s := demo(t)
	some := rapid.Custom(func(t *rapid.T) []tables.Entity {
		var es []tables.Entity
		for _, e := range states(s).Draw(t, "state") {
			if rapid.IntRange(0, 3).Draw(t, "keep") > 0 {
				es = append(es, e)
			}
		}
		return es
	})
	rapid.Check(t, func(t *rapid.T) {
		have, want := some.Draw(t, "have"), some.Draw(t, "want")
		m := modelOf(have)
		for _, b := range s.Plan(have, want, tables.PlanOptions{}) {
			for _, u := range b {
				m.apply(t, u)
			}
		}
		if diff := cmp.Diff(modelOf(want), m); diff != "" {
			t.Fatalf("after the plan (-want +got):\n%s", diff)
		}
	})
}

// TestPlanOthers: entities that are no entries of tables are planned alike.
func TestPlanOthers(t *testing.T) {
	s := demo(t)
	clone := tables.CloneSession{ID: 1, Replicas: []tables.Replica{{Port: 2}}}
	cut := clone
	cut.MaxLength = 128
	digest := tables.DigestConfig{Digest: "learn_t", MaxList: 1}
	more := digest
	more.MaxList = 2
	cell := func(rate int64) tables.MeterCell {
		return tables.MeterCell{Meter: "Ingress.punt_meter", Index: 1, Rates: &tables.Rates{CIR: rate, PIR: rate}}
	}
	for _, tc := range []struct {
		name       string
		have, want []tables.Entity
		plan       []tables.Batch
	}{
		{"insert, or set", nil, []tables.Entity{clone, digest, cell(1)}, []tables.Batch{
			{{Op: tables.Insert, Entity: clone}, {Op: tables.Insert, Entity: digest}, {Op: tables.Modify, Entity: cell(1)}},
		}},
		{"keep", []tables.Entity{clone, digest, cell(1)}, []tables.Entity{clone, digest, cell(1)}, nil},
		{"modify", []tables.Entity{clone, digest, cell(1)}, []tables.Entity{cut, more, cell(2)}, []tables.Batch{
			{{Op: tables.Modify, Entity: cut}, {Op: tables.Modify, Entity: more}, {Op: tables.Modify, Entity: cell(2)}},
		}},
		{"delete, or reset", []tables.Entity{clone, digest, cell(1)}, nil, []tables.Batch{
			{{Op: tables.Modify, Entity: tables.MeterCell{Meter: "Ingress.punt_meter", Index: 1}}},
			{{Op: tables.Delete, Entity: clone}, {Op: tables.Delete, Entity: digest}},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.plan, s.Plan(tc.have, tc.want, tables.PlanOptions{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
