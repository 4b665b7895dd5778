package p4rt_test

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyway-nve/keyway/testbed/p4rt"
)

//go:embed testdata/entities.p4info.txtpb
var entitiesInfo []byte

//go:embed testdata/entities.json
var entitiesJSON []byte

const (
	device  = 7
	cpuPort = 510
)

// election is the election id that fixtures use.
func election(low uint64) *p4v1.Uint128 { return &p4v1.Uint128{Low: low} }

func entitiesConfig(t testing.TB) *p4v1.ForwardingPipelineConfig {
	t.Helper()
	p := &p4configv1.P4Info{}
	if err := prototext.Unmarshal(entitiesInfo, p); err != nil {
		t.Fatal(err)
	}
	return &p4v1.ForwardingPipelineConfig{
		P4Info:         p,
		P4DeviceConfig: entitiesJSON,
		Cookie:         &p4v1.ForwardingPipelineConfig_Cookie{Cookie: 42},
	}
}

// frame is a frame that left the switch.
type frame struct {
	port uint32
	data string
}

// fixture is a server with a client, over a connection in memory.
type fixture struct {
	t      testing.TB
	server *p4rt.Server
	client p4v1.P4RuntimeClient
	conn   *grpc.ClientConn
	info   *p4configv1.P4Info

	dial func(context.Context, string) (net.Conn, error)

	mu  sync.Mutex
	out []frame
}

// newFixture returns a server without a config.
func newFixture(t testing.TB, change ...func(*p4rt.Options)) *fixture {
	t.Helper()
	f := &fixture{t: t}
	opts := p4rt.Options{DeviceID: device, CPUPort: cpuPort, Output: func(port uint32, data []byte) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.out = append(f.out, frame{port, string(data)})
	}}
	for _, c := range change {
		c(&opts)
	}
	f.server = p4rt.New(opts)
	listener := bufconn.Listen(1 << 20)
	g := f.server.GRPC()
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := g.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	}()
	f.dial = func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
	conn, err := grpc.NewClient("passthrough:///server",
		grpc.WithContextDialer(f.dial),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithMaxHeaderListSize(8<<20))
	if err != nil {
		t.Fatal(err)
	}
	f.conn, f.client = conn, p4v1.NewP4RuntimeClient(conn)
	t.Cleanup(func() {
		conn.Close()
		f.server.Close()
		g.Stop()
		<-served
	})
	return f
}

// start returns a server that runs the test program, with a primary.
func start(t testing.TB, change ...func(*p4rt.Options)) (*fixture, *stream) {
	t.Helper()
	f := newFixture(t, change...)
	s := f.open()
	s.arbitrate(election(1))
	config := entitiesConfig(t)
	f.info = config.GetP4Info()
	if err := f.setConfig(p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, config); err != nil {
		t.Fatal(err)
	}
	return f, s
}

func (f *fixture) context() context.Context {
	ctx, cancel := context.WithTimeout(f.t.Context(), 20*time.Second)
	f.t.Cleanup(cancel)
	return ctx
}

func (f *fixture) setConfig(action p4v1.SetForwardingPipelineConfigRequest_Action, c *p4v1.ForwardingPipelineConfig) error {
	_, err := f.client.SetForwardingPipelineConfig(f.context(), &p4v1.SetForwardingPipelineConfigRequest{
		DeviceId: device, ElectionId: election(1), Action: action, Config: c})
	return err
}

// frames returns what has left the switch since the last call.
func (f *fixture) frames() []frame {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.out
	f.out = nil
	return out
}

// stream is a client's stream; its messages arrive on a channel.
type stream struct {
	f *fixture
	p4v1.P4Runtime_StreamChannelClient
	cancel context.CancelFunc
	in     chan *p4v1.StreamMessageResponse
	end    chan error
}

func (f *fixture) open() *stream {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	f.t.Cleanup(cancel)
	c, err := f.client.StreamChannel(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	s := &stream{f: f, P4Runtime_StreamChannelClient: c, cancel: cancel,
		in: make(chan *p4v1.StreamMessageResponse, 1000), end: make(chan error, 1)}
	go func() {
		for {
			m, err := c.Recv()
			if err != nil {
				s.end <- err
				return
			}
			s.in <- m
		}
	}()
	return s
}

func (s *stream) send(m *p4v1.StreamMessageRequest) {
	s.f.t.Helper()
	if err := s.Send(m); err != nil && !errors.Is(err, io.EOF) {
		s.f.t.Fatal(err)
	}
}

func (s *stream) sendArbitration(m *p4v1.MasterArbitrationUpdate) {
	s.f.t.Helper()
	s.send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Arbitration{Arbitration: m}})
}

// arbitrate sends an election id and returns the answer.
func (s *stream) arbitrate(id *p4v1.Uint128) *p4v1.MasterArbitrationUpdate {
	s.f.t.Helper()
	s.sendArbitration(&p4v1.MasterArbitrationUpdate{DeviceId: device, ElectionId: id})
	m := s.next().GetArbitration()
	if m == nil {
		s.f.t.Fatal("no answer to the arbitration")
	}
	return m
}

// next returns the next message.
func (s *stream) next() *p4v1.StreamMessageResponse {
	s.f.t.Helper()
	select {
	case m := <-s.in:
		return m
	case err := <-s.end:
		s.f.t.Fatalf("stream ended: %v", err)
	case <-time.After(20 * time.Second):
		s.f.t.Fatal("no message on the stream")
	}
	return nil
}

// quiet checks that no message comes for a moment.
func (s *stream) quiet() {
	s.f.t.Helper()
	select {
	case m := <-s.in:
		s.f.t.Fatalf("unexpected message: %v", m)
	case <-time.After(50 * time.Millisecond):
	}
}

