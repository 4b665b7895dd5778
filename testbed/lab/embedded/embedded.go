// Package embedded is the world in which labs run by default: embedded targets
// that run the compiled P4 programs, and NVAs that program them over P4Runtime,
// all in one process. It needs no root and opens no port unless told to.
package embedded

import (
	"context"
	"errors"
	"log/slog"

	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/authority"
	"github.com/keyway-nve/keyway/testbed/lab/counter"
	"github.com/keyway-nve/keyway/testbed/target"
)

// World implements [lab.World]. Its zero value is ready.
type World struct {
	// Listen is where each device's P4Runtime server listens for others too, such
	// as "127.0.0.1:0". Empty: nowhere.
	Listen string
	Log    *slog.Logger // nil discards

	fleet authority.Fleet
}

// StartDevice implements [lab.World].
func (w *World) StartDevice(_ context.Context, spec lab.DeviceSpec, transmit func(uint32, []byte)) (lab.Device, error) {
	t, err := target.New(target.Options{
		DeviceID: spec.ID,
		Address:  w.Listen,
		Name:     spec.Name,
		Profile:  spec.Capability,
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
	s := &embeddedSwitch{fleet: &w.fleet, target: t, spec: spec, conn: conn, reader: counter.Reader{Conn: conn, Device: spec}}
	w.fleet.Add(s)
	return s, nil
}

// StartController implements [lab.World].
func (w *World) StartController(_ context.Context, spec lab.ControllerSpec) (lab.Controller, error) {
	return w.fleet.Start(spec, w.Log)
}
