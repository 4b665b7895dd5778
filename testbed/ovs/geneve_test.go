package ovs_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/testbed/ovs"
)

// geneveTunnel sends to whom a flow says, in the virtual network that it says.
func geneveTunnel() map[uint32]ovs.Tunnel {
	return map[uint32]ovs.Tunnel{1: {Type: "geneve", Options: map[string]string{"remote_ip": "flow", "key": "flow", "csum": "true"}}}
}

// outer is what stands in front of the outer UDP header, by family.
var outerLen = map[string]int{"ipv4": 14 + 20, "ipv6": 14 + 40}

// decode returns the Geneve header of a frame from the underlay, and the tenant's frame.
func decode(t testing.TB, family string, frame []byte) (h geneve.Header, inside []byte) {
	t.Helper()
	at := outerLen[family]
	if len(frame) < at+8 || binary.BigEndian.Uint16(frame[at+2:]) != geneve.Port {
		t.Fatalf("not Geneve over %s: %x", family, frame)
	}
	inside, err := h.Decode(frame[at+8:])
	if err == nil {
		err = h.CheckOptions()
	}
	if err != nil {
		t.Fatal(err)
	}
	return h, inside
}

// names returns the names that testdata/pair.yaml has for the options of a header.
func names(t testing.TB, h geneve.Header) (all []string) {
	t.Helper()
	in := pair(t)
	for o, err := range h.Options.All() {
		if err != nil {
			t.Fatal(err)
		}
		name := o.Type.String()
		for _, known := range in.OptionTypes {
			if known.TLV() == o.Type {
				name = known.Name
			}
		}
		all = append(all, name)
	}
	return all
}

const toLeaf = "set_field:10.0.0.1->tun_dst"

// mapped is the order in which Open vSwitch has its options here; nothing asks
// for this order but its map.
func mapped(t testing.TB) ovs.OptionMap {
	return types(t, "site", "context", "sequence", "group", "path-trace")
}

// An Open vSwitch sends its options in the order of its map, whatever the order
// of the actions. The solver knows it from the profile and the map, so our NVE
// has the row, reads the fields, and acts by them.
func TestGeneveFromOpenVSwitch(t *testing.T) {
	m := mapped(t)
	layout := solve(t, "ovs", "leaf", theirs(t, m), ours(t), "group", "context", "sequence", "site")
	if diff := cmp.Diff([]string{"site", "context", "sequence", "group"}, layout.Options); diff != "" {
		t.Fatalf("layout: -want +got:\n%s", diff)
	}
	in := pair(t, layout)
	b := newBed(t, in, node(geneveTunnel(), m...))

	// The tenant's UDP source port stands for a sequence number, which Open
	// vSwitch has no counter for.
	const flow = "in_port=256,udp actions=set_field:5000->tun_id," +
		"set_field:%#x->tun_metadata3," + // group
		"set_field:0x5349544500000007->tun_metadata0," + // site
		"move:NXM_OF_UDP_SRC[]->NXM_NX_TUN_METADATA2[0..15]," + // sequence
		"set_field:%#x->tun_metadata1," + // context
		toLeaf + ",output:1"
	b.flows(fmt.Sprintf(flow, 20, 9<<16|1))
	first, next, late := b.datagram("vm-ovs", "vm-leaf", 1), b.datagram("vm-ovs", "vm-leaf", 2), b.datagram("vm-ovs", "vm-leaf", 5)
	b.send("vm-ovs", first, next)
	b.delivered("vm-leaf", first, next)
	for i, frame := range b.crossed("ovs") {
		h, inside := decode(t, "ipv4", frame)
		if diff := cmp.Diff(layout.Options, names(t, h)); diff != "" {
			t.Errorf("order on the wire: -want +got:\n%s", diff)
		}
		if !h.Critical || h.VNI != 5000 {
			t.Errorf("C is %v, VNI %d", h.Critical, h.VNI)
		}
		o, _ := h.Options.Find(types(t, "sequence")[0])
		if want := []byte{0, 0, 0, byte(i + 1)}; !slices.Equal(o.Data, want) {
			t.Errorf("sequence %x, want %x", o.Data, want)
		}
		if !slices.Equal(inside, [][]byte{first, next}[i]) {
			t.Errorf("inner frame\n%x", inside)
		}
	}

	b.run("sequence numbers tell of loss", func() {
		b.send("vm-ovs", late)
		b.delivered("vm-leaf", late)
		if c := b.counters(); c["lost-packets"] != 2 || c["sequence-gaps"] != 1 {
			b.Errorf("%d packets lost in %d gaps, want 2 in 1", c["lost-packets"], c["sequence-gaps"])
		}
	})
	b.run("the egress port of the context decides", func() {
		b.flows(fmt.Sprintf(flow, 20, 9<<16|2))
		astray := b.datagram("vm-ovs", "vm-leaf", 6)
		b.send("vm-ovs", astray)
		b.delivered("vm-leaf")
		b.delivered("db-leaf", astray)
	})
	b.run("group policy by the option", func() {
		b.flows(fmt.Sprintf(flow, 30, 9<<16|1))
		b.send("vm-ovs", b.datagram("vm-ovs", "vm-leaf", 7))
		b.delivered("vm-leaf")
		if n := b.counters()["drop-policy"]; n != 1 {
			b.Errorf("%d dropped by policy, want 1", n)
		}
	})

	// The row is for one order. A critical option that is not where the row has
	// it is one that we do not know.
	b.run("another set of options meets no row", func() {
		b.flows("in_port=256,udp actions=set_field:5000->tun_id,set_field:0x90001->tun_metadata1," + toLeaf + ",output:1")
		b.send("vm-ovs", b.datagram("vm-ovs", "vm-leaf", 8))
		b.delivered("vm-leaf")
		if c := b.counters(); c["drops"] != 2 { // with the one of the policy
			b.Errorf("%d drops, want 2: %v", c["drops"], c)
		}
	})
	b.run("options without a critical one are skipped", func() {
		b.flows("in_port=256,udp actions=set_field:5000->tun_id,set_field:0x1e->tun_metadata3," + toLeaf + ",output:1")
		b.crossed("ovs")
		f := b.datagram("vm-ovs", "vm-leaf", 9)
		b.send("vm-ovs", f)
		b.delivered("vm-leaf", f) // group 30 was not read
		for _, frame := range b.crossed("ovs") {
			if h, _ := decode(b, "ipv4", frame); h.Critical {
				b.Error("C=1 without a critical option")
			}
		}
	})
}

