package nva_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/nva"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/tables"
)

// bubble runs a test in a time of its own. It fails if anything still runs when
// the test has closed what it started.
func bubble(t *testing.T, run func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, run)
}

func TestIntents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := parse(t, mesh)
		b := newBed(t, in)
		n := b.start(nva.Options{})
		if err := n.Apply(t.Context(), intent.Intent{}); err != nil || len(n.Devices()) != 0 {
			t.Fatalf("no network: %v, devices %v", err, n.Devices())
		}
		apply(t, n, in)
		for i, from := range []string{"vm1", "vm3", "vm4"} {
			b.send(in, from, "vm2", uint32(i))
		}
		b.send(in, "blue1", "blue2", 7) // Geneve between the same two
		b.expect("b", 256, 0, 1, 2)
		b.expect("b", 300, 7)
		for _, d := range n.Devices() {
			if d.State != device.InSync || d.Wanted == 0 || d.Watermark != d.Revision {
				t.Errorf("%s: %+v", d.Name, d.Status)
			}
		}

		now := moved(in, "vm2", "c", 256)
		apply(t, n, now)
		b.send(now, "vm1", "vm2", 3)
		b.send(now, "vm4", "vm2", 4)
		b.expect("c", 256, 3, 4)
		b.expect("b", 256)
		held := n.Intent()
		if got, _ := held.Endpoint("vm2"); got.Device != "c" {
			t.Errorf("intent has vm2 behind %s", got.Device)
		}

		// Without the devices of blue, and without c.
		now.Devices = slices.Clone(now.Devices[:2])
		now.Devices[0].Ports, now.Devices[1].Ports = now.Devices[0].Ports[:1], now.Devices[1].Ports[:1]
		now.Endpoints = slices.DeleteFunc(slices.Clone(now.Endpoints), func(e intent.Endpoint) bool { return e.Device == "c" })
		apply(t, n, now)
		b.send(now, "vm1", "vm4", 5)
		b.expect("b", 258, 5)
		if got := len(n.Devices()); got != 2 {
			t.Errorf("%d devices", got)
		}
		apply(t, n, in) // c is back
		b.send(in, "vm1", "vm3", 6)
		b.expect("c", 257, 6)
	})
}

func TestDeviceComesLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := parse(t, mesh)
		b := newBed(t, in)
		b.reach("c", false)
		n := b.start(nva.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := n.Apply(ctx, in)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "device c is connecting") ||
			strings.Contains(err.Error(), "device a") {
			t.Fatalf("error %v", err)
		}
		b.send(in, "vm1", "vm2", 1)
		b.expect("b", 256, 1)
		bc := frame(in, "vm1", "vm2", 2)
		copy(bc[:6], []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})
		b.target("a").Inject(256, bc)
		b.expect("b", 256, 2) // c alone is left out
		b.reach("c", true)
		apply(t, n, in)
		b.send(in, "vm1", "vm3", 3)
		b.expect("c", 257, 3)
		b.target("a").Inject(256, bc)
		b.expect("b", 256, 2)
		b.expect("c", 257, 2)
	})
}

