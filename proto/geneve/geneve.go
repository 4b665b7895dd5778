// Package geneve holds the Geneve header and its options (RFC 8926).
//
// Decoding is in two steps, because the RFC gives them to different devices.
// Header.Decode reads the base header and sets the options apart by OptLen,
// which is all that a device may do that strips or skips options (RFC 8926
// §3.4, §2.2.1). Header.CheckOptions then applies the rules that bind an
// endpoint that processes options (§3.5). Nothing here allocates but errors.
package geneve

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/keyway-nve/keyway/proto/ethernet"
)

// Port is the UDP destination port (RFC 8926 §3.3).
const Port = 6081

// Lengths in bytes (RFC 8926 §3.4).
const (
	BaseLen       = 8   // header without options
	MaxOptionsLen = 252 // 63 words
	MaxLen        = BaseLen + MaxOptionsLen
)

// VNI is a virtual network identifier of 24 bits (RFC 8926 §3.4).
type VNI uint32

// MaxVNI is the greatest VNI.
const MaxVNI VNI = 1<<24 - 1

// IsValid reports whether v fits 24 bits.
func (v VNI) IsValid() bool { return v <= MaxVNI }

// The decisions of a caller; the package's errors wrap one of these. The
// section numbers are those of RFC 8926.
var (
	// ErrTruncated reports fewer bytes than the base header and OptLen say.
	ErrTruncated = errors.New("truncated")
	// ErrVersion reports a version other than 0. An endpoint drops the packet, a
	// transit device takes it for opaque UDP (§3.4).
	ErrVersion = errors.New("unknown version")
	// ErrVNI reports a VNI over 24 bits.
	ErrVNI = errors.New("VNI over 24 bits")
	// ErrOptionsLen reports options over 252 bytes in all, or not in whole words.
	ErrOptionsLen = errors.New("options do not fit OptLen")
	// ErrOption reports options whose lengths do not add up to OptLen (§3.5): the
	// endpoint drops the packet silently.
	ErrOption = errors.New("option lengths do not add up to OptLen")
	// ErrOptionData reports option data of another length than the type states.
	ErrOptionData = errors.New("option data does not have the length of its type")
	// ErrNotFlagged reports a critical option in a header whose C flag is 0, which
	// §3.5 forbids to send. The RFC gives no rule for receivers; ours is that the
	// header is malformed. A caller that tolerates it finds with errors.Is that
	// this was the only fault.
	ErrNotFlagged = errors.New("critical option but C = 0")
	// ErrNotCritical reports C = 1 in a header to be sent that has no critical
	// option (§3.4). Received it does no harm and is no fault.
	ErrNotCritical = errors.New("no critical option but C = 1")
)

// Error is the error type of this package: what is wrong, where, and against
// which section of RFC 8926.
type Error struct {
	// Offset is where the faulty field begins, in bytes from the start of the
	// Geneve header.
	Offset int
	// Section is the section of RFC 8926 that is broken, such as "3.5".
	Section string
	// Detail has the values at fault; it may be empty.
	Detail string
	// Err is one of the sentinels of this package.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	s := fmt.Sprintf("geneve: byte %d: %v", e.Offset, e.Err)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s + " (RFC 8926 §" + e.Section + ")"
}

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return e.Err }

// Header is a Geneve header (RFC 8926 §3.4).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---+-----------+-+-+-----------+-------------------------------+
//	|Ver|  OptLen   |O|C|   Rsvd.   |         protocol type         |
//	+---+-----------+-+-+-----------+---------------+---------------+
//	|                      VNI                      |   reserved    |
//	+-----------------------------------------------+---------------+
//	|              options, OptLen words of 4 bytes                 |
//
// The version is always 0. The reserved bits are sent as zero and ignored.
type Header struct {
	// Control is the O flag: the payload is for the endpoint itself and is never
	// forwarded.
	Control bool
	// Critical is the C flag: at least one option is critical.
	Critical bool
	// Protocol is the EtherType of the payload, ethernet.TypeTEB for a frame.
	Protocol ethernet.EtherType
	VNI      VNI
	// Options are raw. After Decode they alias the input; nil when there are none.
	Options Options
}

