package engine

import (
	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

func (l *loader) loadArrays(root *bmjson.Value) {
	p := l.p
	p.counterIndex, p.meterIndex, p.registerIndex = map[string]int{}, map[string]int{}, map[string]int{}
	p.directMeters = map[string]*directMeter{}
	for _, v := range root.List("counter_arrays") {
		if v.Get("is_direct").BoolOr(false) {
			continue
		}
		d := arrayDef{name: v.Get("name").String(), size: v.Get("size").Int(0, maxArraySize)}
		l.take(v, d.size, 2)
		addArray(v, &p.counters, p.counterIndex, d)
	}
	for _, v := range root.List("register_arrays") {
		d := arrayDef{name: v.Get("name").String(), size: v.Get("size").Int(0, maxArraySize),
			bits: v.Get("bitwidth").Int(1, maxFieldBits)}
		l.take(v, d.size, wordsOf(d.bits))
		addArray(v, &p.registers, p.registerIndex, d)
	}
	for _, v := range root.List("meter_arrays") {
		l.loadMeter(v)
	}
}

// maxStateWords bounds the memory that the arrays of a program take together: 256 MiB.
const maxStateWords = 1 << 25

// take accounts for n cells.
func (l *loader) take(v *bmjson.Value, n, words int) {
	before := l.state
	l.state += n * words
	if l.state > maxStateWords && before <= maxStateWords {
		v.Get("size").Faultf("the arrays take more than %d words", maxStateWords)
	}
}

func addArray(v *bmjson.Value, defs *[]arrayDef, index map[string]int, d arrayDef) {
	if _, dup := index[d.name]; dup {
		v.Get("name").Faultf("duplicate name %q", d.name)
	}
	index[d.name] = len(*defs)
	*defs = append(*defs, d)
}

// directMeter is a meter with a cell for each entry of a table.
type directMeter struct {
	name   string
	unit   MeterUnit
	target *field
}

func (l *loader) loadMeter(v *bmjson.Value) {
	d := arrayDef{name: v.Get("name").String(), size: v.Get("size").Int(0, maxArraySize)}
	switch t := v.Get("type").String(); t {
	case "packets":
	case "bytes":
		d.unit = MeterBytes
	default:
		v.Get("type").Faultf("unknown type %q of meter", t)
	}
	v.Get("rate_count").Int(2, 2) // P4 has two-rate meters only
	if !v.Get("is_direct").BoolOr(false) {
		l.take(v, d.size, 9)
		addArray(v, &l.p.meters, l.p.meterIndex, d)
		return
	}
	if f := l.fieldAt(v.Get("result_target")); f != nil {
		if f.words > 1 || f.vl {
			v.Get("result_target").Faultf("is wider than 64 bits")
			return
		}
		l.p.directMeters[d.name] = &directMeter{name: d.name, unit: d.unit, target: f}
	}
}

func (l *loader) loadValueSets(root *bmjson.Value) {
	l.p.valueSetIndex = map[string]int{}
	for _, v := range root.List("parse_vsets") {
		d := arrayDef{name: v.Get("name").String(), bits: v.Get("compressed_bitwidth").Int(1, maxFieldBits)}
		addArray(v, &l.p.valueSets, l.p.valueSetIndex, d)
	}
}

// valueSetUse registers a transition on a value set, or returns -1.
func (l *loader) valueSetUse(st *state, tv *bmjson.Value) int {
	val := tv.Get("value")
	i, ok := l.p.valueSetIndex[val.String()]
	if !ok {
		val.Faultf("no such value set")
		return -1
	}
	u := setUse{set: i}
	total := 0
	for _, k := range st.keys {
		u.widths = append(u.widths, k.bits)
		total += k.bits
	}
	if n := l.p.valueSets[i].bits; bytesOf(n) != bytesOf(total) {
		tv.Faultf("value set of %d bits does not fit a key of %d", n, total)
		return -1
	}
	if !tv.Get("mask").Null() {
		u.mask = tv.Get("mask").HexBytes(st.keyBytes)
	}
	l.p.setUses = append(l.p.setUses, u)
	return len(l.p.setUses) - 1
}

// fieldList names the fields that a copy of a packet keeps, or that a digest sends.
type fieldList struct {
	name   string
	fields []*field
}

func (l *loader) loadFieldLists(root *bmjson.Value) {
	l.p.fieldLists = l.fieldLists(root, "field_lists")
	l.p.learnLists = l.fieldLists(root, "learn_lists")
}

func (l *loader) fieldLists(root *bmjson.Value, key string) map[uint16]*fieldList {
	lists := map[uint16]*fieldList{}
	for _, v := range root.List(key) {
		id := uint16(v.Get("id").Int(0, 1<<16-1))
		fl := &fieldList{name: v.Get("name").String()}
		for _, ev := range v.List("elements") {
			switch ev.Get("type").String() {
			case "field":
				if f := l.fieldAt(ev.Get("value")); f != nil {
					fl.fields = append(fl.fields, f)
				}
			case "hexstr": // a constant keeps nothing
				if key == "learn_lists" {
					ev.Faultf("a digest of constants is not supported, as in bmv2")
				}
			default:
				ev.Get("type").Faultf("unknown type of element")
			}
		}
		if lists[id] != nil {
			v.Get("id").Faultf("duplicate id %d", id)
		}
		lists[id] = fl
	}
	return lists
}

// restore copies the fields of the list from src.
func (fl *fieldList) restore(dst, src *packet) {
	for _, f := range fl.fields {
		copy(dst.w[f.slot:f.slot+f.words], src.w[f.slot:f.slot+f.words])
		if f.vl {
			copy(dst.vl[f.vlOff:f.vlOff+f.vlMax], src.vl[f.vlOff:f.vlOff+f.vlMax])
		}
	}
}