// ended returns the code with which the server ended the stream.
func (s *stream) ended() codes.Code {
	s.f.t.Helper()
	select {
	case err := <-s.end:
		return status.Code(err)
	case <-time.After(20 * time.Second):
		s.f.t.Fatal("the stream goes on")
	}
	return codes.OK
}

func (f *fixture) request(updates ...*p4v1.Update) *p4v1.WriteRequest {
	return &p4v1.WriteRequest{DeviceId: device, ElectionId: election(1), Updates: updates}
}

func (f *fixture) write(req *p4v1.WriteRequest) error {
	_, err := f.client.Write(f.context(), req)
	return err
}

// apply writes updates that must succeed.
func (f *fixture) apply(updates ...*p4v1.Update) {
	f.t.Helper()
	if err := f.write(f.request(updates...)); err != nil {
		f.t.Fatalf("%v: %v", err, details(f.t, err))
	}
}

// code writes one update and returns the code of its outcome.
func (f *fixture) code(u *p4v1.Update) codes.Code {
	f.t.Helper()
	err := f.write(f.request(u))
	if err == nil {
		return codes.OK
	}
	if status.Code(err) != codes.Unknown {
		f.t.Fatalf("the RPC itself failed: %v", err)
	}
	d := details(f.t, err)
	if len(d) != 1 {
		f.t.Fatalf("%d details for one update", len(d))
	}
	return codes.Code(d[0].GetCanonicalCode())
}

// details returns the p4.v1.Error messages of a status.
func details(t testing.TB, err error) []*p4v1.Error {
	t.Helper()
	var out []*p4v1.Error
	for _, d := range status.Convert(err).Details() {
		e, ok := d.(*p4v1.Error)
		if !ok {
			t.Fatalf("detail of type %T: %v", d, d)
		}
		out = append(out, e)
	}
	return out
}

// read returns the entities that requests select, which must be valid.
func (f *fixture) read(requests ...*p4v1.Entity) []*p4v1.Entity {
	f.t.Helper()
	out, err := f.tryRead(&p4v1.ReadRequest{DeviceId: device, Entities: requests})
	if err != nil {
		f.t.Fatalf("%v: %v", err, details(f.t, err))
	}
	return out
}

func (f *fixture) tryRead(req *p4v1.ReadRequest) ([]*p4v1.Entity, error) {
	f.t.Helper()
	r, err := f.client.Read(f.context(), req)
	if err != nil {
		return nil, err
	}
	var out []*p4v1.Entity
	for {
		m, err := r.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, m.GetEntities()...)
	}
}

// readCode reads one request and returns the code of its outcome.
func (f *fixture) readCode(e *p4v1.Entity) codes.Code {
	f.t.Helper()
	_, err := f.tryRead(&p4v1.ReadRequest{DeviceId: device, Entities: []*p4v1.Entity{e}})
	if err == nil {
		return codes.OK
	}
	d := details(f.t, err)
	if status.Code(err) != codes.Unknown || len(d) != 1 {
		f.t.Fatalf("the RPC itself failed: %v", err)
	}
	return codes.Code(d[0].GetCanonicalCode())
}

// entity builds an entity from text, in which $name$ stands for the id of the
// object with that name in P4Info: "$exact_table$".
func (f *fixture) entity(text string) *p4v1.Entity {
	f.t.Helper()
	parts := strings.Split(text, "$")
	var b strings.Builder
	for i, p := range parts {
		if i%2 == 0 {
			b.WriteString(p)
		} else {
			b.WriteString(f.id(p))
		}
	}
	e := &p4v1.Entity{}
	if err := prototext.Unmarshal([]byte(b.String()), e); err != nil {
		f.t.Fatalf("%v in %s", err, b.String())
	}
	return e
}

func (f *fixture) id(name string) string {
	f.t.Helper()
	at := bytes.Index(entitiesInfo, []byte(`alias: "`+name+`"`))
	if at < 0 {
		f.t.Fatalf("nothing is named %q", name)
	}
	const key = "id: "
	from := bytes.LastIndex(entitiesInfo[:at], []byte(key)) + len(key)
	n := bytes.IndexByte(entitiesInfo[from:], '\n')
	return string(entitiesInfo[from : from+n])
}

func (f *fixture) insert(text string) *p4v1.Update {
	f.t.Helper()
	return &p4v1.Update{Type: p4v1.Update_INSERT, Entity: f.entity(text)}
}

func (f *fixture) modify(text string) *p4v1.Update {
	f.t.Helper()
	return &p4v1.Update{Type: p4v1.Update_MODIFY, Entity: f.entity(text)}
}

func (f *fixture) delete(text string) *p4v1.Update {
	f.t.Helper()
	return &p4v1.Update{Type: p4v1.Update_DELETE, Entity: f.entity(text)}
}

// probe returns a frame of the test program.
func probe(mode byte, arg uint16, addr uint32, tag uint16) []byte {
	b := []byte{
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5,
		mode, byte(arg >> 8), byte(arg),
		byte(addr >> 24), byte(addr >> 16), byte(addr >> 8), byte(addr),
		byte(tag >> 1), byte(tag << 7),
	}
	return append(b, "payload"...)
}

// modes of a probe.
const (
	toTables byte = iota
	toGroup
	toSession
	toDigest
	toCPU
	toRegister
)

// ports returns the ports on which a probe leaves.
func (f *fixture) ports(in uint32, mode byte, arg uint16, addr uint32, tag uint16) []uint32 {
	f.t.Helper()
	f.frames()
	f.server.Process(in, probe(mode, arg, addr, tag))
	var out []uint32
	for _, x := range f.frames() {
		out = append(out, x.port)
	}
	return out
}

func isCode(err error, c codes.Code) bool { return status.Code(err) == c }
