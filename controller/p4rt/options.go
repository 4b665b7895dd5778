package p4rt

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/anypb"
)

// Options says which device a session is with and how it behaves. The zero
// value of every field but DeviceID and ElectionID is a good default.
type Options struct {
	// Name is what logs and errors call the device. Default: "device ID".
	Name string
	// DeviceID is P4Runtime's device_id. P4Runtime 1.5 forbids 0; bmv2 has it
	// as its default, so it is sent as given.
	DeviceID uint64
	// Role is the role's name; empty is the default role, with access to the
	// whole pipeline.
	Role string
	// RoleConfig restricts what a named role may do, by a scheme that client
	// and device agree on out of band.
	RoleConfig *anypb.Any
	// ElectionID is our id at the start; Session.Elect changes it. A session
	// without one only watches: it is never primary.
	ElectionID ElectionID
	// TakeOver makes a standby session with an election id raise it above the
	// highest that the device has seen as soon as the device says that no
	// client is primary. Leave it off where something else (a lease) decides
	// who is in charge.
	TakeOver bool
	// Pipeline is the program that the device shall run. Without one the
	// session takes the device as it is, and waits while it has none.
	Pipeline *Pipeline
	// Describe says an entity by the names of the pipeline's program, for
	// errors. Default: its protobuf text.
	Describe func(*p4v1.Entity) string
	// OnState is called at each change of the session's state, in order. It
	// must neither block nor call the session.
	OnState func(State)

	// BatchSize is the most updates in one Write request. Default 256.
	BatchSize int
	// Queue is how many packets in wait for their reader, and, each in a queue
	// of its own, how many digest lists and idle timeout notifications. Default
	// 1024. What finds its queue full is dropped and counted, since a stream
	// that waits for its reader stops arbitration too.
	Queue int
	// Timeout bounds each request, the wait for the answer to our arbitration,
	// and the wait between two messages of a Read. Default 30 s.
	Timeout time.Duration
	// PipelineTimeout bounds setting the pipeline, which takes long on
	// hardware. Default 3 min.
	PipelineTimeout time.Duration
	// MinBackoff and MaxBackoff bound the wait between two attempts at a stream
	// or at a term. Defaults 100 ms and 5 s.
	MinBackoff, MaxBackoff time.Duration

	// TLS secures the connection that Dial makes. Nil is plain text.
	TLS *tls.Config
	// Log takes the session's events. Nil discards them.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = fmt.Sprintf("device %d", o.DeviceID)
	}
	if o.Describe == nil {
		o.Describe = func(e *p4v1.Entity) string { return "{" + e.String() + "}" }
	}
	if o.OnState == nil {
		o.OnState = func(State) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("device", o.Name)
	setDefault(&o.BatchSize, 256)
	setDefault(&o.Queue, 1024)
	setDefault(&o.Timeout, 30*time.Second)
	setDefault(&o.PipelineTimeout, 3*time.Minute)
	setDefault(&o.MinBackoff, 100*time.Millisecond)
	setDefault(&o.MaxBackoff, max(5*time.Second, o.MinBackoff))
	return o
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// maxMessage is the largest message we accept. A pipeline config read back from
// a device holds its binary, beyond gRPC's 4 MiB.
const maxMessage = 256 << 20

// DialOptions returns the gRPC options that a connection for such a session
// needs, without credentials.
//
// A Write's per-update errors travel in the trailers, and a device whose errors
// exceed the header list limit can only say RESOURCE_EXHAUSTED (specification,
// section 12.3). The rule of thumb is 8192 + 100 bytes for each update; we
// allow for messages several times as long.
func (o Options) DialOptions() []grpc.DialOption {
	o = o.withDefaults()
	return []grpc.DialOption{
		grpc.WithMaxHeaderListSize(uint32(64<<10 + 1024*o.BatchSize)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		// gRPC waits up to two minutes by default. The session has a backoff of
		// its own.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: o.MinBackoff, Multiplier: 1.6, Jitter: 0.2, MaxDelay: o.MaxBackoff},
			MinConnectTimeout: 5 * time.Second,
		}),
	}
}

// Dial makes a session with the device at target, a gRPC name such as
// "192.0.2.1:9559", over a connection of its own, which Close ends. Nothing is
// sent before Run or a request. Further options follow ours.
func Dial(target string, o Options, more ...grpc.DialOption) (*Session, error) {
	creds := insecure.NewCredentials()
	if o.TLS != nil {
		creds = credentials.NewTLS(o.TLS)
	}
	opts := append(o.DialOptions(), grpc.WithTransportCredentials(creds))
	conn, err := grpc.NewClient(target, append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.withDefaults().Name, err)
	}
	s := New(conn, o)
	s.conn = conn
	return s, nil
}
