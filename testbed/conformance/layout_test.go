package conformance

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/tables/nve"
)

const vnOfPair = 0x123456

// pair draws an intent of two NVEs, east and west, each with an endpoint that may
// be heard at the other end and one that may not, and with some layout of some
// option types in each direction.
func pair(t *rapid.T, addresses [2]string) intent.Intent {
	in := intent.Intent{
		Devices: []intent.Device{
			{Name: "east", Role: intent.RoleNVE, MAC: ethernet.MAC{2, 0, 0, 0, 0, 0xe}, Ports: []intent.UnderlayPort{
				{Number: 1, MAC: ethernet.MAC{2, 0, 0, 0, 1, 0xe}, Neighbor: intent.Neighbor{Device: "west", Port: 1}}}},
			{Name: "west", Role: intent.RoleNVE, MAC: ethernet.MAC{2, 0, 0, 0, 0, 0xf}, Ports: []intent.UnderlayPort{
				{Number: 1, MAC: ethernet.MAC{2, 0, 0, 0, 1, 0xf}}}},
		},
		VirtualNetworks: []intent.VirtualNetwork{{Name: "vn", VNI: vnOfPair}},
	}
	for i := range in.Devices {
		in.Devices[i].ProviderAddresses = []netip.Addr{address(addresses[i])}
	}
	for i, name := range []string{"east", "west", "east-muted", "west-muted"} {
		in.Endpoints = append(in.Endpoints, intent.Endpoint{
			Name: name, VirtualNetwork: "vn", MAC: ethernet.MAC{2, 0, 0, 0, 2, byte(i)},
			Device: in.Devices[i%2].Name, Port: uint16(256 + i/2), Group: uint16(100 + i),
			LogicalPort: uint16(rapid.IntRange(1, 8000).Draw(t, "logical port")*4 + i),
		})
	}
	for i, from := range []string{"east", "west"} {
		to := in.Devices[1-i].Name
		l := intent.Layout{Sender: from, Receiver: to}
		for _, o := range layout(t, from) {
			in.OptionTypes = append(in.OptionTypes, o)
			l.Options = append(l.Options, o.Name)
		}
		in.Layouts = append(in.Layouts, l)
		for j := range uint16(2) {
			in.GroupPolicies = append(in.GroupPolicies, intent.GroupPolicy{
				VirtualNetwork: "vn", From: uint16(102 + i), To: uint16(101-i) + 2*j, Action: intent.Deny})
		}
	}
	return in
}

// layout draws one to four option types that fit the window together and share no
// field.
func layout(t *rapid.T, from string) (options []intent.OptionType) {
	fields := rapid.Permutation([]intent.Field{
		intent.FieldGroup, intent.FieldLogicalPorts, intent.FieldSequence, intent.FieldOrigin,
		intent.FieldTimestamp, intent.FieldFlowHash, intent.FieldPorts,
	}).Draw(t, "fields")
	room := intent.WindowWords
	base := uint16(0xff00)
	if from == "west" {
		base = 0xff80
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "options") {
		length := rapid.IntRange(0, min(15, room-1)).Draw(t, "length")
		o := intent.OptionType{
			Name: fmt.Sprintf("%s-%d", from, i), Class: base + uint16(rapid.IntRange(0, 15).Draw(t, "class")*4+i),
			Type: rapid.Uint8().Draw(t, "type"), Length: uint8(length),
		}
		o.Critical = o.Type&0x80 != 0
		for range length {
			w := intent.Word{Constant: rapid.Uint32().Draw(t, "constant")}
			if len(fields) > 0 && rapid.Bool().Draw(t, "field") {
				w.Field, fields = fields[0], fields[1:]
				if w.Field == intent.FieldGroup {
					w.Shift = uint8(rapid.IntRange(0, 16).Draw(t, "shift"))
				}
				w.Constant &^= w.Mask()
			}
			o.Words = append(o.Words, w)
		}
		options = append(options, o)
		if room -= o.Size(); room == 0 {
			break
		}
	}
	return options
}

// What one NVE sends, the other understands; and what stands on the wire is the
// layout of the pair, in its order, and nothing else.
func TestAnyLayout(t *testing.T) {
	underlays := [2][2]string{{"10.0.0.1", "10.0.0.2"}, {"fd00::1", "fd00::2"}}
	var numbers [2]render.Numbers
	var pairs [2][2]*dut
	rapid.Check(t, func(rt *rapid.T) {
		family := rapid.IntRange(0, 1).Draw(rt, "underlay")
		in := pair(rt, underlays[family]).Resolved()
		if err := in.Validate(); err != nil {
			rt.Fatal(err)
		}
		// The same two devices take one intent after the other.
		devices := &pairs[family]
		for i, name := range []string{"east", "west"} {
			s := setup{intent: in, device: name, numbers: &numbers[family]}
			if devices[i] == nil {
				devices[i] = start(t, s)
				continue
			}
			devices[i].program(s)
		}
		for i, from := range []string{"east", "west"} {
			sender, receiver, to := devices[i], devices[1-i], []string{"west", "east"}[i]
			for _, muted := range []bool{false, true} {
				exchange(rt, in, sender, receiver, from, to, muted)
			}
		}
	})
}

