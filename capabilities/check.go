package capabilities

import (
	"errors"
	"fmt"
	"slices"
)

// Report receives one reason why the value at path is wrong. Paths are those of the YAML form: "receive.order[1].options[0]".
type Report func(path, format string, args ...any)

// Validate returns nil, or every contradiction in the capability, joined.
func (c Capability) Validate() error {
	var errs []error
	c.Check(func(path, format string, args ...any) {
		errs = append(errs, fmt.Errorf("capability %s: %s: %s", c.Name, path, fmt.Sprintf(format, args...)))
	})
	return errors.Join(errs...)
}

// Check reports every contradiction in the capability.
func (c Capability) Check(report Report) {
	if c.Name == "" {
		report("name", "is empty")
	}
	if c.Role < RoleNVE || c.Role > RoleTransit {
		report("role", "is none of nve, offload and transit")
	}
	c.checkEncapsulations(report)
	for _, d := range []struct {
		path string
		Direction
		way Way
	}{{"receive", c.Receive, OnlyReceive}, {"send", c.Send, OnlySend}} {
		k := directionCheck{Direction: d.Direction, path: d.path, report: report}
		k.check()
		e, ok := c.Encapsulation(Geneve)
		if len(d.Options) > 0 && (!ok || e.Only != BothWays && e.Only != d.way) {
			report(d.path+".options", "options are for Geneve, which the device does not %s", d.path)
		}
	}
	c.checkExceptions(report)
	if _, ok := c.Encapsulation(NVGRE); !ok && c.NVGREExt != (NVGREExt{}) {
		report("nvgreExt", "its messages are carried by NVGRE, which the device does not speak")
	}
	if c.Role != RoleTransit {
		return
	}
	if len(c.Send.Options) > 0 {
		report("send.options", "a transit device places no options (RFC 8926 §2.2.1)")
	}
	if c.NVGREExt != (NVGREExt{}) {
		report("nvgreExt", "a transit device sends and receives no such messages")
	}
}

func (c Capability) checkEncapsulations(report Report) {
	if len(c.Encapsulations) == 0 {
		report("encapsulations", "there is none")
	}
	for i, e := range c.Encapsulations {
		at := fmt.Sprintf("encapsulations[%d]", i)
		if e.Kind < Geneve || e.Kind > VXLANGPE {
			report(at+".kind", "is no encapsulation")
		}
		if first := slices.IndexFunc(c.Encapsulations, func(f Encapsulation) bool { return f.Kind == e.Kind }); first < i {
			report(at+".kind", "encapsulations[%d] is %v already", first, e.Kind)
		}
		if e.Kind == NVGRE && len(e.Ports) > 0 {
			report(at+".ports", "NVGRE has no ports")
		}
		for j, p := range e.Ports {
			switch {
			case p == 0:
				report(fmt.Sprintf("%s.ports[%d]", at, j), "0 is no port")
			case slices.Index(e.Ports, p) < j:
				report(fmt.Sprintf("%s.ports[%d]", at, j), "%d is listed twice", p)
			}
		}
		if e.Kind == NVGRE && len(e.ZeroChecksum) > 0 {
			report(at+".zeroChecksum", "NVGRE has no checksum")
		}
		for j, f := range e.ZeroChecksum {
			if slices.Index(e.ZeroChecksum, f) < j {
				report(fmt.Sprintf("%s.zeroChecksum[%d]", at, j), "%v is listed twice", f)
			}
		}
	}
}

func (c Capability) checkExceptions(report Report) {
	x := c.Exceptions
	if c.Role == RoleTransit {
		for _, b := range []struct {
			path string
			Behaviour
		}{{"unknown", x.Unknown}, {"unknownCritical", x.UnknownCritical}} {
			if b.Behaviour == Drop || b.Behaviour == Punt {
				report("exceptions."+b.path, "a transit device must not drop or divert a packet because of an option (RFC 8926 §2.2.1)")
			}
		}
		return
	}
	if x.Unknown == Accept {
		report("exceptions.unknown", "what is unknown cannot be processed: want skip, drop or punt")
	}
	if c.Role == RoleNVE && (x.UnknownCritical == Accept || x.UnknownCritical == Skip) {
		report("exceptions.unknownCritical", "an endpoint must not go on past an unknown critical option (RFC 8926 §3.5): want drop or punt")
	}
	if x.Malformed == Accept || x.Malformed == Skip {
		report("exceptions.malformed", "an endpoint drops a packet whose options do not add up (RFC 8926 §3.5): want drop or punt")
	}
}

