package device

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/tables"
)

// reconciler brings a device from what it holds to what is wanted. It lives as
// long as the device's Run, so that a new term can tell what was lost since the
// last one, and is used by one goroutine at a time.
type reconciler struct {
	d       *Device
	backoff p4rt.Backoff

	loaded   bool
	revision uint64                   // that want stands for
	want     map[string]tables.Entity // desired, as last taken

	have   map[string]tables.Entity // what we believe the device holds; nil before the first read-back
	used   usage                    // by what is in have
	unsure map[string]bool          // have may be wrong about these: a request about them failed as a whole
	odd    []error
	wrong  bool // an answer of the device contradicts have

	dirty  map[string]bool // have may differ from want here
	failed map[string]Failure
	before map[string]Failure // failed before this pass, of what it is about
}

func newReconciler(d *Device) *reconciler {
	return &reconciler{
		d:       d,
		backoff: p4rt.Backoff{Min: d.o.MinRetry, Max: d.o.MaxRetry},
		want:    make(map[string]tables.Entity),
		unsure:  make(map[string]bool),
		dirty:   make(map[string]bool),
		failed:  make(map[string]Failure),
	}
}

// run reconciles for one term.
func (rec *reconciler) run(ctx context.Context, r *p4rt.Ready) error {
	d := rec.d
	if r.Cleared && rec.have != nil {
		d.log.Info("the new pipeline has cleared the tables", "entities", len(rec.have))
		rec.have = make(map[string]tables.Entity)
		rec.distrust()
	}
	audit := time.NewTicker(d.o.Audit)
	defer audit.Stop()
	var retry <-chan time.Time
	readBack := true
	for {
		rec.take()
		if readBack && (rec.loaded || d.o.Found != nil) {
			found, err := d.readBack(ctx, r)
			if err != nil {
				return err
			}
			if !rec.loaded {
				d.o.Found(d.foreign(found))
				rec.take()
			}
			if rec.loaded {
				rec.adopt(found)
				readBack = false
			}
		}
		if err := rec.pass(ctx, r); err != nil {
			return err
		}
		switch {
		case !rec.retriable():
			rec.backoff.Reset()
			retry = nil
		case retry == nil:
			retry = time.After(rec.backoff.Next())
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-d.changed:
		case <-audit.C:
			readBack = true
		case <-d.audit:
			readBack = true
		case <-retry:
			retry = nil
			readBack = rec.wrong
			for key := range rec.failed {
				rec.dirty[key] = true
			}
		}
		if readBack {
			if err := r.CheckPipeline(ctx); err != nil {
				return err
			}
		}
	}
}

// take takes over what has changed in the desired state.
func (rec *reconciler) take() {
	d := rec.d
	d.mu.Lock()
	defer d.mu.Unlock()
	rec.loaded, rec.revision = d.loaded, d.revision
	for key, e := range d.pending {
		if e == nil {
			delete(rec.want, key)
		} else {
			rec.want[key] = e
		}
		rec.dirty[key] = true
	}
	clear(d.pending)
}

// distrust withdraws the watermark: the tables no longer reflect what they did.
func (rec *reconciler) distrust() {
	d := rec.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.status.Watermark > 0 {
		d.status.Watermark = 0
		d.publish()
	}
}

// adopt replaces what we believe by what the device says, and reports the
// difference.
func (rec *reconciler) adopt(found *contents) {
	d := rec.d
	for key, e := range rec.have {
		if slices.ContainsFunc(found.unread, func(holds func(tables.Entity) bool) bool { return holds(e) }) {
			found.entities[key] = e
		}
	}
	maps.DeleteFunc(found.entities, func(key string, e tables.Entity) bool {
		return rec.want[key] == nil && rec.have[key] == nil && d.programs(e)
	})
	rec.report(found.entities)
	rec.have, rec.odd, rec.wrong = found.entities, found.odd, false
	rec.used = usageOf(rec.have)
	clear(rec.unsure)
	clear(rec.dirty)
	for u := range d.diff(rec.have, rec.want) {
		rec.dirty[u.Entity.Key()] = true
	}
	maps.DeleteFunc(rec.failed, func(key string, _ Failure) bool { return !rec.dirty[key] })

	d.mu.Lock()
	d.status.Audited = time.Now()
	d.mu.Unlock()
}

