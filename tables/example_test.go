package tables_test

import (
	"fmt"
	"net/netip"

	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/nve"
)

// An endpoint moves to another NVE: its tunnel is there before the endpoint
// points at it, and the old one goes when nothing points at it any more.
func ExampleSchema_Plan() {
	program, err := p4.NVE()
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := tables.NewSchema(program.P4Info)
	if err != nil {
		fmt.Println(err)
		return
	}
	behind := func(tunnel uint16, pa string) []tables.Entity {
		var set tables.Set
		set.Add(nve.VirtualNetworkKey{VNI: 5001}.Member())
		set.Add(nve.NeighborKey{NextHop: 1}.Resolve(ethernet.MAC{2, 1}, ethernet.MAC{2, 2}))
		set.Add(nve.EndpointKey{VNI: 5001, MAC: ethernet.MAC{2, 0, 0, 0, 0, 1}}.Remote(tunnel, 0))
		set.Add(nve.UnderlayPathKey{Tunnel: tunnel}.Via(1))
		set.Add(nve.TunnelKey{Tunnel: tunnel}.NVGREIPv4(
			netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr(pa), 0, 64, 1, 1500))
		if err := set.Err(); err != nil {
			fmt.Println(err)
		}
		return set.Entities
	}
	for i, batch := range s.Plan(behind(3, "192.0.2.2"), behind(4, "192.0.2.3"), tables.PlanOptions{}) {
		for _, u := range batch {
			fmt.Println(i+1, u.Op, u.Entity.Key())
		}
	}
	// Output:
	// 1 insert NveEgress.encapsulate.tunnel tunnel=0x04
	// 2 insert NveIngress.forward.underlay_path tunnel=0x04
	// 3 modify NveIngress.forward.endpoint vni=0x1389 mac=0x020000000001
	// 4 delete NveIngress.forward.underlay_path tunnel=0x03
	// 5 delete NveEgress.encapsulate.tunnel tunnel=0x03
}

func ExampleSchema_Entry() {
	program, err := p4.NVE()
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := tables.NewSchema(program.P4Info)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = s.Entry(tables.Entry{
		Table:    "endpoint",
		Matches:  []tables.Match{tables.Exact("vni", tables.Uint[uint32](1<<24)), tables.Exact("vid", tables.Uint[uint16](1))},
		Priority: 5,
		Action:   tables.Do("remote"),
	})
	fmt.Println(err)
	// Output:
	// NveIngress.forward.endpoint: field vid: unknown
	// NveIngress.forward.endpoint: field vni: value out of range: needs 25 bits, field has 24
	// NveIngress.forward.endpoint: field mac: missing
	// NveIngress.forward.endpoint: action remote parameter tunnel: missing
	// NveIngress.forward.endpoint: action remote parameter logical_port: missing
	// NveIngress.forward.endpoint: wrong priority 5: it must be 0 here
}

func ExampleExpandRange() {
	for _, m := range tables.ExpandRange(1024, 5000, 16) {
		fmt.Printf("%5d &&& %#04x\n", m.Value, m.Mask)
	}
	// Output:
	//  1024 &&& 0xfc00
	//  2048 &&& 0xf800
	//  4096 &&& 0xfe00
	//  4608 &&& 0xff00
	//  4864 &&& 0xff80
	//  4992 &&& 0xfff8
	//  5000 &&& 0xffff
}
