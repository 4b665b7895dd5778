package bindgen

import (
	"strings"

	"github.com/keyway-nve/keyway/tables"
)

// names writes the constants of everything that has a name of its own. Tables
// and actions of a family are named by their instance instead.
func (p *program) names(w *printer) {
	s := p.s
	var objects []*tables.Object
	for _, t := range s.Tables() {
		if !p.inFamily[t.Name] {
			objects = append(objects, &t.Object)
		}
	}
	p.constants(w, "Table", "Tables.", objects)
	objects = nil
	for _, a := range s.Actions() {
		if !p.inFamily[a.Name] {
			objects = append(objects, &a.Object)
		}
	}
	p.constants(w, "Action", "Actions.", objects)
	p.constants(w, "Counter", "Counters, indirect and direct.", described(s.Counters()))
	p.constants(w, "Meter", "Meters, indirect and direct.", described(s.Meters()))
	p.constants(w, "Register", "Registers.", described(s.Registers()))
	p.constants(w, "Digest", "Digests.", described(s.Digests()))
	p.constants(w, "Header", "Headers of packets to and from the controller.", described(s.ControllerHeaders()))
}

func described[T interface{ Described() *tables.Object }](list []T) []*tables.Object {
	objects := make([]*tables.Object, len(list))
	for i, v := range list {
		objects[i] = v.Described()
	}
	return objects
}

func (p *program) constants(w *printer, kind, doc string, objects []*tables.Object) {
	if len(objects) == 0 {
		return
	}
	w.doc("%s", doc)
	w.p("const (")
	for _, o := range objects {
		p.take(constant(kind, o), o.Name)
		w.p("\t%s = %q", constant(kind, o), o.Name)
	}
	w.p("")
	for _, o := range objects {
		w.p("\t%sID = %#08x", constant(kind, o), o.ID)
	}
	w.p(")\n")
}

// constant is a kind and a name. Externs are called after their kind in P4, and
// structs end in _t: neither needs to be said again.
func constant(kind string, o *tables.Object) string {
	name := o.Alias
	switch kind {
	case "Counter", "Meter", "Register", "Digest":
		name = strings.TrimSuffix(strings.TrimSuffix(name, "_"+strings.ToLower(kind)), "_t")
	}
	return kind + camel(name)
}
