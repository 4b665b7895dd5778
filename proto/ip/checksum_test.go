package ip_test

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/proto/ip"
)

// wordByWord is the checksum as RFC 1071 §4.1 writes it.
func wordByWord(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func TestChecksum(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		want uint16
	}{
		{"nothing", nil, 0xffff},
		{"zeros", make([]byte, 64), 0xffff},
		{"RFC 1071 §3", []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}, ^uint16(0xddf2)},
		{"odd", []byte{0x12}, ^uint16(0x1200)},
		{"all ones", []byte{0xff, 0xff}, 0},
	}
	for _, tt := range tests {
		if got := ip.Checksum(tt.data); got != tt.want {
			t.Errorf("%s: %#04x, want %#04x", tt.name, got, tt.want)
		}
	}
}

func TestChecksumCarries(t *testing.T) {
	ones := make([]byte, 300) // every addition carries
	for i := range ones {
		ones[i] = 0xff
	}
	for n := range ones {
		if got, want := ip.Checksum(ones[:n]), wordByWord(ones[:n]); got != want {
			t.Errorf("%d bytes of ones: %#04x, want %#04x", n, got, want)
		}
	}
}

func TestChecksumIsWordByWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data")
		if got, want := ip.Checksum(b), wordByWord(b); got != want {
			t.Fatalf("%#04x, want %#04x", got, want)
		}
		cut := rapid.IntRange(0, len(b)/2).Draw(t, "cut") * 2
		if got := ip.Sum(0).Add(b[cut:]).Checksum(); got != wordByWord(b[cut:]) {
			t.Fatalf("from %d: %#04x", cut, got)
		}
		if got, want := ip.Sum(0).Add(b[:cut]).Add(b[cut:]).Checksum(), wordByWord(b); got != want {
			t.Fatalf("in two pieces at %d: %#04x, want %#04x", cut, got, want)
		}
	})
}

func TestPseudoHeader(t *testing.T) {
	v4 := []byte{192, 0, 2, 1, 198, 51, 100, 2, 0, 17, 0, 99}
	got := ip.PseudoHeader(netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.2"), ip.ProtocolUDP, 99)
	if got.Checksum() != wordByWord(v4) {
		t.Errorf("IPv4: %#04x, want %#04x", got.Checksum(), wordByWord(v4))
	}
	src, dst := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:ffff::2")
	s16, d16 := src.As16(), dst.As16()
	v6 := append(append(append([]byte(nil), s16[:]...), d16[:]...), 0, 1, 0, 2, 0, 0, 0, 58) // 65538 bytes need 32 bits
	if got := ip.PseudoHeader(src, dst, ip.ProtocolICMPv6, 65538); got.Checksum() != wordByWord(v6) {
		t.Errorf("IPv6: %#04x, want %#04x", got.Checksum(), wordByWord(v6))
	}
}

func BenchmarkChecksum(b *testing.B) {
	for _, n := range []int{20, 64, 576, 1500, 9000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			data := make([]byte, n)
			for i := range data {
				data[i] = byte(i)
			}
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				_ = ip.Checksum(data)
			}
		})
	}
}

func ExampleSum() {
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	datagram := []byte{0x17, 0xc1, 0x17, 0xc1, 0x00, 0x0b, 0x00, 0x00, 'a', 'b', 'c'}
	sum := ip.PseudoHeader(src, dst, ip.ProtocolUDP, len(datagram)).Add(datagram)
	fmt.Printf("%#04x\n", sum.Checksum())
	// Output: 0x87ef
}
