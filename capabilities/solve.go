package capabilities

import (
	"fmt"
	"strings"

	"github.com/keyway-nve/keyway/proto/geneve"
)

// MaxWanted is the number of options that Solve considers at a time. The search is over sets of them.
const MaxWanted = 20

// Path is what lies between two NVEs.
type Path struct {
	// Encapsulation is Geneve, also by default, or NVGRE.
	Encapsulation EncapsulationKind `yaml:"encapsulation" json:"encapsulation"`
	// Underlay is IPv4 by default.
	Underlay Family `yaml:"underlay" json:"underlay"`
	// MTU is the largest IP packet of the underlay in bytes. 0 is not known.
	MTU uint16 `yaml:"mtu" json:"mtu,omitempty"`
	// VLAN is set if an outer 802.1Q tag reaches the devices' parsers.
	VLAN bool `yaml:"vlan" json:"vlan,omitempty"`
	// Transit are the devices on the way that look behind the outer headers. They do not speak with an NVA, so their limits are known by
	// configuration (RFC 9638 §6.5).
	Transit []Capability `yaml:"-" json:"-"`
}

// Wanted is what one NVE has to tell another.
type Wanted struct {
	// Options are at most MaxWanted. Where no rule decides, they stand in the layout in this order.
	Options []WantedOption `yaml:"options,required"`
	// MaxBytes bounds the options with their headers. 0 is no bound.
	MaxBytes uint16 `yaml:"maxBytes"`
	// TenantMTU is the least MTU to leave to tenants, in bytes of their IP packets. It needs the path's MTU.
	TenantMTU uint16 `yaml:"tenantMtu"`
	// ZeroChecksum asks for a UDP checksum of zero.
	ZeroChecksum bool `yaml:"zeroChecksum"`
	// Override is an operator's word on this pair of NVEs: exactly these options, by name, in this order. It wins over weights and not over
	// what a device can do.
	Override *[]string `yaml:"override"`
}

// WantedOption is an option that a sender should place.
type WantedOption struct {
	// Name tells the option from the others that are wanted.
	Name string            `yaml:"name,required"`
	Type geneve.OptionType `yaml:"type,required"`
	// Required options are in every layout. The others are worth their weight, 0 counting as 1.
	Required bool   `yaml:"required"`
	Weight   uint16 `yaml:"weight"`
	// ByOverride has the option be sent where an Override names it, and nowhere else.
	ByOverride bool `yaml:"byOverride"`
	// First has the option be the first of the packet if it is there.
	First bool `yaml:"first"`
	// Words describe the data, word by word. Those that are missing are constants that the receiver matches.
	Words []WantedWord `yaml:"words"`
}

// WantedWord is one word of an option's data.
type WantedWord struct {
	// Field is the field of the data plane that stands in the word. Without one it is a constant.
	Field string `yaml:"field"`
	// Unread is set if the receiver does not have to read or match the word.
	Unread bool `yaml:"unread"`
}

func (o WantedOption) value() int { return max(1, int(o.Weight)) }

// unread returns the number of data words that the receiver does not have to match.
func (o WantedOption) unread() int {
	n := 0
	for _, w := range o.Words[:min(len(o.Words), int(o.Type.Len))] {
		if w.Unread {
			n++
		}
	}
	return n
}

// Layout is an ordered list of options that one NVE places for another.
type Layout struct {
	Options []Placed `json:"options"`
}

// Placed is an option in its place.
type Placed struct {
	Name string            `json:"name"`
	Type geneve.OptionType `json:"type"`
	// Word is where the option's header stands, counted from the first word behind the Geneve header.
	Word int `json:"word"`
}

// Words returns what the options take with their headers, in words of 4 bytes: OptLen.
func (l Layout) Words() int {
	n := 0
	for _, o := range l.Options {
		n += o.Type.Words()
	}
	return n
}

// Bytes returns what the options take with their headers.
func (l Layout) Bytes() int { return 4 * l.Words() }

// Critical reports whether one of the options is critical, so that C has to be set (RFC 8926 §3.4).
func (l Layout) Critical() bool {
	for _, o := range l.Options {
		if o.Type.Critical() {
			return true
		}
	}
	return false
}

