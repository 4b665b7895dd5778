package nvgreext

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/nvgre"
)

// Refusal is the set of reasons why a trigger must not be answered; zero means
// that it may be (RFC 1122 §3.2.2, RFC 1812 §4.3.2.7, RFC 4443 §2.4(e), and
// what follows from them for NVGRE). Whether the sender NVE is known, takes
// NVGRE-EXT, and has not been told a moment ago, is for the caller to know.
//
// That the tenant's packet is itself an ICMP error is no reason: the packet
// that is answered is the NVGRE packet.
type Refusal uint16

const (
	// NotNVGRE is a frame that is not NVGRE at all.
	NotNVGRE Refusal = 1 << iota
	// BadOuter is an outer IP header whose version, lengths or checksum are wrong.
	BadOuter
	// Fragment is a fragment other than the first. An IPv6 Fragment header always
	// counts: no NVE looks behind it.
	Fragment
	// Runt is a packet that ends before its inner headers do, so that the quote
	// that the draft demands cannot be made.
	Runt
	// BadInner is an inner IP header of another version than its EtherType says,
	// or with lengths that cannot be.
	BadInner
	// InnerTag is an inner frame with an 802.1Q tag, which RFC 7637 §3.3 has the
	// receiver drop.
	InnerTag
	// ControlVSID is an NVGRE-EXT message: answering these could go on for ever.
	ControlVSID
	// LinkMulticast is an outer destination MAC of a group.
	LinkMulticast
	// OuterDestination is an outer destination address of a group, or one that no
	// host has: the answer could not be sent from it.
	OuterDestination
	// OuterSource is an outer source address that is not another unicast host.
	OuterSource
	// InnerMulticast is an inner frame for a group, which every NVE of the
	// virtual network gets and would answer.
	InnerMulticast
)

