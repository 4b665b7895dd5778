// Package rollout decides what each device may hold while a fleet goes from one
// intent to the next, so that no packet is lost on the way.
//
// There is no sequencer. Each device publishes its watermark, the revision that
// its tables reflect; what a device may hold follows at any time from what it
// was handed last, what it should hold in the end, and the others' watermarks:
//
//	prepare  what is received by, and all that sends nowhere yet, comes first
//	switch   what sends to an NVE changes once that NVE is prepared
//	retire   what is no longer wanted goes once every sender has switched, and
//	         what they had sent before has arrived
//
// So a sender uses a layout, or an endpoint's new place, only when the receiver
// holds it, and a receiver lets go of the old one only when nobody uses it. A
// controller that is interrupted anywhere decides the same again.
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

	devices  map[string]*progress
	switched time.Time // when all had switched; zero while some have not
}

// progress is how far one device is.
type progress struct {
	target []render.Desired
	held   map[string]render.Desired // handed last, by key; nil before the first time
	stage  stage
	// preparedAt and at are the revisions under which the device was prepared,
	// and handed its stage; watermark is the one that its tables reflect.
	preparedAt, at, watermark uint64
}

// stage is what a device has been handed of its target.
type stage uint8

const (
	stale    stage = iota // nothing of it yet
	prepared              // all but what waits for other devices
	switched              // all, and what is to go
	final                 // just the target
)

// Hand is what a device is to hold next.
type Hand struct {
	Device   string
	Entities []tables.Entity
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
	p.target, p.stage = target, stale
}

// Forget drops a device that is not managed any more.
func (f *Fleet) Forget(device string) { delete(f.devices, device) }

// Reached tells what revision a device's tables reflect.
func (f *Fleet) Reached(device string, watermark uint64) {
	if p := f.devices[device]; p != nil {
		p.watermark = watermark
	}
}

// done reports whether a device's tables reflect a stage of its target.
func (p *progress) done(s stage) bool { return p.stage >= s && p.watermark >= p.at }

// Settled reports whether every device holds its target.
func (f *Fleet) Settled() bool {
	for _, p := range f.devices {
		if !p.done(final) {
			return false
		}
	}
	return true
}

// Pending returns the devices that others wait for, sorted: those whose tables
// do not reflect yet what they were handed.
func (f *Fleet) Pending() []string {
	var names []string
	for name, p := range f.devices {
		if p.watermark < p.at || p.stage == stale {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Advance returns what devices are to be handed now, as revision, and takes it
// as handed. It returns nothing if all have to wait, or have arrived.
func (f *Fleet) Advance(revision uint64, now time.Time) []Hand {
	ready := func(device string) bool {
		p := f.devices[device]
		// Nobody can tell of an NVE of another authority.
		return p == nil || p.stage >= prepared && p.watermark >= p.preparedAt
	}
	retire := f.drained(now)
	var hands []Hand
	for _, name := range f.names() {
		p := f.devices[name]
		fresh := p.stage == stale
		if h, ok := p.advance(ready, retire); ok {
			p.at = revision
			if fresh {
				p.preparedAt = revision
			}
			hands = append(hands, Hand{name, h})
		}
	}
	return hands
}

// drained reports whether nobody sends what is to be retired, nor has anything
// of it under way.
func (f *Fleet) drained(now time.Time) bool {
	for _, p := range f.devices {
		if !p.done(switched) {
			f.switched = time.Time{}
			return false
		}
	}
	if f.switched.IsZero() {
		f.switched = now
	}
	return now.Sub(f.switched) >= f.Drain
}

// Next returns when Advance is to be called although no device has come
// further, and false if that is of no use.
func (f *Fleet) Next() (time.Time, bool) {
	for _, p := range f.devices {
		if p.stage == switched && !f.switched.IsZero() {
			return f.switched.Add(f.Drain), true
		}
	}
	return time.Time{}, false
}

func (f *Fleet) names() []string {
	names := make([]string, 0, len(f.devices))
	for name := range f.devices {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// advance moves a device on as far as it may go, and returns what it is to hold
// if that is something new.
func (p *progress) advance(ready func(string) bool, retire bool) ([]tables.Entity, bool) {
	if p.stage == final || p.stage == switched && !retire {
		return nil, false
	}
	if p.stage == switched {
		p.stage = final
		clear(p.held)
		for _, d := range p.target {
			p.held[d.Key()] = d
		}
		return entities(p.held), true
	}
	// What a device holds that we never handed anything is not known here. If
	// it is this controller's from before, it is the target or nearly so, and
	// to hold parts of it back would take them away.
	first := p.held == nil
	if first {
		p.held = make(map[string]render.Desired, len(p.target))
	}
	waits := false
	changed := p.stage == stale
	p.stage = max(p.stage, prepared)
	for _, d := range p.target {
		key := d.Key()
		old, held := p.held[key]
		if held && tables.Same(old.Entity, d.Entity) {
			continue
		}
		if !first && slices.ContainsFunc(d.Needs, func(n string) bool { return !ready(n) }) {
			waits = true // what it has goes on as it is
			continue
		}
		p.held[key] = d
		changed = true
	}
	switch {
	case waits:
	case len(p.held) > len(p.target):
		p.stage = switched
	default:
		p.stage = final // nothing is to go
	}
	return entities(p.held), changed
}

func entities(held map[string]render.Desired) []tables.Entity {
	out := make([]tables.Entity, 0, len(held))
	for _, d := range held {
		out = append(out, d.Entity)
	}
	return out
}
