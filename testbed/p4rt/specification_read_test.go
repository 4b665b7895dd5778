package p4rt_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
)

var readRules = []rule{
	{"13", "an unknown device is NOT_FOUND, no config FAILED_PRECONDITION", TestReadChecks},
	{"13", "the role is a filter", TestRoleOwnsEntities},
	{"13", "a read wants no election id, no primary and no stream", func(t *testing.T) {
		f, primary := start(t)
		f.apply(f.insert(exact(1, forward(1))))
		primary.cancel()
		if got := f.read(f.entity(exact(1, ""))); len(got) != 1 {
			t.Errorf("%v", got)
		}
	}},
	{"13", "a read changes nothing", func(t *testing.T) {
		f, _ := start(t)
		f.populate(false)
		before := f.everything()
		if diff := cmp.Diff(before, f.everything(), protocmp.Transform()); diff != "" {
			t.Errorf("(-first +second):\n%s", diff)
		}
	}},
	{"13.1", "a request with a whole key reads one entity", func(t *testing.T) {
		f, _ := start(t)
		f.populate(false)
		for _, text := range []string{
			exact(1, ""), lpm(10, 8, ""), ternary(10, 5, ""), member("ways", 2, ""), member("paths", 2, ""), group(1, ""),
			multicast(5, ""), session(5, ""), arrays[0].entry("1", ""), arrays[1].entry("1", ""), arrays[2].entry("1", ""),
			`table_entry { table_id: $lpm_table$ is_default_action: true }`,
			`direct_counter_entry { ` + exact(1, "") + ` }`, `direct_meter_entry { ` + ternary(10, 5, "") + ` }`,
		} {
			if got := f.read(f.entity(text)); len(got) != 1 {
				t.Errorf("%s: %v", text, got)
			}
		}
	}},
	{"13.2", "default ids are wildcards, in each entity that has them", func(t *testing.T) {
		f, _ := start(t)
		f.populate(false)
		for text, want := range map[string]int{
			`table_entry { }`:                          constEntries + 6,
			`table_entry { table_id: $exact_table$ }`:  2,
			`action_profile_member { }`:                4,
			member("ways", 0, ""):                      2,
			`action_profile_group { }`:                 1,
			group(0, ""):                               1,
			multicast(0, ""):                           1,
			session(0, ""):                             1,
			`counter_entry { }`:                        4,
			`meter_entry { }`:                          4,
			`register_entry { }`:                       4,
			arrays[0].entry("", ""):                    4,
			`direct_counter_entry { table_entry { } }`: 2,
			`direct_meter_entry { table_entry { } }`:   1,
			`value_set_entry { }`:                      1,
			`digest_entry { }`:                         1,
			`extern_entry { }`:                         0,
			`direct_counter_entry { table_entry { table_id: $exact_table$ } }`: 2,
		} {
			if got := f.read(f.entity(text)); len(got) != want {
				t.Errorf("%s: %d entities, want %d: %v", text, len(got), want, got)
			}
		}
	}},
	{"13.2", "an entity that is not set is INVALID_ARGUMENT", func(t *testing.T) {
		f, _ := start(t)
		if got := f.readCode(&p4v1.Entity{}); got != codes.InvalidArgument {
			t.Error(got)
		}
	}},
	{"9.1.6", "filters of table entries", TestTableFilters},
	{"13.3", "what is valid is read; then the status has one p4.Error a request, in order", func(t *testing.T) {
		f, _ := start(t)
		f.apply(f.insert(exact(1, forward(1))), f.insert(multicast(3, "")))
		got, err := f.tryRead(&p4v1.ReadRequest{DeviceId: device, Entities: []*p4v1.Entity{
			f.entity(exact(1, "")), {}, f.entity(`direct_counter_entry { ` + exact(9, "") + ` }`), f.entity(multicast(3, ""))}})
		var outcome []codes.Code
		for _, d := range details(t, err) {
			outcome = append(outcome, codes.Code(d.GetCanonicalCode()))
		}
		if want := []codes.Code{codes.OK, codes.InvalidArgument, codes.NotFound, codes.OK}; !slices.Equal(outcome, want) || status.Code(err) != codes.Unknown {
			t.Errorf("%v, want %v (%v)", outcome, want, err)
		}
		want := []*p4v1.Entity{f.entity(exact(1, forward(1))), f.entity(multicast(3, ""))}
		if diff := cmp.Diff(want, got, asSet, protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}},
	{"13.3", "the same request may be there twice", func(t *testing.T) {
		f, _ := start(t)
		f.apply(f.insert(exact(1, forward(1))))
		if got := f.read(f.entity(exact(1, "")), f.entity(exact(1, ""))); len(got) == 0 || len(got) > 2 {
			t.Errorf("%v", got)
		}
	}},
	{"13.3", "many may read at once", func(t *testing.T) {
		f, _ := start(t)
		f.populate(false)
		want := f.everything()
		ask := []*p4v1.Entity{f.entity(`table_entry { table_id: $lpm_table$ is_default_action: true }`)}
		for _, text := range wholeState {
			ask = append(ask, f.entity(text))
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				got, err := f.tryRead(&p4v1.ReadRequest{DeviceId: device, Entities: ask})
				if diff := cmp.Diff(want, got, protocmp.Transform()); err != nil || diff != "" {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
			})
		}
		all.Wait()
	}},
	{"13.3", "an answer may be of many messages", TestReadOfMoreThanOneMessage},
}

