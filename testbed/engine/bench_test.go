package engine_test

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/stf"
)

// The frames of testdata/nve.stf: outer Ethernet and IPv4 with the checksums that they need, then the tunnel.
const (
	tenantFrame = "020000000002020000000001 0800" + tenantPacket
	tenantIn    = "020000000001020000000002 0800" + tenantPacket
	// IPv4 and UDP, 64 bytes with Ethernet.
	tenantPacket = "450000320001000040110000 0a0100010a010002 30390035001e0000 00112233445566778899aabbccddeeff0011223344ff"
	outerMAC     = "0200000000bb0200000000aa 0800"
)

var nveFrames = []struct {
	name   string
	port   uint32
	frame  string
	egress uint32
	length int
}{
	// IPv4 length 20+8+8+16+64 = 116.
	{"geneve-receive-2-options", 1, outerMAC + "450000740000400040110000 0a0000020a000001" + "c00017c1 00600000" +
		"0400655800006400" + "ff000101 0000000a 01028001 00030007" + tenantIn, 256, 64},
	{"geneve-send-3-options", 256, tenantFrame, 1, 14 + 20 + 8 + 8 + 24 + 64},
	// IPv4 length 20+8+64 = 92.
	{"nvgre-receive", 1, outerMAC + "4500005c00004000402f0000 0a0000020a000001" + "20006558 0000c800" + tenantIn, 256, 64},
	{"nvgre-send", 257, tenantFrame, 1, 14 + 20 + 8 + 64},
}

// nveSwitch runs p4/nve.p4 with the entries of testdata/nve.stf.
func nveSwitch(t testing.TB, o engine.Options) *engine.Switch {
	t.Helper()
	prog, err := p4.NVE()
	if err != nil {
		t.Fatal(err)
	}
	p, err := engine.Load(prog.DeviceConfig)
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile("testdata/nve.stf")
	if err != nil {
		t.Fatal(err)
	}
	script, err := stf.Parse("nve.stf", string(src))
	if err != nil {
		t.Fatal(err)
	}
	s := engine.New(p, o)
	if err := stf.Configure(s, script); err != nil {
		t.Fatal(err)
	}
	return s
}

// tunnelFrame reads hexadecimal digits and fills in the checksum of the outer IPv4 header.
func tunnelFrame(t testing.TB, s string) []byte {
	t.Helper()
	b := unhex(t, s)
	var sum uint32
	for i := 14; i < 34; i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	b[24], b[25] = byte(^sum>>8), byte(^sum)
	return b
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNVEFrames shows that the benchmark measures what it says: each frame leaves where and as long as it should.
func TestNVEFrames(t *testing.T) {
	for _, tt := range nveFrames {
		t.Run(tt.name, func(t *testing.T) {
			var port uint32
			length := -1
			s := nveSwitch(t, engine.Options{Output: func(p uint32, frame []byte) { port, length = p, len(frame) }})
			s.Process(tt.port, tunnelFrame(t, tt.frame))
			if port != tt.egress || length != tt.length {
				t.Errorf("left port %d with %d bytes, want %d and %d: %+v", port, length, tt.egress, tt.length, s.Stats())
			}
		})
	}
}

func BenchmarkNVE(b *testing.B) {
	for _, tt := range nveFrames {
		b.Run(tt.name, func(b *testing.B) {
			frame := tunnelFrame(b, tt.frame)
			s := nveSwitch(b, engine.Options{Output: func(uint32, []byte) {}})
			b.ReportAllocs()
			for b.Loop() {
				s.Process(tt.port, frame)
			}
		})
	}
}
