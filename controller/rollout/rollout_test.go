package rollout_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/controller/rollout"
	"github.com/keyway-nve/keyway/tables"
)

const drain = time.Second

// row is what a receiver holds so that a layout can be sent to it.
func row(layout int) render.Desired {
	return render.Desired{Entity: entry("row", layout, 0)}
}

// tunnel sends to a device in a layout.
func tunnel(to string, layout int) render.Desired {
	return render.Desired{Entity: entry("tunnel "+to, 0, layout), Needs: []string{to}}
}

// group replicates to devices, and to a port of its own.
func group(to ...string) render.Desired {
	g := tables.MulticastGroup{ID: 1}
	for _, name := range to {
		g.Replicas = append(g.Replicas, tables.Replica{Port: uint32(name[0])})
	}
	g.Replicas = append(g.Replicas, tables.Replica{Port: 300})
	return render.Desired{Entity: g, Needs: to}
}

func entry(table string, key, arg int) tables.Entity {
	return tables.Entry{
		Table:   table,
		Matches: []tables.Match{tables.Exact("key", tables.Uint(uint32(key)))},
		Action:  tables.Do("do", tables.Arg{Param: "arg", Value: tables.Uint(uint32(arg))}),
	}
}

func raw(ds ...render.Desired) []tables.Entity {
	var out []tables.Entity
	for _, d := range ds {
		out = append(out, d.Entity)
	}
	return out
}

func short(e tables.Entity) string {
	switch e := e.(type) {
	case tables.Entry:
		if e.Table == "row" {
			return "row " + number(e.Matches[0].Value)
		}
		return e.Table + " " + number(e.Action.Args[0].Value)
	case tables.MulticastGroup:
		var to []string
		for _, r := range e.Replicas {
			if r.Port < 256 {
				to = append(to, string(rune(r.Port)))
			}
		}
		slices.Sort(to)
		return "group " + strings.Join(to, "")
	}
	return e.String()
}

func number(v tables.Value) string { return fmt.Sprintf("%d", v[len(v)-1]) }

// story drives a fleet by hand.
type story struct {
	t        *testing.T
	fleet    rollout.Fleet
	revision uint64
	now      time.Time
	held     state
}

// state is what devices were handed, by name and key.
type state map[string]map[string]tables.Entity

// take takes a hand, as device.Device does.
func (s state) take(t interface{ Fatalf(string, ...any) }, h rollout.Hand) map[string]tables.Entity {
	if first := s[h.Device] == nil; first != h.First {
		t.Fatalf("%s: first hand %v, want %v", h.Device, h.First, first)
	}
	held := maps.Clone(s[h.Device])
	if held == nil {
		held = make(map[string]tables.Entity)
	}
	put := make(map[string]bool)
	for _, e := range h.Put {
		if put[e.Key()] {
			t.Fatalf("%s is handed %v twice", h.Device, e)
		}
		put[e.Key()] = true
		held[e.Key()] = e
	}
	for _, key := range h.Remove {
		if held[key] == nil || put[key] {
			t.Fatalf("%s is to remove %s, which it does not have or is handed", h.Device, key)
		}
		delete(held, key)
	}
	s[h.Device] = held
	return held
}

func newStory(t *testing.T) *story {
	return &story{t: t, held: make(state), fleet: rollout.Fleet{Drain: drain}, now: time.Unix(0, 0)}
}

