package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
)

// statement is what the target says of itself: what its program and its
// profile, if there is one, both allow. A target without a program, or with
// one whose P4Info does not say what it does with options, says nothing.
type statement struct {
	server *gnmi.Server
	name   string

	mu      sync.Mutex
	profile *capabilities.Capability
	info    *p4configv1.P4Info // of the program that packets see; nil: none
	told    *capabilities.Capability
}

// Capability returns what the target says of itself, and whether it says
// anything. The value shares memory with the target: to change it, replace its
// slices.
func (t *Target) Capability() (capabilities.Capability, bool) { return t.says.now() }

func (s *statement) now() (capabilities.Capability, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told == nil {
		return capabilities.Capability{}, false
	}
	return *s.told, true
}

// SetProfile makes the target pose as another product, or, with nil, as none;
// it tells its subscribers at once what has changed. The error lists what
// contradicts itself in the profile, or in what is left of it with the program
// that runs; then nothing has changed.
func (t *Target) SetProfile(profile *capabilities.Capability) error {
	return t.says.setProfile(profile)
}

func (s *statement) setProfile(profile *capabilities.Capability) error {
	if profile != nil {
		if err := profile.Validate(); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.say(profile, s.info); err != nil && !errors.Is(err, errNothing) {
		return err
	}
	s.profile = profile
	return nil
}

// setProgram is told of the program that packets see from now on; nil is none,
// or one without P4Info. It returns why the target says nothing of itself.
func (s *statement) setProgram(info *p4configv1.P4Info) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if info != nil && info == s.info {
		return nil
	}
	s.info = info
	err := s.say(s.profile, info)
	if err == nil {
		return nil
	}
	// What it said of another program is true no more.
	s.told = nil
	return errors.Join(err, s.server.Withdraw(s.name))
}

// errNothing is of a program that says nothing of the target.
var errNothing = errors.New("no statement")

// say works out what is true of the target with a profile and a program, and
// serves it. mu must be held.
func (s *statement) say(profile *capabilities.Capability, info *p4configv1.P4Info) error {
	if info == nil {
		return errNothing
	}
	c, err := capabilities.FromP4Info(s.name, info)
	if err != nil {
		return fmt.Errorf("%w: %w", errNothing, err)
	}
	if profile != nil {
		c = capabilities.Intersect(*profile, c)
		c.Name = s.name
	}
	if err := s.server.Put(s.name, c); err != nil {
		return err
	}
	s.told = &c
	return nil
}

// experimental is the capability as P4Runtime carries it; nil: none.
func (s *statement) experimental() (*anypb.Any, error) {
	c, ok := s.now()
	if !ok {
		return nil, nil
	}
	return gnmi.MarshalAny(c)
}

// listenGNMI starts the gNMI server, where it was if it has run before.
func (t *Target) listenGNMI() error {
	opts := append([]grpc.ServerOption{
		// A subscriber whose machine has gone is found out: gRPC itself waits two
		// hours.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute}),
		grpc.ChainUnaryInterceptor(t.faults.unary, t.faults.unaryGNMI),
		grpc.ChainStreamInterceptor(t.faults.stream, t.faults.streamGNMI),
	}, t.opts.Server...)
	g := grpc.NewServer(opts...)
	gpb.RegisterGNMIServer(g, t.says.server)
	if err := t.gnmi.start(g, t.opts.GNMIAddress, &t.group); err != nil {
		return fmt.Errorf("gnmi server: %w", err)
	}
	return nil
}

// GNMIAddress returns where the gNMI server listens, or nil if it is reached
// by [Target.DialGNMI] only.
func (t *Target) GNMIAddress() net.Addr { return t.gnmi.addr() }

// DialGNMI connects to the gNMI server within the process, as [Target.Dial]
// does to P4Runtime's.
func (t *Target) DialGNMI(opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	return t.gnmi.dial(opts)
}

// DialGNMIContext is a dialer for [grpc.WithContextDialer] that reaches the
// gNMI server within the process, whatever the address.
func (t *Target) DialGNMIContext(ctx context.Context, address string) (net.Conn, error) {
	return t.gnmi.dialContext(ctx, address)
}
