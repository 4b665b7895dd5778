package conformance

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/netip"
	"testing"

	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/nve"
)

// flowHash is that of the tenant's flow: a CRC-32 over MACs, ether type,
// addresses (of IPv4 as ::ffff:0:0/96), protocol and ports of an untagged frame.
// What a frame does not have counts as 0.
func flowHash(frame []byte) uint32 {
	var src, dst [16]byte
	var protocol uint8
	var ports [4]byte
	transport := len(frame)
	switch {
	case len(frame) >= 34 && binary.BigEndian.Uint16(frame[12:]) == 0x0800:
		src, dst = netip.AddrFrom4([4]byte(frame[26:30])).As16(), netip.AddrFrom4([4]byte(frame[30:34])).As16()
		protocol = frame[23]
		if frame[14] == 0x45 && binary.BigEndian.Uint16(frame[20:])&0x3fff == 0 { // the whole packet
			transport = 34
		}
	case len(frame) >= 54 && binary.BigEndian.Uint16(frame[12:]) == 0x86dd:
		src, dst = [16]byte(frame[22:38]), [16]byte(frame[38:54])
		protocol, transport = frame[20], 54
	}
	if (protocol == 6 || protocol == 17) && len(frame) >= transport+4 {
		ports = [4]byte(frame[transport:])
	}
	return crc32.ChecksumIEEE(be(frame[:14], src[:], dst[:], protocol, ports[:]))
}

// toThere is a tunnel frame as here sends it by port 1, toThird one by port 2.
func toThere(u tunnel) []byte {
	u.from, u.to = address("10.0.0.1"), address("10.0.0.2")
	return u.entropic("020000000b01 020000000a01")
}

func toThird(u tunnel) []byte {
	u.v6, u.from, u.to = true, address("fd00::1"), address("fd00::3")
	return u.entropic("020000000c01 020000000a02")
}

// entropic fills in what follows from the tenant's flow: RFC 8926 3.3 and
// RFC 6438 for Geneve, RFC 7637 3.2 for NVGRE.
func (u tunnel) entropic(macs string) []byte {
	hash := flowHash(u.inner)
	u.flow = 0xc000 | uint16(hash&0x3fff)
	if u.gre {
		u.last = uint8(hash)
	}
	b := with(u.bytes(), 0, macs)
	if u.v6 {
		b = with(b, offsetIP+1, fmt.Sprintf("%02x%04x", b[offsetIP+1]&0xf0|byte(hash>>16&0xf), hash&0xffff))
	}
	return b
}

// One frame as it stands on the wires, to have seen one.
func TestSendBytes(t *testing.T) {
	tenant := unhex(`
		020000 00b103 020000 00b101 0800
		4500 0032 0000 4000 4011 e297 ac100001 ac100002
		3039 0035 001e 21c0 a0a1 a2a3 a4a5 a6a7 a8a9 aaab acad aeaf b0b1 b2b3 b4b5`)
	underlay := unhex(`
		020000 000b01 020000 000a01 0800
		4500 007c 0000 4000 4011 266f 0a000001 0a000002
		` + fmt.Sprintf("%04x", 0xc000|flowHash(tenant)&0x3fff) + ` 17c1 0068 0000
		06 40 6558 006400 00
		ff00 01 01 abcd 000a
		0102 80 01 0001 0003
		ff00 02 01 0000 0001`)
	want := be(underlay, tenant)
	if err := sealUDP(want[offsetUDP:], "10.0.0.1", "10.0.0.2"); err != nil {
		t.Fatal(err)
	}
	here(t).check(t, []rule{
		{"Geneve with three options is made, RFC 8926 3", 256, tenant, leaves(1, want)},
	})
}

