package engine

import (
	"bytes"
	"encoding/binary"
)

// parserOK is what a parser operation returns when it did not fail; anything else is an error of the program.
const parserOK int32 = -1

// maxParserSteps ends parsers that loop without consuming anything, where bmv2 would hang.
const maxParserSteps = 1 << 16

type parserFunc func(*packet) int32

// parserOp is one operation of a state. The commonest, to extract a header of fixed length, is no closure.
type parserOp struct {
	extract *header
	run     parserFunc
}

// parser is a compiled state machine. States refer to each other by index; next < 0 is the end.
type parser struct {
	name   string
	init   int
	states []state
	verify []*checksum
}

type state struct {
	name string
	ops  []parserOp
	keys []keyPart
	// The key is the concatenation of its parts, each padded to bytes. Up to eight bytes it is matched as a number.
	keyBytes int
	number   bool
	cases    []parserCase
	exact    map[uint64]int // when all of many cases are plain numbers
	next     int            // default
}

// manyCases is from where a map beats trying the cases one after the other.
const manyCases = 12

// keyPart is one part of a transition key.
type keyPart struct {
	field  *field               // static field
	slot   int                  // of the static field, -1 for others
	dyn    func(*packet) *field // field of the last element of a stack; nil result: the stack is empty
	bits   int
	off    int // lookahead: first bit
	peek   bool
	shift  uint // in a numeric key
	padded int  // bytes
}

type parserCase struct {
	value, mask uint64
	bytes, bm   []byte // when the key is longer than eight bytes
	set         int    // index of the value set use, -1 for none
	next        int
}

// core are the values that the errors of P4's core library have in this program.
type core struct {
	noError, packetTooShort, stackOutOfBounds, headerTooShort, parserTimeout, parserInvalidArgument int32
}

// parse runs the parser from the start of the frame, then verifies checksums.
func (ps *parser) parse(p *packet) {
	core := &p.s.p.core
	p.parserError, p.checksumError = core.noError, false
	p.pos = 0
	if err := ps.run(p); err != parserOK {
		p.parserError = err
	}
	for _, c := range ps.verify {
		if !c.verify(p) {
			p.checksumError = true
		}
	}
}

func (ps *parser) run(p *packet) int32 {
	steps := 0
	for n := ps.init; n >= 0; {
		st := &ps.states[n]
		for i := range st.ops {
			op := &st.ops[i]
			var err int32
			if op.extract != nil {
				err = p.extract(op.extract)
			} else {
				err = op.run(p)
			}
			if err != parserOK {
				return err
			}
		}
		if len(st.keys) == 0 {
			n = st.next
		} else {
			var err int32
			if n, err = st.transition(p); err != parserOK {
				return err
			}
		}
		if steps++; steps > maxParserSteps {
			return p.s.p.core.parserTimeout
		}
	}
	return parserOK
}

func (st *state) transition(p *packet) (int, int32) {
	if !st.number {
		return st.transitionBytes(p)
	}
	var key uint64
	for i := range st.keys {
		k := &st.keys[i]
		if k.slot >= 0 {
			key |= p.w[k.slot] << k.shift
			continue
		}
		v, err := k.value(p)
		if err != parserOK {
			return 0, err
		}
		key |= v << k.shift
	}
	if st.exact != nil {
		if n, ok := st.exact[key]; ok {
			return n, parserOK
		}
		return st.next, parserOK
	}
	for i := range st.cases {
		c := &st.cases[i]
		if c.set < 0 {
			if key&c.mask == c.value {
				return c.next, parserOK
			}
			continue
		}
		p.bits.b = append(p.bits.b[:0], 0, 0, 0, 0, 0, 0, 0, 0)
		storeBE(p.bits.b, st.keyBytes, key)
		if p.s.setUses[c.set].contains(p.bits.b[:st.keyBytes]) {
			return c.next, parserOK
		}
	}
	return st.next, parserOK
}

