// Package bmv2 is a world in which labs run on the P4 project's own software
// switch: a simple_switch_grpc process for each device, programmed over
// P4Runtime by the same NVAs. It needs no root, unless frames go by network
// interfaces.
package bmv2

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/agent"
	"github.com/keyway-nve/keyway/testbed/lab/authority"
	"github.com/keyway-nve/keyway/testbed/lab/counter"
	"github.com/keyway-nve/keyway/testbed/lab/veth"
	"github.com/keyway-nve/keyway/testbed/simpleswitch"
)

// World implements [lab.World] with processes of Program; see
// [simpleswitch.Find].
type World struct {
	Program simpleswitch.Program
	// Panel, if not nil, is where frames come and go, by network interfaces, in place of bmv2's packet service.
	Panel *veth.Panel
	// Unpaced hands frames to network interfaces as they come, as a link does: what bmv2's queues have no room for is lost. Otherwise a burst waits.
	Unpaced bool
	Log     *slog.Logger // nil discards

	fleet authority.Fleet
}

// StartDevice implements [lab.World].
func (w *World) StartDevice(ctx context.Context, spec lab.DeviceSpec, transmit func(uint32, []byte)) (lab.Device, error) {
	o := simpleswitch.Options{
		DeviceID: spec.ID,
		CPUPort:  p4.CPUPort,
		DropPort: p4.DropPort,
		Output:   transmit,
		Log:      w.Log,
	}
	var ports *ports
	if w.Panel != nil {
		var err error
		if ports, err = w.plug(spec, transmit, &o); err != nil {
			return nil, err
		}
	}
	sw, err := w.Program.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	conn, err := sw.Dial()
	if err != nil {
		return nil, errors.Join(err, sw.Close())
	}
	d := &device{Switch: sw, fleet: &w.fleet, spec: spec, conn: conn, reader: counter.Reader{Conn: conn, Device: spec}}
	if d.agent, err = newAgent(spec); err != nil {
		return nil, errors.Join(err, conn.Close(), sw.Close())
	}
	if ports != nil {
		x := &wired{device: d, ports: ports}
		w.fleet.Add(x)
		return x, nil
	}
	w.fleet.Add(d)
	return d, nil
}

func newAgent(spec lab.DeviceSpec) (*agent.Agent, error) {
	load := p4.NVE
	if spec.Role == intent.RoleTransit {
		load = p4.Transit
	}
	program, err := load()
	if err != nil {
		return nil, err
	}
	return agent.New(spec.Name, program, spec.Capability)
}

// StartController implements [lab.World].
func (w *World) StartController(_ context.Context, spec lab.ControllerSpec) (lab.Controller, error) {
	return w.fleet.Start(spec, w.Log)
}

// device is one process of a lab.
type device struct {
	*simpleswitch.Switch
	fleet  *authority.Fleet
	agent  *agent.Agent
	spec   lab.DeviceSpec
	conn   *grpc.ClientConn // only reads
	reader counter.Reader
}

// Receive implements [lab.Device].
func (d *device) Receive(port uint32, frame []byte) {
	_ = d.Inject(port, frame) // Settle says why it ended
}

// Target implements [lab.Device].
func (d *device) Target() intent.Target {
	return intent.Target{Address: d.spec.Name + ":9559", DeviceID: d.spec.ID}
}

// GNMI implements [lab.Device]: bmv2 has none, so there is an agent beside it.
func (d *device) GNMI() string { return fmt.Sprintf("%s:%d", d.spec.Name, gnmi.Port) }

// Advertise implements [lab.Device].
func (d *device) Advertise(c capabilities.Capability) error { return d.agent.Advertise(c) }

// Says implements [lab.Device].
func (d *device) Says() (capabilities.Capability, bool) { return d.agent.Says() }

// Cut implements [lab.Device].
func (d *device) Cut() error { return d.fleet.Cut(d) }

// DialGNMIContext implements [authority.Device].
func (d *device) DialGNMIContext(ctx context.Context, address string) (net.Conn, error) {
	return d.agent.DialContext(ctx, address)
}

// Counters implements [lab.Device].
func (d *device) Counters(ctx context.Context) (lab.Counters, error) { return d.reader.All(ctx) }

// Punted implements [authority.Device].
func (d *device) Punted(ctx context.Context) (uint64, error) { return d.reader.Punted(ctx) }

// PacketOuts implements [authority.Device].
func (d *device) PacketOuts() uint64 { return d.Emitted() }

// Close implements [lab.Device].
func (d *device) Close() error { return errors.Join(d.conn.Close(), d.agent.Close(), d.Switch.Close()) }
