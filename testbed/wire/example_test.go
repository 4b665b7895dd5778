package wire_test

import (
	"context"
	"fmt"

	"github.com/keyway-nve/keyway/testbed/wire"
)

func ExampleNetwork() {
	n := wire.New(wire.Options{})
	defer n.Close()
	left, right := wire.End{Node: "left", Port: 1}, wire.End{Node: "right", Port: 1}
	if err := n.Connect(wire.Wire{Name: "w", A: left, B: right}); err != nil {
		fmt.Println(err)
		return
	}
	n.Observe(func(f wire.Frame) { fmt.Printf("%v > %v: %s\n", f.From, f.To, f.Data) })
	n.Attach("right", func(port uint32, frame []byte) { _ = n.Send(right, []byte("pong")) })
	if err := n.Send(left, []byte("ping")); err != nil {
		fmt.Println(err)
	}
	if err := n.Settle(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// left/1 > right/1: ping
	// right/1 > left/1: pong
}
