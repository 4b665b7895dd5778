package nvgreext

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/ip"
)

// icmp is the ICMP or ICMPv6 message that reaches from at to the end of frame.
type icmp struct {
	frame  []byte
	at     int
	ttl    uint8 // of the inner IP header
	accept Form
}

func (i *icmp) fail(offset int, field string, err error, detail string) error {
	return &Error{i.at + offset, field, detail, err}
}

// take notes that the message has form f, if the caller accepts it.
func (i *icmp) take(m *Message, f Form, offset int, field string) error {
	if i.accept&f == 0 {
		return i.fail(offset, field, ErrForm, f.String())
	}
	m.Form |= f
	return nil
}

func (i *icmp) decodeV4(m *Message) error {
	msg := i.frame[i.at:]
	if len(msg) < icmpHeaderLen {
		return i.fail(len(msg), "ICMP header", ErrTruncated, "")
	}
	if ip.Checksum(msg) != 0 {
		return i.fail(2, "ICMP checksum", ErrChecksum, "")
	}
	switch [2]byte(msg) {
	case [2]byte{v4Redirect, v4UnreachableCode}:
		if err := i.take(m, FormLenientCode, 1, "ICMP code"); err != nil {
			return err
		}
		fallthrough
	case [2]byte{v4Redirect, v4RedirectCode}:
		m.Kind = Redirect
		m.Target = netip.AddrFrom4([4]byte(msg[4:8]))
		if !isUnicast(m.Target) {
			return i.fail(4, "target address", ErrTarget, m.Target.String())
		}
		return i.quote(m, icmpHeaderLen, len(msg))
	case [2]byte{v4Unreachable, v4UnreachableCode}:
		return i.unreachable(m, 5, 4)
	}
	return i.fail(0, "ICMP type", ErrType, fmt.Sprintf("%d, code %d", msg[0], msg[1]))
}

func (i *icmp) decodeV6(m *Message) error {
	msg := i.frame[i.at:]
	if len(msg) < icmpHeaderLen {
		return i.fail(len(msg), "ICMPv6 header", ErrTruncated, "")
	}
	if ip.ICMPv6Checksum(m.Src, m.Dst, msg) != 0 {
		return i.fail(2, "ICMPv6 checksum", ErrChecksum, "")
	}
	switch [2]byte(msg) {
	case [2]byte{v6Redirect, v6UnreachableCode}:
		if err := i.take(m, FormLenientCode, 1, "ICMPv6 code"); err != nil {
			return err
		}
		fallthrough
	case [2]byte{v6Redirect, v6RedirectCode}:
		return i.redirectV6(m)
	case [2]byte{v6Unreachable, v6UnreachableCode}:
		return i.unreachable(m, 4, 8)
	}
	return i.fail(0, "ICMPv6 type", ErrType, fmt.Sprintf("%d, code %d", msg[0], msg[1]))
}

// unreachable reads an UNREACHABLE with the unused word, whose octet at
// lengthAt is the length of the quote in units of some bytes if it is not 0
// (RFC 4884 §4.1, §4.2), or else without the word.
func (i *icmp) unreachable(m *Message, lengthAt, unit int) error {
	m.Kind = Unreachable
	msg := i.frame[i.at:]
	end := len(msg)
	var err error
	if n := int(msg[lengthAt]) * unit; n > end-icmpHeaderLen {
		err = i.fail(lengthAt, "length of the quote", ErrLength, fmt.Sprintf("%d, %d bytes are there", n, end-icmpHeaderLen))
	} else {
		if n > 0 {
			end = icmpHeaderLen + n
		}
		err = i.quote(m, icmpHeaderLen, end)
	}
	if err == nil {
		return nil
	}
	switch e := i.quote(m, icmpHeaderLen-4, len(msg)); {
	case e == nil:
		return i.take(m, FormNoUnusedWord, icmpHeaderLen-4, "unused word")
	case errors.Is(e, ErrForm):
		return e
	}
	return err // of the standard reading
}

// redirectV6 tells the form of RFC 4861 §4.5 from the draft's: a target that an
// NVE could have does not begin with 32 zero bits.
func (i *icmp) redirectV6(m *Message) error {
	m.Kind = Redirect
	if i.ttl != defaultInnerTTL {
		if err := i.take(m, FormHopLimit, 0, "inner hop limit"); err != nil {
			return err
		}
	}
	msg := i.frame[i.at:]
	literal := binary.BigEndian.Uint32(msg[4:]) != 0
	head, targetAt := v6RedirectLen, 8
	if literal {
		if err := i.take(m, FormDraftLiteral, 4, "reserved word"); err != nil {
			return err
		}
		head, targetAt = v6LiteralLen, 4
	}
	if len(msg) < head {
		return i.fail(len(msg), "ICMPv6 REDIRECT", ErrTruncated, "")
	}
	m.Target = netip.AddrFrom16([16]byte(msg[targetAt:]))
	if !isUnicast(m.Target) {
		return i.fail(targetAt, "target address", ErrTarget, m.Target.String())
	}
	if literal {
		return i.quote(m, head, len(msg))
	}
	// Other options may stand before the Redirected Header (RFC 4861 §4.5), and
	// lengths count for them too (§8.1).
	found, foundEnd := 0, 0
	for at := v6RedirectLen; at < len(msg); {
		if len(msg)-at < 2 {
			return i.fail(at, "option", ErrTruncated, "")
		}
		n := int(msg[at+1]) * 8
		if n == 0 || n > len(msg)-at {
			return i.fail(at+1, "option length", ErrLength, fmt.Sprintf("%d, %d bytes are there", n, len(msg)-at))
		}
		if msg[at] == redirectedOption && found == 0 {
			found, foundEnd = at+redirectedHeadLen, at+n
		}
		at += n
	}
	if found == 0 {
		return i.fail(len(msg), "Redirected Header option", ErrQuote, "missing")
	}
	return i.quote(m, found, foundEnd)
}

// quote reads the quoted packet between two offsets in the message, which may
// begin with its Ethernet header. Where neither reading serves, m is unchanged
// and the error is that of the standard one.
func (i *icmp) quote(m *Message, from, to int) error {
	q, form, err := i.quoteIP(m.Src, from, to)
	if err != nil {
		var eth ethernet.Header
		if _, e := eth.Decode(i.frame[i.at+from : i.at+to]); e != nil {
			return err
		}
		if eth.Type != ethernet.TypeIPv4 && eth.Type != ethernet.TypeIPv6 {
			return err
		}
		var e error
		if q, form, e = i.quoteIP(m.Src, from+eth.Len(), to); e != nil {
			return err
		}
		form |= FormQuotedEthernet
	}
	if refused := form &^ i.accept; refused != 0 {
		return i.fail(from, "quoted packet", ErrForm, refused.String())
	}
	m.Quote = q
	m.Form |= form
	return nil
}

// quoteIP reads the quoted packet from its IP header on. Its checksum may be
// wrong, which is a form; every other fault is an error.
func (i *icmp) quoteIP(src netip.Addr, from, to int) (q Quote, form Form, err error) {
	b := i.frame[i.at+from : i.at+to]
	p := parsePacket(b)
	if p.badChecksum {
		form = FormQuotedChecksum
	}
	if p.faults != 0 {
		return q, 0, i.fail(from+p.at, "quoted packet", ErrQuote, p.faults.String())
	}
	if p.flow.DstPA != src {
		return q, 0, i.fail(from, "quoted destination", ErrQuotePeer, fmt.Sprintf("%v, not %v", p.flow.DstPA, src))
	}
	return Quote{Flow: p.flow, Packet: b[:p.length:p.length]}, form, nil
}
