package udp_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/proto/udp"
)

var (
	a4, b4 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	a6, b6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")

	golden       = []byte{0xc0, 0x01, 0x17, 0xc1, 0x00, 0x0b, 0x12, 0x34, 'a', 'b', 'c'}
	goldenHeader = udp.Header{SrcPort: 49153, DstPort: 6081, Length: 11, Checksum: 0x1234}
)

// dump returns a hex dump by lines, so that a diff shows the lines that differ.
func dump(b []byte) []string { return strings.Split(hex.Dump(b), "\n") }

func TestGolden(t *testing.T) {
	b, err := goldenHeader.AppendTo([]byte{0xee})
	if want := append([]byte{0xee}, golden[:8]...); err != nil || !bytes.Equal(b, want) {
		t.Errorf("AppendTo = %s, %v; want %s", hex.Dump(b), err, hex.Dump(want))
	}
	h := udp.Header{SrcPort: 1, Checksum: 1} // must not show through
	payload, err := h.Decode(append(golden, "padding"...))
	if err != nil || string(payload) != "abc" || h != goldenHeader {
		t.Errorf("Decode: %q, %v, %s", payload, err, cmp.Diff(goldenHeader, h))
	}
	for n := range golden {
		if _, err := h.Decode(golden[:n]); !errors.Is(err, udp.ErrTruncated) || h != (udp.Header{}) {
			t.Errorf("first %d bytes: %+v, %v; want a zero header and ErrTruncated", n, h, err)
		}
	}
	if _, err := h.Decode([]byte{0, 1, 0, 2, 0, 7, 0, 0}); !errors.Is(err, udp.ErrLength) {
		t.Errorf("length 7: %v, want ErrLength", err)
	}
}

func TestSealAndVerify(t *testing.T) {
	for _, tt := range []struct {
		name     string
		src, dst netip.Addr
		none     error // of a datagram without checksum
	}{{"IPv4", a4, b4, nil}, {"IPv6", a6, b6, udp.ErrNoChecksum}} {
		t.Run(tt.name, func(t *testing.T) {
			d := bytes.Clone(golden)
			if err := udp.Seal(d, tt.src, tt.dst); err != nil {
				t.Fatal(err)
			}
			if err := udp.Verify(d, tt.src, tt.dst); err != nil {
				t.Errorf("Verify after Seal: %v", err)
			}
			for i := range d {
				bad := bytes.Clone(d)
				bad[i] ^= 0x10
				if err := udp.Verify(bad, tt.src, tt.dst); !errors.Is(err, udp.ErrChecksum) {
					t.Errorf("byte %d changed: %v, want ErrChecksum", i, err)
				}
			}
			d[6], d[7] = 0, 0
			if err := udp.Verify(d, tt.src, tt.dst); !errors.Is(err, tt.none) {
				t.Errorf("no checksum: %v, want %v", err, tt.none)
			}
		})
	}
}

// RFC 768: a checksum that comes out as zero is sent as all ones.
func TestZeroIsSentAsOnes(t *testing.T) {
	d := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if err := udp.Seal(d, a4, b4); err != nil {
		t.Fatal(err)
	}
	d[8], d[9] = d[6], d[7] // the sum is now all ones
	if err := udp.Seal(d, a4, b4); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d[6:8], []byte{0xff, 0xff}) {
		t.Errorf("checksum % x, want ff ff", d[6:8])
	}
	if err := udp.Verify(d, a4, b4); err != nil {
		t.Error(err)
	}
}

func TestSealRefused(t *testing.T) {
	if err := udp.Seal(make([]byte, 7), a4, b4); !errors.Is(err, udp.ErrTruncated) {
		t.Errorf("7 bytes: %v, want ErrTruncated", err)
	}
	big := make([]byte, 1<<16)
	if err := udp.Seal(big, a4, b4); !errors.Is(err, udp.ErrLength) || !bytes.Equal(big, make([]byte, 1<<16)) {
		t.Errorf("65536 bytes: %v, want ErrLength and no change", err)
	}
	if err := udp.Verify(make([]byte, 7), a4, b4); !errors.Is(err, udp.ErrTruncated) {
		t.Errorf("verifying 7 bytes: %v, want ErrTruncated", err)
	}
}

func TestSealAsGopacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "payload")
		var network gopacket.NetworkLayer = &layers.IPv4{SrcIP: a4.AsSlice(), DstIP: b4.AsSlice(), Protocol: layers.IPProtocolUDP}
		src, dst := a4, b4
		if rapid.Bool().Draw(t, "IPv6") {
			network = &layers.IPv6{SrcIP: a6.AsSlice(), DstIP: b6.AsSlice(), NextHeader: layers.IPProtocolUDP}
			src, dst = a6, b6
		}
		l := &layers.UDP{SrcPort: layers.UDPPort(rapid.Uint16().Draw(t, "port")), DstPort: 6081}
		if err := l.SetNetworkLayerForChecksum(network); err != nil {
			t.Fatal(err)
		}
		buf := gopacket.NewSerializeBuffer()
		opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
		if err := gopacket.SerializeLayers(buf, opts, l, gopacket.Payload(payload)); err != nil {
			t.Fatal(err)
		}
		want := buf.Bytes()
		if want[6] == 0 && want[7] == 0 {
			want[6], want[7] = 0xff, 0xff
		}
		h := udp.Header{SrcPort: uint16(l.SrcPort), DstPort: 6081}
		got, _ := h.AppendTo(nil)
		got = append(got, payload...)
		if err := udp.Seal(got, src, dst); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(dump(want), dump(got)); diff != "" {
			t.Fatalf("(-gopacket +ours):\n%s", diff)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add(golden)
	f.Add(golden[:8])
	f.Fuzz(func(t *testing.T, b []byte) {
		var h udp.Header
		rest, err := h.Decode(b)
		if err != nil {
			return
		}
		again, err := h.AppendTo(nil)
		if err != nil || !bytes.Equal(append(again, rest...), b[:h.Length]) {
			t.Errorf("encodes as % x, %v", again, err)
		}
	})
}

func TestNoAllocs(t *testing.T) {
	buf, h := make([]byte, 0, 64), goldenHeader
	if n := testing.AllocsPerRun(100, func() {
		out, _ := h.AppendTo(buf)
		_, _ = h.Decode(out)
		_ = udp.Seal(out, a6, b6)
		_ = udp.Verify(out, a6, b6)
		h = goldenHeader
	}); n != 0 {
		t.Errorf("encoding and decoding allocate %v times", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	var h udp.Header
	b.ReportAllocs()
	for b.Loop() {
		_, _ = h.Decode(golden)
	}
}

func BenchmarkSeal(b *testing.B) {
	d := make([]byte, 1480)
	b.SetBytes(int64(len(d)))
	b.ReportAllocs()
	for b.Loop() {
		_ = udp.Seal(d, a6, b6)
	}
}

func ExampleSeal() {
	h := udp.Header{SrcPort: 49153, DstPort: 6081}
	b, _ := h.AppendTo(nil)
	b = append(b, "payload"...)
	src, dst := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	if err := udp.Seal(b, src, dst); err != nil {
		fmt.Println(err)
	}
	fmt.Println(udp.Verify(b, src, dst))
	b[10]++
	fmt.Println(udp.Verify(b, src, dst))
	// Output:
	// <nil>
	// udp: wrong checksum
}
