package veth_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/embedded"
	"github.com/keyway-nve/keyway/testbed/lab/veth"
)

// sources are hosts that only count, on interfaces or in memory.
type sources struct {
	panel   *veth.Panel // nil: in memory
	hosts   map[string]lab.Host
	arrived atomic.Int64
}

func (s *sources) StartHost(ctx context.Context, spec lab.HostSpec, transmit func([]byte)) (h lab.Host, err error) {
	spec.Receive = func([]byte) { s.arrived.Add(1) }
	h = source{transmit, spec.Receive}
	if s.panel != nil {
		if h, err = s.panel.StartHost(ctx, spec, transmit); err != nil {
			return nil, err
		}
	}
	s.hosts[spec.Endpoint.Name] = h
	return h, nil
}

type source struct{ transmit, receive func([]byte) }

func (s source) Send(frame []byte)            { s.transmit(frame) }
func (s source) Receive(frame []byte)         { s.receive(frame) }
func (s source) Settle(context.Context) error { return nil }
func (s source) Close() error                 { return nil }

// BenchmarkLab sends 128-byte frames from vm-leaf to vm-nic: through leaf, spine
// and nic, over four wires, in memory and on interfaces.
func BenchmarkLab(b *testing.B) {
	const lead = 256 // frames on their way
	frame := append([]byte{2, 0, 0, 1, 0, 3, 2, 0, 0, 1, 0, 1, 0x08, 0x00,
		0x45, 0, 0, 114, 0, 0, 0, 0, 64, 17, 0, 0, 172, 16, 0, 1, 172, 16, 0, 3, 0x30, 0x39, 0x30, 0x39, 0, 94, 0, 0}, make([]byte, 86)...)
	for _, wires := range []string{"memory", "veth"} {
		b.Run(wires, func(b *testing.B) {
			l, err := lab.Open("geneve-options")
			if err != nil {
				b.Fatal(err)
			}
			s := &sources{hosts: map[string]lab.Host{}}
			var world lab.World = &embedded.World{}
			if wires == "veth" {
				s.panel = panel(b, veth.Options{})
				world = &veth.World{World: world, Panel: s.panel}
			}
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			done, ready := make(chan error, 1), make(chan struct{})
			go func() {
				done <- lab.Up(ctx, l, world, lab.Options{Hosts: s}, func() error {
					close(ready)
					return nil
				})
			}()
			select {
			case <-ready:
			case err := <-done:
				b.Fatal(err)
			}
			h := s.hosts["vm-leaf"]
			b.ReportAllocs()
			for sent := int64(1); b.Loop(); sent++ {
				h.Send(frame)
				for sent-s.arrived.Load() > lead {
					time.Sleep(10 * time.Microsecond)
				}
			}
			b.ReportMetric(float64(s.arrived.Load())/b.Elapsed().Seconds(), "frames/s")
			cancel()
			if err := <-done; err != nil {
				b.Error(err)
			}
		})
	}
}
