package rollout_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/controller/rollout"
	"github.com/keyway-nve/keyway/tables"
)

// layoutsOf says in which layout each device sends to each other; 0 is not at
// all.
type layoutsOf map[[2]string]int

// target is what a device should hold: a tunnel and a replica for each that it
// sends to, and a row for each layout in which it is sent to.
func (l layoutsOf) target(self string) []render.Desired {
	var out []render.Desired
	var members []string
	rows := make(map[int]bool)
	for _, other := range names() {
		if n := l[[2]string{self, other}]; n > 0 {
			out = append(out, tunnel(other, n))
			members = append(members, other)
		}
		if n := l[[2]string{other, self}]; n > 0 && !rows[n] {
			rows[n] = true
			out = append(out, row(n))
		}
	}
	if len(rows) > 0 {
		out = append(out, row(0)) // takes what is replicated
	}
	return append(out, group(members...))
}

func names() []string { return []string{"a", "b", "c", "d"} }

// box is a device as it is.
type box struct {
	holds    map[string]tables.Entity
	hand     map[string]tables.Entity // to be got to; nil before the first
	revision uint64                   // of hand
	dead     bool                     // does nothing that it is told, but forwards
	lost     bool                     // has lost its tables, and not got there since
	// stray are those that it sends to although it was to stop once, so that
	// what it is handed still may be what nobody wanted for a while.
	stray map[string]bool
}

// model is a fleet in a network.
type model struct {
	fleet    rollout.Fleet
	now      time.Time
	revision uint64
	wanted   layoutsOf
	boxes    map[string]*box
	handed   state
}

func drawLayouts(t *rapid.T) layoutsOf {
	l := make(layoutsOf)
	for _, a := range names() {
		for _, b := range names() {
			if a != b {
				l[[2]string{a, b}] = rapid.IntRange(0, 3).Draw(t, a+b)
			}
		}
	}
	return l
}

// newModel is a fleet of which each device is as a controller before has left
// it, or blank.
func newModel(t *rapid.T) *model {
	m := &model{fleet: rollout.Fleet{Drain: drain}, now: time.Unix(0, 0), boxes: make(map[string]*box), handed: make(state)}
	before := drawLayouts(t)
	blank := rapid.Bool().Draw(t, "blank")
	for _, name := range names() {
		b := &box{holds: make(map[string]tables.Entity), stray: make(map[string]bool)}
		if !blank {
			for _, d := range before.target(name) {
				b.holds[d.Key()] = d.Entity
			}
		}
		m.boxes[name] = b
	}
	if blank {
		before = nil
	}
	m.wanted = before
	m.retarget(drawLayouts(t))
	return m
}

func (m *model) retarget(l layoutsOf) {
	m.wanted = l
	for _, name := range names() {
		m.fleet.Target(name, l.target(name))
		for _, other := range names() {
			if l[[2]string{name, other}] == 0 {
				m.boxes[name].stray[other] = true
			}
		}
	}
}

// advance hands out all there is.
func (m *model) advance(t *rapid.T) (any bool) {
	for range 100 {
		m.revision++
		hands := m.fleet.Advance(m.revision, m.now)
		if len(hands) == 0 {
			return any
		}
		any = true
		for _, h := range hands {
			b := m.boxes[h.Device]
			b.hand, b.revision = m.handed.take(t, h), m.revision
		}
	}
	t.Fatal("there is always something to hand out")
	return any
}

// put has a device do some of what it was told: what is new first, one at a
// time, and then what is to go. It reports whether all is done.
func (m *model) put(t *rapid.T, name string, steps int) bool {
	b := m.boxes[name]
	for _, key := range keys(b.hand) {
		old := b.holds[key]
		if old != nil && tables.Same(old, b.hand[key]) {
			continue
		}
		if steps--; steps < 0 {
			return false
		}
		b.holds[key] = b.hand[key]
		m.check(t)
	}
	for _, key := range keys(b.holds) {
		if b.hand[key] != nil {
			continue
		}
		if steps--; steps < 0 {
			return false
		}
		delete(b.holds, key)
		m.check(t)
	}
	b.lost = false
	return true
}

