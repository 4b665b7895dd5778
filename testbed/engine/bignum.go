package engine

import "math/big"

type bigFunc func(*packet) *big.Int

// maxShift: a left shift by more leaves nothing in any field, and is taken as zero.
const maxShift = 2 * maxFieldBits

// big compiles a number with the precision it needs. The results must not be changed.
func (e *expr) big() bigFunc {
	if e.constant {
		n := e.num
		return func(*packet) *big.Int { return n }
	}
	switch e.op {
	case opField:
		f := e.field
		return func(p *packet) *big.Int { return p.bigField(f) }
	case opArg:
		a := e.arg
		return func(p *packet) *big.Int { return bigOf(p.args[a.slot:a.slot+a.words], a.bits, false) }
	case opAccess, opLast:
		f := e.element()
		return func(p *packet) *big.Int {
			if x := f(p); x != nil {
				return p.bigField(x)
			}
			return new(big.Int)
		}
	case opRegister:
		reg, idx := e.reg, e.r.low()
		return func(p *packet) *big.Int { return p.s.registers[reg].big(idx(p)) }
	case "?":
		c, l, r := e.c.boolean(), e.l.big(), e.r.big()
		return func(p *packet) *big.Int {
			if c(p) {
				return l(p)
			}
			return r(p)
		}
	case "~":
		r := e.r.big()
		return func(p *packet) *big.Int { return new(big.Int).Not(r(p)) }
	case "b2d":
		r := e.r.boolean()
		return func(p *packet) *big.Int {
			if r(p) {
				return bigOne
			}
			return new(big.Int)
		}
	case "last_stack_index", "size_stack":
		v := e.lowOfStack()
		return func(p *packet) *big.Int { return big.NewInt(int64(v(p))) }
	case "two_comp_mod", "usat_cast", "sat_cast":
		return e.bigCast()
	}
	return e.bigBinary()
}

func (e *expr) bigBinary() bigFunc {
	l, r, o := e.l.big(), e.r.big(), e.op
	return func(p *packet) *big.Int {
		a, b, z := l(p), r(p), new(big.Int)
		switch o {
		case "+":
			return z.Add(a, b)
		case "-":
			return z.Sub(a, b)
		case "*":
			return z.Mul(a, b)
		case "&":
			return z.And(a, b)
		case "|":
			return z.Or(a, b)
		case "^":
			return z.Xor(a, b)
		case "<<":
			if b.Sign() < 0 || b.BitLen() > 31 || b.Uint64() > maxShift {
				return z
			}
			return z.Lsh(a, uint(b.Uint64()))
		case ">>":
			if b.Sign() < 0 {
				return z
			}
			if b.BitLen() > 31 {
				b = big.NewInt(1 << 31)
			}
			return z.Rsh(a, uint(b.Uint64()))
		}
		if b.Sign() == 0 { // division
			p.fail()
			return z
		}
		if o == "/" {
			return z.Quo(a, b)
		}
		return z.Rem(a, b)
	}
}

func (e *expr) bigCast() bigFunc {
	l, o, n := e.l.big(), e.op, uint(e.r.num.Int64())
	lo, hi := new(big.Int), new(big.Int).Sub(new(big.Int).Lsh(bigOne, n), bigOne)
	mod := new(big.Int).Lsh(bigOne, n)
	all := hi
	if o != "usat_cast" {
		hi = new(big.Int).Rsh(hi, 1)
		lo = new(big.Int).Not(hi)
	}
	return func(p *packet) *big.Int {
		v := l(p)
		if o == "two_comp_mod" {
			v = new(big.Int).And(v, all)
			if v.Cmp(hi) > 0 {
				v.Sub(v, mod)
			}
			return v
		}
		return minBig(maxBig(v, lo), hi)
	}
}

// bigField is the value of a field, of a variable-length one that of its bytes.
func (p *packet) bigField(f *field) *big.Int {
	if f.vl {
		n := int(p.w[f.slot]) / 8
		return new(big.Int).SetBytes(p.vl[f.vlOff : f.vlOff+n])
	}
	return bigOf(p.w[f.slot:f.slot+f.words], f.bits, f.signed)
}

func bigOf(w []uint64, bits int, signed bool) *big.Int {
	n := new(big.Int).SetBytes(appendWords(nil, w, bits))
	if signed && n.Bit(bits-1) == 1 {
		n.Sub(n, new(big.Int).Lsh(bigOne, uint(bits)))
	}
	return n
}

// setBig writes a number into words, modulo 2^bits.
func setBig(w []uint64, n *big.Int, bits int) {
	if n.Sign() < 0 || n.BitLen() > bits {
		m := new(big.Int).Lsh(bigOne, uint(bits))
		n = new(big.Int).And(n, m.Sub(m, bigOne))
	}
	var buf [64]byte
	b := buf[:]
	if len(w) > 8 {
		b = make([]byte, 8*len(w))
	}
	b = n.FillBytes(b[:8*len(w)])
	wordsFromBytes(w, b, bits)
}
