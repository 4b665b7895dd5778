// Package intent is what an operator wants of the network, as plain data: the devices, the virtual networks with their endpoints, the
// option types, who may talk to whom, and what NVEs tell each other.
//
// An [Intent] has no behaviour beyond looking things up in it. It is read from YAML with [Load] or built in Go, and is either valid as a
// whole or refused with every reason ([Intent.Validate]).
//
// What can be derived is not written, so that it cannot contradict the rest: the routes of the underlay follow from
// the links between devices ([Intent.Routes]), and how one NVE reaches another for a virtual network follows from both ends'
// provider addresses and the virtual network's preference ([Intent.Path]). Which options they use is settled elsewhere, from what is wanted here.
package intent

import (
	"net/netip"
	"time"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
)

// Limits of the data plane programs, and of the standards.
const (
	// WindowWords is the number of 4-byte option words that an NVE reads and writes: 64 bytes, what RFC 9638 §6.4 asks for at least.
	WindowWords = 16
	// MinVSID and MaxVSID bound the VSIDs for tenants; those below and above are reserved (RFC 7637 §3.4).
	MinVSID = 0x001000
	MaxVSID = 0xFFFFFE
	// MinUnderlayPort to MaxUnderlayPort are the ports of a device that face the underlay.
	MinUnderlayPort = 1
	MaxUnderlayPort = 255
	// MinTenantPort to MaxTenantPort are the ports of an NVE that face endpoints.
	MinTenantPort = 256
	MaxTenantPort = 509
	// MaxLogicalPort is the largest ingress port number that OVN's endpoint context option has room for (15 bits).
	MaxLogicalPort = 1<<15 - 1
	// MaxVLAN is the largest VLAN ID; 4095 is reserved (IEEE 802.1Q §9.6).
	MaxVLAN = 4094
)

// DefaultHold is how long a provisional retarget lasts that nothing confirms.
const DefaultHold = 30 * time.Second

// Intent is the whole. Its zero value is a valid intent for no network.
type Intent struct {
	Devices         []Device
	VirtualNetworks []VirtualNetwork
	Endpoints       []Endpoint
	OptionTypes     []OptionType
	GroupPolicies   []GroupPolicy
	// Tunnels hold what differs from the default between two NVEs.
	Tunnels []Tunnel
	// Wanted is what NVEs tell each other in options. Which of them a pair of NVEs uses, and where each stands, is settled from what both ends can do,
	// and the transit devices between them (RFC 9638 §6.7).
	Wanted Wanted
	// Layouts are the operator's word on pairs of NVEs: exactly these options in this order, or none, whatever is wanted.
	Layouts []Layout
}

// Device is a switch or SmartNIC with one P4 pipeline.
type Device struct {
	Name      string `yaml:"name,required"`
	Role      Role   `yaml:"role,required"`
	P4Runtime Target `yaml:"p4runtime"`
	// GNMI is the address, host:port, of the gNMI server that knows what the device can do with options: its own or an agent's beside it. The device's name
	// is the target there.
	GNMI string `yaml:"gnmi"`
	// Profile and Capability say the same by configuration: the name of a shipped profile, or all of it. What is said in several ways, the program of
	// a managed device included, all has to hold. Of a transit device nothing else can be known (RFC 9638 §6.5).
	Profile    string
	Capability *capabilities.Capability
	// ProviderAddresses are the addresses of the NVE in the underlay, at most one for each family.
	ProviderAddresses []netip.Addr
	// MAC is the address of an NVE as a node: the inner address of its NVGRE-EXT messages. A transit device needs none.
	MAC      ethernet.MAC
	Ports    []UnderlayPort // that face the underlay
	NVGREExt NVGREExt       `yaml:"nvgreExt"`
	// UnknownCritical says what becomes of a packet with C=1 whose options match no row; with C=0 they are skipped.
	UnknownCritical MissAction
	// Routes add to, and win over, those that follow from the links.
	Routes []Route
	// Reads are the options that a transit device looks at, each at a fixed place.
	Reads []Read
	// InnerACL is what a transit device filters by the tenants' headers. The first rule that matches decides; no rule permits.
	InnerACL []ACLRule `yaml:"innerAcl"`
}

// Target is where a device's P4Runtime server is. Without an address the device is somebody else's: a peer that is known,
// sent to and received from, but not programmed.
type Target struct {
	Address  string // host:port
	DeviceID uint64 `yaml:"deviceId"`
}

// Managed reports whether the intent's owner programs the device.
func (d Device) Managed() bool { return d.P4Runtime.Address != "" }

// ProviderAddress returns the device's provider address of a family, or the invalid address.
func (d Device) ProviderAddress(f Family) netip.Addr {
	for _, a := range d.ProviderAddresses {
		if familyOf(a) == f {
			return a
		}
	}
	return netip.Addr{}
}

// UnderlayPort is a port that faces the underlay, and what is at the other end of its link.
type UnderlayPort struct {
	Number uint16       `yaml:"number,required"`
	MAC    ethernet.MAC `yaml:"mac,required"`
	// Neighbor may be written at either end of a link between two devices of the intent.
	Neighbor Neighbor
}

// Neighbor is the far end of a link: a port of a device of the intent, or else a MAC.
type Neighbor struct {
	Device string
	Port   uint16
	// MAC is filled in from the device's port if that is given.
	MAC ethernet.MAC
}

