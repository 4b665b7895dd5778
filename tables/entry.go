package tables

import (
	"slices"
	"strconv"
	"time"
)

// Entry is a table entry as plain data. One that a [Schema] or a generated
// binding has built is canonical: full names, matches in the order of the key,
// don't-care fields left out, shortest numbers. Two canonical entries of one
// device are the same entry exactly if their Keys are equal.
type Entry struct {
	Table   string
	Matches []Match
	// Priority is positive in a table with a ternary, range or optional field,
	// where the higher number wins, and 0 elsewhere.
	Priority int32
	// Default makes this the table's default action, which has no matches.
	// Without an action it stands for the program's own default.
	Default bool
	Action  Call
	// Rates configures the direct meter; nil means always green.
	Rates *Rates
	// IdleTimeout is 0 for an entry that never expires.
	IdleTimeout time.Duration
	// Metadata is kept by the device and returned on read; it means nothing there.
	Metadata string
	// Const is set on entries read from a device that no write can change.
	Const bool
}

// Match is a match on one key field.
type Match struct {
	Field string
	Kind  Kind
	Value Value // a range's low end
	Mask  Value // a ternary match's mask, a range's high end
	// Prefix is the length in bits of an LPM match.
	Prefix int
}

// Call is an action with its arguments.
type Call struct {
	Name string
	Args []Arg
}

// Arg is one argument of an action.
type Arg struct {
	Param string
	Value Value
}

// Exact matches a field that equals v.
func Exact(field string, v Value) Match { return Match{Field: field, Kind: KindExact, Value: v} }

// LPM matches a field whose first n bits are those of v.
func LPM(field string, v Value, n int) Match {
	return Match{Field: field, Kind: KindLPM, Value: v, Prefix: n}
}

// Ternary matches a field that equals v in the bits that are set in mask.
func Ternary(field string, v, mask Value) Match {
	return Match{Field: field, Kind: KindTernary, Value: v, Mask: mask}
}

// Range matches a field from low to high, both included.
func Range(field string, low, high Value) Match {
	return Match{Field: field, Kind: KindRange, Value: low, Mask: high}
}

// Optional matches a field that equals v; to match any value, leave it out.
func Optional(field string, v Value) Match { return Match{Field: field, Kind: KindOptional, Value: v} }

// Do returns a call of the named action.
func Do(action string, args ...Arg) Call { return Call{Name: action, Args: args} }

// find returns the match on a field, or nil if the entry does not care.
func (e *Entry) find(field string) *Match {
	for i := range e.Matches {
		if e.Matches[i].Field == field {
			return &e.Matches[i]
		}
	}
	return nil
}

// match returns what the entry demands of a field for equality.
func (e *Entry) match(field string) (Value, bool) {
	if m := e.find(field); m != nil {
		return m.Value, true
	}
	return "", false
}

func (c *Call) arg(param string) (Value, bool) {
	for i := range c.Args {
		if c.Args[i].Param == param {
			return c.Args[i].Value, true
		}
	}
	return "", false
}

// Key identifies the entry: table, matches and priority, in a form that people
// can read and that stays the same as long as the program's names do.
func (e Entry) Key() string {
	b := make([]byte, 0, 96)
	b = append(b, e.Table...)
	if e.Default {
		b = append(b, " default"...)
	}
	for i := range e.Matches {
		b = append(b, ' ')
		b = e.Matches[i].append(b, FormatHex, 0)
	}
	return string(e.appendPriority(b))
}

// String writes the entry with numbers; [Schema.Text] also knows addresses.
func (e Entry) String() string { return string(e.append(nil, nil)) }

// append writes e. A nil table means that fields' formats are not known.
func (e *Entry) append(b []byte, t *Table) []byte {
	b = append(b, e.Table...)
	if e.Default {
		b = append(b, " default"...)
	}
	for i := range e.Matches {
		m := &e.Matches[i]
		format, width := FormatNumber, 0
		if t != nil {
			if f, err := t.Field(m.Field); err == nil {
				format, width = f.Format, f.Width
			}
		}
		b = append(b, ' ')
		b = m.append(b, format, width)
	}
	b = e.appendPriority(b)
	if e.Action.Name == "" {
		return append(b, " -> (program's default)"...)
	}
	b = append(b, " -> "...)
	var action *Action
	if t != nil {
		if ref, err := t.Action(e.Action.Name); err == nil {
			action = ref.Action
		}
	}
	return e.Action.append(b, action)
}

func (e *Entry) appendPriority(b []byte) []byte {
	if e.Priority == 0 {
		return b
	}
	b = append(b, " priority="...)
	return strconv.AppendInt(b, int64(e.Priority), 10)
}

func (m *Match) append(b []byte, f Format, width int) []byte {
	b = append(b, m.Field...)
	b = append(b, '=')
	b = m.Value.append(b, f, width)
	switch m.Kind {
	case KindLPM:
		b = append(b, '/')
		b = strconv.AppendInt(b, int64(m.Prefix), 10)
	case KindTernary:
		b = append(b, "&&&"...)
		b = m.Mask.appendHex(b)
	case KindRange:
		b = append(b, ".."...)
		b = m.Mask.append(b, f, width)
	}
	return b
}

func (c *Call) append(b []byte, action *Action) []byte {
	b = append(b, localName(c.Name)...)
	b = append(b, '(')
	for i, a := range c.Args {
		format, width := FormatNumber, 0
		if action != nil {
			if p, err := action.Param(a.Param); err == nil {
				format, width = p.Format, p.Width
			}
		}
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, a.Param...)
		b = append(b, '=')
		b = a.Value.append(b, format, width)
	}
	return append(b, ')')
}

// localName is the last component of a fully qualified name.
func localName(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			return name[i+1:]
		}
	}
	return name
}

// equal reports whether two canonical entries of one key do the same.
func (e *Entry) equal(o *Entry) bool {
	return e.Action.Name == o.Action.Name && slices.Equal(e.Action.Args, o.Action.Args) &&
		sameRates(e.Rates, o.Rates) && e.IdleTimeout == o.IdleTimeout && e.Metadata == o.Metadata
}
