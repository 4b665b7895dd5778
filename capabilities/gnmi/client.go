package gnmi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/proto/yang"
)

// What a question can come to beside an answer. They are different: only the first says something of the device.
var (
	// ErrUnsupported means that the device has answered, and has no such model, or no gNMI.
	ErrUnsupported = errors.New("the device does not support the model " + yang.Module)
	// ErrUntold means that the device could not tell: it did not answer, or not to the end, or what it said cannot be read.
	ErrUntold = errors.New("could not tell")
)

// ClientOptions adjust a [Client]. The zero value is the default.
type ClientOptions struct {
	// Target is the name of the device in the prefix of each request, for a server of several. Without it there is none.
	Target string
	// Timeout is for one question with its answer. Default 10 s.
	Timeout time.Duration
	// Settle is how long to wait after a change before asking what is now true, because leaves change one at a time. Default 50 ms.
	Settle time.Duration
	// Refresh is how often [Client.Watch] asks although nothing has changed. It finds a device that is connected and answers no more.
	// Default 1 min.
	Refresh time.Duration
	// MinBackoff and MaxBackoff bound the wait between two attempts of [Client.Watch]. Defaults 500 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration
	// TLS secures the connection that [Dial] makes. Nil is plain text.
	TLS *tls.Config
	// Log takes what Watch comes to. Nil discards it.
	Log *slog.Logger
}

func (o ClientOptions) withDefaults() ClientOptions {
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	o.Settle = cmp.Or(o.Settle, 50*time.Millisecond)
	o.Refresh = cmp.Or(o.Refresh, time.Minute)
	o.MinBackoff = cmp.Or(o.MinBackoff, 500*time.Millisecond)
	o.MaxBackoff = max(cmp.Or(o.MaxBackoff, 30*time.Second), o.MinBackoff)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// readBuffer is that of a connection, in place of gRPC's 32 kB.
const readBuffer = 4 << 10

// Client asks a gNMI server for capabilities. It is safe for concurrent use.
type Client struct {
	o    ClientOptions
	gnmi gpb.GNMIClient
	conn *grpc.ClientConn // nil if it is not ours
}

// NewClient returns a client on a connection, which the caller closes.
func NewClient(conn grpc.ClientConnInterface, o ClientOptions) *Client {
	return &Client{o: o.withDefaults(), gnmi: gpb.NewGNMIClient(conn)}
}

// Dial returns a client with a connection of its own to an address such as "192.0.2.1:9339". Nothing is sent before the first question.
// Further options follow ours.
func Dial(address string, o ClientOptions, more ...grpc.DialOption) (*Client, error) {
	o = o.withDefaults()
	creds := insecure.NewCredentials()
	if o.TLS != nil {
		creds = credentials.NewTLS(o.TLS)
	}
	conn, err := grpc.NewClient(address, append([]grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		// Little is said and seldom: buffers are for throughput, and a fleet has many connections.
		grpc.WithReadBufferSize(readBuffer), grpc.WithSharedWriteBuffer(true),
		// gRPC waits up to two minutes by default. Watch has a backoff of its own.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: o.MinBackoff, Multiplier: 1.6, Jitter: 0.2, MaxDelay: o.MaxBackoff},
			MinConnectTimeout: 5 * time.Second,
		}),
	}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("gnmi: %s: %w", address, err)
	}
	c := NewClient(conn, o)
	c.conn = conn
	return c, nil
}

// Close closes the connection that [Dial] has made.
func (c *Client) Close() error {
	if c.conn == nil {
		return nil
	}
	return c.conn.Close()
}

// Ask returns what the device says of itself. The error is [ErrUnsupported] or [ErrUntold].
func (c *Client) Ask(ctx context.Context) (capabilities.Capability, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	encoding, err := c.supports(ctx)
	if err != nil {
		return capabilities.Capability{}, err
	}
	return c.get(ctx, encoding)
}

