package differential

import (
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
)

// profile returns an action profile by its id.
func (e *entries) profile(id uint32) *p4configv1.ActionProfile {
	for _, p := range e.info.GetActionProfiles() {
		if p.GetPreamble().GetId() == id {
			return p
		}
	}
	return nil
}

// oneShot tells which selectors have sets of actions and no groups: P4Runtime
// wants one or the other of a selector (section 9.2.3).
func oneShot(p *p4configv1.ActionProfile) bool { return p.GetPreamble().GetAlias() == "paths" }

// indirect draws an action of a table that has a profile: a member, a group or
// a set of its own.
func (e *entries) indirect(t *p4configv1.Table, profile uint32) *p4v1.TableAction {
	if oneShot(e.profile(profile)) {
		set := &p4v1.ActionProfileActionSet{}
		for range 1 + e.r.IntN(3) {
			set.ActionProfileActions = append(set.ActionProfileActions, &p4v1.ActionProfileAction{
				Action: e.direct(t, p4configv1.ActionRef_DEFAULT_ONLY), Weight: 1,
			})
		}
		return &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileActionSet{ActionProfileActionSet: set}}
	}
	if gs := e.groups[profile]; len(gs) > 0 && chance(e.r, 70) {
		return &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileGroupId{ActionProfileGroupId: gs[e.r.IntN(len(gs))]}}
	}
	ms := e.members[profile]
	if len(ms) == 0 {
		return nil
	}
	return &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileMemberId{ActionProfileMemberId: ms[e.r.IntN(len(ms))]}}
}

// profiles writes members and groups of all action profiles, valid or not.
func (c *pair) profiles() {
	c.t.Helper()
	e := &c.draw
	for _, p := range e.info.GetActionProfiles() {
		if oneShot(p) || len(p.GetTableIds()) == 0 {
			continue
		}
		id := p.GetPreamble().GetId()
		table := e.table(p.GetTableIds()[0])
		for range 8 {
			m := &p4v1.ActionProfileMember{ActionProfileId: id, MemberId: 1 + e.r.Uint32N(20), Action: e.direct(table, p4configv1.ActionRef_DEFAULT_ONLY)}
			if c.update("member", &p4v1.Update{Type: p4v1.Update_INSERT, Entity: memberEntity(m)}) {
				e.members[id] = append(e.members[id], m.GetMemberId())
			}
		}
		if !p.GetWithSelector() {
			continue
		}
		for range 5 {
			g := c.group(id)
			if c.update("group", &p4v1.Update{Type: p4v1.Update_INSERT, Entity: setEntity(g)}) && g.GetGroupId() < weighted {
				e.groups[id] = append(e.groups[id], g.GetGroupId())
			}
		}
	}
}

// weighted is the first of the groups whose members have weights. No entry
// refers to them: P4Runtime leaves open which member a packet takes, and bmv2
// puts those that PI makes to add up to a weight behind all others.
const weighted = 6

// group draws a group of members that are there. It has at least one: what an
// empty one does is left open.
func (c *pair) group(profile uint32) *p4v1.ActionProfileGroup {
	g := &p4v1.ActionProfileGroup{ActionProfileId: profile, GroupId: 1 + c.r.Uint32N(8), MaxSize: 10}
	ms := c.draw.members[profile]
	for _, i := range c.r.Perm(len(ms))[:min(len(ms), 1+c.r.IntN(4))] {
		m := &p4v1.ActionProfileGroup_Member{MemberId: ms[i], Weight: 1}
		if g.GetGroupId() >= weighted {
			m.Weight += c.r.Int32N(2) // never more than MaxSize: bmv2 refuses that, but keeps the group
		}
		g.Members = append(g.Members, m)
	}
	return g
}

// reprofile changes members and groups while entries refer to them.
func (c *pair) reprofile() {
	c.t.Helper()
	e := &c.draw
	ps := slices.DeleteFunc(slices.Clone(e.info.GetActionProfiles()), oneShot)
	if len(ps) == 0 {
		return
	}
	p := ps[e.r.IntN(len(ps))]
	id := p.GetPreamble().GetId()
	m := &p4v1.ActionProfileMember{ActionProfileId: id, MemberId: 1 + e.r.Uint32N(30), Action: e.direct(e.table(p.GetTableIds()[0]), p4configv1.ActionRef_DEFAULT_ONLY)}
	g := c.group(id)
	switch e.r.IntN(5) {
	case 0, 1:
		c.update("modify member", &p4v1.Update{Type: p4v1.Update_MODIFY, Entity: memberEntity(m)})
	case 2:
		if c.update("delete member", &p4v1.Update{Type: p4v1.Update_DELETE, Entity: memberEntity(m)}) {
			e.members[id] = slices.DeleteFunc(e.members[id], func(x uint32) bool { return x == m.GetMemberId() })
		}
	case 3:
		if p.GetWithSelector() {
			c.update("modify group", &p4v1.Update{Type: p4v1.Update_MODIFY, Entity: setEntity(g)})
		}
	case 4:
		if p.GetWithSelector() && c.update("delete group", &p4v1.Update{Type: p4v1.Update_DELETE, Entity: setEntity(g)}) {
			e.groups[id] = slices.DeleteFunc(e.groups[id], func(x uint32) bool { return x == g.GetGroupId() })
		}
	}
}
