package capabilities

import "slices"

// simplify leaves out what says nothing any more when two directions have become one: bounds that a tighter one always hides, options
// that no family has room for, order rules on options that are not there, and words behind the window. What the direction takes stays the
// same.
func (d Direction) simplify() Direction {
	d.Options = slices.DeleteFunc(d.Options, func(r OptionRange) bool { return !d.For(IPv4).lets(r) && !d.For(IPv6).lets(r) })
	if len(d.Options) == 0 {
		// Nothing but how far the parser reaches is about a device that takes no options.
		bare := func(l Limits) Limits { return Limits{ParserDepth: l.ParserDepth, InnerBytes: l.InnerBytes} }
		return Direction{Limits: bare(d.Limits), IPv4: bare(d.IPv4), IPv6: bare(d.IPv6)}
	}
	window := WordRange(0, d.window()-1)
	for i := range d.Fields {
		d.Fields[i].Words &= window
	}
	var order []OrderRule
	for _, r := range d.Order {
		if r = r.about(d.Options); r.Kind == Slot {
			// Where no word is left, the rule stays as it was, for the contradiction to be seen.
			if at := r.At & window; at != 0 {
				r.At = at
			}
		}
		if r.Kind == First && len(r.Options) == 0 && d.Limits.Options > 1 {
			d.Limits.Options = 1
		}
		if r.Kind != 0 && !slices.ContainsFunc(order, func(s OrderRule) bool { return sameRule(r, s) }) {
			order = append(order, r)
		}
	}
	d.Order = order
	d.IPv4, d.IPv6 = d.IPv4.within(d.Limits), d.IPv6.within(d.Limits)
	return d
}

// window is the number of words in which options can stand.
func (d Direction) window() int {
	if d.Limits.Bytes > 0 {
		return int(d.Limits.Bytes / 4)
	}
	return MaxOptionWords
}

// lets reports whether an option of the range can stand in a packet.
func (l Limits) lets(r OptionRange) bool {
	return (l.DataWords == 0 || r.MinWords <= l.DataWords) && (l.Bytes == 0 || 4+4*uint16(r.MinWords) <= l.Bytes)
}

// within returns the bounds without those that general always hides.
func (l Limits) within(general Limits) Limits {
	if general.Options > 0 && l.Options > general.Options {
		l.Options = 0
	}
	if general.Bytes > 0 && l.Bytes > general.Bytes {
		l.Bytes = 0
	}
	if general.DataWords > 0 && l.DataWords > general.DataWords {
		l.DataWords = 0
	}
	return l
}

// about returns the rule without the options that are not among those of a device. It is zero if nothing is left to order.
func (r OrderRule) about(options []OptionRange) OrderRule {
	if len(r.Options) == 0 {
		return r
	}
	var left []OptionRange
	for _, o := range r.Options {
		if slices.ContainsFunc(options, func(s OptionRange) bool { _, ok := o.Intersect(s); return ok }) {
			left = append(left, o)
		}
	}
	enough := 1
	if r.Kind == List || r.Kind == Canonical || r.Kind == Reverse {
		enough = 2
	}
	if len(left) < enough {
		return OrderRule{}
	}
	return OrderRule{Kind: r.Kind, Options: left, At: r.At}
}
