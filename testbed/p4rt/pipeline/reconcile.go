package pipeline

import (
	"bytes"
	"errors"
	"fmt"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// Reconcile returns a pipeline with a new config and the entities of old
// (section 14, RECONCILE_AND_COMMIT). If only the cookie differs that is old
// itself, undisturbed. An entity that the new config has no place for is
// INVALID_ARGUMENT, and all of them are named; old is then as it was.
func Reconcile(old *Pipeline, c *Config, opts Options) (*Pipeline, error) {
	if bytes.Equal(old.Wire.GetP4DeviceConfig(), c.Wire.GetP4DeviceConfig()) && proto.Equal(old.Wire.GetP4Info(), c.Wire.GetP4Info()) {
		old.installed = c.Wire // packets do not look at it
		return old, nil
	}
	updates, err := old.updates(c)
	if err != nil {
		return nil, err
	}
	p := New(c, opts)
	var faults []error
	for _, err := range p.Write(updates, p4v1.WriteRequest_CONTINUE_ON_ERROR, nil) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		p.Close()
		return nil, refusal.New(codes.InvalidArgument, "forwarding state cannot be preserved: %w", err)
	}
	return p, nil
}

// updates returns what makes the entities of p out of a new pipeline with the
// config to, in an order that keeps references intact. What every pipeline has
// without a client's doing is left out if it is as in a new one: entries and
// default entries of the program, cells that are zero. So are counters and
// meters of entries whose table has lost them.
func (p *Pipeline) updates(to *Config) ([]*p4v1.Update, error) {
	var out []*p4v1.Update
	add := func(op p4v1.Update_Type) func(*p4v1.Entity) {
		return func(e *p4v1.Entity) {
			if !untouched(e) {
				out = append(out, &p4v1.Update{Type: op, Entity: e})
			}
		}
	}
	var faults []error
	read := func(op p4v1.Update_Type, e *p4v1.Entity) {
		if err := p.Read(e, add(op)); err != nil {
			faults = append(faults, err)
		}
	}
	read(p4v1.Update_INSERT, &p4v1.Entity{Entity: &p4v1.Entity_ActionProfileMember{ActionProfileMember: &p4v1.ActionProfileMember{}}})
	read(p4v1.Update_INSERT, &p4v1.Entity{Entity: &p4v1.Entity_ActionProfileGroup{ActionProfileGroup: &p4v1.ActionProfileGroup{}}})
	for _, it := range p.Index.Tables {
		t := p.tables[it.ID]
		if t.def != t.initial {
			add(p4v1.Update_MODIFY)(&p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: t.def}})
		}
		for _, e := range t.entries.all() {
			w := proto.CloneOf(e.wire)
			if n, err := to.Index.Table(t.ID); err == nil {
				if n.Counter != nil {
					if w.CounterData, err = t.counter(e); err != nil {
						faults = append(faults, err)
					}
				}
				if n.Meter != nil {
					w.MeterConfig = e.meter
				}
			}
			op := p4v1.Update_INSERT
			if w.GetIsConst() {
				if w.GetMeterConfig() == nil && zeroCounter(w.GetCounterData()) {
					continue
				}
				w.Action, w.IsConst = nil, false
				op = p4v1.Update_MODIFY
			}
			add(op)(&p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: w}})
		}
	}
	for _, e := range []*p4v1.Entity{
		replication(&p4v1.PacketReplicationEngineEntry{Type: &p4v1.PacketReplicationEngineEntry_MulticastGroupEntry{}}),
		replication(&p4v1.PacketReplicationEngineEntry{Type: &p4v1.PacketReplicationEngineEntry_CloneSessionEntry{}}),
		{Entity: &p4v1.Entity_DigestEntry{DigestEntry: &p4v1.DigestEntry{}}},
	} {
		read(p4v1.Update_INSERT, e)
	}
	for _, e := range []*p4v1.Entity{
		{Entity: &p4v1.Entity_CounterEntry{CounterEntry: &p4v1.CounterEntry{}}},
		{Entity: &p4v1.Entity_MeterEntry{MeterEntry: &p4v1.MeterEntry{}}},
		{Entity: &p4v1.Entity_RegisterEntry{RegisterEntry: &p4v1.RegisterEntry{}}},
		{Entity: &p4v1.Entity_ValueSetEntry{ValueSetEntry: &p4v1.ValueSetEntry{}}},
	} {
		read(p4v1.Update_MODIFY, e)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("forwarding state: %w", err)
	}
	return out, nil
}

func zeroCounter(c *p4v1.CounterData) bool { return c.GetByteCount() == 0 && c.GetPacketCount() == 0 }

// untouched reports whether a cell of an array is as in a new pipeline.
func untouched(e *p4v1.Entity) bool {
	switch e := e.GetEntity().(type) {
	case *p4v1.Entity_CounterEntry:
		return zeroCounter(e.CounterEntry.GetData())
	case *p4v1.Entity_MeterEntry:
		return e.MeterEntry.GetConfig() == nil
	case *p4v1.Entity_RegisterEntry:
		d := e.RegisterEntry.GetData()
		return !d.GetBool() && bytestring.BitLen(d.GetBitstring()) == 0 && bytestring.BitLen(d.GetEnumValue()) == 0
	case *p4v1.Entity_ValueSetEntry:
		return len(e.ValueSetEntry.GetMembers()) == 0
	}
	return false
}
