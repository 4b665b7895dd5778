package conformance

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/nve"
)

// One frame as it stands on the wires, to have seen one.
func TestReceiveBytes(t *testing.T) {
	tenant := unhex(`
		020000 00b101 020000 00b103 0800
		4500 0032 0000 4000 4011 e297 ac100001 ac100002
		3039 0035 001e 21c0 a0a1 a2a3 a4a5 a6a7 a8a9 aaab acad aeaf b0b1 b2b3 b4b5`)
	underlay := unhex(`
		020000 000a01 020000 000b01 0800
		4500 0074 0000 4000 4011 2677 0a000002 0a000001
		c001 17c1 0060 66cf
		04 40 6558 006400 00
		0102 80 01 0003 0001
		ff00 01 01 abcd 0014`)
	frame := be(underlay, tenant)
	if built := (tunnel{
		vni: blue, flags: critical, options: be(contextOption(3, 1), groupOption(20)),
		inner: blueFrame(t),
	}).bytes(); !sameFrame(t, frame, built) {
		return
	}
	here(t).check(t, []rule{
		{"Geneve with two options is decapsulated, RFC 8926 3.4", 1, frame, leaves(256, tenant)},
	})
}

// blueFrame is what there sends for blue-3.
func blueFrame(t testing.TB) []byte { return tenant{from: "blue-3", to: "blue-1"}.bytes(t) }

func TestReceiveGeneve(t *testing.T) {
	d := here(t)
	frame := blueFrame(t)
	delivered := leaves(256, frame)
	plain := tunnel{vni: blue, inner: frame}.bytes()
	known := be(contextOption(3, 1), groupOption(20))

	tagged := tenant{from: "blue-3", to: "blue-2"}.bytes(t)
	d.check(t, []rule{
		{"no options, RFC 8926 3.4", 1, plain, delivered},
		{"over IPv6, RFC 8926 3.3", 2, tunnel{v6: true, vni: blue, inner: frame}.bytes(), delivered},
		{"any source port, RFC 8926 3.3", 1, tunnel{vni: blue, flow: 7, inner: frame}.bytes(), delivered},
		{"outer 802.1Q tag, RFC 7637 3.2", 1, tunnel{vni: blue, tag: "8100 e123", inner: frame}.bytes(), delivered},
		{"IPv4 options in the outer header, RFC 791 3.1", 1, tunnel{vni: blue, ipOptions: "94040000 01010101", inner: frame}.bytes(), delivered},
		{"IPv4 header of 60 bytes, RFC 791 3.1", 1, tunnel{vni: blue, ipOptions: "9404000001010101 0101010101010101 0101010101010101 0101010101010101 0101010101010101", inner: frame}.bytes(), delivered},
		{"DSCP stays outside: Pipe model, RFC 8926 4.4.2", 1, tunnel{vni: blue, tos: 46 << 2, inner: frame}.bytes(), delivered},
		{"reserved bits are ignored, RFC 8926 3.4", 1, tunnel{vni: blue, flags: 0x3f, last: 0xff, inner: frame}.bytes(), delivered},
		{"reserved bits with options, RFC 8926 3.4", 1, tunnel{vni: blue, flags: critical | 0x3f, last: 0xff, options: known, inner: frame}.bytes(), delivered},
		{"reserved bits of options are ignored, RFC 8926 3.5", 1,
			tunnel{vni: blue, flags: critical, options: with(with(known, 3, "e1"), 11, "a1"), inner: frame}.bytes(), delivered},
		{"the port's own tag is put on", 1, tunnel{vni: blue, inner: tagged}.bytes(),
			leaves(257, tenant{from: "blue-3", to: "blue-2", tag: "8100 0007"}.bytes(t))},
		{"C=1 without options has nothing critical, RFC 8926 3.4", 1, tunnel{vni: blue, flags: critical, inner: frame}.bytes(), delivered},

		{"unknown version is dropped by an endpoint, RFC 8926 3.4", 1, tunnel{vni: blue, version: 1, inner: frame}.bytes(), dropped("not-a-tunnel")},
		{"version 3 as well, RFC 8926 3.4", 1, tunnel{vni: blue, version: 3, inner: frame}.bytes(), dropped("not-a-tunnel")},
		{"payload that is no Ethernet frame", 1, tunnel{vni: blue, protocol: 0x0800, inner: frame[14:]}.bytes(), dropped("not-a-tunnel")},
		{"UDP port that is not Geneve's", 1, tunnel{vni: blue, inner: frame, edit: func(b []byte) { b[3]++ }}.bytes(), dropped("not-a-tunnel")},
		{"neither UDP nor GRE", 1, be(plain[:14], ipv4Of(plain, 6)), dropped("not-a-tunnel")},
		{"neither IPv4 nor IPv6", 1, with(plain, 12, "0806"), dropped("not-a-tunnel")},
		{"provider address of another", 1, tunnel{vni: blue, to: address("10.0.0.9"), inner: frame}.bytes(), dropped("not-local")},
		{"inner 802.1Q tag, RFC 8926 4.7", 1, tunnel{vni: blue, inner: tenant{from: "blue-3", to: "blue-1", tag: "8100 0007"}.bytes(t)}.bytes(), dropped("inner-vlan")},
		{"inner 802.1ad tag, RFC 8926 4.7", 1, tunnel{vni: blue, inner: tenant{from: "blue-3", to: "blue-1", tag: "88a8 0007"}.bytes(t)}.bytes(), dropped("inner-vlan")},
		{"a multicast frame goes to the local ports only", 1, tunnel{vni: blue, inner: with(frame, 0, "ffffffffffff")}.bytes(),
			also(leaves(256, with(frame, 0, "ffffffffffff")),
				leaves(257, with(tenant{from: "blue-3", to: "blue-1", tag: "8100 0007"}.bytes(t), 0, "ffffffffffff")))},
		{"what does not parse further is still a frame", 1, tunnel{vni: blue, inner: tenant{from: "blue-3", to: "blue-1", payload: unhex("0800 45")}.bytes(t)}.bytes(),
			leaves(256, tenant{from: "blue-3", to: "blue-1", payload: unhex("0800 45")}.bytes(t))},
		{"14 bytes are a frame too", 1, tunnel{vni: blue, inner: frame[:14]}.bytes(), leaves(256, frame[:14])},
	})
}

