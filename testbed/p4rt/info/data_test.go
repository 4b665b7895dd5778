package info

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// The tables "Examples of Valid Bytestring Encoding" and "Examples of Invalid
// Bytestring Encoding" of section 8.3.
func TestBytestringExamples(t *testing.T) {
	for _, c := range []struct {
		kind  kind
		width int
		in    string
		want  string // canonical; "" if it is refused
	}{
		{kindBit, 8, "\x63", "\x63"},
		{kindBit, 16, "\x00\x63", "\x63"},
		{kindBit, 16, "\x63", "\x63"},
		{kindBit, 16, "\x30\x64", "\x30\x64"},
		{kindBit, 16, "\x00\x30\x64", "\x30\x64"},
		{kindBit, 12, "\x00\x63", "\x63"},
		{kindBit, 12, "\x63", "\x63"},
		{kindBit, 12, "\x00\x00\x63", "\x63"},
		{kindInt, 8, "\x63", "\x63"},
		{kindInt, 8, "\x9d", "\x9d"},
		{kindInt, 8, "\xff\x9d", "\x9d"},
		{kindInt, 12, "\xfd\x1d", "\xfd\x1d"},
		{kindInt, 16, "\x00\x00", "\x00"},
		{kindInt, 16, "\x00", "\x00"},

		{kindBit, 8, "\x01\x63", ""},
		{kindBit, 8, "", ""},
		{kindBit, 16, "\x01\x00\x63", ""},
		{kindBit, 12, "\x10\x63", ""},
		{kindBit, 12, "\x01\x00\x63", ""},
		{kindBit, 12, "\x00\x40\x63", ""},
		{kindInt, 8, "\x00\x9d", ""},
		{kindInt, 12, "\x8d\x1d", ""},
		{kindInt, 16, "", ""},
	} {
		typ := &Type{kind: c.kind, Width: c.width}
		leaves, err := typ.AppendLeaves(nil, &p4v1.P4Data{Data: &p4v1.P4Data_Bitstring{Bitstring: []byte(c.in)}})
		if c.want == "" {
			if err == nil || ErrShape(err) {
				t.Errorf("%v of %d bits, %x: got %x, %v, want a bytestring error", c.kind, c.width, c.in, leaves, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v of %d bits, %x: %v", c.kind, c.width, c.in, err)
			continue
		}
		got, rest, err := typ.Data(leaves)
		if err != nil || len(rest) > 0 || string(got.GetBitstring()) != c.want {
			t.Errorf("%v of %d bits, %x: got %x, %v, want %x", c.kind, c.width, c.in, got.GetBitstring(), err, c.want)
		}
	}
}

const types = `
registers {
  preamble { id: 0x16000001 name: "r" }
  type_spec { struct { name: "S" } }
  size: 1
}
type_info {
  structs { key: "S" value {
    members { name: "mac" type_spec { bitstring { bit { bitwidth: 48 } } } }
    members { name: "delta" type_spec { bitstring { int { bitwidth: 5 } } } }
    members { name: "flag" type_spec { bool { } } }
    members { name: "kind" type_spec { serializable_enum { name: "E" } } }
    members { name: "pair" type_spec { tuple { members { bitstring { bit { bitwidth: 3 } } } members { new_type { name: "N" } } } } }
    members { name: "h" type_spec { header { name: "H" } } }
  } }
  headers { key: "H" value { members { name: "x" type_spec { bit { bitwidth: 4 } } } } }
  serializable_enums { key: "E" value { underlying_type { bitwidth: 8 } members { name: "A" value: "\x01" } } }
  new_types { key: "N" value { original_type { bitstring { bit { bitwidth: 9 } } } } }
}`

func TestDataOfEveryType(t *testing.T) {
	typ := index(t, types).Registers[0].Type
	if diff := cmp.Diff([]int{48, 5, 1, 8, 3, 9, 4}, typ.Leaves()); diff != "" {
		t.Fatalf("leaves (-want +got):\n%s", diff)
	}
	leaves := [][]byte{{0, 1, 2, 3, 4, 5}, {0x1e}, {1}, {1}, {7}, {1, 0}, {9}}
	got, rest, err := typ.Data(leaves)
	if err != nil || len(rest) > 0 {
		t.Fatal(rest, err)
	}
	want := &p4v1.P4Data{}
	if err := prototext.Unmarshal([]byte(`struct {
		members { bitstring: "\x01\x02\x03\x04\x05" }
		members { bitstring: "\xfe" }
		members { bool: true }
		members { enum_value: "\x01" }
		members { tuple { members { bitstring: "\x07" } members { bitstring: "\x01\x00" } } }
		members { header { is_valid: true bitstrings: "\x09" } }
	}`), want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, _, err := typ.Data(leaves[:6]); err == nil {
		t.Error("too few values made a struct")
	}
}

func TestDataRefusals(t *testing.T) {
	bits := &Type{kind: kindBit, Width: 8, Name: "b"}
	for _, c := range []struct {
		name  string
		typ   *Type
		in    *p4v1.P4Data
		shape bool
	}{
		{"nothing 9.7", bits, nil, true},
		{"bool for bit 9.7", bits, &p4v1.P4Data{Data: &p4v1.P4Data_Bool{Bool: true}}, true},
		{"tuple for struct 9.7", &Type{kind: kindStruct}, &p4v1.P4Data{Data: &p4v1.P4Data_Tuple{}}, true},
		{"too few members 9.7", &Type{kind: kindStruct, members: []*Type{bits}}, &p4v1.P4Data{Data: &p4v1.P4Data_Struct{}}, true},
		{"bytestring out of range 8.3", bits, &p4v1.P4Data{Data: &p4v1.P4Data_Bitstring{Bitstring: []byte{1, 0}}}, false},
		{"bytestring empty 8.3", bits, &p4v1.P4Data{Data: &p4v1.P4Data_Bitstring{}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.typ.AppendLeaves(nil, c.in)
			if err == nil || ErrShape(err) != c.shape {
				t.Errorf("got %v", err)
			}
			if !c.shape && !errors.Is(err, bytestring.ErrRange) && !errors.Is(err, bytestring.ErrEmpty) {
				t.Errorf("got %v, want a bytestring error", err)
			}
		})
	}
}

// P4Info that contradicts itself is refused as a whole, with all reasons.
func TestInconsistentP4Info(t *testing.T) {
	p := &p4configv1.P4Info{}
	if err := prototext.Unmarshal([]byte(`
tables {
  preamble { id: 0x02000001 name: "t" }
  match_fields { id: 1 name: "a" bitwidth: 8 match_type: EXACT }
  match_fields { id: 1 name: "b" match_type: EXACT }
  match_fields { id: 3 name: "c" bitwidth: 8 other_match_type: "x" }
  action_refs { id: 0x01000009 }
  implementation_id: 0x11000009
}
tables { preamble { id: 0x02000001 name: "u" } }
tables { preamble { id: 0x01000001 name: "v" } }
counters { preamble { id: 0 name: "c" } }
direct_counters { preamble { id: 0x13000001 name: "d" } direct_table_id: 7 }
registers { preamble { id: 0x16000001 name: "r" } type_spec { struct { name: "S" } } }
digests { preamble { id: 0x17000001 name: "g" } type_spec { new_type { name: "Loop" } } }
externs { extern_type_id: 0x81 }
type_info { new_types { key: "Loop" value { original_type { new_type { name: "Loop" } } } } }
`), p); err != nil {
		t.Fatal(err)
	}
	_, err := New(p)
	if refusal.Code(err) != codes.InvalidArgument {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"field b: id 1", "field b: no width", "field c: match type", "no action 0x01000009", "no action profile 0x11000009",
		"u: id 0x02000001 is used twice", "v: id 0x01000001 is not of kind TABLE", "c: id 0x00000000 is not of kind COUNTER",
		"direct counter d: no table", "register r: no struct", "digest g: type contains itself", "externs",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
}

// A message can describe a type larger than any memory in a few lines.
func TestTypeThatDoubles(t *testing.T) {
	p := &p4configv1.P4Info{
		Digests: []*p4configv1.Digest{{
			Preamble: &p4configv1.Preamble{Id: 0x17000001, Name: "d"},
			TypeSpec: named("s0"),
		}},
		TypeInfo: &p4configv1.P4TypeInfo{Structs: map[string]*p4configv1.P4StructTypeSpec{}},
	}
	for i := range 40 {
		next := named(fmt.Sprint("s", i+1))
		p.TypeInfo.Structs[fmt.Sprint("s", i)] = &p4configv1.P4StructTypeSpec{Members: []*p4configv1.P4StructTypeSpec_Member{
			{Name: "a", TypeSpec: next}, {Name: "b", TypeSpec: next}}}
	}
	if _, err := New(p); refusal.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
}

func named(name string) *p4configv1.P4DataTypeSpec {
	return &p4configv1.P4DataTypeSpec{TypeSpec: &p4configv1.P4DataTypeSpec_Struct{Struct: &p4configv1.P4NamedType{Name: name}}}
}

func TestHeaderTooLong(t *testing.T) {
	p := &p4configv1.P4Info{}
	if err := prototext.Unmarshal([]byte(`controller_packet_metadata {
		preamble { id: 0x04000001 name: "packet_out" } metadata { id: 1 name: "x" bitwidth: 2147483647 } }`), p); err != nil {
		t.Fatal(err)
	}
	if _, err := New(p); refusal.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
}
