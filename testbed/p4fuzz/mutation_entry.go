package p4fuzz

import (
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
)

// onAction mutates an action of an entry or action set.
func onAction(name string, f func(d *draw, t *table, a *p4v1.Action) bool) mutation {
	return onEntry(name, func(d *draw, t *table, e *p4v1.TableEntry) bool {
		if a := e.GetAction().GetAction(); a != nil {
			return f(d, t, a)
		}
		if set := e.GetAction().GetActionProfileActionSet().GetActionProfileActions(); len(set) > 0 {
			return f(d, t, one(d, set...).GetAction())
		}
		return false
	})
}

// onParam mutates a parameter.
func onParam(name string, f func(d *draw, width int32, v []byte) []byte) mutation {
	return onAction(name, func(d *draw, _ *table, a *p4v1.Action) bool {
		if len(a.GetParams()) == 0 {
			return false
		}
		x := one(d, a.GetParams()...)
		for _, def := range d.actions[a.GetActionId()].GetParams() {
			if def.GetId() == x.GetParamId() {
				x.Value = f(d, def.GetBitwidth(), x.GetValue())
			}
		}
		return true
	})
}

// selected draws an insert into a table that has a selector, with an action set
// that may be none.
func (d *draw) selected() *p4v1.Update {
	for _, i := range d.r.Perm(len(d.info.GetTables())) {
		t := d.tables[d.info.GetTables()[i].GetPreamble().GetId()]
		if t.profile.GetWithSelector() {
			e := d.key(t)
			if e.Action = d.tableAction(t); d.chance(30) {
				e.Action = &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileActionSet{ActionProfileActionSet: d.actionSet(t)}}
			}
			return &p4v1.Update{Type: insert, Entity: entryEntity(e)}
		}
	}
	return nil
}

// onShot mutates a one shot.
func onShot(name string, f func(d *draw, t *table, set *p4v1.ActionProfileActionSet) bool) mutation {
	return mutation{name, (*draw).selected, func(d *draw, u *p4v1.Update) bool {
		e := u.GetEntity().GetTableEntry()
		set := e.GetAction().GetActionProfileActionSet()
		return len(set.GetActionProfileActions()) > 0 && f(d, d.tables[e.GetTableId()], set)
	}}
}

// metered draws an insert into a table that has a meter.
func (d *draw) metered() *p4v1.Update {
	for _, i := range d.r.Perm(len(d.info.GetTables())) {
		t := d.tables[d.info.GetTables()[i].GetPreamble().GetId()]
		if t.meter != nil {
			e := d.key(t)
			e.Action = d.tableAction(t)
			return &p4v1.Update{Type: insert, Entity: entryEntity(e)}
		}
	}
	return nil
}

func memberAction(id uint32) *p4v1.TableAction {
	return &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileMemberId{ActionProfileMemberId: id}}
}

func groupAction(id uint32) *p4v1.TableAction {
	return &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileGroupId{ActionProfileGroupId: id}}
}

