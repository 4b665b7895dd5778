package p4rt_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
)

const probeLength = 30 // bytes of a probe frame

// Section 9.1.7: the counter of an entry, as part of it.
func TestCounterOfAnEntry(t *testing.T) {
	f, _ := start(t)
	read := func(want string) {
		t.Helper()
		if diff := cmp.Diff([]*p4v1.Entity{f.entity(exact(1, want))}, f.read(f.entity(exact(1, "counter_data { }"))), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	f.apply(f.insert(exact(1, forward(1))))
	read("counter_data { } " + forward(1))
	f.ports(1, toTables, 1, 0, 0)
	read(fmt.Sprintf("counter_data { packet_count: 1 byte_count: %d } %s", probeLength, forward(1)))
	f.apply(f.modify(exact(1, forward(2)))) // unset: not changed
	read(fmt.Sprintf("counter_data { packet_count: 1 byte_count: %d } %s", probeLength, forward(2)))
	f.apply(f.modify(exact(1, "counter_data { packet_count: 10 byte_count: 20 } "+forward(2))))
	read("counter_data { packet_count: 10 byte_count: 20 } " + forward(2))
	f.apply(f.delete(exact(1, "")), f.insert(exact(1, forward(1))))
	read("counter_data { } " + forward(1))
	f.apply(f.insert(exact(2, "counter_data { packet_count: 5 } "+forward(1))))
	if got := f.read(f.entity(exact(2, ""))); got[0].GetTableEntry().GetCounterData() != nil {
		t.Error("counter_data is there and was not asked for")
	}
	if got := f.read(f.entity(lpm(0, 0, "counter_data { }"))); len(got) != 0 {
		t.Errorf("table without counter: %v", got)
	}
}

// Section 9.3.1.
func TestDirectCounterEntry(t *testing.T) {
	f, _ := start(t)
	f.apply(f.insert(exact(1, forward(1))), f.insert(exact(2, forward(1))), f.insert(lpm(10, 8, forward(1))))
	direct := func(entry, rest string) string { return fmt.Sprintf(`direct_counter_entry { %s %s }`, entry, rest) }
	f.apply(f.modify(direct(exact(1, ""), "data { packet_count: 3 byte_count: 4 }")))
	f.apply(f.modify(direct(exact(1, `action { action { action_id: 1 } }`), ""))) // no data: not modified
	one := f.entity(direct(exact(1, ""), "data { packet_count: 3 byte_count: 4 }"))
	two := f.entity(direct(exact(2, ""), "data { }"))
	for _, c := range []struct {
		name, request string
		want          []*p4v1.Entity
	}{
		{"one entry", direct(exact(1, ""), ""), []*p4v1.Entity{one}},
		{"one table", `direct_counter_entry { table_entry { table_id: $exact_table$ } }`, []*p4v1.Entity{one, two}},
		{"all tables", `direct_counter_entry { table_entry { } }`, []*p4v1.Entity{one, two}},
		{"all tables, table_entry unset", `direct_counter_entry { }`, []*p4v1.Entity{one, two}},
	} {
		if diff := cmp.Diff(c.want, f.read(f.entity(c.request)), protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	for _, c := range []struct {
		name string
		u    *p4v1.Update
		want codes.Code
	}{
		{"INSERT", f.insert(direct(exact(1, ""), "")), codes.InvalidArgument},
		{"DELETE", f.delete(direct(exact(1, ""), "")), codes.InvalidArgument},
		{"no entry", f.modify(direct(exact(9, ""), "data { }")), codes.NotFound},
		{"no table_entry", f.modify(`direct_counter_entry { data { } }`), codes.InvalidArgument},
		{"table without counter", f.modify(direct(lpm(10, 8, ""), "data { }")), codes.InvalidArgument},
		{"negative", f.modify(direct(exact(1, ""), "data { byte_count: -1 }")), codes.InvalidArgument},
		{"default entry", f.modify(`direct_counter_entry { table_entry { table_id: $exact_table$ is_default_action: true } data { } }`), codes.Unimplemented},
	} {
		if got := f.code(c.u); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		name, request string
		want          codes.Code
	}{
		{"no entry", direct(exact(9, ""), ""), codes.NotFound},
		{"table without counter", `direct_counter_entry { table_entry { table_id: $lpm_table$ } }`, codes.InvalidArgument},
		{"all tables with a filter", `direct_counter_entry { table_entry { priority: 3 } }`, codes.InvalidArgument},
		{"default entry", `direct_counter_entry { table_entry { table_id: $exact_table$ is_default_action: true } }`, codes.Unimplemented},
	} {
		if got := f.readCode(f.entity(c.request)); got != c.want {
			t.Errorf("read, %s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func metered(port int) string {
	return fmt.Sprintf(`action { action { action_id: $metered$ params { param_id: 1 value: "\x%02x" } } }`, port)
}

// Section 9.1.7: the meter of an entry, as part of it.
func TestMeterOfAnEntry(t *testing.T) {
	f, _ := start(t)
	const config = `meter_config { cir: 10 cburst: 20 pir: 30 pburst: 40 } `
	read := func(want string) {
		t.Helper()
		if diff := cmp.Diff([]*p4v1.Entity{f.entity(ternary(1, 1, want))}, f.read(f.entity(ternary(1, 1, "meter_config { }"))), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	f.apply(f.insert(ternary(1, 1, metered(1))))
	read(metered(1)) // default: unset
	f.apply(f.modify(ternary(1, 1, config+metered(1))))
	read(config + metered(1))
	if got := f.read(f.entity(ternary(1, 1, ""))); got[0].GetTableEntry().GetMeterConfig() != nil {
		t.Error("meter_config is there and was not asked for")
	}
	f.apply(f.modify(ternary(1, 1, metered(1)))) // unset: back to the default
	read(metered(1))
	for name, c := range map[string]string{
		"eburst 9.4":       `meter_config { cir: 10 pir: 10 eburst: 1 }`,
		"negative":         `meter_config { cir: -1 }`,
		"cir above pir":    `meter_config { cir: 11 pir: 10 }`,
		"cir without pir":  `meter_config { cir: 11 }`,
		"negative pburst":  `meter_config { pburst: -1 }`,
		"negative cburst":  `meter_config { cburst: -1 }`,
		"negative eburst ": `meter_config { eburst: -1 }`,
	} {
		if got := f.code(f.modify(ternary(1, 1, c+metered(1)))); got != codes.InvalidArgument {
			t.Errorf("%s: %v", name, got)
		}
	}
	read(metered(1))
}

// Section 9.4.1.
func TestDirectMeterEntry(t *testing.T) {
	f, _ := start(t)
	f.apply(f.insert(ternary(1, 1, metered(1))), f.insert(exact(1, forward(1))))
	direct := func(entry, rest string) string { return fmt.Sprintf(`direct_meter_entry { %s %s }`, entry, rest) }
	const config = `config { cir: 10 cburst: 20 pir: 30 pburst: 40 }`
	f.apply(f.modify(direct(ternary(1, 1, ""), config)))
	want := []*p4v1.Entity{f.entity(direct(ternary(1, 1, ""), config))}
	for _, request := range []string{
		direct(ternary(1, 1, ""), ""),
		`direct_meter_entry { table_entry { table_id: $ternary_table$ } }`,
		`direct_meter_entry { table_entry { } }`,
	} {
		if diff := cmp.Diff(want, f.read(f.entity(request)), protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", request, diff)
		}
	}
	f.apply(f.modify(direct(ternary(1, 1, ""), ""))) // unset: back to the default
	if diff := cmp.Diff([]*p4v1.Entity{f.entity(direct(ternary(1, 1, ""), ""))}, f.read(f.entity(direct(ternary(1, 1, ""), ""))), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		name string
		u    *p4v1.Update
		want codes.Code
	}{
		{"INSERT", f.insert(direct(ternary(1, 1, ""), config)), codes.InvalidArgument},
		{"DELETE", f.delete(direct(ternary(1, 1, ""), config)), codes.InvalidArgument},
		{"no entry", f.modify(direct(ternary(2, 1, ""), config)), codes.NotFound},
		{"table without meter", f.modify(direct(exact(1, ""), config)), codes.InvalidArgument},
		{"meter counters", f.modify(direct(ternary(1, 1, ""), "counter_data { }")), codes.Unimplemented},
		{"eburst", f.modify(direct(ternary(1, 1, ""), "config { eburst: 1 }")), codes.InvalidArgument},
	} {
		if got := f.code(c.u); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	if got := f.readCode(f.entity(direct(ternary(2, 1, ""), ""))); got != codes.NotFound {
		t.Errorf("read, no entry: %v", got)
	}
	if got := f.readCode(f.entity(direct(ternary(1, 1, ""), "counter_data { }"))); got != codes.Unimplemented {
		t.Errorf("read, meter counters: %v", got)
	}
}
