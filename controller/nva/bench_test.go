package nva_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/controller/nva"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/proto/ethernet"
)

// From a frame for an endpoint that has moved, on the wire of the NVE that it
// has left, to the REDIRECT on the same wire: pipeline, packet-in, decision,
// packet-out, pipeline.
func BenchmarkMissToRedirect(b *testing.B) {
	in := parse(b, mesh)
	bed := newBed(b, in)
	n := bed.start(nva.Options{
		Responder: miss.ResponderOptions{Limits: miss.Limits{
			Window: 1, Peer: miss.Rate{PerSecond: 1e9, Burst: 1e9}, Global: miss.Rate{PerSecond: 1e9, Burst: 1e9},
		}},
		Render: render.Options{PuntRate: 1e9, PuntBurst: 1e9},
	})
	apply(b, n, in)
	bed.send(in, "vm1", "vm2", 1)
	bed.mu.Lock()
	sent := bed.crossed[0]
	bed.mu.Unlock()
	apply(b, n, moved(in, "vm2", "c", 256))
	seen := make(chan struct{}, 1)
	bed.mu.Lock()
	delete(bed.links, place{"b", 1})
	bed.watch = func(a arrival) {
		if a.place == (place{"b", 1}) {
			seen <- struct{}{}
		}
	}
	bed.mu.Unlock()
	b.ReportAllocs()
	for b.Loop() {
		bed.target("b").Inject(sent.port, sent.frame)
		<-seen
	}
	b.StopTimer()
	if got := n.Counters()["redirects-sent"]; got < uint64(b.N) {
		b.Fatalf("%d of %d redirects", got, b.N)
	}
}

// From an intent for devices that are blank to tables that hold it. The devices
// are embedded targets in the same process, and share its processors.
func BenchmarkApply(b *testing.B) {
	for _, devices := range []int{5, 20} {
		b.Run(fmt.Sprintf("%dx10", devices), func(b *testing.B) {
			in := star(devices, 10)
			if err := in.Validate(); err != nil {
				b.Fatal(err)
			}
			in = in.Resolved()
			var entities int
			for b.Loop() {
				b.StopTimer()
				bed := newBed(b, seenBy(in, deviceNames(devices)...))
				n := bed.start(nva.Options{})
				b.StartTimer()
				apply(b, n, in)
				b.StopTimer()
				entities = 0
				for _, d := range n.Devices() {
					entities += d.Held
				}
				if err := n.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(entities)*float64(b.N)/b.Elapsed().Seconds(), "entities/s")
		})
	}
}

func deviceNames(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("nve%d", i))
	}
	return names
}

// star are NVEs round a spine of somebody else's, each with so many endpoints of
// one virtual network.
func star(devices, endpoints int) intent.Intent {
	in := intent.Intent{VirtualNetworks: []intent.VirtualNetwork{{Name: "vn", VNI: 5000}}}
	spine := intent.Device{Name: "spine", Role: intent.RoleTransit}
	for i, name := range deviceNames(devices) {
		n := uint16(i + 1)
		spine.Ports = append(spine.Ports, intent.UnderlayPort{Number: n, MAC: ethernet.MAC{2, 1, 5: byte(n)}})
		in.Devices = append(in.Devices, intent.Device{
			Name: name, Role: intent.RoleNVE, MAC: ethernet.MAC{2, 2, 5: byte(n)},
			P4Runtime:         intent.Target{Address: name + ":1", DeviceID: uint64(n)},
			ProviderAddresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})},
			Ports: []intent.UnderlayPort{{
				Number: 1, MAC: ethernet.MAC{2, 3, 5: byte(n)}, Neighbor: intent.Neighbor{Device: "spine", Port: n},
			}},
		})
		for e := range endpoints {
			in.Endpoints = append(in.Endpoints, intent.Endpoint{
				Name: fmt.Sprintf("vm%d-%d", i, e), VirtualNetwork: "vn", MAC: ethernet.MAC{2, 4, 4: byte(n), 5: byte(e)},
				Device: name, Port: uint16(256 + e),
			})
		}
	}
	in.Devices = append(in.Devices, spine)
	return in
}
