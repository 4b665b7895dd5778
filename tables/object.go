package tables

import (
	"fmt"
	"slices"
)

// Table is a match-action table.
type Table struct {
	Object
	Fields []Field // the key, in P4Info's order
	// Actions are those that an entry may call.
	Actions []ActionRef
	// Size is the number of entries that the device must hold; 0 is no statement.
	Size int
	// Default is the program's own default action, if P4Info gives it.
	Default Call
	// ConstDefault is set if the default action cannot be changed.
	ConstDefault bool
	// Const is set if all entries are fixed by the program.
	Const bool
	// Initial is set if the program brings entries of its own.
	Initial bool
	// IdleTimeout is set if entries may have one.
	IdleTimeout bool
	// Profile implements the table's actions; nil if they are direct.
	Profile *ActionProfile
	// Counter and Meter are the table's direct resources, or nil.
	Counter *Counter
	Meter   *Meter
}

// Ranked reports whether entries carry a priority: P4Runtime demands one if
// and only if the key has a ternary, range or optional field.
func (t *Table) Ranked() bool {
	return slices.ContainsFunc(t.Fields, func(f Field) bool { return f.Kind.ranked() })
}

// Width returns the number of bits in the key.
func (t *Table) Width() int {
	n := 0
	for _, f := range t.Fields {
		n += f.Width
	}
	return n
}

// Field returns the key field of that name.
func (t *Table) Field(name string) (*Field, error) {
	for i := range t.Fields {
		if t.Fields[i].Name == name {
			return &t.Fields[i], nil
		}
	}
	return nil, fmt.Errorf("%w field %q in table %s", ErrUnknown, name, t.Name)
}

func (t *Table) fieldByID(id uint32) (*Field, error) {
	for i := range t.Fields {
		if t.Fields[i].ID == id {
			return &t.Fields[i], nil
		}
	}
	return nil, fmt.Errorf("%w field id %d in table %s", ErrUnknown, id, t.Name)
}

// Action returns the table's action of that name or alias; an action of the
// program that the table does not list is unknown here.
func (t *Table) Action(name string) (*ActionRef, error) {
	var found *ActionRef
	for i := range t.Actions {
		switch a := &t.Actions[i]; {
		case a.Name == name:
			return a, nil
		case a.Alias == name && found != nil:
			return nil, fmt.Errorf("%w: action %q in table %s is %s or %s", ErrAmbiguous, name, t.Name, found.Name, a.Name)
		case a.Alias == name:
			found = a
		}
	}
	if found == nil || name == "" {
		return nil, fmt.Errorf("%w action %q in table %s", ErrUnknown, name, t.Name)
	}
	return found, nil
}

func (t *Table) actionByID(id uint32) (*ActionRef, error) {
	for i := range t.Actions {
		if t.Actions[i].ID == id {
			return &t.Actions[i], nil
		}
	}
	return nil, fmt.Errorf("%w action id %#x in table %s", ErrUnknown, id, t.Name)
}

// Kind is how a field matches.
type Kind uint8

// The kinds of match. KindOther is an architecture's own, which P4Runtime
// cannot carry in general and no entry can be built for.
const (
	KindOther Kind = iota
	KindExact
	KindLPM
	KindTernary
	KindRange
	KindOptional
)

// String returns the kind's name in P4.
func (k Kind) String() string {
	if names := [...]string{"other", "exact", "lpm", "ternary", "range", "optional"}; int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

func (k Kind) ranked() bool { return k == KindTernary || k == KindRange || k == KindOptional }

// Field is a match field, an action parameter, or a field of a controller
// header or a digest.
type Field struct {
	ID          uint32
	Name        string
	Width       int  // bits; 0 if the program translates the field to a string
	Kind        Kind // of a match field only
	Format      Format
	Annotations Annotations
}

// Annotation returns the arguments of the field's annotation of that name.
func (f *Field) Annotation(name string) (args []string, ok bool) {
	return f.Annotations.Annotation(name)
}

// Action is an action of the program.
type Action struct {
	Object
	Params []Field
}

// Param returns the parameter of that name.
func (a *Action) Param(name string) (*Field, error) {
	for i := range a.Params {
		if a.Params[i].Name == name {
			return &a.Params[i], nil
		}
	}
	return nil, fmt.Errorf("%w parameter %q in action %s", ErrUnknown, name, a.Name)
}

func (a *Action) paramByID(id uint32) (*Field, error) {
	for i := range a.Params {
		if a.Params[i].ID == id {
			return &a.Params[i], nil
		}
	}
	return nil, fmt.Errorf("%w parameter id %d in action %s", ErrUnknown, id, a.Name)
}

// Scope says where a table may call an action.
type Scope uint8

// The scopes, as @tableonly and @defaultonly set them.
const (
	ScopeAny Scope = iota
	ScopeEntries
	ScopeDefault
)

// ActionRef is an action as one table may call it.
type ActionRef struct {
	*Action
	Scope Scope
}

// Unit is what a counter or a meter counts.
type Unit uint8

// The units.
const (
	UnitUnspecified Unit = iota
	UnitBytes
	UnitPackets
	UnitBoth
)

// Counter is an indirect counter array, or a table's direct counter.
type Counter struct {
	Object
	Unit  Unit
	Size  int    // cells of an indirect counter
	Table *Table // whose direct counter it is; nil for an indirect one
}

// Meter is an indirect meter array, or a table's direct meter.
type Meter struct {
	Object
	Unit Unit
	// OneRate and TwoColors restrict the rates (MeterSpec.Type): one rate with
	// an excess burst (RFC 2697), and one without.
	OneRate, TwoColors bool
	Size               int    // cells of an indirect meter
	Table              *Table // whose direct meter it is; nil for an indirect one
}

// Register is a register array. P4Runtime can read and write it, but bmv2's
// server cannot; no desired state lives there.
type Register struct {
	Object
	Size  int
	Width int // bits of a cell; 0 if a cell is not a plain number
}

// ActionProfile holds actions that entries share.
type ActionProfile struct {
	Object
	Tables       []*Table
	Selector     bool
	Size         int
	MaxGroupSize int
}

// Digest is a message that the data plane sends to the controller.
type Digest struct {
	Object
	// Fields are the message's members in order, without ids. A member that is
	// no plain number has KindOther and width 0.
	Fields []Field
}

// ControllerHeader describes the metadata of packet-in or packet-out.
type ControllerHeader struct {
	Object
	Fields []Field
}
