package gnmi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/openconfig/gnmi/cache"
	"github.com/openconfig/gnmi/ctree"
	"github.com/openconfig/gnmi/match"
	"github.com/openconfig/gnmi/path"
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/proto/yang"
)

// ErrNoTarget reports a device that the server does not have.
var ErrNoTarget = errors.New("no such target")

// Port is the TCP port of gNMI that IANA has assigned.
const Port = 9339

// ServerOptions adjust a [Server].
type ServerOptions struct {
	// Default is the target of requests that name none, which is for the server of one device. Without it they are refused.
	Default string
	// Log takes one line for each request, at debug. Without it nothing is logged.
	Log *slog.Logger
}

// Server is the gNMI service of devices whose capabilities it has been given. It is a gnmi.GNMIServer, safe for concurrent use.
//
// It holds the leaves in the cache of openconfig/gnmi, and finds who has subscribed to what with its match package. It does not use
// the subscribe package: that one knows no SAMPLE, no heartbeat and no encoding, and logs each request into files of its own.
type Server struct {
	gpb.UnimplementedGNMIServer
	o     ServerOptions
	cache *cache.Cache
	match *match.Match

	// mu makes a change of many leaves one change for those who read: nobody gets half a capability from Get, or from a subscription that
	// is ONCE or POLL.
	mu   sync.RWMutex
	last int64 // timestamp of the last change: the cache drops what is not newer
	// shared are leaves by their paths and values. Most devices of a fleet say the same of most things.
	shared map[said]*gpb.Update
}

// said is a leaf in a form that can be compared.
type said struct{ path, value string }

// maxShared bounds the leaves that are remembered to be shared, to some hundred classes of devices.
const maxShared = 1 << 14

// NewServer returns a server that has no devices yet.
func NewServer(o ServerOptions) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o, cache: cache.New(nil), match: match.New(), shared: map[said]*gpb.Update{}}
	s.cache.SetClient(s.changed)
	return s
}

// Put gives a device its capability, in place of the one that it had. Who has subscribed gets what is different. The error lists every
// contradiction in the capability, and then nothing has changed.
func (s *Server) Put(target string, c capabilities.Capability) error {
	leaves, err := leavesOf(c)
	if err != nil {
		return err
	}
	return s.put(target, leaves)
}

// Withdraw leaves a device without a capability: one that is known and does not say what it can do, yet or any more. Subscriptions to
// it stay, and get the next one that is [Server.Put].
func (s *Server) Withdraw(target string) error { return s.put(target, nil) }

func (s *Server) put(target string, leaves []leaf) error {
	if target == "" || target == "*" {
		return fmt.Errorf("%q is no name of a target", target)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.cache.HasTarget(target) {
		s.cache.Add(target)
	}
	held := map[string]leaf{}
	for _, n := range s.find(target, &gpb.Path{}) {
		l := leafOf(n)
		held[pathString(l.path.Elem)] = l
	}
	// The cache stores a notification for each leaf. Those of one device share their prefix, and all devices what they say.
	now, prefix := s.now(), &gpb.Path{Target: target}
	var errs []error
	for _, l := range leaves {
		at := pathString(l.path.Elem)
		old, ok := held[at]
		delete(held, at)
		if ok && proto.Equal(old.value, l.value) {
			continue
		}
		update, err := s.share(at, l)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, s.cache.GnmiUpdate(&gpb.Notification{Timestamp: now, Prefix: prefix, Update: []*gpb.Update{update}}))
	}
	for _, at := range sortedKeys(held) {
		errs = append(errs, s.cache.GnmiUpdate(&gpb.Notification{Timestamp: now, Prefix: prefix, Delete: []*gpb.Path{held[at].path}}))
	}
	return errors.Join(errs...)
}

