package p4fuzz

import (
	"slices"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func profileMutations() []mutation {
	onMember := func(name string, f func(d *draw, u *p4v1.Update, m *p4v1.ActionProfileMember) bool) mutation {
		return mutation{name, (*draw).memberUpdate, func(d *draw, u *p4v1.Update) bool {
			return f(d, u, u.GetEntity().GetActionProfileMember())
		}}
	}
	onGroup := func(name string, f func(d *draw, u *p4v1.Update, g *p4v1.ActionProfileGroup) bool) mutation {
		return mutation{name, (*draw).groupUpdate, func(d *draw, u *p4v1.Update) bool {
			return f(d, u, u.GetEntity().GetActionProfileGroup())
		}}
	}
	inGroup := func(name string, f func(d *draw, g *p4v1.ActionProfileGroup, m *p4v1.ActionProfileGroup_Member)) mutation {
		return mutation{name, (*draw).fullGroup, func(d *draw, u *p4v1.Update) bool {
			g := u.GetEntity().GetActionProfileGroup()
			f(d, g, one(d, g.Members...))
			return true
		}}
	}
	return []mutation{
		onMember("invalid profile id", func(d *draw, _ *p4v1.Update, m *p4v1.ActionProfileMember) bool {
			m.ActionProfileId = d.notAnID(m.ActionProfileId)
			return true
		}),
		onMember("invalid member id", func(d *draw, _ *p4v1.Update, m *p4v1.ActionProfileMember) bool {
			m.MemberId = one[uint32](d, 0, 0, 1<<32-1)
			return true
		}),
		onMember("member without an action", func(_ *draw, _ *p4v1.Update, m *p4v1.ActionProfileMember) bool {
			m.Action = nil
			return true
		}),
		onMember("member with an invalid action", func(d *draw, _ *p4v1.Update, m *p4v1.ActionProfileMember) bool {
			m.Action = d.call(one(d, d.info.GetActions()...))
			if d.chance(30) && len(m.Action.Params) > 0 {
				m.Action.Params[0].Value = nil
			}
			return true
		}),
		onMember("delete of a member in use", func(d *draw, u *p4v1.Update, m *p4v1.ActionProfileMember) bool {
			u.Type = remove
			for _, k := range d.s.lists[container{group, m.GetActionProfileId()}] {
				if in := d.s.get(k).GetActionProfileGroup().GetMembers(); len(in) > 0 {
					m.MemberId = in[0].GetMemberId()
				}
			}
			return true
		}),
		onGroup("group of what is no selector", func(d *draw, _ *p4v1.Update, g *p4v1.ActionProfileGroup) bool {
			g.ActionProfileId = d.notAnID(g.ActionProfileId)
			for _, p := range d.info.GetActionProfiles() {
				if !p.GetWithSelector() && d.chance(70) {
					g.ActionProfileId = p.GetPreamble().GetId()
				}
			}
			return true
		}),
		onGroup("invalid group id", func(d *draw, _ *p4v1.Update, g *p4v1.ActionProfileGroup) bool {
			g.GroupId = one[uint32](d, 0, 0, 1<<32-1)
			return true
		}),
		onGroup("invalid max_size", func(d *draw, _ *p4v1.Update, g *p4v1.ActionProfileGroup) bool {
			g.MaxSize = one(d, 0, -1, g.MaxSize+1, 1<<31-1, 1)
			return true
		}),
		onGroup("delete of a group in use", func(d *draw, u *p4v1.Update, g *p4v1.ActionProfileGroup) bool {
			u.Type = remove
			for _, t := range d.tablesOf(d.profiles[g.GetActionProfileId()]) {
				for _, k := range d.s.lists[container{tableEntry, t.id}] {
					if id := d.s.get(k).GetTableEntry().GetAction().GetActionProfileGroupId(); id != 0 {
						g.GroupId = id
					}
				}
			}
			return true
		}),
		inGroup("group with an unknown member", func(d *draw, _ *p4v1.ActionProfileGroup, m *p4v1.ActionProfileGroup_Member) {
			m.MemberId = one[uint32](d, 0, 9999)
		}),
		inGroup("group with a member twice", func(d *draw, g *p4v1.ActionProfileGroup, m *p4v1.ActionProfileGroup_Member) {
			g.Members = append(g.Members, m)
		}),
		inGroup("group with an invalid weight", func(d *draw, _ *p4v1.ActionProfileGroup, m *p4v1.ActionProfileGroup_Member) {
			m.Weight = one[int32](d, 0, -1, 1<<31-1, 1000)
		}),
		inGroup("group with an invalid watch port", func(d *draw, _ *p4v1.ActionProfileGroup, m *p4v1.ActionProfileGroup_Member) {
			m.WatchKind = &p4v1.ActionProfileGroup_Member_WatchPort{WatchPort: one(d, tooWide(d, d.portWidth, nil), []byte{0, 1}, nil)}
		}),
	}
}

// fullGroup draws an update of a group that has members.
func (d *draw) fullGroup() *p4v1.Update {
	for range 20 {
		if u := d.groupUpdate(); len(u.GetEntity().GetActionProfileGroup().GetMembers()) > 0 {
			return u
		}
	}
	return nil
}

// arrayUpdate draws an update of a counter, meter or register.
func (d *draw) arrayUpdate() *p4v1.Update {
	for range 5 {
		if u := one(d, (*draw).counterUpdate, (*draw).meterUpdate, (*draw).registerUpdate)(d); u != nil {
			return u
		}
	}
	return nil
}

// directUpdate draws an update of a direct resource.
func (d *draw) directUpdate() *p4v1.Update {
	for range 5 {
		if u := one(d, (*draw).directCounterUpdate, (*draw).directMeterUpdate)(d); u != nil {
			return u
		}
	}
	return nil
}

func resourceMutations() []mutation {
	notModify := func(d *draw, u *p4v1.Update) bool {
		u.Type = one(d, insert, remove)
		return true
	}
	withIndex := func(f func(d *draw, size int64) int64) func(d *draw, u *p4v1.Update) bool {
		return func(d *draw, u *p4v1.Update) bool {
			switch e := u.GetEntity().GetEntity().(type) {
			case *p4v1.Entity_CounterEntry:
				e.CounterEntry.Index = &p4v1.Index{Index: f(d, d.counters[e.CounterEntry.GetCounterId()].GetSize())}
			case *p4v1.Entity_MeterEntry:
				e.MeterEntry.Index = &p4v1.Index{Index: f(d, d.meters[e.MeterEntry.GetMeterId()].GetSize())}
			case *p4v1.Entity_RegisterEntry:
				e.RegisterEntry.Index = &p4v1.Index{Index: f(d, int64(d.registers[e.RegisterEntry.GetRegisterId()].GetSize()))}
			}
			return true
		}
	}
	return []mutation{
		{"insert or delete of a cell", (*draw).arrayUpdate, notModify},
		{"index negative", (*draw).arrayUpdate, withIndex(func(d *draw, _ int64) int64 { return one[int64](d, -1, -1<<63) })},
		{"index beyond the array", (*draw).arrayUpdate, withIndex(func(d *draw, size int64) int64 { return one(d, size, size+1, 1<<63-1, 1<<32) })},
		{"invalid resource id", (*draw).arrayUpdate, func(d *draw, u *p4v1.Update) bool {
			switch e := u.GetEntity().GetEntity().(type) {
			case *p4v1.Entity_CounterEntry:
				e.CounterEntry.CounterId = d.notAnID(e.CounterEntry.CounterId)
			case *p4v1.Entity_MeterEntry:
				e.MeterEntry.MeterId = d.notAnID(e.MeterEntry.MeterId)
			case *p4v1.Entity_RegisterEntry:
				e.RegisterEntry.RegisterId = d.notAnID(e.RegisterEntry.RegisterId)
			}
			return true
		}},
		{"invalid meter of an array", (*draw).meterUpdate, func(d *draw, u *p4v1.Update) bool {
			m := u.GetEntity().GetMeterEntry()
			m.Config = one(d, &p4v1.MeterConfig{Eburst: 1}, &p4v1.MeterConfig{Cburst: -1}, &p4v1.MeterConfig{Cir: 5, Pir: 1})
			if d.chance(25) {
				m.CounterData = &p4v1.MeterCounterData{Yellow: &p4v1.CounterData{ByteCount: 1}}
			}
			return true
		}},
		{"register with other data", (*draw).registerUpdate, func(d *draw, u *p4v1.Update) bool {
			u.GetEntity().GetRegisterEntry().Data = one(d, nil, &p4v1.P4Data{},
				&p4v1.P4Data{Data: &p4v1.P4Data_Bool{Bool: true}}, &p4v1.P4Data{Data: &p4v1.P4Data_Enum{Enum: "x"}},
				&p4v1.P4Data{Data: &p4v1.P4Data_Bitstring{}}, &p4v1.P4Data{Data: &p4v1.P4Data_Bitstring{Bitstring: slices.Repeat([]byte{0xff}, 40)}},
				&p4v1.P4Data{Data: &p4v1.P4Data_Bitstring{Bitstring: append(make([]byte, 40), 7)}})
			return true
		}},
		{"insert or delete of a direct resource", (*draw).directUpdate, notModify},
		{"direct resource of another entry", (*draw).directUpdate, func(d *draw, u *p4v1.Update) bool {
			n := d.newEntry()
			if n == nil {
				return false
			}
			e := one(d, nil, &p4v1.TableEntry{}, keyOnly(n.GetEntity().GetTableEntry()), &p4v1.TableEntry{TableId: n.GetEntity().GetTableEntry().GetTableId(), IsDefaultAction: true})
			switch x := u.GetEntity().GetEntity().(type) {
			case *p4v1.Entity_DirectCounterEntry:
				x.DirectCounterEntry.TableEntry = e
			case *p4v1.Entity_DirectMeterEntry:
				x.DirectMeterEntry.TableEntry = e
			}
			return true
		}},
		{"invalid direct meter", (*draw).directMeterUpdate, func(d *draw, u *p4v1.Update) bool {
			m := u.GetEntity().GetDirectMeterEntry()
			m.Config = one(d, m.Config, &p4v1.MeterConfig{Eburst: 1}, &p4v1.MeterConfig{Pir: -1})
			if d.chance(40) {
				m.CounterData = one(d, &p4v1.MeterCounterData{}, &p4v1.MeterCounterData{Red: &p4v1.CounterData{ByteCount: 1}})
			}
			return true
		}},
		{"insert or delete of a value set", (*draw).valueSetUpdate, notModify},
		{"invalid value set", (*draw).valueSetUpdate, func(d *draw, u *p4v1.Update) bool {
			s := u.GetEntity().GetValueSetEntry()
			switch d.r.IntN(4) {
			case 0:
				s.ValueSetId = d.notAnID(s.ValueSetId)
			case 1:
				for i := range int(d.valueSets[s.ValueSetId].GetSize()) + 1 {
					s.Members = append(s.Members, &p4v1.ValueSetMember{Match: []*p4v1.FieldMatch{{FieldId: 1,
						FieldMatchType: &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: []byte{byte(i)}}}}}})
				}
			case 2:
				if len(s.Members) == 0 {
					return false
				}
				s.Members = append(s.Members, one(d, s.Members...))
			default:
				s.Members = append(s.Members, &p4v1.ValueSetMember{})
			}
			return true
		}},
		{"invalid digest", (*draw).digestUpdate, func(d *draw, u *p4v1.Update) bool {
			x := u.GetEntity().GetDigestEntry()
			switch d.r.IntN(3) {
			case 0:
				x.DigestId = d.notAnID(x.DigestId)
			case 1:
				x.Config = nil
			default:
				x.Config = &p4v1.DigestEntry_Config{MaxListSize: -1, MaxTimeoutNs: -1}
			}
			return true
		}},
	}
}

