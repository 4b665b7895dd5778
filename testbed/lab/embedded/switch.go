package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/authority"
	"github.com/keyway-nve/keyway/testbed/lab/counter"
	"github.com/keyway-nve/keyway/testbed/target"
)

// embeddedSwitch is one target of a lab.
type embeddedSwitch struct {
	fleet  *authority.Fleet
	target *target.Target
	spec   lab.DeviceSpec
	conn   *grpc.ClientConn // only reads
	reader counter.Reader
	byWire atomic.Uint64 // frames that came from wires
}

// Receive implements [lab.Device].
func (s *embeddedSwitch) Receive(port uint32, frame []byte) {
	s.byWire.Add(1)
	s.target.Inject(port, frame)
}

// Settle implements [lab.Device]: when Receive returns all is done.
func (s *embeddedSwitch) Settle(context.Context) error { return nil }

// Target implements [lab.Device].
func (s *embeddedSwitch) Target() intent.Target {
	return intent.Target{Address: s.spec.Name + ":9559", DeviceID: s.spec.ID}
}

// GNMI implements [lab.Device].
func (s *embeddedSwitch) GNMI() string { return fmt.Sprintf("%s:%d", s.spec.Name, gnmi.Port) }

// Advertise implements [lab.Device].
func (s *embeddedSwitch) Advertise(c capabilities.Capability) error { return s.target.SetProfile(&c) }

// Says implements [lab.Device].
func (s *embeddedSwitch) Says() (capabilities.Capability, bool) { return s.target.Capability() }

// Cut implements [lab.Device].
func (s *embeddedSwitch) Cut() error { return s.fleet.Cut(s) }

// DialGNMIContext implements [authority.Device].
func (s *embeddedSwitch) DialGNMIContext(ctx context.Context, address string) (net.Conn, error) {
	return s.target.DialGNMIContext(ctx, address)
}

// P4RuntimeAddress returns where others reach the P4Runtime server, or "".
func (s *embeddedSwitch) P4RuntimeAddress() string {
	if a := s.target.Address(); a != nil {
		return a.String()
	}
	return ""
}

// Counters implements [lab.Device].
func (s *embeddedSwitch) Counters(ctx context.Context) (lab.Counters, error) {
	return s.reader.All(ctx)
}

// Close implements [lab.Device].
func (s *embeddedSwitch) Close() error { return errors.Join(s.conn.Close(), s.target.Close()) }

// DialContext implements [authority.Device].
func (s *embeddedSwitch) DialContext(ctx context.Context, address string) (net.Conn, error) {
	return s.target.DialContext(ctx, address)
}

// Punted implements [authority.Device].
func (s *embeddedSwitch) Punted(ctx context.Context) (uint64, error) { return s.reader.Punted(ctx) }

// PacketOuts implements [authority.Device].
func (s *embeddedSwitch) PacketOuts() uint64 { return s.target.Stats().Received - s.byWire.Load() }
