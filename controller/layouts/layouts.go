// Package layouts settles which options the NVEs of an intent send to each
// other, and in which order: from what is wanted, what each device can do, and
// what lies between them (RFC 8926 section 4.5.1, RFC 9638 sections 6.5 to 6.7).
//
// What a device can do has been told by itself, is said by the intent, follows
// from the program that it is given, or all of these; then all of it holds. With
// a device of which nothing is known no options are exchanged but those that the
// operator has written down for the pair.
//
// Settle is pure: the same intent and the same knowledge give the same plan, at
// each authority and after each restart.
package layouts

import (
	"slices"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/intent"
)

// Input is what a plan depends on.
type Input struct {
	Intent *intent.Intent // valid and resolved
	// Program is what the program allows that managed NVEs are given.
	Program capabilities.Capability
	// Told is what devices have said of themselves, by name.
	Told map[string]capabilities.Capability
	// MTU is the longest IP packet that the underlay carries, in bytes.
	MTU int
}

// Plan is what the NVEs of an intent send to each other.
type Plan struct {
	in     Input
	wanted capabilities.Wanted
	// Of the NVEs of which something is known, by name: their number in fleet.
	number  map[string]int
	devices []capabilities.Capability
	zones   *zones
	fleet   capabilities.FleetPlan
	types   [][]intent.OptionType // of the layouts of fleet
	written map[pair]*intent.Layout
	strict  bool // an option is required
}

type pair struct{ sender, receiver string }

// Agreement is what one NVE sends to another.
type Agreement struct {
	// Options are the layout.
	Options []intent.OptionType
	// Impossible is set if nothing may be sent, because an option is required that cannot be.
	Impossible bool
	// Written is set if the operator has written the layout, and Refused if it
	// cannot be used. There are no options then.
	Written, Refused bool
	// Degraded is the limit of the receiver, of all that send to it together,
	// because of which the pair does not have its best layout.
	Degraded *capabilities.Rule
	// Unknown are those of the two of which nothing is known.
	Unknown []string
}

// Settle settles all pairs of NVEs.
func Settle(in Input) *Plan {
	p := Written(in.Intent)
	p.in = in
	p.number = make(map[string]int)
	p.wanted = wanted(in.Intent)
	var nves []*intent.Device
	for i := range in.Intent.Devices {
		d := &in.Intent.Devices[i]
		if d.Role != intent.RoleNVE {
			continue
		}
		if c, ok := in.capability(d); ok {
			p.number[d.Name] = len(nves)
			nves = append(nves, d)
			p.devices = append(p.devices, c)
		}
	}
	p.zones = newZones(in, nves, p.written)
	p.fleet = capabilities.SolveFleet(capabilities.Fleet{
		Devices: p.devices,
		Wanted:  p.wanted,
		Zones:   p.zones.of,
		Between: p.zones.between,
	})
	byName := make(map[string]intent.OptionType, len(in.Intent.OptionTypes))
	for _, o := range in.Intent.OptionTypes {
		byName[o.Name] = o
	}
	for _, l := range p.fleet.Layouts {
		var types []intent.OptionType
		for _, o := range l.Options {
			types = append(types, byName[o.Name])
		}
		p.types = append(p.types, types)
	}
	return p
}

// Written returns the plan of an intent when nothing is known of its NVEs: what
// the operator has written.
func Written(in *intent.Intent) *Plan {
	p := &Plan{
		in: Input{Intent: in}, written: make(map[pair]*intent.Layout, len(in.Layouts)),
		strict: slices.ContainsFunc(in.Wanted.Options, func(o intent.WantedOption) bool { return o.Required }),
	}
	for i := range in.Layouts {
		l := &in.Layouts[i]
		p.written[pair{l.Sender, l.Receiver}] = l
	}
	return p
}

