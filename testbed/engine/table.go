package engine

import (
	"fmt"
	"iter"
	"slices"
	"time"
)

// Table is a table of a switch. Its methods may be called at any time from any goroutine; a write takes effect between
// two packets.
type Table struct {
	s       *Switch
	def     *tableDef
	lookup  lookup
	entries []*entry // by handle; nil: free
	free    int      // no free handle below
	n       int

	defAct    *action
	defArgs   []uint64
	defNode   *node
	defTarget Target // MemberHandle or GroupHandle; nil: none
}

func newTable(s *Switch, def *tableDef) *Table {
	return &Table{s: s, def: def}
}

// reset empties the table to what the program defines.
func (t *Table) reset(now int64) {
	t.lookup = lookup{words: t.def.words, order: t.def.order, ranges: t.def.ranges}
	t.entries, t.free, t.n = nil, 0, 0
	for _, c := range t.def.entries {
		e, mask, err := t.def.pack(c.key, c.priority)
		if err != nil {
			continue // Load refused it
		}
		e.act, e.args, e.node, e.fixed = c.act, c.args, t.def.at(t.def.nextHit(c.act)), true
		e.hit, e.armed = now, now
		t.add(e, mask)
	}
	t.setProgramDefault()
}

func (t *Table) setProgramDefault() {
	t.defTarget = nil
	t.defAct, t.defArgs, t.defNode = t.def.def, t.def.defArgs, t.def.at(t.def.base)
	if t.def.def != nil {
		t.defNode = t.def.at(t.def.nextMiss(t.def.def))
	}
}

func (t *Table) add(e *entry, mask []uint64) {
	for t.free < len(t.entries) && t.entries[t.free] != nil {
		t.free++
	}
	if t.free == len(t.entries) {
		t.entries = append(t.entries, nil)
	}
	e.handle = Handle(t.free)
	t.entries[t.free] = e
	t.free++
	t.n++
	t.lookup.insert(e, mask)
}

// Name returns the name in the program.
func (t *Table) Name() string { return t.def.name }

// Key describes the key fields in their order.
func (t *Table) Key() []KeyField {
	out := make([]KeyField, len(t.def.keys))
	for i, k := range t.def.keys {
		out[i] = k.KeyField
	}
	return out
}

// Actions describes the actions that the table accepts.
func (t *Table) Actions() []ActionInfo { return infos(t.def.actions) }

func infos(as []*action) []ActionInfo {
	out := make([]ActionInfo, len(as))
	for i, a := range as {
		out[i] = a.info()
	}
	return out
}

// Profile returns the name of the action profile that the table is bound to, or "".
func (t *Table) Profile() string {
	if t.def.profile < 0 {
		return ""
	}
	return t.s.profiles[t.def.profile].def.name
}

// Size returns how many entries the table takes.
func (t *Table) Size() int { return t.def.size }

// Len returns how many it has.
func (t *Table) Len() int {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	return t.n
}

// ConstEntries reports whether the program fixes the entries.
func (t *Table) ConstEntries() bool { return t.def.immutable }

// HasPriority reports whether entries have priorities: whether a key field is ternary or a range.
func (t *Table) HasPriority() bool { return t.def.order == orderPriority }

// HasCounter reports whether entries have direct counters.
func (t *Table) HasCounter() bool { return t.def.counters }

// HasTimeout reports whether entries can time out.
func (t *Table) HasTimeout() bool { return t.def.timeout }

// DirectMeter returns the name and unit of the direct meter; false if there is none.
func (t *Table) DirectMeter() (name string, unit MeterUnit, ok bool) {
	if t.def.meter == nil {
		return "", 0, false
	}
	return t.def.meter.name, t.def.meter.unit, true
}

