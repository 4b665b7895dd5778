// Package udp holds the UDP header (RFC 768) and its checksum over IPv4 and
// IPv6.
package udp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/keyway-nve/keyway/proto/ip"
)

// HeaderLen is the length of the header in bytes.
const HeaderLen = 8

var (
	// ErrTruncated reports fewer bytes than the header or its length field says.
	ErrTruncated = errors.New("udp: truncated")
	// ErrLength reports a length under 8 or over 65535.
	ErrLength = errors.New("udp: length out of range")
	// ErrChecksum reports a wrong checksum.
	ErrChecksum = errors.New("udp: wrong checksum")
	// ErrNoChecksum reports a zero checksum over IPv6, which is legal only where
	// it was agreed (RFC 6936, RFC 8926 §4.3.1): the caller decides.
	ErrNoChecksum = errors.New("udp: no checksum over IPv6")
)

// Header is the UDP header (RFC 768). It is comparable.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------------------------------+-------------------------------+
//	|          source port          |       destination port        |
//	+-------------------------------+-------------------------------+
//	|            length             |           checksum            |
//	+-------------------------------+-------------------------------+
type Header struct {
	SrcPort, DstPort uint16
	Length           uint16 // header and payload, bytes
	Checksum         uint16 // 0 says that the sender computed none
}

// AppendTo appends the header to b as it stands; Seal fills in length and
// checksum once the payload follows. It never fails.
func (h *Header) AppendTo(b []byte) ([]byte, error) {
	b = binary.BigEndian.AppendUint16(b, h.SrcPort)
	b = binary.BigEndian.AppendUint16(b, h.DstPort)
	b = binary.BigEndian.AppendUint16(b, h.Length)
	return binary.BigEndian.AppendUint16(b, h.Checksum), nil
}

// Decode reads the header at the start of b and returns what follows it, up
// to the length that it states. It overwrites the whole of h, which is zero
// after an error: ErrTruncated, or one that wraps ErrLength. The checksum is
// not verified; see Verify.
func (h *Header) Decode(b []byte) (rest []byte, err error) {
	*h = Header{}
	if len(b) < HeaderLen {
		return nil, ErrTruncated
	}
	n := binary.BigEndian.Uint16(b[4:])
	if n < HeaderLen {
		return nil, fmt.Errorf("%w: %d, least is %d", ErrLength, n, HeaderLen)
	}
	if int(n) > len(b) {
		return nil, ErrTruncated
	}
	h.SrcPort = binary.BigEndian.Uint16(b)
	h.DstPort = binary.BigEndian.Uint16(b[2:])
	h.Length = n
	h.Checksum = binary.BigEndian.Uint16(b[6:])
	return b[HeaderLen:n:n], nil
}

// Seal writes the length and the checksum of a datagram, header and payload,
// into its header. A checksum that comes out as 0 is written as 0xffff
// (RFC 768). On error, ErrTruncated or one that wraps ErrLength, the datagram
// is unchanged.
func Seal(datagram []byte, src, dst netip.Addr) error {
	if len(datagram) < HeaderLen {
		return ErrTruncated
	}
	if len(datagram) > 0xffff {
		return fmt.Errorf("%w: %d", ErrLength, len(datagram))
	}
	binary.BigEndian.PutUint16(datagram[4:], uint16(len(datagram)))
	binary.BigEndian.PutUint16(datagram[6:], 0)
	c := ip.PseudoHeader(src, dst, ip.ProtocolUDP, len(datagram)).Add(datagram).Checksum()
	if c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(datagram[6:], c)
	return nil
}

// Verify checks the checksum of a datagram, header and payload without link
// padding: nil if it is right, or absent over IPv4; ErrNoChecksum if absent
// over IPv6; otherwise ErrChecksum or ErrTruncated.
func Verify(datagram []byte, src, dst netip.Addr) error {
	if len(datagram) < HeaderLen {
		return ErrTruncated
	}
	if binary.BigEndian.Uint16(datagram[6:]) == 0 {
		if src.Is4() {
			return nil
		}
		return ErrNoChecksum
	}
	if ip.PseudoHeader(src, dst, ip.ProtocolUDP, len(datagram)).Add(datagram).Checksum() != 0 {
		return ErrChecksum
	}
	return nil
}
