package differential

import (
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"
)

// replication writes a multicast group, valid or not. Of a group that names
// ports in both ways bmv2 forgets some.
func (c *pair) replication() {
	c.t.Helper()
	g := &p4v1.MulticastGroupEntry{MulticastGroupId: uint32(pick(c.r, 0, 1, 2, 3, 4, 0x7fff, 0x8000, 0x10000))}
	deprecated := chance(c.r, 50)
	for range c.r.IntN(4) {
		x := &p4v1.Replica{Instance: uint32(pick(c.r, 0, 1, 2, 3, 0xfff))}
		if deprecated {
			x.PortKind = &p4v1.Replica_EgressPort{EgressPort: uint32(pick(c.r, 1, 2, 256, 300, 505))}
		} else {
			x.PortKind = &p4v1.Replica_Port{Port: pick(c.r, []byte{1}, []byte{2}, []byte{1, 0}, []byte{1, 44})}
		}
		g.Replicas = append(g.Replicas, x)
	}
	u := &p4v1.Update{Type: pick(c.r, p4v1.Update_INSERT, p4v1.Update_INSERT, p4v1.Update_MODIFY, p4v1.Update_DELETE), Entity: groupEntity(g)}
	what := "multicast group"
	if repeats(g) {
		what, u.Type = "multicast group: replica twice", p4v1.Update_INSERT
	}
	c.update(what, u)
}

func repeats(g *p4v1.MulticastGroupEntry) bool {
	seen := map[[2]uint64]bool{}
	for _, x := range g.GetReplicas() {
		port := uint64(x.GetEgressPort())
		for _, b := range x.GetPort() {
			port = port<<8 | uint64(b)
		}
		key := [2]uint64{uint64(x.GetInstance()), port}
		if seen[key] {
			return true
		}
		seen[key] = true
	}
	return false
}

// resource writes an indirect counter or meter, or a direct counter, valid or
// not.
func (c *pair) resource() {
	c.t.Helper()
	index := &p4v1.Index{Index: pick[int64](c.r, 0, 1, 2, 15, 1<<20, -1)}
	kind := pick(c.r, p4v1.Update_MODIFY, p4v1.Update_MODIFY, p4v1.Update_MODIFY, p4v1.Update_INSERT, p4v1.Update_DELETE)
	data := &p4v1.CounterData{PacketCount: c.r.Int64N(1000), ByteCount: c.r.Int64N(100000)}
	switch c.r.IntN(3) {
	case 0:
		x := c.draw.info.GetCounters()
		if len(x) == 0 {
			return
		}
		e := &p4v1.CounterEntry{CounterId: x[c.r.IntN(len(x))].GetPreamble().GetId(), Index: index, Data: data}
		if chance(c.r, 5) {
			e.CounterId++
		}
		c.modify("counter", kind, &p4v1.Entity{Entity: &p4v1.Entity_CounterEntry{CounterEntry: e}}, index.GetIndex())
	case 1:
		x := c.draw.info.GetMeters()
		if len(x) == 0 {
			return
		}
		e := &p4v1.MeterEntry{MeterId: x[c.r.IntN(len(x))].GetPreamble().GetId(), Index: index, Config: c.draw.rates()}
		c.modify("meter", kind, &p4v1.Entity{Entity: &p4v1.Entity_MeterEntry{MeterEntry: e}}, index.GetIndex())
	case 2:
		if len(c.draw.have) == 0 {
			return
		}
		te := proto.CloneOf(c.draw.have[c.r.IntN(len(c.draw.have))].GetTableEntry())
		te.Action = nil
		if te.GetIsDefaultAction() {
			return
		}
		c.modify("direct counter", kind, &p4v1.Entity{Entity: &p4v1.Entity_DirectCounterEntry{DirectCounterEntry: &p4v1.DirectCounterEntry{
			TableEntry: te, Data: data,
		}}}, 0)
	}
}

// modify writes what can only be modified.
func (c *pair) modify(what string, kind p4v1.Update_Type, x *p4v1.Entity, index int64) {
	c.t.Helper()
	if index >= 1<<20 {
		what += ": index too high"
	}
	if kind != p4v1.Update_MODIFY {
		what += ": not modified"
	}
	c.update(what, &p4v1.Update{Type: kind, Entity: x})
	if kind != p4v1.Update_MODIFY && index < 1<<20 {
		c.update("counter or meter, after all", &p4v1.Update{Type: p4v1.Update_MODIFY, Entity: x})
	}
}

// defaults changes a default action.
func (c *pair) defaults() {
	c.t.Helper()
	i := slices.IndexFunc(c.draw.info.GetTables(), func(t *p4configv1.Table) bool { return t.GetConstDefaultActionId() == 0 && chance(c.r, 50) })
	if i < 0 {
		return
	}
	t := c.draw.info.GetTables()[i]
	te := &p4v1.TableEntry{TableId: t.GetPreamble().GetId(), IsDefaultAction: true, Action: c.draw.action(t, p4configv1.ActionRef_TABLE_ONLY)}
	if chance(c.r, 20) {
		te.Action = nil
	}
	c.update("default", &p4v1.Update{Type: p4v1.Update_MODIFY, Entity: tableEntity(te)})
}
