package gnmi

import (
	"fmt"
	"runtime"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
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
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := NewServer(ServerOptions{})
	n := 0
	for b.Loop() {
		c.Name = fmt.Sprintf("device-%d", n)
		if err := s.Put(c.Name, c); err != nil {
			b.Fatal(err)
		}
		n++
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/device")
	runtime.KeepAlive(s)
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
