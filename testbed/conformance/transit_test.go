package conformance

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/nve"
	"github.com/keyway-nve/keyway/tables/transit"
)

func transitIntent(t testing.TB) intent.Intent { return load(t, "testdata/spine.yaml") }

func spine(t testing.TB, more ...tables.Entity) *dut {
	return start(t, setup{intent: transitIntent(t), device: "spine", more: more})
}

// nextHops are the MACs by which a frame leaves the spine.
var nextHops = map[uint32]string{
	1: "020000000a01 020000005e01", 2: "020000000b01 020000005e02",
	3: "02000000ff03 020000005e03", 4: "02000000ff04 020000005e04", 5: "02000000ff05 020000005e05",
}

// forwarded is what a router makes of a frame, and nothing but that: other MACs,
// a TTL less by one, and the header checksum that goes with it.
func forwarded(port uint32, frame []byte) outcome {
	b := with(frame, 0, nextHops[port])
	at := offsetIP
	if b[12] == 0x81 {
		at += 4
	}
	if b[at]>>4 == 6 {
		b[at+7]--
	} else {
		b[at+8]--
		reseal(b[at:])
	}
	return leaves(port, b)
}

// across is a frame from left to right.
func across(u tunnel) []byte {
	if u.inner == nil {
		u.inner = be("020000000002 020000000001 0800", tenant{}.packet())
	}
	from, to := "10.0.0.1", "10.0.0.2"
	if u.v6 {
		from, to = "fd00::1", "fd00::2"
	}
	u.from = address(from)
	if !u.to.IsValid() {
		u.to = address(to)
	}
	return u.bytes()
}

func TestTransitRoutes(t *testing.T) {
	var rules []rule
	for _, r := range []struct {
		to   string
		port uint32
	}{
		{"10.0.0.1", 1}, {"10.0.0.2", 2}, {"10.0.0.3", 3}, {"10.255.255.255", 3}, {"10.1.0.0", 4}, {"10.1.255.1", 4},
		{"10.1.2.1", 5}, {"10.1.2.127", 5}, {"10.1.2.128", 3}, {"10.1.2.129", 4}, {"10.1.2.130", 3}, {"11.0.0.1", 0}, {"9.255.255.255", 0},
		{"fd00::1", 1}, {"fd00::2", 2}, {"fd00::3", 3}, {"fd00:ffff::1", 3}, {"fd00:1::1", 4}, {"fd00:1:2::2", 5},
		{"fd00:1:2::1", 4}, {"fd01::1", 0}, {"::a00:1", 0},
	} {
		f := across(tunnel{v6: address(r.to).Is6(), vni: blue, to: address(r.to)})
		want := dropped("no-route")
		if r.port != 0 {
			want = forwarded(r.port, f)
		}
		rules = append(rules, rule{"longest prefix of " + r.to + ", RFC 1812 5.2.4.3", 1, f, want})
	}
	spine(t).check(t, rules)
}

// A default route is one of its own family: IPv4 addresses are mapped into
// IPv6's for the key, and ::/0 has to leave them alone.
func TestTransitDefaultRoute(t *testing.T) {
	route, err := transit.RouteKey{Destination: netip.MustParsePrefix("::/0")}.Forward(4,
		ethernet.MAC{2, 0, 0, 0, 0x5e, 4}, ethernet.MAC{2, 0, 0, 0, 0xff, 4})
	if err != nil {
		t.Fatal(err)
	}
	v4 := across(tunnel{vni: blue, to: address("11.0.0.1")})
	v6 := across(tunnel{v6: true, vni: blue, to: address("fd01::1")})
	spine(t, route).check(t, []rule{
		{"::/0 is no route for IPv4", 1, v4, dropped("no-route")},
		{"::/0 is a route for IPv6", 1, v6, forwarded(4, v6)},
	})
}

