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
	hung    chan struct{} // closed when gNMI answers again; nil: it does
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

// SlowDown makes every RPC, of P4Runtime and gNMI, begin after a delay; 0 ends
// that.
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

// HangGNMI makes gNMI answer no more, in the middle of whatever it does:
// connections and streams stay, and nothing comes. HangGNMI(false) ends that,
// and all that was asked meanwhile is answered.
func (f *Faults) HangGNMI(hang bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case hang && f.hung == nil:
		f.hung = make(chan struct{})
	case !hang && f.hung != nil:
		close(f.hung)
		f.hung = nil
	}
}

// hang waits as long as gNMI does not answer.
func (f *Faults) hang(ctx context.Context) error {
	f.mu.Lock()
	hung := f.hung
	f.mu.Unlock()
	if hung == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-hung:
		return nil
	}
}

func (f *Faults) unaryGNMI(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if err := f.hang(ctx); err != nil {
		return nil, err
	}
	return next(ctx, req)
}

func (f *Faults) streamGNMI(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(srv, &hangingStream{s, f})
}

// hangingStream says nothing while gNMI hangs.
type hangingStream struct {
	grpc.ServerStream
	faults *Faults
}

func (s *hangingStream) SendMsg(m any) error {
	if err := s.faults.hang(s.Context()); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}

// Faults returns the faults of the target, to be set.
func (t *Target) Faults() *Faults { return &t.faults }

// CutStreams ends the streams of all clients, which may come back at once.
func (t *Target) CutStreams() { t.current().CutStreams() }

// CutConnections cuts all connections, as a network does. Nothing is lost but
// what was on its way, and clients may come back at once.
func (t *Target) CutConnections() error {
	if t.cancel == nil {
		return errNotRunning
	}
	t.p4runtime.stop()
	faults := t.listen()
	if t.gnmi.stop() {
		faults = errors.Join(faults, t.listenGNMI())
	}
	return faults
}

// CloseGNMI cuts the connections to the gNMI server and refuses new ones, as a
// process that has died does; P4Runtime goes on. OpenGNMI ends that.
func (t *Target) CloseGNMI() { t.gnmi.stop() }

// OpenGNMI starts the gNMI server where it was before CloseGNMI. If it runs, it
// does nothing.
func (t *Target) OpenGNMI() error {
	if t.cancel == nil {
		return errNotRunning
	}
	if t.gnmi.running() {
		return nil
	}
	return t.listenGNMI()
}

// Forget loses all entities but keeps the pipeline config and the clients.
func (t *Target) Forget() { t.current().Forget() }

// Restart cuts all connections and loses everything but the state of the
// ports: entities, the pipeline config, and the highest election ids. It
// listens on the same addresses again. What it says of itself it says again
// once it has a program.
func (t *Target) Restart() error {
	if t.cancel == nil {
		return errNotRunning
	}
	t.stop()
	if err := t.boot(); err != nil {
		return err
	}
	return errors.Join(t.listen(), t.listenGNMI())
}
