package capabilities_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/proto/geneve"
)

// In whatever fleet: no receiver has more layouts than rows, every layout keeps all rules of its pair, and a pair that does not have what
// Solve would give it says why.
func TestSolveFleetKeepsRules(t *testing.T) {
	degraded, merged := 0, 0
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 3))
		f := capabilities.Fleet{Path: capabilities.Path{Underlay: capabilities.Family(1 + r.IntN(2))}}
		for i := range 1 + r.IntN(5) {
			o := randomOption(r, i)
			o.Required = r.IntN(12) == 0
			f.Wanted.Options = append(f.Wanted.Options, o)
		}
		for i := range 2 + r.IntN(7) {
			d := randomCapability(r, fmt.Sprintf("nve%d", i))
			d.Receive.Rows = uint32(r.IntN(4))
			d.SamePorts = r.IntN(3) == 0
			if i > 0 && r.IntN(3) == 0 {
				d = f.Devices[r.IntN(i)]
				d.Name = fmt.Sprintf("nve%d", i)
			}
			f.Devices = append(f.Devices, d)
		}
		between := func(int, int) capabilities.Relation { return capabilities.Relation{Path: f.Path} }
		if seed%2 == 0 {
			between = zones(r, &f)
		}
		plan := capabilities.SolveFleet(f)
		if again := capabilities.SolveFleet(f); !cmp.Equal(plan, again) {
			t.Fatalf("seed %d: two plans for one fleet", seed)
		}
		for receiver, class := range plan.Classes {
			rows := int(class.Capability.Receive.Rows)
			if rows > 0 && plan.Rows(receiver) > rows {
				t.Errorf("seed %d: %d layouts for %d rows", seed, plan.Rows(receiver), rows)
			}
		}
		checkLists(t, f, plan, between)
		for s, sender := range f.Devices {
			for d, receiver := range f.Devices {
				if s == d {
					continue
				}
				layout, pair := plan.Between(s, d)
				relation := between(s, d)
				if relation.None {
					if len(layout.Options) > 0 || pair != (capabilities.Pair{}) {
						t.Errorf("seed %d: %v, %+v where nothing is sent", seed, layout, pair)
					}
					continue
				}
				wanted := f.Wanted
				wanted.Override = relation.Override
				best, why := capabilities.Solve(sender, receiver, relation.Path, wanted)
				switch {
				case pair.Degraded != nil:
					degraded++
					if !why.Satisfied() {
						t.Errorf("seed %d: degraded by %v what there never was: %v", seed, pair.Degraded, why.Conflict)
					}
					rows := receiver.Receive.Rows > 0 && pair.Degraded.Leaf == "receive.rows"
					list := receiver.SamePorts && pair.Degraded.Leaf != "receive.rows"
					if !rows && !list {
						t.Errorf("seed %d: degraded by %v", seed, pair.Degraded)
					}
					if len(layout.Options) > 0 {
						merged++
					}
				case pair.Impossible == why.Satisfied():
					t.Errorf("seed %d: impossible: %v, and Solve says %v", seed, pair.Impossible, why.Conflict)
				case layout.String() != best.String():
					t.Errorf("seed %d: %s for %s has %v and no reason, best is %v", seed, sender.Name, receiver.Name, layout, best)
				}
				if pair.Impossible {
					continue
				}
				asked := f.Wanted
				names := []string{}
				for _, o := range layout.Options {
					names = append(names, o.Name)
				}
				asked.Override = &names
				if _, why := capabilities.Solve(sender, receiver, relation.Path, asked); !why.Satisfied() {
					t.Errorf("seed %d: %s cannot send %v to %s: %v", seed, sender.Name, layout, receiver.Name, why.Conflict)
				}
				for _, o := range f.Wanted.Options {
					if o.Required && relation.Override == nil && !slices.Contains(names, o.Name) {
						t.Errorf("seed %d: %s is required and not in %v", seed, o.Name, layout)
					}
				}
			}
		}
	}
	t.Logf("%d pairs degraded, %d of them by another layout", degraded, merged)
	if degraded < 100 || merged < 20 {
		t.Error("the fleets hardly ever exceed their rows")
	}
}