// ipv4Of returns the IPv4 packet of an untagged frame with another protocol.
func ipv4Of(frame []byte, protocol byte) []byte {
	b := be(frame[offsetIP:])
	b[9] = protocol
	reseal(b)
	return b
}

// Who may send, and to what.
func TestReceiveWhoAndWhere(t *testing.T) {
	d := here(t)
	frame := blueFrame(t)
	stranger := address("10.0.0.66")
	unknownVN := tunnel{vni: 999, inner: frame}.bytes()
	unknownMAC := tunnel{vni: blue, inner: with(frame, 0, "0200000000ff")}.bytes()
	moved := tunnel{v6: true, vni: blue, inner: tenant{from: "blue-4", to: "blue-3"}.bytes(t)}.bytes()
	oam := tunnel{vni: blue, flags: control, inner: frame}.bytes()
	oamOther := tunnel{vni: blue, flags: control, protocol: 0x8902, inner: unhex("e0010000")}.bytes()
	oamEmpty := tunnel{vni: blue, flags: control | critical, options: be("ff11 81 00"), protocol: 0x8902}.bytes()
	d.check(t, []rule{
		{"a provider address that is no NVE of the VN", 1, tunnel{vni: blue, from: stranger, inner: frame}.bytes(), dropped("source")},
		{"one of the other family", 1, tunnel{vni: blue, from: address("10.0.0.3"), inner: frame}.bytes(), dropped("source")},
		{"an NVE that is not in this VN", 2, tunnel{v6: true, vni: green, inner: frame}.bytes(), dropped("source")},
		{"unknown VN", 1, unknownVN, punted("unknown-vn", 1, unknownVN)},
		{"unknown endpoint", 1, unknownMAC, punted("unknown-endpoint", 1, unknownMAC)},
		{"endpoint that is behind another NVE", 2, moved, punted("moved", 2, moved)},
		{"O=1 is for the endpoint itself, RFC 8926 3.4", 1, oam, punted("oam", 1, oam)},
		{"O=1 whatever the payload is, RFC 8926 3.4", 1, oamOther, punted("oam", 1, oamOther)},
		{"O=1 without a payload, RFC 8926 3.4", 1, oamEmpty, punted("oam", 1, oamEmpty)},
		{"O=1 with options that the packet does not have", 1, tunnel{vni: blue, flags: control, options: unknown(4),
			edit: func(b []byte) { b[8] = 0x3f }}.bytes(), dropped("malformed")},
		{"O=1 for another address", 1, tunnel{vni: blue, to: stranger, flags: control, inner: frame}.bytes(), dropped("not-local")},
	})
}

