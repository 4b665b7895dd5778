package capabilities

import (
	"fmt"
	"slices"
	"strings"
)

// word is the text form of an enumeration: names[i] is the name of value i, and an empty name has no text.
type word struct {
	kind  string
	names []string
}

func (w word) text(i uint8) string {
	if int(i) < len(w.names) {
		return w.names[i]
	}
	return fmt.Sprintf("%s(%d)", w.kind, i)
}

func (w word) parse(b []byte) (uint8, error) {
	if i := slices.Index(w.names, string(b)); i >= 0 && len(b) > 0 {
		return uint8(i), nil
	}
	known := slices.DeleteFunc(slices.Clone(w.names), func(s string) bool { return s == "" })
	return 0, fmt.Errorf("%q is no %s: want %s", b, w.kind, strings.Join(known, " or "))
}

// Role is what a device is to the overlay.
type Role uint8

const (
	// RoleNVE terminates tunnels.
	RoleNVE Role = iota + 1
	// RoleOffload works for an NVE beside it and is no endpoint itself: what it does not know it leaves to that (RFC 8926 §4.6).
	RoleOffload
	// RoleTransit forwards tunnelled packets and never changes their options.
	RoleTransit
)

func roles() word { return word{"role", []string{"", "nve", "offload", "transit"}} }

func (r Role) String() string { return roles().text(uint8(r)) }

// MarshalText implements [encoding.TextMarshaler].
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads "nve", "offload" or "transit".
func (r *Role) UnmarshalText(b []byte) error {
	v, err := roles().parse(b)
	*r = Role(v)
	return err
}

// EncapsulationKind is a tunnel format.
type EncapsulationKind uint8

// The tunnel formats. Only Geneve carries options.
const (
	Geneve   EncapsulationKind = iota + 1 // RFC 8926
	NVGRE                                 // RFC 7637
	GUE                                   // draft-ietf-intarea-gue
	VXLANGPE                              // draft-ietf-nvo3-vxlan-gpe
)

func encapsulationKinds() word {
	return word{"encapsulation", []string{"", "geneve", "nvgre", "gue", "vxlan-gpe"}}
}

func (k EncapsulationKind) String() string { return encapsulationKinds().text(uint8(k)) }

