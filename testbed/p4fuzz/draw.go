package p4fuzz

import (
	"math/big"
	"math/rand/v2"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
)

// draw draws updates that are valid, as far as what the device holds lets them
// be: the oracle has the last word. Values are few, so that they meet.
type draw struct {
	*program
	s         *state
	ports     []uint32
	portWidth int32
	r         *rand.Rand
	// oneShots has the selectors that are to be programmed by one shots.
	oneShots map[uint32]bool
}

func (d *draw) chance(percent int) bool { return d.r.IntN(100) < percent }

// one returns one of some values.
func one[T any](d *draw, of ...T) T { return of[d.r.IntN(len(of))] }

// value draws a canonical value of some width.
func (d *draw) value(width int32) []byte {
	v := new(big.Int)
	switch most := allOnes(width); d.r.IntN(8) {
	case 0: // zero
	case 1:
		v.Set(most)
	case 2: // one bit
		v.Lsh(big.NewInt(1), uint(d.r.Int32N(max(width, 1))))
	case 3:
		b := make([]byte, (width+7)/8)
		for i := range b {
			b[i] = byte(d.r.Uint32())
		}
		v.SetBytes(b).And(v, most)
	default:
		v.SetUint64(d.r.Uint64N(16)).And(v, most)
	}
	return bytesOf(v)
}

// referred draws a value for a field or parameter: mostly one that is there
// where its annotations refer to.
func (d *draw) referred(annotations []string, width int32) []byte {
	for _, r := range references(annotations) {
		if !d.chance(80) {
			continue
		}
		if r.table == multicastGroups {
			if k, ok := d.existing(container{kind: multicastGroup}); ok && fits(bytesOf(big.NewInt(k.index)), width) {
				return bytesOf(big.NewInt(k.index))
			}
			continue
		}
		for _, id := range d.containers(tableEntry) {
			t := d.tables[id]
			k, ok := d.existing(container{tableEntry, id})
			if t.name() != r.table || !ok {
				continue
			}
			for _, m := range d.s.get(k).GetTableEntry().GetMatch() {
				if t.field(m.GetFieldId()).GetName() == r.field && m.GetExact() != nil && fits(m.GetExact().GetValue(), width) {
					return m.GetExact().GetValue()
				}
			}
		}
	}
	return d.value(width)
}

// existing draws one of what a container has.
func (d *draw) existing(c container) (key, bool) {
	l := d.s.lists[c]
	if len(l) == 0 {
		return key{}, false
	}
	return l[d.r.IntN(len(l))], true
}

// match draws a field of a key, or nil where it does not matter.
func (d *draw) match(f *p4configv1.MatchField) *p4v1.FieldMatch {
	w := f.GetBitwidth()
	m := &p4v1.FieldMatch{FieldId: f.GetId()}
	v := d.referred(f.GetAnnotations(), w)
	switch f.GetMatchType() {
	case p4configv1.MatchField_EXACT:
		m.FieldMatchType = &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: v}}
	case p4configv1.MatchField_OPTIONAL:
		if d.chance(40) {
			return nil
		}
		m.FieldMatchType = &p4v1.FieldMatch_Optional_{Optional: &p4v1.FieldMatch_Optional{Value: v}}
	case p4configv1.MatchField_LPM:
		n := d.r.Int32N(w + 1)
		if n == 0 {
			return nil
		}
		keep := new(big.Int).Lsh(allOnes(n), uint(w-n))
		m.FieldMatchType = &p4v1.FieldMatch_Lpm{Lpm: &p4v1.FieldMatch_LPM{Value: bytesOf(keep.And(keep, number(v))), PrefixLen: n}}
	case p4configv1.MatchField_TERNARY:
		mask := number(d.value(w))
		if mask.Sign() == 0 {
			return nil
		}
		m.FieldMatchType = &p4v1.FieldMatch_Ternary_{Ternary: &p4v1.FieldMatch_Ternary{
			Value: bytesOf(new(big.Int).And(mask, number(v))), Mask: bytesOf(mask)}}
	case p4configv1.MatchField_RANGE:
		low, high := number(v), number(d.value(w))
		if low.Cmp(high) > 0 {
			low, high = high, low
		}
		if low.Sign() == 0 && high.Cmp(allOnes(w)) == 0 {
			return nil
		}
		m.FieldMatchType = &p4v1.FieldMatch_Range_{Range: &p4v1.FieldMatch_Range{Low: bytesOf(low), High: bytesOf(high)}}
	default: // of an architecture that this does not know
		return nil
	}
	return m
}