// Our NVE sends what Open vSwitch has mapped, in an order that its map does not
// have, and Open vSwitch matches each field.
func TestGeneveToOpenVSwitch(t *testing.T) {
	for _, family := range []string{"ipv4", "ipv6"} {
		t.Run(family, func(t *testing.T) {
			m := mapped(t)
			want := []string{"sequence", "group", "path-trace", "context", "site"}
			layout := solve(t, "leaf", "ovs", ours(t), theirs(t, m), want...)
			if diff := cmp.Diff(want, layout.Options); diff != "" {
				t.Fatalf("layout: -want +got:\n%s", diff)
			}
			in := pair(t, layout)
			if family == "ipv6" {
				in.Tunnels = bothWays()
			}
			b := newBed(t, in, node(geneveTunnel(), m...))

			// What Open vSwitch reads as the sequence number it writes into the frame,
			// where we can read it again.
			b.flows("priority=100,in_port=1,tun_id=5000,tun_metadata0=0x5349544500000007,tun_metadata1=0x10009,tun_metadata3=0xa,tun_metadata4=0/0," +
				"dl_dst=02:00:00:00:b1:09 actions=move:NXM_NX_TUN_METADATA2[0..31]->NXM_OF_ETH_SRC[0..31],output:256")
			frames := [][]byte{b.datagram("vm-leaf", "vm-ovs", 1), b.datagram("vm-leaf", "vm-ovs", 2)}
			b.send("vm-leaf", frames...)
			var patched [][]byte
			for i, f := range frames {
				f = slices.Clone(f)
				binary.BigEndian.PutUint32(f[8:], uint32(i+1))
				patched = append(patched, f)
			}
			b.delivered("vm-ovs", patched...)
			for _, frame := range b.crossed("leaf") {
				h, _ := decode(t, family, frame)
				if diff := cmp.Diff(layout.Options, names(t, h)); diff != "" {
					t.Errorf("order on the wire: -want +got:\n%s", diff)
				}
			}

			// Another tenant of the leaf has another ingress port in its context.
			b.send("db-leaf", b.datagram("db-leaf", "vm-ovs", 3))
			b.delivered("vm-ovs")
		})
	}
}

