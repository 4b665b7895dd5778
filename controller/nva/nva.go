// Package nva is the network virtualization authority (RFC 8014): it holds an
// intent, asks devices what they can do, keeps each managed device's tables as
// both want them, and answers and judges the messages by which NVEs tell of misses.
//
//	gNMI: what each device can do
//	                      |
//	                      v
//	Apply(intent) --> layouts.Settle --> render.Device --> device.Device --> P4Runtime
//	                                         ^
//	punts --> miss.Responder --> packet-out: REDIRECT, UNREACHABLE
//	      \-> miss.Receiver  --> miss.Overrides, Refresh
//
// One lock guards intent, overrides, rollout and the miss handling, so that
// every decision sees one state. Devices run on goroutines of their own, which
// take it in their callbacks; under it we take a device's lock and never the
// other way round. Nothing under it waits for a device, its network or the
// inventory.
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

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/controller/rollout"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables"
)

// ErrClosed is returned once Close was called.
var ErrClosed = errors.New("NVA is closed")

// Options configure an NVA. The zero value of every field is a good default.
type Options struct {
	// Name is what logs call this instance.
	Name string
	// ElectionID is this instance's P4Runtime election id at all devices: the
	// highest is primary. 0 means milliseconds of the clock, so that who has
	// started last is, and what a former one still has under way is refused.
	ElectionID uint64
	// Inventory returns the newest intent from where intents come from, within
	// 10 seconds. The NVA asks when a message makes it doubt the one that it has,
	// once at a time, and drops the answer if it was given another intent
	// meanwhile. Nil leaves it at that.
	Inventory func(context.Context) (intent.Intent, error)
	// Dial makes a device over a connection of its own, without waiting for it.
	// Nil means [device.Dial] with the address that the intent gives.
	Dial func(intent.Device, device.Options) (*device.Device, error)

	// Ask makes a client for the gNMI server that knows what a device can do. Nil
	// means [gnmi.Dial] with the address and the name that the intent gives.
	Ask func(intent.Device) (*gnmi.Client, error)
	// AskWithin is how long after the start nothing is programmed while devices
	// have not said yet what they can do. 0 means 10 seconds.
	AskWithin time.Duration
	// Serve, if not nil, is given what the devices say, to serve it for all of
	// them.
	Serve *gnmi.Server

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
	programs map[intent.Role]program
	program  capabilities.Capability // that of NVEs
	numbers  render.Numbers
	asking   chan struct{} // holds one: who asks the inventory
	wake     chan struct{} // holds one: the layouts are to be settled anew

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex
	revision  uint64
	intent    *intent.Intent
	plan      *layouts.Plan // of intent
	asked     map[string]*asked
	version   uint64        // of what devices have told
	current   uint64        // version that plan was settled with
	holding   bool          // until devices have told what they can do
	patience  *time.Timer   // of holding
	sets      uint64        // intents so far
	round     uint64        // of numbers: that of intent
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

// program is what devices of a role run.
type program struct {
	pipeline *p4rt.Pipeline
	schema   *tables.Schema
}

func load(p *p4.Program, err error) (program, error) {
	if err != nil {
		return program{}, err
	}
	s, err := tables.NewSchema(p.P4Info)
	return program{&p4rt.Pipeline{Info: p.P4Info, DeviceConfig: p.DeviceConfig}, s}, err
}

// managed is a device that this NVA programs.
type managed struct {
	*device.Device
	spec    intent.Device
	stop    context.CancelFunc
	done    chan struct{}
	handled uint64          // packet-ins dealt with
	sent    uint64          // packet-outs
	held    []tables.Entity // found before there was anything to hand out
}

// New returns an NVA that programs nothing until Apply. It refuses options that
// are out of bounds, with all reasons.
func New(o Options) (*NVA, error) {
	nve, errNVE := load(p4.NVE())
	transit, errTransit := load(p4.Transit())
	if err := errors.Join(errNVE, errTransit, o.Render.Check()); err != nil {
		return nil, err
	}
	allows, err := capabilities.FromSchema("nve", nve.schema)
	if err != nil {
		return nil, err
	}
	o.ElectionID = cmp.Or(o.ElectionID, uint64(time.Now().UnixMilli()))
	o.Drain = cmp.Or(o.Drain, time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Dial == nil {
		o.Dial = func(d intent.Device, o device.Options) (*device.Device, error) {
			return device.Dial(d.P4Runtime.Address, o)
		}
	}
	o.AskWithin = cmp.Or(o.AskWithin, 10*time.Second)
	if o.Ask == nil {
		o.Ask = func(d intent.Device) (*gnmi.Client, error) {
			return gnmi.Dial(d.GNMI, gnmi.ClientOptions{Target: d.Name, Log: o.Log})
		}
	}
	n := &NVA{
		o:         o,
		program:   allows,
		wake:      make(chan struct{}, 1),
		asked:     make(map[string]*asked),
		log:       o.Log.With("nva", o.Name),
		programs:  map[intent.Role]program{intent.RoleNVE: nve, intent.RoleTransit: transit},
		asking:    make(chan struct{}, 1),
		responder: miss.NewResponder(o.Responder),
		receiver:  miss.NewReceiver(o.Receiver),
		devices:   make(map[string]*managed),
		intent:    new(intent.Intent),
		fleet:     rollout.Fleet{Drain: o.Drain},
		moved:     make(chan struct{}),
	}
	n.plan = layouts.Written(n.intent)
	n.network = miss.NewNetwork(n.intent, &n.overrides)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.running.Go(n.resettle)
	return n, nil
}

// Close ends all sessions. The devices keep forwarding as they were.
func (n *NVA) Close() error {
	n.mu.Lock()
	n.closed = true
	for _, t := range []*time.Timer{n.expiry, n.drain, n.patience} {
		if t != nil {
			t.Stop()
		}
	}
	for _, a := range n.asked {
		n.quit(a)
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

// follow lets the fleet advance as a device does.
func (n *NVA) follow(ctx context.Context, m *managed) {
	for s := range m.Watch(ctx) {
		n.mu.Lock()
		if n.devices[m.Name()] == m && n.fleet.Reached(m.Name(), s.Watermark) {
			n.logged(n.advance())
		}
		n.movedOn()
		n.mu.Unlock()
	}
}

// movedOn wakes those who wait in InSync. The lock is held.
func (n *NVA) movedOn() {
	close(n.moved)
	n.moved = make(chan struct{})
}

// InSync returns when the tables of all managed devices hold the intent of now
// and nothing else. Its error names the devices that do not, and why; it does
// not wait for devices that refuse what they were handed.
func (n *NVA) InSync(ctx context.Context) error {
	for {
		n.mu.Lock()
		settled, moved := n.fleet.Settled() && !n.holding && n.current == n.version, n.moved
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
	if n.holding {
		for _, name := range n.untold() {
			errs = append(errs, fmt.Errorf("device %s has not said yet what it can do: %w", name, n.asked[name].state.Err))
		}
	}
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
