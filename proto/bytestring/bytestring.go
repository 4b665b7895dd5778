// Package bytestring holds P4Runtime's encoding of unsigned numbers
// (P4Runtime specification, section 8.3, "Bytestrings").
//
// On the wire a number is big-endian. The canonical form is the shortest one,
// at least one byte: zero is a single zero byte. A receiver accepts leading
// zero bytes, refuses an empty string, and refuses a number that does not fit
// the width that P4Info gives.
package bytestring

import (
	"errors"
	"fmt"
	"math/bits"
)

// ErrEmpty is the fault of a bytestring of no bytes, which encodes no number.
var ErrEmpty = errors.New("empty bytestring")

// ErrRange is the fault of a number that does not fit its width.
var ErrRange = errors.New("value out of range")

// Len returns the number of bytes that hold a value of width bits.
func Len(width int) int { return (width + 7) / 8 }

// Canonical returns b without its leading zero bytes, but at least its last
// byte. The result aliases b.
func Canonical(b []byte) []byte {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

// IsCanonical reports whether b is the shortest encoding of its number.
func IsCanonical(b []byte) bool {
	return len(b) == 1 || len(b) > 1 && b[0] != 0
}

// FromUint64 returns the canonical encoding of v.
func FromUint64(v uint64) []byte {
	n := max(1, Len(bits.Len64(v)))
	b := make([]byte, n)
	for i := n - 1; i >= 0; i-- {
		b[i] = byte(v)
		v >>= 8
	}
	return b
}

// BitLen returns the number of significant bits of b.
func BitLen(b []byte) int {
	for i, c := range b {
		if c != 0 {
			return bits.Len8(c) + 8*(len(b)-i-1)
		}
	}
	return 0
}

// Check reports whether b encodes a number of at most width bits: ErrEmpty,
// ErrRange with both sizes, or nil.
func Check(b []byte, width int) error {
	if len(b) == 0 {
		return ErrEmpty
	}
	if n := BitLen(b); n > width {
		return fmt.Errorf("%w: needs %d bits, field has %d", ErrRange, n, width)
	}
	return nil
}

// AppendFixed appends b's number to dst as exactly Len(width) big-endian
// bytes, the form in which a data plane compares keys. On error dst is
// unchanged.
func AppendFixed(dst, b []byte, width int) ([]byte, error) {
	if err := Check(b, width); err != nil {
		return dst, err
	}
	n := Len(width)
	if len(b) > n { // only leading zeros are cut: Check has passed
		b = b[len(b)-n:]
	}
	for range n - len(b) {
		dst = append(dst, 0)
	}
	return append(dst, b...), nil
}

// Uint64 returns b's number, or ErrEmpty, or ErrRange when it needs more than
// 64 bits.
func Uint64(b []byte) (uint64, error) {
	if err := Check(b, 64); err != nil {
		return 0, err
	}
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v, nil
}
