package p4fuzz

import (
	"math/big"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
)

// program is a P4Info by id. Lists keep the order of P4Info, so that what is
// drawn from them depends on the seed alone.
type program struct {
	info      *p4configv1.P4Info
	tables    map[uint32]*table
	actions   map[uint32]*p4configv1.Action
	profiles  map[uint32]*p4configv1.ActionProfile
	counters  map[uint32]*p4configv1.Counter
	meters    map[uint32]*p4configv1.Meter
	registers map[uint32]*p4configv1.Register
	valueSets map[uint32]*p4configv1.ValueSet
	digests   map[uint32]*p4configv1.Digest
}

// table is a table with what belongs to it.
type table struct {
	*p4configv1.Table
	id          uint32
	prioritized bool // section 9.1: its entries have a priority
	counter     *p4configv1.DirectCounter
	meter       *p4configv1.DirectMeter
	profile     *p4configv1.ActionProfile // nil: a direct table
}

func newProgram(info *p4configv1.P4Info) *program {
	p := &program{
		info:      info,
		tables:    make(map[uint32]*table),
		actions:   make(map[uint32]*p4configv1.Action),
		profiles:  make(map[uint32]*p4configv1.ActionProfile),
		counters:  make(map[uint32]*p4configv1.Counter),
		meters:    make(map[uint32]*p4configv1.Meter),
		registers: make(map[uint32]*p4configv1.Register),
		valueSets: make(map[uint32]*p4configv1.ValueSet),
		digests:   make(map[uint32]*p4configv1.Digest),
	}
	byID(p.actions, info.GetActions())
	byID(p.profiles, info.GetActionProfiles())
	byID(p.counters, info.GetCounters())
	byID(p.meters, info.GetMeters())
	byID(p.registers, info.GetRegisters())
	byID(p.valueSets, info.GetValueSets())
	byID(p.digests, info.GetDigests())
	for _, t := range info.GetTables() {
		p.tables[t.GetPreamble().GetId()] = p.table(t)
	}
	return p
}

func byID[T interface {
	GetPreamble() *p4configv1.Preamble
}](m map[uint32]T, all []T) {
	for _, x := range all {
		m[x.GetPreamble().GetId()] = x
	}
}

func (p *program) table(t *p4configv1.Table) *table {
	x := &table{Table: t, id: t.GetPreamble().GetId(), profile: p.profiles[t.GetImplementationId()]}
	for _, f := range t.GetMatchFields() {
		switch f.GetMatchType() {
		case p4configv1.MatchField_TERNARY, p4configv1.MatchField_RANGE, p4configv1.MatchField_OPTIONAL:
			x.prioritized = true
		}
	}
	for _, id := range t.GetDirectResourceIds() {
		for _, c := range p.info.GetDirectCounters() {
			if c.GetPreamble().GetId() == id {
				x.counter = c
			}
		}
		for _, m := range p.info.GetDirectMeters() {
			if m.GetPreamble().GetId() == id {
				x.meter = m
			}
		}
	}
	return x
}

func (t *table) name() string { return t.GetPreamble().GetAlias() }

func (t *table) field(id uint32) *p4configv1.MatchField {
	for _, f := range t.GetMatchFields() {
		if f.GetId() == id {
			return f
		}
	}
	return nil
}

// ref returns the reference of a table to an action, or nil.
func (t *table) ref(action uint32) *p4configv1.ActionRef {
	for _, r := range t.GetActionRefs() {
		if r.GetId() == action {
			return r
		}
	}
	return nil
}

// tablesOf returns the tables that a profile implements.
func (p *program) tablesOf(profile *p4configv1.ActionProfile) []*table {
	var out []*table
	for _, id := range profile.GetTableIds() {
		if t := p.tables[id]; t != nil {
			out = append(out, t)
		}
	}
	return out
}

// containers returns the ids of the containers of a kind.
func (p *program) containers(k kind) []uint32 {
	var out []uint32
	switch k {
	case tableEntry, defaultEntry:
		out = ids(p.info.GetTables())
	case member, group:
		out = ids(p.info.GetActionProfiles())
	case counterCell:
		out = ids(p.info.GetCounters())
	case meterCell:
		out = ids(p.info.GetMeters())
	case registerCell:
		out = ids(p.info.GetRegisters())
	case valueSet:
		out = ids(p.info.GetValueSets())
	case digest:
		out = ids(p.info.GetDigests())
	}
	return out
}

func ids[T interface {
	GetPreamble() *p4configv1.Preamble
}](all []T) []uint32 {
	var out []uint32
	for _, x := range all {
		out = append(out, x.GetPreamble().GetId())
	}
	return out
}

// size returns how many cells an array has.
func (p *program) size(k kind, id uint32) int64 {
	switch k {
	case counterCell:
		return p.counters[id].GetSize()
	case meterCell:
		return p.meters[id].GetSize()
	}
	return int64(p.registers[id].GetSize())
}

// sumOfMembers reports how the size of groups of a selector is counted; sum of
// weights is the default (section 6.4.3).
func sumOfMembers(p *p4configv1.ActionProfile) bool { return p.GetSumOfMembers() != nil }

// reference is what @refers_to says of a field or parameter.
type reference struct{ table, field string }

// multicastGroups is the table by which p4c's annotations call multicast groups.
const multicastGroups = "builtin::multicast_group_table"

// references reads @refers_to("table" , "field") out of annotations.
func references(annotations []string) []reference {
	var out []reference
	for _, a := range annotations {
		rest, ok := strings.CutPrefix(a, "@refers_to(")
		if !ok {
			continue
		}
		table, field, ok := strings.Cut(strings.TrimSuffix(rest, ")"), ",")
		if !ok {
			continue
		}
		out = append(out, reference{strings.Trim(table, " \""), strings.Trim(field, " \"")})
	}
	return out
}

// fits reports whether a bytestring is one of an unsigned value of some width
// (section 8.3). Width 0 is that of strings, of which all are fine.
func fits(b []byte, width int32) bool {
	if width == 0 {
		return true
	}
	return len(b) > 0 && number(b).BitLen() <= int(width)
}

// fitsSigned is the same for two's complement.
func fitsSigned(b []byte, width int32) bool {
	if len(b) == 0 {
		return false
	}
	v := number(b)
	if b[0]&0x80 != 0 { // v - 2^(8n)
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	half := new(big.Int).Lsh(big.NewInt(1), uint(width-1))
	return v.Cmp(half) < 0 && v.Cmp(new(big.Int).Neg(half)) >= 0
}

func number(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

// allOnes is the largest value of a width.
func allOnes(width int32) *big.Int {
	v := new(big.Int).Lsh(big.NewInt(1), uint(width))
	return v.Sub(v, big.NewInt(1))
}

// shortest is the canonical form of a bytestring (section 8.3).
func shortest(b []byte) []byte { return bytesOf(number(b)) }

func bytesOf(v *big.Int) []byte {
	if v.Sign() == 0 {
		return []byte{0}
	}
	return v.Bytes()
}

// shortestSigned is the canonical form of a signed one.
func shortestSigned(b []byte) []byte {
	for len(b) > 1 && (b[0] == 0 && b[1]&0x80 == 0 || b[0] == 0xff && b[1]&0x80 != 0) {
		b = b[1:]
	}
	return b
}
