package engine

import (
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Options configure a [Switch]. The zero value is bmv2's default: drop port 511, one priority queue, no output.
type Options struct {
	DropPort       uint32 // 0: 511
	PriorityQueues int    // 0: 1; a packet with a priority beyond them is dropped
	// Output is called for every frame that leaves, on the CPU port as on any other. The frame is valid during the
	// call. Output, Digest and IdleTimeout are called without the switch locked: they may call the switch.
	Output      func(port uint32, frame []byte)
	Digest      func(Digest)
	IdleTimeout func(table string, h Handle)
	Now         func() time.Duration // since the switch started; nil: the real time
	Log         *slog.Logger         // log_msg, and packets that an assert or a division by zero stopped; nil: none
	Seed        uint64               // of random(): the same seed gives the same packets
}

// Switch runs a program. Its methods and those of its tables may be called from any goroutine. A packet runs with
// all its copies before the next one or a change of state.
type Switch struct {
	p        *Program
	o        Options
	dropPort uint32
	queues   uint64
	now      func() time.Duration
	log      *slog.Logger
	quiet    bool
	batches  sync.Pool

	mu        sync.Mutex
	tables    []*Table
	profiles  []*ActionProfile
	counters  []*Counter
	meters    []*Meter
	registers []*Register
	valueSets []*ValueSet
	setUses   []memberSet
	groups    map[uint32][]Replica
	sessions  map[uint32]CloneSession
	random    *rand.Rand
	stats     statistics

	idle   []*packet // ready to be used again
	egress []*packet // waiting, first in first out
	again  []*packet // resubmitted and recirculated
	kept   []*packet // whose bytes others may still use
	made   int       // packets of this call of Process
	out    *batch
}

type statistics struct {
	Stats
	parserErrors map[int32]uint64
}

// New makes a switch that runs p with the program's initial state.
func New(p *Program, o Options) *Switch {
	s := &Switch{p: p, o: o, dropPort: o.DropPort, queues: uint64(max(1, o.PriorityQueues)), now: o.Now, log: o.Log}
	if s.dropPort == 0 {
		s.dropPort = 511
	}
	if s.now == nil {
		start := time.Now()
		s.now = func() time.Duration { return time.Since(start) }
	}
	if s.log == nil {
		s.log, s.quiet = slog.New(slog.DiscardHandler), true
	}
	s.batches.New = func() any { return &batch{} }
	for _, d := range p.tables {
		s.tables = append(s.tables, newTable(s, d))
	}
	for _, d := range p.profiles {
		s.profiles = append(s.profiles, &ActionProfile{s: s, def: d})
	}
	for _, d := range p.counters {
		s.counters = append(s.counters, &Counter{s: s, name: d.name, cells: make([]CounterData, d.size)})
	}
	for _, d := range p.meters {
		s.meters = append(s.meters, &Meter{s: s, name: d.name, unit: d.unit, cells: make([]meterCell, d.size)})
	}
	for _, d := range p.registers {
		w := wordsOf(d.bits)
		s.registers = append(s.registers, &Register{s: s, name: d.name, bits: d.bits, words: w, size: d.size,
			data: make([]uint64, d.size*w)})
	}
	for i, d := range p.valueSets {
		v := &ValueSet{s: s, name: d.name, bits: d.bits}
		for u := range p.setUses {
			if p.setUses[u].set == i {
				v.uses = append(v.uses, u)
			}
		}
		s.valueSets = append(s.valueSets, v)
	}
	s.setUses = make([]memberSet, len(p.setUses))
	s.Reset()
	return s
}

// Reset clears all state to what the program defines: tables, profiles, counters, meters, registers, value sets,
// groups and sessions. Statistics stay.
func (s *Switch) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := int64(s.now())
	for _, a := range s.profiles {
		a.reset()
	}
	for _, t := range s.tables {
		t.reset(now)
	}
	for _, c := range s.counters {
		clear(c.cells)
	}
	for _, m := range s.meters {
		clear(m.cells)
	}
	for _, r := range s.registers {
		clear(r.data)
	}
	for _, v := range s.valueSets {
		v.members = nil
	}
	for i := range s.setUses {
		s.setUses[i] = memberSet{}
	}
	s.groups, s.sessions = map[uint32][]Replica{}, map[uint32]CloneSession{}
	s.random = rand.New(rand.NewPCG(s.o.Seed, hashMul))
	if s.stats.parserErrors == nil {
		s.stats.parserErrors = map[int32]uint64{}
	}
}

