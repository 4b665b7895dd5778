package nvgreext

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/nvgre"
)

// Message is a received REDIRECT or UNREACHABLE.
type Message struct {
	Kind Kind
	// Form is how the message differs from what Build writes.
	Form Form
	// Src is the receiver NVE, which sent the message, and Dst the sender NVE,
	// to which it is addressed. Outer and inner headers agree on them.
	Src, Dst netip.Addr
	// Target is the target NVE of a REDIRECT, a unicast address of the same
	// family, and otherwise not valid.
	Target netip.Addr
	// LinkSrc, LinkDst and Tag are those of the outer Ethernet header.
	LinkSrc, LinkDst ethernet.MAC
	Tag              ethernet.Tag
	// ReceiverMAC and SenderMAC are the NVEs' own MACs, as the inner Ethernet
	// header has them; nothing vouches for them.
	ReceiverMAC, SenderMAC ethernet.MAC
	FlowID                 uint8
	Quote                  Quote
}

// Quote is the packet that a message is about.
type Quote struct {
	// Flow tells which traffic it was. Flow.DstPA is Message.Src.
	Flow Flow
	// Packet is what is quoted, from the outer IP header on and without padding.
	// It aliases the frame.
	Packet []byte
}

// Decode reads a message from its outer Ethernet header on. It verifies every
// length and checksum, that inner and outer headers agree, that the quote is
// an NVGRE packet of a tenant with all its headers, and that it went to the NVE
// that sends the message. It accepts the form of Build and those in accept.
//
// What it cannot verify is whether to believe the message: whether Src is an
// NVE that may send it, Flow.SrcPA one of ours, the flow one that we send to
// Src, and Target an NVE of that virtual network.
//
// Decode overwrites the whole of m, which is zero after an error, an *Error.
func (m *Message) Decode(frame []byte, accept Form) error {
	var d Message
	err := d.decode(frame, accept)
	if err != nil {
		*m = Message{}
		return err
	}
	*m = d
	return nil
}

func (m *Message) decode(frame []byte, accept Form) error {
	var link ethernet.Header
	if _, err := link.Decode(frame); err != nil {
		return &Error{len(frame), "outer Ethernet header", "", ErrTruncated}
	}
	m.LinkSrc, m.LinkDst, m.Tag = link.Src, link.Dst, link.Tag
	if link.Type != ethernet.TypeIPv4 && link.Type != ethernet.TypeIPv6 {
		return &Error{link.Len() - 2, "outer EtherType", link.Type.String(), ErrNotMessage}
	}
	outer, err := decodeIP(frame, link.Len(), link.Type, "outer", ErrNotMessage)
	if err != nil {
		return err
	}
	if outer.proto != ip.ProtocolGRE {
		return &Error{outer.protoAt, "outer IP protocol", outer.proto.String(), ErrNotMessage}
	}
	frame = frame[:outer.end] // the rest is link padding
	at := outer.payload
	var gre nvgre.Header
	switch _, err := gre.Decode(frame[at:]); {
	case errors.Is(err, nvgre.ErrTruncated):
		return &Error{outer.end, "NVGRE header", "", ErrTruncated}
	case err != nil:
		return &Error{at, "NVGRE header", err.Error(), ErrNotMessage}
	case gre.VSID != nvgre.Control:
		return &Error{at + 4, "VSID", gre.VSID.String(), ErrNotMessage}
	}
	m.FlowID = gre.FlowID
	at += nvgre.HeaderLen
	var eth ethernet.Header
	if _, err := eth.Decode(frame[at:]); err != nil {
		return &Error{outer.end, "inner Ethernet header", "", ErrTruncated}
	}
	if eth.Tag.TPID != 0 || eth.Type != link.Type {
		return &Error{at + 12, "inner EtherType", fmt.Sprintf("%v, outer is %v", ethernet.EtherType(binary.BigEndian.Uint16(frame[at+12:])), link.Type), ErrInner}
	}
	m.SenderMAC, m.ReceiverMAC = eth.Dst, eth.Src
	inner, err := decodeIP(frame, at+eth.Len(), eth.Type, "inner", ErrInner)
	if err != nil {
		return err
	}
	switch {
	case inner.end != outer.end:
		return &Error{inner.lengthAt, "inner IP length", fmt.Sprintf("ends at byte %d, the outer packet at %d", inner.end, outer.end), ErrLength}
	case inner.src != outer.src || inner.dst != outer.dst:
		return &Error{inner.srcAt, "inner addresses", fmt.Sprintf("%v to %v, outer %v to %v", inner.src, inner.dst, outer.src, outer.dst), ErrInner}
	}
	m.Src, m.Dst = outer.src, outer.dst
	i := icmp{frame: frame, at: inner.payload, ttl: inner.ttl, accept: accept}
	if m.Src.Is4() {
		if inner.proto != ip.ProtocolICMP {
			return &Error{inner.protoAt, "inner IP protocol", inner.proto.String(), ErrInner}
		}
		return i.decodeV4(m)
	}
	if inner.proto != ip.ProtocolICMPv6 {
		return &Error{inner.protoAt, "inner IP protocol", inner.proto.String(), ErrInner}
	}
	return i.decodeV6(m)
}

