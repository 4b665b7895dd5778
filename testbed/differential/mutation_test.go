package differential

import (
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
)

// mutation makes a valid insert of an entry something else. It reports false if
// the entry does not have what it is about.
type mutation struct {
	name  string
	apply func(e *entries, u *p4v1.Update, te *p4v1.TableEntry) bool
}

// matchOf returns a field of some type of the key.
func matchOf[M any](e *entries, te *p4v1.TableEntry) (*p4v1.FieldMatch, M) {
	for _, i := range e.r.Perm(len(te.GetMatch())) {
		if m, ok := any(te.GetMatch()[i].GetFieldMatchType()).(M); ok {
			return te.GetMatch()[i], m
		}
	}
	var zero M
	return nil, zero
}

func (e *entries) width(te *p4v1.TableEntry, field uint32) int32 {
	for _, f := range e.table(te.GetTableId()).GetMatchFields() {
		if f.GetId() == field {
			return f.GetBitwidth()
		}
	}
	return 0
}

// tooWide returns a value of one bit more than there is room for.
func tooWide(width int32) []byte {
	b := make([]byte, width/8+1)
	b[0] = 1 << (width % 8)
	return b
}

func param(e *entries, te *p4v1.TableEntry) *p4v1.Action_Param {
	ps := te.GetAction().GetAction().GetParams()
	if len(ps) == 0 {
		return nil
	}
	return ps[e.r.IntN(len(ps))]
}

// asDefault makes an entry the default one, without what bmv2 takes of it and
// forgets.
func asDefault(te *p4v1.TableEntry) {
	te.IsDefaultAction, te.Match, te.Priority, te.IdleTimeoutNs, te.MeterConfig, te.CounterData = true, nil, 0, 0, nil, nil
}

