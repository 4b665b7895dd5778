package rollout

import (
	"slices"
	"time"

	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/tables"
)

// progress is how far one device is.
type progress struct {
	target map[string]render.Desired // by key
	held   map[string]holding        // handed last, or found, by key; nil while not known
	// waiting is what is not held as the target wants it, unwanted are the keys
	// of what is held and not in the target.
	waiting  []wanted
	unwanted map[string]bool

	fresh   bool   // nothing of the target was handed yet
	handed  bool   // something was, of this or another target
	version uint64 // of the fleet when waiting was looked at last
	// preparedAt and at are the revisions under which the device was prepared,
	// and handed what it was handed last; watermark is the one that its tables
	// reflect.
	preparedAt, at, watermark uint64

	// leaves are the NVEs to which the device may send by entities that are to
	// be, or may not have been, replaced by others; leavesAny says that we do
	// not know to whom.
	leaves    map[string]bool
	leavesAny bool
	quiet     time.Time // since when no device leaves this one, zero while one does
}

// wanted is an entity of the target with its key.
type wanted struct {
	key string
	render.Desired
}

// holding is an entity that a device was handed.
type holding struct {
	render.Desired
	found bool // by this controller: nobody knows what it needs
}

// arrived reports whether the tables reflect what was handed last.
func (p *progress) arrived() bool { return p.held != nil && !p.fresh && p.watermark >= p.at }

// prepared reports whether the tables can receive what the target says.
func (p *progress) prepared() bool { return p.held != nil && !p.fresh && p.watermark >= p.preparedAt }

func (p *progress) aim(target []render.Desired) {
	p.target = make(map[string]render.Desired, len(target))
	for _, d := range target {
		p.target[d.Key()] = d
	}
	p.fresh, p.quiet = true, time.Time{}
	p.compare()
}

func (p *progress) found(entities []tables.Entity) {
	p.held = make(map[string]holding, len(entities))
	for _, e := range entities {
		p.held[e.Key()] = holding{render.Desired{Entity: e}, true}
	}
	p.compare()
}

// compare finds what has to be done about the target, and whom the device will
// leave by that.
func (p *progress) compare() {
	p.waiting, p.unwanted = nil, make(map[string]bool)
	for key, d := range p.target {
		old, held := p.held[key]
		if !held || !tables.Same(old.Entity, d.Entity) {
			p.waiting = append(p.waiting, wanted{key, d})
			p.leave(old, d)
		} else if old.found {
			p.held[key] = holding{Desired: d}
		}
	}
	for key := range p.held {
		if _, wanted := p.target[key]; !wanted {
			p.unwanted[key] = true
		}
	}
}

// leave notes that the device sends by an entity that is to be replaced.
//
// What is to go without another in its place is of no account: no frame takes
// it that anybody still wants.
func (p *progress) leave(old holding, d render.Desired) {
	p.leavesAny = p.leavesAny || old.found
	was, _ := old.Entity.(tables.MulticastGroup)
	group, isGroup := d.Entity.(tables.MulticastGroup)
	for i, n := range old.Needs {
		if isGroup && slices.Contains(group.Replicas, was.Replicas[i]) {
			continue // goes on as it is
		}
		if p.leaves == nil {
			p.leaves = make(map[string]bool)
		}
		p.leaves[n] = true
	}
}

// settle takes note that the device holds just what it was handed: what was
// replaced is gone.
func (p *progress) settle() {
	clear(p.leaves)
	p.leavesAny = false
	for _, w := range p.waiting {
		p.leave(p.held[w.key], w.Desired)
	}
}

// swap takes from the target what may take effect now, and returns it.
func (p *progress) swap(ready func(string) bool) (put []tables.Entity) {
	p.waiting = slices.DeleteFunc(p.waiting, func(w wanted) bool {
		if !slices.ContainsFunc(w.Needs, func(n string) bool { return !ready(n) }) {
			p.held[w.key] = holding{Desired: w.Desired}
			put = append(put, w.Entity)
			return true
		}
		if group, ok := w.Entity.(tables.MulticastGroup); ok {
			if part, more := partOf(group, w.Needs, p.held[w.key], ready); more {
				p.held[w.key] = part
				put = append(put, part.Entity)
			}
		}
		return false
	})
	return put
}

// partOf returns what of a multicast group may take effect now beside what is
// held: a group need not wait for all of its members. It reports whether that is
// more than is held.
func partOf(group tables.MulticastGroup, needs []string, old holding, ready func(string) bool) (part holding, more bool) {
	was, _ := old.Entity.(tables.MulticastGroup)
	part.found = old.found
	members := tables.MulticastGroup{ID: group.ID, Metadata: group.Metadata}
	// Replicas that send somewhere stand first, each beside the need for it.
	members.Replicas = slices.Clone(was.Replicas)
	part.Needs = slices.Clone(old.Needs)
	for i, r := range group.Replicas {
		sends := i < len(needs)
		if slices.Contains(was.Replicas, r) || sends && !ready(needs[i]) {
			continue
		}
		more = true
		if sends {
			members.Replicas = slices.Insert(members.Replicas, len(part.Needs), r)
			part.Needs = append(part.Needs, needs[i])
		} else {
			members.Replicas = append(members.Replicas, r)
		}
	}
	part.Entity = members
	return part, more
}

// retirable reports whether there is anything to retire. What was found may be
// used by a device that nobody has heard of yet, what was handed later cannot.
func (p *progress) retirable(found bool) bool {
	for key := range p.unwanted {
		if found || !p.held[key].found {
			return true
		}
	}
	return false
}

// retire lets go of what is not wanted, and returns its keys.
func (p *progress) retire(found bool) (removed []string) {
	for key := range p.unwanted {
		if found || !p.held[key].found {
			delete(p.held, key)
			delete(p.unwanted, key)
			removed = append(removed, key)
		}
	}
	return removed
}

func (p *progress) entities() []tables.Entity {
	out := make([]tables.Entity, 0, len(p.held))
	for _, h := range p.held {
		out = append(out, h.Entity)
	}
	return out
}