// TTL and header checksum (RFC 1812 5.3.1, RFC 1624).
func TestTransitTTL(t *testing.T) {
	d := spine(t)
	header := func(v6 bool, ttl uint8, id uint16) []byte {
		f := across(tunnel{v6: v6, vni: blue})
		if v6 {
			f[offsetIP+7] = ttl
			return f
		}
		f[offsetIP+8] = ttl
		binary.BigEndian.PutUint16(f[offsetIP+4:], id)
		reseal(f[offsetIP:])
		return f
	}
	var rules []rule
	for _, v6 := range []bool{false, true} {
		for _, ttl := range []uint8{0, 1, 2, 64, 128, 255} {
			want := dropped("ttl")
			if ttl > 1 {
				want = forwarded(2, header(v6, ttl, 0))
			}
			rules = append(rules, rule{fmt.Sprintf("TTL %d, IPv6 %v, RFC 1812 5.3.1", ttl, v6), 1, header(v6, ttl, 0), want})
		}
	}
	// Where one's complement has two zeros: RFC 1624 3.
	zero := binary.BigEndian.Uint16(header(false, 64, 0)[offsetIP+10:])
	for _, sum := range []uint16{0xfefe, 0xfeff, 0xff00, 0xff01, 0xfffe, 0x0000, 0x0001, 0x00ff, 0x0100} {
		f := header(false, 64, subtract(zero, sum))
		if got := binary.BigEndian.Uint16(f[offsetIP+10:]); got != sum {
			t.Fatalf("checksum %#04x, want %#04x", got, sum)
		}
		rules = append(rules, rule{fmt.Sprintf("checksum %#04x, RFC 1624 3", sum), 1, f, forwarded(2, f)})
	}
	d.check(t, rules)
	for id := 0; id < 0x10000; id += 127 {
		f := header(false, 64, uint16(id))
		if got, want := d.frames(1, f), forwarded(2, f); len(got) != 1 || !slices.Equal(want, leaves(got[0].port, got[0].frame)) {
			t.Fatalf("identification %#04x", id)
		}
	}
}

// subtract is a - b in one's complement.
func subtract(a, b uint16) uint16 {
	sum := uint32(a) + uint32(^b)
	return uint16(sum>>16 + sum&0xffff)
}

// A transit device forwards by the outer header alone, and changes nothing behind
// it (RFC 8926 2.2.1, 3.4).
func TestTransitOptions(t *testing.T) {
	d := spine(t)
	critical16 := with(unknown(16), 2, "a2")
	var rules []rule
	add := func(name string, f []byte) { rules = append(rules, rule{name, 1, f, forwarded(2, f)}) }
	for _, v6 := range []bool{false, true} {
		for _, u := range []struct {
			name string
			tunnel
		}{
			{"no options", tunnel{}},
			{"unknown options, RFC 8926 2.2.1", tunnel{options: unknown(5)}},
			{"unknown critical options, RFC 8926 2.2.1", tunnel{flags: critical, options: critical16}},
			{"C=1 without options", tunnel{flags: critical}},
			{"critical option with C=0", tunnel{options: critical16}},
			{"O=1, RFC 8926 3.4", tunnel{flags: control, options: unknown(3)}},
			{"O=1 with another payload, RFC 8926 3.4", tunnel{flags: control, protocol: 0x8902, inner: unhex("0102")}},
			{"reserved bits, RFC 8926 3.4", tunnel{flags: 0x3f, last: 0xff, options: with(unknown(2), 3, "e1")}},
			{"beyond the window", tunnel{flags: critical, options: unknown(63)}},
			{"option lengths that do not add up", tunnel{options: be("ff11 22 1f")}},
			{"OptLen beyond the packet", tunnel{options: unknown(4), inner: unhex("0000"), edit: func(b []byte) { b[8] = 0x3f }}},
			{"unknown version is opaque, RFC 8926 3.4", tunnel{version: 2, flags: 0xff, options: unknown(4)}},
			{"without UDP checksum", tunnel{noChecksum: true, options: unknown(1)}},
			{"DSCP and ECN", tunnel{tos: 0xbb}},
			{"outer 802.1Q tag", tunnel{tag: "8100 2001"}},
			{"NVGRE", tunnel{gre: true}},
			{"NVGRE control message", tunnel{gre: true, vni: 0xffffff}},
			{"other GRE", tunnel{gre: true, head: 0xb0010800}},
		} {
			u.v6 = v6
			if u.vni == 0 {
				u.vni = blue
			}
			add(fmt.Sprintf("%s, IPv6 %v", u.name, v6), across(u.tunnel))
		}
	}
	plain := across(tunnel{vni: blue})
	add("wrong UDP checksum is the receiver's matter", with(plain, offsetUDP+6, "dead"))
	add("first fragment", across(tunnel{vni: blue, fragment: 0x2000}))
	add("later fragment", across(tunnel{vni: blue, fragment: 0x0001}))
	add("IPv4 options, RFC 1812 5.2.4", across(tunnel{vni: blue, ipOptions: "94040000", options: unknown(2)}))
	add("not a tunnel", be(plain[:14], ipv4Of(plain, 6)))
	add("padding of the link, RFC 1812 5.2.2", append(plain, 0, 0, 0))
	d.check(t, rules)
}

