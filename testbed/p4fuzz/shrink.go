package p4fuzz

import (
	"context"
	"errors"
	"slices"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"
)

// shrink returns as few steps as it finds in its time that lead to a problem,
// and what that problem is.
func (r *run) shrink(ctx context.Context, steps []Step, what string) ([]Step, string) {
	kept := r.trial.report
	r.trial.report = newReport(r.Seed)
	defer func() { r.trial.report = kept }()
	until := time.Now().Add(r.Shrink)
	gone := false
	fails := func(s []Step) bool {
		if gone || time.Now().After(until) {
			return false
		}
		if err := r.trial.begin(ctx); err != nil {
			gone = true // the problem was the end of the server
			return false
		}
		var p *problem
		if !errors.As(r.replay(ctx, s), &p) {
			return false
		}
		what = p.what
		return true
	}
	// A read of everything comes after each, so that most can be spared.
	steps = fewer(steps, fails)
	for i, s := range steps {
		with := func(n Step) []Step {
			out := slices.Clone(steps)
			out[i] = n
			return out
		}
		if s.Write != nil {
			write := func(us []*p4v1.Update) []Step {
				w := proto.CloneOf(s.Write)
				w.Updates = us
				return with(Step{Write: w})
			}
			steps = write(fewer(s.Write.GetUpdates(), func(us []*p4v1.Update) bool { return fails(write(us)) }))
		} else if s.Read != nil {
			read := func(es []*p4v1.Entity) []Step { return with(Step{Read: r.trial.reading(es...)}) }
			steps = read(fewer(s.Read.GetEntities(), func(es []*p4v1.Entity) bool { return fails(read(es)) }))
		}
	}
	return fewer(steps, fails), what
}

// replay does steps on a device that has just begun.
func (r *run) replay(ctx context.Context, steps []Step) error {
	t := r.trial
	for _, s := range steps {
		if err := t.do(ctx, s); err != nil {
			return err
		}
	}
	return t.readBack(ctx)
}

// fewer removes what can be removed, in halves first, then one by one.
func fewer[T any](all []T, fails func([]T) bool) []T {
	for n := len(all) / 2; n > 0; n /= 2 {
		for at := 0; at < len(all); {
			without := slices.Delete(slices.Clone(all), at, min(at+n, len(all)))
			if fails(without) {
				all = without
			} else {
				at += n
			}
		}
	}
	if len(all) == 1 && fails(nil) {
		return nil
	}
	return all
}
