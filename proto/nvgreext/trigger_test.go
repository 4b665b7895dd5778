package nvgreext_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/nvgre"
	"github.com/keyway-nve/keyway/proto/nvgreext"
)

func TestParseTrigger(t *testing.T) {
	arp := plainFlow
	arp.Type, arp.SrcCA, arp.DstCA = ethernet.TypeARP, netip.Addr{}, netip.Addr{}
	inner6, both6 := plainFlow, plainFlow6
	inner6.Type, inner6.SrcCA, inner6.DstCA = ethernet.TypeIPv6, a6, b6
	both6.Type, both6.SrcCA, both6.DstCA = ethernet.TypeIPv6, a6, b6
	tests := []struct {
		name     string
		trigger  trigger
		flow     nvgreext.Flow
		required int
	}{
		{"IPv4 in IPv4", trigger{}, plainFlow, 62},
		{"IPv6 in IPv4", trigger{inner: inner{typ: ethernet.TypeIPv6}}, inner6, 82},
		{"IPv4 in IPv6", trigger{v6: true}, plainFlow6, 82},
		{"IPv6 in IPv6", trigger{v6: true, inner: inner{typ: ethernet.TypeIPv6}}, both6, 102},
		{"inner IPv4 options", trigger{inner: inner{options: make([]byte, 8)}}, plainFlow, 70},
		{"outer IPv4 options", trigger{v4: func(h *ip.V4) { h.Options = make([]byte, 4); h.TotalLen += 4 }}, plainFlow, 66},
		{"ARP for one endpoint", trigger{inner: inner{typ: ethernet.TypeARP, payload: 28}}, arp, 42},
		{"first fragment", trigger{v4: func(h *ip.V4) { h.MoreFragments, h.DontFragment = true, false }}, plainFlow, 62},
		{"link padding", trigger{padding: 20}, plainFlow, 62},
		{"outer tag", trigger{tag: ethernet.Tag{TPID: ethernet.TypeVLAN, VID: 9}}, plainFlow, 62},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frame := tt.trigger.bytes(t)
			got, why := nvgreext.ParseTrigger(frame)
			if why != 0 {
				t.Fatalf("refused: %v", why)
			}
			link := 14
			if tt.trigger.tag.TPID != 0 {
				link = 18
			}
			want := nvgreext.Trigger{Flow: tt.flow, LinkSrc: nextHop, LinkDst: ourPort, Tag: tt.trigger.tag,
				Packet: frame[link : len(frame)-tt.trigger.padding], Required: tt.required}
			if diff := cmp.Diff(want, got, byAddr); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// Every cut that leaves the headers whole may be answered, no other.
			for n := range frame {
				_, why := nvgreext.ParseTrigger(frame[:n])
				if n >= link+tt.required {
					if why != 0 {
						t.Errorf("first %d bytes are refused: %v", n, why)
					}
				} else if why&nvgreext.Runt == 0 {
					t.Errorf("first %d bytes: %v, want runt", n, why)
				}
			}
		})
	}
}

