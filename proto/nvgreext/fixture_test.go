package nvgreext_test

import (
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/nvgre"
	"github.com/keyway-nve/keyway/proto/nvgreext"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The cast: the endpoint a, behind the sender NVE, sends to b, which has moved
// from the receiver NVE to the target NVE.
var (
	sender4, receiver4, target4 = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
	sender6, receiver6, target6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::3")
	a4, b4                      = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	a6, b6                      = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")

	nextHop, ourPort     = mac(0x11), mac(0x12) // on the receiver NVE's link
	senderMAC, recvMAC   = mac(0x01), mac(0x02)
	endpointA, endpointB = mac(0xa1), mac(0xb1)
)

func mac(last byte) ethernet.MAC { return ethernet.MAC{0x02, 0, 0, 0, 0, last} }

// experiment is a protocol number for experiments (RFC 3692), so that no reader
// of a capture makes anything of the payload.
const experiment ip.Protocol = 253

// inner is an inner frame; its payload is 0, 1, 2...
type inner struct {
	dst     ethernet.MAC
	typ     ethernet.EtherType
	options []byte
	dstCA   netip.Addr
	payload int
}

// trigger is an NVGRE packet as the receiver NVE gets it. The zero value is a
// plain one of 100 bytes from endpoint a to endpoint b.
type trigger struct {
	v6       bool
	tag      ethernet.Tag
	linkDst  ethernet.MAC
	src, dst netip.Addr
	proto    ip.Protocol
	v4       func(*ip.V4)
	vsid     nvgre.VSID
	inner    inner
	padding  int
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func must(t testing.TB) func(b []byte, err error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func (in inner) bytes(t testing.TB) []byte {
	t.Helper()
	typ := or(in.typ, ethernet.TypeIPv4)
	b := must(t)((&ethernet.Header{Dst: or(in.dst, endpointB), Src: endpointA, Type: typ}).AppendTo(nil))
	switch typ {
	case ethernet.TypeIPv4:
		h := ip.V4{TTL: 64, Protocol: experiment, Src: a4, Dst: or(in.dstCA, b4), Options: in.options}
		h.TotalLen = uint16(h.HeaderLen() + in.payload)
		b = must(t)(h.AppendTo(b))
	case ethernet.TypeIPv6:
		b = must(t)((&ip.V6{PayloadLen: uint16(in.payload), NextHeader: experiment, HopLimit: 64, Src: a6, Dst: or(in.dstCA, b6)}).AppendTo(b))
	}
	return append(b, counting(in.payload)...)
}

func (tr trigger) bytes(t testing.TB) []byte {
	t.Helper()
	if tr.inner.payload == 0 {
		tr.inner.payload = 38
	}
	payload := must(t)((&nvgre.Header{VSID: or(tr.vsid, 0x4242), FlowID: 0x77}).AppendTo(nil))
	payload = append(payload, tr.inner.bytes(t)...)
	link := ethernet.Header{Dst: or(tr.linkDst, ourPort), Src: nextHop, Tag: tr.tag, Type: ethernet.TypeIPv4}
	var b []byte
	if tr.v6 {
		link.Type = ethernet.TypeIPv6
		h := ip.V6{PayloadLen: uint16(len(payload)), NextHeader: or(tr.proto, ip.ProtocolGRE), HopLimit: 63, Src: or(tr.src, sender6), Dst: or(tr.dst, receiver6)}
		b = must(t)(h.AppendTo(must(t)(link.AppendTo(nil))))
	} else {
		h := ip.V4{TotalLen: uint16(ip.V4HeaderLen + len(payload)), DontFragment: true, TTL: 63, Protocol: or(tr.proto, ip.ProtocolGRE), Src: or(tr.src, sender4), Dst: or(tr.dst, receiver4)}
		if tr.v4 != nil {
			tr.v4(&h)
		}
		b = must(t)(h.AppendTo(must(t)(link.AppendTo(nil))))
	}
	return append(append(b, payload...), make([]byte, tr.padding)...)
}

// params answers a trigger over IPv4.
func params(kind nvgreext.Kind) nvgreext.Params {
	p := nvgreext.Params{Kind: kind, LinkDst: nextHop, LinkSrc: ourPort, SenderMAC: senderMAC, ReceiverMAC: recvMAC}
	if kind == nvgreext.Redirect {
		p.Target = target4
	}
	return p
}

func params6(kind nvgreext.Kind) nvgreext.Params {
	p := params(kind)
	if kind == nvgreext.Redirect {
		p.Target = target6
	}
	return p
}

// build is Build where it has to succeed.
func build(t testing.TB, p nvgreext.Params, tr []byte) []byte {
	t.Helper()
	return must(t)(nvgreext.Build(nil, p, tr))
}

// icmpAt returns the offset of the ICMP message in an untagged frame whose
// outer IPv4 header has no options.
func icmpAt(frame []byte) int {
	if ip.Version(frame[14:]) == 4 {
		return 14 + 20 + 8 + 14 + 20
	}
	return 14 + 40 + 8 + 14 + 40
}

// reseal corrects every length and checksum of an untagged frame after its ICMP
// message has been changed.
func reseal(frame []byte) []byte {
	at := icmpAt(frame)
	msg := frame[at:]
	msg[2], msg[3] = 0, 0
	if ip.Version(frame[14:]) == 4 {
		for _, h := range []int{14, at - 20} {
			binary.BigEndian.PutUint16(frame[h+2:], uint16(len(frame)-h))
			frame[h+10], frame[h+11] = 0, 0
			binary.BigEndian.PutUint16(frame[h+10:], ip.Checksum(frame[h:h+20]))
		}
		binary.BigEndian.PutUint16(msg[2:], ip.Checksum(msg))
		return frame
	}
	for _, h := range []int{14, at - 40} {
		binary.BigEndian.PutUint16(frame[h+4:], uint16(len(frame)-h-40))
	}
	src, dst := netip.AddrFrom16([16]byte(frame[at-32:])), netip.AddrFrom16([16]byte(frame[at-16:]))
	binary.BigEndian.PutUint16(msg[2:], ip.ICMPv6Checksum(src, dst, msg))
	return frame
}

// cut returns b without n bytes at offset at; paste returns it with more there.
func cut(b []byte, at, n int) []byte { return append(append([]byte(nil), b[:at]...), b[at+n:]...) }
func paste(b []byte, at int, more []byte) []byte {
	return append(append(append([]byte(nil), b[:at]...), more...), b[at:]...)
}

// field is a named piece of a frame.
type field struct {
	n    int
	name string
}

func fields(v4 bool, icmp ...field) []field {
	addr, ipFields := 16, []field{{4, "IPv6: version, traffic class, flow label"}, {2, "  payload length"}, {2, "  next header, hop limit"}}
	if v4 {
		addr, ipFields = 4, []field{{4, "IPv4: version and IHL, traffic class, total length"}, {4, "  identification, DF"}, {2, "  TTL, protocol"}, {2, "  header checksum"}}
	}
	header := func(which string) []field {
		list := []field{{6, which + " Ethernet: destination"}, {6, "  source"}, {2, "  EtherType"}}
		for _, f := range ipFields {
			if !strings.HasPrefix(f.name, " ") {
				f.name = which + " " + f.name
			}
			list = append(list, f)
		}
		return append(list, field{addr, "  source"}, field{addr, "  destination"})
	}
	list := append(header("outer"), field{4, "NVGRE: K, TEB"}, field{4, "  VSID, FlowID"})
	return append(append(list, header("inner")...), icmp...)
}

// annotate writes a frame as hexadecimal text, a field a line, the rest by 16.
func annotate(frame []byte, list []field) string {
	var s strings.Builder
	line := func(b []byte, comment string) { fmt.Fprintf(&s, "%-48s# %s\n", fmt.Sprintf("% x", b), comment) }
	for _, f := range list {
		if len(frame) < f.n {
			break
		}
		line(frame[:f.n], f.name)
		frame = frame[f.n:]
	}
	for at := 0; len(frame) > 0; {
		n := min(16, len(frame))
		line(frame[:n], fmt.Sprintf("quoted byte %d", at))
		frame, at = frame[n:], at+n
	}
	return s.String()
}

// readHex reads hexadecimal text with a comment after # on each line.
func readHex(t testing.TB, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		data, _, _ := strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(data), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden compares a frame with testdata/name.hex by fields, and returns what
// the file says.
func golden(t *testing.T, name string, frame []byte, list []field) []byte {
	t.Helper()
	file := filepath.Join("testdata", name+".hex")
	if *update {
		if err := os.WriteFile(file, []byte(annotate(frame, list)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := readHex(t, string(text))
	if diff := cmp.Diff(strings.Split(annotate(want, list), "\n"), strings.Split(annotate(frame, list), "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
	return want
}

// goldens returns all golden frames by name.
func goldens(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.hex")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".hex")] = readHex(t, string(text))
	}
	return all
}
