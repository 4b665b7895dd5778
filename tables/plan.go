package tables

import (
	"cmp"
	"slices"
)

// Op is what an update does, with P4Runtime's numbers.
type Op uint8

// The operations.
const (
	Insert Op = 1 + iota
	Modify
	Delete
)

// String returns the operation's name in lower case.
func (o Op) String() string {
	if names := [...]string{"", "insert", "modify", "delete"}; o > 0 && int(o) < len(names) {
		return names[o]
	}
	return "no operation"
}

// Update is one write.
type Update struct {
	Op     Op
	Entity Entity
}

func (u Update) String() string { return u.Op.String() + " " + u.Entity.String() }

// Batch is a set of updates that the device may do in any order.
type Batch []Update

// PlanOptions bounds a plan. The zero value is a good default.
type PlanOptions struct {
	// MaxBatch is the most updates in a batch; 0 is no bound.
	MaxBatch int
}

// Plan returns the batches that turn have into want, to be written one after
// the other, each after the device has answered the one before: a P4Runtime
// server may reorder within a batch, but not across. Both states are in
// canonical form (see [Schema.Canonical]; Encode, Decode and bindings give no
// other); a key that a state holds twice counts as its last. Plan is pure, and
// Plan(x, x) is empty.
//
// Packets keep flowing, because the plan makes before it breaks:
//
//  1. Inserts and modifications, the referenced before those that refer to
//     them. Whatever a packet meets is there by the time it is pointed at. An
//     insert goes as early as the size of its table allows.
//  2. Where a table has no room for its inserts, just as many deletions as
//     they need, and those of the entries that refer to what is deleted,
//     referring ones first; then 1 again.
//  3. The other deletions, those that refer before the referenced.
//
// A table's default action changes when its other entries have been made and
// before any that must go is deleted: nothing falls to a new default that has
// an entry in either state. Defaults and meters that are not wanted go back to
// the program's own.
//
// Within a batch, entries of a high priority or a long prefix are made before
// and deleted after others, so that a device which keeps the order, as most
// do, never shows a rule without its exceptions.
//
// At every moment, whatever the order within a batch, each reference that
// both states can resolve resolves, and no table holds more entries than its
// size, or than have or want if these hold more. Where rule 2 is stuck since
// what must make room is referred to by entries that stay (and want moves
// them to what needs the room), the entries that refer are deleted and
// inserted again: their packets suffer, but no other plan exists.
//
// Every entity that differs gets one update, except for those last ones.
// Entries that the program fixes are left alone. Plan cannot fail: what want
// itself gets wrong is [Schema.Check]'s matter, and references that want
// breaks or closes to a circle do not order anything.
func (s *Schema) Plan(have, want []Entity, o PlanOptions) []Batch {
	p := newPlanner(s, have, want)
	if len(p.steps) == 0 {
		return nil
	}
	p.count()
	for !p.done() {
		switch {
		case p.write(p.ready(strict)):
		case p.write(p.ready(relaxed)):
		case p.write(p.makeRoom(strict)):
		case p.write(p.makeRoom(relaxed)):
		case p.write(p.deletable(nil, strict)):
		case p.write(p.deletable(nil, relaxed)):
		case p.split():
		default:
			p.write(p.force())
		}
	}
	if o.MaxBatch <= 0 {
		return p.batches
	}
	var bounded []Batch
	for _, b := range p.batches {
		bounded = slices.AppendSeq(bounded, slices.Chunk(b, o.MaxBatch))
	}
	return bounded
}

// step is one update to do. A step with both an old and a new state modifies.
type step struct {
	old, new Entity
	op       Op
	room     *room // where it takes or leaves a place; nil if nowhere
	done     bool
	after    []*step // what must be done before, for an entry that is deleted and inserted again

	gives []anchor // where others refer to it; old and new are the same there
	holds []need   // what old refers to
	needs []need   // what new refers to
}

