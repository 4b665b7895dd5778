package miss_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/nvgreext"
)

// fabric is three NVEs round a spine, the first two on both families. vm1 is behind a, vm2 behind b, vm3 behind c.
func fabric() *intent.Intent {
	speaks := intent.NVGREExt{Redirect: true, Unreachable: true}
	in := intent.Intent{VirtualNetworks: []intent.VirtualNetwork{
		{Name: "red", VNI: vni, Encapsulation: intent.NVGRE}, {Name: "blue", VNI: vni + 1},
	}}
	spine := intent.Device{Name: "spine", Role: intent.RoleTransit}
	for i, name := range []string{"a", "b", "c"} {
		port := uint16(i + 1)
		pas := []netip.Addr{[]netip.Addr{a4, b4, c4}[i]}
		if name != "c" {
			pas = append(pas, []netip.Addr{a6, b6}[i])
		}
		in.Devices = append(in.Devices, intent.Device{Name: name, Role: intent.RoleNVE, ProviderAddresses: pas, MAC: mac(byte(0xa0 + i)),
			NVGREExt: speaks, Ports: []intent.UnderlayPort{
				{Number: 7, MAC: mac(byte(0xb0 + i)), Neighbor: intent.Neighbor{Device: "spine", Port: port}}, {Number: 8, MAC: mac(byte(0xd0 + i))},
			}})
		spine.Ports = append(spine.Ports, intent.UnderlayPort{Number: port, MAC: mac(byte(0xc0 + i))})
		in.Endpoints = append(in.Endpoints, intent.Endpoint{Name: "vm" + fmt.Sprint(i+1), VirtualNetwork: "red",
			MAC: []ethernet.MAC{vm1, vm2, vm3}[i], Device: name, Port: 256})
	}
	in.Devices = append(in.Devices, spine)
	in.Devices[0].Routes = []intent.Route{
		{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Port: 8, NextHop: mac(0xee)},
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Port: 9, NextHop: mac(0xef)},
	}
	in = in.Resolved()
	return &in
}

func TestNetwork(t *testing.T) {
	in := fabric()
	var o miss.Overrides
	n := miss.NewNetwork(in, &o)

	if d, ok := n.Device("b"); !ok || d.Name != "b" {
		t.Errorf("Device = %v, %v", d.Name, ok)
	}
	if d, ok := n.Owner(b6); !ok || d.Name != "b" {
		t.Errorf("Owner = %v, %v", d.Name, ok)
	}
	if _, ok := n.Device("z"); ok {
		t.Error("a device that is not")
	}
	if _, ok := n.Owner(d4); ok {
		t.Error("an owner of no address")
	}
	if at, ok := n.Location(vni, vm2); !ok || at != "b" {
		t.Errorf("Location = %v, %v", at, ok)
	}
	if _, ok := n.Location(vni+1, vm2); ok {
		t.Error("located in another VN")
	}
	if !n.Member(vni, "c") || n.Member(vni+1, "c") || n.Member(vni, "spine") || n.Member(9, "c") {
		t.Error("members are wrong")
	}

	ways := []struct {
		name, device string
		pa           netip.Addr
		want         miss.Way
		ok           bool
	}{
		{"host route over the spine", "a", b4, miss.Way{Port: 7, Source: mac(0xb0), NextHop: mac(0xc0)}, true},
		{"IPv6", "a", b6, miss.Way{Port: 7, Source: mac(0xb0), NextHop: mac(0xc0)}, true},
		{"longest prefix", "a", d4, miss.Way{Port: 8, Source: mac(0xd0), NextHop: mac(0xee)}, true},
		{"default route by a port that is not", "a", addr("198.51.100.1"), miss.Way{Port: 9, NextHop: mac(0xef)}, true},
		{"back", "b", a4, miss.Way{Port: 7, Source: mac(0xb1), NextHop: mac(0xc1)}, true},
		{"none", "b", d4, miss.Way{}, false},
		{"no device", "z", a4, miss.Way{}, false},
	}
	for _, tt := range ways {
		got, ok := n.Way(tt.device, tt.pa)
		if diff := cmp.Diff(tt.want, got); diff != "" || ok != tt.ok {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, ok, diff)
		}
	}

	place := miss.Place{Device: "a", VNI: vni, MAC: vm2}
	sends := func(p miss.Place, want netip.Addr) {
		t.Helper()
		got, ok := n.Sends(p)
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" || ok != want.IsValid() {
			t.Errorf("%v sends: %v (-want +got):\n%s", p, ok, diff)
		}
	}
	sends(place, b4)
	sends(miss.Place{Device: "b", VNI: vni, MAC: vm2}, netip.Addr{})
	sends(miss.Place{Device: "a", VNI: vni + 1, MAC: vm2}, netip.Addr{})
	sends(miss.Place{Device: "spine", VNI: vni, MAC: vm2}, netip.Addr{})
	if err := o.Add(place, miss.Override{From: b4, To: c4}); err != nil {
		t.Fatal(err)
	}
	sends(place, c4)
	o.Deny(place)
	sends(place, b4)
	if got, ok := miss.NewNetwork(in, nil).Sends(place); got != b4 || !ok {
		t.Errorf("without overrides a sends to %v, %v", got, ok)
	}
}

// vm2 has moved from b to c, and a still sends its frames to b.
func ExampleResponder() {
	in := fabric()
	in.Endpoints[1].Device = "c"
	n := miss.NewNetwork(in, nil)

	frame := sent().frame(new(testing.T))
	r := miss.NewResponder(miss.ResponderOptions{})
	punt := miss.Punt{Device: "b", Reason: miss.Moved, Port: 7, Frame: frame, At: start}
	answer := r.Respond(n, punt)

	var m nvgreext.Message
	err := m.Decode(answer.Frame, 0)
	fmt.Println(answer.Outcome, "out of port", answer.Port)
	fmt.Println(m.Kind, "from", m.Src, "to", m.Dst, "target", m.Target, err)
	fmt.Println("again:", r.Respond(n, punt).Outcome)
	// Output:
	// sent-redirect out of port 7
	// REDIRECT from 192.0.2.2 to 192.0.2.1 target 192.0.2.3 <nil>
	// again: held-duplicate
}

// b tells a that vm2 has moved to c, of which the NVA has not heard.
func ExampleReceiver() {
	in := fabric()
	in.Devices[0].NVGREExt.Policy = intent.Provisional
	var overrides miss.Overrides
	n := miss.NewNetwork(in, &overrides)

	r := miss.NewReceiver(miss.ReceiverOptions{})
	frame := redirect().frame(new(testing.T))
	verdict := r.Receive(n, miss.Punt{Device: "a", Reason: miss.NVGREExt, Port: 7, Frame: frame, At: start})
	changed, err := overrides.Apply(verdict)
	fmt.Println(verdict.Result, "to", verdict.Override.Device, changed, err)

	ended := overrides.Expire(verdict.Override.Until)
	fmt.Println(len(ended), "override not confirmed in time")
	// Output:
	// retargeted-provisional to c true <nil>
	// 1 override not confirmed in time
}
