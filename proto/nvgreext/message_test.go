package nvgreext_test

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/nvgreext"
)

var byAddr = cmpopts.EquateComparable(netip.Addr{})

var (
	icmpHead  = []field{{2, "ICMP: type, code"}, {2, "  checksum"}}
	withWord  = append(slices.Clone(icmpHead), field{4, "  unused"})
	withTo    = append(slices.Clone(icmpHead), field{4, "  gateway: target NVE"})
	withTo16  = append(slices.Clone(icmpHead), field{16, "  target NVE"})
	neighbour = append(slices.Clone(icmpHead), field{4, "  reserved"}, field{16, "  target NVE"}, field{16, "  destination: receiver NVE"})
	withOpt   = append(slices.Clone(neighbour), field{8, "  Redirected Header: type, length, reserved"})
)

// One message of each form. Each is a golden file, a test of Decode and a seed
// of the fuzzers.
var messages = []struct {
	name    string
	kind    nvgreext.Kind
	trigger trigger
	literal bool
	// change makes of the frame that Build wrote what another implementation
	// may send.
	change func(frame, trigger []byte) []byte
	form   nvgreext.Form
	fields []field
}{
	{name: "redirect-ipv4", kind: nvgreext.Redirect, fields: withTo},
	{name: "unreachable-ipv4", kind: nvgreext.Unreachable, fields: withWord},
	{name: "unreachable-ipv4-arp", kind: nvgreext.Unreachable, trigger: trigger{inner: inner{typ: ethernet.TypeARP, payload: 28}}, fields: withWord},
	{name: "redirect-ipv6", kind: nvgreext.Redirect, trigger: trigger{v6: true, inner: inner{payload: 36}}, fields: withOpt},
	{name: "unreachable-ipv6", kind: nvgreext.Unreachable, trigger: trigger{v6: true, inner: inner{typ: ethernet.TypeIPv6}}, fields: withWord},
	{name: "redirect-ipv6-draft-literal", kind: nvgreext.Redirect, trigger: trigger{v6: true}, literal: true, form: nvgreext.FormDraftLiteral, fields: withTo16},
	{name: "unreachable-ipv4-no-unused-word", kind: nvgreext.Unreachable, form: nvgreext.FormNoUnusedWord, fields: icmpHead,
		change: func(f, _ []byte) []byte { return reseal(cut(f, icmpAt(f)+4, 4)) }},
	{name: "unreachable-ipv6-no-unused-word", kind: nvgreext.Unreachable, trigger: trigger{v6: true}, form: nvgreext.FormNoUnusedWord, fields: icmpHead,
		change: func(f, _ []byte) []byte { return reseal(cut(f, icmpAt(f)+4, 4)) }},
	{name: "redirect-ipv4-quoted-ethernet", kind: nvgreext.Redirect, form: nvgreext.FormQuotedEthernet, fields: withTo,
		change: func(f, tr []byte) []byte { return reseal(paste(f, icmpAt(f)+8, tr[:14])) }},
	{name: "unreachable-ipv6-quoted-ethernet-tagged", kind: nvgreext.Unreachable, form: nvgreext.FormQuotedEthernet, fields: withWord,
		trigger: trigger{v6: true, tag: ethernet.Tag{TPID: ethernet.TypeVLAN, VID: 7}},
		change:  func(f, tr []byte) []byte { return reseal(paste(f, icmpAt(f)+8, tr[:18])) }},
	{name: "unreachable-ipv4-no-unused-word-quoted-ethernet", kind: nvgreext.Unreachable, fields: icmpHead,
		form:   nvgreext.FormNoUnusedWord | nvgreext.FormQuotedEthernet,
		change: func(f, tr []byte) []byte { return reseal(paste(cut(f, icmpAt(f)+4, 4), icmpAt(f)+4, tr[:14])) }},
	{name: "redirect-ipv6-draft-literal-quoted-ethernet", kind: nvgreext.Redirect, trigger: trigger{v6: true}, literal: true, fields: withTo16,
		form:   nvgreext.FormDraftLiteral | nvgreext.FormQuotedEthernet,
		change: func(f, tr []byte) []byte { return reseal(paste(f, icmpAt(f)+20, tr[:14])) }},
	{name: "redirect-ipv4-lenient-code", kind: nvgreext.Redirect, form: nvgreext.FormLenientCode, fields: withTo,
		change: func(f, _ []byte) []byte { f[icmpAt(f)+1] = 10; return reseal(f) }},
	{name: "redirect-ipv6-lenient-code", kind: nvgreext.Redirect, trigger: trigger{v6: true}, form: nvgreext.FormLenientCode, fields: withOpt,
		change: func(f, _ []byte) []byte { f[icmpAt(f)+1] = 1; return reseal(f) }},
	{name: "redirect-ipv6-hop-limit", kind: nvgreext.Redirect, trigger: trigger{v6: true}, form: nvgreext.FormHopLimit, fields: withOpt,
		change: func(f, _ []byte) []byte { f[icmpAt(f)-33] = 128; return f }},
	{name: "redirect-ipv4-quoted-checksum", kind: nvgreext.Redirect, form: nvgreext.FormQuotedChecksum, fields: withTo,
		change: func(f, _ []byte) []byte { f[icmpAt(f)+8+8]--; return reseal(f) }}, // the quoted TTL
	{name: "unreachable-ipv4-rfc4884", kind: nvgreext.Unreachable, fields: withWord,
		change: func(f, _ []byte) []byte { // 100 bytes quoted, padded to 128, and an extension
			f[icmpAt(f)+5] = 128 / 4
			return reseal(append(append(f, make([]byte, 28)...), 0x20, 0, 0xff, 0xff, 0, 4, 1, 1))
		}},
	{name: "redirect-ipv6-link-layer-option", kind: nvgreext.Redirect, trigger: trigger{v6: true}, fields: append(slices.Clone(neighbour), field{8, "  Target Link-Layer Address"}, field{8, "  Redirected Header"}),
		change: func(f, _ []byte) []byte {
			return reseal(paste(f, icmpAt(f)+40, []byte{2, 1, 0x02, 0, 0, 0, 0, 0x03}))
		}},
}