// Between returns what one NVE sends to another.
func (p *Plan) Between(sender, receiver string) Agreement {
	l := p.written[pair{sender, receiver}]
	a := Agreement{Written: l != nil}
	s, okSender := p.number[sender]
	r, okReceiver := p.number[receiver]
	if !okSender {
		a.Unknown = append(a.Unknown, sender)
	}
	if !okReceiver {
		a.Unknown = append(a.Unknown, receiver)
	}
	switch {
	case a.Unknown != nil && l != nil:
		a.Options = p.in.Intent.Types(l.Options)
	case a.Unknown != nil:
		a.Impossible = p.strict
	default:
		_, agreed := p.fleet.Between(s, r)
		a.Options, a.Degraded = p.types[agreed.Layout], agreed.Degraded
		a.Refused = agreed.Impossible && a.Written
		a.Impossible = agreed.Impossible && (p.strict || !a.Written || !p.tunnel(s, r))
	}
	return a
}

// tunnel reports whether one NVE can send to another at all.
func (p *Plan) tunnel(sender, receiver int) bool {
	asked := p.wanted
	asked.Override = new([]string)
	_, why := capabilities.Solve(p.devices[sender], p.devices[receiver], p.zones.relation(sender, receiver).Path, asked)
	return why.Satisfied()
}

// Known returns what is known of an NVE, and false if that is nothing.
func (p *Plan) Known(device string) (capabilities.Capability, bool) {
	i, ok := p.number[device]
	if !ok {
		return capabilities.Capability{}, false
	}
	return p.devices[i], true
}

// Rows returns how many layouts an NVE has to hold to receive from all others.
func (p *Plan) Rows(device string) int {
	i, ok := p.number[device]
	if !ok {
		return 0
	}
	return p.fleet.Rows(p.fleet.ClassOf[i])
}

// Solve returns what would be best between two NVEs of which something is known
// if there were no others, and why.
func (p *Plan) Solve(sender, receiver string) (capabilities.Layout, capabilities.Explanation, bool) {
	return p.solve(sender, receiver, nil)
}

// SolveAs is Solve for just these options in this order.
func (p *Plan) SolveAs(sender, receiver string, options []string) (capabilities.Layout, capabilities.Explanation, bool) {
	return p.solve(sender, receiver, &options)
}

func (p *Plan) solve(sender, receiver string, override *[]string) (capabilities.Layout, capabilities.Explanation, bool) {
	s, okSender := p.number[sender]
	r, okReceiver := p.number[receiver]
	if !okSender || !okReceiver {
		return capabilities.Layout{}, capabilities.Explanation{}, false
	}
	relation := p.zones.relation(s, r)
	asked := p.wanted
	if asked.Override = relation.Override; override != nil {
		asked.Override = override
	}
	layout, why := capabilities.Solve(p.devices[s], p.devices[r], relation.Path, asked)
	return layout, why, true
}

// wanted is what the solver is asked for: what every NVE should tell every other,
// and the options that the operator has some pairs exchange.
func wanted(in *intent.Intent) capabilities.Wanted {
	w := capabilities.Wanted{MaxBytes: in.Wanted.MaxBytes, TenantMTU: in.Wanted.TenantMTU}
	have := make(map[string]bool)
	add := func(name string, o capabilities.WantedOption) {
		t, ok := in.OptionType(name)
		if !ok || have[name] {
			return
		}
		have[name] = true
		o.Name, o.Type = name, t.TLV()
		for _, x := range t.Words {
			o.Words = append(o.Words, word(x))
		}
		w.Options = append(w.Options, o)
	}
	for _, o := range in.Wanted.Options {
		add(o.Option, capabilities.WantedOption{Required: o.Required, Weight: o.Weight, First: o.First})
	}
	for _, l := range in.Layouts {
		for _, name := range l.Options {
			add(name, capabilities.WantedOption{ByOverride: true})
		}
	}
	return w
}

// word is what a receiver has to do with a word of an option's data. It compares
// no constants: what tells an option is its header.
func word(w intent.Word) capabilities.WantedWord {
	if w.Field == 0 {
		return capabilities.WantedWord{Unread: true}
	}
	return capabilities.WantedWord{Field: w.Field.String(), Unread: w.Unread || w.Field == intent.FieldPorts}
}
