package afpacket_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/testbed/afpacket"
	"github.com/keyway-nve/keyway/testbed/netns"
)

// pair opens both ends of a veth pair between two namespaces.
func pair(t testing.TB, o afpacket.Options) (a, b *afpacket.Conn) {
	t.Helper()
	var conns [2]*afpacket.Conn
	var ends [2]netns.Interface
	for i := range ends {
		n, err := netns.New("")
		if errors.Is(err, netns.ErrNotPermitted) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		ends[i] = netns.Interface{Namespace: n, Name: "eth0", MTU: 9000}
	}
	if err := netns.AddVeth(ends[0], ends[1]); err != nil {
		t.Fatal(err)
	}
	for i, end := range ends {
		if err := end.Namespace.Do(func() (err error) {
			conns[i], err = afpacket.Open(end.Name, o)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conns[i].Close() })
	}
	return conns[0], conns[1]
}

// receive runs Receive until the test ends.
func receive(t testing.TB, c *afpacket.Conn, handle func([]byte), burst func() func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.Receive(handle, burst) }()
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
}

func settle(t testing.TB, conns ...*afpacket.Conn) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Microsecond) {
		quiet := true
		for _, c := range conns {
			idle, err := c.Idle()
			if err != nil {
				t.Fatal(err)
			}
			quiet = quiet && idle
		}
		if quiet {
			return
		}
		if time.Now().After(end) {
			t.Fatal("frames are still under way")
		}
	}
}

var header = []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}

func frame(n uint32, size int) []byte {
	f := append(bytes.Clone(header), 0x88, 0xb5)
	f = binary.BigEndian.AppendUint32(f, n)
	return append(f, make([]byte, size-len(f))...)
}

// Frames of all lengths, tagged ones too, arrive as they were sent.
func TestFrames(t *testing.T) {
	a, b := pair(t, afpacket.Options{})
	tagged := append(bytes.Clone(header), 0x81, 0x00, 0x60, 0x14, 0x08, 0x00, 0x45, 0x00)
	provider := append(bytes.Clone(header), 0x88, 0xa8, 0x00, 0x07, 0x81, 0x00, 0x00, 0x08, 0x08, 0x00, 0x45, 0x00)
	sent := [][]byte{tagged, provider, frame(1, 20), frame(2, 60), frame(3, 1514), frame(4, 9014)}
	var mu sync.Mutex
	var got [][]byte
	receive(t, b, func(f []byte) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, bytes.Clone(f))
	}, nil)
	for _, f := range sent {
		a.Send(f)
	}
	settle(t, a, b)
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(sent, got); diff != "" {
		t.Error(diff)
	}
}

// Idle is true only when all that was sent has been handled, and until then the order is kept, whoever sends and whether or not frames are corked.
func TestOrder(t *testing.T) {
	a, b := pair(t, afpacket.Options{})
	const rounds, perRound, senders = 200, 50, 3
	var got [senders]uint32
	var handled, disordered atomic.Uint32
	receive(t, b, func(f []byte) {
		n := binary.BigEndian.Uint32(f[14:])
		sender, seq := n>>24, n&0xffffff
		if seq != got[sender] {
			disordered.Add(1)
		}
		got[sender] = seq + 1
		handled.Add(1)
	}, func() func() { return func() {} })
	for round := range rounds {
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for i := range perRound {
					if i%10 == 0 {
						a.Cork()
					}
					a.Send(frame(uint32(s)<<24|uint32(round*perRound+i), 100))
					if i%10 == 9 {
						a.Uncork()
					}
				}
			})
		}
		wg.Wait()
		settle(t, a, b)
		if n := handled.Load(); n != uint32((round+1)*perRound*senders) {
			t.Fatalf("idle after %d frames in round %d", n, round)
		}
	}
	if n := disordered.Load(); n != 0 {
		t.Errorf("%d frames out of order", n)
	}
}

// A frame that the interface does not take is reported, and those behind it are sent.
func TestTooLong(t *testing.T) {
	var failed atomic.Uint32
	a, b := pair(t, afpacket.Options{Failed: func(f []byte, err error) {
		if len(f) != 9100 || err == nil {
			t.Errorf("%d bytes: %v", len(f), err)
		}
		failed.Add(1)
	}})
	var got atomic.Uint32
	receive(t, b, func([]byte) { got.Add(1) }, nil)
	a.Cork()
	for _, size := range []int{60, 9100, 60, 9100, 60} {
		a.Send(frame(0, size))
	}
	a.Uncork()
	settle(t, a, b)
	if failed.Load() != 2 || got.Load() != 3 {
		t.Errorf("%d failed, %d arrived", failed.Load(), got.Load())
	}
}

// Frames that nobody receives in time are counted.
func TestDropped(t *testing.T) {
	a, b := pair(t, afpacket.Options{})
	const n = 20000
	long := frame(0, 9000)
	for range n {
		a.Send(long)
	}
	var got atomic.Uint64
	receive(t, b, func([]byte) { got.Add(1) }, nil)
	settle(t, a, b)
	dropped, err := b.Dropped()
	if again, _ := b.Dropped(); err != nil || dropped == 0 || again != dropped || got.Load()+dropped != n {
		t.Errorf("%d arrived, %d dropped, then %d, %v", got.Load(), dropped, again, err)
	}
}

func TestOpenNothing(t *testing.T) {
	if _, err := afpacket.Open("no-such-thing", afpacket.Options{}); err == nil {
		t.Error("an interface that does not exist was opened")
	}
}

// BenchmarkPair sends frames over a veth pair, one by one and corked.
func BenchmarkPair(b *testing.B) {
	for _, corked := range []bool{false, true} {
		name := "alone"
		if corked {
			name = "corked"
		}
		b.Run(name, func(b *testing.B) {
			from, to := pair(b, afpacket.Options{})
			var got atomic.Int64
			receive(b, to, func([]byte) { got.Add(1) }, nil)
			f := frame(0, 100)
			b.ReportAllocs()
			sent := int64(0)
			for b.Loop() {
				if corked && sent%32 == 0 {
					from.Cork()
				}
				from.Send(f)
				if sent++; corked && sent%32 == 0 {
					from.Uncork()
				}
				for sent-got.Load() > 2000 {
					time.Sleep(10 * time.Microsecond)
				}
			}
			settle(b, to)
			b.ReportMetric(float64(got.Load())/b.Elapsed().Seconds(), "frames/s")
		})
	}
}