// replicated draws an update of a multicast group or clone session that has
// replicas.
func (d *draw) replicated() *p4v1.Update {
	for range 10 {
		u := one(d, (*draw).multicastUpdate, (*draw).sessionUpdate)(d)
		if len(*replicasOf(u)) > 0 {
			return u
		}
	}
	return nil
}

func replicasOf(u *p4v1.Update) *[]*p4v1.Replica {
	if g := u.GetEntity().GetPacketReplicationEngineEntry().GetMulticastGroupEntry(); g != nil {
		return &g.Replicas
	}
	return &u.GetEntity().GetPacketReplicationEngineEntry().GetCloneSessionEntry().Replicas
}

func replicationMutations() []mutation {
	onReplica := func(name string, f func(d *draw, all *[]*p4v1.Replica, r *p4v1.Replica)) mutation {
		return mutation{name, (*draw).replicated, func(d *draw, u *p4v1.Update) bool {
			all := replicasOf(u)
			f(d, all, one(d, *all...))
			return true
		}}
	}
	return []mutation{
		{"multicast group or session 0", (*draw).replicated, func(d *draw, u *p4v1.Update) bool {
			id := one[uint32](d, 0, 0, 1<<31, 1<<16)
			if g := u.GetEntity().GetPacketReplicationEngineEntry().GetMulticastGroupEntry(); g != nil {
				g.MulticastGroupId = id
			} else {
				u.GetEntity().GetPacketReplicationEngineEntry().GetCloneSessionEntry().SessionId = id
			}
			return true
		}},
		{"replication entry unset", (*draw).replicated, func(_ *draw, u *p4v1.Update) bool {
			u.GetEntity().GetPacketReplicationEngineEntry().Type = nil
			return true
		}},
		{"invalid clone session", (*draw).sessionUpdate, func(d *draw, u *p4v1.Update) bool {
			s := u.GetEntity().GetPacketReplicationEngineEntry().GetCloneSessionEntry()
			if d.chance(50) {
				s.ClassOfService = one[uint32](d, 1, 1<<31)
			} else {
				s.PacketLengthBytes = -1
			}
			return true
		}},
		onReplica("replica twice", func(_ *draw, all *[]*p4v1.Replica, r *p4v1.Replica) {
			*all = append(*all, proto.CloneOf(r))
		}),
		onReplica("replica twice, written differently", func(d *draw, all *[]*p4v1.Replica, r *p4v1.Replica) {
			n := proto.CloneOf(r)
			if b := r.GetPort(); len(b) > 0 {
				n.PortKind = &p4v1.Replica_Port{Port: padded(d, 0, b)}
				if d.chance(50) {
					n.PortKind = &p4v1.Replica_EgressPort{EgressPort: uint32(number(b).Uint64())}
				}
			}
			*all = append(*all, n)
		}),
		onReplica("replica without a port", func(_ *draw, _ *[]*p4v1.Replica, r *p4v1.Replica) { r.PortKind = nil }),
		onReplica("replica with an invalid port", func(d *draw, _ *[]*p4v1.Replica, r *p4v1.Replica) {
			r.PortKind = &p4v1.Replica_Port{Port: one(d, nil, tooWide(d, d.portWidth, nil), slices.Repeat([]byte{0xff}, 9))}
			if d.chance(25) {
				r.PortKind = &p4v1.Replica_EgressPort{EgressPort: 1 << 31}
			}
		}),
		onReplica("replica with an invalid instance", func(d *draw, _ *[]*p4v1.Replica, r *p4v1.Replica) {
			r.Instance = one[uint32](d, 1<<16, 1<<32-1)
		}),
		onReplica("backup on the port of its replica", func(_ *draw, _ *[]*p4v1.Replica, r *p4v1.Replica) {
			r.BackupReplicas = []*p4v1.BackupReplica{{Port: r.GetPort(), Instance: 77}}
		}),
		onReplica("backup with an invalid port", func(d *draw, _ *[]*p4v1.Replica, r *p4v1.Replica) {
			r.BackupReplicas = []*p4v1.BackupReplica{{Port: one(d, nil, tooWide(d, d.portWidth, nil)), Instance: 1 << 16}}
		}),
	}
}

