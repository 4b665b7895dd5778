package p4fuzz

import (
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"
)

const (
	insert = p4v1.Update_INSERT
	modify = p4v1.Update_MODIFY
	remove = p4v1.Update_DELETE
)

// source draws updates of one kind of entity, or returns nil if it cannot now.
type source struct {
	name   string
	weight int
	draw   func(*draw) *p4v1.Update
}

// sources are all kinds of valid updates. Kinds that a program does not have
// draw nothing.
func sources() []source {
	return []source{
		{"table entry", 50, (*draw).entryUpdate},
		{"default entry", 4, (*draw).defaultUpdate},
		{"member", 8, (*draw).memberUpdate},
		{"group", 7, (*draw).groupUpdate},
		{"direct counter", 3, (*draw).directCounterUpdate},
		{"direct meter", 3, (*draw).directMeterUpdate},
		{"counter", 3, (*draw).counterUpdate},
		{"meter", 3, (*draw).meterUpdate},
		{"register", 3, (*draw).registerUpdate},
		{"value set", 2, (*draw).valueSetUpdate},
		{"digest", 2, (*draw).digestUpdate},
		{"multicast group", 6, (*draw).multicastUpdate},
		{"clone session", 4, (*draw).sessionUpdate},
	}
}

// crowd is how many entities of a container are many.
const crowd = 60

// turn draws what to do with a container: what is there has to be modified and
// deleted, too.
func (d *draw) turn(c container) (p4v1.Update_Type, key) {
	k, ok := d.existing(c)
	n := d.r.IntN(100)
	switch {
	case !ok || n < 50 && d.s.count(c) < crowd:
		return insert, key{}
	case n < 75:
		return modify, k
	}
	return remove, k
}

func (d *draw) entryUpdate() *p4v1.Update {
	t := d.tables[one(d, d.containers(tableEntry)...)]
	if d.r.IntN(3) > 0 && (len(t.GetMatchFields()) == 0 || t.GetIsConstTable()) {
		return nil
	}
	typ, k := d.turn(container{tableEntry, t.id})
	if typ == insert {
		e := d.key(t)
		if e.Action = d.tableAction(t); e.Action == nil {
			return nil
		}
		d.extras(t, e)
		return &p4v1.Update{Type: typ, Entity: entryEntity(e)}
	}
	old := d.s.get(k).GetTableEntry()
	e := proto.CloneOf(keyOnly(old))
	switch {
	case typ == remove:
	case old.GetIsConst():
		if t.counter != nil {
			e.CounterData = d.counterData()
		}
	case d.chance(25): // section 9.1.2: the action stays
		// What the entry has besides is the same, because the section does not
		// say whether it would change.
		e.ControllerMetadata, e.Metadata, e.IdleTimeoutNs = old.GetControllerMetadata(), old.GetMetadata(), old.GetIdleTimeoutNs()
		if t.counter != nil && d.chance(50) {
			e.CounterData = d.counterData()
		}
		e.MeterConfig = old.GetMeterConfig()
	default:
		e.Action = d.tableAction(t)
		d.extras(t, e)
	}
	return &p4v1.Update{Type: typ, Entity: entryEntity(e)}
}

func (d *draw) defaultUpdate() *p4v1.Update {
	t := d.tables[one(d, d.containers(tableEntry)...)]
	if t.GetConstDefaultActionId() != 0 && d.chance(70) {
		return nil
	}
	e := &p4v1.TableEntry{TableId: t.id, IsDefaultAction: true}
	if a := d.action(t, true); a != nil && d.chance(70) {
		e.Action = &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: a}}
		d.extras(t, e)
	}
	return &p4v1.Update{Type: modify, Entity: entryEntity(e)}
}

func (d *draw) memberUpdate() *p4v1.Update {
	if len(d.profiles) == 0 {
		return nil
	}
	id := one(d, d.containers(member)...)
	p := d.profiles[id]
	if d.oneShots[id] && d.chance(95) || len(d.tablesOf(p)) == 0 {
		return nil
	}
	typ, k := d.turn(container{member, id})
	e := &p4v1.ActionProfileMember{ActionProfileId: id, MemberId: uint32(k.index)}
	if typ == insert {
		e.MemberId = 1 + d.r.Uint32N(12)
	}
	if typ != remove {
		e.Action = d.action(d.tablesOf(p)[0], false)
	}
	return &p4v1.Update{Type: typ, Entity: memberEntity(e)}
}

