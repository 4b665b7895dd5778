package info

import (
	"errors"
	"fmt"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/proto/bytestring"
)

// Type is a P4 type whose values bmv2 holds as numbers: bit<W>, int<W>, bool,
// serializable enums, and structs, tuples and headers of these.
type Type struct {
	kind    kind
	Width   int    // of a leaf, in bits
	Name    string // of the type or of the member, for messages
	members []*Type
}

type kind uint8

const (
	kindBit kind = iota
	kindInt
	kindBool
	kindEnum
	kindStruct
	kindTuple
	kindHeader
)

// Leaves returns the widths in bits of the numbers that a value consists of.
func (t *Type) Leaves() []int {
	if t.kind < kindStruct {
		return []int{t.Width}
	}
	var out []int
	for _, m := range t.members {
		out = append(out, m.Leaves()...)
	}
	return out
}

// Data returns the value that the leaves make up, in canonical form, and the
// leaves left over. Leaves are as wide as [Type.Leaves] says, rounded up to
// bytes; int<W> is in two's complement.
func (t *Type) Data(leaves [][]byte) (*p4v1.P4Data, [][]byte, error) {
	switch t.kind {
	case kindStruct, kindTuple:
		s := &p4v1.P4StructLike{}
		for _, m := range t.members {
			d, rest, err := m.Data(leaves)
			if err != nil {
				return nil, nil, err
			}
			s.Members, leaves = append(s.Members, d), rest
		}
		if t.kind == kindTuple {
			return &p4v1.P4Data{Data: &p4v1.P4Data_Tuple{Tuple: s}}, leaves, nil
		}
		return &p4v1.P4Data{Data: &p4v1.P4Data_Struct{Struct: s}}, leaves, nil
	case kindHeader:
		h := &p4v1.P4Header{IsValid: true}
		for _, m := range t.members {
			if len(leaves) == 0 {
				return nil, nil, fmt.Errorf("%s: too few values", t.Name)
			}
			h.Bitstrings, leaves = append(h.Bitstrings, m.canonical(leaves[0])), leaves[1:]
		}
		return &p4v1.P4Data{Data: &p4v1.P4Data_Header{Header: h}}, leaves, nil
	}
	if len(leaves) == 0 {
		return nil, nil, fmt.Errorf("%s: too few values", t.Name)
	}
	v := leaves[0]
	switch t.kind {
	case kindBool:
		return &p4v1.P4Data{Data: &p4v1.P4Data_Bool{Bool: !isZero(v)}}, leaves[1:], nil
	case kindEnum:
		return &p4v1.P4Data{Data: &p4v1.P4Data_EnumValue{EnumValue: t.canonical(v)}}, leaves[1:], nil
	default:
		return &p4v1.P4Data{Data: &p4v1.P4Data_Bitstring{Bitstring: t.canonical(v)}}, leaves[1:], nil
	}
}

// errShape is the fault of a P4Data that is not of its type: INVALID_ARGUMENT
// where a bytestring that does not fit is OUT_OF_RANGE.
var errShape = errors.New("value is not of the type that p4info gives")

// ErrShape reports whether a value was refused for its type.
func ErrShape(err error) bool { return errors.Is(err, errShape) }

