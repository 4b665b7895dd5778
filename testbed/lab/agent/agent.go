// Package agent says by gNMI what a lab's device can do that has no gNMI of its
// own, as keyway agent does beside it.
package agent

import (
	"context"
	"fmt"
	"net"
	"sync"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/p4"
)

// Agent serves the capability of one device within the process.
type Agent struct {
	name    string
	program capabilities.Capability
	gnmi    *gnmi.Server
	server  *grpc.Server
	inside  *bufconn.Listener
	done    chan error

	mu   sync.Mutex
	says capabilities.Capability
}

// New starts an agent for a device that runs a program, which can do less than
// that if profile is not nil.
func New(name string, p *p4.Program, profile *capabilities.Capability) (*Agent, error) {
	program, err := capabilities.FromP4Info(name, p.P4Info)
	if err != nil {
		return nil, err
	}
	a := &Agent{
		name: name, program: program, done: make(chan error, 1),
		gnmi: gnmi.NewServer(gnmi.ServerOptions{Default: name}), server: grpc.NewServer(), inside: bufconn.Listen(1 << 16),
	}
	if profile == nil {
		profile = &program
	}
	if err := a.Advertise(*profile); err != nil {
		return nil, err
	}
	gpb.RegisterGNMIServer(a.server, a.gnmi)
	go func() { a.done <- a.server.Serve(a.inside) }()
	return a, nil
}

// Advertise has the agent say that the device can do this, as far as its program
// can.
func (a *Agent) Advertise(c capabilities.Capability) error {
	c = capabilities.Intersect(c, a.program)
	c.Name = a.name
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.gnmi.Put(a.name, c); err != nil {
		return fmt.Errorf("capability of %s: %w", a.name, err)
	}
	a.says = c
	return nil
}

// Says returns what the agent says by now.
func (a *Agent) Says() (capabilities.Capability, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.says, true
}

// DialContext reaches the agent, whatever the address.
func (a *Agent) DialContext(ctx context.Context, _ string) (net.Conn, error) {
	return a.inside.DialContext(ctx)
}

// Close ends the agent.
func (a *Agent) Close() error {
	a.server.Stop()
	return <-a.done
}
