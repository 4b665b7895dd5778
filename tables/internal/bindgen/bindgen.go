// Package bindgen writes Go bindings of a P4 program from its P4Info.
package bindgen

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"slices"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/keyway-nve/keyway/tables"
)

// Options says what to write.
type Options struct {
	// Package is the name of the Go package.
	Package string
	// Source names the P4Info in the header of each file.
	Source string
}

// Generate returns the bindings of a program as formatted Go files by name:
// names.go, keys.go and messages.go. The same P4Info gives the same bytes.
func Generate(info *p4configv1.P4Info, o Options) (map[string][]byte, error) {
	s, err := tables.NewSchema(info)
	if err != nil {
		return nil, err
	}
	p := newProgram(s)
	var names, keys, messages printer
	p.names(&names)
	p.keys(&keys)
	p.messages(&messages)
	if len(p.errs) > 0 {
		return nil, fmt.Errorf("bindings of %s: %w", s.Name, errors.Join(p.errs...))
	}
	files := make(map[string][]byte)
	for name, w := range map[string]*printer{"names.go": &names, "keys.go": &keys, "messages.go": &messages} {
		if files[name], err = w.file(o); err != nil {
			return nil, fmt.Errorf("bindings of %s: %s: %w", s.Name, name, err)
		}
	}
	return files, nil
}

// printer collects one file's declarations.
type printer struct{ bytes.Buffer }

func (w *printer) p(format string, args ...any) {
	fmt.Fprintf(&w.Buffer, format, args...)
	w.WriteByte('\n')
}

func (w *printer) doc(format string, args ...any) {
	for line := range strings.Lines(wrap(fmt.Sprintf(format, args...), 76)) {
		w.p("// %s", strings.TrimRight(line, "\n"))
	}
}

// imports are the qualifiers that declarations may use with the lines that
// import them, in gofmt's order, and between its groups an empty line.
var imports = []struct{ qualifier, line string }{
	{"netip.", "\t\"net/netip\"\n"},
	{"strconv.", "\t\"strconv\"\n"},
	{"", "\n"},
	{"p4v1.", "\tp4v1 \"github.com/p4lang/p4runtime/go/p4/v1\"\n"},
	{"", "\n"},
	{"ethernet.", "\t\"github.com/keyway-nve/keyway/proto/ethernet\"\n"},
	{"tables.", "\t\"github.com/keyway-nve/keyway/tables\"\n"},
}

func (w *printer) file(o Options) ([]byte, error) {
	var head strings.Builder
	fmt.Fprintf(&head, "// Code generated from %s by tables/gen. DO NOT EDIT.\n\npackage %s\n\n", o.Source, o.Package)
	var block strings.Builder
	for _, i := range imports {
		if i.qualifier == "" || bytes.Contains(w.Bytes(), []byte(i.qualifier)) {
			block.WriteString(i.line)
		}
	}
	if lines := strings.TrimSpace(block.String()); lines != "" {
		for strings.Contains(lines, "\n\n\n") {
			lines = strings.ReplaceAll(lines, "\n\n\n", "\n\n")
		}
		fmt.Fprintf(&head, "import (\n\t%s\n)\n\n", lines)
	}
	src, err := format.Source(append([]byte(head.String()), w.Bytes()...))
	if err != nil {
		return nil, fmt.Errorf("%w in\n%s", err, w.String())
	}
	return src, nil
}

// program is a schema as its bindings see it: tables of the same shape in
// instances of one control are one family.
type program struct {
	s        *tables.Schema
	families []*family
	inFamily map[string]bool // names of tables and of actions
	errs     []error
	taken    map[string]string
}

// family is one or more tables with the same key and actions. A family of
// several has an instance name for each, which stands between prefix and name.
type family struct {
	tables    []*tables.Table
	prefix    string // "NveEgress.encapsulate.", for a family of several
	instances []string
	name      string // Go's
	local     string // the table's own name
}

func (f *family) several() bool { return len(f.tables) > 1 }

// first stands for all, since their shape is the same.
func (f *family) first() *tables.Table { return f.tables[0] }

