package ovs_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/nva"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/udp"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/counter"
	"github.com/keyway-nve/keyway/testbed/ovs"
	"github.com/keyway-nve/keyway/testbed/peer"
	"github.com/keyway-nve/keyway/testbed/target"
	"github.com/keyway-nve/keyway/testbed/wire"
)

const patience = 20 * time.Second

// vm is what a tenant port of Open vSwitch has in testdata/pair.yaml.
const vmOVS, redOVS = 256, 258

// bed is a wire between an NVE of ours, "leaf", and an Open vSwitch, with what
// goes over it and what tenants get.
type bed struct {
	testing.TB
	in     intent.Intent
	net    *wire.Network
	ovs    *ovs.Switch
	leaf   *target.Target
	reader counter.Reader

	mu       sync.Mutex
	underlay []wire.Frame
	got      map[wire.End][][]byte // by the port of leaf or ovs behind which the tenant is
}

// pair returns the intent of testdata/pair.yaml, with layouts.
func pair(t testing.TB, layouts ...intent.Layout) intent.Intent {
	t.Helper()
	in, err := intent.Load("testdata/pair.yaml")
	if err != nil {
		t.Fatal(err)
	}
	in.Layouts = layouts
	return in
}

// bothWays has the two speak over IPv6.
func bothWays() []intent.Tunnel {
	return []intent.Tunnel{
		{Sender: "leaf", Receiver: "ovs", Underlay: intent.IPv6},
		{Sender: "ovs", Receiver: "leaf", Underlay: intent.IPv6},
	}
}

// node is Open vSwitch as testdata/pair.yaml has it.
func node(tunnels map[uint32]ovs.Tunnel, options ...geneve.OptionType) ovs.Node {
	leaf := ethernet.MAC{2, 0, 0, 0, 1, 1}
	return ovs.Node{
		MAC:         ethernet.MAC{2, 0, 0, 0, 9, 1},
		Addresses:   []netip.Addr{netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("fd00::9")},
		Neighbors:   map[netip.Addr]ethernet.MAC{netip.MustParseAddr("10.0.0.1"): leaf, netip.MustParseAddr("fd00::1"): leaf},
		TenantPorts: []uint32{vmOVS, redOVS},
		Tunnels:     tunnels,
		Options:     options,
	}
}