// Over IPv6 our NVE wants a checksum (RFC 8926 §4.3.1, RFC 6936). Open vSwitch
// 3.1 sends one whatever it is told; 3.7 does not.
func TestGeneveOverIPv6(t *testing.T) {
	for _, checksum := range []bool{true, false} {
		t.Run(fmt.Sprintf("checksum %v", checksum), func(t *testing.T) {
			m := mapped(t)
			tunnels := geneveTunnel()
			tunnels[1].Options["csum"] = fmt.Sprint(checksum)
			in := pair(t, solve(t, "ovs", "leaf", theirs(t, m), ours(t), "group", "context"))
			in.Tunnels = bothWays()
			b := newBed(t, in, node(tunnels, m...))
			b.flows("in_port=256,udp actions=set_field:5000->tun_id,set_field:20->tun_metadata3,set_field:0x90001->tun_metadata1," +
				"set_field:fd00::1->tun_ipv6_dst,output:1")
			f := b.datagram("vm-ovs", "vm-leaf", 1)
			b.send("vm-ovs", f)
			packets := b.crossed("ovs")
			if len(packets) != 1 {
				t.Fatalf("%d packets have come, want 1", len(packets))
			}
			if sent := packets[0][outerLen["ipv6"]+6:]; sent[0]|sent[1] != 0 {
				b.delivered("vm-leaf", f)
				return
			}
			b.delivered("vm-leaf")
			if n := b.counters()["drop-checksum"]; checksum || n != 1 {
				t.Errorf("no checksum has come, and %d packets are dropped for that", n)
			}
		})
	}
}

// Broadcast goes both ways, by ingress replication here and by a flow there.
func TestGeneveBroadcast(t *testing.T) {
	b := newBed(t, pair(t), node(geneveTunnel()))
	b.flows(
		"in_port=256 actions=set_field:5000->tun_id,set_field:10.0.0.1->tun_dst,output:1",
		"in_port=1,tun_id=5000 actions=output:256")
	everyone := ethernet.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	f := inner(t, everyone, ethernet.MAC{2, 0, 0, 0, 0xb1, 9}, 1)
	b.send("vm-ovs", f)
	b.delivered("vm-leaf", f)
	b.delivered("db-leaf", f)
	b.delivered("vm-ovs")
	f = inner(t, everyone, ethernet.MAC{2, 0, 0, 0, 0xb1, 1}, 2)
	b.send("vm-leaf", f)
	b.delivered("vm-ovs", f)
	b.delivered("db-leaf", f)
}

// What Open vSwitch may do to the headers around, and our NVE has to make of it.
func TestOuterHeaders(t *testing.T) {
	in := pair(t)
	in.VirtualNetworks = append(in.VirtualNetworks, intent.VirtualNetwork{Name: "green", VNI: 30000})
	in.Endpoints = append(in.Endpoints, intent.Endpoint{Name: "green-leaf", VirtualNetwork: "green", MAC: ethernet.MAC{2, 0, 0, 0, 0x9e, 1}, Device: "leaf", Port: 300})
	type packet struct {
		name, flow string
		counter    string // that becomes 1; empty: the frame is delivered
	}
	for _, tt := range []struct {
		name    string
		options map[string]string // of the tunnel port
		packets []packet
	}{
		{"as they are", nil, []packet{
			// RFC 8926 §3.4: what has O=1 is for the endpoint itself and not forwarded.
			{"O=1", "set_field:oam->tun_flags,", "punt-oam"},
			{"another virtual network", "set_field:5001->tun_id,", "punt-unknown-vn"},
			{"a virtual network that the sender is not in", "set_field:30000->tun_id,", "drop-source"},
			{"NVGRE's virtual network by Geneve", "set_field:20000->tun_id,", "punt-unknown-endpoint"},
		}},
		// RFC 8926 §4.3 allows it over IPv4.
		{"no UDP checksum", map[string]string{"csum": "false", "df_default": "false"}, []packet{{"fragments allowed", "", ""}}},
		{"taken from inside", map[string]string{"tos": "inherit", "ttl": "inherit"}, []packet{
			{"DSCP", "mod_nw_tos:184,", ""},
			{"ECT(0)", "mod_nw_ecn:2,", ""},
		}},
	} {
		tunnels := geneveTunnel()
		maps.Copy(tunnels[1].Options, tt.options)
		b := newBed(t, in, node(tunnels))
		for _, p := range tt.packets {
			b.run(tt.name+", "+p.name, func() {
				b.flows("in_port=256,udp actions=set_field:5000->tun_id," + p.flow + toLeaf + ",output:1")
				b.send("vm-ovs", b.datagram("vm-ovs", "vm-leaf", 1))
				if n := len(b.crossed("ovs")); n != 1 {
					b.Errorf("%d packets have come, want 1", n)
				}
				if got := b.arrived("vm-leaf"); len(got) == 1 != (p.counter == "") {
					b.Errorf("%d frames delivered: %x", len(got), got)
				}
			})
		}
		c := b.counters()
		for _, p := range tt.packets {
			if p.counter != "" && c[p.counter] != 1 {
				t.Errorf("%s: %s is %d, want 1", p.name, p.counter, c[p.counter])
			}
		}
	}
}
