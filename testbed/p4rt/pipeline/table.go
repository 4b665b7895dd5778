package pipeline

import (
	"fmt"
	"math"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/p4rt/info"
)

// table is one table with its entries.
type table struct {
	*info.Table
	eng     *engine.Table
	kinds   []engine.MatchKind // of the engine, one a field
	profile *profile           // nil for a direct table

	entries ledger[string, *entry]
	// byHandle is kept for tables with idle timeout only.
	byHandle map[engine.Handle]*entry
	// def is the default entry as it is read, initial as the program sets it.
	def, initial *p4v1.TableEntry
}

// entry is one entry of a table.
type entry struct {
	// wire is the entry in canonical form without its direct resources. It is
	// replaced, never changed, because reads hand it out.
	wire   *p4v1.TableEntry
	meter  *p4v1.MeterConfig // nil: the default, always green
	handle engine.Handle
	// set is the group behind a one-shot action set.
	set *actionSet
}

// convertible tells which match types of P4Info the engine's can stand for:
// a table with ternary fields looks all of its fields up as ternary, and an
// optional field is ternary always.
func convertible(from p4configv1.MatchField_MatchType, to engine.MatchKind) bool {
	switch from {
	case p4configv1.MatchField_EXACT:
		return to != engine.MatchLPM
	case p4configv1.MatchField_LPM:
		return to == engine.MatchLPM || to == engine.MatchTernary
	case p4configv1.MatchField_TERNARY, p4configv1.MatchField_OPTIONAL:
		return to == engine.MatchTernary
	case p4configv1.MatchField_RANGE:
		return to == engine.MatchRange
	}
	return false
}

func (p *Pipeline) newTable(t *info.Table) *table {
	eng, _ := p.sw.Table(t.Name)
	tab := &table{Table: t, eng: eng, byHandle: make(map[engine.Handle]*entry)}
	if t.Profile != nil {
		tab.profile = p.profiles[t.Profile.ID]
	}
	for _, k := range eng.Key() {
		tab.kinds = append(tab.kinds, k.Kind)
	}
	tab.initial = &p4v1.TableEntry{TableId: t.ID, IsDefaultAction: true, IsConst: t.ConstDefault}
	target, _ := eng.Default()
	if call, ok := target.(engine.ActionCall); ok {
		if a, ok := t.Named(call.Name); ok {
			if c, err := a.Call(call.Args); err == nil {
				tab.initial.Action = direct(c.Wire)
			}
		}
	}
	// Section 9.1.3: the default entry of an indirect table is NoAction. bmv2's
	// JSON does not say so.
	if a, ok := t.Named("NoAction"); ok && t.Profile != nil && tab.initial.Action == nil {
		tab.initial.Action = direct(&p4v1.Action{ActionId: a.ID})
	}
	tab.def = tab.initial
	if err := tab.loadInitial(); err != nil {
		p.opts.Log.Error("initial entries", "table", t.Name, "err", err)
	}
	return tab
}

func direct(a *p4v1.Action) *p4v1.TableAction {
	return &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: a}}
}

// loadInitial takes over the entries of the program. Their P4Runtime
// priorities are N for the first of N down to 1 for the last (section 9.1.4).
// All of them are constant, whether their table is or not: bmv2's JSON does
// not tell, and bmv2 takes no entries where the program has some.
func (t *table) loadInitial() error {
	n := int32(t.eng.Len())
	for h, from := range t.eng.Entries() {
		e := &entry{handle: h, wire: &p4v1.TableEntry{TableId: t.ID, IsConst: true}}
		if t.NeedsPriority {
			e.wire.Priority = n
			n--
		}
		for i, f := range t.Fields {
			if m := wireMatch(f, from.Key[i]); m != nil {
				e.wire.Match = append(e.wire.Match, m)
			}
		}
		k, err := t.Key(e.wire)
		if err != nil {
			return err
		}
		e.wire.Match = k.Wire
		call, ok := from.Target.(engine.ActionCall)
		if !ok {
			return fmt.Errorf("entry with a target of type %T", from.Target)
		}
		a, ok := t.Named(call.Name)
		if !ok {
			return fmt.Errorf("entry with unknown action %s", call.Name)
		}
		c, err := a.Call(call.Args)
		if err != nil {
			return err
		}
		e.wire.Action = direct(c.Wire)
		t.keep(k.ID, e)
	}
	return nil
}