// report tells where the device differs from what we believed, or, before there
// is anything to believe, what is there that nobody wants.
func (rec *reconciler) report(found map[string]tables.Entity) {
	if rec.have == nil {
		for u := range rec.d.diff(found, rec.want) {
			if u.Op == tables.Delete {
				rec.differs(Foreign, u.Entity)
			}
		}
		return
	}
	kinds := map[tables.Op]DifferenceKind{tables.Insert: Missing, tables.Modify: Changed, tables.Delete: Foreign}
	for u := range rec.d.diff(found, rec.have) {
		if !rec.unsure[u.Entity.Key()] {
			rec.differs(kinds[u.Op], u.Entity)
			rec.distrust()
		}
	}
}

func (rec *reconciler) differs(kind DifferenceKind, e tables.Entity) {
	d := rec.d
	text := d.schema.Text(e)
	d.n.differences[kind].Add(1)
	d.log.Warn("device differs", "kind", kind, "entity", text)
	if d.o.Repair != nil {
		d.o.Repair(Difference{Kind: kind, Text: text})
	}
}

// pass does what can be done about what is dirty. Its error ends the term.
func (rec *reconciler) pass(ctx context.Context, r *p4rt.Ready) error {
	if !rec.loaded {
		rec.publish(ctx, Syncing, "waiting for a first desired state")
		return nil
	}
	goal := rec.admit()
	clear(rec.dirty)
	for more := true; more; {
		rec.hold(goal)
		batches := rec.plan(goal)
		if len(batches) > 0 {
			rec.publish(ctx, Syncing)
		}
		for _, batch := range batches {
			for _, u := range batch { // also what goes for a moment only, to come back
				key := u.Entity.Key()
				if _, ok := goal[key]; !ok {
					goal[key] = rec.have[key]
				}
			}
		}
		var err error
		if more, err = rec.writeAll(ctx, r, batches); err != nil {
			return err
		}
		for key := range rec.failed { // later batches may not count on it
			if _, ok := goal[key]; ok {
				goal[key] = rec.have[key]
			}
		}
	}
	rec.conclude(ctx)
	return nil
}

// plan returns the batches that turn what the device holds into goal, which has
// an entry, maybe nil, for each dirty key.
//
// Where tables have room enough for all that comes before anything goes, what
// is not dirty does not matter to the order, so a small change to large tables
// is planned alone.
func (rec *reconciler) plan(goal map[string]tables.Entity) []tables.Batch {
	have, want := make(map[string]tables.Entity, len(goal)), make(map[string]tables.Entity, len(goal))
	if rec.tight(goal) {
		have, want = rec.have, maps.Clone(rec.have)
	}
	for key, e := range goal {
		if old := rec.have[key]; old != nil {
			have[key] = old
		}
		if e != nil {
			want[key] = e
		} else {
			delete(want, key)
		}
	}
	return rec.d.schema.Plan(values(have), values(want), tables.PlanOptions{})
}

// writeAll writes the batches until an update is refused, and reports whether
// that has left some unwritten.
func (rec *reconciler) writeAll(ctx context.Context, r *p4rt.Ready, batches []tables.Batch) (more bool, err error) {
	for i, batch := range batches {
		failed := len(rec.failed)
		if err := rec.write(ctx, r, batch); err != nil {
			return false, err
		}
		if len(rec.failed) > failed && i < len(batches)-1 {
			return true, nil
		}
	}
	return false, nil
}