// share returns a leaf as an update, the same for all devices that say it.
func (s *Server) share(at string, l leaf) (*gpb.Update, error) {
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(l.value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	key := said{at, string(value)}
	if u, ok := s.shared[key]; ok {
		return u, nil
	}
	if len(s.shared) == maxShared {
		clear(s.shared) // those in the cache stay what they are
	}
	u := &gpb.Update{Path: l.path, Val: l.value}
	s.shared[key] = u
	return u, nil
}

// Remove takes a device away. Subscriptions to it alone end. The error is [ErrNoTarget].
func (s *Server) Remove(target string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if target == "*" || !s.cache.HasTarget(target) {
		return ErrNoTarget
	}
	s.cache.Remove(target)
	return nil
}

// now returns a timestamp that is later than any before.
func (s *Server) now() int64 {
	s.last = max(time.Now().UnixNano(), s.last+1)
	return s.last
}

// changed hands a changed leaf to those who have subscribed to it.
func (s *Server) changed(l *ctree.Leaf) {
	n, ok := l.Value().(*gpb.Notification)
	if !ok {
		return
	}
	at := path.ToStrings(n.GetPrefix(), true)
	for _, u := range n.GetUpdate() {
		s.match.Update(l, append(at, path.ToStrings(u.GetPath(), false)...))
	}
	for _, d := range n.GetDelete() {
		s.match.Update(l, append(at, path.ToStrings(d, false)...))
	}
}

// find returns the leaves of a target, or of all for "*", at a path that resolve has returned or below it, by target and path. Each is a
// notification with one update. The caller holds mu.
func (s *Server) find(target string, p *gpb.Path) []*gpb.Notification {
	held := s.leaves(target, p)
	out := make([]*gpb.Notification, len(held))
	for i, h := range held {
		out[i] = h.n
	}
	return out
}

// heldLeaf is a leaf as the cache holds it, and what it is now.
type heldLeaf struct {
	*ctree.Leaf
	n *gpb.Notification
}

// leaves is find with what the match package will tell of later.
func (s *Server) leaves(target string, p *gpb.Path) []heldLeaf {
	var out []heldLeaf
	// The only error is of a target that has gone.
	_ = s.cache.Query(target, path.ToStrings(p, false), func(_ []string, l *ctree.Leaf, v any) error {
		if n, ok := v.(*gpb.Notification); ok {
			out = append(out, heldLeaf{l, n})
		}
		return nil
	})
	slices.SortFunc(out, func(a, b heldLeaf) int {
		if c := cmp.Compare(a.n.GetPrefix().GetTarget(), b.n.GetPrefix().GetTarget()); c != 0 {
			return c
		}
		return comparePaths(a.n.Update[0].Path.Elem, b.n.Update[0].Path.Elem)
	})
	return out
}

func leafOf(n *gpb.Notification) leaf { return leaf{n.Update[0].Path, n.Update[0].Val} }

// target returns the target that a request's prefix means.
func (s *Server) target(prefix *gpb.Path) (string, error) {
	name := prefix.GetTarget()
	if name == "" {
		name = s.o.Default
	}
	if name == "" {
		return "", status.Error(codes.InvalidArgument, "the prefix names no target")
	}
	if !s.cache.HasTarget(name) {
		return "", status.Errorf(codes.NotFound, "%v: %q", ErrNoTarget, name)
	}
	return name, nil
}

// encodings are those of answers. JSON is JSON_IETF without the module's name.
func encodings() []gpb.Encoding {
	return []gpb.Encoding{gpb.Encoding_JSON, gpb.Encoding_JSON_IETF, gpb.Encoding_PROTO}
}

func checkEncoding(e gpb.Encoding) error {
	for _, have := range encodings() {
		if e == have {
			return nil
		}
	}
	return status.Errorf(codes.Unimplemented, "encoding %v: want one of %v", e, encodings())
}

func model() *gpb.ModelData {
	return &gpb.ModelData{Name: yang.Module, Organization: yang.Organization, Version: yang.Version}
}

func checkModels(models []*gpb.ModelData) error {
	for _, m := range models {
		if m.GetName() != yang.Module || m.GetVersion() != "" && m.GetVersion() != yang.Version {
			return status.Errorf(codes.Unimplemented, "model %s %s: have %s %s", m.GetName(), m.GetVersion(), yang.Module, yang.Version)
		}
	}
	return nil
}

// pathStatus is the gRPC status of an error of resolve (gNMI specification §3.3.4).
func pathStatus(err error) error {
	code := codes.InvalidArgument
	if errors.Is(err, ErrUnknownPath) {
		code = codes.Unimplemented
	}
	return status.Error(code, err.Error())
}

// Capabilities implements the RPC: the model, the encodings, and the version of gNMI that this is built with.
func (s *Server) Capabilities(context.Context, *gpb.CapabilityRequest) (*gpb.CapabilityResponse, error) {
	s.o.Log.Debug("gnmi", "rpc", "Capabilities")
	version, _ := proto.GetExtension(gpb.File_github_com_openconfig_gnmi_proto_gnmi_gnmi_proto.Options(), gpb.E_GnmiService).(string)
	return &gpb.CapabilityResponse{
		SupportedModels:    []*gpb.ModelData{model()},
		SupportedEncodings: encodings(),
		GNMIVersion:        version,
	}, nil
}
