package target_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyway-nve/keyway/proto/bm"
	"github.com/keyway-nve/keyway/testbed/target"
)

// The test program sends a frame that has no P4 header back to where its
// destination address says: entries of table "out" map it to a port.
func program(t testing.TB) *p4v1.ForwardingPipelineConfig {
	t.Helper()
	text, err := os.ReadFile("testdata/ports.p4info.txtpb")
	if err != nil {
		t.Fatal(err)
	}
	config := &p4v1.ForwardingPipelineConfig{P4Info: &p4configv1.P4Info{}}
	if err := prototext.Unmarshal(text, config.P4Info); err != nil {
		t.Fatal(err)
	}
	if config.P4DeviceConfig, err = os.ReadFile("testdata/ports.json"); err != nil {
		t.Fatal(err)
	}
	return config
}

func run(t testing.TB, opts target.Options) *target.Target {
	t.Helper()
	opts.DeviceID = 3
	sw, err := target.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := sw.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sw.Close(); err != nil {
			t.Error(err)
		}
	})
	return sw
}

// controller is a P4Runtime client that is the primary.
type controller struct {
	p4v1.P4RuntimeClient
	t      testing.TB
	stream p4v1.P4Runtime_StreamChannelClient
}

func connect(t testing.TB, sw *target.Target) *controller {
	t.Helper()
	conn, err := sw.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &controller{P4RuntimeClient: p4v1.NewP4RuntimeClient(conn), t: t}
	c.arbitrate()
	return c
}

func (c *controller) arbitrate() {
	c.t.Helper()
	var err error
	if c.stream, err = c.StreamChannel(c.t.Context(), grpc.WaitForReady(true)); err != nil {
		c.t.Fatal(err)
	}
	if err := c.stream.Send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Arbitration{
		Arbitration: &p4v1.MasterArbitrationUpdate{DeviceId: 3, ElectionId: &p4v1.Uint128{Low: 1}}}}); err != nil {
		c.t.Fatal(err)
	}
	m, err := c.stream.Recv()
	if err != nil || m.GetArbitration().GetStatus().GetCode() != 0 {
		c.t.Fatal(m, err)
	}
}

func (c *controller) commit() { c.push(program(c.t)) }

func (c *controller) push(config *p4v1.ForwardingPipelineConfig) {
	c.t.Helper()
	_, err := c.SetForwardingPipelineConfig(c.t.Context(), &p4v1.SetForwardingPipelineConfigRequest{
		DeviceId: 3, ElectionId: &p4v1.Uint128{Low: 1},
		Action: p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, Config: config})
	if err != nil {
		c.t.Fatal(err)
	}
}

// route maps the last byte of the destination address to a port.
func (c *controller) route(dst, port byte) error {
	_, err := c.Write(c.t.Context(), &p4v1.WriteRequest{DeviceId: 3, ElectionId: &p4v1.Uint128{Low: 1}, Updates: []*p4v1.Update{{
		Type: p4v1.Update_INSERT,
		Entity: &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{
			TableId: 0x02000001,
			Match: []*p4v1.FieldMatch{{FieldId: 1, FieldMatchType: &p4v1.FieldMatch_Exact_{
				Exact: &p4v1.FieldMatch_Exact{Value: []byte{dst}}}}},
			Action: &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: &p4v1.Action{
				ActionId: 0x01000001, Params: []*p4v1.Action_Param{{ParamId: 1, Value: []byte{port}}}}}},
		}}}}}})
	return err
}

func (c *controller) entries() int {
	c.t.Helper()
	r, err := c.Read(c.t.Context(), &p4v1.ReadRequest{DeviceId: 3, Entities: []*p4v1.Entity{{
		Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{}}}}})
	if err != nil {
		c.t.Fatal(err)
	}
	n := 0
	for {
		m, err := r.Recv()
		if err == io.EOF {
			return n
		}
		if err != nil {
			c.t.Fatal(err)
		}
		n += len(m.GetEntities())
	}
}

func frameTo(dst byte) []byte {
	return append([]byte{0, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, 1, 0x08, 0x00}, "payload"...)
}

