package nvgre_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/keyway-nve/keyway/proto/nvgre"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var goldens = []struct {
	name   string
	header nvgre.Header
	hex    string
}{
	{"first tenant VSID", nvgre.Header{VSID: nvgre.MinTenant}, "2000 6558 001000 00"},
	{"last tenant VSID, FlowID", nvgre.Header{VSID: nvgre.MaxTenant, FlowID: 0xa5}, "2000 6558 fffffe a5"},
	{"control", nvgre.Header{VSID: nvgre.Control, FlowID: 1}, "2000 6558 ffffff 01"},
	{"reserved VSID", nvgre.Header{VSID: 0, FlowID: 0xff}, "2000 6558 000000 ff"},
}

func TestGoldens(t *testing.T) {
	for _, tt := range goldens {
		t.Run(tt.name, func(t *testing.T) {
			want := unhex(t, tt.hex)
			got, err := tt.header.AppendTo([]byte{0xee})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(hex.Dump(append([]byte{0xee}, want...)), hex.Dump(got)); diff != "" {
				t.Errorf("AppendTo (-want +got):\n%s", diff)
			}
			h := nvgre.Header{VSID: 7, FlowID: 7} // must not show through
			frame, err := h.Decode(append(want, "frame"...))
			if err != nil || string(frame) != "frame" || h != tt.header {
				t.Errorf("Decode: %q, %v, %s", frame, err, cmp.Diff(tt.header, h))
			}
			for n := range want {
				h := nvgre.Header{VSID: 7}
				if _, err := h.Decode(want[:n]); !errors.Is(err, nvgre.ErrTruncated) || h != (nvgre.Header{}) {
					t.Errorf("first %d bytes: %+v, %v; want a zero header and ErrTruncated", n, h, err)
				}
			}
		})
	}
}

func TestOtherGRE(t *testing.T) {
	reasons := []error{
		nvgre.ErrChecksum, nvgre.ErrRouting, nvgre.ErrNoKey, nvgre.ErrSequence,
		nvgre.ErrReserved, nvgre.ErrVersion, nvgre.ErrProtocol,
	}
	tests := []struct {
		name, hex string
		want      []error
	}{
		{"plain GRE over IPv4", "0000 0800 00001000", []error{nvgre.ErrNoKey, nvgre.ErrProtocol}},
		{"routing instead of key", "4000 6558 00100000", []error{nvgre.ErrRouting, nvgre.ErrNoKey}},
		{"checksum", "a000 6558 00000000", []error{nvgre.ErrChecksum}},
		{"sequence", "3000 6558 00100000", []error{nvgre.ErrSequence}},
		{"every reserved flag", "2ff8 6558 00100000", []error{nvgre.ErrReserved}},
		{"lowest reserved flag", "2008 6558 00100000", []error{nvgre.ErrReserved}},
		{"PPTP", "3001 880b 00100000", []error{nvgre.ErrSequence, nvgre.ErrVersion, nvgre.ErrProtocol}},
		{"all at once", "dfff 0000 00100000", reasons},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := nvgre.Header{VSID: 7}
			frame, err := h.Decode(unhex(t, tt.hex))
			if err == nil || frame != nil || h != (nvgre.Header{}) {
				t.Fatalf("decoded as %+v", h)
			}
			var got []error
			for _, r := range reasons {
				if errors.Is(err, r) {
					got = append(got, r)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("reasons %v, want %v", got, tt.want)
			}
		})
	}
}