// value reads a part that is not a plain field.
func (k *keyPart) value(p *packet) (uint64, int32) {
	if k.peek {
		if k.off+k.bits > 8*(len(p.frame)-p.pos) {
			return 0, p.s.p.core.packetTooShort
		}
		return getBits(p.frame[p.pos:], k.off, k.bits), parserOK
	}
	f := k.dyn(p)
	if f == nil {
		return 0, p.s.p.core.stackOutOfBounds
	}
	return p.w[f.slot], parserOK
}

func (st *state) transitionBytes(p *packet) (int, int32) {
	b := p.bits.b[:0]
	for i := range st.keys {
		k := &st.keys[i]
		f := k.field
		if k.dyn != nil {
			if f = k.dyn(p); f == nil {
				return 0, p.s.p.core.stackOutOfBounds
			}
		}
		if f != nil {
			b = appendWords(b, p.w[f.slot:f.slot+f.words], f.bits)
			continue
		}
		if k.off+k.bits > 8*(len(p.frame)-p.pos) {
			return 0, p.s.p.core.packetTooShort
		}
		first := k.bits % 8
		if first > 0 {
			b = append(b, byte(getBits(p.frame[p.pos:], k.off, first)))
		}
		for at := first; at < k.bits; at += 8 {
			b = append(b, byte(getBits(p.frame[p.pos:], k.off+at, 8)))
		}
	}
	p.bits.b = b
	for i := range st.cases {
		c := &st.cases[i]
		if c.set >= 0 {
			if p.s.setUses[c.set].contains(b) {
				return c.next, parserOK
			}
			continue
		}
		if matchBytes(b, c.bytes, c.bm) {
			return c.next, parserOK
		}
	}
	return st.next, parserOK
}

func matchBytes(b, value, mask []byte) bool {
	if mask == nil {
		return bytes.Equal(b, value)
	}
	for i, v := range value {
		if b[i]&mask[i] != v {
			return false
		}
	}
	return true
}

// extract takes a header without variable-length field from the packet.
func (p *packet) extract(h *header) int32 {
	n := h.bytes
	if len(p.frame)-p.pos < n {
		return p.s.p.core.packetTooShort
	}
	b := p.frame[p.pos : p.pos+n]
	w := p.w
	for i := range h.pieces {
		pc := &h.pieces[i]
		if pc.window < 0 {
			w[pc.slot] = pc.loadSlow(b)
			continue
		}
		w[pc.slot] = binary.BigEndian.Uint64(b[pc.window:]) >> (pc.windowShift & 63) & pc.mask
	}
	p.pos += n
	p.setValid(h)
	return parserOK
}

// extractVL takes a header whose variable-length field has the given length in bits.
func (p *packet) extractVL(h *header, bits uint64) int32 {
	core := &p.s.p.core
	if bits%8 != 0 {
		return core.parserInvalidArgument
	}
	if bits/8 > uint64(len(p.frame)-p.pos) || len(p.frame)-p.pos < h.bytes+int(bits/8) {
		return core.packetTooShort
	}
	n := h.bytes + int(bits/8)
	if n > h.typ.max {
		return core.headerTooShort
	}
	b := p.frame[p.pos : p.pos+n]
	at := 0
	for _, f := range h.fields {
		if f.vl {
			p.w[f.slot] = bits
			for i := range int(bits / 8) {
				p.vl[f.vlOff+i] = byte(getBits(b, at+8*i, 8))
			}
			at += int(bits)
			continue
		}
		left := f.bits
		for k := range f.words {
			w := left - 64*(f.words-1-k)
			p.w[f.slot+k] = getBits(b, at, w)
			at += w
			left -= w
		}
	}
	p.pos += n
	p.setValid(h)
	return parserOK
}

// advance skips bits of the packet.
func (p *packet) advance(bits uint64) int32 {
	if bits%8 != 0 {
		return p.s.p.core.parserInvalidArgument
	}
	if bits/8 > uint64(len(p.frame)-p.pos) {
		return p.s.p.core.packetTooShort
	}
	p.pos += int(bits / 8)
	return parserOK
}
