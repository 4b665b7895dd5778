// Package authority runs the NVAs of labs, whatever their devices are.
package authority

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/nva"
	"github.com/keyway-nve/keyway/testbed/lab"
)

// drain bounds how long a frame waits in a lab's wires, with much to spare.
const drain = 250 * time.Millisecond

// Device is what an NVA's settling asks of a device.
type Device interface {
	// DialContext reaches the device's P4Runtime server, whatever the address.
	DialContext(ctx context.Context, address string) (net.Conn, error)
	// Punted returns how many packets the device has sent to the controller.
	Punted(ctx context.Context) (uint64, error)
	// PacketOuts returns how many of the controller's packets it has dealt with,
	// or at least how many of them have left it.
	PacketOuts() uint64
}

// Fleet is the devices of a lab by their P4Runtime addresses, and who says by
// gNMI what they can do, by its address. Its zero value is empty.
type Fleet struct {
	mu      sync.Mutex
	devices map[string]Device
	gnmi    map[string]Dialer
}

// Dialer reaches one server, whatever the address.
type Dialer func(ctx context.Context, address string) (net.Conn, error)

// Add adds a device.
func (f *Fleet) Add(address string, d Device) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.devices == nil {
		f.devices = make(map[string]Device)
	}
	f.devices[address] = d
}

// AddGNMI adds a gNMI server.
func (f *Fleet) AddGNMI(address string, dial Dialer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gnmi == nil {
		f.gnmi = make(map[string]Dialer)
	}
	f.gnmi[address] = dial
}

// DialGNMI is a dialer for [grpc.WithContextDialer] that reaches the gNMI
// servers of the fleet by their addresses.
func (f *Fleet) DialGNMI(ctx context.Context, address string) (net.Conn, error) {
	f.mu.Lock()
	dial := f.gnmi[address]
	f.mu.Unlock()
	if dial == nil {
		return nil, fmt.Errorf("no gNMI server at %s", address)
	}
	return dial(ctx, address)
}

func (f *Fleet) at(address string) (Device, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.devices[address]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("no device at %s", address)
}

// Start starts the NVA of an authority; log may be nil.
func (f *Fleet) Start(spec lab.ControllerSpec, log *slog.Logger) (lab.Controller, error) {
	n, err := nva.New(nva.Options{
		Name:      spec.Name,
		Inventory: spec.Refresh,
		Log:       log,
		Drain:     drain,
		Dial: func(d intent.Device, o device.Options) (*device.Device, error) {
			x, err := f.at(d.P4Runtime.Address)
			if err != nil {
				return nil, err
			}
			return device.Dial("passthrough:///"+d.P4Runtime.Address, o, grpc.WithContextDialer(x.DialContext))
		},
	})
	if err != nil {
		return nil, err
	}
	return &authority{NVA: n, fleet: f}, nil
}

// authority implements [lab.Controller].
type authority struct {
	*nva.NVA
	fleet *Fleet
}

const (
	settlePoll = 200 * time.Microsecond
	// settleWithin is how long the lab waits for a punt that got lost on its
	// way, because the session went down under it, before it goes on.
	settleWithin = 500 * time.Millisecond
)

// Settle implements [lab.Controller]: all that the devices have punted has been
// handled, all that they were sent has been forwarded, and their tables are as
// they should be.
func (a *authority) Settle(ctx context.Context) error {
	for patience := time.Now().Add(settleWithin); ; {
		quiet, err := a.quiet(ctx)
		if err != nil {
			return err
		}
		if quiet || time.Now().After(patience) {
			return a.InSync(ctx)
		}
		select {
		case <-time.After(settlePoll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (a *authority) quiet(ctx context.Context) (bool, error) {
	for _, d := range a.Intent().Devices {
		if !d.Managed() {
			continue
		}
		x, err := a.fleet.at(d.P4Runtime.Address)
		if err != nil {
			return false, err
		}
		punted, err := x.Punted(ctx)
		if err != nil {
			return false, err
		}
		if handled, sent := a.Handled(d.Name); handled < punted || x.PacketOuts() < sent {
			return false, nil
		}
	}
	return true, nil
}

// Counters implements [lab.Controller].
func (a *authority) Counters(context.Context) (map[string]uint64, error) {
	return a.NVA.Counters(), nil
}
