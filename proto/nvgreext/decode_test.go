package nvgreext_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/nvgreext"
)

// Offsets in an untagged message over IPv4, and over IPv6.
const (
	outer, gre4, eth4, inner4, icmp4 = 14, 34, 42, 56, 76
	gre6, eth6, inner6, icmp6        = 54, 62, 76, 116
)

func TestDecodeRefuses(t *testing.T) {
	redirect4, unreachable4 := build(t, params(nvgreext.Redirect), trigger{}.bytes(t)), build(t, params(nvgreext.Unreachable), trigger{}.bytes(t))
	redirect6 := build(t, params6(nvgreext.Redirect), trigger{v6: true}.bytes(t))
	unreachable6 := build(t, params6(nvgreext.Unreachable), trigger{v6: true}.bytes(t))
	set := func(frame []byte, at int, b ...byte) []byte {
		f := bytes.Clone(frame)
		copy(f[at:], b)
		return f
	}
	// header corrects the IPv4 header checksum at offset at.
	header := func(f []byte, at int) []byte {
		f[at+10], f[at+11] = 0, 0
		binary.BigEndian.PutUint16(f[at+10:], ip.Checksum(f[at:at+20]))
		return f
	}
	tests := []struct {
		name   string
		frame  []byte
		want   error
		offset int
	}{
		{"ARP", set(redirect4, 12, 8, 6), nvgreext.ErrNotMessage, 12},
		{"outer version 6 under IPv4", set(redirect4, 14, 0x65), nvgreext.ErrNotMessage, 14},
		{"outer version 4 under IPv6", set(redirect6, 14, 0x45), nvgreext.ErrNotMessage, 14},
		{"outer UDP", header(set(redirect4, 23, 17), outer), nvgreext.ErrNotMessage, 23},
		{"outer TCP over IPv6", set(redirect6, 20, 6), nvgreext.ErrNotMessage, 20},
		{"GRE without key", set(redirect4, gre4, 0), nvgreext.ErrNotMessage, gre4},
		{"a tenant's VSID", set(redirect4, gre4+4, 0, 0x42, 0x42), nvgreext.ErrNotMessage, gre4 + 4},
		{"a tenant's VSID over IPv6", set(redirect6, gre6+4, 0, 0x42, 0x42), nvgreext.ErrNotMessage, gre6 + 4},

		{"outer IHL 4", set(redirect4, 14, 0x44), nvgreext.ErrLength, 14},
		{"outer header checksum", set(redirect4, 24, 0, 0), nvgreext.ErrChecksum, 24},
		{"outer total length past the end", header(set(redirect4, 16, 0xff, 0xff), outer), nvgreext.ErrLength, 16},
		{"outer total length too short", header(set(redirect4, 16, 0, 100), outer), nvgreext.ErrLength, inner4 + 2},
		{"outer payload length past the end", set(redirect6, 18, 0xff, 0xff), nvgreext.ErrLength, 18},
		{"outer payload length too short", set(redirect6, 18, 0, 100), nvgreext.ErrLength, inner6 + 4},
		{"outer total length ends in GRE", header(set(redirect4, 16, 0, 24), outer), nvgreext.ErrTruncated, 38},
		{"outer total length ends in the inner Ethernet header", header(set(redirect4, 16, 0, 30), outer), nvgreext.ErrTruncated, 44},
		{"outer fragment", header(set(redirect4, 20, 0x20, 0), outer), nvgreext.ErrFragment, 20},
		{"outer IPv6 fragment", set(redirect6, 20, 44), nvgreext.ErrFragment, 20},

		{"inner EtherType IPv6 over IPv4", set(redirect4, eth4+12, 0x86, 0xdd), nvgreext.ErrInner, eth4 + 12},
		{"inner EtherType IPv4 over IPv6", set(redirect6, eth6+12, 8, 0), nvgreext.ErrInner, eth6 + 12},
		{"inner tag", set(redirect4, eth4+12, 0x81, 0), nvgreext.ErrInner, eth4 + 12},
		{"inner version", set(redirect4, inner4, 0x65), nvgreext.ErrInner, inner4},
		{"inner version over IPv6", set(redirect6, inner6, 0x45), nvgreext.ErrInner, inner6},
		{"inner header checksum", set(redirect4, inner4+10, 0, 0), nvgreext.ErrChecksum, inner4 + 10},
		{"inner total length past the outer", header(set(redirect4, inner4+2, 1, 0), inner4), nvgreext.ErrLength, inner4 + 2},
		{"inner total length short of the outer", header(set(redirect4, inner4+2, 0, 100), inner4), nvgreext.ErrLength, inner4 + 2},
		{"inner payload length short of the outer", set(redirect6, inner6+4, 0, 100), nvgreext.ErrLength, inner6 + 4},
		{"inner fragment", header(set(redirect4, inner4+6, 0, 1), inner4), nvgreext.ErrFragment, inner4 + 6},
		{"inner source", header(set(redirect4, inner4+12, 192, 0, 2, 9), inner4), nvgreext.ErrInner, inner4 + 12},
		{"inner destination", set(redirect6, inner6+39, 9), nvgreext.ErrInner, inner6 + 8},
		{"inner UDP", header(set(redirect4, inner4+9, 17), inner4), nvgreext.ErrInner, inner4 + 9},
		{"ICMPv4 over IPv6", set(redirect6, inner6+6, 1), nvgreext.ErrInner, inner6 + 6},
		{"ICMP of 7 bytes", reseal(bytes.Clone(redirect4[:icmp4+7])), nvgreext.ErrTruncated, icmp4 + 7},
		{"ICMPv6 of 7 bytes", reseal(bytes.Clone(redirect6[:icmp6+7])), nvgreext.ErrTruncated, icmp6 + 7},
		{"ICMP checksum", set(redirect4, icmp4+2, 0, 0), nvgreext.ErrChecksum, icmp4 + 2},
		{"ICMPv6 checksum", set(unreachable6, icmp6+2, 0, 0), nvgreext.ErrChecksum, icmp6 + 2},

		{"echo", reseal(set(redirect4, icmp4, 8, 0)), nvgreext.ErrType, icmp4},
		{"redirect for a net", reseal(set(redirect4, icmp4, 5, 0)), nvgreext.ErrType, icmp4},
		{"port unreachable", reseal(set(unreachable4, icmp4, 3, 3)), nvgreext.ErrType, icmp4},
		{"packet too big", reseal(set(unreachable6, icmp6, 2, 0)), nvgreext.ErrType, icmp6},
		{"no route", reseal(set(unreachable6, icmp6, 1, 0)), nvgreext.ErrType, icmp6},

		{"target 0.0.0.0", reseal(set(redirect4, icmp4+4, 0, 0, 0, 0)), nvgreext.ErrTarget, icmp4 + 4},
		{"target is a group", reseal(set(redirect4, icmp4+4, 224, 0, 0, 1)), nvgreext.ErrTarget, icmp4 + 4},
		{"target ::", reseal(set(redirect6, icmp6+8, make([]byte, 16)...)), nvgreext.ErrTarget, icmp6 + 8},
		{"target is an IPv6 group", reseal(set(redirect6, icmp6+8, 0xff, 2)), nvgreext.ErrTarget, icmp6 + 8},
		{"option of length 0", reseal(set(redirect6, icmp6+41, 0)), nvgreext.ErrLength, icmp6 + 41},
		{"option past the end", reseal(set(redirect6, icmp6+41, 0xff)), nvgreext.ErrLength, icmp6 + 41},
		{"option of one byte", reseal(append(bytes.Clone(redirect6), 1)), nvgreext.ErrTruncated, len(redirect6)},
		{"other option only", reseal(set(redirect6, icmp6+40, 2)), nvgreext.ErrQuote, len(redirect6)},
		{"no option", reseal(bytes.Clone(redirect6[:icmp6+40])), nvgreext.ErrQuote, icmp6 + 40},
		{"fixed part cut", reseal(bytes.Clone(redirect6[:icmp6+39])), nvgreext.ErrTruncated, icmp6 + 39},
		{"RFC 4884 length past the end", reseal(set(unreachable4, icmp4+5, 26)), nvgreext.ErrLength, icmp4 + 5},
		{"RFC 4884 length short of the headers", reseal(set(unreachable6, icmp6+4, 10)), nvgreext.ErrQuote, icmp6 + 8 + 80},

		{"nothing quoted", reseal(bytes.Clone(redirect4[:icmp4+8])), nvgreext.ErrQuote, icmp4 + 8},
		{"quoted through half the inner IP header", reseal(bytes.Clone(redirect4[:icmp4+8+61])), nvgreext.ErrQuote, icmp4 + 8 + 61},
		{"quoted UDP", reseal(set(redirect4, icmp4+8+9, 17)), nvgreext.ErrQuote, icmp4 + 8 + 9},
		{"quoted TCP over IPv6", reseal(set(redirect6, icmp6+48+6, 6)), nvgreext.ErrQuote, icmp6 + 48 + 6},
		{"quoted fragment", reseal(header(set(redirect4, icmp4+8+6, 0, 1), icmp4+8)), nvgreext.ErrQuote, icmp4 + 8 + 6},
		{"quoted GRE without key", reseal(set(redirect4, icmp4+8+20, 0)), nvgreext.ErrQuote, icmp4 + 8 + 20},
		{"quoted control message", reseal(set(redirect4, icmp4+8+24, 0xff, 0xff, 0xff)), nvgreext.ErrQuote, icmp4 + 8 + 24},
		{"quoted inner tag", reseal(set(redirect4, icmp4+8+40, 0x81, 0, 0, 1, 8, 6)), nvgreext.ErrQuote, icmp4 + 8 + 40},
		{"quoted packet of another NVE", reseal(header(set(redirect4, icmp4+8+16, 192, 0, 2, 9), icmp4+8)), nvgreext.ErrQuotePeer, icmp4 + 8},
		{"quoted total length short of its headers", reseal(header(set(redirect4, icmp4+8+2, 0, 61), icmp4+8)), nvgreext.ErrQuote, icmp4 + 8 + 61},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := nvgreext.Message{Kind: nvgreext.Redirect}
			err := m.Decode(tt.frame, nvgreext.AnyForm)
			e, ok := errors.AsType[*nvgreext.Error](err)
			if !ok || !errors.Is(err, tt.want) || e.Offset != tt.offset || e.Field == "" {
				t.Errorf("%v; want %v at byte %d", err, tt.want, tt.offset)
			}
			if diff := cmp.Diff(nvgreext.Message{}, m, byAddr); diff != "" {
				t.Errorf("left a message behind:\n%s", diff)
			}
		})
	}
	for _, frame := range [][]byte{redirect4, unreachable4, redirect6, unreachable6} {
		var m nvgreext.Message
		if err := m.Decode(frame, 0); err != nil {
			t.Errorf("a message that they were made from: %v", err)
		}
	}
}