// hands expects what those that are handed something are to hold, as
// "a: group b, tunnel b 1".
func (s *story) hands(want ...string) {
	s.t.Helper()
	s.revision++
	var got []string
	for _, h := range s.fleet.Advance(s.revision, s.now) {
		var es []string
		for _, e := range s.held.take(s.t, h) {
			es = append(es, short(e))
		}
		slices.Sort(es)
		got = append(got, h.Device+": "+strings.Join(es, ", "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Fatalf("handed (-want +got):\n%s", diff)
	}
}

// empty begins with devices that hold nothing.
func (s *story) empty(names ...string) {
	for _, name := range names {
		s.fleet.Found(name, nil)
	}
}

// reach has devices get where they were handed to go.
func (s *story) reach(names ...string) {
	for _, name := range names {
		s.fleet.Reached(name, s.revision)
		if s.fleet.Reached(name, s.revision) {
			s.t.Fatalf("%s: news twice", name)
		}
	}
}

func (s *story) pending(want ...string) {
	s.t.Helper()
	if got := s.fleet.Pending(); !slices.Equal(got, want) {
		s.t.Fatalf("pending %q, want %q", got, want)
	}
}

func (s *story) settled(want bool) {
	s.t.Helper()
	if got := s.fleet.Settled(); got != want {
		s.t.Fatalf("settled %v, want %v", got, want)
	}
}

// next expects that time alone brings the fleet on after d, or never if d < 0.
func (s *story) next(d time.Duration) {
	s.t.Helper()
	at, ok := s.fleet.Next()
	if ok != (d >= 0) || ok && at.Sub(s.now) != d {
		s.t.Fatalf("next %v, %v, want in %v", at.Sub(s.now), ok, d)
	}
}

// pair is a fleet where a sends to b in layout 1.
func pair(t *testing.T) *story {
	s := newStory(t)
	s.fleet.Target("a", []render.Desired{tunnel("b", 1)})
	s.fleet.Target("b", []render.Desired{row(1)})
	s.fleet.Found("a", raw(tunnel("b", 1)))
	s.fleet.Found("b", raw(row(1)))
	s.hands("a: tunnel b 1", "b: row 1")
	s.reach("a", "b")
	s.settled(true)
	return s
}

func TestBringUp(t *testing.T) {
	s := newStory(t)
	s.hands()
	s.settled(true)
	s.fleet.Target("a", []render.Desired{tunnel("b", 1), row(9)})
	s.fleet.Target("b", []render.Desired{row(1)})
	s.hands() // nobody knows what they hold
	s.pending("a", "b")
	s.empty("a")
	s.hands("a: row 9")
	s.reach("a")
	s.pending("b")
	s.settled(false)
	s.empty("b")
	s.hands("b: row 1")
	s.hands() // not there yet
	s.reach("b")
	s.pending()
	s.hands("a: row 9, tunnel b 1")
	s.reach("a")
	s.hands()
	s.settled(true)
	s.next(-1)
}

func TestNewLayout(t *testing.T) {
	s := pair(t)
	s.fleet.Target("a", []render.Desired{tunnel("b", 2)})
	s.fleet.Target("b", []render.Desired{row(2)})
	s.settled(false)
	s.hands("a: tunnel b 1", "b: row 1, row 2")
	s.reach("a", "b")
	s.next(-1)
	s.hands("a: tunnel b 2")
	s.now = s.now.Add(time.Hour)
	s.hands() // a may still send in layout 1
	s.reach("a")
	s.hands()
	s.next(drain)
	s.now = s.now.Add(drain - 1)
	s.hands() // and what it sent may be under way
	s.now = s.now.Add(1)
	s.next(0)
	s.settled(false)
	s.hands("b: row 2")
	s.next(-1)
	s.reach("b")
	s.settled(true)
}

// A device that has lost its tables is not prepared until it has them again.
func TestReceiverRestarts(t *testing.T) {
	s := pair(t)
	s.fleet.Target("a", []render.Desired{tunnel("b", 2)})
	s.fleet.Target("b", []render.Desired{row(2)})
	s.hands("a: tunnel b 1", "b: row 1, row 2")
	s.reach("a", "b")
	s.fleet.Reached("b", 0)
	s.pending("b")
	s.hands()
	s.reach("b")
	s.hands("a: tunnel b 2")
}

// What a target says anew in the middle of a rollout is prepared like the first.
func TestTargetReplaced(t *testing.T) {
	s := pair(t)
	s.fleet.Target("a", []render.Desired{tunnel("b", 2)})
	s.fleet.Target("b", []render.Desired{row(2)})
	s.hands("a: tunnel b 1", "b: row 1, row 2")
	s.reach("a", "b")
	s.hands("a: tunnel b 2") // does it, or does it not?
	s.fleet.Target("a", []render.Desired{tunnel("b", 3)})
	s.fleet.Target("b", []render.Desired{row(3)})
	s.hands("a: tunnel b 2", "b: row 1, row 2, row 3")
	s.reach("b")
	s.hands("a: tunnel b 3")
	s.now = s.now.Add(time.Hour)
	s.hands()
	s.reach("a")
	s.hands()
	s.now = s.now.Add(drain)
	s.hands("b: row 3")
}

// A device that does not answer keeps back what is sent to it, and what it sends
// by. All else goes on.
func TestDeadDevice(t *testing.T) {
	s := newStory(t)
	target := func(ab, ad, cb, cd int) {
		s.fleet.Target("a", []render.Desired{tunnel("b", ab), tunnel("d", ad), group("b", "d")})
		s.fleet.Target("b", []render.Desired{row(ab), row(cb + 10)})
		s.fleet.Target("c", []render.Desired{tunnel("b", cb+10), tunnel("d", cd+10)})
		s.fleet.Target("d", []render.Desired{row(ad), row(cd + 10)})
	}
	target(1, 1, 1, 1)
	s.empty("a", "b", "c", "d")
	s.hands("a: group ", "b: row 1, row 11", "c: ", "d: row 1, row 11")
	s.reach("a", "b", "c", "d")
	s.hands("a: group bd, tunnel b 1, tunnel d 1", "c: tunnel b 11, tunnel d 11")
	s.reach("a", "c")
	s.settled(true)

	// c is dead, and would have to change what it sends to d, not to b.
	target(2, 2, 1, 2)
	s.hands("a: group bd, tunnel b 1, tunnel d 1", "b: row 1, row 11, row 2", "c: tunnel b 11, tunnel d 11", "d: row 1, row 11, row 12, row 2")
	s.reach("a", "b", "d")
	s.hands("a: group bd, tunnel b 2, tunnel d 2", "c: tunnel b 11, tunnel d 12")
	s.reach("a")
	s.hands()
	s.now = s.now.Add(drain)
	s.hands("b: row 11, row 2") // d keeps what c may send by
	s.pending("b", "c")
	s.now = s.now.Add(time.Hour)
	s.hands()
	s.reach("b", "c")
	s.hands()
	s.now = s.now.Add(drain)
	s.hands("d: row 12, row 2")
}

// A group has all members that are prepared, whoever else there should be, and
// keeps its old ones.
func TestGroupDoesNotWaitForAll(t *testing.T) {
	s := newStory(t)
	s.fleet.Target("a", []render.Desired{group("b", "c")})
	s.fleet.Target("b", []render.Desired{row(1)})
	s.fleet.Target("c", []render.Desired{row(1)})
	s.fleet.Target("d", []render.Desired{row(1)})
	s.empty("a", "b", "d")
	s.hands("a: group ", "b: row 1", "d: row 1")
	s.reach("a", "b", "d")
	s.hands("a: group b")
	s.reach("a")
	s.fleet.Target("a", []render.Desired{group("c", "d")})
	s.hands("a: group bd")
	s.reach("a")
	s.hands()
	s.empty("c")
	s.hands("c: row 1")
	s.reach("c")
	s.hands("a: group cd")
	s.reach("a")
	s.settled(true)
}

// What a controller finds after a restart is not taken away before what it wants
// is there, and a device that it has not seen yet may use what was found.
func TestControllerRestarts(t *testing.T) {
	s := newStory(t)
	s.fleet.Target("a", []render.Desired{tunnel("b", 2)})
	s.fleet.Target("b", []render.Desired{row(2)})
	s.fleet.Target("c", []render.Desired{tunnel("b", 2)})
	s.fleet.Found("a", raw(tunnel("b", 1)))
	s.fleet.Found("b", raw(row(1), row(7)))
	s.fleet.Found("b", nil) // is not asked twice
	s.hands("a: tunnel b 1", "b: row 1, row 2, row 7")
	s.reach("a", "b")
	s.hands("a: tunnel b 2")
	s.reach("a")
	s.hands()
	s.now = s.now.Add(drain)
	s.hands() // c may send by row 1 or 7
	s.next(-1)

	// A row of our own it cannot know.
	s.fleet.Target("a", []render.Desired{tunnel("b", 3)})
	s.fleet.Target("b", []render.Desired{row(3)})
	s.hands("a: tunnel b 2", "b: row 1, row 2, row 3, row 7")
	s.reach("a", "b")
	s.hands("a: tunnel b 3")
	s.reach("a")
	s.hands()
	s.now = s.now.Add(drain)
	s.hands("b: row 1, row 3, row 7")
	s.reach("b")
	s.settled(false)

	s.fleet.Forget("c")
	s.hands("b: row 3")
	s.reach("b")
	s.settled(true)
}

// NVEs of another authority are taken to be prepared.
func TestForeignReceiver(t *testing.T) {
	s := newStory(t)
	s.fleet.Target("a", []render.Desired{tunnel("x", 1), group("x")})
	s.empty("a")
	s.hands("a: group x, tunnel x 1")
	s.reach("a")
	s.fleet.Reached("x", 5) // is nobody's
	s.fleet.Found("x", nil)
	s.settled(true)
}

func keys(m map[string]tables.Entity) []string { return slices.Sorted(maps.Keys(m)) }
