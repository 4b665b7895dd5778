package gnmi

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyway-nve/keyway/capabilities"
)

// patient is for clients that ask devices which never answer.
var patient = ClientOptions{Timeout: 300 * time.Millisecond}

func TestAsk(t *testing.T) {
	s := NewServer(ServerOptions{})
	for name, c := range goldens(t) {
		if err := s.Put(name, c); err != nil {
			t.Fatal(err)
		}
	}
	conn := serve(t, s)
	for name, want := range goldens(t) {
		have, err := NewClient(conn, ClientOptions{Target: name}).Ask(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s: -want +have:\n%s", name, diff)
		}
	}
	all, err := NewClient(conn, ClientOptions{}).AskAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(goldens(t), all); diff != "" {
		t.Errorf("-want +have:\n%s", diff)
	}
}

// device is a server whose answers can be changed.
type device struct {
	*Server
	mu           sync.Mutex
	capabilities func(*gpb.CapabilityResponse)
	get          func(context.Context, *gpb.GetResponse) error
	subscribe    func(gpb.GNMI_SubscribeServer) error
}

func (d *device) Capabilities(ctx context.Context, req *gpb.CapabilityRequest) (*gpb.CapabilityResponse, error) {
	r, err := d.Server.Capabilities(ctx, req)
	if d.capabilities != nil {
		d.capabilities(r)
	}
	return r, err
}

func (d *device) Get(ctx context.Context, req *gpb.GetRequest) (*gpb.GetResponse, error) {
	r, err := d.Server.Get(ctx, req)
	d.mu.Lock()
	get := d.get
	d.mu.Unlock()
	if err == nil && get != nil {
		err = get(ctx, r)
	}
	return r, err
}

func (d *device) setGet(get func(context.Context, *gpb.GetResponse) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.get = get
}

func (d *device) Subscribe(stream gpb.GNMI_SubscribeServer) error {
	if d.subscribe != nil {
		return d.subscribe(stream)
	}
	return d.Server.Subscribe(stream)
}

func hang(ctx context.Context, _ *gpb.GetResponse) error {
	<-ctx.Done()
	return status.FromContextError(ctx.Err()).Err()
}

func TestAskComesToNothing(t *testing.T) {
	truncate := func(_ context.Context, r *gpb.GetResponse) error {
		v := r.Notification[0].Update[0].Val.GetJsonIetfVal()
		r.Notification[0].Update[0].Val.Value = &gpb.TypedValue_JsonIetfVal{JsonIetfVal: v[:len(v)/2]}
		return nil
	}
	replace := func(old, new string) func(context.Context, *gpb.GetResponse) error {
		return func(_ context.Context, r *gpb.GetResponse) error {
			v := strings.Replace(string(r.Notification[0].Update[0].Val.GetJsonIetfVal()), old, new, 1)
			r.Notification[0].Update[0].Val.Value = &gpb.TypedValue_JsonIetfVal{JsonIetfVal: []byte(v)}
			return nil
		}
	}
	for _, tc := range []struct {
		name   string
		device gpb.GNMIServer
		is     error
		want   string
	}{
		{"no gNMI there", gpb.UnimplementedGNMIServer{}, ErrUnsupported, "Unimplemented"},
		{"another model", &device{Server: oneDevice(t), capabilities: func(r *gpb.CapabilityResponse) {
			r.SupportedModels = []*gpb.ModelData{{Name: "openconfig-interfaces", Version: "3.7.2"}}
		}}, ErrUnsupported, "1.x: it has openconfig-interfaces 3.7.2"},
		{"another major version", &device{Server: oneDevice(t), capabilities: func(r *gpb.CapabilityResponse) {
			r.SupportedModels[0].Version = "2.0.0"
		}}, ErrUnsupported, "it has keyway-nve-capabilities 2.0.0"},
		{"no models", &device{Server: oneDevice(t), capabilities: func(r *gpb.CapabilityResponse) { r.SupportedModels = nil }}, ErrUnsupported, "it has none"},
		{"does not answer to the end", &device{Server: oneDevice(t), get: hang}, ErrUntold, "DeadlineExceeded"},
		{"breaks off", &device{Server: oneDevice(t), get: func(context.Context, *gpb.GetResponse) error {
			return status.Error(codes.Unavailable, "reset")
		}}, ErrUntold, "reset"},
		{"half an answer", &device{Server: oneDevice(t), get: truncate}, ErrUntold, "/nve-capabilities: cannot be read: not JSON"},
		{"an empty answer", &device{Server: oneDevice(t), get: func(_ context.Context, r *gpb.GetResponse) error {
			r.Notification = nil
			return nil
		}}, ErrUntold, "/nve-capabilities/state/name: is missing"},
		{"an unknown leaf", &device{Server: oneDevice(t), get: replace(`"max-bytes"`, `"max-bites"`)}, ErrUntold, "/state/max-bites: no such node in the model"},
		{"a contradiction", &device{Server: oneDevice(t), get: replace(`"max-bytes":48`, `"max-bytes":47`)}, ErrUntold, "receive.limits.bytes"},
		{"no such target", NewServer(ServerOptions{}), ErrUntold, "names no target"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := NewClient(serve(t, tc.device), patient).Ask(t.Context())
				if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("have %+v, %v; want %v and %q", c, err, tc.is, tc.want)
				}
				if errors.Is(err, ErrUnsupported) && errors.Is(err, ErrUntold) {
					t.Error("could not tell is not the same as unsupported")
				}
			})
		})
	}
}

func TestAskNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c, err := Dial(l.Addr().String(), patient)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Ask(t.Context()); !errors.Is(err, ErrUntold) {
		t.Errorf("have %v", err)
	}
}

// A device of another encoding is understood as well.
func TestAskInOtherEncodings(t *testing.T) {
	for _, e := range []gpb.Encoding{gpb.Encoding_JSON, gpb.Encoding_PROTO, gpb.Encoding_JSON_IETF} {
		d := &device{Server: oneDevice(t), capabilities: func(r *gpb.CapabilityResponse) { r.SupportedEncodings = []gpb.Encoding{e} }}
		have, err := NewClient(serve(t, d), ClientOptions{}).Ask(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(goldens(t)["first-only"], have); diff != "" {
			t.Errorf("%v: -want +have:\n%s", e, diff)
		}
	}
}

func TestAskAllBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oneDevice(t)
		d := &device{Server: s, subscribe: func(stream gpb.GNMI_SubscribeServer) error { return nil }}
		if _, err := NewClient(serve(t, d), patient).AskAll(t.Context()); !errors.Is(err, ErrUntold) {
			t.Errorf("a stream that ends without a sync response: %v", err)
		}
		d = &device{Server: s, subscribe: func(stream gpb.GNMI_SubscribeServer) error {
			<-stream.Context().Done()
			return nil
		}}
		if _, err := NewClient(serve(t, d), patient).AskAll(t.Context()); !errors.Is(err, ErrUntold) || !strings.Contains(err.Error(), "silent for 300ms") {
			t.Errorf("a stream that says nothing: %v", err)
		}
		if err := s.Put("other", goldens(t)["transit"]); err != nil {
			t.Fatal(err)
		}
		d = &device{Server: s, subscribe: func(stream gpb.GNMI_SubscribeServer) error {
			bad := &gpb.Notification{Prefix: &gpb.Path{Target: "other"}, Update: []*gpb.Update{{Path: parse(t, "/nve-capabilities/colour")}}}
			if err := stream.Send(&gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_Update{Update: bad}}); err != nil {
				return err
			}
			return s.Subscribe(stream)
		}}
		have, err := NewClient(serve(t, d), patient).AskAll(t.Context())
		if !errors.Is(err, ErrUntold) || !strings.Contains(err.Error(), "other: ") || !errors.Is(err, ErrUnknownPath) {
			t.Errorf("have %v, want what is wrong with the other", err)
		}
		if diff := cmp.Diff(map[string]capabilities.Capability{"nic": goldens(t)["first-only"]}, have); diff != "" {
			t.Errorf("-want +have:\n%s", diff)
		}
	})
}

