package info

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// Match is the value of one field in a key, as wide as the field: A and B are
// value and mask of a ternary field, low and high of a range; an exact, LPM or
// optional field has only A.
type Match struct {
	A, B []byte
	// Prefix is the prefix length of an LPM field.
	Prefix int
	// Any tells that the field was omitted: "don't care".
	Any bool
}

// Key is what identifies an entry in its table: matches in P4Info order and
// the priority.
type Key struct {
	Matches  []Match
	Priority int32
	// ID is equal for equal keys only. Its first PrioritySize bytes are the
	// priority, the others the matches.
	ID string
	// Wire is the canonical form of the matches.
	Wire []*p4v1.FieldMatch
}

// PrioritySize is the length of the priority in [Key.ID].
const PrioritySize = 4

// Key checks the key of a table entry that is not the default entry (sections
// 9.1 and 9.1.1) and returns it in canonical form. All reasons are reported at
// once, with INVALID_ARGUMENT.
func (t *Table) Key(e *p4v1.TableEntry) (Key, error) {
	k := Key{
		Matches:  make([]Match, len(t.Fields)),
		Priority: e.GetPriority(),
	}
	var faults []error
	switch {
	case t.NeedsPriority && k.Priority <= 0:
		faults = append(faults, fmt.Errorf("priority must be above 0 in a table with ternary, range or optional fields, got %d", k.Priority))
	case !t.NeedsPriority && k.Priority != 0:
		faults = append(faults, fmt.Errorf("priority must be 0 in a table without ternary, range or optional fields, got %d", k.Priority))
	}
	id := make([]byte, 0, t.keySize)
	id = binary.BigEndian.AppendUint32(id, uint32(k.Priority))
	var fs []error
	k.Wire, id, fs = matches(t.Fields, t.byID, e.GetMatch(), k.Matches, id)
	faults = append(faults, fs...)
	if err := errors.Join(faults...); err != nil {
		return Key{}, refusal.New(codes.InvalidArgument, "table %s: %w", t.Name, err)
	}
	k.ID = string(id)
	return k, nil
}

// matches fills out, one element a field, from the wire, and appends to id
// bytes that differ for different matches.
func matches(fields []*Field, byID map[uint32]*Field, from []*p4v1.FieldMatch, out []Match, id []byte) ([]*p4v1.FieldMatch, []byte, []error) {
	var faults []error
	given := make([]*p4v1.FieldMatch, len(fields))
	for _, m := range from {
		f := byID[m.GetFieldId()]
		switch {
		case f == nil:
			faults = append(faults, fmt.Errorf("no match field with id %d", m.GetFieldId()))
		case given[f.pos] != nil:
			faults = append(faults, fmt.Errorf("field %s is given twice", f.Name))
		default:
			given[f.pos] = m
		}
	}
	wire := make([]*p4v1.FieldMatch, 0, len(from))
	for i, f := range fields {
		if given[i] == nil {
			if f.Kind == p4configv1.MatchField_EXACT {
				faults = append(faults, fmt.Errorf("field %s is exact and cannot be omitted", f.Name))
			}
			out[i].Any = true
			id = append(id, 0)
			continue
		}
		m, canonical, err := f.match(given[i], append(id, 1))
		if err != nil {
			faults = append(faults, fmt.Errorf("field %s: %w", f.Name, err))
			continue
		}
		out[i], id = m.Match, m.id
		wire = append(wire, canonical)
	}
	return wire, id, faults
}

// matched is a match that lies in the bytes of id.
type matched struct {
	Match
	id []byte
}

var (
	errKind     = errors.New("match type differs from that of the field")
	errDontCare = errors.New("a don't care match must be omitted")
	errMasked   = errors.New("value has bits outside the mask")
)