func TestDeviceLosesAll(t *testing.T) {
	for name, lose := range map[string]func(*bed) error{
		"restart": func(b *bed) error { return b.target("b").Restart() },
		"forget":  func(b *bed) error { b.target("b").Forget(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				in := parse(t, mesh)
				b := newBed(t, in)
				n := b.start(nva.Options{})
				apply(t, n, in)
				if err := lose(b); err != nil {
					t.Fatal(err)
				}
				b.send(in, "vm1", "vm2", 1)
				b.expect("b", 256)
				time.Sleep(2 * time.Minute) // an audit, or a few attempts to connect
				b.send(in, "vm1", "vm2", 2)
				b.send(in, "blue1", "blue2", 3)
				b.expect("b", 256, 2)
				b.expect("b", 300, 3)
				if err := n.InSync(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What tunnels look like changes under traffic, in both directions, and no frame
// is lost. The options are critical: a row that is missing costs the frame.
func TestChangesUnderTraffic(t *testing.T) {
	in := parse(t, mesh)
	device := func(in *intent.Intent, i int) *intent.Device {
		in.Devices = slices.Clone(in.Devices)
		return &in.Devices[i]
	}
	options := func(in *intent.Intent, names ...string) {
		in.Layouts = slices.Clone(in.Layouts)
		in.Layouts[0].Options = names
	}
	encapsulation := func(in *intent.Intent, i int, e intent.Encapsulation) {
		in.VirtualNetworks = slices.Clone(in.VirtualNetworks)
		in.VirtualNetworks[i].Encapsulation = e
	}
	for _, c := range []struct {
		name   string
		change func(*intent.Intent)
	}{
		{"another order", func(in *intent.Intent) { options(in, "sequence", "group") }},
		{"fewer options", func(in *intent.Intent) { options(in, "group") }},
		{"no options", func(in *intent.Intent) { in.Layouts = nil }},
		{"NVGRE instead of Geneve", func(in *intent.Intent) { encapsulation(in, 1, intent.NVGRE) }},
		{"Geneve instead of NVGRE", func(in *intent.Intent) { encapsulation(in, 0, intent.Geneve) }},
		{"another provider address", func(in *intent.Intent) {
			device(in, 1).ProviderAddresses = []netip.Addr{netip.MustParseAddr("10.0.0.22")}
		}},
		{"IPv6", func(in *intent.Intent) {
			device(in, 0).ProviderAddresses = []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}
			device(in, 1).ProviderAddresses = []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")}
			in.Tunnels = []intent.Tunnel{{Sender: "a", Receiver: "b", Underlay: intent.IPv6}}
		}},
		{"other groups and ports", func(in *intent.Intent) {
			in.Endpoints = slices.Clone(in.Endpoints)
			for i := range in.Endpoints {
				in.Endpoints[i].Group, in.Endpoints[i].LogicalPort = uint16(i+1), uint16(i+1)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, in)
			n := b.start(nva.Options{Drain: drain})
			apply(t, n, in)
			there, back := b.stream(in, "blue1", "blue2"), b.stream(in, "blue2", "blue1")
			red := b.stream(in, "vm1", "vm4")
			next := in
			c.change(&next)
			time.Sleep(5 * time.Millisecond)
			apply(t, n, next)
			apply(t, n, in)
			b.unbroken(there(), "b", 300)
			b.unbroken(back(), "a", 300)
			b.unbroken(red(), "b", 258)
		})
	}
}

// The authority is replaced by another of the same intent, and then of a newer
// one, while frames flow.
func TestControllerRestarts(t *testing.T) {
	in := parse(t, mesh)
	b := newBed(t, in)
	n := b.start(nva.Options{Drain: drain})
	apply(t, n, in)
	stop, stopBlue := b.stream(in, "vm1", "vm4"), b.stream(in, "blue1", "blue2")
	for i := range 3 {
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		n = b.start(nva.Options{Drain: drain})
		next := in
		next.Layouts = slices.Clone(in.Layouts)
		if i > 0 {
			next = moved(next, "vm2", "c", 256)
			next.Layouts[0].Options = [][]string{{"sequence"}, {"sequence", "group"}}[i-1]
		}
		apply(t, n, next)
		for _, d := range n.Devices() {
			if d.Watermark == 0 {
				t.Errorf("%s: %+v", d.Name, d.Status)
			}
		}
	}
	b.unbroken(stop(), "b", 258)
	b.unbroken(stopBlue(), "b", 300)
}

// drain is long enough for a frame that is under way while a machine is busy.
const drain = 100 * time.Millisecond

// stream sends frames until it is stopped, and then tells how many. It waits
// while the wires are behind, so that a slow machine has time for the rest, and
// no frame is under way for longer than tables drain.
func (b *bed) stream(in intent.Intent, from, to string) (stop func() uint32) {
	done, sent := make(chan struct{}), make(chan uint32)
	go func() {
		for number := uint32(0); ; {
			select {
			case <-done:
				sent <- number
				return
			case <-time.After(200 * time.Microsecond):
				if len(b.wires) < 8 {
					b.send(in, from, to, number)
					number++
				}
			}
		}
	}()
	stop = sync.OnceValue(func() uint32 {
		close(done)
		return <-sent
	})
	b.t.Cleanup(func() { stop() })
	return stop
}

// unbroken wants all of a stream at a port, in order.
func (b *bed) unbroken(sent uint32, device string, port uint32) {
	b.t.Helper()
	var got []uint32
	for end := time.Now().Add(patience); time.Now().Before(end); { // for what is still under way
		if got = append(got, b.arrived(device, port)...); len(got) >= int(sent) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for i, number := range got {
		if number != uint32(i) {
			b.t.Fatalf("frame %d of %d came as number %d", number, sent, i)
		}
	}
	if len(got) != int(sent) || sent == 0 {
		b.t.Fatalf("%d frames of %d arrived", len(got), sent)
	}
}

// What cannot be is refused as a whole, with all reasons, and nothing changes.
func TestRefusals(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := parse(t, mesh)
		b := newBed(t, in)
		broken := errors.New("no such place")
		n := b.start(nva.Options{Dial: func(d intent.Device, o device.Options) (*device.Device, error) {
			if strings.HasPrefix(d.P4Runtime.Address, "x") {
				return nil, broken
			}
			return b.dial(d, o)
		}})
		apply(t, n, in)
		before := n.Devices()
		for _, c := range []struct {
			name   string
			change func(*intent.Intent)
			is     error
			want   []string
		}{
			{
				"invalid", func(in *intent.Intent) {
					in.Endpoints = append(slices.Clone(in.Endpoints), in.Endpoints[0])
					in.Layouts = []intent.Layout{{Sender: "a", Receiver: "z", Options: []string{"none"}}}
				},
				nil, []string{"vm1", `"z"`, `"none"`},
			},
			{
				"no room", func(in *intent.Intent) {
					for i := range uint16(4097) {
						in.GroupPolicies = append(in.GroupPolicies, intent.GroupPolicy{VirtualNetwork: "blue", From: i, To: 1, Action: intent.Deny})
					}
				},
				tables.ErrFull, []string{"device a", "device b", "group_policy", "4097", "4096"},
			},
			{
				"islands", func(in *intent.Intent) {
					in.Devices = slices.Clone(in.Devices)
					for i := range in.Devices {
						in.Devices[i].Ports = nil
					}
				},
				render.ErrNoPath, []string{"device a", "device b", "device c"},
			},
			{
				"cannot be dialled", func(in *intent.Intent) {
					in.Devices = slices.Clone(in.Devices)
					in.Devices[0].P4Runtime.Address = "x:1"
					in.Devices[1].P4Runtime.Address = "x:2"
					in.Endpoints = in.Endpoints[:2]
				},
				broken, []string{"device a", "device b"},
			},
		} {
			bad := in
			c.change(&bad)
			err := n.Apply(t.Context(), bad)
			if err == nil || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%s: error %v, want %v", c.name, err, c.is)
				continue
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%s: error does not say %q:\n%v", c.name, w, err)
				}
			}
		}
		synctest.Wait()
		for i, d := range n.Devices() {
			if d.Revision != before[i].Revision || d.Watermark != before[i].Watermark {
				t.Errorf("%s went from %+v to %+v", d.Name, before[i].Status, d.Status)
			}
		}
		if got := len(n.Intent().Endpoints); got != len(in.Endpoints) {
			t.Errorf("the intent has %d endpoints", got)
		}
		b.send(in, "vm1", "vm2", 1)
		b.expect("b", 256, 1)
	})
}

func TestOptions(t *testing.T) {
	_, err := nva.New(nva.Options{Render: render.Options{UnderlayMTU: 1, PuntRate: -1}})
	if !errors.Is(err, render.ErrOption) || !strings.Contains(err.Error(), "MTU 1") || !strings.Contains(err.Error(), "rate -1") {
		t.Errorf("error %v", err)
	}
}

func TestClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := parse(t, mesh)
		b := newBed(t, in)
		n := b.start(nva.Options{Drain: time.Hour})
		apply(t, n, in)
		if err := n.Set(moved(in, "vm2", "c", 256)); err != nil {
			t.Fatal(err)
		}
		waits := make(chan error)
		go func() { waits <- n.InSync(context.Background()) }() // for an hour
		time.Sleep(time.Second)
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-waits; !errors.Is(err, nva.ErrClosed) {
			t.Errorf("waiting: %v", err)
		}
		if err := n.Apply(t.Context(), in); !errors.Is(err, nva.ErrClosed) {
			t.Errorf("apply: %v", err)
		}
		if err := n.Close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
		time.Sleep(2 * time.Hour)
		b.send(in, "vm1", "vm4", 1) // devices forward as they were
		b.expect("b", 258, 1)
	})
}

