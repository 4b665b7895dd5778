package ip

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Sum is an Internet checksum in progress: the one's complement sum of 16-bit
// words (RFC 1071 §1), kept in 64 bits until the end. The zero value is an
// empty sum. Pieces may be added in any order, but only the last may have an
// odd length.
type Sum uint64

// Add returns s with the words of b added, the odd last byte of b padded with
// a zero.
//
// 2^16 is 1 modulo 2^16-1, so that a 64-bit word counts as the sum of its four
// 16-bit words as long as carries come round (RFC 1071 §2(B), §2(C)).
func (s Sum) Add(b []byte) Sum {
	acc, carry := uint64(s), uint64(0)
	for len(b) >= 32 {
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b), carry)
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b[8:]), carry)
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b[16:]), carry)
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b[24:]), carry)
		b = b[32:]
	}
	for len(b) >= 8 {
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	var tail uint64
	if len(b) >= 4 {
		tail = uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		tail += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		tail += uint64(b[0]) << 8
	}
	acc, carry = bits.Add64(acc, tail, carry)
	return Sum(acc + carry)
}

// Checksum returns the one's complement of the sum: what goes into a checksum
// field that was summed as zero, and 0 for data whose checksum field is right.
func (s Sum) Checksum() uint16 {
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return ^uint16(s)
}

// Checksum returns the Internet checksum of b: of an IPv4 header, or of a
// whole ICMPv4 message (RFC 792).
func Checksum(b []byte) uint16 { return Sum(0).Add(b).Checksum() }

// PseudoHeader returns the sum over the pseudo-header of an upper-layer packet
// of n bytes: RFC 768 for IPv4 addresses, RFC 8200 §8.1 for IPv6 addresses.
// The addresses are of one family; of others the sum means nothing.
func PseudoHeader(src, dst netip.Addr, p Protocol, n int) Sum {
	s := Sum(p) + Sum(n)
	if src.Is4() && dst.Is4() {
		a, b := src.As4(), dst.As4()
		return s + Sum(binary.BigEndian.Uint32(a[:])) + Sum(binary.BigEndian.Uint32(b[:]))
	}
	a, b := src.As16(), dst.As16()
	return s.Add(a[:]).Add(b[:])
}

// ICMPv6Checksum returns the checksum of a whole ICMPv6 message with its
// pseudo-header (RFC 4443 §2.3): what goes into the field if that is zero in
// msg, and 0 if the field is right.
func ICMPv6Checksum(src, dst netip.Addr, msg []byte) uint16 {
	return PseudoHeader(src, dst, ProtocolICMPv6, len(msg)).Add(msg).Checksum()
}