func TestSendGeneve(t *testing.T) {
	d := here(t)
	sequence := uint32(0)
	to3 := func(group, logical uint16, inner []byte) outcome { // what there is sent
		sequence++
		return leaves(1, toThere(tunnel{vni: blue, flags: critical, inner: inner,
			tos:     inner[offsetTOS(inner)] & offsetTOSMask(inner),
			options: be(groupOption(group), contextOption(logical, 3), sequenceOption(sequence))}))
	}
	plain := tenant{from: "blue-1", to: "blue-3"}
	tagged := tenant{from: "blue-2", to: "blue-3"}
	arp := tenant{from: "blue-1", to: "blue-3", payload: unhex("0806 0001 0800 0604 0001 02000000b101 ac100001 000000000000 ac100002")}.bytes(t)
	v6 := tenant{from: "blue-1", to: "blue-3", v6: true}.bytes(t)
	tcp := plain.bytes(t)
	tcp[23] = 6
	reseal(tcp[14:])
	first, later := plain.bytes(t), plain.bytes(t)
	copy(first[20:], []byte{0x20, 0x00})
	copy(later[20:], []byte{0x00, 0x05})
	reseal(first[14:])
	reseal(later[14:])
	// A tenant's own tunnels are frames like any other (RFC 8926 6).
	geneve := be(endpoint(t, "blue-3"), endpoint(t, "blue-1"), tunnel{vni: green, flags: control, inner: greenFrame(t)}.bytes()[12:])
	nvgre := be(endpoint(t, "blue-3"), endpoint(t, "blue-1"), tunnel{gre: true, vni: 0xffffff, inner: greenFrame(t)}.bytes()[12:])
	vxlan := be(endpoint(t, "blue-3"), endpoint(t, "blue-1"), tunnel{vni: green, inner: greenFrame(t), edit: func(b []byte) { copy(b[2:], be(uint16(4789))) }}.bytes()[12:])
	untagged := tagged.bytes(t)
	ports := be("ff00 04 01", uint16(256), uint16(2))

	rules := []rule{
		{"IPv4 inside IPv4", 256, plain.bytes(t), to3(10, 1, plain.bytes(t))},
		{"the sequence number counts the tunnel's packets", 256, plain.bytes(t), to3(10, 1, plain.bytes(t))},
		{"IPv6 inside IPv4", 256, v6, to3(10, 1, v6)},
		{"a frame that is not IP", 256, arp, to3(10, 1, arp)},
		{"TCP has ports too", 256, tcp, to3(10, 1, tcp)},
		{"the tenant's tag is the VN's, and ends here, RFC 8926 4.7", 257,
			tenant{from: "blue-2", to: "blue-3", tag: "8100 e007"}.bytes(t), to3(20, 2, untagged)},
		{"a priority tag is no VLAN, IEEE 802.1Q 6.9", 256,
			tenant{from: "blue-1", to: "blue-3", tag: "8100 e000"}.bytes(t), to3(10, 1, plain.bytes(t))},
		{"a tenant's Geneve packet is payload, RFC 8926 6", 256, geneve, to3(10, 1, geneve)},
		{"a tenant's NVGRE packet is payload, RFC 7637 5", 256, nvgre, to3(10, 1, nvgre)},
		{"a tenant's VXLAN packet is payload", 256, vxlan, to3(10, 1, vxlan)},
		{"a tenant's first fragment goes by no ports", 256, first, to3(10, 1, first)},
		{"nor do the later ones: all go one way", 256, later, to3(10, 1, later)},
		{"IPv4 inside IPv6, another layout", 256, tenant{from: "blue-1", to: "blue-4"}.bytes(t),
			leaves(2, toThird(tunnel{vni: blue, options: ports, inner: tenant{from: "blue-1", to: "blue-4"}.bytes(t)}))},
		{"IPv6 inside IPv6", 256, tenant{from: "blue-1", to: "blue-4", v6: true}.bytes(t),
			leaves(2, toThird(tunnel{vni: blue, options: ports, inner: tenant{from: "blue-1", to: "blue-4", v6: true}.bytes(t)}))},
	}
	d.check(t, rules)
}

// offsetTOS and its mask find the ECN field of a tenant's frame.
func offsetTOS(frame []byte) int { return tenantOffsetIP + 1 }

func offsetTOSMask(frame []byte) byte {
	if binary.BigEndian.Uint16(frame[12:]) == 0x0800 {
		return 3
	}
	return 0
}