// zones puts the devices of a fleet into zones, with paths of their own between them, an operator's word on one pair, and nothing to send on
// another. It returns what is between two devices.
func zones(r *rand.Rand, f *capabilities.Fleet) func(sender, receiver int) capabilities.Relation {
	for range f.Devices {
		f.Zones = append(f.Zones, r.IntN(3))
	}
	var relations [3][3]capabilities.Relation
	for i := range relations {
		for j := range relations[i] {
			relations[i][j].Path = capabilities.Path{Underlay: capabilities.Family(1 + r.IntN(2))}
			if r.IntN(3) == 0 {
				relations[i][j].Path.Transit = []capabilities.Capability{transitOf(randomCapability(r, "spine"))}
			}
		}
	}
	relations[r.IntN(3)][r.IntN(3)].Override = &[]string{f.Wanted.Options[0].Name}
	relations[r.IntN(3)][r.IntN(3)].None = true
	f.Between = func(sender, receiver int) capabilities.Relation { return relations[sender][receiver] }
	return func(sender, receiver int) capabilities.Relation { return f.Between(f.Zones[sender], f.Zones[receiver]) }
}

// checkLists checks that a receiver with one list of options has room in it for those of all layouts.
func checkLists(t *testing.T, f capabilities.Fleet, plan capabilities.FleetPlan, between func(int, int) capabilities.Relation) {
	t.Helper()
	for d, receiver := range f.Devices {
		if !receiver.SamePorts {
			continue
		}
		list := map[string]bool{}
		byFamily := map[capabilities.Family]map[string]bool{capabilities.IPv4: {}, capabilities.IPv6: {}}
		for s := range f.Devices {
			layout, _ := plan.Between(s, d)
			for _, o := range layout.Options {
				list[o.Name] = true
				byFamily[between(s, d).Path.Underlay][o.Name] = true
			}
		}
		for family, list := range byFamily {
			if n := int(receiver.Receive.For(family).Options); n > 0 && len(list) > n {
				t.Errorf("%s: %d options in a list of %d over %v", receiver.Name, len(list), n, family)
			}
		}
		for _, p := range receiver.Receive.Pools {
			words := 0
			for _, o := range f.Wanted.Options {
				if list[o.Name] {
					words += int(o.Type.Len) + int(p.PerOption)
					for _, w := range o.Words {
						if w.Unread {
							words--
						}
					}
				}
			}
			if words > int(p.Words) {
				t.Errorf("%s: %d words in a pool of %d", receiver.Name, words, p.Words)
			}
		}
	}
}

// Three senders of which two can agree, for receivers with three rows, two and one. Who is alone of its class sends nothing to itself.
func TestSolveFleetMerges(t *testing.T) {
	tunnel := []capabilities.Encapsulation{{Kind: capabilities.Geneve}}
	kind := func(n uint8) geneve.OptionType { return geneve.OptionType{Class: 0xff01, Type: n, Len: 1} }
	nve := func(name string, rows uint32, sends ...uint8) capabilities.Capability {
		c := capabilities.Capability{Name: name, Role: capabilities.RoleNVE, Encapsulations: tunnel}
		c.Receive = capabilities.Direction{Options: []capabilities.OptionRange{capabilities.EveryOption(4)}, Rows: rows}
		for _, n := range sends {
			c.Send.Options = append(c.Send.Options, capabilities.Exactly(kind(n)))
		}
		return c
	}
	f := capabilities.Fleet{
		Devices: []capabilities.Capability{
			nve("a", 3, 1, 2), nve("b", 2, 1, 2, 3), nve("c", 1, 3, 4),
			nve("a2", 3, 1, 2),
		},
		Wanted: capabilities.Wanted{Options: []capabilities.WantedOption{
			{Name: "one", Type: kind(1), Weight: 4}, {Name: "two", Type: kind(2), Weight: 4}, {Name: "three", Type: kind(3), Weight: 3}, {Name: "four", Type: kind(4), Weight: 2},
		}},
	}
	plan := capabilities.SolveFleet(f)
	if len(plan.Classes) != 3 || plan.Classes[0].Devices != 2 {
		t.Fatalf("have classes %+v", plan.Classes)
	}
	for _, c := range []struct {
		sender, receiver int
		want             string
		degraded         bool
	}{
		{0, 0, "one two", false}, {1, 0, "one two three", false}, {2, 0, "three four", false},
		{0, 1, "one two", false}, {1, 1, "", false}, {2, 1, "three four", false},
		{0, 2, "one two", false}, {1, 2, "one two", true}, {2, 2, "", false},
		{3, 2, "one two", false},
	} {
		layout, pair := plan.Between(c.sender, c.receiver)
		if layout.String() != c.want || (pair.Degraded != nil) != c.degraded {
			t.Errorf("%s to %s: have %q, %v; want %q", f.Devices[c.sender].Name, f.Devices[c.receiver].Name, layout, pair.Degraded, c.want)
		}
	}
	_, pair := plan.Between(1, 2)
	if want := "receiver c: holds 1 layout, and the best for its senders are 2 (receive.rows)"; pair.Degraded.String() != want {
		t.Errorf("have %v, want %s", pair.Degraded, want)
	}
}

