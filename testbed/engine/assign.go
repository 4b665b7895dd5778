package engine

import "math/big"

type action1 = func(*packet)

// assign compiles dst = src for numbers: src with infinite precision, cut to dst. It returns nil when dst is no
// place that can be assigned to.
func assign(dst, src *expr) action1 {
	switch dst.op {
	case opField:
		if dst.field == dst.field.hdr.validF {
			return nil // read-only
		}
		return assignField(dst.field, src)
	case opAccess, opLast:
		return assignElement(dst, src)
	case opRegister:
		reg, idx, v := dst.reg, dst.r.low(), src.big()
		return func(p *packet) { p.s.registers[reg].set(idx(p), v(p)) }
	}
	return nil
}

// assignOp is assign as an opcode, or none.
func assignOp(dst, src *expr) instruction {
	if dst.op != opField || dst.field.vl || dst.field.words > 1 || dst.field.saturating {
		return instruction{}
	}
	in := instruction{dst: int32(dst.field.slot), val: dst.field.mask()}
	switch {
	case src.constant:
		in.op, in.val = opStore, in.val&lowBits(src.num)
	case src.op == opField && !src.field.vl && !src.field.signed:
		in.op, in.src = opCopy, int32(src.field.low())
	case src.op == opArg:
		in.op, in.src = opLoadArg, int32(src.arg.slot+src.arg.words-1)
	default:
		return instruction{}
	}
	return in
}

func assignField(f *field, src *expr) action1 {
	switch {
	case f.vl:
		v := src.big()
		return func(p *packet) { p.setVL(f, v(p)) }
	case f.saturating:
		v := src.big()
		return func(p *packet) { setBig(p.w[f.slot:f.slot+f.words], f.saturate(v(p)), f.bits) }
	case f.words > 1:
		return assignWide(f, src)
	}
	d, m := f.slot, f.mask()
	switch {
	case src.constant:
		c := lowBits(src.num) & m
		return func(p *packet) { p.w[d] = c }
	case src.op == opField && !src.field.vl && !src.field.signed:
		s := src.field.low()
		if src.field.bits <= f.bits {
			return func(p *packet) { p.w[d] = p.w[s] }
		}
		return func(p *packet) { p.w[d] = p.w[s] & m }
	case src.op == opArg:
		a := src.arg.slot + src.arg.words - 1
		return func(p *packet) { p.w[d] = p.args[a] & m }
	}
	v := src.low()
	return func(p *packet) { p.w[d] = v(p) & m }
}

// assignWide copies fields, constants and parameters word by word and everything else as big numbers.
func assignWide(f *field, src *expr) action1 {
	d, n, m := f.slot, f.words, f.topMask()
	from := -1
	switch {
	case src.constant:
		c := make([]uint64, n)
		setBig(c, src.num, f.bits)
		return func(p *packet) { copy(p.w[d:d+n], c) }
	case src.op == opField && !src.field.vl && !src.field.signed && src.field.words == n:
		from = src.field.slot
		return func(p *packet) {
			copy(p.w[d:d+n], p.w[from:from+n])
			p.w[d] &= m
		}
	case src.op == opArg && src.arg.words == n:
		from = src.arg.slot
		return func(p *packet) {
			copy(p.w[d:d+n], p.args[from:from+n])
			p.w[d] &= m
		}
	case src.fitsU():
		v := src.low()
		return func(p *packet) {
			clear(p.w[d : d+n])
			p.w[d+n-1] = v(p)
		}
	}
	v := src.big()
	return func(p *packet) { setBig(p.w[d:d+n], v(p), f.bits) }
}

func assignElement(dst, src *expr) action1 {
	at := dst.element()
	if dst.bits > 64 || dst.bits == 0 {
		v := src.big()
		return func(p *packet) {
			switch f := at(p); {
			case f == nil:
			case f.vl:
				p.setVL(f, v(p))
			default:
				setBig(p.w[f.slot:f.slot+f.words], v(p), f.bits)
			}
		}
	}
	v := src.low()
	return func(p *packet) {
		if f := at(p); f != nil && f != f.hdr.validF {
			p.w[f.slot] = v(p) & f.mask()
		}
	}
}

// setVL writes a number into a variable-length field without changing the length.
func (p *packet) setVL(f *field, n *big.Int) {
	b := p.vl[f.vlOff : f.vlOff+int(p.w[f.slot])/8]
	m := new(big.Int).Lsh(bigOne, uint(8*len(b)))
	new(big.Int).And(n, m.Sub(m, bigOne)).FillBytes(b)
}

func (f *field) saturate(n *big.Int) *big.Int {
	e := expr{kind: kindData}
	e.setWidth(f.bits, f.signed)
	return minBig(maxBig(n, e.lo), e.hi)
}
