package p4fuzz

import (
	"math/big"
	"slices"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/types/known/anypb"
)

// mutation makes something else of a valid update: mostly something that is to
// be refused. What is right to answer, the oracle finds out by itself. apply
// reports false if the update does not have what it is about.
type mutation struct {
	name  string
	draw  func(*draw) *p4v1.Update
	apply func(*draw, *p4v1.Update) bool
}

// mutations are all of them. Of the kinds of sonic-pins' fuzzer those are not
// here that need to know more than P4Info: queues, neighbours, entities of
// another role. Nor are references to what is not there, which P4Runtime allows:
// valid updates have some.
func mutations() []mutation {
	return slices.Concat(keyMutations(), actionMutations(), entryMutations(), profileMutations(), resourceMutations(), replicationMutations(), []mutation{
		{"type unspecified", (*draw).any, func(_ *draw, u *p4v1.Update) bool { u.Type = p4v1.Update_UNSPECIFIED; return true }},
		{"type unknown", (*draw).any, func(_ *draw, u *p4v1.Update) bool { u.Type = 9; return true }},
		{"type of another update", (*draw).any, func(d *draw, u *p4v1.Update) bool {
			was := u.Type
			u.Type = one(d, insert, modify, remove)
			return u.Type != was
		}},
		{"entity unset", (*draw).any, func(d *draw, u *p4v1.Update) bool {
			u.Entity = one(d, nil, &p4v1.Entity{})
			return true
		}},
		{"extern entry", (*draw).any, func(_ *draw, u *p4v1.Update) bool {
			u.Entity = &p4v1.Entity{Entity: &p4v1.Entity_ExternEntry{ExternEntry: &p4v1.ExternEntry{ExternTypeId: 0x81, ExternId: 1}}}
			return true
		}},
		{"any field", (*draw).any, (*draw).anyField},
	})
}

// any draws a valid update of any kind.
func (d *draw) any() *p4v1.Update {
	all := sources()
	for range 20 {
		n := 0
		for _, s := range all {
			n += s.weight
		}
		n = d.r.IntN(n)
		for _, s := range all {
			if n -= s.weight; n < 0 {
				if u := s.draw(d); u != nil {
					return u
				}
				break
			}
		}
	}
	return nil
}

// newEntry draws an insert of a table entry.
func (d *draw) newEntry() *p4v1.Update {
	for range 20 {
		if u := d.entryUpdate(); u != nil && u.GetType() == insert && !d.tables[u.GetEntity().GetTableEntry().GetTableId()].GetIsConstTable() {
			return u
		}
	}
	return nil
}

// oldEntry draws an update of an entry that is there.
func (d *draw) oldEntry() *p4v1.Update {
	for range 20 {
		if u := d.entryUpdate(); u != nil && u.GetType() != insert {
			return u
		}
	}
	return nil
}

// onEntry mutates a table entry.
func onEntry(name string, f func(d *draw, t *table, e *p4v1.TableEntry) bool) mutation {
	return mutation{name, (*draw).newEntry, func(d *draw, u *p4v1.Update) bool {
		e := u.GetEntity().GetTableEntry()
		if d.chance(15) {
			u.Type = one(d, modify, remove)
		}
		return f(d, d.tables[e.GetTableId()], e)
	}}
}

// onField mutates one field of a key that is of some kind of match.
func onField[M any](name string, f func(d *draw, width int32, m *p4v1.FieldMatch, x M) bool) mutation {
	return onEntry(name, func(d *draw, t *table, e *p4v1.TableEntry) bool {
		for _, i := range d.r.Perm(len(e.GetMatch())) {
			m := e.GetMatch()[i]
			if x, ok := m.GetFieldMatchType().(M); ok {
				return f(d, t.field(m.GetFieldId()).GetBitwidth(), m, x)
			}
		}
		return false
	})
}

// onValue mutates one of the bytestrings of a key.
func onValue(name string, f func(d *draw, width int32, v []byte) []byte) mutation {
	return onField(name, func(d *draw, w int32, _ *p4v1.FieldMatch, x any) bool {
		switch x := x.(type) {
		case *p4v1.FieldMatch_Exact_:
			x.Exact.Value = f(d, w, x.Exact.GetValue())
		case *p4v1.FieldMatch_Optional_:
			x.Optional.Value = f(d, w, x.Optional.GetValue())
		case *p4v1.FieldMatch_Lpm:
			x.Lpm.Value = f(d, w, x.Lpm.GetValue())
		case *p4v1.FieldMatch_Ternary_:
			if d.chance(50) {
				x.Ternary.Value = f(d, w, x.Ternary.GetValue())
			} else {
				x.Ternary.Mask = f(d, w, x.Ternary.GetMask())
			}
		case *p4v1.FieldMatch_Range_:
			if d.chance(50) {
				x.Range.Low = f(d, w, x.Range.GetLow())
			} else {
				x.Range.High = f(d, w, x.Range.GetHigh())
			}
		}
		return true
	})
}

