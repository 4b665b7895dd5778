package capabilities_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/proto/geneve"
)

var classes = []uint16{0x0102, 0xff01}

func randomType(r *rand.Rand) geneve.OptionType {
	return geneve.OptionType{Class: classes[r.IntN(2)], Type: []uint8{0x01, 0x02, 0x81}[r.IntN(3)], Len: uint8(r.IntN(4))}
}

func randomRange(r *rand.Rand) capabilities.OptionRange {
	t := randomType(r)
	out := capabilities.OptionRange{Class: t.Class, Type: t.Type, MinWords: t.Len, MaxWords: min(31, t.Len+uint8(r.IntN(3)))}
	if r.IntN(2) == 0 {
		out.AnyType, out.Type = true, 0
	}
	if r.IntN(3) == 0 {
		out.AnyClass, out.Class = true, 0
	}
	if r.IntN(2) == 0 {
		out.MinWords, out.MaxWords = 0, 31
	}
	return out
}

func randomRanges(r *rand.Rand, n int) []capabilities.OptionRange {
	var out []capabilities.OptionRange
	for range n {
		out = append(out, randomRange(r))
	}
	return out
}

func sometimes[T any](r *rand.Rand, in int, f func() T) (v T) {
	if r.IntN(in) == 0 {
		return f()
	}
	return v
}

func randomLimits(r *rand.Rand) capabilities.Limits {
	l := capabilities.Limits{
		Options:   sometimes(r, 3, func() uint8 { return uint8(1 + r.IntN(4)) }),
		Bytes:     sometimes(r, 3, func() uint16 { return uint16(4 + 4*r.IntN(10)) }),
		DataWords: sometimes(r, 4, func() uint8 { return uint8(1 + r.IntN(3)) }),
	}
	if r.IntN(4) == 0 {
		l.ParserDepth = uint16(70 + r.IntN(60))
		l.InnerBytes = uint16(r.IntN(30))
	}
	return l
}

func randomDirection(r *rand.Rand) capabilities.Direction {
	d := capabilities.Direction{
		Options: sometimes(r, 2, func() []capabilities.OptionRange { return randomRanges(r, r.IntN(5)) }),
		Limits:  sometimes(r, 2, func() capabilities.Limits { return randomLimits(r) }),
		IPv4:    sometimes(r, 4, func() capabilities.Limits { return randomLimits(r) }),
		IPv6:    sometimes(r, 4, func() capabilities.Limits { return randomLimits(r) }),
	}
	if len(d.Options) == 0 && r.IntN(8) > 0 {
		d.Options = []capabilities.OptionRange{capabilities.EveryOption(31)}
	}
	for range sometimes(r, 3, func() int { return 1 + r.IntN(2) }) {
		d.Pools = append(d.Pools, capabilities.Pool{Words: uint8(1 + r.IntN(8)), PerOption: uint8(r.IntN(2))})
	}
	for range sometimes(r, 2, func() int { return 1 + r.IntN(3) }) {
		rule := capabilities.OrderRule{Kind: capabilities.OrderKind(1 + r.IntN(6)), Options: randomRanges(r, 1+r.IntN(3))}
		switch {
		case rule.Kind == capabilities.Slot:
			rule.At = capabilities.WordSet(r.Uint64N(256))
		case rule.Kind == capabilities.Positional, rule.Kind == capabilities.First && r.IntN(2) == 0, rule.Kind == capabilities.Reverse && r.IntN(2) == 0:
			rule.Options = nil
		}
		d.Order = append(d.Order, rule)
	}
	for _, f := range []string{"group", "origin"} {
		if r.IntN(4) == 0 {
			d.Fields = append(d.Fields, capabilities.FieldWords{Field: f, Words: capabilities.WordSet(r.Uint64N(1 << 10))})
		}
	}
	d.ClassMatch = sometimes(r, 6, func() capabilities.ClassMatch { return capabilities.ClassIgnored })
	return d
}

func randomCapability(r *rand.Rand, name string) capabilities.Capability {
	return capabilities.Capability{
		Name: name, Role: capabilities.RoleNVE,
		Encapsulations: []capabilities.Encapsulation{{Kind: capabilities.Geneve}},
		Receive:        randomDirection(r), Send: randomDirection(r),
	}
}

func randomOption(r *rand.Rand, i int) capabilities.WantedOption {
	w := capabilities.WantedOption{
		Name: string(rune('a' + i)), Type: randomType(r), Required: r.IntN(4) == 0, Weight: uint16(r.IntN(4)), First: r.IntN(8) == 0,
	}
	for range w.Type.Len {
		w.Words = append(w.Words, capabilities.WantedWord{Field: []string{"", "", "group", "origin"}[r.IntN(4)], Unread: r.IntN(5) == 0})
	}
	return w
}

// transitOf makes a transit device of a capability.
func transitOf(c capabilities.Capability) capabilities.Capability {
	c.Role, c.Send = capabilities.RoleTransit, capabilities.Direction{}
	return c
}

func randomQuestion(r *rand.Rand) *oracle {
	path := capabilities.Path{Encapsulation: capabilities.Geneve, Underlay: capabilities.Family(1 + r.IntN(2)), VLAN: r.IntN(4) == 0}
	for i := range sometimes(r, 3, func() int { return 1 + r.IntN(2) }) {
		path.Transit = append(path.Transit, transitOf(randomCapability(r, fmt.Sprintf("spine%d", i))))
	}
	var wanted capabilities.Wanted
	for i := range r.IntN(6) {
		wanted.Options = append(wanted.Options, randomOption(r, i))
	}
	wanted.MaxBytes = sometimes(r, 6, func() uint16 { return uint16(4 + 4*r.IntN(12)) })
	if r.IntN(10) == 0 {
		names := []string{}
		for _, i := range r.Perm(len(wanted.Options))[:r.IntN(len(wanted.Options)+1)] {
			names = append(names, wanted.Options[i].Name)
		}
		wanted.Override = &names
	}
	return newOracle(randomCapability(r, "left"), randomCapability(r, "right"), path, wanted)
}
