package ovs_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/nvgre"
	"github.com/keyway-nve/keyway/testbed/ovs"
)

// Open vSwitch has no NVGRE. Its GRE with a key carries Ethernet frames as 0x6558,
// so bit for bit it is NVGRE (RFC 7637 §3.2) if the 32 bits of the key are taken
// for what they are there:
//
//	key = VSID << 8 | FlowID
//
// and if neither checksum nor sequence numbers are switched on. It compares all
// of a key. To take what has a FlowID, key=flow lets a flow match
// tun_id=VSID<<8/0xffffff00.
const redKey = 20000 << 8

// gre is a GRE tunnel port to the leaf, with options on top; an empty one is left
// out.
func gre(over string, options map[string]string) map[uint32]ovs.Tunnel {
	remote := map[string]string{"ipv4": "10.0.0.1", "ipv6": "fd00::1"}[over]
	all := map[string]string{"remote_ip": remote, "key": "flow"}
	maps.Copy(all, options)
	maps.DeleteFunc(all, func(_, value string) bool { return value == "" })
	return map[uint32]ovs.Tunnel{1: {Type: "gre", Options: all}}
}

// flowIDs returns those of the NVGRE packets that have left a device.
func (b *bed) flowIDs(over, from string) (ids []uint8) {
	b.Helper()
	for _, frame := range b.crossed(from) {
		var h nvgre.Header
		if _, err := h.Decode(frame[outerLen[over]:]); err != nil {
			b.Errorf("%v: %x", err, frame)
			continue
		}
		if h.VSID != 20000 {
			b.Errorf("VSID %v", h.VSID)
		}
		ids = append(ids, h.FlowID)
	}
	return ids
}

// tenants returns frames of several flows between two endpoints.
func (b *bed) tenants(from, to string, flows int) (frames [][]byte) {
	b.Helper()
	for i := range flows {
		frames = append(frames, b.datagram(from, to, uint16(1000+i)))
	}
	return frames
}

func TestNVGREWithOpenVSwitch(t *testing.T) {
	for _, over := range []string{"ipv4", "ipv6"} {
		t.Run(over, func(t *testing.T) {
			in := pair(t)
			if over == "ipv6" {
				in.Tunnels = bothWays()
			}
			b := newBed(t, in, node(gre(over, nil)))
			b.flows(
				fmt.Sprintf("in_port=1,tun_id=%#x/0xffffff00 actions=output:258", redKey),
				fmt.Sprintf("in_port=258,udp,udp_src=1000 actions=set_field:%#x->tun_id,output:1", redKey),
				fmt.Sprintf("in_port=258,udp,udp_src=1001 actions=set_field:%#x->tun_id,output:1", redKey|0xa5))

			frames := b.tenants("red-leaf", "red-ovs", 8)
			b.send("red-leaf", frames...)
			b.delivered("red-ovs", frames...)
			ids := b.flowIDs(over, "leaf")
			slices.Sort(ids)
			if n := len(slices.Compact(ids)); n < 4 {
				t.Errorf("8 flows have %d FlowIDs: %v", n, ids)
			}

			frames = b.tenants("red-ovs", "red-leaf", 2)
			b.send("red-ovs", frames...)
			b.delivered("red-leaf", frames...)
			if diff := cmp.Diff([]uint8{0, 0xa5}, b.flowIDs(over, "ovs")); diff != "" {
				t.Errorf("FlowIDs: -want +got:\n%s", diff)
			}
		})
	}
}

// A tunnel port with a fixed key takes one FlowID of a VSID and no other.
func TestFixedKeyIsOneFlowID(t *testing.T) {
	b := newBed(t, pair(t), node(gre("ipv4", map[string]string{"key": fmt.Sprint(redKey)})))
	b.flows("in_port=1 actions=output:258", "in_port=258 actions=output:1")
	frames := b.tenants("red-leaf", "red-ovs", 8)
	b.send("red-leaf", frames...)
	var want [][]byte
	for i, id := range b.flowIDs("ipv4", "leaf") {
		if id == 0 {
			want = append(want, frames[i])
		}
	}
	if len(want) == len(frames) {
		t.Fatal("no flow has a FlowID")
	}
	b.delivered("red-ovs", want...)
	frames = b.tenants("red-ovs", "red-leaf", 1)
	b.send("red-ovs", frames...)
	b.delivered("red-leaf", frames...)
}

// What is GRE and not NVGRE our NVE drops: RFC 7637 §3.2 wants the checksum and
// sequence bits 0, §3.3 the inner frame without a tag.
func TestGREThatIsNoNVGRE(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options map[string]string
		flow    string
		counter string
	}{
		{"checksum", map[string]string{"csum": "true"}, fmt.Sprintf("set_field:%#x->tun_id", redKey), "drop-not-a-tunnel"},
		{"sequence", map[string]string{"seq": "true"}, fmt.Sprintf("set_field:%#x->tun_id", redKey), "drop-not-a-tunnel"},
		{"no key", map[string]string{"key": ""}, "set_field:0->tun_id", "drop-not-a-tunnel"},
		{"inner tag", nil, fmt.Sprintf("push_vlan:0x8100,set_field:4103->vlan_vid,set_field:%#x->tun_id", redKey), "drop-inner-vlan"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, pair(t), node(gre("ipv4", tt.options)))
			b.flows("in_port=258 actions=" + tt.flow + ",output:1")
			b.send("red-ovs", b.tenants("red-ovs", "red-leaf", 1)...)
			if n := len(b.crossed("ovs")); n != 1 {
				t.Errorf("%d packets have come, want 1", n)
			}
			b.delivered("red-leaf")
			if c := b.counters(); c[tt.counter] != 1 || c["drops"] != 1 {
				t.Errorf("%d counted by %s, %d drops: %v", c[tt.counter], tt.counter, c["drops"], c)
			}
		})
	}
}

// A broadcast frame goes to both ends.
func TestNVGREBroadcast(t *testing.T) {
	b := newBed(t, pair(t), node(gre("ipv4", nil)))
	b.flows(
		fmt.Sprintf("in_port=1,tun_id=%#x/0xffffff00 actions=output:258", redKey),
		fmt.Sprintf("in_port=258 actions=set_field:%#x->tun_id,output:1", redKey))
	everyone := ethernet.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	f := inner(t, everyone, ethernet.MAC{2, 0, 0, 0, 0xed, 9}, 1)
	b.send("red-ovs", f)
	b.delivered("red-leaf", f)
	f = inner(t, everyone, ethernet.MAC{2, 0, 0, 0, 0xed, 1}, 2)
	b.send("red-leaf", f)
	b.delivered("red-ovs", f)
}
