package p4fuzz

import (
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"
)

// readRequest draws one request of a read: of what is there or is not, by one
// filter or another, or one that is at fault.
func (d *draw) readRequest() *p4v1.Entity {
	switch d.r.IntN(14) {
	case 0, 1, 2, 3, 4:
		return entryEntity(d.entryFilter())
	case 5:
		if t, e := d.withDirect(func(t *table) bool { return t.counter != nil }); t != nil {
			return directCounterEntity(&p4v1.DirectCounterEntry{TableEntry: d.someOf(e)})
		}
	case 6:
		if t, e := d.withDirect(func(t *table) bool { return t.meter != nil }); t != nil {
			return directMeterEntity(&p4v1.DirectMeterEntry{TableEntry: d.someOf(e)})
		}
	case 7:
		if len(d.profiles) > 0 {
			id := one(d, append(d.containers(member), 0)...)
			x := &p4v1.ActionProfileMember{ActionProfileId: id}
			if id != 0 && d.chance(70) {
				x.MemberId = d.r.Uint32N(13)
			}
			return memberEntity(x)
		}
	case 8:
		if len(d.profiles) > 0 {
			id := one(d, append(d.containers(group), 0)...)
			x := &p4v1.ActionProfileGroup{ActionProfileId: id}
			if id != 0 && d.chance(70) {
				x.GroupId = d.r.Uint32N(9)
			}
			return groupEntity(x)
		}
	case 9:
		return d.cellFilter()
	case 10:
		x := &p4v1.MulticastGroupEntry{MulticastGroupId: d.r.Uint32N(40)}
		if k, ok := d.existing(container{kind: multicastGroup}); ok && d.chance(50) {
			x.MulticastGroupId = uint32(k.index)
			x.Metadata = []byte("ignored") // section 9.5.1
		}
		return multicastEntity(x)
	case 11:
		return sessionEntity(&p4v1.CloneSessionEntry{SessionId: d.r.Uint32N(40), PacketLengthBytes: -1})
	case 12:
		return one(d, &p4v1.Entity{}, entryEntity(&p4v1.TableEntry{IsDefaultAction: true}), entryEntity(&p4v1.TableEntry{Priority: 1}), digestEntity(&p4v1.DigestEntry{}), valueSetEntity(&p4v1.ValueSetEntry{}),
			digestEntity(&p4v1.DigestEntry{DigestId: d.r.Uint32()}), valueSetEntity(&p4v1.ValueSetEntry{ValueSetId: d.r.Uint32()}),
			&p4v1.Entity{Entity: &p4v1.Entity_PacketReplicationEngineEntry{PacketReplicationEngineEntry: &p4v1.PacketReplicationEngineEntry{}}},
			&p4v1.Entity{Entity: &p4v1.Entity_ExternEntry{ExternEntry: &p4v1.ExternEntry{ExternTypeId: 0x81}}})
	}
	return d.badRead()
}

// someOf returns all of a key, or only the table, or none.
func (d *draw) someOf(e *p4v1.TableEntry) *p4v1.TableEntry {
	switch d.r.IntN(6) {
	case 0:
		return &p4v1.TableEntry{TableId: e.GetTableId()}
	case 1:
		return &p4v1.TableEntry{}
	case 2:
		return d.key(d.tables[e.GetTableId()])
	case 3:
		return nil
	}
	return e
}

// entryFilter draws filters of section 9.1.6.
func (d *draw) entryFilter() *p4v1.TableEntry {
	t := d.tables[one(d, d.containers(tableEntry)...)]
	e := &p4v1.TableEntry{TableId: t.id}
	if k, ok := d.existing(container{tableEntry, t.id}); ok {
		there := d.s.get(k).GetTableEntry()
		if d.chance(50) {
			e = proto.CloneOf(keyOnly(there))
		}
		if d.chance(10) {
			e.Priority = there.GetPriority()
		}
		if d.chance(20) {
			e.Metadata = there.GetMetadata()
		}
		if d.chance(10) {
			e.ControllerMetadata = there.GetControllerMetadata()
		}
		if a := there.GetAction().GetAction(); a != nil && d.chance(20) {
			e.Action = &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: &p4v1.Action{ActionId: a.GetActionId()}}}
		}
	} else if d.chance(50) {
		e = d.key(t)
	}
	if t.counter != nil && d.chance(50) {
		e.CounterData = &p4v1.CounterData{PacketCount: 5}
	}
	if t.meter != nil && d.chance(50) {
		e.MeterConfig = &p4v1.MeterConfig{Cir: 5}
	}
	if d.chance(10) {
		e = &p4v1.TableEntry{TableId: t.id, IsDefaultAction: true}
	}
	if d.chance(10) {
		e.TimeSinceLastHit = &p4v1.TableEntry_IdleTimeout{}
	}
	return e
}

func (d *draw) cellFilter() *p4v1.Entity {
	k := one(d, counterCell, meterCell, registerCell)
	all := d.containers(k)
	if len(all) == 0 {
		return &p4v1.Entity{}
	}
	id := one(d, all...)
	size := d.size(k, id)
	i := &p4v1.Index{Index: d.r.Int64N(size)}
	if written, ok := d.existing(container{k, id}); ok && d.chance(50) {
		i.Index = written.index
	}
	switch {
	case d.chance(10):
		i.Index = one[int64](d, -1, size, 1<<63-1)
	case size <= smallArray && d.chance(20):
		i = nil
	case d.chance(5):
		if id = d.notAnID(id); id == 0 {
			i = nil // with an index it would mean nothing
		}
	}
	return cellRequest(k, id, i)
}

// badRead draws a request with a field that is at fault, or may be.
func (d *draw) badRead() *p4v1.Entity {
	ms := keyMutations()
	for range 5 {
		m := ms[d.r.IntN(len(ms))]
		if u := m.draw(d); u != nil && m.apply(d, u) && u.GetEntity().GetTableEntry() != nil {
			u.GetEntity().GetTableEntry().Action = nil
			return entryEntity(keyOnly(u.GetEntity().GetTableEntry()))
		}
	}
	return &p4v1.Entity{}
}