// write writes one batch and learns from the answer.
func (rec *reconciler) write(ctx context.Context, r *p4rt.Ready, batch tables.Batch) error {
	d := rec.d
	updates := make([]*p4v1.Update, 0, len(batch))
	sent := make(tables.Batch, 0, len(batch))
	for _, u := range batch {
		pe, err := d.schema.Encode(u.Entity)
		if err != nil { // Canonical has passed it: a fault of ours, but no reason to stop
			rec.fail(u, err)
			continue
		}
		updates = append(updates, &p4v1.Update{Type: p4v1.Update_Type(u.Op), Entity: pe})
		sent = append(sent, u)
	}
	err := r.Write(ctx, updates...)
	var we *p4rt.WriteError
	switch {
	case err == nil:
		for _, u := range sent {
			rec.did(u)
		}
		return nil
	case !errors.As(err, &we):
		rec.leave(sent)
		return err
	}
	refused := we.Failed
	for i, u := range sent[:we.Tried] {
		if len(refused) > 0 && refused[0].Index == i {
			rec.refused(u, refused[0])
			refused = refused[1:]
		} else {
			rec.did(u)
		}
	}
	if we.Err != nil {
		rec.leave(sent[we.Tried:])
		return err
	}
	return nil
}

// did takes note of an update that was done.
func (rec *reconciler) did(u tables.Update) {
	key := u.Entity.Key()
	rec.d.n.done[u.Op].Add(1)
	rec.used.add(rec.have[key], -1)
	delete(rec.have, key)
	if u.Op != tables.Delete && !rec.d.untouched(u.Entity) {
		rec.used.add(u.Entity, 1)
		rec.have[key] = u.Entity
	}
}

// leave takes note of updates of which we do not know whether they were done.
func (rec *reconciler) leave(batch tables.Batch) {
	for _, u := range batch {
		rec.unsure[u.Entity.Key()] = true
	}
}

// refused takes note of an update that the device refused.
func (rec *reconciler) refused(u tables.Update, err *p4rt.UpdateError) {
	switch {
	case u.Op == tables.Delete && err.Code == codes.NotFound:
		rec.differs(Missing, u.Entity) // gone without us, which is as good
		rec.did(u)
		return
	case u.Op == tables.Insert && err.Code == codes.AlreadyExists,
		u.Op == tables.Modify && err.Code == codes.NotFound:
		rec.wrong = true
	}
	rec.d.n.refused.Add(1)
	rec.fail(u, err)
}

func (rec *reconciler) fail(u tables.Update, err error) {
	key := u.Entity.Key()
	text := u.Op.String() + " " + rec.d.schema.Text(u.Entity)
	rec.failed[key] = Failure{Key: key, Text: text, Err: err, Attempts: rec.before[key].Attempts + 1}
	rec.d.log.Warn("update refused", "update", text, "err", err)
}

// retriable reports whether there is a failure that time may heal.
func (rec *reconciler) retriable() bool {
	for _, f := range rec.failed {
		if f.Attempts > 0 {
			return true
		}
	}
	return false
}

// conclude publishes where a pass has left the device.
func (rec *reconciler) conclude(ctx context.Context) {
	if len(rec.failed) == 0 && len(rec.odd) == 0 {
		rec.publish(ctx, InSync)
		return
	}
	var reasons []string
	for _, f := range rec.failures() {
		reasons = append(reasons, f.reason())
	}
	for _, err := range rec.odd {
		reasons = append(reasons, err.Error())
	}
	rec.publish(ctx, Degraded, reasons...)
}

func (f *Failure) reason() string {
	var u *p4rt.UpdateError
	if errors.As(f.Err, &u) { // says itself what it is about
		return u.Error()
	}
	return f.Text + ": " + f.Err.Error()
}

func (rec *reconciler) failures() []Failure {
	fs := make([]Failure, 0, len(rec.failed))
	for _, key := range slices.Sorted(maps.Keys(rec.failed)) {
		fs = append(fs, rec.failed[key])
	}
	return fs
}

// publish publishes a state, unless the term is over: then the session has the
// say.
func (rec *reconciler) publish(ctx context.Context, s State, reasons ...string) {
	d := rec.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	d.status.State, d.status.Reasons = s, limit(reasons)
	d.status.Held = len(rec.have)
	if s != Syncing {
		d.failures = rec.failures()
		// Changes of this very revision that came meanwhile are not in yet.
		superseded := len(d.pending) > 0 && d.revision == rec.revision
		if len(rec.failed) == 0 && !superseded {
			d.status.Watermark = rec.revision
		}
	}
	d.publish()
}
