// Package info indexes a P4Info message and brings what clients send into the
// canonical form of the P4Runtime specification: identifiers looked up,
// bytestrings cut to their shortest form, match fields and parameters in
// P4Info order, and everything that breaks a rule refused by name.
package info

import (
	"errors"
	"fmt"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// Index is a P4Info message by identifier. It is read only.
type Index struct {
	P4Info *p4configv1.P4Info

	Tables      []*Table
	Profiles    []*Profile
	Counters    []*Counter
	Meters      []*Meter
	Registers   []*Register
	ValueSets   []*ValueSet
	Digests     []*Digest
	PacketIn    *Header // nil if the program has no packet_in header
	PacketOut   *Header
	byID        map[uint32]any
	actionsByID map[uint32]*Action
}

// Table is one table.
type Table struct {
	ID          uint32
	Name        string
	Fields      []*Field // in P4Info order
	Actions     []ActionRef
	Profile     *Profile // nil for a direct table
	Counter     *Counter // the direct counter, or nil
	Meter       *Meter   // the direct meter, or nil
	Size        int64
	IdleTimeout bool
	Const       bool
	Initial     bool // has entries from the program
	// NeedsPriority tells that a field is ternary, range or optional, so that
	// an entry has a priority that is not 0 (section 9.1).
	NeedsPriority bool
	// ConstDefault tells that the default entry is immutable.
	ConstDefault bool
	// Default is the default action as the program sets it: nil if P4Info
	// does not say.
	Default *p4configv1.TableActionCall

	byID    map[uint32]*Field
	actions map[uint32]ActionRef
	keySize int
}

// Field is a match field of a table or of a value set.
type Field struct {
	ID    uint32
	Name  string
	Width int // bits
	Kind  p4configv1.MatchField_MatchType
	pos   int
}

// Action is one action.
type Action struct {
	ID     uint32
	Name   string
	Params []Param // in P4Info order
	pos    map[uint32]int
	size   int
}

// Param is a parameter of an action.
type Param struct {
	ID    uint32
	Name  string
	Width int // bits
}

// ActionRef is an action as a table may use it.
type ActionRef struct {
	*Action
	Scope p4configv1.ActionRef_Scope
}

// Profile is an action profile or an action selector.
type Profile struct {
	ID           uint32
	Name         string
	Tables       []*Table
	Selector     bool
	Size         int64
	MaxGroupSize int32
	// SumOfMembers tells that sizes count members, not weights.
	SumOfMembers      bool
	MaxMemberWeight   int32
	WeightsDisallowed bool
}

// Counter is a counter array, or the direct counter of Table.
type Counter struct {
	ID    uint32
	Name  string
	Size  int64
	Unit  p4configv1.CounterSpec_Unit
	Table *Table
}

// Meter is a meter array, or the direct meter of Table.
type Meter struct {
	ID    uint32
	Name  string
	Size  int64
	Spec  *p4configv1.MeterSpec
	Table *Table
}

// Register is a register array.
type Register struct {
	ID   uint32
	Name string
	Size int64
	Type *Type
}

// ValueSet is a parser value set.
type ValueSet struct {
	ID     uint32
	Name   string
	Fields []*Field
	Size   int64
	byID   map[uint32]*Field
}

// Digest is a digest message.
type Digest struct {
	ID   uint32
	Name string
	Type *Type
}

// Header is the packet_in or packet_out header.
type Header struct {
	Name   string
	Fields []Param // in the order in which they stand in the header
	Bits   int
	pos    map[uint32]int
}

// New indexes p. It refuses, with INVALID_ARGUMENT and all reasons at once, a
// P4Info that is not consistent in itself.
func New(p *p4configv1.P4Info) (*Index, error) {
	x := &Index{
		P4Info:      p,
		byID:        make(map[uint32]any),
		actionsByID: make(map[uint32]*Action),
	}
	b := builder{Index: x, types: p.GetTypeInfo()}
	b.build()
	if err := errors.Join(b.faults...); err != nil {
		return nil, refusal.New(codes.InvalidArgument, "p4info: %w", err)
	}
	return x, nil
}

// find returns the object of kind T with an identifier. An identifier that
// P4Info does not have, and 0 (section 8.1.1), make a message malformed:
// INVALID_ARGUMENT.
func find[T any](x *Index, id uint32, what string) (T, error) {
	if t, ok := x.byID[id].(T); ok {
		return t, nil
	}
	var zero T
	if id == 0 {
		return zero, refusal.New(codes.InvalidArgument, "%s id is 0", what)
	}
	return zero, refusal.New(codes.InvalidArgument, "no %s with id %#08x", what, id)
}

// Table returns the table with an identifier.
func (x *Index) Table(id uint32) (*Table, error) { return find[*Table](x, id, "table") }

// Profile returns the action profile with an identifier.
func (x *Index) Profile(id uint32) (*Profile, error) { return find[*Profile](x, id, "action profile") }

// Counter returns the counter array with an identifier.
func (x *Index) Counter(id uint32) (*Counter, error) {
	c, err := find[*Counter](x, id, "counter")
	if err == nil && c.Table != nil {
		return nil, refusal.New(codes.InvalidArgument, "counter %s is direct", c.Name)
	}
	return c, err
}

// Meter returns the meter array with an identifier.
func (x *Index) Meter(id uint32) (*Meter, error) {
	m, err := find[*Meter](x, id, "meter")
	if err == nil && m.Table != nil {
		return nil, refusal.New(codes.InvalidArgument, "meter %s is direct", m.Name)
	}
	return m, err
}

// Register returns the register with an identifier.
func (x *Index) Register(id uint32) (*Register, error) { return find[*Register](x, id, "register") }

// ValueSet returns the value set with an identifier.
func (x *Index) ValueSet(id uint32) (*ValueSet, error) { return find[*ValueSet](x, id, "value set") }

// Digest returns the digest with an identifier.
func (x *Index) Digest(id uint32) (*Digest, error) { return find[*Digest](x, id, "digest") }

// builder fills an Index and collects what is wrong with the message.
type builder struct {
	*Index
	types  *p4configv1.P4TypeInfo
	nodes  int // of the type that is being resolved
	faults []error
}

func (b *builder) faultf(format string, args ...any) {
	b.faults = append(b.faults, fmt.Errorf(format, args...))
}

// claim registers an object under its identifier, of which the first byte
// says what kind it is (section 6.3).
func (b *builder) claim(p *p4configv1.Preamble, prefix p4configv1.P4Ids_Prefix, object any) {
	id := p.GetId()
	switch {
	case id>>24 != uint32(prefix):
		b.faultf("%s: id %#08x is not of kind %v", p.GetName(), id, prefix)
	case b.byID[id] != nil:
		b.faultf("%s: id %#08x is used twice", p.GetName(), id)
	}
	b.byID[id] = object
}

func (b *builder) build() {
	p := b.P4Info
	for _, a := range p.GetActions() {
		b.action(a)
	}
	for _, pr := range p.GetActionProfiles() {
		b.profile(pr)
	}
	for _, t := range p.GetTables() {
		b.table(t)
	}
	for i, pr := range p.GetActionProfiles() {
		for _, id := range pr.GetTableIds() {
			if t, ok := b.byID[id].(*Table); !ok {
				b.faultf("action profile %s: no table %#08x", pr.GetPreamble().GetName(), id)
			} else if t.Profile == b.Profiles[i] {
				b.Profiles[i].Tables = append(b.Profiles[i].Tables, t)
			} else {
				b.faultf("action profile %s: table %s does not refer to it", pr.GetPreamble().GetName(), t.Name)
			}
		}
	}
	b.resources()
	for _, v := range p.GetValueSets() {
		set := &ValueSet{ID: v.GetPreamble().GetId(), Name: v.GetPreamble().GetName(), Size: int64(v.GetSize())}
		set.Fields, set.byID = b.fields("value set "+set.Name, v.GetMatch())
		b.claim(v.GetPreamble(), p4configv1.P4Ids_VALUE_SET, set)
		b.ValueSets = append(b.ValueSets, set)
	}
	for _, h := range p.GetControllerPacketMetadata() {
		b.header(h)
	}
	if len(p.GetExterns()) > 0 {
		b.faultf("this target has no architecture specific externs")
	}
}

func (b *builder) action(a *p4configv1.Action) {
	act := &Action{ID: a.GetPreamble().GetId(), Name: a.GetPreamble().GetName(), pos: map[uint32]int{}}
	for i, p := range a.GetParams() {
		if _, twice := act.pos[p.GetId()]; twice || p.GetId() == 0 {
			b.faultf("action %s: parameter %s: id %d is 0 or used twice", act.Name, p.GetName(), p.GetId())
		}
		b.width("action "+act.Name+": parameter "+p.GetName(), p.GetBitwidth())
		act.pos[p.GetId()] = i
		act.Params = append(act.Params, Param{ID: p.GetId(), Name: p.GetName(), Width: int(p.GetBitwidth())})
		act.size += bytestring.Len(int(p.GetBitwidth()))
	}
	b.claim(a.GetPreamble(), p4configv1.P4Ids_ACTION, act)
	b.actionsByID[act.ID] = act
}

// width refuses a value without a width: a translated type that is a string
// to the controller, which this target cannot translate.
func (b *builder) width(what string, bits int32) {
	if bits <= 0 {
		b.faultf("%s: no width; string translation is not supported", what)
	}
}

func (b *builder) profile(p *p4configv1.ActionProfile) {
	pr := &Profile{
		ID:                p.GetPreamble().GetId(),
		Name:              p.GetPreamble().GetName(),
		Selector:          p.GetWithSelector(),
		Size:              p.GetSize(),
		MaxGroupSize:      p.GetMaxGroupSize(),
		SumOfMembers:      p.GetSumOfMembers() != nil,
		MaxMemberWeight:   p.GetSumOfMembers().GetMaxMemberWeight(),
		WeightsDisallowed: p.GetWeightsDisallowed(),
	}
	b.claim(p.GetPreamble(), p4configv1.P4Ids_ACTION_PROFILE, pr)
	b.Profiles = append(b.Profiles, pr)
}

func (b *builder) fields(what string, from []*p4configv1.MatchField) ([]*Field, map[uint32]*Field) {
	var list []*Field
	byID := make(map[uint32]*Field, len(from))
	for i, f := range from {
		if byID[f.GetId()] != nil || f.GetId() == 0 {
			b.faultf("%s: field %s: id %d is 0 or used twice", what, f.GetName(), f.GetId())
		}
		b.width(what+": field "+f.GetName(), f.GetBitwidth())
		field := &Field{ID: f.GetId(), Name: f.GetName(), Width: int(f.GetBitwidth()), Kind: f.GetMatchType(), pos: i}
		if field.Kind == p4configv1.MatchField_UNSPECIFIED {
			b.faultf("%s: field %s: match type is not supported", what, f.GetName())
		}
		list = append(list, field)
		byID[field.ID] = field
	}
	return list, byID
}

func (b *builder) table(t *p4configv1.Table) {
	tab := &Table{
		ID:           t.GetPreamble().GetId(),
		Name:         t.GetPreamble().GetName(),
		Size:         t.GetSize(),
		IdleTimeout:  t.GetIdleTimeoutBehavior() != p4configv1.Table_NO_TIMEOUT,
		Const:        t.GetIsConstTable(),
		Initial:      t.GetHasInitialEntries(),
		ConstDefault: t.GetConstDefaultActionId() != 0,
		Default:      t.GetInitialDefaultAction(),
		actions:      make(map[uint32]ActionRef),
		keySize:      4,
	}
	tab.Fields, tab.byID = b.fields("table "+tab.Name, t.GetMatchFields())
	for _, f := range tab.Fields {
		tab.keySize += 3 + 2*bytestring.Len(f.Width)
		switch f.Kind {
		case p4configv1.MatchField_TERNARY, p4configv1.MatchField_RANGE, p4configv1.MatchField_OPTIONAL:
			tab.NeedsPriority = true
		}
	}
	for _, ref := range t.GetActionRefs() {
		a, ok := b.actionsByID[ref.GetId()]
		if !ok {
			b.faultf("table %s: no action %#08x", tab.Name, ref.GetId())
			continue
		}
		r := ActionRef{Action: a, Scope: ref.GetScope()}
		tab.Actions = append(tab.Actions, r)
		tab.actions[a.ID] = r
	}
	if id := t.GetImplementationId(); id != 0 {
		pr, ok := b.byID[id].(*Profile)
		if !ok {
			b.faultf("table %s: no action profile %#08x", tab.Name, id)
		}
		tab.Profile = pr
		tab.ConstDefault = true // section 9.1.3: NoAction, and constant
	}
	b.claim(t.GetPreamble(), p4configv1.P4Ids_TABLE, tab)
	b.Tables = append(b.Tables, tab)
}

func (b *builder) resources() {
	p := b.P4Info
	for _, c := range p.GetCounters() {
		ctr := &Counter{ID: c.GetPreamble().GetId(), Name: c.GetPreamble().GetName(), Size: c.GetSize(), Unit: c.GetSpec().GetUnit()}
		b.claim(c.GetPreamble(), p4configv1.P4Ids_COUNTER, ctr)
		b.Counters = append(b.Counters, ctr)
	}
	for _, c := range p.GetDirectCounters() {
		ctr := &Counter{ID: c.GetPreamble().GetId(), Name: c.GetPreamble().GetName(), Unit: c.GetSpec().GetUnit()}
		if ctr.Table = b.owner("direct counter "+ctr.Name, c.GetDirectTableId()); ctr.Table != nil {
			ctr.Table.Counter = ctr
		}
		b.claim(c.GetPreamble(), p4configv1.P4Ids_DIRECT_COUNTER, ctr)
	}
	for _, m := range p.GetMeters() {
		mtr := &Meter{ID: m.GetPreamble().GetId(), Name: m.GetPreamble().GetName(), Size: m.GetSize(), Spec: m.GetSpec()}
		b.claim(m.GetPreamble(), p4configv1.P4Ids_METER, mtr)
		b.Meters = append(b.Meters, mtr)
	}
	for _, m := range p.GetDirectMeters() {
		mtr := &Meter{ID: m.GetPreamble().GetId(), Name: m.GetPreamble().GetName(), Spec: m.GetSpec()}
		if mtr.Table = b.owner("direct meter "+mtr.Name, m.GetDirectTableId()); mtr.Table != nil {
			mtr.Table.Meter = mtr
		}
		b.claim(m.GetPreamble(), p4configv1.P4Ids_DIRECT_METER, mtr)
	}
	for _, r := range p.GetRegisters() {
		reg := &Register{ID: r.GetPreamble().GetId(), Name: r.GetPreamble().GetName(), Size: int64(r.GetSize())}
		reg.Type = b.resolve("register "+reg.Name, r.GetTypeSpec())
		b.claim(r.GetPreamble(), p4configv1.P4Ids_REGISTER, reg)
		b.Registers = append(b.Registers, reg)
	}
	for _, d := range p.GetDigests() {
		dig := &Digest{ID: d.GetPreamble().GetId(), Name: d.GetPreamble().GetName()}
		dig.Type = b.resolve("digest "+dig.Name, d.GetTypeSpec())
		b.claim(d.GetPreamble(), p4configv1.P4Ids_DIGEST, dig)
		b.Digests = append(b.Digests, dig)
	}
}

func (b *builder) owner(what string, id uint32) *Table {
	t, ok := b.byID[id].(*Table)
	if !ok {
		b.faultf("%s: no table %#08x", what, id)
	}
	return t
}

// maxHeaderBits bounds packet_in and packet_out headers. Nothing else does:
// the device config does not say which of its headers they are.
const maxHeaderBits = 8 * 1024

func (b *builder) header(h *p4configv1.ControllerPacketMetadata) {
	hdr := &Header{Name: h.GetPreamble().GetName(), pos: map[uint32]int{}}
	for i, m := range h.GetMetadata() {
		if _, twice := hdr.pos[m.GetId()]; twice || m.GetId() == 0 {
			b.faultf("%s: field %s: id %d is 0 or used twice", hdr.Name, m.GetName(), m.GetId())
		}
		b.width(hdr.Name+": field "+m.GetName(), m.GetBitwidth())
		hdr.pos[m.GetId()] = i
		hdr.Fields = append(hdr.Fields, Param{ID: m.GetId(), Name: m.GetName(), Width: int(m.GetBitwidth())})
		hdr.Bits += int(m.GetBitwidth())
	}
	if hdr.Bits > maxHeaderBits {
		b.faultf("%s: %d bits, at most %d are supported", hdr.Name, hdr.Bits, maxHeaderBits)
	}
	switch hdr.Name {
	case "packet_in":
		b.PacketIn = hdr
	case "packet_out":
		b.PacketOut = hdr
	}
	b.claim(h.GetPreamble(), p4configv1.P4Ids_CONTROLLER_HEADER, hdr)
}