const (
	flagControl  = 0x80
	flagCritical = 0x40
)

// Len returns the length of the encoded header in bytes, 8 to 260.
func (h *Header) Len() int { return BaseLen + len(h.Options) }

// AppendTo appends the header with its options to b. It sends no reserved bit
// and nothing that RFC 8926 forbids: options have to add up, and Critical has
// to be what they say. The error is an *Error, and then b is returned
// unchanged.
func (h *Header) AppendTo(b []byte) ([]byte, error) {
	if !h.VNI.IsValid() {
		return b, &Error{4, "3.4", fmt.Sprintf("%#x", uint32(h.VNI)), ErrVNI}
	}
	if n := len(h.Options); n > MaxOptionsLen || n%4 != 0 {
		return b, &Error{0, "3.4", fmt.Sprintf("%d bytes", n), ErrOptionsLen}
	}
	critical, err := h.Options.walk()
	switch {
	case err != nil:
		return b, moved(err, BaseLen)
	case critical >= 0 && !h.Critical:
		return b, h.notFlagged(critical)
	case critical < 0 && h.Critical:
		return b, &Error{1, "3.4", "", ErrNotCritical}
	}
	var flags byte
	if h.Control {
		flags |= flagControl
	}
	if h.Critical {
		flags |= flagCritical
	}
	b = append(b, byte(len(h.Options)/4), flags, byte(h.Protocol>>8), byte(h.Protocol),
		byte(h.VNI>>16), byte(h.VNI>>8), byte(h.VNI), 0)
	at := len(b)
	b = append(b, h.Options...)
	for o := Options(b[at:]); len(o) > 0; o = o[4+4*int(o[3]):] {
		o[3] &= maxWords // reserved bits of options received from elsewhere
	}
	return b, nil
}

// Decode reads the header at the start of b and returns the payload behind the
// options, aliasing b. The options are set apart by OptLen and not looked at;
// see CheckOptions. Decode overwrites the whole of h, which is zero after an
// error. The error is an *Error with ErrTruncated or ErrVersion.
func (h *Header) Decode(b []byte) (payload []byte, err error) {
	*h = Header{}
	if len(b) < BaseLen {
		return nil, &Error{len(b), "3.4", "", ErrTruncated}
	}
	if b[0]>>6 != 0 {
		return nil, &Error{0, "3.4", fmt.Sprint(b[0] >> 6), ErrVersion}
	}
	n := BaseLen + int(b[0]&0x3f)*4
	if len(b) < n {
		return nil, &Error{len(b), "3.4", fmt.Sprintf("OptLen %d", b[0]&0x3f), ErrTruncated}
	}
	h.Control = b[1]&flagControl != 0
	h.Critical = b[1]&flagCritical != 0
	h.Protocol = ethernet.EtherType(binary.BigEndian.Uint16(b[2:]))
	h.VNI = VNI(binary.BigEndian.Uint32(b[4:]) >> 8)
	if n > BaseLen {
		h.Options = Options(b[BaseLen:n:n])
	}
	return b[n:], nil
}

// CheckOptions holds the options against RFC 8926 §3.5 and the C flag: nil,
// or an *Error with ErrOption where their lengths do not add up, or, if that is
// all that is wrong, with ErrNotFlagged.
func (h *Header) CheckOptions() error {
	critical, err := h.Options.walk()
	if err != nil {
		return moved(err, BaseLen)
	}
	if critical >= 0 && !h.Critical {
		return h.notFlagged(critical)
	}
	return nil
}

func (h *Header) notFlagged(at int) error {
	o, _, _ := h.Options[at:].Next()
	return &Error{BaseLen + at, "3.5", o.Type.String(), ErrNotFlagged}
}

// moved returns a copy of an error of Options with its offset moved on.
func moved(err error, by int) error {
	if e, ok := errors.AsType[*Error](err); ok {
		m := *e
		m.Offset += by
		return &m
	}
	return err
}