// ipHeader is what both IP versions have, with offsets in the frame.
type ipHeader struct {
	src, dst                 netip.Addr
	proto                    ip.Protocol
	ttl                      uint8
	payload, end             int
	lengthAt, protoAt, srcAt int
}

// decodeIP reads the IP header at offset at, verifies lengths and checksum, and
// refuses fragments. Another version than t says is the error mismatch.
func decodeIP(frame []byte, at int, t ethernet.EtherType, which string, mismatch error) (ipHeader, error) {
	if t == ethernet.TypeIPv4 {
		return decodeIPv4(frame, at, which, mismatch)
	}
	var h ip.V6
	_, err := h.Decode(frame[at:])
	switch {
	case errors.Is(err, ip.ErrTruncated):
		return ipHeader{}, &Error{len(frame), which + " IPv6 header", "", ErrTruncated}
	case err != nil:
		return ipHeader{}, &Error{at, which + " IPv6 header", err.Error(), mismatch}
	}
	r := ipHeader{src: h.Src, dst: h.Dst, proto: h.NextHeader, ttl: h.HopLimit, payload: at + ip.V6HeaderLen,
		end: at + ip.V6HeaderLen + int(h.PayloadLen), lengthAt: at + 4, protoAt: at + 6, srcAt: at + 8}
	if r.end > len(frame) {
		return r, &Error{r.lengthAt, which + " IPv6 payload length", fmt.Sprintf("%d, %d bytes are there", h.PayloadLen, len(frame)-r.payload), ErrLength}
	}
	if r.proto == ip.ProtocolFragment {
		return r, &Error{r.protoAt, which + " IPv6 next header", "", ErrFragment}
	}
	return r, nil
}

func decodeIPv4(frame []byte, at int, which string, mismatch error) (ipHeader, error) {
	var h ip.V4
	_, err := h.Decode(frame[at:])
	switch {
	case errors.Is(err, ip.ErrTruncated):
		return ipHeader{}, &Error{len(frame), which + " IPv4 header", "", ErrTruncated}
	case errors.Is(err, ip.ErrLength):
		return ipHeader{}, &Error{at, which + " IPv4 header", err.Error(), ErrLength}
	case err != nil:
		return ipHeader{}, &Error{at, which + " IPv4 header", err.Error(), mismatch}
	}
	r := ipHeader{src: h.Src, dst: h.Dst, proto: h.Protocol, ttl: h.TTL, payload: at + h.HeaderLen(),
		end: at + int(h.TotalLen), lengthAt: at + 2, protoAt: at + 9, srcAt: at + 12}
	switch {
	case ip.Checksum(frame[at:r.payload]) != 0:
		return r, &Error{at + 10, which + " IPv4 header checksum", "", ErrChecksum}
	case r.end > len(frame):
		return r, &Error{r.lengthAt, which + " IPv4 total length", fmt.Sprintf("%d, %d bytes are there", h.TotalLen, len(frame)-at), ErrLength}
	case h.MoreFragments || h.FragOffset != 0:
		return r, &Error{at + 6, which + " IPv4 fragment offset", "", ErrFragment}
	}
	return r, nil
}