// newBed starts both ends, with the NVE programmed and Open vSwitch without
// flows. What crosses the wire is shown to tshark when the test ends.
func newBed(t testing.TB, in intent.Intent, n ovs.Node) *bed {
	t.Helper()
	peer.Require(t, "ovs-vswitchd", "openvswitch-switch")
	b := &bed{TB: t, in: in, net: wire.New(wire.Options{}), got: make(map[wire.End][][]byte)}
	t.Cleanup(b.net.Close)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))

	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var err error
	b.ovs, err = ovs.Start(ctx, n, ovs.Options{Log: log, Output: func(port uint32, frame []byte) {
		_ = b.net.Send(wire.End{Node: "ovs", Port: port}, frame)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.ovs.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("open vswitch %s", b.ovs.Version())
	b.net.Attach("ovs", func(port uint32, frame []byte) {
		if err := b.ovs.Inject(port, frame); err != nil {
			t.Error(err)
		}
	})

	b.leaf, err = target.New(target.Options{DeviceID: 1, CPUPort: p4.CPUPort, Log: log, Output: func(port uint32, frame []byte) {
		_ = b.net.Send(wire.End{Node: "leaf", Port: port}, frame)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.leaf.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.leaf.Close(); err != nil {
			t.Error(err)
		}
	})
	b.net.Attach("leaf", b.leaf.Inject)
	conn, err := b.leaf.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	b.reader = counter.Reader{Conn: conn, Device: lab.DeviceSpec{Name: "leaf", Role: intent.RoleNVE, ID: 1}}

	b.wires()
	b.program(ctx, log)
	return b
}

// run runs a part of a test.
func (b *bed) run(name string, f func()) {
	outer := b.TB.(*testing.T)
	defer func() { b.TB = outer }()
	outer.Run(name, func(t *testing.T) {
		b.TB = t
		f()
	})
}

// wires connects the two with each other and with tenants.
func (b *bed) wires() {
	b.Helper()
	wires := []wire.Wire{{Name: "underlay", A: wire.End{Node: "leaf", Port: 1}, B: wire.End{Node: "ovs", Port: ovs.UnderlayPort}}}
	for _, e := range b.in.Endpoints {
		at := wire.End{Node: e.Device, Port: uint32(e.Port)}
		wires = append(wires, wire.Wire{Name: e.Name, A: wire.End{Node: e.Name}, B: at})
		b.net.Attach(e.Name, func(_ uint32, frame []byte) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.got[at] = append(b.got[at], bytes.Clone(frame))
		})
	}
	for _, w := range wires {
		if err := b.net.Connect(w); err != nil {
			b.Fatal(err)
		}
	}
	b.net.Observe(func(f wire.Frame) {
		if f.Wire == "underlay" {
			f.Data = bytes.Clone(f.Data)
			b.mu.Lock()
			defer b.mu.Unlock()
			b.underlay = append(b.underlay, f)
		}
	})
	var capture bytes.Buffer
	c, err := wire.NewCapture(&capture, wires...)
	if err != nil {
		b.Fatal(err)
	}
	b.net.Observe(c.Frame)
	b.Cleanup(func() {
		b.net.Close()
		if err := c.Err(); err != nil {
			b.Error(err)
		}
		dissect(b, capture.Bytes())
	})
}

// dissect has tshark look for what is wrong in a capture.
func dissect(t testing.TB, capture []byte) {
	t.Helper()
	tshark, err := peer.Find("tshark")
	if err != nil {
		if os.Getenv(peer.Required) != "" {
			t.Errorf("nobody looks at the capture: %v", err)
		}
		return
	}
	file := filepath.Join(t.TempDir(), "capture.pcapng")
	if err := os.WriteFile(file, capture, 0o600); err != nil {
		t.Fatal(err)
	}
	// The test's own context has ended by now.
	out, err := exec.Command(tshark, "-n", "-r", file, "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
		"-o", "udp.ignore_ipv6_zero_checksum:TRUE", // see TestGeneveOverIPv6
		"-Y", "_ws.malformed || _ws.expert.severity >= 0x600000",
		"-T", "fields", "-e", "frame.number", "-e", "frame.interface_name", "-e", "frame.protocols", "-e", "_ws.expert.message").Output()
	if err != nil || len(out) > 0 {
		t.Errorf("tshark: %v, bad frames:\n%s", err, out)
	}
}

// program has an NVA program the leaf by the intent.
func (b *bed) program(ctx context.Context, log *slog.Logger) {
	b.Helper()
	n, err := nva.New(nva.Options{Log: log, Drain: time.Millisecond, Dial: func(d intent.Device, o device.Options) (*device.Device, error) {
		return device.Dial("passthrough:///"+d.P4Runtime.Address, o, grpc.WithContextDialer(b.leaf.DialContext))
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := n.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := n.Apply(ctx, b.in); err != nil {
		b.Fatal(err)
	}
}

// flows replaces those of Open vSwitch's overlay.
func (b *bed) flows(flows ...string) {
	b.Helper()
	if err := b.ovs.SetFlows(b.Context(), flows...); err != nil {
		b.Fatal(err)
	}
}

// send has a tenant send frames.
func (b *bed) send(from string, frames ...[]byte) {
	b.Helper()
	for _, f := range frames {
		if err := b.net.Send(wire.End{Node: from}, f); err != nil {
			b.Fatal(err)
		}
	}
	b.settle()
}

// settle returns when all is quiet.
func (b *bed) settle() {
	b.Helper()
	ctx, stop := context.WithTimeout(b.Context(), patience)
	defer stop()
	for {
		before := b.net.Sent()
		for _, settle := range []func(context.Context) error{b.net.Settle, b.ovs.Settle, b.net.Settle} {
			if err := settle(ctx); err != nil {
				b.Fatal(err)
			}
		}
		if b.net.Sent() == before {
			return
		}
	}
}

// arrived returns what a tenant has got since the last time.
func (b *bed) arrived(endpoint string) [][]byte {
	e, _ := b.in.Endpoint(endpoint)
	at := wire.End{Node: e.Device, Port: uint32(e.Port)}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.got[at]
	delete(b.got, at)
	return out
}

// crossed returns what has left a device by the underlay since the last time
// that anybody asked.
func (b *bed) crossed(from string) (frames [][]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.underlay {
		if f.From.Node == from {
			frames = append(frames, f.Data)
		}
	}
	b.underlay = nil
	return frames
}

// counters returns what the leaf counts.
func (b *bed) counters() map[string]uint64 {
	b.Helper()
	c, err := b.reader.All(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return c.Values
}

// delivered wants a tenant to have got these frames, in order, and nothing else.
func (b *bed) delivered(to string, want ...[]byte) {
	b.Helper()
	got := b.arrived(to)
	if !slices.EqualFunc(got, want, bytes.Equal) {
		b.Errorf("%s has got\n%x\nwant\n%x", to, got, want)
	}
}

// datagram is a tenant's frame, of 64 bytes, whose UDP source port tells it
// from others.
func (b *bed) datagram(from, to string, port uint16) []byte {
	b.Helper()
	src, _ := b.in.Endpoint(from)
	dst, _ := b.in.Endpoint(to)
	return inner(b, dst.MAC, src.MAC, port)
}

func inner(t testing.TB, dst, src ethernet.MAC, port uint16) []byte {
	t.Helper()
	const payload = 22
	from, to := netip.MustParseAddr("172.16.0.1"), netip.MustParseAddr("172.16.0.2")
	b := slices.Concat(dst[:], src[:], []byte{8, 0})
	b, err := (&ip.V4{TotalLen: ip.V4HeaderLen + udp.HeaderLen + payload, TTL: 64, Protocol: ip.ProtocolUDP, Src: from, Dst: to}).AppendTo(b)
	if err != nil {
		t.Fatal(err)
	}
	at := len(b)
	b = binary.BigEndian.AppendUint16(b, port)
	b = append(b, 0x9c, 0x40, 0, 0, 0, 0) // port 40000
	b = append(b, strings.Repeat("k", payload)...)
	if err := udp.Seal(b[at:], from, to); err != nil {
		t.Fatal(err)
	}
	return b
}

// ours returns the capability of an NVE that runs our program.
func ours(t testing.TB) capabilities.Capability {
	t.Helper()
	p, err := p4.NVE()
	if err != nil {
		t.Fatal(err)
	}
	s, err := tables.NewSchema(p.P4Info)
	if err != nil {
		t.Fatal(err)
	}
	c, err := capabilities.FromSchema("leaf", s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// theirs returns the capability of an Open vSwitch with a TLV map.
func theirs(t testing.TB, m ovs.OptionMap) capabilities.Capability {
	t.Helper()
	p, err := capabilities.ShippedProfile("ovs-dpif-netdev")
	if err != nil {
		t.Fatal(err)
	}
	return m.Narrow(p.Capability)
}

// types returns option types of testdata/pair.yaml.
func types(t testing.TB, names ...string) (m ovs.OptionMap) {
	t.Helper()
	in := pair(t)
	for _, name := range names {
		o, ok := in.OptionType(name)
		if !ok {
			t.Fatalf("no option type %s", name)
		}
		m = append(m, o.TLV())
	}
	return m
}

// solve returns the layout that the solver finds from sender to receiver.
func solve(t testing.TB, sender, receiver string, from, to capabilities.Capability, want ...string) intent.Layout {
	t.Helper()
	in := pair(t)
	var wanted capabilities.Wanted
	for _, name := range want {
		o, ok := in.OptionType(name)
		if !ok {
			t.Fatalf("no option type %s", name)
		}
		w := capabilities.WantedOption{Name: name, Type: o.TLV(), Required: true}
		for _, word := range o.Words {
			var x capabilities.WantedWord
			if word.Field != 0 {
				x.Field = word.Field.String()
			}
			// A field that the receiver has no use for is not matched either.
			x.Unread = word.Field == 0 || word.Field == intent.FieldPorts
			w.Words = append(w.Words, x)
		}
		wanted.Options = append(wanted.Options, w)
	}
	l, why := capabilities.Solve(from, to, capabilities.Path{Underlay: capabilities.IPv4}, wanted)
	if !why.Satisfied() {
		t.Fatalf("no layout from %s to %s: %v", sender, receiver, why.Conflict)
	}
	return intent.Layout{Sender: sender, Receiver: receiver, Options: strings.Fields(l.String())}
}
