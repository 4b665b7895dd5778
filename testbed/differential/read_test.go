package differential

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// normal returns entities in a form and order that are the same for both sides.
func normal(es []*p4v1.Entity) map[string]*p4v1.Entity {
	out := make(map[string]*p4v1.Entity, len(es))
	for _, e := range es {
		key := proto.CloneOf(e)
		if te := key.GetTableEntry(); te != nil {
			slices.SortFunc(te.Match, func(a, b *p4v1.FieldMatch) int { return cmp.Compare(a.GetFieldId(), b.GetFieldId()) })
			e.GetTableEntry().Match = te.Match
			if a := e.GetTableEntry().GetAction().GetAction(); a != nil {
				slices.SortFunc(a.Params, func(a, b *p4v1.Action_Param) int { return cmp.Compare(a.GetParamId(), b.GetParamId()) })
			}
			e.GetTableEntry().IsConst = false // newer than bmv2's P4Runtime
			te.IsConst = false
			te.Action, te.CounterData, te.MeterConfig, te.MeterCounterData = nil, nil, nil, nil
		}
		if g := key.GetPacketReplicationEngineEntry().GetMulticastGroupEntry(); g != nil {
			slices.SortFunc(e.GetPacketReplicationEngineEntry().GetMulticastGroupEntry().Replicas, func(a, b *p4v1.Replica) int {
				return cmp.Or(cmp.Compare(a.GetInstance(), b.GetInstance()), bytes.Compare(a.GetPort(), b.GetPort()), cmp.Compare(a.GetEgressPort(), b.GetEgressPort()))
			})
			g.Replicas = nil
		}
		if x := key.GetCounterEntry(); x != nil {
			x.Data = nil
		}
		if x := key.GetDirectCounterEntry(); x != nil {
			x.Data = nil
		}
		k, _ := proto.MarshalOptions{Deterministic: true}.Marshal(key)
		out[string(k)] = e
	}
	return out
}

// key returns what normal has an entity under.
func key(e *p4v1.Entity) string {
	for k := range normal([]*p4v1.Entity{proto.CloneOf(e)}) {
		return k
	}
	return ""
}

// inUnits takes the bytes from what counts packets: bmv2 tells both, whatever
// the unit in P4Info.
func (c *testCase) inUnits(e *p4v1.Entity) {
	for _, x := range c.draw.info.GetCounters() {
		if x.GetPreamble().GetId() == e.GetCounterEntry().GetCounterId() && x.GetSpec().GetUnit() == p4configv1.CounterSpec_PACKETS {
			e.GetCounterEntry().GetData().ByteCount = 0
		}
	}
	for _, x := range c.draw.info.GetDirectCounters() {
		if d := e.GetTableEntry().GetCounterData(); d != nil && x.GetDirectTableId() == e.GetTableEntry().GetTableId() && x.GetSpec().GetUnit() == p4configv1.CounterSpec_PACKETS {
			d.ByteCount = 0
		}
	}
}

// compare reads the same from both and compares it.
func (c *testCase) compare(what string, ask *p4v1.Entity) int {
	c.t.Helper()
	var got [2]map[string]*p4v1.Entity
	var code [2]codes.Code
	var said [2]string
	for i, s := range c.sides {
		es, err := s.read(c.t.Context(), ask)
		if code[i], said[i] = verdict(err); err != nil {
			continue // what there is besides has no meaning
		}
		for _, e := range es {
			c.inUnits(e)
		}
		got[i] = normal(es)
		if len(got[i]) != len(es) {
			c.fault("%s: %s: %d entities, but %d different ones", what, s.name, len(es), len(got[i]))
		}
	}
	if code != [2]codes.Code{} {
		if code[0] != code[1] && !known(what, code[0], code[1]) {
			c.fault("%s: %v (%s), bmv2 %v (%s): %v", what, code[0], said[0], code[1], said[1], ask)
		}
		return 0
	}
	for _, k := range slices.Sorted(maps.Keys(got[0])) {
		if !proto.Equal(got[0][k], got[1][k]) {
			c.fault("%s: embedded has %v, bmv2 %v; asked for %v", what, got[0][k], got[1][k], ask)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got[1])) {
		if got[0][k] == nil {
			c.fault("%s: embedded has nothing, bmv2 %v; asked for %v", what, got[1][k], ask)
		}
	}
	return len(got[0])
}

// readBack compares what both hold.
func (c *testCase) readBack() {
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
func (c *testCase) ask() {
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
		c.tally.entities += c.compare("read counter"+indexed, &p4v1.Entity{Entity: &p4v1.Entity_CounterEntry{CounterEntry: &p4v1.CounterEntry{
			CounterId: x[c.r.IntN(len(x))].GetPreamble().GetId() + uint32(c.r.IntN(30)/29), Index: index,
		}}})
	case 4:
		x := e.info.GetMeters()
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
		te.Action = nil
		if chance(c.r, 30) {
			c.tally.entities += c.compare("read direct counter", &p4v1.Entity{Entity: &p4v1.Entity_DirectCounterEntry{DirectCounterEntry: &p4v1.DirectCounterEntry{TableEntry: te}}})
			return
		}
		c.tally.entities += c.compare("read entry", tableEntity(te))
	}
}

// counters compares all counters, direct and not.
func (c *testCase) counters() {
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