func TestPorts(t *testing.T) {
	var rest []uint32
	sw := run(t, target.Options{CPUPort: 510, Output: func(port uint32, _ []byte) { rest = append(rest, port) }})
	c := connect(t, sw)
	c.commit()
	for _, r := range [][2]byte{{1, 1}, {2, 2}} {
		if err := c.route(r[0], r[1]); err != nil {
			t.Fatal(err)
		}
	}
	var got [][]byte
	if err := sw.AttachPort(2, func(frame []byte) { got = append(got, bytes.Clone(frame)) }); err != nil {
		t.Fatal(err)
	}
	if err := sw.AttachPort(2, func([]byte) {}); err == nil {
		t.Error("a port was attached twice")
	}
	if err := sw.AttachPort(510, func([]byte) {}); err == nil {
		t.Error("the CPU port was attached")
	}
	sw.Inject(1, frameTo(2))
	if len(got) != 1 || !bytes.Equal(got[0], frameTo(2)) {
		t.Fatalf("got %x", got)
	}
	sw.Inject(2, frameTo(1))
	if !slices.Equal(rest, []uint32{1}) {
		t.Errorf("frames on ports without sink: %v", rest)
	}
	if s := sw.PortStats(2); s != (target.PortStats{InPackets: 1, InBytes: 21, OutPackets: 1, OutBytes: 21}) {
		t.Errorf("statistics %+v", s)
	}

	if err := sw.SetPort(2, false); err != nil {
		t.Fatal(err)
	}
	sw.Inject(1, frameTo(2))
	sw.Inject(2, frameTo(1))
	if len(got) != 1 || len(rest) != 1 {
		t.Error("a port that is down passed a frame")
	}
	if s := sw.PortStats(2); s.Dropped != 2 {
		t.Errorf("statistics %+v", s)
	}
	if err := sw.SetPort(2, true); err != nil {
		t.Fatal(err)
	}
	sw.DetachPort(2)
	sw.Inject(1, frameTo(2))
	if !slices.Equal(rest, []uint32{1, 2}) {
		t.Errorf("frames on ports without sink: %v", rest)
	}
}

func TestProgramWithoutP4Info(t *testing.T) {
	var out []uint32
	sw := run(t, target.Options{Program: program(t).GetP4DeviceConfig(), Output: func(port uint32, _ []byte) { out = append(out, port) }})
	c := connect(t, sw)
	if err := c.route(1, 1); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("write without a config: %v", err)
	}
	sw.Inject(4, frameTo(9)) // the default action sends it back
	if !slices.Equal(out, []uint32{4}) {
		t.Errorf("frames %v", out)
	}
	if _, err := target.New(target.Options{Program: []byte("no program")}); err == nil {
		t.Error("nonsense was taken for a program")
	}
}

func TestRefuseUpdate(t *testing.T) {
	sw := run(t, target.Options{})
	c := connect(t, sw)
	c.commit()
	if err := c.route(1, 1); err != nil {
		t.Fatal(err)
	}
	sw.Faults().RefuseUpdate(2, codes.ResourceExhausted)
	for i, want := range []codes.Code{codes.OK, codes.ResourceExhausted, codes.OK} {
		err := c.route(byte(2+i), 1)
		got := codes.OK
		if err != nil {
			got = codes.Code(status.Convert(err).Details()[0].(*p4v1.Error).GetCanonicalCode())
		}
		if got != want {
			t.Errorf("update %d: %v, want %v", i+1, err, want)
		}
	}
	if n := c.entries(); n != 3 {
		t.Errorf("%d entries", n)
	}
}

func TestForget(t *testing.T) {
	sw := run(t, target.Options{})
	c := connect(t, sw)
	c.commit()
	if err := c.route(1, 1); err != nil {
		t.Fatal(err)
	}
	sw.Forget()
	if n := c.entries(); n != 0 {
		t.Errorf("%d entries", n)
	}
	if err := c.route(1, 1); err != nil {
		t.Errorf("write after: %v", err)
	}
}

func TestCutStreams(t *testing.T) {
	sw := run(t, target.Options{})
	c := connect(t, sw)
	c.commit()
	sw.CutStreams()
	if _, err := c.stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("stream: %v", err)
	}
	// The election id of the lost primary is the highest: it may come back.
	c.arbitrate()
	if err := c.route(1, 1); err != nil {
		t.Error(err)
	}
}

