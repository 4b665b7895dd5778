// Package p4rt is the client's side of P4Runtime: one session with one device
// for one role.
//
// A session is goroutine-safe and survives its connection. Run keeps a stream
// to the device open, arbitrates for the role, puts the pipeline in place, and
// then calls the ready func it was given. The context of that call ends when
// the stream, the primacy or the pipeline is lost; the func is called again,
// never twice at once, when all three are back. So code in it sees one
// uninterrupted term of office and has no other cases to consider.
//
// Section numbers in comments are those of the P4Runtime specification 1.5.
package p4rt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
)

// The causes with which a term's context ends (context.Cause), and why a
// session is not ready.
var (
	// ErrNotPrimary: another client is primary, or we stepped down.
	ErrNotPrimary = errors.New("not primary")
	// ErrStreamLost: the stream to the device ended.
	ErrStreamLost = errors.New("stream lost")
	// ErrPipelineLost: the device no longer runs our pipeline.
	ErrPipelineLost = errors.New("pipeline lost")
	// ErrNoPipeline: the device runs no pipeline and we were given none for it.
	ErrNoPipeline = errors.New("no pipeline")
	// ErrNoAnswer: the device did not answer our arbitration in time.
	ErrNoAnswer = errors.New("no answer to arbitration")
	// ErrRunning: Run was called while it runs.
	ErrRunning = errors.New("session is running already")
)

// A Session is one client's relation with one device in one role.
type Session struct {
	o    Options
	p4   p4v1.P4RuntimeClient
	conn *grpc.ClientConn // ours, to be closed; nil when New was given one
	// redial has gRPC try to connect now, whatever its own backoff says.
	redial func()
	n      counters

	running atomic.Bool
	elect   chan struct{} // tells Run that id has changed

	mu    sync.Mutex
	id    ElectionID
	state State
}

// New makes a session over conn, which stays the caller's. It should have been
// made with Options.DialOptions.
func New(conn grpc.ClientConnInterface, o Options) *Session {
	o = o.withDefaults()
	s := &Session{
		o:      o,
		p4:     p4v1.NewP4RuntimeClient(conn),
		redial: func() {},
		elect:  make(chan struct{}, 1),
		id:     o.ElectionID,
	}
	if c, ok := conn.(interface{ ResetConnectBackoff() }); ok {
		s.redial = c.ResetConnectBackoff
	}
	return s
}

// Close closes the connection that Dial made. End Run first.
func (s *Session) Close() error {
	if s.conn == nil {
		return nil
	}
	return s.conn.Close()
}

// State returns the session's present state.
func (s *Session) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Stats returns what the session has counted so far.
func (s *Session) Stats() Stats { return s.n.stats() }

// Elect changes our election id, now if the session runs. A term under the old
// id ends first. An unset or lower id steps down.
func (s *Session) Elect(id ElectionID) {
	s.mu.Lock()
	s.id = id
	s.mu.Unlock()
	select {
	case s.elect <- struct{}{}:
	default: // Run has not yet seen the last change and will see this one
	}
}

func (s *Session) electionID() ElectionID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

func (s *Session) setState(st State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = st
	s.o.OnState(st)
}

// Run keeps the session up until ctx ends, and then returns its cause.
//
// ready is called with a Ready whenever we are primary and the pipeline is in
// place. If it returns nil while its context lives, the session stays up until
// the term ends. If it returns an error, the term ends and, after a while,
// another begins; an error that says the device cannot be reached ends the
// stream as well.
func (s *Session) Run(ctx context.Context, ready func(context.Context, *Ready) error) error {
	if !s.running.CompareAndSwap(false, true) {
		return fmt.Errorf("%s: %w", s.o.Name, ErrRunning)
	}
	defer s.running.Store(false)
	b := Backoff{Min: s.o.MinBackoff, Max: s.o.MaxBackoff}
	for {
		begin := time.Now()
		err := s.live(ctx, ready)
		s.setState(State{Phase: PhaseConnecting, Err: err})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if time.Since(begin) > s.o.MaxBackoff {
			b.Reset()
		}
		s.o.Log.Warn("stream ended", "err", err)
		if err := b.Wait(ctx); err != nil {
			return err
		}
		s.redial()
	}
}
