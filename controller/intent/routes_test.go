package intent_test

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
)

// fabric draws transit devices that are linked at random, loops and islands included, each with some NVEs.
func fabric(t *rapid.T) intent.Intent {
	transits := rapid.IntRange(1, 6).Draw(t, "transits")
	var in intent.Intent
	ports := map[int]uint16{}
	link := func(a, b int) {
		for _, end := range [2][2]int{{a, b}, {b, a}} {
			ports[end[0]]++
		}
		p, q := ports[a], ports[b]
		in.Devices[a].Ports = append(in.Devices[a].Ports, intent.UnderlayPort{
			Number: p, MAC: ethernet.MAC{2, byte(a), byte(p)}, Neighbor: intent.Neighbor{Device: in.Devices[b].Name, Port: q},
		})
		in.Devices[b].Ports = append(in.Devices[b].Ports, intent.UnderlayPort{Number: q, MAC: ethernet.MAC{2, byte(b), byte(q)}})
	}
	for i := range transits {
		in.Devices = append(in.Devices, intent.Device{Name: fmt.Sprintf("spine%d", i), Role: intent.RoleTransit})
	}
	for range rapid.IntRange(0, 10).Draw(t, "links") {
		a, b := rapid.IntRange(0, transits-1).Draw(t, "a"), rapid.IntRange(0, transits-1).Draw(t, "b")
		if a != b {
			link(a, b)
		}
	}
	for i := range rapid.IntRange(2, 6).Draw(t, "nves") {
		n := len(in.Devices)
		in.Devices = append(in.Devices, intent.Device{
			Name: fmt.Sprintf("leaf%d", i), Role: intent.RoleNVE, MAC: ethernet.MAC{2, 0xff, 0, 0, 0, byte(i)},
			ProviderAddresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})},
		})
		for range rapid.IntRange(1, 2).Draw(t, "uplinks") {
			link(n, rapid.IntRange(0, transits-1).Draw(t, "uplink"))
		}
	}
	return in
}

// Whoever follows the routes from any device arrives, within as many hops as there are devices; and where one device has no route, there is
// no way.
func TestRoutesArrive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := fabric(t)
		if err := in.Validate(); err != nil {
			t.Fatal(err)
		}
		in = in.Resolved()
		for _, from := range in.Devices {
			for _, to := range in.Devices {
				if to.Role != intent.RoleNVE || from.Name == to.Name {
					continue
				}
				at, hops := from.Name, 0
				for at != to.Name {
					next, ok := nextHop(&in, at, to.ProviderAddresses[0])
					if !ok {
						if hops > 0 {
							t.Fatalf("%s sends packets for %s to %s, which has no route", from.Name, to.Name, at)
						}
						break
					}
					at = next
					if hops++; hops > len(in.Devices) {
						t.Fatalf("packets from %s to %s go round in circles", from.Name, to.Name)
					}
				}
			}
		}
	})
}

func nextHop(in *intent.Intent, device string, pa netip.Addr) (string, bool) {
	d, _ := in.Device(device)
	for _, r := range in.Routes(device) {
		if !r.Prefix.Contains(pa) {
			continue
		}
		for _, p := range d.Ports {
			if p.Number == r.Port && p.Neighbor.MAC == r.NextHop {
				return p.Neighbor.Device, true
			}
		}
	}
	return "", false
}
