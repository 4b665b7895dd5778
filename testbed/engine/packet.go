package engine

import (
	"encoding/binary"
	"time"
)

// packet is one pass of one packet through the switch: its headers, what is left of its bytes, and what the program
// asked to be done with it.
type packet struct {
	s     *Switch
	w     []uint64 // the header vector
	vl    []byte   // the bytes of variable-length fields
	args  []uint64 // of the action that runs
	frame []byte   // the packet as it came, never written to
	pos   int      // parsed so far: frame[pos:] is the payload

	truncate  int // longest length that may leave, maxLength for no limit
	port      uint32
	length    int // as it came: what meters and counters count
	regLength int // length with headers added and removed: bmv2's packet length register
	egress    uint32
	now       time.Duration
	store     []byte // of a recirculated packet: what frame points to
	owned     bool   // frame is in store, and copies may share it

	// What the program asked for. Zero is nothing, as in bmv2's packet registers.
	cloneSession uint16 // with cloneValid
	cloneList    uint16
	digest       uint16
	resubmit     uint16
	recirculate  uint16
	exit         bool // leave the pipeline
	fault        bool // assert, assume, division by zero: exit is set too

	parserError   int32
	checksumError bool

	key    []uint64 // scratch: the key of the table that is looked up
	bits   bitWriter
	result uint64 // scratch: what a primitive computed, before it is assigned
}

const (
	cloneValid  = 1 << 15
	cloneIDMask = cloneValid - 1
	maxLength   = int(^uint(0) >> 1)
)

// payload is what was not parsed, cut by truncate.
func (p *packet) payload() []byte {
	b := p.frame[p.pos:]
	return b[:min(len(b), p.truncate)]
}

// fail stops the packet, where bmv2 would stop altogether.
func (p *packet) fail() { p.fault, p.exit = true, true }

// reset makes the packet as new, with every field zero.
func (p *packet) reset() {
	clear(p.w)
	p.frame, p.pos, p.truncate = nil, 0, maxLength
	p.port, p.length, p.regLength, p.egress, p.owned = 0, 0, 0, 0, false
	p.clearRequests()
	p.exit, p.fault = false, false
	p.parserError, p.checksumError = 0, false
}

func (p *packet) clearRequests() {
	p.cloneSession, p.cloneList, p.digest, p.resubmit, p.recirculate = 0, 0, 0, 0, 0
}

// copyHeaders makes q a copy of p with its headers and metadata, and nothing that p asked for.
func (p *packet) copyHeaders(q *packet) {
	copy(q.w, p.w)
	copy(q.vl, p.vl)
	q.frame, q.pos, q.truncate = p.frame, p.pos, maxLength
	q.port, q.length, q.regLength = p.port, p.length, p.regLength
}

// isValid reports whether the header is valid; metadata always is.
func (p *packet) isValid(h *header) bool { return h.metadata || p.w[h.valid] != 0 }

// setValid marks the header valid and the other members of its union invalid.
func (p *packet) setValid(h *header) {
	for _, o := range h.union {
		p.w[o.valid] = 0
	}
	p.w[h.valid] = 1
}

// headerBytes is the length that the header has in a packet.
func (p *packet) headerBytes(h *header) int {
	n := h.bytes
	if h.typ.vl >= 0 {
		n += int(p.w[h.fields[h.typ.vl].slot]) / 8
	}
	return n
}

// clearHeader sets every field to zero and the header invalid.
func (p *packet) clearHeader(h *header) {
	clear(p.w[h.valid : h.valid+h.words])
}

// copyHeader is P4's header assignment: dst becomes invalid if src is, and a copy of it otherwise.
func (p *packet) copyHeader(dst, src *header) {
	if !p.isValid(src) {
		p.w[dst.valid] = 0
		return
	}
	if dst == src {
		return
	}
	p.setValid(dst)
	copy(p.w[dst.valid+1:dst.valid+dst.words], p.w[src.valid+1:src.valid+src.words])
	if i := dst.typ.vl; i >= 0 {
		d, s := dst.fields[i], src.fields[i]
		copy(p.vl[d.vlOff:d.vlOff+d.vlMax], p.vl[s.vlOff:s.vlOff+s.vlMax])
	}
}

// moveHeader copies everything, the validity as it is: elements of a stack move so.
func (p *packet) moveHeader(dst, src *header) {
	copy(p.w[dst.valid:dst.valid+dst.words], p.w[src.valid:src.valid+src.words])
	if i := dst.typ.vl; i >= 0 {
		d, s := dst.fields[i], src.fields[i]
		copy(p.vl[d.vlOff:d.vlOff+d.vlMax], p.vl[s.vlOff:s.vlOff+s.vlMax])
	}
}

// equalHeaders is P4's ==: same type, both valid, all fields equal.
func (p *packet) equalHeaders(a, b *header) bool {
	if a.typ != b.typ || !p.isValid(a) || !p.isValid(b) {
		return false
	}
	for i, f := range a.fields {
		g := b.fields[i]
		for k := range f.words {
			if p.w[f.slot+k] != p.w[g.slot+k] {
				return false
			}
		}
		if f.vl {
			n := int(p.w[f.slot]) / 8
			if string(p.vl[f.vlOff:f.vlOff+n]) != string(p.vl[g.vlOff:g.vlOff+n]) {
				return false
			}
		}
	}
	return true
}

// appendHeader appends the header as it stands in a packet.
func (p *packet) appendHeader(b []byte, h *header) []byte {
	if h.chunks == nil {
		w := bitWriter{b: b}
		for _, f := range h.fields {
			p.putField(&w, f)
		}
		w.pad()
		return w.b
	}
	// Each chunk is stored as eight bytes, of which the next one overwrites the rest: hence eight bytes more.
	at, n := len(b), h.bytes
	b = extend(b, n+8)
	out := b[at:]
	for i := range h.chunks {
		c := &h.chunks[i]
		var v uint64
		for _, f := range c.from {
			v |= p.w[f.slot] << (f.shift & 63)
		}
		binary.BigEndian.PutUint64(out[c.off:], v<<(c.shift&63))
	}
	return b[:at+n]
}

// putField writes the bits of a field.
func (p *packet) putField(w *bitWriter, f *field) {
	if f.vl {
		w.putBytes(p.vl[f.vlOff : f.vlOff+int(p.w[f.slot])/8])
		return
	}
	left := f.bits
	for k := range f.words {
		n := left - 64*(f.words-1-k)
		w.put(p.w[f.slot+k], n)
		left -= n
	}
}

// extend makes b longer by n bytes of any content.
func extend(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b[:len(b)+n]
	}
	return append(b, make([]byte, n)...)
}