func TestCutConnections(t *testing.T) {
	sw := run(t, target.Options{Address: "127.0.0.1:0"})
	c := connect(t, sw)
	c.commit()
	if err := c.route(1, 1); err != nil {
		t.Fatal(err)
	}
	address := sw.Address().String()
	if err := sw.CutConnections(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.stream.Recv(); err == nil {
		t.Error("the stream survived")
	}
	c.arbitrate()
	if n := c.entries(); n != 1 || sw.Address().String() != address {
		t.Errorf("%d entries at %v", n, sw.Address())
	}
}

func TestRestart(t *testing.T) {
	sw := run(t, target.Options{Address: "127.0.0.1:0"})
	c := connect(t, sw)
	c.commit()
	address := sw.Address().String()
	if err := sw.SetPort(5, false); err != nil {
		t.Fatal(err)
	}
	if err := sw.Restart(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.stream.Recv(); err == nil {
		t.Error("the stream survived")
	}
	if got := sw.Address().String(); got != address {
		t.Errorf("address %s became %s", address, got)
	}
	if sw.PortUp(5) {
		t.Error("a port came up by the restart")
	}
	c.arbitrate()
	r, err := c.GetForwardingPipelineConfig(t.Context(), &p4v1.GetForwardingPipelineConfigRequest{DeviceId: 3})
	if err != nil || r.GetConfig() != nil {
		t.Errorf("config survived: %v", err)
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := p4v1.NewP4RuntimeClient(conn).Capabilities(t.Context(), &p4v1.CapabilitiesRequest{}); err != nil {
		t.Errorf("by TCP: %v", err)
	}
}

func TestSlowDown(t *testing.T) {
	sw := run(t, target.Options{})
	c := connect(t, sw)
	sw.Faults().SlowDown(time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Capabilities(ctx, &p4v1.CapabilitiesRequest{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	sw.Faults().SlowDown(0)
	if _, err := c.Capabilities(t.Context(), &p4v1.CapabilitiesRequest{}); err != nil {
		t.Error(err)
	}
}

func TestPacketService(t *testing.T) {
	sw := run(t, target.Options{DataplaneAddress: "127.0.0.1:0"})
	c := connect(t, sw)
	c.commit()
	if err := c.route(2, 2); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(sw.DataplaneAddress().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := bm.NewDataplaneInterfaceClient(conn)
	stream, err := client.PacketStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	send := func(device uint64, id uint64, port uint32, frame []byte) {
		t.Helper()
		if err := stream.Send(&bm.PacketStreamRequest{DeviceId: device, Id: id, Port: port, Packet: frame}); err != nil {
			t.Fatal(err)
		}
	}
	receive := func(id uint64, port uint32) {
		t.Helper()
		r, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if r.GetId() != id || r.GetPort() != port || r.GetDeviceId() != 3 || !bytes.Equal(r.GetPacket(), frameTo(2)) {
			t.Errorf("got %v, want id %d on port %d", r, id, port)
		}
	}
	send(8, 1, 1, frameTo(2)) // of another device
	send(3, 2, 1, nil)        // empty
	send(3, 3, 1, frameTo(2))
	receive(3, 2)
	send(3, 0, 1, frameTo(2))
	receive(0, 2)

	second, err := client.PacketStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("second client: %v", err)
	}
	for _, bad := range []*bm.SetPortOperStatusRequest{
		{DeviceId: 8, Port: 2, OperStatus: bm.PortOperStatus_OPER_STATUS_UP},
		{DeviceId: 3, Port: 2},
	} {
		if _, err := client.SetPortOperStatus(t.Context(), bad); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", bad, err)
		}
	}
	set := func(s bm.PortOperStatus) {
		t.Helper()
		if _, err := client.SetPortOperStatus(t.Context(), &bm.SetPortOperStatusRequest{DeviceId: 3, Port: 2, OperStatus: s}); err != nil {
			t.Fatal(err)
		}
	}
	set(bm.PortOperStatus_OPER_STATUS_DOWN)
	if sw.PortUp(2) {
		t.Error("the port is up")
	}
	set(bm.PortOperStatus_OPER_STATUS_UP)
	send(3, 9, 1, frameTo(2))
	receive(9, 2)

	// Frames of any length: bmv2's own service takes them.
	jumbo := append(frameTo(2), make([]byte, 60000)...)
	send(3, 10, 1, jumbo)
	if r, err := stream.Recv(); err != nil || !bytes.Equal(r.GetPacket(), jumbo) {
		t.Errorf("a jumbo frame came back with %d bytes, %v", len(r.GetPacket()), err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("end: %v", err)
	}
}

// BenchmarkInject sends a frame from port to port through one table.
func BenchmarkInject(b *testing.B) {
	sw := run(b, target.Options{})
	c := connect(b, sw)
	c.commit()
	if err := c.route(2, 2); err != nil {
		b.Fatal(err)
	}
	left := 0
	if err := sw.AttachPort(2, func([]byte) { left++ }); err != nil {
		b.Fatal(err)
	}
	frame := frameTo(2)
	b.ReportAllocs()
	for b.Loop() {
		sw.Inject(1, frame)
	}
	if left != b.N {
		b.Errorf("%d of %d frames left", left, b.N)
	}
}
