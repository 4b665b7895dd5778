package device_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables"
	testbed "github.com/keyway-nve/keyway/testbed/p4rt"
)

// A device is told what it shall hold, and how far it has come is waited for.
func Example() {
	program, err := p4.NVE()
	if err != nil {
		fmt.Println(err)
		return
	}
	switchServer := testbed.New(testbed.Options{DeviceID: 1})
	defer switchServer.Close()
	wire, g := bufconn.Listen(1<<20), switchServer.GRPC()
	defer g.Stop()
	go func() { _ = g.Serve(wire) }()

	d, err := device.Dial("passthrough:leaf1", device.Options{Session: p4rt.Options{
		Name:       "leaf1",
		DeviceID:   1,
		ElectionID: p4rt.ElectionID{Low: 1},
		Pipeline:   &p4rt.Pipeline{Info: program.P4Info, DeviceConfig: program.DeviceConfig},
	}}, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return wire.DialContext(ctx) }))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run(ctx)
	}()

	vn := tables.Entry{
		Table:   "virtual_network",
		Matches: []tables.Match{tables.Exact("vni", tables.Uint(uint32(5)))},
		Action:  tables.Do("member"),
	}
	if err := d.SetDesired(42, []tables.Entity{vn}); err != nil {
		fmt.Println(err)
	}
	s, err := d.Await(ctx, func(s device.Status) bool { return s.Watermark >= 42 })
	fmt.Println(s.State, "at revision", s.Watermark, "with", s.Held, "entity", err)
	cancel()
	<-done
	fmt.Println(d.Status().State)

	// Output:
	// in sync at revision 42 with 1 entity <nil>
	// connecting
}
