package conformance

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/udp"
)

// Where things stand in the frames of this package, if nothing optional is in
// front of them.
const (
	offsetIP       = 14
	offsetUDP      = offsetIP + 20 // over IPv4
	offsetUDP6     = offsetIP + 40
	offsetGeneve   = offsetUDP + 8
	offsetOptions  = offsetGeneve + 8
	tenantOffsetIP = 14
)

const (
	blue  = 25600
	red   = 51200
	green = 300
)

// be are the parts of a frame, big-endian, one behind the other.
func be(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch v := p.(type) {
		case []byte:
			b = append(b, v...)
		case string:
			b = append(b, unhex(v)...)
		case ethernet.MAC:
			b = append(b, v[:]...)
		case netip.Addr:
			b = append(b, v.AsSlice()...)
		case uint8:
			b = append(b, v)
		case uint16:
			b = binary.BigEndian.AppendUint16(b, v)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, v)
		default:
			panic("a part of a frame has a size")
		}
	}
	return b
}

// unhex reads hexadecimal digits; blanks and line ends do not count.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// endpoint is the MAC that testdata/edge.yaml gives an endpoint.
func endpoint(t testing.TB, name string) ethernet.MAC {
	t.Helper()
	in := edge(t)
	e, ok := in.Endpoint(name)
	if !ok {
		t.Fatalf("no endpoint %s", name)
	}
	return e.MAC
}

// tenant is a frame between two tenant systems of testdata/edge.yaml.
type tenant struct {
	from, to string // endpoints by name
	tag      string // 802.1Q tags, in hexadecimal
	v6       bool
	tos      uint8  // DSCP and ECN
	ports    uint32 // source and destination port; 0: 12345 and 53
	size     int    // of the UDP payload; 0: 22 bytes, a frame of 64
	payload  []byte // of the frame, in place of IP
}

func (f tenant) bytes(t testing.TB) []byte {
	t.Helper()
	b := be(endpoint(t, f.to), endpoint(t, f.from))
	switch {
	case f.payload != nil:
		return append(be(b, f.tag), f.payload...)
	case f.v6:
		return be(b, f.tag, uint16(0x86dd), f.packet())
	}
	return be(b, f.tag, uint16(0x0800), f.packet())
}

func (f tenant) packet() []byte {
	if f.ports == 0 {
		f.ports = 12345<<16 | 53
	}
	if f.size == 0 {
		f.size = 22
	}
	data := make([]byte, f.size)
	for i := range data {
		data[i] = byte(0xa0 + i)
	}
	datagram := be(f.ports, uint16(0), uint16(0), data)
	src, dst := address("172.16.0.1"), address("172.16.0.2")
	if f.v6 {
		src, dst = address("fd01::1"), address("fd01::2")
	}
	if err := udp.Seal(datagram, src, dst); err != nil {
		panic(err)
	}
	return packet(src, dst, f.tos, 17, datagram)
}

// packet is an IP packet with a TTL of 64 and, over IPv4, DF.
func packet(src, dst netip.Addr, tos, protocol uint8, payload []byte) []byte {
	if src.Is6() {
		return be(uint8(0x60|tos>>4), tos<<4, uint16(0), uint16(len(payload)), protocol, uint8(64), src, dst, payload)
	}
	b := be(uint8(0x45), tos, uint16(20+len(payload)), uint16(0), uint16(0x4000), uint8(64), protocol, uint16(0), src, dst)
	binary.BigEndian.PutUint16(b[10:], ip.Checksum(b))
	return append(b, payload...)
}

// tunnel is an underlay frame as it arrives. What is left zero is as a
// conforming NVE sends it: Geneve over IPv4, from there, to here.
type tunnel struct {
	v6        bool // over IPv6, from third
	from, to  netip.Addr
	tag       string // 802.1Q tag of the underlay
	ipOptions string
	tos       uint8
	fragment  uint16 // flags and offset, in place of DF

	gre   bool
	head  uint32 // of the GRE header: flags and protocol, in place of 0x20006558
	last  uint8  // reserved byte of Geneve, FlowID of NVGRE
	vni   uint32 // VNI or VSID
	inner []byte

	flow       uint16 // UDP source port; 0: 49153
	version    uint8
	flags      uint8 // O, C and the reserved bits
	protocol   uint16
	options    []byte
	noChecksum bool
	edit       func(datagram []byte) // of the UDP datagram, before its checksum
}

