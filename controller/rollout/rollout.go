// Package rollout decides what each device may hold while a fleet goes from one
// intent to the next, so that no packet is lost on the way.
//
// There is no sequencer. Each device publishes its watermark, the revision that
// its tables reflect; what a device may hold follows at any time from what it
// was handed last, what it should hold in the end, and the others' watermarks:
//
//	prepare  what is received by, and all that sends nowhere yet, comes first
//	switch   what sends to an NVE changes once that NVE is prepared
//	retire   what is no longer wanted goes once nobody sends by it any more, and
//	         what was sent has arrived
//
// So a sender uses a layout, or an endpoint's new place, only when the receiver
// holds it, and a receiver lets go of the old one only when nobody uses it. A
// controller that is interrupted anywhere decides the same again: it begins with
// what it finds on the devices.
//
// A device that does not answer holds up no more than it must: what sends to it
// waits, and what it may still send by stays where it sends to.
//
// Old and new are held side by side for a while, so tables need room for both.
// Where they have none the device says so (device.ErrNoRoom), its watermark
// stays, and the others wait for it. A device is prepared as a whole: one entity
// that it refuses keeps back all that would be sent to it anew.
package rollout

import (
	"slices"
	"time"

	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/tables"
)

// A Fleet is the devices of one NVA on their way to the newest target. Its zero
// value has none. It is not safe for concurrent use.
type Fleet struct {
	// Drain is how long a packet may be under way in the underlay: how long
	// receivers keep the old after the last sender has switched.
	Drain time.Duration

	devices map[string]*progress
	// version counts what may let others go on: devices that come, go, get a
	// target, become prepared, or cease to be.
	version uint64
}

// Hand is what a device is to hold from now on: what it was handed before, with
// changes.
type Hand struct {
	Device string
	// First says that nothing was handed before: Put is all that the device is
	// to hold.
	First bool
	// Put are entities to add or to replace, Remove the keys of those to take
	// away. Both are in no order.
	Put    []tables.Entity
	Remove []string
}

// Target sets what a device should hold in the end.
func (f *Fleet) Target(device string, target []render.Desired) {
	if f.devices == nil {
		f.devices = make(map[string]*progress)
	}
	p := f.devices[device]
	if p == nil {
		p = new(progress)
		f.devices[device] = p
	}
	p.aim(target)
	f.version++
}

// Found tells what a device holds that nobody here has handed it anything yet.
// Until then it is handed nothing, since nobody can tell what it needs.
// Afterwards Found changes nothing: what the device was handed is what it will
// hold, whatever it has lost or others have done to it.
func (f *Fleet) Found(device string, entities []tables.Entity) {
	if p := f.devices[device]; p != nil && p.held == nil {
		p.found(entities)
		f.version++
	}
}

// Forget drops a device that is not managed any more.
func (f *Fleet) Forget(device string) {
	delete(f.devices, device)
	f.version++
}

// Reached tells what revision a device's tables reflect. It reports whether that
// is news, so that Advance may have something to do.
func (f *Fleet) Reached(device string, watermark uint64) (news bool) {
	p := f.devices[device]
	if p == nil || p.watermark == watermark {
		return false
	}
	was := p.prepared()
	p.watermark = watermark
	if p.prepared() != was {
		f.version++
	}
	if p.arrived() {
		p.settle()
	}
	return true
}

// Settled reports whether every device holds its target, and nothing else of
// ours.
func (f *Fleet) Settled() bool {
	for _, p := range f.devices {
		if !p.arrived() || len(p.waiting) > 0 || len(p.unwanted) > 0 {
			return false
		}
	}
	return true
}

// Pending returns the devices that others wait for, sorted: those whose tables
// do not reflect yet what they were handed, or that were handed nothing.
func (f *Fleet) Pending() []string {
	var names []string
	for name, p := range f.devices {
		if !p.arrived() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Advance returns what devices are to be handed now, as revision, and takes it
// as handed. It returns nothing if all have to wait, or have arrived. Revisions
// rise from 1.
func (f *Fleet) Advance(revision uint64, now time.Time) []Hand {
	ready := func(device string) bool {
		p := f.devices[device]
		// Nobody can tell of an NVE of another authority.
		return p == nil || p.prepared()
	}
	l := f.look(now)
	var hands []Hand
	for _, name := range f.names() {
		p := f.devices[name]
		if p.held == nil {
			continue
		}
		h := Hand{Device: name}
		if p.fresh || p.version != f.version {
			h.Put = p.swap(ready)
			p.version = f.version
		}
		if !p.quiet.IsZero() && now.Sub(p.quiet) >= f.Drain {
			h.Remove = p.retire(!l.unknown)
		}
		if !p.fresh && len(h.Put)+len(h.Remove) == 0 {
			continue
		}
		p.at = revision
		if p.fresh {
			p.fresh, p.preparedAt = false, revision
		}
		if !p.handed {
			p.handed = true
			h = Hand{Device: name, First: true, Put: p.entities()}
		}
		hands = append(hands, h)
	}
	return hands
}

// look is what all devices together mean to each.
type look struct {
	left    map[string]bool // NVEs to which somebody may send by what he is to leave
	all     bool            // somebody may do so to any
	unknown bool            // there is a device of which nobody knows what it holds
}

// look also notes for each device since when nobody leaves it.
func (f *Fleet) look(now time.Time) look {
	l := look{left: make(map[string]bool)}
	for _, p := range f.devices {
		l.unknown = l.unknown || p.held == nil
		l.all = l.all || p.leavesAny
		for name := range p.leaves {
			l.left[name] = true
		}
	}
	for name, p := range f.devices {
		switch {
		// Its own rows for sending hold some of those that need nobody.
		case l.all || l.left[name] || len(p.waiting) > 0 || p.fresh:
			p.quiet = time.Time{}
		case p.quiet.IsZero():
			p.quiet = now
		}
	}
	return l
}

// Next returns when Advance is to be called although no device has come
// further, and false if that is of no use.
func (f *Fleet) Next() (next time.Time, ok bool) {
	unknown := false
	for _, p := range f.devices {
		unknown = unknown || p.held == nil
	}
	for _, p := range f.devices {
		if p.quiet.IsZero() || !p.retirable(!unknown) {
			continue
		}
		if at := p.quiet.Add(f.Drain); !ok || at.Before(next) {
			next, ok = at, true
		}
	}
	return next, ok
}

func (f *Fleet) names() []string {
	names := make([]string, 0, len(f.devices))
	for name := range f.devices {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
