package miss_test

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/nvgre"
	"github.com/keyway-nve/keyway/proto/udp"
)

const vni = 0x5001

type endpoint struct {
	vni geneve.VNI
	mac ethernet.MAC
}

// network is what an NVA knows, as plain data.
type network struct {
	devices []intent.Device
	at      map[endpoint]string
	members map[geneve.VNI][]string
	sends   map[miss.Place]netip.Addr
	ways    map[string]map[netip.Addr]miss.Way
}

func (n *network) Device(name string) (intent.Device, bool) {
	i := slices.IndexFunc(n.devices, func(d intent.Device) bool { return d.Name == name })
	if i < 0 {
		return intent.Device{}, false
	}
	return n.devices[i], true
}

func (n *network) Owner(pa netip.Addr) (intent.Device, bool) {
	i := slices.IndexFunc(n.devices, func(d intent.Device) bool { return slices.Contains(d.ProviderAddresses, pa) })
	if i < 0 {
		return intent.Device{}, false
	}
	return n.devices[i], true
}

func (n *network) Location(vni geneve.VNI, mac ethernet.MAC) (string, bool) {
	d, ok := n.at[endpoint{vni, mac}]
	return d, ok
}

func (n *network) Member(vni geneve.VNI, device string) bool {
	return slices.Contains(n.members[vni], device)
}

func (n *network) Sends(p miss.Place) (netip.Addr, bool) {
	pa, ok := n.sends[p]
	return pa, ok
}

func (n *network) Way(device string, pa netip.Addr) (miss.Way, bool) {
	w, ok := n.ways[device][pa]
	return w, ok
}

