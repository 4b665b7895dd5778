// Package p4rt is a P4Runtime 1.5 server over the packet engine: one device,
// any number of clients.
//
// It holds to the P4Runtime specification where bmv2 and PI do not: every
// atomicity mode, RECONCILE_AND_COMMIT, registers and value sets are there, and
// each refusal has the code that the specification names. Section numbers in
// this package and below it are those of the specification.
//
// Where the specification leaves a choice, or contradicts itself:
//   - A bytestring that breaks a rule is INVALID_ARGUMENT in a key, an action
//     or packet metadata (sections 9.1.1, 9.1.2, 16.6) and OUT_OF_RANGE in
//     P4Data (section 8.3).
//   - An id that P4Info does not have is INVALID_ARGUMENT, an entity that is
//     not there NOT_FOUND.
//   - In a batch that is all or none, updates that did not fail themselves
//     report ABORTED.
//   - MODIFY without an action keeps the action and sets all else.
//   - max_size 0 stands for max_group_size (p4runtime.proto), although section
//     9.2.2 wants it to be given.
//   - A port is one that v1model can have, of 9 bits, or SDN_PORT_CPU; any
//     other is INVALID_ARGUMENT.
//   - A role is known once a client has named it; the default role always is.
//   - RECONCILE_AND_COMMIT starts from what the data plane has, not from a
//     saved config.
//
// What bmv2 cannot do is refused. UNIMPLEMENTED: direct resources of default
// entries, counters of meter colours, eburst of single rate meters, class of
// service of clones, random selection, size semantics other than the
// selector's, entries that refer to an empty group, externs. OUT_OF_RANGE:
// multicast groups above 32767, which PI keeps for clone sessions. PERMISSION_DENIED:
// changes to entries of the program, constant or not. INVALID_ARGUMENT for a
// whole config: translated types that are strings, or whose width differs from
// that in the program; value sets with other than exact matches; registers of
// structs.
package p4rt

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/p4rt/arbitration"
	"github.com/keyway-nve/keyway/testbed/p4rt/pipeline"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// APIVersion is what Capabilities reports.
const APIVersion = "1.5.0"

// MaxMessage is the largest message that a server made with [GRPC] takes: a
// device config may be larger than gRPC's default of 4 MB.
const MaxMessage = 128 << 20

// readChunk is about how many bytes of entities one ReadResponse has. Clients
// take 4 MB unless they ask for more.
const readChunk = 1 << 20

// Options configure a Server. The zero value is a device with id 0, as bmv2
// has it, without a CPU port.
type Options struct {
	DeviceID uint64
	CPUPort  uint32 // packet I/O goes by this port; 0: there is none
	DropPort uint32 // 0: bmv2's, 511
	// MaxClients is how many live clients a role may have; 0 is
	// [arbitration.DefaultMaxClients].
	MaxClients int
	// Roles judges role configurations; nil is [arbitration.FullAccess].
	Roles arbitration.Scheme
	// PriorityQueues is how many priorities packets may have; 0 is 1.
	PriorityQueues int
	// Output takes frames that leave on ports other than the CPU port. A frame
	// is valid during the call only.
	Output func(port uint32, frame []byte)
	// Enter runs the packets of controllers; nil is [Server.Process].
	Enter func(port uint32, frame []byte)
	// Allow may refuse an update before it is tried. Nil allows all.
	Allow func(*p4v1.Update) error
	// Configured is told the P4Info of the program whenever packets see another
	// one; nil is a program without P4Info. It must not call the server.
	Configured func(*p4configv1.P4Info)
	// Experimental returns what Capabilities says beside the version of the API;
	// nil: nothing.
	Experimental func() (*anypb.Any, error)
	Log          *slog.Logger // nil: discarded
}

// Server serves one device.
type Server struct {
	p4v1.UnimplementedP4RuntimeServer

	opts    Options
	arbiter *arbitration.Arbiter
	// turn keeps changes of primary apart from each other. It is taken before
	// mu.
	turn sync.Mutex
	// mu is held for writing by whatever changes entities or the config, and
	// for reading by what reads them.
	mu    sync.RWMutex
	saved *pipeline.Pipeline // from VERIFY_AND_SAVE until COMMIT
	down  map[uint32]bool
	// active is the pipeline that packets see. It is stored under mu, and
	// loaded without it by packets.
	active atomic.Pointer[pipeline.Pipeline]

	clientsMu sync.Mutex
	clients   map[*client]struct{}
}

// New returns a server without a forwarding-pipeline config.
func New(opts Options) *Server {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		opts:    opts,
		arbiter: arbitration.New(opts.DeviceID, opts.MaxClients, opts.Roles),
		down:    make(map[uint32]bool),
		clients: make(map[*client]struct{}),
	}
	if s.opts.Enter == nil {
		s.opts.Enter = s.Process
	}
	return s
}

// GRPC returns a gRPC server that serves s, with the limits that P4Runtime
// asks for.
func (s *Server) GRPC(opts ...grpc.ServerOption) *grpc.Server {
	g := grpc.NewServer(append([]grpc.ServerOption{grpc.MaxRecvMsgSize(MaxMessage)}, opts...)...)
	p4v1.RegisterP4RuntimeServer(g, s)
	return g
}

// Close ends all streams and stops the pipeline's timers.
func (s *Server) Close() {
	s.CutStreams()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range []*pipeline.Pipeline{s.saved, s.active.Load()} {
		if p != nil {
			p.Close()
		}
	}
}