// MarshalText implements [encoding.TextMarshaler].
func (k EncapsulationKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads "geneve", "nvgre", "gue" or "vxlan-gpe".
func (k *EncapsulationKind) UnmarshalText(b []byte) error {
	v, err := encapsulationKinds().parse(b)
	*k = EncapsulationKind(v)
	return err
}

// Port returns the UDP port that IANA has assigned, 0 for a format that is not over UDP.
func (k EncapsulationKind) Port() uint16 {
	switch k {
	case Geneve:
		return 6081
	case GUE:
		return 6080
	case VXLANGPE:
		return 4790
	}
	return 0
}

// headerBytes is the length of what Geneve or NVGRE puts between IP and the options or the payload.
func (k EncapsulationKind) headerBytes() int {
	if k == NVGRE {
		return 8 // GRE with a key
	}
	return 8 + 8 // UDP, Geneve
}

// Way restricts an encapsulation to one direction.
type Way uint8

// The ways.
const (
	BothWays Way = iota
	OnlySend
	OnlyReceive
)

func ways() word { return word{"direction", []string{"", "send", "receive"}} }

func (w Way) String() string { return ways().text(uint8(w)) }

// MarshalText implements [encoding.TextMarshaler].
func (w Way) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads "send" or "receive".
func (w *Way) UnmarshalText(b []byte) error {
	v, err := ways().parse(b)
	*w = Way(v)
	return err
}

// Family is a version of IP.
type Family uint8

// The families.
const (
	IPv4 Family = iota + 1
	IPv6
)

func families() word { return word{"family", []string{"", "ipv4", "ipv6"}} }

func (f Family) String() string { return families().text(uint8(f)) }

// MarshalText implements [encoding.TextMarshaler].
func (f Family) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads "ipv4" or "ipv6".
func (f *Family) UnmarshalText(b []byte) error {
	v, err := families().parse(b)
	*f = Family(v)
	return err
}

// headerBytes is the length of the outer IP header, which has no options or extensions.
func (f Family) headerBytes() int {
	if f == IPv6 {
		return 40
	}
	return 20
}

// OrderKind is a kind of rule on the order of options.
type OrderKind uint8

const (
	// List has the options stand in the order in which the rule lists them, each of which may be absent: a receiver that parses in one order. An
	// option that the rule does not list stands anywhere.
	List OrderKind = iota + 1
	// Canonical is a List that the device keeps to on its own, whatever it is told: a sender that sorts.
	Canonical
	// Reverse is a device that puts the options on the wire in the reverse of the order in which it lists them. Without options it does so with
	// what it is given, which binds those who configure it and not the wire.
	Reverse
	// Slot has the header of each option of the rule stand in one of the words At.
	Slot
	// First has the options of the rule be the first of the packet, if they are there. Without options it is for all: the device sees
	// nothing behind the first option.
	First
	// Positional takes any order, and each order as a layout, and thus a row, of its own: a device that compares bytes.
	Positional
)

func orderKinds() word {
	return word{"order rule", []string{"", "list", "canonical", "reverse", "slot", "first", "positional"}}
}

func (k OrderKind) String() string { return orderKinds().text(uint8(k)) }

// MarshalText implements [encoding.TextMarshaler].
func (k OrderKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads "list", "canonical", "reverse", "slot", "first" or "positional".
func (k *OrderKind) UnmarshalText(b []byte) error {
	v, err := orderKinds().parse(b)
	*k = OrderKind(v)
	return err
}

// ClassMatch is what a device makes of an option's class.
type ClassMatch uint8

const (
	// ClassIgnored tells options apart by their type octet alone, so that two of one type and different classes cannot stand in one packet.
	ClassIgnored ClassMatch = iota + 1
	// ClassFixed is configured with each option and compared by the parser.
	ClassFixed
	// ClassMatchable can be matched by rules. What that costs is said by [Pool].
	ClassMatchable
)

func classMatches() word {
	return word{"class match", []string{"", "ignored", "fixed", "matchable"}}
}

func (m ClassMatch) String() string { return classMatches().text(uint8(m)) }

// MarshalText implements [encoding.TextMarshaler].
func (m ClassMatch) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads "ignored", "fixed" or "matchable".
func (m *ClassMatch) UnmarshalText(b []byte) error {
	v, err := classMatches().parse(b)
	*m = ClassMatch(v)
	return err
}

// Behaviour is what becomes of a packet.
type Behaviour uint8

const (
	// Accept processes the packet as any other.
	Accept Behaviour = iota + 1
	// Skip ignores what is not known and processes the rest.
	Skip
	// Drop discards the packet.
	Drop
	// Punt hands the packet to a slower part of the endpoint.
	Punt
)

func behaviours() word {
	return word{"behaviour", []string{"", "accept", "skip", "drop", "punt"}}
}

func (b Behaviour) String() string { return behaviours().text(uint8(b)) }

// MarshalText implements [encoding.TextMarshaler].
func (b Behaviour) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads "accept", "skip", "drop" or "punt".
func (b *Behaviour) UnmarshalText(text []byte) error {
	v, err := behaviours().parse(text)
	*b = Behaviour(v)
	return err
}

// Reconfiguration is the moment at which a device's options can last be changed, from the earliest to the latest.
type Reconfiguration uint8

// The moments.
const (
	AtFirmware     Reconfiguration = iota + 1 // a reset of the device, or another firmware
	AtPipelineLoad                            // when the program or the parser is loaded
	AtFirstRule                               // until the first rule that uses options
	AtRuntime                                 // at any time
)

func reconfigurations() word {
	return word{"reconfiguration", []string{"", "firmware", "pipeline-load", "first-rule", "runtime"}}
}

func (r Reconfiguration) String() string { return reconfigurations().text(uint8(r)) }

// MarshalText implements [encoding.TextMarshaler].
func (r Reconfiguration) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads "firmware", "pipeline-load", "first-rule" or "runtime".
func (r *Reconfiguration) UnmarshalText(b []byte) error {
	v, err := reconfigurations().parse(b)
	*r = Reconfiguration(v)
	return err
}
