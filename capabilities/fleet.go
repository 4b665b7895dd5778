package capabilities

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"
)

// Fleet is a set of NVEs each of which sends to each.
type Fleet struct {
	Devices []Capability
	Wanted  Wanted
	// Path lies between all NVEs, unless Between says otherwise.
	Path Path
	// Zones, if there are several, has the zone of each device: those of a zone have the same way to, and from, all of another zone and each other.
	// Between returns the way from one zone to another. It is called by several goroutines.
	Zones   []int
	Between func(sender, receiver int) Relation
}

// Relation is what is special from the devices of one zone to those of another.
type Relation struct {
	Path Path
	// Override is that of Wanted, for these pairs.
	Override *[]string
	// None is set if nothing with options is sent.
	None bool
}

// zone returns the zone of a device.
func (f Fleet) zone(device int) int {
	if f.Zones == nil {
		return 0
	}
	return f.Zones[device]
}

// relation returns how the devices of one zone send to those of another.
func (f Fleet) relation(sender, receiver int) Relation {
	if f.Between == nil {
		return Relation{Path: f.Path, Override: f.Wanted.Override}
	}
	w := f.Between(sender, receiver)
	if w.Override == nil {
		w.Override = f.Wanted.Override
	}
	return w
}

// FleetPlan is what the NVEs of a fleet send to each other. Devices of one class, which are in one zone and whose capabilities differ in
// nothing but the name, are treated alike.
type FleetPlan struct {
	Classes []Class
	// ClassOf has the class of each device, by its number in Fleet.Devices.
	ClassOf []int
	// Layouts are all that are used. The first has no options.
	Layouts []Layout
	// Pairs[receiver][sender] are for two classes.
	Pairs [][]Pair
}

// Class is a set of devices of equal capability in one zone.
type Class struct {
	// Capability is that of the first device of the class, with its name.
	Capability Capability
	Zone       int
	// Devices is how many there are.
	Devices int
}

// Pair is what the NVEs of one class send to those of another.
type Pair struct {
	// Layout is a number in FleetPlan.Layouts.
	Layout int
	// Impossible is set if there is no layout: then Degraded says why, or if that is nil, Solve does.
	Impossible bool
	// Degraded is set if the receiver's rows, or its list of options, do not let the pair have its best layout.
	Degraded *Rule
}

// Between returns the layout that one device sends to another, by their numbers in Fleet.Devices, and what is to be said of it.
func (p FleetPlan) Between(sender, receiver int) (Layout, Pair) {
	pair := p.Pairs[p.ClassOf[receiver]][p.ClassOf[sender]]
	return p.Layouts[pair.Layout], pair
}

// Rows returns the number of rows that receivers of a class need.
func (p FleetPlan) Rows(receiver int) int {
	rows := map[int]bool{}
	for _, pair := range p.Pairs[receiver] {
		if pair.Layout != 0 {
			rows[pair.Layout] = true
		}
	}
	return len(rows)
}

// SolveFleet settles all pairs of a fleet. Each pair has the layout that Solve gives it, unless that is too much for a receiver.
//
// Where the layouts of one receiver are more than its Receive.Rows, layouts are merged, two at a time, into the best one that the senders of both can send, where that costs the least
// value, counted by device, until they fit. A layout without options takes no row. Where a receiver has one list of options for all of its ports
// (SamePorts) and those of all layouts together are more than the list can have, options are dropped for all senders, again the least loss first.
// Both go step by step, and do not try all ways. SolveFleet is a pure function.
func SolveFleet(f Fleet) FleetPlan {
	var p FleetPlan
	p.classify(f)
	receivers := make([][]group, len(p.Classes))
	work := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(p.Classes)) {
		wg.Go(func() {
			for r := range work {
				receivers[r] = f.receiver(p.Classes, r)
			}
		})
	}
	for r := range p.Classes {
		work <- r
	}
	close(work)
	wg.Wait()
	p.number(receivers)
	return p
}

func (p *FleetPlan) classify(f Fleet) {
	number := map[string]int{}
	for i, d := range f.Devices {
		name := d.Name
		d.Name = ""
		key := fmt.Sprintf("%d %#v", f.zone(i), d)
		d.Name = name
		n, ok := number[key]
		if !ok {
			n = len(p.Classes)
			number[key] = n
			p.Classes = append(p.Classes, Class{Capability: d, Zone: f.zone(i)})
		}
		p.Classes[n].Devices++
		p.ClassOf = append(p.ClassOf, n)
	}
}

// number gives each layout its number, in the order of receivers and senders.
func (p *FleetPlan) number(receivers [][]group) {
	p.Layouts = []Layout{{}}
	numbers := map[string]int{"": 0}
	for _, groups := range receivers {
		pairs := make([]Pair, len(p.Classes))
		for _, g := range groups {
			slices.SortFunc(g.members, func(a, b member) int { return cmp.Compare(a.sender, b.sender) })
		}
		slices.SortFunc(groups, func(a, b group) int { return cmp.Compare(a.members[0].sender, b.members[0].sender) })
		for _, g := range groups {
			n, ok := numbers[g.key]
			if !ok {
				n = len(p.Layouts)
				numbers[g.key] = n
				p.Layouts = append(p.Layouts, g.layout)
			}
			for _, m := range g.members {
				pairs[m.sender] = Pair{Layout: n, Impossible: g.impossible}
				if g.impossible || m.best != g.key {
					pairs[m.sender].Degraded = g.why
				}
			}
		}
		p.Pairs = append(p.Pairs, pairs)
	}
}

// group is the senders that place one layout for a receiver.
type group struct {
	members    []member
	layout     Layout
	key        string
	value      int
	impossible bool
	// fixed is set if the operator has said what it is.
	fixed bool
	// why is set if the group came from others that were too many.
	why *Rule
	// id tells groups apart whose members differ.
	id int
}

// member is one class of senders, with the key and value of what Solve gives it.
type member struct {
	sender, devices int
	best            string
	value           int
}

// receiver settles what all classes send to one.
func (f Fleet) receiver(classes []Class, r int) []group {
	receiver := classes[r].Capability
	m := merger{Fleet: f, classes: classes, self: r, receiver: receiver, tried: map[[2]int]group{}}
	m.settle()
	if receiver.SamePorts {
		m.share()
	}
	rows, best := int(receiver.Receive.Rows), m.rows()
	if rows == 0 || best <= rows {
		return m.groups
	}
	m.why = &Rule{Part: PartReceiver, Device: receiver.Name, Leaf: "receive.rows",
		Says: fmt.Sprintf("holds %s, and the best for its senders are %d", count(rows, "layout"), best)}
	for m.rows() > rows {
		m.merge()
	}
	return m.groups
}
