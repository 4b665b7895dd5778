package p4rt_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/keyway-nve/keyway/controller/p4rt"
)

// script is a P4Runtime server that does what a test tells it to, also what no
// well-behaved device does, and keeps a transcript. Whatever a test leaves
// unset it grants: every client is primary, every write succeeds.
type script struct {
	p4v1.UnimplementedP4RuntimeServer

	onArbitration func(n int, m *p4v1.MasterArbitrationUpdate) []*p4v1.StreamMessageResponse
	onWrite       func(*p4v1.WriteRequest) error
	onSet         func(*p4v1.SetForwardingPipelineConfigRequest) error
	onGet         func() error
	onRead        func(p4v1.P4Runtime_ReadServer) error
	noCookies     bool

	onCapabilities func(context.Context, *p4v1.CapabilitiesRequest) (*p4v1.CapabilitiesResponse, error)

	mu     sync.Mutex
	calls  []string
	config *p4v1.ForwardingPipelineConfig
	writes []*p4v1.WriteRequest
	sent   []*p4v1.StreamMessageRequest
	push   chan *p4v1.StreamMessageResponse
	cut    chan error
	n      int // arbitration messages seen on all streams
}

func newScript() *script {
	return &script{push: make(chan *p4v1.StreamMessageResponse), cut: make(chan error)}
}

func (d *script) note(call string) {
	d.mu.Lock()
	d.calls = append(d.calls, call)
	d.mu.Unlock()
}

// transcript returns the calls since the last time.
func (d *script) transcript() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := slices.Clone(d.calls)
	d.calls = nil
	return calls
}

func (d *script) StreamChannel(s p4v1.P4Runtime_StreamChannelServer) error {
	d.note("stream")
	in := make(chan *p4v1.StreamMessageRequest)
	go func() {
		defer close(in)
		for {
			m, err := s.Recv()
			if err != nil {
				return
			}
			select {
			case in <- m:
			case <-s.Context().Done():
				return
			}
		}
	}()
	for {
		select {
		case m, ok := <-in:
			if !ok {
				return nil
			}
			a := m.GetArbitration()
			if a == nil {
				d.mu.Lock()
				d.sent = append(d.sent, m)
				d.mu.Unlock()
				continue
			}
			d.note("arbitrate " + idText(a.GetElectionId()))
			answer := arbitration(codes.OK, a.GetElectionId())
			d.n++
			if d.onArbitration == nil {
				if err := s.Send(answer); err != nil {
					return err
				}
				continue
			}
			for _, m := range d.onArbitration(d.n, a) {
				if err := s.Send(m); err != nil {
					return err
				}
			}
		case m := <-d.push:
			if err := s.Send(m); err != nil {
				return err
			}
		case err := <-d.cut:
			return err
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}

func (d *script) Write(_ context.Context, r *p4v1.WriteRequest) (*p4v1.WriteResponse, error) {
	d.mu.Lock()
	d.writes = append(d.writes, r)
	d.mu.Unlock()
	if d.onWrite != nil {
		if err := d.onWrite(r); err != nil {
			return nil, err
		}
	}
	return &p4v1.WriteResponse{}, nil
}

func (d *script) Read(_ *p4v1.ReadRequest, s p4v1.P4Runtime_ReadServer) error {
	if d.onRead == nil {
		return nil
	}
	return d.onRead(s)
}

func (d *script) SetForwardingPipelineConfig(_ context.Context, r *p4v1.SetForwardingPipelineConfigRequest) (*p4v1.SetForwardingPipelineConfigResponse, error) {
	d.note("set " + r.GetAction().String())
	if d.onSet != nil {
		if err := d.onSet(r); err != nil {
			return nil, err
		}
	}
	d.setConfig(r.GetConfig())
	return &p4v1.SetForwardingPipelineConfigResponse{}, nil
}

func (d *script) Capabilities(ctx context.Context, r *p4v1.CapabilitiesRequest) (*p4v1.CapabilitiesResponse, error) {
	if d.onCapabilities == nil {
		return d.UnimplementedP4RuntimeServer.Capabilities(ctx, r)
	}
	return d.onCapabilities(ctx, r)
}

func (d *script) setConfig(c *p4v1.ForwardingPipelineConfig) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.config = proto.CloneOf(c)
	if d.noCookies && c != nil {
		d.config.Cookie = nil
	}
}

func (d *script) GetForwardingPipelineConfig(_ context.Context, r *p4v1.GetForwardingPipelineConfigRequest) (*p4v1.GetForwardingPipelineConfigResponse, error) {
	d.note("get " + r.GetResponseType().String())
	if d.onGet != nil {
		if err := d.onGet(); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return &p4v1.GetForwardingPipelineConfigResponse{Config: d.config}, nil
}

func arbitration(code codes.Code, highest *p4v1.Uint128) *p4v1.StreamMessageResponse {
	return &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Arbitration{
		Arbitration: &p4v1.MasterArbitrationUpdate{
			DeviceId: deviceID, ElectionId: highest, Status: &rpcstatus.Status{Code: int32(code)},
		},
	}}
}

func packetIn(payload string) *p4v1.StreamMessageResponse {
	return &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Packet{
		Packet: &p4v1.PacketIn{Payload: []byte(payload)},
	}}
}