// Process runs a frame that arrived on a port. Without a program it is
// dropped. It may be called by several goroutines at once, and from within
// Output.
func (s *Server) Process(port uint32, frame []byte) {
	if p := s.active.Load(); p != nil {
		p.Process(port, frame)
	}
}

// SetPort tells the server that a port went up or down.
func (s *Server) SetPort(port uint32, up bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if up {
		delete(s.down, port)
	} else {
		s.down[port] = true
	}
	for _, p := range []*pipeline.Pipeline{s.saved, s.active.Load()} {
		if p != nil {
			if err := p.SetPort(port, up); err != nil {
				return err
			}
		}
	}
	return nil
}

// Stats returns what became of packets since the program was started.
func (s *Server) Stats() engine.Stats {
	if p := s.active.Load(); p != nil {
		return p.Stats()
	}
	return engine.Stats{}
}

// Forget loses all entities but keeps the config and the clients, as a device
// does whose driver has failed.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.active.Load(); p != nil {
		c := *p.Config
		c.Wire = p.Installed()
		s.activate(pipeline.New(&c, s.pipelineOptions()))
	}
}

// current returns the pipeline that reads and writes refer to: the saved one
// if there is one (section 14). mu must be held.
func (s *Server) current() (*pipeline.Pipeline, error) {
	p := s.saved
	if p == nil {
		p = s.active.Load()
	}
	if p == nil || p.Wire == nil {
		return nil, refusal.New(codes.FailedPrecondition, "no forwarding-pipeline config has been set")
	}
	return p, nil
}

// device checks that a request means this device.
func (s *Server) device(id uint64) error {
	if id != s.opts.DeviceID {
		return refusal.New(codes.NotFound, "no device %d", id)
	}
	return nil
}

// Write implements p4.v1.P4Runtime (section 12).
func (s *Server) Write(_ context.Context, req *p4v1.WriteRequest) (*p4v1.WriteResponse, error) {
	outcome, err := s.write(req)
	if err != nil {
		return nil, refusal.RPC(err)
	}
	if err := refusal.Batch("write failure", outcome); err != nil {
		return nil, err
	}
	return &p4v1.WriteResponse{}, nil
}

func (s *Server) write(req *p4v1.WriteRequest) ([]error, error) {
	if err := s.device(req.GetDeviceId()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	role := arbitration.RoleName(req.GetRole(), req.GetRoleId())
	scope, err := s.arbiter.Authorize(role, req.GetElectionId())
	if err != nil {
		return nil, err
	}
	p, err := s.current()
	if err != nil {
		return nil, err
	}
	switch req.GetAtomicity() {
	case p4v1.WriteRequest_CONTINUE_ON_ERROR, p4v1.WriteRequest_ROLLBACK_ON_ERROR, p4v1.WriteRequest_DATAPLANE_ATOMIC:
	default:
		return nil, refusal.New(codes.Unimplemented, "atomicity %v", req.GetAtomicity())
	}
	return p.Write(req.GetUpdates(), req.GetAtomicity(), func(u *p4v1.Update) error {
		if !scope.Allows(u.GetEntity()) {
			return refusal.New(codes.PermissionDenied, "role %q does not own the entity", role)
		}
		if s.opts.Allow != nil {
			return s.opts.Allow(u)
		}
		return nil
	}), nil
}

// Read implements p4.v1.P4Runtime (section 13). The entities are those of one
// moment: no write happens between them.
func (s *Server) Read(req *p4v1.ReadRequest, stream p4v1.P4Runtime_ReadServer) error {
	entities, outcome, err := s.read(req)
	if err != nil {
		return refusal.RPC(err)
	}
	size := 0
	first := 0
	for i, e := range entities {
		size += proto.Size(e)
		if size < readChunk && i < len(entities)-1 {
			continue
		}
		if err := stream.Send(&p4v1.ReadResponse{Entities: entities[first : i+1]}); err != nil {
			return err
		}
		first, size = i+1, 0
	}
	return refusal.Batch("read failure", outcome)
}

func (s *Server) read(req *p4v1.ReadRequest) ([]*p4v1.Entity, []error, error) {
	if err := s.device(req.GetDeviceId()); err != nil {
		return nil, nil, err
	}
	scope, ok := s.arbiter.Scope(req.GetRole())
	if !ok {
		return nil, nil, refusal.New(codes.NotFound, "no role %q", req.GetRole())
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, err := s.current()
	if err != nil {
		return nil, nil, err
	}
	var out []*p4v1.Entity
	outcome := make([]error, len(req.GetEntities()))
	for i, e := range req.GetEntities() {
		outcome[i] = p.Read(e, func(found *p4v1.Entity) {
			if scope.Allows(found) {
				out = append(out, found)
			}
		})
	}
	return out, outcome, nil
}

// Capabilities implements p4.v1.P4Runtime (section 17).
func (s *Server) Capabilities(_ context.Context, req *p4v1.CapabilitiesRequest) (*p4v1.CapabilitiesResponse, error) {
	if id := req.GetDeviceId(); id != 0 {
		if err := s.device(id); err != nil {
			return nil, refusal.RPC(err)
		}
	}
	out := &p4v1.CapabilitiesResponse{P4RuntimeApiVersion: APIVersion}
	if s.opts.Experimental != nil {
		var err error
		if out.Experimental, err = s.opts.Experimental(); err != nil {
			return nil, refusal.RPC(err)
		}
	}
	return out, nil
}
