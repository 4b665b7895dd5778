package nvgreext

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/nvgre"
)

// ICMP and ICMPv6 types and codes of the two messages (draft §3.2, §3.3).
const (
	v4Redirect, v4RedirectCode       = 5, 1
	v4Unreachable, v4UnreachableCode = 3, 10
	v6Redirect, v6RedirectCode       = 137, 0
	v6Unreachable, v6UnreachableCode = 1, 1
)

const (
	icmpHeaderLen     = 8  // RFC 792; ICMPv6 UNREACHABLE, RFC 4443 §3.1
	v6RedirectLen     = 40 // RFC 4861 §4.5, before the options
	v6LiteralLen      = 20 // FormDraftLiteral
	redirectedOption  = 4  // Redirected Header, RFC 4861 §4.6.3
	redirectedHeadLen = 8

	defaultTTL      = 64
	defaultInnerTTL = 255
)

var (
	// ErrParams reports parameters of which no message can be built. Build's
	// error joins all reasons.
	ErrParams = errors.New("nvgreext: bad parameters")
	// ErrTargetFamily reports a REDIRECT to a target of another IP family than
	// the trigger's, which no message can express: send UNREACHABLE, and let the
	// control plane carry the move.
	ErrTargetFamily = errors.New("nvgreext: target of another IP family than the trigger")
)

// Params are what the trigger does not say about a message.
type Params struct {
	Kind Kind
	// Target is the provider address of the target NVE, for REDIRECT only.
	Target netip.Addr
	// LinkDst is the MAC of the next hop towards the sender NVE, LinkSrc our own
	// on that link, and Tag the outer 802.1Q tag, none if zero.
	LinkDst, LinkSrc ethernet.MAC
	Tag              ethernet.Tag
	// SenderMAC and ReceiverMAC are the MACs of the NVEs themselves, destination
	// and source of the inner frame. Receivers ignore them.
	SenderMAC, ReceiverMAC ethernet.MAC
	// FlowID is the entropy of the control packet; 0 is none.
	FlowID uint8
	// TrafficClass is that of both IP headers.
	TrafficClass ip.TrafficClass
	// TTL is the outer TTL or hop limit, 64 if 0; InnerTTL the inner one, 255
	// if 0.
	TTL, InnerTTL uint8
	// Literal writes an ICMPv6 REDIRECT in FormDraftLiteral, for a peer that
	// reads no other.
	Literal bool
}

// check returns all that is wrong with p as an answer to a trigger that was
// sent to dst.
func (p *Params) check(dst netip.Addr) error {
	var all []error
	bad := func(format string, args ...any) {
		all = append(all, fmt.Errorf("%w: "+format, append([]any{ErrParams}, args...)...))
	}
	switch p.Kind {
	case Redirect:
		switch {
		case !isUnicast(p.Target):
			bad("target %v is no unicast address", p.Target)
		case p.Target.Is4() != dst.Is4():
			all = append(all, fmt.Errorf("%w: %v, trigger went to %v", ErrTargetFamily, p.Target, dst))
		case p.Target == dst:
			bad("target %v is the receiver NVE itself", p.Target)
		}
	case Unreachable:
		if p.Target.IsValid() {
			bad("UNREACHABLE with target %v", p.Target)
		}
	default:
		bad("%v", p.Kind)
	}
	for _, m := range [...]struct {
		name string
		mac  ethernet.MAC
	}{{"link destination", p.LinkDst}, {"link source", p.LinkSrc}, {"sender NVE", p.SenderMAC}, {"receiver NVE", p.ReceiverMAC}} {
		if m.mac.IsZero() || m.mac.IsMulticast() {
			bad("%s MAC %v", m.name, m.mac)
		}
	}
	if p.Literal && (p.Kind != Redirect || dst.Is4()) {
		bad("literal form of anything but an ICMPv6 REDIRECT")
	}
	return errors.Join(all...)
}

// Build appends to dst the whole frame of the message that answers trigger,
// which is the frame as it was received, from its outer Ethernet header on. It
// goes from the PA that the trigger was sent to back to the PA that sent it.
// As much of the trigger is quoted as the size limits allow; link padding is
// left out. The tail of dst must not overlap trigger.
//
// On error dst is returned unchanged. The error is a *RefusedError for a
// trigger that must not be answered, and otherwise joins errors that wrap
// ErrParams, ErrTargetFamily, or those of package ethernet for the tag.
func Build(dst []byte, p Params, trigger []byte) ([]byte, error) {
	t, refusal := ParseTrigger(trigger)
	if refusal != 0 {
		return dst, &RefusedError{refusal}
	}
	if err := p.check(t.DstPA); err != nil {
		return dst, err
	}
	if p.TTL == 0 {
		p.TTL = defaultTTL
	}
	if p.InnerTTL == 0 {
		p.InnerTTL = defaultInnerTTL
	}
	head, limit := p.shape(t.DstPA.Is4())
	quote := t.Packet[:min(len(t.Packet), limit)]
	n := head + len(quote)
	if head == v6RedirectLen+redirectedHeadLen {
		n = (n + 7) &^ 7
	}
	b, err := p.appendHeaders(dst, &t, n)
	if err != nil {
		return dst, err
	}
	at := len(b)
	b = p.appendICMP(b, &t, n)
	b = append(b, quote...)
	for len(b) < at+n {
		b = append(b, 0)
	}
	msg := b[at:]
	var sum uint16
	if t.DstPA.Is4() {
		sum = ip.Checksum(msg)
	} else {
		sum = ip.ICMPv6Checksum(t.DstPA, t.SrcPA, msg)
	}
	binary.BigEndian.PutUint16(msg[2:], sum)
	return b, nil
}

