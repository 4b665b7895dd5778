package bindgen_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/internal/bindgen/demo"
)

// TestEntries: what a binding makes is just what the schema would make of it,
// and it reads as it should.
func TestEntries(t *testing.T) {
	s, err := tables.NewSchema(readInfo(t, "../../testdata/demo.p4info.txtpb"))
	if err != nil {
		t.Fatal(err)
	}
	host := ethernet.MAC{2, 0, 0, 0, 0, 1}
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	made := func(e tables.Entry, err error) func() (tables.Entry, error) {
		return func() (tables.Entry, error) { return e, err }
	}
	var words [64]byte
	words[0] = 0x80
	for _, tc := range []struct {
		name  string
		entry func() (tables.Entry, error)
		text  string
	}{
		{"exact", made(demo.EndpointKey{VNI: 5001, MAC: host}.Remote(3)),
			"Ingress.endpoint vni=5001 mac=02:00:00:00:00:01 -> remote(tunnel_id=3)"},
		{"addresses", made(demo.TunnelKey{TunnelID: 3}.EncapV6(v6, v6, host, 9)),
			"Ingress.tunnel tunnel_id=3 -> encap_v6(src=2001:db8::1, dst=2001:db8::1, next_hop=02:00:00:00:00:01, layout_id=9)"},
		{"prefix", made(demo.RouteKey{VNI: 1, DstIP: netip.MustParsePrefix("10.1.2.3/16")}.Drop()),
			"Ingress.route vni=1 dst_ip=10.1.0.0/16 -> drop()"},
		{"any prefix", made(demo.RouteKey{VNI: 1}.Drop()), "Ingress.route vni=1 -> drop()"},
		{"ternary, anything", made(demo.ACLKey{Priority: 1}.Permit()), "Ingress.acl priority=1 -> permit()"},
		{"ternary, everything", made(demo.ACLKey{
			SrcIP: tables.In(netip.MustParsePrefix("192.0.2.99/24")), DstIP: tables.Is(v4), L4Port: tables.Between[uint16](80, 90),
			Proto: tables.Some[uint8](6), IsTCP: tables.Is(true), Flow: tables.Masked[uint32]{Value: 0xff, Mask: 0x0f}, Priority: 7,
		}.Deny(4, true)),
			"Ingress.acl src_ip=::ffff:192.0.2.0&&&0xffffffffffffffffffffffffffffff00 dst_ip=192.0.2.1&&&0xffffffff l4_port=80..90 " +
				"proto=6 is_tcp=1&&&0x01 flow=15&&&0x0f priority=7 -> deny(reason=4, log=1)"},
		{"ternary address of 128 bits", made(demo.ACLKey{SrcIP: tables.In(netip.MustParsePrefix("2001:db8::/32")), Priority: 1}.Permit()),
			"Ingress.acl src_ip=2001:db8::&&&0xffffffff000000000000000000000000 priority=1 -> permit()"},
		{"mapped address", made(demo.ACLKey{SrcIP: tables.Is(v4), Priority: 1}.Permit()),
			"Ingress.acl src_ip=::ffff:192.0.2.1&&&0xffffffffffffffffffffffffffffffff priority=1 -> permit()"},
		{"wide field", made(demo.OptionLayoutKey{OptLen: 2, Words: tables.Masked[[64]byte]{Value: words, Mask: words}, Priority: 1}.Bind(5)),
			"Ingress.option_layout opt_len=2 words=0x80" + zeros(63) + "&&&0x80" + zeros(63) + " priority=1 -> bind(layout_id=5)"},
		{"instance", made(demo.PlaceKey{Instance: demo.PlaceWord2, LayoutID: 5}.Constant(7)),
			"Egress.word2.place layout_id=5 -> constant(word=7)"},
		{"instance by number", made(demo.PlaceKey{Instance: demo.PlaceWord(3), LayoutID: 5}.NoAction()),
			"Egress.word3.place layout_id=5 -> NoAction()"},
		{"default", made(demo.DefaultKeylessDeny(4, false)), "Ingress.keyless default -> deny(reason=4, log=0)"},
		{"default of an instance", made(demo.DefaultExtractFromWord(demo.ExtractReadSequence, 3)),
			"Ingress.read_sequence.extract default -> from_word(word=3)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := tc.entry()
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Text(e); got != tc.text {
				t.Errorf("got  %s\nwant %s", got, tc.text)
			}
			canonical, err := s.Entry(e)
			if diff := cmp.Diff(canonical, e); err != nil || diff != "" {
				t.Errorf("the schema would have it so (-schema +binding): %v\n%s", err, diff)
			}
		})
	}
}

func zeros(bytes int) string {
	b := make([]byte, 2*bytes)
	for i := range b {
		b[i] = '0'
	}
	return string(b)
}

