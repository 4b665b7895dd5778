// Package target is one switch of the testbed: the packet engine, its
// P4Runtime server, its ports, and faults on demand. It stands in for bmv2's
// simple_switch_grpc; what bmv2 does not have, it says over gNMI what it can do
// with Geneve options.
package target

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/proto/bm"
	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/p4rt"
	"github.com/keyway-nve/keyway/testbed/p4rt/arbitration"
)

// DefaultSweep is how often bmv2 looks for entries that have timed out.
const DefaultSweep = time.Second

// Options configure a Target. The zero value is a switch with device id 0, as
// bmv2 has it, without a CPU port, that can be reached from within the process
// only.
type Options struct {
	DeviceID uint64
	// Name is the device's: the gNMI target, and the name of its capability.
	// Empty: "device-ID".
	Name     string
	CPUPort  uint32 // packet I/O goes by this port; 0: there is none
	DropPort uint32 // 0: bmv2's, 511
	// PriorityQueues is how many priorities packets may have; 0 is 1.
	PriorityQueues int
	// Program is bmv2 JSON to start with, without P4Info. Nil: none.
	Program []byte
	// Address is where the P4Runtime server listens, "host:port" or "unix:PATH".
	// Empty: it is reached by [Target.Dial] only.
	Address string
	// DataplaneAddress is where bmv2's packet service (p4.bm.DataplaneInterface)
	// listens. Empty: there is none.
	DataplaneAddress string
	// GNMIAddress is where the gNMI server listens, as Address. Empty: it is
	// reached by [Target.DialGNMI] only.
	GNMIAddress string
	// Profile is the product that the device poses as: over gNMI it says what
	// the product and its program both allow. Nil: what the program allows.
	Profile *capabilities.Capability
	// Server are options for the P4Runtime and the gNMI server, such as
	// credentials.
	Server []grpc.ServerOption
	// Roles judges role configurations; nil is [arbitration.FullAccess].
	Roles arbitration.Scheme
	// Output takes the frames that leave on ports to which nothing is attached.
	// A frame is valid during the call only. Nil: they are dropped.
	Output func(port uint32, frame []byte)
	// Dump, unless nil, is shown each frame that passes a port: "in" or "out".
	Dump func(direction string, port uint32, frame []byte)
	// Sweep is how often entries are looked at that may have timed out; 0 is
	// DefaultSweep.
	Sweep time.Duration
	Log   *slog.Logger // nil: discarded
}

// Target is one switch. Its methods may be called by several goroutines at
// once, Start and Close excepted.
type Target struct {
	opts   Options
	faults Faults
	ports  ports
	stream packetStream // of bmv2's packet service
	says   statement

	mu     sync.RWMutex
	server *p4rt.Server

	p4runtime, gnmi endpoint

	dataplane        *grpc.Server
	dataplaneAddress net.Addr

	group  errgroup.Group // everything that runs until Close
	cancel context.CancelFunc
}

// New returns a switch that does not run yet: frames pass, but nothing
// listens. It refuses a Program that the engine does not take, and a Profile
// that contradicts itself.
func New(opts Options) (*Target, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Sweep == 0 {
		opts.Sweep = DefaultSweep
	}
	if opts.Name == "" {
		opts.Name = fmt.Sprintf("device-%d", opts.DeviceID)
	}
	t := &Target{opts: opts, says: statement{
		name:   opts.Name,
		server: gnmi.NewServer(gnmi.ServerOptions{Default: opts.Name, Log: opts.Log}),
	}}
	if err := t.SetProfile(opts.Profile); err != nil {
		return nil, err
	}
	if err := t.boot(); err != nil {
		return nil, err
	}
	return t, nil
}

