package ethernet_test

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

	"github.com/keyway-nve/keyway/proto/ethernet"
)

var (
	dst = ethernet.MAC{0x02, 0, 0, 0, 0, 0xb}
	src = ethernet.MAC{0x02, 0, 0, 0, 0, 0xa}
)

var goldens = []struct {
	name   string
	header ethernet.Header
	hex    string
}{
	{"IPv4", ethernet.Header{Dst: dst, Src: src, Type: ethernet.TypeIPv4},
		"02000000000b 02000000000a 0800"},
	{"TEB to all", ethernet.Header{Dst: ethernet.Broadcast(), Src: src, Type: ethernet.TypeTEB},
		"ffffffffffff 02000000000a 6558"},
	{"priority tag", ethernet.Header{Dst: dst, Src: src, Tag: ethernet.Tag{TPID: ethernet.TypeVLAN, PCP: 7}, Type: ethernet.TypeIPv6},
		"02000000000b 02000000000a 8100 e000 86dd"},
	{"VLAN 4094, drop eligible", ethernet.Header{Dst: dst, Src: src, Tag: ethernet.Tag{TPID: ethernet.TypeVLAN, PCP: 5, DEI: true, VID: 4094}, Type: ethernet.TypeIPv4},
		"02000000000b 02000000000a 8100 bffe 0800"},
	{"second tag stays in the payload", ethernet.Header{Dst: dst, Src: src, Tag: ethernet.Tag{TPID: ethernet.TypeQinQ, VID: 2}, Type: ethernet.TypeVLAN},
		"02000000000b 02000000000a 88a8 0002 8100"},
	{"802.3 length", ethernet.Header{Dst: dst, Src: src, Type: 46},
		"02000000000b 02000000000a 002e"},
}

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

func TestHeaderGoldens(t *testing.T) {
	for _, tt := range goldens {
		t.Run(tt.name, func(t *testing.T) {
			want := unhex(t, tt.hex)
			got, err := tt.header.AppendTo([]byte{0xee})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(dump(append([]byte{0xee}, want...)), dump(got)); diff != "" {
				t.Errorf("AppendTo (-want +got):\n%s", diff)
			}
			if tt.header.Len() != len(want) {
				t.Errorf("Len() = %d, want %d", tt.header.Len(), len(want))
			}
			h := ethernet.Header{Dst: src, Tag: ethernet.Tag{TPID: ethernet.TypeVLAN, VID: 9}} // must not show through
			rest, err := h.Decode(append(want, 1, 2, 3))
			if err != nil || !bytes.Equal(rest, []byte{1, 2, 3}) {
				t.Fatalf("Decode left % x, %v", rest, err)
			}
			if diff := cmp.Diff(tt.header, h); diff != "" {
				t.Errorf("Decode (-want +got):\n%s", diff)
			}
			for n := range want {
				if _, err := h.Decode(want[:n]); !errors.Is(err, ethernet.ErrTruncated) || h != (ethernet.Header{}) {
					t.Errorf("first %d bytes: %+v, %v; want a zero header and ErrTruncated", n, h, err)
				}
			}
		})
	}
}

func TestHeaderRefused(t *testing.T) {
	tests := []struct {
		name   string
		header ethernet.Header
	}{
		{"priority over 7", ethernet.Header{Tag: ethernet.Tag{TPID: ethernet.TypeVLAN, PCP: 8}}},
		{"VID of 13 bits", ethernet.Header{Tag: ethernet.Tag{TPID: ethernet.TypeVLAN, VID: 4096}}},
		{"TPID of a payload", ethernet.Header{Tag: ethernet.Tag{TPID: ethernet.TypeIPv4}}},
		{"VID without TPID", ethernet.Header{Tag: ethernet.Tag{VID: 7}, Type: ethernet.TypeIPv4}},
		{"tag type without tag", ethernet.Header{Type: ethernet.TypeVLAN}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := tt.header.AppendTo([]byte{1})
			if !errors.Is(err, ethernet.ErrTag) || !bytes.Equal(b, []byte{1}) {
				t.Errorf("AppendTo = % x, %v; want the input and ErrTag", b, err)
			}
		})
	}
}

func TestHeaderAsGopacket(t *testing.T) {
	for _, tt := range goldens {
		p := gopacket.NewPacket(append(unhex(t, tt.hex), make([]byte, 46)...), layers.LayerTypeEthernet, gopacket.Default)
		e, ok := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
		if !ok {
			t.Fatalf("%s: gopacket: %v", tt.name, p.ErrorLayer())
		}
		got := ethernet.Header{Dst: ethernet.MAC(e.DstMAC), Src: ethernet.MAC(e.SrcMAC), Type: ethernet.EtherType(e.EthernetType)}
		if e.Length != 0 { // gopacket splits the field in two
			got.Type = ethernet.EtherType(e.Length)
		}
		if q, ok := p.Layer(layers.LayerTypeDot1Q).(*layers.Dot1Q); ok {
			got.Tag = ethernet.Tag{TPID: got.Type, PCP: q.Priority, DEI: q.DropEligible, VID: q.VLANIdentifier}
			got.Type = ethernet.EtherType(q.Type)
		}
		if diff := cmp.Diff(got, tt.header); diff != "" {
			t.Errorf("%s (-gopacket +ours):\n%s", tt.name, diff)
		}
	}
}

func TestEtherTypeNames(t *testing.T) {
	for got, want := range map[ethernet.EtherType]string{
		ethernet.TypeIPv4: "IPv4", ethernet.TypeARP: "ARP", ethernet.TypeTEB: "TEB", ethernet.TypeVLAN: "802.1Q",
		ethernet.TypeIPv6: "IPv6", ethernet.TypeQinQ: "802.1ad", ethernet.TypeLLDP: "LLDP", 0x88b5: "0x88b5",
	} {
		if got.String() != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzHeader(f *testing.F) {
	for _, tt := range goldens {
		f.Add(unhex(f, tt.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h ethernet.Header
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
	b := make([]byte, 0, 64)
	h := goldens[3].header
	if n := testing.AllocsPerRun(100, func() {
		out, _ := h.AppendTo(b)
		_, _ = h.Decode(out)
	}); n != 0 {
		t.Errorf("encoding and decoding allocate %v times", n)
	}
}

func BenchmarkHeaderAppendTo(b *testing.B) {
	buf, h := make([]byte, 0, 64), goldens[3].header
	b.ReportAllocs()
	for b.Loop() {
		_, _ = h.AppendTo(buf)
	}
}

func BenchmarkHeaderDecode(b *testing.B) {
	in := unhex(b, goldens[3].hex)
	var h ethernet.Header
	b.ReportAllocs()
	for b.Loop() {
		_, _ = h.Decode(in)
	}
}

func ExampleHeader_Decode() {
	frame := []byte("\x02\x00\x00\x00\x00\x0b\x02\x00\x00\x00\x00\x0a\x81\x00\x00\x07\x08\x00payload")
	var h ethernet.Header
	payload, err := h.Decode(frame)
	fmt.Println(h.Src, "to", h.Dst, "VLAN", h.Tag.VID, h.Type, string(payload), err)
	// Output:
	// 02:00:00:00:00:0a to 02:00:00:00:00:0b VLAN 7 IPv4 payload <nil>
}
