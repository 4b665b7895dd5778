package tables

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// The tables of the packet replication engine as annotations call them.
const (
	groupTable   = "builtin::multicast_group_table"
	groupField   = "multicast_group_id"
	sessionTable = "builtin::clone_session_table"
	sessionField = "clone_session_id"
)

// Reference is one edge that @refers_to or @referenced_by draws between
// tables. The entry that holds it needs an entry at its other end, one that
// comes before it and goes after it.
//
// A value of 0 (if there are several, all 0) needs none, since programs have
// no other way to say none; but if entry 0 exists, it too comes before and
// goes after.
type Reference struct {
	// From is the table that refers, or "builtin::multicast_group_table".
	From string
	// Action is the action whose parameters refer; "" where key fields do.
	Action string
	// Fields are the parameters or key fields that refer.
	Fields []string
	// To is the table referred to, or "builtin::multicast_group_table", or
	// "builtin::clone_session_table".
	To string
	// ToFields are the key fields there that must be equal to Fields, in turn.
	ToFields []string
	// Soft is set if the edge only orders and entries at the other end need not
	// exist: @refers_to names the table of a control that has several
	// instances, and so draws an edge to the table of each.
	Soft bool

	target *projection
	fixed  bool // the program fixes the entries there: the edge cannot break
}

func (r *Reference) String() string {
	from := r.From
	if r.Action != "" {
		from += " action " + r.Action
	}
	return fmt.Sprintf("%s(%s) -> %s(%s)", from, strings.Join(r.Fields, ", "), r.To, strings.Join(r.ToFields, ", "))
}

// References returns all edges between tables, in P4Info's order. Do not
// change the slice.
func (s *Schema) References() []*Reference { return s.refs.all }

// projection is some key fields of a table that references name together. Two
// references to the same fields share one.
type projection struct {
	id     uint8
	table  string
	fields []string
}

// references is the graph of tables.
type references struct {
	all         []*Reference
	from        map[string][]*Reference  // by referring table
	to          map[string][]*projection // by table referred to
	projections []*projection
}

// anchor is what a reference points at: a projection and the values there.
// Entries provide anchors and need anchors.
type anchor string

func (l *loader) references() {
	s := l.s
	s.refs.from = make(map[string][]*Reference)
	s.refs.to = make(map[string][]*projection)
	for _, t := range s.Tables() {
		l.refersTo(t, nil, t.Fields)
		l.referencedBy(t)
		for _, a := range t.Actions {
			l.refersTo(t, a.Action, a.Params)
		}
	}
}

// refersTo reads @refers_to(table, field) of one table's key or of one action.
// All that name the same table are one reference to one entry: a neighbor is
// named by its interface and its number together.
func (l *loader) refersTo(t *Table, action *Action, fields []Field) {
	where := "table " + t.Name
	r := Reference{From: t.Name}
	if action != nil {
		where += " action " + action.Name
		r.Action = action.Name
	}
	for _, g := range l.grouped(where, "refers_to", fields) {
		r := r
		r.To, r.Fields, r.ToFields = g.table, g.mine, g.theirs
		if g.table == groupTable && slices.Equal(g.theirs, []string{groupField}) ||
			g.table == sessionTable && slices.Equal(g.theirs, []string{sessionField}) {
			l.add(&r)
			continue
		}
		targets, err := l.targets(g.table)
		if err != nil {
			l.fail(fmt.Errorf("%s: @refers_to: %w", where, err))
		}
		for _, to := range targets {
			r := r
			r.To, r.fixed, r.Soft = to.Name, to.Const, len(targets) > 1
			if l.equal(where, to, g.theirs) {
				l.add(&r)
			}
		}
	}
}

// targets returns the table of that name or alias, or all tables whose last
// component it is.
func (l *loader) targets(name string) ([]*Table, error) {
	t, err := l.s.Table(name)
	if err == nil {
		return []*Table{t}, nil
	}
	var ts []*Table
	for _, t := range l.s.Tables() {
		if strings.HasSuffix(t.Name, "."+name) {
			ts = append(ts, t)
		}
	}
	if len(ts) == 0 {
		return nil, err
	}
	return ts, nil
}

// referencedBy reads @referenced_by(builtin::multicast_group_table, replica.port)
// and replica.instance, by which a table says that group members name its entries.
func (l *loader) referencedBy(t *Table) {
	for _, g := range l.grouped("table "+t.Name, "referenced_by", t.Fields) {
		if g.table != groupTable {
			l.fail(fmt.Errorf("table %s: @referenced_by: %w table %q", t.Name, ErrUnknown, g.table))
			continue
		}
		for _, f := range g.theirs {
			if f != "replica.port" && f != "replica.instance" {
				l.fail(fmt.Errorf("table %s: @referenced_by: %w field %q in %s", t.Name, ErrUnknown, f, g.table))
				return
			}
		}
		if l.equal("table "+t.Name, t, g.mine) {
			l.add(&Reference{From: groupTable, Fields: g.theirs, To: t.Name, ToFields: g.mine})
		}
	}
}

