package target

import (
	"context"
	"errors"
	"sync"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// Faults are what goes wrong in a target on demand. The zero value is none.
type Faults struct {
	mu      sync.Mutex
	updates int // seen so far
	refuse  map[int]codes.Code
	delay   time.Duration
}

// RefuseUpdate makes the n-th update from now fail with a code, 1 being the
// next one. Updates of all clients count.
func (f *Faults) RefuseUpdate(n int, code codes.Code) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse == nil {
		f.refuse = make(map[int]codes.Code)
	}
	f.refuse[f.updates+n] = code
}

// allow is asked for each update.
func (f *Faults) allow(*p4v1.Update) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.updates++
	code, ok := f.refuse[f.updates]
	if !ok {
		return nil
	}
	delete(f.refuse, f.updates)
	return refusal.New(code, "refused on demand")
}

// SlowDown makes every RPC begin after a delay; 0 ends that.
func (f *Faults) SlowDown(delay time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = delay
}

// wait waits as long as RPCs are delayed.
func (f *Faults) wait(ctx context.Context) error {
	f.mu.Lock()
	d := f.delay
	f.mu.Unlock()
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (f *Faults) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

func (f *Faults) stream(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if err := f.wait(s.Context()); err != nil {
		return err
	}
	return next(srv, s)
}

// Faults returns the faults of the target, to be set.
func (t *Target) Faults() *Faults { return &t.faults }

// CutStreams ends the streams of all clients, which may come back at once.
func (t *Target) CutStreams() { t.current().CutStreams() }

// CutConnections cuts all connections, as a network does. Nothing is lost but
// what was on its way, and clients may come back at once.
func (t *Target) CutConnections() error {
	t.mu.RLock()
	g := t.grpc
	t.mu.RUnlock()
	if g == nil {
		return errors.New("target does not run")
	}
	g.Stop()
	return t.listenAgain()
}

// Forget loses all entities but keeps the pipeline config and the clients.
func (t *Target) Forget() { t.current().Forget() }

// Restart cuts all connections and loses everything but the state of the
// ports: entities, the pipeline config, and the highest election ids. It
// listens on the same address again.
func (t *Target) Restart() error {
	if t.cancel == nil {
		return errors.New("target does not run")
	}
	t.stop()
	if err := t.boot(); err != nil {
		return err
	}
	return t.listenAgain()
}

// listenAgain listens where the target has listened before.
func (t *Target) listenAgain() error {
	if a := t.Address(); a != nil {
		return t.listen(a.String())
	}
	return t.listen("")
}
