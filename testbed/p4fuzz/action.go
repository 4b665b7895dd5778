package p4fuzz

import (
	"fmt"
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
)

// action judges an action for a table (section 9.1.2) and returns it in
// canonical form.
func (o *oracle) action(v *verdict, t *table, a *p4v1.Action, isDefault bool) *p4v1.Action {
	ref := t.ref(a.GetActionId())
	def := o.actions[a.GetActionId()]
	if ref == nil || def == nil {
		v.must("9.1.2 the action is one of the table", codes.InvalidArgument)
		return nil
	}
	switch ref.GetScope() {
	case p4configv1.ActionRef_TABLE_AND_DEFAULT:
	case p4configv1.ActionRef_TABLE_ONLY:
		v.check(!isDefault, "9.1.2 the action is for entries only", codes.PermissionDenied)
	default:
		v.check(isDefault, "9.1.2 the action is for the default entry only", codes.PermissionDenied)
	}
	return params(v, def, a)
}

// params judges the parameters of an action.
func params(v *verdict, def *p4configv1.Action, a *p4v1.Action) *p4v1.Action {
	out := &p4v1.Action{ActionId: a.GetActionId()}
	given := make(map[uint32]bool)
	for _, x := range a.GetParams() {
		i := slices.IndexFunc(def.GetParams(), func(d *p4configv1.Action_Param) bool { return d.GetId() == x.GetParamId() })
		switch {
		case i < 0:
			v.must(fmt.Sprintf("9.1.2 param_id %d is one of the action", x.GetParamId()), codes.InvalidArgument)
		case given[x.GetParamId()]:
			v.must("9.1.2 a value for each parameter, and no more", codes.InvalidArgument)
		default:
			v.check(fits(x.GetValue(), def.GetParams()[i].GetBitwidth()), "8.3 and 9.1.2 the parameter is a bytestring of the width", badValue...)
			out.Params = append(out.Params, &p4v1.Action_Param{ParamId: x.GetParamId(), Value: shortest(x.GetValue())})
		}
		given[x.GetParamId()] = true
	}
	for _, d := range def.GetParams() {
		v.check(given[d.GetId()], "9.1.2 no parameter is missing", codes.InvalidArgument)
	}
	orderAction(out)
	return out
}

// tableAction judges what an entry does (section 9.1.2) and returns it in
// canonical form. own is the key of the entry.
func (o *oracle) tableAction(v *verdict, t *table, a *p4v1.TableAction, own key) *p4v1.TableAction {
	const ofTable = "9.1.2 the oneof of the action is that of the table"
	switch x := a.GetType().(type) {
	case *p4v1.TableAction_Action:
		if t.profile != nil {
			v.must(ofTable, codes.InvalidArgument)
			return nil
		}
		return &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: o.action(v, t, x.Action, own.kind == defaultEntry)}}

	case *p4v1.TableAction_ActionProfileMemberId:
		if t.profile == nil {
			v.must(ofTable, codes.InvalidArgument)
			return nil
		}
		o.oneStyle(v, t.profile, own, false)
		m := o.s.get(key{kind: member, id: t.GetImplementationId(), index: int64(x.ActionProfileMemberId)})
		switch {
		case x.ActionProfileMemberId == 0:
			v.must("8.1.1 and 9.2 a member id is not 0", badID...)
		default:
			v.check(m != nil, "9.1.2 the member has been inserted", codes.NotFound)
		}
		return a

	case *p4v1.TableAction_ActionProfileGroupId:
		if t.profile == nil || !t.profile.GetWithSelector() {
			v.must(ofTable, codes.InvalidArgument)
			return nil
		}
		o.oneStyle(v, t.profile, own, false)
		g := o.s.get(key{kind: group, id: t.GetImplementationId(), index: int64(x.ActionProfileGroupId)})
		switch {
		case x.ActionProfileGroupId == 0:
			v.must("8.1.1 and 9.2 a group id is not 0", badID...)
		default:
			v.check(g != nil, "9.1.2 the group has been inserted", codes.NotFound)
		}
		return a

	case *p4v1.TableAction_ActionProfileActionSet:
		if t.profile == nil || !t.profile.GetWithSelector() {
			v.must(ofTable, codes.InvalidArgument)
			return nil
		}
		o.oneStyle(v, t.profile, own, true)
		return &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileActionSet{
			ActionProfileActionSet: o.actionSet(v, t, x.ActionProfileActionSet, own)}}
	}
	v.must(ofTable+", and set", codes.InvalidArgument)
	return nil
}

// oneStyle judges whether the tables of a selector are programmed in one style
// only (section 9.2.3): by action sets, or by members and groups.
func (o *oracle) oneStyle(v *verdict, p *p4configv1.ActionProfile, own key, oneShot bool) {
	if !p.GetWithSelector() {
		return
	}
	const rule = "9.2.3 all tables of a selector by one shots, or none"
	shots, refs := o.styles(p, own)
	switch {
	case oneShot && refs || !oneShot && shots:
		v.must(rule, codes.InvalidArgument)
	case oneShot && o.s.count(container{member, p.GetPreamble().GetId()})+o.s.count(container{group, p.GetPreamble().GetId()}) > 0:
		v.may(rule+": members are there", codes.InvalidArgument)
	case !oneShot:
		if all, _ := o.styles(p, key{}); all { // only this entry, which ceases to be one
			v.may(rule, codes.InvalidArgument)
		}
	case oneShot:
		if _, all := o.styles(p, key{}); all {
			v.may(rule, codes.InvalidArgument)
		}
	}
}

