package intent

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// word is the text form of an enumeration: names[i] is the name of value i, and an empty name has no text.
type word struct {
	kind  string
	names []string
}

func (w word) text(i uint8) string {
	if int(i) < len(w.names) && w.names[i] != "" {
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
	// RoleNVE originates and terminates tunnels.
	RoleNVE Role = iota + 1
	// RoleTransit forwards tunnelled packets and never changes their options.
	RoleTransit
)

func roles() word { return word{"role", []string{"", "nve", "transit"}} }

func (r Role) String() string { return roles().text(uint8(r)) }

// UnmarshalText accepts "nve" and "transit".
func (r *Role) UnmarshalText(b []byte) error {
	v, err := roles().parse(b)
	*r = Role(v)
	return err
}

// MarshalText implements [encoding.TextMarshaler].
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Encapsulation is a tunnel format.
type Encapsulation uint8

const (
	// Geneve is RFC 8926 with UDP port 6081.
	Geneve Encapsulation = iota + 1
	// NVGRE is RFC 7637.
	NVGRE
)

func encapsulations() word { return word{"encapsulation", []string{"", "geneve", "nvgre"}} }

func (e Encapsulation) String() string { return encapsulations().text(uint8(e)) }

// UnmarshalText accepts "geneve" and "nvgre".
func (e *Encapsulation) UnmarshalText(b []byte) error {
	v, err := encapsulations().parse(b)
	*e = Encapsulation(v)
	return err
}

// MarshalText implements [encoding.TextMarshaler].
func (e Encapsulation) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// Family is a version of IP.
type Family uint8

// The families of provider addresses.
const (
	IPv4 Family = iota + 1
	IPv6
)

func families() word { return word{"family", []string{"", "ipv4", "ipv6"}} }

func (f Family) String() string { return families().text(uint8(f)) }

// UnmarshalText accepts "ipv4" and "ipv6".
func (f *Family) UnmarshalText(b []byte) error {
	v, err := families().parse(b)
	*f = Family(v)
	return err
}

// MarshalText implements [encoding.TextMarshaler].
func (f Family) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

func familyOf(a netip.Addr) Family {
	switch {
	case a.Is4():
		return IPv4
	case a.Is6() && !a.Is4In6():
		return IPv6
	}
	return 0
}

// Action is what becomes of traffic.
type Action uint8

// The actions of group policies and ACLs.
const (
	Permit Action = iota + 1
	Deny
)

func actions() word { return word{"action", []string{"", "permit", "deny"}} }

func (a Action) String() string { return actions().text(uint8(a)) }

// UnmarshalText accepts "permit" and "deny".
func (a *Action) UnmarshalText(b []byte) error {
	v, err := actions().parse(b)
	*a = Action(v)
	return err
}

// MarshalText implements [encoding.TextMarshaler].
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// MissAction is what an NVE does with a packet whose critical options it does not know. Either is legal: RFC 8926 §3.5
// lets an endpoint hand the packet to a slower part of itself.
type MissAction uint8

const (
	// MissDrop drops and counts. It is the default.
	MissDrop MissAction = iota
	// MissPunt sends the packet to the controller, through a meter.
	MissPunt
)

func missActions() word { return word{"miss action", []string{"drop", "punt"}} }

func (a MissAction) String() string { return missActions().text(uint8(a)) }

// UnmarshalText accepts "drop" and "punt".
func (a *MissAction) UnmarshalText(b []byte) error {
	v, err := missActions().parse(b)
	*a = MissAction(v)
	return err
}

// MarshalText implements [encoding.TextMarshaler].
func (a MissAction) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// PolicyMode is how far the controller of an NVE trusts an NVGRE-EXT message from the wire that has passed all checks.
type PolicyMode uint8

const (
	// RefreshOnly takes a message as a hint to ask for the newest intent, and acts on that alone. It is the default.
	RefreshOnly PolicyMode = iota
	// Ignore drops messages and counts them.
	Ignore
	// LogOnly logs messages and counts them.
	LogOnly
	// Provisional acts on a REDIRECT at once, and undoes it after the hold time if the intent has not confirmed it by then.
	Provisional
	// Trust acts on a REDIRECT and keeps to it until the intent says otherwise.
	Trust
)

func policyModes() word {
	return word{"policy mode", []string{"refresh-only", "ignore", "log-only", "provisional", "trust"}}
}

func (m PolicyMode) String() string { return policyModes().text(uint8(m)) }

// UnmarshalText accepts "refresh-only", "ignore", "log-only", "provisional" and "trust".
func (m *PolicyMode) UnmarshalText(b []byte) error {
	v, err := policyModes().parse(b)
	*m = PolicyMode(v)
	return err
}

// MarshalText implements [encoding.TextMarshaler].
func (m PolicyMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Field is a value of the data plane that an option's word can carry.
type Field uint8

const (
	// FieldGroup is the group of the source endpoint, 16 bits. The receiver enforces group policies by it.
	FieldGroup Field = iota + 1
	// FieldLogicalPorts is OVN's endpoint context: a zero bit, 15 bits of ingress and 16 of egress port.
	FieldLogicalPorts
	// FieldSequence counts the packets of a tunnel. The receiver counts the gaps.
	FieldSequence
	// FieldOrigin is the P4Runtime device id of the sender, cut to 32 bits.
	FieldOrigin
	// FieldTimestamp is the sender's clock in microseconds, cut to 32 bits.
	FieldTimestamp
	// FieldFlowHash is the hash of the inner headers that also makes the entropy of the outer ones.
	FieldFlowHash
	// FieldPorts holds the device ports of the sender: 16 bits of ingress and 16 of egress.
	FieldPorts
)

func fields() word {
	return word{"field", []string{"", "group", "logical-ports", "sequence", "origin", "timestamp", "flow-hash", "ports"}}
}

func (f Field) String() string { return fields().text(uint8(f)) }

// UnmarshalText accepts "group", "logical-ports", "sequence", "origin", "timestamp", "flow-hash" and "ports".
func (f *Field) UnmarshalText(b []byte) error {
	v, err := fields().parse(b)
	*f = Field(v)
	return err
}

// MarshalText implements [encoding.TextMarshaler].
func (f Field) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// Width returns the field's size in bits, and 0 for no field.
func (f Field) Width() int {
	switch {
	case f == FieldGroup:
		return 16
	case f >= FieldLogicalPorts && f <= FieldPorts:
		return 32
	}
	return 0
}

// Mask returns the bits of a word that the field takes when shifted.
func (w Word) Mask() uint32 {
	return uint32((1<<w.Field.Width() - 1) << w.Shift)
}
