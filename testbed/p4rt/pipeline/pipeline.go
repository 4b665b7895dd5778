// Package pipeline is the P4Runtime view of one forwarding pipeline: the
// entities that clients write and read, in canonical form, and the engine that
// runs them.
//
// The engine's numbers differ from P4Runtime's as they do in bmv2 and PI: the
// lower priority number wins, optional matches are ternary, and members,
// groups and entries go by handles. All of that stays inside this package.
package pipeline

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/p4rt/info"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// Config is a forwarding-pipeline config that this target can realize.
type Config struct {
	Wire  *p4v1.ForwardingPipelineConfig
	Index *info.Index

	program *engine.Program
}

// Verify checks a config: its P4Info must be consistent, its device config
// must be bmv2 JSON that the engine takes, and the two must be of the same
// program. Everything that is wrong is reported at once, with
// INVALID_ARGUMENT (section 14).
func Verify(wire *p4v1.ForwardingPipelineConfig) (*Config, error) {
	if wire == nil {
		return nil, refusal.New(codes.InvalidArgument, "no config")
	}
	var faults []error
	if wire.GetP4Info() == nil {
		faults = append(faults, errors.New("config has no p4info"))
	}
	index, err := info.New(wire.GetP4Info())
	faults = append(faults, err)
	program, err := engine.Load(deviceData(wire.GetP4DeviceConfig()))
	if err != nil {
		faults = append(faults, fmt.Errorf("device config: %w", err))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, refusal.New(codes.InvalidArgument, "%w", err)
	}
	c := &Config{Wire: wire, Index: index, program: program}
	if err := c.check(); err != nil {
		return nil, refusal.New(codes.InvalidArgument, "%w", err)
	}
	return c, nil
}

// Bare returns the config of a program without P4Info, which runs packets but
// has no entities. Its Wire is nil.
func Bare(deviceConfig []byte) (*Config, error) {
	program, err := engine.Load(deviceData(deviceConfig))
	if err != nil {
		return nil, fmt.Errorf("device config: %w", err)
	}
	index, err := info.New(nil)
	if err != nil {
		return nil, err
	}
	return &Config{Index: index, program: program}, nil
}

// deviceData returns the bmv2 JSON in a device config, which is either the
// JSON itself or, as PI still accepts, a p4.tmp.P4DeviceConfig message that
// has it in field 3.
func deviceData(b []byte) []byte {
	var data []byte
	for rest := b; len(rest) > 0; {
		num, typ, n := protowire.ConsumeTag(rest)
		if n < 0 || num > 3 {
			return b
		}
		rest = rest[n:]
		if num == 3 && typ == protowire.BytesType {
			v, n := protowire.ConsumeBytes(rest)
			if n < 0 {
				return b
			}
			data, rest = v, rest[n:]
			continue
		}
		if n = protowire.ConsumeFieldValue(num, typ, rest); n < 0 {
			return b
		}
		rest = rest[n:]
	}
	if data == nil {
		return b
	}
	return data
}

// Options say how a pipeline is tied to its switch.
type Options struct {
	DropPort uint32 // 0: bmv2's, 511
	CPUPort  uint32 // what SDN_PORT_CPU stands for in replicas; 0: there is none
	// PriorityQueues is how many priorities packets may have; 0 is 1.
	PriorityQueues int
	// Output takes the frames that leave on any port. A frame is valid during
	// the call only.
	Output func(port uint32, frame []byte)
	// Digest takes digest lists when they are due, from any goroutine.
	Digest func(*p4v1.DigestList)
	// Down are the ports that are down when the pipeline starts.
	Down []uint32
	Log  *slog.Logger // nil: discarded
}

// Pipeline holds the entities of one config. Its methods are not safe for use
// by several goroutines at once, except where they say so.
type Pipeline struct {
	*Config
	opts Options
	sw   *engine.Switch
	// installed is Config.Wire, or what Reconcile has put in its place.
	installed *p4v1.ForwardingPipelineConfig

	start     time.Time
	tables    map[uint32]*table
	byName    map[string]*table
	profiles  map[uint32]*profile
	counters  map[uint32]*engine.Counter
	meters    map[uint32]*meters
	registers map[uint32]*engine.Register
	valueSets map[uint32]*valueSet
	groups    ledger[uint32, *p4v1.MulticastGroupEntry]
	sessions  ledger[uint32, *p4v1.CloneSessionEntry]
	digests   map[uint32]*digest
	down      map[uint32]bool // ports that are down
	expired   []expiry        // while Sweep runs

	// gate is held for reading while a packet is processed and for writing
	// while a DATAPLANE_ATOMIC batch is.
	gate sync.RWMutex
}

