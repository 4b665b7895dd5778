package device_test

import (
	"testing"
	"time"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/tables"
)

// BenchmarkDevice has a device with 20,000 endpoints: all of them written to an
// empty device, one of them changed, and all read back and found as they should
// be.
func BenchmarkDevice(b *testing.B) {
	const n = 20000
	es := []tables.Entity{vn(5)}
	for mac := range uint64(n) {
		es = append(es, endpoint(5, mac, 300))
	}
	controlled := func(b *testing.B) *device.Device {
		d := newTarget(b, nil).controller(device.Options{})
		run(b, d)
		return d
	}
	revision := uint64(0)
	desire := func(b *testing.B, d *device.Device, change func(revision uint64) error) {
		revision++
		must(b, change(revision))
		if _, err := d.Await(b.Context(), func(s device.Status) bool { return s.Watermark == revision }); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("fill", func(b *testing.B) {
		d := controlled(b)
		for b.Loop() {
			desire(b, d, func(r uint64) error { return d.SetDesired(r, es) })
			b.StopTimer()
			desire(b, d, func(r uint64) error { return d.SetDesired(r, nil) })
			b.StartTimer()
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	})
	b.Run("change", func(b *testing.B) {
		d := controlled(b)
		desire(b, d, func(r uint64) error { return d.SetDesired(r, es) })
		for b.Loop() {
			moved := []tables.Entity{endpoint(5, 7, uint16(300+revision%2))}
			desire(b, d, func(r uint64) error { return d.Apply(r, moved, nil) })
		}
	})
	b.Run("audit", func(b *testing.B) {
		d := controlled(b)
		desire(b, d, func(r uint64) error { return d.SetDesired(r, es) })
		var last time.Time
		for b.Loop() {
			d.Audit()
			s, err := d.Await(b.Context(), func(s device.Status) bool { return s.Audited.After(last) })
			must(b, err)
			last = s.Audited
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	})
}
