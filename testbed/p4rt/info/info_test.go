package info

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// program has one field of each match type, widths that are no whole bytes,
// and actions of each scope.
const program = `
tables {
  preamble { id: 0x02000001 name: "all" }
  match_fields { id: 1 name: "e" bitwidth: 12 match_type: EXACT }
  match_fields { id: 2 name: "l" bitwidth: 32 match_type: LPM }
  match_fields { id: 3 name: "t" bitwidth: 9 match_type: TERNARY }
  match_fields { id: 4 name: "r" bitwidth: 16 match_type: RANGE }
  match_fields { id: 5 name: "o" bitwidth: 8 match_type: OPTIONAL }
  action_refs { id: 0x01000001 }
  action_refs { id: 0x01000002 scope: TABLE_ONLY }
  action_refs { id: 0x01000003 scope: DEFAULT_ONLY }
  size: 10
}
tables {
  preamble { id: 0x02000002 name: "exact" }
  match_fields { id: 1 name: "e" bitwidth: 12 match_type: EXACT }
  action_refs { id: 0x01000001 }
  size: 10
}
actions {
  preamble { id: 0x01000001 name: "set" }
  params { id: 1 name: "port" bitwidth: 9 }
  params { id: 2 name: "mac" bitwidth: 48 }
}
actions { preamble { id: 0x01000002 name: "entry_only" } }
actions { preamble { id: 0x01000003 name: "default_only" } }
actions { preamble { id: 0x01000004 name: "of_no_table" } }
value_sets {
  preamble { id: 0x03000001 name: "vs" }
  match { id: 1 name: "a" bitwidth: 12 match_type: EXACT }
  match { id: 2 name: "b" bitwidth: 4 match_type: EXACT }
  size: 2
}
controller_packet_metadata {
  preamble { id: 0x04000001 name: "packet_out" }
  metadata { id: 1 name: "port" bitwidth: 9 }
  metadata { id: 2 name: "flag" bitwidth: 1 }
  metadata { id: 3 name: "pad" bitwidth: 6 }
  metadata { id: 4 name: "reason" bitwidth: 16 }
}
`

