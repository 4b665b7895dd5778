package conformance

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/nve"
)

const (
	deviceID = 1
	cpuPort  = 510
	patience = 10 * time.Second
)

// edge returns the intent of testdata/edge.yaml, which the caller may change.
func edge(t testing.TB) intent.Intent { return load(t, "testdata/edge.yaml") }

func load(t testing.TB, file string) intent.Intent {
	t.Helper()
	in, err := intent.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// setup is what a device under test is started with.
type setup struct {
	intent  intent.Intent
	device  string // which of the intent's
	numbers *render.Numbers
	options render.Options
	more    []tables.Entity // added to what the intent renders to, or in place of it
}

// dut is a device under test: a switch, and the controller that programs it.
type dut struct {
	t       testing.TB
	role    intent.Role
	target  machine
	control *device.Device
	want    map[string]tables.Entity // what it holds, by key

	revision uint64 // of that

	last    counts // when they were last read
	counted bool   // nothing has come since then

	punts   chan *p4v1.PacketIn
	digests chan *p4v1.DigestList

	mu      sync.Mutex
	out     []sent
	discard bool // what leaves
}

// sent is a frame that has left.
type sent struct {
	port  uint32
	frame []byte
}

// here starts the NVE of testdata/edge.yaml.
func here(t testing.TB) *dut { return start(t, setup{intent: edge(t), device: "here"}) }

// start runs a device until the test ends, and returns when its tables are as
// the intent wants them.
func start(t testing.TB, s setup) *dut {
	t.Helper()
	s.intent = s.intent.Resolved()
	if err := s.intent.Validate(); err != nil {
		t.Fatal(err)
	}
	self, _ := s.intent.Device(s.device)
	program, err := p4.NVE()
	if self.Role == intent.RoleTransit {
		program, err = p4.Transit()
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.numbers == nil {
		s.numbers = new(render.Numbers)
	}
	d := &dut{
		t: t, role: self.Role,
		punts: make(chan *p4v1.PacketIn, 4096), digests: make(chan *p4v1.DigestList, 4096),
	}
	d.target = boot(t, d.take)
	d.connect(program)
	d.program(s)
	return d
}

func (d *dut) connect(program *p4.Program) {
	d.t.Helper()
	o := device.Options{
		Session: p4rt.Options{
			Name: "under test", DeviceID: deviceID, ElectionID: p4rt.ElectionID{Low: 1},
			Pipeline: &p4rt.Pipeline{Info: program.P4Info, DeviceConfig: program.DeviceConfig},
		},
		PacketIn: func(_ context.Context, p *p4v1.PacketIn) { d.punts <- p },
		Digest:   func(_ context.Context, l *p4v1.DigestList) { d.digests <- l },
	}
	conn, err := d.target.Dial(o.Session.DialOptions()...)
	if err != nil {
		d.t.Fatal(err)
	}
	if d.control, err = device.New(conn, o); err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = d.control.Run(ctx) })
	d.t.Cleanup(func() {
		cancel()
		wg.Wait()
		_ = conn.Close()
	})
}

// program makes the device hold what the setup says.
func (d *dut) program(s setup) {
	d.t.Helper()
	want, err := render.Device(render.Input{Intent: &s.intent, Numbers: s.numbers, Options: s.options}, s.device)
	if err != nil {
		d.t.Fatal(err)
	}
	d.want = make(map[string]tables.Entity)
	for _, w := range want {
		d.want[w.Key()] = w.Entity
	}
	for _, e := range s.more {
		d.want[e.Key()] = e
	}
	var all []tables.Entity
	for _, e := range d.want {
		all = append(all, e)
	}
	d.revision++
	if err := d.control.SetDesired(d.revision, all); err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	status, err := d.control.Await(ctx, func(s device.Status) bool {
		return s.State == device.Degraded || s.State == device.InSync && s.Watermark >= d.revision
	})
	if err != nil || status.State != device.InSync {
		var faults []error
		for _, f := range d.control.Failures() {
			faults = append(faults, f.Err)
		}
		d.t.Fatalf("device is %v: %v", status.State, errors.Join(append(faults, err)...))
	}
}