// RFC 768, RFC 8200 8.1, RFC 8926 3.3 and 4.3.
func TestReceiveUDPChecksum(t *testing.T) {
	frame := blueFrame(t)
	delivered := leaves(256, frame)
	wrong := func(b []byte, at int) []byte {
		binary.BigEndian.PutUint16(b[at:], binary.BigEndian.Uint16(b[at:])^0x0100)
		return b
	}
	// Whose checksum would come out as 0, so that 0xffff stands for it.
	ones := func(v6 bool) []byte {
		at := offsetUDP + 6
		if v6 {
			at = offsetUDP6 + 6
		}
		for flow := uint16(1); flow != 0; flow++ {
			b := tunnel{v6: v6, vni: blue, flow: flow, inner: frame}.bytes()
			if b[at] == 0xff && b[at+1] == 0xff {
				return b
			}
		}
		t.Fatal("no flow has that checksum")
		return nil
	}
	odd := tenant{from: "blue-3", to: "blue-1", size: 23}.bytes(t)
	here(t).check(t, []rule{
		{"right over IPv4 is accepted, RFC 8926 3.3", 1, tunnel{vni: blue, inner: frame}.bytes(), delivered},
		{"right over an odd number of bytes, RFC 768", 1, tunnel{vni: blue, inner: odd}.bytes(), leaves(256, odd)},
		{"right over IPv6, RFC 8926 4.3", 2, tunnel{v6: true, vni: blue, inner: frame}.bytes(), delivered},
		{"0xffff over IPv4 stands for 0, RFC 768", 1, ones(false), delivered},
		{"0xffff over IPv6 stands for 0, RFC 8200 8.1", 2, ones(true), delivered},
		{"zero over IPv4: none was computed, RFC 768", 1, tunnel{vni: blue, noChecksum: true, inner: frame}.bytes(), delivered},
		{"zero over IPv6 without agreement, RFC 8926 4.3.1", 2, tunnel{v6: true, vni: blue, noChecksum: true, inner: frame}.bytes(), dropped("checksum")},
		{"zero over IPv6 is not punted either, RFC 6936 4", 2, tunnel{v6: true, vni: 999, noChecksum: true, inner: frame}.bytes(), dropped("checksum")},
		{"zero over IPv6 with O=1, RFC 6936 4", 2, tunnel{v6: true, vni: blue, flags: control, noChecksum: true, inner: frame}.bytes(), dropped("checksum")},
		{"wrong over IPv4, RFC 8926 3.3", 1, wrong(tunnel{vni: blue, inner: frame}.bytes(), offsetUDP+6), dropped("checksum")},
		{"wrong over IPv6, RFC 8926 3.3", 2, wrong(tunnel{v6: true, vni: blue, inner: frame}.bytes(), offsetUDP6+6), dropped("checksum")},
		{"a flipped bit of the VNI", 1, with(tunnel{vni: blue, inner: frame}.bytes(), offsetGeneve+4, "00 65"), dropped("checksum")},
		{"a flipped bit in the last byte of the payload", 1, wrong(tunnel{vni: blue, inner: frame}.bytes(), len(frame)+offsetOptions-2), dropped("checksum")},
	})

	t.Run("agreed", func(t *testing.T) {
		s := setup{intent: edge(t), device: "here"}
		third := address("fd00::3")
		s.more = []tables.Entity{must(t)(nve.SourceNVEKey{VNI: blue, Address: third}.Allow(3, true))}
		start(t, s).check(t, []rule{
			{"zero over IPv6 by agreement, RFC 8926 4.3.1", 2, tunnel{v6: true, vni: blue, noChecksum: true, inner: frame}.bytes(), delivered},
			{"wrong is wrong still, RFC 8926 3.3", 2, wrong(tunnel{v6: true, vni: blue, inner: frame}.bytes(), offsetUDP6+6), dropped("checksum")},
		})
	})
}

