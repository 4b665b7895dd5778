package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/proto/manifest"
	"github.com/keyway-nve/keyway/testbed/ovs"
	"github.com/keyway-nve/keyway/testbed/wire"
)

// Peer is an NVE whose part is played by a program that others wrote. No authority programs it, and it answers none: what it can do is said in the intent. It
// is set up as the intent has it at the beginning, with the layouts that are settled then, and stays as it is.
type Peer struct {
	Device string `yaml:"device,required"`
	// Program is openvswitch.
	Program string `yaml:"program,required"`
}

const openVSwitch = "openvswitch"

// ErrNoControl says that a device takes no orders.
var ErrNoControl = errors.New("takes no orders: it is somebody else's")

func (l *Lab) isPeer(device string) bool {
	return slices.ContainsFunc(l.Peers, func(p Peer) bool { return p.Device == device })
}

func (c *checker) peers() {
	named := map[string]bool{}
	for i, p := range c.lab.Peers {
		at := manifest.Index("peers", i)
		c.nve(at+".device", p.Device)
		if named[p.Device] {
			c.doc.Errorf(at+".device", "%s is in this list already", p.Device)
		}
		named[p.Device] = true
		if p.Program != openVSwitch {
			c.doc.Errorf(at+".program", "no program is named %q: want %s", p.Program, openVSwitch)
		}
		for _, e := range c.lab.Intent.Endpoints {
			if e.Device == p.Device && e.VLAN != 0 {
				c.doc.Errorf(at+".device", "endpoint %s has a tag there, which is not supported", e.Name)
			}
		}
		if d, ok := c.lab.Intent.Device(p.Device); ok && (len(d.Ports) != 1 || d.Ports[0].Number != ovs.UnderlayPort) {
			c.doc.Errorf(at+".device", "%s has one underlay port, number %d", openVSwitch, ovs.UnderlayPort)
		}
	}
}

// startPeer starts the program of an NVE that no authority programs. By then all others have been given their programs, and say what they can do.
func (r *runner) startPeer(ctx context.Context, d intent.Device) error {
	program, err := nveCapability()
	if err != nil {
		return err
	}
	in := viewOf(r.truth, Authority{}, nil, r.gnmi)
	settled := layouts.Settle(layouts.Input{Intent: &in, Program: program, Told: r.said(), MTU: render.Options{}.MTU()})
	plan, err := ovs.Plan(in, d.Name, func(sender, receiver string) []intent.OptionType { return settled.Between(sender, receiver).Options })
	if err != nil {
		return err
	}
	s, err := ovs.Start(ctx, plan.Node, ovs.Options{Output: func(port uint32, frame []byte) {
		_ = r.net.Send(wire.End{Node: d.Name, Port: port}, frame)
	}})
	if err != nil {
		return err
	}
	r.devices[d.Name] = &openvswitch{Switch: s, name: d.Name}
	r.net.Attach(d.Name, r.devices[d.Name].Receive)
	return s.SetFlows(ctx, plan.Flows...)
}

// openvswitch is an Open vSwitch as a device of a lab.
type openvswitch struct {
	*ovs.Switch
	name string
}

// Receive implements [Device]. A frame for a port that is not there is lost, and a switch that has ended says so when it settles.
func (o *openvswitch) Receive(port uint32, frame []byte) { _ = o.Inject(port, frame) }

// Target implements [Device]: it has none.
func (o *openvswitch) Target() intent.Target { return intent.Target{} }

// GNMI implements [Device]: it has none.
func (o *openvswitch) GNMI() string { return "" }

// Advertise implements [Device].
func (o *openvswitch) Advertise(capabilities.Capability) error {
	return fmt.Errorf("%s %w", o.name, ErrNoControl)
}

// Says implements [Device]: it says nothing.
func (o *openvswitch) Says() (capabilities.Capability, bool) { return capabilities.Capability{}, false }

// Cut implements [Device]: there is nothing to cut.
func (o *openvswitch) Cut() error { return nil }

// Counters implements [Device]: it has none of the program's.
func (o *openvswitch) Counters(context.Context) (Counters, error) { return Counters{}, nil }
