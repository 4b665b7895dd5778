package nva_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/nva"
	"github.com/keyway-nve/keyway/proto/geneve"
)

// asking is the mesh whose devices say what they can do, and in which options
// are wanted and not written down.
func asking(t testing.TB) intent.Intent {
	text, _, _ := strings.Cut(mesh, "layouts:")
	for _, name := range []string{"a", "b", "c"} {
		text = strings.Replace(text, "  - name: "+name+"\n", fmt.Sprintf("  - name: %s\n    gnmi: %q\n", name, name+":9339"), 1)
	}
	return parse(t, text+"wanted: {options: [{option: group, weight: 4}, {option: sequence}]}\n")
}

// ask is nva.Options.Ask.
func (b *bed) ask(d intent.Device) (*gnmi.Client, error) {
	address := d.P4Runtime.Address
	if address == "" { // of another authority
		address = d.Name + ":1"
	}
	return gnmi.Dial("passthrough:///"+d.GNMI, gnmi.ClientOptions{Timeout: 2 * time.Second, Refresh: 5 * time.Second},
		grpc.WithContextDialer(b.targets[address].DialGNMIContext))
}

// takes makes a device say that it takes so many options, none with 0.
func (b *bed) takes(name string, options uint8) {
	b.t.Helper()
	c := capabilities.Capability{Name: name, Role: capabilities.RoleNVE,
		Encapsulations: []capabilities.Encapsulation{{Kind: capabilities.Geneve}, {Kind: capabilities.NVGRE}},
		Send:           capabilities.Direction{Options: []capabilities.OptionRange{capabilities.EveryOption(15)}}}
	if options > 0 {
		c.Receive.Options = c.Send.Options
		c.Receive.Limits.Options = options
	}
	if err := b.target(name).SetProfile(&c); err != nil {
		b.t.Fatal(err)
	}
}

// options are the types of the options in Geneve packets that have arrived at a
// device, each list once, since the last time.
func (b *bed) options(device string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var seen []string
	b.crossed = slices.DeleteFunc(b.crossed, func(a arrival) bool {
		if a.device != device {
			return false
		}
		var h geneve.Header
		if _, err := h.Decode(a.frame[14+20+8:]); err != nil {
			b.t.Error(err)
		}
		var list []string
		for o, err := range h.Options.All() {
			if err != nil {
				b.t.Error(err)
			}
			list = append(list, fmt.Sprintf("%02x", o.Type.Type))
		}
		if text := strings.Join(list, " "); !slices.Contains(seen, text) {
			seen = append(seen, text)
		}
		return true
	})
	return seen
}

// exchange has blue1 send to blue2, and wants the frame there with these options.
func (b *bed) exchange(in intent.Intent, number uint32, options string) {
	b.t.Helper()
	b.send(in, "blue1", "blue2", number)
	b.expect("b", 300, number)
	if got := b.options("b"); !slices.Equal(got, []string{options}) {
		b.t.Errorf("frame %d has options %q, want %q", number, got, options)
	}
}

func (b *bed) sync(n *nva.NVA) {
	b.t.Helper()
	time.Sleep(time.Second) // until it has heard
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	if err := n.InSync(ctx); err != nil {
		b.t.Fatal(err)
	}
}

// What a device says of itself decides what it is sent: at the start, as it
// changes, and while it is silent.
func TestAsksDevices(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := asking(t)
		b := newBed(t, in)
		serve := gnmi.NewServer(gnmi.ServerOptions{})
		n := b.start(nva.Options{Ask: b.ask, Serve: serve})
		apply(t, n, in)
		b.exchange(in, 1, "81 82")

		b.takes("b", 1)
		b.sync(n)
		b.exchange(in, 2, "81")
		b.takes("b", 0)
		b.sync(n)
		b.exchange(in, 3, "")
		b.takes("b", 2)
		b.sync(n)
		b.exchange(in, 4, "81 82")
		if len(n.Capabilities()) != 3 {
			t.Errorf("have %+v", n.Capabilities())
		}

		// One that answers no more keeps what it had, and is said to be silent.
		b.target("b").Faults().HangGNMI(true)
		if err := b.target("b").CutConnections(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		c := n.Capabilities()[1]
		if c.Device != "b" || c.Answer != gnmi.Supported || !c.Stale || c.Err == nil || c.Capability.Receive.Limits.Options != 2 {
			t.Errorf("have %+v", c)
		}
		if got := b.options("b"); got != nil {
			t.Errorf("options %v without a frame", got)
		}
		b.exchange(in, 5, "81 82")
		b.target("b").Faults().HangGNMI(false)
		b.takes("b", 1)
		time.Sleep(time.Minute)
		b.sync(n)
		b.exchange(in, 6, "81")
		if c := n.Capabilities()[1]; c.Stale {
			t.Errorf("have %+v", c)
		}
	})
}

// A controller that starts anew waits for what the devices say before it touches
// them, and one that gets no answer goes on after a time.
func TestAsksBeforeItProgrammes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := asking(t)
		b := newBed(t, in)
		n := b.start(nva.Options{Ask: b.ask})
		apply(t, n, in)
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		b.target("b").Faults().HangGNMI(true)
		again := b.start(nva.Options{Ask: b.ask, AskWithin: time.Minute})
		if err := again.Set(in); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		b.exchange(in, 1, "81 82")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := again.InSync(ctx); err == nil || !strings.Contains(err.Error(), "device b has not said yet what it can do") {
			t.Errorf("in sync: %v", err)
		}
		b.target("b").Faults().HangGNMI(false)
		time.Sleep(20 * time.Second)
		b.sync(again)
		b.exchange(in, 2, "81 82")
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}

		b.target("b").Faults().HangGNMI(true)
		third := b.start(nva.Options{Ask: b.ask, AskWithin: time.Minute})
		if err := third.Set(in); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		b.sync(third)
		b.exchange(in, 3, "") // nobody knows what b takes
		b.target("b").Faults().HangGNMI(false)
		time.Sleep(time.Minute)
		b.sync(third)
		b.exchange(in, 4, "81 82")
	})
}

// The authority serves what it knows of all its devices.
func TestServesTheFleet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := asking(t)
		b := newBed(t, in)
		serve := gnmi.NewServer(gnmi.ServerOptions{})
		n := b.start(nva.Options{Ask: b.ask, Serve: serve})
		apply(t, n, in)
		b.takes("c", 1)
		b.sync(n)
		have := served(t, serve)
		if len(have) != 3 || have["c"].Receive.Limits.Options != 1 || have["b"].Receive.Limits.Options != 0 {
			t.Errorf("have %+v", have)
		}
		in.Devices = slices.Clone(in.Devices)
		in.Devices[2].GNMI = ""
		apply(t, n, in)
		if have := served(t, serve); len(have) != 2 {
			t.Errorf("have %+v", have)
		}
	})
}

// served asks a server for all that it has, over a connection.
func served(t testing.TB, s *gnmi.Server) map[string]capabilities.Capability {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	g := grpc.NewServer()
	gpb.RegisterGNMIServer(g, s)
	done := make(chan error)
	go func() { done <- g.Serve(l) }()
	defer func() {
		g.Stop()
		<-done
	}()
	c, err := gnmi.Dial("passthrough:///nva", gnmi.ClientOptions{}, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	all, err := c.AskAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}
