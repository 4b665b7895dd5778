package pipeline

import (
	"bytes"
	"errors"
	"fmt"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// Reconcile returns a pipeline with a new config and the entities of old
// (section 14, RECONCILE_AND_COMMIT). If only the cookie differs that is old
// itself, undisturbed. An entity that the new config has no place for is
// INVALID_ARGUMENT, and all of them are named; old is then as it was.
func Reconcile(old *Pipeline, c *Config, opts Options) (*Pipeline, error) {
	if bytes.Equal(old.Wire.GetP4DeviceConfig(), c.Wire.GetP4DeviceConfig()) && proto.Equal(old.Wire.GetP4Info(), c.Wire.GetP4Info()) {
		old.Config.Wire = c.Wire
		return old, nil
	}
	updates, err := old.updates()
	if err != nil {
		return nil, err
	}
	p := New(c, opts)
	if err := p.clearInitial(); err != nil {
		p.Close()
		return nil, err
	}
	var faults []error
	for i, err := range p.Write(updates, p4v1.WriteRequest_CONTINUE_ON_ERROR, nil) {
		if err != nil && !p.missing(updates[i]) {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		p.Close()
		return nil, refusal.New(codes.InvalidArgument, "forwarding state cannot be preserved: %w", err)
	}
	return p, nil
}

// missing reports whether an update would set a cell of an array that the new
// program does not have. Cells have values whether clients wrote them or not,
// so losing them with their array loses nothing that a client put there by
// inserting it.
func (p *Pipeline) missing(u *p4v1.Update) bool {
	var err error
	switch e := u.GetEntity().GetEntity().(type) {
	case *p4v1.Entity_CounterEntry:
		_, err = p.Index.Counter(e.CounterEntry.GetCounterId())
	case *p4v1.Entity_MeterEntry:
		_, err = p.Index.Meter(e.MeterEntry.GetMeterId())
	case *p4v1.Entity_RegisterEntry:
		_, err = p.Index.Register(e.RegisterEntry.GetRegisterId())
	}
	return err != nil
}

// clearInitial removes the entries of the program that clients may remove: the
// entities of the old pipeline say which of them are still there.
func (p *Pipeline) clearInitial() error {
	for _, t := range p.tables {
		if t.Const {
			continue
		}
		for _, e := range t.entries.all() {
			if e.wire.GetIsConst() {
				continue
			}
			k, err := t.Key(e.wire)
			if err != nil {
				return err
			}
			if err := t.remove(k, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// updates returns what makes the entities of p out of a pipeline that has only
// the constant entries of its program, in an order that keeps references
// intact.
func (p *Pipeline) updates() ([]*p4v1.Update, error) {
	var out []*p4v1.Update
	add := func(op p4v1.Update_Type) func(*p4v1.Entity) {
		return func(e *p4v1.Entity) { out = append(out, &p4v1.Update{Type: op, Entity: e}) }
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
			op := p4v1.Update_INSERT
			if w.GetIsConst() {
				if t.Counter == nil && t.Meter == nil {
					continue
				}
				w = &p4v1.TableEntry{TableId: w.GetTableId(), Match: w.GetMatch(), Priority: w.GetPriority()}
				op = p4v1.Update_MODIFY
			}
			w.MeterConfig = e.meter
			counter, err := t.counter(e)
			if err != nil {
				faults = append(faults, err)
			}
			w.CounterData = counter
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
