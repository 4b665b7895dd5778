package tables

import "slices"

// order is how much a step waits for.
type order uint8

const (
	strict  order = iota // soft references count, and what is referred to is in its new state
	relaxed              // references resolve
	forced               // nothing: references go in a circle
)

// ready returns the inserts and modifications that can be done now, in any
// order among themselves, as far as tables have room.
func (p *planner) ready(o order) []*step {
	var steps []*step
	taken := make(map[*room]int)
	busy := p.busy()
	for _, st := range p.steps {
		if st.done || st.op == Delete || !p.resolved(st, o) {
			continue
		}
		if e, ok := st.new.(Entry); ok && e.Default && o == strict && busy[e.Table] {
			continue
		}
		if st.room != nil {
			if taken[st.room] >= st.room.free() {
				continue
			}
			taken[st.room]++
		}
		steps = append(steps, st)
	}
	return steps
}

// busy returns the tables in which there are still entries to make.
func (p *planner) busy() map[string]bool {
	tables := make(map[string]bool)
	for _, st := range p.steps {
		if e, ok := st.new.(Entry); ok && !st.done && !e.Default {
			tables[e.Table] = true
		}
	}
	return tables
}

// resolved reports whether all that the step's new state refers to is there.
func (p *planner) resolved(st *step, o order) bool {
	for _, before := range st.after {
		if !before.done {
			return false
		}
	}
	if o == forced {
		return true
	}
	for _, n := range st.needs {
		state := p.anchors[n.at]
		if state != nil && (state.providers == 0 && !n.soft || o == strict && state.coming > 0) {
			return false
		}
	}
	return true
}

// deletable returns the deletions, of those in among or of all if that is nil,
// that leave no reference dangling, in any order among themselves. Without
// among it waits until nothing is left to make.
func (p *planner) deletable(among map[*step]bool, o order) []*step {
	if among == nil && slices.ContainsFunc(p.steps, func(st *step) bool { return !st.done && st.op != Delete }) {
		return nil
	}
	var steps []*step
	gone := make(map[anchor]int)
	for _, st := range p.steps {
		if st.done || st.op != Delete || among != nil && !among[st] {
			continue
		}
		if slices.ContainsFunc(st.gives, func(a anchor) bool {
			state := p.anchors[a]
			return state.users > 0 && state.providers-gone[a] <= 1 || o == strict && state.soft > 0
		}) {
			continue
		}
		for _, a := range st.gives {
			gone[a]++
		}
		steps = append(steps, st)
	}
	return steps
}

// shortage returns deletions that would make room for the inserts that wait
// for nothing else: for each full table as many as it lacks. Those for which
// entries were split go with them.
func (p *planner) shortage() []*step {
	var roots []*step
	lack := make(map[*room]int)
	for _, st := range p.steps {
		for _, before := range st.after {
			if !st.done && !before.done {
				roots = append(roots, before)
			}
		}
		if !st.done && st.op == Insert && st.room != nil && p.resolved(st, relaxed) {
			lack[st.room]++
		}
	}
	for r := range lack {
		lack[r] -= r.free()
	}
	// Entries that nothing refers to go first: they take nobody with them.
	for _, free := range []bool{true, false} {
		for _, st := range p.steps {
			if st.done || st.op != Delete || st.room == nil || lack[st.room] <= 0 || p.unused(st) != free {
				continue
			}
			lack[st.room]--
			roots = append(roots, st)
		}
	}
	return roots
}

func (p *planner) unused(st *step) bool {
	return !slices.ContainsFunc(st.gives, func(a anchor) bool { return p.anchors[a].users+p.anchors[a].soft > 0 })
}

// makeRoom returns deletions that can be done now and that make room, or that
// let others do so.
func (p *planner) makeRoom(o order) []*step {
	roots := p.shortage()
	if len(roots) == 0 {
		return nil
	}
	return p.deletable(p.dependents(roots), o)
}

// dependents returns these deletions with all that refer to what they delete,
// and so on, as far as those are to be deleted too.
func (p *planner) dependents(roots []*step) map[*step]bool {
	users := make(map[anchor][]*step)
	for _, st := range p.steps {
		if !st.done && st.op == Delete {
			for _, n := range st.holds {
				users[n.at] = append(users[n.at], st)
			}
		}
	}
	among := make(map[*step]bool, len(roots))
	for queue := slices.Clone(roots); len(queue) > 0; queue = queue[1:] {
		st := queue[0]
		if among[st] {
			continue
		}
		among[st] = true
		for _, a := range st.gives {
			queue = append(queue, users[a]...)
		}
	}
	return among
}

// split resolves a deadlock: entities that are to stay hold on to what must
// make room. They are deleted now and inserted again when it is gone.
func (p *planner) split() bool {
	blocked := make(map[anchor][]*step) // what cannot be deleted, by where it is held
	for st := range p.dependents(p.shortage()) {
		for _, a := range st.gives {
			if p.anchors[a].users > 0 {
				blocked[a] = append(blocked[a], st)
			}
		}
	}
	if len(blocked) == 0 {
		return false
	}
	holds := func(ns []need) (after []*step) {
		for _, n := range ns {
			if !n.soft {
				after = append(after, blocked[n.at]...)
			}
		}
		return after
	}

	var steps []*step
	apart := func(old, new Entity, after []*step) {
		del := &step{op: Delete, old: old, room: p.room(old)}
		ins := &step{op: Insert, new: new, room: del.room, after: append(after, del)}
		if standing(old) {
			ins.op = Modify
		}
		p.edges(del)
		p.edges(ins)
		steps = append(steps, del, ins)
	}
	kept := p.kept[:0:0]
	var needs []need
	for _, e := range p.kept {
		needs = p.s.needed(needs[:0], e)
		entry, _ := e.(Entry)
		if after := holds(needs); len(after) > 0 && !entry.Const {
			apart(e, e, after)
			p.left += 2
		} else {
			kept = append(kept, e)
		}
	}
	for _, st := range p.steps {
		// Only what is there and stays: an insert that is done may hold too.
		now, uses := st.old, st.holds
		if st.done {
			now, uses = st.new, st.needs
		}
		after := holds(uses)
		switch {
		case now == nil || st.new == nil || len(after) == 0 || len(st.after) > 0 && !st.done:
			steps = append(steps, st)
		case st.done:
			apart(st.new, st.new, after)
			p.left += 2
		default:
			apart(st.old, st.new, after)
			p.left++
		}
	}
	if len(kept) == len(p.kept) && len(steps) == len(p.steps) {
		return false
	}
	p.kept, p.steps = kept, steps
	p.count()
	return true
}

// force returns steps that references cannot order, since they go in a circle
// or want breaks them: what is to be made, then what is to be deleted.
func (p *planner) force() []*step {
	if steps := p.ready(forced); len(steps) > 0 {
		return steps
	}
	left := func(st *step) bool { return !st.done && st.op == Delete }
	if !slices.ContainsFunc(p.steps, left) {
		left = func(st *step) bool { return !st.done }
	}
	var steps []*step
	for _, st := range p.steps {
		if left(st) {
			steps = append(steps, st)
		}
	}
	return steps
}
