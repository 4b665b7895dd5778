// Package nva is the network virtualization authority (RFC 8014): it holds an
// intent, keeps each managed device's tables as the intent wants them, and
// answers and judges the messages by which NVEs tell of misses.
//
//	Apply(intent) --> render.Device --> device.Device --> P4Runtime
//	                      ^
//	punts --> miss.Responder --> packet-out: REDIRECT, UNREACHABLE
//	      \-> miss.Receiver  --> miss.Overrides, Refresh
//
// One lock guards intent, overrides and the miss handling, so that every
// decision sees one state. Devices run on goroutines of their own, and nothing
// waits for one under the lock.
package nva

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/controller/rollout"
	"github.com/keyway-nve/keyway/p4"
)

// ErrClosed is returned once Close was called.
var ErrClosed = errors.New("NVA is closed")

// Options configure an NVA. The zero value of every field is a good default.
type Options struct {
	// Name is what logs call this instance.
	Name string
	// ElectionID is this instance's P4Runtime election id at all devices; 0
	// means 1.
	ElectionID uint64
	// Inventory returns the newest intent from where intents come from. The NVA
	// asks when a message makes it doubt the one that it has. Nil leaves it at
	// that.
	Inventory func(context.Context) (intent.Intent, error)
	// Dial makes a device over a connection of its own. Nil means
	// [device.Dial] with the address that the intent gives.
	Dial func(intent.Device, device.Options) (*device.Device, error)

	// Drain is how long a packet may be under way between two NVEs: what a
	// receiver needs no more is kept so long after the last sender has
	// switched. 0 means 1 second.
	Drain time.Duration

	Render    render.Options
	Responder miss.ResponderOptions
	Receiver  miss.ReceiverOptions
	// Audit is the time between two read-backs of a device; 0 means 1 minute.
	Audit time.Duration

	Log *slog.Logger // nil discards
}

// NVA is a running authority. Its methods may be used by several goroutines.
type NVA struct {
	o        Options
	log      *slog.Logger
	programs map[intent.Role]*p4rt.Pipeline
	numbers  render.Numbers

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	revision  uint64
	intent    *intent.Intent
	network   *miss.Network // intent and overrides, as decisions about misses see them
	overrides miss.Overrides
	expiry    *time.Timer // of the next override
	drain     *time.Timer // of the rollout
	responder *miss.Responder
	receiver  *miss.Receiver
	devices   map[string]*managed
	fleet     rollout.Fleet
	moved     chan struct{} // closed, and replaced, when a device has come further
	traces    traces
	n         counts
	closed    bool
}

// managed is a device that this NVA programs.
type managed struct {
	*device.Device
	spec    intent.Device
	stop    context.CancelFunc
	done    chan struct{}
	handled uint64 // packet-ins dealt with
	sent    uint64 // packet-outs
}

// New returns an NVA that programs nothing until Apply.
func New(o Options) (*NVA, error) {
	nve, err := p4.NVE()
	if err != nil {
		return nil, err
	}
	transit, err := p4.Transit()
	if err != nil {
		return nil, err
	}
	o.ElectionID = cmp.Or(o.ElectionID, 1)
	o.Drain = cmp.Or(o.Drain, time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Dial == nil {
		o.Dial = func(d intent.Device, o device.Options) (*device.Device, error) {
			return device.Dial(d.P4Runtime.Address, o)
		}
	}
	n := &NVA{
		o:   o,
		log: o.Log.With("nva", o.Name),
		programs: map[intent.Role]*p4rt.Pipeline{
			intent.RoleNVE:     {Info: nve.P4Info, DeviceConfig: nve.DeviceConfig},
			intent.RoleTransit: {Info: transit.P4Info, DeviceConfig: transit.DeviceConfig},
		},
		responder: miss.NewResponder(o.Responder),
		receiver:  miss.NewReceiver(o.Receiver),
		devices:   make(map[string]*managed),
		intent:    new(intent.Intent),
		fleet:     rollout.Fleet{Drain: o.Drain},
		moved:     make(chan struct{}),
	}
	n.network = miss.NewNetwork(n.intent, &n.overrides)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n, nil
}

// Close ends all sessions. The devices keep forwarding as they were.
func (n *NVA) Close() error {
	n.mu.Lock()
	n.closed = true
	for _, t := range []*time.Timer{n.expiry, n.drain} {
		if t != nil {
			t.Stop()
		}
	}
	n.mu.Unlock()
	n.cancel()
	n.running.Wait()
	var errs []error
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.devices {
		errs = append(errs, m.Close())
	}
	clear(n.devices)
	return errors.Join(errs...)
}

// Apply makes in the intent, and returns when the tables of all managed
// devices hold it. An invalid intent changes nothing; the error has all
// reasons.
func (n *NVA) Apply(ctx context.Context, in intent.Intent) error {
	if err := n.Set(in); err != nil {
		return err
	}
	return n.InSync(ctx)
}

// Set makes in the intent and returns at once; the devices follow.
func (n *NVA) Set(in intent.Intent) error {
	if err := in.Validate(); err != nil {
		return err
	}
	in = in.Resolved()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ErrClosed
	}
	return n.set(in)
}