// New starts a pipeline with the entries and default actions of its program
// and nothing else.
func New(c *Config, opts Options) *Pipeline {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pipeline{
		Config:    c,
		installed: c.Wire,
		opts:      opts,
		start:     time.Now(),
		tables:    make(map[uint32]*table),
		byName:    make(map[string]*table),
		profiles:  make(map[uint32]*profile),
		counters:  make(map[uint32]*engine.Counter),
		meters:    make(map[uint32]*meters),
		registers: make(map[uint32]*engine.Register),
		valueSets: make(map[uint32]*valueSet),
		digests:   make(map[uint32]*digest),
		down:      make(map[uint32]bool),
	}
	for _, port := range opts.Down {
		p.down[port] = true
	}
	learners := make(map[string]*digest)
	p.sw = engine.New(c.program, engine.Options{
		DropPort:       opts.DropPort,
		PriorityQueues: opts.PriorityQueues,
		Output:         p.output,
		Digest: func(d engine.Digest) {
			if dig := learners[d.Name]; dig != nil {
				dig.learn(d.Fields)
			}
		},
		IdleTimeout: func(table string, h engine.Handle) {
			p.expired = append(p.expired, expiry{table, h})
		},
		Now: func() time.Duration { return time.Since(p.start) },
		Log: opts.Log,
	})
	for _, d := range c.Index.Digests {
		dig := newDigest(d, opts)
		p.digests[d.ID] = dig
		learners[d.Name] = dig
	}
	for _, pr := range c.Index.Profiles {
		eng, _ := p.sw.ActionProfile(pr.Name)
		p.profiles[pr.ID] = &profile{Profile: pr, eng: eng, isDown: p.isDown}
	}
	for _, t := range c.Index.Tables {
		tab := p.newTable(t)
		p.tables[t.ID], p.byName[t.Name] = tab, tab
	}
	for _, ctr := range c.Index.Counters {
		p.counters[ctr.ID], _ = p.sw.Counter(ctr.Name)
	}
	for _, m := range c.Index.Meters {
		eng, _ := p.sw.Meter(m.Name)
		p.meters[m.ID] = &meters{eng: eng, set: make(map[int]*p4v1.MeterConfig)}
	}
	for _, r := range c.Index.Registers {
		p.registers[r.ID], _ = p.sw.Register(r.Name)
	}
	for _, v := range c.Index.ValueSets {
		eng, _ := p.sw.ValueSet(v.Name)
		p.valueSets[v.ID] = &valueSet{ValueSet: v, eng: eng}
	}
	return p
}

// Installed returns the config as it was last set.
func (p *Pipeline) Installed() *p4v1.ForwardingPipelineConfig { return p.installed }

// Close stops the timers of the pipeline. Packets may still be on their way.
func (p *Pipeline) Close() {
	for _, d := range p.digests {
		d.disable()
	}
}

// Process runs a frame that arrived on a port. It may be called by several
// goroutines at once, and from within Output.
func (p *Pipeline) Process(port uint32, frame []byte) {
	p.gate.RLock()
	defer p.gate.RUnlock()
	p.sw.Process(port, frame)
}

// output hands a frame on. The gate is open meanwhile: the frame may come back
// to this very switch before Output returns.
func (p *Pipeline) output(port uint32, frame []byte) {
	p.gate.RUnlock()
	defer p.gate.RLock()
	if p.opts.Output != nil {
		p.opts.Output(port, frame)
	}
}

// Stats returns what became of packets. It may be called at any time.
func (p *Pipeline) Stats() engine.Stats { return p.sw.Stats() }