type directionCheck struct {
	Direction
	path   string
	report Report
}

func (k *directionCheck) check() {
	for i, r := range k.Options {
		at := fmt.Sprintf("%s.options[%d]", k.path, i)
		if r.MinWords > r.MaxWords || r.MaxWords > MaxDataWords {
			k.report(at, "%v: an option has 0 to %d words of data", r, MaxDataWords)
		}
		for j, s := range k.Options[:i] {
			if _, ok := r.Intersect(s); ok {
				k.report(at, "%v overlaps %v, options[%d]", r, s, j)
			}
		}
	}
	if len(k.Options) == 0 {
		k.none()
		return
	}
	general := k.Limits
	k.limits("limits", k.Limits, Limits{})
	k.limits("ipv4", k.IPv4, general)
	k.limits("ipv6", k.IPv6, general)
	k.reachable()
	k.pools()
	k.order()
	k.opposites()
	k.fields()
}

// none reports what is said of the options of a device that takes none.
func (k *directionCheck) none() {
	for _, s := range []struct {
		path  string
		given bool
	}{
		{"order", len(k.Order) > 0}, {"pools", len(k.Pools) > 0}, {"fields", len(k.Fields) > 0}, {"rows", k.Rows > 0},
		{"limits", k.Limits.options()}, {"ipv4", k.IPv4.options()}, {"ipv6", k.IPv6.options()}, {"classMatch", k.ClassMatch != 0},
		{"lengthIgnored", k.LengthIgnored},
	} {
		if s.given {
			k.report(k.path+"."+s.path, "says something of options, and the device takes none")
		}
	}
}

// options reports whether there is a bound that is about options. How far a parser reaches is not.
func (l Limits) options() bool { return l.Options != 0 || l.Bytes != 0 || l.DataWords != 0 }

func (k *directionCheck) limits(name string, l, general Limits) {
	at := k.path + "." + name
	if l.Options > MaxOptionWords {
		k.report(at+".options", "%d options cannot stand in one header, %d at most", l.Options, MaxOptionWords)
	}
	if l.Bytes%4 != 0 || l.Bytes > 4*MaxOptionWords {
		k.report(at+".bytes", "%d is not a length of options: a multiple of 4, 4 to %d", l.Bytes, 4*MaxOptionWords)
	}
	if l.DataWords > MaxDataWords {
		k.report(at+".dataWords", "an option has at most %d words of data", MaxDataWords)
	}
	if l.InnerBytes > 0 && l.ParserDepth == 0 {
		k.report(at+".innerBytes", "is nothing without parserDepth")
	}
	if smallest := 14 + IPv4.headerBytes() + Geneve.headerBytes(); l.ParserDepth > 0 && l.reach() < smallest {
		k.report(at+".parserDepth", "%d with %d for inner headers does not reach past the outer headers, which take %d", l.ParserDepth, l.InnerBytes, smallest)
	}
	for _, b := range []struct {
		path         string
		own, general int
	}{
		{"options", int(l.Options), int(general.Options)}, {"bytes", int(l.Bytes), int(general.Bytes)},
		{"dataWords", int(l.DataWords), int(general.DataWords)},
	} {
		if b.general > 0 && b.own > b.general {
			k.report(at+"."+b.path, "%d is never reached, because %s.limits.%s is %d", b.own, k.path, b.path, b.general)
		}
	}
}

// reachable reports options that the device lists and can never take, over neither family.
func (k *directionCheck) reachable() {
	for i, r := range k.Options {
		if k.For(IPv4).lets(r) || k.For(IPv6).lets(r) {
			continue
		}
		at := fmt.Sprintf("%s.options[%d]", k.path, i)
		least := int(r.MinWords)
		for _, l := range []struct {
			name string
			Limits
		}{{"limits", k.Limits}, {"ipv4", k.IPv4}, {"ipv6", k.IPv6}} {
			if l.DataWords > 0 && least > int(l.DataWords) {
				k.report(at, "%v has more words of data than %s.%s.dataWords, %d, lets pass", r, k.path, l.name, l.DataWords)
			}
			if l.Bytes > 0 && 4+4*least > int(l.Bytes) {
				k.report(at, "%v takes %d bytes, more than %s.%s.bytes, %d, lets pass", r, 4+4*least, k.path, l.name, l.Bytes)
			}
		}
	}
}

