package engine

import (
	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

// The packet header vector is flat: a field of up to 64 bits is one word that holds its value, a wider one several
// words with the most significant first. A header is a run of words that starts with its validity, $valid$. Metadata
// comes first, so that resetting it is one clear. The bytes of a variable-length field live beside the words; its
// word holds the length in bits.

// field is where one field of one header instance lives.
type field struct {
	hdr        *header
	name       string
	bits       int
	signed     bool
	saturating bool
	slot       int // first word
	words      int
	vl         bool
	vlOff      int // of its bytes in packet.vl
	vlMax      int // bytes
}

// low is the word with the 64 least significant bits.
func (f *field) low() int { return f.slot + f.words - 1 }

func (f *field) mask() uint64 { return maskOf(f.bits) }

// topMask masks the most significant word.
func (f *field) topMask() uint64 { return maskOf(f.bits - 64*(f.words-1)) }

func maskOf(bits int) uint64 {
	if bits >= 64 {
		return ^uint64(0)
	}
	return 1<<bits - 1
}

func wordsOf(bits int) int { return max(1, (bits+63)/64) }
func bytesOf(bits int) int { return (bits + 7) / 8 }

type fieldType struct {
	name       string
	bits       int
	signed     bool
	saturating bool
	vl         bool
}

type headerType struct {
	name   string
	fields []fieldType
	index  map[string]int
	fixed  int // bits without the variable-length field
	vl     int // index of the variable-length field, -1 for none
	max    int // bytes of the longest instance, variable-length headers only
	length *bmjson.Value
}

// header is one instance.
type header struct {
	name     string
	typ      *headerType
	metadata bool
	valid    int // slot of $valid$, the first word of the header
	words    int // with $valid$
	fields   []*field
	validF   *field
	union    []*header // all members of the union it belongs to, nil for none
	bytes    int       // of the fixed part
	pieces   []piece   // of a header without variable-length field
	chunks   []chunk   // to put it together again; nil where that goes bit by bit
	vlLength func(*packet) uint64
}

// field finds a field by name, with the hidden $valid$.
func (h *header) field(name string) *field {
	if name == "$valid$" {
		return h.validF
	}
	if i, ok := h.typ.index[name]; ok {
		return h.fields[i]
	}
	return nil
}

type stack struct {
	name string
	typ  *headerType
	next int // slot of the number of elements in use
	hdrs []*header
}

type union struct {
	name string
	typ  *unionType
	hdrs []*header
}

type unionType struct {
	name  string
	names []string
	types []*headerType
}

type unionStack struct {
	name   string
	typ    *unionType
	next   int
	unions []*union
}

// layout is the header vector of a program.
type layout struct {
	types      map[string]*headerType
	headers    []*header // by id, metadata and others, in the order of the JSON
	byID       map[int]*header
	header     map[string]*header
	stack      map[string]*stack
	union      map[string]*union
	unionByID  map[int]*union
	unionStack map[string]*unionStack
	alias      map[string]*field
	words      int
	metaWords  int // the metadata's words are the first
	vlBytes    int
}

// Limits that a real program does not reach, so that a configuration cannot make the engine exhaust memory.
const (
	maxFieldBits   = 1 << 16
	maxHeaderBytes = 1 << 16
	maxPHVWords    = 1 << 22
	maxArraySize   = 1 << 24
)

func (l *layout) load(root *bmjson.Value) {
	l.types = map[string]*headerType{}
	for _, v := range root.List("header_types") {
		t := loadHeaderType(v)
		if l.types[t.name] != nil {
			v.Get("name").Faultf("duplicate header type %q", t.name)
		}
		l.types[t.name] = t
	}
	l.loadHeaders(root)
	l.loadStacks(root)
	l.loadUnions(root)
	l.alias = map[string]*field{}
	for _, v := range root.List("field_aliases") {
		p := v.Tuple(2)
		if f := l.fieldAt(p[1]); f != nil {
			l.alias[p[0].String()] = f
		}
	}
}

func loadHeaderType(v *bmjson.Value) *headerType {
	t := &headerType{name: v.Get("name").String(), index: map[string]int{}, vl: -1}
	for _, fv := range v.List("fields") {
		p := fv.Elems()
		if len(p) < 2 || len(p) > 4 {
			fv.Faultf("want [name, width] or [name, width, signed]")
			continue
		}
		ft := fieldType{name: p[0].String()}
		if p[1].IsString() {
			if s := p[1].String(); s != "*" {
				p[1].Faultf("width %q is neither a number nor \"*\"", s)
			} else if t.vl >= 0 {
				fv.Faultf("header type %s has two variable-length fields", t.name)
			}
			ft.vl = true
			t.vl = len(t.fields)
		} else {
			ft.bits = p[1].Int(1, maxFieldBits)
			t.fixed += ft.bits
		}
		if len(p) > 2 {
			ft.signed = p[2].Bool()
			if ft.signed && ft.bits == 1 {
				fv.Faultf("a signed field has at least two bits")
			}
		}
		if len(p) > 3 {
			ft.saturating = p[3].Bool()
		}
		if _, dup := t.index[ft.name]; dup {
			fv.Faultf("duplicate field %q", ft.name)
		}
		t.index[ft.name] = len(t.fields)
		t.fields = append(t.fields, ft)
	}
	if t.vl >= 0 {
		t.max = v.Get("max_length").Int(1, maxHeaderBytes)
		if t.max*8 < t.fixed {
			v.Get("max_length").Faultf("shorter than the fixed fields of %s", t.name)
		}
		if v.Has("length_exp") {
			t.length = v.Get("length_exp")
		}
	}
	return t
}

func (l *layout) loadHeaders(root *bmjson.Value) {
	l.header = map[string]*header{}
	l.byID = map[int]*header{}
	for _, v := range root.List("headers") {
		h := &header{name: v.Get("name").String(), metadata: v.Get("metadata").Bool()}
		tn := v.Get("header_type").String()
		if h.typ = l.types[tn]; h.typ == nil {
			v.Get("header_type").Faultf("no header type %q", tn)
			h.typ = &headerType{name: tn, vl: -1}
		}
		if h.typ.fixed%8 != 0 && !h.metadata {
			v.Faultf("header %s is not a whole number of bytes", h.name)
		}
		id := v.Get("id").Int(0, maxPHVWords)
		if l.byID[id] != nil {
			v.Get("id").Faultf("duplicate header id %d", id)
		}
		if l.header[h.name] != nil {
			v.Get("name").Faultf("duplicate header %q", h.name)
		}
		l.byID[id] = h
		l.header[h.name] = h
		l.headers = append(l.headers, h)
	}
	for _, metadata := range []bool{true, false} {
		for _, h := range l.headers {
			if h.metadata == metadata {
				l.place(h)
			}
		}
		if metadata {
			l.metaWords = l.words
		}
	}
	if l.words > maxPHVWords {
		root.Get("headers").Faultf("headers take %d words, more than %d", l.words, maxPHVWords)
		l.words = maxPHVWords
	}
}

func (l *layout) place(h *header) {
	h.valid = l.words
	l.words++
	h.validF = &field{hdr: h, name: "$valid$", bits: 1, slot: h.valid, words: 1}
	for _, ft := range h.typ.fields {
		f := &field{hdr: h, name: ft.name, bits: ft.bits, signed: ft.signed, saturating: ft.saturating, vl: ft.vl,
			slot: l.words, words: wordsOf(ft.bits)}
		if f.vl {
			f.vlOff, f.vlMax = l.vlBytes, max(0, h.typ.max-h.typ.fixed/8)
			l.vlBytes += f.vlMax
		}
		l.words += f.words
		h.fields = append(h.fields, f)
	}
	h.words, h.bytes = l.words-h.valid, h.typ.fixed/8
	if h.typ.vl < 0 {
		h.pieces = piecesOf(h.fields, h.bytes)
		h.chunks = chunksOf(h.pieces)
	}
}

func (l *layout) loadStacks(root *bmjson.Value) {
	l.stack = map[string]*stack{}
	for _, v := range root.List("header_stacks") {
		s := &stack{name: v.Get("name").String(), next: l.words}
		l.words++
		tn := v.Get("header_type").String()
		if s.typ = l.types[tn]; s.typ == nil {
			v.Get("header_type").Faultf("no header type %q", tn)
		}
		for _, iv := range v.List("header_ids") {
			id := iv.Int(0, maxPHVWords)
			h := l.byID[id]
			switch {
			case h == nil:
				iv.Faultf("no header with id %d", id)
			case h.typ != s.typ:
				iv.Faultf("header %s is not of type %s", h.name, tn)
			default:
				s.hdrs = append(s.hdrs, h)
			}
		}
		if len(s.hdrs) == 0 {
			v.Faultf("stack %s has no elements", s.name)
		}
		l.stack[s.name] = s
	}
}

func (l *layout) loadUnions(root *bmjson.Value) {
	types := map[string]*unionType{}
	for _, v := range root.List("header_union_types") {
		t := &unionType{name: v.Get("name").String()}
		for _, mv := range v.List("headers") {
			p := mv.Tuple(2)
			ht := l.types[p[1].String()]
			if ht == nil {
				p[1].Faultf("no such header type")
			}
			t.names = append(t.names, p[0].String())
			t.types = append(t.types, ht)
		}
		types[t.name] = t
	}
	l.union, l.unionByID = map[string]*union{}, map[int]*union{}
	for _, v := range root.List("header_unions") {
		u := &union{name: v.Get("name").String(), typ: types[v.Get("union_type").String()]}
		if u.typ == nil {
			v.Get("union_type").Faultf("no such header union type")
			u.typ = &unionType{}
		}
		for _, iv := range v.List("header_ids") {
			if h := l.byID[iv.Int(0, maxPHVWords)]; h != nil {
				u.hdrs = append(u.hdrs, h)
			} else {
				iv.Faultf("no header with this id")
			}
		}
		if len(u.hdrs) != len(u.typ.types) {
			v.Faultf("union %s has %d headers, its type %d", u.name, len(u.hdrs), len(u.typ.types))
		}
		for i, h := range u.hdrs {
			if i < len(u.typ.types) && h.typ != u.typ.types[i] {
				v.Faultf("header %s of union %s is not of the type that the union's type has there", h.name, u.name)
			}
			h.union = u.hdrs
		}
		l.union[u.name] = u
		l.unionByID[v.Get("id").Int(0, maxPHVWords)] = u
	}
	l.unionStack = map[string]*unionStack{}
	for _, v := range root.List("header_union_stacks") {
		s := &unionStack{name: v.Get("name").String(), typ: types[v.Get("union_type").String()], next: l.words}
		l.words++
		if s.typ == nil {
			v.Get("union_type").Faultf("no such header union type")
			s.typ = &unionType{}
		}
		for _, iv := range v.List("header_union_ids") {
			u := l.unionByID[iv.Int(0, maxPHVWords)]
			if u == nil || u.typ != s.typ {
				iv.Faultf("no header union with this id and type")
				continue
			}
			s.unions = append(s.unions, u)
		}
		if len(s.unions) == 0 {
			v.Faultf("stack %s has no elements", s.name)
		}
		l.unionStack[s.name] = s
	}
}

// fieldAt resolves ["header", "field"].
func (l *layout) fieldAt(v *bmjson.Value) *field {
	p := v.Tuple(2)
	hn, fn := p[0].String(), p[1].String()
	h := l.header[hn]
	if h == nil {
		if hn != "" {
			v.Faultf("no header %q", hn)
		}
		return nil
	}
	f := h.field(fn)
	if f == nil {
		v.Faultf("header %s has no field %q", hn, fn)
	}
	return f
}

// std finds a field of simple_switch's own by bmv2's name for it, through the aliases first; nil if the program does
// not have it.
func (l *layout) std(hdr, name string) *field {
	if f := l.alias[hdr+"."+name]; f != nil {
		return f
	}
	if h := l.header[hdr]; h != nil {
		return h.field(name)
	}
	return nil
}
