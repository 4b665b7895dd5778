package engine

import "math/big"

// Numbers of an expression have infinite precision. Where the bounds of every number involved show that 64 bits are
// enough, the expression compiles to machine arithmetic; elsewhere to big numbers. p4c wraps most operations in a
// mask, whose result needs only the low bits of what it masks, so the slow form is rare.

// maxBoundBits: beyond it a bound is as good as unknown.
const maxBoundBits = 8192

var (
	bigOne = big.NewInt(1)
	maxU64 = new(big.Int).SetUint64(^uint64(0))
	maxI64 = big.NewInt(1<<63 - 1)
	minI64 = big.NewInt(-1 << 63)
)

// bound sets lo and hi from those of the operands.
func (e *expr) bound() {
	if e.kind != kindData || e.lo != nil {
		return
	}
	switch e.op {
	case opConst:
		e.lo, e.hi = e.num, e.num
	case opField, opAccess, opLast:
		if e.bits > 0 {
			e.setWidth(e.bits, e.signed)
		}
	case opArg:
		e.setWidth(e.arg.bits, false)
	case opRegister:
		e.setWidth(e.regBits, false)
	case "last_stack_index", "size_stack":
		e.lo, e.hi = big.NewInt(-1), big.NewInt(maxArraySize)
	case "b2d":
		e.lo, e.hi = new(big.Int), bigOne
	case "two_comp_mod", "sat_cast":
		e.setWidth(int(e.r.num.Int64()), true)
	case "usat_cast":
		e.setWidth(int(e.r.num.Int64()), false)
	case "&":
		e.boundAnd()
	case "?":
		if e.l.bounded() && e.r.bounded() {
			e.lo, e.hi = minBig(e.l.lo, e.r.lo), maxBig(e.l.hi, e.r.hi)
		}
	case "~":
		if e.r.bounded() {
			e.lo, e.hi = new(big.Int).Not(e.r.hi), new(big.Int).Not(e.r.lo)
		}
	default:
		if e.l.bounded() && e.r.bounded() {
			e.boundBinary()
		}
	}
	if e.bounded() && (e.lo.BitLen() > maxBoundBits || e.hi.BitLen() > maxBoundBits) {
		e.lo, e.hi = nil, nil
	}
}

func (e *expr) boundAnd() {
	switch l, r := e.l, e.r; {
	case l.natural() && r.natural():
		e.lo, e.hi = new(big.Int), minBig(l.hi, r.hi)
	case l.natural():
		e.lo, e.hi = new(big.Int), l.hi
	case r.natural():
		e.lo, e.hi = new(big.Int), r.hi
	case l.bounded() && r.bounded():
		e.boundBits()
	}
}

func (e *expr) boundBinary() {
	l, r := e.l, e.r
	switch e.op {
	case "+":
		e.lo, e.hi = new(big.Int).Add(l.lo, r.lo), new(big.Int).Add(l.hi, r.hi)
	case "-":
		e.lo, e.hi = new(big.Int).Sub(l.lo, r.hi), new(big.Int).Sub(l.hi, r.lo)
	case "*":
		e.lo, e.hi = extremes(new(big.Int).Mul(l.lo, r.lo), new(big.Int).Mul(l.lo, r.hi),
			new(big.Int).Mul(l.hi, r.lo), new(big.Int).Mul(l.hi, r.hi))
	case "/", "%":
		if l.natural() && r.natural() {
			e.lo, e.hi = new(big.Int), l.hi
		}
	case "<<":
		if r.natural() && r.hi.BitLen() <= 10 {
			s := uint(r.hi.Uint64())
			e.lo, e.hi = minBig(l.lo, new(big.Int).Lsh(l.lo, s)), maxBig(l.hi, new(big.Int).Lsh(l.hi, s))
		}
	case ">>":
		if r.natural() {
			e.lo, e.hi = minBig(l.lo, new(big.Int)), maxBig(l.hi, new(big.Int))
		}
	case "|", "^":
		e.boundBits()
	}
}

// boundBits bounds a bitwise operation by the longer operand.
func (e *expr) boundBits() {
	n := 0
	for _, b := range []*big.Int{e.l.lo, e.l.hi, e.r.lo, e.r.hi} {
		n = max(n, b.BitLen())
	}
	e.hi = new(big.Int).Sub(new(big.Int).Lsh(bigOne, uint(n)), bigOne)
	e.lo = new(big.Int)
	if !e.l.natural() || !e.r.natural() {
		e.lo = new(big.Int).Not(e.hi)
	}
}

func (e *expr) setWidth(bits int, signed bool) {
	e.lo = new(big.Int)
	if signed {
		e.hi = new(big.Int).Sub(new(big.Int).Lsh(bigOne, uint(bits-1)), bigOne)
		e.lo.Not(e.hi)
		return
	}
	e.hi = new(big.Int).Sub(new(big.Int).Lsh(bigOne, uint(bits)), bigOne)
}

func (e *expr) bounded() bool { return e.lo != nil && e.hi != nil }
func (e *expr) natural() bool { return e.bounded() && e.lo.Sign() >= 0 }

// fitsU: every value is an unsigned 64-bit number, so its low 64 bits are the value.
func (e *expr) fitsU() bool { return e.natural() && e.hi.Cmp(maxU64) <= 0 }

// fitsI: every value is a signed 64-bit number.
func (e *expr) fitsI() bool { return e.bounded() && e.lo.Cmp(minI64) >= 0 && e.hi.Cmp(maxI64) <= 0 }

func minBig(a, b *big.Int) *big.Int {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

func maxBig(a, b *big.Int) *big.Int {
	if a.Cmp(b) > 0 {
		return a
	}
	return b
}

func extremes(v ...*big.Int) (lo, hi *big.Int) {
	lo, hi = v[0], v[0]
	for _, x := range v[1:] {
		lo, hi = minBig(lo, x), maxBig(hi, x)
	}
	return lo, hi
}
