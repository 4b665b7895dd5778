// Package capabilities states what devices can do with Geneve options, and settles from that which options one NVE sends to another and in
// which order.
//
// A [Capability] is one device or product as plain data; what carries it (a YAML profile, gNMI, a BGP sub-TLV, P4Runtime) encodes this type.
// [Capability.Validate] names every contradiction in one at once. [Intersect] is the capability of a device that two statements are
// true of, such as its profile and the program that it runs ([FromSchema]).
//
// [Solve] takes two capabilities, the path between them and the options that are wanted, and returns the layout and why it is so
// (RFC 8926 §4.5.1, RFC 9638 §6.5-6.7).
package capabilities

import "github.com/keyway-nve/keyway/proto/geneve"

// Limits of the format (RFC 8926 §3.4, §3.5).
const (
	// MaxOptionWords is the largest OptLen: all options with their headers, in words of 4 bytes.
	MaxOptionWords = 63
	// MaxDataWords is the longest data of one option in words of 4 bytes.
	MaxDataWords = 31
	// RecommendedBytes is the total of options that an implementation should at least have room for (RFC 9638 §6.4).
	RecommendedBytes = 64
)

// Capability is what one device, or one product, can do. A zero value or an empty list is no statement, but for the options of a
// direction: what is not listed there cannot be sent or received.
type Capability struct {
	// Name is that of the device or the product. Every reason that [Solve] gives names it.
	Name string `yaml:"name,required"`
	Role Role   `yaml:"role,required"`
	// Encapsulations are those that the device terminates or, in transit, looks into.
	Encapsulations []Encapsulation `yaml:"encapsulations,omitempty"`
	// Receive is what the device matches. A transit device has only this: the options that it looks at, where it looks for them, and how far
	// its parser reaches. It passes over all others (RFC 8926 §2.2.1).
	Receive Direction `yaml:"receive,omitempty"`
	// Send is what the device places.
	Send Direction `yaml:"send,omitempty"`
	// Exceptions say what becomes of packets that Receive does not cover.
	Exceptions Exceptions `yaml:"exceptions,omitempty"`
	NVGREExt   NVGREExt   `yaml:"nvgreExt,omitempty"`
	// Reconfiguration is the moment at which the set of options can last be changed.
	Reconfiguration Reconfiguration `yaml:"reconfiguration,omitempty"`
	// SamePorts is set if every port of the device has to be configured with the same options in the same internal order: the device has one list
	// of options, so that its pools and the number of its options bound those of all layouts together, not only of one. See [SolveFleet].
	SamePorts bool `yaml:"samePorts,omitempty"`
}

// Direction is what a device can receive, or send.
type Direction struct {
	// Options are the option types that the device can match or place; an option has to be in one of the ranges. None means that it
	// takes no options at all.
	Options []OptionRange `yaml:"options,omitempty"`
	// Order has the rules that all hold for the order of options on the wire. Without one any order will do.
	Order []OrderRule `yaml:"order,omitempty"`
	// Limits hold for both families of the underlay; IPv4 and IPv6 add to them.
	Limits Limits `yaml:"limits,omitempty"`
	IPv4   Limits `yaml:"ipv4,omitempty"`
	IPv6   Limits `yaml:"ipv6,omitempty"`
	// Pools are stores of words that the options of one packet share.
	Pools []Pool `yaml:"pools,omitempty"`
	// ClassMatch and LengthIgnored say what of an option's header tells it from others.
	ClassMatch    ClassMatch `yaml:"classMatch,omitempty"`
	LengthIgnored bool       `yaml:"lengthIgnored,omitempty"`
	// Fields say from which words of the window the device can read a field of its own, or into which it can put it. Without any, fields may
	// stand anywhere; with some, a field that is not listed stands nowhere.
	Fields []FieldWords `yaml:"fields,omitempty"`
	// Rows is the number of layouts that the device holds at a time in this direction.
	Rows uint32 `yaml:"rows,omitempty"`
}

// Limits are upper bounds for the options of one packet. 0 is no bound but the format's.
type Limits struct {
	// Options is the number of options.
	Options uint8 `yaml:"options,omitempty"`
	// Bytes is the length of all options with their headers, a multiple of 4.
	Bytes uint16 `yaml:"bytes,omitempty"`
	// DataWords is the length of one option's data in words of 4 bytes.
	DataWords uint8 `yaml:"dataWords,omitempty"`
	// ParserDepth is the number of bytes that the parser reaches, from the outer Ethernet header on. All outer headers, the Geneve header, the
	// options and InnerBytes behind them have to fit (RFC 9638 §5.1).
	ParserDepth uint16 `yaml:"parserDepth,omitempty"`
	// InnerBytes is how much of the inner headers the device has to reach for what it does.
	InnerBytes uint16 `yaml:"innerBytes,omitempty"`
}

