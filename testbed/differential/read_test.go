package differential

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"
)

// identity returns what says which entry it is.
func identity(te *p4v1.TableEntry) *p4v1.TableEntry {
	te = proto.CloneOf(te)
	slices.SortFunc(te.Match, func(a, b *p4v1.FieldMatch) int { return cmp.Compare(a.GetFieldId(), b.GetFieldId()) })
	te.Action, te.CounterData, te.MeterConfig, te.MeterCounterData = nil, nil, nil, nil
	te.IsConst, te.IdleTimeoutNs, te.TimeSinceLastHit, te.Metadata = false, 0, nil, nil
	return te
}

// key returns an entity's identity, in a form that can be compared.
func key(e *p4v1.Entity) string {
	e = proto.CloneOf(e)
	switch x := e.GetEntity().(type) {
	case *p4v1.Entity_TableEntry:
		x.TableEntry = identity(x.TableEntry)
	case *p4v1.Entity_CounterEntry:
		x.CounterEntry.Data = nil
	case *p4v1.Entity_DirectCounterEntry:
		x.DirectCounterEntry.Data = nil
	case *p4v1.Entity_MeterEntry:
		x.MeterEntry.Config = nil
	case *p4v1.Entity_ActionProfileMember:
		x.ActionProfileMember.Action = nil
	case *p4v1.Entity_ActionProfileGroup:
		x.ActionProfileGroup = &p4v1.ActionProfileGroup{ActionProfileId: x.ActionProfileGroup.GetActionProfileId(), GroupId: x.ActionProfileGroup.GetGroupId()}
	case *p4v1.Entity_DigestEntry:
		x.DigestEntry.Config = nil
	case *p4v1.Entity_PacketReplicationEngineEntry:
		if g := x.PacketReplicationEngineEntry.GetMulticastGroupEntry(); g != nil {
			g.Replicas = nil
		}
		if c := x.PacketReplicationEngineEntry.GetCloneSessionEntry(); c != nil {
			*c = p4v1.CloneSessionEntry{SessionId: c.GetSessionId()}
		}
	}
	k, _ := proto.MarshalOptions{Deterministic: true}.Marshal(e)
	return string(k)
}

// normal returns entities in a form and order that are the same for both sides,
// without the cells of counters that have counted nothing.
func normal(es []*p4v1.Entity) []*p4v1.Entity {
	es = slices.DeleteFunc(es, func(e *p4v1.Entity) bool {
		x := e.GetCounterEntry()
		return x != nil && x.GetData().GetPacketCount() == 0 && x.GetData().GetByteCount() == 0
	})
	for _, e := range es {
		if te := e.GetTableEntry(); te != nil {
			slices.SortFunc(te.Match, func(a, b *p4v1.FieldMatch) int { return cmp.Compare(a.GetFieldId(), b.GetFieldId()) })
			te.IsConst = false // newer than bmv2's P4Runtime
			te.TimeSinceLastHit = nil
			sortParams(te.GetAction().GetAction())
			for _, a := range te.GetAction().GetActionProfileActionSet().GetActionProfileActions() {
				sortParams(a.GetAction())
			}
		}
		sortParams(e.GetActionProfileMember().GetAction())
		if g := e.GetActionProfileGroup(); g != nil {
			slices.SortFunc(g.Members, func(a, b *p4v1.ActionProfileGroup_Member) int { return cmp.Compare(a.GetMemberId(), b.GetMemberId()) })
		}
		if x := e.GetPacketReplicationEngineEntry(); x != nil {
			sortReplicas(x.GetMulticastGroupEntry().GetReplicas())
			sortReplicas(x.GetCloneSessionEntry().GetReplicas())
		}
	}
	slices.SortStableFunc(es, func(a, b *p4v1.Entity) int { return cmp.Compare(key(a), key(b)) })
	return es
}

func sortParams(a *p4v1.Action) {
	slices.SortFunc(a.GetParams(), func(a, b *p4v1.Action_Param) int { return cmp.Compare(a.GetParamId(), b.GetParamId()) })
}