func TestEntriesRefused(t *testing.T) {
	v4 := netip.MustParseAddr("192.0.2.1")
	refused := func(_ tables.Entry, err error) error { return err }
	for _, tc := range []struct {
		name string
		err  error
		is   error
		text string
	}{
		{"everything at once", refused(demo.EndpointKey{VNI: 1 << 24}.Local(512)), bytestring.ErrRange,
			"Ingress.endpoint: field vni: value out of range: needs 25 bits, field has 24\n" +
				"Ingress.endpoint: action local parameter port: value out of range: needs 10 bits, field has 9"},
		{"address of the other family", refused(demo.TunnelKey{}.EncapV6(v4, netip.Addr{}, ethernet.MAC{}, 0)), bytestring.ErrEmpty,
			"Ingress.tunnel: action encap_v6 parameter src: no value: empty bytestring\n" +
				"Ingress.tunnel: action encap_v6 parameter dst: no value: empty bytestring"},
		{"prefix of the other family", refused(demo.RouteKey{DstIP: netip.MustParsePrefix("2001:db8::/24")}.Drop()), bytestring.ErrEmpty,
			"Ingress.route: field dst_ip: no value: empty bytestring"},
		{"priority forgotten", refused(demo.ACLKey{}.Permit()), tables.ErrPriority,
			"Ingress.acl: wrong priority 0: the key has ternary, range or optional fields, so it must be positive"},
		{"instance forgotten", refused(demo.PlaceKey{}.Constant(1)), tables.ErrUnknown, "unknown table: no such instance"},
		{"instance beyond the end", refused(demo.PlaceKey{Instance: demo.PlaceWord(4)}.Constant(1)), tables.ErrUnknown,
			"unknown table: no such instance"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !errors.Is(tc.err, tc.is) || tc.err.Error() != tc.text {
				t.Errorf("got  %v\nwant %v", tc.err, tc.text)
			}
		})
	}
}

func TestMessages(t *testing.T) {
	in := demo.PacketIn{IngressPort: 300, Reason: 5, Critical: true, OuterIP: netip.MustParseAddr("::ffff:192.0.2.1")}
	md, err := in.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var back demo.PacketIn
	if err := back.Decode(md); err != nil || back != in {
		t.Errorf("got %+v, %v", back, err)
	}
	if _, err := (demo.PacketIn{IngressPort: 512, Reason: 64}).Encode(); err == nil || err.Error() !=
		"packet_in: ingress_port: value out of range: needs 10 bits, field has 9\n"+
			"packet_in: reason: value out of range: needs 7 bits, field has 6\n"+
			"packet_in: outer_ip: no value: empty bytestring" {
		t.Errorf("got %v", err)
	}

	err = back.Decode([]*p4v1.PacketMetadata{
		{MetadataId: 1, Value: []byte{2, 0}}, {MetadataId: 3, Value: []byte{1}}, {MetadataId: 3, Value: []byte{1}}, {MetadataId: 9},
	})
	if err == nil || err.Error() != "packet_in: metadata id 3: given twice\n"+
		"packet_in: ingress_port: value out of range: needs 10 bits, field has 9\n"+
		"packet_in: reason: missing\npacket_in: outer_ip: missing\npacket_in: field id 9: unknown" {
		t.Errorf("got %v", err)
	}

	out, err := demo.PacketOut{EgressPort: 7}.Encode()
	if err != nil || len(out) != 2 || string(out[1].Value) != "\x00" {
		t.Errorf("padding: got %v, %v", out, err)
	}

	var learn demo.Learn
	message := &p4v1.P4Data{Data: &p4v1.P4Data_Struct{Struct: &p4v1.P4StructLike{Members: []*p4v1.P4Data{
		{Data: &p4v1.P4Data_Bitstring{Bitstring: []byte{2, 0, 0, 0, 0, 1}}},
		{Data: &p4v1.P4Data_Bitstring{Bitstring: []byte{1, 1}}},
	}}}}
	if err := learn.Decode(message); err != nil || learn != (demo.Learn{MAC: ethernet.MAC{2, 0, 0, 0, 0, 1}, Port: 257}) {
		t.Errorf("got %+v, %v", learn, err)
	}
	if err := learn.Decode(nil); !errors.Is(err, tables.ErrMissing) {
		t.Errorf("got %v", err)
	}
}

// FuzzMessages: metadata and digests of any bytes are refused or decoded.
func FuzzMessages(f *testing.F) {
	f.Add(uint32(1), []byte{1}, uint32(2), []byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, id1 uint32, v1 []byte, id2 uint32, v2 []byte) {
		var out demo.PacketOut
		if out.Decode([]*p4v1.PacketMetadata{{MetadataId: id1, Value: v1}, {MetadataId: id2, Value: v2}}) == nil && out.EgressPort > 511 {
			t.Errorf("got %+v", out)
		}
		var learn demo.Learn
		message := &p4v1.P4Data{Data: &p4v1.P4Data_Tuple{Tuple: &p4v1.P4StructLike{Members: []*p4v1.P4Data{
			{Data: &p4v1.P4Data_Bitstring{Bitstring: v1}}, {Data: &p4v1.P4Data_Bitstring{Bitstring: v2}},
		}}}}
		if learn.Decode(message) == nil && learn.Port > 511 {
			t.Errorf("got %+v", learn)
		}
	})
}