// What a router has to refuse (RFC 1812 5.2.2, RFC 8200 3).
func TestTransitMalformed(t *testing.T) {
	plain, plain6 := across(tunnel{vni: blue}), across(tunnel{v6: true, vni: blue})
	header := func(at int, bytes string) []byte {
		b := with(plain, offsetIP+at, bytes)
		reseal(b[offsetIP:])
		return b
	}
	d := spine(t)
	d.check(t, []rule{
		{"IPv4 header checksum wrong", 1, with(plain, offsetIP+10, "dead"), dropped("checksum")},
		{"IPv4 version that is not 4", 1, header(0, "65"), dropped("malformed")},
		{"IPv4 header of less than 20 bytes", 1, header(0, "44"), dropped("malformed")},
		{"IPv4 total length less than the header", 1, header(2, "0013"), dropped("malformed")},
		{"IPv4 total length more than the frame", 1, header(2, fmt.Sprintf("%04x", len(plain)-13)), dropped("malformed")},
		{"IPv6 version that is not 6", 1, with(plain6, offsetIP, "50"), dropped("malformed")},
		{"IPv6 payload length more than the frame", 1, with(plain6, offsetIP+4, fmt.Sprintf("%04x", len(plain6)-53)), dropped("malformed")},
		{"neither IPv4 nor IPv6", 1, with(plain, 12, "0806"), dropped("malformed")},
	})
	for name, frame := range map[string][]byte{"IPv4": plain, "IPv6": plain6, "all that can be": across(tunnel{
		vni: blue, tag: "8100 0001", ipOptions: "94040000", flags: critical, options: unknown(63)})} {
		for n := shortest(); n < len(frame); n++ {
			if got := d.process(1, frame[:n]); len(got) != 1 || !got.isOneOf("malformed", "checksum") {
				t.Errorf("%s, %d of %d bytes: %q", name, n, len(frame), got)
			}
		}
	}
}