// String returns the names in order.
func (l Layout) String() string { return strings.Join(l.names(), " ") }

func (l Layout) names() []string {
	names := make([]string, len(l.Options))
	for i, o := range l.Options {
		names[i] = o.Name
	}
	return names
}

// Part is where a rule comes from.
type Part uint8

// The parts.
const (
	PartSender Part = iota + 1
	PartReceiver
	PartTransit
	PartPath
	PartWanted
	PartFormat
)

func parts() word {
	return word{"part", []string{"", "sender", "receiver", "transit", "path", "wanted", "format"}}
}

func (p Part) String() string { return parts().text(uint8(p)) }

// MarshalText implements [encoding.TextMarshaler].
func (p Part) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what String returns.
func (p *Part) UnmarshalText(b []byte) error {
	v, err := parts().parse(b)
	*p = Part(v)
	return err
}

// Rule is one reason: something that a layout has to keep to.
type Rule struct {
	Part Part `json:"part"`
	// Device is the name of the device whose limit this is; empty for the other parts.
	Device string `json:"device,omitempty"`
	// Leaf is where that is said: a path in the device's capability, such as receive.limits.bytes, or in what is wanted.
	Leaf string `json:"leaf"`
	// Says is the rule in words.
	Says string `json:"says"`
}

func (r Rule) String() string {
	who := r.Part.String()
	if r.Device != "" {
		who += " " + r.Device
	}
	return fmt.Sprintf("%s: %s (%s)", who, r.Says, r.Leaf)
}

// Explanation says why a layout is what it is.
type Explanation struct {
	Encapsulation EncapsulationKind `json:"encapsulation"`
	Underlay      Family            `json:"underlay"`
	// Port is the UDP destination port, 0 for NVGRE.
	Port uint16 `json:"port,omitempty"`
	// Conflict is empty if there is a layout. Otherwise not all of these rules can hold, and without any one of them the rest can.
	Conflict []Rule `json:"conflict,omitempty"`
	// Places has an item for each option of the layout: the rules that bind it to its place. None of them means that the order is that
	// in which the options are wanted.
	Places [][]Rule `json:"-"`
	// LeftOut are the preferred options that are not in the layout, in the order in which they are wanted.
	LeftOut []LeftOut `json:"leftOut,omitempty"`
	// Overhead is what a tenant's IP packet grows by until it is an IP packet of the underlay, in bytes.
	Overhead int `json:"overhead,omitempty"`
	// TenantMTU is the largest IP packet of a tenant in bytes, or 0 if the path's MTU is not known.
	TenantMTU int `json:"tenantMtu,omitempty"`
	// Notes are facts that somebody who programs the devices has to know.
	Notes []string `json:"notes,omitempty"`
}

// Satisfied reports whether there is a layout, which may have no options.
func (e Explanation) Satisfied() bool { return len(e.Conflict) == 0 }

// LeftOut is a preferred option that is not sent.
type LeftOut struct {
	Name   string            `json:"name"`
	Type   geneve.OptionType `json:"type"`
	Weight int               `json:"weight"`
	// With are options of the layout, by name, beside which this one cannot be; none if it could not be sent in any case.
	With []string `json:"with,omitempty"`
	// Because are the rules. If With is empty, each of them forbids the option, or all of them do together; otherwise it takes all of them.
	Because []Rule `json:"because"`
}