func TestRefusal(t *testing.T) {
	addr := netip.MustParseAddr
	edit := func(tr trigger, at int, b ...byte) []byte {
		f := tr.bytes(t)
		copy(f[at:], b)
		return f
	}
	tests := []struct {
		name  string
		frame []byte
		want  nvgreext.Refusal
	}{
		{"ARP on the link", edit(trigger{}, 12, 8, 6), nvgreext.NotNVGRE},
		{"UDP in IPv4", trigger{proto: ip.ProtocolUDP}.bytes(t), nvgreext.NotNVGRE},
		{"TCP in IPv6", trigger{v6: true, proto: ip.ProtocolTCP}.bytes(t), nvgreext.NotNVGRE},
		{"GRE without key", edit(trigger{}, 34, 0), nvgreext.NotNVGRE},
		{"GRE with routing instead of key", edit(trigger{}, 34, 0x40), nvgreext.NotNVGRE},
		{"GRE for IPv4", edit(trigger{}, 36, 8, 0), nvgreext.NotNVGRE},
		{"wrong checksum", edit(trigger{}, 24, 0, 0), nvgreext.BadOuter},
		{"IPv6 under the EtherType of IPv4", edit(trigger{v6: true}, 12, 8, 0), nvgreext.BadOuter},
		{"IHL 4", edit(trigger{}, 14, 0x44), nvgreext.BadOuter},
		{"total length under the header", edit(trigger{}, 16, 0, 19), nvgreext.BadOuter},
		{"IPv6 length ends in the inner header", edit(trigger{v6: true}, 18, 0, 30), nvgreext.Runt},
		{"IPv6 without payload", edit(trigger{v6: true}, 18, 0, 0), nvgreext.Runt},
		{"later fragment", trigger{v4: func(h *ip.V4) { h.FragOffset, h.DontFragment = 1, false }}.bytes(t), nvgreext.Fragment},
		{"last fragment", trigger{v4: func(h *ip.V4) { h.FragOffset = 0x1fff }}.bytes(t), nvgreext.Fragment},
		{"IPv6 fragment", trigger{v6: true, proto: ip.ProtocolFragment}.bytes(t), nvgreext.Fragment},
		{"inner version 6 under IPv4", edit(trigger{}, 56, 0x65), nvgreext.BadInner},
		{"inner IHL 4", edit(trigger{}, 56, 0x44), nvgreext.BadInner},
		{"inner total length 0", edit(trigger{}, 58, 0, 0), nvgreext.BadInner},
		{"inner IPv4 options past the end", edit(trigger{inner: inner{payload: 8}}, 56, 0x4f, 0, 0, 60), nvgreext.Runt},
		{"inner 802.1Q tag", edit(trigger{}, 54, 0x81, 0, 0, 7, 8, 6), nvgreext.InnerTag},
		{"inner 802.1ad tag", edit(trigger{}, 54, 0x88, 0xa8, 0, 7, 8, 6), nvgreext.InnerTag},
		{"control message", trigger{vsid: nvgre.Control}.bytes(t), nvgreext.ControlVSID},
		{"REDIRECT", build(t, params(nvgreext.Redirect), trigger{}.bytes(t)), nvgreext.ControlVSID},
		{"UNREACHABLE", build(t, params6(nvgreext.Unreachable), trigger{v6: true}.bytes(t)), nvgreext.ControlVSID},
		{"link broadcast", trigger{linkDst: ethernet.Broadcast()}.bytes(t), nvgreext.LinkMulticast},
		{"link multicast", trigger{linkDst: ethernet.MAC{1, 0, 0x5e, 0, 0, 1}}.bytes(t), nvgreext.LinkMulticast},
		{"to an IPv4 group", trigger{dst: addr("239.1.1.1")}.bytes(t), nvgreext.OuterDestination},
		{"to all hosts", trigger{dst: addr("255.255.255.255")}.bytes(t), nvgreext.OuterDestination},
		{"to an IPv6 group", trigger{v6: true, dst: addr("ff05::1")}.bytes(t), nvgreext.OuterDestination},
		{"to this network", trigger{dst: addr("0.0.2.2")}.bytes(t), nvgreext.OuterDestination},
		{"to loopback", trigger{dst: addr("127.0.0.1")}.bytes(t), nvgreext.OuterDestination},
		{"to ::", trigger{v6: true, dst: addr("::")}.bytes(t), nvgreext.OuterDestination},
		{"from 0.0.0.0", trigger{src: addr("0.0.0.0")}.bytes(t), nvgreext.OuterSource},
		{"from this network", trigger{src: addr("0.1.2.3")}.bytes(t), nvgreext.OuterSource},
		{"from loopback", trigger{src: addr("127.0.0.1")}.bytes(t), nvgreext.OuterSource},
		{"from a group", trigger{src: addr("224.0.0.5")}.bytes(t), nvgreext.OuterSource},
		{"from class E", trigger{src: addr("240.0.0.1")}.bytes(t), nvgreext.OuterSource},
		{"from broadcast", trigger{src: addr("255.255.255.255")}.bytes(t), nvgreext.OuterSource},
		{"from ourselves", trigger{src: receiver4}.bytes(t), nvgreext.OuterSource},
		{"from ::", trigger{v6: true, src: addr("::")}.bytes(t), nvgreext.OuterSource},
		{"from ::1", trigger{v6: true, src: addr("::1")}.bytes(t), nvgreext.OuterSource},
		{"from an IPv6 group", trigger{v6: true, src: addr("ff02::1")}.bytes(t), nvgreext.OuterSource},
		{"from a mapped address", trigger{v6: true, src: addr("::ffff:192.0.2.1")}.bytes(t), nvgreext.OuterSource},
		{"inner broadcast", trigger{inner: inner{dst: ethernet.Broadcast()}}.bytes(t), nvgreext.InnerMulticast},
		{"inner multicast MAC", trigger{inner: inner{dst: ethernet.MAC{0x33, 0x33, 0, 0, 0, 1}}}.bytes(t), nvgreext.InnerMulticast},
		{"inner ARP to all", trigger{inner: inner{dst: ethernet.Broadcast(), typ: ethernet.TypeARP, payload: 28}}.bytes(t), nvgreext.InnerMulticast},
		{"inner group address", trigger{inner: inner{dstCA: addr("224.0.0.251")}}.bytes(t), nvgreext.InnerMulticast},
		{"inner broadcast address", trigger{inner: inner{dstCA: addr("255.255.255.255")}}.bytes(t), nvgreext.InnerMulticast},
		{"inner IPv6 group", trigger{inner: inner{typ: ethernet.TypeIPv6, dstCA: addr("ff02::fb")}}.bytes(t), nvgreext.InnerMulticast},
		{"nothing at all", nil, nvgreext.Runt},
		{"several at once",
			trigger{linkDst: ethernet.Broadcast(), src: addr("127.0.0.1"), dst: addr("239.1.1.1"), vsid: nvgre.Control, inner: inner{dst: ethernet.Broadcast()}}.bytes(t),
			nvgreext.LinkMulticast | nvgreext.OuterSource | nvgreext.OuterDestination | nvgreext.ControlVSID | nvgreext.InnerMulticast},
		{"none: a tenant's ICMP error", edit(trigger{}, 65, 1), 0},
		{"none: a reserved VSID", trigger{vsid: 1}.bytes(t), 0},
		{"none: a link-local sender NVE", trigger{v6: true, src: addr("fe80::1")}.bytes(t), 0},
		{"none: a punt cut at the inner headers", trigger{}.bytes(t)[:76], 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got := nvgreext.ParseTrigger(tt.frame)
			if got != tt.want {
				t.Fatalf("refused for %v; want %v", got, tt.want)
			}
			p := params(nvgreext.Unreachable)
			b, err := nvgreext.Build([]byte{1}, p, tt.frame)
			if tt.want == 0 {
				if err != nil {
					t.Errorf("Build: %v", err)
				}
				return
			}
			refused, ok := errors.AsType[*nvgreext.RefusedError](err)
			if !ok || refused.Reasons != tt.want || !bytes.Equal(b, []byte{1}) {
				t.Errorf("Build: % x, %v; want the input and a RefusedError", b, err)
			}
		})
	}
}

