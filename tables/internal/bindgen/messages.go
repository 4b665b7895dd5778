package bindgen

import (
	"strings"

	"github.com/keyway-nve/keyway/tables"
)

// messages writes what goes over the stream: packet metadata both ways, digests.
func (p *program) messages(w *printer) {
	for _, h := range p.s.ControllerHeaders() {
		typ := camel(h.Alias)
		p.take(typ, h.Name)
		w.doc("%s is the metadata of controller header %s.", typ, h.Name)
		structure(w, typ, h.Fields)

		w.p("// Encode returns the metadata, or every reason why a field does not fit.")
		w.p("func (m %s) Encode() ([]*p4v1.PacketMetadata, error) {", typ)
		w.p("\tw := tables.WriteMetadata(%q, %d)", h.Name, len(h.Fields))
		for i := range h.Fields {
			f := &h.Fields[i]
			t := typeOf(f)
			if t.addr && f.Width == 128 {
				t.make = "tables.Mapped"
			}
			value := call(t, "m."+camel(f.Name))
			if padding(f) {
				value = "tables.Bool(false)"
			}
			w.p("\tw.Put(%d, %q, %d, %s)", f.ID, f.Name, f.Width, value)
		}
		w.p("\treturn w.Metadata()\n}\n")

		w.p("// Decode sets m from the metadata. The error joins everything that is missing,")
		w.p("// unknown, repeated or too wide.")
		w.p("func (m *%s) Decode(md []*p4v1.PacketMetadata) error {", typ)
		w.p("\t*m = %s{}", typ)
		w.p("\tr := tables.ReadMetadata(%q, md)", h.Name)
		for i := range h.Fields {
			f := &h.Fields[i]
			if padding(f) {
				w.p("\tr.Skip(%d)", f.ID)
				continue
			}
			read(w, f, int(f.ID))
		}
		w.p("\treturn r.Err()\n}\n")
	}

	for _, d := range p.s.Digests() {
		typ := camel(strings.TrimSuffix(d.Alias, "_t"))
		p.take(typ, d.Name)
		w.doc("%s is a message of digest %s.", typ, d.Name)
		structure(w, typ, d.Fields)
		w.p("// Decode sets m from one message of a digest list. The error joins everything")
		w.p("// that is missing, unknown or too wide.")
		w.p("func (m *%s) Decode(data *p4v1.P4Data) error {", typ)
		w.p("\t*m = %s{}", typ)
		w.p("\tr := tables.ReadDigest(%q, data)", d.Name)
		for i := range d.Fields {
			f := &d.Fields[i]
			if padding(f) {
				w.p("\tr.Skip(%d)", i)
				continue
			}
			read(w, f, i)
		}
		w.p("\treturn r.Err()\n}\n")
	}
}

// padding reports whether a field carries nothing, or, in a digest, nothing
// that is a number.
func padding(f *tables.Field) bool {
	_, ok := f.Annotation("padding")
	return ok || strings.HasPrefix(f.Name, "_") || f.Width == 0
}

func structure(w *printer, typ string, fields []tables.Field) {
	w.p("type %s struct {", typ)
	for i := range fields {
		if f := &fields[i]; !padding(f) {
			w.p("\t%s %s // %s", camel(f.Name), typeOf(f).name, width(f))
		}
	}
	w.p("}\n")
}

func read(w *printer, f *tables.Field, id int) {
	t := typeOf(f)
	if t.read == "" {
		w.p("\ttables.AsBytes(r.Field(%d, %q, %d), m.%s[:])", id, f.Name, f.Width, camel(f.Name))
		return
	}
	w.p("\tm.%s = %s(r.Field(%d, %q, %d))", camel(f.Name), t.read, id, f.Name, f.Width)
}
