package capabilities

import "slices"

// conflict returns a set of rules that cannot hold together, of which none can be spared: without any one of them there is a layout.
func (c *compiler) conflict() []Rule {
	keep := make([]bool, len(c.list))
	for i := range keep {
		keep[i] = true
	}
	// One required option that cannot be sent says more than how several of them get into each other's way.
	p := c.problem(func(int) bool { return true })
	for x, k := range c.list {
		if k.need != 0 && !p.exists(k.need) {
			for y, other := range c.list {
				keep[y] = y == x || other.need == 0
			}
			break
		}
	}
	c.spare(keep, 0)
	var rules []Rule
	for i, k := range keep {
		if k {
			rules = append(rules, c.list[i].rule)
		}
	}
	return rules
}

// spare clears, from the first on, every constraint without which there is still no layout that has all of fixed and all that the others need.
func (c *compiler) spare(keep []bool, fixed set) {
	for i := range keep {
		if !keep[i] {
			continue
		}
		keep[i] = false
		need := fixed
		for j, k := range keep {
			if k {
				need |= c.list[j].need
			}
		}
		if c.problem(func(j int) bool { return keep[j] }).exists(need) {
			keep[i] = true
		}
	}
}

// binding returns the rules that bind option i to its place among those of chosen: those that order it and another, and those that forbid
// a word where it could stand if only lengths counted.
func (c *compiler) binding(i int, chosen set, room int) []Rule {
	within := WordRange(0, min(room, MaxOptionWords)-c.words[i])
	var rules []Rule
	for _, k := range c.list {
		bound := k.at != nil && within&^k.at[i] != 0
		for j := range chosen.all {
			bound = bound || k.before != nil && (k.before[i].has(j) || k.before[j].has(i))
		}
		if bound {
			rules = append(rules, k.rule)
		}
	}
	return rules
}

// leftOut says why option i is not among those of chosen, the best layout. No layout has it and all of chosen, which would be better.
func (c *compiler) leftOut(i int, chosen set) LeftOut {
	var out LeftOut
	for x := range c.list {
		if c.alone(x, i) {
			out.Because = append(out.Because, c.list[x].rule)
		}
	}
	if len(out.Because) > 0 {
		return out
	}
	with := c.beside(i, chosen)
	keep := make([]bool, len(c.list))
	for x := range keep {
		keep[x] = c.list[x].need == 0 // with has what is needed
	}
	c.spare(keep, with|1<<i)
	// Of the required options, those that these rules are about.
	p := c.problem(func(x int) bool { return keep[x] })
	for j := range with.all {
		if without := with &^ (1 << j); !p.exists(without | 1<<i) {
			with = without
		}
	}
	for j := range with.all {
		out.With = append(out.With, c.options[j].Name)
	}
	for x, k := range keep {
		if k {
			out.Because = append(out.Because, c.list[x].rule)
		}
	}
	return out
}

// alone reports whether constraint x forbids option i whatever else there is.
func (c *compiler) alone(x, i int) bool {
	return !c.problem(func(y int) bool { return x == y }).exists(1 << i)
}

// beside returns the required options, and of the others of chosen those with which option i cannot be in one layout, none of which can be
// spared. The least valuable are spared first.
func (c *compiler) beside(i int, chosen set) set {
	p := c.problem(func(int) bool { return true })
	var others []int
	for j := range (chosen &^ c.need()).all {
		others = append(others, j)
	}
	slices.SortStableFunc(others, func(a, b int) int { return c.values[a] - c.values[b] })
	with := chosen
	for _, j := range others {
		if !p.exists(with&^(1<<j) | 1<<i) {
			with &^= 1 << j
		}
	}
	return with
}