// shape returns the length of the ICMP header, option header included, and the
// most that may be quoted behind it.
func (p *Params) shape(v4 bool) (head, limit int) {
	switch {
	case v4:
		return icmpHeaderLen, MaxQuoteV4
	case p.Kind == Unreachable:
		return icmpHeaderLen, MaxQuoteV6Unreachable
	case p.Literal:
		return v6LiteralLen, MaxQuoteV6RedirectLiteral
	}
	return v6RedirectLen + redirectedHeadLen, MaxQuoteV6Redirect
}

// appendHeaders appends all headers before an ICMP message of n bytes.
func (p *Params) appendHeaders(b []byte, t *Trigger, n int) ([]byte, error) {
	typ, hlen, proto := ethernet.TypeIPv4, ip.V4HeaderLen, ip.ProtocolICMP
	if !t.DstPA.Is4() {
		typ, hlen, proto = ethernet.TypeIPv6, ip.V6HeaderLen, ip.ProtocolICMPv6
	}
	link := ethernet.Header{Dst: p.LinkDst, Src: p.LinkSrc, Tag: p.Tag, Type: typ}
	b, err := link.AppendTo(b)
	if err != nil {
		return b, err
	}
	if b, err = p.appendIP(b, t, p.TTL, ip.ProtocolGRE, nvgre.HeaderLen+ethernet.HeaderLen+hlen+n); err != nil {
		return b, err
	}
	gre := nvgre.Header{VSID: nvgre.Control, FlowID: p.FlowID}
	if b, err = gre.AppendTo(b); err != nil {
		return b, err
	}
	inner := ethernet.Header{Dst: p.SenderMAC, Src: p.ReceiverMAC, Type: typ}
	if b, err = inner.AppendTo(b); err != nil {
		return b, err
	}
	return p.appendIP(b, t, p.InnerTTL, proto, n)
}

// appendIP appends an IP header from the receiver NVE to the sender NVE. The
// IPv4 identification is 0, as it may be where DF is set (RFC 6864 §4.1).
func (p *Params) appendIP(b []byte, t *Trigger, ttl uint8, proto ip.Protocol, payload int) ([]byte, error) {
	if t.DstPA.Is4() {
		h := ip.V4{TrafficClass: p.TrafficClass, TotalLen: uint16(ip.V4HeaderLen + payload), DontFragment: true,
			TTL: ttl, Protocol: proto, Src: t.DstPA, Dst: t.SrcPA}
		return h.AppendTo(b)
	}
	h := ip.V6{TrafficClass: p.TrafficClass, PayloadLen: uint16(payload), NextHeader: proto, HopLimit: ttl,
		Src: t.DstPA, Dst: t.SrcPA}
	return h.AppendTo(b)
}

// appendICMP appends the header of an ICMP message of n bytes, up to the quoted
// packet, its checksum zero.
func (p *Params) appendICMP(b []byte, t *Trigger, n int) []byte {
	if t.DstPA.Is4() {
		if p.Kind == Unreachable {
			return append(b, v4Unreachable, v4UnreachableCode, 0, 0, 0, 0, 0, 0)
		}
		target := p.Target.As4()
		return append(append(b, v4Redirect, v4RedirectCode, 0, 0), target[:]...)
	}
	if p.Kind == Unreachable {
		return append(b, v6Unreachable, v6UnreachableCode, 0, 0, 0, 0, 0, 0)
	}
	target := p.Target.As16()
	b = append(b, v6Redirect, v6RedirectCode, 0, 0)
	if p.Literal {
		return append(b, target[:]...)
	}
	// RFC 4861 has the redirected destination behind the target. It is of the
	// target's address space, so the receiver NVE's PA; which endpoint it is
	// about stands in the quoted packet alone.
	b = append(append(b, 0, 0, 0, 0), target[:]...)
	from := t.DstPA.As16()
	b = append(b, from[:]...)
	return append(b, redirectedOption, byte((n-v6RedirectLen)/8), 0, 0, 0, 0, 0, 0)
}
