// Package embedded is the world in which labs run by default: embedded targets
// that run the compiled P4 programs, and NVAs that program them over P4Runtime,
// all in one process. It needs no root and opens no port.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/nva"
	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/target"
)

// cpuPort is CPU_PORT of p4/include/headers.p4.
const cpuPort = 510

// drain bounds how long a frame waits in a lab's wires, with much to spare.
const drain = 250 * time.Millisecond

// World implements [lab.World]. Its zero value is ready.
type World struct {
	Log *slog.Logger // nil discards

	mu       sync.Mutex
	switches map[string]*embeddedSwitch // by P4Runtime address
}

// StartDevice implements [lab.World].
func (w *World) StartDevice(_ context.Context, spec lab.DeviceSpec, transmit func(uint32, []byte)) (lab.Device, error) {
	t, err := target.New(target.Options{
		DeviceID: spec.ID,
		CPUPort:  cpuPort,
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
	s := &embeddedSwitch{target: t, spec: spec, conn: conn}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.switches == nil {
		w.switches = make(map[string]*embeddedSwitch)
	}
	w.switches[s.Target().Address] = s
	return s, nil
}

// at returns the switch at a P4Runtime address.
func (w *World) at(address string) (*embeddedSwitch, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.switches[address]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("no device at %s", address)
}

// StartController implements [lab.World].
func (w *World) StartController(_ context.Context, spec lab.ControllerSpec) (lab.Controller, error) {
	n, err := nva.New(nva.Options{
		Name:      spec.Name,
		Inventory: spec.Refresh,
		Log:       w.Log,
		Drain:     drain,
		Dial: func(d intent.Device, o device.Options) (*device.Device, error) {
			s, err := w.at(d.P4Runtime.Address)
			if err != nil {
				return nil, err
			}
			return device.Dial("passthrough:///"+d.P4Runtime.Address, o, grpc.WithContextDialer(s.target.DialContext))
		},
	})
	if err != nil {
		return nil, err
	}
	return &authority{NVA: n, world: w}, nil
}
