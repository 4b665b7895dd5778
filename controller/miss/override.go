package miss

import (
	"cmp"
	"errors"
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
)

// Place names one entry of one NVE: where Device sends frames for MAC in the virtual network VNI.
type Place struct {
	Device string
	VNI    geneve.VNI
	MAC    ethernet.MAC
}

// Compare orders places by device, VNI and MAC.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.Device, q.Device), cmp.Compare(p.VNI, q.VNI), p.MAC.Compare(q.MAC))
}

// Override is a REDIRECT that is acted on before the intent says so.
type Override struct {
	// From and To are the provider addresses to which the place sent before, and sends while the override lasts.
	From, To netip.Addr
	// Device is the NVE that has To.
	Device string
	// Until is when it ends if nothing has confirmed it. The zero time is never: the policy is to trust.
	Until time.Time
}

// ErrOverridesFull says that there are as many overrides as the limit allows.
var ErrOverridesFull = errors.New("too many overrides of the intent")

// OverrideStats count how overrides began and ended.
type OverrideStats struct {
	Added, Replaced, Refused, Confirmed, Denied, Expired uint64
}

// Overrides is the set of overrides in force, for a renderer to consult. It is data: it keeps no clock and is not safe for
// concurrent use. Its zero value is empty and holds up to 16384.
type Overrides struct {
	// Limit is the most overrides at a time. Zero means 16384.
	Limit  int
	places map[Place]Override
	stats  OverrideStats
}

// Add puts an override in force, instead of one that the place has. It returns ErrOverridesFull if there is no room for another
// place; then nothing is changed.
func (o *Overrides) Add(p Place, v Override) error {
	limit := o.Limit
	if limit <= 0 {
		limit = defaultKeys
	}
	_, known := o.places[p]
	switch {
	case known:
		o.stats.Replaced++
	case len(o.places) >= limit:
		o.stats.Refused++
		return ErrOverridesFull
	default:
		o.stats.Added++
	}
	if o.places == nil {
		o.places = make(map[Place]Override)
	}
	o.places[p] = v
	return nil
}

// Apply does to the overrides what a verdict asks for: it adds one, or ends one because the intent has just been asked and says
// otherwise. It reports whether anything changed, so that the place has to be rendered again. The error is ErrOverridesFull.
func (o *Overrides) Apply(d Verdict) (changed bool, err error) {
	switch d.Result {
	case RetargetedProvisional, RetargetedTrust:
		err := o.Add(d.Place, d.Override)
		return err == nil, err
	case RefreshedConfirmed, RefreshedContradicted:
		return o.Deny(d.Place), nil
	}
	return false, nil
}

// Confirm ends the override of a place, because the intent now says the same. It reports whether there was one.
func (o *Overrides) Confirm(p Place) bool { return o.end(p, &o.stats.Confirmed) }

// Deny ends the override of a place, because the intent says otherwise. It reports whether there was one.
func (o *Overrides) Deny(p Place) bool { return o.end(p, &o.stats.Denied) }

func (o *Overrides) end(p Place, count *uint64) bool {
	_, ok := o.places[p]
	if ok {
		delete(o.places, p)
		*count++
	}
	return ok
}

// Expire ends the overrides whose time has come and returns their places, in order: those that have to be rendered again.
func (o *Overrides) Expire(now time.Time) []Place {
	return o.endAll(func(_ Place, v Override) *uint64 {
		if v.Until.IsZero() || now.Before(v.Until) {
			return nil
		}
		return &o.stats.Expired
	})
}

// Settle compares the overrides with a new intent, and ends those that it decides: it confirms an endpoint that is now where its
// override sends, and denies one that is neither there nor where the place sent before, or that is gone. Where the intent has
// heard nothing of the move the override stays. It returns the places whose override ended, in order.
func (o *Overrides) Settle(v View) []Place {
	return o.endAll(func(p Place, w Override) *uint64 {
		switch agrees(v, p, w.From, w.To) {
		case confirmed:
			return &o.stats.Confirmed
		case denied:
			return &o.stats.Denied
		}
		return nil
	})
}

func (o *Overrides) endAll(count func(Place, Override) *uint64) []Place {
	var ended []Place
	for p, v := range o.places {
		if n := count(p, v); n != nil {
			*n++
			delete(o.places, p)
			ended = append(ended, p)
		}
	}
	slices.SortFunc(ended, Place.Compare)
	return ended
}

// Target returns the provider address to which a place sends instead of where the intent says, and false if nothing overrides the
// intent there.
func (o *Overrides) Target(p Place) (netip.Addr, bool) {
	v, ok := o.places[p]
	return v.To, ok
}

// Lookup returns the override of a place, and false if nothing overrides the intent there.
func (o *Overrides) Lookup(p Place) (Override, bool) {
	v, ok := o.places[p]
	return v, ok
}

// Next returns when the next override ends unless it is confirmed, and false if none will.
func (o *Overrides) Next() (time.Time, bool) {
	var next time.Time
	for _, v := range o.places {
		if !v.Until.IsZero() && (next.IsZero() || v.Until.Before(next)) {
			next = v.Until
		}
	}
	return next, !next.IsZero()
}

// Len returns how many overrides are in force.
func (o *Overrides) Len() int { return len(o.places) }

// All yields the overrides in the order of places.
func (o *Overrides) All() iter.Seq2[Place, Override] {
	return func(yield func(Place, Override) bool) {
		places := make([]Place, 0, len(o.places))
		for p := range o.places {
			places = append(places, p)
		}
		slices.SortFunc(places, Place.Compare)
		for _, p := range places {
			if !yield(p, o.places[p]) {
				return
			}
		}
	}
}

// Stats returns the counts so far.
func (o *Overrides) Stats() OverrideStats { return o.stats }

// opinion is what the NVA knows of a move that a message tells.
type opinion uint8

const (
	unheard   opinion = iota // the NVA still has the endpoint where it was
	confirmed                // the endpoint is where the message says
	denied                   // it is somewhere else, or nowhere
)

// agrees holds a told move of p from one provider address to another against what the NVA knows.
func agrees(v View, p Place, from, to netip.Addr) opinion {
	at, ok := v.Location(p.VNI, p.MAC)
	if !ok {
		return denied
	}
	owner := func(a netip.Addr) string {
		d, _ := v.Owner(a)
		return d.Name
	}
	switch at {
	case owner(to):
		return confirmed
	case owner(from):
		return unheard
	}
	return denied
}
