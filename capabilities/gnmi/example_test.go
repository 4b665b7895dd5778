package gnmi_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
)

func Example() {
	device := capabilities.Capability{
		Name:           "leaf1",
		Role:           capabilities.RoleNVE,
		Encapsulations: []capabilities.Encapsulation{{Kind: capabilities.Geneve}},
		Receive:        capabilities.Direction{Options: []capabilities.OptionRange{capabilities.EveryOption(4)}, Rows: 512},
	}
	server := gnmi.NewServer(gnmi.ServerOptions{Default: "leaf1"})
	if err := server.Put("leaf1", device); err != nil {
		log.Fatal(err)
	}
	g := grpc.NewServer()
	gpb.RegisterGNMIServer(g, server)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = g.Serve(l) }()
	defer g.Stop()

	client, err := gnmi.Dial(l.Addr().String(), gnmi.ClientOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	told, err := client.Ask(context.Background())
	switch {
	case errors.Is(err, gnmi.ErrUnsupported):
		fmt.Println("the device has no such model")
	case err != nil:
		fmt.Println("try again:", err)
	default:
		fmt.Println(told.Name, told.Receive.Options, told.Receive.Rows)
	}
	// Output: leaf1 [*/*/0-4w] 512
}

func ExampleUnmarshal() {
	_, err := gnmi.Unmarshal([]byte(`{"keyway-nve-capabilities:nve-capabilities": {
		"state": {"name": "leaf1", "role": "NVE", "colour": "blue"},
		"directions": {"direction": [{"direction": "RECEIVE", "rows": 512}]}
	}}`))
	for line := range strings.Lines(err.Error()) {
		fmt.Print(line)
	}
	// Output:
	// /nve-capabilities/directions/direction[direction=RECEIVE]/rows: no such node in the model
	// /nve-capabilities/state/colour: no such node in the model
}