// watch runs Watch on a server and returns its reports.
func watch(t *testing.T, conn grpc.ClientConnInterface, o ClientOptions) <-chan State {
	o.MinBackoff, o.MaxBackoff, o.Settle = 10*time.Millisecond, 50*time.Millisecond, 10*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	states := make(chan State, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := NewClient(conn, o).Watch(ctx, func(s State) { states <- s }); !errors.Is(err, context.Canceled) {
			t.Errorf("Watch returns %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return states
}

func next(t *testing.T, states <-chan State) State {
	t.Helper()
	select {
	case s := <-states:
		return s
	case <-time.After(30 * time.Second):
		t.Fatal("no report for 30 s")
		return State{}
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{Server: oneDevice(t)}
		states := watch(t, serve(t, d), ClientOptions{Timeout: 300 * time.Millisecond})
		first := next(t, states)
		if diff := cmp.Diff(goldens(t)["first-only"], first.Capability); diff != "" || first.Answer != Supported || first.Stale || first.Err != nil {
			t.Fatalf("have %+v\n%s", first, diff)
		}

		put(t, d.Server, 44, 7)
		if s := next(t, states); s.Capability.Receive.Limits.Bytes != 44 || s.Capability.Receive.Rows != 7 || s.Stale {
			t.Errorf("half of a change: %+v", s)
		}

		// The device stops answering in the middle: what it said last stands, stale.
		d.setGet(hang)
		put(t, d.Server, 40, 7)
		s := next(t, states)
		if s.Answer != Supported || !s.Stale || !errors.Is(s.Err, ErrUntold) || s.Capability.Receive.Limits.Bytes != 44 || !s.Told.After(first.Told) {
			t.Errorf("have %+v", s)
		}

		d.setGet(nil)
		if s := next(t, states); s.Stale || s.Err != nil || s.Capability.Receive.Limits.Bytes != 40 {
			t.Errorf("have %+v", s)
		}

		// It says something that cannot be.
		d.setGet(func(_ context.Context, r *gpb.GetResponse) error {
			r.Notification[0].Update[0].Path = parse(t, "/nve-capabilities/colour")
			return nil
		})
		put(t, d.Server, 36, 7)
		if s := next(t, states); !s.Stale || !errors.Is(s.Err, ErrUnknownPath) || s.Capability.Receive.Limits.Bytes != 40 {
			t.Errorf("have %+v", s)
		}
	})
}

// A device that is connected and answers no more is found by asking although nothing has changed.
func TestWatchRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{Server: oneDevice(t)}
		states := watch(t, serve(t, d), ClientOptions{Timeout: 200 * time.Millisecond, Refresh: 50 * time.Millisecond})
		if s := next(t, states); s.Answer != Supported {
			t.Fatalf("have %+v", s)
		}
		d.setGet(hang)
		if s := next(t, states); !s.Stale {
			t.Errorf("have %+v", s)
		}
	})
}

// A device that says nothing of itself yet is not asked over and over: its stream tells when it does. When it says nothing any more, what
// it said last stands, stale.
func TestWatchDeviceThatSaysNothing(t *testing.T) {
	s := NewServer(ServerOptions{Default: "nic"})
	if err := s.Withdraw("nic"); err != nil {
		t.Fatal(err)
	}
	d := &device{Server: s}
	var streams atomic.Int32
	d.subscribe = func(stream gpb.GNMI_SubscribeServer) error {
		streams.Add(1)
		return s.Subscribe(stream)
	}
	states := watch(t, serve(t, d), ClientOptions{})
	if s := next(t, states); s.Answer != Untold || s.Stale || !errors.Is(s.Err, ErrUntold) {
		t.Errorf("nothing yet: %+v", s)
	}
	want := goldens(t)["first-only"]
	if err := s.Put("nic", want); err != nil {
		t.Fatal(err)
	}
	if s := next(t, states); s.Answer != Supported || s.Stale || s.Err != nil || cmp.Diff(want, s.Capability) != "" {
		t.Errorf("now it does: %+v", s)
	}
	if err := s.Withdraw("nic"); err != nil {
		t.Fatal(err)
	}
	if s := next(t, states); s.Answer != Supported || !s.Stale || !errors.Is(s.Err, ErrUntold) || cmp.Diff(want, s.Capability) != "" {
		t.Errorf("nothing any more: %+v", s)
	}
	if err := s.Put("nic", want); err != nil {
		t.Fatal(err)
	}
	if s := next(t, states); s.Stale || s.Err != nil {
		t.Errorf("the same again: %+v", s)
	}
	if n := streams.Load(); n != 1 {
		t.Errorf("%d streams, want the first to tell all", n)
	}
}

func TestWatchUnsupported(t *testing.T) {
	states := watch(t, serve(t, gpb.UnimplementedGNMIServer{}), ClientOptions{})
	if s := next(t, states); s.Answer != Unsupported || s.Stale || !errors.Is(s.Err, ErrUnsupported) {
		t.Errorf("have %+v", s)
	}
}

func TestWatchRestartedDevice(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	start := func(l net.Listener, s *Server) *grpc.Server {
		g := grpc.NewServer()
		gpb.RegisterGNMIServer(g, s)
		go func() { _ = g.Serve(l) }()
		return g
	}
	g := start(l, oneDevice(t))
	c, err := Dial(l.Addr().String(), ClientOptions{MinBackoff: 10 * time.Millisecond, MaxBackoff: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	states := watch(t, c.conn, ClientOptions{})
	if s := next(t, states); s.Answer != Supported {
		t.Fatalf("have %+v", s)
	}
	g.Stop()
	if s := next(t, states); s.Answer != Supported || !s.Stale {
		t.Fatalf("have %+v", s)
	}
	again := NewServer(ServerOptions{Default: "nic"})
	if err := again.Put("nic", goldens(t)["everything"]); err != nil {
		t.Fatal(err)
	}
	l, err = net.Listen("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	g = start(l, again)
	defer g.Stop()
	for {
		s := next(t, states)
		if s.Stale { // for another reason than before
			continue
		}
		if s.Capability.Name != goldens(t)["everything"].Name {
			t.Errorf("have %+v", s)
		}
		return
	}
}
