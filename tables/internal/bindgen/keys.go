package bindgen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyway-nve/keyway/tables"
)

// keys writes, for each table, its key and a constructor for each action.
func (p *program) keys(w *printer) {
	for _, f := range p.families {
		if f.several() {
			p.instances(w, f)
		}
		if len(f.first().Fields) > 0 && !f.first().Const && f.first().Profile == nil {
			p.key(w, f)
			p.entries(w, f)
		}
		if !f.first().ConstDefault && f.first().Profile == nil {
			p.defaults(w, f)
		}
	}
}

// instances writes the enumeration of a family's tables. It starts at 1, so
// that a key whose instance was forgotten is refused.
func (p *program) instances(w *printer, f *family) {
	typ := f.name + "Instance"
	p.take(typ, f.prefix+f.local)
	w.doc("%s is one of the tables %s*.%s, which have the same key and the same actions.", typ, f.prefix, f.local)
	w.p("type %s uint8\n", typ)
	w.doc("The instances of %s.", f.local)
	w.p("const (")
	for i, instance := range f.instances {
		name := f.name + camel(instance)
		p.take(name, f.tables[i].Name)
		if i == 0 {
			w.p("\t%s %s = 1 + iota", name, typ)
		} else {
			w.p("\t%s", name)
		}
	}
	w.p(")\n")

	if r := runs(f.instances, func(int, int) bool { return true }); len(r) == 1 && r[0].count > 1 {
		name := f.name + camel(r[0].stem)
		p.take(name, f.prefix+r[0].stem)
		w.doc("%s returns the instance %s%s<n>, 0 <= n < %d. Keys of any other are refused.", name, f.prefix, r[0].stem, r[0].count)
		w.p("func %s(n int) %s {", name, typ)
		w.p("\tif n < 0 || n >= %d {\n\t\treturn 0\n\t}", r[0].count)
		w.p("\treturn %s + %s(n)\n}\n", f.name+camel(f.instances[0]), typ)
	}

	w.doc("String returns the instance's own name, such as %q.", f.instances[0])
	w.p("func (i %s) String() string {\n\tswitch i {", typ)
	for _, instance := range f.instances {
		w.p("\tcase %s:\n\t\treturn %q", f.name+camel(instance), instance)
	}
	w.p("\t}\n\treturn \"\"\n}\n")
	w.p("// Table returns the full name of the instance's table, %q if there is no such", "")
	w.p("// instance.")
	w.p("func (i %s) Table() string { return i.object(%q) }\n", typ, f.local)
	w.p("func (i %s) object(name string) string {", typ)
	w.p("\tif i == 0 || i > %d {\n\t\treturn \"\"\n\t}", len(f.instances))
	w.p("\treturn %q + i.String() + \".\" + name\n}\n", f.prefix)
}

func (p *program) key(w *printer, f *family) {
	t := f.first()
	typ := f.name + "Key"
	p.take(typ, t.Name)
	what := "table " + t.Name
	if f.several() {
		what = fmt.Sprintf("the tables %s*.%s", f.prefix, f.local)
	}
	w.doc("%s is the key of %s%s.", typ, what, size(t))
	if r := t.Restriction(); r != "" {
		w.p("//\n// The program restricts entries:\n//")
		for line := range strings.Lines(strings.Trim(r, "\n")) {
			w.p("//\t%s", strings.TrimSpace(line))
		}
	}
	w.p("type %s struct {", typ)
	if f.several() {
		w.p("\tInstance %sInstance", f.name)
	}
	for _, r := range fieldRuns(t.Fields) {
		field := &t.Fields[r.index]
		array := ""
		if r.count > 1 {
			array = fmt.Sprintf("[%d]", r.count)
		}
		w.p("\t%s %s%s // %s", camel(r.stem), array, keyType(field), fieldComment(field))
	}
	if t.Ranked() {
		w.p("\n\t// Priority is positive; the highest that matches wins.\n\tPriority int32")
	}
	w.p("}\n")

	w.p("func (k %s) build() *tables.Builder {", typ)
	if f.several() {
		w.p("\tb := tables.Build(k.Instance.Table(), %d)", len(t.Fields))
	} else {
		w.p("\tb := tables.Build(%s, %d)", constant("Table", &t.Object), len(t.Fields))
	}
	for _, r := range fieldRuns(t.Fields) {
		field := &t.Fields[r.index]
		if r.count == 1 {
			w.p("\t%s", match(field, fmt.Sprintf("%q", field.Name), "k."+camel(r.stem)))
			continue
		}
		w.p("\tfor i, f := range k.%s {\n\t\t%s\n\t}", camel(r.stem), match(field, fmt.Sprintf("%q+strconv.Itoa(i)", r.stem), "f"))
	}
	if t.Ranked() {
		w.p("\tb.Priority(k.Priority)")
	}
	w.p("\treturn b\n}\n")
}

