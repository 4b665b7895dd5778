package engine

import (
	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
	"github.com/keyway-nve/keyway/testbed/engine/hash"
)

// calculation gathers fields, constants, headers and the payload into bytes and hashes them.
type calculation struct {
	parts   []calcPart
	payload bool // the unparsed bytes follow: bmv2 appends those, and no headers
	hash    hash.Func
}

// calcPart is up to 64 bits of input: neighbouring fields of one header with constants between them, or one field of
// variable length.
type calcPart struct {
	hdr   *header // must be valid for the part to count; nil: always
	vl    *field
	value uint64 // constants
	bits  int
	from  []wordBits
}

// add appends n bits of the input.
func (c *calculation) add(h *header, slot int, value uint64, n int) {
	last := len(c.parts) - 1
	if last < 0 || c.parts[last].hdr != h || c.parts[last].vl != nil || c.parts[last].bits+n > 64 {
		c.parts = append(c.parts, calcPart{hdr: h})
		last++
	}
	p := &c.parts[last]
	p.bits += n
	p.value <<= n & 63
	for i := range p.from {
		p.from[i].shift += uint8(n)
	}
	p.value |= value
	if slot >= 0 {
		p.from = append(p.from, wordBits{slot: int32(slot)})
	}
}

func (c *calculation) addField(f *field) {
	if f.vl {
		c.parts = append(c.parts, calcPart{hdr: f.hdr, vl: f})
		return
	}
	for k := range f.words {
		c.add(f.hdr, f.slot+k, 0, bitsOfWord(f.bits, k, f.words))
	}
}

func (c *calculation) addValue(h *header, value []uint64, bits int) {
	for k, v := range value {
		c.add(h, -1, v, bitsOfWord(bits, k, len(value)))
	}
}

// bitsOfWord is how many of the bits stand in word k of n.
func bitsOfWord(bits, k, n int) int {
	if k == 0 {
		return bits - 64*(n-1)
	}
	return 64
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
	c := &calculation{hash: hash.ByName(algo.String())}
	if c.hash == nil && algo.IsString() {
		algo.Faultf("unknown hash %q", algo.String())
	}
	for _, v := range input {
		val := v.Get("value")
		switch v.Get("type").String() {
		case "field":
			if f := l.fieldAt(val); f != nil {
				c.addField(f)
			}
		case "hexstr":
			n := v.Get("bitwidth").Int(1, maxFieldBits)
			w := make([]uint64, wordsOf(n))
			setBig(w, val.Hex(), n)
			c.addValue(nil, w, n)
		case "header":
			h := l.header[val.String()]
			if h == nil {
				val.Faultf("no such header")
				continue
			}
			for _, f := range h.fields {
				c.addField(f)
			}
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
		if part.vl != nil {
			p.putField(w, part.vl)
			continue
		}
		v := part.value
		for _, b := range part.from {
			v |= p.w[b.slot] << (b.shift & 63)
		}
		w.put(v, part.bits)
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
	c := &calculation{hash: hash.Checksum}
	for _, f := range target.hdr.fields {
		if f == target {
			c.addValue(f.hdr, make([]uint64, f.words), f.bits)
			continue
		}
		c.addField(f)
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
