// Package nvgreext holds the NVGRE-EXT control messages REDIRECT and
// UNREACHABLE (draft-sridharan-virtualization-nvgre-ext-04), by which the
// receiver NVE of an NVGRE packet tells its sender NVE that an endpoint has
// moved, or that it has no policy for the packet.
//
// A message is an ICMP or ICMPv6 message between the two NVEs, inside NVGRE
// with VSID 0xffffff:
//
//	                     IPv4 underlay   IPv6 underlay
//	outer Ethernet            14              14        18 with a tag
//	outer IP                  20              40        PA to PA, protocol 47
//	NVGRE                      8               8        VSID 0xffffff
//	inner Ethernet            14              14        NVE MAC to NVE MAC
//	inner IP                  20              40        the same PAs
//	ICMP header                8        8, or 48 for REDIRECT
//	the trigger, quoted from its outer IP header on
//
// The draft leaves much open. Where it does, the forms here are those of the
// ICMP standards (RFC 792, RFC 4443, RFC 4861), and other readings of the
// draft are accepted where they can be told apart; see Form.
package nvgreext

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/nvgre"
)

// Kind is which message it is.
type Kind uint8

const (
	// Redirect says that the endpoint has moved to the target NVE (§3.2).
	Redirect Kind = 1 + iota
	// Unreachable says that there is no policy for the packet and that the
	// sender NVE has to refresh its own (§3.3).
	Unreachable
)

// String returns the draft's name of the message.
func (k Kind) String() string {
	switch k {
	case Redirect:
		return "REDIRECT"
	case Unreachable:
		return "UNREACHABLE"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// The most of a trigger that a message quotes, in bytes: the outer packet, not
// only the ICMP packet in it, stays within 576 bytes over IPv4 (RFC 1812
// §4.3.2.3) and 1280 over IPv6 (RFC 4443 §2.4(c)), since NVGRE must not be
// fragmented.
const (
	MaxQuoteV4                = 506
	MaxQuoteV6Unreachable     = 1170
	MaxQuoteV6Redirect        = 1128 // with its option header a multiple of 8
	MaxQuoteV6RedirectLiteral = 1158 // in FormDraftLiteral
)

// Flow is what a trigger says about the traffic that it belongs to. It is
// comparable.
type Flow struct {
	// SrcPA is the sender NVE, DstPA the receiver NVE.
	SrcPA, DstPA netip.Addr
	VSID         nvgre.VSID
	FlowID       uint8
	// SrcMAC and DstMAC are the endpoints'.
	SrcMAC, DstMAC ethernet.MAC
	// Type is the EtherType of the inner frame.
	Type ethernet.EtherType
	// SrcCA and DstCA are the endpoints' addresses if the inner frame is IPv4 or
	// IPv6, and otherwise not valid.
	SrcCA, DstCA netip.Addr
}

// Form is the set of ways in which a message differs from the form that Build
// writes; zero is that form.
type Form uint8

const (
	// FormDraftLiteral is an ICMPv6 REDIRECT as the draft's figure 1 draws it:
	// target and data behind the checksum, where RFC 4861 §4.5 has reserved
	// bits, two addresses and the Redirected Header option.
	FormDraftLiteral Form = 1 << iota
	// FormNoUnusedWord is an UNREACHABLE without the unused word of RFC 792 and
	// RFC 4443, as the draft's second figure draws it.
	FormNoUnusedWord
	// FormQuotedEthernet quotes the trigger from its outer Ethernet header on.
	FormQuotedEthernet
	// FormLenientCode is a REDIRECT with the code of UNREACHABLE, 10 or 1, which
	// [MS-NVGREE] prints.
	FormLenientCode
	// FormHopLimit is an ICMPv6 REDIRECT with an inner hop limit other than 255
	// (RFC 4861 §8.1).
	FormHopLimit
	// FormQuotedChecksum quotes an IPv4 header whose checksum is wrong: a device
	// on the way changed the header before it was quoted.
	FormQuotedChecksum
)

// Sets of forms to accept.
const (
	// Tolerated are the readings of the draft that are told apart from one
	// another without doubt.
	Tolerated = FormDraftLiteral | FormNoUnusedWord | FormQuotedEthernet
	// AnyForm are all.
	AnyForm = Tolerated | FormLenientCode | FormHopLimit | FormQuotedChecksum
)

// String returns the names of the differences, joined by "+", or "standard".
func (f Form) String() string {
	if f == 0 {
		return "standard"
	}
	var names []string
	for i, name := range [...]string{
		"draft-literal", "no-unused-word", "quoted-ethernet", "lenient-code", "hop-limit", "quoted-checksum",
	} {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// The decisions of a caller; the package's errors wrap one of these.
var (
	// ErrNotMessage reports a frame that is no NVGRE-EXT message at all: it is
	// not NVGRE or its VSID is not 0xffffff.
	ErrNotMessage = errors.New("not an NVGRE-EXT message")
	// ErrTruncated reports fewer bytes than the headers need.
	ErrTruncated = errors.New("truncated")
	// ErrLength reports a length field that contradicts another or the frame.
	ErrLength = errors.New("length field lies")
	// ErrChecksum reports a wrong IPv4 header, ICMP or ICMPv6 checksum.
	ErrChecksum = errors.New("wrong checksum")
	// ErrFragment reports a fragment; NVGRE must not be fragmented (RFC 7637 §4.4).
	ErrFragment = errors.New("fragment")
	// ErrInner reports inner headers that do not say what the outer ones say:
	// another family, other addresses, an 802.1Q tag, or no ICMP.
	ErrInner = errors.New("inner header does not fit the outer one")
	// ErrType reports an ICMP type and code that is neither message.
	ErrType = errors.New("unknown ICMP type and code")
	// ErrForm reports a form that is known but that the caller did not accept.
	ErrForm = errors.New("form not accepted")
	// ErrTarget reports a target that is no unicast address.
	ErrTarget = errors.New("target is no unicast address")
	// ErrQuote reports quoted data that is no NVGRE packet, or one too short to
	// have the headers that the draft demands.
	ErrQuote = errors.New("quoted packet is unusable")
	// ErrQuotePeer reports a quoted packet that was not sent to the NVE that
	// sends the message.
	ErrQuotePeer = errors.New("quoted packet went to another NVE")
)

// Error is the error type of Message.Decode: what is wrong and where.
type Error struct {
	// Offset is where the faulty field begins, in bytes from the start of the
	// frame.
	Offset int
	// Field names the field, such as "outer IPv4 total length".
	Field string
	// Detail has the values at fault; it may be empty.
	Detail string
	// Err is one of the sentinels of this package.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	s := fmt.Sprintf("nvgreext: byte %d: %s: %v", e.Offset, e.Field, e.Err)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return e.Err }

// isUnicast reports whether a can be the address of one NVE: RFC 1122
// §3.2.1.3 and RFC 4291 §2.4.
func isUnicast(a netip.Addr) bool {
	if a.Is4() {
		first := a.As4()[0]
		return first != 0 && first != 127 && first < 224 // "this" net, loopback, multicast and class E
	}
	return a.IsValid() && a.Zone() == "" && !a.Is4In6() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast()
}

// isGroup reports whether a addresses more than one host.
func isGroup(a netip.Addr) bool {
	return a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