// A receiver with one list of options for all of its senders, which has room for three of four options of one word.
func TestSolveFleetShares(t *testing.T) {
	tunnel := []capabilities.Encapsulation{{Kind: capabilities.Geneve}}
	var f capabilities.Fleet
	for i, weight := range []uint16{4, 4, 2, 3} {
		f.Wanted.Options = append(f.Wanted.Options, capabilities.WantedOption{
			Name: fmt.Sprint("option", i), Type: geneve.OptionType{Class: 0xff01, Type: uint8(i), Len: 1}, Weight: weight})
	}
	for i, name := range []string{"a", "b", "a2", "b2"} {
		c := capabilities.Capability{Name: name, Role: capabilities.RoleNVE, Encapsulations: tunnel, SamePorts: true}
		c.Receive = capabilities.Direction{Options: []capabilities.OptionRange{capabilities.EveryOption(4)}, Pools: []capabilities.Pool{{Words: 3}}}
		for _, o := range f.Wanted.Options[2*(i%2):][:2] {
			c.Send.Options = append(c.Send.Options, capabilities.Exactly(o.Type))
		}
		f.Devices = append(f.Devices, c)
	}
	plan := capabilities.SolveFleet(f)
	if layout, pair := plan.Between(0, 1); layout.String() != "option0 option1" || pair.Degraded != nil {
		t.Errorf("a to b: have %v, %v", layout, pair.Degraded)
	}
	layout, pair := plan.Between(1, 0)
	want := "receiver a: has one list of options for all ports and senders, which has no room for option2 (receive.pools[0])"
	if layout.String() != "option3" || pair.Degraded == nil || pair.Degraded.String() != want {
		t.Errorf("b to a: have %v, %v\nwant %s", layout, pair.Degraded, want)
	}
}

// thousands returns a fleet of devices of so many classes.
func thousands(devices, classes int, rows uint32) capabilities.Fleet {
	r := rand.New(rand.NewPCG(1, 4))
	var f capabilities.Fleet
	for i := range 8 {
		f.Wanted.Options = append(f.Wanted.Options, capabilities.WantedOption{
			Name: fmt.Sprintf("option%d", i), Weight: uint16(1 + i*3%7),
			Type: geneve.OptionType{Class: 0xff01, Type: uint8(i), Len: uint8(1 + i%3)}, Words: []capabilities.WantedWord{{Field: []string{"group", "origin", "", "sequence"}[i%4]}},
		})
	}
	var kinds []capabilities.Capability
	for i := range classes {
		c := capabilities.Capability{Role: capabilities.RoleNVE, Encapsulations: []capabilities.Encapsulation{{Kind: capabilities.Geneve}}, Reconfiguration: capabilities.AtRuntime}
		for _, d := range []*capabilities.Direction{&c.Receive, &c.Send} {
			d.Options = []capabilities.OptionRange{capabilities.EveryOption(15)}
			d.Limits.Bytes = uint16(16 + 4*r.IntN(16))
			d.Limits.Options = uint8(3 + r.IntN(6))
			d.Fields = []capabilities.FieldWords{{Field: "group", Words: capabilities.WordRange(0, 8+i%8)}, {Field: "origin", Words: capabilities.WordRange(0, 15)}, {Field: "sequence", Words: capabilities.WordRange(0, 13)}}
			if r.IntN(2) == 0 {
				rule := capabilities.OrderRule{Kind: capabilities.List}
				for _, j := range r.Perm(8)[:3] {
					rule.Options = append(rule.Options, capabilities.Exactly(f.Wanted.Options[j].Type))
				}
				d.Order = append(d.Order, rule)
			}
		}
		c.Receive.Rows = rows + uint32(i%2)
		kinds = append(kinds, c)
	}
	for i := range devices {
		c := kinds[i%classes]
		c.Name = fmt.Sprintf("device%d", i)
		f.Devices = append(f.Devices, c)
	}
	return f
}

func BenchmarkSolveFleet(b *testing.B) {
	for _, rows := range []uint32{512, 8} {
		b.Run(fmt.Sprintf("10000 devices of 200 classes, %d rows", rows), func(b *testing.B) {
			f := thousands(10000, 200, rows)
			for b.Loop() {
				plan := capabilities.SolveFleet(f)
				if len(plan.Classes) != 200 {
					b.Fatalf("%d classes", len(plan.Classes))
				}
			}
		})
	}
}
