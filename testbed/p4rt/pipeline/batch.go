package pipeline

import (
	"errors"
	"slices"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// journal remembers how to undo the updates of a batch that is all or none. A
// nil journal is that of a batch that goes on whatever happens.
type journal struct {
	undos    []func() error
	releases []func() error
}

func (j *journal) undo(f func() error) { j.undos = append(j.undos, f) }

// release gives up what an update has replaced: at once if there is no way
// back, otherwise when the batch has succeeded.
func (j *journal) release(f func() error) error {
	if j == nil {
		return f()
	}
	j.releases = append(j.releases, f)
	return nil
}

func (j *journal) rollback() error {
	var faults []error
	for _, f := range slices.Backward(j.undos) {
		faults = append(faults, f())
	}
	return errors.Join(faults...)
}

func (j *journal) commit() error {
	var faults []error
	for _, f := range j.releases {
		faults = append(faults, f())
	}
	return errors.Join(faults...)
}

// errAborted is the outcome of an update that was undone, or not tried,
// because another of its batch failed.
var errAborted = refusal.New(codes.Aborted, "another update of the batch failed")

// Write applies a batch in order and returns one outcome for each update
// (section 12). allow may refuse an update; nil allows all. In the modes that
// are all or none the first failure undoes what came before it, and every
// other update reports ABORTED; in DATAPLANE_ATOMIC no packet is processed
// from the first update to the last, or to the end of the rollback.
func (p *Pipeline) Write(updates []*p4v1.Update, mode p4v1.WriteRequest_Atomicity, allow func(*p4v1.Update) error) []error {
	outcome := make([]error, len(updates))
	var j *journal
	if mode != p4v1.WriteRequest_CONTINUE_ON_ERROR {
		j = &journal{}
	}
	if mode == p4v1.WriteRequest_DATAPLANE_ATOMIC {
		p.gate.Lock()
		defer p.gate.Unlock()
	}
	for i, u := range updates {
		if allow != nil {
			outcome[i] = allow(u)
		}
		if outcome[i] == nil {
			outcome[i] = p.write(u, j)
		}
		if outcome[i] != nil && j != nil {
			for k := range outcome {
				if k != i {
					outcome[k] = errAborted
				}
			}
			if err := j.rollback(); err != nil {
				outcome[i] = refusal.New(codes.Internal, "%w; rollback: %w", outcome[i], err)
			}
			return outcome
		}
	}
	if j != nil {
		if err := j.commit(); err != nil {
			p.opts.Log.Error("release after a batch", "err", err)
		}
	}
	return outcome
}

// write applies one update.
func (p *Pipeline) write(u *p4v1.Update, j *journal) error {
	op := u.GetType()
	switch op {
	case p4v1.Update_INSERT, p4v1.Update_MODIFY, p4v1.Update_DELETE:
	default:
		return refusal.New(codes.InvalidArgument, "update type %v", op)
	}
	modifyOnly := func(what string, f func() error) error {
		if op != p4v1.Update_MODIFY {
			return refusal.New(codes.InvalidArgument, "%s can only be modified", what)
		}
		return f()
	}
	switch e := u.GetEntity().GetEntity().(type) {
	case *p4v1.Entity_TableEntry:
		return p.writeTable(op, e.TableEntry, j)
	case *p4v1.Entity_ActionProfileMember:
		return p.writeMember(op, e.ActionProfileMember, j)
	case *p4v1.Entity_ActionProfileGroup:
		return p.writeGroup(op, e.ActionProfileGroup, j)
	case *p4v1.Entity_MeterEntry:
		return modifyOnly("a meter", func() error { return p.writeMeter(e.MeterEntry, j) })
	case *p4v1.Entity_DirectMeterEntry:
		return modifyOnly("a direct meter", func() error { return p.writeDirectMeter(e.DirectMeterEntry, j) })
	case *p4v1.Entity_CounterEntry:
		return modifyOnly("a counter", func() error { return p.writeCounter(e.CounterEntry, j) })
	case *p4v1.Entity_DirectCounterEntry:
		return modifyOnly("a direct counter", func() error { return p.writeDirectCounter(e.DirectCounterEntry, j) })
	case *p4v1.Entity_PacketReplicationEngineEntry:
		return p.writeReplication(op, e.PacketReplicationEngineEntry, j)
	case *p4v1.Entity_ValueSetEntry:
		return modifyOnly("a value set", func() error { return p.writeValueSet(e.ValueSetEntry, j) })
	case *p4v1.Entity_RegisterEntry:
		return modifyOnly("a register", func() error { return p.writeRegister(e.RegisterEntry, j) })
	case *p4v1.Entity_DigestEntry:
		return p.writeDigest(op, e.DigestEntry, j)
	case *p4v1.Entity_ExternEntry:
		return refusal.New(codes.Unimplemented, "v1model has no externs that P4Runtime can write")
	}
	return refusal.New(codes.InvalidArgument, "update without entity")
}
