package wire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/testbed/wire"
)

// chain returns a network a -- b -- c in which b passes frames on, and what arrives at c.
func chain(t testing.TB) (*wire.Network, func() []string) {
	t.Helper()
	n := wire.New(wire.Options{})
	t.Cleanup(n.Close)
	for _, w := range []wire.Wire{
		{Name: "a-b", A: wire.End{Node: "a", Port: 1}, B: wire.End{Node: "b", Port: 1}},
		{Name: "b-c", A: wire.End{Node: "b", Port: 2}, B: wire.End{Node: "c", Port: 1}},
	} {
		if err := n.Connect(w); err != nil {
			t.Fatal(err)
		}
	}
	n.Attach("b", func(port uint32, frame []byte) {
		if err := n.Send(wire.End{Node: "b", Port: 3 - port}, frame); err != nil {
			t.Error(err)
		}
	})
	var mu sync.Mutex
	var got []string
	n.Attach("c", func(_ uint32, frame []byte) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(frame))
	})
	return n, func() []string {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := n.Settle(ctx); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		return got
	}
}

func send(t testing.TB, n *wire.Network, from wire.End, frames ...string) {
	t.Helper()
	for _, f := range frames {
		if err := n.Send(from, []byte(f)); err != nil {
			t.Fatal(err)
		}
	}
}

var a = wire.End{Node: "a", Port: 1}

func TestOrder(t *testing.T) {
	n, arrived := chain(t)
	var want []string
	for i := range 1000 {
		want = append(want, fmt.Sprint(i))
	}
	buf := make([]byte, 0, 8)
	for _, f := range want {
		buf = append(buf[:0], f...)
		if err := n.Send(a, buf); err != nil { // Send copies: the buffer is ours again
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, arrived()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n.Sent() != 2000 {
		t.Errorf("%d frames sent, want 2000", n.Sent())
	}
}

func TestFaults(t *testing.T) {
	tests := []struct {
		name   string
		faults wire.Faults
		want   string
	}{
		{"none", wire.Faults{}, "1 2 3 4"},
		{"down", wire.Faults{Down: true}, ""},
		{"lose", wire.Faults{Lose: []uint64{1, 3}}, "2 4"},
		{"duplicate", wire.Faults{Duplicate: []uint64{2}}, "1 2 2 3 4"},
		{"delay", wire.Faults{Delay: []uint64{2}}, "1 3 2 4"},
		{"delay two", wire.Faults{Delay: []uint64{1, 2}}, "3 1 2 4"},
		{"delay the last", wire.Faults{Delay: []uint64{4}}, "1 2 3 4"},
		{"all", wire.Faults{Lose: []uint64{1}, Delay: []uint64{2}, Duplicate: []uint64{3}}, "3 3 2 4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, arrived := chain(t)
			if err := n.SetFaults("a-b", tt.faults); err != nil {
				t.Fatal(err)
			}
			send(t, n, a, "1", "2", "3", "4")
			if got := strings.Join(arrived(), " "); got != tt.want {
				t.Errorf("arrived %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTap(t *testing.T) {
	n, arrived := chain(t)
	var seen []string
	n.Observe(func(f wire.Frame) {
		seen = append(seen, fmt.Sprintf("%s %v>%v %s %v", f.Wire, f.From, f.To, f.Data, f.Lost))
	})
	if err := n.SetFaults("a-b", wire.Faults{Lose: []uint64{2}}); err != nil {
		t.Fatal(err)
	}
	send(t, n, a, "x", "y")
	arrived()
	want := []string{"a-b a/1>b/1 x false", "a-b a/1>b/1 y true", "b-c b/2>c/1 x false"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	n, _ := chain(t)
	for name, w := range map[string]wire.Wire{
		"name":      {Name: "a-b", A: wire.End{Node: "x"}, B: wire.End{Node: "y"}},
		"end":       {Name: "new", A: wire.End{Node: "x"}, B: a},
		"to itself": {Name: "new", A: wire.End{Node: "x"}, B: wire.End{Node: "x"}},
	} {
		if err := n.Connect(w); !errors.Is(err, wire.ErrTaken) {
			t.Errorf("%s: error %v, want ErrTaken", name, err)
		}
	}
	if err := n.Send(wire.End{Node: "a", Port: 9}, nil); !errors.Is(err, wire.ErrUnknown) {
		t.Errorf("error %v, want ErrUnknown", err)
	}
	if err := n.SetFaults("none", wire.Faults{}); !errors.Is(err, wire.ErrUnknown) {
		t.Errorf("error %v, want ErrUnknown", err)
	}
	if err := n.Disconnect("a-b"); err != nil {
		t.Error(err)
	}
	if _, ok := n.At(a); ok || len(n.Wires()) != 1 {
		t.Error("the wire is still there")
	}
	n.Close()
	if err := n.Send(wire.End{Node: "b", Port: 2}, nil); !errors.Is(err, wire.ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
	if err := n.Settle(context.Background()); err != nil {
		t.Errorf("nothing is in flight: %v", err)
	}
}

func TestEndText(t *testing.T) {
	for text, want := range map[string]wire.End{"a/1": a, "x:y/256": {Node: "x:y", Port: 256}} {
		if got, err := wire.ParseEnd(text); err != nil || got != want || got.String() != text {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "a", "a/", "/1", "a/-1", "a/4294967296", "a/x"} {
		if got, err := wire.ParseEnd(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}

// Two devices that double each frame make a storm, which has an end and is told.
func TestStorm(t *testing.T) {
	n := wire.New(wire.Options{MaxInFlight: 64})
	defer n.Close()
	b := wire.End{Node: "b", Port: 1}
	if err := n.Connect(wire.Wire{Name: "a-b", A: a, B: b}); err != nil {
		t.Fatal(err)
	}
	var hops int
	double := func(from wire.End) wire.Receiver {
		return func(_ uint32, frame []byte) {
			if hops++; hops < 10000 {
				_ = n.Send(from, frame)
				_ = n.Send(from, frame)
			}
		}
	}
	n.Attach("a", double(a))
	n.Attach("b", double(b))
	send(t, n, a, "x")
	if err := n.Settle(context.Background()); !errors.Is(err, wire.ErrStorm) {
		t.Errorf("error %v, want ErrStorm", err)
	}
	if err := n.Settle(context.Background()); err != nil {
		t.Errorf("second Settle: %v", err)
	}
}

func TestSettleTimesOut(t *testing.T) {
	n, _ := chain(t)
	release := make(chan struct{})
	n.Attach("c", func(uint32, []byte) { <-release })
	send(t, n, a, "x")
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := n.Settle(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want a deadline", err)
	}
	close(release)
}

func BenchmarkHop(b *testing.B) {
	n, arrived := chain(b)
	n.Attach("c", nil)
	frame := bytes.Repeat([]byte{1}, 128)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := n.Send(a, frame); err != nil {
			b.Fatal(err)
		}
		if i%1000 == 0 {
			arrived()
		}
	}
	arrived()
}

// Frames that a receiver has not dealt with are in flight.
func TestInFlight(t *testing.T) {
	n, _ := chain(t)
	hold, arrived := make(chan struct{}), make(chan struct{}, 3)
	n.Attach("b", func(uint32, []byte) {
		arrived <- struct{}{}
		<-hold
	})
	send(t, n, a, "1", "2", "3")
	<-arrived
	if got := n.InFlight(); got != 3 {
		t.Errorf("%d frames in flight, want 3", got)
	}
	close(hold)
	if err := n.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := n.InFlight(); got != 0 {
		t.Errorf("%d frames in flight behind Settle", got)
	}
}
