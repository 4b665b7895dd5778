package p4rt_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
)

// Entries of the test program, by text.

func forward(port int) string {
	return fmt.Sprintf(`action { action { action_id: $forward$ params { param_id: 1 value: "\x%02x" } } }`, port)
}

func exact(arg int, rest string) string {
	return fmt.Sprintf(`table_entry { table_id: $exact_table$ match { field_id: 1 exact { value: "\x%02x" } } %s }`, arg, rest)
}

func lpm(first, length int, rest string) string {
	if length == 0 {
		return fmt.Sprintf(`table_entry { table_id: $lpm_table$ %s }`, rest)
	}
	return fmt.Sprintf(`table_entry { table_id: $lpm_table$ match { field_id: 1 lpm { value: "\x%02x\x00\x00\x00" prefix_len: %d } } %s }`, first, length, rest)
}

// ternary matches probes of the ternary table with an address that begins with
// a byte.
func ternary(first, priority int, rest string) string {
	return fmt.Sprintf(`table_entry { table_id: $ternary_table$ match { field_id: 1 exact { value: "\x7e\x57" } }
		match { field_id: 2 ternary { value: "\x%02x\x00\x00\x00" mask: "\xff\x00\x00\x00" } } priority: %d %s }`, first, priority, rest)
}

const ternaryArg = 0x7e57

// constEntries is how many entries the program brings.
const constEntries = 3 + 2 + 3