func (d *draw) groupUpdate() *p4v1.Update {
	if len(d.profiles) == 0 {
		return nil
	}
	id := one(d, d.containers(group)...)
	p := d.profiles[id]
	if !p.GetWithSelector() || d.oneShots[id] && d.chance(95) {
		return nil
	}
	typ, k := d.turn(container{group, id})
	e := &p4v1.ActionProfileGroup{ActionProfileId: id, GroupId: uint32(k.index)}
	if typ == remove {
		return &p4v1.Update{Type: typ, Entity: groupEntity(e)}
	}
	if typ == insert {
		e.GroupId = 1 + d.r.Uint32N(8)
		if p.GetMaxGroupSize() > 0 {
			e.MaxSize = 1 + d.r.Int32N(p.GetMaxGroupSize())
		} else if d.chance(50) {
			e.MaxSize = 1 + d.r.Int32N(int32(min(p.GetSize(), 64)))
		}
	} else {
		e.MaxSize = d.s.get(k).GetActionProfileGroup().GetMaxSize()
	}
	members := d.s.lists[container{member, id}]
	for _, i := range d.r.Perm(len(members))[:d.r.IntN(min(len(members), 3)+1)] {
		m := &p4v1.ActionProfileGroup_Member{MemberId: uint32(members[i].index), Weight: d.weight(p)}
		if d.chance(30) {
			m.WatchKind = &p4v1.ActionProfileGroup_Member_WatchPort{WatchPort: d.port()}
		}
		e.Members = append(e.Members, m)
	}
	return &p4v1.Update{Type: typ, Entity: groupEntity(e)}
}

// withDirect draws an entry of a table that has some direct resource.
func (d *draw) withDirect(has func(*table) bool) (*table, *p4v1.TableEntry) {
	var from []*table
	for _, id := range d.containers(tableEntry) {
		if t := d.tables[id]; has(t) && d.s.count(container{tableEntry, id}) > 0 {
			from = append(from, t)
		}
	}
	if len(from) == 0 {
		return nil, nil
	}
	t := one(d, from...)
	k, _ := d.existing(container{tableEntry, t.id})
	return t, proto.CloneOf(keyOnly(d.s.get(k).GetTableEntry()))
}

func (d *draw) directCounterUpdate() *p4v1.Update {
	t, e := d.withDirect(func(t *table) bool { return t.counter != nil })
	if t == nil {
		return nil
	}
	x := &p4v1.DirectCounterEntry{TableEntry: e}
	if d.chance(85) {
		x.Data = d.counterData()
	}
	return &p4v1.Update{Type: modify, Entity: directCounterEntity(x)}
}

func (d *draw) directMeterUpdate() *p4v1.Update {
	t, e := d.withDirect(func(t *table) bool { return t.meter != nil })
	if t == nil {
		return nil
	}
	x := &p4v1.DirectMeterEntry{TableEntry: e}
	if d.chance(75) {
		x.Config = d.meterConfig(t.meter.GetSpec())
	}
	return &p4v1.Update{Type: modify, Entity: directMeterEntity(x)}
}

func (d *draw) counterUpdate() *p4v1.Update {
	if len(d.counters) == 0 {
		return nil
	}
	id := one(d, d.containers(counterCell)...)
	x := &p4v1.CounterEntry{CounterId: id, Index: d.index(d.counters[id].GetSize())}
	if d.chance(85) {
		x.Data = d.counterData()
	}
	return &p4v1.Update{Type: modify, Entity: counterEntity(x)}
}

func (d *draw) meterUpdate() *p4v1.Update {
	if len(d.meters) == 0 {
		return nil
	}
	id := one(d, d.containers(meterCell)...)
	x := &p4v1.MeterEntry{MeterId: id, Index: d.index(d.meters[id].GetSize())}
	if d.chance(75) {
		x.Config = d.meterConfig(d.meters[id].GetSpec())
	}
	return &p4v1.Update{Type: modify, Entity: meterEntity(x)}
}

