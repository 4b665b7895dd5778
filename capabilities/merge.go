package capabilities

import "slices"

// merger brings the layouts of one receiver within its rows.
type merger struct {
	Fleet
	classes  []Class
	self     int // the receiver's class
	receiver Capability
	// dropped are the options that no layout may have.
	dropped set
	groups  []group
	why     *Rule
	ids     int
	tried   map[[2]int]group
}

// from returns the way from a class of senders, and false if there are no two devices between which it is.
func (m *merger) from(sender int) (Relation, bool) {
	if sender == m.self && m.classes[sender].Devices == 1 {
		return Relation{}, false
	}
	w := m.relation(m.classes[sender].Zone, m.classes[m.self].Zone)
	return w, !w.None
}

// one returns the group of a class of senders, without members.
func (m *merger) one(sender int, w Relation) group {
	g := group{fixed: w.Override != nil}
	g.layout, g.value, g.impossible = m.best(m.classes[sender].Capability, w, m.dropped)
	g.key = g.layout.key()
	return g
}

// best is Solve without the explanation, and without some of the options.
func (m *merger) best(sender Capability, w Relation, dropped set) (l Layout, value int, impossible bool) {
	wanted := m.Wanted
	wanted.Override = w.Override
	c := compile(sender, m.receiver, w.Path.orDefault(), wanted, false)
	p := c.problem(func(int) bool { return true })
	p.usable &^= dropped
	chosen, ok := p.best(c.need(), c.values)
	if !ok {
		return Layout{}, 0, true
	}
	return c.layout(p.order(chosen)), total(c.values, chosen), false
}

// common is best for a sender on several relations at once: what is best on one of them and can be sent on the others.
func (m *merger) common(sender Capability, relations []Relation) (l Layout, value int, impossible bool) {
	for i, w := range relations {
		l, value, impossible = m.best(sender, w, m.dropped)
		names := l.names()
		for j, other := range relations {
			if i != j && !impossible {
				other.Override = &names
				_, _, impossible = m.best(sender, other, m.dropped)
			}
		}
		if !impossible {
			return l, value, false
		}
	}
	return Layout{}, 0, true
}

// key is what tells layouts of one fleet apart.
func (l Layout) key() string {
	var b []byte
	for _, o := range l.Options {
		b = append(b, o.Name...)
		b = append(b, 0)
	}
	return string(b)
}

// add adds a group, to one that has its layout already if there is one.
func (m *merger) add(g group) {
	m.ids++
	g.id = m.ids
	for i := range m.groups {
		h := &m.groups[i]
		if h.key == g.key && !h.impossible && !g.impossible || h.impossible && g.impossible && h.why == g.why {
			h.members = append(h.members, g.members...)
			h.id = g.id
			h.fixed = h.fixed || g.fixed
			if h.why == nil {
				h.why = g.why
			}
			return
		}
	}
	m.groups = append(m.groups, g)
}

// rows returns the number of rows that the groups need.
func (m *merger) rows() int {
	n := 0
	for _, g := range m.groups {
		if len(g.layout.Options) > 0 {
			n++
		}
	}
	return n
}

// merge makes one group of two, or takes the options from one, whichever loses the least. Where neither is possible, the group of the
// fewest devices gets nothing.
func (m *merger) merge() {
	var least group
	from, cost := [2]int{-1, -1}, 0
	try := func(g group, i, j int) {
		lost := 0
		for _, k := range []int{i, j} {
			if k >= 0 {
				lost += m.loss(k, g)
			}
		}
		if from[0] < 0 || lost < cost {
			least, from, cost = g, [2]int{i, j}, lost
		}
	}
	if m.optional() {
		for i, g := range m.groups {
			if len(g.layout.Options) > 0 && !g.fixed {
				try(group{}, i, -1)
			}
		}
	}
	for _, p := range m.pairs() {
		if from[0] >= 0 && p.atLeast >= cost {
			break
		}
		if both := m.both(m.groups[p.i], m.groups[p.j]); !both.impossible {
			try(both, p.i, p.j)
		}
	}
	if from[0] < 0 {
		from[0] = m.smallest()
		least = group{impossible: true}
	}
	least.why = m.why
	least.members = slices.Clone(m.groups[from[0]].members)
	if from[1] >= 0 {
		least.members = append(least.members, m.groups[from[1]].members...)
	}
	// The first is behind the second.
	m.groups = slices.Delete(m.groups, from[0], from[0]+1)
	if from[1] >= 0 {
		m.groups = slices.Delete(m.groups, from[1], from[1]+1)
	}
	m.add(least)
}

// candidate is two groups that might become one. What they have in common is worth no more than what either can do alone, so that
// at least some value is lost.
type candidate struct{ i, j, atLeast int }

// pairs returns all candidates, the most promising first. The empty group is none: that is no better than to take the options away.
func (m *merger) pairs() []candidate {
	var out []candidate
	for i, a := range m.groups {
		for j, b := range m.groups[:i] {
			if len(a.layout.Options) > 0 && len(b.layout.Options) > 0 && !a.fixed && !b.fixed {
				least := group{value: min(a.value, b.value)}
				out = append(out, candidate{i, j, m.loss(i, least) + m.loss(j, least)})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b candidate) int { return a.atLeast - b.atLeast })
	return out
}

// both returns the group of what two have in common.
func (m *merger) both(a, b group) group {
	ids := [2]int{a.id, b.id}
	g, ok := m.tried[ids]
	if !ok {
		members := slices.Concat(a.members, b.members)
		sender := m.classes[members[0].sender].Capability
		for _, d := range members[1:] {
			sender = Intersect(sender, m.classes[d.sender].Capability)
		}
		var relations []Relation
		seen := map[int]bool{}
		for _, d := range members {
			if zone := m.classes[d.sender].Zone; !seen[zone] {
				seen[zone] = true
				relations = append(relations, m.relation(zone, m.classes[m.self].Zone))
			}
		}
		g.layout, g.value, g.impossible = m.common(sender, relations)
		g.key = g.layout.key()
		m.tried[ids] = g
	}
	return g
}

// loss is what a group's devices lose if they place the layout of g.
func (m *merger) loss(i int, g group) int {
	n := 0
	for _, d := range m.groups[i].members {
		n += d.devices * (m.groups[i].value - g.value)
	}
	return n
}

// optional reports whether a layout may have no options.
func (m *merger) optional() bool {
	if m.Wanted.Override != nil {
		return false
	}
	return !slices.ContainsFunc(m.Wanted.Options, func(o WantedOption) bool { return o.Required })
}

// smallest returns the group with options and the fewest devices, one that the operator has fixed only if there is no other.
func (m *merger) smallest() int {
	at, fewest := -1, 0
	for i, g := range m.groups {
		n := 0
		for _, d := range g.members {
			n += d.devices
		}
		if len(g.layout.Options) == 0 {
			continue
		}
		if at < 0 || m.groups[at].fixed && !g.fixed || g.fixed == m.groups[at].fixed && n < fewest {
			at, fewest = i, n
		}
	}
	return at
}