// exchange sends a frame from one end to the other.
func exchange(t *rapid.T, in intent.Intent, sender, receiver *dut, from, to string, muted bool) {
	source, _ := in.Endpoint(from)
	if muted {
		source, _ = in.Endpoint(from + "-muted")
	}
	destination, _ := in.Endpoint(to)
	frame := be(destination.MAC, source.MAC, uint16(0x0800), tenant{ports: rapid.Uint32().Draw(t, "ports")}.packet())
	out := sender.frames(uint32(source.Port), frame)
	if len(out) != 1 || out[0].port != 1 {
		t.Fatalf("%s: %d frames leave", from, len(out))
	}
	w, err := readWire(out[0].frame)
	if err != nil {
		t.Fatalf("%s: %v", from, err)
	}
	carried := checkOptions(t, w.geneve, in.Layout(from, to), map[intent.Field]uint32{
		intent.FieldGroup:        uint32(source.Group),
		intent.FieldLogicalPorts: uint32(source.LogicalPort)<<16 | uint32(destination.LogicalPort),
		intent.FieldOrigin:       sender.node(),
		intent.FieldFlowHash:     flowHash(frame),
		intent.FieldPorts:        uint32(source.Port)<<16 | 1,
	})
	if w.geneve.VNI != vnOfPair || !slices.Equal(frame, w.inner) {
		t.Fatalf("VNI %#x, frame %x, want %x", w.geneve.VNI, w.inner, frame)
	}

	_, told := carried[intent.FieldGroup]
	want := leaves(uint32(destination.Port), frame)
	if told && muted {
		want = dropped("policy")
	}
	matched := rowsMatched(t, receiver)
	if diff := cmp.Diff(want, receiver.process(1, out[0].frame)); diff != "" {
		t.Fatalf("%s: -want +got:\n%s", to, diff)
	}
	if rowsMatched(t, receiver) != matched+1 {
		t.Fatalf("%s: the layout has no row for %x", to, w.geneve.Options)
	}
	if sequence, ok := carried[intent.FieldSequence]; ok {
		address := in.Devices[slices.IndexFunc(in.Devices, func(d intent.Device) bool { return d.Name == from })].ProviderAddresses[0]
		expected := receiver.cells(nve.RegisterExpectedSequenceID)[nve.RegisterExpectedSequenceID][receiver.peer(vnOfPair, address.String())]
		if uint32(expected) != sequence+1 {
			t.Fatalf("%s: expects sequence number %d after %d", to, uint32(expected), sequence)
		}
	}
}

// checkOptions holds the options of a header against a layout, and returns the
// fields that they carry. Those without a wanted value may have any.
func checkOptions(t *rapid.T, h *geneve.Header, want []intent.OptionType, values map[intent.Field]uint32) map[intent.Field]uint32 {
	carried := make(map[intent.Field]uint32)
	var wantTypes, gotTypes []geneve.OptionType
	critical := false
	for _, o := range want {
		wantTypes = append(wantTypes, o.TLV())
		critical = critical || o.Critical
	}
	for o, err := range h.Options.All() {
		if err != nil {
			t.Fatal(err)
		}
		i := len(gotTypes)
		gotTypes = append(gotTypes, o.Type)
		if i >= len(want) || o.Type != want[i].TLV() {
			break
		}
		for j, w := range want[i].Words {
			got := binary.BigEndian.Uint32(o.Data[4*j:])
			if w.Field != 0 {
				field := got & w.Mask() >> w.Shift
				carried[w.Field] = field
				if value, ok := values[w.Field]; ok && field != value {
					t.Fatalf("option %v word %d: field %v is %#x, want %#x", o.Type, j, w.Field, field, value)
				}
			}
			if got&^w.Mask() != w.Constant {
				t.Fatalf("option %v word %d: %#08x, want the constant %#08x", o.Type, j, got, w.Constant)
			}
		}
	}
	if diff := cmp.Diff(wantTypes, gotTypes); diff != "" {
		t.Fatalf("options on the wire: -layout +wire:\n%s", diff)
	}
	if h.Critical != critical || h.Control {
		t.Fatalf("C=%v O=%v, want C=%v O=false", h.Critical, h.Control, critical)
	}
	return carried
}

// rowsMatched counts how often a row of option_layout has matched.
func rowsMatched(t *rapid.T, d *dut) (n int64) {
	for c, err := range d.control.ReadCounters(d.t.Context(), nve.TableOptionLayout) {
		if err != nil {
			t.Fatal(err)
		}
		n += c.Packets
	}
	return n
}
