package gnmi

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/ygot/ygot"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
)

// serve serves a gNMI service over a connection in memory.
func serve(t testing.TB, s gpb.GNMIServer) *grpc.ClientConn {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	g := grpc.NewServer()
	gpb.RegisterGNMIServer(g, s)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	conn, err := grpc.NewClient("passthrough:///device", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// oneDevice returns the server of a device named nic.
func oneDevice(t testing.TB) *Server {
	t.Helper()
	s := NewServer(ServerOptions{Default: "nic"})
	if err := s.Put("nic", goldens(t)["first-only"]); err != nil {
		t.Fatal(err)
	}
	return s
}

func parse(t testing.TB, path string) *gpb.Path {
	t.Helper()
	p, err := ygot.StringToStructuredPath(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCapabilities(t *testing.T) {
	r, err := gpb.NewGNMIClient(serve(t, oneDevice(t))).Capabilities(t.Context(), &gpb.CapabilityRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []*gpb.ModelData{{Name: "keyway-nve-capabilities", Organization: "Keyway", Version: "1.0.0"}}; !slices.EqualFunc(r.SupportedModels, want, func(a, b *gpb.ModelData) bool { return proto.Equal(a, b) }) {
		t.Errorf("models %v", r.SupportedModels)
	}
	if want := []gpb.Encoding{gpb.Encoding_JSON, gpb.Encoding_JSON_IETF, gpb.Encoding_PROTO}; !slices.Equal(r.SupportedEncodings, want) {
		t.Errorf("encodings %v", r.SupportedEncodings)
	}
	if !strings.HasPrefix(r.GNMIVersion, "0.") {
		t.Errorf("version %q", r.GNMIVersion)
	}
}

func TestGet(t *testing.T) {
	const receive = "/nve-capabilities/directions/direction[direction=RECEIVE]"
	s := oneDevice(t)
	for _, tc := range []struct {
		path string
		want map[string]string
	}{
		{"/nve-capabilities/state/role", map[string]string{"/nve-capabilities/state/role": `"OFFLOAD"`}},
		{"/keyway-nve-capabilities:nve-capabilities/state/role", map[string]string{"/nve-capabilities/state/role": `"OFFLOAD"`}},
		{"/nve-capabilities/state", map[string]string{
			"/nve-capabilities/state": `{"keyway-nve-capabilities:name":"first-only","keyway-nve-capabilities:role":"OFFLOAD"}`,
		}},
		{receive + "/limits/limit[underlay=ANY]/state/max-bytes", map[string]string{receive + "/limits/limit[underlay=ANY]/state/max-bytes": `48`}},
		{receive + "/limits/limit[underlay=*]/state/max-bytes", map[string]string{receive + "/limits/limit[underlay=ANY]/state/max-bytes": `48`}},
		{receive + "/limits/limit/state/max-bytes", map[string]string{receive + "/limits/limit[underlay=ANY]/state/max-bytes": `48`}},
		{"/nve-capabilities/.../max-bytes", map[string]string{receive + "/limits/limit[underlay=ANY]/state/max-bytes": `48`}},
		{"/*/directions/*/limits/*/state/max-bytes", map[string]string{receive + "/limits/limit[underlay=ANY]/state/max-bytes": `48`}},
		{"/nve-capabilities/directions/direction/state", map[string]string{
			receive + "/state": `{"keyway-nve-capabilities:direction":"RECEIVE"}`,
			"/nve-capabilities/directions/direction[direction=SEND]/state": `{"keyway-nve-capabilities:direction":"SEND"}`,
		}},
		{receive + "/options", map[string]string{
			receive + "/options": `{"keyway-nve-capabilities:option":[{"sequence":0,"state":{"class":"ANY","max-words":11,"min-words":0,"sequence":0,"type":"ANY"}}]}`,
		}},
		{receive + "/options/option[sequence=0]", map[string]string{
			receive + "/options/option[sequence=0]": `{"keyway-nve-capabilities:sequence":0,"keyway-nve-capabilities:state":{"class":"ANY","max-words":11,"min-words":0,"sequence":0,"type":"ANY"}}`,
		}},
	} {
		t.Run(tc.path, func(t *testing.T) {
			r, err := s.Get(t.Context(), &gpb.GetRequest{Path: []*gpb.Path{parse(t, tc.path)}, Encoding: gpb.Encoding_JSON_IETF})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Notification) != 1 || r.Notification[0].GetPrefix() != nil {
				t.Fatalf("want one notification without a target, have %v", r)
			}
			have := map[string]string{}
			for _, u := range r.Notification[0].Update {
				have[pathString(u.Path.Elem)] = string(u.Val.GetJsonIetfVal())
			}
			if diff := cmp.Diff(tc.want, have); diff != "" {
				t.Errorf("-want +have:\n%s", diff)
			}
		})
	}
}

func TestGetWhole(t *testing.T) {
	s := oneDevice(t)
	want := goldens(t)["first-only"]
	for _, path := range []string{"/", "/nve-capabilities", "/...", "/*"} {
		for _, e := range encodings() {
			r, err := s.Get(t.Context(), &gpb.GetRequest{Prefix: &gpb.Path{Target: "nic", Origin: Origin}, Path: []*gpb.Path{parse(t, path)}, Encoding: e})
			if err != nil {
				t.Fatal(err)
			}
			if p := r.Notification[0].Prefix; p.Target != "nic" || p.Origin != Origin {
				t.Errorf("the prefix is %v", p)
			}
			leaves, err := leavesIn(r.Notification[0])
			if err != nil {
				t.Fatal(err)
			}
			have, err := fromLeaves(leaves)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("%s in %v: -want +have:\n%s", path, e, diff)
			}
		}
	}
}

func TestGetErrors(t *testing.T) {
	one, fleet := oneDevice(t), NewServer(ServerOptions{})
	role := []*gpb.Path{{Elem: []*gpb.PathElem{{Name: "nve-capabilities"}, {Name: "state"}, {Name: "role"}}}}
	at := func(s string) *gpb.GetRequest { return &gpb.GetRequest{Path: []*gpb.Path{parse(t, s)}} }
	for _, tc := range []struct {
		name string
		s    *Server
		req  *gpb.GetRequest
		code codes.Code
		want string
	}{
		{"no path", one, &gpb.GetRequest{}, codes.InvalidArgument, "no path"},
		{"encoding", one, &gpb.GetRequest{Path: role, Encoding: gpb.Encoding_ASCII}, codes.Unimplemented, "encoding ASCII: want one of [JSON JSON_IETF PROTO]"},
		{"model", one, &gpb.GetRequest{Path: role, UseModels: []*gpb.ModelData{{Name: "openconfig-interfaces"}}}, codes.Unimplemented, "openconfig-interfaces"},
		{"target", one, &gpb.GetRequest{Path: role, Prefix: &gpb.Path{Target: "other"}}, codes.NotFound, `no such target: "other"`},
		{"no target", fleet, &gpb.GetRequest{Path: role}, codes.InvalidArgument, "names no target"},
		{"a fleet of none", fleet, &gpb.GetRequest{Path: role, Prefix: &gpb.Path{Target: "*"}}, codes.NotFound, "says nothing"},
		{"target in the path", one, &gpb.GetRequest{Path: []*gpb.Path{{Target: "nic"}}}, codes.InvalidArgument, "target belongs into the prefix"},
		{"origin", one, &gpb.GetRequest{Path: []*gpb.Path{{Origin: "cli"}}}, codes.InvalidArgument, `origin "cli" is not served`},
		{"two origins", one, &gpb.GetRequest{Prefix: &gpb.Path{Origin: Origin}, Path: []*gpb.Path{{Origin: Origin}}}, codes.InvalidArgument, "both have an origin"},
		{"old form", one, &gpb.GetRequest{Path: []*gpb.Path{{Element: []string{"nve-capabilities"}}}}, codes.InvalidArgument, "element is deprecated"},
		{"both forms", one, &gpb.GetRequest{Path: []*gpb.Path{{Element: []string{"x"}, Elem: []*gpb.PathElem{{Name: "x"}}}}}, codes.Unimplemented, "/x: no such node"},
		{"no such node", one, at("/nve-capabilities/state/colour/deep"), codes.Unimplemented, "/nve-capabilities/state/colour: no such node in the model"},
		{"another model", one, at("/interfaces/interface[name=eth0]"), codes.Unimplemented, "/interfaces[name"[:11] + ": no such node"},
		{"no such node under wildcards", one, at("/.../colour"), codes.Unimplemented, "/.../colour"},
		{"nothing there", one, at("/nve-capabilities/state/reconfiguration"), codes.NotFound, "says nothing"},
		{"no such entry", one, at("/nve-capabilities/encapsulations/encapsulation[type=NVGRE]"), codes.NotFound, "says nothing"},
		{"a key that is none", one, at("/nve-capabilities/encapsulations/encapsulation[kind=NVGRE]"), codes.InvalidArgument, "has the key type"},
		{"a key of no list", one, at("/nve-capabilities[name=x]"), codes.InvalidArgument, "nve-capabilities has no keys"},
		{"an element without a name", one, &gpb.GetRequest{Path: []*gpb.Path{{Elem: []*gpb.PathElem{{}}}}}, codes.InvalidArgument, "no name"},
		{"a nil element", one, &gpb.GetRequest{Path: []*gpb.Path{{Elem: []*gpb.PathElem{nil}}}}, codes.InvalidArgument, "no name"},
		{"too long", one, &gpb.GetRequest{Path: []*gpb.Path{{Elem: slices.Repeat([]*gpb.PathElem{{Name: "..."}}, 65)}}}, codes.InvalidArgument, "65 elements"},
		{"configuration", one, &gpb.GetRequest{Path: role, Type: gpb.GetRequest_CONFIG}, codes.NotFound, "has no configuration"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := tc.s.Get(t.Context(), tc.req)
			if status.Code(err) != tc.code || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("have %v, %v; want %v and %q", r, err, tc.code, tc.want)
			}
		})
	}
}

// None of the model can be written: a path of the model is refused by name, another one does not exist.
func TestSetIsRefused(t *testing.T) {
	s := oneDevice(t)
	for path, want := range map[string]codes.Code{
		"/nve-capabilities/state/name":   codes.PermissionDenied,
		"/nve-capabilities":              codes.PermissionDenied,
		"/nve-capabilities/state/colour": codes.NotFound,
	} {
		for _, req := range []*gpb.SetRequest{
			{Delete: []*gpb.Path{parse(t, path)}},
			{Update: []*gpb.Update{{Path: parse(t, path)}}},
			{Replace: []*gpb.Update{{Path: parse(t, path)}}},
			{UnionReplace: []*gpb.Update{{Path: parse(t, path)}}},
		} {
			if _, err := s.Set(t.Context(), req); status.Code(err) != want || !strings.Contains(err.Error(), path) {
				t.Errorf("%v: have %v, want %v", req, err, want)
			}
		}
	}
	name := &gpb.Update{Path: parse(t, "/nve-capabilities/state/name")}
	for _, tc := range []struct {
		name string
		req  *gpb.SetRequest
		want codes.Code
	}{
		{"nothing", &gpb.SetRequest{}, codes.InvalidArgument},
		{"a path that no model could have", &gpb.SetRequest{Update: []*gpb.Update{{Path: &gpb.Path{Element: []string{"name"}}}}}, codes.InvalidArgument},
		{"another device", &gpb.SetRequest{Prefix: &gpb.Path{Target: "other"}, Update: []*gpb.Update{name}}, codes.NotFound},
	} {
		if _, err := s.Set(t.Context(), tc.req); status.Code(err) != tc.want {
			t.Errorf("%s: have %v, want %v", tc.name, err, tc.want)
		}
	}
}

func TestGetFleet(t *testing.T) {
	s := NewServer(ServerOptions{})
	want := map[string]string{}
	for _, c := range shipped(t) {
		if err := s.Put("device-"+c.Name, c); err != nil {
			t.Fatal(err)
		}
		want["device-"+c.Name] = c.Name
	}
	r, err := s.Get(t.Context(), &gpb.GetRequest{Prefix: &gpb.Path{Target: "*"}, Path: []*gpb.Path{parse(t, "/nve-capabilities/state/name")}})
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, n := range r.Notification {
		var name string
		if err := json.Unmarshal(n.Update[0].Val.GetJsonVal(), &name); err != nil {
			t.Fatal(err)
		}
		have[n.Prefix.Target] = name
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("-want +have:\n%s", diff)
	}
}

func TestPutErrors(t *testing.T) {
	s := oneDevice(t)
	bad := goldens(t)["first-only"]
	bad.Name, bad.Role = "", 0
	if err := s.Put("nic", bad); err == nil || !strings.Contains(err.Error(), "name") || !strings.Contains(err.Error(), "role") {
		t.Errorf("have %v, want both contradictions", err)
	}
	for _, target := range []string{"", "*"} {
		if err := s.Put(target, goldens(t)["first-only"]); err == nil {
			t.Errorf("%q is taken", target)
		}
	}
	have, err := NewClient(serve(t, s), ClientOptions{}).Ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(goldens(t)["first-only"], have); diff != "" {
		t.Errorf("what was refused has changed something: -want +have:\n%s", diff)
	}
}

// Whatever a request has in it, the answer is one of those that the specification knows, and soon.
func FuzzRequest(f *testing.F) {
	for _, path := range []string{"/", "/nve-capabilities/state/role", "/.../*/...", "/nve-capabilities/directions/direction[direction=*]/options/option/state"} {
		for _, e := range []gpb.Encoding{gpb.Encoding_JSON_IETF, gpb.Encoding_PROTO} {
			b, err := proto.Marshal(&gpb.GetRequest{Prefix: &gpb.Path{Target: "*"}, Path: []*gpb.Path{parse(f, path)}, Encoding: e})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	s := oneDevice(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var req gpb.GetRequest
		if proto.Unmarshal(b, &req) != nil {
			return
		}
		start := time.Now()
		r, err := s.Get(t.Context(), &req)
		switch status.Code(err) {
		case codes.OK:
			for _, n := range r.Notification {
				if _, err := leavesIn(n); err != nil {
					t.Errorf("the answer is not of the model: %v", err)
				}
			}
		case codes.NotFound, codes.Unimplemented, codes.InvalidArgument:
		default:
			t.Errorf("have %v", err)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("took %v", d)
		}
	})
}
