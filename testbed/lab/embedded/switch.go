package embedded

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/counter"
	"github.com/keyway-nve/keyway/testbed/target"
)

// embeddedSwitch is one target of a lab.
type embeddedSwitch struct {
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
