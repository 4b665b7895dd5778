package ethernet

import (
	"bytes"
	"errors"
	"fmt"
)

// MAC is a 48-bit Ethernet address (EUI-48) in the order of transmission.
// It is comparable; its zero value is the unspecified address 00:00:00:00:00:00.
type MAC [6]byte

// Broadcast returns ff:ff:ff:ff:ff:ff, the address of every station on a link.
func Broadcast() MAC { return MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

// ErrMAC reports text that is not a MAC address.
var ErrMAC = errors.New("not a MAC address")

// ParseMAC parses six two-digit hexadecimal octets, of either case, joined by
// colons throughout or by hyphens throughout: "02:00:5e:10:00:01". The error
// wraps ErrMAC.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	if len(s) != 17 {
		return MAC{}, fmt.Errorf("%w: %q", ErrMAC, s)
	}
	sep := s[2]
	for i := range m {
		hi, ok1 := unhex(s[3*i])
		lo, ok2 := unhex(s[3*i+1])
		if !ok1 || !ok2 || (i < 5 && (s[3*i+2] != sep || sep != ':' && sep != '-')) {
			return MAC{}, fmt.Errorf("%w: %q", ErrMAC, s)
		}
		m[i] = hi<<4 | lo
	}
	return m, nil
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// AppendText implements encoding.TextAppender with the form of String.
func (m MAC) AppendText(b []byte) ([]byte, error) {
	const digits = "0123456789abcdef"
	for i, o := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, digits[o>>4], digits[o&0xf])
	}
	return b, nil
}

// MarshalText implements encoding.TextMarshaler with the form of String.
func (m MAC) MarshalText() ([]byte, error) {
	return m.AppendText(make([]byte, 0, 17))
}

// UnmarshalText implements encoding.TextUnmarshaler; see ParseMAC.
func (m *MAC) UnmarshalText(b []byte) error {
	p, err := ParseMAC(string(b))
	if err != nil {
		return err
	}
	*m = p
	return nil
}

// String returns the address as lower-case octets joined by colons.
func (m MAC) String() string {
	b, _ := m.AppendText(make([]byte, 0, 17))
	return string(b)
}

// IsZero reports whether m is the unspecified address.
func (m MAC) IsZero() bool { return m == MAC{} }

// IsBroadcast reports whether m is ff:ff:ff:ff:ff:ff.
func (m MAC) IsBroadcast() bool { return m == Broadcast() }

// IsMulticast reports whether the I/G bit is set. Broadcast is multicast too.
func (m MAC) IsMulticast() bool { return m[0]&1 != 0 }

// Compare orders addresses by their octets: -1, 0 or 1, as bytes.Compare does.
func (m MAC) Compare(o MAC) int { return bytes.Compare(m[:], o[:]) }