// String returns the names of the reasons, joined by ", ", or "none".
func (r Refusal) String() string {
	if r == 0 {
		return "none"
	}
	var names []string
	for i, name := range [...]string{
		"not NVGRE", "bad outer IP header", "fragment", "runt", "bad inner IP header", "inner 802.1Q tag", "control VSID",
		"link multicast", "outer destination", "outer source", "inner multicast",
	} {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// All iterates over the single reasons, for a counter of each.
func (r Refusal) All() iter.Seq[Refusal] {
	return func(yield func(Refusal) bool) {
		for rest := r; rest != 0; rest &= rest - 1 {
			if !yield(rest & -rest) {
				return
			}
		}
	}
}

// RefusedError is the error of Build for a trigger that must not be answered.
type RefusedError struct{ Reasons Refusal }

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("nvgreext: trigger must not be answered: %v", e.Reasons)
}

// Trigger is an NVGRE packet that may call for a message.
type Trigger struct {
	Flow
	// LinkSrc and LinkDst are the outer MACs, Tag the outer 802.1Q tag if any.
	LinkSrc, LinkDst ethernet.MAC
	Tag              ethernet.Tag
	// Packet is the packet from its outer IP header on, without link padding. It
	// aliases the frame. It may be cut short, as punted packets are, but not
	// before Required.
	Packet []byte
	// Required is the least of Packet that a message has to quote, in bytes:
	// through the inner IP header, or the inner Ethernet header if the inner
	// frame is not IP.
	Required int
}

// ParseTrigger reads a frame from its outer Ethernet header on, with every
// reason that forbids to answer it as far as the frame can be read. What could
// not be read is zero.
func ParseTrigger(frame []byte) (Trigger, Refusal) {
	var t Trigger
	var eth ethernet.Header
	rest, err := eth.Decode(frame)
	if err != nil {
		return t, Runt
	}
	t.LinkSrc, t.LinkDst, t.Tag = eth.Src, eth.Dst, eth.Tag
	var why Refusal
	if eth.Dst.IsMulticast() {
		why |= LinkMulticast
	}
	if eth.Type != ethernet.TypeIPv4 && eth.Type != ethernet.TypeIPv6 {
		return t, why | NotNVGRE
	}
	if len(rest) > 0 && (eth.Type == ethernet.TypeIPv4) != (ip.Version(rest) == 4) {
		return t, why | BadOuter
	}
	p := parsePacket(rest)
	t.Flow, t.Required, t.Packet = p.flow, p.required, rest[:p.length]
	why |= p.faults
	if p.badChecksum {
		why |= BadOuter
	}
	if p.flow.DstPA.IsValid() {
		if !isUnicast(p.flow.DstPA) {
			why |= OuterDestination
		}
		if !isUnicast(p.flow.SrcPA) || p.flow.SrcPA == p.flow.DstPA {
			why |= OuterSource
		}
	}
	if p.flow.DstMAC.IsMulticast() || isGroup(p.flow.DstCA) {
		why |= InnerMulticast
	}
	return t, why
}

// packet is an NVGRE packet from its outer IP header on.
type packet struct {
	flow     Flow
	required int // through the inner headers
	length   int // by the outer length field, at most what there is
	// faults of structure, ControlVSID and InnerTag; the rest is judged elsewhere.
	faults Refusal
	// at is the offset of the first fault.
	at int
	// badChecksum is that of the outer IPv4 header, a fault for a trigger only.
	badChecksum bool
}

func (p *packet) fault(at int, f Refusal) {
	if p.faults == 0 {
		p.at = at
	}
	p.faults |= f
}

// parsePacket reads as far as it can, a trigger or its quote.
func parsePacket(b []byte) (p packet) {
	rest, ok := p.outer(b)
	if !ok {
		return p
	}
	at := p.length - len(rest)
	var gre nvgre.Header
	inner, err := gre.Decode(rest)
	switch {
	case errors.Is(err, nvgre.ErrTruncated):
		p.fault(p.length, Runt)
		return p
	case err != nil:
		p.fault(at, NotNVGRE)
		return p
	}
	p.flow.VSID, p.flow.FlowID = gre.VSID, gre.FlowID
	if gre.VSID == nvgre.Control {
		p.fault(at+4, ControlVSID)
	}
	at += nvgre.HeaderLen
	var eth ethernet.Header
	if rest, err = eth.Decode(inner); err != nil {
		p.fault(p.length, Runt)
		return p
	}
	p.flow.DstMAC, p.flow.SrcMAC, p.flow.Type = eth.Dst, eth.Src, eth.Type
	if eth.Tag.TPID != 0 {
		p.fault(at+12, InnerTag)
	}
	at += eth.Len()
	p.innerIP(rest, at, eth.Type)
	return p
}

// outer reads the outer IP header and returns what follows it within the
// packet's length.
func (p *packet) outer(b []byte) (rest []byte, ok bool) {
	var (
		proto    ip.Protocol
		protoAt  int
		hlen     int
		err      error
		fragment bool
	)
	switch {
	case len(b) == 0:
		err = ip.ErrTruncated
	case ip.Version(b) == 4:
		var h ip.V4
		if _, err = h.Decode(b); err != nil {
			break
		}
		p.flow.SrcPA, p.flow.DstPA, proto, protoAt = h.Src, h.Dst, h.Protocol, 9
		hlen, p.length, fragment = h.HeaderLen(), int(h.TotalLen), h.FragOffset != 0
		p.badChecksum = ip.Checksum(b[:hlen]) != 0
	default:
		var h ip.V6
		if _, err = h.Decode(b); err != nil {
			break
		}
		p.flow.SrcPA, p.flow.DstPA, proto, protoAt = h.Src, h.Dst, h.NextHeader, 6
		hlen, p.length, fragment = ip.V6HeaderLen, ip.V6HeaderLen+int(h.PayloadLen), proto == ip.ProtocolFragment
	}
	switch {
	case errors.Is(err, ip.ErrTruncated):
		p.fault(len(b), Runt)
		return nil, false
	case err != nil:
		p.fault(0, BadOuter)
		return nil, false
	}
	p.length = min(p.length, len(b))
	if fragment {
		p.fault(6, Fragment) // IPv4 fragment offset, IPv6 next header
		return nil, false
	}
	if proto != ip.ProtocolGRE {
		p.fault(protoAt, NotNVGRE)
		return nil, false
	}
	return b[hlen:p.length], true
}

// innerIP reads the inner IP header, if there is one, at offset at.
func (p *packet) innerIP(b []byte, at int, t ethernet.EtherType) {
	p.required = at
	var err error
	switch t {
	case ethernet.TypeIPv4:
		var h ip.V4
		if _, err = h.Decode(b); err == nil {
			p.flow.SrcCA, p.flow.DstCA = h.Src, h.Dst
			p.required += h.HeaderLen()
		}
	case ethernet.TypeIPv6:
		var h ip.V6
		if _, err = h.Decode(b); err == nil {
			p.flow.SrcCA, p.flow.DstCA = h.Src, h.Dst
			p.required += ip.V6HeaderLen
		}
	}
	switch {
	case errors.Is(err, ip.ErrTruncated):
		p.fault(p.length, Runt)
	case err != nil:
		p.fault(at, BadInner)
	}
}