// NVGREExt says which NVGRE-EXT messages a device speaks, and what its controller does on those that it receives.
type NVGREExt struct {
	// Redirect and Unreachable: may this device be sent such messages, and are they sent for it. RFC 7637 §3.4 wants a sender to know that
	// of the receiver before it uses the reserved VSID.
	Redirect    bool
	Unreachable bool
	Policy      PolicyMode
	// Hold is how long a provisional retarget lasts unconfirmed. Zero means DefaultHold.
	Hold time.Duration
}

// HoldTime returns Hold or its default.
func (n NVGREExt) HoldTime() time.Duration {
	if n.Hold == 0 {
		return DefaultHold
	}
	return n.Hold
}

// Route is a way out of a device in the underlay.
type Route struct {
	Prefix  netip.Prefix `yaml:"prefix,required"`
	Port    uint16       `yaml:"port,required"`
	NextHop ethernet.MAC // filled in from the port's neighbour if absent
}

// Read is one option that a transit device looks at: an option type and the word of the window in which its header stands.
type Read struct {
	Option string `yaml:"option,required"`
	Word   uint8
}

// ACLRule matches the inner headers of a tunnelled packet. A field that is absent matches all.
type ACLRule struct {
	VirtualNetwork      string
	Source, Destination netip.Prefix
	Protocol            uint8 // of IP
	SourcePort          uint16
	DestinationPort     uint16
	Action              Action `yaml:"action,required"`
}

// VirtualNetwork is one tenant's network.
type VirtualNetwork struct {
	Name string `yaml:"name,required"`
	// VNI is also the VSID where a tunnel is NVGRE.
	VNI geneve.VNI `yaml:"vni,required"`
	// Encapsulation is preferred between all NVEs; unset means Geneve.
	Encapsulation Encapsulation
	// DefaultPolicy holds for two groups that no GroupPolicy names; unset means permit.
	DefaultPolicy Action
}

// Endpoint is a tenant system at its place in the network.
type Endpoint struct {
	Name           string       `yaml:"name,required"`
	VirtualNetwork string       `yaml:"virtualNetwork,required"`
	MAC            ethernet.MAC `yaml:"mac,required"`
	// Addresses are the endpoint's customer addresses.
	Addresses []netip.Addr
	Device    string `yaml:"device,required"`
	Port      uint16 `yaml:"port,required"`
	// VLAN is the 802.1Q tag that the endpoint's frames carry on its port, or 0 for none.
	VLAN uint16 `yaml:"vlan"`
	// Group is what group policies match; 0 is the group of those in none.
	Group uint16
	// LogicalPort is the endpoint's number in the endpoint context option, or 0.
	LogicalPort uint16
}

// OptionType describes an option: which TLV it is, and what each word of its data holds.
type OptionType struct {
	Name  string `yaml:"name,required"`
	Class uint16 `yaml:"class,required"`
	// Type is the whole type byte, of which the high bit says that the option is critical (RFC 8926 §3.5).
	Type     uint8 `yaml:"type,required"`
	Critical bool
	// Length of the data in 4-byte words, without the option's own header.
	Length uint8 `yaml:"length,required"`
	// Words has Length entries.
	Words []Word
}

// TLV returns what identifies the option in a packet.
func (o OptionType) TLV() geneve.OptionType {
	return geneve.OptionType{Class: o.Class, Type: o.Type, Len: o.Length}
}

// Size returns the words that the option takes of the window, its header included.
func (o OptionType) Size() int { return 1 + int(o.Length) }

// Word is one data word: a constant, a field of the data plane shifted left, or both.
type Word struct {
	Constant uint32
	Field    Field
	// Shift is the number of bits between the field and the right end of the word.
	Shift uint8
	// Unread is set if a receiver may have no way to read the field, because the word is for others. Constants, and fields that no NVE has a use for, always
	// may be left unread.
	Unread bool
}

// GroupPolicy permits or denies traffic from one group to another, at the receiver.
type GroupPolicy struct {
	VirtualNetwork string `yaml:"virtualNetwork,required"`
	From           uint16 `yaml:"from,required"`
	To             uint16 `yaml:"to,required"`
	Action         Action `yaml:"action,required"`
}

// Tunnel is what differs from the default from one NVE to another.
type Tunnel struct {
	Sender   string `yaml:"sender,required"`
	Receiver string `yaml:"receiver,required"`
	// Encapsulation wins over what virtual networks prefer.
	Encapsulation Encapsulation
	// Underlay is IPv4 by default if both ends have an IPv4 provider address, otherwise IPv6.
	Underlay Family
}

// Wanted is what NVEs tell each other.
type Wanted struct {
	// Options are in the order in which they stand where nothing else decides.
	Options []WantedOption
	// MaxBytes bounds the options of a packet with their headers. 0 is no bound.
	MaxBytes uint16
	// TenantMTU is the least MTU to leave to tenants, in bytes of their IP packets. 0 is none.
	TenantMTU uint16 `yaml:"tenantMtu"`
}

// WantedOption is an option type that each NVE sends to each other where it can.
type WantedOption struct {
	Option string `yaml:"option,required"`
	// Required has nothing be sent at all where this option cannot be: between NVEs of which one lacks it there is no tunnel.
	Required bool
	// Weight decides between options that are not required, if there is no room for all. 0 counts as 1.
	Weight uint16
	// First has the option stand before all others.
	First bool
}

// Layout is an ordered list of option types that one NVE places for another.
type Layout struct {
	Sender   string   `yaml:"sender,required"`
	Receiver string   `yaml:"receiver,required"`
	Options  []string `yaml:"options,required"` // names of option types
}