func (k *directionCheck) pools() {
	for i, p := range k.Pools {
		at := fmt.Sprintf("%s.pools[%d]", k.path, i)
		if p.Words == 0 {
			k.report(at+".words", "a pool of no words takes no options")
		} else if p.PerOption > p.Words {
			k.report(at+".perOption", "one option takes %d words, and the pool has %d", p.PerOption, p.Words)
		}
	}
	if k.ClassMatch > ClassMatchable {
		k.report(k.path+".classMatch", "is none of ignored, fixed and matchable")
	}
}

func (k *directionCheck) order() {
	var first *OrderRule
	for i := range k.Order {
		r := &k.Order[i]
		at := fmt.Sprintf("%s.order[%d]", k.path, i)
		switch {
		case r.Kind < List || r.Kind > Positional:
			k.report(at+".rule", "is no order rule")
		case (r.Kind == List || r.Kind == Canonical) && len(r.Options) < 2:
			k.report(at+".options", "a %v has at least two options", r.Kind)
		case r.Kind == Slot && len(r.Options) == 0:
			k.report(at+".options", "a slot is for one option or more")
		case r.Kind == Positional && len(r.Options) > 0:
			k.report(at+".options", "positional is for all options, and lists none")
		}
		if (r.Kind == Slot) != (r.At != 0) {
			k.report(at+".at", "at is for slot, which has to have it")
		}
		if last := r.At.Last(); last >= k.window() {
			k.report(at+".at", "word %d lies behind the window, which has %d words", last, k.window())
		}
		if r.Kind == First {
			if len(r.Options) == 0 && k.Limits.Options > 1 {
				k.report(at+".rule", "only the first option counts, and limits.options says %d", k.Limits.Options)
			}
			if first != nil {
				k.report(at+".rule", "another rule says first already, and only one option can be")
			}
			first = r
		}
		for j, o := range r.Options {
			k.ordered(fmt.Sprintf("%s.options[%d]", at, j), r, j, o)
		}
	}
}

func (k *directionCheck) ordered(at string, r *OrderRule, j int, o OptionRange) {
	if !slices.ContainsFunc(k.Options, func(s OptionRange) bool { _, ok := o.Intersect(s); return ok }) {
		k.report(at, "%v is ordered, and %s.options does not have it", o, k.path)
	}
	for i, p := range r.Options[:j] {
		if _, ok := o.Intersect(p); ok {
			k.report(at, "%v overlaps %v, options[%d] of the same rule", o, p, i)
		}
	}
}

// opposites reports pairs of options that two rules want in opposite orders.
func (k *directionCheck) opposites() {
	type pair struct{ before, after OptionRange }
	said := map[pair]int{}
	for i, r := range k.Order {
		for x, a := range r.Options {
			for _, b := range r.Options[x+1:] {
				p := pair{a, b}
				switch r.Kind {
				case List, Canonical:
				case Reverse:
					p = pair{b, a}
				default:
					continue
				}
				said[p] = i
				if j, ok := said[pair{p.after, p.before}]; ok {
					k.report(fmt.Sprintf("%s.order[%d]", k.path, i), "%v comes before %v here, and behind it by order[%d]", p.before, p.after, j)
				}
			}
		}
	}
}

func (k *directionCheck) fields() {
	for i, f := range k.Fields {
		at := fmt.Sprintf("%s.fields[%d]", k.path, i)
		if f.Field == "" {
			k.report(at+".field", "has no name")
		}
		if first := slices.IndexFunc(k.Fields, func(g FieldWords) bool { return g.Field == f.Field }); first < i {
			k.report(at+".field", "%s is fields[%d] already", f.Field, first)
		}
		if last := f.Words.Last(); last >= k.window() {
			k.report(at+".words", "word %d lies behind the window, which has %d words", last, k.window())
		}
	}
}
