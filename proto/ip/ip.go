// Package ip holds the IPv4 header (RFC 791), the fixed IPv6 header
// (RFC 8200 §3) and the Internet checksum (RFC 1071) with the pseudo-headers
// of the protocols that use it.
//
// A header is decoded apart from its payload: Decode looks at the header
// alone, because a packet that an ICMP message quotes is cut short by design,
// and Payload then holds the header's length against the bytes there are.
package ip

import (
	"errors"
	"fmt"
)

// Protocol is an IPv4 protocol or IPv6 next header number (IANA).
type Protocol uint8

// The protocols that Keyway reads or writes.
const (
	ProtocolICMP     Protocol = 1
	ProtocolTCP      Protocol = 6
	ProtocolUDP      Protocol = 17
	ProtocolFragment Protocol = 44 // IPv6 Fragment header, RFC 8200 §4.5
	ProtocolGRE      Protocol = 47
	ProtocolICMPv6   Protocol = 58
)

// String returns the usual name, or the number.
func (p Protocol) String() string {
	switch p {
	case ProtocolICMP:
		return "ICMP"
	case ProtocolTCP:
		return "TCP"
	case ProtocolUDP:
		return "UDP"
	case ProtocolFragment:
		return "IPv6-Frag"
	case ProtocolGRE:
		return "GRE"
	case ProtocolICMPv6:
		return "ICMPv6"
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

// TrafficClass is the IPv4 type of service or IPv6 traffic class octet: six
// bits of DSCP (RFC 2474) and two of ECN (RFC 3168).
type TrafficClass uint8

// DSCP returns the differentiated services code point, 0..63.
func (c TrafficClass) DSCP() uint8 { return uint8(c >> 2) }

// ECN returns the congestion notification bits, 0..3: Not-ECT, ECT(1),
// ECT(0), CE.
func (c TrafficClass) ECN() uint8 { return uint8(c & 3) }

var (
	// ErrTruncated reports fewer bytes than the header says.
	ErrTruncated = errors.New("ip: truncated")
	// ErrVersion reports another IP version than the type decodes.
	ErrVersion = errors.New("ip: wrong version")
	// ErrLength reports a length field that contradicts the header itself.
	ErrLength = errors.New("ip: length field lies")
	// ErrField reports a value that does not fit its field.
	ErrField = errors.New("ip: value does not fit its field")
)

// Version returns the version nibble of the packet, or 0 if b is empty.
func Version(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	return int(b[0] >> 4)
}