// What a device punts with metadata that its program does not have is counted.
func TestMalformedPacketIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := parse(t, mesh)
		b := newBed(t, in)
		handlers := make(map[string]func(context.Context, *p4v1.PacketIn))
		n := b.start(nva.Options{Dial: func(d intent.Device, o device.Options) (*device.Device, error) {
			handlers[d.Name] = o.PacketIn
			return b.dial(d, o)
		}})
		apply(t, n, in)
		for i, md := range [][]*p4v1.PacketMetadata{nil, {{MetadataId: 99, Value: []byte{1}}}, {{MetadataId: 1, Value: make([]byte, 9)}}} {
			handlers["a"](t.Context(), &p4v1.PacketIn{Payload: []byte(fmt.Sprint("junk", i)), Metadata: md})
		}
		counted(t, n, map[string]uint64{"malformed-punts": 3})
		if handled, sent := n.Handled("a"); handled != 3 || sent != 0 {
			t.Errorf("handled %d, sent %d", handled, sent)
		}
		if handled, _ := n.Handled("z"); handled != 0 {
			t.Errorf("a device that is not there has handled %d", handled)
		}
	})
}

// Virtual networks share a tenant port by tags: what leaves it for one has its
// tag, also when it was flooded, and does not go back where it came from.
func TestTagsOnOnePort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := moved(parse(t, mesh), "blue1", "a", 256)
		for i := range in.Endpoints {
			if in.Endpoints[i].Name == "blue1" {
				in.Endpoints[i].VLAN = 9
			}
		}
		b := newBed(t, in)
		n := b.start(nva.Options{})
		apply(t, n, in)
		tagged := func(f []byte) []byte { return slices.Concat(f[:12], []byte{0x81, 0, 0, 9}, f[12:]) }
		toAll := func(f []byte) []byte { return slices.Concat([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, f[6:]) }
		red, blue := frame(in, "vm4", "vm1", 1), frame(in, "blue2", "blue1", 2)
		out := func(device string, port uint32, want ...[]byte) {
			t.Helper()
			time.Sleep(10 * time.Millisecond)
			b.mu.Lock()
			defer b.mu.Unlock()
			var got [][]byte
			for _, a := range b.out {
				if a.place == (place{device, port}) {
					got = append(got, a.frame)
				}
			}
			b.out = nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("frames at %s/%d (-want +got):\n%s", device, port, diff)
			}
		}
		b.target("b").Inject(258, red)
		out("a", 256, red)
		b.target("b").Inject(300, blue)
		out("a", 256, tagged(blue))
		b.target("b").Inject(258, toAll(red))
		out("a", 256, toAll(red))
		b.target("b").Inject(300, toAll(blue))
		out("a", 256, tagged(toAll(blue)))

		back := toAll(frame(in, "blue1", "blue2", 3))
		b.target("a").Inject(256, tagged(back))
		out("b", 300, back)
		b.target("a").Inject(256, tagged(back))
		out("a", 256)
	})
}
