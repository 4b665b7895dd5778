package p4fuzz

import (
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
)

// optionalStyle adds what section 9.2.3 says of members and groups: a server may
// do without, and they do not go together with one shots.
func (o *oracle) optionalStyle(v *verdict, p *p4configv1.ActionProfile) {
	if !p.GetWithSelector() {
		return
	}
	v.may("9.2.3 members and groups are optional", codes.Unimplemented)
	if shots, _ := o.styles(p, key{}); shots {
		v.may("9.2.3 the selector is programmed by one shots", codes.InvalidArgument)
	}
}

// member judges section 9.2.1.
func (o *oracle) member(v *verdict, typ p4v1.Update_Type, e *p4v1.ActionProfileMember) {
	p := o.profiles[e.GetActionProfileId()]
	if p == nil {
		v.must("8.1.1 the profile is one of P4Info", badID...)
		return
	}
	o.optionalStyle(v, p)
	v.check(e.GetMemberId() != 0, "9.2.1 a member id is not 0", codes.InvalidArgument)
	k := key{kind: member, id: e.GetActionProfileId(), index: int64(e.GetMemberId())}
	old := o.presence(v, typ, k)
	groups, entries := o.users(p, k)
	if typ == p4v1.Update_DELETE {
		v.check(len(groups)+entries == 0, "9.2.1 the member is in no group and no entry", codes.FailedPrecondition)
		v.apply = func() { o.s.put(k, nil) }
		return
	}
	n := &p4v1.ActionProfileMember{ActionProfileId: e.GetActionProfileId(), MemberId: e.GetMemberId()}
	switch ts := o.tablesOf(p); {
	case e.GetAction() == nil:
		v.must("9.2.1 the action is given", codes.InvalidArgument)
	case len(ts) == 0:
		v.must("9.2.1 the action is one of the tables", codes.InvalidArgument)
	default: // all tables of a profile have the same actions
		n.Action = o.action(v, ts[0], e.GetAction(), false)
	}
	if typ == p4v1.Update_INSERT && o.members(p)+1 > p.GetSize() {
		v.may("9.2.1 the profile is full", codes.ResourceExhausted)
	}
	if old != nil && len(groups) > 0 && old.GetActionProfileMember().GetAction().GetActionId() != e.GetAction().GetActionId() {
		v.may("9.2.4 to change the action of a member of a group is optional", codes.Unimplemented)
	}
	v.apply = func() { o.s.put(k, memberEntity(n)) }
}

// users returns the groups that have a member or the entries that refer to a
// member or group.
func (o *oracle) users(p *p4configv1.ActionProfile, k key) (groups []key, entries int) {
	id := uint32(k.index)
	if k.kind == member {
		for _, g := range o.s.lists[container{group, k.id}] {
			for _, m := range o.s.get(g).GetActionProfileGroup().GetMembers() {
				if m.GetMemberId() == id {
					groups = append(groups, g)
				}
			}
		}
	}
	for _, t := range o.tablesOf(p) {
		for _, e := range o.s.lists[container{tableEntry, t.id}] {
			switch a := o.s.get(e).GetTableEntry().GetAction().GetType().(type) {
			case *p4v1.TableAction_ActionProfileMemberId:
				if k.kind == member && a.ActionProfileMemberId == id {
					entries++
				}
			case *p4v1.TableAction_ActionProfileGroupId:
				if k.kind == group && a.ActionProfileGroupId == id {
					entries++
				}
			}
		}
	}
	return groups, entries
}

// members returns how many members a profile has to hold. What a selector's size
// bounds is the groups (section 6.4.3), but a member takes a place, too.
func (o *oracle) members(p *p4configv1.ActionProfile) int64 {
	n := int64(o.s.count(container{member, p.GetPreamble().GetId()}))
	if !p.GetWithSelector() {
		return n
	}
	return n + o.used(p, key{})
}

// used returns how much of a selector's size its groups and action sets take,
// without one group or entry.
func (o *oracle) used(p *p4configv1.ActionProfile, but key) int64 {
	total := int64(0)
	add := func(w int32) {
		if sumOfMembers(p) {
			total++
		} else {
			total += int64(max(w, 1))
		}
	}
	for _, k := range o.s.lists[container{group, p.GetPreamble().GetId()}] {
		if k != but {
			for _, m := range o.s.get(k).GetActionProfileGroup().GetMembers() {
				add(m.GetWeight())
			}
		}
	}
	for _, t := range o.tablesOf(p) {
		for _, k := range o.s.lists[container{tableEntry, t.id}] {
			if k != but {
				for _, a := range o.s.get(k).GetTableEntry().GetAction().GetActionProfileActionSet().GetActionProfileActions() {
					add(a.GetWeight())
				}
			}
		}
	}
	return total
}

