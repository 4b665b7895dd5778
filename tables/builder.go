package tables

import (
	"errors"
	"fmt"
	"strconv"
)

// Reasons why an entry is refused, each wrapped in an [EntryError]; a number
// that does not fit wraps bytestring.ErrEmpty or bytestring.ErrRange.
var (
	ErrMissing     = errors.New("missing")
	ErrRepeated    = errors.New("given twice")
	ErrKind        = errors.New("wrong kind of match")
	ErrPrefix      = errors.New("prefix length out of range")
	ErrEmptyRange  = errors.New("range is empty")
	ErrPriority    = errors.New("wrong priority")
	ErrScope       = errors.New("action is out of scope")
	ErrConst       = errors.New("fixed by the program")
	ErrUnsupported = errors.New("not supported")
)

// EntryError is one reason why an entry is refused. Invalid entries give all
// their reasons, joined.
type EntryError struct {
	Table string
	Where string // "field vni", "action remote parameter tunnel_id", ""
	Err   error
}

func (e *EntryError) Error() string {
	text := e.Err.Error()
	if e.Where != "" {
		text = e.Where + ": " + text
	}
	if e.Table != "" {
		text = e.Table + ": " + text
	}
	return text
}

func (e *EntryError) Unwrap() error { return e.Err }

// Builder makes one canonical entry out of fields in the order of the table's
// key, and keeps every reason against it. It serves generated bindings, which
// know the table; others use [Schema.Entry].
type Builder struct {
	e      Entry
	errs   []error
	ranked bool
}

// Build starts an entry of the named table, with room for so many matches.
func Build(table string, matches int) *Builder {
	return &Builder{e: Entry{Table: table, Matches: make([]Match, 0, matches)}}
}

func (b *Builder) refuse(where string, err error) {
	b.errs = append(b.errs, &EntryError{Table: b.e.Table, Where: where, Err: err})
}

func (b *Builder) refuseField(name string, err error) { b.refuse("field "+name, err) }

func (b *Builder) value(field string, width int, v Value) Value {
	v, err := v.canonical(width)
	if err != nil {
		b.refuseField(field, err)
	}
	return v
}

// Exact matches a field of width bits that equals v.
func (b *Builder) Exact(field string, width int, v Value) {
	b.e.Matches = append(b.e.Matches, Exact(field, b.value(field, width, v)))
}

// Optional matches a field that equals v.
func (b *Builder) Optional(field string, width int, v Value) {
	b.ranked = true
	b.e.Matches = append(b.e.Matches, Optional(field, b.value(field, width, v)))
}

// LPM matches the first n bits of a field. Bits of v behind them are cleared;
// no bits at all means don't care.
func (b *Builder) LPM(field string, width int, v Value, n int) {
	if n < 0 || n > width {
		b.refuseField(field, fmt.Errorf("%w: %d of %d bits", ErrPrefix, n, width))
		return
	}
	v, err := v.canonical(width)
	switch {
	case err != nil:
		b.refuseField(field, err)
	case n > 0:
		b.e.Matches = append(b.e.Matches, LPM(field, v.and(ones(n, width-n)), n))
	}
}

// Ternary matches a field that equals v under mask. Bits of v outside the mask
// are cleared; a mask of zero means don't care.
func (b *Builder) Ternary(field string, width int, v, mask Value) {
	b.ranked = true
	v, err := v.canonical(width)
	if err != nil {
		b.refuseField(field, err)
	}
	mask, maskErr := mask.canonical(width)
	if maskErr != nil {
		b.refuseField(field+" mask", maskErr)
	}
	if err == nil && maskErr == nil && !mask.isZero() {
		b.e.Matches = append(b.e.Matches, Ternary(field, v.and(mask), mask))
	}
}