func TestVSID(t *testing.T) {
	tests := []struct {
		vsid          nvgre.VSID
		text          string
		valid, tenant bool
	}{
		{0, "0x000000", true, false},
		{0xfff, "0x000fff", true, false},
		{0x1000, "0x001000", true, true},
		{0xfffffe, "0xfffffe", true, true},
		{nvgre.Control, "0xffffff", true, false},
		{1 << 24, "0x1000000", false, false},
	}
	for _, tt := range tests {
		if tt.vsid.String() != tt.text || tt.vsid.IsValid() != tt.valid || tt.vsid.IsTenant() != tt.tenant {
			t.Errorf("%v: valid %v, tenant %v", tt.vsid, tt.vsid.IsValid(), tt.vsid.IsTenant())
		}
		h := nvgre.Header{VSID: tt.vsid}
		if b, err := h.AppendTo([]byte{1}); (err == nil) != tt.valid || err != nil && (!errors.Is(err, nvgre.ErrVSID) || !bytes.Equal(b, []byte{1})) {
			t.Errorf("%v: AppendTo = % x, %v", tt.vsid, b, err)
		}
	}
}

func TestCheckInner(t *testing.T) {
	const macs = "020000000101 020000000102 "
	tests := []struct {
		name, hex string
		want      error
	}{
		{"IPv4", macs + "0800", nil},
		{"ARP", macs + "0806", nil},
		{"802.1Q", macs + "8100 0001 0800", nvgre.ErrInnerTag},
		{"802.1ad", macs + "88a8 0001 0800", nvgre.ErrInnerTag},
		{"13 bytes", macs + "08", nvgre.ErrTruncated},
		{"nothing", "", nvgre.ErrTruncated},
	}
	for _, tt := range tests {
		if err := nvgre.CheckInner(unhex(t, tt.hex)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestAsGopacket(t *testing.T) {
	for _, tt := range goldens {
		var l layers.GRE
		if err := l.DecodeFromBytes(append(unhex(t, tt.hex), "frame"...), gopacket.NilDecodeFeedback); err != nil {
			t.Fatalf("%s: gopacket: %v", tt.name, err)
		}
		got := nvgre.Header{VSID: nvgre.VSID(l.Key >> 8), FlowID: uint8(l.Key)}
		if got != tt.header || !l.KeyPresent || l.Protocol != layers.EthernetTypeTransparentEthernetBridging || string(l.Payload) != "frame" {
			t.Errorf("%s: gopacket reads %+v", tt.name, l)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, tt := range goldens {
		f.Add(unhex(f, tt.hex))
	}
	f.Add(unhex(f, "dfff 0000 00100000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h nvgre.Header
		frame, err := h.Decode(b)
		if e, ok := errors.AsType[*nvgre.Error](err); ok && len(e.Unwrap()) == 0 {
			t.Fatalf("%v: refused for no reason", err)
		}
		if err != nil {
			return
		}
		again, err := h.AppendTo(nil)
		if err != nil || !bytes.Equal(append(again, frame...), b) {
			t.Errorf("encodes as % x, %v", again, err)
		}
	})
}

func TestNoAllocs(t *testing.T) {
	buf, h := make([]byte, 0, 64), goldens[1].header
	if n := testing.AllocsPerRun(100, func() {
		out, _ := h.AppendTo(buf)
		_, _ = h.Decode(out)
	}); n != 0 {
		t.Errorf("encoding and decoding allocate %v times", n)
	}
}

func BenchmarkAppendTo(b *testing.B) {
	buf, h := make([]byte, 0, 64), goldens[1].header
	b.ReportAllocs()
	for b.Loop() {
		_, _ = h.AppendTo(buf)
	}
}

func BenchmarkDecode(b *testing.B) {
	in := unhex(b, goldens[1].hex)
	var h nvgre.Header
	b.ReportAllocs()
	for b.Loop() {
		_, _ = h.Decode(in)
	}
}

func ExampleHeader() {
	h := nvgre.Header{VSID: 0x1234, FlowID: 7}
	b, err := h.AppendTo(nil)
	fmt.Printf("% x %v\n", b, err)
	b[0] = 0x40 // the routing flag in the place of K
	_, err = h.Decode(b)
	fmt.Println(err)
	// Output:
	// 20 00 65 58 00 12 34 07 <nil>
	// nvgre: other GRE (flags 0x4000, protocol 0x6558): routing flag set, key flag clear
}