func newProgram(s *tables.Schema) *program {
	p := &program{s: s, inFamily: map[string]bool{}, taken: map[string]string{}}
	byShape := map[string]*family{}
	for _, t := range s.Tables() {
		prefix, instance, local := split(t.Name)
		key := prefix + "|" + local + "|" + shape(t)
		f := byShape[key]
		if f == nil || instance == "" {
			f = &family{prefix: prefix, local: local}
			byShape[key] = f
			p.families = append(p.families, f)
		}
		f.tables = append(f.tables, t)
		f.instances = append(f.instances, instance)
	}
	for _, f := range p.families {
		f.name = camel(f.first().Alias)
		if !f.several() {
			continue
		}
		f.name = camel(f.local)
		for i, t := range f.tables {
			p.inFamily[t.Name] = true
			for _, a := range t.Actions {
				if strings.HasPrefix(a.Name, f.prefix+f.instances[i]+".") {
					p.inFamily[a.Name] = true
				}
			}
		}
	}
	for _, f := range p.families {
		p.take(f.name, f.first().Name)
	}
	return p
}

// take reserves a Go name, or notes that two objects would share it.
func (p *program) take(name, of string) {
	if other, ok := p.taken[name]; ok {
		p.errs = append(p.errs, fmt.Errorf("%s and %s would both be %s", other, of, name))
	}
	p.taken[name] = of
}

// split cuts "A.b.instance.table" into "A.b.", "instance" and "table".
func split(name string) (prefix, instance, local string) {
	parts := strings.Split(name, ".")
	n := len(parts)
	if n < 3 {
		return "", "", name
	}
	return strings.Join(parts[:n-2], ".") + ".", parts[n-2], parts[n-1]
}

// shape is equal for tables that one binding can serve.
func shape(t *tables.Table) string {
	var b strings.Builder
	own := t.Name[:strings.LastIndexByte(t.Name, '.')+1]
	for _, f := range t.Fields {
		fmt.Fprintf(&b, "%s %v %d %d;", f.Name, f.Kind, f.Width, f.Format)
	}
	for _, a := range t.Actions {
		name := a.Name
		if rest, ok := strings.CutPrefix(name, own); ok {
			name = "." + rest
		}
		fmt.Fprintf(&b, "%s %d(", name, a.Scope)
		for _, f := range a.Params {
			fmt.Fprintf(&b, "%s %d %d,", f.Name, f.Width, f.Format)
		}
		b.WriteString(")")
	}
	fmt.Fprintf(&b, "%v %v", t.Const, t.ConstDefault)
	return b.String()
}

// run is a row of numbered neighbours with the same shape, such as word0 to
// word15. One that stands alone has count 1.
type run struct {
	index, count int
	stem         string // "word"; the whole name if count is 1
}

// runs groups names that are one stem with the numbers 0, 1, 2, ... in turn.
// Fewer than three are not worth an index.
func runs(names []string, same func(i, j int) bool) []run {
	var out []run
	for i := 0; i < len(names); {
		n := 0
		stem, ok := strings.CutSuffix(names[i], "0")
		for ok && stem != "" && i+n < len(names) && names[i+n] == fmt.Sprint(stem, n) && same(i, i+n) {
			n++
		}
		if n < 3 {
			n, stem = 1, names[i]
		}
		out = append(out, run{i, n, stem})
		i += n
	}
	return out
}

func fieldRuns(fields []tables.Field) []run {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return runs(names, func(i, j int) bool {
		a, b := fields[i], fields[j]
		return a.Kind == b.Kind && a.Width == b.Width && a.Format == b.Format
	})
}

func actionRuns(actions []tables.ActionRef) []run {
	names := make([]string, len(actions))
	for i, a := range actions {
		names[i] = a.Name
	}
	return runs(names, func(i, j int) bool {
		a, b := actions[i], actions[j]
		return a.Scope == b.Scope && slices.EqualFunc(a.Params, b.Params, func(f, g tables.Field) bool {
			return f.Name == g.Name && f.Width == g.Width && f.Format == g.Format
		})
	})
}
