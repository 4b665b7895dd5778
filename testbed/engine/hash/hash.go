// Package hash holds the hash functions that bmv2's simple_switch knows by name.
package hash

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// Func hashes bytes. Results narrower than 64 bits stand in the low bits.
type Func func([]byte) uint64

// ByName returns the function that simple_switch registers under a name, nil if there is none. v1model's random, which
// bmv2 does not have, is xxh64; the custom CRCs and toeplitz have the parameters that bmv2 starts with, because
// P4Runtime cannot set others.
func ByName(name string) Func {
	switch name {
	case "crc16", "crc16_custom":
		return reflectedCRC(0xa001) // CRC-16/ARC
	case "crc32", "crc32_custom":
		return func(b []byte) uint64 { return uint64(crc32.ChecksumIEEE(b)) }
	case "crcCCITT":
		return crcCCITT
	case "crc8_custom":
		return crc8
	case "crc64_custom":
		return reflectedCRC(0xd800000000000000) // bmv2's default: polynomial 0x1b
	case "csum16", "cksum16":
		return Checksum
	case "identity":
		return func(b []byte) uint64 { return number(b[:min(8, len(b))]) }
	case "xor16":
		return func(b []byte) uint64 { return xorHash(b, 2) }
	case "xor32":
		return func(b []byte) uint64 { return xorHash(b, 4) }
	case "xxh64", "bmv2_hash", "random":
		return xxh64
	case "hash_ex":
		return hashEx
	case "toeplitz":
		return func([]byte) uint64 { return 0 } // with bmv2's key of zeros
	}
	return nil
}

// Checksum is csum16, the internet checksum (RFC 1071), an odd last byte padded with zero.
func Checksum(b []byte) uint64 {
	var sum uint64
	for len(b) >= 8 {
		v := binary.BigEndian.Uint64(b)
		var carry uint64
		sum, carry = bits.Add64(sum, v, 0)
		sum += carry
		b = b[8:]
	}
	if len(b) > 0 {
		var carry uint64
		sum, carry = bits.Add64(sum, number(b)<<(64-8*len(b)), 0)
		sum += carry
	}
	sum = sum>>32 + sum&0xffffffff
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^sum & 0xffff
}

// reflectedCRC makes a CRC that takes the low bit of each byte first and starts with zero.
func reflectedCRC(poly uint64) Func {
	var table [256]uint64
	for i := range table {
		v := uint64(i)
		for range 8 {
			v = v>>1 ^ poly&-(v&1)
		}
		table[i] = v
	}
	return func(b []byte) uint64 {
		var r uint64
		for _, c := range b {
			r = r>>8 ^ table[byte(r)^c]
		}
		return r
	}
}

// crcCCITT is CRC-16/CCITT-FALSE.
func crcCCITT(b []byte) uint64 {
	r := uint16(0xffff)
	for _, c := range b {
		r ^= uint16(c) << 8
		for range 8 {
			r = r<<1 ^ 0x1021&-(r>>15)
		}
	}
	return uint64(r)
}

// crc8 is bmv2's default of crc8_custom: polynomial 7.
func crc8(b []byte) uint64 {
	var r uint8
	for _, c := range b {
		r ^= c
		for range 8 {
			r = r<<1 ^ 0x07&-(r>>7)
		}
	}
	return uint64(r)
}

// number reads up to 8 bytes, big-endian.
func number(b []byte) uint64 {
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

func xorHash(b []byte, n int) uint64 {
	var r uint64
	for len(b) >= n {
		r ^= number(b[:n])
		b = b[n:]
	}
	return r ^ number(b)<<(8*(n-len(b)))
}

// hashEx is simple_switch's example of a user-defined hash.
func hashEx(b []byte) uint64 {
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(int8(c))) * 16777619
	}
	h += h << 13
	h ^= h >> 7
	h += h << 3
	h ^= h >> 17
	h += h << 5
	return uint64(h)
}

// xxh64 is xxHash64 with seed 0 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md).
func xxh64(b []byte) uint64 {
	const (
		p1 = 0x9E3779B185EBCA87
		p2 = 0xC2B2AE3D27D4EB4F
		p3 = 0x165667B19E3779F9
		p4 = 0x85EBCA77C2B2AE63
		p5 = 0x27D4EB2F165667C5
	)
	round := func(acc, in uint64) uint64 { return bits.RotateLeft64(acc+in*p2, 31) * p1 }
	n := uint64(len(b))
	var h uint64 = p5
	if len(b) >= 32 {
		var v [4]uint64
		v[0], v[1] = p1, p2
		v[0] += v[1]
		v[3] -= p1
		for len(b) >= 32 {
			for i := range v {
				v[i] = round(v[i], binary.LittleEndian.Uint64(b[8*i:]))
			}
			b = b[32:]
		}
		h = bits.RotateLeft64(v[0], 1) + bits.RotateLeft64(v[1], 7) + bits.RotateLeft64(v[2], 12) + bits.RotateLeft64(v[3], 18)
		for _, x := range v {
			h = (h^round(0, x))*p1 + p4
		}
	}
	h += n
	for ; len(b) >= 8; b = b[8:] {
		h = bits.RotateLeft64(h^round(0, binary.LittleEndian.Uint64(b)), 27)*p1 + p4
	}
	if len(b) >= 4 {
		h = bits.RotateLeft64(h^uint64(binary.LittleEndian.Uint32(b))*p1, 23)*p2 + p3
		b = b[4:]
	}
	for _, c := range b {
		h = bits.RotateLeft64(h^uint64(c)*p5, 11) * p1
	}
	h = (h ^ h>>33) * p2
	h = (h ^ h>>29) * p3
	return h ^ h>>32
}