func (d *draw) registerUpdate() *p4v1.Update {
	if len(d.registers) == 0 {
		return nil
	}
	id := one(d, d.containers(registerCell)...)
	r := d.registers[id]
	bits := r.GetTypeSpec().GetBitstring()
	x := &p4v1.RegisterEntry{RegisterId: id, Index: d.index(int64(r.GetSize()))}
	switch {
	case bits.GetBit() != nil:
		x.Data = &p4v1.P4Data{Data: &p4v1.P4Data_Bitstring{Bitstring: d.value(bits.GetBit().GetBitwidth())}}
	case bits.GetInt() != nil: // not negative
		x.Data = &p4v1.P4Data{Data: &p4v1.P4Data_Bitstring{Bitstring: shortestSigned(append([]byte{0}, d.value(bits.GetInt().GetBitwidth()-1)...))}}
	case r.GetTypeSpec().GetBool() != nil:
		x.Data = &p4v1.P4Data{Data: &p4v1.P4Data_Bool{Bool: d.chance(50)}}
	default:
		return nil
	}
	return &p4v1.Update{Type: modify, Entity: registerEntity(x)}
}

func (d *draw) valueSetUpdate() *p4v1.Update {
	if len(d.valueSets) == 0 {
		return nil
	}
	id := one(d, d.containers(valueSet)...)
	s := d.valueSets[id]
	x := &p4v1.ValueSetEntry{ValueSetId: id}
	for range d.r.IntN(int(min(s.GetSize(), 4)) + 1) {
		m := &p4v1.ValueSetMember{}
		for _, f := range s.GetMatch() {
			if y := d.match(f); y != nil {
				m.Match = append(m.Match, y)
			}
		}
		x.Members = append(x.Members, m)
	}
	return &p4v1.Update{Type: modify, Entity: valueSetEntity(x)}
}

func (d *draw) digestUpdate() *p4v1.Update {
	if len(d.digests) == 0 {
		return nil
	}
	id := one(d, d.containers(digest)...)
	typ, _ := d.turn(container{digest, id})
	x := &p4v1.DigestEntry{DigestId: id}
	if typ != remove {
		x.Config = &p4v1.DigestEntry_Config{MaxTimeoutNs: one[int64](d, 0, 1e9), MaxListSize: one[int32](d, 0, 1, 100), AckTimeoutNs: one[int64](d, 0, 1e9)}
	}
	return &p4v1.Update{Type: typ, Entity: digestEntity(x)}
}

func (d *draw) replicas() []*p4v1.Replica {
	var out []*p4v1.Replica
	for i := range d.r.IntN(5) {
		r := &p4v1.Replica{Instance: uint32(i) + one[uint32](d, 0, 100, 65000), PortKind: &p4v1.Replica_Port{Port: d.port()}}
		if d.chance(10) {
			r.PortKind = &p4v1.Replica_EgressPort{EgressPort: one(d, d.ports...)}
		}
		if d.chance(5) {
			r.BackupReplicas = []*p4v1.BackupReplica{{Port: d.port(), Instance: r.Instance}}
		}
		out = append(out, r)
	}
	return out
}

func (d *draw) multicastUpdate() *p4v1.Update {
	typ, k := d.turn(container{kind: multicastGroup})
	x := &p4v1.MulticastGroupEntry{MulticastGroupId: uint32(k.index)}
	if typ == insert {
		x.MulticastGroupId = 1 + d.r.Uint32N(one[uint32](d, 40, 30000))
	}
	if typ != remove {
		x.Replicas = d.replicas()
		if d.chance(20) {
			x.Metadata = []byte("m")
		}
	}
	return &p4v1.Update{Type: typ, Entity: multicastEntity(x)}
}

func (d *draw) sessionUpdate() *p4v1.Update {
	typ, k := d.turn(container{kind: cloneSession})
	x := &p4v1.CloneSessionEntry{SessionId: uint32(k.index)}
	if typ == insert {
		x.SessionId = 1 + d.r.Uint32N(one[uint32](d, 40, 30000))
	}
	if typ != remove {
		x.Replicas = d.replicas()
		x.PacketLengthBytes = one[int32](d, 0, 0, 64, 1<<31-1)
	}
	return &p4v1.Update{Type: typ, Entity: sessionEntity(x)}
}