// must takes the result of a binding.
func must(t testing.TB) func(tables.Entry, error) tables.Entity {
	return func(e tables.Entry, err error) tables.Entity {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
}

// argument returns what the device was given for a parameter of an entry.
func (d *dut) argument(e tables.Entity, param string) uint32 {
	d.t.Helper()
	if found, ok := d.want[e.Key()].(tables.Entry); ok {
		for _, a := range found.Action.Args {
			if a.Param == param {
				return tables.AsUint[uint32](a.Value)
			}
		}
	}
	d.t.Fatalf("no %s in %v", param, e)
	return 0
}

// node returns the number that the NVA has given the device under test.
func (d *dut) node() uint32 {
	return d.argument(must(d.t)(nve.DefaultNodeIdentity(0)), "node_id")
}

// peer returns the number that the NVA has given an NVE that sends to this one.
func (d *dut) peer(vni uint32, address string) int64 {
	key := nve.SourceNVEKey{VNI: vni, Address: netip.MustParseAddr(address)}
	return int64(d.argument(must(d.t)(key.Allow(0, false)), "peer"))
}

// holds returns the entries of a table.
func (d *dut) holds(table string) (entries []tables.Entry) {
	for _, e := range d.want {
		if entry, ok := e.(tables.Entry); ok && entry.Table == table {
			entries = append(entries, entry)
		}
	}
	return entries
}

// tamper writes to the device behind the controller's back.
func (d *dut) tamper(op tables.Op, entities ...tables.Entity) {
	d.t.Helper()
	req := &p4v1.WriteRequest{DeviceId: deviceID, ElectionId: &p4v1.Uint128{Low: 1}}
	for _, e := range entities {
		pe, err := d.control.Schema().Encode(e)
		if err != nil {
			d.t.Fatal(err)
		}
		req.Updates = append(req.Updates, &p4v1.Update{Type: p4v1.Update_Type(op), Entity: pe})
	}
	conn, err := d.target.Dial()
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := p4v1.NewP4RuntimeClient(conn).Write(d.t.Context(), req); err != nil {
		d.t.Fatal(err)
	}
}

func (d *dut) take(port uint32, frame []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.discard {
		d.out = append(d.out, sent{port, bytes.Clone(frame)})
	}
}

// frames injects a frame and returns what leaves on ports.
func (d *dut) frames(port uint32, frame []byte) []sent {
	d.counted = false
	d.mu.Lock()
	d.out = nil
	d.mu.Unlock()
	d.target.Inject(port, frame)
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.out
	d.out = nil
	if *bmv2 { // whose ports are served by several threads
		slices.SortStableFunc(out, func(a, b sent) int { return cmp.Compare(a.port, b.port) })
	}
	return out
}

// cells reads counters or registers: id, then index, then value.
func (d *dut) cells(ids ...uint32) map[uint32]map[int64]uint64 {
	d.t.Helper()
	var filters []*p4v1.Entity
	out := make(map[uint32]map[int64]uint64)
	for _, id := range ids {
		out[id] = make(map[int64]uint64)
		if id>>24 == 0x16 { // a register
			if *bmv2 {
				d.t.Skip("bmv2 has no way to read registers")
			}
			filters = append(filters, &p4v1.Entity{Entity: &p4v1.Entity_RegisterEntry{RegisterEntry: &p4v1.RegisterEntry{RegisterId: id}}})
			continue
		}
		filters = append(filters, &p4v1.Entity{Entity: &p4v1.Entity_CounterEntry{CounterEntry: &p4v1.CounterEntry{CounterId: id}}})
	}
	for e, err := range d.control.Session().Read(d.t.Context(), filters...) {
		if err != nil {
			d.t.Fatal(err)
		}
		if c := e.GetCounterEntry(); c != nil && c.GetData().GetPacketCount() != 0 {
			out[c.GetCounterId()][c.GetIndex().GetIndex()] = uint64(c.GetData().GetPacketCount())
		} else if r := e.GetRegisterEntry(); r != nil {
			var v uint64
			for _, b := range r.GetData().GetBitstring() {
				v = v<<8 | uint64(b)
			}
			if v != 0 {
				out[r.GetRegisterId()][r.GetIndex().GetIndex()] = v
			}
		}
	}
	return out
}

// trace returns the next sighting of a traced flow.
func (d *dut) trace() nve.PathTrace {
	d.t.Helper()
	select {
	case l := <-d.digests:
		if len(l.GetData()) != 1 {
			d.t.Fatalf("%d messages in a digest list, want 1", len(l.GetData()))
		}
		var p nve.PathTrace
		if err := p.Decode(l.GetData()[0]); err != nil {
			d.t.Fatal(err)
		}
		return p
	case <-time.After(patience):
		d.t.Fatal("no digest came")
		return nve.PathTrace{}
	}
}
