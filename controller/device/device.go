// Package device keeps one device's tables as they are wanted.
//
// A Device owns a P4Runtime session and a desired state. Whenever the session
// is ready it reads back what the device holds, plans the way from there to the
// desired state, writes it, and from then on follows each change. It reads back
// again from time to time: what differs from what it believes is repaired and
// reported. What the device's tables have no room for is refused before it is
// written, and what the device refuses is tried again; either leaves the device
// degraded, with the reasons by name.
package device

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/tables"
)

var (
	// ErrStale is returned for a desired state that is older than the present
	// one.
	ErrStale = errors.New("older than the desired state")
	// ErrUnloaded is returned for a change to a desired state that was never
	// set.
	ErrUnloaded = errors.New("no desired state to change")
	// ErrNotReady is returned for what needs the primacy while we lack it.
	ErrNotReady = errors.New("device is not ready")
	// ErrNoRoom is the reason why an entity was left out: its table is full.
	ErrNoRoom = errors.New("no room")
)

// Options configures a Device. Session.Pipeline is required; the zero value of
// every other field is a good default.
type Options struct {
	// Session is the P4Runtime session's part. Its Describe is set by New, and
	// its Log is the device's as well.
	Session p4rt.Options
	// Audit is the time between two read-backs. Default 1 min.
	Audit time.Duration
	// MinRetry and MaxRetry bound the wait before what the device refused is
	// tried again. Defaults 500 ms and 1 min.
	MinRetry, MaxRetry time.Duration

	// PacketIn is called for each packet that the device punts, one after the
	// other. While it runs others queue up (p4rt.Options.Queue). This handler
	// and the next two must return when their context ends, as it does with
	// the session's term.
	PacketIn func(context.Context, *p4v1.PacketIn)
	// Digest is called for each digest list, which is then acknowledged.
	Digest func(context.Context, *p4v1.DigestList)
	// IdleTimeout is called when entries have not been hit for a while.
	IdleTimeout func(context.Context, *p4v1.IdleTimeoutNotification)
	// Found is called with what the device holds, as long as no desired state is
	// set, when a session is ready: what a controller before this one has left.
	// It may set the desired state. It must not block.
	Found func([]tables.Entity)
	// Repair is called for each difference that a read-back found, before it is
	// repaired. It must not block.
	Repair func(Difference)
}

// A Device is one device and what it shall hold. Its methods may be used by
// several goroutines.
type Device struct {
	o       Options
	log     *slog.Logger
	schema  *tables.Schema
	session *p4rt.Session
	refs    graph
	n       meters

	changed chan struct{} // tells the reconciler that pending is not empty
	audit   chan struct{} // asks it for a read-back

	mu        sync.Mutex
	loaded    bool
	revision  uint64
	desired   map[string]tables.Entity
	pending   map[string]tables.Entity // changes of desired not taken yet; nil is a removal
	ready     *p4rt.Ready              // nil out of term
	status    Status
	failures  []Failure
	published chan struct{} // closed, and replaced, at each new status
}

// New makes a device over conn, which stays the caller's and should have been
// made with Session.DialOptions. It fails on a P4Info that contradicts itself.
func New(conn grpc.ClientConnInterface, o Options) (*Device, error) {
	d, err := newDevice(&o)
	if err != nil {
		return nil, err
	}
	d.session = p4rt.New(conn, o.Session)
	return d, nil
}

