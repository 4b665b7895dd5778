package ip_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/keyway-nve/keyway/proto/ip"
)

var (
	a4, b4 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.2")
	a6, b6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	byAddr = cmpopts.EquateComparable(netip.Addr{})
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dump returns a hex dump by lines, so that a diff shows the lines that differ.
func dump(b []byte) []string { return strings.Split(hex.Dump(b), "\n") }

var v4Goldens = []struct {
	name   string
	header ip.V4
	hex    string
}{
	{"GRE, do not fragment", ip.V4{TotalLen: 100, DontFragment: true, TTL: 64, Protocol: ip.ProtocolGRE, Checksum: 0x4e34, Src: a4, Dst: b4},
		"45 00 0064 0000 4000 40 2f 4e34 c0000201 c6336402"},
	{"last fragment, DSCP 46, CE", ip.V4{TrafficClass: 46<<2 | 3, TotalLen: 28, ID: 0xabcd, FragOffset: 0x1fff, TTL: 1, Protocol: ip.ProtocolUDP, Checksum: 0x0113, Src: a4, Dst: b4},
		"45 bb 001c abcd 1fff 01 11 0113 c0000201 c6336402"},
	{"first fragment, empty", ip.V4{TotalLen: 20, MoreFragments: true, TTL: 255, Protocol: ip.ProtocolICMP, Checksum: 0xafb1, Src: a4, Dst: b4},
		"45 00 0014 0000 2000 ff 01 afb1 c0000201 c6336402"},
	{"options", ip.V4{TotalLen: 24, TTL: 64, Protocol: ip.ProtocolTCP, Checksum: 0xf9a4, Src: a4, Dst: b4, Options: []byte{0x94, 4, 0, 0}},
		"46 00 0018 0000 0000 40 06 f9a4 c0000201 c6336402 94040000"},
	{"most options", ip.V4{TotalLen: 61, TTL: 64, Protocol: ip.ProtocolTCP, Checksum: 0x7070, Src: a4, Dst: b4, Options: bytes.Repeat([]byte{1}, 40)},
		"4f 00 003d 0000 0000 40 06 7070 c0000201 c6336402 " + strings.Repeat("01", 40)},
}

func TestV4Goldens(t *testing.T) {
	for _, tt := range v4Goldens {
		t.Run(tt.name, func(t *testing.T) {
			want := unhex(t, tt.hex)
			in := tt.header
			in.Checksum = 0x1234 // AppendTo computes it
			got, err := in.AppendTo([]byte{0xee})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(dump(append([]byte{0xee}, want...)), dump(got)); diff != "" {
				t.Errorf("AppendTo (-want +got):\n%s", diff)
			}
			if ip.Checksum(got[1:]) != 0 {
				t.Error("the checksum does not verify")
			}
			h := ip.V4{ID: 7, MoreFragments: true, Options: []byte{9, 9, 9, 9}} // must not show through
			rest, err := h.Decode(append(want, 1, 2, 3))
			if err != nil || !bytes.Equal(rest, []byte{1, 2, 3}) {
				t.Fatalf("Decode left % x, %v", rest, err)
			}
			if diff := cmp.Diff(tt.header, h, byAddr); diff != "" {
				t.Errorf("Decode (-want +got):\n%s", diff)
			}
			for n := range want {
				if _, err := h.Decode(want[:n]); !errors.Is(err, ip.ErrTruncated) || h.Src.IsValid() {
					t.Errorf("first %d bytes: %+v, %v; want a zero header and ErrTruncated", n, h, err)
				}
			}
		})
	}
}

func TestV4Refused(t *testing.T) {
	ok := ip.V4{TotalLen: 20, Src: a4, Dst: b4}
	with := func(f func(*ip.V4)) ip.V4 { h := ok; f(&h); return h }
	tests := []struct {
		name   string
		header ip.V4
		want   error
	}{
		{"no source", with(func(h *ip.V4) { h.Src = netip.Addr{} }), ip.ErrField},
		{"IPv6 destination", with(func(h *ip.V4) { h.Dst = b6 }), ip.ErrField},
		{"mapped source", with(func(h *ip.V4) { h.Src = netip.MustParseAddr("::ffff:192.0.2.1") }), ip.ErrField},
		{"offset of 14 bits", with(func(h *ip.V4) { h.FragOffset = 0x2000 }), ip.ErrField},
		{"options of 3 bytes", with(func(h *ip.V4) { h.Options = make([]byte, 3) }), ip.ErrField},
		{"options of 44 bytes", with(func(h *ip.V4) { h.Options = make([]byte, 44) }), ip.ErrField},
		{"shorter than its header", with(func(h *ip.V4) { h.TotalLen = 19 }), ip.ErrLength},
		{"shorter than its options", with(func(h *ip.V4) { h.Options = make([]byte, 4) }), ip.ErrLength},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.header.AppendTo([]byte{1})
			if !errors.Is(err, tt.want) || !bytes.Equal(b, []byte{1}) {
				t.Errorf("AppendTo = % x, %v; want the input and %v", b, err, tt.want)
			}
		})
	}
	if _, err := ok.AppendTo(nil); err != nil {
		t.Errorf("the header they were made from: %v", err)
	}
}

