package conformance

import (
	"context"
	"errors"
	"flag"
	"testing"

	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/testbed/simpleswitch"
	"github.com/keyway-nve/keyway/testbed/target"
)

var bmv2 = flag.Bool("bmv2", false, "hold simple_switch_grpc to the rules instead of the embedded switch")

// machine is a switch of one kind or the other.
type machine interface {
	Dial(...grpc.DialOption) (*grpc.ClientConn, error)
	// Inject lets a frame arrive, and returns when what it causes has left.
	Inject(port uint32, frame []byte)
}

// boot starts a switch that runs until the test ends.
func boot(t testing.TB, output func(port uint32, frame []byte)) machine {
	t.Helper()
	if *bmv2 {
		return bootBMv2(t, output)
	}
	sw, err := target.New(target.Options{DeviceID: deviceID, CPUPort: cpuPort, Output: output})
	if err == nil {
		err = sw.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sw.Close() })
	return sw
}

// shortest is the length of the shortest frame that a machine takes: bmv2 drops
// one of no bytes before the program sees it.
func shortest() int {
	if *bmv2 {
		return 1
	}
	return 0
}

// process is bmv2.
type process struct {
	*simpleswitch.Switch
	ctx  context.Context
	fail func(...any)
}

func bootBMv2(t testing.TB, output func(port uint32, frame []byte)) machine {
	t.Helper()
	program, err := simpleswitch.Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	sw, err := program.Start(t.Context(), simpleswitch.Options{DeviceID: deviceID, CPUPort: cpuPort, DropPort: 511, Output: output})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sw.Close() })
	return process{sw, t.Context(), t.Fatal}
}

func (p process) Inject(port uint32, frame []byte) {
	if err := errors.Join(p.Switch.Inject(port, frame), p.Settle(p.ctx)); err != nil {
		p.fail(err)
	}
}
