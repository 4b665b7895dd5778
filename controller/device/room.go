package device

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/keyway-nve/keyway/tables"
)

// usage counts what takes up room on a device, by where the room is: a table's
// name, or one of these.
type usage map[string]int

const (
	groupRoom   = "multicast group table"
	replicaRoom = "multicast replica table"
)

// place is so many places in one room.
type place struct {
	room string
	n    int
}

// places returns the room that an entity takes up. Default actions, meters and
// the like take none.
func places(e tables.Entity) []place {
	switch e := e.(type) {
	case tables.Entry:
		if !e.Default {
			return []place{{e.Table, 1}}
		}
	case tables.MulticastGroup:
		return []place{{groupRoom, 1}, {replicaRoom, len(e.Replicas)}}
	}
	return nil
}

func usageOf(state map[string]tables.Entity) usage {
	u := make(usage)
	for _, e := range state {
		u.add(e, 1)
	}
	return u
}

// add counts e in (times 1) or out (times -1). A nil e counts nothing.
func (u usage) add(e tables.Entity, times int) {
	for _, p := range places(e) {
		u[p.room] += times * p.n
	}
}

// size returns how many places there are, by what P4Info guarantees; 0 when it
// says nothing.
func (d *Device) size(room string) int {
	switch room {
	case groupRoom:
		return d.schema.PRE().Groups
	case replicaRoom:
		return d.schema.PRE().Replicas
	}
	if t, err := d.schema.Table(room); err == nil {
		return t.Size
	}
	return 0
}

// crowded returns a room that e is in and that is overfull, or "".
func (d *Device) crowded(u usage, e tables.Entity) string {
	for _, p := range places(e) {
		if size := d.size(p.room); size > 0 && u[p.room] > size {
			return p.room
		}
	}
	return ""
}

// admit returns the state to bring each dirty key to; nil is absence. What
// there will be no room for is left as it is, and becomes a failure.
//
// What is there and shall stay is not put at risk by what is new, and among the
// new the order of keys decides, so that a device that is asked for too much
// ends up with the same entries each time.
func (rec *reconciler) admit() map[string]tables.Entity {
	d := rec.d
	for key, f := range rec.failed {
		if f.Attempts == 0 { // what it waited for may be there now
			rec.dirty[key] = true
		}
	}
	rec.before = make(map[string]Failure)
	goal := make(map[string]tables.Entity, len(rec.dirty))
	after := maps.Clone(rec.used)
	var growing []string
	for key := range rec.dirty {
		old, e := rec.have[key], rec.want[key]
		goal[key] = e
		if f, ok := rec.failed[key]; ok {
			rec.before[key] = f
			delete(rec.failed, key)
		}
		if e != nil && grows(old, e) { // keeps its old room while others are seen to
			growing = append(growing, key)
			continue
		}
		after.add(old, -1)
		after.add(e, 1)
	}
	slices.Sort(growing)
	for _, key := range growing {
		old, e := rec.have[key], rec.want[key]
		after.add(old, -1)
		after.add(e, 1)
		room := d.crowded(after, e)
		if room == "" {
			continue
		}
		after.add(e, -1)
		after.add(old, 1)
		goal[key] = old
		op := tables.Insert
		if old != nil {
			op = tables.Modify
		}
		if !errors.Is(rec.before[key].Err, ErrNoRoom) {
			d.n.noRoom.Add(1)
		}
		rec.failed[key] = Failure{
			Key:  key,
			Text: op.String() + " " + d.schema.Text(e),
			Err:  fmt.Errorf("%w: %s is guaranteed to hold %d", ErrNoRoom, room, d.size(room)),
		}
	}
	return goal
}

// grows reports whether e takes up room that old, or nothing, does not.
func grows(old, e tables.Entity) bool {
	if old == nil {
		return len(places(e)) > 0
	}
	was := places(old)
	for i, p := range places(e) {
		if p.n > was[i].n {
			return true
		}
	}
	return false
}

// tight reports whether there is too little room for all that goal adds before
// anything that it removes is gone.
func (rec *reconciler) tight(goal map[string]tables.Entity) bool {
	peak := maps.Clone(rec.used)
	for key, e := range goal {
		if rec.have[key] == nil {
			peak.add(e, 1)
		}
	}
	for _, e := range goal {
		if e != nil && rec.d.crowded(peak, e) != "" {
			return true
		}
	}
	return false
}