// What stays on this NVE, or goes nowhere.
func TestSendLocally(t *testing.T) {
	d := here(t)
	self := tenant{from: "blue-1", to: "blue-1"}.bytes(t)
	stranger := with(tenant{from: "blue-1", to: "blue-3"}.bytes(t), 0, "0200000000ff")
	tagged := be(tenant{from: "blue-2", to: "blue-3"}.bytes(t)[:12], "8100 a007", unhex("0800 4500"))
	tagged = with(tagged, 0, "0200000000ff")
	d.check(t, []rule{
		{"to a tagged port of the VN", 256, tenant{from: "blue-1", to: "blue-2"}.bytes(t),
			leaves(257, tenant{from: "blue-1", to: "blue-2", tag: "8100 0007"}.bytes(t))},
		{"from a tagged port of the VN", 257, tenant{from: "blue-2", to: "blue-1", tag: "8100 0007"}.bytes(t),
			leaves(256, tenant{from: "blue-2", to: "blue-1"}.bytes(t))},
		{"not back by the same port, IEEE 802.1Q 8.6.1", 256, self, dropped("pruned")},
		{"not to another VN", 256, tenant{from: "blue-1", to: "red-1"}.bytes(t),
			punted("no-destination", 256, tenant{from: "blue-1", to: "red-1"}.bytes(t))},
		{"unknown destination is punted", 256, stranger, punted("no-destination", 256, stranger)},
		{"and keeps the tag that tells its VN", 257, tagged, punted("no-destination", 257, tagged)},
		{"a tag that the port does not have", 256, tenant{from: "blue-1", to: "blue-3", tag: "8100 0007"}.bytes(t), dropped("attachment")},
		{"no tag where the port has only tagged VNs", 257, tenant{from: "blue-2", to: "blue-3"}.bytes(t), dropped("attachment")},
		{"a port without a VN", 300, tenant{from: "blue-1", to: "blue-3"}.bytes(t), dropped("attachment")},
		{"two tags, RFC 7637 3.3", 257, tenant{from: "blue-2", to: "blue-3", tag: "8100 0007 8100 0008"}.bytes(t), dropped("inner-vlan")},
		{"a service tag behind the port's, RFC 7637 3.3", 257, tenant{from: "blue-2", to: "blue-3", tag: "8100 0007 88a8 0008"}.bytes(t), dropped("inner-vlan")},
		{"a service tag alone, RFC 7637 3.3", 257, tenant{from: "blue-2", to: "blue-3", tag: "88a8 0007"}.bytes(t), dropped("inner-vlan")},
		{"a service tag before the port's, RFC 7637 3.3", 257, tenant{from: "blue-2", to: "blue-3", tag: "88a8 0007 8100 0008"}.bytes(t), dropped("inner-vlan")},
	})
}

// Broadcast and multicast: one copy for each NVE, in its own encapsulation, with
// its own layout (RFC 9638 6.7), and one for each local port but the sender's.
func TestSendFlood(t *testing.T) {
	d := here(t)
	blueFlood := with(tenant{from: "blue-1", to: "blue-3"}.bytes(t), 0, "ffffffffffff")
	blueTagged := be(blueFlood[:12], "8100 0007", blueFlood[12:])
	redFlood := with(tenant{from: "red-1", to: "red-3"}.bytes(t), 0, "01005e000001")
	redTagged := be(redFlood[:12], "8100 0008", redFlood[12:])
	toBlue := func(group, logical uint16, sequence uint32, from uint16) outcome {
		return also(
			leaves(1, toThere(tunnel{vni: blue, flags: critical, inner: blueFlood,
				options: be(groupOption(group), contextOption(logical, 0), sequenceOption(sequence))})),
			leaves(2, toThird(tunnel{vni: blue, inner: blueFlood, options: be("ff00 04 01", from, uint16(2))})),
		)
	}
	toRed := also(leaves(1, toThere(tunnel{gre: true, vni: red, inner: redFlood})),
		leaves(2, toThird(tunnel{gre: true, vni: red, inner: redFlood})))
	d.check(t, []rule{
		{"Geneve, from an untagged port", 256, blueFlood, also(toBlue(10, 1, 1, 256), leaves(257, blueTagged), dropped("pruned"))},
		{"Geneve, from a tagged port", 257, blueTagged, also(toBlue(20, 2, 2, 257), leaves(256, blueFlood), dropped("pruned"))},
		{"NVGRE, RFC 7637 4.2", 258, redFlood, also(toRed, leaves(257, redTagged), dropped("pruned"))},
		{"split horizon: what came by a tunnel leaves by none", 1,
			tunnel{gre: true, vni: red, inner: redFlood}.bytes(), also(leaves(257, redTagged), leaves(258, redFlood))},
		{"a VN with one other NVE", 259, with(tenant{from: "green-1", to: "green-3"}.bytes(t), 0, "333300000001"),
			also(leaves(1, toThere(tunnel{vni: green, flags: critical,
				inner:   with(tenant{from: "green-1", to: "green-3"}.bytes(t), 0, "333300000001"),
				options: be(groupOption(20), contextOption(0, 0), sequenceOption(3))})), dropped("pruned"))},
	})
}

