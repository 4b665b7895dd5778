package ip

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// V6HeaderLen is the length of the fixed IPv6 header in bytes.
const V6HeaderLen = 40

// V6 is the fixed IPv6 header (RFC 8200 §3). Extension headers stay in the
// payload. It is comparable.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------+---------------+---------------------------------------+
//	|Version| traffic class |              flow label               |
//	+-------+---------------+-------+---------------+---------------+
//	|        payload length         |  next header  |   hop limit   |
//	+-------------------------------+---------------+---------------+
//	|                   source address, 16 bytes                    |
//	+---------------------------------------------------------------+
//	|                 destination address, 16 bytes                 |
type V6 struct {
	TrafficClass TrafficClass
	FlowLabel    uint32 // 20 bits
	PayloadLen   uint16 // what follows this header, bytes
	NextHeader   Protocol
	HopLimit     uint8
	Src, Dst     netip.Addr // without zone
}

// AppendTo appends the header to b. On error, which wraps ErrField, it
// returns b unchanged.
func (h *V6) AppendTo(b []byte) ([]byte, error) {
	switch {
	case !h.Src.Is6() || !h.Dst.Is6() || h.Src.Zone() != "" || h.Dst.Zone() != "":
		return b, fmt.Errorf("%w: IPv6 addresses %v and %v", ErrField, h.Src, h.Dst)
	case h.FlowLabel > 0xfffff:
		return b, fmt.Errorf("%w: flow label %#x over 20 bits", ErrField, h.FlowLabel)
	}
	src, dst := h.Src.As16(), h.Dst.As16()
	b = binary.BigEndian.AppendUint32(b, 6<<28|uint32(h.TrafficClass)<<20|h.FlowLabel)
	b = binary.BigEndian.AppendUint16(b, h.PayloadLen)
	b = append(b, byte(h.NextHeader), h.HopLimit)
	b = append(b, src[:]...)
	return append(b, dst[:]...), nil
}

// Decode reads the header at the start of b and returns all that follows it,
// link padding included; see Payload. It overwrites the whole of h, which is
// zero after an error: ErrTruncated, or one that wraps ErrVersion.
func (h *V6) Decode(b []byte) (rest []byte, err error) {
	*h = V6{}
	if len(b) < V6HeaderLen {
		return nil, ErrTruncated
	}
	if Version(b) != 6 {
		return nil, fmt.Errorf("%w: %d, want 6", ErrVersion, Version(b))
	}
	word := binary.BigEndian.Uint32(b)
	h.TrafficClass = TrafficClass(word >> 20)
	h.FlowLabel = word & 0xfffff
	h.PayloadLen = binary.BigEndian.Uint16(b[4:])
	h.NextHeader, h.HopLimit = Protocol(b[6]), b[7]
	h.Src = netip.AddrFrom16([16]byte(b[8:24]))
	h.Dst = netip.AddrFrom16([16]byte(b[24:40]))
	return b[V6HeaderLen:], nil
}

// Payload cuts rest, which Decode returned, to the payload length, so that
// link padding is gone. It returns ErrTruncated if rest is shorter than that.
// Jumbograms (RFC 2675) are not known: their payload length is 0.
func (h *V6) Payload(rest []byte) ([]byte, error) {
	n := int(h.PayloadLen)
	if n > len(rest) {
		return nil, ErrTruncated
	}
	return rest[:n:n], nil
}
