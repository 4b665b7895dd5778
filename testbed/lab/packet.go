package lab

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/udp"
)

// payloadHeader is the length of what each datagram begins with: a mark, the stream and the sequence number, of 4 bytes each.
const payloadHeader = 12

const (
	payloadMark = 0x4B455957 // "KEYW"
	defaultSize = 100
	hostTTL     = 64
	firstPort   = 49152 // of the dynamic range (RFC 6335 §6): streams differ in it, so that they differ in entropy
	discardPort = 9
)

// commonAddresses returns the customer addresses by which two endpoints talk, IPv4 if both have it.
func commonAddresses(from, to intent.Endpoint) (src, dst netip.Addr, ok bool) {
	for _, v4 := range []bool{true, false} {
		match := func(a netip.Addr) bool { return a.Is4() == v4 }
		i, j := slices.IndexFunc(from.Addresses, match), slices.IndexFunc(to.Addresses, match)
		if i >= 0 && j >= 0 {
			return from.Addresses[i], to.Addresses[j], true
		}
	}
	return netip.Addr{}, netip.Addr{}, false
}

// stream is a run of datagrams of one Send.
type stream struct {
	id             uint32
	from, to       string // endpoints; to may be Everyone
	srcMAC, dstMAC ethernet.MAC
	src, dst       netip.Addr
	size, count    int
}

func newStream(id uint32, x Send, in *intent.Intent) *stream {
	from, _ := in.Endpoint(x.From)
	s := &stream{id: id, from: x.From, to: x.To, srcMAC: from.MAC, size: max(x.Size, payloadHeader), count: max(x.Count, 1)}
	if x.Size == 0 {
		s.size = defaultSize
	}
	if to, ok := in.Endpoint(x.To); ok {
		s.dstMAC = to.MAC
		s.src, s.dst, _ = commonAddresses(from, to)
		return s
	}
	s.dstMAC = ethernet.Broadcast()
	s.src, s.dst = netip.IPv4Unspecified(), netip.AddrFrom4([4]byte{255, 255, 255, 255})
	for _, a := range from.Addresses {
		if a.Is4() {
			s.src = a
			break
		}
	}
	return s
}

// frame returns the frame of a sequence number, without a tag. It is a function of the stream and the number alone, so that what arrives
// can be held against it.
func (s *stream) frame(seq uint32) []byte {
	body := binary.BigEndian.AppendUint32(nil, payloadMark)
	body = binary.BigEndian.AppendUint32(body, s.id)
	body = binary.BigEndian.AppendUint32(body, seq)
	for i := len(body); i < s.size; i++ {
		// Letters, since dissectors guess at protocols by other bytes.
		body = append(body, 'A'+byte((uint32(i)+seq)%26))
	}
	h := udp.Header{SrcPort: firstPort + uint16(s.id%16384), DstPort: discardPort, Length: uint16(udp.HeaderLen + len(body))}
	datagram, _ := h.AppendTo(nil)
	datagram = append(datagram, body...)
	_ = udp.Seal(datagram, s.src, s.dst)
	return ipFrame(s.dstMAC, s.srcMAC, s.src, s.dst, ip.ProtocolUDP, hostTTL, datagram)
}

// ipFrame returns an Ethernet frame with an IP packet of the family of its addresses. Its values come from a checked lab and
// fit their fields.
func ipFrame(dstMAC, srcMAC ethernet.MAC, src, dst netip.Addr, p ip.Protocol, ttl uint8, payload []byte) []byte {
	eth := ethernet.Header{Dst: dstMAC, Src: srcMAC, Type: ethernet.TypeIPv4}
	if src.Is6() {
		eth.Type = ethernet.TypeIPv6
	}
	b, _ := eth.AppendTo(nil)
	if src.Is6() {
		h := ip.V6{PayloadLen: uint16(len(payload)), NextHeader: p, HopLimit: ttl, Src: src, Dst: dst}
		b, _ = h.AppendTo(b)
	} else {
		h := ip.V4{TotalLen: uint16(ip.V4HeaderLen + len(payload)), DontFragment: true, TTL: ttl, Protocol: p, Src: src, Dst: dst}
		b, _ = h.AppendTo(b)
	}
	return append(b, payload...)
}

// packet is the part of a frame that hosts look at.
type packet struct {
	eth      ethernet.Header
	src, dst netip.Addr
	protocol ip.Protocol
	payload  []byte // of IP; of ARP the whole of it
}

