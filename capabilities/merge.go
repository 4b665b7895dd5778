package capabilities

import "slices"

// merger brings the layouts of one receiver within its rows.
type merger struct {
	Fleet
	classes  []Class
	receiver Capability
	// dropped are the options that no layout may have.
	dropped set
	groups  []group
	why     *Rule
	ids     int
	tried   map[[2]int]group
}

// group returns the group of a sender, or of what several have in common, without members.
func (m *merger) group(sender Capability) group {
	var g group
	g.layout, g.value, g.impossible = m.best(sender, m.receiver, m.dropped)
	g.key = g.layout.key()
	return g
}

// best is Solve without the explanation, and without some of the options.
func (f Fleet) best(sender, receiver Capability, dropped set) (l Layout, value int, impossible bool) {
	path := f.Path.orDefault()
	c := compile(sender, receiver, path, f.Wanted, false)
	p := c.problem(func(int) bool { return true })
	p.usable &^= dropped
	chosen, ok := p.best(c.need(), c.values)
	if !ok {
		return Layout{}, 0, true
	}
	return c.layout(p.order(chosen)), total(c.values, chosen), false
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
			if len(g.layout.Options) > 0 {
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
			if len(a.layout.Options) > 0 && len(b.layout.Options) > 0 {
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
		common := m.classes[members[0].sender].Capability
		for _, d := range members[1:] {
			common = Intersect(common, m.classes[d.sender].Capability)
		}
		g = m.group(common)
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

// smallest returns the group with options and the fewest devices.
func (m *merger) smallest() int {
	at, fewest := -1, 0
	for i, g := range m.groups {
		n := 0
		for _, d := range g.members {
			n += d.devices
		}
		if len(g.layout.Options) > 0 && (at < 0 || n < fewest) {
			at, fewest = i, n
		}
	}
	return at
}