// Pool is a store of 4-byte words. An option takes as many as it has data words (of a receiver, that are matched), and PerOption on top.
type Pool struct {
	Words uint8 `yaml:"words,required"`
	// PerOption is what an option takes beside its data, such as 1 where its class is matched by a word of its own.
	PerOption uint8 `yaml:"perOption,omitempty"`
}

// OrderRule restricts the order of options on the wire.
type OrderRule struct {
	Kind OrderKind `yaml:"rule,required"`
	// Options are those that the rule is about. Which kinds take some is said at [OrderKind].
	Options []OptionRange `yaml:"options,omitempty"`
	// At are the words of the window in which the header of each of Options may stand. Slots only.
	At WordSet `yaml:"at,omitempty"`
}

// FieldWords says where in the window one field can stand.
type FieldWords struct {
	Field string `yaml:"field,required"`
	// Words count from the first word behind the Geneve header. The empty set is nowhere.
	Words WordSet `yaml:"words,required"`
}

// Encapsulation is one tunnel format that a device speaks.
type Encapsulation struct {
	Kind EncapsulationKind `yaml:"kind,required"`
	// Only restricts it to one direction.
	Only Way `yaml:"only,omitempty"`
	// Ports are the UDP destination ports that the device can use. Without any, that is the one that IANA has assigned.
	Ports []uint16 `yaml:"ports,omitempty"`
	// ZeroChecksum are the families over which the device takes and sends a UDP checksum of zero (RFC 8926 §4.3.1, RFC 6936).
	ZeroChecksum []Family `yaml:"zeroChecksum,omitempty"`
	// Inner are the EtherTypes of the payload that the device processes. None is no statement.
	Inner []uint16 `yaml:"inner,omitempty"`
}

// Exceptions say what a device does with packets that it was not made for.
type Exceptions struct {
	// Unknown is for an option that the device does not know and whose critical bit is clear.
	Unknown Behaviour `yaml:"unknown,omitempty"`
	// UnknownCritical is for one whose critical bit is set; an endpoint may drop it or hand it to a slower part of itself (RFC 8926 §3.5.1).
	UnknownCritical Behaviour `yaml:"unknownCritical,omitempty"`
	// Duplicate is for a second option of one class and type, on which RFC 8926 is silent.
	Duplicate Behaviour `yaml:"duplicate,omitempty"`
	// Malformed is for options whose lengths do not add up, or are not what their types have.
	Malformed Behaviour `yaml:"malformed,omitempty"`
	// Control is for packets with O=1.
	Control Behaviour `yaml:"control,omitempty"`
}

// NVGREExt says which NVGRE-EXT messages a device speaks. RFC 7637 §3.4 wants a sender to know that of a receiver.
type NVGREExt struct {
	SendRedirect       bool `yaml:"sendRedirect,omitempty"`
	SendUnreachable    bool `yaml:"sendUnreachable,omitempty"`
	ReceiveRedirect    bool `yaml:"receiveRedirect,omitempty"`
	ReceiveUnreachable bool `yaml:"receiveUnreachable,omitempty"`
}

// For returns the limits that hold over an underlay of family f: of each bound, the tighter one.
func (d Direction) For(f Family) Limits {
	switch f {
	case IPv4:
		return d.Limits.tighter(d.IPv4)
	case IPv6:
		return d.Limits.tighter(d.IPv6)
	}
	return d.Limits
}

// Takes reports whether the device can match or place an option of type t.
func (d Direction) Takes(t geneve.OptionType) bool {
	return contains(d.Options, t)
}

// Encapsulation returns the device's statement on one tunnel format.
func (c Capability) Encapsulation(k EncapsulationKind) (Encapsulation, bool) {
	for _, e := range c.Encapsulations {
		if e.Kind == k {
			return e, true
		}
	}
	return Encapsulation{}, false
}

// UDPPorts returns the ports of the encapsulation, which for an empty list is the assigned one; none if it is not over UDP.
func (e Encapsulation) UDPPorts() []uint16 {
	if len(e.Ports) == 0 && e.Kind.Port() != 0 {
		return []uint16{e.Kind.Port()}
	}
	return e.Ports
}

func (l Limits) tighter(m Limits) Limits {
	out := Limits{
		Options:   least(l.Options, m.Options),
		Bytes:     least(l.Bytes, m.Bytes),
		DataWords: least(l.DataWords, m.DataWords),
	}
	deep := l
	if l.ParserDepth == 0 || m.ParserDepth != 0 && m.reach() < l.reach() {
		deep = m
	}
	out.ParserDepth, out.InnerBytes = deep.ParserDepth, deep.InnerBytes
	return out
}

// reach is what the parser leaves for headers and options.
func (l Limits) reach() int { return int(l.ParserDepth) - int(l.InnerBytes) }

// least returns the smaller of two bounds of which 0 is none.
func least[T ~uint8 | ~uint16 | ~uint32](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