func TestMessages(t *testing.T) {
	for _, tt := range messages {
		t.Run(tt.name, func(t *testing.T) {
			tr := tt.trigger.bytes(t)
			p, flow, target := params(tt.kind), plainFlow, target4
			if tt.trigger.v6 {
				p, flow, target = params6(tt.kind), plainFlow6, target6
			}
			p.Literal = tt.literal
			p.FlowID = 0x5a
			frame := build(t, p, tr)
			if tt.change != nil {
				frame = tt.change(frame, tr)
			}
			frame = golden(t, tt.name, frame, fields(!tt.trigger.v6, tt.fields...))

			switch tt.trigger.inner.typ {
			case ethernet.TypeIPv6:
				flow.Type, flow.SrcCA, flow.DstCA = ethernet.TypeIPv6, a6, b6
			case ethernet.TypeARP:
				flow.Type, flow.SrcCA, flow.DstCA = ethernet.TypeARP, netip.Addr{}, netip.Addr{}
			}
			want := nvgreext.Message{Kind: tt.kind, Form: tt.form, Src: flow.DstPA, Dst: flow.SrcPA, LinkSrc: ourPort, LinkDst: nextHop,
				ReceiverMAC: recvMAC, SenderMAC: senderMAC, FlowID: 0x5a, Quote: nvgreext.Quote{Flow: flow}}
			if tt.kind == nvgreext.Redirect {
				want.Target = target
			}
			m := nvgreext.Message{Target: netip.IPv6Unspecified(), Tag: ethernet.Tag{VID: 1}} // must not show through
			if err := m.Decode(append(frame, "link padding"...), nvgreext.AnyForm); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, m, byAddr, cmpopts.IgnoreFields(nvgreext.Quote{}, "Packet")); diff != "" {
				t.Errorf("Decode (-want +got):\n%s", diff)
			}
			quoted := tr[14:]
			if tt.trigger.tag.TPID != 0 {
				quoted = tr[18:]
			}
			if tt.form&nvgreext.FormQuotedChecksum != 0 {
				quoted[8]--
			}
			if diff := cmp.Diff(annotate(quoted, nil), annotate(m.Quote.Packet, nil)); diff != "" {
				t.Errorf("quoted packet (-sent +got):\n%s", diff)
			}

			for form := nvgreext.Form(1); form <= nvgreext.AnyForm; form <<= 1 {
				err := m.Decode(frame, nvgreext.AnyForm&^form)
				if tt.form&form == 0 {
					if err != nil {
						t.Errorf("without %v: %v", form, err)
					}
				} else if !errors.Is(err, nvgreext.ErrForm) || m.Kind != 0 || m.Quote.Packet != nil {
					t.Errorf("without %v: %+v, %v; want a zero message and ErrForm", form, m, err)
				}
			}
			if err := m.Decode(frame, tt.form); err != nil {
				t.Errorf("accepting just %v: %v", tt.form, err)
			}
		})
	}
}

