package conformance

import (
	"fmt"
	"testing"
)

func redFrame(t testing.TB) []byte { return tenant{from: "red-3", to: "red-1"}.bytes(t) }

// One frame as it stands on the wires, both ways (RFC 7637 3.2).
func TestNVGREBytes(t *testing.T) {
	received := unhex(`
		020000 00ed01 020000 00ed03 0800
		4500 0032 0000 4000 4011 e297 ac100001 ac100002
		3039 0035 001e 21c0 a0a1 a2a3 a4a5 a6a7 a8a9 aaab acad aeaf b0b1 b2b3 b4b5`)
	sent := with(received, 0, "020000 00ed03 020000 00ed01")
	arriving := be(`
		020000 000a01 020000 000b01 0800
		4500 005c 0000 4000 402f 2671 0a000002 0a000001
		2000 6558 00c800 5a`, received)
	leaving := be(`
		020000 000b01 020000 000a01 0800
		4500 005c 0000 4000 402f 2671 0a000001 0a000002
		2000 6558 00c800`, uint8(flowHash(sent)), sent)
	here(t).check(t, []rule{
		{"received, RFC 7637 3.2", 1, arriving, leaves(258, received)},
		{"sent, RFC 7637 3.2", 258, sent, leaves(1, leaving)},
	})
}

func TestNVGREReceive(t *testing.T) {
	d := here(t)
	frame := redFrame(t)
	delivered := leaves(258, frame)
	in := func(u tunnel) []byte {
		u.gre = true
		if u.vni == 0 {
			u.vni = red
		}
		if u.inner == nil {
			u.inner = frame
		}
		return u.bytes()
	}
	rules := []rule{
		{"over IPv4", 1, in(tunnel{}), delivered},
		{"over IPv6", 2, in(tunnel{v6: true}), delivered},
		{"IPv6 inside", 1, in(tunnel{inner: tenant{from: "red-3", to: "red-1", v6: true}.bytes(t)}),
			leaves(258, tenant{from: "red-3", to: "red-1", v6: true}.bytes(t))},
		{"any FlowID, RFC 7637 3.2", 1, in(tunnel{last: 0xff}), delivered},
		{"outer 802.1Q tag, RFC 7637 3.2", 1, in(tunnel{tag: "8100 0fff"}), delivered},
		{"IPv4 options in the outer header", 1, in(tunnel{ipOptions: "94040000"}), delivered},
		{"to a tagged port", 1, in(tunnel{inner: tenant{from: "red-3", to: "red-2"}.bytes(t)}),
			leaves(257, tenant{from: "red-3", to: "red-2", tag: "8100 0008"}.bytes(t))},
		{"inner 802.1Q tag, RFC 7637 3.3", 1, in(tunnel{inner: tenant{from: "red-3", to: "red-1", tag: "8100 0008"}.bytes(t)}), dropped("inner-vlan")},
		{"inner priority tag, RFC 7637 3.3", 1, in(tunnel{inner: tenant{from: "red-3", to: "red-1", tag: "8100 e000"}.bytes(t)}), dropped("inner-vlan")},
		{"inner 802.1ad tag, RFC 7637 3.3", 1, in(tunnel{inner: tenant{from: "red-3", to: "red-1", tag: "88a8 0008"}.bytes(t)}), dropped("inner-vlan")},
		{"inner tag that is cut off, RFC 7637 3.3", 1, in(tunnel{inner: be(frame[:12], "8100 00")}), dropped("inner-vlan")},
		{"first fragment, RFC 7637 4.4", 1, in(tunnel{fragment: 0x2000}), dropped("fragment")},
		{"later fragment, RFC 7637 4.4", 1, in(tunnel{fragment: 0x0001}), dropped("fragment")},
		{"VSID of no VN here", 1, in(tunnel{vni: 0xfffffe}), punted("unknown-vn", 1, in(tunnel{vni: 0xfffffe}))},
		{"VSID 0xffffff is for the endpoints, RFC 7637 3.4", 1, in(tunnel{vni: 0xffffff}), punted("nvgre-ext", 1, in(tunnel{vni: 0xffffff}))},
		{"over IPv6 as well, RFC 7637 3.4", 2, in(tunnel{v6: true, vni: 0xffffff}), punted("nvgre-ext", 2, in(tunnel{v6: true, vni: 0xffffff}))},
		{"from whom the controller judges", 1, in(tunnel{vni: 0xffffff, from: address("192.0.2.9")}),
			punted("nvgre-ext", 1, in(tunnel{vni: 0xffffff, from: address("192.0.2.9")}))},
		{"but not for another", 1, in(tunnel{vni: 0xffffff, to: address("10.0.0.9")}), dropped("not-local")},
		{"VNI 0xffffff is nothing special in Geneve", 1, tunnel{vni: 0xffffff, inner: frame}.bytes(),
			punted("unknown-vn", 1, tunnel{vni: 0xffffff, inner: frame}.bytes())},
		{"a provider address that is no NVE of the VN", 1, in(tunnel{from: address("10.0.0.66")}), dropped("source")},
		{"endpoint that is behind another NVE", 2, in(tunnel{v6: true, inner: tenant{from: "red-4", to: "red-3"}.bytes(t)}),
			punted("moved", 2, in(tunnel{v6: true, inner: tenant{from: "red-4", to: "red-3"}.bytes(t)}))},
		{"unknown endpoint", 1, in(tunnel{inner: with(frame, 0, "0200000000ff")}),
			punted("unknown-endpoint", 1, in(tunnel{inner: with(frame, 0, "0200000000ff")}))},
		{"IPv4 header checksum wrong", 1, with(in(tunnel{}), offsetIP+10, "beef"), dropped("checksum")},
		{"IPv4 total length too small", 1, shortened(in(tunnel{})), dropped("malformed")},
	}
	for _, bit := range []struct {
		name string
		head uint32
	}{
		{"C=1", 0xa0006558}, {"R=1", 0x60006558}, {"K=0", 0x00006558}, {"S=1", 0x30006558},
		{"a bit of Reserved0", 0x20086558}, {"version 1", 0x20016558}, {"protocol 0x0800", 0x20000800},
	} {
		for _, v6 := range []bool{false, true} {
			rules = append(rules, rule{fmt.Sprintf("%s is no NVGRE, IPv6 %v, RFC 7637 3.2", bit.name, v6), 1,
				in(tunnel{v6: v6, head: bit.head}), dropped("not-a-tunnel")})
		}
	}
	d.check(t, rules)
}