// Dial makes a device over a connection of its own: see p4rt.Dial.
func Dial(target string, o Options, more ...grpc.DialOption) (*Device, error) {
	d, err := newDevice(&o)
	if err != nil {
		return nil, err
	}
	d.session, err = p4rt.Dial(target, o.Session, more...)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func newDevice(o *Options) (*Device, error) {
	if o.Session.Name == "" {
		o.Session.Name = fmt.Sprintf("device %d", o.Session.DeviceID)
	}
	if o.Session.Pipeline == nil {
		return nil, fmt.Errorf("%s: %w", o.Session.Name, p4rt.ErrNoPipeline)
	}
	schema, err := tables.NewSchema(o.Session.Pipeline.Info)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Session.Name, err)
	}
	setDefault(&o.Audit, time.Minute)
	setDefault(&o.MinRetry, 500*time.Millisecond)
	setDefault(&o.MaxRetry, max(time.Minute, o.MinRetry))
	d := &Device{
		schema:    schema,
		refs:      newGraph(schema),
		log:       o.Session.Log,
		changed:   make(chan struct{}, 1),
		audit:     make(chan struct{}, 1),
		desired:   make(map[string]tables.Entity),
		pending:   make(map[string]tables.Entity),
		published: make(chan struct{}),
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.log = d.log.With("device", o.Session.Name)
	o.Session.Describe = d.describe
	onState := o.Session.OnState
	o.Session.OnState = func(s p4rt.State) {
		d.onState(s)
		if onState != nil {
			onState(s)
		}
	}
	d.o = *o
	return d, nil
}

func setDefault(v *time.Duration, d time.Duration) {
	if *v <= 0 {
		*v = d
	}
}

// Name returns what logs and errors call the device.
func (d *Device) Name() string { return d.o.Session.Name }

// Schema returns the tables of the device's program.
func (d *Device) Schema() *tables.Schema { return d.schema }

// Session returns the device's session, to read from, to ask for its
// capabilities, or to change its election id.
func (d *Device) Session() *p4rt.Session { return d.session }

// Close closes the connection that Dial made. End Run first.
func (d *Device) Close() error { return d.session.Close() }

// Run keeps the session up and the device's tables as desired until ctx ends,
// and then returns its cause.
func (d *Device) Run(ctx context.Context) error {
	rec := newReconciler(d)
	return d.session.Run(ctx, func(ctx context.Context, r *p4rt.Ready) error {
		d.setReady(r)
		defer d.setReady(nil)
		var pumps sync.WaitGroup
		defer pumps.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		d.pump(ctx, &pumps, r)
		return rec.run(ctx, r)
	})
}

func (d *Device) setReady(r *p4rt.Ready) {
	d.mu.Lock()
	d.ready = r
	d.mu.Unlock()
}

// pump hands what the device sends to those who asked for it.
func (d *Device) pump(ctx context.Context, pumps *sync.WaitGroup, r *p4rt.Ready) {
	if d.o.PacketIn != nil {
		pumps.Go(func() { drain(ctx, r.PacketsIn(), d.o.PacketIn) })
	}
	if d.o.IdleTimeout != nil {
		pumps.Go(func() { drain(ctx, r.IdleTimeouts(), d.o.IdleTimeout) })
	}
	if d.o.Digest != nil {
		pumps.Go(func() {
			drain(ctx, r.Digests(), func(ctx context.Context, l *p4v1.DigestList) {
				d.o.Digest(ctx, l)
				if err := r.AckDigest(l); err != nil {
					d.log.Debug("digest not acknowledged", "err", err)
				}
			})
		})
	}
}

func drain[T any](ctx context.Context, queue <-chan T, handle func(context.Context, T)) {
	for {
		select {
		case v := <-queue:
			handle(ctx, v)
		case <-ctx.Done():
			return
		}
	}
}

// PacketOut sends a packet through the device, or returns ErrNotReady.
func (d *Device) PacketOut(p *p4v1.PacketOut) error {
	d.mu.Lock()
	r := d.ready
	d.mu.Unlock()
	if r == nil {
		return fmt.Errorf("%s: packet out: %w", d.Name(), ErrNotReady)
	}
	return r.PacketOut(p)
}

// Audit asks for a read-back now, if the device is ready.
func (d *Device) Audit() { nudge(d.audit) }

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // somebody has done so already
	}
}

