package geneve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// Option class ranges (RFC 8926 §7): classes from ExperimentalClass on are for
// experiments, the rest is registered with IANA.
const ExperimentalClass = 0xff00

const (
	optionHeaderLen = 4
	criticalBit     = 0x80
	maxWords        = 31
)

// OptionType identifies what an option is and how long: class, type and data
// length. It is comparable; an ordered list of them is a layout.
type OptionType struct {
	Class uint16
	// Type is the whole type octet. Its high bit makes the option critical, so
	// that 0x01 and 0x81 of one class are different types (RFC 8926 §3.5).
	Type uint8
	// Len is the length of the data in words of 4 bytes, 0..31.
	Len uint8
}

// Critical reports whether an endpoint that does not know the option has to
// drop the packet (RFC 8926 §3.5).
func (t OptionType) Critical() bool { return t.Type&criticalBit != 0 }

// Words returns the length of the option with its own header, in words of 4
// bytes, 1..32: what it takes of OptLen and of a parser's window.
func (t OptionType) Words() int { return 1 + int(t.Len) }

// String returns class, type and data length, "0xff01/0x81/2w".
func (t OptionType) String() string {
	return fmt.Sprintf("0x%04x/0x%02x/%dw", t.Class, t.Type, t.Len)
}

// ErrOptionType reports text that does not name an option type.
var ErrOptionType = errors.New("not an option type, like 0xff01/0x81/2w")

// ParseOptionType parses the form of OptionType.String. The error wraps
// ErrOptionType.
func ParseOptionType(s string) (OptionType, error) {
	class, rest, ok1 := strings.Cut(s, "/")
	typ, words, ok2 := strings.Cut(rest, "/")
	words, ok3 := strings.CutSuffix(words, "w")
	c, err1 := strconv.ParseUint(strings.TrimPrefix(class, "0x"), 16, 16)
	t, err2 := strconv.ParseUint(strings.TrimPrefix(typ, "0x"), 16, 8)
	n, err3 := strconv.ParseUint(words, 10, 8)
	if !ok1 || !ok2 || !ok3 || err1 != nil || err2 != nil || err3 != nil || n > maxWords {
		return OptionType{}, fmt.Errorf("%w: %q", ErrOptionType, s)
	}
	return OptionType{Class: uint16(c), Type: uint8(t), Len: uint8(n)}, nil
}

// MarshalText implements encoding.TextMarshaler with the form of String.
func (t OptionType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; see ParseOptionType.
func (t *OptionType) UnmarshalText(b []byte) error {
	p, err := ParseOptionType(string(b))
	if err != nil {
		return err
	}
	*t = p
	return nil
}

// Option is one option of a packet (RFC 8926 §3.5).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------------------------------+-+-------------+-----+---------+
//	|             class             |C|    type     |0 0 0| length  |
//	+-------------------------------+-+-------------+-----+---------+
//	|                data, length words of 4 bytes                  |
type Option struct {
	Type OptionType
	// Data has 4*Type.Len bytes and aliases the packet.
	Data []byte
}

// AppendTo appends the option to b, the reserved bits zero. The error is an
// *Error with ErrOptionData, its offset counted from the option, and then b is
// returned unchanged.
func (o Option) AppendTo(b []byte) ([]byte, error) {
	if o.Type.Len > maxWords {
		return b, &Error{3, "3.5", fmt.Sprintf("%v, at most %d words", o.Type, maxWords), ErrOptionData}
	}
	if len(o.Data) != 4*int(o.Type.Len) {
		return b, &Error{4, "3.5", fmt.Sprintf("%v has %d bytes", o.Type, len(o.Data)), ErrOptionData}
	}
	b = binary.BigEndian.AppendUint16(b, o.Type.Class)
	b = append(b, o.Type.Type, o.Type.Len)
	return append(b, o.Data...), nil
}

// Options are the raw options of a header, one behind the other in the order
// of the wire. Several of one type are legal (the RFC is silent about them).
type Options []byte

// Next returns the first option and the options behind it, both aliasing o.
// The error is an *Error with ErrOption, its offset counted from the start of
// o, if o ends within the option.
func (o Options) Next() (first Option, rest Options, err error) {
	if len(o) < optionHeaderLen {
		return Option{}, nil, &Error{0, "3.5", fmt.Sprintf("%d bytes left", len(o)), ErrOption}
	}
	t := OptionType{Class: binary.BigEndian.Uint16(o), Type: o[2], Len: o[3] & maxWords}
	n := 4 * t.Words()
	if len(o) < n {
		return Option{}, nil, &Error{3, "3.5", fmt.Sprintf("%v needs %d bytes, %d left", t, n, len(o)), ErrOption}
	}
	return Option{Type: t, Data: o[optionHeaderLen:n:n]}, o[n:], nil
}

// All iterates over the options in order. If the lengths do not add up, the
// last pair is a zero Option and an *Error with ErrOption, its offset counted
// from the start of o.
func (o Options) All() iter.Seq2[Option, error] {
	return func(yield func(Option, error) bool) {
		for left := o; len(left) > 0; {
			opt, rest, err := left.Next()
			if err != nil {
				yield(Option{}, moved(err, len(o)-len(left)))
				return
			}
			if !yield(opt, nil) {
				return
			}
			left = rest
		}
	}
}

// walk returns the offset of the first critical option, or -1, or the error
// that All ends with.
func (o Options) walk() (critical int, err error) {
	critical = -1
	for left := o; len(left) > 0; {
		at := len(o) - len(left)
		opt, rest, err := left.Next()
		if err != nil {
			return -1, moved(err, at)
		}
		if critical < 0 && opt.Type.Critical() {
			critical = at
		}
		left = rest
	}
	return critical, nil
}

// Find returns the first option of type t. Malformed options end the search.
func (o Options) Find(t OptionType) (Option, bool) {
	for opt, err := range o.All() {
		if err == nil && opt.Type == t {
			return opt, true
		}
	}
	return Option{}, false
}

// FirstCritical returns the first critical option. Malformed options end the
// search.
func (o Options) FirstCritical() (Option, bool) {
	for opt, err := range o.All() {
		if err == nil && opt.Type.Critical() {
			return opt, true
		}
	}
	return Option{}, false
}