func TestTruncationAtEveryByte(t *testing.T) {
	for name, frame := range goldens(t) {
		for n := range frame {
			var m nvgreext.Message
			if err := m.Decode(frame[:n], nvgreext.AnyForm); err == nil {
				t.Errorf("%s: the first %d of %d bytes pass for a message", name, n, len(frame))
			}
		}
	}
}

// Between lengths, checksums and comparisons few bits can change unseen: those
// that no receiver reads.
func TestEveryBitCounts(t *testing.T) {
	for name, frame := range goldens(t) {
		ipLen := (icmpAt(frame) - 36) / 2 // of each IP header
		gre := 14 + ipLen
		inner := gre + 8 + 14
		unread := func(i int) bool {
			switch {
			case i < 12, i == gre+7, gre+8 <= i && i < gre+20: // link MACs, FlowID, NVE MACs
				return true
			case ipLen == 40 && i < gre: // IPv6 traffic class, flow label and hop limit
				return i < 14+4 || i == 14+7
			case ipLen == 40 && inner <= i && i < inner+40:
				return i < inner+4 || i == inner+7
			}
			return false
		}
		for i := range frame {
			for bit := range 8 {
				bad := bytes.Clone(frame)
				bad[i] ^= 1 << bit
				var m nvgreext.Message
				if err := m.Decode(bad, nvgreext.AnyForm); err == nil && !unread(i) {
					t.Errorf("%s: bit %d of byte %d changed and nobody saw it", name, bit, i)
				}
			}
		}
	}
}

