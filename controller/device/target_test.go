package device_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables"
	testbed "github.com/keyway-nve/keyway/testbed/p4rt"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

const (
	deviceID = 7
	cpuPort  = 510
)

// target is a device to control, with the faults that a test asks for.
type target struct {
	t       testing.TB
	program *p4.Program

	mu      sync.Mutex
	server  *testbed.Server
	lis     *bufconn.Listener
	close   func()
	sent    []string   // frames that left it, after their port
	updates []string   // that the target was given, refused ones too
	refuse  codes.Code // every update that the next one matches
	match   func(n int, text string) bool
	schema  *tables.Schema
}

// newTarget starts a target in the current synctest bubble. It runs the NVE
// program, whose P4Info shrink may change.
func newTarget(t testing.TB, shrink func(*p4configv1.P4Info)) *target {
	t.Helper()
	program, err := p4.NVE()
	if err != nil {
		t.Fatal(err)
	}
	if shrink != nil {
		shrink(program.P4Info)
	}
	tg := &target{t: t, program: program}
	if tg.schema, err = tables.NewSchema(program.P4Info); err != nil {
		t.Fatal(err)
	}
	tg.boot()
	t.Cleanup(tg.halt)
	return tg
}

// boot starts the target's server, with nothing configured.
func (tg *target) boot() {
	server := testbed.New(testbed.Options{DeviceID: deviceID, CPUPort: cpuPort, Allow: tg.allow, Output: tg.output})
	g := server.GRPC()
	lis := bufconn.Listen(1 << 20)
	var wg sync.WaitGroup
	wg.Go(func() { _ = g.Serve(lis) })
	tg.mu.Lock()
	defer tg.mu.Unlock()
	tg.server, tg.lis = server, lis
	tg.close = func() {
		server.Close()
		g.Stop()
		wg.Wait()
	}
}

// halt ends the target's server, as a loss of power does.
func (tg *target) halt() {
	tg.mu.Lock()
	end := tg.close
	tg.mu.Unlock()
	end()
}

func (tg *target) allow(u *p4v1.Update) error {
	text := u.GetType().String()
	if e, err := tg.schema.Decode(u.GetEntity()); err == nil {
		text += " " + tg.schema.Text(e)
	}
	tg.mu.Lock()
	defer tg.mu.Unlock()
	tg.updates = append(tg.updates, text)
	if tg.match != nil && tg.match(len(tg.updates), text) {
		return refusal.New(tg.refuse, "injected")
	}
	return nil
}

func (tg *target) output(port uint32, frame []byte) {
	tg.mu.Lock()
	defer tg.mu.Unlock()
	tg.sent = append(tg.sent, fmt.Sprintf("%d %s", port, frame))
}

// frames returns the frames that have left the target, each after its port.
func (tg *target) frames() []string {
	tg.mu.Lock()
	defer tg.mu.Unlock()
	return slices.Clone(tg.sent)
}

// fault refuses the updates that match says, counted from now on.
func (tg *target) fault(code codes.Code, match func(n int, text string) bool) {
	tg.mu.Lock()
	defer tg.mu.Unlock()
	tg.updates, tg.refuse, tg.match = nil, code, match
}

// slow makes each update take time, in which all else comes to rest.
func (tg *target) slow(each time.Duration) {
	tg.fault(codes.OK, func(int, string) bool {
		time.Sleep(each)
		return false
	})
}

// told returns the updates that the target was given since the last time.
func (tg *target) told() []string {
	tg.mu.Lock()
	defer tg.mu.Unlock()
	us := tg.updates
	tg.updates = nil
	return us
}

func (tg *target) dial(o p4rt.Options) *grpc.ClientConn {
	tg.t.Helper()
	conn, err := grpc.NewClient("passthrough:target", append(o.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			tg.mu.Lock()
			lis := tg.lis
			tg.mu.Unlock()
			return lis.DialContext(ctx)
		}))...)
	if err != nil {
		tg.t.Fatal(err)
	}
	tg.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// controller makes a device that controls the target.
func (tg *target) controller(o device.Options) *device.Device {
	tg.t.Helper()
	o.Session.Name, o.Session.DeviceID = "leaf1", deviceID
	o.Session.Pipeline = &p4rt.Pipeline{Info: tg.program.P4Info, DeviceConfig: tg.program.DeviceConfig}
	if o.Session.ElectionID.IsZero() {
		o.Session.ElectionID.Low = 1
	}
	d, err := device.New(tg.dial(o.Session), o)
	if err != nil {
		tg.t.Fatal(err)
	}
	return d
}

