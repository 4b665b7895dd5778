package target

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// errNotRunning is of a service that nobody can connect to now.
var errNotRunning = errors.New("target does not run")

// endpoint is where one gRPC service is reached: within the process, and at an
// address if it has one. It may be stopped and started again.
type endpoint struct {
	mu      sync.RWMutex
	server  *grpc.Server // nil while stopped
	inside  *bufconn.Listener
	address net.Addr
}

// start serves g at an address, or where the endpoint was before if there is
// one already.
func (e *endpoint) start(g *grpc.Server, address string, group *errgroup.Group) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.address != nil {
		address = e.address.String()
		if e.address.Network() == "unix" {
			address = "unix:" + address
		}
	}
	inside := bufconn.Listen(1 << 20)
	listeners := []net.Listener{inside}
	if address != "" {
		l, err := listener(address)
		if err != nil {
			return err
		}
		e.address = l.Addr()
		listeners = append(listeners, l)
	}
	e.server, e.inside = g, inside
	for _, l := range listeners {
		group.Go(func() error { return served(g.Serve(l)) })
	}
	return nil
}

// stop cuts all connections, and refuses new ones. It reports whether there
// was something to stop.
func (e *endpoint) stop() bool {
	e.mu.Lock()
	g := e.server
	e.server, e.inside = nil, nil
	e.mu.Unlock()
	if g != nil {
		g.Stop() // without mu: it waits for handlers
	}
	return g != nil
}

func (e *endpoint) running() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.server != nil
}

func (e *endpoint) addr() net.Addr {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.address
}

// dial connects within the process. The connection follows the endpoint
// through restarts, as one by TCP does.
func (e *endpoint) dial(opts []grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///target", append([]grpc.DialOption{
		grpc.WithContextDialer(e.dialContext),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}, opts...)...)
}

func (e *endpoint) dialContext(ctx context.Context, _ string) (net.Conn, error) {
	e.mu.RLock()
	l := e.inside
	e.mu.RUnlock()
	if l == nil {
		return nil, errNotRunning
	}
	return l.DialContext(ctx)
}

// listener listens on host:port or, by gRPC's name for a Unix domain socket,
// unix:PATH.
func listener(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return net.Listen("unix", path)
	}
	return net.Listen("tcp", address)
}

func served(err error) error {
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}
