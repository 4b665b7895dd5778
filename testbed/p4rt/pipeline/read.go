package pipeline

import (
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// Read calls yield for each entity that a request of a read batch selects
// (section 13). The entities are in canonical form and must not be changed. A
// request that breaks a rule yields nothing.
func (p *Pipeline) Read(e *p4v1.Entity, yield func(*p4v1.Entity)) error {
	switch e := e.GetEntity().(type) {
	case *p4v1.Entity_TableEntry:
		return p.readTables(e.TableEntry, yield)
	case *p4v1.Entity_ActionProfileMember:
		return p.readMembers(e.ActionProfileMember, yield)
	case *p4v1.Entity_ActionProfileGroup:
		return p.readGroups(e.ActionProfileGroup, yield)
	case *p4v1.Entity_MeterEntry:
		return p.readMeters(e.MeterEntry, yield)
	case *p4v1.Entity_DirectMeterEntry:
		return p.readDirectMeters(e.DirectMeterEntry, yield)
	case *p4v1.Entity_CounterEntry:
		return p.readCounters(e.CounterEntry, yield)
	case *p4v1.Entity_DirectCounterEntry:
		return p.readDirectCounters(e.DirectCounterEntry, yield)
	case *p4v1.Entity_PacketReplicationEngineEntry:
		return p.readReplication(e.PacketReplicationEngineEntry, yield)
	case *p4v1.Entity_ValueSetEntry:
		return p.readValueSets(e.ValueSetEntry, yield)
	case *p4v1.Entity_RegisterEntry:
		return p.readRegisters(e.RegisterEntry, yield)
	case *p4v1.Entity_DigestEntry:
		return p.readDigests(e.DigestEntry, yield)
	case *p4v1.Entity_ExternEntry:
		if e.ExternEntry.GetExternTypeId() == 0 {
			return nil // all externs of all types: there are none
		}
		return refusal.New(codes.Unimplemented, "v1model has no externs that P4Runtime can read")
	}
	return refusal.New(codes.InvalidArgument, "read without entity")
}

// chosen returns the one object with an identifier, or all if it is 0.
func chosen[T any](id uint32, all []T, find func(uint32) (T, error)) ([]T, error) {
	if id == 0 {
		return all, nil
	}
	one, err := find(id)
	if err != nil {
		return nil, err
	}
	return []T{one}, nil
}

func (p *Pipeline) readMembers(e *p4v1.ActionProfileMember, yield func(*p4v1.Entity)) error {
	profiles, err := chosen(e.GetActionProfileId(), p.Index.Profiles, p.Index.Profile)
	if err != nil {
		return err
	}
	emit := func(m *member) {
		yield(&p4v1.Entity{Entity: &p4v1.Entity_ActionProfileMember{ActionProfileMember: m.wire}})
	}
	for _, pr := range profiles {
		members := &p.profiles[pr.ID].members
		if id := e.GetMemberId(); id != 0 {
			if m, ok := members.get(id); ok {
				emit(m)
			}
			continue
		}
		for _, m := range members.all() {
			emit(m)
		}
	}
	return nil
}

func (p *Pipeline) readGroups(e *p4v1.ActionProfileGroup, yield func(*p4v1.Entity)) error {
	profiles, err := chosen(e.GetActionProfileId(), p.Index.Profiles, p.Index.Profile)
	if err != nil {
		return err
	}
	emit := func(g *group) {
		yield(&p4v1.Entity{Entity: &p4v1.Entity_ActionProfileGroup{ActionProfileGroup: g.wire}})
	}
	for _, pr := range profiles {
		groups := &p.profiles[pr.ID].groups
		if id := e.GetGroupId(); id != 0 {
			if g, ok := groups.get(id); ok {
				emit(g)
			}
			continue
		}
		for _, g := range groups.all() {
			emit(g)
		}
	}
	return nil
}

func (p *Pipeline) readCounters(e *p4v1.CounterEntry, yield func(*p4v1.Entity)) error {
	list, err := chosen(e.GetCounterId(), p.Index.Counters, p.Index.Counter)
	if err != nil {
		return err
	}
	if e.GetCounterId() == 0 && e.GetIndex() != nil {
		return refusal.New(codes.InvalidArgument, "index of all counters")
	}
	for _, c := range list {
		first, end, err := cells("counter", c.Name, c.Size, e.GetIndex())
		if err != nil {
			return err
		}
		for i := first; i < end; i++ {
			v, err := p.counters[c.ID].Read(i)
			if err != nil {
				return code(err)
			}
			yield(&p4v1.Entity{Entity: &p4v1.Entity_CounterEntry{CounterEntry: &p4v1.CounterEntry{
				CounterId: c.ID, Index: &p4v1.Index{Index: int64(i)}, Data: wireCounter(c.Unit, v)}}})
		}
	}
	return nil
}

func (p *Pipeline) readMeters(e *p4v1.MeterEntry, yield func(*p4v1.Entity)) error {
	list, err := chosen(e.GetMeterId(), p.Index.Meters, p.Index.Meter)
	if err != nil {
		return err
	}
	if e.GetMeterId() == 0 && e.GetIndex() != nil {
		return refusal.New(codes.InvalidArgument, "index of all meters")
	}
	if e.GetCounterData() != nil {
		return errMeterCounters
	}
	for _, m := range list {
		first, end, err := cells("meter", m.Name, m.Size, e.GetIndex())
		if err != nil {
			return err
		}
		for i := first; i < end; i++ {
			yield(&p4v1.Entity{Entity: &p4v1.Entity_MeterEntry{MeterEntry: &p4v1.MeterEntry{
				MeterId: m.ID, Index: &p4v1.Index{Index: int64(i)}, Config: p.meters[m.ID].set[i]}}})
		}
	}
	return nil
}

func (p *Pipeline) readRegisters(e *p4v1.RegisterEntry, yield func(*p4v1.Entity)) error {
	list, err := chosen(e.GetRegisterId(), p.Index.Registers, p.Index.Register)
	if err != nil {
		return err
	}
	if e.GetRegisterId() == 0 && e.GetIndex() != nil {
		return refusal.New(codes.InvalidArgument, "index of all registers")
	}
	for _, r := range list {
		first, end, err := cells("register", r.Name, r.Size, e.GetIndex())
		if err != nil {
			return err
		}
		for i := first; i < end; i++ {
			v, err := p.registers[r.ID].Read(i)
			if err != nil {
				return code(err)
			}
			data, _, err := r.Type.Data([][]byte{v})
			if err != nil {
				return err
			}
			yield(&p4v1.Entity{Entity: &p4v1.Entity_RegisterEntry{RegisterEntry: &p4v1.RegisterEntry{
				RegisterId: r.ID, Index: &p4v1.Index{Index: int64(i)}, Data: data}}})
		}
	}
	return nil
}

func (p *Pipeline) readValueSets(e *p4v1.ValueSetEntry, yield func(*p4v1.Entity)) error {
	list, err := chosen(e.GetValueSetId(), p.Index.ValueSets, p.Index.ValueSet)
	if err != nil {
		return err
	}
	if len(e.GetMembers()) > 0 {
		return refusal.New(codes.InvalidArgument, "members in the read of a value set")
	}
	for _, v := range list {
		yield(&p4v1.Entity{Entity: &p4v1.Entity_ValueSetEntry{ValueSetEntry: &p4v1.ValueSetEntry{
			ValueSetId: v.ID, Members: p.valueSets[v.ID].members}}})
	}
	return nil
}

func (p *Pipeline) readDigests(e *p4v1.DigestEntry, yield func(*p4v1.Entity)) error {
	list, err := chosen(e.GetDigestId(), p.Index.Digests, p.Index.Digest)
	if err != nil {
		return err
	}
	for _, d := range list {
		if c := p.digests[d.ID].configured(); c != nil {
			yield(&p4v1.Entity{Entity: &p4v1.Entity_DigestEntry{DigestEntry: &p4v1.DigestEntry{
				DigestId: d.ID, Config: c}}})
		}
	}
	return nil
}

func (p *Pipeline) readReplication(e *p4v1.PacketReplicationEngineEntry, yield func(*p4v1.Entity)) error {
	group := func(g *p4v1.MulticastGroupEntry) {
		yield(replication(&p4v1.PacketReplicationEngineEntry{
			Type: &p4v1.PacketReplicationEngineEntry_MulticastGroupEntry{MulticastGroupEntry: g}}))
	}
	session := func(s *p4v1.CloneSessionEntry) {
		yield(replication(&p4v1.PacketReplicationEngineEntry{
			Type: &p4v1.PacketReplicationEngineEntry_CloneSessionEntry{CloneSessionEntry: s}}))
	}
	switch v := e.GetType().(type) {
	case *p4v1.PacketReplicationEngineEntry_MulticastGroupEntry:
		if id := v.MulticastGroupEntry.GetMulticastGroupId(); id != 0 {
			if g, ok := p.groups.get(id); ok {
				group(g)
			}
			return nil
		}
		for _, g := range p.groups.all() {
			group(g)
		}
		return nil
	case *p4v1.PacketReplicationEngineEntry_CloneSessionEntry:
		if id := v.CloneSessionEntry.GetSessionId(); id != 0 {
			if s, ok := p.sessions.get(id); ok {
				session(s)
			}
			return nil
		}
		for _, s := range p.sessions.all() {
			session(s)
		}
		return nil
	}
	return refusal.New(codes.InvalidArgument, "packet replication entry without type")
}

func replication(e *p4v1.PacketReplicationEngineEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_PacketReplicationEngineEntry{PacketReplicationEngineEntry: e}}
}
