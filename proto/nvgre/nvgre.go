// Package nvgre holds the NVGRE header (RFC 7637).
package nvgre

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/keyway-nve/keyway/proto/ethernet"
)

// HeaderLen is the length of the header in bytes. It has no options.
const HeaderLen = 8

// VSID is a virtual subnet identifier of 24 bits (RFC 7637 §3.4):
//
//	0x000000..0x000fff  reserved for future use
//	0x001000..0xfffffe  virtual subnets of tenants
//	0xffffff            control messages between NVEs
type VSID uint32

// The VSID ranges of RFC 7637 §3.4.
const (
	MinTenant VSID = 0x001000
	MaxTenant VSID = 0xfffffe
	Control   VSID = 0xffffff
)

// IsValid reports whether v fits 24 bits.
func (v VSID) IsValid() bool { return v <= Control }

// IsTenant reports whether v may name a tenant's virtual subnet.
func (v VSID) IsTenant() bool { return MinTenant <= v && v <= MaxTenant }

// String returns six hexadecimal digits, "0x001000".
func (v VSID) String() string { return fmt.Sprintf("0x%06x", uint32(v)) }

var (
	// ErrTruncated reports fewer than 8 bytes.
	ErrTruncated = errors.New("nvgre: truncated")
	// ErrVSID reports a VSID over 24 bits.
	ErrVSID = errors.New("nvgre: VSID over 24 bits")
	// ErrInnerTag reports an inner frame with an 802.1Q tag, which a sender
	// strips and a receiver drops (RFC 7637 §3.3).
	ErrInnerTag = errors.New("nvgre: inner frame has an 802.1Q tag")
)

// Why a GRE header is not an NVGRE header (RFC 7637 §3.2); an *Error wraps all
// that apply.
var (
	ErrChecksum = errors.New("checksum flag set")        // RFC 2784
	ErrRouting  = errors.New("routing flag set")         // RFC 1701
	ErrNoKey    = errors.New("key flag clear")           // RFC 2890
	ErrSequence = errors.New("sequence flag set")        // RFC 2890
	ErrReserved = errors.New("reserved flags set")       // RFC 2784, Reserved0
	ErrVersion  = errors.New("version not 0")            // RFC 2784
	ErrProtocol = errors.New("protocol type not 0x6558") // Transparent Ethernet Bridging
)

// Error reports a GRE header that is not an NVGRE header. It wraps every
// reason, so that errors.Is finds each.
type Error struct {
	Flags    uint16 // bytes 0 and 1: flags and version
	Protocol ethernet.EtherType
}

// GRE flags and version, bytes 0 and 1.
const (
	flagChecksum = 1 << 15
	flagRouting  = 1 << 14
	flagKey      = 1 << 13
	flagSequence = 1 << 12
	maskReserved = 0x0ff8
	maskVersion  = 0x0007
)

// the first four bytes of every NVGRE packet: K alone, and TEB
const firstWord = flagKey<<16 | uint32(ethernet.TypeTEB)

// Error implements error.
func (e *Error) Error() string {
	s := fmt.Sprintf("nvgre: other GRE (flags 0x%04x, protocol 0x%04x)", e.Flags, uint16(e.Protocol))
	for i, err := range e.Unwrap() {
		if i == 0 {
			s += ": " + err.Error()
		} else {
			s += ", " + err.Error()
		}
	}
	return s
}

// Unwrap returns the reasons, in the order of the header's bits.
func (e *Error) Unwrap() []error {
	var reasons []error
	for _, r := range []struct {
		applies bool
		err     error
	}{
		{e.Flags&flagChecksum != 0, ErrChecksum},
		{e.Flags&flagRouting != 0, ErrRouting},
		{e.Flags&flagKey == 0, ErrNoKey},
		{e.Flags&flagSequence != 0, ErrSequence},
		{e.Flags&maskReserved != 0, ErrReserved},
		{e.Flags&maskVersion != 0, ErrVersion},
		{e.Protocol != ethernet.TypeTEB, ErrProtocol},
	} {
		if r.applies {
			reasons = append(reasons, r.err)
		}
	}
	return reasons
}

// Header is an NVGRE header (RFC 7637 §3.2). It is comparable.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-----------------+-----+-------------------------------+
//	|0|0|1|0|   Reserved0 = 0 |Ver=0|         0x6558 = TEB          |
//	+-+-+-+-+-----------------+-----+---------------+---------------+
//	|                      VSID                     |    FlowID     |
//	+-----------------------------------------------+---------------+
type Header struct {
	VSID VSID
	// FlowID is entropy for the underlay, 0 if the sender has none.
	FlowID uint8
}

// AppendTo appends the header to b. On error, which wraps ErrVSID, it returns b
// unchanged. Any VSID of 24 bits is encoded: whether it may be used is the
// intent's matter.
func (h *Header) AppendTo(b []byte) ([]byte, error) {
	if !h.VSID.IsValid() {
		return b, fmt.Errorf("%w: %#x", ErrVSID, uint32(h.VSID))
	}
	b = binary.BigEndian.AppendUint32(b, firstWord)
	return binary.BigEndian.AppendUint32(b, uint32(h.VSID)<<8|uint32(h.FlowID)), nil
}

// Decode reads the header at the start of b and returns the inner frame behind
// it, aliasing b. It is strict: RFC 7637 §3.2 fixes every flag. It overwrites
// the whole of h, which is zero after an error: ErrTruncated or an *Error.
func (h *Header) Decode(b []byte) (frame []byte, err error) {
	*h = Header{}
	if len(b) < HeaderLen {
		return nil, ErrTruncated
	}
	if first := binary.BigEndian.Uint32(b); first != firstWord {
		return nil, &Error{Flags: uint16(first >> 16), Protocol: ethernet.EtherType(first)}
	}
	key := binary.BigEndian.Uint32(b[4:])
	h.VSID, h.FlowID = VSID(key>>8), uint8(key)
	return b[HeaderLen:], nil
}

// CheckInner reports what forbids frame inside NVGRE: ErrInnerTag for an
// 802.1Q customer or service tag (RFC 7637 §3.3 names the first, and the
// second is no better), or ErrTruncated for less than an Ethernet header.
func CheckInner(frame []byte) error {
	if len(frame) < ethernet.HeaderLen {
		return ErrTruncated
	}
	if ethernet.EtherType(binary.BigEndian.Uint16(frame[12:])).IsTag() {
		return ErrInnerTag
	}
	return nil
}