// supports asks whether the device has the model, and for the encoding that suits us best.
func (c *Client) supports(ctx context.Context) (gpb.Encoding, error) {
	// A device that starts just now is waited for; the error of a deadline says what the last attempt to connect came to.
	r, err := c.gnmi.Capabilities(ctx, &gpb.CapabilityRequest{}, grpc.WaitForReady(true))
	if status.Code(err) == codes.Unimplemented {
		return 0, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	if err != nil {
		return 0, untold(err)
	}
	var names []string
	ours, _, _ := strings.Cut(yang.Version, ".")
	for _, m := range r.GetSupportedModels() {
		names = append(names, strings.TrimSpace(m.GetName()+" "+m.GetVersion()))
		// Another major version means other things by the same names.
		if m.GetName() == yang.Module && sameMajor(m.GetVersion()) {
			for _, e := range []gpb.Encoding{gpb.Encoding_JSON_IETF, gpb.Encoding_PROTO} {
				if slices.Contains(r.GetSupportedEncodings(), e) {
					return e, nil
				}
			}
			return gpb.Encoding_JSON, nil
		}
	}
	return 0, fmt.Errorf("%w %s.x: it has %s", ErrUnsupported, ours, cmp.Or(strings.Join(names, ", "), "none"))
}

func (c *Client) get(ctx context.Context, e gpb.Encoding) (capabilities.Capability, error) {
	answer, err := c.fetch(ctx, e)
	if err != nil {
		return capabilities.Capability{}, err
	}
	return read(answer)
}

// fetch returns what the device says, as it says it.
func (c *Client) fetch(ctx context.Context, e gpb.Encoding) ([]*gpb.Notification, error) {
	r, err := c.gnmi.Get(ctx, &gpb.GetRequest{Prefix: c.prefix(c.o.Target), Path: []*gpb.Path{wholeTree()}, Encoding: e})
	if err != nil {
		return nil, untold(err)
	}
	return r.GetNotification(), nil
}

// read returns the capability that an answer has.
func read(answer []*gpb.Notification) (capabilities.Capability, error) {
	var leaves []leaf
	for _, n := range answer {
		ls, err := leavesIn(n)
		if err != nil {
			return capabilities.Capability{}, untold(err)
		}
		leaves = append(leaves, ls...)
	}
	out, err := fromLeaves(leaves)
	if err != nil {
		return capabilities.Capability{}, untold(err)
	}
	return out, nil
}

// digest stands for what an answer says, whenever it was given.
type digest [sha256.Size]byte

func digestOf(answer []*gpb.Notification) (digest, error) {
	h := sha256.New()
	for _, n := range answer {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&gpb.Notification{Prefix: n.GetPrefix(), Update: n.GetUpdate()})
		if err != nil {
			return digest{}, untold(err)
		}
		h.Write(b)
	}
	return digest(h.Sum(nil)), nil
}

// AskAll returns what the server says of each of its devices, by target. If something is wrong with some, it returns the others and an
// error that names those. The error is [ErrUnsupported] or [ErrUntold]. A fleet may take longer than the timeout, as long as the server
// is never silent for that long.
func (c *Client) AskAll(ctx context.Context) (map[string]capabilities.Capability, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(c.o.Timeout, func() { cancel(fmt.Errorf("silent for %v: %w", c.o.Timeout, context.DeadlineExceeded)) })
	defer silence.Stop()
	encoding, err := c.supports(ctx)
	if err != nil {
		return nil, err
	}
	// Get is not meant for much data (gNMI specification §3.3): a fleet can be more than one message takes.
	stream, err := c.subscribe(ctx, "*", encoding, &gpb.SubscriptionList{Mode: gpb.SubscriptionList_ONCE})
	if err != nil {
		return nil, untold(err)
	}
	leaves := map[string][]leaf{}
	broken := map[string]error{}
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, untold(cmp.Or(context.Cause(ctx), err))
		}
		silence.Reset(c.o.Timeout)
		if r.GetSyncResponse() {
			break
		}
		target := r.GetUpdate().GetPrefix().GetTarget()
		ls, err := leavesIn(r.GetUpdate())
		if err != nil {
			broken[target] = errors.Join(broken[target], err)
		}
		leaves[target] = append(leaves[target], ls...)
	}
	out := map[string]capabilities.Capability{}
	for target, ls := range leaves {
		if broken[target] != nil {
			continue
		}
		if out[target], err = fromLeaves(ls); err != nil {
			delete(out, target)
			broken[target] = err
		}
	}
	var errs []error
	for _, target := range sortedKeys(broken) {
		errs = append(errs, fmt.Errorf("%s: %w", target, untold(broken[target])))
	}
	return out, errors.Join(errs...)
}

// subscribe opens a stream for the whole tree of a target.
func (c *Client) subscribe(ctx context.Context, target string, e gpb.Encoding, list *gpb.SubscriptionList) (gpb.GNMI_SubscribeClient, error) {
	list.Prefix, list.Encoding = c.prefix(target), e
	list.Subscription = []*gpb.Subscription{{Path: wholeTree(), Mode: gpb.SubscriptionMode_ON_CHANGE}}
	stream, err := c.gnmi.Subscribe(ctx)
	if err != nil {
		return nil, err
	}
	err = stream.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: list}})
	if err != nil && !errors.Is(err, io.EOF) { // at EOF, Recv has the reason
		return nil, err
	}
	return stream, nil
}

func (c *Client) prefix(target string) *gpb.Path { return &gpb.Path{Target: target} }

func wholeTree() *gpb.Path {
	return &gpb.Path{Elem: []*gpb.PathElem{{Name: "nve-capabilities"}}}
}

func untold(err error) error { return fmt.Errorf("%w: %w", ErrUntold, err) }
