package pipeline

import (
	"bytes"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/p4rt/info"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// readTables reads entries of one table or of all (section 9.1.6).
func (p *Pipeline) readTables(e *p4v1.TableEntry, yield func(*p4v1.Entity)) error {
	emit := func(w *p4v1.TableEntry) {
		yield(&p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: w}})
	}
	if e.GetMeterCounterData() != nil {
		return errMeterCounters
	}
	if e.GetTableId() == 0 {
		if len(e.GetMatch()) > 0 || e.GetAction() != nil || e.GetPriority() != 0 || len(e.GetMetadata()) > 0 ||
			e.GetControllerMetadata() != 0 || e.GetIsDefaultAction() {
			return refusal.New(codes.InvalidArgument, "a read of all tables has no other filter")
		}
		for _, t := range p.Index.Tables {
			if err := p.tables[t.ID].read(p, e, emit); err != nil {
				return err
			}
		}
		return nil
	}
	t, err := p.table(e.GetTableId())
	if err != nil {
		return err
	}
	if !t.IdleTimeout && e.GetTimeSinceLastHit() != nil {
		return refusal.New(codes.InvalidArgument, "table %s: time_since_last_hit, but the table has no idle timeout", t.Name)
	}
	return t.read(p, e, emit)
}

func (t *table) read(p *Pipeline, e *p4v1.TableEntry, emit func(*p4v1.TableEntry)) error {
	keep, err := t.filter(e)
	if err != nil {
		return err
	}
	if e.GetIsDefaultAction() {
		switch {
		case len(e.GetMatch()) > 0 || e.GetPriority() != 0:
			return refusal.New(codes.InvalidArgument, "table %s: the default entry has no match and no priority", t.Name)
		case e.GetTimeSinceLastHit() != nil:
			return refusal.New(codes.InvalidArgument, "table %s: the default entry has no idle timeout", t.Name)
		}
		if keep(t.def) {
			emit(t.def)
		}
		return nil
	}
	now := time.Since(p.start)
	show := func(found *entry) error {
		if !keep(found.wire) {
			return nil
		}
		w, err := t.decorate(found, e, now)
		if err == nil {
			emit(w)
		}
		return err
	}
	if len(e.GetMatch()) == 0 {
		for _, found := range t.entries.all() {
			if err := show(found); err != nil {
				return err
			}
		}
		return nil
	}
	k, err := t.matchOnly(e)
	if err != nil {
		return err
	}
	if !t.NeedsPriority || e.GetPriority() != 0 {
		if found, ok := t.entries.get(k.ID); ok {
			return show(found)
		}
		return nil
	}
	for id, found := range t.entries.all() {
		if id[info.PrioritySize:] != k.ID[info.PrioritySize:] {
			continue
		}
		if err := show(found); err != nil {
			return err
		}
	}
	return nil
}

// matchOnly returns the key that a read gives; the priority may be left out.
func (t *table) matchOnly(e *p4v1.TableEntry) (info.Key, error) {
	priority := e.GetPriority()
	if t.NeedsPriority && priority == 0 {
		priority = 1
	}
	return t.Key(&p4v1.TableEntry{Match: e.GetMatch(), Priority: priority})
}

// filter returns whether an entry is selected by what a read says beside its
// match.
func (t *table) filter(e *p4v1.TableEntry) (func(*p4v1.TableEntry) bool, error) {
	action := e.GetAction().GetAction().GetActionId()
	switch {
	case action != 0 && t.profile == nil:
		if !t.HasAction(action) {
			return nil, refusal.New(codes.InvalidArgument, "table %s: no action with id %#08x", t.Name, action)
		}
	case e.GetAction() != nil && len(e.GetMatch()) == 0:
		return nil, refusal.New(codes.InvalidArgument, "table %s: only the action id of a direct table can be a filter", t.Name)
	default:
		// Clients of bmv2 read an entry with what they wrote, of which the
		// match says enough.
		action = 0
	}
	if e.GetPriority() < 0 {
		return nil, refusal.New(codes.InvalidArgument, "table %s: priority %d", t.Name, e.GetPriority())
	}
	return func(w *p4v1.TableEntry) bool {
		return (action == 0 || w.GetAction().GetAction().GetActionId() == action) &&
			(e.GetPriority() == 0 || w.GetPriority() == e.GetPriority()) &&
			(len(e.GetMetadata()) == 0 || bytes.Equal(w.GetMetadata(), e.GetMetadata())) &&
			(e.GetControllerMetadata() == 0 || w.GetControllerMetadata() == e.GetControllerMetadata())
	}, nil
}