// SetDesired replaces the desired state, which stands for all up to revision.
// Nothing is written to a device before its first desired state is set, since
// without it everything there would look superfluous.
//
// Entities need not be canonical. One that the program does not have, or a key
// that comes twice, refuses the whole, with all reasons. A revision below the
// present one is ErrStale; the same one may come again.
func (d *Device) SetDesired(revision uint64, entities []tables.Entity) error {
	state, err := d.canonical(entities)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.loaded && revision < d.revision {
		return d.stale(revision)
	}
	changes := make(map[string]tables.Entity)
	for u := range d.diff(d.desired, state) {
		changes[u.Entity.Key()] = state[u.Entity.Key()]
	}
	for key := range d.desired { // a meter that is as the program leaves it shows in no diff
		if state[key] == nil {
			changes[key] = nil
		}
	}
	d.desired = state
	d.take(revision, changes)
	return nil
}

// Apply changes the desired state: entities are added or replaced, and those
// with the given keys removed; removing what is not there is no fault. Its
// errors are those of SetDesired, and ErrUnloaded before the first of these.
func (d *Device) Apply(revision uint64, put []tables.Entity, remove []string) error {
	changes, err := d.canonical(put)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.loaded:
		return fmt.Errorf("%s: %w", d.Name(), ErrUnloaded)
	case revision < d.revision:
		return d.stale(revision)
	}
	for _, key := range remove {
		if _, both := changes[key]; !both {
			changes[key] = nil
		}
	}
	maps.DeleteFunc(changes, func(key string, e tables.Entity) bool {
		old := d.desired[key]
		if old == nil || e == nil {
			return old == nil && e == nil
		}
		return len(d.schema.Plan([]tables.Entity{old}, []tables.Entity{e}, tables.PlanOptions{})) == 0
	})
	for key, e := range changes {
		if e == nil {
			delete(d.desired, key)
		} else {
			d.desired[key] = e
		}
	}
	d.take(revision, changes)
	return nil
}

func (d *Device) stale(revision uint64) error {
	return fmt.Errorf("%s: revision %d is %w, %d", d.Name(), revision, ErrStale, d.revision)
}

// take hands changes of desired to the reconciler. d.mu is held.
func (d *Device) take(revision uint64, changes map[string]tables.Entity) {
	if revision == d.revision && len(changes) == 0 && d.loaded {
		return
	}
	if len(changes) > 0 && d.status.Watermark >= revision && revision > 0 {
		// The same revision means something else now, which is not there yet.
		d.status.Watermark = revision - 1
	}
	if len(changes) > 0 && d.ready != nil && (d.status.State == InSync || d.status.State == Degraded) {
		d.status.State, d.status.Reasons = Syncing, nil // they spoke of the state before
	}
	d.loaded, d.revision = true, revision
	maps.Copy(d.pending, changes)
	d.status.Revision, d.status.Wanted = revision, len(d.desired)
	d.publish()
	nudge(d.changed)
}

// canonical returns the entities by key, or every reason against them.
func (d *Device) canonical(entities []tables.Entity) (map[string]tables.Entity, error) {
	state := make(map[string]tables.Entity, len(entities))
	var errs []error
	for _, e := range entities {
		c, err := d.schema.Canonical(e)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		key := c.Key()
		if _, twice := state[key]; twice {
			errs = append(errs, fmt.Errorf("%s: %w", key, tables.ErrRepeated))
		}
		state[key] = c
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("%s: %w", d.Name(), errors.Join(errs...))
	}
	return state, nil
}

// diff yields the updates that turn one state into another, in no useful order.
func (d *Device) diff(have, want map[string]tables.Entity) iter.Seq[tables.Update] {
	return func(yield func(tables.Update) bool) {
		for _, batch := range d.schema.Plan(values(have), values(want), tables.PlanOptions{}) {
			for _, u := range batch {
				if !yield(u) {
					return
				}
			}
		}
	}
}

// values returns the state's entities in the order of their keys, so that plans
// are the same each time.
func values(state map[string]tables.Entity) []tables.Entity {
	es := make([]tables.Entity, 0, len(state))
	for _, key := range slices.Sorted(maps.Keys(state)) {
		es = append(es, state[key])
	}
	return es
}

// describe says an entity by name.
func (d *Device) describe(pe *p4v1.Entity) string {
	e, err := d.schema.Decode(pe)
	if err != nil {
		return "{" + pe.String() + "}"
	}
	return d.schema.Text(e)
}