// Solve returns the options that sender places for receiver, in order, and why. The layout has all required options and keeps every rule
// of sender, receiver, transit devices, path and format. Among such layouts it has the preferred options of the greatest weight together,
// then the fewest bytes; then the options that are wanted earlier, in the order in which they are wanted.
//
// If no layout keeps all rules, the layout is empty and the explanation has a minimal set of rules in conflict. Solve is a pure function. The
// capabilities are taken to be valid.
func Solve(sender, receiver Capability, path Path, wanted Wanted) (Layout, Explanation) {
	path = path.orDefault()
	why := Explanation{Encapsulation: path.Encapsulation, Underlay: path.Underlay}
	if len(wanted.Options) > MaxWanted {
		why.Conflict = []Rule{{Part: PartWanted, Leaf: "wanted.options", Says: fmt.Sprintf("%d options are wanted, and %d at most can be", len(wanted.Options), MaxWanted)}}
		return Layout{}, why
	}
	c := compile(sender, receiver, path, wanted, true)
	p := c.problem(func(int) bool { return true })
	chosen, ok := p.best(c.need(), c.values)
	if !ok {
		why.Conflict = c.conflict()
		return Layout{}, why
	}
	order := p.order(chosen)
	layout := c.layout(order)
	for _, i := range order {
		why.Places = append(why.Places, c.binding(i, chosen, p.room))
	}
	for i, o := range wanted.Options {
		if !chosen.has(i) && (!o.ByOverride || wanted.Override != nil) {
			out := c.leftOut(i, chosen)
			out.Name, out.Type, out.Weight = o.Name, o.Type, o.value()
			why.LeftOut = append(why.LeftOut, out)
		}
	}
	why.Port = c.port
	why.Overhead = overhead(path) + layout.Bytes()
	if path.MTU > 0 {
		why.TenantMTU = max(0, int(path.MTU)-why.Overhead)
	}
	why.Notes = append(notes(sender, receiver, path, layout), c.pools(chosen)...)
	return layout, why
}

// orDefault returns the path with what is not set as it is by default.
func (p Path) orDefault() Path {
	if p.Encapsulation == 0 {
		p.Encapsulation = Geneve
	}
	if p.Underlay == 0 {
		p.Underlay = IPv4
	}
	return p
}

// layout places options in an order.
func (c *compiler) layout(order []int) Layout {
	var l Layout
	word := 0
	for _, i := range order {
		l.Options = append(l.Options, Placed{Name: c.options[i].Name, Type: c.options[i].Type, Word: word})
		word += c.words[i]
	}
	return l
}

// overhead is what the tunnel adds to a tenant's IP packet without options: its Ethernet header, which is inside, the tunnel's and
// the outer IP header (RFC 8926 §4.4.1).
func overhead(path Path) int {
	return 14 + path.Encapsulation.headerBytes() + path.Underlay.headerBytes()
}

// pools says how much of the pools of words is taken by the options of chosen.
func (c *compiler) pools(chosen set) []string {
	var out []string
	for _, k := range c.list {
		if !strings.Contains(k.rule.Leaf, ".pools[") {
			continue
		}
		used := 0
		for i := range chosen.all {
			used += k.cost[i]
		}
		if used > 0 {
			out = append(out, fmt.Sprintf("%s uses %d of the %d words of its pool (%s)", k.rule.Device, used, k.room, k.rule.Leaf))
		}
	}
	return out
}

func notes(sender, receiver Capability, path Path, l Layout) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if path.Encapsulation != Geneve {
		return nil
	}
	for _, d := range []struct {
		Capability
		Direction
		does string
	}{{sender, sender.Send, "sends"}, {receiver, receiver.Receive, "receives"}} {
		room := int(d.For(path.Underlay).Bytes)
		switch {
		case len(d.Options) == 0:
			say("%s %s no options; RFC 9638 §6.4 asks for room for %d bytes", d.Name, d.does, RecommendedBytes)
		case room > 0 && room < RecommendedBytes:
			say("%s %s at most %d bytes of options; RFC 9638 §6.4 asks for room for %d", d.Name, d.does, room, RecommendedBytes)
		}
	}
	if len(l.Options) == 0 {
		return out
	}
	for _, r := range sender.Send.Order {
		if r.Kind == Reverse && len(r.Options) == 0 && len(l.Options) > 1 {
			say("%s is given the options in reverse order", sender.Name)
		}
	}
	for _, c := range []Capability{sender, receiver} {
		if c.Reconfiguration != 0 && c.Reconfiguration != AtRuntime {
			say("%s takes another set of options only %s", c.Name, map[Reconfiguration]string{
				AtFirmware: "with a reset", AtPipelineLoad: "when its pipeline is loaded", AtFirstRule: "before its first rule with options"}[c.Reconfiguration])
		}
		if c.SamePorts {
			say("%s has the same options in the same internal order on all ports", c.Name)
		}
	}
	return out
}