// Insert adds an entry. The lower priority wins; tables without ternary or range fields ignore it. A ttl of 0 never
// times out. The error is [ErrTableFull], [ErrExists], [ErrConstEntries], [ErrNoKey], [ErrTarget], [ErrNotFound] or
// [ErrEmptyGroup] for a member or group, [ErrNoTimeout], or a [*KeyError] or [*ActionError].
func (t *Table) Insert(key []Match, priority int32, target Target, ttl time.Duration) (Handle, error) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if t.def.immutable {
		return 0, t.err(ErrConstEntries)
	}
	if ttl != 0 && !t.def.timeout {
		return 0, t.err(ErrNoTimeout)
	}
	e, mask, err := t.def.pack(key, priority)
	if err != nil {
		return 0, err
	}
	if t.lookup.exists(e, mask) != nil {
		return 0, t.err(ErrExists)
	}
	if t.n >= t.def.size {
		return 0, t.err(ErrTableFull)
	}
	if err := t.aim(e, target); err != nil {
		return 0, err
	}
	e.ttl = int64(ttl)
	e.hit = int64(t.s.now())
	e.armed = e.hit
	t.add(e, mask)
	return e.handle, nil
}

// aim sets what the entry does, or changes nothing.
func (t *Table) aim(e *entry, target Target) error {
	if t.def.profile >= 0 {
		if err := t.s.profiles[t.def.profile].refer(target, t.def.name); err != nil {
			return err
		}
		t.release(e)
		e.target = target
		return nil
	}
	a, args, err := t.call(target)
	if err != nil {
		return err
	}
	e.act, e.args, e.node = a, args, t.def.at(t.def.nextHit(a))
	return nil
}

func (t *Table) release(e *entry) {
	if e.target != nil {
		t.s.profiles[t.def.profile].release(e.target)
	}
}

func (t *Table) call(target Target) (*action, []uint64, error) {
	c, ok := target.(ActionCall)
	if !ok {
		return nil, nil, t.err(ErrTarget)
	}
	return packCall(t.def.name, t.def.actions, c)
}

// packCall resolves an action call of the control plane.
func packCall(owner string, actions []*action, c ActionCall) (*action, []uint64, error) {
	for _, a := range actions {
		if a.name != c.Name {
			continue
		}
		if len(c.Args) != len(a.params) {
			return nil, nil, &ActionError{Table: owner, Action: c.Name,
				Reason: fmt.Sprintf("takes %d arguments, not %d", len(a.params), len(c.Args))}
		}
		args := make([]uint64, a.words)
		for i, p := range a.params {
			if len(c.Args[i]) != bytesOf(p.bits) {
				return nil, nil, &ActionError{Table: owner, Action: c.Name, Param: p.name,
					Reason: fmt.Sprintf("has %d bytes, not %d", len(c.Args[i]), bytesOf(p.bits))}
			}
			wordsFromBytes(args[p.slot:p.slot+p.words], c.Args[i], p.bits)
		}
		return a, args, nil
	}
	return nil, nil, &ActionError{Table: owner, Action: c.Name, Reason: "no such action"}
}

func (t *Table) err(err error) error { return fmt.Errorf("table %s: %w", t.def.name, err) }

func (t *Table) entry(h Handle) (*entry, error) {
	if int64(h) >= int64(len(t.entries)) || t.entries[h] == nil {
		return nil, t.err(ErrNotFound)
	}
	return t.entries[h], nil
}

// Modify changes what an entry does. Counters, the time of the last hit and the meter stay.
func (t *Table) Modify(h Handle, target Target) error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if t.def.immutable {
		return t.err(ErrConstEntries)
	}
	e, err := t.entry(h)
	if err != nil {
		return err
	}
	return t.aim(e, target)
}

// Delete removes an entry.
func (t *Table) Delete(h Handle) error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if t.def.immutable {
		return t.err(ErrConstEntries)
	}
	e, err := t.entry(h)
	if err != nil {
		return err
	}
	t.release(e)
	t.lookup.remove(e)
	t.entries[h] = nil
	t.free = min(t.free, int(h))
	t.n--
	return nil
}

// SetTTL changes the idle timeout of an entry, 0 for none, and starts the time anew.
func (t *Table) SetTTL(h Handle, ttl time.Duration) error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if !t.def.timeout {
		return t.err(ErrNoTimeout)
	}
	e, err := t.entry(h)
	if err != nil {
		return err
	}
	e.ttl = int64(ttl)
	e.armed = int64(t.s.now())
	return nil
}

// Find returns the handle of the entry with this key and priority.
func (t *Table) Find(key []Match, priority int32) (Handle, bool) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	e, mask, err := t.def.pack(key, priority)
	if err != nil {
		return 0, false
	}
	if e = t.lookup.exists(e, mask); e == nil {
		return 0, false
	}
	return e.handle, true
}