// pointing is the state of one anchor: how many entities on the device provide
// it, how many refer to it and how many of these softly, and how many providers
// have yet to be inserted or modified.
type pointing struct {
	providers, users, soft, coming int
}

func (a *pointing) use(n need, by int) {
	if n.soft {
		a.soft += by
	} else {
		a.users += by
	}
}

// room is how many entries a table holds and may hold.
type room struct {
	held, limit int
}

func (r *room) free() int { return r.limit - r.held }

// planner simulates the device while steps are done.
type planner struct {
	s       *Schema
	kept    []Entity // on the device from start to end, unless split
	steps   []*step
	left    int
	rooms   map[string]*room
	anchors map[anchor]*pointing // of those anchors that steps give
	batches []Batch
}

func newPlanner(s *Schema, have, want []Entity) *planner {
	p := &planner{s: s, rooms: make(map[string]*room), kept: make([]Entity, 0, len(have))}
	type pair struct{ old, new Entity }
	pairs := make([]pair, 0, len(have)+len(want)/8)
	at := make(map[string]int, len(have))
	for _, e := range have {
		key := e.Key()
		i, ok := at[key]
		if !ok {
			i = len(pairs)
			at[key] = i
			pairs = append(pairs, pair{})
		}
		pairs[i].old = e
	}
	for _, e := range want {
		key := e.Key()
		i, ok := at[key]
		if !ok {
			i = len(pairs)
			at[key] = i
			pairs = append(pairs, pair{})
		}
		pairs[i].new = e
	}

	final := make(map[*room]int)
	for _, c := range pairs {
		e := c.old
		if e == nil {
			e = c.new
		}
		entry, _ := c.old.(Entry)
		r := p.room(e)
		if r != nil {
			if c.old != nil {
				r.held++
			}
			if c.new != nil || entry.Const {
				final[r]++
			}
		}
		switch {
		case standing(e) && p.atRest(c.old) && p.atRest(c.new):
		case c.old != nil && c.new != nil && c.old.same(c.new), c.new == nil && entry.Const:
			p.kept = append(p.kept, c.old)
		case c.new == nil && standing(e):
			p.steps = append(p.steps, &step{op: Modify, old: c.old, new: reset(c.old)})
		case c.new == nil:
			p.steps = append(p.steps, &step{op: Delete, old: c.old, room: r})
		case c.old != nil || standing(e):
			p.steps = append(p.steps, &step{op: Modify, old: c.old, new: c.new})
		default:
			p.steps = append(p.steps, &step{op: Insert, new: c.new, room: r})
		}
	}
	for _, r := range p.rooms {
		r.limit = max(r.limit, r.held, final[r])
	}
	p.left = len(p.steps)
	for _, st := range p.steps {
		p.edges(st)
	}
	return p
}

// standing reports whether the entity always exists, so that it can only be
// modified: a default action, a meter's cell.
func standing(e Entity) bool {
	switch e := e.(type) {
	case Entry:
		return e.Default
	case MeterCell:
		return true
	}
	return false
}

// reset returns what writes a standing entity back as the program leaves it.
func reset(e Entity) Entity {
	switch e := e.(type) {
	case Entry:
		return Entry{Table: e.Table, Default: true}
	case MeterCell:
		return MeterCell{Meter: e.Meter, Index: e.Index}
	}
	return e
}

// atRest reports whether a standing entity is as the program leaves it, which
// is also how it is when a state does not have it.
func (p *planner) atRest(e Entity) bool {
	if e == nil || e.same(reset(e)) {
		return true
	}
	entry, ok := e.(Entry)
	if !ok {
		return false
	}
	t, err := p.s.Table(entry.Table)
	if err != nil || t.Default.Name == "" {
		return false
	}
	return entry.equal(&Entry{Action: t.Default})
}