func sortReplicas(rs []*p4v1.Replica) {
	slices.SortFunc(rs, func(a, b *p4v1.Replica) int {
		return cmp.Or(cmp.Compare(a.GetInstance(), b.GetInstance()), bytes.Compare(a.GetPort(), b.GetPort()), cmp.Compare(a.GetEgressPort(), b.GetEgressPort()))
	})
}

// inUnits takes the bytes from what counts packets: bmv2 tells both, whatever
// the unit in P4Info.
func inUnits(info *p4configv1.P4Info, e *p4v1.Entity) {
	in := func(spec *p4configv1.CounterSpec, d *p4v1.CounterData) {
		switch spec.GetUnit() {
		case p4configv1.CounterSpec_PACKETS:
			d.ByteCount = 0
		case p4configv1.CounterSpec_BYTES:
			d.PacketCount = 0
		}
	}
	for _, x := range info.GetCounters() {
		if d := e.GetCounterEntry().GetData(); d != nil && x.GetPreamble().GetId() == e.GetCounterEntry().GetCounterId() {
			in(x.GetSpec(), d)
		}
	}
	for _, x := range info.GetDirectCounters() {
		if d := e.GetTableEntry().GetCounterData(); d != nil && x.GetDirectTableId() == e.GetTableEntry().GetTableId() {
			in(x.GetSpec(), d)
		}
		if d := e.GetDirectCounterEntry().GetData(); d != nil && x.GetDirectTableId() == e.GetDirectCounterEntry().GetTableEntry().GetTableId() {
			in(x.GetSpec(), d)
		}
	}
}

// without takes away a range that is all there is of a field: bmv2 tells it,
// where a field that does not matter is to be left out.
func without(info *p4configv1.P4Info, te *p4v1.TableEntry) {
	e := entries{info: info}
	te.Match = slices.DeleteFunc(te.GetMatch(), func(m *p4v1.FieldMatch) bool {
		return m.GetRange() != nil && m.GetRange().GetLow()[0] == 0 && bytes.Equal(m.GetRange().GetHigh(), highest(e.width(te, m.GetFieldId())))
	})
}

// keyed returns entities by their identity. One that is there twice has a name
// of its own, but for members of profiles: bmv2 tells one as often as it is
// heavy in some group.
func keyed(es []*p4v1.Entity) map[string]*p4v1.Entity {
	out := make(map[string]*p4v1.Entity, len(es))
	for _, e := range es {
		k := key(e)
		if e.GetActionProfileMember() != nil && proto.Equal(out[k], e) {
			continue
		}
		for out[k] != nil {
			k += " again"
		}
		out[k] = e
	}
	return out
}

