package ovs_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/udp"
	"github.com/keyway-nve/keyway/testbed/ovs"
	"github.com/keyway-nve/keyway/testbed/peer"
)

// alone is an Open vSwitch with nobody at its wires but the test.
type alone struct {
	testing.TB
	*ovs.Switch
	mu  sync.Mutex
	out map[uint32][][]byte
}

func newAlone(t testing.TB, n ovs.Node) *alone {
	t.Helper()
	peer.Require(t, "ovs-vswitchd", "openvswitch-switch")
	a := &alone{TB: t, out: make(map[uint32][][]byte)}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var err error
	a.Switch, err = ovs.Start(ctx, n, ovs.Options{Output: func(port uint32, frame []byte) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.out[port] = append(a.out[port], frame)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("open vswitch %s", a.Version())
	return a
}

// packet is a Geneve packet over IPv4 from the leaf, with options and flags as
// they are given, right or wrong, and with link padding behind it or not.
type packet struct {
	flags   byte   // the second byte of the header
	words   int    // OptLen; -1: what there is of options
	options string // hexadecimal
	cut     int    // bytes taken off the end, with the lengths of IP and UDP
}

func (p packet) bytes(t testing.TB, inside []byte) []byte {
	t.Helper()
	options, err := hex.DecodeString(strings.ReplaceAll(p.options, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	words := p.words
	if words < 0 {
		words = len(options) / 4
	}
	body := slices.Concat([]byte{byte(words), p.flags, 0x65, 0x58, 0x00, 0x13, 0x88, 0}, options, inside)
	body = body[:len(body)-p.cut]
	src, dst := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.9")
	b := []byte{2, 0, 0, 0, 9, 1, 2, 0, 0, 0, 1, 1, 8, 0}
	b, err = (&ip.V4{TotalLen: uint16(ip.V4HeaderLen + udp.HeaderLen + len(body)), TTL: 64, Protocol: ip.ProtocolUDP, Src: src, Dst: dst}).AppendTo(b)
	if err != nil {
		t.Fatal(err)
	}
	at := len(b)
	b, err = (&udp.Header{SrcPort: 50000, DstPort: geneve.Port}).AppendTo(b)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, body...)
	if err := udp.Seal(b[at:], src, dst); err != nil {
		t.Fatal(err)
	}
	return b
}

// What Open vSwitch's datapath in user space makes of options: the verdicts on
// which the profile ovs-dpif-netdev rests. Those of 3.1.0 and 3.7.1 are the same.
func TestVerdicts(t *testing.T) {
	var (
		groupA = "ff000101 0000000a" // mapped, not critical
		otherA = "ff000101 0000000b"
		siteB  = "ff000502 53495445 00000007"
		crit   = "01028001 00010009" // mapped, critical
		stray  = "ff007701 01020304" // not mapped
		fatal  = "ff00f701 01020304" // not mapped, critical
	)
	const c = 0x40
	m := types(t, "site", "context", "sequence", "group")
	a := newAlone(t, node(geneveTunnel(), m...))
	flows := []string{
		"table=0,priority=9,in_port=1,tun_id=5000,tun_metadata0=0x5349544500000007,tun_metadata3=0xa actions=output:256",
		"table=0,priority=8,in_port=1,tun_id=5000,tun_metadata3=0xa actions=output:256",
		"table=0,priority=7,in_port=1,tun_id=5000,tun_metadata1=0x10009 actions=output:256",
		"table=0,priority=6,in_port=1,tun_id=5000 actions=output:258",
	}
	if err := a.SetFlows(t.Context(), flows...); err != nil {
		t.Fatal(err)
	}
	in := inner(t, ethernet.MAC{2, 0, 0, 0, 0xb1, 9}, ethernet.MAC{2, 0, 0, 0, 0xb1, 1}, 1)
	const matched, unmatched, dropped = 256, 258, 0
	for _, tt := range []struct {
		name   string
		packet packet
		want   uint32
	}{
		{"options A, B", packet{0, -1, groupA + siteB, 0}, matched},
		{"options B, A", packet{0, -1, siteB + groupA, 0}, matched},
		{"no options", packet{}, unmatched},
		{"A and an unknown one", packet{0, -1, groupA + stray, 0}, matched},
		{"an unknown one and A", packet{0, -1, stray + groupA, 0}, matched},
		{"an unknown one twice", packet{0, -1, stray + groupA + stray, 0}, matched},
		{"A and an unknown critical one", packet{c, -1, groupA + fatal, 0}, dropped},
		{"an unknown critical one behind C=0", packet{0, -1, fatal, 0}, dropped},
		{"A twice", packet{0, -1, groupA + groupA, 0}, matched},
		{"A twice, the last with the value", packet{0, -1, otherA + groupA, 0}, matched},
		{"A twice, the first with the value", packet{0, -1, groupA + otherA, 0}, unmatched},
		{"A with two words", packet{0, -1, "ff000102 0000000a 00000000", 0}, dropped},
		{"A without data", packet{0, -1, "ff000100", 0}, dropped},
		{"an option that overruns OptLen", packet{0, 2, "ff000105 0000000a", 0}, dropped},
		{"an unknown option that overruns OptLen", packet{0, 2, "ff007705 0000000a", 0}, dropped},
		{"OptLen beyond the packet", packet{0, 63, groupA, 0}, dropped},
		{"a critical option", packet{c, -1, crit, 0}, matched},
		{"a critical option behind C=0", packet{0, -1, crit, 0}, matched},
		{"C=1 without a critical option", packet{c, -1, groupA, 0}, matched},
		{"reserved bits of an option set", packet{0, -1, "ff0001e1 0000000a", 0}, matched},
		{"reserved bits of the header set", packet{0x3f, -1, groupA, 0}, matched},
		{"O=1", packet{0x80, -1, groupA, 0}, matched},
		{"version 1", packet{0, 0x40, "", 0}, dropped},
		{"252 bytes of options", packet{0, -1, "ff00771f" + strings.Repeat("00", 124) + "ff00781e" + strings.Repeat("00", 120), 0}, unmatched},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := a.verdict(tt.packet.bytes(t, in), in); got != tt.want {
				t.Errorf("verdict %d, want %d (open vswitch %s)", got, tt.want, a.Version())
			}
		})
	}
}

func (a *alone) arrive(frame []byte) {
	a.Helper()
	if err := a.Inject(ovs.UnderlayPort, frame); err != nil {
		a.Fatal(err)
	}
}

// verdict has one packet arrive, as if there had been none before, and returns the port by which the frame that it
// carries leaves, 0 for none.
func (a *alone) verdict(frame, inside []byte) uint32 {
	a.Helper()
	if _, err := a.Appctl(a.Context(), "revalidator/purge"); err != nil {
		a.Fatal(err)
	}
	a.arrive(frame)
	if err := a.Settle(a.Context()); err != nil {
		a.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	defer clear(a.out)
	var at uint32
	for port, frames := range a.out {
		if at != 0 || len(frames) != 1 || !bytes.Equal(frames[0], inside) {
			a.Errorf("port %d has\n%x\nwant nothing, or only once\n%x", port, frames, inside)
		}
		at = port
	}
	return at
}

// megaflows returns the datapath flows that match on Geneve options.
func (a *alone) megaflows() (flows []string) {
	a.Helper()
	text, err := a.Appctl(a.Context(), "dpctl/dump-flows")
	if err != nil {
		a.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, "geneve(") {
			flows = append(flows, strings.TrimSpace(line))
		}
	}
	return flows
}

// Two orders of the same options are one flow to OpenFlow, and two to the
// datapath: it compares positions.
func TestEachOrderIsAMegaflow(t *testing.T) {
	a := newAlone(t, node(geneveTunnel(), types(t, "site", "group")...))
	if err := a.SetFlows(t.Context(), "in_port=1,tun_metadata0=0x5349544500000007,tun_metadata1=0xa actions=output:256"); err != nil {
		t.Fatal(err)
	}
	in := inner(t, ethernet.MAC{2, 0, 0, 0, 0xb1, 9}, ethernet.MAC{2, 0, 0, 0, 0xb1, 1}, 1)
	const group, site = "ff000101 0000000a", "ff000502 53495445 00000007"
	for range 2 {
		a.arrive(packet{0, -1, group + site, 0}.bytes(t, in))
		a.arrive(packet{0, -1, site + group, 0}.bytes(t, in))
	}
	if err := a.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(a.out[256]); n != 4 {
		t.Errorf("%d frames delivered, want 4", n)
	}
	if flows := a.megaflows(); len(flows) != 2 {
		t.Errorf("%d megaflows, want 2:\n%s", len(flows), strings.Join(flows, "\n"))
	}
}

// The verdicts above are those of one packet that comes when the datapath has
// nothing in its cache. What it has there can turn them over, so a layout for an
// Open vSwitch should have no option that it has not mapped.
func TestVerdictsDependOnTheCache(t *testing.T) {
	const group, site, fatal = "ff000101 0000000a", "ff000502 53495445 00000007", "ff00f701 01020304"
	a := newAlone(t, node(geneveTunnel(), types(t, "site", "group")...))
	in := inner(t, ethernet.MAC{2, 0, 0, 0, 0xb1, 9}, ethernet.MAC{2, 0, 0, 0, 0xb1, 1}, 1)
	for _, tt := range []struct {
		name    string
		flow    string
		options []string // of one packet after the other
		want    []bool   // is it delivered
	}{
		// Refused options leave a drop in the datapath that does not look at
		// options. Until it has been idle for ten seconds it hits all that comes
		// through the same tunnel, but for what had a flow of its own before.
		{"refused options shadow others", "tun_id=5000,tun_metadata1=0xa", []string{group, fatal, group, group + site}, []bool{true, false, true, false}},
		// A second option of one type is accepted, and looks refused behind another
		// packet that was.
		{"and a second one of a type", "tun_id=5000,tun_metadata1=0xa", []string{fatal, group + group}, []bool{false, false}},
		// Where no flow looks at options, one in the datapath takes all that have
		// the same OptLen.
		{"a critical option goes along with others", "tun_id=5000", []string{group, fatal, site}, []bool{true, true, true}},
		{"and so does one of a wrong length", "tun_id=5000", []string{site, "ff000102 0000000a 00000000"}, []bool{true, true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := a.SetFlows(t.Context(), "in_port=1,"+tt.flow+" actions=output:256"); err != nil {
				t.Fatal(err)
			}
			var got []bool
			for _, options := range tt.options {
				clear(a.out)
				a.arrive(packet{0, -1, options, 0}.bytes(t, in))
				if err := a.Settle(t.Context()); err != nil {
					t.Fatal(err)
				}
				got = append(got, len(a.out[256]) == 1)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("delivered %v, want %v (open vswitch %s)", got, tt.want, a.Version())
			}
		})
	}
}

// What the map has room for.
func TestOptionMap(t *testing.T) {
	sized := func(n int, words uint8) (m ovs.OptionMap) {
		for i := range n {
			m = append(m, geneve.OptionType{Class: 0xff02, Type: uint8(i), Len: words})
		}
		return m
	}
	a := newAlone(t, node(geneveTunnel()))
	for _, tt := range []struct {
		name    string
		m       ovs.OptionMap
		refused string // what it says
	}{
		{"64 options of a word", sized(64, 1), ""},
		{"65 options of a word", sized(65, 1), "tun_metadata64"},
		{"an option of 124 bytes", sized(1, 31), ""},
		{"256 bytes of data", sized(8, 8), ""},
		{"more than 256 bytes of data", sized(9, 8), "NXTTMFC_TABLE_FULL"},
		{"an option without data", sized(1, 0), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := a.Ofctl(t.Context(), ovs.Overlay, "del-tlv-map"); err != nil {
				t.Fatal(err)
			}
			_, err := a.Ofctl(t.Context(), ovs.Overlay, "add-tlv-map", tt.m.String())
			if tt.refused == "" && err != nil || tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)) {
				t.Errorf("%v, want %q (open vswitch %s)", err, tt.refused, a.Version())
			}
		})
	}
}