// Lengths and checksums of the outer IP header.
func TestReceiveOuterIP(t *testing.T) {
	d := here(t)
	plain := tunnel{vni: blue, inner: blueFrame(t)}.bytes()
	plain6 := tunnel{v6: true, vni: blue, inner: blueFrame(t)}.bytes()
	lie := func(total int) []byte { // an IPv4 header that is right but for its length
		b := with(plain, offsetIP+2, fmt.Sprintf("%04x", len(plain)-14+total))
		reseal(b[offsetIP:])
		return b
	}
	header := func(at int, bytes string) []byte {
		b := with(plain, offsetIP+at, bytes)
		reseal(b[offsetIP:])
		return b
	}
	lie6 := func(n int) []byte { return with(plain6, offsetIP+4, fmt.Sprintf("%04x", len(plain6)-54+n)) }
	lieUDP := func(n int) []byte { // and the checksum left out, so that it is the length alone
		return with(with(plain, offsetUDP+4, fmt.Sprintf("%04x", len(plain)-34+n)), offsetUDP+6, "0000")
	}
	d.check(t, []rule{
		{"IPv4 header checksum wrong, RFC 1122 3.2.1.2", 1, with(plain, offsetIP+10, "dead"), dropped("checksum")},
		{"IPv4 total length too great, RFC 1122 3.2.1", 1, lie(1), dropped("malformed")},
		{"IPv4 total length too small, RFC 1122 3.2.1", 1, lie(-1), dropped("malformed")},
		{"IPv6 payload length too great, RFC 8200 3", 2, lie6(1), dropped("malformed")},
		{"IPv6 payload length too small, RFC 8200 3", 2, lie6(-1), dropped("malformed")},
		{"UDP length too great, RFC 768", 1, lieUDP(1), dropped("malformed")},
		{"UDP length too small, RFC 768", 1, lieUDP(-1), dropped("malformed")},
		{"UDP length 0, RFC 768", 1, lieUDP(34 - len(plain)), dropped("malformed")},
		{"IPv4 version that is not 4, RFC 1122 3.2.1.1", 1, header(0, "55"), dropped("malformed")},
		{"IPv4 header of less than 20 bytes, RFC 791 3.1", 1, header(0, "44"), dropped("malformed")},
		{"IPv6 version that is not 6, RFC 8200 3", 2, with(plain6, offsetIP, "40"), dropped("malformed")},
		{"first fragment, RFC 8926 4.4.1", 1, tunnel{vni: blue, fragment: 0x2000, inner: blueFrame(t)}.bytes(), dropped("fragment")},
		{"first fragment, whose UDP checksum is of more than came", 1,
			with(tunnel{vni: blue, fragment: 0x2000, inner: blueFrame(t)}.bytes(), offsetUDP+4, "ffff dead"), dropped("fragment")},
		{"later fragment, RFC 8926 4.4.1", 1, tunnel{vni: blue, fragment: 0x0010, inner: blueFrame(t)}.bytes(), dropped("fragment")},
		{"fragment over IPv6, RFC 8200 4.5", 2, with(plain6, offsetIP+6, "2c"), dropped("fragment")},
		{"without DF, RFC 791 3.1", 1, header(6, "0000"), leaves(256, blueFrame(t))},
	})
}
