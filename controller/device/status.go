package device

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/keyway-nve/keyway/controller/p4rt"
)

// State is how a device stands to what is wanted of it.
type State int

const (
	// Connecting: the device has not been reached yet, or is lost.
	Connecting State = iota
	// Standby: another controller is primary, or none is.
	Standby
	// Syncing: on the way to the desired state, or waiting for a first one.
	Syncing
	// InSync: the tables are as desired.
	InSync
	// Degraded: all is done that can be done now, and something is missing.
	Degraded
)

var stateNames = [...]string{"connecting", "standby", "syncing", "in sync", "degraded"}

// String returns the state in lower case.
func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return fmt.Sprintf("State(%d)", int(s))
	}
	return stateNames[s]
}

// Status is a device's state at one moment.
type Status struct {
	State State
	// Reasons says why the state is no better, by name; at most 16 and then a
	// line that counts the rest. Device.Failures has all that concern entities.
	Reasons []string
	// Revision is the desired state's. Watermark is the highest revision that
	// the tables reflect in full: 0 at first, and again as soon as a read-back
	// shows that entries are lost or have changed, until they are repaired.
	Revision, Watermark uint64
	// Wanted counts the desired entities, Held those on the device by the last
	// account of it.
	Wanted, Held int
	// Audited is when the device was last read back, zero before.
	Audited time.Time
}

// Failure is an entity that the device does not hold as desired.
type Failure struct {
	Key  string
	Text string // what was to be done, by the program's names
	// Err is a *p4rt.UpdateError, or wraps ErrNoRoom or ErrHeld.
	Err error
	// Attempts is how often it was written in vain; 0 when it was refused
	// before the write.
	Attempts int
}

// Difference is something that a read-back found to be other than believed.
type Difference struct {
	Kind DifferenceKind
	Text string // the entity as it should be, or for Foreign as it was found
}

// DifferenceKind is in what way an entity differs.
type DifferenceKind int

const (
	// Missing: it was written, and is there no more.
	Missing DifferenceKind = iota
	// Changed: somebody has changed it.
	Changed
	// Foreign: nobody here wants it. After a restart of the controller that
	// includes what the one before it wanted and this one does not.
	Foreign
)

// String returns the kind in lower case.
func (k DifferenceKind) String() string {
	return [...]string{"missing", "changed", "foreign"}[min(max(k, 0), 2)]
}

// Stats counts what a device's reconciler has done.
type Stats struct {
	Session p4rt.Stats

	Audits   uint64 // read-backs
	Inserts  uint64 // done
	Modifies uint64
	Deletes  uint64
	Refused  uint64 // updates that the device refused
	NoRoom   uint64 // entities that were left out since their table is full
	Missing  uint64 // differences found, by kind
	Changed  uint64
	Foreign  uint64
}

// meters is Stats while it is being counted.
type meters struct {
	audits, refused, noRoom atomic.Uint64
	done                    [4]atomic.Uint64 // by tables.Op
	differences             [3]atomic.Uint64 // by DifferenceKind
}

// Stats returns what has been counted so far.
func (d *Device) Stats() Stats {
	n := &d.n
	return Stats{
		Session:  d.session.Stats(),
		Audits:   n.audits.Load(),
		Inserts:  n.done[1].Load(),
		Modifies: n.done[2].Load(),
		Deletes:  n.done[3].Load(),
		Refused:  n.refused.Load(),
		NoRoom:   n.noRoom.Load(),
		Missing:  n.differences[Missing].Load(),
		Changed:  n.differences[Changed].Load(),
		Foreign:  n.differences[Foreign].Load(),
	}
}

// Status returns the present status.
func (d *Device) Status() Status {
	s, _ := d.current()
	return s
}

func (d *Device) current() (Status, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status, d.published
}

// Failures returns the entities that the device does not hold as desired, in
// the order of their keys.
func (d *Device) Failures() []Failure {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.failures)
}

// Watch yields the present status and then each new one, until ctx ends. A
// reader that is slow misses what was in between.
func (d *Device) Watch(ctx context.Context) iter.Seq[Status] {
	return func(yield func(Status) bool) {
		for {
			s, next := d.current()
			if !yield(s) {
				return
			}
			select {
			case <-next:
			case <-ctx.Done():
				return
			}
		}
	}
}

// Await returns the first status for which ok holds, or the last one with ctx's
// cause.
func (d *Device) Await(ctx context.Context, ok func(Status) bool) (Status, error) {
	var last Status
	for last = range d.Watch(ctx) {
		if ok(last) {
			return last, nil
		}
	}
	return last, context.Cause(ctx)
}

// publish tells the watchers that d.status has changed. d.mu is held.
func (d *Device) publish() {
	close(d.published)
	d.published = make(chan struct{})
}

// onState follows the session until it is ready, when the reconciler takes
// over.
func (d *Device) onState(s p4rt.State) {
	if s.Phase == p4rt.PhaseReady {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.status.Reasons = nil
	if s.Err != nil {
		d.status.Reasons = []string{s.Err.Error()}
	}
	switch s.Phase {
	case p4rt.PhaseConnecting:
		d.status.State = Connecting
	case p4rt.PhaseStandby:
		d.status.State = Standby
		who := "another controller is primary"
		if s.Vacant {
			who = "no controller is primary"
		}
		d.status.Reasons = []string{fmt.Sprintf("%s; highest election id %v", who, s.Highest)}
	default:
		d.status.State = Syncing
		if s.Err != nil {
			d.status.State = Degraded
		}
	}
	d.publish()
}

// limit cuts reasons to what a status may hold.
func limit(reasons []string) []string {
	const most = 16
	if len(reasons) <= most {
		return reasons
	}
	return append(slices.Clip(reasons[:most]), fmt.Sprintf("and %d more", len(reasons)-most))
}
