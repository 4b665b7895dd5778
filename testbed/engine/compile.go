package engine

import (
	"math/big"
	"math/bits"
)

type (
	numFunc    func(*packet) uint64
	boolFunc   func(*packet) bool
	headerFunc func(*packet) *header // nil: outside of the stack
	unionFunc  func(*packet) *union
)

// low compiles the 64 low bits of a number, in two's complement. They are the number itself when fitsU holds, and as
// int64 when fitsI does.
func (e *expr) low() numFunc {
	if e.constant {
		c := lowBits(e.num)
		return func(*packet) uint64 { return c }
	}
	switch e.op {
	case opField:
		if e.field.vl {
			break
		}
		return loadField(e.field)
	case opArg:
		i := e.arg.slot + e.arg.words - 1
		return func(p *packet) uint64 { return p.args[i] }
	case opAccess, opLast:
		return e.lowOfElement()
	case "+", "-", "*", "&", "|", "^":
		return e.lowRing()
	case "~":
		r := e.r.low()
		return func(p *packet) uint64 { return ^r(p) }
	case "<<":
		if e.r.fitsU() {
			l, r := e.l.low(), e.r.low()
			return func(p *packet) uint64 { return l(p) << r(p) } // Go shifts everything out from 64 on
		}
	case ">>", "/", "%", "usat_cast", "sat_cast":
		if f := e.lowExact(); f != nil {
			return f
		}
	case "two_comp_mod":
		l := e.l.low()
		n := e.r.num.Int64()
		if n >= 64 {
			return l
		}
		s := 64 - uint(n)
		return func(p *packet) uint64 { return uint64(int64(l(p)<<s) >> s) }
	case "?":
		c, l, r := e.c.boolean(), e.l.low(), e.r.low()
		return func(p *packet) uint64 {
			if c(p) {
				return l(p)
			}
			return r(p)
		}
	case "b2d":
		r := e.r.boolean()
		return func(p *packet) uint64 {
			if r(p) {
				return 1
			}
			return 0
		}
	case "last_stack_index", "size_stack":
		return e.lowOfStack()
	case opRegister:
		reg, idx := e.reg, e.r.low()
		return func(p *packet) uint64 { return p.s.registers[reg].low(idx(p)) }
	}
	b := e.big()
	return func(p *packet) uint64 { return lowBits(b(p)) }
}

func loadField(f *field) numFunc {
	i := f.low()
	if f.signed && f.bits < 64 {
		s := 64 - uint(f.bits)
		return func(p *packet) uint64 { return uint64(int64(p.w[i]<<s) >> s) }
	}
	return func(p *packet) uint64 { return p.w[i] }
}

// lowRing compiles the operations whose low bits depend on the low bits of the operands only.
func (e *expr) lowRing() numFunc {
	l := e.l.low()
	if e.r.constant {
		c := lowBits(e.r.num)
		switch e.op {
		case "+":
			return func(p *packet) uint64 { return l(p) + c }
		case "-":
			return func(p *packet) uint64 { return l(p) - c }
		case "*":
			return func(p *packet) uint64 { return l(p) * c }
		case "&":
			if e.l.op == opField && !e.l.signed && !e.l.field.vl {
				i := e.l.field.low()
				return func(p *packet) uint64 { return p.w[i] & c }
			}
			return func(p *packet) uint64 { return l(p) & c }
		case "|":
			return func(p *packet) uint64 { return l(p) | c }
		}
	}
	r := e.r.low()
	switch e.op {
	case "+":
		return func(p *packet) uint64 { return l(p) + r(p) }
	case "-":
		return func(p *packet) uint64 { return l(p) - r(p) }
	case "*":
		return func(p *packet) uint64 { return l(p) * r(p) }
	case "&":
		return func(p *packet) uint64 { return l(p) & r(p) }
	case "|":
		return func(p *packet) uint64 { return l(p) | r(p) }
	}
	return func(p *packet) uint64 { return l(p) ^ r(p) }
}

