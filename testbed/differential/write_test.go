package differential

import (
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// update writes to both and reports whether both have taken it.
func (c *pair) update(what string, u *p4v1.Update) bool {
	c.t.Helper()
	c.tally.updates++
	a := c.do(step{what: what, write: u})
	return a[0].code == codes.OK && a[1].code == codes.OK
}

// write writes random entries, valid ones and others.
func (c *pair) write() {
	c.t.Helper()
	e, ms := &c.draw, mutations()
	for range *updates {
		te := e.entry()
		if te == nil {
			continue
		}
		u := &p4v1.Update{Type: p4v1.Update_INSERT, Entity: tableEntity(te)}
		switch c.r.IntN(10) {
		case 0, 1:
			if c.update("insert", u) {
				e.have = append(e.have, u.GetEntity())
			}
		case 2, 3:
			c.change()
		case 4:
			c.replication()
		case 5:
			c.resource()
			c.defaults()
		default:
			c.bad(ms[c.r.IntN(len(ms))], te)
		}
	}
}

// bad writes what a mutation makes of an update: an insert of an entry, or a
// change of one that is there.
func (c *pair) bad(m mutation, te *p4v1.TableEntry) {
	c.t.Helper()
	e := &c.draw
	was := tableEntity(te)
	u := &p4v1.Update{Type: p4v1.Update_INSERT, Entity: proto.CloneOf(was)}
	// An empty key would have bmv2 change another entry, that of 0.
	if len(e.have) > 0 && chance(c.r, 30) && m.name != "key: empty" {
		was = e.have[c.r.IntN(len(e.have))]
		u.Entity, u.Type = proto.CloneOf(was), p4v1.Update_MODIFY
		if chance(c.r, 20) {
			u.Type = p4v1.Update_DELETE
		}
	}
	kind := u.GetType()
	if was.GetTableEntry().GetIsDefaultAction() || !m.apply(e, u, u.GetEntity().GetTableEntry()) {
		return
	}
	taken := c.update(m.name, u)
	if kind == p4v1.Update_INSERT && u.GetType() == p4v1.Update_DELETE && taken {
		// By chance it was one that is there.
		e.have = slices.DeleteFunc(e.have, func(x *p4v1.Entity) bool { return key(x) == key(u.GetEntity()) })
	}
	if kind == p4v1.Update_INSERT && u.GetType() == kind && taken && u.GetEntity() != nil {
		c.update("delete again", &p4v1.Update{Type: p4v1.Update_DELETE, Entity: u.GetEntity()})
	}
	if kind != p4v1.Update_INSERT {
		// Whatever has become of it on either side: from here on it is the same.
		c.do(step{restore: was})
	}
}

// change inserts once more, modifies or deletes what is there.
func (c *pair) change() {
	c.t.Helper()
	e := &c.draw
	if len(e.have) == 0 {
		return
	}
	i := c.r.IntN(len(e.have))
	x := proto.CloneOf(e.have[i])
	te := x.GetTableEntry()
	switch c.r.IntN(4) {
	case 0:
		c.update("insert twice", &p4v1.Update{Type: p4v1.Update_INSERT, Entity: x})
	case 1:
		te.Action = e.action(e.table(te.GetTableId()), p4configv1.ActionRef_DEFAULT_ONLY)
		if c.update("modify", &p4v1.Update{Type: p4v1.Update_MODIFY, Entity: x}) {
			e.have[i] = x
		}
	case 2: // a small change, so that it still means something
		p := param(e, te)
		if p == nil {
			return
		}
		p.Value = e.near(p.GetValue())
		if c.update("modify a parameter", &p4v1.Update{Type: p4v1.Update_MODIFY, Entity: x}) {
			e.have[i] = x
		}
	case 3:
		if chance(c.r, 70) {
			return
		}
		if c.update("delete", &p4v1.Update{Type: p4v1.Update_DELETE, Entity: x}) {
			e.have = slices.Delete(e.have, i, i+1)
		}
	}
}

// known reports a difference of codes where bmv2, which is to say PI, breaks the
// P4Runtime specification; doc.go says how.
func known(what string, embedded, bmv2 codes.Code) bool {
	switch what {
	case "key: empty", "parameter: empty":
		return embedded == codes.InvalidArgument // bmv2 says what it would of 0
	case "entity: none":
		return embedded == codes.InvalidArgument && bmv2 == codes.Unknown
	case "priority: negative":
		return embedded == codes.InvalidArgument && (bmv2 == codes.Unknown || bmv2 == codes.NotFound)
	case "action: none":
		return embedded == codes.OK && bmv2 == codes.InvalidArgument
	case "multicast group: replica twice":
		return embedded == codes.InvalidArgument && bmv2 == codes.AlreadyExists
	case "default", "default: inserted", "default: deleted", "default: with a key", "default: constant, changed":
		return embedded == codes.PermissionDenied && bmv2 == codes.InvalidArgument
	case "delete member", "delete group":
		return embedded == codes.FailedPrecondition && bmv2 == codes.Unknown
	case "action: a group, without a profile":
		return embedded == codes.NotFound && bmv2 == codes.InvalidArgument
	case "masked entries", "constant entries":
		return embedded == codes.OK && bmv2 == codes.Internal
	case "table: constant":
		return embedded == codes.PermissionDenied && (bmv2 == codes.Unknown || bmv2 == codes.NotFound)
	case "clone session: cut short":
		return embedded == codes.OK && bmv2 == codes.Unknown
	case "read nothing":
		return embedded == codes.InvalidArgument && bmv2 == codes.Unknown
	case "read group":
		return embedded == codes.OK && (bmv2 == codes.NotFound || bmv2 == codes.OutOfRange)
	case "direct counter", "read direct counter":
		return embedded == codes.NotFound && bmv2 == codes.InvalidArgument
	case "counter: index too high", "meter: index too high", "read counter: index too high", "read meter: index too high":
		return embedded == codes.OutOfRange && bmv2 == codes.Unknown
	case "counter: not modified", "meter: not modified", "direct counter: not modified":
		return embedded == codes.InvalidArgument && bmv2 == codes.OK
	case "counter: index too high: not modified", "meter: index too high: not modified":
		return embedded == codes.InvalidArgument && bmv2 == codes.Unknown
	}
	return false
}
