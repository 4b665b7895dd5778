package device

import (
	"errors"
	"fmt"

	"github.com/keyway-nve/keyway/tables"
)

// ErrHeld is the reason why an entity was left as it is: it depends on another
// that the device does not hold as desired.
var ErrHeld = errors.New("held back")

// anchor is what a reference between tables points at: the values of some
// fields of a table.
type anchor string

// graph is the program's references, by the table at either end.
type graph struct {
	from, to map[string][]*tables.Reference
}

func newGraph(s *tables.Schema) graph {
	g := graph{make(map[string][]*tables.Reference), make(map[string][]*tables.Reference)}
	for _, r := range s.References() {
		g.from[r.From] = append(g.from[r.From], r)
		g.to[r.To] = append(g.to[r.To], r)
	}
	return g
}

// provides yields the anchors at which references find e.
func (g *graph) provides(e tables.Entity, yield func(anchor)) {
	table, field := fields(e)
	for _, r := range g.to[table] {
		addAnchor(r, r.ToFields, field, yield)
	}
}

// needs yields the anchors that e refers to, also those of references that only
// order: a layout without one of its words is not that layout.
func (g *graph) needs(e tables.Entity, yield func(anchor)) {
	if group, ok := e.(tables.MulticastGroup); ok {
		for _, r := range g.from[groupTable] {
			for _, m := range group.Replicas {
				addAnchor(r, r.Fields, func(name string) (tables.Value, bool) {
					if name == "replica.port" {
						return tables.Uint(m.Port), true
					}
					return tables.Uint(m.Instance), name == "replica.instance"
				}, yield)
			}
		}
		return
	}
	table, field := fields(e)
	for _, r := range g.from[table] {
		value := field
		if r.Action != "" {
			entry, _ := e.(tables.Entry)
			if entry.Action.Name != r.Action {
				continue
			}
			value = func(name string) (tables.Value, bool) {
				for _, a := range entry.Action.Args {
					if a.Param == name {
						return a.Value, true
					}
				}
				return "", false
			}
		}
		addAnchor(r, r.Fields, value, yield)
	}
}

// The packet replication engine's tables, as references call them.
const (
	groupTable   = "builtin::multicast_group_table"
	sessionTable = "builtin::clone_session_table"
)

// fields returns what references call e's table, and its key's values.
func fields(e tables.Entity) (table string, value func(field string) (tables.Value, bool)) {
	switch e := e.(type) {
	case tables.Entry:
		return e.Table, func(field string) (tables.Value, bool) {
			for i := range e.Matches {
				if m := &e.Matches[i]; m.Field == field {
					return m.Value, true
				}
			}
			return "", false
		}
	case tables.MulticastGroup:
		return groupTable, func(string) (tables.Value, bool) { return tables.Uint(e.ID), true }
	case tables.CloneSession:
		return sessionTable, func(string) (tables.Value, bool) { return tables.Uint(e.ID), true }
	}
	return "", nil
}

// addAnchor yields the anchor that a reference's fields have, unless one is
// missing: an entity that does not care about a field refers to nothing by it.
func addAnchor(r *tables.Reference, names []string, value func(string) (tables.Value, bool), yield func(anchor)) {
	a := r.To
	for i, name := range names {
		v, ok := value(name)
		if !ok {
			return
		}
		a += fmt.Sprintf(" %s=%x", r.ToFields[i], string(v))
	}
	yield(anchor(a))
}

// hold takes back from goal what must not be done while something has failed:
// to point packets at what is not there, and to delete what packets are still
// pointed at. What it takes back is a failure too, which may hold more.
func (rec *reconciler) hold(goal map[string]tables.Entity) {
	for len(rec.failed) > 0 {
		absent, held := make(map[anchor]string), make(map[anchor]string)
		for _, f := range rec.failures() { // in order, so that it is always the same that is named
			old, e := rec.have[f.Key], rec.want[f.Key]
			switch {
			case old != nil: // stays as it is
				rec.d.refs.needs(old, func(a anchor) { held[a] = f.Key })
			case e != nil:
				rec.d.refs.provides(e, func(a anchor) { absent[a] = f.Key })
			}
		}
		more := false
		for key, e := range goal {
			if _, failed := rec.failed[key]; failed {
				continue
			}
			old, why := rec.have[key], ""
			switch {
			case e != nil:
				rec.d.refs.needs(e, func(a anchor) {
					if other, ok := absent[a]; ok {
						why = "it needs " + other
					}
				})
			case old != nil:
				rec.d.refs.provides(old, func(a anchor) {
					if other, ok := held[a]; ok {
						why = "it is needed by " + other
					}
				})
			}
			if why == "" {
				continue
			}
			more = true
			goal[key] = old
			op, about := tables.Delete, old
			switch {
			case e != nil && old != nil:
				op, about = tables.Modify, e
			case e != nil:
				op, about = tables.Insert, e
			}
			rec.failed[key] = Failure{
				Key:  key,
				Text: op.String() + " " + rec.d.schema.Text(about),
				Err:  fmt.Errorf("%w: %s", ErrHeld, why),
			}
		}
		if !more {
			return
		}
	}
}