// packet is a packet-out of the test program, with metadata that is right.
func packet() *p4v1.StreamMessageRequest {
	return packetOut(probe(toTables, 1, 0, 0), metadata(1, 5), metadata(2, 0), metadata(3, 0))
}

var streamRules = []rule{
	{"16.1", "payload is the whole packet, metadata is in any order", TestPacketOut},
	{"16.1", "a packet-in has its whole packet and one metadata for each field of P4Info", TestPacketIn},
	{"16.1", "packet-in and packet-out are for whom the role allows it", TestPacketIOByRole},
	{"16.1", "a packet-out of a client that may not send any is dropped", func(t *testing.T) {
		f, _ := start(t)
		backup, _ := f.join("", 0)
		newcomer := f.open() // it has not even arbitrated
		for _, s := range []*stream{backup, newcomer} {
			s.send(packet())
			if e := s.next().GetError(); codes.Code(e.GetCanonicalCode()) != codes.PermissionDenied {
				t.Errorf("%v", e)
			}
		}
		if got := f.frames(); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
	}},
	{"16.1", "a packet-out whose metadata does not match P4Info is dropped", func(t *testing.T) {
		f, s := start(t)
		for name, change := range map[string]func(*p4v1.PacketOut){
			"none":       func(p *p4v1.PacketOut) { p.Metadata = nil },
			"one misses": func(p *p4v1.PacketOut) { p.Metadata = p.Metadata[1:] },
			"one twice":  func(p *p4v1.PacketOut) { p.Metadata = append(p.Metadata, p.Metadata[0]) },
			"unknown":    func(p *p4v1.PacketOut) { p.Metadata[2].MetadataId = 9 },
			"one more":   func(p *p4v1.PacketOut) { p.Metadata = append(p.Metadata, metadata(9, 1)) },
			"id 0":       func(p *p4v1.PacketOut) { p.Metadata[0].MetadataId = 0 },
			"too wide":   func(p *p4v1.PacketOut) { p.Metadata[0].Value = []byte{2, 0} },
			"empty":      func(p *p4v1.PacketOut) { p.Metadata[0].Value = nil },
		} {
			m := packet()
			change(m.GetPacket())
			s.send(m)
			if e := s.next().GetError(); codes.Code(e.GetCanonicalCode()) != codes.InvalidArgument || e.GetPacketOut() == nil {
				t.Errorf("%s: %v", name, e)
			}
		}
		if got := f.frames(); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
	}},
	{"16.1", "values of metadata are bytestrings: taken with leading zeros, sent without", func(t *testing.T) {
		f, s := start(t)
		m := packet()
		m.GetPacket().Metadata[0].Value = append(make([]byte, 9), 5)
		s.send(m)
		f.server.Process(7, probe(toCPU, 1, 0, 0))
		want := []*p4v1.PacketMetadata{metadata(1, 7), metadata(2, 0), metadata(3, 1)}
		if diff := cmp.Diff(want, s.next().GetPacket().GetMetadata(), protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// A refused message comes back after it: the first was handled by then.
		s.send(&p4v1.StreamMessageRequest{})
		s.next()
		if got := f.frames(); len(got) != 1 || got[0].port != 5 {
			t.Errorf("left: %v", got)
		}
	}},
	{"16.1", "without a program there is no packet I/O", func(t *testing.T) {
		f := newFixture(t)
		s, _ := f.join("", 1)
		s.send(packet())
		if e := s.next().GetError(); codes.Code(e.GetCanonicalCode()) != codes.FailedPrecondition {
			t.Errorf("%v", e)
		}
	}},
	{"16.6", "an error has its code, and the kind of message that it is about", func(t *testing.T) {
		_, s := start(t)
		packetOut := packet()
		packetOut.GetPacket().Metadata = nil
		for name, c := range map[string]struct {
			m     *p4v1.StreamMessageRequest
			code  codes.Code
			about func(*p4v1.StreamError) proto.Message
		}{
			"packet-out": {packetOut, codes.InvalidArgument, func(e *p4v1.StreamError) proto.Message { return e.GetPacketOut() }},
			"digest of no such id": {&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_DigestAck{DigestAck: &p4v1.DigestListAck{DigestId: 5}}},
				codes.InvalidArgument, func(e *p4v1.StreamError) proto.Message { return e.GetDigestListAck() }},
			"other": {&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Other{Other: &anypb.Any{TypeUrl: "x"}}},
				codes.Unimplemented, func(e *p4v1.StreamError) proto.Message { return e.GetOther() }},
		} {
			s.send(c.m)
			e := s.next().GetError()
			if codes.Code(e.GetCanonicalCode()) != c.code || e == nil || !c.about(e).ProtoReflect().IsValid() {
				t.Errorf("%s: %v", name, e)
			}
		}
	}},
	{"16.6", "an error does not end the stream", func(t *testing.T) {
		f, s := start(t)
		s.send(&p4v1.StreamMessageRequest{})
		s.next()
		check(t, s.arbitrate(election(1)), codes.OK, 1)
		f.apply(f.insert(exact(1, forward(1))))
	}},
	{"16.6", "errors of each kind", TestStreamErrors},
}