// What the underlay cannot carry whole is dropped, never fragmented
// (RFC 8926 4.4.1, RFC 7637 4.4).
func TestSendMaxFrame(t *testing.T) {
	const mtu = 1300
	d := start(t, setup{intent: edge(t), device: "here", options: render.Options{UnderlayMTU: mtu}})
	for _, tt := range []struct {
		name    string
		port    uint32
		to      tenant
		headers int
	}{
		{"Geneve with 6 words over IPv4", 256, tenant{from: "blue-1", to: "blue-3"}, 20 + 8 + 8 + 24},
		{"Geneve with 2 words over IPv6", 256, tenant{from: "blue-1", to: "blue-4"}, 40 + 8 + 8 + 8},
		{"NVGRE over IPv4", 258, tenant{from: "red-1", to: "red-3"}, 20 + 8},
		{"NVGRE over IPv6", 258, tenant{from: "red-1", to: "red-4"}, 40 + 8},
		{"the tenant's tag does not count", 257, tenant{from: "blue-2", to: "blue-3", tag: "8100 0007"}, 20 + 8 + 8 + 24},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.to.size = mtu - tt.headers - 14 - 28
			out := d.frames(tt.port, tt.to.bytes(t))
			if len(out) != 1 || len(out[0].frame) != 14+mtu {
				t.Fatalf("the longest frame: %d frames %v", len(out), out)
			}
			if _, err := readWire(out[0].frame); err != nil {
				t.Error(err)
			}
			tt.to.size++
			d.check(t, []rule{{"one byte more", tt.port, tt.to.bytes(t), dropped("too-big")}})
		})
	}
}

// Entropy: one flow, one way; many flows, many ways (RFC 8926 3.3).
func TestSendEntropy(t *testing.T) {
	d := here(t)
	send := func(port uint32, f tenant) wireFrame {
		out := d.frames(port, f.bytes(t))
		if len(out) != 1 {
			t.Fatalf("%d frames leave", len(out))
		}
		w, err := readWire(out[0].frame)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	const flows = 128
	ports, labels, ids := map[uint16]bool{}, map[uint32]bool{}, map[uint8]bool{}
	for i := range uint32(flows) {
		f := tenant{from: "blue-1", to: "blue-3", ports: 0x30390000 + i}
		first := send(256, f)
		f.size = 300 // another packet of that flow
		if again := send(256, f); again.udp.SrcPort != first.udp.SrcPort {
			t.Fatalf("flow %d: source port %d, then %d", i, first.udp.SrcPort, again.udp.SrcPort)
		}
		if first.udp.SrcPort < 0xc000 {
			t.Errorf("flow %d: source port %d is not dynamic (RFC 6335 6)", i, first.udp.SrcPort)
		}
		ports[first.udp.SrcPort] = true
		labels[send(256, tenant{from: "blue-1", to: "blue-4", ports: 0x30390000 + i, v6: true}).label] = true
		ids[send(258, tenant{from: "red-1", to: "red-3", ports: 0x30390000 + i}).nvgre.FlowID] = true
	}
	// 128 flows thrown at random hit 127.5 of 2^14 ports, nearly always 128 of
	// 2^20 labels, and 101 of 2^8 flow ids.
	if len(ports) < 120 || len(labels) < 125 || len(ids) < 85 {
		t.Errorf("%d flows: %d source ports, %d flow labels, %d flow ids", flows, len(ports), len(labels), len(ids))
	}
}

// A UDP checksum that comes out as 0 is sent as all ones (RFC 768, RFC 8200 8.1).
func TestSendZeroChecksum(t *testing.T) {
	in := edge(t)
	in.Layouts[0].Options = []string{"group"}
	d := start(t, setup{intent: in, device: "here"})
	for _, tt := range []struct {
		name, to string
		at       int
	}{{"IPv4", "blue-3", offsetUDP + 6}, {"IPv6", "blue-4", offsetUDP6 + 6}} {
		t.Run(tt.name, func(t *testing.T) {
			f := tenant{from: "blue-1", to: tt.to}.bytes(t)
			copy(f[len(f)-2:], []byte{0, 0})
			out := d.frames(256, f)
			if len(out) != 1 {
				t.Fatalf("%d frames leave", len(out))
			}
			// The checksum c is what the sum lacks of all ones: with a word c
			// more in the payload it lacks nothing.
			copy(f[len(f)-2:], out[0].frame[tt.at:tt.at+2])
			out = d.frames(256, f)
			if got := binary.BigEndian.Uint16(out[0].frame[tt.at:]); got != 0xffff {
				t.Errorf("checksum %#04x, want 0xffff", got)
			}
			if _, err := readWire(out[0].frame); err != nil {
				t.Error(err)
			}
		})
	}
}

// Rows that are not there must not make frames that are no good.
func TestSendHalfProgrammed(t *testing.T) {
	for name, table := range map[string]string{
		"layout":        nve.TableSendLayout,
		"tunnel":        nve.TableTunnel,
		"next hop":      nve.TableNeighbor,
		"underlay path": nve.TableUnderlayPath,
	} {
		t.Run(name, func(t *testing.T) {
			d := here(t)
			for _, e := range d.holds(table) {
				d.tamper(tables.Delete, e)
			}
			d.check(t, []rule{{"nothing leaves", 256, tenant{from: "blue-1", to: "blue-3"}.bytes(t), dropped("tunnel")}})
		})
	}
}