// Range matches a field from low to high. The whole width means don't care.
func (b *Builder) Range(field string, width int, low, high Value) {
	b.ranked = true
	low, err := low.canonical(width)
	if err != nil {
		b.refuseField(field+" low", err)
	}
	high, highErr := high.canonical(width)
	switch {
	case highErr != nil:
		b.refuseField(field+" high", highErr)
	case err != nil:
	case high.less(low):
		b.refuseField(field, fmt.Errorf("%w: %v..%v", ErrEmptyRange, low, high))
	case !low.isZero() || high != ones(width, 0):
		b.e.Matches = append(b.e.Matches, Range(field, low, high))
	}
}

// Any leaves a ternary, range or optional field out.
func (b *Builder) Any() { b.ranked = true }

// Priority sets the entry's priority.
func (b *Builder) Priority(p int32) { b.e.Priority = p }

// Default makes the entry the table's default action.
func (b *Builder) Default() { b.e.Default = true }

// Do sets the action, which has so many parameters.
func (b *Builder) Do(action string, params int) {
	b.e.Action = Call{Name: action}
	if params > 0 {
		b.e.Action.Args = make([]Arg, 0, params)
	}
}

// DoNth sets the action whose name is prefix and the number n, from 0 to of-1.
func (b *Builder) DoNth(prefix string, n, of, params int) {
	if n < 0 || n >= of {
		b.refuse("action "+localName(prefix)+strconv.Itoa(n), fmt.Errorf("%w action: numbers go up to %d", ErrUnknown, of-1))
	}
	b.Do(prefix+strconv.Itoa(n), params)
}

// Arg sets the action's next parameter, of width bits.
func (b *Builder) Arg(param string, width int, v Value) {
	v, err := v.canonical(width)
	if err != nil {
		b.refuse("action "+localName(b.e.Action.Name)+" parameter "+param, err)
	}
	b.e.Action.Args = append(b.e.Action.Args, Arg{Param: param, Value: v})
}

// Entry returns the entry, or all reasons against it.
func (b *Builder) Entry() (Entry, error) {
	switch ranked := b.ranked && !b.e.Default; {
	case ranked && b.e.Priority <= 0:
		b.refuse("", fmt.Errorf("%w %d: the key has ternary, range or optional fields, so it must be positive", ErrPriority, b.e.Priority))
	case !ranked && b.e.Priority != 0:
		b.refuse("", fmt.Errorf("%w %d: it must be 0 here", ErrPriority, b.e.Priority))
	}
	if b.e.Table == "" {
		b.refuse("", fmt.Errorf("%w table: no such instance", ErrUnknown))
	}
	if len(b.errs) > 0 {
		return Entry{}, errors.Join(b.errs...)
	}
	if len(b.e.Matches) == 0 {
		b.e.Matches = nil // one form for no matches, for those who compare
	}
	return b.e, nil
}

// Entry returns e in canonical form: aliases replaced by names, matches and
// arguments in the program's order, don't-care matches dropped, masked and
// host bits cleared. The error joins every reason why e is no entry of this
// program, each an [EntryError].
func (s *Schema) Entry(e Entry) (Entry, error) {
	t, err := s.Table(e.Table)
	if err != nil {
		return Entry{}, err
	}
	b := Build(t.Name, len(e.Matches))
	b.e.Priority, b.e.Default = e.Priority, e.Default
	b.e.Rates, b.e.IdleTimeout, b.e.Metadata, b.e.Const = e.Rates, e.IdleTimeout, e.Metadata, e.Const
	b.matches(t, e.Matches)
	b.action(t, e.Action)
	b.properties(t)
	return b.Entry()
}

// key returns the key of e in canonical form, or every reason against it.
func (s *Schema) key(e Entry) (Entry, error) {
	t, err := s.Table(e.Table)
	if err != nil {
		return Entry{}, err
	}
	b := Build(t.Name, len(e.Matches))
	b.e.Priority, b.e.Default, b.e.Metadata, b.e.IdleTimeout = e.Priority, e.Default, e.Metadata, e.IdleTimeout
	b.matches(t, e.Matches)
	return b.Entry()
}