func (t *table) keep(id string, e *entry) {
	t.entries.put(id, e)
	if t.IdleTimeout {
		t.byHandle[e.handle] = e
	}
}

func (t *table) forget(id string, e *entry) {
	t.entries.remove(id)
	delete(t.byHandle, e.handle)
}

// enginePriority turns a P4Runtime priority, of which the highest wins, into
// one of bmv2's, of which the lowest wins.
func enginePriority(p int32) int32 { return math.MaxInt32 - p }

// engineKey turns a key into the engine's form. The result aliases k.
func (t *table) engineKey(k info.Key) []engine.Match {
	out := make([]engine.Match, len(k.Matches))
	for i, m := range k.Matches {
		out[i] = engineMatch(t.Fields[i], t.kinds[i], m)
	}
	return out
}

func engineMatch(f *info.Field, kind engine.MatchKind, m info.Match) engine.Match {
	out := engine.Match{Kind: kind, Value: m.A}
	if m.Any {
		out.Value = make([]byte, bytestring.Len(f.Width))
	}
	switch kind {
	case engine.MatchLPM:
		out.PrefixLen = m.Prefix
	case engine.MatchTernary:
		switch {
		case m.Any:
			out.Mask = make([]byte, len(out.Value))
		case f.Kind == p4configv1.MatchField_TERNARY:
			out.Mask = m.B
		case f.Kind == p4configv1.MatchField_LPM:
			out.Mask = prefixMask(f.Width, m.Prefix)
		default:
			out.Mask = prefixMask(f.Width, f.Width)
		}
	case engine.MatchRange:
		switch {
		case m.Any:
			out.High = prefixMask(f.Width, f.Width)
		case f.Kind == p4configv1.MatchField_RANGE:
			out.High = m.B
		default:
			out.High = m.A
		}
	}
	return out
}

// prefixMask returns a mask of the first prefix of width bits.
func prefixMask(width, prefix int) []byte {
	b := make([]byte, bytestring.Len(width))
	pad := 8*len(b) - width
	for i := pad; i < pad+prefix; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return b
}

// wireMatch returns the match of an entry of the program, or nil for "don't
// care".
func wireMatch(f *info.Field, m engine.Match) *p4v1.FieldMatch {
	out := &p4v1.FieldMatch{FieldId: f.ID}
	value := bytestring.Canonical(m.Value)
	switch f.Kind {
	case p4configv1.MatchField_EXACT:
		out.FieldMatchType = &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: value}}
	case p4configv1.MatchField_LPM:
		n := m.PrefixLen
		if m.Kind == engine.MatchTernary {
			for n = 0; n < f.Width && m.Mask[(8*len(m.Mask)-f.Width+n)/8]&(0x80>>((8*len(m.Mask)-f.Width+n)%8)) != 0; n++ {
			}
		}
		if n == 0 {
			return nil
		}
		out.FieldMatchType = &p4v1.FieldMatch_Lpm{Lpm: &p4v1.FieldMatch_LPM{Value: value, PrefixLen: int32(n)}}
	case p4configv1.MatchField_TERNARY, p4configv1.MatchField_OPTIONAL:
		if bytestring.BitLen(m.Mask) == 0 {
			return nil
		}
		if f.Kind == p4configv1.MatchField_OPTIONAL {
			out.FieldMatchType = &p4v1.FieldMatch_Optional_{Optional: &p4v1.FieldMatch_Optional{Value: value}}
			break
		}
		masked := make([]byte, len(m.Value))
		for i := range masked {
			masked[i] = m.Value[i] & m.Mask[i]
		}
		out.FieldMatchType = &p4v1.FieldMatch_Ternary_{Ternary: &p4v1.FieldMatch_Ternary{
			Value: bytestring.Canonical(masked), Mask: bytestring.Canonical(m.Mask)}}
	case p4configv1.MatchField_RANGE:
		full := prefixMask(f.Width, f.Width)
		if bytestring.BitLen(m.Value) == 0 && string(m.High) == string(full) {
			return nil
		}
		out.FieldMatchType = &p4v1.FieldMatch_Range_{Range: &p4v1.FieldMatch_Range{Low: value, High: bytestring.Canonical(m.High)}}
	}
	return out
}