// anyField sets some field somewhere in an update to a value on the edge.
func (d *draw) anyField(u *p4v1.Update) bool {
	type place struct {
		m protoreflect.Message
		f protoreflect.FieldDescriptor
	}
	var places []place
	var walk func(m protoreflect.Message)
	walk = func(m protoreflect.Message) {
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			f := fields.Get(i)
			inOther := f.ContainingOneof() != nil && m.WhichOneof(f.ContainingOneof()) != nil && !m.Has(f)
			switch {
			case inOther || f.IsMap():
			case f.Message() == nil && !f.IsList():
				places = append(places, place{m, f})
			case f.IsList() && f.Message() != nil:
				for l, i := m.Get(f).List(), 0; i < l.Len(); i++ {
					walk(l.Get(i).Message())
				}
			case f.Message() != nil && m.Has(f):
				walk(m.Get(f).Message())
			}
		}
	}
	walk(u.ProtoReflect())
	p := one(d, places...)
	var v protoreflect.Value
	switch p.f.Kind() {
	case protoreflect.BoolKind:
		v = protoreflect.ValueOfBool(!p.m.Get(p.f).Bool())
	case protoreflect.EnumKind:
		v = protoreflect.ValueOfEnum(one[protoreflect.EnumNumber](d, 0, 1, 2, 3, 99))
	case protoreflect.Int32Kind:
		v = protoreflect.ValueOfInt32(one[int32](d, 0, 1, -1, 1<<31-1, -1<<31))
	case protoreflect.Int64Kind:
		v = protoreflect.ValueOfInt64(one[int64](d, 0, 1, -1, 1<<63-1, -1<<63))
	case protoreflect.Uint32Kind:
		v = protoreflect.ValueOfUint32(one[uint32](d, 0, 1, 1<<31, 1<<32-1))
	case protoreflect.Uint64Kind:
		v = protoreflect.ValueOfUint64(one[uint64](d, 0, 1, 1<<64-1))
	case protoreflect.BytesKind:
		v = protoreflect.ValueOfBytes(one(d, nil, []byte{0}, []byte{0, 0}, []byte{1, 0}, slices.Repeat([]byte{0xff}, 17)))
	default:
		return false
	}
	p.m.Set(p.f, v)
	return true
}