var (
	plainFlow = nvgreext.Flow{SrcPA: sender4, DstPA: receiver4, VSID: 0x4242, FlowID: 0x77, SrcMAC: endpointA, DstMAC: endpointB,
		Type: ethernet.TypeIPv4, SrcCA: a4, DstCA: b4}
	plainFlow6 = nvgreext.Flow{SrcPA: sender6, DstPA: receiver6, VSID: 0x4242, FlowID: 0x77, SrcMAC: endpointA, DstMAC: endpointB,
		Type: ethernet.TypeIPv4, SrcCA: a4, DstCA: b4}
)

func TestBuildOptions(t *testing.T) {
	tr := trigger{padding: 9}.bytes(t)
	p := params(nvgreext.Unreachable)
	p.Tag = ethernet.Tag{TPID: ethernet.TypeVLAN, PCP: 6, VID: 100}
	p.TTL, p.InnerTTL, p.TrafficClass = 7, 8, 48<<2
	prefix := []byte("kept")
	b := must(t)(nvgreext.Build(prefix, p, tr))
	if !bytes.HasPrefix(b, prefix) {
		t.Fatalf("what was in dst is gone: % x", b)
	}
	frame := b[len(prefix):]
	var m nvgreext.Message
	if err := m.Decode(frame, 0); err != nil {
		t.Fatal(err)
	}
	if m.Tag != p.Tag {
		t.Errorf("tag %+v, want %+v", m.Tag, p.Tag)
	}
	if len(m.Quote.Packet) != len(tr)-14-9 {
		t.Errorf("%d bytes quoted of a packet of %d, link padding among them", len(m.Quote.Packet), len(tr)-14-9)
	}
	var outer, in ip.V4
	if _, err := outer.Decode(frame[18:]); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Decode(frame[18+20+8+14:]); err != nil {
		t.Fatal(err)
	}
	if outer.TTL != 7 || in.TTL != 8 || outer.TrafficClass != 48<<2 || in.TrafficClass != 48<<2 || !outer.DontFragment || !in.DontFragment {
		t.Errorf("outer %+v, inner %+v", outer, in)
	}
}

// NVGRE must not be fragmented, so the outer packet stays within the minimum
// MTU of its family whatever the trigger's length is.
func TestQuoteLimits(t *testing.T) {
	tests := []struct {
		name    string
		v6      bool
		kind    nvgreext.Kind
		literal bool
		limit   int
		largest int // outer packet
	}{
		{"IPv4 REDIRECT", false, nvgreext.Redirect, false, nvgreext.MaxQuoteV4, 576},
		{"IPv4 UNREACHABLE", false, nvgreext.Unreachable, false, nvgreext.MaxQuoteV4, 576},
		{"IPv6 UNREACHABLE", true, nvgreext.Unreachable, false, nvgreext.MaxQuoteV6Unreachable, 1280},
		{"IPv6 REDIRECT", true, nvgreext.Redirect, false, nvgreext.MaxQuoteV6Redirect, 1278},
		{"IPv6 REDIRECT, literal", true, nvgreext.Redirect, true, nvgreext.MaxQuoteV6RedirectLiteral, 1280},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := params(tt.kind)
			if tt.v6 {
				p = params6(tt.kind)
			}
			p.Literal = tt.literal
			for payload := 1; payload < 1500; payload++ {
				tr := trigger{v6: tt.v6, inner: inner{payload: payload}}.bytes(t)
				frame := build(t, p, tr)
				var m nvgreext.Message
				if err := m.Decode(frame, nvgreext.FormDraftLiteral); err != nil {
					t.Fatalf("trigger of %d bytes: %v", len(tr), err)
				}
				if want := tr[14:][:min(len(tr)-14, tt.limit)]; !bytes.Equal(m.Quote.Packet, want) {
					t.Fatalf("trigger of %d bytes: %d quoted, want %d", len(tr), len(m.Quote.Packet), len(want))
				}
				if outer := len(frame) - 14; outer > tt.largest || len(tr)-14 > tt.limit && outer != tt.largest {
					t.Fatalf("trigger of %d bytes: outer packet of %d, largest is %d", len(tr), outer, tt.largest)
				}
			}
		})
	}
}