func TestV4DecodeRefused(t *testing.T) {
	tests := []struct {
		name, hex string
		want      error
	}{
		{"version 6", "65 00 0014 0000 0000 40 06 0000 c0000201 c6336402", ip.ErrVersion},
		{"version 0", "05 00 0014 0000 0000 40 06 0000 c0000201 c6336402", ip.ErrVersion},
		{"IHL 4", "44 00 0014 0000 0000 40 06 0000 c0000201 c6336402", ip.ErrLength},
		{"total length under the header", "45 00 0013 0000 0000 40 06 0000 c0000201 c6336402", ip.ErrLength},
		{"total length under the options", "46 00 0014 0000 0000 40 06 0000 c0000201 c6336402 00000000", ip.ErrLength},
		{"options that are not there", "4f 00 0050 0000 0000 40 06 0000 c0000201 c6336402 00000000", ip.ErrTruncated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h ip.V4
			if _, err := h.Decode(unhex(t, tt.hex)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestPayload(t *testing.T) {
	v4 := ip.V4{TotalLen: 23, Src: a4, Dst: b4}
	v6 := ip.V6{PayloadLen: 3, Src: a6, Dst: b6}
	for name, payload := range map[string]func([]byte) ([]byte, error){"IPv4": v4.Payload, "IPv6": v6.Payload} {
		if got, err := payload([]byte("abc, padding")); string(got) != "abc" || err != nil {
			t.Errorf("%s: padding is not cut: %q, %v", name, got, err)
		}
		if _, err := payload([]byte("ab")); !errors.Is(err, ip.ErrTruncated) {
			t.Errorf("%s: a length past the end: %v, want ErrTruncated", name, err)
		}
	}
	short := ip.V4{TotalLen: 19}
	if _, err := short.Payload(nil); !errors.Is(err, ip.ErrLength) {
		t.Errorf("total length 19: %v, want ErrLength", err)
	}
}

var v6Goldens = []struct {
	name   string
	header ip.V6
	hex    string
}{
	{"GRE", ip.V6{PayloadLen: 70, NextHeader: ip.ProtocolGRE, HopLimit: 64, Src: a6, Dst: b6},
		"60000000 0046 2f 40 20010db8000000000000000000000001 20010db8000000000000000000000002"},
	{"every bit", ip.V6{TrafficClass: 0xff, FlowLabel: 0xfffff, PayloadLen: 0xffff, NextHeader: 0xff, HopLimit: 0xff, Src: a6, Dst: b6},
		"6fffffff ffff ff ff 20010db8000000000000000000000001 20010db8000000000000000000000002"},
	{"mapped addresses stay as they are", ip.V6{PayloadLen: 8, NextHeader: ip.ProtocolUDP, Src: netip.MustParseAddr("::ffff:192.0.2.1"), Dst: netip.IPv6Unspecified()},
		"60000000 0008 11 00 00000000000000000000ffffc0000201 00000000000000000000000000000000"},
}

func TestV6Goldens(t *testing.T) {
	for _, tt := range v6Goldens {
		t.Run(tt.name, func(t *testing.T) {
			want := unhex(t, tt.hex)
			got, err := tt.header.AppendTo([]byte{0xee})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(dump(append([]byte{0xee}, want...)), dump(got)); diff != "" {
				t.Errorf("AppendTo (-want +got):\n%s", diff)
			}
			h := ip.V6{FlowLabel: 9, HopLimit: 9} // must not show through
			rest, err := h.Decode(append(want, 1, 2, 3))
			if err != nil || !bytes.Equal(rest, []byte{1, 2, 3}) {
				t.Fatalf("Decode left % x, %v", rest, err)
			}
			if diff := cmp.Diff(tt.header, h, byAddr); diff != "" {
				t.Errorf("Decode (-want +got):\n%s", diff)
			}
			for n := range want {
				if _, err := h.Decode(want[:n]); !errors.Is(err, ip.ErrTruncated) || h != (ip.V6{}) {
					t.Errorf("first %d bytes: %+v, %v; want a zero header and ErrTruncated", n, h, err)
				}
			}
		})
	}
}

func TestV6Refused(t *testing.T) {
	for name, h := range map[string]ip.V6{
		"flow label of 21 bits": {FlowLabel: 1 << 20, Src: a6, Dst: b6},
		"IPv4 source":           {Src: a4, Dst: b6},
		"no destination":        {Src: a6},
		"zone":                  {Src: netip.MustParseAddr("fe80::1%eth0"), Dst: b6},
	} {
		if b, err := h.AppendTo([]byte{1}); !errors.Is(err, ip.ErrField) || !bytes.Equal(b, []byte{1}) {
			t.Errorf("%s: % x, %v; want the input and ErrField", name, b, err)
		}
	}
	in := unhex(t, v6Goldens[0].hex)
	in[0] = 0x45
	var h ip.V6
	if _, err := h.Decode(in); !errors.Is(err, ip.ErrVersion) {
		t.Errorf("version 4: %v, want ErrVersion", err)
	}
}

func TestAsGopacket(t *testing.T) {
	for _, tt := range v4Goldens {
		var l layers.IPv4
		if err := l.DecodeFromBytes(append(unhex(t, tt.hex), make([]byte, 64)...), gopacket.NilDecodeFeedback); err != nil {
			t.Fatalf("%s: gopacket: %v", tt.name, err)
		}
		src, _ := netip.AddrFromSlice(l.SrcIP)
		dst, _ := netip.AddrFromSlice(l.DstIP)
		got := ip.V4{TrafficClass: ip.TrafficClass(l.TOS), TotalLen: l.Length, ID: l.Id, DontFragment: l.Flags&layers.IPv4DontFragment != 0,
			MoreFragments: l.Flags&layers.IPv4MoreFragments != 0, FragOffset: l.FragOffset, TTL: l.TTL, Protocol: ip.Protocol(l.Protocol),
			Checksum: l.Checksum, Src: src, Dst: dst}
		if diff := cmp.Diff(got, tt.header, byAddr, cmpopts.IgnoreFields(ip.V4{}, "Options")); diff != "" {
			t.Errorf("%s (-gopacket +ours):\n%s", tt.name, diff)
		}
	}
	// gopacket takes every payload length of 0 for a jumbogram; no golden has one.
	for _, tt := range v6Goldens {
		var l layers.IPv6
		if err := l.DecodeFromBytes(append(unhex(t, tt.hex), make([]byte, 0xffff)...), gopacket.NilDecodeFeedback); err != nil {
			t.Fatalf("%s: gopacket: %v", tt.name, err)
		}
		src, _ := netip.AddrFromSlice(l.SrcIP)
		dst, _ := netip.AddrFromSlice(l.DstIP)
		got := ip.V6{TrafficClass: ip.TrafficClass(l.TrafficClass), FlowLabel: l.FlowLabel, PayloadLen: l.Length,
			NextHeader: ip.Protocol(l.NextHeader), HopLimit: l.HopLimit, Src: src, Dst: dst}
		if diff := cmp.Diff(got, tt.header, byAddr); diff != "" {
			t.Errorf("%s (-gopacket +ours):\n%s", tt.name, diff)
		}
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[fmt.Stringer]string{
		ip.ProtocolICMP: "ICMP", ip.ProtocolTCP: "TCP", ip.ProtocolUDP: "UDP", ip.ProtocolFragment: "IPv6-Frag",
		ip.ProtocolGRE: "GRE", ip.ProtocolICMPv6: "ICMPv6", ip.Protocol(253): "protocol 253",
	} {
		if got.String() != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if c := ip.TrafficClass(46<<2 | 3); c.DSCP() != 46 || c.ECN() != 3 {
		t.Errorf("DSCP %d, ECN %d", c.DSCP(), c.ECN())
	}
	if v := ip.Version(nil); v != 0 {
		t.Errorf("no packet has version %d", v)
	}
}

// A sum over addresses of two families, or of none, means nothing, but it is no
// reason to panic.
func TestPseudoHeaderOfMixedFamilies(t *testing.T) {
	for _, src := range []netip.Addr{a4, a6, {}} {
		for _, dst := range []netip.Addr{b4, b6, {}} {
			_ = ip.PseudoHeader(src, dst, ip.ProtocolUDP, 8)
		}
	}
}

func FuzzV4(f *testing.F) {
	for _, tt := range v4Goldens {
		f.Add(unhex(f, tt.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h ip.V4
		rest, err := h.Decode(b)
		if err != nil {
			return
		}
		if _, err := h.Payload(rest); err != nil && !errors.Is(err, ip.ErrTruncated) {
			t.Errorf("Payload: %v", err)
		}
		head := append([]byte(nil), b[:h.HeaderLen()]...)
		again, err := h.AppendTo(nil)
		if err != nil {
			t.Fatalf("decoded %+v, which does not encode: %v", h, err)
		}
		head[6] &^= 0x80 // reserved, ignored
		copy(head[10:12], again[10:12])
		if !bytes.Equal(again, head) {
			t.Errorf("encodes as % x", again)
		}
	})
}

func FuzzV6(f *testing.F) {
	for _, tt := range v6Goldens {
		f.Add(unhex(f, tt.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h ip.V6
		rest, err := h.Decode(b)
		if err != nil {
			return
		}
		again, err := h.AppendTo(nil)
		if err != nil {
			t.Fatalf("decoded %+v, which does not encode: %v", h, err)
		}
		if !bytes.Equal(append(again, rest...), b) {
			t.Errorf("encodes as % x", again)
		}
	})
}

func TestNoAllocs(t *testing.T) {
	buf := make([]byte, 0, 128)
	v4, v6 := v4Goldens[3].header, v6Goldens[1].header
	if n := testing.AllocsPerRun(100, func() {
		out, _ := v4.AppendTo(buf)
		_, _ = v4.Decode(out)
		out, _ = v6.AppendTo(buf)
		_, _ = v6.Decode(out)
		_ = ip.ICMPv6Checksum(a6, b6, out)
	}); n != 0 {
		t.Errorf("encoding and decoding allocate %v times", n)
	}
}

func BenchmarkV4AppendTo(b *testing.B) {
	buf, h := make([]byte, 0, 64), v4Goldens[0].header
	b.ReportAllocs()
	for b.Loop() {
		_, _ = h.AppendTo(buf)
	}
}

func BenchmarkV4Decode(b *testing.B) {
	in := unhex(b, v4Goldens[0].hex)
	var h ip.V4
	b.ReportAllocs()
	for b.Loop() {
		_, _ = h.Decode(in)
	}
}

func BenchmarkV6AppendTo(b *testing.B) {
	buf, h := make([]byte, 0, 64), v6Goldens[0].header
	b.ReportAllocs()
	for b.Loop() {
		_, _ = h.AppendTo(buf)
	}
}

func BenchmarkV6Decode(b *testing.B) {
	in := unhex(b, v6Goldens[0].hex)
	var h ip.V6
	b.ReportAllocs()
	for b.Loop() {
		_, _ = h.Decode(in)
	}
}

func ExampleV4_Payload() {
	frame := []byte("\x45\x00\x00\x17\x00\x00\x40\x00\x40\x2f\x00\x00\xc0\x00\x02\x01\xc0\x00\x02\x02GRE padding")
	var h ip.V4
	rest, err := h.Decode(frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	payload, err := h.Payload(rest)
	fmt.Printf("%v to %v, %v: %q %v\n", h.Src, h.Dst, h.Protocol, payload, err)
	// Output: 192.0.2.1 to 192.0.2.2, GRE: "GRE" <nil>
}