// padded is a longer form of the same value.
func padded(d *draw, _ int32, v []byte) []byte {
	return append(make([]byte, 1+d.r.IntN(3)), v...)
}

// tooWide is a value of one bit more than there is room for.
func tooWide(_ *draw, width int32, _ []byte) []byte {
	return bytesOf(new(big.Int).Lsh(big.NewInt(1), uint(width)))
}

func empty(*draw, int32, []byte) []byte { return nil }

// notAnID draws an id that a table, action, profile, ... of some id is not.
func (d *draw) notAnID(not uint32) uint32 {
	id := one(d, 0, d.r.Uint32(), not^1, not&0xff000000, 0x02000000, 1)
	if id == not {
		return id + 1
	}
	return id
}

func keyMutations() []mutation {
	type (
		lpm     = *p4v1.FieldMatch_Lpm
		ternary = *p4v1.FieldMatch_Ternary_
		ranged  = *p4v1.FieldMatch_Range_
	)
	return []mutation{
		onEntry("invalid table id", func(d *draw, _ *table, e *p4v1.TableEntry) bool {
			e.TableId = d.notAnID(e.TableId)
			return true
		}),
		onEntry("table id of an action", func(d *draw, t *table, e *p4v1.TableEntry) bool {
			e.TableId = t.GetActionRefs()[0].GetId()
			return true
		}),
		onField("invalid match field id", func(d *draw, _ int32, m *p4v1.FieldMatch, _ any) bool {
			m.FieldId = one(d, 0, 99, d.r.Uint32())
			return true
		}),
		onEntry("missing mandatory match", func(d *draw, _ *table, e *p4v1.TableEntry) bool {
			i := slices.IndexFunc(e.Match, func(m *p4v1.FieldMatch) bool { return m.GetExact() != nil })
			if i >= 0 {
				e.Match = slices.Delete(e.Match, i, i+1)
			}
			return i >= 0
		}),
		onEntry("duplicate match field", func(d *draw, t *table, e *p4v1.TableEntry) bool {
			if len(e.Match) == 0 {
				return false
			}
			m := one(d, e.Match...)
			if n := d.match(t.field(m.GetFieldId())); n != nil && d.chance(50) {
				m = n
			}
			e.Match = append(e.Match, m)
			return true
		}),
		onField("match of another kind", func(d *draw, w int32, m *p4v1.FieldMatch, _ any) bool {
			f := &p4configv1.MatchField{Id: m.GetFieldId(), Bitwidth: w, Match: &p4configv1.MatchField_MatchType_{MatchType: one(d,
				p4configv1.MatchField_EXACT, p4configv1.MatchField_LPM, p4configv1.MatchField_TERNARY, p4configv1.MatchField_RANGE, p4configv1.MatchField_OPTIONAL)}}
			n := d.match(f)
			if n != nil {
				m.FieldMatchType = n.GetFieldMatchType()
			}
			return n != nil
		}),
		onField("match of no kind", func(d *draw, _ int32, m *p4v1.FieldMatch, _ any) bool {
			m.FieldMatchType = one(d, nil, &p4v1.FieldMatch_Other{Other: &anypb.Any{TypeUrl: "x"}})
			return true
		}),
		onValue("value not canonical", padded),
		onValue("value too wide", tooWide),
		onValue("value empty", empty),
		onField("prefix length out of range", func(d *draw, w int32, _ *p4v1.FieldMatch, x lpm) bool {
			x.Lpm.PrefixLen = one(d, 0, -1, w+1, 1<<31-1, -1<<31)
			return true
		}),
		onField("bits beyond the prefix", func(d *draw, w int32, _ *p4v1.FieldMatch, x lpm) bool {
			if x.Lpm.PrefixLen == w {
				x.Lpm.PrefixLen--
			}
			x.Lpm.Value = bytesOf(new(big.Int).Or(number(x.Lpm.GetValue()), big.NewInt(1)))
			return true
		}),
		onField("mask of zeros", func(d *draw, _ int32, _ *p4v1.FieldMatch, x ternary) bool {
			x.Ternary.Mask = []byte{0}
			if d.chance(70) {
				x.Ternary.Value = []byte{0}
			}
			return true
		}),
		onField("bits outside the mask", func(d *draw, w int32, _ *p4v1.FieldMatch, x ternary) bool {
			if w == 1 {
				return false
			}
			bit := uint(d.r.Int32N(w))
			mask, v := number(x.Ternary.GetMask()), number(x.Ternary.GetValue())
			x.Ternary.Mask, x.Ternary.Value = bytesOf(mask.SetBit(mask, int(bit), 0)), bytesOf(v.SetBit(v, int(bit), 1))
			return true
		}),
		onField("range reversed", func(d *draw, _ int32, _ *p4v1.FieldMatch, x ranged) bool {
			x.Range.Low, x.Range.High = x.Range.High, x.Range.Low
			return true
		}),
		onField("range of everything", func(d *draw, w int32, _ *p4v1.FieldMatch, x ranged) bool {
			x.Range.Low, x.Range.High = []byte{0}, bytesOf(allOnes(w))
			return true
		}),
		onEntry("invalid priority", func(d *draw, t *table, e *p4v1.TableEntry) bool {
			if t.prioritized {
				e.Priority = one[int32](d, 0, 0, -1, -1<<31)
			} else {
				e.Priority = one[int32](d, 1, -1, 1<<31-1)
			}
			return true
		}),
		{"duplicate insert", (*draw).oldEntry, func(d *draw, u *p4v1.Update) bool { u.Type = insert; return true }},
		{"modify or delete of what is not there", (*draw).newEntry, func(d *draw, u *p4v1.Update) bool {
			u.Type = one(d, modify, remove)
			return true
		}},
		{"delete with nonsense", (*draw).oldEntry, func(d *draw, u *p4v1.Update) bool {
			// Section 9.1: all but the key must be ignored.
			e := u.GetEntity().GetTableEntry()
			u.Type = remove
			e.Action = &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: &p4v1.Action{ActionId: d.r.Uint32()}}}
			e.IdleTimeoutNs, e.Metadata = -1, []byte("?")
			e.MeterConfig, e.CounterData = &p4v1.MeterConfig{Cir: -1}, &p4v1.CounterData{PacketCount: -1}
			e.TimeSinceLastHit, e.MeterCounterData = &p4v1.TableEntry_IdleTimeout{}, &p4v1.MeterCounterData{Red: &p4v1.CounterData{ByteCount: 1}}
			return true
		}},
		{"write to a constant table", (*draw).constantEntry, func(*draw, *p4v1.Update) bool { return true }},
		onEntry("entry without a key", func(d *draw, _ *table, e *p4v1.TableEntry) bool {
			for _, id := range d.containers(tableEntry) {
				if t := d.tables[id]; len(t.GetMatchFields()) == 0 {
					e.TableId, e.Match, e.Priority, e.Action = id, nil, 0, d.tableAction(t)
					return true
				}
			}
			return false
		}),
		{"one more than fits", (*draw).fullEntry, func(*draw, *p4v1.Update) bool { return true }},
	}
}