func TestBuildRefusesParameters(t *testing.T) {
	tests := []struct {
		name   string
		v6     bool
		change func(*nvgreext.Params)
		want   error
	}{
		{"no kind", false, func(p *nvgreext.Params) { p.Kind = 0 }, nvgreext.ErrParams},
		{"no target", false, func(p *nvgreext.Params) { p.Target = netip.Addr{} }, nvgreext.ErrParams},
		{"multicast target", false, func(p *nvgreext.Params) { p.Target = netip.MustParseAddr("224.0.0.1") }, nvgreext.ErrParams},
		{"target is the receiver NVE", false, func(p *nvgreext.Params) { p.Target = receiver4 }, nvgreext.ErrParams},
		{"IPv6 target of an IPv4 trigger", false, func(p *nvgreext.Params) { p.Target = target6 }, nvgreext.ErrTargetFamily},
		{"IPv4 target of an IPv6 trigger", true, func(p *nvgreext.Params) { p.Target = target4 }, nvgreext.ErrTargetFamily},
		{"UNREACHABLE with target", false, func(p *nvgreext.Params) { p.Kind = nvgreext.Unreachable }, nvgreext.ErrParams},
		{"no next hop", false, func(p *nvgreext.Params) { p.LinkDst = ethernet.MAC{} }, nvgreext.ErrParams},
		{"multicast source MAC", false, func(p *nvgreext.Params) { p.LinkSrc[0] |= 1 }, nvgreext.ErrParams},
		{"no sender NVE MAC", false, func(p *nvgreext.Params) { p.SenderMAC = ethernet.MAC{} }, nvgreext.ErrParams},
		{"broadcast receiver NVE MAC", false, func(p *nvgreext.Params) { p.ReceiverMAC = ethernet.Broadcast() }, nvgreext.ErrParams},
		{"literal IPv4", false, func(p *nvgreext.Params) { p.Literal = true }, nvgreext.ErrParams},
		{"bad tag", false, func(p *nvgreext.Params) { p.Tag.VID = 7 }, ethernet.ErrTag},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := params(nvgreext.Redirect)
			if tt.v6 {
				p = params6(nvgreext.Redirect)
			}
			tt.change(&p)
			b, err := nvgreext.Build([]byte{1}, p, trigger{v6: tt.v6}.bytes(t))
			if !errors.Is(err, tt.want) || !bytes.Equal(b, []byte{1}) {
				t.Errorf("% x, %v; want the input and %v", b, err, tt.want)
			}
		})
	}
	t.Run("all reasons at once", func(t *testing.T) {
		_, err := nvgreext.Build(nil, nvgreext.Params{Kind: nvgreext.Redirect, Target: target6}, trigger{}.bytes(t))
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok || len(joined.Unwrap()) != 5 { // the target's family and four MACs
			t.Errorf("%v", err)
		}
	})
}

func TestNoAllocs(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		tr, p := trigger{v6: v6}.bytes(t), params(nvgreext.Redirect)
		if v6 {
			p = params6(nvgreext.Redirect)
		}
		buf := make([]byte, 0, 2048)
		var m nvgreext.Message
		if n := testing.AllocsPerRun(100, func() {
			frame, err := nvgreext.Build(buf, p, tr)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Decode(frame, 0); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("IPv6 %v: building and decoding allocate %v times", v6, n)
		}
	}
}