// Stats returns what became of packets so far.
func (s *Switch) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats.Stats
	st.ParserErrors = map[string]uint64{}
	for code, n := range s.stats.parserErrors {
		name, ok := s.p.errors[code]
		if !ok {
			name = fmt.Sprint(code)
		}
		st.ParserErrors[name] += n
	}
	return st
}

func pick[T any](index map[string]int, list []T, name string) (v T, ok bool) {
	i, ok := index[name]
	if !ok {
		return v, false
	}
	return list[i], true
}

// Table finds a table by the name in the program, which is its name in P4Info.
func (s *Switch) Table(name string) (*Table, bool) { return pick(s.p.tableIndex, s.tables, name) }

// Tables iterates over the tables in the order of the program, those that p4c made of bare action calls among them.
func (s *Switch) Tables() iter.Seq[*Table] { return slices.Values(s.tables) }

// ActionProfile finds an action profile or selector by name.
func (s *Switch) ActionProfile(name string) (*ActionProfile, bool) {
	return pick(s.p.profileIndex, s.profiles, name)
}

// ActionProfiles iterates over the action profiles in the order of the program.
func (s *Switch) ActionProfiles() iter.Seq[*ActionProfile] { return slices.Values(s.profiles) }

// Counter finds an indirect counter by name.
func (s *Switch) Counter(name string) (*Counter, bool) {
	return pick(s.p.counterIndex, s.counters, name)
}

// Meter finds an indirect meter by name.
func (s *Switch) Meter(name string) (*Meter, bool) { return pick(s.p.meterIndex, s.meters, name) }

// Register finds a register by name.
func (s *Switch) Register(name string) (*Register, bool) {
	return pick(s.p.registerIndex, s.registers, name)
}

// ValueSet finds a parser's value set by name.
func (s *Switch) ValueSet(name string) (*ValueSet, bool) {
	return pick(s.p.valueSetIndex, s.valueSets, name)
}

// Digests returns the names of the digests that the program sends.
func (s *Switch) Digests() []string {
	names := map[string]struct{}{}
	for _, l := range s.p.learnLists {
		names[l.name] = struct{}{}
	}
	return slices.Sorted(maps.Keys(names))
}

// Limits of simple_switch.
const (
	maxMulticastGroup = 1<<16 - 1
	maxCloneSession   = 1<<15 - 1
)

// SetMulticastGroup creates or replaces a multicast group. The number is 1..65535, or the error is [ErrReserved].
// Copies are made in the order of the replicas.
func (s *Switch) SetMulticastGroup(id uint32, replicas []Replica) error {
	if id == 0 || id > maxMulticastGroup {
		return fmt.Errorf("multicast group %d: %w", id, ErrReserved)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[id] = slices.Clone(replicas)
	return nil
}

// DeleteMulticastGroup removes a multicast group, or returns [ErrNotFound].
func (s *Switch) DeleteMulticastGroup(id uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.groups[id]; !ok {
		return fmt.Errorf("multicast group %d: %w", id, ErrNotFound)
	}
	delete(s.groups, id)
	return nil
}

// SetCloneSession creates or replaces a clone session. The number is 0..32767, or the error is [ErrReserved].
func (s *Switch) SetCloneSession(id uint32, c CloneSession) error {
	if id > maxCloneSession || c.TruncateTo < 0 {
		return fmt.Errorf("clone session %d: %w", id, ErrReserved)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Replicas = slices.Clone(c.Replicas)
	s.sessions[id] = c
	return nil
}

// DeleteCloneSession removes a clone session, or returns [ErrNotFound].
func (s *Switch) DeleteCloneSession(id uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.sessions[id]; !ok {
		return fmt.Errorf("clone session %d: %w", id, ErrNotFound)
	}
	delete(s.sessions, id)
	return nil
}

// uniform draws from lo..hi.
func (s *Switch) uniform(lo, hi uint64) uint64 {
	if hi-lo == ^uint64(0) {
		return s.random.Uint64()
	}
	return lo + s.random.Uint64N(hi-lo+1)
}

// Sweep reports entries that were not hit for as long as their idle timeout, and again each time that long passes.
// A caller does it about once a second.
func (s *Switch) Sweep() {
	type idle struct {
		table string
		h     Handle
	}
	var found []idle
	s.mu.Lock()
	now := int64(s.now())
	for _, t := range s.tables {
		if !t.def.timeout {
			continue
		}
		for _, e := range t.entries {
			if e != nil && e.ttl > 0 && now-e.armed >= e.ttl {
				e.armed = now
				found = append(found, idle{t.def.name, e.handle})
			}
		}
	}
	s.mu.Unlock()
	if s.o.IdleTimeout == nil {
		return
	}
	for _, i := range found {
		s.o.IdleTimeout(i.table, i.h)
	}
}
