package gnmi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyway-nve/keyway/capabilities"
)

// Answer is what is known of a device's support.
type Answer uint8

const (
	// Untold is the answer of a device that has not given one yet.
	Untold Answer = iota
	// Supported is that of a device whose capability is known.
	Supported
	// Unsupported is that of a device that has no such model.
	Unsupported
)

func (a Answer) String() string {
	switch a {
	case Untold:
		return "untold"
	case Supported:
		return "supported"
	case Unsupported:
		return "unsupported"
	}
	return fmt.Sprintf("answer(%d)", uint8(a))
}

// State is what a client knows of a device.
type State struct {
	Answer Answer
	// Capability is what the device said last, if the answer is Supported.
	Capability capabilities.Capability
	// Stale is set while the device does not say whether the answer still holds.
	Stale bool
	// Told is when the device gave the answer.
	Told time.Time
	// Err is why the answer is stale, unsupported or untold.
	Err error
}

// Watch follows a device until ctx ends, whose cause it returns. It calls report with each state that is another than the one before,
// never twice at once. Attempts that fail leave the last answer standing, marked stale, and are repeated with growing waits.
func (c *Client) Watch(ctx context.Context, report func(State)) error {
	w := watcher{Client: c, report: report}
	for wait := c.o.MinBackoff; ; wait = min(2*wait, c.o.MaxBackoff) {
		w.told = false
		err := w.follow(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w.failed(err)
		if w.told {
			wait = c.o.MinBackoff
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait - rand.N(wait/2+1)): // so that a fleet that was lost together does not return together
		}
	}
}

type watcher struct {
	*Client
	report   func(State)
	state    State
	reported bool
	told     bool // in this attempt
	// read is the answer that state.Capability was read from. Reading takes long, and most answers say nothing new.
	read digest
}

// follow asks the device and asks again whenever it says that something has changed. Only the answer to a question is taken: leaves come
// one at a time, and half of a change is no capability.
func (w *watcher) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opening, stop := context.WithTimeout(ctx, w.o.Timeout)
	defer stop()
	encoding, err := w.supports(opening)
	if err != nil {
		return err
	}
	stream, err := w.subscribe(ctx, w.o.Target, encoding, &gpb.SubscriptionList{Mode: gpb.SubscriptionList_STREAM, UpdatesOnly: true})
	if err != nil {
		return untold(err)
	}
	events := newEvents(stream)
	select {
	case <-events.synced:
	case err := <-events.broken:
		return untold(err)
	case <-opening.Done():
		return untold(fmt.Errorf("no sync response: %w", opening.Err()))
	}
	refresh := time.NewTicker(w.o.Refresh)
	defer refresh.Stop()
	for {
		switch err := w.ask(ctx, encoding); {
		case status.Code(err) == codes.NotFound:
			w.failed(err) // it has answered that it says nothing now; the stream will tell when it does
		case err != nil:
			return err
		}
		select {
		case <-events.changed:
			select {
			case <-time.After(w.o.Settle):
			case <-ctx.Done():
			}
		case <-refresh.C:
		case err := <-events.broken:
			return untold(err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *watcher) ask(ctx context.Context, e gpb.Encoding) error {
	ctx, cancel := context.WithTimeout(ctx, w.o.Timeout)
	defer cancel()
	answer, err := w.fetch(ctx, e)
	if err != nil {
		return err
	}
	d, err := digestOf(answer)
	if err != nil {
		return err
	}
	capability := w.state.Capability
	if w.state.Answer != Supported || d != w.read {
		if capability, err = read(answer); err != nil {
			return err
		}
		w.read = d
	}
	w.told = true
	w.set(State{Answer: Supported, Capability: capability, Told: time.Now()})
	return nil
}

func (w *watcher) failed(err error) {
	if errors.Is(err, ErrUnsupported) {
		w.set(State{Answer: Unsupported, Told: time.Now(), Err: err})
		return
	}
	next := w.state
	next.Err = err
	next.Stale = next.Answer != Untold
	w.set(next)
}

func (w *watcher) set(next State) {
	last := w.state
	w.state = next
	if w.reported && last.Answer == next.Answer && last.Stale == next.Stale && fmt.Sprint(last.Err) == fmt.Sprint(next.Err) &&
		reflect.DeepEqual(last.Capability, next.Capability) {
		return
	}
	w.reported = true
	w.o.Log.Info("capability", "target", w.o.Target, "answer", next.Answer, "stale", next.Stale, "err", next.Err)
	w.report(next)
}

// events are what a stream has to say.
type events struct {
	synced, changed chan struct{}
	broken          chan error
}

// newEvents reads a stream until it breaks or its context ends.
func newEvents(stream gpb.GNMI_SubscribeClient) events {
	e := events{synced: make(chan struct{}, 1), changed: make(chan struct{}, 1), broken: make(chan error, 1)}
	go func() {
		for {
			r, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				e.broken <- err
				return
			}
			c := e.changed
			if r.GetSyncResponse() {
				c = e.synced
			}
			select {
			case c <- struct{}{}:
			default: // there is one to be read already
			}
		}
	}()
	return e
}
