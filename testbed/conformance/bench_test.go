package conformance

import (
	"testing"
	"time"
)

// BenchmarkSwitch runs the programs, with the tables that the product gives them,
// from a frame's arrival at a port to its departure.
func BenchmarkSwitch(b *testing.B) {
	in := edge(b)
	for _, bm := range []struct {
		name  string
		setup setup
		port  uint32
		frame []byte
	}{
		{"geneve-receive-0-options", setup{intent: in, device: "here"}, 1, tunnel{vni: blue, inner: blueFrame(b)}.bytes()},
		{"geneve-receive-2-options", setup{intent: in, device: "here"}, 1,
			tunnel{vni: blue, flags: critical, options: be(contextOption(3, 1), groupOption(20)), inner: blueFrame(b)}.bytes()},
		{"geneve-receive-2-options-ipv6", setup{intent: in, device: "here"}, 2,
			tunnel{v6: true, vni: blue, flags: critical, options: be(contextOption(3, 1), groupOption(20)), inner: blueFrame(b)}.bytes()},
		{"geneve-receive-skip-16-words", setup{intent: in, device: "here"}, 1,
			tunnel{vni: blue, options: unknown(16), inner: blueFrame(b)}.bytes()},
		{"geneve-send-3-options", setup{intent: in, device: "here"}, 256, tenant{from: "blue-1", to: "blue-3"}.bytes(b)},
		{"geneve-send-1-option-ipv6", setup{intent: in, device: "here"}, 256, tenant{from: "blue-1", to: "blue-4"}.bytes(b)},
		{"nvgre-receive", setup{intent: in, device: "here"}, 1, tunnel{gre: true, vni: red, inner: redFrame(b)}.bytes()},
		{"nvgre-send", setup{intent: in, device: "here"}, 258, tenant{from: "red-1", to: "red-3"}.bytes(b)},
		{"transit-geneve-16-words", setup{intent: transitIntent(b), device: "spine"}, 1, across(tunnel{vni: blue, options: unknown(16)})},
	} {
		b.Run(bm.name, func(b *testing.B) {
			d := start(b, bm.setup)
			if out := d.frames(bm.port, bm.frame); len(out) != 1 {
				b.Fatalf("%d frames leave", len(out))
			}
			d.discard = true
			b.ReportAllocs()
			began := time.Now()
			for b.Loop() {
				d.target.Inject(bm.port, bm.frame)
			}
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "packets/s")
		})
	}
}
