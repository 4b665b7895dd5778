package capabilities

import "slices"

// Intersect returns the capability of a device of which both a and b are true, such as a product's profile and the program that one
// runs. A layout can be received, or sent, by the result if and only if it can by a and by b. Name and role are a's.
//
// Where both are valid, so is the result, but where their orders contradict each other: then it has both rules, and [Capability.Validate]
// names them.
func Intersect(a, b Capability) Capability {
	return Capability{
		Name:            a.Name,
		Role:            a.Role,
		Encapsulations:  intersectEncapsulations(a.Encapsulations, b.Encapsulations),
		Receive:         intersectDirections(a.Receive, b.Receive),
		Send:            intersectDirections(a.Send, b.Send),
		Exceptions:      intersectExceptions(a.Exceptions, b.Exceptions),
		NVGREExt:        intersectNVGREExt(a.NVGREExt, b.NVGREExt),
		Reconfiguration: least(a.Reconfiguration, b.Reconfiguration),
		SamePorts:       a.SamePorts || b.SamePorts,
	}
}

func intersectDirections(a, b Direction) Direction {
	d := Direction{
		Limits:        a.Limits.tighter(b.Limits),
		IPv4:          a.IPv4.tighter(b.IPv4),
		IPv6:          a.IPv6.tighter(b.IPv6),
		Pools:         tightest(a.Pools, b.Pools),
		ClassMatch:    least(a.ClassMatch, b.ClassMatch),
		LengthIgnored: a.LengthIgnored || b.LengthIgnored,
		Fields:        intersectFields(a.Fields, b.Fields),
		Rows:          least(a.Rows, b.Rows),
	}
	for _, r := range a.Options {
		for _, s := range b.Options {
			if both, ok := r.Intersect(s); ok {
				d.Options = append(d.Options, both)
			}
		}
	}
	for _, r := range slices.Concat(a.Order, b.Order) {
		if !slices.ContainsFunc(d.Order, func(s OrderRule) bool { return sameRule(r, s) }) {
			d.Order = append(d.Order, r)
		}
	}
	return d.simplify()
}

func sameRule(r, s OrderRule) bool {
	return r.Kind == s.Kind && r.At == s.At && slices.Equal(r.Options, s.Options)
}

// tightest returns the pools of both, without those that hold whenever another does.
func tightest(a, b []Pool) []Pool {
	var out []Pool
	all := slices.Concat(a, b)
	for i, p := range all {
		implied := false
		for j, q := range all {
			tighter := q.Words <= p.Words && q.PerOption >= p.PerOption
			implied = implied || tighter && (q != p || j < i)
		}
		if !implied {
			out = append(out, p)
		}
	}
	return out
}

// intersectFields keeps a field that only one side knows, with no words: no field at all would mean that there is nothing to say of them.
func intersectFields(a, b []FieldWords) []FieldWords {
	switch {
	case len(a) == 0:
		return slices.Clone(b)
	case len(b) == 0:
		return slices.Clone(a)
	}
	var out []FieldWords
	for _, f := range a {
		i := slices.IndexFunc(b, func(g FieldWords) bool { return g.Field == f.Field })
		if i < 0 {
			f.Words = 0
		} else {
			f.Words &= b[i].Words
		}
		out = append(out, f)
	}
	for _, g := range b {
		if !slices.ContainsFunc(a, func(f FieldWords) bool { return g.Field == f.Field }) {
			out = append(out, FieldWords{Field: g.Field})
		}
	}
	return out
}

func intersectEncapsulations(a, b []Encapsulation) []Encapsulation {
	var out []Encapsulation
	for _, e := range a {
		for _, f := range b {
			if e.Kind != f.Kind || e.Only != BothWays && f.Only != BothWays && e.Only != f.Only {
				continue
			}
			g := Encapsulation{Kind: e.Kind, Only: max(e.Only, f.Only)}
			if len(e.Ports) > 0 || len(f.Ports) > 0 {
				if g.Ports = common(e.UDPPorts(), f.UDPPorts()); len(g.Ports) == 0 {
					continue
				}
			}
			g.ZeroChecksum = common(e.ZeroChecksum, f.ZeroChecksum)
			if g.Inner = e.Inner; len(e.Inner) == 0 {
				g.Inner = f.Inner
			} else if len(f.Inner) > 0 {
				if g.Inner = common(e.Inner, f.Inner); len(g.Inner) == 0 {
					continue
				}
			}
			out = append(out, g)
		}
	}
	return out
}

// common returns what is in both, in the order of a.
func common[T comparable](a, b []T) []T {
	var out []T
	for _, x := range a {
		if slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

// intersectExceptions keeps of each behaviour the one that keeps less of the packet.
func intersectExceptions(a, b Exceptions) Exceptions {
	stricter := func(x, y Behaviour) Behaviour {
		rank := []Behaviour{0, Accept, Skip, Punt, Drop}
		if slices.Index(rank, y) > slices.Index(rank, x) {
			return y
		}
		return x
	}
	return Exceptions{
		Unknown:         stricter(a.Unknown, b.Unknown),
		UnknownCritical: stricter(a.UnknownCritical, b.UnknownCritical),
		Duplicate:       stricter(a.Duplicate, b.Duplicate),
		Malformed:       stricter(a.Malformed, b.Malformed),
		Control:         stricter(a.Control, b.Control),
	}
}

func intersectNVGREExt(a, b NVGREExt) NVGREExt {
	return NVGREExt{
		SendRedirect:       a.SendRedirect && b.SendRedirect,
		SendUnreachable:    a.SendUnreachable && b.SendUnreachable,
		ReceiveRedirect:    a.ReceiveRedirect && b.ReceiveRedirect,
		ReceiveUnreachable: a.ReceiveUnreachable && b.ReceiveUnreachable,
	}
}
