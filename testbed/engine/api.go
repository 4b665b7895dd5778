package engine

import (
	"iter"
	"log/slog"
	"time"
)

// Options configure a Switch. The zero value is bmv2's default: drop port 511, one priority queue, no output.
type Options struct {
	DropPort       uint32 // 0: 511
	PriorityQueues int    // 0: 1; packets with intrinsic_metadata.priority beyond them are dropped
	// Output is called for every frame that leaves, on the CPU port as on any other. The frame is valid during the
	// call. Output, Digest and IdleTimeout are called without the switch's lock held, so they may call the switch.
	Output      func(port uint32, frame []byte)
	Digest      func(Digest)
	IdleTimeout func(table string, h Handle)
	Now         func() time.Duration // time since the switch started; nil: the real time
	Log         *slog.Logger         // log_msg, asserts and packets dropped by faults; nil: discarded
	Seed        uint64               // of random(); the same seed gives the same packets
}

type (
	Program       struct{}
	Switch        struct{}
	Table         struct{}
	ActionProfile struct{}
	Counter       struct{}
	Meter         struct{}
	Register      struct{}
	ValueSet      struct{}
)

func Load(config []byte) (*Program, error)          { panic("soon") }
func New(p *Program, o Options) *Switch             { panic("soon") }
func (s *Switch) Process(port uint32, frame []byte) { panic("soon") }
func (s *Switch) Sweep()                            { panic("soon") }
func (s *Switch) Reset()                            { panic("soon") }
func (s *Switch) Stats() Stats                      { panic("soon") }

// Lookup by the name in the JSON, which is the name in P4Info. The iterators go in program order.
func (s *Switch) Table(name string) (*Table, bool)                 { panic("soon") }
func (s *Switch) Tables() iter.Seq[*Table]                         { panic("soon") }
func (s *Switch) ActionProfile(name string) (*ActionProfile, bool) { panic("soon") }
func (s *Switch) ActionProfiles() iter.Seq[*ActionProfile]         { panic("soon") }
func (s *Switch) Counter(name string) (*Counter, bool)             { panic("soon") }
func (s *Switch) Meter(name string) (*Meter, bool)                 { panic("soon") }
func (s *Switch) Register(name string) (*Register, bool)           { panic("soon") }
func (s *Switch) ValueSet(name string) (*ValueSet, bool)           { panic("soon") }

func (s *Switch) SetMulticastGroup(id uint32, replicas []Replica) error { panic("soon") } // id 1..65535
func (s *Switch) DeleteMulticastGroup(id uint32) error                  { panic("soon") }
func (s *Switch) SetCloneSession(id uint32, c CloneSession) error       { panic("soon") } // id 0..32767
func (s *Switch) DeleteCloneSession(id uint32) error                    { panic("soon") }

func (t *Table) Name() string                { panic("soon") }
func (t *Table) Key() []KeyField             { panic("soon") }
func (t *Table) Actions() []ActionInfo       { panic("soon") }
func (t *Table) Profile() string             { panic("soon") } // "" for a simple table
func (t *Table) Size() int                   { panic("soon") } // most entries it takes
func (t *Table) Len() int                    { panic("soon") }
func (t *Table) ConstEntries() bool          { panic("soon") }
func (t *Table) HasPriority() bool           { panic("soon") } // ternary or range
func (t *Table) HasCounter() bool            { panic("soon") }
func (t *Table) DirectMeter() (string, bool) { panic("soon") }
func (t *Table) HasTimeout() bool            { panic("soon") }

// Insert refuses with ErrTableFull, ErrExists, ErrConstEntries, ErrTarget, *KeyError, *ActionError ... The lower
// priority number wins; it is ignored by tables without ternary or range fields.
func (t *Table) Insert(key []Match, priority int32, target Target, ttl time.Duration) (Handle, error) {
	panic("soon")
}
func (t *Table) Modify(h Handle, target Target) error            { panic("soon") }
func (t *Table) Delete(h Handle) error                           { panic("soon") }
func (t *Table) SetTTL(h Handle, ttl time.Duration) error        { panic("soon") }
func (t *Table) Find(key []Match, priority int32) (Handle, bool) { panic("soon") }
func (t *Table) Entry(h Handle) (Entry, error)                   { panic("soon") }
func (t *Table) Entries() iter.Seq2[Handle, Entry]               { panic("soon") } // a snapshot, by handle
func (t *Table) Default() (target Target, isConst bool)          { panic("soon") } // nil: no action
func (t *Table) SetDefault(target Target) error                  { panic("soon") }
func (t *Table) ResetDefault() error                             { panic("soon") }
func (t *Table) Counter(h Handle) (CounterData, error)           { panic("soon") }
func (t *Table) SetCounter(h Handle, c CounterData) error        { panic("soon") }
func (t *Table) MeterConfig(h Handle) (MeterConfig, bool, error) { panic("soon") } // false: not configured
func (t *Table) SetMeterConfig(h Handle, c *MeterConfig) error   { panic("soon") } // nil: unconfigure
func (t *Table) LastHit(h Handle) (time.Duration, error)         { panic("soon") } // switch time of the last hit, or of the insert

func (a *ActionProfile) Name() string                                              { panic("soon") }
func (a *ActionProfile) Actions() []ActionInfo                                     { panic("soon") }
func (a *ActionProfile) Size() int                                                 { panic("soon") }
func (a *ActionProfile) HasSelector() bool                                         { panic("soon") }
func (a *ActionProfile) AddMember(c ActionCall) (MemberHandle, error)              { panic("soon") }
func (a *ActionProfile) ModifyMember(m MemberHandle, c ActionCall) error           { panic("soon") }
func (a *ActionProfile) DeleteMember(m MemberHandle) error                         { panic("soon") } // ErrInUse while an entry or group refers to it
func (a *ActionProfile) Members() iter.Seq2[MemberHandle, ActionCall]              { panic("soon") }
func (a *ActionProfile) CreateGroup(members []WeightedMember) (GroupHandle, error) { panic("soon") }
func (a *ActionProfile) SetGroup(g GroupHandle, members []WeightedMember) error    { panic("soon") }
func (a *ActionProfile) DeleteGroup(g GroupHandle) error                           { panic("soon") }
func (a *ActionProfile) Groups() iter.Seq2[GroupHandle, []WeightedMember]          { panic("soon") }

func (c *Counter) Size() int                            { panic("soon") }
func (c *Counter) Read(index int) (CounterData, error)  { panic("soon") }
func (c *Counter) Write(index int, d CounterData) error { panic("soon") }

func (m *Meter) Size() int                                   { panic("soon") }
func (m *Meter) Unit() MeterUnit                             { panic("soon") }
func (m *Meter) Config(index int) (MeterConfig, bool, error) { panic("soon") }
func (m *Meter) SetConfig(index int, c *MeterConfig) error   { panic("soon") }

func (r *Register) Size() int                           { panic("soon") }
func (r *Register) Bits() int                           { panic("soon") }
func (r *Register) Read(index int) ([]byte, error)      { panic("soon") }
func (r *Register) Write(index int, value []byte) error { panic("soon") }

func (v *ValueSet) Bits() int                  { panic("soon") }
func (v *ValueSet) Set(members [][]byte) error { panic("soon") } // each as wide as Bits rounded up to bytes
func (v *ValueSet) Members() [][]byte          { panic("soon") }