func shortened(frame []byte) []byte {
	frame[offsetIP+3]--
	reseal(frame[offsetIP:])
	return frame
}

func TestNVGRESend(t *testing.T) {
	d := here(t)
	plain := tenant{from: "red-1", to: "red-3"}.bytes(t)
	v6 := tenant{from: "red-1", to: "red-3", v6: true}.bytes(t)
	third := tenant{from: "red-1", to: "red-4"}.bytes(t)
	untagged := tenant{from: "red-2", to: "red-3"}.bytes(t)
	arp := tenant{from: "red-1", to: "red-3", payload: unhex("0806 0001 0800 0604 0002")}.bytes(t)
	d.check(t, []rule{
		{"over IPv4, with DF, RFC 7637 4.4", 258, plain, leaves(1, toThere(tunnel{gre: true, vni: red, inner: plain}))},
		{"IPv6 inside", 258, v6, leaves(1, toThere(tunnel{gre: true, vni: red, inner: v6}))},
		{"over IPv6", 258, third, leaves(2, toThird(tunnel{gre: true, vni: red, inner: third}))},
		{"the tenant's tag is stripped, RFC 7637 3.3", 257, tenant{from: "red-2", to: "red-3", tag: "8100 6008"}.bytes(t),
			leaves(1, toThere(tunnel{gre: true, vni: red, inner: untagged}))},
		{"a second tag does not go in, RFC 7637 3.3", 257, tenant{from: "red-2", to: "red-3", tag: "8100 0008 8100 0001"}.bytes(t), dropped("inner-vlan")},
		{"a frame that is not IP", 258, arp, leaves(1, toThere(tunnel{gre: true, vni: red, inner: arp}))},
	})
}
