// Package authority runs the NVAs of labs, whatever their devices are.
package authority

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/nva"
	"github.com/keyway-nve/keyway/testbed/lab"
)

// A lab's gNMI servers are near, and there are few.
const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = 100 * time.Millisecond
)

// drain bounds how long a frame waits in a lab's wires, with much to spare.
const drain = 250 * time.Millisecond

// Device is what an NVA's settling asks of a device.
type Device interface {
	lab.Device
	// DialContext reaches the device's P4Runtime server, whatever the address.
	DialContext(ctx context.Context, address string) (net.Conn, error)
	// DialGNMIContext reaches its gNMI server.
	DialGNMIContext(ctx context.Context, address string) (net.Conn, error)
	// Punted returns how many packets the device has sent to the controller.
	Punted(ctx context.Context) (uint64, error)
	// PacketOuts returns how many of the controller's packets it has dealt with,
	// or at least how many of them have left it.
	PacketOuts() uint64
}

// Fleet is the devices of a lab by the addresses of their P4Runtime and gNMI
// servers. Its zero value is empty.
type Fleet struct {
	mu      sync.Mutex
	devices map[string]Device
	conns   map[string]map[*conn]bool // open, by address
}

// Add adds a device.
func (f *Fleet) Add(d Device) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.devices == nil {
		f.devices = make(map[string]Device)
	}
	f.devices[d.Target().Address] = d
	f.devices[d.GNMI()] = d
}

func (f *Fleet) at(address string) (Device, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.devices[address]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("no device at %s", address)
}

// conn is a connection of a controller that can be cut.
type conn struct {
	net.Conn
	fleet   *Fleet
	address string
}

// Close implements [net.Conn].
func (c *conn) Close() error {
	c.fleet.mu.Lock()
	delete(c.fleet.conns[c.address], c)
	c.fleet.mu.Unlock()
	return c.Conn.Close()
}

// dialer is that of connections to an address, which can be cut.
func (f *Fleet) dialer(address string, dial dialFunc) grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		inner, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.conns == nil {
			f.conns = make(map[string]map[*conn]bool)
		}
		if f.conns[address] == nil {
			f.conns[address] = make(map[*conn]bool)
		}
		c := &conn{inner, f, address}
		f.conns[address][c] = true
		return c, nil
	})
}

type dialFunc func(ctx context.Context, address string) (net.Conn, error)

// Cut breaks all connections of controllers to a device.
func (f *Fleet) Cut(d Device) error {
	f.mu.Lock()
	var open []*conn
	for _, a := range []string{d.Target().Address, d.GNMI()} {
		open = slices.AppendSeq(open, maps.Keys(f.conns[a]))
	}
	f.mu.Unlock()
	var errs []error
	for _, c := range open {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
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
			return device.Dial("passthrough:///"+d.Name, o, f.dialer(d.P4Runtime.Address, x.DialContext))
		},
		Ask: func(d intent.Device) (*gnmi.Client, error) {
			x, err := f.at(d.GNMI)
			if err != nil {
				return nil, err
			}
			o := gnmi.ClientOptions{Target: d.Name, Log: log, Settle: time.Millisecond, MinBackoff: minBackoff, MaxBackoff: maxBackoff}
			return gnmi.Dial("passthrough:///"+d.Name, o, f.dialer(d.GNMI, x.DialGNMIContext))
		},
	})
	if err != nil {
		return nil, err
	}
	return &authority{NVA: n, fleet: f, closed: make(chan struct{})}, nil
}

// authority implements [lab.Controller].
type authority struct {
	*nva.NVA
	fleet  *Fleet
	closed chan struct{}
}

// Close implements [lab.Controller].
func (a *authority) Close() error {
	close(a.closed)
	return a.NVA.Close()
}

// Collector returns a collector of what the NVA counts.
func (a *authority) Collector() prometheus.Collector { return nva.NewCollector(a.NVA) }

const (
	settlePoll = 200 * time.Microsecond
	// settleWithin is how long the lab waits for a punt that got lost on its
	// way, because the session went down under it, before it goes on.
	settleWithin = 500 * time.Millisecond
)

// Settle implements [lab.Controller]: what the devices say that they can do has
// been heard, all that they have punted has been handled, all that they were sent
// has been forwarded, and their tables are as they should be.
func (a *authority) Settle(ctx context.Context) error {
	for !a.heard() {
		if err := a.poll(ctx); err != nil {
			return fmt.Errorf("not heard yet what devices can do: %w", err)
		}
	}
	for patience := time.Now().Add(settleWithin); ; {
		quiet, err := a.quiet(ctx)
		if err != nil {
			return err
		}
		if quiet || time.Now().After(patience) {
			return a.InSync(ctx)
		}
		if err := a.poll(ctx); err != nil {
			return err
		}
	}
}

// poll waits before something is looked at again.
func (a *authority) poll(ctx context.Context) error {
	select {
	case <-time.After(settlePoll):
		return nil
	case <-a.closed:
		return nva.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (a *authority) heard() bool {
	addresses := make(map[string]string)
	for _, d := range a.Intent().Devices {
		addresses[d.Name] = d.GNMI
	}
	for _, c := range a.Capabilities() {
		x, err := a.fleet.at(addresses[c.Device])
		if err != nil {
			continue // it is not in the intent any more
		}
		says, ok := x.Says()
		if c.Stale || ok != (c.Answer == gnmi.Supported) || ok && !reflect.DeepEqual(says, c.Capability) {
			return false
		}
	}
	return true
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
