package differential

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/proto/bytestring"
)

// entries draws updates for the tables of a program.
type entries struct {
	r    *rand.Rand
	info *p4configv1.P4Info
	have []*p4v1.Entity // that both sides have taken
	// known has the values that keys were given, by the field's name, for
	// packets that should hit.
	known map[string][][]byte
	// members and groups are those of each action profile.
	members, groups map[uint32][]uint32
}

// value draws a canonical value of some width. What is an index of registers
// stays within them: bmv2 does not check that, and crashes. Layouts are none of
// the controller's, whose rows promise fewer words than an action may read.
func (e *entries) value(width int32, name string) []byte {
	switch name {
	case "tunnel", "peer":
		width = 12
	case "layout":
		return []byte{0xff, byte(e.r.Uint32())}
	}
	b := make([]byte, (width+7)/8)
	switch e.r.IntN(5) {
	case 0: // zero
	case 1:
		b[len(b)-1] = byte(e.r.IntN(4))
	case 2:
		for i := range b {
			b[i] = 0xff
		}
	default:
		for i := range b {
			b[i] = byte(e.r.Uint32())
		}
	}
	if width%8 != 0 {
		b[0] &= 1<<(width%8) - 1
	}
	return bytestring.Canonical(b)
}

// near returns a value that differs in its last bits and fits the same width.
func (e *entries) near(v []byte) []byte {
	v = slices.Clone(v)
	last := len(v) - 1
	if len(v) == 1 && v[0] < 2 {
		v[0] ^= 1
		return v
	}
	if v[last] ^= byte(e.r.IntN(2)); len(v) > 1 || v[last] > 3 {
		v[last] ^= byte(e.r.IntN(4))
	}
	return bytestring.Canonical(v)
}

// leading returns the leading n bits of a value and its mask, canonical.
func leading(v []byte, width, n int32) (value, mask []byte) {
	size := int(width+7) / 8
	value, mask = make([]byte, size), make([]byte, size)
	copy(value[size-len(v):], v)
	for i := range width {
		bit := width - 1 - i
		at, m := size-1-int(bit)/8, byte(1)<<(bit%8)
		if i < n {
			mask[at] |= m
		} else {
			value[at] &^= m
		}
	}
	return bytestring.Canonical(value), bytestring.Canonical(mask)
}

// under returns a value and a mask, canonical, without the bits of the value
// that the mask does not have.
func under(v, mask []byte) (value, m []byte) {
	n := max(len(v), len(mask))
	x, y := make([]byte, n), make([]byte, n)
	copy(x[n-len(v):], v)
	copy(y[n-len(mask):], mask)
	for i := range x {
		x[i] &= y[i]
	}
	return bytestring.Canonical(x), bytestring.Canonical(y)
}

// span returns a range that has v in it, or nil for all that there is.
func (e *entries) span(v []byte, width int32) (low, high []byte) {
	less := func(a, b []byte) bool { return cmp.Or(cmp.Compare(len(a), len(b)), bytes.Compare(a, b)) < 0 }
	low, high = v, v
	if x := e.value(width, ""); chance(e.r, 70) && less(x, v) {
		low = x
	}
	if x := e.value(width, ""); chance(e.r, 70) && less(v, x) {
		high = x
	}
	if low[0] == 0 && bytes.Equal(high, highest(width)) {
		return nil, nil
	}
	return low, high
}

// highest returns the largest value of a width.
func highest(width int32) []byte {
	b := tooWide(width)
	b[0]--
	for i := range b[1:] {
		b[i+1] = 0xff
	}
	return bytestring.Canonical(b)
}

// match draws a field of a key, or nil where it does not matter.
func (e *entries) match(f *p4configv1.MatchField) *p4v1.FieldMatch {
	m := &p4v1.FieldMatch{FieldId: f.GetId()}
	if f.GetName() == "opt_len" {
		// All words of the window are there: in bmv2 one that is not holds what
		// an earlier packet left.
		m.FieldMatchType = &p4v1.FieldMatch_Ternary_{Ternary: &p4v1.FieldMatch_Ternary{Value: []byte{16}, Mask: []byte{0x3f}}}
		return m
	}
	v, w := e.value(f.GetBitwidth(), f.GetName()), f.GetBitwidth()
	if e.known != nil {
		e.known[f.GetName()] = append(e.known[f.GetName()], v)
	}
	switch f.GetMatchType() {
	case p4configv1.MatchField_EXACT:
		m.FieldMatchType = &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: v}}
	case p4configv1.MatchField_LPM:
		n := e.r.Int32N(w + 1)
		if n == 0 {
			return nil
		}
		v, _ = leading(v, w, n)
		m.FieldMatchType = &p4v1.FieldMatch_Lpm{Lpm: &p4v1.FieldMatch_LPM{Value: v, PrefixLen: n}}
	case p4configv1.MatchField_TERNARY:
		n := e.r.Int32N(w + 1)
		if n == 0 {
			return nil
		}
		v, mask := leading(v, w, n)
		if e.known != nil && chance(e.r, 40) {
			if v, mask = under(v, e.value(w, "")); mask[0] == 0 {
				return nil
			}
		}
		m.FieldMatchType = &p4v1.FieldMatch_Ternary_{Ternary: &p4v1.FieldMatch_Ternary{Value: v, Mask: mask}}
	case p4configv1.MatchField_OPTIONAL:
		if chance(e.r, 50) {
			return nil
		}
		m.FieldMatchType = &p4v1.FieldMatch_Optional_{Optional: &p4v1.FieldMatch_Optional{Value: v}}
	case p4configv1.MatchField_RANGE:
		low, high := []byte{0}, append([]byte{1}, make([]byte, (w-1)/8)...)
		if e.known != nil {
			low, high = e.span(v, w)
		}
		if low == nil {
			return nil
		}
		m.FieldMatchType = &p4v1.FieldMatch_Range_{Range: &p4v1.FieldMatch_Range{Low: low, High: high}}
	}
	return m
}

