package gnmi

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
)

func BenchmarkMarshal(b *testing.B) {
	c := goldens(b)["everything"]
	for b.Loop() {
		if _, err := Marshal(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	text, err := Marshal(goldens(b)["everything"])
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Unmarshal(text); err != nil {
			b.Fatal(err)
		}
	}
}

// A fleet of devices like the option window of a Tofino: how much memory a server needs for each, and how long it takes to give it one.
func BenchmarkFleet(b *testing.B) {
	c := shippedProfile(b, "tofino-option-window")
	before := inUse()
	s := NewServer(ServerOptions{})
	n := 0
	for b.Loop() {
		c.Name = fmt.Sprintf("device-%d", n)
		if err := s.Put(c.Name, c); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric((inUse()-before)/float64(n), "B/device")
	runtime.KeepAlive(s)
}

// inUse is the memory in use, in bytes.
func inUse() float64 {
	runtime.GC()
	runtime.GC() // what pools have is gone after the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// What following a device costs beside the device's own end of it: over a connection of its own, as with a thousand devices, and over one for all,
// as with a server of a thousand.
func BenchmarkWatch(b *testing.B) {
	const devices = 1000
	s := NewServer(ServerOptions{})
	for i := range devices {
		if err := s.Put(fmt.Sprintf("device-%d", i), shippedProfile(b, "tofino-option-window")); err != nil {
			b.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name        string
		connections int
	}{{"own", devices}, {"shared", 1}} {
		b.Run(tc.name, func(b *testing.B) {
			for b.Loop() {
				l := bufconn.Listen(1 << 10)
				g := grpc.NewServer(grpc.ReadBufferSize(-1), grpc.WriteBufferSize(-1))
				gpb.RegisterGNMIServer(g, s)
				go func() { _ = g.Serve(l) }()
				dial := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) })
				goroutines, bytes := runtime.NumGoroutine(), inUse()
				ctx, cancel := context.WithCancel(b.Context())
				var running, told sync.WaitGroup
				var clients []*Client
				for i := range devices {
					o := ClientOptions{Target: fmt.Sprintf("device-%d", i), Timeout: 5 * time.Minute}
					var c *Client
					if i < tc.connections {
						var err error
						if c, err = Dial("passthrough:///server", o, dial); err != nil {
							b.Fatal(err)
						}
						clients = append(clients, c)
					} else {
						c = NewClient(clients[0].conn, o)
					}
					told.Add(1)
					running.Go(func() {
						_ = c.Watch(ctx, func(s State) {
							if s.Answer == Supported {
								told.Done()
							}
						})
					})
				}
				told.Wait()
				b.ReportMetric((inUse()-bytes)/devices, "B/device")
				b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/devices, "goroutines/device")
				cancel()
				running.Wait()
				for _, c := range clients {
					c.Close()
				}
				g.Stop()
			}
		})
	}
}

func BenchmarkAsk(b *testing.B) {
	s := NewServer(ServerOptions{Default: "d"})
	if err := s.Put("d", shippedProfile(b, "tofino-option-window")); err != nil {
		b.Fatal(err)
	}
	client := NewClient(serve(b, s), ClientOptions{})
	for b.Loop() {
		if _, err := client.Ask(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// What a device that is followed costs each time that it is asked and says nothing new.
func BenchmarkRefresh(b *testing.B) {
	s := NewServer(ServerOptions{Default: "d"})
	if err := s.Put("d", shippedProfile(b, "tofino-option-window")); err != nil {
		b.Fatal(err)
	}
	w := watcher{Client: NewClient(serve(b, s), ClientOptions{}), report: func(State) {}}
	for b.Loop() {
		if err := w.ask(b.Context(), gpb.Encoding_JSON_IETF); err != nil {
			b.Fatal(err)
		}
	}
}

// From a change to a subscriber that has it.
func BenchmarkOnChange(b *testing.B) {
	s := NewServer(ServerOptions{Default: "d"})
	c := shippedProfile(b, "tofino-option-window")
	if err := s.Put("d", c); err != nil {
		b.Fatal(err)
	}
	stream, err := gpb.NewGNMIClient(serve(b, s)).Subscribe(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	list := &gpb.SubscriptionList{UpdatesOnly: true, Subscription: []*gpb.Subscription{{Path: parse(b, "/"), Mode: gpb.SubscriptionMode_ON_CHANGE}}}
	if err := stream.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: list}}); err != nil {
		b.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil { // the sync response
		b.Fatal(err)
	}
	for b.Loop() {
		c.Receive.Rows++
		if err := s.Put("d", c); err != nil {
			b.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAskAll(b *testing.B) {
	const devices = 200
	s := NewServer(ServerOptions{})
	for i := range devices {
		if err := s.Put(fmt.Sprintf("device-%d", i), shippedProfile(b, "tofino-option-window")); err != nil {
			b.Fatal(err)
		}
	}
	client := NewClient(serve(b, s), ClientOptions{})
	for b.Loop() {
		all, err := client.AskAll(b.Context())
		if err != nil || len(all) != devices {
			b.Fatalf("%d devices, %v", len(all), err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N*devices), "ms/device")
}
