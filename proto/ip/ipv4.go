package ip

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Lengths of the IPv4 header in bytes.
const (
	V4HeaderLen  = 20 // without options
	V4MaxOptions = 40
)

// V4 is an IPv4 header (RFC 791 §3.1).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------+-------+---------------+-------------------------------+
//	|Version|  IHL  | traffic class |         total length          |
//	+-------+-------+---------------+-----+-------------------------+
//	|        identification         |0 D M|     fragment offset     |
//	+---------------+---------------+-----+-------------------------+
//	|      TTL      |   protocol    |        header checksum        |
//	+---------------+---------------+-------------------------------+
//	|                        source address                         |
//	+---------------------------------------------------------------+
//	|                      destination address                      |
//	+---------------------------------------------------------------+
//	|                    options, 0 to 40 bytes                     |
type V4 struct {
	TrafficClass  TrafficClass
	TotalLen      uint16 // header and payload, bytes
	ID            uint16
	DontFragment  bool
	MoreFragments bool
	FragOffset    uint16 // in units of 8 bytes, 13 bits
	TTL           uint8
	Protocol      Protocol
	// Checksum is set by Decode, which does not verify it: Checksum of the
	// header's bytes is 0 when it is right. AppendTo computes it and ignores
	// this value.
	Checksum uint16
	Src, Dst netip.Addr
	// Options are raw and a multiple of 4 bytes. After Decode they alias the
	// input; nil when there are none.
	Options []byte
}

// HeaderLen returns the header's length in bytes, four times the IHL.
func (h *V4) HeaderLen() int { return V4HeaderLen + len(h.Options) }

// AppendTo appends the header with its checksum to b. The reserved flag is
// zero. On error, which wraps ErrField or ErrLength, it returns b unchanged.
func (h *V4) AppendTo(b []byte) ([]byte, error) {
	hlen := h.HeaderLen()
	switch {
	case !h.Src.Is4() || !h.Dst.Is4():
		return b, fmt.Errorf("%w: IPv4 addresses %v and %v", ErrField, h.Src, h.Dst)
	case h.FragOffset > 0x1fff:
		return b, fmt.Errorf("%w: fragment offset %d over 8191", ErrField, h.FragOffset)
	case len(h.Options)%4 != 0 || len(h.Options) > V4MaxOptions:
		return b, fmt.Errorf("%w: %d bytes of IPv4 options", ErrField, len(h.Options))
	case int(h.TotalLen) < hlen:
		return b, fmt.Errorf("%w: total length %d, header %d", ErrLength, h.TotalLen, hlen)
	}
	frag := h.FragOffset
	if h.DontFragment {
		frag |= 1 << 14
	}
	if h.MoreFragments {
		frag |= 1 << 13
	}
	src, dst := h.Src.As4(), h.Dst.As4()
	at := len(b)
	b = append(b, 4<<4|byte(hlen/4), byte(h.TrafficClass))
	b = binary.BigEndian.AppendUint16(b, h.TotalLen)
	b = binary.BigEndian.AppendUint16(b, h.ID)
	b = binary.BigEndian.AppendUint16(b, frag)
	b = append(b, h.TTL, byte(h.Protocol), 0, 0)
	b = append(b, src[:]...)
	b = append(b, dst[:]...)
	b = append(b, h.Options...)
	binary.BigEndian.PutUint16(b[at+10:], Checksum(b[at:]))
	return b, nil
}

// Decode reads the header at the start of b and returns all that follows it,
// link padding included; see Payload. It overwrites the whole of h, which is
// zero after an error: ErrTruncated, or one that wraps ErrVersion or
// ErrLength. The reserved flag is ignored. The checksum is not verified.
func (h *V4) Decode(b []byte) (rest []byte, err error) {
	*h = V4{}
	if len(b) < V4HeaderLen {
		return nil, ErrTruncated
	}
	if Version(b) != 4 {
		return nil, fmt.Errorf("%w: %d, want 4", ErrVersion, Version(b))
	}
	hlen := int(b[0]&0xf) * 4
	total := binary.BigEndian.Uint16(b[2:])
	if hlen < V4HeaderLen {
		return nil, fmt.Errorf("%w: IHL %d, least is 5", ErrLength, hlen/4)
	}
	if len(b) < hlen {
		return nil, ErrTruncated
	}
	if int(total) < hlen {
		return nil, fmt.Errorf("%w: total length %d, header %d", ErrLength, total, hlen)
	}
	frag := binary.BigEndian.Uint16(b[6:])
	h.TrafficClass = TrafficClass(b[1])
	h.TotalLen = total
	h.ID = binary.BigEndian.Uint16(b[4:])
	h.DontFragment = frag&(1<<14) != 0
	h.MoreFragments = frag&(1<<13) != 0
	h.FragOffset = frag & 0x1fff
	h.TTL, h.Protocol = b[8], Protocol(b[9])
	h.Checksum = binary.BigEndian.Uint16(b[10:])
	h.Src = netip.AddrFrom4([4]byte(b[12:16]))
	h.Dst = netip.AddrFrom4([4]byte(b[16:20]))
	if hlen > V4HeaderLen {
		h.Options = b[V4HeaderLen:hlen:hlen]
	}
	return b[hlen:], nil
}

// Payload cuts rest, which Decode returned, to the total length, so that link
// padding is gone. It returns ErrTruncated if rest is shorter than that.
func (h *V4) Payload(rest []byte) ([]byte, error) {
	n := int(h.TotalLen) - h.HeaderLen()
	if n < 0 {
		return nil, fmt.Errorf("%w: total length %d, header %d", ErrLength, h.TotalLen, h.HeaderLen())
	}
	if n > len(rest) {
		return nil, ErrTruncated
	}
	return rest[:n:n], nil
}