// The ACL looks at the tenant's headers, whatever the options before them are.
func TestTransitInnerACL(t *testing.T) {
	mac := ethernet.MAC{2, 0, 0, 0, 0, 0x66}
	add := must(t)
	d := spine(t,
		add(transit.InnerACLKey{SourceMAC: tables.Is(mac), Priority: 100}.Deny()),
		add(transit.InnerACLKey{DestinationMAC: tables.Masked[ethernet.MAC]{Value: mac, Mask: ethernet.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, Priority: 101}.Deny()),
		add(transit.InnerACLKey{EtherType: tables.Is(uint16(0x88cc)), Priority: 102}.Deny()),
	)
	const macs = "020000000002 020000000001"
	v4 := func(src, dst string, protocol uint8, ports uint32) []byte {
		return be(macs, uint16(0x0800), packet(address(src), address(dst), 0, protocol, be(ports, uint32(0))))
	}
	v6 := func(src, dst string, protocol uint8, ports uint32) []byte {
		return be(macs, uint16(0x86dd), packet(address(src), address(dst), 0, protocol, be(ports, uint32(0))))
	}
	harmless := v4("203.0.113.1", "203.0.113.2", 17, 0x00010002)
	var rules []rule
	for _, f := range []struct {
		name  string
		vni   uint32
		inner []byte
		deny  bool
	}{
		{"no rule permits", blue, harmless, false},
		{"VN", green, harmless, true},
		{"source MAC", blue, with(harmless, 6, "020000000066"), true},
		{"destination MAC", blue, with(harmless, 0, "020000000066"), true},
		{"ether type", blue, be(macs, "88cc 0000"), true},
		{"another ether type", blue, be(macs, "88cd 0000"), false},
		{"IPv4 source", blue, v4("192.0.2.255", "203.0.113.2", 17, 0x00010002), true},
		{"IPv4 source beyond the prefix", blue, v4("192.0.3.0", "203.0.113.2", 17, 0x00010002), false},
		{"the first rule that matches decides", blue, v4("192.0.2.1", "198.51.100.7", 17, 0x00010002), false},
		{"IPv4 destination", blue, v4("203.0.113.1", "198.51.100.127", 17, 0x00010002), true},
		{"IPv4 destination beyond the prefix", blue, v4("203.0.113.1", "198.51.100.128", 17, 0x00010002), false},
		{"IPv6 source", blue, v6("2001:db8:1:ffff::1", "2001:db8::1", 17, 0x00010002), true},
		{"IPv6 source beyond the prefix", blue, v6("2001:db8:3::1", "2001:db8::1", 17, 0x00010002), false},
		{"IPv6 destination", blue, v6("2001:db8::1", "2001:db8:2::1", 17, 0x00010002), true},
		{"another IPv6 destination", blue, v6("2001:db8::1", "2001:db8:2::2", 17, 0x00010002), false},
		{"protocol", blue, v4("203.0.113.1", "203.0.113.2", 132, 0x00010002), true},
		{"protocol over IPv6", blue, v6("2001:db8::1", "2001:db8::2", 132, 0x00010002), true},
		{"source port", blue, v4("203.0.113.1", "203.0.113.2", 6, 666<<16|1), true},
		{"source port of another protocol", blue, v4("203.0.113.1", "203.0.113.2", 17, 666<<16|1), false},
		{"destination port", blue, v4("203.0.113.1", "203.0.113.2", 17, 7777), true},
		{"destination port over IPv6", blue, v6("2001:db8::1", "2001:db8::2", 17, 7777), true},
		{"source port for destination port", blue, v4("203.0.113.1", "203.0.113.2", 17, 7777<<16), false},
	} {
		for _, u := range []struct {
			name string
			tunnel
		}{
			{"Geneve", tunnel{}}, {"16 words of options", tunnel{options: unknown(16)}}, {"63 words", tunnel{options: unknown(63)}},
			{"NVGRE", tunnel{gre: true}}, {"Geneve over IPv6", tunnel{v6: true, options: unknown(1)}},
		} {
			u.vni, u.inner = f.vni, f.inner
			frame := across(u.tunnel)
			want := forwarded(2, frame)
			if f.deny {
				want = dropped("acl")
			}
			rules = append(rules, rule{f.name + ", " + u.name, 1, frame, want})
		}
	}
	d.check(t, rules)
}

// The trace option is read at the word that the configuration names, and only
// there; it is never changed.
func TestTransitTrace(t *testing.T) {
	d := spine(t)
	watch := d.holds(transit.TableTraceWatch)
	if len(watch) == 0 {
		t.Fatal("no row of trace_watch")
	}
	origin := tables.AsUint[uint32](watch[0].Matches[0].Value)
	node := d.argument(watch[0], "node_id")
	trace := traceOption(origin, 0xcafe)
	for _, tt := range []struct {
		name    string
		options []byte
		seen    bool
	}{
		{"at its word", be(groupOption(1), trace), true},
		{"with reserved bits, RFC 8926 3.5", be(groupOption(1), with(trace, 3, "e3")), true},
		{"behind another option", be(unknown(2), trace), true},
		{"before others", be(unknown(2), trace, unknown(10)), true},
		{"before others, beyond the window", be(unknown(2), trace, unknown(57)), true},
		{"a word too early", be("ff11 22 00", trace), false},
		{"a word too late", be(unknown(3), trace), false},
		{"first", trace, false},
		{"of another length", be(unknown(2), "ff00 03 02", origin, uint32(0xcafe)), false},
		{"another type", be(unknown(2), with(trace, 2, "04")), false},
		{"critical is another type", be(unknown(2), with(trace, 2, "83")), false},
		{"cut off by OptLen", be(unknown(2), trace[:12]), false},
		{"of an NVE that is not watched", be(unknown(2), traceOption(0xdead, 1)), false},
	} {
		for _, flags := range []uint8{0, critical, control} {
			t.Run(fmt.Sprintf("%s, flags %#02x", tt.name, flags), func(t *testing.T) {
				f := across(tunnel{vni: blue, flags: flags, options: tt.options})
				d.check(t, []rule{{"is forwarded as it is, RFC 8926 2.2.1", 1, f, forwarded(2, f)}})
				if !tt.seen {
					select {
					case l := <-d.digests:
						t.Errorf("a digest: %v", l)
					case <-time.After(15 * time.Millisecond):
					}
					return
				}
				got := d.trace()
				want := nve.PathTrace{NodeID: node, Origin: origin, FlowHash: 0xcafe, Sent: 0x11223344, Received: got.Received, IngressPort: 1}
				if got != want {
					t.Errorf("trace %+v, want %+v", got, want)
				}
			})
		}
	}
}
