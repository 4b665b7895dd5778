// Package render turns an intent, and the layouts that are settled for it, into
// what each device should hold.
//
// It is pure: the same intent, layouts, overrides and numbers give the same
// entities, whatever was rendered before. Nothing here talks to a device; the order in
// which a device gets there is the planner's (tables.Schema.Plan).
//
// The numbers that tables use for devices, tunnels and groups come from
// [Numbers], so that a name keeps its number while the intent changes round it.
// A layout's name is its content: other options are another layout, never the
// same number with another meaning.
//
// What one key means to a receiver cannot be kept and changed at once. So two
// changes are not free of loss for frames under way, whoever sees to the order:
// another VNI for a virtual network that is in use, and a logical port that goes
// from one endpoint to another.
package render

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/tables"
)

// ErrNoDevice is the fault of a device that the intent does not have.
var ErrNoDevice = errors.New("no such device")

// ErrNoPath is the fault of two NVEs of one virtual network that cannot reach
// each other.
var ErrNoPath = errors.New("no path")

// Options are what an operator may set for all devices. The zero value is
// usable.
type Options struct {
	// UnderlayMTU is the longest IP packet that the underlay carries, in bytes
	// from 1280 (RFC 8200 section 5) to 65535; 0 means 9000. What is left of it
	// for a tenant's frame follows from the tunnel's headers and options
	// (RFC 8926 section 4.4.1).
	UnderlayMTU int
	// PuntRate is how many packets a second each reason may punt, and PuntBurst
	// how many at once; 0 means 1000 and 256.
	PuntRate, PuntBurst int64
}

// ErrOption is the fault of an option that is out of its bounds.
var ErrOption = errors.New("out of bounds")

const (
	minMTU = 1280
	maxMTU = 1<<16 - 1 // of IPv4's length field
)

// Check returns every reason against the options.
func (o Options) Check() error {
	var errs []error
	o = o.withDefaults()
	if o.UnderlayMTU < minMTU || o.UnderlayMTU > maxMTU {
		errs = append(errs, fmt.Errorf("underlay MTU %d: %w, %d to %d", o.UnderlayMTU, ErrOption, minMTU, maxMTU))
	}
	if o.PuntRate < 0 {
		errs = append(errs, fmt.Errorf("punt rate %d: %w, it is not negative", o.PuntRate, ErrOption))
	}
	if o.PuntBurst < 0 {
		errs = append(errs, fmt.Errorf("punt burst %d: %w, it is not negative", o.PuntBurst, ErrOption))
	}
	return errors.Join(errs...)
}

// MTU returns UnderlayMTU or its default.
func (o Options) MTU() int { return o.withDefaults().UnderlayMTU }

func (o Options) withDefaults() Options {
	o.UnderlayMTU = cmp.Or(o.UnderlayMTU, 9000)
	o.PuntRate = cmp.Or(o.PuntRate, 1000)
	o.PuntBurst = cmp.Or(o.PuntBurst, 256)
	return o
}

// Input is what rendering a device depends on.
type Input struct {
	Intent    *intent.Intent  // valid and resolved
	Layouts   *layouts.Plan   // nil is what the intent has in writing
	Overrides *miss.Overrides // nil is none
	Numbers   *Numbers        // new names are numbered in it
	Options   Options
}

// Desired is one entity that a device should hold.
type Desired struct {
	tables.Entity
	// Needs are the NVEs that must be ready before the entity takes effect,
	// since it sends to them. A multicast group need not wait for all: its
	// Replicas[i] sends to Needs[i], and those that follow are local.
	Needs []string
}

// Device returns what the named device should hold. The error joins every
// reason why that cannot be said, each naming what it is about; there are no
// entities then.
func Device(in Input, name string) ([]Desired, error) {
	if err := in.Options.Check(); err != nil {
		return nil, err
	}
	in.Options = in.Options.withDefaults()
	if in.Layouts == nil {
		in.Layouts = layouts.Written(in.Intent)
	}
	d, ok := in.Intent.Device(name)
	if !ok {
		return nil, fmt.Errorf("device %s: %w", name, ErrNoDevice)
	}
	r := &renderer{in: in, self: d, routes: in.Intent.Routes(name)}
	switch d.Role {
	case intent.RoleNVE:
		r.nve()
	case intent.RoleTransit:
		r.transit()
	default:
		r.fail(fmt.Errorf("role %v", d.Role))
	}
	if len(r.errs) > 0 {
		return nil, fmt.Errorf("device %s: %w", name, errors.Join(r.errs...))
	}
	return r.out, nil
}

// renderer gathers what one device should hold.
type renderer struct {
	in     Input
	self   intent.Device
	routes []intent.Route
	out    []Desired
	errs   []error
	full   map[Space]bool // that had no number left
}

func (r *renderer) fail(err error) { r.errs = append(r.errs, err) }

// add takes the result of a binding's action.
func (r *renderer) add(e tables.Entry, err error) { r.addFor(nil, e, err) }

// addFor takes an entry that sends to other NVEs.
func (r *renderer) addFor(needs []string, e tables.Entry, err error) {
	if err != nil {
		r.fail(err)
		return
	}
	r.put(e, needs...)
}

func (r *renderer) put(e tables.Entity, needs ...string) {
	r.out = append(r.out, Desired{Entity: e, Needs: needs})
}

// numberOf returns the number of a name; where there is none left it fails,
// once for each space.
func (r *renderer) numberOf(s Space, name string) uint32 {
	n, err := r.in.Numbers.Of(s, name)
	if err != nil && !r.full[s] {
		if r.full == nil {
			r.full = make(map[Space]bool)
		}
		r.full[s] = true
		r.fail(err)
	}
	return n
}

// node returns the number of an NVE: its node id, and the index of its counters
// at those that receive from it.
func (r *renderer) node(device string) uint32 { return r.numberOf(spaceOfNodes(), device) }