func (b *Builder) matches(t *Table, ms []Match) {
	for i := range ms {
		if _, err := t.Field(ms[i].Field); err != nil {
			b.refuseField(ms[i].Field, ErrUnknown)
		}
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		var m *Match
		for j := range ms {
			switch {
			case ms[j].Field != f.Name:
			case m != nil:
				b.refuseField(f.Name, ErrRepeated)
			default:
				m = &ms[j]
			}
		}
		switch {
		case m == nil:
			b.ranked = b.ranked || f.Kind.ranked()
			if f.Kind == KindExact && !b.e.Default {
				b.refuseField(f.Name, ErrMissing)
			}
		case b.e.Default:
			b.refuseField(f.Name, fmt.Errorf("%w: a default action has no matches", ErrKind))
		case m.Kind != f.Kind || f.Kind == KindOther:
			b.refuseField(f.Name, fmt.Errorf("%w: %v where the table has %v", ErrKind, m.Kind, f.Kind))
		default:
			b.match(f, m)
		}
	}
}

func (b *Builder) match(f *Field, m *Match) {
	switch f.Kind {
	case KindExact:
		b.Exact(f.Name, f.Width, m.Value)
	case KindLPM:
		b.LPM(f.Name, f.Width, m.Value, m.Prefix)
	case KindTernary:
		b.Ternary(f.Name, f.Width, m.Value, m.Mask)
	case KindRange:
		b.Range(f.Name, f.Width, m.Value, m.Mask)
	case KindOptional:
		b.Optional(f.Name, f.Width, m.Value)
	}
}

func (b *Builder) action(t *Table, c Call) {
	if c.Name == "" {
		if !b.e.Default {
			b.refuse("action", ErrMissing)
		}
		return
	}
	ref, err := t.Action(c.Name)
	switch {
	case errors.Is(err, ErrAmbiguous):
		b.refuse("", err)
		return
	case err != nil:
		b.refuse("action "+c.Name, fmt.Errorf("%w here", ErrUnknown))
		return
	}
	where := "action " + localName(ref.Name)
	if b.e.Default && ref.Scope == ScopeEntries || !b.e.Default && ref.Scope == ScopeDefault {
		b.refuse(where, ErrScope)
	}
	for _, a := range c.Args {
		if _, err := ref.Param(a.Param); err != nil {
			b.refuse(where+" parameter "+a.Param, ErrUnknown)
		}
	}
	b.Do(ref.Name, len(ref.Params))
	for i := range ref.Params {
		p := &ref.Params[i]
		n := 0
		for _, a := range c.Args {
			if a.Param != p.Name {
				continue
			}
			if n++; n == 1 {
				b.Arg(p.Name, p.Width, a.Value)
			}
		}
		switch {
		case n == 0:
			b.refuse(where+" parameter "+p.Name, ErrMissing)
		case n > 1:
			b.refuse(where+" parameter "+p.Name, ErrRepeated)
		}
	}
}

// properties checks what the table as a whole allows.
func (b *Builder) properties(t *Table) {
	switch {
	case b.e.Default:
		if t.ConstDefault && !b.e.Const {
			b.refuse("default action", ErrConst)
		}
		if b.e.IdleTimeout != 0 {
			b.refuse("idle timeout", fmt.Errorf("%w by default actions", ErrUnsupported))
		}
	case len(t.Fields) == 0:
		b.refuse("", fmt.Errorf("entries are %w: the table has no key, only a default action", ErrUnsupported))
	case t.Const && !b.e.Const:
		b.refuse("entries", ErrConst)
	}
	if t.Profile != nil {
		b.refuse("", fmt.Errorf("action profile %s is %w", t.Profile.Name, ErrUnsupported))
	}
	if b.e.IdleTimeout < 0 || b.e.IdleTimeout > 0 && !t.IdleTimeout {
		b.refuse("idle timeout", fmt.Errorf("%v is %w by the table", b.e.IdleTimeout, ErrUnsupported))
	}
	if b.e.Rates == nil {
		return
	}
	if t.Meter == nil {
		b.refuse("rates", fmt.Errorf("%w: the table has no meter", ErrUnsupported))
		return
	}
	for _, err := range b.e.Rates.check(t.Meter) {
		b.refuse("rates", err)
	}
}