func TestRefusalNames(t *testing.T) {
	all := nvgreext.InnerMulticast<<1 - 1
	var names []string
	var back nvgreext.Refusal
	for r := range all.All() {
		names = append(names, r.String())
		back |= r
	}
	if back != all || len(names) != 11 || slices.Contains(names, "") {
		t.Errorf("single reasons %q", names)
	}
	for range all.All() {
		break // a reader may stop early
	}
	if got := (nvgreext.Runt | nvgreext.ControlVSID).String(); got != "runt, control VSID" {
		t.Errorf("two reasons read %q", got)
	}
	if got := nvgreext.Refusal(0).String(); got != "none" {
		t.Errorf("no reason reads %q", got)
	}
}

// Whatever the frame, Build either refuses it or writes a message that reads
// back as what was asked for.
func FuzzBuild(f *testing.F) {
	for _, tr := range []trigger{{}, {v6: true}, {inner: inner{typ: ethernet.TypeIPv6}}, {inner: inner{typ: ethernet.TypeARP}}, {padding: 9},
		{tag: ethernet.Tag{TPID: ethernet.TypeVLAN, VID: 1}}, {vsid: nvgre.Control}, {inner: inner{payload: 1400}}} {
		f.Add(tr.bytes(f), uint8(0))
		f.Add(tr.bytes(f), uint8(1))
		f.Add(tr.bytes(f), uint8(2))
	}
	f.Fuzz(func(t *testing.T, frame []byte, mode uint8) {
		tr, why := nvgreext.ParseTrigger(frame)
		p := params(nvgreext.Unreachable)
		if mode%3 > 0 {
			p = params(nvgreext.Redirect)
			if tr.DstPA.Is6() {
				p.Target, p.Literal = target6, mode%3 == 2
			}
		}
		before := bytes.Clone(frame)
		out, err := nvgreext.Build(nil, p, frame)
		if !bytes.Equal(frame, before) {
			t.Fatal("Build changed the trigger")
		}
		if err != nil {
			if out != nil || why == 0 && !errors.Is(err, nvgreext.ErrParams) {
				t.Fatalf("% x, %v", out, err)
			}
			return
		}
		var m nvgreext.Message
		if err := m.Decode(out, nvgreext.FormDraftLiteral); err != nil {
			t.Fatalf("what Build wrote: %v\n% x", err, out)
		}
		if m.Kind != p.Kind || m.Target != p.Target || m.Src != tr.DstPA || m.Dst != tr.SrcPA || m.Quote.Flow != tr.Flow ||
			!quotes(m.Quote.Packet, tr) {
			t.Fatalf("built of %+v, read as %+v", tr, m)
		}
		if limit := map[bool]int{true: 576, false: 1280}[tr.DstPA.Is4()]; len(out)-14 > limit {
			t.Fatalf("outer packet of %d bytes", len(out)-14)
		}
		if _, why := nvgreext.ParseTrigger(out); why != nvgreext.ControlVSID {
			t.Fatalf("a message as trigger is refused for %v", why)
		}
	})
}

// quotes reports whether a quote is of the trigger. Of a packet that was cut
// short before it was quoted, the padding cannot be told from the data.
func quotes(quote []byte, tr nvgreext.Trigger) bool {
	if n := len(quote); n > len(tr.Packet) && n%8 == 0 && n < len(tr.Packet)+8 {
		if !bytes.Equal(quote[len(tr.Packet):], make([]byte, n-len(tr.Packet))) {
			return false
		}
		quote = quote[:len(tr.Packet)]
	}
	return bytes.HasPrefix(tr.Packet, quote) && len(quote) >= tr.Required
}

func BenchmarkParseTrigger(b *testing.B) {
	for _, v6 := range []bool{false, true} {
		frame := trigger{v6: v6}.bytes(b)
		b.Run(fmt.Sprintf("v6=%t", v6), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, why := nvgreext.ParseTrigger(frame); why != 0 {
					b.Fatal(why)
				}
			}
		})
	}
}