// parseFrame takes a frame apart. A frame that is neither IP nor ARP has no protocol and no addresses.
func parseFrame(b []byte) (packet, bool) {
	var p packet
	rest, err := p.eth.Decode(b)
	if err != nil {
		return packet{}, false
	}
	switch p.eth.Type {
	case ethernet.TypeIPv4:
		var h ip.V4
		if rest, err = h.Decode(rest); err == nil {
			rest, err = h.Payload(rest)
		}
		p.src, p.dst, p.protocol = h.Src, h.Dst, h.Protocol
	case ethernet.TypeIPv6:
		var h ip.V6
		if rest, err = h.Decode(rest); err == nil {
			rest, err = h.Payload(rest)
		}
		p.src, p.dst, p.protocol = h.Src, h.Dst, h.NextHeader
	}
	p.payload = rest
	return p, err == nil
}

// streamOf returns stream and sequence number of a frame that a Send made.
func streamOf(frame []byte) (id, seq uint32, ok bool) {
	p, ok := parseFrame(frame)
	if !ok || p.protocol != ip.ProtocolUDP || len(p.payload) < udp.HeaderLen+payloadHeader {
		return 0, 0, false
	}
	body := p.payload[udp.HeaderLen:]
	if binary.BigEndian.Uint32(body) != payloadMark {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(body[4:]), binary.BigEndian.Uint32(body[8:]), true
}

// Types of ARP and ICMP messages, and the option of Neighbor Discovery that carries a link-layer address (RFC 826, 792, 4443, 4861).
const (
	arpRequest  = 1
	arpReply    = 2
	echoReplyV4 = 0
	echoV4      = 8
	echoV6      = 128
	echoReplyV6 = 129
	solicit     = 135
	advertise   = 136
	sourceLink  = 1
	targetLink  = 2
)

// arp returns an ARP message from a host; target is zero in a request.
func arp(op uint16, sender ethernet.MAC, senderIP netip.Addr, target ethernet.MAC, targetIP netip.Addr) []byte {
	eth := ethernet.Header{Dst: target, Src: sender, Type: ethernet.TypeARP}
	if op == arpRequest {
		eth.Dst = ethernet.Broadcast()
	}
	b, _ := eth.AppendTo(nil)
	b = append(b, 0, 1, 8, 0, 6, 4)
	b = binary.BigEndian.AppendUint16(b, op)
	b = append(append(b, sender[:]...), senderIP.AsSlice()...)
	return append(append(b, target[:]...), targetIP.AsSlice()...)
}

// neighborMessage returns a Neighbor Solicitation to the target's solicited-node group, or an Advertisement to the one who asked.
func neighborMessage(kind uint8, sender ethernet.MAC, src, target netip.Addr, to ethernet.MAC, dst netip.Addr) []byte {
	option, flags := uint8(sourceLink), uint8(0)
	if kind == advertise {
		option, flags = targetLink, 0x60 // solicited, override
	} else {
		t := target.As16()
		dst = netip.AddrFrom16([16]byte{0xff, 2, 11: 1, 12: 0xff, 13: t[13], 14: t[14], 15: t[15]})
		to = ethernet.MAC{0x33, 0x33, 0xff, t[13], t[14], t[15]}
	}
	m := append([]byte{kind, 0, 0, 0, flags, 0, 0, 0}, target.AsSlice()...)
	m = append(append(m, option, 1), sender[:]...)
	binary.BigEndian.PutUint16(m[2:], ip.ICMPv6Checksum(src, dst, m))
	return ipFrame(to, sender, src, dst, ip.ProtocolICMPv6, 255, m)
}

// echo returns an echo request or reply of either family. body begins behind the checksum: identifier, sequence number, data.
func echo(reply bool, srcMAC, dstMAC ethernet.MAC, src, dst netip.Addr, body []byte) []byte {
	if src.Is6() {
		kind := uint8(echoV6)
		if reply {
			kind = echoReplyV6
		}
		m := append([]byte{kind, 0, 0, 0}, body...)
		binary.BigEndian.PutUint16(m[2:], ip.ICMPv6Checksum(src, dst, m))
		return ipFrame(dstMAC, srcMAC, src, dst, ip.ProtocolICMPv6, hostTTL, m)
	}
	kind := uint8(echoV4)
	if reply {
		kind = echoReplyV4
	}
	m := append([]byte{kind, 0, 0, 0}, body...)
	binary.BigEndian.PutUint16(m[2:], ip.Checksum(m))
	return ipFrame(dstMAC, srcMAC, src, dst, ip.ProtocolICMP, hostTTL, m)
}