// set replaces the intent and renders all. The lock is held.
func (n *NVA) set(in intent.Intent) error {
	network := miss.NewNetwork(&in, &n.overrides)
	n.overrides.Settle(network)
	rendered, err := n.renderAll(&in)
	if err != nil {
		return err
	}
	n.intent, n.network = &in, network
	if err := n.enlist(); err != nil {
		return err
	}
	for name, entities := range rendered {
		n.fleet.Target(name, entities)
	}
	return n.advance()
}

// enlist starts sessions with the devices that the intent has new, and ends
// those with devices that it has no more or at another place.
func (n *NVA) enlist() error {
	for name, m := range n.devices {
		d, ok := n.intent.Device(name)
		if ok && d.P4Runtime == m.spec.P4Runtime && d.Role == m.spec.Role {
			continue
		}
		m.stop()
		delete(n.devices, name)
		n.fleet.Forget(name)
		n.running.Go(func() {
			<-m.done
			if err := m.Close(); err != nil {
				n.log.Warn("closing a session", "device", name, "err", err)
			}
		})
	}
	for _, d := range n.intent.Devices {
		if !d.Managed() || n.devices[d.Name] != nil {
			continue
		}
		if err := n.start(d); err != nil {
			return err
		}
	}
	return nil
}

func (n *NVA) start(d intent.Device) error {
	m := &managed{spec: d, done: make(chan struct{})}
	var err error
	m.Device, err = n.o.Dial(d, device.Options{
		Session: p4rt.Options{
			Name:       d.Name,
			DeviceID:   d.P4Runtime.DeviceID,
			ElectionID: p4rt.ElectionID{Low: n.o.ElectionID},
			Pipeline:   n.programs[d.Role],
			Log:        n.o.Log,
		},
		Audit:    n.o.Audit,
		PacketIn: n.packetIn(m),
		Digest:   n.digest(m),
		Repair: func(diff device.Difference) {
			n.log.Warn("device differed from what it should hold", "device", d.Name, "kind", diff.Kind, "entity", diff.Text)
		},
	})
	if err != nil {
		return fmt.Errorf("device %s: %w", d.Name, err)
	}
	n.devices[d.Name] = m
	ctx, stop := context.WithCancel(n.ctx)
	m.stop = stop
	n.running.Go(func() { n.follow(ctx, m) })
	n.running.Go(func() {
		defer close(m.done)
		if err := m.Run(ctx); err != nil && ctx.Err() == nil {
			n.log.Error("session ended", "device", d.Name, "err", err)
		}
	})
	return nil
}

// follow lets the fleet advance as a device does.
func (n *NVA) follow(ctx context.Context, m *managed) {
	for s := range m.Watch(ctx) {
		n.mu.Lock()
		if n.devices[m.Name()] == m {
			n.fleet.Reached(m.Name(), s.Watermark)
			if err := n.advance(); err != nil {
				n.log.Error("rollout", "err", err)
			}
		}
		close(n.moved)
		n.moved = make(chan struct{})
		n.mu.Unlock()
	}
}

// InSync returns when the tables of all managed devices hold the intent of now.
// Its error names the devices that do not, and why.
func (n *NVA) InSync(ctx context.Context) error {
	for {
		n.mu.Lock()
		settled, moved := n.fleet.Settled(), n.moved
		pending := n.fleet.Pending()
		var errs []error
		for _, name := range pending {
			m := n.devices[name]
			if m == nil {
				continue
			}
			if s := m.Status(); s.State == device.Degraded {
				errs = append(errs, fmt.Errorf("device %s is degraded: %q", name, s.Reasons))
			}
		}
		n.mu.Unlock()
		if settled || len(errs) > 0 {
			return errors.Join(errs...)
		}
		select {
		case <-moved:
		case <-n.ctx.Done():
			return ErrClosed
		case <-ctx.Done():
			return n.late(context.Cause(ctx), pending)
		}
	}
}

// late says which devices are not in sync.
func (n *NVA) late(cause error, pending []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	errs := []error{cause}
	for _, name := range pending {
		if m := n.devices[name]; m != nil {
			s := m.Status()
			errs = append(errs, fmt.Errorf("device %s is %v: %q", name, s.State, s.Reasons))
		}
	}
	return errors.Join(errs...)
}

// DeviceStatus is how one device stands.
type DeviceStatus struct {
	Name string
	device.Status
}

// Devices returns how each managed device stands, by name.
func (n *NVA) Devices() []DeviceStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]DeviceStatus, 0, len(n.devices))
	for name, m := range n.devices {
		out = append(out, DeviceStatus{name, m.Status()})
	}
	slices.SortFunc(out, func(a, b DeviceStatus) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