// check compares P4Info with the program, so that nothing is missing later.
func (c *Config) check() error {
	sw := engine.New(c.program, engine.Options{})
	var faults []error
	faultf := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	missing := func(what, name string) { faultf("%s %s of p4info is not in the device config", what, name) }

	for _, t := range c.Index.Tables {
		eng, ok := sw.Table(t.Name)
		if !ok {
			missing("table", t.Name)
			continue
		}
		faults = append(faults, checkTable(t, eng))
	}
	for _, pr := range c.Index.Profiles {
		// p4c leaves a profile that no table uses out of the device config only.
		if _, ok := sw.ActionProfile(pr.Name); !ok && len(pr.Tables) > 0 {
			missing("action profile", pr.Name)
		}
	}
	for _, ctr := range c.Index.Counters {
		if eng, ok := sw.Counter(ctr.Name); !ok {
			missing("counter", ctr.Name)
		} else if int64(eng.Size()) < ctr.Size {
			faultf("counter %s: p4info says %d cells, device config %d", ctr.Name, ctr.Size, eng.Size())
		}
	}
	for _, m := range c.Index.Meters {
		if eng, ok := sw.Meter(m.Name); !ok {
			missing("meter", m.Name)
		} else if int64(eng.Size()) < m.Size {
			faultf("meter %s: p4info says %d cells, device config %d", m.Name, m.Size, eng.Size())
		}
	}
	for _, r := range c.Index.Registers {
		leaves := r.Type.Leaves()
		if eng, ok := sw.Register(r.Name); !ok {
			missing("register", r.Name)
		} else if int64(eng.Size()) < r.Size {
			faultf("register %s: p4info says %d cells, device config %d", r.Name, r.Size, eng.Size())
		} else if len(leaves) != 1 || leaves[0] != eng.Bits() {
			faultf("register %s: cells are not numbers of %d bits", r.Name, eng.Bits())
		}
	}
	for _, v := range c.Index.ValueSets {
		bits := 0
		for _, f := range v.Fields {
			if f.Kind != p4configv1.MatchField_EXACT {
				faultf("value set %s: field %s: only exact matches are supported", v.Name, f.Name)
			}
			bits += f.Width
		}
		if eng, ok := sw.ValueSet(v.Name); !ok {
			missing("value set", v.Name)
		} else if eng.Bits() != bits {
			faultf("value set %s: p4info says %d bits, device config %d", v.Name, bits, eng.Bits())
		}
	}
	for _, d := range c.Index.Digests {
		if !slices.Contains(sw.Digests(), d.Name) {
			missing("digest", d.Name)
		}
	}
	if pp := c.Wire.GetP4Info().GetPkgInfo().GetPlatformProperties(); pp.GetMulticastGroupTableSize() > maxGroup {
		faultf("program wants %d multicast groups, there are %d", pp.GetMulticastGroupTableSize(), maxGroup)
	}
	return errors.Join(faults...)
}

func checkTable(t *info.Table, eng *engine.Table) error {
	var faults []error
	faultf := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("table %s: "+format, append([]any{t.Name}, args...)...))
	}
	key := eng.Key()
	if len(key) != len(t.Fields) {
		faultf("p4info has %d match fields, device config %d", len(t.Fields), len(key))
		return errors.Join(faults...)
	}
	for i, f := range t.Fields {
		if key[i].Kind != engine.MatchValid && key[i].Bits != f.Width {
			faultf("field %s: p4info says %d bits, device config %d", f.Name, f.Width, key[i].Bits)
		}
		if !convertible(f.Kind, key[i].Kind) {
			faultf("field %s: match type %v cannot be realized", f.Name, f.Kind)
		}
	}
	byName := make(map[string]engine.ActionInfo)
	for _, a := range eng.Actions() {
		byName[a.Name] = a
	}
	for _, a := range t.Actions {
		have, ok := byName[a.Name]
		if !ok {
			faultf("action %s is not in the device config", a.Name)
			continue
		}
		if len(have.Params) != len(a.Params) {
			faultf("action %s: p4info has %d parameters, device config %d", a.Name, len(a.Params), len(have.Params))
			continue
		}
		for i, p := range a.Params {
			if have.Params[i].Bits != p.Width {
				faultf("action %s: parameter %s: p4info says %d bits, device config %d", a.Name, p.Name, p.Width, have.Params[i].Bits)
			}
		}
	}
	profile := ""
	if t.Profile != nil {
		profile = t.Profile.Name
	}
	if eng.Profile() != profile {
		faultf("p4info says action profile %q, device config %q", profile, eng.Profile())
	}
	if t.Counter != nil && !eng.HasCounter() {
		faultf("direct counter is not in the device config")
	}
	if _, _, ok := eng.DirectMeter(); t.Meter != nil && !ok {
		faultf("direct meter is not in the device config")
	}
	if t.IdleTimeout && !eng.HasTimeout() {
		faultf("idle timeout is not in the device config")
	}
	return errors.Join(faults...)
}

// code translates a refusal of the engine, which has already seen the entity
// pass every rule of P4Runtime: what remains are limits of the target.
func code(err error) error {
	c := codes.Internal
	var key *engine.KeyError
	var action *engine.ActionError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrTableFull):
		c = codes.ResourceExhausted
	case errors.Is(err, engine.ErrExists):
		c = codes.AlreadyExists
	case errors.Is(err, engine.ErrNotFound):
		c = codes.NotFound
	case errors.Is(err, engine.ErrConstEntries), errors.Is(err, engine.ErrConstDefault):
		c = codes.PermissionDenied
	case errors.Is(err, engine.ErrInUse):
		c = codes.FailedPrecondition
	case errors.Is(err, engine.ErrIndex):
		c = codes.OutOfRange
	case errors.Is(err, engine.ErrEmptyGroup):
		c = codes.Unimplemented
	case errors.Is(err, engine.ErrMeterRates), errors.Is(err, engine.ErrReserved),
		errors.Is(err, engine.ErrNoKey), errors.Is(err, engine.ErrTarget),
		errors.As(err, &key), errors.As(err, &action):
		c = codes.InvalidArgument
	}
	return refusal.New(c, "%w", err)
}
