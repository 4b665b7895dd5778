package tables_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyway-nve/keyway/tables"
)

func parse(t testing.TB, text string) *p4v1.Entity {
	t.Helper()
	e := new(p4v1.Entity)
	if err := prototext.Unmarshal([]byte(text), e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestDecode(t *testing.T) {
	s := demo(t)
	for _, tc := range []struct{ name, message, text string }{
		{"leading zeros", `table_entry { table_id: 0x2000001
			match { field_id: 2 exact { value: "\x00\x00\x00\x00\x00\x00\x07" } } match { field_id: 1 exact { value: "\x00\x05" } }
			action { action { action_id: 0x1000011 params { param_id: 1 value: "\x00\x03" } } } idle_timeout_ns: 5 metadata: "owner" }`,
			"Ingress.endpoint vni=5 mac=00:00:00:00:00:07 -> remote(tunnel_id=3)"},
		{"don't care written out", `table_entry { table_id: 0x2000004 priority: 4
			match { field_id: 6 ternary { value: "\x00" mask: "\x00" } } match { field_id: 3 range { low: "\x00" high: "\xff\xff" } }
			action { action { action_id: 0x1000030 } } }`,
			"Ingress.acl priority=4 -> permit()"},
		{"bits outside the mask", `table_entry { table_id: 0x2000004 priority: 4
			match { field_id: 6 ternary { value: "\xff" mask: "\x0f" } } action { action { action_id: 0x1000030 } } }`,
			"Ingress.acl flow=15&&&0x0f priority=4 -> permit()"},
		{"ports as numbers and as bytes", `packet_replication_engine_entry { multicast_group_entry { multicast_group_id: 3
			replicas { port: "\x00\x02" instance: 1 } replicas { egress_port: 1 instance: 9 } } }`,
			"multicast group 3 -> {1/9 2/1}"},
		{"default without an action", `table_entry { table_id: 0x2000001 is_default_action: true }`,
			"Ingress.endpoint default -> (program's default)"},
		{"default that is constant", `table_entry { table_id: 0x2000002 is_default_action: true action { action { action_id: 0x1000001 } } }`,
			"Ingress.tunnel default -> NoAction()"},
		{"entry of the program", `table_entry { table_id: 0x2000007 match { field_id: 1 exact { value: "\x06" } }
			action { action { action_id: 0x1000030 } } is_const: true }`,
			"Ingress.fixed proto=6 -> permit()"},
		{"counters are left behind", `table_entry { table_id: 0x2000001 is_default_action: true counter_data { packet_count: 5 } }`,
			"Ingress.endpoint default -> (program's default)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := s.Decode(parse(t, tc.message))
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Text(e); got != tc.text {
				t.Errorf("got  %s\nwant %s", got, tc.text)
			}
		})
	}
}

func TestDecodeRefused(t *testing.T) {
	s := demo(t)
	var out strings.Builder
	for _, tc := range []struct{ name, message string }{
		{"nothing", ``},
		{"counter", `counter_entry { counter_id: 0x12000001 }`},
		{"table 0", `table_entry { }`},
		{"an action's id for a table", `table_entry { table_id: 0x1000011 }`},
		{"ids that the table does not have", `table_entry { table_id: 0x2000001
			match { field_id: 7 exact { value: "\x01" } } match { field_id: 0 } action { action { action_id: 0x1000020 } } }`},
		{"parameters that the action does not have", `table_entry { table_id: 0x2000001
			action { action { action_id: 0x1000011 params { param_id: 2 value: "\x01" } params { param_id: 0 } } } }`},
		{"match of another kind, or none", `table_entry { table_id: 0x2000001
			match { field_id: 1 lpm { value: "\x01" prefix_len: 3 } } match { field_id: 2 }
			action { action { action_id: 0x1000011 params { param_id: 1 value: "" } } } }`},
		{"member of an action profile", `table_entry { table_id: 0x2000001 action { action_profile_member_id: 3 } }`},
		{"ports", `packet_replication_engine_entry { multicast_group_entry { multicast_group_id: 3
			replicas { port: "" } replicas { port: "\x01\x00\x00\x00\x00" } replicas { port: "\x01" backup_replicas { port: "\x02" } } } }`},
		{"clone session of nothing", `packet_replication_engine_entry { clone_session_entry { } }`},
		{"meter 0", `meter_entry { }`},
		{"digest 0", `digest_entry { }`},
	} {
		e, err := s.Decode(parse(t, tc.message))
		if err == nil {
			t.Errorf("%s: accepted as %v", tc.name, e)
		}
		fmt.Fprintf(&out, "== %s\n%v\n", tc.name, err)
	}
	golden(t, "decode.golden", out.String())
}

func TestDecodeKey(t *testing.T) {
	s := demo(t)
	te := parse(t, `table_entry { table_id: 0x2000001 idle_timeout_ns: 7 metadata: "m"
		match { field_id: 1 exact { value: "\x05" } } match { field_id: 2 exact { value: "\x07" } } }`).GetTableEntry()
	if _, err := s.DecodeEntry(te); !errors.Is(err, tables.ErrMissing) {
		t.Errorf("an entry without an action: %v", err)
	}
	e, err := s.DecodeKey(te)
	if err != nil || e.Key() != "Ingress.endpoint vni=0x05 mac=0x07" || e.Metadata != "m" || e.IdleTimeout != 7 {
		t.Errorf("got %v, %v", e, err)
	}
	te.Match = te.Match[:1]
	if _, err := s.DecodeKey(te); !errors.Is(err, tables.ErrMissing) {
		t.Errorf("a key without a field: %v", err)
	}
}

func TestEncodeBatch(t *testing.T) {
	s := demo(t)
	e, err := s.Entry(endpoint(t, func(e *tables.Entry) { e.Metadata = "m" }))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.EncodeBatch(tables.Batch{{Op: tables.Insert, Entity: e}, {Op: tables.Delete, Entity: e}})
	if err != nil {
		t.Fatal(err)
	}
	key := `table_id: 0x2000001 match { field_id: 1 exact { value: "\x13\x89" } } match { field_id: 2 exact { value: "\x02\x00\x00\x00\x00\x01" } }`
	want := []*p4v1.Update{
		{Type: p4v1.Update_INSERT, Entity: parse(t, `table_entry { `+key+` metadata: "m"
			action { action { action_id: 0x1000011 params { param_id: 1 value: "\x03" } } } }`)},
		{Type: p4v1.Update_DELETE, Entity: parse(t, `table_entry { `+key+` }`)},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = s.EncodeBatch(tables.Batch{
		{Op: tables.Insert, Entity: acl(func(e *tables.Entry) { e.Priority = 0 })},
		{Op: tables.Modify, Entity: tables.MulticastGroup{}},
	})
	if !errors.Is(err, tables.ErrPriority) || !strings.Contains(err.Error(), "\nmodify: multicast group 0") {
		t.Errorf("got %v", err)
	}
}

// FuzzDecode: whatever a device sends is refused or canonical: it encodes to
// something that decodes to itself.
func FuzzDecode(f *testing.F) {
	s := demo(f)
	for _, text := range []string{
		`table_entry { table_id: 0x2000001 match { field_id: 1 exact { value: "\x05" } } match { field_id: 2 exact { value: "\x07" } }
			action { action { action_id: 0x1000011 params { param_id: 1 value: "\x03" } } } }`,
		`table_entry { table_id: 0x2000003 match { field_id: 1 exact { value: "\x05" } } match { field_id: 2 lpm { value: "\x0a\x00\x00\x01" prefix_len: 9 } }
			action { action { action_id: 0x1000010 } } }`,
		`table_entry { table_id: 0x2000004 priority: 4 match { field_id: 6 ternary { value: "\xff" mask: "\x0f" } }
			match { field_id: 3 range { low: "\x01" high: "\x0f\xff" } } match { field_id: 4 optional { value: "\x06" } }
			action { action { action_id: 0x1000030 } } meter_config { cir: 1 pir: 1 } }`,
		`packet_replication_engine_entry { multicast_group_entry { multicast_group_id: 3 replicas { port: "\x00\x02" instance: 1 } } }`,
		`packet_replication_engine_entry { clone_session_entry { session_id: 3 replicas { egress_port: 2 } } }`,
		`meter_entry { meter_id: 0x14000001 index { index: 3 } config { cir: 1 pir: 2 } }`,
		`digest_entry { digest_id: 0x17000001 config { max_list_size: 3 } }`,
	} {
		b, err := proto.Marshal(parse(f, text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		message := new(p4v1.Entity)
		if proto.Unmarshal(b, message) != nil {
			return
		}
		e, err := s.Decode(message)
		if err != nil {
			return
		}
		if entry, ok := e.(tables.Entry); ok && entry.Const {
			return // what no write can change is not to be written
		}
		again, err := s.Encode(e)
		if err != nil {
			t.Fatalf("%v: %v", e, err)
		}
		back, err := s.Decode(again)
		if diff := cmp.Diff(e, back); err != nil || diff != "" {
			t.Fatalf("%v: %v\n%s", e, err, diff)
		}
		if e.Key() != back.Key() {
			t.Fatalf("%q became %q", e.Key(), back.Key())
		}
	})
}