// run runs d until the test ends, or until the func it returns is called.
func run(t testing.TB, d *device.Device) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// start is a target and a device that controls it.
func start(t *testing.T, o device.Options) (*target, *device.Device) {
	t.Helper()
	tg := newTarget(t, nil)
	d := tg.controller(o)
	run(t, d)
	return tg, d
}

// tamper writes to the target behind the controller's back: a server takes
// anybody's word for his election id (section 5).
func (tg *target) tamper(op tables.Op, entities ...tables.Entity) {
	tg.t.Helper()
	req := &p4v1.WriteRequest{DeviceId: deviceID, ElectionId: &p4v1.Uint128{Low: 1}}
	for _, e := range entities {
		pe, err := tg.schema.Encode(e)
		if err != nil {
			tg.t.Fatal(err)
		}
		req.Updates = append(req.Updates, &p4v1.Update{Type: p4v1.Update_Type(op), Entity: pe})
	}
	if _, err := p4v1.NewP4RuntimeClient(tg.dial(p4rt.Options{})).Write(tg.t.Context(), req); err != nil {
		tg.t.Fatal(err)
	}
	tg.told()
}

// holds returns what is in the target: all entries, and default actions of the
// tables named.
func (tg *target) holds(defaults ...string) []string {
	tg.t.Helper()
	req := &p4v1.ReadRequest{DeviceId: deviceID, Entities: []*p4v1.Entity{
		{Entity: &p4v1.Entity_PacketReplicationEngineEntry{PacketReplicationEngineEntry: &p4v1.PacketReplicationEngineEntry{
			Type: &p4v1.PacketReplicationEngineEntry_MulticastGroupEntry{MulticastGroupEntry: &p4v1.MulticastGroupEntry{}},
		}}},
	}}
	for _, t := range tg.schema.Tables() {
		te := &p4v1.TableEntry{TableId: t.ID}
		req.Entities = append(req.Entities, &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: te}})
		if slices.Contains(defaults, t.Alias) {
			te := &p4v1.TableEntry{TableId: t.ID, IsDefaultAction: true}
			req.Entities = append(req.Entities, &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: te}})
		}
	}
	stream, err := p4v1.NewP4RuntimeClient(tg.dial(p4rt.Options{})).Read(tg.t.Context(), req)
	if err != nil {
		tg.t.Fatal(err)
	}
	var found []string
	for {
		resp, err := stream.Recv()
		if err != nil {
			break
		}
		for _, pe := range resp.GetEntities() {
			e, err := tg.schema.Decode(pe)
			if err != nil {
				tg.t.Fatal(err)
			}
			found = append(found, tg.schema.Text(e))
		}
	}
	slices.Sort(found)
	return found
}

// texts is what a target holds when it holds these.
func (tg *target) texts(entities ...tables.Entity) []string {
	tg.t.Helper()
	var out []string
	for _, e := range entities {
		c, err := tg.schema.Canonical(e)
		if err != nil {
			tg.t.Fatal(err)
		}
		out = append(out, tg.schema.Text(c))
	}
	slices.Sort(out)
	return out
}

// settle waits until nothing happens any more but the passing of time.
func settle(after time.Duration) {
	time.Sleep(after)
	synctest.Wait()
}

// The entities that tests want.

func vn(vni uint32) tables.Entity {
	return tables.Entry{
		Table:   "virtual_network",
		Matches: []tables.Match{tables.Exact("vni", tables.Uint(vni))},
		Action:  tables.Do("member"),
	}
}

func endpoint(vni uint32, mac uint64, port uint16) tables.Entity {
	return tables.Entry{
		Table:   "endpoint",
		Matches: []tables.Match{tables.Exact("vni", tables.Uint(vni)), tables.Exact("mac", tables.Uint(mac))},
		Action: tables.Do("local",
			tables.Arg{Param: "port", Value: tables.Uint(port)},
			tables.Arg{Param: "group", Value: tables.Uint(uint16(0))}),
	}
}

func node(id uint32) tables.Entity {
	return tables.Entry{
		Table: "node", Default: true,
		Action: tables.Do("identity", tables.Arg{Param: "node_id", Value: tables.Uint(id)}),
	}
}

func group(id uint32, ports ...uint32) tables.Entity {
	g := tables.MulticastGroup{ID: id}
	for i, p := range ports {
		g.Replicas = append(g.Replicas, tables.Replica{Port: p, Instance: uint32(i)})
	}
	return g
}

func key(t testing.TB, s *tables.Schema, e tables.Entity) string {
	t.Helper()
	c, err := s.Canonical(e)
	if err != nil {
		t.Fatal(err)
	}
	return c.Key()
}
