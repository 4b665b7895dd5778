package geneve_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/udp"
	"github.com/keyway-nve/keyway/testbed/peer"
)

// gopacket 1.7.7 reads an option's length with a mask of four bits and counts
// the options in an octet, so it is only asked about options of at most 60
// bytes and 255 bytes in all.
func TestAsGopacket(t *testing.T) {
	for _, tt := range goldens {
		want := tt.header(t)
		if len(want.Options) > 64 {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			var l layers.Geneve
			if err := l.DecodeFromBytes(append(unhex(t, tt.hex), "payload"...), gopacket.NilDecodeFeedback); err != nil {
				t.Fatal(err)
			}
			got := geneve.Header{Control: l.OAMPacket, Critical: l.CriticalOption, Protocol: ethernet.EtherType(l.Protocol), VNI: geneve.VNI(l.VNI)}
			var err error
			for _, o := range l.Options {
				typ := geneve.OptionType{Class: o.Class, Type: o.Type, Len: uint8(len(o.Data) / 4)}
				if got.Options, err = (geneve.Option{Type: typ, Data: o.Data}).AppendTo(got.Options); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("(-gopacket +ours):\n%s", diff)
			}
			if string(l.Payload) != "payload" {
				t.Errorf("gopacket's payload is %q", l.Payload)
			}
		})
	}
}

// frame puts a Geneve packet with an empty inner frame on the wire.
func frame(t *testing.T, h geneve.Header) []byte {
	t.Helper()
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	inner := ethernet.Header{Dst: ethernet.MAC{2, 0, 0, 0, 1, 1}, Src: ethernet.MAC{2, 0, 0, 0, 1, 2}, Type: 0x88b5} // local experiments
	n := uint16(ip.V4HeaderLen + udp.HeaderLen + h.Len() + ethernet.MinFrame)
	b, err := (&ethernet.Header{Dst: ethernet.MAC{2, 0, 0, 0, 0, 2}, Src: ethernet.MAC{2, 0, 0, 0, 0, 1}, Type: ethernet.TypeIPv4}).AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = (&ip.V4{TotalLen: n, TTL: 64, Protocol: ip.ProtocolUDP, Src: src, Dst: dst}).AppendTo(b); err != nil {
		t.Fatal(err)
	}
	at := len(b)
	if b, err = (&udp.Header{SrcPort: 50000, DstPort: geneve.Port}).AppendTo(b); err != nil {
		t.Fatal(err)
	}
	if b, err = h.AppendTo(b); err != nil {
		t.Fatal(err)
	}
	if b, err = inner.AppendTo(b); err != nil {
		t.Fatal(err)
	}
	b = append(b, make([]byte, ethernet.MinFrame-ethernet.HeaderLen)...)
	if err := udp.Seal(b[at:], src, dst); err != nil {
		t.Fatal(err)
	}
	return b
}

func bit(set bool) int {
	if set {
		return 1
	}
	return 0
}

func TestAsTshark(t *testing.T) {
	tshark := peer.Require(t, "tshark", "tshark")
	file := filepath.Join(t.TempDir(), "geneve.pcap")
	var capture bytes.Buffer
	w := pcapgo.NewWriter(&capture)
	if err := w.WriteFileHeader(1<<16, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, tt := range goldens {
		h := tt.header(t)
		h.Protocol = teb
		f := frame(t, h)
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(0, 0), CaptureLength: len(f), Length: len(f)}, f); err != nil {
			t.Fatal(err)
		}
		var classes, kinds []string
		for _, typ := range types(t, h.Options) {
			classes = append(classes, fmt.Sprintf("0x%04x", typ.Class))
			kinds = append(kinds, fmt.Sprintf("0x%02x", typ.Type))
		}
		want = append(want, fmt.Sprintf("0x%06x;%d;%d;%s;%s;0x0800,0x88b5;;", uint32(h.VNI), bit(h.Control), bit(h.Critical),
			strings.Join(classes, ","), strings.Join(kinds, ",")))
	}
	if err := os.WriteFile(file, capture.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tshark, "-r", file, "-T", "fields", "-E", "separator=;",
		"-e", "geneve.vni", "-e", "geneve.flags.oam", "-e", "geneve.flags.critical", "-e", "geneve.option.class", "-e", "geneve.option.type",
		"-e", "eth.type", "-e", "geneve.option.length.invalid", "-e", "_ws.malformed").Output()
	if err != nil {
		t.Fatal(err)
	}
	// Versions differ in how they print a flag.
	plain := strings.NewReplacer("True", "1", "False", "0").Replace(string(out))
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(plain), "\n"), want); diff != "" {
		t.Errorf("(-tshark +ours):\n%s", diff)
	}
}
