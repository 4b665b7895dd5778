package lab

import (
	"fmt"
	"maps"
	"slices"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/p4"
)

// said returns what the devices say that they can do, by name.
func (r *runner) said() map[string]capabilities.Capability {
	said := map[string]capabilities.Capability{}
	for name, d := range r.devices {
		if c, ok := d.Says(); ok && r.gnmi[name] != "" {
			said[name] = c
		}
	}
	return said
}

// plans returns the plans by which NVEs may have sent in a step: that of the end, and those of the beginning and of each view, with whatever part of
// what devices say has been heard of by then.
func (r *runner) plans(t *trial) ([]*layouts.Plan, error) {
	program, err := nveCapability()
	if err != nil {
		return nil, err
	}
	truths := []intent.Intent{r.truth, t.before}
	for _, name := range slices.Sorted(maps.Keys(r.views)) {
		truths = append(truths, r.views[name])
	}
	heard := []map[string]capabilities.Capability{r.said()}
	for _, c := range t.step.Advertise {
		for _, told := range slices.Clone(heard) {
			told = maps.Clone(told)
			told[c.Name] = t.said[c.Name]
			heard = append(heard, told)
		}
	}
	var plans []*layouts.Plan
	for _, in := range truths {
		in = viewOf(in, Authority{}, nil, r.gnmi)
		for _, told := range heard {
			plans = append(plans, layouts.Settle(layouts.Input{Intent: &in, Program: program, Told: told, MTU: render.Options{}.MTU()}))
		}
	}
	return plans, nil
}

// Layouts returns what the layouts at the beginning of the lab are settled from: what its NVAs know once they have asked the devices.
func (l *Lab) Layouts() (layouts.Input, error) {
	program, err := nveCapability()
	if err != nil {
		return layouts.Input{}, err
	}
	told, gnmi := map[string]capabilities.Capability{}, map[string]string{}
	ours, targets := Authority{}, map[string]intent.Target{}
	for _, d := range l.Intent.Devices {
		if d.Role != intent.RoleNVE || l.isPeer(d.Name) {
			continue
		}
		says := program
		for _, c := range l.Capabilities {
			if c.Name == d.Name {
				says = capabilities.Intersect(c, program)
			}
		}
		says.Name = d.Name
		told[d.Name], gnmi[d.Name] = says, d.Name
		ours.Devices, targets[d.Name] = append(ours.Devices, d.Name), intent.Target{Address: d.Name}
	}
	in := viewOf(l.Intent, ours, targets, gnmi)
	return layouts.Input{Intent: &in, Program: program, Told: told, MTU: render.Options{}.MTU()}, nil
}

func nveCapability() (capabilities.Capability, error) {
	program, err := p4.NVE()
	if err != nil {
		return capabilities.Capability{}, err
	}
	return capabilities.FromP4Info("nve", program.P4Info)
}

// untaken says what is wrong with the options of a tunnel in the eyes of the receiver, apart from what any solver says; nothing if the receiver takes
// them by what it says after the step, or said before.
func (r *runner) untaken(t *trial, x TunnelReport) string {
	why := ""
	for _, said := range []map[string]capabilities.Capability{r.said(), t.said} {
		c, ok := said[x.To]
		if !ok {
			return "" // it was not asked
		}
		if why = untakenBy(c.Receive, x, &r.truth); why == "" {
			return ""
		}
	}
	return why
}

func untakenBy(d capabilities.Direction, x TunnelReport, in *intent.Intent) string {
	limits, words := d.For(capabilities.IPv4), 0
	if x.Underlay == intent.IPv6.String() {
		limits = d.For(capabilities.IPv6)
	}
	if n := int(limits.Options); n > 0 && len(x.Options) > n {
		return fmt.Sprintf("%s for one that takes %d", plural(len(x.Options), "option"), n)
	}
	last := make([]int, len(d.Order)) // by rule, the position in its list
	for i, name := range x.Options {
		o, ok := in.OptionType(name)
		if !ok || !d.Takes(o.TLV()) {
			return name
		}
		for j, rule := range d.Order {
			at := slices.IndexFunc(rule.Options, func(r capabilities.OptionRange) bool { return r.Contains(o.TLV()) })
			switch {
			case at < 0:
			case rule.Kind == capabilities.List && at < last[j]:
				return name + " behind what it has to precede"
			case rule.Kind == capabilities.List:
				last[j] = at
			case rule.Kind == capabilities.First && i > 0 && len(rule.Options) == 1:
				return fmt.Sprintf("%s as number %d", name, i+1)
			case rule.Kind == capabilities.Slot && !rule.At.Has(words):
				return fmt.Sprintf("%s at word %d", name, words)
			}
		}
		words += o.Size()
	}
	if n := int(limits.Bytes); n > 0 && 4*words > n {
		return fmt.Sprintf("%d bytes for one that takes %d", 4*words, n)
	}
	return ""
}