func index(t testing.TB, text string) *Index {
	t.Helper()
	p := &p4configv1.P4Info{}
	if err := prototext.Unmarshal([]byte(text), p); err != nil {
		t.Fatal(err)
	}
	x, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func entry(t testing.TB, text string) *p4v1.TableEntry {
	t.Helper()
	e := &p4v1.TableEntry{}
	if err := prototext.Unmarshal([]byte(text), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// Keys that a server accepts come out in the one canonical form (sections
// 8.2, 8.3 and 9.1.1).
func TestKeyIsCanonical(t *testing.T) {
	x := index(t, program)
	for _, c := range []struct{ name, in, want string }{
		{"leading zeros are cut 8.3",
			`match { field_id: 1 exact { value: "\x00\x00\x63" } } priority: 1`,
			`match { field_id: 1 exact { value: "\x63" } } priority: 1`},
		{"zero is one byte 8.3",
			`match { field_id: 1 exact { value: "\x00\x00" } } priority: 1`,
			`match { field_id: 1 exact { value: "\x00" } } priority: 1`},
		{"fields in P4Info order 8.2",
			`match { field_id: 5 optional { value: "\x07" } } match { field_id: 3 ternary { value: "\x01" mask: "\x01\xff" } }
			 match { field_id: 1 exact { value: "\x0f\xff" } } match { field_id: 4 range { low: "\x00\x01" high: "\x02" } }
			 match { field_id: 2 lpm { value: "\x0a\x00\x00\x00" prefix_len: 8 } } priority: 5`,
			`match { field_id: 1 exact { value: "\x0f\xff" } } match { field_id: 2 lpm { value: "\x0a\x00\x00\x00" prefix_len: 8 } }
			 match { field_id: 3 ternary { value: "\x01" mask: "\x01\xff" } } match { field_id: 4 range { low: "\x01" high: "\x02" } }
			 match { field_id: 5 optional { value: "\x07" } } priority: 5`},
		{"lpm of the full width 9.1.1",
			`match { field_id: 1 exact { value: "\x01" } } match { field_id: 2 lpm { value: "\x01" prefix_len: 32 } } priority: 1`,
			`match { field_id: 1 exact { value: "\x01" } } match { field_id: 2 lpm { value: "\x01" prefix_len: 32 } } priority: 1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := x.Tables[0].Key(entry(t, c.in))
			if err != nil {
				t.Fatal(err)
			}
			got := &p4v1.TableEntry{Match: k.Wire, Priority: k.Priority}
			if diff := cmp.Diff(entry(t, c.want), got, protocmp.Transform()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			again, err := x.Tables[0].Key(got)
			if err != nil || again.ID != k.ID {
				t.Errorf("the canonical form has another identity: %x, %x, %v", k.ID, again.ID, err)
			}
		})
	}
}

// Every key that breaks a rule is INVALID_ARGUMENT, with the reason.
func TestKeyRefusals(t *testing.T) {
	x := index(t, program)
	const e = `match { field_id: 1 exact { value: "\x01" } } `
	for _, c := range []struct{ name, in, want string }{
		{"exact omitted 9.1.1", `priority: 1`, "cannot be omitted"},
		{"empty bytestring 8.3", `match { field_id: 1 exact { } } priority: 1`, "empty bytestring"},
		{"value out of range 8.3", `match { field_id: 1 exact { value: "\x10\x63" } } priority: 1`, "needs 13 bits"},
		{"unknown field 9.1.1", e + `match { field_id: 9 exact { value: "\x01" } } priority: 1`, "no match field with id 9"},
		{"field twice 9.1.1", e + e + `priority: 1`, "given twice"},
		{"no match type set 9.1.1", `match { field_id: 1 } priority: 1`, "match type"},
		{"other match type 9.1.1", `match { field_id: 1 ternary { value: "\x01" mask: "\x01" } } priority: 1`, "match type"},
		{"exact for lpm 9.1.1", e + `match { field_id: 2 exact { value: "\x01" } } priority: 1`, "match type"},
		{"lpm of length 0 is don't care 9.1.1", e + `match { field_id: 2 lpm { value: "\x00" prefix_len: 0 } } priority: 1`, "must be omitted"},
		{"lpm too long 9.1.1", e + `match { field_id: 2 lpm { value: "\x00" prefix_len: 33 } } priority: 1`, "prefix length 33"},
		{"lpm negative 9.1.1", e + `match { field_id: 2 lpm { value: "\x00" prefix_len: -1 } } priority: 1`, "prefix length -1"},
		{"lpm bits beyond the prefix 9.1.1", e + `match { field_id: 2 lpm { value: "\x0a\x00\x00\x01" prefix_len: 8 } } priority: 1`, "outside the prefix"},
		{"ternary mask 0 is don't care 9.1.1", e + `match { field_id: 3 ternary { value: "\x00" mask: "\x00" } } priority: 1`, "must be omitted"},
		{"ternary bits outside the mask 9.1.1", e + `match { field_id: 3 ternary { value: "\x03" mask: "\x01" } } priority: 1`, "outside the mask"},
		{"ternary mask too wide 8.3", e + `match { field_id: 3 ternary { value: "\x01" mask: "\x03\xff" } } priority: 1`, "mask: value out of range"},
		{"range upside down 9.1.1", e + `match { field_id: 4 range { low: "\x02" high: "\x01" } } priority: 1`, "low is above high"},
		{"full range is don't care 9.1.1", e + `match { field_id: 4 range { low: "\x00" high: "\xff\xff" } } priority: 1`, "must be omitted"},
		{"optional empty 8.3", e + `match { field_id: 5 optional { } } priority: 1`, "empty bytestring"},
		{"no priority 9.1", e, "priority must be above 0"},
		{"negative priority 9.1", e + `priority: -1`, "priority must be above 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := x.Tables[0].Key(entry(t, c.in))
			if refusal.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v: %v, want INVALID_ARGUMENT: ...%s...", refusal.Code(err), err, c.want)
			}
		})
	}
	t.Run("priority in an exact table 9.1", func(t *testing.T) {
		if _, err := x.Tables[1].Key(entry(t, e+`priority: 1`)); refusal.Code(err) != codes.InvalidArgument {
			t.Error(err)
		}
	})
	t.Run("all reasons at once", func(t *testing.T) {
		_, err := x.Tables[0].Key(entry(t, `match { field_id: 9 } match { field_id: 5 optional { } }`))
		for _, want := range []string{"priority", "id 9", "field e", "field o"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in: %v", want, err)
			}
		}
	})
}

func TestAction(t *testing.T) {
	x := index(t, program)
	for _, c := range []struct {
		name, in  string
		isDefault bool
		code      codes.Code
	}{
		{"valid 9.1.2", `action_id: 0x01000001 params { param_id: 2 value: "\x01" } params { param_id: 1 value: "\x01\xff" }`, false, codes.OK},
		{"unknown action 9.1.2", `action_id: 0x01000009`, false, codes.InvalidArgument},
		{"action 0 8.1.1", ``, false, codes.InvalidArgument},
		{"action of no table 9.1.2", `action_id: 0x01000004`, false, codes.InvalidArgument},
		{"default only as an entry 9.1.2", `action_id: 0x01000003`, false, codes.PermissionDenied},
		{"default only as default 9.1.2", `action_id: 0x01000003`, true, codes.OK},
		{"table only as default 9.1.2", `action_id: 0x01000002`, true, codes.PermissionDenied},
		{"table only as an entry 9.1.2", `action_id: 0x01000002`, false, codes.OK},
		{"parameter missing 9.1.2", `action_id: 0x01000001 params { param_id: 1 value: "\x01" }`, false, codes.InvalidArgument},
		{"parameter extra 9.1.2", `action_id: 0x01000002 params { param_id: 1 value: "\x01" }`, false, codes.InvalidArgument},
		{"parameter twice 9.1.2", `action_id: 0x01000001 params { param_id: 1 value: "\x01" } params { param_id: 1 value: "\x01" } params { param_id: 2 value: "\x01" }`, false, codes.InvalidArgument},
		{"parameter without value 9.1.2", `action_id: 0x01000001 params { param_id: 1 } params { param_id: 2 value: "\x01" }`, false, codes.InvalidArgument},
		{"parameter out of range 9.1.2", `action_id: 0x01000001 params { param_id: 1 value: "\x02\x00" } params { param_id: 2 value: "\x01" }`, false, codes.InvalidArgument},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &p4v1.Action{}
			if err := prototext.Unmarshal([]byte(c.in), a); err != nil {
				t.Fatal(err)
			}
			if _, err := x.Tables[0].Action(a, c.isDefault); refusal.Code(err) != c.code {
				t.Errorf("got %v: %v, want %v", refusal.Code(err), err, c.code)
			}
		})
	}
	t.Run("canonical 8.3", func(t *testing.T) {
		got, err := x.Tables[0].Action(&p4v1.Action{ActionId: 0x01000001, Params: []*p4v1.Action_Param{
			{ParamId: 2, Value: []byte{0, 0, 5}}, {ParamId: 1, Value: []byte{0, 1}}}}, false)
		if err != nil {
			t.Fatal(err)
		}
		want := &p4v1.Action{ActionId: 0x01000001, Params: []*p4v1.Action_Param{
			{ParamId: 1, Value: []byte{1}}, {ParamId: 2, Value: []byte{5}}}}
		if diff := cmp.Diff(want, got.Wire, protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([][]byte{{0, 1}, {0, 0, 0, 0, 0, 5}}, got.Args); diff != "" {
			t.Errorf("arguments (-want +got):\n%s", diff)
		}
	})
}

func TestValueSetMembers(t *testing.T) {
	v := index(t, program).ValueSets[0]
	member := func(a, b byte) *p4v1.ValueSetMember {
		exact := func(id uint32, v byte) *p4v1.FieldMatch {
			return &p4v1.FieldMatch{FieldId: id, FieldMatchType: &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: []byte{0, v}}}}
		}
		return &p4v1.ValueSetMember{Match: []*p4v1.FieldMatch{exact(2, b), exact(1, a)}}
	}
	matches, _, err := v.Members([]*p4v1.ValueSetMember{member(0xab, 0x7)})
	if err != nil {
		t.Fatal(err)
	}
	if got := Concat([]int{12, 4}, [][]byte{matches[0][0].A, matches[0][1].A}); !bytes.Equal(got, []byte{0x0a, 0xb7}) {
		t.Errorf("concatenated: %x", got)
	}
	for _, c := range []struct {
		name string
		in   []*p4v1.ValueSetMember
		code codes.Code
	}{
		{"too many 9.6", []*p4v1.ValueSetMember{member(1, 1), member(2, 1), member(3, 1)}, codes.ResourceExhausted},
		{"duplicate 9.6", []*p4v1.ValueSetMember{member(1, 1), member(1, 1)}, codes.AlreadyExists},
		{"out of range 9.1.1", []*p4v1.ValueSetMember{member(1, 16)}, codes.InvalidArgument},
		{"field missing 9.1.1", []*p4v1.ValueSetMember{{}}, codes.InvalidArgument},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := v.Members(c.in); refusal.Code(err) != c.code {
				t.Errorf("got %v: %v, want %v", refusal.Code(err), err, c.code)
			}
		})
	}
}

// A header stands on the wire as P4 lays it out: field after field, bit after
// bit (section 16.1).
func TestHeader(t *testing.T) {
	h := index(t, program).PacketOut
	metadata := []*p4v1.PacketMetadata{
		{MetadataId: 4, Value: []byte{0xbe, 0xef}},
		{MetadataId: 1, Value: []byte{1, 0x55}},
		{MetadataId: 2, Value: []byte{1}},
		{MetadataId: 3, Value: []byte{0x2a}},
	}
	frame, err := h.Pack([]byte{0xff}, metadata)
	if err != nil {
		t.Fatal(err)
	}
	// 1 0101 0101 | 1 | 10 1010 | 0xbeef
	if want := []byte{0xff, 0b10101010, 0b11101010, 0xbe, 0xef}; !bytes.Equal(frame, want) {
		t.Fatalf("got %x, want %x", frame, want)
	}
	got, payload, err := h.Unpack(append(frame[1:], 1, 2, 3))
	if err != nil {
		t.Fatal(err)
	}
	want := []*p4v1.PacketMetadata{metadata[1], metadata[2], metadata[3], metadata[0]}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !bytes.Equal(payload, []byte{1, 2, 3}) {
		t.Errorf("payload %x", payload)
	}
	if _, _, err := h.Unpack([]byte{1, 2, 3}); err == nil {
		t.Error("a frame shorter than the header was unpacked")
	}
	for _, c := range []struct {
		name string
		in   []*p4v1.PacketMetadata
	}{
		{"field missing 16.1", metadata[:3]},
		{"field twice 16.1", append(metadata[:4:4], metadata[0])},
		{"unknown field 16.1", append(metadata[:4:4], &p4v1.PacketMetadata{MetadataId: 9, Value: []byte{1}})},
		{"out of range 16.1", append(metadata[:3:3], &p4v1.PacketMetadata{MetadataId: 3, Value: []byte{0x40}})},
		{"empty value 16.1", append(metadata[:3:3], &p4v1.PacketMetadata{MetadataId: 3})},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := []byte{1}
			out, err := h.Pack(dst, c.in)
			if refusal.Code(err) != codes.InvalidArgument {
				t.Errorf("got %v", err)
			}
			if !bytes.Equal(out, dst) {
				t.Errorf("destination changed to %x", out)
			}
		})
	}
	t.Run("program without a header 16.1", func(t *testing.T) {
		var none *Header
		if out, err := none.Pack(nil, nil); err != nil || len(out) > 0 {
			t.Error(out, err)
		}
		if _, err := none.Pack(nil, metadata); refusal.Code(err) != codes.InvalidArgument {
			t.Error(err)
		}
	})
}
