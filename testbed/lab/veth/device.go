package veth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/keyway-nve/keyway/testbed/afpacket"
	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/netns"
)

// PortName is the interface of a device's port in its namespace.
func PortName(port uint32) string { return fmt.Sprintf("port%d", port) }

// Ports are the panel's ends of a device's ports.
type Ports map[uint32]*afpacket.Conn

// PlugDevice makes the interfaces of a device's ports and plugs them in. transmit is given what leaves there, from one goroutine for each port.
func (p *Panel) PlugDevice(spec lab.DeviceSpec, transmit func(port uint32, frame []byte)) (Ports, error) {
	ns, err := p.Namespace(spec.Name)
	if err != nil {
		return nil, err
	}
	ports := Ports{}
	for _, n := range spec.Ports {
		c, err := p.Plug(netns.Interface{Namespace: ns, Name: PortName(n), MTU: MTU}, func(frame []byte) { transmit(n, frame) })
		if err != nil {
			return nil, err
		}
		ports[n] = c
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.devices[spec.Name] = spec.Ports
	return ports, nil
}

// Ports returns the ports of a device that was plugged in.
func (p *Panel) Ports(device string) []uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.devices[device]
}

// Receive lets a frame arrive at a port.
func (p Ports) Receive(port uint32, frame []byte) {
	if c := p[port]; c != nil {
		c.Send(frame)
	}
}

// Conns returns all sockets.
func (p Ports) Conns() []*afpacket.Conn { return slices.Collect(maps.Values(p)) }

// World puts the devices of another world, which are in this process, behind interfaces that they serve by AF_PACKET.
type World struct {
	lab.World
	Panel *Panel
}

// StartDevice implements [lab.World].
func (w *World) StartDevice(ctx context.Context, spec lab.DeviceSpec, transmit func(uint32, []byte)) (lab.Device, error) {
	outside, err := w.Panel.PlugDevice(spec, transmit)
	if err != nil {
		return nil, err
	}
	ns, err := w.Panel.Namespace(spec.Name)
	if err != nil {
		return nil, err
	}
	inside := Ports{}
	for _, n := range spec.Ports {
		if inside[n], err = w.Panel.open(netns.Interface{Namespace: ns, Name: PortName(n)}); err != nil {
			return nil, err
		}
	}
	inner, err := w.World.StartDevice(ctx, spec, inside.Receive)
	if err != nil {
		return nil, err
	}
	for n, c := range inside {
		w.Panel.serve(c, func(frame []byte) { inner.Receive(n, frame) }, inside.cork)
	}
	return &device{Device: inner, outside: outside, way: slices.Concat(outside.Conns(), inside.Conns(), outside.Conns())}, nil
}

// cork lets frames wait until uncork is called, so that they leave together.
func (p Ports) cork() (uncork func()) {
	for _, c := range p {
		c.Cork()
	}
	return func() {
		for _, c := range p {
			c.Uncork()
		}
	}
}

type device struct {
	lab.Device
	outside Ports
	// way is the sockets that a frame passes.
	way []*afpacket.Conn
}

// Receive implements [lab.Device].
func (d *device) Receive(port uint32, frame []byte) { d.outside.Receive(port, frame) }

// P4RuntimeAddress returns where others reach the P4Runtime server, or "".
func (d *device) P4RuntimeAddress() string {
	if x, ok := d.Device.(interface{ P4RuntimeAddress() string }); ok {
		return x.P4RuntimeAddress()
	}
	return ""
}

// Settle implements [lab.Device].
func (d *device) Settle(ctx context.Context) error {
	return errors.Join(Settle(ctx, d.way...), d.Device.Settle(ctx))
}