func actionMutations() []mutation {
	return []mutation{
		onEntry("action unset", func(d *draw, _ *table, e *p4v1.TableEntry) bool {
			e.Action = one(d, nil, &p4v1.TableAction{})
			return true
		}),
		onAction("invalid action id", func(d *draw, _ *table, a *p4v1.Action) bool {
			a.ActionId = d.notAnID(a.ActionId)
			return true
		}),
		onAction("action of another table", func(d *draw, t *table, a *p4v1.Action) bool {
			all := d.info.GetActions()
			for _, i := range d.r.Perm(len(all)) {
				if t.ref(all[i].GetPreamble().GetId()) == nil {
					n := d.call(all[i])
					a.ActionId, a.Params = n.ActionId, n.Params
					return true
				}
			}
			return false
		}),
		onAction("action of another scope", func(d *draw, t *table, a *p4v1.Action) bool {
			for _, r := range t.GetActionRefs() {
				if r.GetScope() == p4configv1.ActionRef_DEFAULT_ONLY {
					n := d.call(d.actions[r.GetId()])
					a.ActionId, a.Params = n.ActionId, n.Params
					return true
				}
			}
			return false
		}),
		onAction("missing parameter", func(d *draw, _ *table, a *p4v1.Action) bool {
			if len(a.Params) == 0 {
				return false
			}
			i := d.r.IntN(len(a.Params))
			a.Params = slices.Delete(a.Params, i, i+1)
			return true
		}),
		onAction("duplicate parameter", func(d *draw, _ *table, a *p4v1.Action) bool {
			if len(a.Params) == 0 {
				return false
			}
			a.Params = append(a.Params, one(d, a.Params...))
			return true
		}),
		onAction("unknown parameter", func(d *draw, _ *table, a *p4v1.Action) bool {
			x := &p4v1.Action_Param{ParamId: one(d, 0, 99, d.r.Uint32()), Value: []byte{1}}
			if len(a.Params) > 0 && d.chance(50) {
				one(d, a.Params...).ParamId = x.ParamId
			} else {
				a.Params = append(a.Params, x)
			}
			return true
		}),
		onParam("parameter not canonical", padded),
		onParam("parameter too wide", tooWide),
		onParam("parameter empty", empty),
		onEntry("invalid table implementation", func(d *draw, t *table, e *p4v1.TableEntry) bool {
			switch {
			case t.profile == nil:
				e.Action = one(d, memberAction(1), groupAction(1), memberAction(0), groupAction(0),
					&p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileActionSet{ActionProfileActionSet: &p4v1.ActionProfileActionSet{}}})
			case !t.profile.GetWithSelector() && d.chance(50):
				e.Action = one(d, groupAction(1), &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileActionSet{ActionProfileActionSet: d.actionSet(t)}})
			default:
				e.Action = &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: d.action(t, false)}}
			}
			return true
		}),
		onEntry("unknown member or group", func(d *draw, t *table, e *p4v1.TableEntry) bool {
			if t.profile == nil {
				return false
			}
			e.Action = one(d, memberAction(0), memberAction(9999), memberAction(1<<32-1), groupAction(0), groupAction(9999))
			return true
		}),
		onShot("one shot with an invalid weight", func(d *draw, t *table, set *p4v1.ActionProfileActionSet) bool {
			one(d, set.GetActionProfileActions()...).Weight = one[int32](d, 0, -1, -1<<31, 1<<31-1, 1+int32(t.profile.GetSize()))
			return true
		}),
		onShot("one shot with an invalid watch port", func(d *draw, _ *table, set *p4v1.ActionProfileActionSet) bool {
			one(d, set.GetActionProfileActions()...).WatchKind = one(d, watchPort(tooWide(d, d.portWidth, nil)), watchPort([]byte{0, 1}), watchPort(nil))
			return true
		}),
		onShot("one shot with settings of its own", func(d *draw, _ *table, set *p4v1.ActionProfileActionSet) bool {
			set.ActionSelectionMode = one[p4v1.ActionProfileActionSet_ActionSelectionMode](d, 0, 1, 2)
			set.SizeSemantics = one[p4v1.ActionProfileActionSet_SizeSemantics](d, 0, 1, 2)
			return true
		}),
		onShot("one shot without an action", func(d *draw, _ *table, set *p4v1.ActionProfileActionSet) bool {
			one(d, set.GetActionProfileActions()...).Action = nil
			return true
		}),
		{"one shot in the other style", (*draw).selected, func(d *draw, u *p4v1.Update) bool {
			e := u.GetEntity().GetTableEntry()
			t := d.tables[e.GetTableId()]
			e.Action = &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileActionSet{ActionProfileActionSet: d.actionSet(t)}}
			if k, ok := d.existing(container{member, t.GetImplementationId()}); ok && d.oneShots[t.GetImplementationId()] {
				e.Action = memberAction(uint32(k.index))
			}
			return true
		}},
	}
}

func watchPort(b []byte) *p4v1.ActionProfileAction_WatchPort {
	return &p4v1.ActionProfileAction_WatchPort{WatchPort: b}
}

// onDefault mutates an update of a default entry.
func onDefault(name string, f func(d *draw, t *table, u *p4v1.Update, e *p4v1.TableEntry) bool) mutation {
	return mutation{name, (*draw).defaultUpdate, func(d *draw, u *p4v1.Update) bool {
		e := u.GetEntity().GetTableEntry()
		return f(d, d.tables[e.GetTableId()], u, e)
	}}
}