// Entry returns a copy of an entry, or [ErrNotFound].
func (t *Table) Entry(h Handle) (Entry, error) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	e, err := t.entry(h)
	if err != nil {
		return Entry{}, err
	}
	return t.export(e), nil
}

func (t *Table) export(e *entry) Entry {
	out := Entry{Key: t.def.unpack(e), Priority: e.priority, Target: e.target, TTL: time.Duration(e.ttl), Const: e.fixed}
	if e.act != nil {
		out.Target = e.act.call(e.args)
	}
	return out
}

// Entries iterates over a snapshot of the entries by handle.
func (t *Table) Entries() iter.Seq2[Handle, Entry] {
	return func(yield func(Handle, Entry) bool) {
		t.s.mu.Lock()
		entries := slices.Clone(t.entries)
		t.s.mu.Unlock()
		for _, e := range entries {
			if e == nil {
				continue
			}
			t.s.mu.Lock()
			out := t.export(e)
			t.s.mu.Unlock()
			if !yield(e.handle, out) {
				return
			}
		}
	}
}

// Default returns what happens on a miss, nil for nothing, and whether that is constant.
func (t *Table) Default() (target Target, constant bool) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	switch {
	case t.defTarget != nil:
		return t.defTarget, t.def.constDef
	case t.defAct != nil:
		return t.defAct.call(t.defArgs), t.def.constDef
	}
	return nil, t.def.constDef
}

// SetDefault changes what happens on a miss. The error is [ErrConstDefault] or one about the target.
func (t *Table) SetDefault(target Target) error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if t.def.constDef {
		return t.err(ErrConstDefault)
	}
	if t.def.profile >= 0 {
		p := t.s.profiles[t.def.profile]
		if err := p.refer(target, t.def.name); err != nil {
			return err
		}
		if t.defTarget != nil {
			p.release(t.defTarget)
		}
		t.defTarget = target
		return nil
	}
	a, args, err := t.call(target)
	if err != nil {
		return err
	}
	if t.def.constDefAct != nil && a != t.def.constDefAct {
		return t.err(ErrConstDefault)
	}
	t.defAct, t.defArgs, t.defNode = a, args, t.def.at(t.def.nextMiss(a))
	return nil
}

// ResetDefault restores the program's default action.
func (t *Table) ResetDefault() error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if t.defTarget != nil {
		t.s.profiles[t.def.profile].release(t.defTarget)
	}
	t.setProgramDefault()
	return nil
}

// Counter returns the direct counter of an entry, or [ErrNoCounter] or [ErrNotFound].
func (t *Table) Counter(h Handle) (CounterData, error) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	e, err := t.counted(h)
	if err != nil {
		return CounterData{}, err
	}
	return e.count, nil
}

// SetCounter sets the direct counter of an entry.
func (t *Table) SetCounter(h Handle, c CounterData) error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	e, err := t.counted(h)
	if err == nil {
		e.count = c
	}
	return err
}

func (t *Table) counted(h Handle) (*entry, error) {
	if !t.def.counters {
		return nil, t.err(ErrNoCounter)
	}
	return t.entry(h)
}

// MeterConfig returns the direct meter of an entry; false if it is not configured.
func (t *Table) MeterConfig(h Handle) (MeterConfig, bool, error) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	e, err := t.metered(h)
	if err != nil {
		return MeterConfig{}, false, err
	}
	return e.meter.cfg, e.meter.on, nil
}

// SetMeterConfig configures the direct meter of an entry, or with nil removes its configuration.
func (t *Table) SetMeterConfig(h Handle, c *MeterConfig) error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	e, err := t.metered(h)
	if err != nil {
		return err
	}
	if err := e.meter.configure(c, t.s.now()); err != nil {
		return t.err(err)
	}
	return nil
}

func (t *Table) metered(h Handle) (*entry, error) {
	if t.def.meter == nil {
		return nil, t.err(ErrNoMeter)
	}
	return t.entry(h)
}

// LastHit returns when the entry was last hit, or inserted if it never was, as the switch's clock has it.
func (t *Table) LastHit(h Handle) (time.Duration, error) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	e, err := t.entry(h)
	if err != nil {
		return 0, err
	}
	return time.Duration(e.hit), nil
}
