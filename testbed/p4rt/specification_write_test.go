package p4rt_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// refused checks that each update is refused with one of some codes.
func refused(t *testing.T, f *fixture, updates map[string]*p4v1.Update, want ...codes.Code) {
	t.Helper()
	for name, u := range updates {
		got, ok := f.code(u), false
		for _, c := range want {
			ok = ok || got == c
		}
		if !ok {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func register(value string) string {
	return `register_entry { register_id: $cells$ index { index: 1 } data { bitstring: "` + value + `" } }`
}

func rewrite(port, dst string) string {
	return `action { action { action_id: $rewrite$ params { param_id: 1 value: "` + port + `" } params { param_id: 2 value: "` + dst + `" } } }`
}

// valued are updates with a bytestring in each place where one can be.
func valued(f *fixture, value string) map[string]*p4v1.Update {
	m := fmt.Sprintf
	return map[string]*p4v1.Update{
		"exact":        f.insert(m(`table_entry { table_id: $exact_table$ match { field_id: 1 exact { value: "%s" } } %s }`, value, forward(1))),
		"lpm":          f.insert(m(`table_entry { table_id: $lpm_table$ match { field_id: 1 lpm { value: "%s" prefix_len: 32 } } %s }`, value, forward(1))),
		"ternary":      f.insert(m(`table_entry { table_id: $ternary_table$ match { field_id: 1 exact { value: "\x01" } } match { field_id: 2 ternary { value: "%s" mask: "\xff\xff\xff\xff" } } priority: 1 %s }`, value, forward(1))),
		"mask":         f.insert(m(`table_entry { table_id: $ternary_table$ match { field_id: 1 exact { value: "\x02" } } match { field_id: 2 ternary { value: "\x00" mask: "%s" } } priority: 1 %s }`, value, forward(1))),
		"optional":     f.insert(m(`table_entry { table_id: $ternary_table$ match { field_id: 1 exact { value: "\x03" } } match { field_id: 3 optional { value: "%s" } } priority: 1 %s }`, value, forward(1))),
		"low":          f.insert(m(`table_entry { table_id: $range_table$ match { field_id: 1 range { low: "%s" high: "\xff\xff" } } priority: 1 %s }`, value, forward(1))),
		"high":         f.insert(m(`table_entry { table_id: $range_table$ match { field_id: 1 range { low: "\x00" high: "%s" } } priority: 2 %s }`, value, forward(1))),
		"parameter":    f.insert(exact(0x77, rewrite("\\x01", value))),
		"member":       f.insert(member("ways", 1, `action { action_id: $forward$ params { param_id: 1 value: "`+value+`" } }`)),
		"value set":    f.modify(`value_set_entry { value_set_id: $probe_types$ members { match { field_id: 1 exact { value: "` + value + `" } } } }`),
		"register":     f.modify(register(value)),
		"replica port": f.insert(multicast(1, `replicas { port: "`+value+`" }`)),
	}
}

var formatRules = []rule{
	{"8.1.1", "0 is no id of a P4 object in a write", func(t *testing.T) {
		f, _ := start(t)
		refused(t, f, map[string]*p4v1.Update{
			"table":         f.insert(`table_entry { ` + forward(1) + `}`),
			"field":         f.insert(`table_entry { table_id: $exact_table$ match { exact { value: "\x01" } } ` + forward(1) + `}`),
			"action":        f.insert(exact(1, `action { action { } }`)),
			"parameter":     f.insert(exact(1, `action { action { action_id: $forward$ params { value: "\x01" } } }`)),
			"profile":       f.insert(`action_profile_member { member_id: 1 }`),
			"member":        f.insert(member("ways", 0, forwardAction(1))),
			"group":         f.insert(group(0, "")),
			"counter":       f.modify(`counter_entry { data { } }`),
			"meter":         f.modify(`meter_entry { }`),
			"register":      f.modify(`register_entry { }`),
			"value set":     f.modify(`value_set_entry { }`),
			"digest":        f.insert(`digest_entry { config { } }`),
			"multicast":     f.insert(multicast(0, "")),
			"clone session": f.insert(session(0, "")),
		}, codes.InvalidArgument)
	}},
	{"8.1.2", "a message that is set is not one that is unset", func(t *testing.T) {
		f, _ := start(t)
		f.apply(f.modify(`counter_entry { counter_id: $port_counter$ index { } data { packet_count: 1 } }`))
		if n := len(f.read(f.entity(`counter_entry { counter_id: $port_counter$ index { } }`))); n != 1 {
			t.Errorf("index 0: %d cells", n)
		}
		if n := len(f.read(f.entity(`counter_entry { counter_id: $port_counter$ }`))); n != 4 {
			t.Errorf("no index: %d cells", n)
		}
	}},
	{"8.2", "what is written is what is read", TestReadWriteSymmetry},
	{"8.2", "backup replicas are read in their order", func(t *testing.T) {
		f, _ := start(t)
		text := multicast(5, `replicas { port: "\x01" instance: 1 backup_replicas { port: "\x09" instance: 9 } backup_replicas { port: "\x02" instance: 3 } backup_replicas { port: "\x05" instance: 2 } }`)
		f.apply(f.insert(text))
		if diff := cmp.Diff([]*p4v1.Entity{f.entity(text)}, f.read(f.entity(multicast(5, ""))), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}},
	{"8.3", "the server answers with the shortest string", TestPaddedBytestrings},
	{"8.3", "longer strings are taken if they are filled with 0, however long", func(t *testing.T) {
		for _, n := range []int{1, 7, 4000} {
			f, _ := start(t)
			for name, u := range valued(f, strings.Repeat(`\x00`, n)+`\x07`) {
				if name == "mask" { // 0 in it would be too much for the value
					u.GetEntity().GetTableEntry().GetMatch()[1].GetTernary().Value = []byte{7}
				}
				if got := f.code(u); got != codes.OK {
					t.Errorf("%d: %s: %v", n, name, got)
				}
			}
		}
	}},
	{"8.3", "an empty string is always rejected", func(t *testing.T) {
		f, _ := start(t)
		refused(t, f, valued(f, ""), codes.InvalidArgument, codes.OutOfRange)
	}},
	{"8.3", "a value that does not fit its width is rejected", func(t *testing.T) {
		f, _ := start(t)
		refused(t, f, valued(f, `\x01\x00\x00\x00\x00\x00\x00`), codes.InvalidArgument, codes.OutOfRange)
		for name, width := range map[string]struct{ value, param string }{
			"9 bits": {`\x02\x00`, ""}, "9 bits with an empty byte": {`\x00\x02\x00`, ""}, "48 bits": {`\x01`, `\x01\x00\x00\x00\x00\x00\x00`},
		} {
			u := f.insert(exact(5, rewrite(width.value, "\\x01"+width.param)))
			if got := f.code(u); got != codes.InvalidArgument && got != codes.OutOfRange {
				t.Errorf("%s: %v", name, got)
			}
		}
	}},
	{"8.3", "in P4Data the code is OUT_OF_RANGE", func(t *testing.T) {
		f, _ := start(t)
		refused(t, f, map[string]*p4v1.Update{"empty": f.modify(register("")), "too large": f.modify(register(`\x01\x00\x00\x00\x00`))}, codes.OutOfRange)
	}},
	{"8.3", "byte order is big-endian", func(t *testing.T) {
		f, _ := start(t)
		f.apply(f.insert(exact(1, rewrite(`\x01\x02`, `\x0a\x0b`))))
		f.server.Process(1, probe(toTables, 1, 0, 0))
		got := f.frames()
		if len(got) != 1 || got[0].port != 258 || got[0].data[:6] != "\x00\x00\x00\x00\x0a\x0b" {
			t.Errorf("%v", got)
		}
	}},
	{"8.3", "signed values are sign extended and as short as can be", func(t *testing.T) {
		f, s := start(t)
		f.apply(f.insert(learning("")))
		for seven, want := range map[uint16]string{0x7f: "\xff", 0x40: "\xc0", 0x3f: "\x3f", 0: "\x00"} {
			f.server.Process(3, probe(toDigest, seven, 0, 0))
			got := s.next().GetDigest().GetData()[0].GetStruct().GetMembers()[2].GetBitstring()
			if string(got) != want {
				t.Errorf("int<7> of %#x: %x", seven, got)
			}
		}
	}},
}

var writeRules = []rule{
	{"10", "code and message of google.rpc.Status are those of the RPC", func(t *testing.T) {
		f, _ := start(t)
		var trailer grpcmetadata.MD
		_, err := f.client.Write(f.context(), f.request(f.delete(exact(1, "")), f.insert(exact(1, forward(1)))), grpc.Trailer(&trailer))
		got := &spb.Status{}
		if b := trailer.Get("grpc-status-details-bin"); len(b) != 1 || proto.Unmarshal([]byte(b[0]), got) != nil {
			t.Fatalf("trailer %v", trailer)
		}
		if s := status.Convert(err); got.GetCode() != int32(s.Code()) || got.GetMessage() != s.Message() || len(got.GetDetails()) != 2 {
			t.Errorf("%v, and the RPC %v", got, err)
		}
	}},
	{"12", "checks in order: device and role, primary, config", func(t *testing.T) {
		f := newFixture(t)
		for _, c := range []struct {
			name string
			req  *p4v1.WriteRequest
			want codes.Code
		}{
			{"no device, no primary, no config", &p4v1.WriteRequest{DeviceId: 8}, codes.NotFound},
			{"no role, no primary, no config", &p4v1.WriteRequest{DeviceId: device, Role: "x"}, codes.NotFound},
			{"no primary, no config", &p4v1.WriteRequest{DeviceId: device, ElectionId: election(1)}, codes.PermissionDenied},
		} {
			if got := status.Code(f.write(c.req)); got != c.want {
				t.Errorf("%s: %v", c.name, got)
			}
		}
		f.join("", 1)
		if got := f.writes("", 1); got != codes.FailedPrecondition {
			t.Errorf("no config: %v", got)
		}
	}},
	{"12", "each of the checks", TestWriteChecks},
	{"12", "INSERT of what exists is ALREADY_EXISTS, and changes nothing", func(t *testing.T) {
		f, _ := start(t)
		text := exact(1, `metadata: "a" `+forward(1))
		f.apply(f.insert(text))
		refused(t, f, map[string]*p4v1.Update{"again": f.insert(exact(1, `metadata: "b" `+forward(2)))}, codes.AlreadyExists)
		if diff := cmp.Diff([]*p4v1.Entity{f.entity(text)}, f.read(f.entity(exact(1, ""))), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}},
	{"12", "INSERT into what is full is RESOURCE_EXHAUSTED", TestTableFull},
	{"12", "MODIFY sets the whole entity", TestModify},
	{"12", "MODIFY of what does not exist is NOT_FOUND", func(t *testing.T) {
		f, _ := start(t)
		refused(t, f, map[string]*p4v1.Update{
			"entry": f.modify(exact(1, forward(1))), "member": f.modify(member("ways", 1, forwardAction(1))), "group": f.modify(group(1, "")),
			"multicast": f.modify(multicast(1, "")), "clone session": f.modify(session(1, "")), "digest": f.modify(learning("")),
		}, codes.NotFound)
	}},
	{"12", "DELETE of what does not exist is NOT_FOUND", func(t *testing.T) {
		f, _ := start(t)
		refused(t, f, map[string]*p4v1.Update{
			"entry": f.delete(exact(1, "")), "member": f.delete(member("ways", 1, "")), "group": f.delete(group(1, "")),
			"multicast": f.delete(multicast(1, "")), "clone session": f.delete(session(1, "")), "digest": f.delete(learning("")),
		}, codes.NotFound)
	}},
	{"12", "DELETE ignores all but the key", func(t *testing.T) {
		f, _ := start(t)
		f.apply(f.insert(multicast(1, "")), f.insert(session(1, "")), f.insert(member("ways", 1, forwardAction(1))), f.insert(learning("")))
		f.apply(f.delete(multicast(1, `replicas { } metadata: "x"`)), f.delete(session(1, `replicas { instance: 99999 } class_of_service: 9 packet_length_bytes: -1`)),
			f.delete(member("ways", 1, `action { action_id: 1 }`)), f.delete(learning("config { max_list_size: -1 }")))
		TestDeleteIgnoresAllButTheKey(t)
	}},
	{"12", "an update without a type or an entity is INVALID_ARGUMENT", func(t *testing.T) {
		f, _ := start(t)
		refused(t, f, map[string]*p4v1.Update{
			"no type":      {Entity: f.entity(exact(1, forward(1)))},
			"unknown type": {Type: 4, Entity: f.entity(exact(1, forward(1)))},
			"no entity":    {Type: p4v1.Update_INSERT},
			"empty entity": {Type: p4v1.Update_INSERT, Entity: &p4v1.Entity{}},
		}, codes.InvalidArgument)
	}},
	{"12", "an update that the role does not allow is PERMISSION_DENIED", TestRoleOwnsEntities},
	{"12.1", "a batch has any updates of any entities", func(t *testing.T) {
		f, _ := start(t)
		f.apply(f.population(false)...)
	}},
	{"12.1", "when Write returns, packets see all of it", func(t *testing.T) {
		f, _ := start(t)
		for i := range 50 {
			f.apply(f.insert(exact(1, forward(1+i%8))), f.insert(multicast(1, fmt.Sprintf(`replicas { port: "\x%02x" }`, 1+i%8))))
			if a, b := f.ports(9, toTables, 1, 0, 0), f.ports(9, toGroup, 1, 0, 0); len(a) != 1 || a[0] != uint32(1+i%8) || !cmp.Equal(a, b) {
				t.Fatalf("write %d: ports %v and %v", i, a, b)
			}
			f.apply(f.delete(exact(1, "")), f.delete(multicast(1, "")))
		}
	}},
	{"12.1", "requests are strictly serializable, and reads see each whole or not at all (13.4)", testSerializable},
	{"12.2", "CONTINUE_ON_ERROR is the default, and attempts each update", TestContinueOnError},
	{"12.2", "ROLLBACK_ON_ERROR and DATAPLANE_ATOMIC do all or nothing", TestRollback},
	{"12.2", "DATAPLANE_ATOMIC: a packet sees all of a batch or nothing", TestDataplaneAtomic},
	{"12.2", "a client may use any mode at any time", func(t *testing.T) {
		f, _ := start(t)
		for i, mode := range []p4v1.WriteRequest_Atomicity{1, 0, 2, 0, 1, 2} {
			if got := f.outcomes(mode, f.insert(exact(i, forward(1)))); got != nil {
				t.Errorf("%v: %v", mode, got)
			}
		}
	}},
	{"12.3 1", "if all updates succeed, the status is OK and has nothing else", func(t *testing.T) {
		f, _ := start(t)
		var trailer grpcmetadata.MD
		if _, err := f.client.Write(f.context(), f.request(f.insert(exact(1, forward(1)))), grpc.Trailer(&trailer)); err != nil {
			t.Fatal(err)
		}
		if len(trailer.Get("grpc-status-details-bin")) > 0 {
			t.Errorf("trailer %v", trailer)
		}
	}},
	{"12.3 2", "if no update was attempted, the status has a code of its own and no details", func(t *testing.T) {
		f, _ := start(t)
		err := f.write(&p4v1.WriteRequest{DeviceId: 8, Updates: []*p4v1.Update{f.insert(exact(1, forward(1)))}})
		if len(details(t, err)) > 0 || status.Code(err) != codes.NotFound || status.Convert(err).Message() == "" {
			t.Errorf("%v", err)
		}
	}},
	{"12.3 3", "else it is UNKNOWN with one p4.Error an update, in order, of which OK has no more than its code", func(t *testing.T) {
		f, _ := start(t)
		err := f.write(f.request(f.delete(exact(1, "")), f.insert(exact(1, forward(1))), f.insert(exact(1, forward(1)))))
		d := details(t, err)
		if status.Code(err) != codes.Unknown || len(d) != 3 {
			t.Fatalf("%v: %v", err, d)
		}
		if diff := cmp.Diff(&p4v1.Error{}, d[1], protocmp.Transform()); diff != "" {
			t.Errorf("the success (-want +got):\n%s", diff)
		}
		if a, b := codes.Code(d[0].GetCanonicalCode()), codes.Code(d[2].GetCanonicalCode()); a != codes.NotFound || b != codes.AlreadyExists || d[0].GetMessage() == "" {
			t.Errorf("%v", d)
		}
	}},
}

// testSerializable has clients write pairs of entries at once, and others read
// them: a pair always comes from one write.
func testSerializable(t *testing.T) {
	f, _ := start(t)
	text := func(arg, by int) string { return exact(arg, fmt.Sprintf(`metadata: "%d" %s`, by, forward(1))) }
	f.apply(f.insert(text(1, 0)), f.insert(text(2, 0)))
	var all sync.WaitGroup
	for by := range 4 {
		first, second := f.modify(text(1, by)), f.modify(text(2, by))
		all.Go(func() {
			for range 50 {
				if err := f.write(f.request(first, second)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	ask := f.entity(`table_entry { table_id: $exact_table$ }`)
	for range 4 {
		all.Go(func() {
			for range 50 {
				got, err := f.tryRead(&p4v1.ReadRequest{DeviceId: device, Entities: []*p4v1.Entity{ask}})
				if err != nil || len(got) != 2 {
					t.Errorf("%v: %v", err, got)
					return
				}
				if a, b := got[0].GetTableEntry().GetMetadata(), got[1].GetTableEntry().GetMetadata(); !bytes.Equal(a, b) {
					t.Errorf("a write is seen half: %q and %q", a, b)
					return
				}
			}
		})
	}
	all.Wait()
}
