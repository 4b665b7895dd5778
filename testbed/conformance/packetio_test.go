package conformance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/tables/nve"
	"github.com/keyway-nve/keyway/testbed/target"
)

// packetOut sends a frame by a packet-out and returns what becomes of it.
func (d *dut) packetOut(t *testing.T, port uint16, frame []byte) outcome {
	t.Helper()
	md, err := nve.PacketOut{EgressPort: port}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	d.last = d.counts()
	sw, ok := d.target.(*target.Target)
	if !ok {
		t.Skip("bmv2 does not tell when it has dealt with a packet-out")
	}
	received := sw.Stats().Received
	d.mu.Lock()
	d.out = nil
	d.mu.Unlock()
	if err := d.control.PacketOut(&p4v1.PacketOut{Payload: frame, Metadata: md}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); sw.Stats().Received == received; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the packet-out did not arrive")
		}
	}
	d.mu.Lock()
	out := d.out
	d.mu.Unlock()
	got := outcome{}
	for _, s := range out {
		got = append(got, leaves(s.port, s.frame)...)
	}
	return append(got, d.outcome(nil)...)
}

// A packet-out leaves by the port that it names, as it is.
func TestPacketOut(t *testing.T) {
	frame := unhex("0180c200000e 020000000a01 88cc 0207 04 020000000a01")
	tunnelled := tunnel{gre: true, vni: 0xffffff, inner: redFrame(t)}.bytes()
	transit := setup{intent: transitIntent(t), device: "spine"}
	for name, d := range map[string]*dut{"nve": here(t), "transit": start(t, transit)} {
		t.Run(name, func(t *testing.T) {
			for _, tt := range []struct {
				port  uint16
				frame []byte
			}{
				{1, frame}, {2, tunnelled}, {255, frame}, {256, frame}, {257, tunnelled}, {300, frame}, {509, frame},
				{1, nil}, {1, frame[:1]}, {257, frame[:13]},
			} {
				if got, want := d.packetOut(t, tt.port, tt.frame), leaves(uint32(tt.port), tt.frame); !slices.Equal(want, got) {
					t.Errorf("port %d: %q, want %q", tt.port, got, want)
				}
			}
			for _, port := range []uint16{0, 510, 511, 512, 513, 0x8001, 0xffff} {
				if got, want := d.packetOut(t, port, frame), dropped("packet-out"); !slices.Equal(want, got) {
					t.Errorf("port %d: %q, want %q", port, got, want)
				}
			}
		})
	}
}

// A packet-in has the reason, the port, and the packet whole, whatever its length.
func TestPacketInWhole(t *testing.T) {
	d := here(t)
	var rules []rule
	for _, size := range []int{1, 22, 500, 1458, 8900} {
		inner := tenant{from: "blue-3", to: "blue-1", size: size}.bytes(t)
		f := tunnel{vni: 999, tag: "8100 6001", ipOptions: "94040000", options: unknown(40), last: 7, inner: inner}.bytes()
		rules = append(rules, rule{fmt.Sprintf("%d bytes", len(f)), 7, f, punted("unknown-vn", 7, f)})
	}
	d.check(t, rules)
}

// Each reason to punt has a rate of its own; what is over it is dropped and
// counted.
func TestPuntMeter(t *testing.T) {
	const burst = 5
	in := edge(t)
	in.Devices[0].UnknownCritical = intent.MissPunt
	d := start(t, setup{intent: in, device: "here", options: render.Options{PuntRate: 1, PuntBurst: burst}})
	unknownVN := tunnel{vni: 999, inner: blueFrame(t)}.bytes()
	punts, drops := 0, 0
	for range 4 * burst {
		switch got := d.process(1, unknownVN); {
		case got.isOneOf("unknown-vn"):
			punts++
		case got.isOneOf("punt-meter"):
			drops++
		default:
			t.Fatalf("%q", got)
		}
	}
	// The bucket is full at first and gets one packet a second.
	if punts < burst || punts > burst+2 || punts+drops != 4*burst {
		t.Errorf("%d punted and %d dropped of %d, with a burst of %d", punts, drops, 4*burst, burst)
	}
	oam := tunnel{vni: blue, flags: control, inner: blueFrame(t)}.bytes()
	d.check(t, []rule{
		{"another reason has its own rate", 1, oam, punted("oam", 1, oam)},
		{"forwarding has none", 1, tunnel{vni: blue, inner: blueFrame(t)}.bytes(), leaves(256, blueFrame(t))},
	})
}