// Section 9.1 and 9.1.2: what a write of a table entry is refused for.
func TestTableEntryRefusals(t *testing.T) {
	f, _ := start(t)
	f.apply(f.insert(exact(1, forward(1))), f.insert(lpm(10, 8, forward(1))))
	for _, c := range []struct {
		name string
		u    *p4v1.Update
		want codes.Code
	}{
		{"INSERT existing 12", f.insert(exact(1, forward(2))), codes.AlreadyExists},
		{"MODIFY missing 12", f.modify(exact(9, forward(2))), codes.NotFound},
		{"DELETE missing 12", f.delete(exact(9, "")), codes.NotFound},
		{"update type unset 12", &p4v1.Update{Entity: f.entity(exact(2, forward(1)))}, codes.InvalidArgument},
		{"no entity 12", &p4v1.Update{Type: p4v1.Update_INSERT, Entity: &p4v1.Entity{}}, codes.InvalidArgument},
		{"nil entity 12", &p4v1.Update{Type: p4v1.Update_INSERT}, codes.InvalidArgument},
		{"table 0 8.1.1", f.insert(`table_entry { ` + forward(1) + `}`), codes.InvalidArgument},
		{"unknown table 9.1", f.insert(`table_entry { table_id: 0x02ffffff }`), codes.InvalidArgument},
		{"id of another kind 9.1", f.insert(`table_entry { table_id: $forward$ }`), codes.InvalidArgument},
		{"keyless table 9.1", f.insert(`table_entry { table_id: $keyless_table$ ` + forward(1) + `}`), codes.InvalidArgument},
		{"INSERT without action 9.1.2", f.insert(exact(2, "")), codes.InvalidArgument},
		{"is_const 9.1", f.insert(exact(2, "is_const: true "+forward(1))), codes.InvalidArgument},
		{"is_const in MODIFY 9.1", f.modify(exact(1, "is_const: true "+forward(1))), codes.InvalidArgument},
		{"is_const in DELETE 9.1", f.delete(exact(1, "is_const: true")), codes.InvalidArgument},
		{"priority in an exact table 9.1", f.insert(exact(2, "priority: 1 "+forward(1))), codes.InvalidArgument},
		{"no priority in a ternary table 9.1", f.insert(ternary(1, 0, forward(1))), codes.InvalidArgument},
		{"action of another table 9.1.2", f.insert(exact(2, `action { action { action_id: $metered$ params { param_id: 1 value: "\x01" } } }`)), codes.InvalidArgument},
		{"default only action 9.1.2", f.insert(exact(2, `action { action { action_id: $NoAction$ } }`)), codes.PermissionDenied},
		{"member in a direct table 9.1.2", f.insert(exact(2, `action { action_profile_member_id: 1 }`)), codes.InvalidArgument},
		{"group in a direct table 9.1.2", f.insert(exact(2, `action { action_profile_group_id: 1 }`)), codes.InvalidArgument},
		{"action set in a direct table 9.1.2", f.insert(exact(2, `action { action_profile_action_set { } }`)), codes.InvalidArgument},
		{"action in an indirect table 9.1.2", f.insert(`table_entry { table_id: $profile_table$ match { field_id: 1 exact { value: "\x01" } } ` + forward(1) + `}`), codes.InvalidArgument},
		{"group in a table without selector 9.1.2", f.insert(`table_entry { table_id: $profile_table$ match { field_id: 1 exact { value: "\x01" } } action { action_profile_group_id: 1 } }`), codes.InvalidArgument},
		{"unknown member 9.1.2", f.insert(`table_entry { table_id: $profile_table$ match { field_id: 1 exact { value: "\x01" } } action { action_profile_member_id: 1 } }`), codes.NotFound},
		{"unknown group 9.1.2", f.insert(`table_entry { table_id: $selector_table$ match { field_id: 1 exact { value: "\x01" } } action { action_profile_group_id: 1 } }`), codes.NotFound},
		{"meter config without meter 9.1.7", f.insert(exact(2, "meter_config { } "+forward(1))), codes.InvalidArgument},
		{"counter data without counter 9.1.7", f.insert(lpm(11, 8, "counter_data { } "+forward(1))), codes.InvalidArgument},
		{"negative counter 9.3", f.insert(exact(2, "counter_data { packet_count: -1 } "+forward(1))), codes.InvalidArgument},
		{"meter counters 9.4.3", f.insert(ternary(1, 1, "meter_counter_data { } "+forward(1))), codes.Unimplemented},
		{"meter counters without meter 9.1.7", f.insert(exact(2, "meter_counter_data { } "+forward(1))), codes.InvalidArgument},
		{"idle timeout not supported 9.1.8", f.insert(lpm(11, 8, "idle_timeout_ns: 5 "+forward(1))), codes.InvalidArgument},
		{"idle timeout negative 9.1.8", f.insert(exact(2, "idle_timeout_ns: -5 "+forward(1))), codes.InvalidArgument},
		{"time since last hit in a write 9.1.8", f.insert(exact(2, "time_since_last_hit { } "+forward(1))), codes.InvalidArgument},
		{"extern entry 9.9", f.insert(`extern_entry { extern_type_id: 0x81 }`), codes.Unimplemented},
	} {
		if got := f.code(c.u); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	if got := f.read(f.entity(`table_entry { }`)); len(got) != 2+constEntries {
		t.Errorf("a refused update left something: %v", got)
	}
}

// Section 9.1: a table takes as many entries as P4Info says.
func TestTableFull(t *testing.T) {
	f, _ := start(t)
	for i := range 4 {
		f.apply(f.insert(lpm(i+1, 8, forward(1))))
	}
	if got := f.code(f.insert(lpm(9, 8, forward(1)))); got != codes.ResourceExhausted {
		t.Errorf("got %v", got)
	}
	f.apply(f.delete(lpm(1, 8, "")))
	f.apply(f.insert(lpm(9, 8, forward(1))))
}

// Section 9.1: DELETE looks at the key only.
func TestDeleteIgnoresAllButTheKey(t *testing.T) {
	f, _ := start(t)
	f.apply(f.insert(exact(1, forward(1))))
	f.apply(f.delete(exact(1, `action { action { action_id: 5 } } idle_timeout_ns: -1 meter_config { cir: -1 } meter_counter_data { } metadata: "x"`)))
	if got := f.ports(1, toTables, 1, 0, 0); len(got) != 0 {
		t.Errorf("ports %v", got)
	}
}

// Section 8.2: what is written is read, in canonical form, and nothing else.
func TestReadWriteSymmetry(t *testing.T) {
	f, _ := start(t)
	for _, text := range []string{
		exact(1, `metadata: "cookie" controller_metadata: 7 idle_timeout_ns: 123456789 `+forward(1)),
		exact(2, `action { action { action_id: $rewrite$ params { param_id: 1 value: "\x01\x00" } params { param_id: 2 value: "\x02\x00\x00\x00\x00\x07" } } }`),
		exact(3, `action { action { action_id: $drop$ } }`),
		lpm(10, 8, forward(1)),
		lpm(0, 0, forward(2)),
		ternary(10, 5, forward(3)),
		`table_entry { table_id: $ternary_table$ match { field_id: 1 exact { value: "\x00" } } match { field_id: 3 optional { value: "\x01\x00" } } priority: 2147483647 ` + forward(4) + `}`,
		`table_entry { table_id: $range_table$ match { field_id: 1 range { low: "\x05" high: "\x01\x00" } } priority: 1 ` + forward(5) + `}`,
		`table_entry { table_id: $range_table$ priority: 2 ` + forward(6) + `}`,
	} {
		f.apply(f.insert(text))
		want := f.entity(text)
		got := f.read(&p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{
			TableId: want.GetTableEntry().GetTableId(), Match: want.GetTableEntry().GetMatch(), Priority: want.GetTableEntry().GetPriority()}}})
		if len(want.GetTableEntry().GetMatch()) == 0 && want.GetTableEntry().GetPriority() == 0 {
			// Don't care in all fields reads as a wildcard (section 9.1.6).
			got = slices.DeleteFunc(got, func(e *p4v1.Entity) bool { return len(e.GetTableEntry().GetMatch()) > 0 })
		}
		if diff := cmp.Diff([]*p4v1.Entity{want}, got, protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// Section 8.3: padded numbers name the same entry, and come back short.
func TestPaddedBytestrings(t *testing.T) {
	f, _ := start(t)
	f.apply(f.insert(`table_entry { table_id: $exact_table$ match { field_id: 1 exact { value: "\x00\x00\x00\x01" } }
		action { action { action_id: $forward$ params { param_id: 1 value: "\x00\x00\x05" } } } }`))
	if got := f.code(f.insert(exact(1, forward(5)))); got != codes.AlreadyExists {
		t.Errorf("short form: %v", got)
	}
	if diff := cmp.Diff([]*p4v1.Entity{f.entity(exact(1, forward(5)))}, f.read(f.entity(exact(1, ""))), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := f.ports(1, toTables, 1, 0, 0); !slices.Equal(got, []uint32{5}) {
		t.Errorf("ports %v", got)
	}
}

// Section 12: MODIFY is the full new state; an unset action stays.
func TestModify(t *testing.T) {
	f, _ := start(t)
	f.apply(f.insert(exact(1, `metadata: "a" idle_timeout_ns: 5 counter_data { packet_count: 3 byte_count: 4 } `+forward(1))))
	f.apply(f.modify(exact(1, `metadata: "b"`)))
	counted := f.read(f.entity(exact(1, `counter_data { }`)))
	want := f.entity(exact(1, `metadata: "b" counter_data { packet_count: 3 byte_count: 4 } `+forward(1)))
	if diff := cmp.Diff([]*p4v1.Entity{want}, counted, protocmp.Transform()); diff != "" {
		t.Errorf("action unset (-want +got):\n%s", diff)
	}
	f.apply(f.modify(exact(1, forward(2))))
	if diff := cmp.Diff([]*p4v1.Entity{f.entity(exact(1, forward(2)))}, f.read(f.entity(exact(1, ""))), protocmp.Transform()); diff != "" {
		t.Errorf("action set (-want +got):\n%s", diff)
	}
	if got := f.ports(1, toTables, 1, 0, 0); !slices.Equal(got, []uint32{2}) {
		t.Errorf("ports %v", got)
	}
}

// Clients of bmv2 read an entry by what they wrote, actions and all.
func TestReadByWhatWasWritten(t *testing.T) {
	f, _ := start(t)
	f.apply(f.insert(member("ways", 1, forwardAction(1))))
	for _, text := range []string{
		exact(1, `metadata: "m" `+forward(1)),
		ternary(10, 5, metered(1)),
		indirect("profile_table", 5, `action { action_profile_member_id: 1 }`),
		indirect("selector_table", 5, oneShot(shot(1, 1))),
	} {
		f.apply(f.insert(text))
		if diff := cmp.Diff([]*p4v1.Entity{f.entity(text)}, f.read(f.entity(text)), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// Section 9.1: the higher number wins, which is the other way round in bmv2.
func TestPriority(t *testing.T) {
	f, _ := start(t)
	f.apply(
		f.insert(ternary(10, 5, forward(1))),
		f.insert(`table_entry { table_id: $ternary_table$ match { field_id: 1 exact { value: "\x7e\x57" } } priority: 4 `+forward(2)+`}`),
		f.insert(`table_entry { table_id: $ternary_table$ match { field_id: 1 exact { value: "\x7e\x57" } } match { field_id: 3 optional { value: "\x03" } } priority: 6 `+forward(3)+`}`),
	)
	for _, c := range []struct {
		addr uint32
		tag  uint16
		want uint32
	}{{0x0a000001, 1, 1}, {0x0b000001, 1, 2}, {0x0a000001, 3, 3}} {
		if got := f.ports(1, toTables, ternaryArg, c.addr, c.tag); !slices.Equal(got, []uint32{c.want}) {
			t.Errorf("address %#x, tag %d: ports %v, want %d", c.addr, c.tag, got, c.want)
		}
	}
	// The same match at another priority is another entry.
	f.apply(f.insert(ternary(10, 7, forward(9))))
	if got := f.ports(1, toTables, ternaryArg, 0x0a000001, 1); !slices.Equal(got, []uint32{9}) {
		t.Errorf("ports %v", got)
	}
}

// Section 9.1.3.
func TestDefaultEntry(t *testing.T) {
	f, _ := start(t)
	def := func(table, rest string) string {
		return fmt.Sprintf(`table_entry { table_id: $%s$ is_default_action: true %s }`, table, rest)
	}
	for _, c := range []struct {
		name string
		u    *p4v1.Update
		want codes.Code
	}{
		{"INSERT", f.insert(def("lpm_table", forward(1))), codes.InvalidArgument},
		{"DELETE", f.delete(def("lpm_table", "")), codes.InvalidArgument},
		{"with match", f.modify(def("lpm_table", `match { field_id: 1 lpm { value: "\x01" prefix_len: 32 } } `+forward(1))), codes.InvalidArgument},
		{"with priority", f.modify(def("lpm_table", "priority: 1 "+forward(1))), codes.InvalidArgument},
		{"with idle timeout", f.modify(def("exact_table", "idle_timeout_ns: 1 "+forward(1))), codes.InvalidArgument},
		{"with time since last hit", f.modify(def("exact_table", "time_since_last_hit { } "+forward(1))), codes.InvalidArgument},
		{"const default", f.modify(def("exact_table", forward(1))), codes.PermissionDenied},
		{"const default, reset", f.modify(def("exact_table", "")), codes.PermissionDenied},
		{"table only action", f.modify(def("exact_table", `action { action { action_id: $drop$ } }`)), codes.PermissionDenied},
		{"indirect table", f.modify(def("profile_table", `action { action_profile_member_id: 1 }`)), codes.PermissionDenied},
		{"member in a direct table", f.modify(def("lpm_table", `action { action_profile_member_id: 1 }`)), codes.InvalidArgument},
		{"meter of the default entry", f.modify(def("ternary_table", "meter_config { cir: 1 pir: 1 } "+forward(1))), codes.Unimplemented},
	} {
		if got := f.code(c.u); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	read := func() *p4v1.TableEntry {
		t.Helper()
		got := f.read(f.entity(def("lpm_table", "")))
		if len(got) != 1 {
			t.Fatalf("read %v", got)
		}
		return got[0].GetTableEntry()
	}
	original := f.entity(def("lpm_table", `action { action { action_id: $NoAction$ } }`)).GetTableEntry()
	if diff := cmp.Diff(original, read(), protocmp.Transform()); diff != "" {
		t.Errorf("original (-want +got):\n%s", diff)
	}
	f.apply(f.modify(def("lpm_table", `metadata: "m" `+forward(4))))
	if diff := cmp.Diff(f.entity(def("lpm_table", `metadata: "m" `+forward(4))).GetTableEntry(), read(), protocmp.Transform()); diff != "" {
		t.Errorf("modified (-want +got):\n%s", diff)
	}
	if got := f.ports(1, toTables, 1, 1, 1); !slices.Equal(got, []uint32{4}) {
		t.Errorf("ports %v", got)
	}
	f.apply(f.modify(def("lpm_table", `metadata: "ignored by a reset"`)))
	if diff := cmp.Diff(original, read(), protocmp.Transform()); diff != "" {
		t.Errorf("reset (-want +got):\n%s", diff)
	}
	if got := f.ports(1, toTables, 1, 1, 1); len(got) != 0 {
		t.Errorf("ports %v", got)
	}
	// A keyless table has nothing but its default entry.
	f.apply(f.modify(def("keyless_table", forward(8))))
	if got := f.ports(1, toTables, 1, 1, 1); !slices.Equal(got, []uint32{8}) {
		t.Errorf("ports %v", got)
	}
	for _, table := range []string{"profile_table", "selector_table"} {
		want := []*p4v1.Entity{f.entity(def(table, `action { action { action_id: $NoAction$ } } is_const: true`))}
		if diff := cmp.Diff(want, f.read(f.entity(def(table, ""))), protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", table, diff)
		}
	}
	if e := f.read(f.entity(def("exact_table", ""))); len(e) != 1 || !e[0].GetTableEntry().GetIsConst() {
		t.Errorf("the const default entry is not const: %v", e)
	}
}

// Section 9.1.4.
func TestConstTable(t *testing.T) {
	f, _ := start(t)
	const key = `table_id: $const_table$ match { field_id: 1 ternary { value: "\xc0\x01" mask: "\xff\xff" } } priority: 3 `
	for _, c := range []struct {
		name string
		u    *p4v1.Update
		want codes.Code
	}{
		{"INSERT", f.insert(`table_entry { table_id: $const_table$ priority: 9 ` + forward(1) + `}`), codes.PermissionDenied},
		{"DELETE", f.delete(`table_entry { ` + key + `}`), codes.PermissionDenied},
		{"MODIFY", f.modify(`table_entry { ` + key + forward(1) + `}`), codes.PermissionDenied},
		{"MODIFY of nothing", f.modify(`table_entry { ` + key + `}`), codes.PermissionDenied},
		{"MODIFY of metadata", f.modify(`table_entry { ` + key + `metadata: "m" }`), codes.PermissionDenied},
	} {
		if got := f.code(c.u); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	f.apply(f.modify(`table_entry { table_id: $const_table$ is_default_action: true ` + forward(6) + `}`))
	want := []*p4v1.Entity{
		f.entity(`table_entry { ` + key + forward(1) + ` is_const: true }`),
		f.entity(`table_entry { table_id: $const_table$ match { field_id: 1 ternary { value: "\xc0\x00" mask: "\xff\x00" } }
			match { field_id: 2 ternary { value: "\x0a\x00\x00\x00" mask: "\xff\x00\x00\x00" } } priority: 2 is_const: true ` + forward(2) + `}`),
		f.entity(`table_entry { table_id: $const_table$ match { field_id: 1 ternary { value: "\xc0\x03" mask: "\xff\xff" } } priority: 1 is_const: true ` + forward(3) + `}`),
	}
	if diff := cmp.Diff(want, f.read(f.entity(`table_entry { table_id: $const_table$ }`)), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for arg, want := range map[uint16]uint32{0xc001: 1, 0xc002: 2, 0xc003: 2, 0xd000: 6} {
		if got := f.ports(1, toTables, arg, 0x0a000000, 0); !slices.Equal(got, []uint32{want}) {
			t.Errorf("%#x: ports %v, want %d", arg, got, want)
		}
	}
}

// Section 9.1.4: entries of the program with every match type, "don't care"
// among them.
func TestConstEntries(t *testing.T) {
	f, _ := start(t)
	want := []*p4v1.Entity{
		f.entity(`table_entry { table_id: $const_lpm_table$ match { field_id: 1 exact { value: "\x01" } } match { field_id: 2 lpm { value: "\x0b\x00\x00\x00" prefix_len: 8 } } is_const: true ` + forward(11) + `}`),
		f.entity(`table_entry { table_id: $const_lpm_table$ match { field_id: 1 exact { value: "\x02" } } is_const: true ` + forward(12) + `}`),
		f.entity(`table_entry { table_id: $const_range_table$ match { field_id: 1 range { low: "\x0a" high: "\x14" } } match { field_id: 2 optional { value: "\xc0\xde" } } priority: 3 is_const: true ` + forward(13) + `}`),
		f.entity(`table_entry { table_id: $const_range_table$ match { field_id: 1 range { low: "\x1e" high: "\x1e" } } priority: 2 is_const: true ` + forward(14) + `}`),
		f.entity(`table_entry { table_id: $const_range_table$ match { field_id: 2 optional { value: "\xc0\xdf" } } priority: 1 is_const: true ` + forward(15) + `}`),
	}
	got := f.read(f.entity(`table_entry { table_id: $const_lpm_table$ }`), f.entity(`table_entry { table_id: $const_range_table$ }`))
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		arg  uint16
		addr uint32
		tag  uint16
		want uint32
	}{{0, 0x0b000001, 1, 11}, {0, 7, 2, 12}, {0xc0de, 0, 15, 13}, {0, 0, 30, 14}, {0xc0df, 0, 99, 15}} {
		if got := f.ports(9, toTables, c.arg, c.addr, c.tag); !slices.Equal(got, []uint32{c.want}) {
			t.Errorf("%+v: ports %v", c, got)
		}
	}
}

// Section 9.1.6: every filter of a read.
func TestTableFilters(t *testing.T) {
	f, _ := start(t)
	a := exact(1, `metadata: "a" controller_metadata: 1 `+forward(1))
	b := exact(2, `metadata: "b" controller_metadata: 2 action { action { action_id: $drop$ } }`)
	c := lpm(10, 8, forward(1))
	d := ternary(10, 5, forward(1))
	e := ternary(10, 6, forward(1))
	g := ternary(11, 5, `metadata: "a" `+forward(1))
	f.apply(f.insert(a), f.insert(b), f.insert(c), f.insert(d), f.insert(e), f.insert(g))
	for _, x := range []struct {
		name, request string
		want          []string
	}{
		{"one table", `table_entry { table_id: $exact_table$ }`, []string{a, b}},
		{"match", exact(2, ""), []string{b}},
		{"match of nothing", exact(3, ""), nil},
		{"match and priority", ternary(10, 6, ""), []string{e}},
		{"match of any priority", ternary(10, 0, ""), []string{d, e}},
		{"priority", `table_entry { table_id: $ternary_table$ priority: 5 }`, []string{d, g}},
		{"action", `table_entry { table_id: $exact_table$ action { action { action_id: $drop$ } } }`, []string{b}},
		{"metadata", `table_entry { table_id: $exact_table$ metadata: "a" }`, []string{a}},
		{"controller metadata", `table_entry { table_id: $exact_table$ controller_metadata: 2 }`, []string{b}},
		{"all of them", `table_entry { table_id: $ternary_table$ priority: 5 metadata: "a" action { action { action_id: $forward$ } } }`, []string{g}},
		{"match and metadata that differ", exact(2, `metadata: "a"`), nil},
	} {
		var want []*p4v1.Entity
		for _, text := range x.want {
			want = append(want, f.entity(text))
		}
		if diff := cmp.Diff(want, f.read(f.entity(x.request)), protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", x.name, diff)
		}
	}
	if got := f.read(f.entity(`table_entry { }`)); len(got) != 6+constEntries {
		t.Errorf("all tables: %d entries", len(got))
	}
	for _, x := range []struct {
		name, request string
		want          codes.Code
	}{
		{"all tables with a filter", `table_entry { priority: 1 }`, codes.InvalidArgument},
		{"all tables with metadata", `table_entry { metadata: "a" }`, codes.InvalidArgument},
		{"all default entries", `table_entry { is_default_action: true }`, codes.InvalidArgument},
		{"unknown table", `table_entry { table_id: 0x02ffffff }`, codes.InvalidArgument},
		{"bad match", `table_entry { table_id: $exact_table$ match { field_id: 9 } }`, codes.InvalidArgument},
		{"member as a filter", `table_entry { table_id: $profile_table$ action { action_profile_member_id: 1 } }`, codes.InvalidArgument},
		{"action of another table", `table_entry { table_id: $exact_table$ action { action { action_id: $metered$ } } }`, codes.InvalidArgument},
		{"default entry with a match", exact(1, "is_default_action: true"), codes.InvalidArgument},
		{"time since last hit, not supported", `table_entry { table_id: $lpm_table$ time_since_last_hit { } }`, codes.InvalidArgument},
		{"time since last hit of a default entry", `table_entry { table_id: $exact_table$ is_default_action: true time_since_last_hit { } }`, codes.InvalidArgument},
		{"meter counters", `table_entry { table_id: $ternary_table$ meter_counter_data { } }`, codes.Unimplemented},
	} {
		if got := f.readCode(f.entity(x.request)); got != x.want {
			t.Errorf("%s: got %v, want %v", x.name, got, x.want)
		}
	}
	if got := f.readCode(&p4v1.Entity{}); got != codes.InvalidArgument {
		t.Errorf("empty entity: %v", got)
	}
}