// AppendLeaves appends the numbers that d consists of. It returns an error of
// which [ErrShape] is true if d is not of the type, or a bytestring error.
func (t *Type) AppendLeaves(out [][]byte, d *p4v1.P4Data) ([][]byte, error) {
	var members []*p4v1.P4Data
	switch v := d.GetData().(type) {
	case *p4v1.P4Data_Struct:
		if t.kind != kindStruct {
			return nil, fmt.Errorf("%s: %w", t.Name, errShape)
		}
		members = v.Struct.GetMembers()
	case *p4v1.P4Data_Tuple:
		if t.kind != kindTuple {
			return nil, fmt.Errorf("%s: %w", t.Name, errShape)
		}
		members = v.Tuple.GetMembers()
	case *p4v1.P4Data_Bool:
		if t.kind != kindBool {
			return nil, fmt.Errorf("%s: %w", t.Name, errShape)
		}
		if v.Bool {
			return append(out, []byte{1}), nil
		}
		return append(out, []byte{0}), nil
	case *p4v1.P4Data_EnumValue:
		if t.kind != kindEnum {
			return nil, fmt.Errorf("%s: %w", t.Name, errShape)
		}
		return t.appendNumber(out, v.EnumValue)
	case *p4v1.P4Data_Bitstring:
		if t.kind != kindBit && t.kind != kindInt {
			return nil, fmt.Errorf("%s: %w", t.Name, errShape)
		}
		return t.appendNumber(out, v.Bitstring)
	default:
		return nil, fmt.Errorf("%s: %w", t.Name, errShape)
	}
	if len(members) != len(t.members) {
		return nil, fmt.Errorf("%s has %d members, got %d: %w", t.Name, len(t.members), len(members), errShape)
	}
	for i, m := range t.members {
		var err error
		if out, err = m.AppendLeaves(out, members[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t *Type) appendNumber(out [][]byte, b []byte) ([][]byte, error) {
	var v []byte
	var err error
	if t.kind == kindInt {
		v, err = signedFixed(b, t.Width)
	} else {
		v, err = bytestring.AppendFixed(nil, b, t.Width)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	return append(out, v), nil
}

// canonical returns the shortest form of a number as wide as the type.
func (t *Type) canonical(v []byte) []byte {
	if t.kind != kindInt {
		return bytestring.Canonical(v)
	}
	// Extend the sign over the padding of the first byte, then cut bytes that
	// only repeat the sign.
	v = append([]byte(nil), v...)
	if pad := 8*len(v) - t.Width; pad > 0 && v[0]&(0x80>>pad) != 0 {
		v[0] |= ^byte(0xff >> pad)
	}
	for len(v) > 1 && (v[0] == 0 && v[1] < 0x80 || v[0] == 0xff && v[1] >= 0x80) {
		v = v[1:]
	}
	return v
}

// signedFixed returns b, a number in two's complement of any length, at a
// width in bits: the padding bits of the first byte are 0.
func signedFixed(b []byte, width int) ([]byte, error) {
	if len(b) == 0 {
		return nil, bytestring.ErrEmpty
	}
	sign := byte(0)
	if b[0] >= 0x80 {
		sign = 0xff
	}
	n := bytestring.Len(width)
	for len(b) > n {
		if b[0] != sign {
			return nil, bytestring.ErrRange
		}
		b = b[1:]
	}
	out := make([]byte, n)
	for i := range n - len(b) {
		out[i] = sign
	}
	copy(out[n-len(b):], b)
	// The bits above the width, and the sign bit itself, are all copies of
	// the sign.
	if pad := 8*n - width; (out[0]^sign)&^byte(0xff>>(pad+1)) != 0 {
		return nil, bytestring.ErrRange
	} else {
		out[0] &= 0xff >> pad
	}
	return out, nil
}

// resolve turns a type specification into a Type, following names.
func (b *builder) resolve(what string, s *p4configv1.P4DataTypeSpec) *Type {
	b.nodes = 0
	t, err := b.typeOf(s, 0)
	if err != nil {
		b.faultf("%s: %w", what, err)
		return &Type{Name: what}
	}
	t.Name = what
	return t
}

// What P4 forbids a message can say all the same: a type that contains itself,
// or one that doubles at each of its levels.
const (
	maxTypeDepth = 32
	maxTypeNodes = 4096
)

func (b *builder) typeOf(s *p4configv1.P4DataTypeSpec, depth int) (*Type, error) {
	if depth > maxTypeDepth {
		return nil, errors.New("type contains itself")
	}
	if b.nodes++; b.nodes > maxTypeNodes {
		return nil, fmt.Errorf("type has more than %d members", maxTypeNodes)
	}
	switch v := s.GetTypeSpec().(type) {
	case *p4configv1.P4DataTypeSpec_Bitstring:
		return bitType(v.Bitstring)
	case *p4configv1.P4DataTypeSpec_Bool:
		return &Type{kind: kindBool, Width: 1}, nil
	case *p4configv1.P4DataTypeSpec_Tuple:
		t := &Type{kind: kindTuple}
		for i, m := range v.Tuple.GetMembers() {
			if err := b.member(t, fmt.Sprint("member ", i), m, depth); err != nil {
				return nil, err
			}
		}
		return t, nil
	case *p4configv1.P4DataTypeSpec_Struct:
		spec, ok := b.types.GetStructs()[v.Struct.GetName()]
		if !ok {
			return nil, fmt.Errorf("no struct %q", v.Struct.GetName())
		}
		t := &Type{kind: kindStruct}
		for _, m := range spec.GetMembers() {
			if err := b.member(t, m.GetName(), m.GetTypeSpec(), depth); err != nil {
				return nil, err
			}
		}
		return t, nil
	case *p4configv1.P4DataTypeSpec_Header:
		spec, ok := b.types.GetHeaders()[v.Header.GetName()]
		if !ok {
			return nil, fmt.Errorf("no header %q", v.Header.GetName())
		}
		t := &Type{kind: kindHeader}
		for _, m := range spec.GetMembers() {
			leaf, err := bitType(m.GetTypeSpec())
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.GetName(), err)
			}
			leaf.Name = m.GetName()
			t.members = append(t.members, leaf)
		}
		return t, nil
	case *p4configv1.P4DataTypeSpec_SerializableEnum:
		spec, ok := b.types.GetSerializableEnums()[v.SerializableEnum.GetName()]
		if !ok {
			return nil, fmt.Errorf("no enum %q", v.SerializableEnum.GetName())
		}
		return &Type{kind: kindEnum, Width: int(spec.GetUnderlyingType().GetBitwidth())}, nil
	case *p4configv1.P4DataTypeSpec_NewType:
		spec, ok := b.types.GetNewTypes()[v.NewType.GetName()]
		if !ok {
			return nil, fmt.Errorf("no type %q", v.NewType.GetName())
		}
		if tr := spec.GetTranslatedType(); tr != nil {
			if tr.GetSdnBitwidth() == 0 {
				return nil, errors.New("string translation is not supported")
			}
			return &Type{kind: kindBit, Width: int(tr.GetSdnBitwidth())}, nil
		}
		return b.typeOf(spec.GetOriginalType(), depth+1)
	}
	return nil, fmt.Errorf("type %T is not supported", s.GetTypeSpec())
}

func (b *builder) member(t *Type, name string, s *p4configv1.P4DataTypeSpec, depth int) error {
	m, err := b.typeOf(s, depth+1)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	m.Name = name
	t.members = append(t.members, m)
	return nil
}

func bitType(s *p4configv1.P4BitstringLikeTypeSpec) (*Type, error) {
	switch v := s.GetTypeSpec().(type) {
	case *p4configv1.P4BitstringLikeTypeSpec_Bit:
		if w := int(v.Bit.GetBitwidth()); w > 0 {
			return &Type{kind: kindBit, Width: w}, nil
		}
	case *p4configv1.P4BitstringLikeTypeSpec_Int:
		if w := int(v.Int.GetBitwidth()); w > 0 {
			return &Type{kind: kindInt, Width: w}, nil
		}
	}
	return nil, errors.New("only bit<W> and int<W> are supported")
}