// change returns the device of that name, to be changed in place.
func (n *network) change(name string) *intent.Device {
	return &n.devices[slices.IndexFunc(n.devices, func(d intent.Device) bool { return d.Name == name })]
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func mac(last byte) ethernet.MAC { return ethernet.MAC{0x02, 0, 0, 0, 0, last} }

var (
	a4, b4, c4, d4 = addr("192.0.2.1"), addr("192.0.2.2"), addr("192.0.2.3"), addr("192.0.2.4")
	a6, b6, c6     = addr("2001:db8::1"), addr("2001:db8::2"), addr("2001:db8::3")

	// The endpoints: vm1 behind a, vm2 behind b, or moved from b to c.
	vm1, vm2, vm3 = mac(0x11), mac(0x12), mac(0x13)

	start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
)

// newNetwork returns three NVEs on both families, a, b and c, and d on IPv4 alone, which is not in the VN. Every device hangs by port 1
// on one spine. a sends to vm2 at b, where it is.
func newNetwork() *network {
	n := &network{
		at:      map[endpoint]string{{vni, vm1}: "a", {vni, vm2}: "b"},
		members: map[geneve.VNI][]string{vni: {"a", "b", "c"}},
		sends:   map[miss.Place]netip.Addr{{Device: "a", VNI: vni, MAC: vm2}: b4, {Device: "b", VNI: vni, MAC: vm1}: a4},
		ways:    make(map[string]map[netip.Addr]miss.Way),
	}
	pas := []netip.Addr{a4, b4, c4, d4, a6, b6, c6}
	for i, name := range []string{"a", "b", "c", "d"} {
		d := intent.Device{
			Name: name, Role: intent.RoleNVE, MAC: mac(byte(0xa0 + i)), ProviderAddresses: []netip.Addr{pas[i]},
			P4Runtime: intent.Target{Address: name + ":9559", DeviceID: uint64(i)},
			NVGREExt:  intent.NVGREExt{Redirect: true, Unreachable: true, Policy: intent.Provisional},
		}
		if i < 3 {
			d.ProviderAddresses = append(d.ProviderAddresses, pas[4+i])
		}
		n.devices = append(n.devices, d)
		n.ways[name] = make(map[netip.Addr]miss.Way)
		for _, pa := range pas {
			n.ways[name][pa] = miss.Way{Port: 1, Source: mac(byte(0xb0 + i)), NextHop: mac(0xff)}
		}
	}
	return n
}

// packet is a tunnelled packet to be written out, with all that a test may want wrong.
type packet struct {
	link                 ethernet.Header
	src, dst             netip.Addr
	vni                  geneve.VNI
	inner                ethernet.Header
	tenantSrc, tenantDst netip.Addr // no IP inside if not valid
	payload              int
	geneve               bool
	control              bool // Geneve O=1
	fragOffset           uint16
}

// sent is the packet from vm1 behind a to vm2 at b.
func sent() packet {
	return packet{
		link: ethernet.Header{Dst: mac(0xb1), Src: mac(0xff)}, src: a4, dst: b4, vni: vni,
		inner:     ethernet.Header{Dst: vm2, Src: vm1, Type: ethernet.TypeIPv4},
		tenantSrc: addr("10.0.0.1"), tenantDst: addr("10.0.0.2"), payload: 64,
	}
}

func sent6() packet {
	p := sent()
	p.src, p.dst = a6, b6
	p.inner.Type, p.tenantSrc, p.tenantDst = ethernet.TypeIPv6, addr("fd00::1"), addr("fd00::2")
	return p
}

func sentGeneve() packet {
	p := sent()
	p.geneve = true
	return p
}

func sentGeneve6() packet {
	p := sent6()
	p.geneve = true
	return p
}

func must(t testing.TB, b []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func appendIP(t testing.TB, b []byte, src, dst netip.Addr, proto ip.Protocol, frag uint16, payload []byte) []byte {
	t.Helper()
	var err error
	if src.Is4() {
		h := ip.V4{TotalLen: uint16(ip.V4HeaderLen + len(payload)), TTL: 64, Protocol: proto, Src: src, Dst: dst, FragOffset: frag}
		b, err = h.AppendTo(b)
	} else {
		h := ip.V6{PayloadLen: uint16(len(payload)), HopLimit: 64, NextHeader: proto, Src: src, Dst: dst}
		b, err = h.AppendTo(b)
	}
	return append(must(t, b, err), payload...)
}

func (p packet) frame(t testing.TB) []byte {
	t.Helper()
	inner, err := p.inner.AppendTo(nil)
	inner = must(t, inner, err)
	tenant := make([]byte, p.payload)
	for i := range tenant {
		tenant[i] = byte(i)
	}
	if p.tenantSrc.IsValid() {
		inner = appendIP(t, inner, p.tenantSrc, p.tenantDst, ip.ProtocolUDP, 0, tenant)
	} else {
		inner = append(inner, tenant...)
	}
	var b []byte
	proto := ip.ProtocolGRE
	if p.geneve {
		proto = ip.ProtocolUDP
		g := geneve.Header{VNI: p.vni, Protocol: ethernet.TypeTEB, Control: p.control}
		u := udp.Header{SrcPort: 50000, DstPort: geneve.Port}
		b, _ = u.AppendTo(nil)
		b, err = g.AppendTo(b)
		b = append(must(t, b, err), inner...)
		if err := udp.Seal(b, p.src, p.dst); err != nil {
			t.Fatal(err)
		}
	} else {
		h := nvgre.Header{VSID: nvgre.VSID(p.vni), FlowID: 7}
		b, err = h.AppendTo(nil)
		b = append(must(t, b, err), inner...)
	}
	p.link.Type = ethernet.TypeIPv6
	if p.src.Is4() {
		p.link.Type = ethernet.TypeIPv4
	}
	link, err := p.link.AppendTo(nil)
	return appendIP(t, must(t, link, err), p.src, p.dst, proto, p.fragOffset, b)
}

func punt(t testing.TB, device string, r miss.Reason, p packet) miss.Punt {
	t.Helper()
	return miss.Punt{Device: device, Reason: r, Port: 1, Frame: p.frame(t), At: start}
}

func (p packet) vsid() nvgre.VSID { return nvgre.VSID(p.vni) }

// fixIPv4 writes the right checksum into an IPv4 header without options.
func fixIPv4(b []byte) {
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint16(b[10:], ip.Checksum(b[:20]))
}

// fixICMP writes the right checksum into the ICMP message of a frame over IPv4.
func fixICMP(frame []byte) {
	b := frame[icmpAt:]
	b[2], b[3] = 0, 0
	binary.BigEndian.PutUint16(b[2:], ip.Checksum(b))
}