// constantEntry draws any update of a constant table.
func (d *draw) constantEntry() *p4v1.Update {
	for _, i := range d.r.Perm(len(d.info.GetTables())) {
		t := d.tables[d.info.GetTables()[i].GetPreamble().GetId()]
		if !t.GetIsConstTable() {
			continue
		}
		e := d.key(t)
		if k, ok := d.existing(container{tableEntry, t.id}); ok && d.chance(70) {
			e = keyOnly(d.s.get(k).GetTableEntry())
		}
		if d.chance(60) {
			e.Action = d.tableAction(t)
		}
		return &p4v1.Update{Type: one(d, insert, modify, remove), Entity: entryEntity(e)}
	}
	return nil
}

// fullEntry draws an insert into a table that is full, if there is one.
func (d *draw) fullEntry() *p4v1.Update {
	for _, i := range d.r.Perm(len(d.info.GetTables())) {
		t := d.tables[d.info.GetTables()[i].GetPreamble().GetId()]
		if int64(d.s.count(container{tableEntry, t.id})) < t.GetSize() || t.GetIsConstTable() || len(t.GetMatchFields()) == 0 {
			continue
		}
		e := d.key(t)
		e.Action = d.tableAction(t)
		return &p4v1.Update{Type: insert, Entity: entryEntity(e)}
	}
	return nil
}
