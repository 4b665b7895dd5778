package tables

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/proto/ethernet"
)

// Value is a number of any width in P4Runtime's canonical form: big-endian,
// shortest, at least one byte. It is a string so that it compares and hashes.
// The empty Value is no number, and every entry that holds one is refused.
// For a field of width 0, which @p4runtime_translation made a string, it is
// that string.
type Value string

// Uint returns the value v.
func Uint[T ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uint](v T) Value {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(v))
	return Bytes(b[:])
}

// Bytes returns the big-endian number b; an empty b is no value.
func Bytes(b []byte) Value { return Value(bytestring.Canonical(b)) }

// IPv4 returns a as a number of 32 bits; the zero Addr and an IPv6 address are
// no value.
func IPv4(a netip.Addr) Value {
	if !a.Is4() {
		return ""
	}
	b := a.As4()
	return Bytes(b[:])
}

// IPv6 returns a as a number of 128 bits; the zero Addr and an IPv4 address
// are no value.
func IPv6(a netip.Addr) Value {
	if !a.Is6() {
		return ""
	}
	b := a.As16()
	return Bytes(b[:])
}

// Mapped is IPv6, but an IPv4 address is its IPv4-mapped IPv6 address (RFC 4291
// section 2.5.5.2): a key of 128 bits that holds addresses of both families.
func Mapped(a netip.Addr) Value {
	if !a.IsValid() {
		return ""
	}
	b := a.As16()
	return Bytes(b[:])
}

// MAC returns a as a number of 48 bits.
func MAC(a ethernet.MAC) Value { return Bytes(a[:]) }

// Bool returns 1 for true, 0 for false.
func Bool(b bool) Value {
	if b {
		return "\x01"
	}
	return "\x00"
}

// Text returns the value of a field that the program translates to a string.
func Text(s string) Value { return Value(s) }

// Uint64 returns the number, or bytestring.ErrEmpty, or bytestring.ErrRange if
// it needs more than 64 bits.
func (v Value) Uint64() (uint64, error) { return bytestring.Uint64([]byte(v)) }

// Fixed returns the number as exactly as many big-endian bytes as width bits
// need. Its errors are those of bytestring.AppendFixed.
func (v Value) Fixed(width int) ([]byte, error) {
	return bytestring.AppendFixed(make([]byte, 0, bytestring.Len(width)), []byte(v), width)
}

// String is decimal up to 32 bits and hexadecimal above; a [Schema] knows
// which fields are addresses and writes those so.
func (v Value) String() string { return string(v.append(nil, FormatNumber, 0)) }

// Format is how a value is read by people: from @format, or, where the program
// does not say, from the field's width and name.
type Format uint8

// The formats. FormatNumber is decimal up to 32 bits and hexadecimal above.
const (
	FormatNumber Format = iota
	FormatHex
	FormatMAC
	FormatIPv4
	FormatIPv6
	FormatText
)

func (v Value) append(b []byte, f Format, width int) []byte {
	if v == "" && f != FormatText {
		return append(b, "(none)"...)
	}
	switch f {
	case FormatMAC, FormatIPv4, FormatIPv6:
		fixed, err := v.Fixed(width)
		if err != nil {
			return v.append(b, FormatHex, 0)
		}
		if f == FormatMAC {
			return append(b, ethernet.MAC(fixed).String()...)
		}
		addr, _ := netip.AddrFromSlice(fixed)
		return addr.AppendTo(b)
	case FormatText:
		return strconv.AppendQuote(b, string(v))
	case FormatNumber:
		if len(v) <= 4 {
			n, _ := v.Uint64()
			return strconv.AppendUint(b, n, 10)
		}
	}
	return v.appendHex(b)
}

func (v Value) appendHex(b []byte) []byte {
	b = append(b, "0x"...)
	return hex.AppendEncode(b, []byte(v))
}

// canonical returns v without leading zeros, and why it does not fit width bits.
func (v Value) canonical(width int) (Value, error) {
	if v == "" {
		return v, fmt.Errorf("no value: %w", bytestring.ErrEmpty)
	}
	if width == 0 { // a translated string: only the server knows its meaning
		return v, nil
	}
	for len(v) > 1 && v[0] == 0 {
		v = v[1:]
	}
	return v, bytestring.Check([]byte(v), width)
}

// and returns the bitwise and of two numbers.
func (v Value) and(mask Value) Value {
	if len(mask) > len(v) {
		v, mask = mask, v
	}
	out := []byte(v[len(v)-len(mask):])
	for i := range out {
		out[i] &= mask[i]
	}
	return Bytes(out)
}

// ones returns the number of n one bits followed by zeros zero bits.
func ones(n, zeros int) Value {
	b := make([]byte, max(1, bytestring.Len(n+zeros)))
	for i := zeros; i < n+zeros; i++ {
		b[len(b)-1-i/8] |= 1 << (i % 8)
	}
	return Bytes(b)
}

func (v Value) isZero() bool { return v == "\x00" }

// less compares numbers, not strings.
func (v Value) less(w Value) bool {
	if len(v) != len(w) {
		return len(v) < len(w)
	}
	return v < w
}