func entryMutations() []mutation {
	return []mutation{
		onEntry("is_const", func(_ *draw, _ *table, e *p4v1.TableEntry) bool { e.IsConst = true; return true }),
		onEntry("idle timeout where there is none", func(d *draw, t *table, e *p4v1.TableEntry) bool {
			e.IdleTimeoutNs = one[int64](d, 1, -1)
			return t.GetIdleTimeoutBehavior() == 0
		}),
		onEntry("time since last hit", func(_ *draw, _ *table, e *p4v1.TableEntry) bool {
			e.TimeSinceLastHit = &p4v1.TableEntry_IdleTimeout{}
			return true
		}),
		onEntry("direct resource that there is not", func(d *draw, t *table, e *p4v1.TableEntry) bool {
			if d.chance(50) {
				e.CounterData = &p4v1.CounterData{}
				return t.counter == nil
			}
			e.MeterConfig = &p4v1.MeterConfig{}
			return t.meter == nil
		}),
		onEntry("counters of colours", func(d *draw, _ *table, e *p4v1.TableEntry) bool {
			e.MeterCounterData = one(d, &p4v1.MeterCounterData{}, &p4v1.MeterCounterData{Green: &p4v1.CounterData{PacketCount: 1}})
			return true
		}),
		{"invalid meter configuration", (*draw).metered, func(d *draw, u *p4v1.Update) bool {
			u.GetEntity().GetTableEntry().MeterConfig = one(d, &p4v1.MeterConfig{Eburst: 1}, &p4v1.MeterConfig{Cir: -1}, &p4v1.MeterConfig{Cir: 5, Pir: 1})
			return true
		}},
		onDefault("insert or delete of a default entry", func(d *draw, _ *table, u *p4v1.Update, _ *p4v1.TableEntry) bool {
			u.Type = one(d, insert, remove)
			return true
		}),
		onDefault("default entry with a match", func(d *draw, t *table, _ *p4v1.Update, e *p4v1.TableEntry) bool {
			e.Match = d.key(t).Match
			return len(e.Match) > 0
		}),
		onDefault("default entry with a priority", func(_ *draw, _ *table, _ *p4v1.Update, e *p4v1.TableEntry) bool {
			e.Priority = 1
			return true
		}),
		onDefault("default entry with a timeout", func(d *draw, _ *table, _ *p4v1.Update, e *p4v1.TableEntry) bool {
			if d.chance(50) {
				e.IdleTimeoutNs = 1
			} else {
				e.TimeSinceLastHit = &p4v1.TableEntry_IdleTimeout{}
			}
			return true
		}),
		onDefault("default entry with a direct resource", func(d *draw, t *table, _ *p4v1.Update, e *p4v1.TableEntry) bool {
			if t.counter != nil {
				e.CounterData = &p4v1.CounterData{PacketCount: 1}
			}
			if t.meter != nil {
				e.MeterConfig = &p4v1.MeterConfig{Cir: 1, Pir: 1}
			}
			return t.counter != nil || t.meter != nil
		}),
		{"default action of another scope", (*draw).any, func(d *draw, u *p4v1.Update) bool {
			for _, i := range d.r.Perm(len(d.info.GetTables())) {
				t := d.info.GetTables()[i]
				for _, r := range t.GetActionRefs() {
					if r.GetScope() == p4configv1.ActionRef_TABLE_ONLY {
						u.Type = modify
						u.Entity = entryEntity(&p4v1.TableEntry{TableId: t.GetPreamble().GetId(), IsDefaultAction: true,
							Action: &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: d.call(d.actions[r.GetId()])}}})
						return true
					}
				}
			}
			return false
		}},
		{"constant default entry", (*draw).any, func(d *draw, u *p4v1.Update) bool {
			for _, i := range d.r.Perm(len(d.info.GetTables())) {
				if t := d.info.GetTables()[i]; t.GetConstDefaultActionId() != 0 {
					a := d.call(d.actions[t.GetConstDefaultActionId()])
					u.Type = modify
					u.Entity = entryEntity(&p4v1.TableEntry{TableId: t.GetPreamble().GetId(), IsDefaultAction: true,
						Action: one(d, nil, &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: a}})})
					return true
				}
			}
			return false
		}},
	}
}
