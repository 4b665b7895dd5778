package p4fuzz

import (
	"bytes"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// read judges one request of a read (section 13) and returns what it reads.
func (o *oracle) read(e *p4v1.Entity) (*verdict, []*p4v1.Entity) {
	v := &verdict{}
	var out []*p4v1.Entity
	switch e := e.GetEntity().(type) {
	case *p4v1.Entity_TableEntry:
		out = o.readEntries(v, e.TableEntry)
	case *p4v1.Entity_DirectCounterEntry:
		out = o.readDirect(v, e.DirectCounterEntry.GetTableEntry(), func(t *table, n *p4v1.TableEntry) *p4v1.Entity {
			if t.counter == nil {
				return nil
			}
			return directCounterEntity(&p4v1.DirectCounterEntry{TableEntry: keyOnly(n), Data: n.GetCounterData()})
		})
	case *p4v1.Entity_DirectMeterEntry:
		if e.DirectMeterEntry.GetCounterData() != nil {
			v.may("9.4.3 counters of colours are optional", codes.Unimplemented)
		}
		out = o.readDirect(v, e.DirectMeterEntry.GetTableEntry(), func(t *table, n *p4v1.TableEntry) *p4v1.Entity {
			if t.meter == nil {
				return nil
			}
			return directMeterEntity(&p4v1.DirectMeterEntry{TableEntry: keyOnly(n), Config: n.GetMeterConfig()})
		})
	case *p4v1.Entity_ActionProfileMember:
		x := e.ActionProfileMember
		out = o.readOf(v, member, x.GetActionProfileId(), int64(x.GetMemberId()), o.profiles[x.GetActionProfileId()] != nil)
	case *p4v1.Entity_ActionProfileGroup:
		x := e.ActionProfileGroup
		p := o.profiles[x.GetActionProfileId()]
		out = o.readOf(v, group, x.GetActionProfileId(), int64(x.GetGroupId()), p != nil)
		if p != nil && !p.GetWithSelector() {
			v.may("9.2.2 groups are entries of a selector", badID...)
		}
	case *p4v1.Entity_PacketReplicationEngineEntry:
		switch x := e.PacketReplicationEngineEntry.GetType().(type) {
		case *p4v1.PacketReplicationEngineEntry_MulticastGroupEntry:
			out = o.readOf(v, multicastGroup, 0, int64(x.MulticastGroupEntry.GetMulticastGroupId()), true)
		case *p4v1.PacketReplicationEngineEntry_CloneSessionEntry:
			out = o.readOf(v, cloneSession, 0, int64(x.CloneSessionEntry.GetSessionId()), true)
		default:
			v.must("9.5 the entry of the replication engine is set", codes.InvalidArgument)
		}
	case *p4v1.Entity_ValueSetEntry:
		out = o.readSets(v, e.ValueSetEntry)
	case *p4v1.Entity_DigestEntry:
		out = o.readOf(v, digest, e.DigestEntry.GetDigestId(), 0, o.digests[e.DigestEntry.GetDigestId()] != nil)
	case *p4v1.Entity_CounterEntry:
		x := e.CounterEntry
		out = o.readCells(v, counterCell, x.GetCounterId(), x.GetIndex(), o.counters[x.GetCounterId()] != nil)
	case *p4v1.Entity_MeterEntry:
		x := e.MeterEntry
		if x.GetCounterData() != nil {
			v.may("9.4.3 counters of colours are optional", codes.Unimplemented)
		}
		out = o.readCells(v, meterCell, x.GetMeterId(), x.GetIndex(), o.meters[x.GetMeterId()] != nil)
	case *p4v1.Entity_RegisterEntry:
		x := e.RegisterEntry
		out = o.readCells(v, registerCell, x.GetRegisterId(), x.GetIndex(), o.registers[x.GetRegisterId()] != nil)
	case *p4v1.Entity_ExternEntry:
		v.may("9.9 v1model has no such externs", codes.InvalidArgument, codes.NotFound, codes.Unimplemented)
	default:
		v.must("13.2 the entity is set", codes.InvalidArgument)
	}
	if !v.valid() {
		return v, nil
	}
	return v, out
}

// readOf reads what has an id, all of a container, or with id 0 of all
// containers.
func (o *oracle) readOf(v *verdict, k kind, id uint32, index int64, known bool) []*p4v1.Entity {
	if id == 0 && k != multicastGroup && k != cloneSession {
		if index != 0 {
			v.may("9.2 an id of a member or group goes with that of a profile", badID...)
		}
		var out []*p4v1.Entity
		for _, c := range o.containers(k) {
			out = append(out, o.readOf(v, k, c, index, true)...)
		}
		return out
	}
	if !known {
		v.must("8.1.1 the id is one of P4Info", badID...)
		return nil
	}
	if index != 0 {
		if e := o.s.get(key{kind: k, id: id, index: index}); e != nil {
			return []*p4v1.Entity{e}
		}
		v.may("13 does not say what a read of what is not there is answered", codes.NotFound)
		return nil
	}
	var out []*p4v1.Entity
	for _, x := range o.s.lists[container{k, id}] {
		out = append(out, o.s.get(x))
	}
	if k == digest && len(out) == 0 {
		v.may("13 does not say what a read of what is not there is answered", codes.NotFound)
	}
	return out
}

// readSets reads value sets, of which each is always there.
func (o *oracle) readSets(v *verdict, e *p4v1.ValueSetEntry) []*p4v1.Entity {
	all := []uint32{e.GetValueSetId()}
	if e.GetValueSetId() == 0 {
		all = o.containers(valueSet)
	} else if o.valueSets[e.GetValueSetId()] == nil {
		v.must("8.1.1 the id is one of P4Info", badID...)
		return nil
	}
	if len(e.GetMembers()) > 0 {
		v.may("p4runtime.proto: a read has no members", codes.InvalidArgument)
	}
	var out []*p4v1.Entity
	for _, id := range all {
		x := o.s.get(key{kind: valueSet, id: id})
		if x == nil {
			x = valueSetEntity(&p4v1.ValueSetEntry{ValueSetId: id})
		}
		out = append(out, x)
	}
	return out
}

// readCells reads cells of arrays.
func (o *oracle) readCells(v *verdict, k kind, id uint32, i *p4v1.Index, known bool) []*p4v1.Entity {
	if id == 0 {
		if i != nil {
			v.may("9.3, 9.4, 9.7 an index goes with the id of an array", badID...)
		}
		var out []*p4v1.Entity
		for _, a := range o.containers(k) {
			out = append(out, o.readCells(v, k, a, nil, true)...)
		}
		return out
	}
	if !known {
		v.must("8.1.1 the id is one of P4Info", badID...)
		return nil
	}
	size := o.size(k, id)
	if i != nil {
		index(v, i, size)
		return []*p4v1.Entity{o.cell(k, id, i.GetIndex())}
	}
	out := make([]*p4v1.Entity, 0, size)
	for n := range size {
		out = append(out, o.cell(k, id, n))
	}
	return out
}

// cell returns one cell: as it was written, as its array was, or as it begins.
func (o *oracle) cell(k kind, id uint32, n int64) *p4v1.Entity {
	if e := o.s.get(key{kind: k, id: id, index: n}); e != nil {
		return e
	}
	i := &p4v1.Index{Index: n}
	switch k {
	case counterCell:
		d := &p4v1.CounterData{}
		if all := o.s.get(key{kind: counterArray, id: id}); all != nil {
			d = all.GetCounterEntry().GetData()
		}
		return counterEntity(&p4v1.CounterEntry{CounterId: id, Index: i, Data: d})
	case meterCell:
		all := o.s.get(key{kind: meterArray, id: id})
		return meterEntity(&p4v1.MeterEntry{MeterId: id, Index: i, Config: all.GetMeterEntry().GetConfig()})
	}
	d := zero(o.registers[id].GetTypeSpec())
	if all := o.s.get(key{kind: registerArray, id: id}); all != nil {
		d = all.GetRegisterEntry().GetData()
	}
	return registerEntity(&p4v1.RegisterEntry{RegisterId: id, Index: i, Data: d})
}

// zero is what a register has in the beginning.
func zero(t *p4configv1.P4DataTypeSpec) *p4v1.P4Data {
	if t.GetBool() != nil {
		return &p4v1.P4Data{Data: &p4v1.P4Data_Bool{}}
	}
	return &p4v1.P4Data{Data: &p4v1.P4Data_Bitstring{Bitstring: []byte{0}}}
}

// keyOnly is what names an entry.
func keyOnly(e *p4v1.TableEntry) *p4v1.TableEntry {
	return &p4v1.TableEntry{TableId: e.GetTableId(), Match: e.GetMatch(), Priority: e.GetPriority(), IsDefaultAction: e.GetIsDefaultAction()}
}

// readEntries reads table entries (section 9.1.6).
func (o *oracle) readEntries(v *verdict, e *p4v1.TableEntry) []*p4v1.Entity {
	if e.GetMeterCounterData() != nil {
		v.may("9.4.3 counters of colours are optional", codes.Unimplemented)
	}
	if e.GetTableId() == 0 {
		if len(e.GetMatch()) > 0 || e.GetAction() != nil || e.GetPriority() != 0 || e.GetControllerMetadata() != 0 ||
			len(e.GetMetadata()) > 0 || e.GetIsDefaultAction() {
			v.must("9.1.6 with table_id 0 no other filter can be used", badID...)
			return nil
		}
		var out []*p4v1.Entity
		for _, id := range o.containers(tableEntry) {
			out = append(out, o.selected(o.tables[id], e, "")...)
		}
		return out
	}
	t := o.tables[e.GetTableId()]
	if t == nil {
		v.must("8.1.1 and 9.1 the table is one of P4Info", badID...)
		return nil
	}
	var ms string
	if len(e.GetMatch()) > 0 {
		v.check(!e.GetIsDefaultAction(), "9.1.3 the default entry has no match", codes.InvalidArgument)
		ms = matchString(o.match(v, t.GetMatchFields(), e.GetMatch()))
	}
	if e.GetPriority() != 0 && !t.prioritized {
		v.may("9.1 priority is 0 without ternary, range and optional fields", codes.InvalidArgument)
	}
	if e.GetPriority() < 0 {
		v.may("9.1 speaks of no negative priority", codes.InvalidArgument)
	}
	if e.GetPriority() != 0 && e.GetIsDefaultAction() {
		v.must("9.1.3 the default entry has no priority", codes.InvalidArgument)
	}
	if a := e.GetAction(); a != nil && (t.profile != nil || a.GetAction() == nil) {
		v.may("9.1.6 entries are filtered by the actions of direct tables only", codes.InvalidArgument, codes.Unimplemented)
	} else if a != nil && t.ref(a.GetAction().GetActionId()) == nil {
		v.may("9.1.2 the action is one of the table", codes.InvalidArgument)
	}
	if e.GetTimeSinceLastHit() != nil {
		switch {
		case e.GetIsDefaultAction():
			v.must("9.1.8 the default entry has no idle timeout", codes.InvalidArgument)
		case t.GetIdleTimeoutBehavior() == 0:
			v.must("9.1.8 the table has no idle timeout", codes.InvalidArgument)
		}
	}
	if e.GetIdleTimeoutNs() != 0 {
		v.may("9.1.6 idle_timeout_ns is no filter", codes.InvalidArgument)
	}
	if e.GetIsConst() {
		v.may("9.1.6 is_const is no filter", codes.InvalidArgument)
	}
	return o.selected(t, e, ms)
}

// selected returns the entries of a table that pass the filters of a request.
func (o *oracle) selected(t *table, e *p4v1.TableEntry, match string) []*p4v1.Entity {
	from := tableEntry
	if e.GetIsDefaultAction() {
		from = defaultEntry
	}
	var out []*p4v1.Entity
	for _, k := range o.s.lists[container{from, t.id}] {
		x := o.s.get(k).GetTableEntry()
		switch {
		case match != "" && k.match != match:
		case e.GetPriority() != 0 && e.GetPriority() != x.GetPriority():
		case e.GetControllerMetadata() != 0 && e.GetControllerMetadata() != x.GetControllerMetadata():
		case len(e.GetMetadata()) > 0 && !bytes.Equal(e.GetMetadata(), x.GetMetadata()):
		case e.GetAction() != nil && e.GetAction().GetAction().GetActionId() != x.GetAction().GetAction().GetActionId():
		default:
			out = append(out, entryEntity(asAsked(t, e, x)))
		}
	}
	return out
}

// asAsked returns an entry with those of its direct resources that a request has
// set (section 9.1.7).
func asAsked(t *table, ask, e *p4v1.TableEntry) *p4v1.TableEntry {
	n := proto.CloneOf(e)
	if ask.GetCounterData() == nil {
		n.CounterData = nil
	}
	if ask.GetMeterConfig() == nil {
		n.MeterConfig = nil
	}
	if ask.GetTimeSinceLastHit() != nil && t.GetIdleTimeoutBehavior() != 0 {
		n.TimeSinceLastHit = &p4v1.TableEntry_IdleTimeout{}
	}
	return n
}

// readDirect reads direct resources.
func (o *oracle) readDirect(v *verdict, e *p4v1.TableEntry, resource func(*table, *p4v1.TableEntry) *p4v1.Entity) []*p4v1.Entity {
	if e == nil {
		v.may("p4runtime.proto: table_entry is required", codes.InvalidArgument)
	}
	t := o.tables[e.GetTableId()]
	if e.GetTableId() != 0 && t == nil {
		v.must("8.1.1 and 9.1 the table is one of P4Info", badID...)
		return nil
	}
	var from []key
	switch {
	case t == nil:
		if len(e.GetMatch()) > 0 || e.GetPriority() != 0 {
			v.may("9.1.6 with table_id 0 no other filter can be used", badID...)
		}
		for _, id := range o.containers(tableEntry) {
			from = append(from, o.s.lists[container{tableEntry, id}]...)
		}
	case resource(t, &p4v1.TableEntry{}) == nil:
		v.must("9.3.1 and 9.4.1 the table has the direct resource", badID...)
	case len(e.GetMatch()) == 0 && e.GetPriority() == 0 && !e.GetIsDefaultAction():
		from = o.s.lists[container{tableEntry, t.id}]
	default:
		from = []key{o.directKey(v, t, e)}
	}
	if !v.valid() {
		return nil
	}
	var out []*p4v1.Entity
	for _, k := range from {
		if n := resource(o.tables[k.id], o.s.get(k).GetTableEntry()); n != nil {
			out = append(out, n)
		}
	}
	return out
}
