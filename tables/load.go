package tables

import (
	"fmt"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
)

// loader turns a P4Info into a Schema, and collects what contradicts itself.
type loader struct {
	s    *Schema
	info *p4configv1.P4Info
	errs []error
}

func (l *loader) fail(err error) {
	if err != nil {
		l.errs = append(l.errs, err)
	}
}

func (l *loader) load() {
	s, info := l.s, l.info
	s.actions = newIndex[*Action]("action", len(info.GetActions()))
	for _, a := range info.GetActions() {
		action := &Action{Object: newObject(a.GetPreamble())}
		for _, p := range a.GetParams() {
			action.Params = append(action.Params, l.field(p, "parameter", action.Name))
		}
		l.fail(s.actions.add(action))
	}

	s.profiles = newIndex[*ActionProfile]("action profile", len(info.GetActionProfiles()))
	for _, p := range info.GetActionProfiles() {
		l.fail(s.profiles.add(&ActionProfile{
			Object:       newObject(p.GetPreamble()),
			Selector:     p.GetWithSelector(),
			Size:         int(p.GetSize()),
			MaxGroupSize: int(p.GetMaxGroupSize()),
		}))
	}

	s.tables = newIndex[*Table]("table", len(info.GetTables()))
	for _, t := range info.GetTables() {
		l.fail(s.tables.add(l.table(t)))
	}
	l.resources()

	s.digests = newIndex[*Digest]("digest", len(info.GetDigests()))
	for _, d := range info.GetDigests() {
		l.fail(s.digests.add(&Digest{Object: newObject(d.GetPreamble()), Fields: l.members(d.GetTypeSpec())}))
	}
	s.headers = newIndex[*ControllerHeader]("controller header", len(info.GetControllerPacketMetadata()))
	for _, h := range info.GetControllerPacketMetadata() {
		header := &ControllerHeader{Object: newObject(h.GetPreamble())}
		for _, m := range h.GetMetadata() {
			header.Fields = append(header.Fields, l.field(m, "metadata", header.Name))
		}
		l.fail(s.headers.add(header))
	}
	l.references()
}

func (l *loader) table(t *p4configv1.Table) *Table {
	s := l.s
	table := &Table{
		Object:       newObject(t.GetPreamble()),
		Size:         int(t.GetSize()),
		ConstDefault: t.GetConstDefaultActionId() != 0,
		Const:        t.GetIsConstTable(),
		Initial:      t.GetHasInitialEntries(),
		IdleTimeout:  t.GetIdleTimeoutBehavior() == p4configv1.Table_NOTIFY_CONTROL,
	}
	for _, m := range t.GetMatchFields() {
		f := l.field(m, "field", table.Name)
		switch m.GetMatchType() {
		case p4configv1.MatchField_EXACT:
			f.Kind = KindExact
		case p4configv1.MatchField_LPM:
			f.Kind = KindLPM
		case p4configv1.MatchField_TERNARY:
			f.Kind = KindTernary
		case p4configv1.MatchField_RANGE:
			f.Kind = KindRange
		case p4configv1.MatchField_OPTIONAL:
			f.Kind = KindOptional
		}
		table.Fields = append(table.Fields, f)
	}
	for _, r := range t.GetActionRefs() {
		action, err := s.ActionByID(r.GetId())
		if err != nil {
			l.fail(fmt.Errorf("table %s: %w", table.Name, err))
			continue
		}
		ref := ActionRef{Action: action}
		switch r.GetScope() {
		case p4configv1.ActionRef_TABLE_ONLY:
			ref.Scope = ScopeEntries
		case p4configv1.ActionRef_DEFAULT_ONLY:
			ref.Scope = ScopeDefault
		}
		table.Actions = append(table.Actions, ref)
	}
	l.initialDefault(table, t.GetInitialDefaultAction())
	if id := t.GetImplementationId(); id != 0 {
		p, err := s.profiles.at(s, id)
		if err != nil {
			l.fail(fmt.Errorf("table %s: %w", table.Name, err))
			return table
		}
		p.Tables = append(p.Tables, table)
		table.Profile = p
	}
	return table
}

func (l *loader) initialDefault(table *Table, call *p4configv1.TableActionCall) {
	if call.GetActionId() == 0 {
		return
	}
	ref, err := table.actionByID(call.GetActionId())
	if err != nil {
		l.fail(fmt.Errorf("initial default: %w", err))
		return
	}
	table.Default.Name = ref.Name
	for _, a := range call.GetArguments() {
		p, err := ref.paramByID(a.GetParamId())
		if err != nil {
			l.fail(fmt.Errorf("initial default: %w", err))
			continue
		}
		v, err := Value(a.GetValue()).canonical(p.Width)
		if err != nil {
			l.fail(fmt.Errorf("table %s: initial default: parameter %s: %w", table.Name, p.Name, err))
		}
		table.Default.Args = append(table.Default.Args, Arg{Param: p.Name, Value: v})
	}
}