// boot makes the server as it is after power up.
func (t *Target) boot() error {
	s := p4rt.New(p4rt.Options{
		DeviceID:       t.opts.DeviceID,
		CPUPort:        t.opts.CPUPort,
		DropPort:       t.opts.DropPort,
		PriorityQueues: t.opts.PriorityQueues,
		Roles:          t.opts.Roles,
		Output:         t.output,
		Enter:          func(port uint32, frame []byte) { t.process(port, frame, 0) },
		Allow:          t.faults.allow,
		Configured:     t.configured,
		Experimental:   t.says.experimental,
		Log:            t.opts.Log,
	})
	t.configured(nil)
	if t.opts.Program != nil {
		if err := s.Load(t.opts.Program); err != nil {
			return err
		}
	}
	for _, port := range t.ports.allDown() {
		if err := s.SetPort(port, false); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.server = s
	return nil
}

// Start listens and begins to look for entries that time out. The target runs
// until Close.
func (t *Target) Start() error {
	ctx, cancel := context.WithCancel(context.Background())
	t.cancel = cancel
	err := t.listen()
	if err == nil {
		err = t.listenGNMI()
	}
	if err == nil && t.opts.DataplaneAddress != "" {
		err = t.serveDataplane()
	}
	if err != nil {
		return errors.Join(err, t.Close())
	}
	t.group.Go(func() error {
		tick := time.NewTicker(t.opts.Sweep)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				t.current().Sweep()
			}
		}
	})
	return nil
}

// configured is told of the program that packets see from now on.
func (t *Target) configured(info *p4configv1.P4Info) {
	if err := t.says.setProgram(info); err != nil {
		t.opts.Log.Info("no capability", "err", err)
	}
}

// listen starts the P4Runtime server, where it was if it has run before.
func (t *Target) listen() error {
	opts := append([]grpc.ServerOption{
		grpc.ChainUnaryInterceptor(t.faults.unary),
		grpc.ChainStreamInterceptor(t.faults.stream),
	}, t.opts.Server...)
	if err := t.p4runtime.start(t.current().GRPC(opts...), t.opts.Address, &t.group); err != nil {
		return fmt.Errorf("p4runtime server: %w", err)
	}
	return nil
}

func (t *Target) serveDataplane() error {
	l, err := listener(t.opts.DataplaneAddress)
	if err != nil {
		return fmt.Errorf("packet service: %w", err)
	}
	t.dataplaneAddress = l.Addr()
	t.dataplane = grpc.NewServer()
	bm.RegisterDataplaneInterfaceServer(t.dataplane, &dataplane{target: t})
	t.group.Go(func() error { return served(t.dataplane.Serve(l)) })
	return nil
}

// Close stops the target. Connections are cut.
func (t *Target) Close() error {
	if t.cancel != nil {
		t.cancel()
	}
	if t.dataplane != nil {
		t.dataplane.Stop()
	}
	t.stop()
	return errors.Join(t.ports.close(), t.group.Wait())
}

// stop cuts the P4Runtime and the gNMI server off.
func (t *Target) stop() {
	t.gnmi.stop()
	t.p4runtime.stop()
	t.current().Close()
}

// Wait returns when the target has been closed, or when a listener failed.
func (t *Target) Wait() error { return t.group.Wait() }

func (t *Target) current() *p4rt.Server {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.server
}

// Address returns where the P4Runtime server listens, or nil if it does not.
func (t *Target) Address() net.Addr { return t.p4runtime.addr() }

// DataplaneAddress returns where bmv2's packet service listens, or nil.
func (t *Target) DataplaneAddress() net.Addr { return t.dataplaneAddress }

// Dial connects to the P4Runtime server within the process. The connection
// follows the target through restarts, as one by TCP does.
func (t *Target) Dial(opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	return t.p4runtime.dial(opts)
}

// DialContext is a dialer for [grpc.WithContextDialer] that reaches the
// P4Runtime server within the process, whatever the address.
func (t *Target) DialContext(ctx context.Context, address string) (net.Conn, error) {
	return t.p4runtime.dialContext(ctx, address)
}

// Stats returns what became of packets since the program was started.
func (t *Target) Stats() engine.Stats { return t.current().Stats() }