// lowExact compiles the operations that need the whole operands, where 64 bits hold them; nil where not.
func (e *expr) lowExact() numFunc {
	unsigned, signed := e.l.fitsU(), e.l.fitsI()
	if !unsigned && !signed {
		return nil
	}
	l := e.l.low()
	switch e.op {
	case ">>":
		if !e.r.fitsU() {
			return nil
		}
		r := e.r.low()
		if unsigned {
			return func(p *packet) uint64 { return l(p) >> r(p) }
		}
		return func(p *packet) uint64 { return uint64(int64(l(p)) >> r(p)) }
	case "/", "%":
		if !unsigned || !e.r.fitsU() {
			return nil
		}
		r, quotient := e.r.low(), e.op == "/"
		return func(p *packet) uint64 {
			d := r(p)
			if d == 0 {
				p.fail()
				return 0
			}
			if quotient {
				return l(p) / d
			}
			return l(p) % d
		}
	}
	n := int(e.r.num.Int64())
	if e.op == "usat_cast" {
		if unsigned {
			m := maskOf(n)
			return func(p *packet) uint64 { return min(l(p), m) }
		}
		m := int64(maskOf(min(n, 63)))
		return func(p *packet) uint64 { return uint64(min(max(int64(l(p)), 0), m)) }
	}
	if !signed {
		m := maskOf(min(n, 65) - 1)
		return func(p *packet) uint64 { return min(l(p), m) }
	}
	hi := int64(maskOf(min(n, 64) - 1))
	return func(p *packet) uint64 { return uint64(min(max(int64(l(p)), ^hi), hi)) }
}

func (e *expr) lowOfStack() numFunc {
	next := e.stackNext()
	if e.op == "size_stack" {
		return func(p *packet) uint64 { return p.w[next] }
	}
	return func(p *packet) uint64 { return p.w[next] - 1 }
}

// stackNext is the slot of the number of elements in use of the stack that e.r names.
func (e *expr) stackNext() int {
	if e.r.stack != nil {
		return e.r.stack.next
	}
	return e.r.ustack.next
}

func (e *expr) lowOfElement() numFunc {
	f := e.element()
	return func(p *packet) uint64 {
		fld := f(p)
		if fld == nil || fld.vl {
			return 0
		}
		v := p.w[fld.low()]
		if fld.signed && fld.bits < 64 {
			s := 64 - uint(fld.bits)
			v = uint64(int64(v<<s) >> s)
		}
		return v
	}
}

// element compiles the field that opAccess or opLast names; nil outside of the stack.
func (e *expr) element() func(*packet) *field {
	if e.op == opLast {
		s, i := e.stack, e.index
		return func(p *packet) *field {
			n := p.w[s.next]
			if n == 0 || n > uint64(len(s.hdrs)) {
				return nil
			}
			return s.hdrs[n-1].fields[i]
		}
	}
	h, i := e.l.hdr(), e.index
	return func(p *packet) *field {
		hd := h(p)
		switch {
		case hd == nil:
			return nil
		case i == len(hd.fields):
			return hd.validF
		}
		return hd.fields[i]
	}
}

func (e *expr) hdr() headerFunc {
	switch e.op {
	case opHeader:
		h := e.header
		return func(*packet) *header { return h }
	case opAccessU:
		u, i := e.l.uni(), e.index
		return func(p *packet) *header {
			if x := u(p); x != nil && i < len(x.hdrs) {
				return x.hdrs[i]
			}
			return nil
		}
	}
	hdrs, idx := e.l.stack.hdrs, e.r.low()
	return func(p *packet) *header {
		if i := idx(p); i < uint64(len(hdrs)) {
			return hdrs[i]
		}
		return nil
	}
}

func (e *expr) uni() unionFunc {
	if e.op == opUnion {
		u := e.union
		return func(*packet) *union { return u }
	}
	us, idx := e.l.ustack.unions, e.r.low()
	return func(p *packet) *union {
		if i := idx(p); i < uint64(len(us)) {
			return us[i]
		}
		return nil
	}
}

// boolean compiles a boolean.
func (e *expr) boolean() boolFunc {
	switch e.op {
	case opBool:
		t := e.truth
		return func(*packet) bool { return t }
	case "and":
		l, r := e.l.boolean(), e.r.boolean()
		return func(p *packet) bool { return l(p) && r(p) }
	case "or":
		l, r := e.l.boolean(), e.r.boolean()
		return func(p *packet) bool { return l(p) || r(p) }
	case "not":
		r := e.r.boolean()
		return func(p *packet) bool { return !r(p) }
	case "?":
		c, l, r := e.c.boolean(), e.l.boolean(), e.r.boolean()
		return func(p *packet) bool {
			if c(p) {
				return l(p)
			}
			return r(p)
		}
	case "valid":
		if e.r.op == opHeader && !e.r.header.metadata {
			i := e.r.header.valid
			return func(p *packet) bool { return p.w[i] != 0 }
		}
		h := e.r.hdr()
		return func(p *packet) bool {
			x := h(p)
			return x != nil && p.isValid(x)
		}
	case "valid_union":
		u := e.r.uni()
		return func(p *packet) bool {
			x := u(p)
			return x != nil && p.unionMember(x) >= 0
		}
	case "d2b":
		return e.r.notZero()
	case "<", ">", "<=", ">=":
		return e.order()
	}
	return e.equality()
}