// differ tells what the embedded target and bmv2 do not both have.
func differ(embedded, bmv2 map[string]*p4v1.Entity, fault func(format string, args ...any)) {
	for _, k := range slices.Sorted(maps.Keys(embedded)) {
		if !proto.Equal(embedded[k], bmv2[k]) {
			fault("embedded has %v, bmv2 %v", embedded[k], bmv2[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(bmv2)) {
		if embedded[k] == nil {
			fault("embedded has nothing, bmv2 %v", bmv2[k])
		}
	}
}

// compare reads the same from both, compares it and returns how much it is.
func (c *pair) compare(what string, ask *p4v1.Entity) int {
	c.t.Helper()
	return len(c.do(step{what: what, read: ask})[0].entities)
}

// readBack compares what both hold.
func (c *pair) readBack() {
	c.t.Helper()
	c.tally.entities += c.compare("all entries", tableEntity(&p4v1.TableEntry{}))
	for _, t := range c.draw.info.GetTables() {
		id := t.GetPreamble().GetId()
		c.tally.entities += c.compare("entries of "+t.GetPreamble().GetName(), tableEntity(&p4v1.TableEntry{TableId: id}))
		c.tally.entities += c.compare("default of "+t.GetPreamble().GetName(), tableEntity(&p4v1.TableEntry{TableId: id, IsDefaultAction: true}))
	}
	for _, m := range c.draw.info.GetMeters() {
		c.tally.entities += c.compare(m.GetPreamble().GetName(), &p4v1.Entity{Entity: &p4v1.Entity_MeterEntry{MeterEntry: &p4v1.MeterEntry{MeterId: m.GetPreamble().GetId()}}})
	}
	for range *updates / 4 {
		c.ask()
	}
	c.tally.entities += c.compare("groups", groupEntity(&p4v1.MulticastGroupEntry{}))
}

// ask reads one thing or another, that may not be there.
func (c *pair) ask() {
	c.t.Helper()
	e := &c.draw
	id := uint32(pick(c.r, 0, 1, 2, 3, 9, 0x7fff, 0x8000, 0x10000))
	index := &p4v1.Index{Index: pick[int64](c.r, 0, 1, 15, 16, 1<<20, -1)}
	indexed := ""
	if index.GetIndex() > 15 {
		indexed = ": index too high"
	}
	switch c.r.IntN(10) {
	case 0:
		c.tally.entities += c.compare("read group", groupEntity(&p4v1.MulticastGroupEntry{MulticastGroupId: id}))
	case 1:
		c.compare("read unknown table", tableEntity(&p4v1.TableEntry{TableId: 0x02abcdef}))
	case 2:
		c.compare("read table by an action's id", tableEntity(&p4v1.TableEntry{TableId: 0x01000001}))
	case 3:
		x := e.info.GetCounters()
		if len(x) == 0 {
			return
		}
		c.tally.entities += c.compare("read counter"+indexed, &p4v1.Entity{Entity: &p4v1.Entity_CounterEntry{CounterEntry: &p4v1.CounterEntry{
			CounterId: x[c.r.IntN(len(x))].GetPreamble().GetId() + uint32(c.r.IntN(30)/29), Index: index,
		}}})
	case 4:
		x := e.info.GetMeters()
		if len(x) == 0 {
			return
		}
		c.tally.entities += c.compare("read meter"+indexed, &p4v1.Entity{Entity: &p4v1.Entity_MeterEntry{MeterEntry: &p4v1.MeterEntry{
			MeterId: x[c.r.IntN(len(x))].GetPreamble().GetId() + uint32(c.r.IntN(30)/29), Index: index,
		}}})
	case 5:
		c.compare("read nothing", &p4v1.Entity{})
	default:
		te := e.entry()
		if len(e.have) > 0 && chance(c.r, 70) {
			te = proto.CloneOf(e.have[c.r.IntN(len(e.have))].GetTableEntry())
		}
		if te == nil || len(te.GetMatch()) == 0 {
			return
		}
		te.Action, te.MeterConfig, te.CounterData, te.IdleTimeoutNs, te.Metadata = nil, nil, nil, 0, nil
		what := "read entry"
		if masked(e.table(te.GetTableId())) {
			what = "masked entries"
		}
		if chance(c.r, 30) {
			c.tally.entities += c.compare("read direct counter", &p4v1.Entity{Entity: &p4v1.Entity_DirectCounterEntry{DirectCounterEntry: &p4v1.DirectCounterEntry{TableEntry: te}}})
			return
		}
		c.tally.entities += c.compare(what, tableEntity(te))
	}
}

// counters compares all counters, direct and not.
func (c *pair) counters() {
	c.t.Helper()
	for _, t := range c.draw.info.GetTables() {
		for _, id := range t.GetDirectResourceIds() {
			if id>>24 == 0x13 {
				c.tally.counters += c.compare("counters of "+t.GetPreamble().GetName(), tableEntity(&p4v1.TableEntry{TableId: t.GetPreamble().GetId(), CounterData: &p4v1.CounterData{}}))
			}
		}
	}
	for _, x := range c.draw.info.GetCounters() {
		c.tally.counters += c.compare(x.GetPreamble().GetName(), &p4v1.Entity{Entity: &p4v1.Entity_CounterEntry{CounterEntry: &p4v1.CounterEntry{CounterId: x.GetPreamble().GetId()}}})
	}
}
