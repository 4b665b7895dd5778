package p4rt_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
)

// array is a kind of entity that is an array of cells.
type array struct {
	kind, id, name, value string // value is a field of the entity
	zero                  string // the value that cells begin with
}

var arrays = []array{
	{"counter_entry", "counter_id", "port_counter", `data { packet_count: 3 byte_count: 4 }`, `data { }`},
	{"meter_entry", "meter_id", "port_meter", `config { cir: 1 cburst: 2 pir: 3 pburst: 4 }`, ``},
	{"register_entry", "register_id", "cells", `data { bitstring: "\x01\x00" }`, `data { bitstring: "\x00" }`},
}

func (a array) entry(index, rest string) string {
	if index != "" {
		index = "index { index: " + index + " }"
	}
	return fmt.Sprintf(`%s { %s: $%s$ %s %s }`, a.kind, a.id, a.name, index, rest)
}

// Sections 9.3.2, 9.4.2 and 9.7: cells are only modified, one or all, and read
// one, by array, or altogether.
func TestArrays(t *testing.T) {
	for _, a := range arrays {
		t.Run(a.name, func(t *testing.T) {
			f, _ := start(t)
			expect := func(what, request string, values ...string) {
				t.Helper()
				var want []*p4v1.Entity
				for i, v := range values {
					want = append(want, f.entity(a.entry(fmt.Sprint(i), v)))
				}
				if diff := cmp.Diff(want, f.read(f.entity(request)), protocmp.Transform()); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
			z, v := a.zero, a.value
			expect("at first", a.entry("", ""), z, z, z, z)
			f.apply(f.modify(a.entry("1", v)))
			expect("one written", a.entry("", ""), z, v, z, z)
			expect("all arrays", a.kind+" { }", z, v, z, z)
			if diff := cmp.Diff([]*p4v1.Entity{f.entity(a.entry("1", v))}, f.read(f.entity(a.entry("1", ""))), protocmp.Transform()); diff != "" {
				t.Errorf("one read (-want +got):\n%s", diff)
			}
			f.apply(f.modify(a.entry("", v)))
			expect("all written", a.entry("", ""), v, v, v, v)

			for _, c := range []struct {
				name string
				u    *p4v1.Update
				want codes.Code
			}{
				{"INSERT", f.insert(a.entry("1", v)), codes.InvalidArgument},
				{"DELETE", f.delete(a.entry("1", v)), codes.InvalidArgument},
				{"negative index", f.modify(a.entry("-1", v)), codes.InvalidArgument},
				{"index beyond the array", f.modify(a.entry("4", v)), codes.OutOfRange},
				{"id 0", f.modify(a.kind + ` { ` + v + ` }`), codes.InvalidArgument},
				{"unknown id", f.modify(fmt.Sprintf(`%s { %s: 1 %s }`, a.kind, a.id, v)), codes.InvalidArgument},
			} {
				if got := f.code(c.u); got != c.want {
					t.Errorf("%s: got %v, want %v", c.name, got, c.want)
				}
			}
			for request, want := range map[string]codes.Code{
				a.entry("-1", ""):                                codes.InvalidArgument,
				a.entry("4", ""):                                 codes.OutOfRange,
				fmt.Sprintf(`%s { %s: 1 }`, a.kind, a.id):        codes.InvalidArgument,
				fmt.Sprintf(`%s { index { index: 1 } }`, a.kind): codes.InvalidArgument,
			} {
				if got := f.readCode(f.entity(request)); got != want {
					t.Errorf("read %s: got %v, want %v", request, got, want)
				}
			}
		})
	}
}

func TestCounterData(t *testing.T) {
	f, _ := start(t)
	a := arrays[0]
	f.ports(2, toTables, 1, 0, 0) // counts in cell 2
	f.apply(f.modify(a.entry("2", "")))
	want := f.entity(a.entry("2", fmt.Sprintf("data { packet_count: 1 byte_count: %d }", probeLength)))
	if diff := cmp.Diff([]*p4v1.Entity{want}, f.read(f.entity(a.entry("2", ""))), protocmp.Transform()); diff != "" {
		t.Errorf("data unset changed the value (-want +got):\n%s", diff)
	}
	if got := f.code(f.modify(a.entry("2", "data { packet_count: -1 }"))); got != codes.InvalidArgument {
		t.Errorf("negative: %v", got)
	}
	if got := f.code(f.modify(`counter_entry { counter_id: $exact_counter$ index { index: 0 } data { } }`)); got != codes.InvalidArgument {
		t.Errorf("direct counter as an array: %v", got)
	}
}

// A counter tells what it counts (CounterSpec.unit), whatever was written to it.
func TestCounterUnits(t *testing.T) {
	for unit, want := range map[p4configv1.CounterSpec_Unit]string{
		p4configv1.CounterSpec_PACKETS: "data { packet_count: 3 }",
		p4configv1.CounterSpec_BYTES:   "data { byte_count: 4 }",
		p4configv1.CounterSpec_BOTH:    "data { packet_count: 3 byte_count: 4 }",
	} {
		f, _ := start(t)
		config := entitiesConfig(t)
		for _, c := range config.GetP4Info().GetCounters() {
			c.Spec.Unit = unit
		}
		for _, c := range config.GetP4Info().GetDirectCounters() {
			c.Spec.Unit = unit
		}
		if err := f.setConfig(p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, config); err != nil {
			t.Fatal(err)
		}
		const both = "data { packet_count: 3 byte_count: 4 }"
		a := arrays[0]
		direct := fmt.Sprintf("direct_counter_entry { %s ", exact(1, ""))
		f.apply(f.insert(exact(1, forward(1))))
		f.apply(f.modify(a.entry("2", both)), f.modify(direct+both+"}"))
		got := append(f.read(f.entity(a.entry("2", ""))), f.read(f.entity(direct+"}"))...)
		if diff := cmp.Diff([]*p4v1.Entity{f.entity(a.entry("2", want)), f.entity(direct + want + "}")}, got, protocmp.Transform()); diff != "" {
			t.Errorf("%v (-want +got):\n%s", unit, diff)
		}
	}
}

func TestMeterConfig(t *testing.T) {
	f, _ := start(t)
	a := arrays[1]
	f.apply(f.modify(a.entry("1", a.value)))
	f.apply(f.modify(a.entry("1", "")))
	if got := f.read(f.entity(a.entry("1", ""))); got[0].GetMeterEntry().GetConfig() != nil {
		t.Errorf("config unset did not reset: %v", got)
	}
	for name, c := range map[string]struct {
		config string
		want   codes.Code
	}{
		"eburst of a two rate meter 9.4": {`config { cir: 1 pir: 1 eburst: 1 }`, codes.InvalidArgument},
		"cir above pir":                  {`config { cir: 2 pir: 1 }`, codes.InvalidArgument},
		"counters of colours 9.4.3":      {`counter_data { }`, codes.Unimplemented},
	} {
		if got := f.code(f.modify(a.entry("1", c.config))); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	if got := f.readCode(f.entity(a.entry("1", "counter_data { }"))); got != codes.Unimplemented {
		t.Errorf("read with counters of colours: %v", got)
	}
	if got := f.code(f.modify(`meter_entry { meter_id: $ternary_meter$ }`)); got != codes.InvalidArgument {
		t.Errorf("direct meter as an array: %v", got)
	}
}

// Section 9.4: what the type of a meter asks of its configuration.
func TestMeterTypes(t *testing.T) {
	f, _ := start(t)
	set := func(kind p4configv1.MeterSpec_Type) {
		config := entitiesConfig(t)
		config.P4Info.Meters[0].Spec.Type = kind
		if err := f.setConfig(commitNow, config); err != nil {
			t.Fatal(err)
		}
	}
	one := `config { cir: 5 cburst: 6 pir: 5 pburst: 6 %s }`
	for _, c := range []struct {
		kind   p4configv1.MeterSpec_Type
		config string
		want   codes.Code
	}{
		{p4configv1.MeterSpec_SINGLE_RATE_TWO_COLOR, fmt.Sprintf(one, ""), codes.OK},
		{p4configv1.MeterSpec_SINGLE_RATE_TWO_COLOR, fmt.Sprintf(one, "eburst: 1"), codes.InvalidArgument},
		{p4configv1.MeterSpec_SINGLE_RATE_TWO_COLOR, `config { cir: 5 pir: 6 }`, codes.InvalidArgument},
		{p4configv1.MeterSpec_SINGLE_RATE_THREE_COLOR, fmt.Sprintf(one, ""), codes.OK},
		{p4configv1.MeterSpec_SINGLE_RATE_THREE_COLOR, `config { cir: 5 cburst: 1 pir: 5 pburst: 2 }`, codes.InvalidArgument},
		{p4configv1.MeterSpec_SINGLE_RATE_THREE_COLOR, fmt.Sprintf(one, "eburst: 1"), codes.Unimplemented},
		{p4configv1.MeterSpec_TWO_RATE_THREE_COLOR, fmt.Sprintf(one, ""), codes.OK},
	} {
		set(c.kind)
		if got := f.code(f.modify(arrays[1].entry("1", c.config))); got != c.want {
			t.Errorf("%v, %s: got %v, want %v", c.kind, c.config, got, c.want)
		}
	}
}

func TestRegisterData(t *testing.T) {
	f, _ := start(t)
	a := arrays[2]
	f.apply(f.modify(a.entry("3", `data { bitstring: "\x00\x00\x07" }`)))
	if got := f.ports(5, toRegister, 3, 0, 0); !slices.Equal(got, []uint32{5}) {
		t.Fatalf("ports %v", got)
	}
	want := f.entity(a.entry("3", `data { bitstring: "\x08" }`))
	if diff := cmp.Diff([]*p4v1.Entity{want}, f.read(f.entity(a.entry("3", ""))), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, c := range map[string]struct {
		data string
		want codes.Code
	}{
		"no data 9.7":            {``, codes.InvalidArgument},
		"another type 9.7":       {`data { bool: true }`, codes.InvalidArgument},
		"value out of range 8.3": {`data { bitstring: "\x01\x00\x00\x00\x00" }`, codes.OutOfRange},
		"empty bytestring 8.3":   {`data { bitstring: "" }`, codes.OutOfRange},
	} {
		if got := f.code(f.modify(a.entry("1", c.data))); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// Section 9.6.
func TestValueSet(t *testing.T) {
	f, _ := start(t)
	set := func(members string) string {
		return fmt.Sprintf(`value_set_entry { value_set_id: $probe_types$ %s }`, members)
	}
	const vlan = `members { match { field_id: 1 exact { value: "\x91\x00" } } }`
	const other = `members { match { field_id: 1 exact { value: "\x07" } } }`
	f.apply(f.insert(exact(1, forward(1))))
	frame := probe(toTables, 1, 0, 0)
	frame[12], frame[13] = 0x91, 0x00
	passes := func() bool {
		f.frames()
		f.server.Process(1, frame)
		return len(f.frames()) == 1
	}
	if passes() {
		t.Error("an empty value set matched")
	}
	f.apply(f.modify(set(vlan + other)))
	if !passes() {
		t.Error("a member did not match")
	}
	for _, request := range []string{set(""), `value_set_entry { }`} {
		if diff := cmp.Diff([]*p4v1.Entity{f.entity(set(vlan + other))}, f.read(f.entity(request)), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for _, c := range []struct {
		name string
		u    *p4v1.Update
		want codes.Code
	}{
		{"INSERT", f.insert(set(vlan)), codes.InvalidArgument},
		{"DELETE", f.delete(set("")), codes.InvalidArgument},
		{"duplicate member", f.modify(set(vlan + vlan)), codes.AlreadyExists},
		{"too many members", f.modify(set(vlan + other + vlan + vlan + vlan)), codes.ResourceExhausted},
		{"unknown field", f.modify(set(`members { match { field_id: 2 exact { value: "\x07" } } }`)), codes.InvalidArgument},
		{"other match type", f.modify(set(`members { match { field_id: 1 lpm { value: "\x07" prefix_len: 16 } } }`)), codes.InvalidArgument},
		{"id 0", f.modify(`value_set_entry { }`), codes.InvalidArgument},
	} {
		if got := f.code(c.u); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	if got := f.readCode(f.entity(set(vlan))); got != codes.InvalidArgument {
		t.Errorf("read with members: %v", got)
	}
	f.apply(f.modify(set("")))
	if passes() {
		t.Error("an emptied value set matched")
	}
}