func mutations() []mutation {
	type (
		exact   = *p4v1.FieldMatch_Exact_
		lpm     = *p4v1.FieldMatch_Lpm
		ternary = *p4v1.FieldMatch_Ternary_
	)
	onExact := func(change func(e *entries, width int32, m *p4v1.FieldMatch_Exact)) func(*entries, *p4v1.Update, *p4v1.TableEntry) bool {
		return func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			f, m := matchOf[exact](e, te)
			if f != nil {
				change(e, e.width(te, f.GetFieldId()), m.Exact)
			}
			return f != nil
		}
	}
	onParam := func(change func(e *entries, width int32, p *p4v1.Action_Param)) func(*entries, *p4v1.Update, *p4v1.TableEntry) bool {
		return func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			p := param(e, te)
			if p == nil {
				return false
			}
			for _, x := range e.actionOf(te.GetAction().GetAction().GetActionId()).GetParams() {
				if x.GetId() == p.GetParamId() {
					change(e, x.GetBitwidth(), p)
				}
			}
			return true
		}
	}
	always := func(change func(e *entries, u *p4v1.Update, te *p4v1.TableEntry)) func(*entries, *p4v1.Update, *p4v1.TableEntry) bool {
		return func(e *entries, u *p4v1.Update, te *p4v1.TableEntry) bool {
			change(e, u, te)
			return true
		}
	}
	return []mutation{
		{"key: leading zero", onExact(func(_ *entries, _ int32, m *p4v1.FieldMatch_Exact) { m.Value = append([]byte{0}, m.Value...) })},
		{"key: too wide", onExact(func(_ *entries, w int32, m *p4v1.FieldMatch_Exact) { m.Value = tooWide(w) })},
		{"key: empty", onExact(func(_ *entries, _ int32, m *p4v1.FieldMatch_Exact) { m.Value = nil })},
		{"key: field missing", func(_ *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			i := slices.IndexFunc(te.Match, func(m *p4v1.FieldMatch) bool { return m.GetExact() != nil })
			if i >= 0 {
				te.Match = slices.Delete(te.Match, i, i+1)
			}
			return i >= 0
		}},
		{"key: field twice", func(_ *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			if len(te.Match) == 0 {
				return false
			}
			te.Match = append(te.Match, te.Match[0])
			return true
		}},
		{"key: unknown field", always(func(_ *entries, _ *p4v1.Update, te *p4v1.TableEntry) {
			te.Match = append(te.Match, &p4v1.FieldMatch{FieldId: 99, FieldMatchType: &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: []byte{1}}}})
		})},
		{"key: other kind of match", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			f, m := matchOf[exact](e, te)
			if f != nil {
				f.FieldMatchType = &p4v1.FieldMatch_Lpm{Lpm: &p4v1.FieldMatch_LPM{Value: m.Exact.GetValue(), PrefixLen: e.width(te, f.GetFieldId())}}
			}
			return f != nil
		}},
		{"key: no kind of match", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			if len(te.Match) == 0 {
				return false
			}
			te.Match[e.r.IntN(len(te.Match))].FieldMatchType = nil
			return true
		}},
		{"key: ternary with mask 0", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			f, m := matchOf[ternary](e, te)
			if f != nil {
				m.Ternary.Value, m.Ternary.Mask = []byte{0}, []byte{0}
			}
			return f != nil
		}},
		{"key: ternary with bits outside the mask", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			f, m := matchOf[ternary](e, te)
			if f == nil || e.width(te, f.GetFieldId()) < 2 {
				return false
			}
			m.Ternary.Value, m.Ternary.Mask = []byte{3}, []byte{2}
			return true
		}},
		{"key: ternary mask too wide", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			f, m := matchOf[ternary](e, te)
			if f != nil {
				m.Ternary.Mask = tooWide(e.width(te, f.GetFieldId()))
			}
			return f != nil
		}},
		{"key: prefix length 0", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			f, m := matchOf[lpm](e, te)
			if f != nil {
				m.Lpm.Value, m.Lpm.PrefixLen = []byte{0}, 0
			}
			return f != nil
		}},
		{"key: prefix too long", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			f, m := matchOf[lpm](e, te)
			if f != nil {
				m.Lpm.PrefixLen = e.width(te, f.GetFieldId()) + 1
			}
			return f != nil
		}},
		{"key: prefix negative", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			f, m := matchOf[lpm](e, te)
			if f != nil {
				m.Lpm.PrefixLen = -1
			}
			return f != nil
		}},
		{"key: bits beyond the prefix", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			f, m := matchOf[lpm](e, te)
			if f != nil {
				m.Lpm.Value, m.Lpm.PrefixLen = []byte{1}, 1
			}
			return f != nil
		}},
		{"action: none", always(func(_ *entries, _ *p4v1.Update, te *p4v1.TableEntry) { te.Action = nil })},
		{"action: empty", always(func(_ *entries, _ *p4v1.Update, te *p4v1.TableEntry) { te.Action = &p4v1.TableAction{} })},
		{"action: unknown", func(_ *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			a := te.GetAction().GetAction()
			if a != nil {
				a.ActionId = 0x01abcdef
			}
			return a != nil
		}},
		{"action: not of this table", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			t := e.table(te.GetTableId())
			for _, a := range e.info.GetActions() {
				if !slices.ContainsFunc(t.GetActionRefs(), func(r *p4configv1.ActionRef) bool { return r.GetId() == a.GetPreamble().GetId() }) && len(a.GetParams()) == 0 {
					te.Action = &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: &p4v1.Action{ActionId: a.GetPreamble().GetId()}}}
					return true
				}
			}
			return false
		}},
		{"action: for defaults only", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			for _, ref := range e.table(te.GetTableId()).GetActionRefs() {
				if ref.GetScope() == p4configv1.ActionRef_DEFAULT_ONLY && len(e.actionOf(ref.GetId()).GetParams()) == 0 {
					te.Action = &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: &p4v1.Action{ActionId: ref.GetId()}}}
					return true
				}
			}
			return false
		}},
		{"action: a group, without a profile", always(func(_ *entries, _ *p4v1.Update, te *p4v1.TableEntry) {
			te.Action = &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileGroupId{ActionProfileGroupId: 1}}
		})},
		{"parameter: leading zero", onParam(func(_ *entries, _ int32, p *p4v1.Action_Param) { p.Value = append([]byte{0}, p.Value...) })},
		{"parameter: too wide", onParam(func(_ *entries, w int32, p *p4v1.Action_Param) { p.Value = tooWide(w) })},
		{"parameter: empty", onParam(func(_ *entries, _ int32, p *p4v1.Action_Param) { p.Value = nil })},
		{"parameter: unknown", onParam(func(_ *entries, _ int32, p *p4v1.Action_Param) { p.ParamId = 99 })},
		{"parameter: missing", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			a := te.GetAction().GetAction()
			if len(a.GetParams()) == 0 {
				return false
			}
			a.Params = a.Params[1:]
			return true
		}},
		{"parameter: twice", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			a := te.GetAction().GetAction()
			if len(a.GetParams()) == 0 {
				return false
			}
			a.Params = append(a.Params, a.Params[0])
			return true
		}},
		{"priority: missing", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			te.Priority = 0
			return prioritized(e.table(te.GetTableId()))
		}},
		{"priority: negative", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			te.Priority = -1
			return prioritized(e.table(te.GetTableId()))
		}},
		{"priority: superfluous", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			te.Priority = 1
			return !prioritized(e.table(te.GetTableId()))
		}},
		{"table: unknown", always(func(_ *entries, _ *p4v1.Update, te *p4v1.TableEntry) { te.TableId = 0x02abcdef })},
		{"table: 0", always(func(_ *entries, _ *p4v1.Update, te *p4v1.TableEntry) { te.TableId = 0 })},
		{"table: id of an action", always(func(_ *entries, _ *p4v1.Update, te *p4v1.TableEntry) {
			te.TableId = te.GetAction().GetAction().GetActionId()
		})},
		{"default: inserted", always(func(_ *entries, _ *p4v1.Update, te *p4v1.TableEntry) {
			asDefault(te)
		})},
		{"default: deleted", always(func(_ *entries, u *p4v1.Update, te *p4v1.TableEntry) {
			asDefault(te)
			u.Type = p4v1.Update_DELETE
		})},
		{"default: constant, changed", func(e *entries, u *p4v1.Update, te *p4v1.TableEntry) bool {
			asDefault(te)
			u.Type = p4v1.Update_MODIFY
			return e.table(te.GetTableId()).GetConstDefaultActionId() != 0
		}},
		{"default: with a key", func(_ *entries, u *p4v1.Update, te *p4v1.TableEntry) bool {
			te.IsDefaultAction, te.IdleTimeoutNs, te.CounterData = true, 0, nil
			u.Type = p4v1.Update_MODIFY
			return len(te.Match) > 0
		}},
		{"table: constant", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			for _, t := range e.info.GetTables() {
				if t.GetIsConstTable() || t.GetHasInitialEntries() {
					*te = p4v1.TableEntry{TableId: t.GetPreamble().GetId(), Priority: te.GetPriority(), Action: e.action(t, p4configv1.ActionRef_DEFAULT_ONLY)}
					for _, f := range t.GetMatchFields() {
						if m := e.match(f); m != nil {
							te.Match = append(te.Match, m)
						}
					}
					return true
				}
			}
			return false
		}},
		{"type: unspecified", always(func(_ *entries, u *p4v1.Update, _ *p4v1.TableEntry) { u.Type = p4v1.Update_UNSPECIFIED })},
		{"modify: not there", always(func(_ *entries, u *p4v1.Update, _ *p4v1.TableEntry) { u.Type = p4v1.Update_MODIFY })},
		{"delete: not there", always(func(_ *entries, u *p4v1.Update, _ *p4v1.TableEntry) { u.Type = p4v1.Update_DELETE })},
		{"idle timeout: not supported", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			te.IdleTimeoutNs = 1e9
			return e.table(te.GetTableId()).GetIdleTimeoutBehavior() == p4configv1.Table_NO_TIMEOUT
		}},
		{"meter: not supported", func(e *entries, _ *p4v1.Update, te *p4v1.TableEntry) bool {
			te.MeterConfig = &p4v1.MeterConfig{Cir: 1, Cburst: 1, Pir: 1, Pburst: 1}
			return !slices.ContainsFunc(e.info.GetDirectMeters(), func(m *p4configv1.DirectMeter) bool { return m.GetDirectTableId() == te.GetTableId() })
		}},
		{"entity: none", always(func(_ *entries, u *p4v1.Update, _ *p4v1.TableEntry) { u.Entity = nil })},
	}
}
