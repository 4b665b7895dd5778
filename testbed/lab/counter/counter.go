// Package counter reads the counters and registers of this project's programs
// from a device, under the names that labs have for them.
package counter

import (
	"context"
	"fmt"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/tables/nve"
	"github.com/keyway-nve/keyway/testbed/lab"
)

// Reader reads the counters of one device. Reading needs no primacy, so it goes
// beside the session of whoever programs the device.
type Reader struct {
	Conn   grpc.ClientConnInterface
	Device lab.DeviceSpec
}

// cell is one counter or register.
type cell struct {
	id    uint32
	names []string // by index; without names, the sum of all
	name  string   // of the sum
}

func (r Reader) cells() []cell {
	cells := []cell{
		{nve.CounterDropsID, prefixed("drop-", p4.DropReasons()), "drops"},
		{nve.CounterPuntsID, prefixed("punt-", p4.PuntReasons()), "punts"},
	}
	if r.Device.Role == intent.RoleNVE {
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

// All returns all counters. What the server says it has not implemented to read
// is unreadable, which is no error.
func (r Reader) All(ctx context.Context) (lab.Counters, error) {
	out := lab.Counters{Values: make(map[string]uint64)}
	for _, c := range r.cells() {
		sum := out.Values[c.name]
		cells := make(map[string]uint64)
		for _, name := range c.names {
			if name != "" {
				cells[name] = 0
			}
		}
		err := r.read(ctx, c.id, func(index int64, n uint64) {
			sum += n
			if index < int64(len(c.names)) && c.names[index] != "" {
				cells[c.names[index]] += n
			}
		})
		if status.Code(err) == codes.Unimplemented {
			out.Unreadable = append(out.Unreadable, c.name)
			continue
		}
		if err != nil {
			return lab.Counters{}, err
		}
		out.Values[c.name] = sum
		for name, n := range cells {
			out.Values[name] += n
		}
	}
	return out, nil
}

// Punted returns how many packets went to the controller.
func (r Reader) Punted(ctx context.Context) (n uint64, err error) {
	err = r.read(ctx, nve.CounterPuntsID, func(_ int64, v uint64) { n += v })
	return n, err
}

// registerPrefix is the first byte of a register's id (P4Runtime
// specification, section 6.3).
const registerPrefix = 0x16

// read calls f with each cell of a counter or register.
func (r Reader) read(ctx context.Context, id uint32, f func(index int64, n uint64)) error {
	e := &p4v1.Entity{Entity: &p4v1.Entity_CounterEntry{CounterEntry: &p4v1.CounterEntry{CounterId: id}}}
	if id>>24 == registerPrefix {
		e = &p4v1.Entity{Entity: &p4v1.Entity_RegisterEntry{RegisterEntry: &p4v1.RegisterEntry{RegisterId: id}}}
	}
	session := p4rt.New(r.Conn, p4rt.Options{Name: "device " + r.Device.Name, DeviceID: r.Device.ID})
	for e, err := range session.Read(ctx, e) {
		if err != nil {
			return err
		}
		if c := e.GetCounterEntry(); c != nil {
			f(c.GetIndex().GetIndex(), uint64(c.GetData().GetPacketCount()))
		} else if x := e.GetRegisterEntry(); x != nil {
			v, err := bytestring.Uint64(x.GetData().GetBitstring())
			if err != nil {
				return fmt.Errorf("device %s: register %#x: %w", r.Device.Name, id, err)
			}
			f(x.GetIndex().GetIndex(), v)
		}
	}
	return nil
}
