package engine

import (
	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

// calculation gathers fields, constants, headers and the payload into bytes and hashes them.
type calculation struct {
	parts   []calcPart
	payload bool // the unparsed bytes follow: bmv2 appends those, and no headers
	hash    hashFunc
}

type calcPart struct {
	hdr   *header // the header that must be valid for the part to count; nil: always
	field *field
	whole bool // the whole header
	value []uint64
	bits  int
}

func (l *loader) loadCalculations(root *bmjson.Value) {
	l.p.calculationIndex = map[string]int{}
	for _, v := range root.List("calculations") {
		name := v.Get("name").String()
		if _, dup := l.p.calculationIndex[name]; dup {
			v.Get("name").Faultf("duplicate calculation %q", name)
		}
		l.p.calculationIndex[name] = len(l.p.calculations)
		l.p.calculations = append(l.p.calculations, l.calculation(v.Get("algo"), v.List("input")))
	}
}

func (l *loader) calculation(algo *bmjson.Value, input []*bmjson.Value) *calculation {
	c := &calculation{hash: hashes(algo.String())}
	if c.hash == nil && algo.IsString() {
		algo.Faultf("unknown hash %q", algo.String())
	}
	for _, v := range input {
		val := v.Get("value")
		switch v.Get("type").String() {
		case "field":
			if f := l.fieldAt(val); f != nil {
				c.parts = append(c.parts, calcPart{hdr: f.hdr, field: f})
			}
		case "hexstr":
			n := v.Get("bitwidth").Int(1, maxFieldBits)
			p := calcPart{value: make([]uint64, wordsOf(n)), bits: n}
			setBig(p.value, val.Hex(), n)
			c.parts = append(c.parts, p)
		case "header":
			h := l.header[val.String()]
			if h == nil {
				val.Faultf("no such header")
				continue
			}
			c.parts = append(c.parts, calcPart{hdr: h, whole: true})
		case "payload":
			c.payload = true
		default:
			v.Get("type").Faultf("unknown type of input")
		}
	}
	return c
}

func (c *calculation) output(p *packet) uint64 {
	w := &p.bits
	w.b, w.acc, w.n = w.b[:0], 0, 0
	for i := range c.parts {
		part := &c.parts[i]
		if part.hdr != nil && !p.isValid(part.hdr) {
			continue
		}
		switch {
		case part.field != nil:
			p.putField(w, part.field)
		case part.whole:
			for _, f := range part.hdr.fields {
				p.putField(w, f)
			}
		default:
			left := part.bits
			for k, v := range part.value {
				n := left - 64*(len(part.value)-1-k)
				w.put(v, n)
				left -= n
			}
		}
	}
	w.pad()
	if c.payload {
		w.b = append(w.b, p.payload()...)
	}
	return c.hash(w.b)
}

// checksum is a checksum that is verified after parsing or updated before deparsing.
type checksum struct {
	target *field
	calc   *calculation
	cond   boolFunc // nil: always
}

func (l *loader) loadChecksums(root *bmjson.Value) {
	for _, v := range root.List("checksums") {
		f := l.fieldAt(v.Get("target"))
		c := &checksum{target: f}
		switch t := v.Get("type").String(); t {
		case "generic":
			i, ok := l.p.calculationIndex[v.Get("calculation").String()]
			if !ok {
				v.Get("calculation").Faultf("no such calculation")
				continue
			}
			c.calc = l.p.calculations[i]
		case "ipv4":
			if f != nil {
				c.calc = ipv4Checksum(f)
			}
		default:
			v.Get("type").Faultf("unknown type %q of checksum", t)
		}
		if !v.Get("if_cond").Null() {
			if e := l.exprOf(v.Get("if_cond"), kindBool); e != nil {
				c.cond = e.boolean()
			}
		}
		if f == nil || c.calc == nil {
			continue
		}
		if f.vl {
			v.Get("target").Faultf("a variable-length field cannot hold a checksum")
			continue
		}
		if v.Get("verify").BoolOr(true) {
			for _, ps := range l.p.parsers {
				ps.verify = append(ps.verify, c)
			}
		}
		if v.Get("update").BoolOr(true) {
			for _, d := range l.p.deparsers {
				d.update = append(d.update, c)
			}
		}
	}
}

// ipv4Checksum is the older form: the header with its checksum taken as zero.
func ipv4Checksum(target *field) *calculation {
	c := &calculation{hash: csum16}
	for _, f := range target.hdr.fields {
		p := calcPart{hdr: target.hdr, field: f}
		if f == target {
			p.field, p.value, p.bits = nil, make([]uint64, f.words), f.bits
		}
		c.parts = append(c.parts, p)
	}
	return c
}

// verify holds when the target is invalid or the condition is not met.
func (c *checksum) verify(p *packet) bool {
	if !p.isValid(c.target.hdr) || c.cond != nil && !c.cond(p) {
		return true
	}
	return c.calc.output(p) == p.w[c.target.low()]
}

func (c *checksum) update(p *packet) {
	if c.cond != nil && !c.cond(p) {
		return
	}
	v := c.calc.output(p)
	f := c.target
	clear(p.w[f.slot : f.slot+f.words])
	p.w[f.low()] = v & maskOf(min(f.bits, 64))
}
