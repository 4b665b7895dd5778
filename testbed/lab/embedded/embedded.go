// Package embedded is the world in which labs run by default: embedded targets
// that run the compiled P4 programs, and NVAs that program them over P4Runtime,
// all in one process. It needs no root and opens no port.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/authority"
	"github.com/keyway-nve/keyway/testbed/lab/counter"
	"github.com/keyway-nve/keyway/testbed/target"
)

// World implements [lab.World]. Its zero value is ready.
type World struct {
	Log *slog.Logger // nil discards

	fleet   authority.Fleet
	mu      sync.Mutex
	targets map[string]*target.Target
}

// StartDevice implements [lab.World].
func (w *World) StartDevice(_ context.Context, spec lab.DeviceSpec, transmit func(uint32, []byte)) (lab.Device, error) {
	t, err := target.New(target.Options{
		DeviceID: spec.ID,
		Name:     spec.Name,
		CPUPort:  p4.CPUPort,
		Output:   transmit,
		Log:      w.Log,
	})
	if err != nil {
		return nil, err
	}
	if err := t.Start(); err != nil {
		return nil, err
	}
	conn, err := t.Dial()
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	s := &embeddedSwitch{target: t, spec: spec, conn: conn, reader: counter.Reader{Conn: conn, Device: spec}}
	w.fleet.Add(s.Target().Address, s)
	w.fleet.AddGNMI(GNMIAddress(spec.Name), t.DialGNMIContext)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.targets == nil {
		w.targets = make(map[string]*target.Target)
	}
	w.targets[spec.Name] = t
	return s, nil
}

// GNMIAddress is where, for the NVAs of its lab, the device of a name says by
// gNMI what it can do.
func GNMIAddress(device string) string { return fmt.Sprintf("%s:%d", device, gnmi.Port) }

// Target returns the target that a device is, or nil: for what a lab does not
// do, such as to change its profile or to make it fail.
func (w *World) Target(device string) *target.Target {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.targets[device]
}

// DialGNMI is a dialer for [grpc.WithContextDialer] that reaches the gNMI
// servers of the devices by their addresses.
func (w *World) DialGNMI(ctx context.Context, address string) (net.Conn, error) {
	return w.fleet.DialGNMI(ctx, address)
}

// StartController implements [lab.World].
func (w *World) StartController(_ context.Context, spec lab.ControllerSpec) (lab.Controller, error) {
	return w.fleet.Start(spec, w.Log)
}
