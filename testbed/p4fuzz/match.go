package p4fuzz

import (
	"fmt"
	"math/big"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
)

// match judges the fields of a key (section 9.1.1) and returns them in canonical
// form, sorted.
func (o *oracle) match(v *verdict, fields []*p4configv1.MatchField, ms []*p4v1.FieldMatch) []*p4v1.FieldMatch {
	defs := make(map[uint32]*p4configv1.MatchField, len(fields))
	for _, f := range fields {
		defs[f.GetId()] = f
	}
	seen := make(map[uint32]bool, len(ms))
	var out []*p4v1.FieldMatch
	for _, m := range ms {
		f := defs[m.GetFieldId()]
		switch {
		case f == nil:
			v.must(fmt.Sprintf("9.1.1 field_id %d is one of the table", m.GetFieldId()), codes.InvalidArgument)
		case seen[m.GetFieldId()]:
			v.must("9.1.1 each element is the value of another key element", codes.InvalidArgument)
		default:
			out = append(out, fieldMatch(v, f, m))
		}
		seen[m.GetFieldId()] = true
	}
	for _, f := range fields {
		if f.GetMatchType() == p4configv1.MatchField_EXACT {
			v.check(seen[f.GetId()], "9.1.1 exact fields can never be omitted", codes.InvalidArgument)
		}
	}
	orderMatch(out)
	return out
}

// fieldMatch judges one field and returns it in canonical form.
func fieldMatch(v *verdict, f *p4configv1.MatchField, m *p4v1.FieldMatch) *p4v1.FieldMatch {
	w := f.GetBitwidth()
	out := &p4v1.FieldMatch{FieldId: m.GetFieldId()}
	value := func(b []byte) *big.Int {
		v.check(fits(b, w), "8.3 and 9.1.1 the value is a bytestring of the width", badValue...)
		return number(b)
	}
	const ofKind = "9.1.1 the match is of the field's kind"
	switch x := m.GetFieldMatchType().(type) {
	case *p4v1.FieldMatch_Exact_:
		v.check(f.GetMatchType() == p4configv1.MatchField_EXACT, ofKind, codes.InvalidArgument)
		out.FieldMatchType = &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: bytesOf(value(x.Exact.GetValue()))}}

	case *p4v1.FieldMatch_Optional_:
		v.check(f.GetMatchType() == p4configv1.MatchField_OPTIONAL, ofKind, codes.InvalidArgument)
		out.FieldMatchType = &p4v1.FieldMatch_Optional_{Optional: &p4v1.FieldMatch_Optional{Value: bytesOf(value(x.Optional.GetValue()))}}

	case *p4v1.FieldMatch_Lpm:
		v.check(f.GetMatchType() == p4configv1.MatchField_LPM, ofKind, codes.InvalidArgument)
		n, length := value(x.Lpm.GetValue()), x.Lpm.GetPrefixLen()
		v.check(length > 0, "9.1.1 a prefix of length 0 is omitted", codes.InvalidArgument)
		v.check(length <= w, "9.1.1 a prefix is no longer than the field", codes.InvalidArgument)
		if length > 0 && length <= w {
			v.check(n.Sign() == 0 || int32(n.TrailingZeroBits()) >= w-length, "9.1.1 bits beyond the prefix are 0", codes.InvalidArgument)
		}
		out.FieldMatchType = &p4v1.FieldMatch_Lpm{Lpm: &p4v1.FieldMatch_LPM{Value: bytesOf(n), PrefixLen: length}}

	case *p4v1.FieldMatch_Ternary_:
		v.check(f.GetMatchType() == p4configv1.MatchField_TERNARY, ofKind, codes.InvalidArgument)
		n, mask := value(x.Ternary.GetValue()), value(x.Ternary.GetMask())
		v.check(mask.Sign() != 0, "9.1.1 a mask of zeros is omitted", codes.InvalidArgument)
		v.check(new(big.Int).AndNot(n, mask).Sign() == 0, "9.1.1 masked bits are 0 in the value", codes.InvalidArgument)
		if len(x.Ternary.GetValue()) > len(x.Ternary.GetMask()) {
			v.may("9.1.1 the value is no longer than the mask, says the pseudo code", codes.InvalidArgument)
		}
		out.FieldMatchType = &p4v1.FieldMatch_Ternary_{Ternary: &p4v1.FieldMatch_Ternary{Value: bytesOf(n), Mask: bytesOf(mask)}}

	case *p4v1.FieldMatch_Range_:
		v.check(f.GetMatchType() == p4configv1.MatchField_RANGE, ofKind, codes.InvalidArgument)
		low, high := value(x.Range.GetLow()), value(x.Range.GetHigh())
		v.check(low.Cmp(high) <= 0, "9.1.1 low is not above high", codes.InvalidArgument)
		v.check(low.Sign() != 0 || high.Cmp(allOnes(w)) != 0, "9.1.1 a range of everything is omitted", codes.InvalidArgument)
		out.FieldMatchType = &p4v1.FieldMatch_Range_{Range: &p4v1.FieldMatch_Range{Low: bytesOf(low), High: bytesOf(high)}}

	default:
		v.must("9.1.1 one of field_match_type is set, and one that the program knows", codes.InvalidArgument)
	}
	return out
}

// key judges what names an entry (section 9.1) and returns it.
func (o *oracle) key(v *verdict, t *table, e *p4v1.TableEntry) (key, []*p4v1.FieldMatch) {
	ms := o.match(v, t.GetMatchFields(), e.GetMatch())
	switch {
	case !t.prioritized:
		v.check(e.GetPriority() == 0, "9.1 priority is 0 without ternary, range and optional fields", codes.InvalidArgument)
	case e.GetPriority() < 0:
		v.may("9.1 speaks of no negative priority", codes.InvalidArgument)
	default:
		v.check(e.GetPriority() != 0, "9.1 priority is not 0 with ternary, range and optional fields", codes.InvalidArgument)
	}
	return key{tableEntry, t.id, int64(e.GetPriority()), matchString(ms)}, ms
}
