// Package ethernet holds the Ethernet II frame header (IEEE Std 802.3 §3.1.1)
// with an optional 802.1Q tag (IEEE Std 802.1Q §9), and the MAC address type
// that the rest of Keyway uses.
package ethernet

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// EtherType is the protocol of a frame's payload, as registered with the IEEE.
type EtherType uint16

// The EtherTypes that Keyway reads or writes.
const (
	TypeIPv4 EtherType = 0x0800
	TypeARP  EtherType = 0x0806
	// TypeTEB is Transparent Ethernet Bridging: an Ethernet frame inside a
	// tunnel (RFC 1701, RFC 7637 §3.2, RFC 8926 §3.4).
	TypeTEB  EtherType = 0x6558
	TypeVLAN EtherType = 0x8100 // 802.1Q customer tag
	TypeIPv6 EtherType = 0x86dd
	TypeQinQ EtherType = 0x88a8 // 802.1Q service tag, "802.1ad"
	TypeLLDP EtherType = 0x88cc
)

// IsTag reports whether t announces an 802.1Q customer or service tag.
func (t EtherType) IsTag() bool { return t == TypeVLAN || t == TypeQinQ }

// String returns the usual name, or four hexadecimal digits.
func (t EtherType) String() string {
	switch t {
	case TypeIPv4:
		return "IPv4"
	case TypeARP:
		return "ARP"
	case TypeTEB:
		return "TEB"
	case TypeVLAN:
		return "802.1Q"
	case TypeIPv6:
		return "IPv6"
	case TypeQinQ:
		return "802.1ad"
	case TypeLLDP:
		return "LLDP"
	}
	return fmt.Sprintf("0x%04x", uint16(t))
}

// Lengths in bytes.
const (
	HeaderLen = 14 // without a tag
	TagLen    = 4  // one 802.1Q tag
	MinFrame  = 60 // least frame on a wire, without FCS
)

var (
	// ErrTruncated reports fewer bytes than the header needs.
	ErrTruncated = errors.New("ethernet: truncated")
	// ErrTag reports a tag whose fields do not fit their widths.
	ErrTag = errors.New("ethernet: bad 802.1Q tag")
)

// Tag is one 802.1Q tag.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------------------------------+-----+-+-----------------------+
//	|        TPID = 0x8100          | PCP |D|          VID          |
//	+-------------------------------+-----+-+-----------------------+
type Tag struct {
	// TPID is TypeVLAN or TypeQinQ. Zero means that the frame has no tag, and
	// then the other fields are zero too.
	TPID EtherType
	PCP  uint8 // priority, 0..7
	DEI  bool  // drop eligible
	VID  uint16
}

// Header is an Ethernet II header with at most one tag. It is comparable.
//
//	+--------------------+--------------------+ - - - - - +-----------+
//	| destination MAC, 6 |   source MAC, 6    |  Tag, 4   | EtherType |
//	+--------------------+--------------------+ - - - - - +-----------+
type Header struct {
	Dst, Src MAC
	Tag      Tag
	// Type is the EtherType of the payload. Behind a first tag it may be that
	// of a second one, which is left in the payload.
	Type EtherType
}

// Len returns the length of the encoded header in bytes, 14 or 18.
func (h *Header) Len() int {
	if h.Tag.TPID != 0 {
		return HeaderLen + TagLen
	}
	return HeaderLen
}

// AppendTo appends the header to b. On error, which wraps ErrTag, it returns b
// unchanged.
func (h *Header) AppendTo(b []byte) ([]byte, error) {
	t := h.Tag
	if t.TPID == 0 {
		if t != (Tag{}) {
			return b, fmt.Errorf("%w: fields set but no TPID", ErrTag)
		}
		if h.Type.IsTag() {
			return b, fmt.Errorf("%w: EtherType %v but no tag", ErrTag, h.Type)
		}
		b = append(append(b, h.Dst[:]...), h.Src[:]...)
		return binary.BigEndian.AppendUint16(b, uint16(h.Type)), nil
	}
	switch {
	case !t.TPID.IsTag():
		return b, fmt.Errorf("%w: TPID %v", ErrTag, t.TPID)
	case t.PCP > 7:
		return b, fmt.Errorf("%w: PCP %d over 7", ErrTag, t.PCP)
	case t.VID > 0xfff:
		return b, fmt.Errorf("%w: VID %d over 4095", ErrTag, t.VID)
	}
	tci := uint16(t.PCP)<<13 | t.VID
	if t.DEI {
		tci |= 1 << 12
	}
	b = append(append(b, h.Dst[:]...), h.Src[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(t.TPID))
	b = binary.BigEndian.AppendUint16(b, tci)
	return binary.BigEndian.AppendUint16(b, uint16(h.Type)), nil
}

// Decode reads the header at the start of b and returns what follows it,
// aliasing b. It overwrites the whole of h, which is zero after an error. The
// error is ErrTruncated.
func (h *Header) Decode(b []byte) (rest []byte, err error) {
	*h = Header{}
	if len(b) < HeaderLen {
		return nil, ErrTruncated
	}
	typ := EtherType(binary.BigEndian.Uint16(b[12:]))
	if !typ.IsTag() {
		h.Dst, h.Src, h.Type = MAC(b[0:6]), MAC(b[6:12]), typ
		return b[HeaderLen:], nil
	}
	if len(b) < HeaderLen+TagLen {
		return nil, ErrTruncated
	}
	tci := binary.BigEndian.Uint16(b[14:])
	h.Dst, h.Src = MAC(b[0:6]), MAC(b[6:12])
	h.Tag = Tag{TPID: typ, PCP: uint8(tci >> 13), DEI: tci&(1<<12) != 0, VID: tci & 0xfff}
	h.Type = EtherType(binary.BigEndian.Uint16(b[16:]))
	return b[HeaderLen+TagLen:], nil
}
