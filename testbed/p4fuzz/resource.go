package p4fuzz

import (
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// countable judges the value of a counter. Of negative ones the specification
// says nothing.
func countable(v *verdict, d *p4v1.CounterData) {
	if d.GetByteCount() < 0 || d.GetPacketCount() < 0 {
		v.may("9.3 speaks of no negative counters", codes.InvalidArgument, codes.OutOfRange)
	}
}

// colours judges the counters of a meter's colours (sections 9.1.7 and 9.4.3).
func colours(v *verdict, d *p4v1.MeterCounterData) {
	v.may("9.4.3 counters of colours are optional", codes.Unimplemented)
	for _, c := range []*p4v1.CounterData{d.GetGreen(), d.GetYellow(), d.GetRed()} {
		v.check(c.GetByteCount() == 0 && c.GetPacketCount() == 0, "9.1.7 counters of colours can only be reset", codes.InvalidArgument)
	}
}

// meterConfig judges a configuration by the type of the meter (section 9.4).
func meterConfig(v *verdict, spec *p4configv1.MeterSpec, c *p4v1.MeterConfig) {
	one := c.GetPir() == c.GetCir() && c.GetPburst() == c.GetCburst()
	switch spec.GetType() {
	case p4configv1.MeterSpec_SINGLE_RATE_THREE_COLOR:
		v.check(one, "9.4 a single rate meter has pir = cir and pburst = cburst", codes.InvalidArgument)
	case p4configv1.MeterSpec_SINGLE_RATE_TWO_COLOR:
		v.check(one, "9.4 a single rate meter has pir = cir and pburst = cburst", codes.InvalidArgument)
		v.check(c.GetEburst() == 0, "9.4 eburst is unset", codes.InvalidArgument)
	default:
		v.check(c.GetEburst() == 0, "9.4 eburst is unset", codes.InvalidArgument)
	}
	if c.GetCir() < 0 || c.GetCburst() < 0 || c.GetPir() < 0 || c.GetPburst() < 0 || c.GetEburst() < 0 {
		v.may("9.4 speaks of no negative rates", codes.InvalidArgument, codes.OutOfRange)
	}
	if c.GetPir() < c.GetCir() {
		v.may("9.4 leaves a peak below the committed rate to RFC 2698", codes.InvalidArgument, codes.OutOfRange)
	}
}

// onlyModify is what sections 9.3, 9.4 and 9.6 want of what is always there.
func onlyModify(v *verdict, typ p4v1.Update_Type, rule string, also ...codes.Code) {
	v.check(typ == p4v1.Update_MODIFY || typ == p4v1.Update_UNSPECIFIED, rule, append([]codes.Code{codes.InvalidArgument}, also...)...)
}

// index judges the index of a cell.
func index(v *verdict, i *p4v1.Index, size int64) {
	v.check(i.GetIndex() >= 0, "9.3, 9.4, 9.7 an index is not negative", codes.InvalidArgument)
	v.check(i.GetIndex() < size, "9.3, 9.4, 9.7 an index is within the array", codes.OutOfRange)
}

// setCells is what writes one cell, or all of an array.
func (o *oracle) setCells(cell, array kind, id uint32, i *p4v1.Index, e *p4v1.Entity) func() {
	if i != nil {
		return func() { o.s.put(key{kind: cell, id: id, index: i.GetIndex()}, e) }
	}
	return func() {
		for l := o.s.lists[container{cell, id}]; len(l) > 0; l = o.s.lists[container{cell, id}] {
			o.s.put(l[len(l)-1], nil)
		}
		o.s.put(key{kind: array, id: id}, e)
	}
}

// counterEntry judges section 9.3.2.
func (o *oracle) counterEntry(v *verdict, typ p4v1.Update_Type, e *p4v1.CounterEntry) {
	onlyModify(v, typ, "9.3.2 a counter is only modified")
	c := o.counters[e.GetCounterId()]
	if c == nil {
		v.must("8.1.1 the counter is one of P4Info", badID...)
		return
	}
	if e.GetIndex() != nil {
		index(v, e.GetIndex(), c.GetSize())
	}
	if e.GetData() == nil {
		return
	}
	countable(v, e.GetData())
	v.apply = o.setCells(counterCell, counterArray, e.GetCounterId(), e.GetIndex(), counterEntity(&p4v1.CounterEntry{
		CounterId: e.GetCounterId(), Index: e.GetIndex(), Data: e.GetData()}))
}

// meterEntry judges section 9.4.2.
func (o *oracle) meterEntry(v *verdict, typ p4v1.Update_Type, e *p4v1.MeterEntry) {
	onlyModify(v, typ, "9.4.2 a meter is only modified")
	m := o.meters[e.GetMeterId()]
	if m == nil {
		v.must("8.1.1 the meter is one of P4Info", badID...)
		return
	}
	if e.GetIndex() != nil {
		index(v, e.GetIndex(), m.GetSize())
	}
	if e.GetConfig() != nil {
		meterConfig(v, m.GetSpec(), e.GetConfig())
	}
	if e.GetCounterData() != nil {
		colours(v, e.GetCounterData())
	}
	v.apply = o.setCells(meterCell, meterArray, e.GetMeterId(), e.GetIndex(), meterEntity(&p4v1.MeterEntry{
		MeterId: e.GetMeterId(), Index: e.GetIndex(), Config: e.GetConfig()}))
}

// registerEntry judges section 9.7, which does not say what INSERT and DELETE
// are answered with.
func (o *oracle) registerEntry(v *verdict, typ p4v1.Update_Type, e *p4v1.RegisterEntry) {
	onlyModify(v, typ, "9.7 a register is only modified", codes.Unimplemented)
	r := o.registers[e.GetRegisterId()]
	if r == nil {
		v.must("8.1.1 the register is one of P4Info", badID...)
		return
	}
	if e.GetIndex() != nil {
		index(v, e.GetIndex(), int64(r.GetSize()))
	}
	d := data(v, r.GetTypeSpec(), e.GetData())
	v.apply = o.setCells(registerCell, registerArray, e.GetRegisterId(), e.GetIndex(), registerEntity(&p4v1.RegisterEntry{
		RegisterId: e.GetRegisterId(), Index: e.GetIndex(), Data: d}))
}

// data judges a value of a base type (section 8.4.3) and returns it in canonical
// form.
func data(v *verdict, t *p4configv1.P4DataTypeSpec, d *p4v1.P4Data) *p4v1.P4Data {
	const rule = "9.7 the data is as type_spec says"
	bits := t.GetBitstring()
	x, isBits := d.GetData().(*p4v1.P4Data_Bitstring)
	_, isBool := d.GetData().(*p4v1.P4Data_Bool)
	switch {
	case t.GetBool() != nil:
		v.check(isBool, rule, codes.InvalidArgument)
		return d
	case bits.GetBit() != nil || bits.GetInt() != nil:
		if !isBits {
			v.must(rule, codes.InvalidArgument)
			return d
		}
		ok, form := fits(x.Bitstring, bits.GetBit().GetBitwidth()), shortest
		if bits.GetInt() != nil {
			ok, form = fitsSigned(x.Bitstring, bits.GetInt().GetBitwidth()), shortestSigned
		}
		v.check(ok, "8.3 the data is a bytestring of the width", codes.OutOfRange, codes.InvalidArgument)
		return &p4v1.P4Data{Data: &p4v1.P4Data_Bitstring{Bitstring: form(x.Bitstring)}}
	}
	v.may("8.4 this fuzzer knows base types only", codes.InvalidArgument, codes.OutOfRange, codes.Unimplemented)
	return d
}

// direct judges the entry that a direct resource belongs to.
func (o *oracle) direct(v *verdict, typ p4v1.Update_Type, e *p4v1.TableEntry) (*table, key) {
	onlyModify(v, typ, "9.3.1 and 9.4.1 a direct resource is only modified")
	if e == nil {
		v.must("9.3.1 and 9.4.1 table_entry is set", codes.InvalidArgument)
		return nil, key{}
	}
	t := o.tables[e.GetTableId()]
	if t == nil {
		v.must("8.1.1 and 9.1 the table is one of P4Info", badID...)
		return nil, key{}
	}
	return t, o.directKey(v, t, e)
}

func (o *oracle) directKey(v *verdict, t *table, e *p4v1.TableEntry) key {
	if e.GetIsDefaultAction() {
		v.check(len(e.GetMatch()) == 0, "9.1.3 the default entry has no match", codes.InvalidArgument)
		v.check(e.GetPriority() == 0, "9.1.3 the default entry has no priority", codes.InvalidArgument)
		return key{kind: defaultEntry, id: t.id}
	}
	if len(t.GetMatchFields()) == 0 {
		v.must("9.1 a table without a key has no entries", badID...)
		return key{}
	}
	k, _ := o.key(v, t, e)
	v.check(o.s.get(k) != nil, "9.3.1 and 9.4.1 the entry is there", codes.NotFound)
	return k
}

// directCounter judges section 9.3.1.
func (o *oracle) directCounter(v *verdict, typ p4v1.Update_Type, e *p4v1.DirectCounterEntry) {
	t, k := o.direct(v, typ, e.GetTableEntry())
	if t == nil {
		return
	}
	v.check(t.counter != nil, "9.3.1 the table has a direct counter", badID...)
	if e.GetData() == nil {
		return
	}
	countable(v, e.GetData())
	v.apply = o.change(k, func(n *p4v1.TableEntry) { n.CounterData = e.GetData() })
}

// directMeter judges section 9.4.1.
func (o *oracle) directMeter(v *verdict, typ p4v1.Update_Type, e *p4v1.DirectMeterEntry) {
	t, k := o.direct(v, typ, e.GetTableEntry())
	if t == nil {
		return
	}
	v.check(t.meter != nil, "9.4.1 the table has a direct meter", badID...)
	if e.GetConfig() != nil && t.meter != nil {
		meterConfig(v, t.meter.GetSpec(), e.GetConfig())
	}
	if e.GetCounterData() != nil {
		colours(v, e.GetCounterData())
	}
	v.apply = o.change(k, func(n *p4v1.TableEntry) { n.MeterConfig = e.GetConfig() })
}

// change is what changes a part of an entry.
func (o *oracle) change(k key, f func(*p4v1.TableEntry)) func() {
	return func() {
		if old := o.s.get(k); old != nil {
			n := proto.CloneOf(old)
			f(n.GetTableEntry())
			o.s.put(k, n)
		}
	}
}

// valueSet judges section 9.6.
func (o *oracle) valueSet(v *verdict, typ p4v1.Update_Type, e *p4v1.ValueSetEntry) {
	onlyModify(v, typ, "9.6 a value set is only modified")
	s := o.valueSets[e.GetValueSetId()]
	if s == nil {
		v.must("8.1.1 the value set is one of P4Info", badID...)
		return
	}
	n := &p4v1.ValueSetEntry{ValueSetId: e.GetValueSetId()}
	seen := make(map[string]bool)
	for _, m := range e.GetMembers() {
		ms := o.match(v, s.GetMatch(), m.GetMatch())
		v.check(!seen[matchString(ms)], "9.6 no member is there twice", codes.AlreadyExists)
		seen[matchString(ms)] = true
		n.Members = append(n.Members, &p4v1.ValueSetMember{Match: ms})
	}
	v.check(len(e.GetMembers()) <= int(s.GetSize()), "9.6 no more members than size", codes.ResourceExhausted)
	v.apply = func() { o.s.put(key{kind: valueSet, id: e.GetValueSetId()}, valueSetEntity(n)) }
}

// digest judges section 9.8.
func (o *oracle) digest(v *verdict, typ p4v1.Update_Type, e *p4v1.DigestEntry) {
	if o.digests[e.GetDigestId()] == nil {
		v.must("8.1.1 the digest is one of P4Info", badID...)
		return
	}
	k := key{kind: digest, id: e.GetDigestId()}
	o.presence(v, typ, k)
	if typ == p4v1.Update_DELETE {
		v.apply = func() { o.s.put(k, nil) }
		return
	}
	c := e.GetConfig()
	if c == nil {
		v.may("9.8 speaks of no digest without a configuration", codes.InvalidArgument)
	}
	if c.GetMaxTimeoutNs() < 0 || c.GetMaxListSize() < 0 || c.GetAckTimeoutNs() < 0 {
		v.may("9.8 speaks of no negative parameters", codes.InvalidArgument, codes.OutOfRange)
	}
	v.apply = func() {
		o.s.put(k, digestEntity(&p4v1.DigestEntry{DigestId: e.GetDigestId(), Config: c}))
	}
}
