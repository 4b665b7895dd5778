package p4rt

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff spaces out attempts at something that keeps failing: each wait is
// twice the one before, from Min up to Max, less a random part of up to a half
// so that many sessions that failed together do not return together.
type Backoff struct {
	Min, Max time.Duration
	next     time.Duration
}

// Next returns how long to wait before the next attempt.
func (b *Backoff) Next() time.Duration {
	d := max(b.next, b.Min)
	b.next = min(2*d, b.Max)
	if d > 1 {
		d -= rand.N(d / 2)
	}
	return d
}

// Reset starts again from Min, after a success.
func (b *Backoff) Reset() { b.next = 0 }

// Wait waits for Next or until ctx ends, whose cause it then returns.
func (b *Backoff) Wait(ctx context.Context) error {
	t := time.NewTimer(b.Next())
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
