package differential

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
)

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

// fabric draws an intent: a few NVEs round a spine, with everything that the
// programs do.
func fabric(t *testing.T, r *rand.Rand) *intent.Intent {
	t.Helper()
	for range 100 {
		in := draw(r)
		if in.Validate() == nil {
			in = in.Resolved()
			return &in
		}
	}
	in := draw(r)
	t.Fatalf("no valid intent: %v", in.Validate())
	return nil
}

func draw(r *rand.Rand) intent.Intent {
	var in intent.Intent
	spine := intent.Device{Name: "spine", Role: intent.RoleTransit, P4Runtime: intent.Target{Address: "spine:9559", DeviceID: deviceID}}
	leaves := 2 + r.IntN(3)
	for i := range leaves {
		n := byte(i + 1)
		d := intent.Device{
			Name: fmt.Sprintf("leaf-%d", n), Role: intent.RoleNVE,
			P4Runtime: intent.Target{Address: fmt.Sprintf("leaf-%d:9559", n), DeviceID: deviceID},

			MAC:   ethernet.MAC{2, 0, 0, 0, 0, n},
			Ports: []intent.UnderlayPort{{Number: 1 + uint16(r.IntN(5)), MAC: ethernet.MAC{2, 0, 0, 0, n, 1}, Neighbor: intent.Neighbor{Device: "spine", Port: uint16(n)}}},
			NVGREExt: intent.NVGREExt{
				Redirect: chance(r, 50), Unreachable: chance(r, 50),
			},
			UnknownCritical: pick(r, intent.MissDrop, intent.MissPunt),
		}
		v4, v6 := netip.AddrFrom4([4]byte{10, 0, 0, n}), netip.MustParseAddr(fmt.Sprintf("fd00::%d", n))
		d.ProviderAddresses = [][]netip.Addr{{v4, v6}, {v4, v6}, {v4}, {v6}}[r.IntN(3)]
		in.Devices = append(in.Devices, d)
		spine.Ports = append(spine.Ports, intent.UnderlayPort{Number: uint16(n), MAC: ethernet.MAC{2, 0, 0, 0, 0xff, n}})
	}
	for i := range 1 + r.IntN(3) {
		in.VirtualNetworks = append(in.VirtualNetworks, intent.VirtualNetwork{
			Name: fmt.Sprintf("vn-%d", i), VNI: geneve.VNI(0x1000 + r.IntN(0xf00000)),
			Encapsulation: pick(r, 0, intent.Geneve, intent.NVGRE), DefaultPolicy: pick(r, 0, 0, intent.Permit, intent.Deny),
		})
	}
	for i := range 4 + r.IntN(8) {
		n := byte(i + 1)
		e := intent.Endpoint{
			Name: fmt.Sprintf("vm-%d", n), VirtualNetwork: in.VirtualNetworks[r.IntN(len(in.VirtualNetworks))].Name,
			MAC: ethernet.MAC{2, 0, 0, 1, 0, n}, Device: in.Devices[r.IntN(leaves)].Name, Port: 256 + uint16(i),
			Group: pick[uint16](r, 0, 10, 20, 30), VLAN: pick[uint16](r, 0, 0, 7, 4094),
		}
		if chance(r, 50) {
			e.LogicalPort = uint16(n)
		}
		e.Addresses = []netip.Addr{netip.AddrFrom4([4]byte{172, 16, 0, n})}
		if chance(r, 50) {
			e.Addresses = append(e.Addresses, netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", n)))
		}
		in.Endpoints = append(in.Endpoints, e)
	}
	in.OptionTypes = optionTypes(r)
	// What tells the origin is often first, where the spine can read it.
	traced := slices.IndexFunc(in.OptionTypes, func(o intent.OptionType) bool {
		return slices.ContainsFunc(o.Words, func(w intent.Word) bool { return w.Field == intent.FieldOrigin })
	})
	for _, a := range in.Devices {
		for _, b := range in.Devices {
			if a.Name == b.Name {
				continue
			}
			if chance(r, 80) {
				l := intent.Layout{Sender: a.Name, Receiver: b.Name, Options: []string{}}
				words := 0
				order := r.Perm(len(in.OptionTypes))
				if traced >= 0 && chance(r, 60) {
					order = append([]int{traced}, slices.DeleteFunc(order, func(i int) bool { return i == traced })...)
				}
				for n, i := range order {
					if o := in.OptionTypes[i]; (n == 0 || chance(r, 60)) && words+o.Size() <= intent.WindowWords {
						l.Options = append(l.Options, o.Name)
						words += o.Size()
					}
				}
				in.Layouts = append(in.Layouts, l)
			}
			if chance(r, 30) {
				in.Tunnels = append(in.Tunnels, intent.Tunnel{
					Sender: a.Name, Receiver: b.Name, Underlay: pick(r, 0, intent.IPv4, intent.IPv6), Encapsulation: pick(r, 0, intent.Geneve, intent.NVGRE),
				})
			}
		}
	}
	for _, vn := range in.VirtualNetworks {
		for range r.IntN(4) {
			in.GroupPolicies = append(in.GroupPolicies, intent.GroupPolicy{
				VirtualNetwork: vn.Name, From: pick[uint16](r, 0, 10, 20, 30), To: pick[uint16](r, 0, 10, 20, 30), Action: pick(r, intent.Permit, intent.Deny),
			})
		}
	}
	if traced >= 0 && chance(r, 70) {
		spine.Reads = append(spine.Reads, intent.Read{Option: in.OptionTypes[traced].Name})
	}
	for range r.IntN(2) {
		spine.Reads = append(spine.Reads, intent.Read{Option: in.OptionTypes[r.IntN(len(in.OptionTypes))].Name, Word: uint8(pick(r, 0, 0, 0, 1, 2, 3))})
	}
	for range r.IntN(4) {
		a := intent.ACLRule{Action: pick(r, intent.Permit, intent.Deny)}
		if chance(r, 50) {
			a.VirtualNetwork = in.VirtualNetworks[0].Name
		}
		if chance(r, 50) {
			a.Source = netip.MustParsePrefix(pick(r, "172.16.0.0/24", "172.16.0.4/30", "0.0.0.0/0", "2001:db8::/64"))
		}
		if chance(r, 50) {
			a.Protocol = pick[uint8](r, 6, 17)
			a.DestinationPort = pick[uint16](r, 0, 80, 9)
		}
		spine.InnerACL = append(spine.InnerACL, a)
	}
	in.Devices = append(in.Devices, spine)
	return in
}

// optionTypes draws option types that together carry each field once at most.
func optionTypes(r *rand.Rand) []intent.OptionType {
	fields := []intent.Field{
		intent.FieldGroup, intent.FieldLogicalPorts, intent.FieldSequence, intent.FieldOrigin,
		intent.FieldTimestamp, intent.FieldFlowHash, intent.FieldPorts,
	}
	r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	var out []intent.OptionType
	for i := range 2 + r.IntN(4) {
		o := intent.OptionType{Name: fmt.Sprintf("option-%d", i), Class: 0xff00 + uint16(r.IntN(3)), Type: uint8(i + 1), Critical: chance(r, 30), Length: uint8(r.IntN(4))}
		if o.Critical {
			o.Type |= 0x80
		}
		for range o.Length {
			w := intent.Word{Constant: r.Uint32()}
			if len(fields) > 0 && chance(r, 70) {
				w.Field, fields = fields[0], fields[1:]
				w.Shift = uint8(r.IntN(33 - w.Field.Width()))
				w.Constant &^= w.Mask()
			}
			o.Words = append(o.Words, w)
		}
		out = append(out, o)
	}
	return out
}
