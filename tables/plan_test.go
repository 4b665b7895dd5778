package tables_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/tables"
)

// model is a device's state: what the planner promises is checked against it
// in a plain way, reference by reference.
type model map[string]tables.Entity

func modelOf(es []tables.Entity) model {
	m := make(model, len(es))
	for _, e := range es {
		m[e.Key()] = e
	}
	return m
}

func (m model) entries(table string) (es []tables.Entry) {
	for _, e := range m {
		if e, ok := e.(tables.Entry); ok && e.Table == table && !e.Default {
			es = append(es, e)
		}
	}
	return es
}

// dangling lists the references of users that nothing in m resolves.
func (m model) dangling(s *tables.Schema, users model) (out []string) {
	for _, e := range users {
		for _, r := range s.References() {
			if r.Soft {
				continue
			}
			for _, values := range referring(r, e) {
				if !m.resolves(r, values) {
					out = append(out, fmt.Sprintf("%v: %v with %x", e, r, values))
				}
			}
		}
	}
	return out
}

func referring(r *tables.Reference, e tables.Entity) [][]tables.Value {
	switch e := e.(type) {
	case tables.MulticastGroup:
		if r.From != "builtin::multicast_group_table" {
			return nil
		}
		var all [][]tables.Value
		for _, m := range e.Replicas {
			all = append(all, []tables.Value{tables.Uint(m.Port), tables.Uint(m.Instance)})
		}
		return all
	case tables.Entry:
		if r.From != e.Table || e.Default || r.Action != "" && r.Action != e.Action.Name {
			return nil
		}
		var values []tables.Value
		for _, f := range r.Fields {
			for _, m := range e.Matches {
				if r.Action == "" && m.Field == f {
					values = append(values, m.Value)
				}
			}
			for _, a := range e.Action.Args {
				if a.Param == f {
					values = append(values, a.Value)
				}
			}
		}
		return [][]tables.Value{values}
	}
	return nil
}

func (m model) resolves(r *tables.Reference, values []tables.Value) bool {
	if r.To == "builtin::multicast_group_table" {
		n, _ := values[0].Uint64()
		_, ok := m[tables.MulticastGroup{ID: uint32(n)}.Key()]
		return ok
	}
	return slices.ContainsFunc(m.entries(r.To), func(e tables.Entry) bool {
		for i, f := range r.ToFields {
			j := slices.IndexFunc(e.Matches, func(m tables.Match) bool { return m.Field == f })
			if j < 0 || e.Matches[j].Value != values[i] {
				return false
			}
		}
		return true
	})
}

// apply does one update as a P4Runtime server would.
func (m model) apply(t interface{ Fatalf(string, ...any) }, u tables.Update) {
	key := u.Entity.Key()
	_, there := m[key]
	entry, isEntry := u.Entity.(tables.Entry)
	standing := isEntry && entry.Default
	switch {
	case u.Op == tables.Insert && (there || standing), u.Op != tables.Insert && !there && !standing, u.Op == tables.Delete && standing:
		t.Fatalf("%v refused", u)
	case u.Op == tables.Delete, standing && entry.Action.Name == "":
		delete(m, key)
	default:
		m[key] = u.Entity
	}
}

// num is a value of any width.
func num(v uint64) tables.Value { return tables.Uint(v) }