// key draws what names an entry.
func (d *draw) key(t *table) *p4v1.TableEntry {
	e := &p4v1.TableEntry{TableId: t.id}
	for _, f := range t.GetMatchFields() {
		if m := d.match(f); m != nil {
			e.Match = append(e.Match, m)
		}
	}
	if d.chance(20) { // section 8.2: their order means nothing
		d.r.Shuffle(len(e.Match), func(i, j int) { e.Match[i], e.Match[j] = e.Match[j], e.Match[i] })
	}
	if t.prioritized {
		e.Priority = 1 + d.r.Int32N(one[int32](d, 4, 1000, 1<<31-2))
	}
	return e
}

// action draws one of a table's actions that entries, or the default entry, may
// have. It may return nil.
func (d *draw) action(t *table, isDefault bool) *p4v1.Action {
	not := p4configv1.ActionRef_DEFAULT_ONLY
	if isDefault {
		not = p4configv1.ActionRef_TABLE_ONLY
	}
	var from []uint32
	for _, r := range t.GetActionRefs() {
		if r.GetScope() != not {
			from = append(from, r.GetId())
		}
	}
	if len(from) == 0 {
		return nil
	}
	return d.call(d.actions[one(d, from...)])
}

// call draws parameters for an action.
func (d *draw) call(def *p4configv1.Action) *p4v1.Action {
	a := &p4v1.Action{ActionId: def.GetPreamble().GetId()}
	for _, p := range def.GetParams() {
		a.Params = append(a.Params, &p4v1.Action_Param{ParamId: p.GetId(), Value: d.referred(p.GetAnnotations(), p.GetBitwidth())})
	}
	return a
}

// port draws a port that exists.
func (d *draw) port() []byte { return bytesOf(big.NewInt(int64(one(d, d.ports...)))) }

// tableAction draws what an entry does. It may return nil.
func (d *draw) tableAction(t *table) *p4v1.TableAction {
	p := t.profile
	if p == nil {
		a := d.action(t, false)
		if a == nil {
			return nil
		}
		return &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: a}}
	}
	id := p.GetPreamble().GetId()
	if p.GetWithSelector() && d.oneShots[id] != d.chance(5) {
		return &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileActionSet{ActionProfileActionSet: d.actionSet(t)}}
	}
	if k, ok := d.existing(container{group, id}); ok && d.chance(60) {
		return &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileGroupId{ActionProfileGroupId: uint32(k.index)}}
	}
	if k, ok := d.existing(container{member, id}); ok {
		return &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileMemberId{ActionProfileMemberId: uint32(k.index)}}
	}
	return nil
}

func (d *draw) weight(p *p4configv1.ActionProfile) int32 {
	if p.GetWeightsDisallowed() {
		return 0
	}
	return 1 + d.r.Int32N(3)
}

func (d *draw) actionSet(t *table) *p4v1.ActionProfileActionSet {
	set := &p4v1.ActionProfileActionSet{}
	for range 1 + d.r.IntN(3) {
		a := &p4v1.ActionProfileAction{Action: d.action(t, false), Weight: d.weight(t.profile)}
		if d.chance(30) {
			a.WatchKind = &p4v1.ActionProfileAction_WatchPort{WatchPort: d.port()}
		}
		set.ActionProfileActions = append(set.ActionProfileActions, a)
	}
	return set
}

// extras draws what an entry has besides its key and action.
func (d *draw) extras(t *table, e *p4v1.TableEntry) {
	if d.chance(30) {
		e.Metadata = []byte(one(d, "a", "\x00", "cookie"))
	}
	if d.chance(10) {
		e.ControllerMetadata = one[uint64](d, 1, 1<<63)
	}
	if t.GetIdleTimeoutBehavior() != 0 && !e.GetIsDefaultAction() && d.chance(30) {
		e.IdleTimeoutNs = one[int64](d, 1, 1e9, 1<<62)
	}
	if e.GetIsDefaultAction() {
		return
	}
	if t.counter != nil && d.chance(30) {
		e.CounterData = d.counterData()
	}
	if t.meter != nil && d.chance(50) {
		e.MeterConfig = d.meterConfig(t.meter.GetSpec())
	}
}

func (d *draw) counterData() *p4v1.CounterData {
	return &p4v1.CounterData{PacketCount: one[int64](d, 0, 1, 1<<40), ByteCount: one[int64](d, 0, 64, 1<<50)}
}

func (d *draw) meterConfig(spec *p4configv1.MeterSpec) *p4v1.MeterConfig {
	c := &p4v1.MeterConfig{Cir: one[int64](d, 1, 1000), Cburst: one[int64](d, 1, 64)}
	c.Pir, c.Pburst = c.Cir, c.Cburst
	if spec.GetType() == p4configv1.MeterSpec_TWO_RATE_THREE_COLOR {
		c.Pir += one[int64](d, 0, 1000)
		c.Pburst += one[int64](d, 0, 100)
	}
	return c
}

func (d *draw) index(size int64) *p4v1.Index {
	if d.chance(5) {
		return nil
	}
	return &p4v1.Index{Index: d.r.Int64N(min(size, one[int64](d, 8, size)))}
}
