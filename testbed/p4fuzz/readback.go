package p4fuzz

import (
	"context"
	"slices"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
)

// smallArray is how many cells an array may have to be read as a whole each
// time.
const smallArray = 64

func (t *trial) reading(entities ...*p4v1.Entity) *p4v1.ReadRequest {
	return &p4v1.ReadRequest{DeviceId: t.dev.id, Entities: entities}
}

// everything are requests that read all that there is, but for large arrays, of
// which they read the cells that were written last.
func (t *trial) everything() []*p4v1.Entity {
	out := []*p4v1.Entity{entryEntity(&p4v1.TableEntry{})}
	for _, id := range t.containers(tableEntry) {
		x := t.tables[id]
		out = append(out, entryEntity(&p4v1.TableEntry{TableId: id, IsDefaultAction: true}))
		if x.counter != nil || x.meter != nil {
			out = append(out, entryEntity(&p4v1.TableEntry{TableId: id, CounterData: &p4v1.CounterData{}, MeterConfig: &p4v1.MeterConfig{}}))
		}
	}
	if len(t.profiles) > 0 {
		out = append(out, memberEntity(&p4v1.ActionProfileMember{}), groupEntity(&p4v1.ActionProfileGroup{}))
	}
	for _, k := range []kind{counterCell, meterCell, registerCell} {
		for _, id := range t.containers(k) {
			if t.size(k, id) <= smallArray {
				out = append(out, cellRequest(k, id, nil))
				continue
			}
			written := t.s.lists[container{k, id}]
			for _, w := range written[max(0, len(written)-16):] {
				out = append(out, cellRequest(k, id, &p4v1.Index{Index: w.index}))
			}
		}
	}
	for _, id := range t.containers(valueSet) {
		out = append(out, valueSetEntity(&p4v1.ValueSetEntry{ValueSetId: id}))
	}
	for _, id := range t.containers(digest) {
		out = append(out, digestEntity(&p4v1.DigestEntry{DigestId: id}))
	}
	return append(out, multicastEntity(&p4v1.MulticastGroupEntry{}), sessionEntity(&p4v1.CloneSessionEntry{}))
}

func cellRequest(k kind, id uint32, i *p4v1.Index) *p4v1.Entity {
	switch k {
	case counterCell:
		return counterEntity(&p4v1.CounterEntry{CounterId: id, Index: i})
	case meterCell:
		return meterEntity(&p4v1.MeterEntry{MeterId: id, Index: i})
	}
	return registerEntity(&p4v1.RegisterEntry{RegisterId: id, Index: i})
}

// readBack compares all that there is.
func (t *trial) readBack(ctx context.Context) error {
	return t.read(ctx, t.reading(t.everything()...))
}

// adopt takes table entries as the device says that they are.
func (t *trial) adopt(ctx context.Context, ask *p4v1.TableEntry) error {
	x := t.tables[ask.GetTableId()]
	if x.counter != nil {
		ask.CounterData = &p4v1.CounterData{}
	}
	if x.meter != nil {
		ask.MeterConfig = &p4v1.MeterConfig{}
	}
	got, rpc, _, err := t.dev.read(ctx, t.reading(entryEntity(ask)))
	if err != nil || rpc != codes.OK {
		return problemf("table entries cannot be read: %v %v", rpc, err)
	}
	for _, e := range got {
		t.take(e)
	}
	if !ask.GetIsDefaultAction() && x.GetIsConstTable() {
		for _, e := range got {
			if !e.GetTableEntry().GetIsConst() && t.known(func(d *Deviation) bool { return d.Form != nil }) == nil {
				return problemf("an entry of a constant table is not is_const (p4runtime.proto): %s", text(e))
			}
		}
	}
	return nil
}

// adoptAll takes everything as the device says that it is.
func (t *trial) adoptAll(ctx context.Context) error {
	var got []*p4v1.Entity
	for _, e := range t.everything() {
		es, _, _, err := t.dev.read(ctx, t.reading(e))
		if err != nil {
			return problemf("%v", err)
		}
		got = append(got, es...)
	}
	was := *t.s
	*t.s = *newState()
	for _, a := range []struct{ cell, array kind }{{counterCell, counterArray}, {meterCell, meterArray}, {registerCell, registerArray}} {
		for _, id := range t.containers(a.cell) {
			// Of large arrays not all is read.
			for _, k := range append(slices.Clone(was.lists[container{a.cell, id}]), was.lists[container{a.array, id}]...) {
				t.s.put(k, was.get(k))
			}
		}
	}
	for _, e := range got {
		t.take(e)
	}
	return nil
}

// take puts an entity that was read into the state.
func (t *trial) take(e *p4v1.Entity) {
	inOrder(e)
	switch x := e.GetEntity().(type) {
	case *p4v1.Entity_TableEntry:
		n := x.TableEntry
		k := key{tableEntry, n.GetTableId(), int64(n.GetPriority()), matchString(n.GetMatch())}
		if n.GetIsDefaultAction() {
			k = key{kind: defaultEntry, id: n.GetTableId()}
		}
		if was := t.s.get(k).GetTableEntry(); was.GetCounterData() != nil && n.GetCounterData() == nil {
			return // it was read once more, without its direct resources
		}
		if tab := t.tables[n.GetTableId()]; tab != nil && tab.counter != nil && n.GetCounterData() == nil {
			n.CounterData = &p4v1.CounterData{}
		}
		t.s.put(k, e)
	case *p4v1.Entity_ActionProfileMember:
		t.s.put(key{kind: member, id: x.ActionProfileMember.GetActionProfileId(), index: int64(x.ActionProfileMember.GetMemberId())}, e)
	case *p4v1.Entity_ActionProfileGroup:
		t.s.put(key{kind: group, id: x.ActionProfileGroup.GetActionProfileId(), index: int64(x.ActionProfileGroup.GetGroupId())}, e)
	case *p4v1.Entity_PacketReplicationEngineEntry:
		if g := x.PacketReplicationEngineEntry.GetMulticastGroupEntry(); g != nil {
			t.s.put(key{kind: multicastGroup, index: int64(g.GetMulticastGroupId())}, e)
		} else {
			t.s.put(key{kind: cloneSession, index: int64(x.PacketReplicationEngineEntry.GetCloneSessionEntry().GetSessionId())}, e)
		}
	case *p4v1.Entity_CounterEntry:
		t.s.put(key{kind: counterCell, id: x.CounterEntry.GetCounterId(), index: x.CounterEntry.GetIndex().GetIndex()}, e)
	case *p4v1.Entity_MeterEntry:
		t.s.put(key{kind: meterCell, id: x.MeterEntry.GetMeterId(), index: x.MeterEntry.GetIndex().GetIndex()}, e)
	case *p4v1.Entity_RegisterEntry:
		t.s.put(key{kind: registerCell, id: x.RegisterEntry.GetRegisterId(), index: x.RegisterEntry.GetIndex().GetIndex()}, e)
	case *p4v1.Entity_ValueSetEntry:
		t.s.put(key{kind: valueSet, id: x.ValueSetEntry.GetValueSetId()}, e)
	case *p4v1.Entity_DigestEntry:
		t.s.put(key{kind: digest, id: x.DigestEntry.GetDigestId()}, e)
	}
}