// equal reports whether all of a table's fields can be referred to: a value
// names an entry only where the match is for equality.
func (l *loader) equal(where string, t *Table, fields []string) bool {
	ok := true
	for _, name := range fields {
		f, err := t.Field(name)
		if err == nil && f.Kind != KindExact && f.Kind != KindOptional {
			err = fmt.Errorf("field %q of table %s is %s: only exact and optional fields can be referred to", name, t.Name, f.Kind)
		}
		if err != nil {
			l.fail(fmt.Errorf("%s: reference: %w", where, err))
			ok = false
		}
	}
	return ok
}

type grouping struct {
	table        string
	mine, theirs []string
}

// grouped collects the fields' (table, field) annotations by table.
func (l *loader) grouped(where, annotation string, fields []Field) []grouping {
	var gs []grouping
	for _, f := range fields {
		for a := range f.Annotations.All(annotation) {
			if len(a.Args) != 2 {
				l.fail(fmt.Errorf("%s field %s: @%s(%s) wants a table and a field", where, f.Name, annotation, a.Text))
				continue
			}
			i := slices.IndexFunc(gs, func(g grouping) bool { return g.table == a.Args[0] })
			if i < 0 {
				i = len(gs)
				gs = append(gs, grouping{table: a.Args[0]})
			}
			gs[i].mine = append(gs[i].mine, f.Name)
			gs[i].theirs = append(gs[i].theirs, a.Args[1])
		}
	}
	return gs
}

func (l *loader) add(r *Reference) {
	refs := &l.s.refs
	i := slices.IndexFunc(refs.projections, func(p *projection) bool {
		return p.table == r.To && slices.Equal(p.fields, r.ToFields)
	})
	if i < 0 {
		i = len(refs.projections)
		if i > 255 {
			l.fail(fmt.Errorf("%s: more than 256 kinds of reference", r))
			return
		}
		p := &projection{id: uint8(i), table: r.To, fields: r.ToFields}
		refs.projections = append(refs.projections, p)
		refs.to[r.To] = append(refs.to[r.To], p)
	}
	r.target = refs.projections[i]
	refs.all = append(refs.all, r)
	refs.from[r.From] = append(refs.from[r.From], r)
}

// provided appends the anchors at which references find e.
func (s *Schema) provided(as []anchor, e Entity) []anchor {
	var (
		to    []*projection
		value func(string) (Value, bool)
	)
	switch e := e.(type) {
	case Entry:
		if e.Default || len(s.refs.to[e.Table]) == 0 {
			return as
		}
		to, value = s.refs.to[e.Table], e.match
	case MulticastGroup:
		to, value = s.refs.to[groupTable], func(string) (Value, bool) { return Uint(e.ID), true }
	case CloneSession:
		to, value = s.refs.to[sessionTable], func(string) (Value, bool) { return Uint(e.ID), true }
	}
	for _, p := range to {
		if a, ok := p.anchor(p.fields, value); ok {
			as = append(as, a)
		}
	}
	return as
}

// need is an anchor that an entity refers to.
type need struct {
	at   anchor
	soft bool
}

// needed appends what e refers to. A key field that e does not care about
// refers to nothing; nor does a reference to a table whose entries are fixed by
// the program, since it cannot be broken.
func (s *Schema) needed(ns []need, e Entity) []need {
	switch e := e.(type) {
	case Entry:
		for _, r := range s.refs.from[e.Table] {
			switch {
			case r.fixed:
			case r.Action == "":
				ns = r.needed(ns, e.match)
			case r.Action == e.Action.Name:
				ns = r.needed(ns, e.Action.arg)
			}
		}
	case MulticastGroup:
		for _, r := range s.refs.from[groupTable] {
			for _, m := range e.Replicas {
				ns = r.needed(ns, m.field)
			}
		}
	}
	return ns
}

func (r *Reference) needed(ns []need, value func(string) (Value, bool)) []need {
	a, ok := r.target.anchor(r.Fields, value)
	if !ok {
		return ns
	}
	return append(ns, need{at: a, soft: r.Soft || a.isZero()})
}

// anchor returns the anchor of p with the values of these fields, and false if
// one of them is not there.
func (p *projection) anchor(fields []string, value func(string) (Value, bool)) (anchor, bool) {
	var buf [64]byte
	b := append(buf[:0], p.id)
	for _, f := range fields {
		v, ok := value(f)
		if !ok {
			return "", false
		}
		b = append(binary.AppendUvarint(b, uint64(len(v))), v...)
	}
	return anchor(b), true
}

// field returns a replica's field by the name that @referenced_by uses.
func (r Replica) field(name string) (Value, bool) {
	if name == "replica.port" {
		return Uint(r.Port), true
	}
	return Uint(r.Instance), true
}

// isZero reports whether all values of the anchor are 0: each is then the
// length 1 and the byte 0.
func (a anchor) isZero() bool {
	for b := a[1:]; len(b) > 0; b = b[2:] {
		if b[0] != 1 || b[1] != 0 {
			return false
		}
	}
	return true
}

// text writes the values at which a points, by the names of p's fields.
func (a anchor) text(p *projection) string {
	var out []byte
	b := []byte(a[1:])
	for i, f := range p.fields {
		n, size := binary.Uvarint(b)
		if i > 0 {
			out = append(out, ' ')
		}
		out = append(append(out, f...), '=')
		out = Value(b[size:size+int(n)]).append(out, FormatNumber, 0)
		b = b[size+int(n):]
	}
	return string(out)
}