// styles reports whether entries of a profile's tables, without one of them,
// have action sets, and whether they have members or groups.
func (o *oracle) styles(p *p4configv1.ActionProfile, but key) (shots, refs bool) {
	for _, t := range o.tablesOf(p) {
		for _, k := range o.s.lists[container{tableEntry, t.id}] {
			if k == but {
				continue
			}
			if o.s.get(k).GetTableEntry().GetAction().GetActionProfileActionSet() != nil {
				shots = true
			} else {
				refs = true
			}
		}
	}
	return shots, refs
}

// weight judges the weight of a member of a group or action set.
func weight(v *verdict, p *p4configv1.ActionProfile, w int32) {
	if p.GetWeightsDisallowed() {
		v.check(w == 0, "9.2.2 weights are disallowed", codes.InvalidArgument)
		return
	}
	v.check(w > 0, "9.2.2 a weight is positive", codes.InvalidArgument)
}

// watch judges a port whose state a member depends on, and returns it in
// canonical form.
func (o *oracle) watch(v *verdict, port []byte) []byte {
	if len(port) == 0 {
		return port
	}
	o.port(v, port, "9.2.2 watch_port is a port of the device", codes.InvalidArgument, codes.Unimplemented)
	return shortest(port)
}

// port judges a port.
func (o *oracle) port(v *verdict, port []byte, rule string, also ...codes.Code) {
	c := append([]codes.Code{codes.InvalidArgument, codes.OutOfRange}, also...)
	switch n := number(port); {
	case n.IsUint64() && n.Uint64()>>4 == 0xfffffff:
		v.may("18.1.1 SDN_PORT_CPU and its like are for a server to translate", c...)
	case !fits(port, o.portWidth):
		v.must(rule, c...)
	case !slices.Contains(o.ports, uint32(n.Uint64())):
		v.may(rule, append(c, codes.NotFound)...)
	}
}

// actionSet judges a one shot (section 9.2.3) and returns it in canonical form.
func (o *oracle) actionSet(v *verdict, t *table, set *p4v1.ActionProfileActionSet, own key) *p4v1.ActionProfileActionSet {
	p := t.profile
	out := &p4v1.ActionProfileActionSet{ActionSelectionMode: set.GetActionSelectionMode(), SizeSemantics: set.GetSizeSemantics()}
	if set.GetActionSelectionMode() != 0 || set.GetSizeSemantics() != 0 {
		v.may("9.2.3 settings per group are optional", codes.Unimplemented, codes.InvalidArgument)
	}
	members := sumOfMembers(p)
	switch set.GetSizeSemantics() {
	case p4v1.ActionProfileActionSet_SUM_OF_MEMBERS:
		members = true
	case p4v1.ActionProfileActionSet_SUM_OF_WEIGHTS:
		members = false
	}
	total, ids := int64(0), make(map[uint32]bool)
	for _, a := range set.GetActionProfileActions() {
		x := &p4v1.ActionProfileAction{Weight: a.GetWeight(), WatchKind: a.GetWatchKind()}
		if a.GetAction() == nil {
			v.must("9.2.3 each has an action", codes.InvalidArgument)
		} else {
			x.Action = o.action(v, t, a.GetAction(), false)
		}
		ids[a.GetAction().GetActionId()] = true
		weight(v, p, a.GetWeight())
		if members && p.GetSumOfMembers().GetMaxMemberWeight() > 0 {
			v.check(a.GetWeight() <= p.GetSumOfMembers().GetMaxMemberWeight(), "9.2.3 a weight is at most max_member_weight", codes.InvalidArgument)
		}
		switch w := a.GetWatchKind().(type) {
		case *p4v1.ActionProfileAction_WatchPort:
			x.WatchKind = &p4v1.ActionProfileAction_WatchPort{WatchPort: o.watch(v, w.WatchPort)}
			if len(w.WatchPort) == 0 {
				x.WatchKind = nil
			}
		case *p4v1.ActionProfileAction_Watch:
			v.may("p4runtime.proto: watch is deprecated", codes.InvalidArgument, codes.Unimplemented)
		}
		if members || p.GetWeightsDisallowed() {
			total++
		} else {
			total += int64(a.GetWeight())
		}
		out.ActionProfileActions = append(out.ActionProfileActions, x)
	}
	switch n := int64(p.GetMaxGroupSize()); {
	case n == 0 || total <= n:
	case p.GetWeightsDisallowed() && !members:
		v.may("6.4.3 does not say what an action without a weight counts", codes.InvalidArgument)
	default:
		v.must("9.2.3 the set is no larger than max_group_size", codes.InvalidArgument)
	}
	if len(ids) > 1 {
		v.may("9.2.4 different actions in one group are optional", codes.Unimplemented)
	}
	if used := o.used(p, own); used+total > p.GetSize() {
		v.may("6.4.3 the selector is full", codes.ResourceExhausted)
	}
	byText(out.ActionProfileActions)
	return out
}