// match checks one match against its field by the rules of section 9.1.1 and
// appends its numbers to id.
func (f *Field) match(m *p4v1.FieldMatch, id []byte) (matched, *p4v1.FieldMatch, error) {
	out := matched{id: id}
	fail := func(err error) (matched, *p4v1.FieldMatch, error) { return matched{}, nil, err }
	var err error
	switch v := m.GetFieldMatchType().(type) {
	case *p4v1.FieldMatch_Exact_:
		if f.Kind != p4configv1.MatchField_EXACT {
			return fail(errKind)
		}
		if out.A, err = out.number(v.Exact.GetValue(), f.Width); err != nil {
			return fail(err)
		}
		return out, &p4v1.FieldMatch{FieldId: f.ID, FieldMatchType: &p4v1.FieldMatch_Exact_{
			Exact: &p4v1.FieldMatch_Exact{Value: bytestring.Canonical(out.A)}}}, nil

	case *p4v1.FieldMatch_Optional_:
		if f.Kind != p4configv1.MatchField_OPTIONAL {
			return fail(errKind)
		}
		if out.A, err = out.number(v.Optional.GetValue(), f.Width); err != nil {
			return fail(err)
		}
		return out, &p4v1.FieldMatch{FieldId: f.ID, FieldMatchType: &p4v1.FieldMatch_Optional_{
			Optional: &p4v1.FieldMatch_Optional{Value: bytestring.Canonical(out.A)}}}, nil

	case *p4v1.FieldMatch_Lpm:
		if f.Kind != p4configv1.MatchField_LPM {
			return fail(errKind)
		}
		out.Prefix = int(v.Lpm.GetPrefixLen())
		switch {
		case out.Prefix == 0:
			return fail(errDontCare)
		case out.Prefix < 0 || out.Prefix > f.Width:
			return fail(fmt.Errorf("prefix length %d of a field of %d bits", out.Prefix, f.Width))
		}
		out.id = binary.BigEndian.AppendUint16(out.id, uint16(out.Prefix))
		if out.A, err = out.number(v.Lpm.GetValue(), f.Width); err != nil {
			return fail(err)
		}
		if trailingZeros(out.A) < f.Width-out.Prefix {
			return fail(fmt.Errorf("value has bits outside the prefix of %d bits", out.Prefix))
		}
		return out, &p4v1.FieldMatch{FieldId: f.ID, FieldMatchType: &p4v1.FieldMatch_Lpm{
			Lpm: &p4v1.FieldMatch_LPM{Value: bytestring.Canonical(out.A), PrefixLen: v.Lpm.GetPrefixLen()}}}, nil

	case *p4v1.FieldMatch_Ternary_:
		if f.Kind != p4configv1.MatchField_TERNARY {
			return fail(errKind)
		}
		if out.A, err = out.number(v.Ternary.GetValue(), f.Width); err != nil {
			return fail(fmt.Errorf("value: %w", err))
		}
		if out.B, err = out.number(v.Ternary.GetMask(), f.Width); err != nil {
			return fail(fmt.Errorf("mask: %w", err))
		}
		if isZero(out.B) {
			return fail(errDontCare)
		}
		for i := range out.A {
			if out.A[i]&^out.B[i] != 0 {
				return fail(errMasked)
			}
		}
		return out, &p4v1.FieldMatch{FieldId: f.ID, FieldMatchType: &p4v1.FieldMatch_Ternary_{
			Ternary: &p4v1.FieldMatch_Ternary{Value: bytestring.Canonical(out.A), Mask: bytestring.Canonical(out.B)}}}, nil

	case *p4v1.FieldMatch_Range_:
		if f.Kind != p4configv1.MatchField_RANGE {
			return fail(errKind)
		}
		if out.A, err = out.number(v.Range.GetLow(), f.Width); err != nil {
			return fail(fmt.Errorf("low: %w", err))
		}
		if out.B, err = out.number(v.Range.GetHigh(), f.Width); err != nil {
			return fail(fmt.Errorf("high: %w", err))
		}
		if bytes.Compare(out.A, out.B) > 0 {
			return fail(errors.New("low is above high"))
		}
		if isZero(out.A) && isMax(out.B, f.Width) {
			return fail(errDontCare)
		}
		return out, &p4v1.FieldMatch{FieldId: f.ID, FieldMatchType: &p4v1.FieldMatch_Range_{
			Range: &p4v1.FieldMatch_Range{Low: bytestring.Canonical(out.A), High: bytestring.Canonical(out.B)}}}, nil
	}
	return fail(errKind)
}

// number appends a number to id at the width of its field and returns where it
// lies there.
func (m *matched) number(b []byte, width int) ([]byte, error) {
	at := len(m.id)
	id, err := bytestring.AppendFixed(m.id, b, width)
	if err != nil {
		return nil, err
	}
	m.id = id
	return id[at:len(id):len(id)], nil
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// isMax reports whether b is the largest number of width bits.
func isMax(b []byte, width int) bool {
	n := 0
	for _, c := range b {
		n += bits.OnesCount8(c)
	}
	return n == width
}

func trailingZeros(b []byte) int {
	n := 0
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0 {
			return n + bits.TrailingZeros8(b[i])
		}
		n += 8
	}
	return n
}

// Members checks the members of a value set (section 9.6) and returns the
// matches of each, one element a field, and their canonical form. Too many are
// RESOURCE_EXHAUSTED, duplicates ALREADY_EXISTS.
func (v *ValueSet) Members(members []*p4v1.ValueSetMember) ([][]Match, []*p4v1.ValueSetMember, error) {
	if int64(len(members)) > v.Size {
		return nil, nil, refusal.New(codes.ResourceExhausted,
			"value set %s: %d members, size is %d", v.Name, len(members), v.Size)
	}
	out := make([][]Match, len(members))
	wire := make([]*p4v1.ValueSetMember, len(members))
	seen := make(map[string]bool, len(members))
	for i, m := range members {
		out[i] = make([]Match, len(v.Fields))
		canonical, id, faults := matches(v.Fields, v.byID, m.GetMatch(), out[i], nil)
		if err := errors.Join(faults...); err != nil {
			return nil, nil, refusal.New(codes.InvalidArgument, "value set %s: member %d: %w", v.Name, i, err)
		}
		if seen[string(id)] {
			return nil, nil, refusal.New(codes.AlreadyExists, "value set %s: member %d is there already", v.Name, i)
		}
		seen[string(id)] = true
		wire[i] = &p4v1.ValueSetMember{Match: canonical}
	}
	return out, wire, nil
}
