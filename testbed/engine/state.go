package engine

import (
	"fmt"
	"math/big"
	"slices"
	"time"
)

type arrayDef struct {
	name string
	size int
	bits int // registers only
	unit MeterUnit
}

// Counter is an array of counters. bmv2 counts packets and bytes in each.
type Counter struct {
	s     *Switch
	name  string
	cells []CounterData
}

// Name returns the name in the program.
func (c *Counter) Name() string { return c.name }

// Size returns the number of cells.
func (c *Counter) Size() int { return len(c.cells) }

// Read returns cell index, or [ErrIndex].
func (c *Counter) Read(index int) (CounterData, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if index < 0 || index >= len(c.cells) {
		return CounterData{}, indexError("counter", c.name, index, len(c.cells))
	}
	return c.cells[index], nil
}

// Write sets cell index, or returns [ErrIndex].
func (c *Counter) Write(index int, d CounterData) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if index < 0 || index >= len(c.cells) {
		return indexError("counter", c.name, index, len(c.cells))
	}
	c.cells[index] = d
	return nil
}

func indexError(what, name string, index, size int) error {
	return fmt.Errorf("%s %s: %w: %d of %d", what, name, ErrIndex, index, size)
}

// Meter is an array of two-rate three-colour meters.
type Meter struct {
	s     *Switch
	name  string
	unit  MeterUnit
	cells []meterCell
}

// meterCell is bmv2's meter: two buckets, full when configured, the peak one looked at first and the committed one
// only when the peak one had enough.
type meterCell struct {
	on     bool
	cfg    MeterConfig
	bucket [2]bucket // peak, committed
}

type bucket struct {
	tokens uint64
	last   uint64 // tokens made since the origin of time
}

// Name returns the name in the program.
func (m *Meter) Name() string { return m.name }

// Size returns the number of cells.
func (m *Meter) Size() int { return len(m.cells) }

// Unit tells what the meter counts.
func (m *Meter) Unit() MeterUnit { return m.unit }

// Config returns the configuration of cell index; false if it has none and lets everything pass green.
func (m *Meter) Config(index int) (MeterConfig, bool, error) {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if index < 0 || index >= len(m.cells) {
		return MeterConfig{}, false, indexError("meter", m.name, index, len(m.cells))
	}
	c := &m.cells[index]
	return c.cfg, c.on, nil
}

// SetConfig configures cell index, or with nil removes its configuration. It returns [ErrIndex] or [ErrMeterRates].
func (m *Meter) SetConfig(index int, c *MeterConfig) error {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if index < 0 || index >= len(m.cells) {
		return indexError("meter", m.name, index, len(m.cells))
	}
	if err := m.cells[index].configure(c, m.s.now()); err != nil {
		return fmt.Errorf("meter %s: %w", m.name, err)
	}
	return nil
}

func (c *meterCell) configure(cfg *MeterConfig, now time.Duration) error {
	if cfg == nil {
		*c = meterCell{}
		return nil
	}
	if cfg.CIR > cfg.PIR {
		return ErrMeterRates
	}
	*c = meterCell{on: true, cfg: *cfg}
	c.bucket[0] = bucket{tokens: cfg.PBurst, last: made(cfg.PIR, now)}
	c.bucket[1] = bucket{tokens: cfg.CBurst, last: made(cfg.CIR, now)}
	return nil
}

// made is how many tokens a rate made until now, as bmv2 computes it: whole microseconds times the rate.
func made(rate uint64, now time.Duration) uint64 {
	return uint64(float64(now.Microseconds()) * (float64(rate) / 1e6))
}

// cost of a packet: one, or the length with which it came.
func (m *Meter) cost(p *packet) uint64 {
	if m.unit == MeterPackets {
		return 1
	}
	return uint64(p.length)
}

// The colours of v1model.
const (
	green  = 0
	yellow = 1
	red    = 2
)

func (c *meterCell) execute(now time.Duration, cost uint64) uint64 {
	if !c.on {
		return green
	}
	if !c.bucket[0].take(c.cfg.PIR, c.cfg.PBurst, now, cost) {
		return red
	}
	if !c.bucket[1].take(c.cfg.CIR, c.cfg.CBurst, now, cost) {
		return yellow
	}
	return green
}

func (b *bucket) take(rate, burst uint64, now time.Duration, cost uint64) bool {
	n := made(rate, now)
	if n > b.last { // a clock that steps back makes no tokens
		b.tokens = min(b.tokens+n-b.last, burst)
		b.last = n
	}
	if b.tokens < cost {
		return false
	}
	b.tokens -= cost
	return true
}