func (u tunnel) bytes() []byte {
	mac := be("020000000a01 020000000b01")
	src, dst := address("10.0.0.2"), address("10.0.0.1")
	etherType := uint16(0x0800)
	if u.v6 {
		mac = be("020000000a02 020000000c01")
		src, dst = address("fd00::3"), address("fd00::1")
		etherType = 0x86dd
	}
	if u.from.IsValid() {
		src = u.from
	}
	if u.to.IsValid() {
		dst = u.to
	}
	protocol, payload := uint8(17), []byte(nil)
	if u.gre {
		protocol, payload = 47, u.nvgre()
	} else {
		payload = u.geneve(src, dst)
	}
	b := packet(src, dst, u.tos, protocol, payload)
	if o := unhex(u.ipOptions); len(o) > 0 {
		b = slices.Insert(b, 20, o...)
		b[0] += byte(len(o) / 4)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	}
	if u.fragment != 0 {
		binary.BigEndian.PutUint16(b[6:], u.fragment)
	}
	if !u.v6 {
		reseal(b)
	}
	return be(mac, u.tag, etherType, b)
}

// reseal computes the header checksum of an IPv4 packet anew.
func reseal(b []byte) {
	header := b[:max(20, 4*(b[0]&0xf))]
	header[10], header[11] = 0, 0
	binary.BigEndian.PutUint16(header[10:], ip.Checksum(header))
}

func (u tunnel) nvgre() []byte {
	head := uint32(0x20006558)
	if u.head != 0 {
		head = u.head
	}
	return be(head, u.vni<<8|uint32(u.last), u.inner)
}

func (u tunnel) geneve(src, dst netip.Addr) []byte {
	if u.flow == 0 {
		u.flow = 49153
	}
	if u.protocol == 0 {
		u.protocol = 0x6558
	}
	b := be(u.flow, uint16(6081), uint16(0), uint16(0),
		u.version<<6|uint8(len(u.options)/4), u.flags, u.protocol, u.vni<<8|uint32(u.last), u.options, u.inner)
	if u.edit != nil {
		u.edit(b)
	}
	if err := udp.Seal(b, src, dst); err != nil {
		panic(err)
	}
	if u.noChecksum {
		b[6], b[7] = 0, 0
	}
	return b
}

// Options of testdata/edge.yaml, as they arrive.
func groupOption(group uint16) []byte     { return be("ff00 01 01 abcd", group) }
func contextOption(in, out uint16) []byte { return be("0102 80 01", in, out) }
func sequenceOption(n uint32) []byte      { return be("ff00 02 01", n) }
func traceOption(origin, hash uint32) []byte {
	return be("ff00 03 03", origin, hash, uint32(0x11223344))
}

// unknown are options of n words that no device here knows: one of as many
// words as fit, and the rest.
func unknown(n int) (b []byte) {
	for n > 0 {
		size := min(n, 32)
		b = append(b, be("ff11 22", uint8(size-1), make([]byte, 4*(size-1)))...)
		n -= size
	}
	return b
}

const critical, control = 0x40, 0x80 // the C and O flags

// with returns a copy of a frame with bytes replaced at an offset.
func with(frame []byte, at int, bytes string) []byte {
	frame = slices.Clone(frame)
	copy(frame[at:], unhex(bytes))
	return frame
}

// sealUDP fills in a datagram's checksum.
func sealUDP(datagram []byte, src, dst string) error {
	return udp.Seal(datagram, address(src), address(dst))
}

func address(s string) netip.Addr { return netip.MustParseAddr(s) }