func TestReuseOfADecodedValue(t *testing.T) {
	all := goldens(t)
	var reused nvgreext.Message
	for _, name := range append(slices.Sorted(maps.Keys(all)), "unreachable-ipv4") {
		var fresh nvgreext.Message
		if err := fresh.Decode(all[name], nvgreext.AnyForm); err != nil {
			t.Fatal(err)
		}
		if err := reused.Decode(all[name], nvgreext.AnyForm); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fresh, reused, byAddr); diff != "" {
			t.Errorf("%s decoded over another message (-fresh +reused):\n%s", name, diff)
		}
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		nvgreext.Redirect.String():    "REDIRECT",
		nvgreext.Unreachable.String(): "UNREACHABLE",
		nvgreext.Kind(9).String():     "Kind(9)",
		nvgreext.Form(0).String():     "standard",
		nvgreext.AnyForm.String():     "draft-literal+no-unused-word+quoted-ethernet+lenient-code+hop-limit+quoted-checksum",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, frame := range goldens(f) {
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		// Sealed, the fuzzer gets past the checksums; as it is, it must not.
		sealed := bytes.Clone(frame)
		if len(sealed) >= icmp6+8 {
			sealed = reseal(sealed)
		}
		for _, in := range [][]byte{frame, sealed} {
			var m, strict nvgreext.Message
			err := m.Decode(in, nvgreext.AnyForm)
			if err != nil {
				e, ok := errors.AsType[*nvgreext.Error](err)
				if !ok || e.Offset < 0 || e.Offset > len(in) || m.Kind != 0 {
					t.Fatalf("%+v, %v", m, err)
				}
				continue
			}
			if m.Quote.Flow.DstPA != m.Src || m.Target.IsValid() != (m.Kind == nvgreext.Redirect) || len(m.Quote.Packet) == 0 {
				t.Fatalf("%+v", m)
			}
			// It is the same under just its own form, and refused without it.
			if err := strict.Decode(in, m.Form); err != nil || strict.Form != m.Form || strict.Quote.Flow != m.Quote.Flow {
				t.Fatalf("accepting just %v: %+v, %v", m.Form, strict, err)
			}
			if err := strict.Decode(in, 0); (err == nil) != (m.Form == 0) {
				t.Fatalf("form %v, accepting none: %v", m.Form, err)
			}
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	for _, tt := range []struct {
		name string
		tr   trigger
	}{{"v4 of 100 B", trigger{}}, {"v6 of 120 B", trigger{v6: true}}, {"v4 of 1462 B", trigger{inner: inner{payload: 1400}}}, {"v6 of 1482 B", trigger{v6: true, inner: inner{payload: 1400}}}} {
		tr, p, buf := tt.tr.bytes(b), params(nvgreext.Redirect), make([]byte, 0, 2048)
		if tt.tr.v6 {
			p = params6(nvgreext.Redirect)
		}
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := nvgreext.Build(buf, p, tr); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	all := goldens(b)
	for _, name := range []string{"redirect-ipv4", "redirect-ipv6", "unreachable-ipv4", "unreachable-ipv6"} {
		b.Run(name, func(b *testing.B) {
			var m nvgreext.Message
			b.ReportAllocs()
			for b.Loop() {
				if err := m.Decode(all[name], nvgreext.Tolerated); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