// group judges section 9.2.2.
func (o *oracle) group(v *verdict, typ p4v1.Update_Type, e *p4v1.ActionProfileGroup) {
	p := o.profiles[e.GetActionProfileId()]
	if p == nil {
		v.must("8.1.1 the profile is one of P4Info", badID...)
		return
	}
	if !p.GetWithSelector() {
		v.must("9.2.2 groups are entries of a selector", badID...)
		return
	}
	o.optionalStyle(v, p)
	v.check(e.GetGroupId() != 0, "9.2.2 a group id is not 0", codes.InvalidArgument)
	k := key{kind: group, id: e.GetActionProfileId(), index: int64(e.GetGroupId())}
	old := o.presence(v, typ, k)
	if typ == p4v1.Update_DELETE {
		_, entries := o.users(p, k)
		v.check(entries == 0, "9.2.2 no entry refers to the group", codes.FailedPrecondition)
		v.apply = func() { o.s.put(k, nil) }
		return
	}
	n := &p4v1.ActionProfileGroup{ActionProfileId: e.GetActionProfileId(), GroupId: e.GetGroupId(), MaxSize: e.GetMaxSize()}
	total := o.groupMembers(v, p, e, n)
	o.groupSize(v, p, e, total)
	if old != nil {
		v.check(old.GetActionProfileGroup().GetMaxSize() == e.GetMaxSize(), "9.2.2 max_size does not change", codes.InvalidArgument)
	}
	if o.used(p, k)+total > p.GetSize() {
		v.may("6.4.3 the selector is full", codes.ResourceExhausted)
	}
	v.apply = func() { o.s.put(k, groupEntity(n)) }
}

// groupMembers judges the members of a group, puts them into n and returns their
// size.
func (o *oracle) groupMembers(v *verdict, p *p4configv1.ActionProfile, e, n *p4v1.ActionProfileGroup) int64 {
	total, seen, actions := int64(0), make(map[uint32]bool), make(map[uint32]bool)
	for _, m := range e.GetMembers() {
		v.check(!seen[m.GetMemberId()], "9.2.2 no member is there twice", codes.InvalidArgument, codes.AlreadyExists)
		seen[m.GetMemberId()] = true
		x := o.s.get(key{kind: member, id: e.GetActionProfileId(), index: int64(m.GetMemberId())})
		if m.GetMemberId() == 0 {
			v.must("9.2.1 a member id is not 0", badID...)
		} else {
			v.check(x != nil, "9.2.2 all members exist", codes.NotFound)
		}
		actions[x.GetActionProfileMember().GetAction().GetActionId()] = true
		weight(v, p, m.GetWeight())
		if most := p.GetSumOfMembers().GetMaxMemberWeight(); most > 0 && m.GetWeight() > most {
			v.may("6.4.3 a weight is at most max_member_weight", codes.InvalidArgument, codes.ResourceExhausted, codes.OutOfRange)
		}
		y := &p4v1.ActionProfileGroup_Member{MemberId: m.GetMemberId(), Weight: m.GetWeight(), WatchKind: m.GetWatchKind()}
		switch w := m.GetWatchKind().(type) {
		case *p4v1.ActionProfileGroup_Member_WatchPort:
			y.WatchKind = &p4v1.ActionProfileGroup_Member_WatchPort{WatchPort: o.watch(v, w.WatchPort)}
			if len(w.WatchPort) == 0 {
				y.WatchKind = nil
			}
		case *p4v1.ActionProfileGroup_Member_Watch:
			v.may("p4runtime.proto: watch is deprecated", codes.InvalidArgument, codes.Unimplemented)
		}
		n.Members = append(n.Members, y)
		if sumOfMembers(p) || p.GetWeightsDisallowed() {
			total++
		} else {
			total += int64(m.GetWeight())
		}
	}
	if len(actions) > 1 {
		v.may("9.2.4 different actions in one group are optional", codes.Unimplemented)
	}
	return total
}

// groupSize judges max_size (section 9.2.2.1).
func (o *oracle) groupSize(v *verdict, p *p4configv1.ActionProfile, e *p4v1.ActionProfileGroup, total int64) {
	size, most := e.GetMaxSize(), p.GetMaxGroupSize()
	v.check(size >= 0, "9.2.2.1 max_size is not negative", codes.InvalidArgument)
	if most > 0 {
		v.check(size <= most, "9.2.2.1 max_size is at most max_group_size", codes.InvalidArgument)
		if size == 0 {
			v.may("9.2.2.1 max_size is given, although the proto says that it need not", codes.InvalidArgument)
			size = most
		}
	} else if int64(size) > p.GetSize() {
		v.may("9.2.2.1 the target does not support the size", codes.ResourceExhausted)
	}
	switch {
	case size <= 0 || total <= int64(size):
	case p.GetWeightsDisallowed() && !sumOfMembers(p):
		v.may("6.4.3 does not say what a member without a weight counts", codes.ResourceExhausted, codes.InvalidArgument)
	default:
		v.must("9.2.2 the group is no larger than max_size", codes.ResourceExhausted, codes.InvalidArgument)
	}
}