// decorate adds the direct resources that a read asks for, as far as the table
// has them (section 9.1.7).
func (t *table) decorate(found *entry, asked *p4v1.TableEntry, now time.Duration) (*p4v1.TableEntry, error) {
	counter := asked.GetCounterData() != nil && t.Counter != nil
	meter := asked.GetMeterConfig() != nil && found.meter != nil
	idle := asked.GetTimeSinceLastHit() != nil && t.IdleTimeout
	if !counter && !meter && !idle {
		return found.wire, nil
	}
	w := found.wire
	w = &p4v1.TableEntry{
		TableId:            w.TableId,
		Match:              w.Match,
		Action:             w.Action,
		Priority:           w.Priority,
		ControllerMetadata: w.ControllerMetadata,
		Metadata:           w.Metadata,
		IdleTimeoutNs:      w.IdleTimeoutNs,
		IsConst:            w.IsConst,
	}
	var err error
	if counter {
		if w.CounterData, err = t.counter(found); err != nil {
			return nil, err
		}
	}
	if meter {
		w.MeterConfig = found.meter
	}
	if idle {
		hit, err := t.eng.LastHit(found.handle)
		if err != nil {
			return nil, code(err)
		}
		w.TimeSinceLastHit = &p4v1.TableEntry_IdleTimeout{ElapsedNs: int64(max(0, now-hit))}
	}
	return w, nil
}

// directs calls yield for the entries that the read of a direct resource
// selects: those of all tables that have it, of one, or the entry with a key.
func (p *Pipeline) directs(e *p4v1.TableEntry, what string, has func(*table) bool, yield func(*table, *entry) error) error {
	if e.GetIsDefaultAction() {
		return errDefaultDirect
	}
	tables, err := chosen(e.GetTableId(), p.Index.Tables, p.Index.Table)
	if err != nil {
		return err
	}
	if e.GetTableId() == 0 && (len(e.GetMatch()) > 0 || e.GetPriority() != 0) {
		return refusal.New(codes.InvalidArgument, "a read of the %ss of all tables has no other filter", what)
	}
	for _, it := range tables {
		t := p.tables[it.ID]
		if !has(t) {
			if e.GetTableId() != 0 {
				return refusal.New(codes.InvalidArgument, "table %s has no %s", t.Name, what)
			}
			continue
		}
		if len(e.GetMatch()) > 0 {
			_, found, err := p.direct(e)
			if err != nil {
				return err
			}
			return yield(t, found)
		}
		for _, found := range t.entries.all() {
			if e.GetPriority() != 0 && found.wire.GetPriority() != e.GetPriority() {
				continue
			}
			if err := yield(t, found); err != nil {
				return err
			}
		}
	}
	return nil
}

// keyOf returns the key fields of an entry.
func keyOf(e *entry) *p4v1.TableEntry {
	return &p4v1.TableEntry{TableId: e.wire.GetTableId(), Match: e.wire.GetMatch(), Priority: e.wire.GetPriority()}
}

func (p *Pipeline) readDirectCounters(e *p4v1.DirectCounterEntry, yield func(*p4v1.Entity)) error {
	has := func(t *table) bool { return t.Counter != nil }
	return p.directs(e.GetTableEntry(), "direct counter", has, func(t *table, found *entry) error {
		data, err := t.counter(found)
		if err != nil {
			return err
		}
		yield(&p4v1.Entity{Entity: &p4v1.Entity_DirectCounterEntry{DirectCounterEntry: &p4v1.DirectCounterEntry{
			TableEntry: keyOf(found), Data: data}}})
		return nil
	})
}

func (p *Pipeline) readDirectMeters(e *p4v1.DirectMeterEntry, yield func(*p4v1.Entity)) error {
	if e.GetCounterData() != nil {
		return errMeterCounters
	}
	has := func(t *table) bool { return t.Meter != nil }
	return p.directs(e.GetTableEntry(), "direct meter", has, func(t *table, found *entry) error {
		yield(&p4v1.Entity{Entity: &p4v1.Entity_DirectMeterEntry{DirectMeterEntry: &p4v1.DirectMeterEntry{
			TableEntry: keyOf(found), Config: found.meter}}})
		return nil
	})
}

// expiry is an entry that has not been hit for its time to live.
type expiry struct {
	table  string
	handle engine.Handle
}

// Sweep looks for entries that have not been hit for their time to live, and
// returns one notification that has them all, or nil (section 16.4). The
// engine starts their time anew. No write may run meanwhile.
func (p *Pipeline) Sweep() *p4v1.IdleTimeoutNotification {
	p.expired = p.expired[:0]
	p.sw.Sweep()
	var n *p4v1.IdleTimeoutNotification
	for _, x := range p.expired {
		t := p.byName[x.table]
		if t == nil || t.byHandle[x.handle] == nil {
			continue
		}
		if n == nil {
			n = &p4v1.IdleTimeoutNotification{Timestamp: time.Now().UnixNano()}
		}
		w := t.byHandle[x.handle].wire
		n.TableEntry = append(n.TableEntry, &p4v1.TableEntry{
			TableId:            w.GetTableId(),
			Match:              w.GetMatch(),
			Priority:           w.GetPriority(),
			ControllerMetadata: w.GetControllerMetadata(),
			Metadata:           w.GetMetadata(),
			IdleTimeoutNs:      w.GetIdleTimeoutNs(),
		})
	}
	return n
}
