package nva_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/nva"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/testbed/target"
)

// mesh are three NVEs, each with a link to each. vm2 is behind b, and can move
// to c.
const mesh = `
devices:
  - name: a
    role: nve
    p4runtime: {address: "a:1", deviceId: 1}
    providerAddresses: [10.0.0.1]
    mac: 02:00:00:00:00:01
    ports:
      - {number: 1, mac: 02:00:00:00:01:01, neighbor: {device: b, port: 1}}
      - {number: 2, mac: 02:00:00:00:01:02, neighbor: {device: c, port: 1}}
    nvgreExt: {redirect: true, unreachable: true, policy: provisional, hold: 30s}
  - name: b
    role: nve
    p4runtime: {address: "b:1", deviceId: 2}
    providerAddresses: [10.0.0.2]
    mac: 02:00:00:00:00:02
    ports:
      - {number: 1, mac: 02:00:00:00:02:01}
      - {number: 2, mac: 02:00:00:00:02:02, neighbor: {device: c, port: 2}}
    nvgreExt: {redirect: true, unreachable: true}
  - name: c
    role: nve
    p4runtime: {address: "c:1", deviceId: 3}
    providerAddresses: [10.0.0.3]
    mac: 02:00:00:00:00:03
    ports:
      - {number: 1, mac: 02:00:00:00:03:01}
      - {number: 2, mac: 02:00:00:00:03:02}
    nvgreExt: {redirect: true, unreachable: true}
virtualNetworks:
  - {name: red, vni: 20000, encapsulation: nvgre}
  - {name: blue, vni: 30000}
endpoints:
  - {name: vm1, virtualNetwork: red, mac: 02:00:00:02:00:01, device: a, port: 256}
  - {name: vm2, virtualNetwork: red, mac: 02:00:00:02:00:02, device: b, port: 256}
  - {name: vm3, virtualNetwork: red, mac: 02:00:00:02:00:03, device: c, port: 257}
  - {name: vm4, virtualNetwork: red, mac: 02:00:00:02:00:04, device: b, port: 258}
  - {name: blue1, virtualNetwork: blue, mac: 02:00:00:03:00:01, device: a, port: 300}
  - {name: blue2, virtualNetwork: blue, mac: 02:00:00:03:00:02, device: b, port: 300}
optionTypes:
  - {name: group, class: 0xff00, type: 0x81, critical: true, length: 1, words: [{field: group}]}
  - {name: sequence, class: 0xff00, type: 0x82, critical: true, length: 1, words: [{field: sequence}]}
layouts:
  - {sender: a, receiver: b, options: [group, sequence]}
`

func parse(t testing.TB, text string) intent.Intent {
	t.Helper()
	in, err := intent.Parse("mesh", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// moved is the intent with an endpoint at another place.
func moved(in intent.Intent, endpoint, device string, port uint16) intent.Intent {
	in.Endpoints = slices.Clone(in.Endpoints)
	for i := range in.Endpoints {
		if e := &in.Endpoints[i]; e.Name == endpoint {
			e.Device, e.Port = device, port
		}
	}
	return in
}

// seenBy is the intent of an authority that programs only these devices.
func seenBy(in intent.Intent, devices ...string) intent.Intent {
	in.Devices = slices.Clone(in.Devices)
	for i := range in.Devices {
		if !slices.Contains(devices, in.Devices[i].Name) {
			in.Devices[i].P4Runtime = intent.Target{}
		}
	}
	return in
}

// place is a port of a device.
type place struct {
	device string
	port   uint32
}

// arrival is a frame at a place.
type arrival struct {
	place
	frame []byte
}

// bed are embedded targets on wires.
type bed struct {
	t     testing.TB
	links map[place]place

	mu      sync.Mutex
	targets map[string]*target.Target // by P4Runtime address
	names   map[string]string         // of the addresses
	cut     map[string]bool           // addresses that cannot be dialled
	out     []arrival                 // at tenant ports
	crossed []arrival                 // underlay links, by where they arrive
	watch   func(arrival)             // instead of out, unless nil

	wires   chan arrival
	running sync.WaitGroup
}

func newBed(t testing.TB, in intent.Intent) *bed {
	b := &bed{
		t: t, links: make(map[place]place), targets: make(map[string]*target.Target),
		names: make(map[string]string), cut: make(map[string]bool), wires: make(chan arrival, 1<<16),
	}
	for _, d := range in.Devices {
		for _, p := range d.Ports {
			if p.Neighbor.Device != "" {
				b.links[place{d.Name, uint32(p.Number)}] = place{p.Neighbor.Device, uint32(p.Neighbor.Port)}
			}
		}
		if d.Role == intent.RoleNVE {
			b.boot(d)
		}
	}
	b.running.Go(func() {
		for f := range b.wires {
			if tg := b.target(f.device); tg != nil {
				tg.Inject(f.port, f.frame)
			}
		}
	})
	t.Cleanup(func() {
		for _, tg := range b.targets {
			if err := tg.Close(); err != nil {
				t.Error(err)
			}
		}
		close(b.wires)
		b.running.Wait()
	})
	return b
}

func (b *bed) boot(d intent.Device) {
	b.t.Helper()
	tg, err := target.New(target.Options{
		Name: d.Name, DeviceID: d.P4Runtime.DeviceID, CPUPort: 510,
		Output: func(port uint32, frame []byte) { b.output(place{d.Name, port}, bytes.Clone(frame)) },
	})
	if err == nil {
		err = tg.Start()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.targets[d.P4Runtime.Address], b.names[d.P4Runtime.Address] = tg, d.Name
}

func (b *bed) target(name string) *target.Target {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.targets[name+":1"]
}

func (b *bed) output(at place, frame []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if far, ok := b.links[at]; ok {
		b.crossed = append(b.crossed, arrival{far, frame})
		b.wires <- arrival{far, frame}
	} else if b.watch != nil {
		b.watch(arrival{at, frame})
	} else {
		b.out = append(b.out, arrival{at, frame})
	}
}

// reach makes a device reachable over P4Runtime, or not. Its data plane goes on.
func (b *bed) reach(name string, ok bool) {
	b.mu.Lock()
	b.cut[name+":1"] = !ok
	tg := b.targets[name+":1"]
	b.mu.Unlock()
	if !ok {
		if err := tg.CutConnections(); err != nil {
			b.t.Error(err)
		}
	}
}

// dial is nva.Options.Dial.
func (b *bed) dial(d intent.Device, o device.Options) (*device.Device, error) {
	address := d.P4Runtime.Address
	return device.Dial("passthrough:///"+address, o, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		b.mu.Lock()
		tg, cut := b.targets[address], b.cut[address]
		b.mu.Unlock()
		if cut || tg == nil {
			return nil, errors.New("no answer")
		}
		return tg.DialContext(ctx, "")
	}))
}

// start starts an NVA that ends with the test.
func (b *bed) start(o nva.Options) *nva.NVA {
	b.t.Helper()
	if o.Dial == nil {
		o.Dial = b.dial
	}
	n, err := nva.New(o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := n.Close(); err != nil {
			b.t.Error(err)
		}
	})
	return n
}