func idText(u *p4v1.Uint128) string {
	return p4rt.ElectionID{High: u.GetHigh(), Low: u.GetLow()}.String()
}

func low(id uint64) *p4v1.Uint128 { return &p4v1.Uint128{Low: id} }

const deviceID = 7

// session is a running session with a script.
type session struct {
	*p4rt.Session
	t     *testing.T
	ready chan *p4rt.Ready // each term's
	ended chan error       // each term's end
	live  int              // terms at this moment
	stop  func() error
}

// start runs a session against d in the current synctest bubble until the test
// ends. The first terms end at once with the faults given.
func start(t *testing.T, d *script, o p4rt.Options, faults ...error) *session {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	p4v1.RegisterP4RuntimeServer(server, d)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(lis) })

	o.DeviceID = deviceID
	conn, err := grpc.NewClient("passthrough:device", append(o.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))...)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{Session: p4rt.New(conn, o), t: t, ready: make(chan *p4rt.Ready, 100), ended: make(chan error, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	var ran error
	done := make(chan struct{})
	go func() {
		defer close(done)
		ran = s.Run(ctx, func(ctx context.Context, r *p4rt.Ready) error {
			if s.live++; s.live > 1 { // the race detector would tell too
				t.Error("two terms at once")
			}
			defer func() { s.live-- }()
			s.ready <- r
			if len(faults) > 0 {
				err := faults[0]
				faults = faults[1:]
				return err
			}
			<-ctx.Done()
			s.ended <- context.Cause(ctx)
			return nil
		})
	}()
	s.stop = func() error {
		cancel()
		<-done
		return ran
	}
	t.Cleanup(func() {
		_ = s.stop()
		_ = conn.Close()
		server.Stop()
		wg.Wait()
	})
	return s
}

// term waits for the next term.
func (s *session) term() *p4rt.Ready {
	s.t.Helper()
	synctest.Wait()
	select {
	case r := <-s.ready:
		return r
	default:
		s.t.Fatalf("no term; state %+v", s.State())
		return nil
	}
}

// standsBy checks that there is no term.
func (s *session) standsBy() {
	s.t.Helper()
	synctest.Wait()
	if len(s.ready) > 0 {
		s.t.Fatalf("a term has begun; state %+v", s.State())
	}
}

var pipeline = &p4rt.Pipeline{
	Info:         &p4configv1.P4Info{PkgInfo: &p4configv1.PkgInfo{Name: "test"}},
	DeviceConfig: []byte("config"),
}

func primary() p4rt.Options {
	return p4rt.Options{ElectionID: p4rt.ElectionID{Low: 1}, Pipeline: pipeline}
}

var errDown = status.Error(codes.Unavailable, "going down")
