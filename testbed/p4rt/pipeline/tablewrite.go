package pipeline

import (
	"errors"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/p4rt/info"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

func (p *Pipeline) table(id uint32) (*table, error) {
	t, err := p.Index.Table(id)
	if err != nil {
		return nil, err
	}
	return p.tables[t.ID], nil
}

func (p *Pipeline) writeTable(op p4v1.Update_Type, e *p4v1.TableEntry, j *journal) error {
	t, err := p.table(e.GetTableId())
	if err != nil {
		return err
	}
	if e.GetIsConst() {
		return refusal.New(codes.InvalidArgument, "table %s: is_const in a write", t.Name)
	}
	if e.GetIsDefaultAction() {
		return t.writeDefault(op, e, j)
	}
	k, err := t.Key(e)
	if err != nil {
		return err
	}
	if op == p4v1.Update_DELETE {
		return t.delete(k, j)
	}
	if err := t.checkFields(e); err != nil {
		return err
	}
	if op == p4v1.Update_INSERT {
		return t.insert(k, e, j)
	}
	return t.modify(k, e, j)
}

// checkFields checks what an entry says beside its key and its action
// (sections 9.1.7 and 9.1.8).
func (t *table) checkFields(e *p4v1.TableEntry) error {
	var faults []error
	fault := func(code codes.Code, what string) {
		faults = append(faults, refusal.New(code, "table %s: %s", t.Name, what))
	}
	if !t.IdleTimeout && e.GetIdleTimeoutNs() != 0 {
		fault(codes.InvalidArgument, "idle_timeout_ns, but the table has no idle timeout")
	}
	if e.GetIdleTimeoutNs() < 0 {
		fault(codes.InvalidArgument, "idle_timeout_ns is negative")
	}
	if e.GetTimeSinceLastHit() != nil {
		fault(codes.InvalidArgument, "time_since_last_hit in a write")
	}
	if e.GetCounterData() != nil {
		if t.Counter == nil {
			fault(codes.InvalidArgument, "counter_data, but the table has no direct counter")
		} else if err := checkCounter(e.GetCounterData()); err != nil {
			faults = append(faults, err)
		}
	}
	if e.GetMeterConfig() != nil {
		if t.Meter == nil {
			fault(codes.InvalidArgument, "meter_config, but the table has no direct meter")
		} else if err := checkMeter(t.Meter, e.GetMeterConfig()); err != nil {
			faults = append(faults, err)
		}
	}
	if e.GetMeterCounterData() != nil {
		if t.Meter == nil {
			fault(codes.InvalidArgument, "meter_counter_data, but the table has no direct meter")
		} else {
			faults = append(faults, errMeterCounters)
		}
	}
	return errors.Join(faults...)
}

// canonical returns the entry as it will be read.
func (t *table) canonical(k info.Key, e *p4v1.TableEntry, action *p4v1.TableAction) *p4v1.TableEntry {
	return &p4v1.TableEntry{
		TableId:            t.ID,
		Match:              k.Wire,
		Priority:           k.Priority,
		Action:             action,
		Metadata:           e.GetMetadata(),
		ControllerMetadata: e.GetControllerMetadata(),
		IdleTimeoutNs:      e.GetIdleTimeoutNs(),
	}
}

func (t *table) insert(k info.Key, e *p4v1.TableEntry, j *journal) error {
	if len(t.Fields) == 0 {
		return refusal.New(codes.InvalidArgument, "table %s has no key, only a default entry", t.Name)
	}
	if t.Const {
		return refusal.New(codes.PermissionDenied, "table %s is constant", t.Name)
	}
	target, err := t.target(e.GetAction())
	if err != nil {
		return err
	}
	if _, ok := t.entries.get(k.ID); ok {
		return refusal.New(codes.AlreadyExists, "table %s: entry exists", t.Name)
	}
	// The engine may hold more than the program asks for; P4Info's size is
	// what clients are told, so it is the limit.
	if t.Size > 0 && int64(t.entries.len()) >= t.Size {
		return refusal.New(codes.ResourceExhausted, "table %s is full with %d entries", t.Name, t.Size)
	}
	if err := t.realize(&target, nil); err != nil {
		return err
	}
	n := &entry{wire: t.canonical(k, e, target.wire), meter: e.GetMeterConfig(), set: target.set}
	if err := t.place(k, n, target); err != nil {
		return errors.Join(err, t.drop(n.set))
	}
	if j != nil {
		j.undo(func() error { return errors.Join(t.remove(k, n), t.drop(n.set)) })
	}
	return t.writeDirect(n, e.GetCounterData())
}

func (t *table) modify(k info.Key, e *p4v1.TableEntry, j *journal) error {
	old, ok := t.entries.get(k.ID)
	if t.Const || ok && old.wire.GetIsConst() {
		if err := t.checkConst(e); err != nil {
			return err
		}
	}
	if !ok {
		return refusal.New(codes.NotFound, "table %s: no such entry", t.Name)
	}
	n := &entry{handle: old.handle, meter: e.GetMeterConfig(), set: old.set}
	var target target
	switch {
	case old.wire.GetIsConst():
		n.wire = old.wire
	case e.GetAction() == nil:
		n.wire = t.canonical(k, e, old.wire.GetAction())
	default:
		var err error
		if target, err = t.target(e.GetAction()); err != nil {
			return err
		}
		if err := t.realize(&target, old.set); err != nil {
			return err
		}
		n.wire, n.set = t.canonical(k, e, target.wire), target.set
	}
	if j != nil {
		counter, err := t.counter(old)
		if err != nil {
			return errors.Join(err, t.drop(target.set))
		}
		j.undo(func() error {
			now, _ := t.entries.get(k.ID) // the handle is new if a deletion has been undone
			old.handle = now.handle
			was, err := t.engineTarget(old)
			if err != nil {
				return err
			}
			err = t.replace(k, old, was, counter)
			if n.set != old.set {
				err = errors.Join(err, t.drop(n.set))
			}
			return err
		})
	}
	if err := t.replace(k, n, target, e.GetCounterData()); err != nil {
		return err
	}
	if n.set != old.set {
		return t.release(old.set, j)
	}
	return nil
}

func (t *table) delete(k info.Key, j *journal) error {
	if t.Const {
		return refusal.New(codes.PermissionDenied, "table %s is constant", t.Name)
	}
	old, ok := t.entries.get(k.ID)
	if !ok {
		return refusal.New(codes.NotFound, "table %s: no such entry", t.Name)
	}
	if old.wire.GetIsConst() {
		return refusal.New(codes.PermissionDenied, "table %s: entry is constant", t.Name)
	}
	if j != nil {
		counter, err := t.counter(old)
		if err != nil {
			return err
		}
		j.undo(func() error {
			was, err := t.engineTarget(old)
			if err != nil {
				return err
			}
			return errors.Join(t.place(k, old, was), t.writeDirect(old, counter))
		})
	}
	if err := t.remove(k, old); err != nil {
		return err
	}
	return t.release(old.set, j)
}

// checkConst allows only what may be written to an entry of the program that
// is constant: its direct resources (section 9.1.4).
func (t *table) checkConst(e *p4v1.TableEntry) error {
	denied := func(what string) error {
		return refusal.New(codes.PermissionDenied, "table %s: entry is constant: %s", t.Name, what)
	}
	switch {
	case e.GetAction() != nil:
		return denied("an action may not be given, not even the same")
	case len(e.GetMetadata()) != 0 || e.GetControllerMetadata() != 0:
		return denied("metadata may not be given")
	case e.GetIdleTimeoutNs() != 0:
		return denied("it does not time out")
	case t.Counter == nil && t.Meter == nil:
		return denied("it has no direct resources")
	}
	return nil
}

// place puts an entry into the engine and the books.
func (t *table) place(k info.Key, e *entry, to target) error {
	err := t.refer(to, func() (err error) {
		e.handle, err = t.eng.Insert(t.engineKey(k), enginePriority(k.Priority), to.engine, time.Duration(e.wire.GetIdleTimeoutNs()))
		return code(err)
	})
	if err != nil {
		return err
	}
	t.keep(k.ID, e)
	return nil
}

// refer runs what makes an entry refer to its target.
func (t *table) refer(to target, f func() error) error {
	if to.group == nil {
		return f()
	}
	return t.profile.whole(to.group, f)
}

// remove takes an entry out of the engine and the books.
func (t *table) remove(k info.Key, e *entry) error {
	t.forget(k.ID, e)
	return code(t.eng.Delete(e.handle))
}

// replace changes an entry in the engine and in the books to n. A target that
// is zero leaves the action alone, a nil counter the counter.
func (t *table) replace(k info.Key, n *entry, to target, counter *p4v1.CounterData) error {
	if to.engine != nil {
		if err := t.refer(to, func() error { return code(t.eng.Modify(n.handle, to.engine)) }); err != nil {
			return err
		}
	}
	if t.IdleTimeout {
		if err := t.eng.SetTTL(n.handle, time.Duration(n.wire.GetIdleTimeoutNs())); err != nil {
			return code(err)
		}
	}
	t.keep(k.ID, n)
	return t.writeDirect(n, counter)
}

// writeDirect gives an entry its meter configuration, and its counter a value
// unless that is nil.
func (t *table) writeDirect(e *entry, counter *p4v1.CounterData) error {
	if t.Meter != nil {
		if err := t.eng.SetMeterConfig(e.handle, engineMeter(e.meter)); err != nil {
			return code(err)
		}
	}
	if counter != nil {
		return code(t.eng.SetCounter(e.handle, engineCounter(counter)))
	}
	return nil
}

// counter returns the direct counter of an entry, or nil if the table has none.
func (t *table) counter(e *entry) (*p4v1.CounterData, error) {
	if t.Counter == nil {
		return nil, nil
	}
	c, err := t.eng.Counter(e.handle)
	if err != nil {
		return nil, code(err)
	}
	return wireCounter(t.Counter.Unit, c), nil
}

// writeDefault changes the default entry (section 9.1.3).
func (t *table) writeDefault(op p4v1.Update_Type, e *p4v1.TableEntry, j *journal) error {
	switch {
	case op != p4v1.Update_MODIFY:
		return refusal.New(codes.InvalidArgument, "table %s: the default entry is always there: only MODIFY", t.Name)
	case len(e.GetMatch()) > 0:
		return refusal.New(codes.InvalidArgument, "table %s: the default entry has no match", t.Name)
	case e.GetPriority() != 0:
		return refusal.New(codes.InvalidArgument, "table %s: the default entry has no priority", t.Name)
	case e.GetIdleTimeoutNs() != 0:
		return refusal.New(codes.InvalidArgument, "table %s: the default entry has no idle timeout", t.Name)
	}
	if err := t.checkFields(e); err != nil {
		return err
	}
	if t.ConstDefault {
		return refusal.New(codes.PermissionDenied, "table %s: the default entry is constant", t.Name)
	}
	if e.GetCounterData() != nil || e.GetMeterConfig() != nil {
		return errDefaultDirect
	}
	n := t.initial
	apply := t.eng.ResetDefault
	if e.GetAction() != nil {
		a, ok := e.GetAction().GetType().(*p4v1.TableAction_Action)
		if !ok {
			return refusal.New(codes.InvalidArgument, "table %s: the default entry takes an action", t.Name)
		}
		c, err := t.Action(a.Action, true)
		if err != nil {
			return err
		}
		n = &p4v1.TableEntry{
			TableId:            t.ID,
			IsDefaultAction:    true,
			Action:             direct(c.Wire),
			Metadata:           e.GetMetadata(),
			ControllerMetadata: e.GetControllerMetadata(),
		}
		apply = func() error { return t.eng.SetDefault(engine.ActionCall{Name: c.Name, Args: c.Args}) }
	}
	if j != nil {
		old := t.def
		was, _ := t.eng.Default()
		j.undo(func() error {
			t.def = old
			if was == nil {
				return code(t.eng.ResetDefault())
			}
			return code(t.eng.SetDefault(was))
		})
	}
	if err := apply(); err != nil {
		return code(err)
	}
	t.def = n
	return nil
}

// errDefaultDirect refuses what bmv2 does not have: it counts and meters hits
// only.
var errDefaultDirect = refusal.New(codes.Unimplemented, "the default entry has no direct resources on this target")

// target is what an entry is to do.
type target struct {
	wire   *p4v1.TableAction
	engine engine.Target // nil for an action set until it is realized
	group  *group        // that engine stands for, or nil
	set    *actionSet
}

// target checks the action of an entry (section 9.1.2): its kind must be that
// of the table.
func (t *table) target(a *p4v1.TableAction) (target, error) {
	wrong := func(what string) (target, error) {
		return target{}, refusal.New(codes.InvalidArgument, "table %s: %s", t.Name, what)
	}
	switch v := a.GetType().(type) {
	case *p4v1.TableAction_Action:
		if t.profile != nil {
			return wrong("an action, but the table has an action profile")
		}
		c, err := t.Action(v.Action, false)
		if err != nil {
			return target{}, err
		}
		return target{wire: direct(c.Wire), engine: engine.ActionCall{Name: c.Name, Args: c.Args}}, nil
	case *p4v1.TableAction_ActionProfileMemberId:
		if t.profile == nil {
			return wrong("a member, but the table has no action profile")
		}
		m, err := t.profile.member(v.ActionProfileMemberId)
		if err != nil {
			return target{}, err
		}
		return target{wire: a, engine: m.handle}, nil
	case *p4v1.TableAction_ActionProfileGroupId:
		if t.profile == nil || !t.profile.Selector {
			return wrong("a group, but the table has no action selector")
		}
		g, err := t.profile.group(v.ActionProfileGroupId)
		if err != nil {
			return target{}, err
		}
		return target{wire: a, engine: g.handle, group: g}, nil
	case *p4v1.TableAction_ActionProfileActionSet:
		if t.profile == nil || !t.profile.Selector {
			return wrong("an action set, but the table has no action selector")
		}
		set, err := t.profile.plan(t.Table, v.ActionProfileActionSet)
		if err != nil {
			return target{}, err
		}
		return target{wire: set.wire, set: set}, nil
	}
	return wrong("no action")
}

// engineTarget returns what an entry of the books is to do in the engine, by
// the handles that hold now.
func (t *table) engineTarget(e *entry) (target, error) {
	if e.set != nil {
		return target{engine: e.set.group.handle, group: &e.set.group}, nil
	}
	return t.target(e.wire.GetAction())
}

// realize makes the group of an action set, which takes the place of another one
// unless that is nil.
func (t *table) realize(to *target, old *actionSet) error {
	if to.set == nil {
		return nil
	}
	if err := t.profile.realize(to.set, old); err != nil {
		return err
	}
	to.engine, to.group = to.set.group.handle, &to.set.group
	return nil
}

// drop gives up an action set that no entry has, if there is one.
func (t *table) drop(set *actionSet) error {
	if set == nil {
		return nil
	}
	t.profile.retire(set)
	return t.profile.free(set)
}

// release gives up an action set that an entry had, if there is one. Its place
// in the selector is free at once; what it has in the engine goes when there is
// no way back.
func (t *table) release(set *actionSet, j *journal) error {
	if set == nil {
		return nil
	}
	t.profile.retire(set)
	if j != nil {
		j.undo(func() error { t.profile.enlist(set); return nil })
	}
	return j.release(func() error { return t.profile.free(set) })
}