func size(t *tables.Table) string {
	if t.Size == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d entries)", t.Size)
}

func fieldComment(f *tables.Field) string {
	c := fmt.Sprintf("%s, %s", f.Kind, width(f))
	if args, ok := f.Annotation("refers_to"); ok {
		c += ", refers to " + strings.Join(args, ".")
	}
	return c
}

func width(f *tables.Field) string {
	switch f.Width {
	case 0:
		return "a string"
	case 1:
		return "1 bit"
	}
	return fmt.Sprintf("%d bits", f.Width)
}

// entries writes a constructor for each action that entries may call. Numbered
// actions share one, which takes the number.
func (p *program) entries(w *printer, f *family) {
	for _, r := range actionRuns(f.first().Actions) {
		a := f.first().Actions[r.index]
		if a.Scope == tables.ScopeDefault {
			continue
		}
		method := camel(local(r.stem))
		of := local(a.Name)
		signature := params(a.Params)
		if r.count > 1 {
			of = fmt.Sprintf("%s<n>, 0 <= n < %d", local(r.stem), r.count)
			signature = strings.TrimSuffix("n int, "+signature, ", ")
		}
		w.doc("%s returns the entry that calls %s.%s", method, of, paramComment(a.Params))
		w.p("func (k %sKey) %s(%s) (tables.Entry, error) {", f.name, method, signature)
		w.p("\tb := k.build()")
		name := p.action(f, &a, r.stem)
		if r.count > 1 {
			w.p("\tb.DoNth(%s, n, %d, %d)", name, r.count, len(a.Params))
		} else {
			w.p("\tb.Do(%s, %d)", name, len(a.Params))
		}
		args(w, a.Params)
		w.p("\treturn b.Entry()\n}\n")
	}
}

// action is the expression of an action's full name.
func (p *program) action(f *family, a *tables.ActionRef, stem string) string {
	switch {
	case f.several() && p.inFamily[a.Name]:
		return fmt.Sprintf("k.Instance.object(%q)", local(stem))
	case stem != a.Name || p.inFamily[a.Name]:
		return fmt.Sprintf("%q", stem)
	}
	return constant("Action", &a.Object)
}

// defaults writes a constructor for each action that may be the default.
func (p *program) defaults(w *printer, f *family) {
	t := f.first()
	for _, a := range t.Actions {
		if a.Scope == tables.ScopeEntries {
			continue
		}
		name := "Default" + f.name + camel(local(a.Name))
		p.take(name, t.Name)
		signature := params(a.Params)
		table := constant("Table", &t.Object)
		action := p.action(f, &a, a.Name)
		if f.several() {
			signature = strings.TrimSuffix(fmt.Sprintf("k %sInstance, %s", f.name, signature), ", ")
			table = "k.Table()"
			action = strings.Replace(action, "k.Instance.", "k.", 1)
		}
		w.doc("%s makes %s the default action of table %s.%s", name, local(a.Name), f.local, paramComment(a.Params))
		w.p("func %s(%s) (tables.Entry, error) {", name, signature)
		w.p("\tb := tables.Build(%s, 0)\n\tb.Default()", table)
		w.p("\tb.Do(%s, %d)", action, len(a.Params))
		args(w, a.Params)
		w.p("\treturn b.Entry()\n}\n")
	}
}

// params writes a parameter list, neighbours of one type together.
func params(fields []tables.Field) string {
	var b strings.Builder
	for i := range fields {
		typ := typeOf(&fields[i]).name
		b.WriteString(lower(fields[i].Name))
		if i+1 == len(fields) || typeOf(&fields[i+1]).name != typ {
			b.WriteString(" " + typ)
		}
		if i+1 < len(fields) {
			b.WriteString(", ")
		}
	}
	return b.String()
}

// paramComment says what Go's types don't: the widths that are not a type's
// own, and the tables that must have an entry.
func paramComment(fields []tables.Field) string {
	var notes []string
	for i := range fields {
		f := &fields[i]
		var of []string
		if w := f.Width; w > 1 && !slices.Contains([]int{8, 16, 32, 48, 64, 128}, w) {
			of = append(of, fmt.Sprintf("has %d bits", w))
		}
		for a := range f.Annotations.All("refers_to") {
			of = append(of, "refers to "+strings.Join(a.Args, "."))
		}
		if len(of) > 0 {
			notes = append(notes, lower(f.Name)+" "+strings.Join(of, " and "))
		}
	}
	if len(notes) == 0 {
		return ""
	}
	return " Here " + strings.Join(notes, "; ") + "."
}

func args(w *printer, fields []tables.Field) {
	for i := range fields {
		f := &fields[i]
		w.p("\tb.Arg(%q, %d, %s)", f.Name, f.Width, call(typeOf(f), lower(f.Name)))
	}
}

func local(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