// states draws a state without dangling references: endpoints refer to tunnels
// or groups, groups to copies, copies to tunnels, routes to endpoints.
func states(s *tables.Schema) *rapid.Generator[[]tables.Entity] {
	return rapid.Custom(func(t *rapid.T) []tables.Entity {
		var set tables.Set
		add := func(e tables.Entry) { set.Add(s.Entry(e)) }
		some := func(name string, most, of int) []uint64 {
			ids := rapid.SliceOfNDistinct(rapid.Uint64Range(1, uint64(of)), 0, most, rapid.ID).Draw(t, name)
			slices.Sort(ids)
			return ids
		}
		tunnels := some("tunnels", 4, 7)
		for _, id := range tunnels {
			add(tables.Entry{
				Table:   "tunnel",
				Matches: []tables.Match{tables.Exact("tunnel_id", num(id))},
				Action: tables.Do("encap_v4",
					tables.Arg{Param: "src", Value: num(1)}, tables.Arg{Param: "dst", Value: num(rapid.Uint64Range(1, 2).Draw(t, "dst"))},
					tables.Arg{Param: "next_hop", Value: num(3)}, tables.Arg{Param: "layout_id", Value: num(0)}),
			})
		}
		var replicas []tables.Replica
		for _, rid := range some("copies", 4, 5) {
			if len(tunnels) == 0 {
				break
			}
			replicas = append(replicas, tables.Replica{Port: 5, Instance: uint32(rid)})
			add(tables.Entry{
				Table:   "copy",
				Matches: []tables.Match{tables.Exact("port", num(5)), tables.Exact("rid", num(rid))},
				Action:  tables.Do("to_tunnel", tables.Arg{Param: "tunnel_id", Value: num(rapid.SampledFrom(tunnels).Draw(t, "copy to"))}),
			})
		}
		groups := some("groups", 4, 6)
		for _, id := range groups {
			var rs []tables.Replica
			for _, r := range replicas {
				if len(rs) < 3 && rapid.Bool().Draw(t, "in group") {
					rs = append(rs, r)
				}
			}
			set.Add(s.Canonical(tables.MulticastGroup{ID: uint32(id), Replicas: rs}))
		}
		var vnis, macs []uint64
		for _, mac := range some("endpoints", 8, 12) {
			do := tables.Do("local", tables.Arg{Param: "port", Value: num(rapid.Uint64Range(1, 2).Draw(t, "port"))})
			switch n := rapid.IntRange(0, 4).Draw(t, "endpoint action"); {
			case n > 1 && len(tunnels) > 0:
				do = tables.Do("remote", tables.Arg{Param: "tunnel_id", Value: num(rapid.SampledFrom(tunnels).Draw(t, "to"))})
			case n == 1 && len(groups) > 0:
				do = tables.Do("flood", tables.Arg{Param: "group", Value: num(rapid.SampledFrom(groups).Draw(t, "to group"))})
			}
			vnis, macs = append(vnis, rapid.Uint64Range(5, 6).Draw(t, "vni")), append(macs, mac)
			add(tables.Entry{
				Table: "endpoint", Action: do,
				Matches: []tables.Match{tables.Exact("vni", num(vnis[len(vnis)-1])), tables.Exact("mac", num(mac))},
			})
		}
		for _, net := range some("routes", 5, 8) {
			if len(macs) == 0 {
				break
			}
			via := rapid.IntRange(0, len(macs)-1).Draw(t, "via")
			add(tables.Entry{
				Table: "route", // of any VN that has an endpoint
				Matches: []tables.Match{
					tables.Exact("vni", num(rapid.SampledFrom(vnis).Draw(t, "of"))), tables.LPM("dst_ip", num(net<<24), 8),
				},
				Action: tables.Do("to_vrf", tables.Arg{Param: "vrf", Value: num(1)},
					tables.Arg{Param: "vni", Value: num(vnis[via])}, tables.Arg{Param: "mac", Value: num(macs[via])}),
			})
		}
		if rapid.Bool().Draw(t, "default") {
			add(tables.Entry{Table: "route", Default: true, Action: tables.Do("drop")})
		}
		if err := set.Err(); err != nil {
			t.Fatal(err)
		}
		return set.Entities
	})
}

func TestPlanProperties(t *testing.T) {
	s := demo(t)
	rapid.Check(t, func(t *rapid.T) {
		have, want := states(s).Draw(t, "have"), states(s).Draw(t, "want")
		if err := s.Check(want); err != nil {
			t.Fatal(err)
		}
		options := tables.PlanOptions{MaxBatch: rapid.IntRange(0, 3).Draw(t, "max batch")}
		m := modelOf(have)
		for i, b := range s.Plan(have, want, options) {
			if n := options.MaxBatch; len(b) == 0 || n > 0 && len(b) > n {
				t.Fatalf("batch %d has %d updates, at most %d", i, len(b), n)
			}
			b = rapid.Permutation(b).Draw(t, "order")
			// What every order has in common: at its worst, all that goes is gone
			// and all that comes has come, whoever of it refers.
			least, users := maps.Clone(m), maps.Clone(m)
			inserts := map[string]int{}
			for _, u := range b {
				key := u.Entity.Key()
				switch u.Op {
				case tables.Insert:
					users[key] = u.Entity
					if e, ok := u.Entity.(tables.Entry); ok {
						inserts[e.Table]++
					}
				case tables.Delete:
					delete(least, key)
				case tables.Modify:
					users["new "+key] = u.Entity
				}
			}
			if out := least.dangling(s, users); out != nil {
				// A reference of what is itself deleted may be resolved by what the
				// batch keeps only if it is deleted first: any order must do.
				t.Fatalf("batch %d %v:\ndangling in some order: %v", i, b, out)
			}
			for table, n := range inserts {
				x, err := s.Table(table)
				if err != nil {
					t.Fatal(err)
				}
				if now := len(m.entries(table)); now+n > x.Size {
					t.Fatalf("batch %d %v: %s would hold %d of %d", i, b, table, now+n, x.Size)
				}
			}
			for _, u := range b {
				m.apply(t, u)
			}
		}
		if diff := cmp.Diff(modelOf(want), m); diff != "" {
			t.Fatalf("after the plan (-want +got):\n%s", diff)
		}
		if b := s.Plan(want, want, tables.PlanOptions{}); b != nil {
			t.Fatalf("nothing to do, and yet %v", b)
		}
	})
}
