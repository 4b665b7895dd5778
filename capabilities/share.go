package capabilities

import (
	"fmt"
	"slices"
	"strings"
)

// settle gives each sender its best layout without the options that are dropped.
func (m *merger) settle() {
	type answer struct {
		member
		impossible bool
	}
	before := make([]answer, len(m.classes))
	for _, g := range m.groups {
		for _, d := range g.members {
			before[d.sender] = answer{d, g.impossible}
		}
	}
	m.groups = nil
	for s, class := range m.classes {
		w, ok := m.from(s)
		if !ok {
			continue
		}
		g := m.one(s, w)
		if m.dropped == 0 {
			before[s].member = member{sender: s, devices: class.Devices, best: g.key, value: g.value}
		} else if !before[s].impossible {
			g.why = m.why
		}
		g.members = []member{before[s].member}
		m.add(g)
	}
}

// share drops options until those of all layouts together fit into the one list that the receiver has. There is always one to drop: what
// is required is in every layout, and each layout fits.
func (m *merger) share() {
	for {
		leaf := m.overfull()
		if leaf == "" {
			return
		}
		drop, cost := -1, 0
		for i := range m.list(IPv4, IPv6).all {
			if m.needed().has(i) {
				continue
			}
			if lost := m.without(i); drop < 0 || lost <= cost {
				drop, cost = i, lost
			}
		}
		if drop < 0 {
			return
		}
		m.dropped |= 1 << drop
		m.why = &Rule{Part: PartReceiver, Device: m.receiver.Name, Leaf: leaf, Says: fmt.Sprintf(
			"has one list of options for all ports and senders, which has no room for %s", strings.Join(m.names(m.dropped), ", "))}
		m.settle()
	}
}

// list returns the options of all layouts that are sent over an underlay of one of the families.
func (m *merger) list(families ...Family) set {
	var list set
	for _, g := range m.groups {
		if !slices.ContainsFunc(g.members, func(d member) bool {
			w, _ := m.from(d.sender)
			return slices.Contains(families, w.Path.orDefault().Underlay)
		}) {
			continue
		}
		for _, o := range g.layout.Options {
			list |= 1 << slices.IndexFunc(m.Wanted.Options, func(w WantedOption) bool { return w.Name == o.Name })
		}
	}
	return list
}

func (m *merger) names(s set) []string {
	var out []string
	for i := range s.all {
		out = append(out, m.Wanted.Options[i].Name)
	}
	return out
}

// needed returns the options that every layout has.
func (m *merger) needed() set {
	var s set
	for i, o := range m.Wanted.Options {
		if m.Wanted.Override != nil && slices.Contains(*m.Wanted.Override, o.Name) || m.Wanted.Override == nil && o.Required {
			s |= 1 << i
		}
	}
	return s
}

// overfull returns the leaf of a bound that the list of options exceeds, or "".
func (m *merger) overfull() string {
	d := m.receiver.Receive
	for _, f := range []Family{IPv4, IPv6} {
		if n := int(d.For(f).Options); n > 0 && len(m.names(m.list(f))) > n {
			return "receive.limits.options"
		}
	}
	list := m.list(IPv4, IPv6)
	for i, p := range d.Pools {
		used := 0
		for j := range list.all {
			o := m.Wanted.Options[j]
			used += int(o.Type.Len) - o.unread() + int(p.PerOption)
		}
		if used > int(p.Words) {
			return fmt.Sprintf("receive.pools[%d]", i)
		}
	}
	return ""
}

// without returns the value that is lost if option i is dropped too.
func (m *merger) without(i int) int {
	lost := 0
	for _, g := range m.groups {
		if !slices.ContainsFunc(g.layout.Options, func(o Placed) bool { return o.Name == m.Wanted.Options[i].Name }) {
			continue
		}
		for _, d := range g.members {
			w, _ := m.from(d.sender)
			_, value, impossible := m.best(m.classes[d.sender].Capability, w, m.dropped|1<<i)
			lost += d.devices * (g.value - value)
			if impossible { // an option may fill the words before one that is required
				lost += d.devices << 32
			}
		}
	}
	return lost
}
