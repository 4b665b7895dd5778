package conformance

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/keyway-nve/keyway/proto/udp"
)

// whole are frames that here delivers, with all that can stand in one.
func whole(t testing.TB) map[string][]byte {
	known := be(contextOption(3, 1), groupOption(20))
	redFrame := tenant{from: "red-3", to: "red-1", v6: true}.bytes(t)
	return map[string][]byte{
		"Geneve over IPv4": tunnel{vni: blue, flags: critical, options: known, inner: blueFrame(t)}.bytes(),
		"Geneve over IPv6": tunnel{v6: true, vni: blue, flags: critical, options: known, inner: blueFrame(t)}.bytes(),
		"Geneve without UDP checksum": tunnel{
			vni: blue, flags: critical, options: known, noChecksum: true, inner: blueFrame(t)}.bytes(),
		"Geneve beyond the window": tunnel{vni: blue, tag: "8100 0001", ipOptions: "01010101", options: unknown(63), inner: blueFrame(t)}.bytes(),
		"NVGRE over IPv4":          tunnel{gre: true, vni: red, inner: redFrame}.bytes(),
		"NVGRE over IPv6":          tunnel{v6: true, gre: true, vni: red, inner: redFrame}.bytes(),
	}
}

// A frame that is cut off anywhere goes nowhere, and is counted once.
func TestReceiveTruncated(t *testing.T) {
	d := here(t)
	for name, frame := range whole(t) {
		t.Run(name, func(t *testing.T) {
			if got := d.process(port(frame), frame); len(got) == 0 || got.isOneOf("malformed") {
				t.Fatalf("the whole frame: %q", got)
			}
			for n := shortest(); n < len(frame); n++ {
				if got := d.process(port(frame), frame[:n]); len(got) != 1 || !got.isOneOf("malformed", "checksum", "not-a-tunnel") {
					t.Errorf("%d of %d bytes: %q", n, len(frame), got)
				}
			}
		})
	}
}

// port is the port by which here would get a frame.
func port(frame []byte) uint32 { return uint32(frame[5]) }

// A frame that is short and says so in its IP and UDP headers is dropped unless
// a tenant's Ethernet header is whole in it.
func TestReceiveShort(t *testing.T) {
	d := here(t)
	for name, frame := range whole(t) {
		t.Run(name, func(t *testing.T) {
			at := offsetIP
			if frame[12] == 0x81 {
				at += 4
			}
			v6 := frame[at]>>4 == 6
			payload := at + 40
			if !v6 {
				payload = at + 4*int(frame[at]&0xf)
			}
			inner := payload + 8
			if frame[at+9] != 47 && frame[at+6] != 47 {
				inner += 8 + 4*int(frame[payload+8]&0x3f)
			}
			for n := payload; n < len(frame); n++ {
				got := d.process(port(frame), shorten(frame[:n], at, payload))
				left := len(got) > 0 && !got.isOneOf("malformed", "not-a-tunnel")
				if left != (n >= inner+14) || len(got) == 0 {
					t.Errorf("%d bytes, %d of them the tenant's: %q", n, n-inner, got)
				}
			}
		})
	}
}

// shorten makes the lengths and checksums of a frame right that was cut off.
func shorten(cut []byte, at, payload int) []byte {
	b := slices.Clone(cut)
	var src, dst netip.Addr
	protocol := b[at+9]
	if b[at]>>4 == 6 {
		binary.BigEndian.PutUint16(b[at+4:], uint16(len(b)-payload))
		protocol = b[at+6]
		src, _ = netip.AddrFromSlice(b[at+8 : at+24])
		dst, _ = netip.AddrFromSlice(b[at+24 : at+40])
	} else {
		binary.BigEndian.PutUint16(b[at+2:], uint16(len(b)-at))
		reseal(b[at:payload])
		src, _ = netip.AddrFromSlice(b[at+12 : at+16])
		dst, _ = netip.AddrFromSlice(b[at+16 : at+20])
	}
	if datagram := b[payload:]; protocol == 17 && len(datagram) >= udp.HeaderLen {
		none := datagram[6] == 0 && datagram[7] == 0
		if err := udp.Seal(datagram, src, dst); err != nil {
			panic(err)
		}
		if none {
			datagram[6], datagram[7] = 0, 0
		}
	}
	return b
}

// What a tenant sends is cut off where the tenant cut it.
func TestSendTruncated(t *testing.T) {
	d := here(t)
	frame := tenant{from: "blue-1", to: "blue-3"}.bytes(t)
	for n := shortest(); n < len(frame); n++ {
		got := d.process(256, frame[:n])
		if n < 14 {
			if want := dropped("malformed"); !slices.Equal(want, got) {
				t.Errorf("%d bytes: %q", n, got)
			}
			continue
		}
		if want := fmt.Sprintf("leaves by port 1, %d bytes", offsetOptions+24+n); len(got) == 0 || got[0] != want {
			t.Errorf("%d bytes: %q, want %q", n, got, want)
		}
	}
	tagged := tenant{from: "blue-2", to: "blue-3", tag: "8100 0007"}.bytes(t)
	for n := 14; n < 18; n++ {
		if got, want := d.process(257, tagged[:n]), dropped("malformed"); !slices.Equal(want, got) {
			t.Errorf("a tag cut off, %d bytes: %q", n, got)
		}
	}
}

// FuzzNVE sends anything to any port. Whatever it is, it leaves, or is punted or
// dropped and counted; and only what came through a tunnel or from a tenant port
// leaves.
func FuzzNVE(f *testing.F) {
	for _, frame := range whole(f) {
		f.Add(uint16(port(frame)), frame)
	}
	f.Add(uint16(256), tenant{from: "blue-1", to: "blue-3"}.bytes(f))
	f.Add(uint16(257), tenant{from: "blue-2", to: "blue-3", tag: "8100 0007"}.bytes(f))
	f.Add(uint16(1), tunnel{vni: blue, flags: control, inner: blueFrame(f)}.bytes())
	d := here(f)
	f.Fuzz(func(t *testing.T, port uint16, frame []byte) {
		port &= 0x1ff
		if port == cpuPort || port == 0 || len(frame) > 9000 {
			return
		}
		d.t = t
		got := d.process(uint32(port), frame)
		if len(got) == 0 {
			t.Errorf("port %d: nothing became of it\n%x", port, frame)
		}
	})
}