func (e *expr) notZero() boolFunc {
	switch {
	case e.op == opField && !e.field.vl && e.field.words == 1:
		i := e.field.slot
		return func(p *packet) bool { return p.w[i] != 0 }
	case e.fitsU() || e.fitsI():
		v := e.low()
		return func(p *packet) bool { return v(p) != 0 }
	}
	b := e.big()
	return func(p *packet) bool { return b(p).Sign() != 0 }
}

func (e *expr) order() boolFunc {
	l, r := e.l, e.r
	if e.op == ">" || e.op == ">=" {
		l, r = r, l
	}
	orEqual := len(e.op) == 2
	switch {
	case l.fitsU() && r.fitsU():
		a, b := l.low(), r.low()
		if orEqual {
			return func(p *packet) bool { return a(p) <= b(p) }
		}
		return func(p *packet) bool { return a(p) < b(p) }
	case l.fitsI() && r.fitsI():
		a, b := l.low(), r.low()
		if orEqual {
			return func(p *packet) bool { return int64(a(p)) <= int64(b(p)) }
		}
		return func(p *packet) bool { return int64(a(p)) < int64(b(p)) }
	}
	a, b := l.big(), r.big()
	if orEqual {
		return func(p *packet) bool { return a(p).Cmp(b(p)) <= 0 }
	}
	return func(p *packet) bool { return a(p).Cmp(b(p)) < 0 }
}

func (e *expr) equality() boolFunc {
	eq := e.equal()
	if e.op == "!=" {
		return func(p *packet) bool { return !eq(p) }
	}
	return eq
}

func (e *expr) equal() boolFunc {
	switch e.l.kind {
	case kindBool:
		l, r := e.l.boolean(), e.r.boolean()
		return func(p *packet) bool { return l(p) == r(p) }
	case kindHeader:
		l, r := e.l.hdr(), e.r.hdr()
		return func(p *packet) bool {
			a, b := l(p), r(p)
			return a != nil && b != nil && p.equalHeaders(a, b)
		}
	case kindUnion:
		l, r := e.l.uni(), e.r.uni()
		return func(p *packet) bool {
			a, b := l(p), r(p)
			if a == nil || b == nil {
				return false
			}
			i, j := p.unionMember(a), p.unionMember(b)
			return i >= 0 && i == j && p.equalHeaders(a.hdrs[i], b.hdrs[j])
		}
	}
	if e.l.fitsU() && e.r.fitsU() || e.l.fitsI() && e.r.fitsI() {
		l := e.l.low()
		if e.r.constant {
			c := lowBits(e.r.num)
			if e.l.op == opField && !e.l.signed {
				i := e.l.field.low()
				return func(p *packet) bool { return p.w[i] == c }
			}
			return func(p *packet) bool { return l(p) == c }
		}
		r := e.r.low()
		return func(p *packet) bool { return l(p) == r(p) }
	}
	if f := e.equalWide(); f != nil {
		return f
	}
	l, r := e.l.big(), e.r.big()
	return func(p *packet) bool { return l(p).Cmp(r(p)) == 0 }
}

// equalWide compares two fields, or a field and a constant, word by word: addresses of IPv6.
func (e *expr) equalWide() boolFunc {
	l, r := e.l, e.r
	if l.op != opField || l.field.vl || l.signed {
		return nil
	}
	a, n := l.field.slot, l.field.words
	switch {
	case r.op == opField && !r.field.vl && !r.signed && r.field.words == n:
		b := r.field.slot
		return func(p *packet) bool {
			for i := range n {
				if p.w[a+i] != p.w[b+i] {
					return false
				}
			}
			return true
		}
	case r.constant && r.num.Sign() >= 0 && r.num.BitLen() <= 64*n:
		c := make([]uint64, n)
		wordsFromBytes(c, r.num.Bytes(), 64*n)
		return func(p *packet) bool {
			for i, x := range c {
				if p.w[a+i] != x {
					return false
				}
			}
			return true
		}
	}
	return nil
}

// unionMember is the index of the valid member, or -1.
func (p *packet) unionMember(u *union) int {
	for i, h := range u.hdrs {
		if p.w[h.valid] != 0 {
			return i
		}
	}
	return -1
}

// lowBits is n modulo 2^64.
func lowBits(n *big.Int) uint64 {
	var v uint64
	for i, w := range n.Bits() {
		if i*bits.UintSize >= 64 {
			break
		}
		v |= uint64(w) << (i * bits.UintSize)
	}
	if n.Sign() < 0 {
		v = -v
	}
	return v
}
