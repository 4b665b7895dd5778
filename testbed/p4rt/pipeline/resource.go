package pipeline

import (
	"errors"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/p4rt/info"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// meters is one meter array with the configurations that clients gave it, as
// they gave them.
type meters struct {
	eng *engine.Meter
	set map[int]*p4v1.MeterConfig
}

// valueSet is one value set with its members in canonical form.
type valueSet struct {
	*info.ValueSet
	eng     *engine.ValueSet
	members []*p4v1.ValueSetMember // replaced, never changed
}

// errMeterCounters refuses the counters of a meter's colours, which bmv2 does
// not have (section 9.4.3).
var errMeterCounters = refusal.New(codes.Unimplemented, "meters have no counters of their colours on this target")

func checkCounter(c *p4v1.CounterData) error {
	if c.GetByteCount() < 0 || c.GetPacketCount() < 0 {
		return refusal.New(codes.InvalidArgument, "counter value is negative")
	}
	return nil
}

func engineCounter(c *p4v1.CounterData) engine.CounterData {
	return engine.CounterData{Packets: uint64(c.GetPacketCount()), Bytes: uint64(c.GetByteCount())}
}

// wireCounter returns what a counter of some unit tells. The engine, like bmv2,
// counts both.
func wireCounter(unit p4configv1.CounterSpec_Unit, c engine.CounterData) *p4v1.CounterData {
	out := &p4v1.CounterData{PacketCount: int64(c.Packets), ByteCount: int64(c.Bytes)}
	switch unit {
	case p4configv1.CounterSpec_PACKETS:
		out.ByteCount = 0
	case p4configv1.CounterSpec_BYTES:
		out.PacketCount = 0
	}
	return out
}

// checkMeter checks a configuration against the type of its meter (section
// 9.4).
func checkMeter(m *info.Meter, c *p4v1.MeterConfig) error {
	var faults []error
	fault := func(code codes.Code, what string) {
		faults = append(faults, refusal.New(code, "meter %s: %s", m.Name, what))
	}
	if c.GetCir() < 0 || c.GetCburst() < 0 || c.GetPir() < 0 || c.GetPburst() < 0 || c.GetEburst() < 0 {
		fault(codes.InvalidArgument, "rate or burst is negative")
	}
	oneRate := c.GetCir() == c.GetPir() && c.GetCburst() == c.GetPburst()
	switch m.Spec.GetType() {
	case p4configv1.MeterSpec_TWO_RATE_THREE_COLOR:
		if c.GetEburst() != 0 {
			fault(codes.InvalidArgument, "a two rate meter has no eburst")
		}
	case p4configv1.MeterSpec_SINGLE_RATE_THREE_COLOR:
		if !oneRate {
			fault(codes.InvalidArgument, "a single rate meter has pir equal to cir and pburst equal to cburst")
		}
		if c.GetEburst() != 0 {
			fault(codes.Unimplemented, "bmv2's meters have no eburst")
		}
	case p4configv1.MeterSpec_SINGLE_RATE_TWO_COLOR:
		if !oneRate {
			fault(codes.InvalidArgument, "a single rate meter has pir equal to cir and pburst equal to cburst")
		}
		if c.GetEburst() != 0 {
			fault(codes.InvalidArgument, "a two colour meter has no eburst")
		}
	}
	if c.GetCir() > c.GetPir() {
		fault(codes.InvalidArgument, "cir is above pir")
	}
	return errors.Join(faults...)
}

// engineMeter returns nil for the default configuration.
func engineMeter(c *p4v1.MeterConfig) *engine.MeterConfig {
	if c == nil {
		return nil
	}
	return &engine.MeterConfig{
		CIR:    uint64(c.GetCir()),
		CBurst: uint64(c.GetCburst()),
		PIR:    uint64(c.GetPir()),
		PBurst: uint64(c.GetPburst()),
	}
}

// cells returns the cells of an array that an index names: all if it is unset.
// A negative index is INVALID_ARGUMENT, one beyond the array OUT_OF_RANGE.
func cells(what, name string, size int64, index *p4v1.Index) (first, end int, err error) {
	if index == nil {
		return 0, int(size), nil
	}
	i := index.GetIndex()
	switch {
	case i < 0:
		return 0, 0, refusal.New(codes.InvalidArgument, "%s %s: index %d is negative", what, name, i)
	case i >= size:
		return 0, 0, refusal.New(codes.OutOfRange, "%s %s: index %d, size is %d", what, name, i, size)
	}
	return int(i), int(i) + 1, nil
}

func (p *Pipeline) writeCounter(e *p4v1.CounterEntry, j *journal) error {
	c, err := p.Index.Counter(e.GetCounterId())
	if err != nil {
		return err
	}
	first, end, err := cells("counter", c.Name, c.Size, e.GetIndex())
	if err != nil || e.GetData() == nil {
		return err
	}
	if err := checkCounter(e.GetData()); err != nil {
		return err
	}
	eng := p.counters[c.ID]
	for i := first; i < end; i++ {
		if j != nil {
			was, err := eng.Read(i)
			if err != nil {
				return code(err)
			}
			j.undo(func() error { return code(eng.Write(i, was)) })
		}
		if err := eng.Write(i, engineCounter(e.GetData())); err != nil {
			return code(err)
		}
	}
	return nil
}

func (p *Pipeline) writeMeter(e *p4v1.MeterEntry, j *journal) error {
	m, err := p.Index.Meter(e.GetMeterId())
	if err != nil {
		return err
	}
	first, end, err := cells("meter", m.Name, m.Size, e.GetIndex())
	if err != nil {
		return err
	}
	if e.GetCounterData() != nil {
		return errMeterCounters
	}
	if e.GetConfig() != nil {
		if err := checkMeter(m, e.GetConfig()); err != nil {
			return err
		}
	}
	arr := p.meters[m.ID]
	for i := first; i < end; i++ {
		if j != nil {
			was := arr.set[i]
			j.undo(func() error { return arr.configure(i, was) })
		}
		if err := arr.configure(i, e.GetConfig()); err != nil {
			return err
		}
	}
	return nil
}

func (a *meters) configure(i int, c *p4v1.MeterConfig) error {
	if err := a.eng.SetConfig(i, engineMeter(c)); err != nil {
		return code(err)
	}
	if c == nil {
		delete(a.set, i)
	} else {
		a.set[i] = c
	}
	return nil
}

func (p *Pipeline) writeRegister(e *p4v1.RegisterEntry, j *journal) error {
	r, err := p.Index.Register(e.GetRegisterId())
	if err != nil {
		return err
	}
	first, end, err := cells("register", r.Name, r.Size, e.GetIndex())
	if err != nil {
		return err
	}
	leaves, err := r.Type.AppendLeaves(nil, e.GetData())
	if err != nil {
		c := codes.OutOfRange // section 8.3
		if info.ErrShape(err) {
			c = codes.InvalidArgument // section 9.7
		}
		return refusal.New(c, "register %w", err)
	}
	eng := p.registers[r.ID]
	for i := first; i < end; i++ {
		if j != nil {
			was, err := eng.Read(i)
			if err != nil {
				return code(err)
			}
			j.undo(func() error { return code(eng.Write(i, was)) })
		}
		if err := eng.Write(i, leaves[0]); err != nil {
			return code(err)
		}
	}
	return nil
}

func (p *Pipeline) writeValueSet(e *p4v1.ValueSetEntry, j *journal) error {
	v, err := p.Index.ValueSet(e.GetValueSetId())
	if err != nil {
		return err
	}
	set := p.valueSets[v.ID]
	matches, members, err := v.Members(e.GetMembers())
	if err != nil {
		return err
	}
	if j != nil {
		old := set.members
		j.undo(func() error {
			matches, _, err := v.Members(old)
			if err != nil {
				return err
			}
			return set.replace(matches, old)
		})
	}
	return set.replace(matches, members)
}

func (v *valueSet) replace(matches [][]info.Match, members []*p4v1.ValueSetMember) error {
	widths := make([]int, len(v.Fields))
	for i, f := range v.Fields {
		widths[i] = f.Width
	}
	values := make([][]byte, len(matches))
	for i, m := range matches {
		parts := make([][]byte, len(m))
		for k := range m {
			parts[k] = m[k].A
		}
		values[i] = info.Concat(widths, parts)
	}
	if err := v.eng.Set(values); err != nil {
		return code(err)
	}
	v.members = members
	return nil
}

// direct returns the entry of which a direct resource is meant, which must be
// one of the table and not its default entry.
func (p *Pipeline) direct(e *p4v1.TableEntry) (*table, *entry, error) {
	if e == nil {
		return nil, nil, refusal.New(codes.InvalidArgument, "direct resource without table_entry")
	}
	t, err := p.table(e.GetTableId())
	if err != nil {
		return nil, nil, err
	}
	if e.GetIsDefaultAction() {
		return nil, nil, errDefaultDirect
	}
	k, err := t.Key(e)
	if err != nil {
		return nil, nil, err
	}
	found, ok := t.entries.get(k.ID)
	if !ok {
		return nil, nil, refusal.New(codes.NotFound, "table %s: no such entry", t.Name)
	}
	return t, found, nil
}

func (p *Pipeline) writeDirectCounter(e *p4v1.DirectCounterEntry, j *journal) error {
	t, found, err := p.direct(e.GetTableEntry())
	if err != nil {
		return err
	}
	if t.Counter == nil {
		return refusal.New(codes.InvalidArgument, "table %s has no direct counter", t.Name)
	}
	if e.GetData() == nil {
		return nil
	}
	if err := checkCounter(e.GetData()); err != nil {
		return err
	}
	if j != nil {
		was, err := t.counter(found)
		if err != nil {
			return err
		}
		j.undo(func() error { return t.setCounter(found.wire, was) })
	}
	return t.setCounter(found.wire, e.GetData())
}

// setCounter sets the counter of the entry that has the key of another one.
func (t *table) setCounter(key *p4v1.TableEntry, c *p4v1.CounterData) error {
	k, err := t.Key(key)
	if err != nil {
		return err
	}
	e, ok := t.entries.get(k.ID)
	if !ok {
		return refusal.New(codes.NotFound, "table %s: no such entry", t.Name)
	}
	return code(t.eng.SetCounter(e.handle, engineCounter(c)))
}

func (p *Pipeline) writeDirectMeter(e *p4v1.DirectMeterEntry, j *journal) error {
	t, found, err := p.direct(e.GetTableEntry())
	if err != nil {
		return err
	}
	if t.Meter == nil {
		return refusal.New(codes.InvalidArgument, "table %s has no direct meter", t.Name)
	}
	if e.GetCounterData() != nil {
		return errMeterCounters
	}
	if e.GetConfig() != nil {
		if err := checkMeter(t.Meter, e.GetConfig()); err != nil {
			return err
		}
	}
	if j != nil {
		was := found.meter
		j.undo(func() error { return t.setMeter(found.wire, was) })
	}
	return t.setMeter(found.wire, e.GetConfig())
}

// setMeter configures the meter of the entry that has the key of another one.
func (t *table) setMeter(key *p4v1.TableEntry, c *p4v1.MeterConfig) error {
	k, err := t.Key(key)
	if err != nil {
		return err
	}
	old, ok := t.entries.get(k.ID)
	if !ok {
		return refusal.New(codes.NotFound, "table %s: no such entry", t.Name)
	}
	n := *old
	n.meter = c
	t.keep(k.ID, &n)
	return t.writeDirect(&n, nil)
}
