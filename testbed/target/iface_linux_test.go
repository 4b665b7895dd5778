package target_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyway-nve/keyway/testbed/afpacket"
	"github.com/keyway-nve/keyway/testbed/netns"
	"github.com/keyway-nve/keyway/testbed/target"
)

// attach puts ports 1 and 2 on veth pairs, and returns the other ends.
func attach(t testing.TB, sw *target.Target) (one, two *afpacket.Conn) {
	t.Helper()
	var spaces [2]*netns.Namespace
	for i := range spaces {
		n, err := netns.New("")
		if errors.Is(err, netns.ErrNotPermitted) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		spaces[i] = n
	}
	var far [2]*afpacket.Conn
	for i := range far {
		name := fmt.Sprintf("port%d", i+1)
		err := netns.AddVeth(netns.Interface{Namespace: spaces[0], Name: name, MTU: 1500}, netns.Interface{Namespace: spaces[1], Name: name, MTU: 1500})
		if err == nil {
			err = spaces[0].Do(func() error { return sw.AttachInterface(uint32(i+1), name, nil, nil) })
		}
		if err == nil {
			err = spaces[1].Do(func() (err error) {
				far[i], err = afpacket.Open(name, afpacket.Options{})
				return err
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { far[i].Close() })
	}
	return far[0], far[1]
}

// A target is idle when all that its interfaces have got has been dealt with.
func TestIdle(t *testing.T) {
	sw := run(t, target.Options{})
	c := connect(t, sw)
	c.commit()
	if err := c.route(2, 2); err != nil {
		t.Fatal(err)
	}
	one, two := attach(t, sw)
	var got atomic.Int64
	go two.Receive(func([]byte) { got.Add(1) }, nil)
	const frames = 1000
	for range frames {
		one.Send(frameTo(2))
	}
	for end := time.Now().Add(20 * time.Second); ; {
		idle, err := sw.Idle()
		if err != nil {
			t.Fatal(err)
		}
		if idle {
			break
		}
		if time.Now().After(end) {
			t.Fatal("never idle")
		}
	}
	if s := sw.PortStats(2); s.OutPackets != frames {
		t.Errorf("idle after %d frames", s.OutPackets)
	}
	for end := time.Now().Add(20 * time.Second); got.Load() < frames; {
		if time.Now().After(end) {
			t.Fatalf("%d frames arrived", got.Load())
		}
	}
}

// BenchmarkInterfaces is BenchmarkInject from interface to interface.
func BenchmarkInterfaces(b *testing.B) {
	sw := run(b, target.Options{})
	c := connect(b, sw)
	c.commit()
	if err := c.route(2, 2); err != nil {
		b.Fatal(err)
	}
	one, two := attach(b, sw)
	var got atomic.Int64
	go two.Receive(func([]byte) { got.Add(1) }, nil)
	frame := frameTo(2)
	b.ReportAllocs()
	sent := int64(0)
	for b.Loop() {
		one.Send(frame)
		for sent++; sent-got.Load() > 500; {
			time.Sleep(10 * time.Microsecond)
		}
	}
	b.ReportMetric(float64(got.Load())/b.Elapsed().Seconds(), "frames/s")
}