// room returns where e takes a place, or nil where places are not counted.
func (p *planner) room(e Entity) *room {
	name, size := "", 0
	switch e := e.(type) {
	case Entry:
		if e.Default {
			return nil
		}
		name = e.Table
	case MulticastGroup:
		name, size = groupTable, p.s.pre.Groups
	default:
		return nil
	}
	if r, ok := p.rooms[name]; ok {
		return r
	}
	if t, err := p.s.Table(name); err == nil {
		size = t.Size
	}
	if size == 0 { // nothing is said: any number fits
		size = 1 << 62
	}
	r := &room{limit: size}
	p.rooms[name] = r
	return r
}

func (p *planner) edges(st *step) {
	if st.old != nil {
		st.gives = p.s.provided(st.gives, st.old)
		st.holds = p.s.needed(st.holds, st.old)
	} else {
		st.gives = p.s.provided(st.gives, st.new)
	}
	if st.new != nil {
		st.needs = p.s.needed(st.needs, st.new)
	}
}

// count takes stock of who refers to what steps give, as the device now is.
func (p *planner) count() {
	p.anchors = make(map[anchor]*pointing)
	for _, st := range p.steps {
		for _, a := range st.gives {
			if p.anchors[a] == nil {
				p.anchors[a] = &pointing{}
			}
		}
	}
	if len(p.anchors) == 0 {
		return
	}
	var gives []anchor
	var needs []need
	for _, e := range p.kept {
		gives = p.s.provided(gives[:0], e)
		p.provide(gives, 1)
		needs = p.s.needed(needs[:0], e)
		p.use(needs, 1)
	}
	for _, st := range p.steps {
		now, uses := st.old, st.holds
		if st.done {
			now, uses = st.new, st.needs
		}
		if now != nil {
			p.provide(st.gives, 1)
			p.use(uses, 1)
		}
		if st.op != Delete && !st.done {
			p.expect(st.gives, 1)
		}
	}
}

func (p *planner) provide(as []anchor, by int) {
	for _, a := range as {
		if state := p.anchors[a]; state != nil {
			state.providers += by
		}
	}
}

func (p *planner) expect(as []anchor, by int) {
	for _, a := range as {
		if state := p.anchors[a]; state != nil {
			state.coming += by
		}
	}
}

func (p *planner) use(ns []need, by int) {
	for _, n := range ns {
		if state := p.anchors[n.at]; state != nil {
			state.use(n, by)
		}
	}
}

// rank is higher for what is looked up first: an entry's priority or prefix.
func rank(e Entity) int {
	entry, ok := e.(Entry)
	if !ok {
		return 0
	}
	for i := range entry.Matches {
		if entry.Matches[i].Kind == KindLPM {
			return entry.Matches[i].Prefix
		}
	}
	return int(entry.Priority)
}

func (p *planner) done() bool { return p.left == 0 }

// write appends a batch of these steps and does them; false if there are none.
func (p *planner) write(steps []*step) bool {
	if len(steps) == 0 {
		return false
	}
	slices.SortStableFunc(steps, func(a, b *step) int {
		if a.op == Delete || b.op == Delete {
			return cmp.Compare(rank(a.old), rank(b.old))
		}
		return cmp.Compare(rank(b.new), rank(a.new))
	})
	batch := make(Batch, len(steps))
	for i, st := range steps {
		switch {
		case st.op != Delete:
			batch[i] = Update{st.op, st.new}
		case standing(st.old):
			batch[i] = Update{Modify, reset(st.old)}
		default:
			batch[i] = Update{Delete, st.old}
		}
		st.done = true
		p.use(st.holds, -1)
		p.use(st.needs, 1)
		switch st.op {
		case Insert:
			p.provide(st.gives, 1)
			p.expect(st.gives, -1)
		case Modify:
			p.expect(st.gives, -1)
		case Delete:
			p.provide(st.gives, -1)
		}
		if st.room != nil {
			st.room.held += int(Delete-st.op) - 1 // insert +1, delete -1
		}
	}
	p.left -= len(steps)
	p.batches = append(p.batches, batch)
	return true
}