// Register is an array of registers.
type Register struct {
	s     *Switch
	name  string
	bits  int
	words int
	size  int
	data  []uint64
}

// Name returns the name in the program.
func (r *Register) Name() string { return r.name }

// Size returns the number of cells.
func (r *Register) Size() int { return r.size }

// Bits returns the width of a cell.
func (r *Register) Bits() int { return r.bits }

// Read returns cell index big-endian, as wide as the register rounded up to bytes, or [ErrIndex].
func (r *Register) Read(index int) ([]byte, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if index < 0 || index >= r.size {
		return nil, indexError("register", r.name, index, r.size)
	}
	return appendWords(nil, r.cell(uint64(index)), r.bits), nil
}

// Write sets cell index to a big-endian value as wide as the register rounded up to bytes. It returns [ErrIndex], or
// [ErrWidth].
func (r *Register) Write(index int, value []byte) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if index < 0 || index >= r.size {
		return indexError("register", r.name, index, r.size)
	}
	if len(value) != bytesOf(r.bits) {
		return fmt.Errorf("register %s: %w: %d bytes for %d bits", r.name, ErrWidth, len(value), r.bits)
	}
	wordsFromBytes(r.cell(uint64(index)), value, r.bits)
	return nil
}

func (r *Register) cell(i uint64) []uint64 {
	return r.data[i*uint64(r.words) : (i+1)*uint64(r.words)]
}

func (r *Register) low(i uint64) uint64 {
	if i >= uint64(r.size) {
		return 0
	}
	return r.data[(i+1)*uint64(r.words)-1]
}

func (r *Register) setLow(i, v uint64) {
	if i < uint64(r.size) {
		r.data[i] = v & maskOf(r.bits)
	}
}

func (r *Register) big(i uint64) *big.Int {
	if i >= uint64(r.size) {
		return new(big.Int)
	}
	return bigOf(r.cell(i), r.bits, false)
}

func (r *Register) set(i uint64, v *big.Int) {
	if i < uint64(r.size) {
		setBig(r.cell(i), v, r.bits)
	}
}

// ValueSet is a set of values that a parser's transition matches.
type ValueSet struct {
	s       *Switch
	name    string
	bits    int
	uses    []int // of the program's value set uses
	members [][]byte
}

// Name returns the name in the program.
func (v *ValueSet) Name() string { return v.name }

// Bits returns the width of a member: the sum of the widths of its fields.
func (v *ValueSet) Bits() int { return v.bits }

// Set replaces the members. Each is big-endian and as wide as Bits rounded up to bytes; if not it returns [ErrWidth].
func (v *ValueSet) Set(members [][]byte) error {
	for _, m := range members {
		if len(m) != bytesOf(v.bits) {
			return fmt.Errorf("value set %s: %w: %d bytes for %d bits", v.name, ErrWidth, len(m), v.bits)
		}
	}
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	v.members = nil
	for _, m := range members {
		v.members = append(v.members, slices.Clone(m))
	}
	for _, u := range v.uses {
		v.s.setUses[u] = v.s.p.setUses[u].build(members)
	}
	return nil
}

// Members returns the members, a copy.
func (v *ValueSet) Members() [][]byte {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	out := make([][]byte, len(v.members))
	for i, m := range v.members {
		out[i] = slices.Clone(m)
	}
	return out
}

// setUse is one transition on a value set: the widths of the key's parts, each of which the key pads to bytes.
type setUse struct {
	set    int
	widths []int
	mask   []byte // nil: none
}

// memberSet holds the members as the key of one transition has them.
type memberSet struct {
	values map[string]struct{}
	mask   []byte
}

func (u *setUse) build(members [][]byte) memberSet {
	m := memberSet{values: map[string]struct{}{}, mask: u.mask}
	total := 0
	for _, w := range u.widths {
		total += w
	}
	for _, v := range members {
		var key []byte
		at := 8*len(v) - total
		for _, w := range u.widths {
			b := bitWriter{b: key}
			b.put(0, 8*bytesOf(w)-w)
			for i := 0; i < w; i += 32 {
				n := min(32, w-i)
				b.put(getBits(v, at+i, n), n)
			}
			key = b.b
			at += w
		}
		m.values[string(maskBytes(key, u.mask))] = struct{}{}
	}
	return m
}

func maskBytes(b, mask []byte) []byte {
	for i := range mask {
		b[i] &= mask[i]
	}
	return b
}

// contains reports whether the key, under the mask, is a member.
func (m *memberSet) contains(key []byte) bool {
	if m.mask != nil {
		key = maskBytes(slices.Clone(key), m.mask)
	}
	_, ok := m.values[string(key)]
	return ok
}