// action draws what an entry, or a default, may do.
func (e *entries) action(t *p4configv1.Table, scope p4configv1.ActionRef_Scope) *p4v1.TableAction {
	if p := t.GetImplementationId(); p != 0 {
		return e.indirect(t, p)
	}
	a := e.direct(t, scope)
	if a == nil {
		return nil
	}
	return &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: a}}
}

// direct draws an action of a table but for those of some scope.
func (e *entries) direct(t *p4configv1.Table, scope p4configv1.ActionRef_Scope) *p4v1.Action {
	refs := slices.DeleteFunc(slices.Clone(t.GetActionRefs()), func(r *p4configv1.ActionRef) bool { return r.GetScope() == scope })
	if len(refs) == 0 {
		return nil
	}
	a := &p4v1.Action{ActionId: refs[e.r.IntN(len(refs))].GetId()}
	for _, p := range e.actionOf(a.GetActionId()).GetParams() {
		a.Params = append(a.Params, &p4v1.Action_Param{ParamId: p.GetId(), Value: e.value(p.GetBitwidth(), p.GetName())})
	}
	return a
}

func (e *entries) actionOf(id uint32) *p4configv1.Action {
	for _, a := range e.info.GetActions() {
		if a.GetPreamble().GetId() == id {
			return a
		}
	}
	return nil
}

func (e *entries) table(id uint32) *p4configv1.Table {
	for _, t := range e.info.GetTables() {
		if t.GetPreamble().GetId() == id {
			return t
		}
	}
	return nil
}

// masked tells which table's key is taken under a mask: PI cannot read its
// entries, which bmv2 keeps without the other bits.
func masked(t *p4configv1.Table) bool { return t.GetPreamble().GetAlias() == "expression_table" }

func prioritized(t *p4configv1.Table) bool {
	return slices.ContainsFunc(t.GetMatchFields(), func(f *p4configv1.MatchField) bool {
		switch f.GetMatchType() {
		case p4configv1.MatchField_TERNARY, p4configv1.MatchField_RANGE, p4configv1.MatchField_OPTIONAL:
			return true
		}
		return false
	})
}

// entry draws a valid entry, or nil for tables that take none.
func (e *entries) entry() *p4v1.TableEntry {
	t := e.info.GetTables()[e.r.IntN(len(e.info.GetTables()))]
	if t.GetIsConstTable() || t.GetHasInitialEntries() || len(t.GetMatchFields()) == 0 {
		return nil
	}
	te := &p4v1.TableEntry{TableId: t.GetPreamble().GetId()}
	for _, f := range t.GetMatchFields() {
		if m := e.match(f); m != nil {
			te.Match = append(te.Match, m)
		}
	}
	if prioritized(t) {
		te.Priority = 1 + e.r.Int32N(1<<pick(e.r, 2, 10, 24))
		if e.known != nil && chance(e.r, 60) {
			te.Priority = 7 // ties
		}
	}
	te.Action = e.action(t, p4configv1.ActionRef_DEFAULT_ONLY)
	if te.Action == nil {
		return nil
	}
	if t.GetIdleTimeoutBehavior() == p4configv1.Table_NOTIFY_CONTROL && chance(e.r, 50) {
		te.IdleTimeoutNs = 1e9 * (3600 + e.r.Int64N(1000))
	}
	for _, c := range e.info.GetDirectCounters() {
		if e.known != nil && c.GetDirectTableId() == te.GetTableId() && chance(e.r, 30) {
			te.CounterData = &p4v1.CounterData{PacketCount: e.r.Int64N(100), ByteCount: e.r.Int64N(10000)}
		}
	}
	if e.known != nil && chance(e.r, 20) {
		te.Metadata = e.value(24, "")
	}
	for _, m := range e.info.GetDirectMeters() {
		// Always one: bmv2 gives an entry that has none that of one deleted before.
		if m.GetDirectTableId() == te.GetTableId() {
			te.MeterConfig = e.rates()
		}
	}
	return te
}

// rates draws a meter that no test reaches or, where the clock stands still for
// it, one whose bursts are all there ever is.
func (e *entries) rates() *p4v1.MeterConfig {
	if e.known != nil && chance(e.r, 60) {
		return &p4v1.MeterConfig{Cburst: 1 + e.r.Int64N(4), Pburst: 4 + e.r.Int64N(4)}
	}
	return &p4v1.MeterConfig{
		// bmv2 keeps packets a microsecond as a float, and a binary fraction is what it gives back unchanged.
		Cir: 1e6 + 15625*e.r.Int64N(64), Cburst: 1e6, Pir: 2e6, Pburst: 2e6 + e.r.Int64N(100),
	}
}
