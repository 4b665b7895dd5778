package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables/nve"
	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/target"
)

// embeddedSwitch is one target of a lab.
type embeddedSwitch struct {
	target *target.Target
	spec   lab.DeviceSpec
	conn   *grpc.ClientConn // only reads
	byWire atomic.Uint64    // frames that came from wires
}

// Receive implements [lab.Device].
func (s *embeddedSwitch) Receive(port uint32, frame []byte) {
	s.byWire.Add(1)
	s.target.Inject(port, frame)
}

// Target implements [lab.Device].
func (s *embeddedSwitch) Target() intent.Target {
	return intent.Target{Address: s.spec.Name + ":9559", DeviceID: s.spec.ID}
}

// Close implements [lab.Device].
func (s *embeddedSwitch) Close() error { return errors.Join(s.conn.Close(), s.target.Close()) }

// injected returns how many frames came by packet-out.
func (s *embeddedSwitch) injected() uint64 { return s.target.Stats().Received - s.byWire.Load() }

// cell is one cell of the program's counters and registers, under the name that
// a lab has for it.
type cell struct {
	id    uint32
	names []string // by index; without names, the sum of all
	name  string   // of the sum
}

func (s *embeddedSwitch) cells() []cell {
	cells := []cell{
		{nve.CounterDropsID, prefixed("drop-", p4.DropReasons()), "drops"},
		{nve.CounterPuntsID, prefixed("punt-", p4.PuntReasons()), "punts"},
	}
	if s.spec.Role == intent.RoleNVE {
		cells = append(cells,
			cell{nve.CounterEgressDropsID, prefixed("drop-", p4.DropReasons()), "drops"},
			cell{nve.CounterSequenceGapsID, nil, "sequence-gaps"},
			cell{nve.CounterLatePacketsID, nil, "late-packets"},
			cell{nve.RegisterLostPacketsID, nil, "lost-packets"},
		)
	}
	return cells
}

func prefixed(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		if name != "" {
			out[i] = prefix + name
		}
	}
	return out
}

// Counters implements [lab.Device].
func (s *embeddedSwitch) Counters(ctx context.Context) (map[string]uint64, error) {
	out := make(map[string]uint64)
	for _, c := range s.cells() {
		out[c.name] += 0
		for _, name := range c.names {
			if name != "" {
				out[name] += 0
			}
		}
		err := s.read(ctx, c.id, func(index int64, n uint64) {
			out[c.name] += n
			if index < int64(len(c.names)) && c.names[index] != "" {
				out[c.names[index]] += n
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// punted returns how many packets went to the controller.
func (s *embeddedSwitch) punted(ctx context.Context) (n uint64, err error) {
	err = s.read(ctx, nve.CounterPuntsID, func(_ int64, v uint64) { n += v })
	return n, err
}

// registerPrefix is the first byte of a register's id (P4Runtime
// specification, section 6.3).
const registerPrefix = 0x16

// read calls f with each cell of a counter or register.
func (s *embeddedSwitch) read(ctx context.Context, id uint32, f func(index int64, n uint64)) error {
	e := &p4v1.Entity{Entity: &p4v1.Entity_CounterEntry{CounterEntry: &p4v1.CounterEntry{CounterId: id}}}
	if id>>24 == registerPrefix {
		e = &p4v1.Entity{Entity: &p4v1.Entity_RegisterEntry{RegisterEntry: &p4v1.RegisterEntry{RegisterId: id}}}
	}
	stream, err := p4v1.NewP4RuntimeClient(s.conn).Read(ctx, &p4v1.ReadRequest{
		DeviceId: s.spec.ID,
		Entities: []*p4v1.Entity{e},
	})
	for err == nil {
		var resp *p4v1.ReadResponse
		if resp, err = stream.Recv(); err != nil {
			break
		}
		for _, e := range resp.GetEntities() {
			if c := e.GetCounterEntry(); c != nil {
				f(c.GetIndex().GetIndex(), uint64(c.GetData().GetPacketCount()))
			} else if r := e.GetRegisterEntry(); r != nil {
				f(r.GetIndex().GetIndex(), number(r.GetData().GetBitstring()))
			}
		}
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("device %s: reading %#x: %w", s.spec.Name, id, err)
	}
	return nil
}

func number(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}