// frame is one of a tenant, which is told by its number.
func frame(in intent.Intent, from, to string, number uint32) []byte {
	src, _ := in.Endpoint(from)
	dst, _ := in.Endpoint(to)
	f := slices.Concat(dst.MAC[:], src.MAC[:], []byte{0x88, 0xB5}, make([]byte, 86))
	binary.BigEndian.PutUint32(f[14:], number)
	return f
}

// send has one endpoint send to another, from where in has it.
func (b *bed) send(in intent.Intent, from, to string, number uint32) {
	src, _ := in.Endpoint(from)
	b.target(src.Device).Inject(uint32(src.Port), frame(in, from, to, number))
}

// arrived returns the numbers of the frames that have come out of a tenant port
// since the last time, in order.
func (b *bed) arrived(device string, port uint32) []uint32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var numbers []uint32
	b.out = slices.DeleteFunc(b.out, func(a arrival) bool {
		if a.place != (place{device, port}) {
			return false
		}
		numbers = append(numbers, binary.BigEndian.Uint32(a.frame[14:]))
		return true
	})
	return numbers
}

// redirects counts the NVGRE-EXT messages that have crossed a link to a device.
func (b *bed) redirects(to string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.crossed {
		if a.device == to && bytes.Contains(a.frame, []byte{0x20, 0, 0x65, 0x58, 0xFF, 0xFF, 0xFF}) {
			n++
		}
	}
	return n
}

// expect waits a moment, which is enough in a bubble, and wants just these
// frames at a port, by number.
func (b *bed) expect(device string, port uint32, want ...uint32) {
	b.t.Helper()
	time.Sleep(10 * time.Millisecond)
	got := b.arrived(device, port)
	slices.Sort(got) // wires from several devices keep no order
	if !slices.Equal(got, want) {
		b.t.Errorf("frames %v at %s/%d, want %v", got, device, port, want)
	}
}

// patience is how long what has to come may take where time is real.
const patience = 30 * time.Second

// await waits for a frame at a port, and wants it there once. What comes with it
// may be older.
func (b *bed) await(device string, port, want uint32) {
	b.t.Helper()
	var got []uint32
	for end := time.Now().Add(patience); !slices.Contains(got, want) && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
		got = append(got, b.arrived(device, port)...)
	}
	time.Sleep(10 * time.Millisecond)
	got = append(got, b.arrived(device, port)...)
	got = slices.DeleteFunc(got, func(number uint32) bool { return number < want })
	if !slices.Equal(got, []uint32{want}) {
		b.t.Errorf("frames %v at %s/%d, want %d", got, device, port, want)
	}
}

func apply(t testing.TB, n *nva.NVA, in intent.Intent) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := n.Apply(ctx, in); err != nil {
		t.Fatal(err)
	}
}

// counted wants some of the NVA's counters.
func counted(t testing.TB, n *nva.NVA, want map[string]uint64) {
	t.Helper()
	got := n.Counters()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s is %d, want %d", name, got[name], want[name])
		}
	}
}

func mac(text string) (m ethernet.MAC) {
	if _, err := fmt.Sscanf(text, "%02x:%02x:%02x:%02x:%02x:%02x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]); err != nil {
		panic(err)
	}
	return m
}
