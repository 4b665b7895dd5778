package target_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/testbed/target"
)

// A switch in the process: no address, no interface, no root.
func Example() {
	sw, err := target.New(target.Options{DeviceID: 1, CPUPort: 510})
	if err != nil {
		log.Fatal(err)
	}
	if err := sw.Start(); err != nil {
		log.Fatal(err)
	}
	defer sw.Close()

	// Whoever sits on port 1 gets its frames, and sends by Inject.
	if err := sw.AttachPort(1, func(frame []byte) { fmt.Printf("port 1: %d bytes\n", len(frame)) }); err != nil {
		log.Fatal(err)
	}
	sw.Inject(1, []byte("dropped: there is no program yet"))

	// A controller dials it as it would dial a device.
	conn, err := sw.Dial()
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	r, err := p4v1.NewP4RuntimeClient(conn).Capabilities(context.Background(), &p4v1.CapabilitiesRequest{DeviceId: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("P4Runtime", r.GetP4RuntimeApiVersion())
	// Output: P4Runtime 1.5.0
}

// A switch that poses as a product says over gNMI what that and its program
// both allow, and can be made to say something else while it runs.
func ExampleTarget_SetProfile() {
	sw, err := target.New(target.Options{Name: "leaf1"})
	if err != nil {
		log.Fatal(err)
	}
	if err := sw.Start(); err != nil {
		log.Fatal(err)
	}
	defer sw.Close()
	nic, err := capabilities.ShippedProfile("cisco-vic")
	if err != nil {
		log.Fatal(err)
	}
	if err := sw.SetProfile(&nic.Capability); err != nil {
		log.Fatal(err)
	}

	// A controller asks it as it would ask a device. It has no program yet, so
	// it could not tell, which is not the same as not to be able to.
	conn, err := sw.DialGNMI()
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	_, err = gnmi.NewClient(conn, gnmi.ClientOptions{Target: "leaf1"}).Ask(context.Background())
	fmt.Println(errors.Is(err, gnmi.ErrUntold), errors.Is(err, gnmi.ErrUnsupported))
	// Output: true false
}