// check holds what all devices do against what they can receive.
func (m *model) check(t *rapid.T) {
	for _, name := range names() {
		b := m.boxes[name]
		for _, other := range names() {
			to := m.boxes[other]
			needs := func(what string, layout int) {
				if _, ok := to.holds[row(layout).Key()]; !ok && !to.lost && !b.stray[other] {
					t.Fatalf("%s sends %s to %s, which has no row %d: %v", name, what, other, layout, keys(to.holds))
				}
			}
			if e, ok := b.holds[tunnel(other, 0).Key()].(tables.Entry); ok {
				v := e.Action.Args[0].Value
				needs(short(e), int(v[len(v)-1]))
			}
			if replicates(b.holds, other) {
				needs("replicas", 0)
			}
			if !sends(b.holds, other) && !sends(b.hand, other) {
				b.stray[other] = false // what it will send by is new
			}
		}
	}
}

func sends(state map[string]tables.Entity, to string) bool {
	return state[tunnel(to, 0).Key()] != nil || replicates(state, to)
}

func replicates(state map[string]tables.Entity, to string) bool {
	g, _ := state[group().Key()].(tables.MulticastGroup)
	return slices.ContainsFunc(g.Replicas, func(r tables.Replica) bool { return r.Port == uint32(to[0]) })
}

func drawName(t *rapid.T) string { return rapid.SampledFrom(names()).Draw(t, "device") }

// Whatever devices do, and whenever, nobody sends by what its receiver does not
// hold; and when all devices answer the fleet gets where it should be.
func TestFleet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { m.check(t) },
			"retarget": func(t *rapid.T) {
				m.retarget(drawLayouts(t))
				m.advance(t)
			},
			"found": func(t *rapid.T) {
				name := drawName(t)
				if b := m.boxes[name]; !b.dead && b.hand == nil {
					m.fleet.Found(name, slices.Collect(maps.Values(b.holds)))
					m.advance(t)
				}
			},
			"work": func(t *rapid.T) {
				name := drawName(t)
				if b := m.boxes[name]; !b.dead && b.hand != nil && m.put(t, name, rapid.IntRange(0, 20).Draw(t, "steps")) {
					m.fleet.Reached(name, b.revision)
					m.advance(t)
				}
			},
			"lose tables": func(t *rapid.T) {
				name := drawName(t)
				b := m.boxes[name]
				clear(b.holds)
				b.lost = true
				if b.hand != nil {
					m.fleet.Reached(name, 0)
					m.advance(t)
					return
				}
				for _, other := range m.boxes { // nobody can tell what it had
					other.stray[name] = true
				}
			},
			"die":    func(t *rapid.T) { m.boxes[drawName(t)].dead = true },
			"answer": func(t *rapid.T) { m.boxes[drawName(t)].dead = false },
			"wait": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 3).Draw(t, "half drains")) * drain / 2)
				m.advance(t)
			},
			"look": func(t *rapid.T) {
				if m.fleet.Settled() && len(m.fleet.Pending()) > 0 {
					t.Fatalf("settled, and pending: %q", m.fleet.Pending())
				}
			},
		})
		m.settle(t)
	})
}

// settle has all devices answer, and expects each to hold its target in the end.
func (m *model) settle(t *rapid.T) {
	for rounds := 0; !m.fleet.Settled(); rounds++ {
		if rounds > 100 {
			t.Fatalf("does not settle; pending %q", m.fleet.Pending())
		}
		worked := false
		for _, name := range names() {
			b := m.boxes[name]
			if b.hand == nil {
				m.fleet.Found(name, slices.Collect(maps.Values(b.holds)))
				worked = m.advance(t) || worked
			}
			if !m.put(t, name, 1000) {
				t.Fatal("1000 steps are too few")
			}
			m.fleet.Reached(name, b.revision)
			worked = m.advance(t) || worked
		}
		if worked || m.fleet.Settled() {
			continue
		}
		next, ok := m.fleet.Next()
		if !ok {
			t.Fatalf("nothing to do, nothing to wait for, and not settled; pending %q", m.fleet.Pending())
		}
		if m.now = next; !m.advance(t) {
			t.Fatal("nothing to do when it was time")
		}
	}
	if pending := m.fleet.Pending(); len(pending) > 0 {
		t.Fatalf("settled, and pending: %q", pending)
	}
	if next, ok := m.fleet.Next(); ok {
		t.Fatalf("settled, and to go on at %v", next)
	}
	for _, name := range names() {
		want := make(map[string]tables.Entity)
		for _, d := range m.wanted.target(name) {
			want[d.Key()] = d.Entity
		}
		if got := m.boxes[name].holds; !maps.EqualFunc(got, want, tables.Same) {
			t.Fatalf("%s holds %v, want %v", name, texts(got), texts(want))
		}
	}
}

func texts(m map[string]tables.Entity) []string {
	var out []string
	for _, key := range keys(m) {
		out = append(out, fmt.Sprint(key, ": ", short(m[key])))
	}
	return out
}