func (l *loader) resources() {
	s, info := l.s, l.info
	s.counters = newIndex[*Counter]("counter", len(info.GetCounters())+len(info.GetDirectCounters()))
	for _, c := range info.GetCounters() {
		l.fail(s.counters.add(&Counter{
			Object: newObject(c.GetPreamble()), Unit: Unit(c.GetSpec().GetUnit()), Size: int(c.GetSize()),
		}))
	}
	for _, c := range info.GetDirectCounters() {
		counter := &Counter{Object: newObject(c.GetPreamble()), Unit: Unit(c.GetSpec().GetUnit())}
		if counter.Table = l.owner(c.GetDirectTableId(), "counter", counter.Name); counter.Table != nil {
			counter.Table.Counter = counter
		}
		l.fail(s.counters.add(counter))
	}

	s.meters = newIndex[*Meter]("meter", len(info.GetMeters())+len(info.GetDirectMeters()))
	for _, m := range info.GetMeters() {
		meter := newMeter(m.GetPreamble(), m.GetSpec())
		meter.Size = int(m.GetSize())
		l.fail(s.meters.add(meter))
	}
	for _, m := range info.GetDirectMeters() {
		meter := newMeter(m.GetPreamble(), m.GetSpec())
		if meter.Table = l.owner(m.GetDirectTableId(), "meter", meter.Name); meter.Table != nil {
			meter.Table.Meter = meter
		}
		l.fail(s.meters.add(meter))
	}

	s.regs = newIndex[*Register]("register", len(info.GetRegisters()))
	for _, r := range info.GetRegisters() {
		l.fail(s.regs.add(&Register{
			Object: newObject(r.GetPreamble()),
			Size:   int(r.GetSize()),
			Width:  l.width(r.GetTypeSpec()),
		}))
	}
}

func (l *loader) owner(id uint32, kind, name string) *Table {
	t, err := l.s.TableByID(id)
	if err != nil {
		l.fail(fmt.Errorf("direct %s %s: %w", kind, name, err))
	}
	return t
}

func newMeter(p *p4configv1.Preamble, spec *p4configv1.MeterSpec) *Meter {
	return &Meter{
		Object:    newObject(p),
		Unit:      Unit(spec.GetUnit()),
		OneRate:   spec.GetType() != p4configv1.MeterSpec_TWO_RATE_THREE_COLOR,
		TwoColors: spec.GetType() == p4configv1.MeterSpec_SINGLE_RATE_TWO_COLOR,
	}
}

func newObject(p *p4configv1.Preamble) Object {
	return Object{
		ID:          p.GetId(),
		Name:        p.GetName(),
		Alias:       p.GetAlias(),
		Brief:       p.GetDoc().GetBrief(),
		Annotations: newAnnotations(p.GetAnnotations(), p.GetStructuredAnnotations()),
	}
}

// fieldInfo is what P4Info's match fields, parameters and metadata share.
type fieldInfo interface {
	GetId() uint32
	GetName() string
	GetBitwidth() int32
	GetAnnotations() []string
	GetStructuredAnnotations() []*p4configv1.StructuredAnnotation
}

func (l *loader) field(m fieldInfo, kind, where string) Field {
	if m.GetId() == 0 {
		l.fail(fmt.Errorf("%s %s of %s: id 0", kind, m.GetName(), where))
	}
	f := Field{
		ID:          m.GetId(),
		Name:        m.GetName(),
		Width:       int(m.GetBitwidth()),
		Annotations: newAnnotations(m.GetAnnotations(), m.GetStructuredAnnotations()),
	}
	f.Format = formatOf(&f)
	return f
}

// formatOf takes @format where the program gives it. Elsewhere 48 bits are a
// MAC address unless the name speaks of time, and 32 or 128 bits whose name
// has the word ip, ipv4 or ipv6 are an IP address.
func formatOf(f *Field) Format {
	if args, ok := f.Annotation("format"); ok && len(args) == 1 {
		switch args[0] {
		case "MAC_ADDRESS":
			return FormatMAC
		case "IPV4_ADDRESS":
			return FormatIPv4
		case "IPV6_ADDRESS":
			return FormatIPv6
		case "HEX_STRING":
			return FormatHex
		case "STRING":
			return FormatText
		}
		return FormatNumber
	}
	switch f.Width {
	case 0:
		return FormatText
	case 48:
		if !strings.Contains(f.Name, "time") && !strings.Contains(f.Name, "stamp") {
			return FormatMAC
		}
	case 32, 128:
		for word := range strings.FieldsFuncSeq(strings.ToLower(f.Name), func(r rune) bool { return r == '_' || r == '.' }) {
			switch {
			case word != "ip" && word != "ipv4" && word != "ipv6":
			case f.Width == 32:
				return FormatIPv4
			default:
				return FormatIPv6
			}
		}
	}
	return FormatNumber
}

// members flattens a digest's type: a struct's members, or one plain value.
func (l *loader) members(t *p4configv1.P4DataTypeSpec) []Field {
	name := t.GetStruct().GetName()
	if name == "" {
		return []Field{l.member("value", t)}
	}
	var fields []Field
	for _, m := range l.info.GetTypeInfo().GetStructs()[name].GetMembers() {
		fields = append(fields, l.member(m.GetName(), m.GetTypeSpec()))
	}
	return fields
}

func (l *loader) member(name string, t *p4configv1.P4DataTypeSpec) Field {
	f := Field{Name: name, Width: l.width(t), Annotations: newAnnotations(
		t.GetBitstring().GetAnnotations(), t.GetBitstring().GetStructuredAnnotations())}
	if f.Width != 0 {
		f.Kind = KindExact
		f.Format = formatOf(&f)
	}
	return f
}

// width returns the bits of a plain number, through P4's named types; 0 for
// anything else.
func (l *loader) width(t *p4configv1.P4DataTypeSpec) int {
	for range 8 { // a type may rename a type; a loop of names would be p4c's fault
		if name := t.GetNewType().GetName(); name != "" {
			spec := l.info.GetTypeInfo().GetNewTypes()[name]
			if n := spec.GetTranslatedType().GetSdnBitwidth(); n != 0 {
				return int(n)
			}
			t = spec.GetOriginalType()
			continue
		}
		if name := t.GetSerializableEnum().GetName(); name != "" {
			return int(l.info.GetTypeInfo().GetSerializableEnums()[name].GetUnderlyingType().GetBitwidth())
		}
		break
	}
	return int(t.GetBitstring().GetBit().GetBitwidth())
}
