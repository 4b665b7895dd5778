package p4rt

import (
	"context"
	"errors"
	"fmt"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A term is one run of the ready func, preceded by settling the pipeline.
type term struct {
	ctx     context.Context
	end     context.CancelCauseFunc
	began   time.Time
	settled chan struct{} // one message: the pipeline is in place
	done    chan error    // one message: what the term ended with
}

// life is one stream and our place among the clients that have one. Its methods
// run in the goroutine of live.
type life struct {
	s     *Session
	ctx   context.Context
	st    *stream
	ready func(context.Context, *Ready) error

	id      ElectionID // which the device was told last
	primary bool
	highest ElectionID
	term    *term // running, or asked to end and not gone yet; or nil
	backoff Backoff
	retry   <-chan time.Time // when to begin another term
	answer  <-chan time.Time // when to give up waiting for the first answer
}

// live opens a stream, lives through it and returns why it ended, when nothing
// of it is left.
func (s *Session) live(ctx context.Context, ready func(context.Context, *Ready) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	st, err := s.openStream(ctx)
	if err != nil {
		return err
	}
	l := &life{
		s: s, ctx: ctx, st: st, ready: ready,
		backoff: Backoff{Min: s.o.MinBackoff, Max: s.o.MaxBackoff},
		answer:  time.After(s.o.Timeout),
	}
	err = l.arbitrate(s.electionID())
	for err == nil {
		err = l.step()
	}
	cancel(fmt.Errorf("%w: %w", ErrStreamLost, err))
	if l.term != nil {
		<-l.term.done
	}
	st.wait()
	return err
}

// step waits for one event and deals with it. An error ends the stream.
func (l *life) step() error {
	var settled <-chan struct{}
	var done <-chan error
	if l.term != nil {
		settled, done = l.term.settled, l.term.done
	}
	select {
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	case err := <-l.st.lost:
		return err
	case <-l.answer:
		return fmt.Errorf("%s: %w", l.s.o.Name, ErrNoAnswer)
	case <-l.s.elect:
		if id := l.s.electionID(); id != l.id {
			return l.arbitrate(id)
		}
	case m := <-l.st.arbitrations:
		return l.arbitrated(m)
	case <-settled:
		l.s.o.Log.Info("ready", "election", l.id)
		l.s.setState(State{Phase: PhaseReady, Highest: l.highest})
	case err := <-done:
		return l.ended(err)
	case <-l.retry:
		l.begin()
	}
	return nil
}

// arbitrate tells the device that we are id from now on. Until it answers we
// are not primary.
func (l *life) arbitrate(id ElectionID) error {
	l.id, l.primary, l.retry = id, false, nil
	if l.term != nil {
		l.term.end(fmt.Errorf("%w: election id changed to %v", ErrNotPrimary, id))
	}
	return l.st.arbitrate(id)
}

// arbitrated takes the device's word on who is primary (section 5.4).
func (l *life) arbitrated(m *p4v1.MasterArbitrationUpdate) error {
	l.answer = nil
	l.highest = electionID(m.GetElectionId())
	code := codes.Code(m.GetStatus().GetCode())
	was := l.primary
	// An OK for an id that we have since changed is not ours any more.
	l.primary = code == codes.OK && !l.id.IsZero() && l.highest == l.id
	if l.primary {
		if !was && l.term == nil {
			l.begin()
		}
		return nil
	}
	l.retry = nil
	if l.term != nil {
		l.term.end(ErrNotPrimary)
	}
	vacant := code == codes.NotFound
	l.s.o.Log.Info("standby", "election", l.id, "highest", l.highest, "vacant", vacant)
	l.s.setState(State{Phase: PhaseStandby, Err: ErrNotPrimary, Highest: l.highest, Vacant: vacant})
	if vacant && l.s.o.TakeOver && !l.id.IsZero() {
		// Only this stream takes the raised id: where two clients do so at
		// once, the device cuts the later one off (section 5.3), which then
		// returns under its own id.
		return l.arbitrate(l.highest.Next())
	}
	return nil
}

// begin begins a term.
func (l *life) begin() {
	l.retry = nil
	l.s.setState(State{Phase: PhasePreparing, Highest: l.highest})
	t := &term{began: time.Now(), settled: make(chan struct{}), done: make(chan error, 1)}
	t.ctx, t.end = context.WithCancelCause(l.ctx)
	l.term = t
	r := &Ready{s: l.s, st: l.st, id: l.id, end: t.end}
	go func() { t.done <- t.run(r, l.ready) }()
}

func (t *term) run(r *Ready, ready func(context.Context, *Ready) error) error {
	if err := r.settlePipeline(t.ctx); err != nil {
		return err
	}
	select {
	case t.settled <- struct{}{}:
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	}
	r.s.n.terms.Add(1)
	if err := ready(t.ctx, r); err != nil {
		return err
	}
	<-t.ctx.Done() // goroutines that the func has left behind may rely on it
	return context.Cause(t.ctx)
}

// ended deals with the end of a term.
func (l *life) ended(err error) error {
	t, cause := l.term, context.Cause(l.term.ctx)
	l.term = nil
	switch {
	case !l.primary || l.ctx.Err() != nil: // it was told to end
		return nil
	case cause != nil: // it lost its pipeline, or has regained the primacy by now
		err = cause
	case unreachable(err):
		return err
	}
	t.end(err)
	l.s.o.Log.Warn("term ended", "err", err)
	l.s.setState(State{Phase: PhasePreparing, Err: err, Highest: l.highest})
	if time.Since(t.began) > l.s.o.MaxBackoff {
		l.backoff.Reset()
	}
	l.retry = time.After(l.backoff.Next())
	return nil
}

// unreachable tells a device that cannot be reached, so that its stream is no
// good either, from one that answers with a refusal.
func unreachable(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}
