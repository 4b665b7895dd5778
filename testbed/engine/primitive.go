package engine

import (
	"math/big"

	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

// call is a primitive call while it is compiled.
type call struct {
	l      *loader
	v      *bmjson.Value
	params []*bmjson.Value
	ok     bool
	in     instruction // an opcode that does the same as the closure, where there is one
}

// primitive compiles one primitive call.
func (l *loader) primitive(v *bmjson.Value) (instruction, bool) {
	name := v.Get("op").String()
	c := &call{l: l, v: v, params: v.List("parameters"), ok: true}
	def, known := primitives(name)
	if !known {
		if v.Get("op").IsString() {
			v.Get("op").Faultf("unknown primitive %q", name)
		}
		return instruction{}, false
	}
	if len(c.params) != def.params {
		v.Faultf("%s takes %d parameters, not %d", name, def.params, len(c.params))
		return instruction{}, false
	}
	if def.jump {
		return c.jump()
	}
	run := def.compile(c)
	if !c.ok || run == nil {
		return instruction{}, false
	}
	c.in.run = run
	switch name {
	case "exit", "assert", "assume":
		c.in.stops = true
	}
	return c.in, true
}

type primitiveDef struct {
	params  int
	compile func(*call) action1
	jump    bool
}

// primitives is the set of simple_switch, with bmv2's core ones.
func primitives(name string) (primitiveDef, bool) {
	d := func(n int, f func(*call) action1) (primitiveDef, bool) {
		return primitiveDef{params: n, compile: f}, true
	}
	switch name {
	case "assign", "modify_field", "set":
		return d(2, (*call).assign)
	case "assign_VL":
		return d(2, (*call).assignVL)
	case "assign_header", "copy_header":
		return d(2, (*call).assignHeader)
	case "assign_union":
		return d(2, (*call).assignUnion)
	case "assign_header_stack":
		return d(2, (*call).assignStack)
	case "assign_union_stack":
		return d(2, (*call).assignUnionStack)
	case "push":
		return d(2, (*call).push)
	case "pop":
		return d(2, (*call).pop)
	case "add_header":
		return d(1, (*call).addHeader)
	case "add_header_fast":
		return d(1, (*call).addHeaderFast)
	case "remove_header":
		return d(1, (*call).removeHeader)
	case "add_to_field":
		return d(2, func(c *call) action1 { return c.arith("+", 0) })
	case "subtract_from_field":
		return d(2, func(c *call) action1 { return c.arith("-", 0) })
	case "no_op":
		return d(0, func(*call) action1 { return func(*packet) {} })
	case "_jump":
		return primitiveDef{params: 1, jump: true}, true
	case "_jump_if_zero":
		return primitiveDef{params: 2, jump: true}, true
	}
	if o := arithOp(name); o != "" {
		return d(3, func(c *call) action1 { return c.arith(o, 1) })
	}
	return switchPrimitives(name)
}

// arithOp is the operation of P4_14's arithmetic primitives, which older compilers emit; empty for other names.
func arithOp(name string) op {
	switch name {
	case "add":
		return "+"
	case "subtract":
		return "-"
	case "bit_xor":
		return "^"
	case "bit_or":
		return "|"
	case "bit_and":
		return "&"
	case "shift_left":
		return "<<"
	case "shift_right":
		return ">>"
	}
	return ""
}

func (c *call) fail(i int, format string, args ...any) {
	c.params[i].Faultf(format, args...)
	c.ok = false
}

// param reads parameter i as an expression of type k.
func (c *call) param(i int, k kind) *expr {
	e := c.l.exprOf(c.params[i], k)
	c.ok = c.ok && e != nil
	return e
}

// num compiles parameter i to the low bits of a number.
func (c *call) num(i int) numFunc {
	if e := c.param(i, kindData); e != nil {
		return e.low()
	}
	return nil
}

// object resolves parameter i, which names a thing of the given type.
func (c *call) object(i int, typ string, index map[string]int) int {
	v := c.params[i]
	if t := v.Get("type").String(); t != typ {
		c.fail(i, "want a %s, have a %s", typ, t)
		return 0
	}
	n, ok := index[v.Get("value").String()]
	if !ok {
		c.fail(i, "no such %s", typ)
	}
	return n
}

func (c *call) jump() (instruction, bool) {
	at := len(c.params) - 1
	e := c.param(at, kindData)
	if e == nil {
		return instruction{}, false
	}
	if !e.constant || !e.num.IsInt64() || e.num.Int64() < 0 || e.num.Int64() > maxArraySize {
		c.fail(at, "the target of a jump is not a constant")
		return instruction{}, false
	}
	in := instruction{op: opJump, val: e.num.Uint64()}
	if at == 1 {
		cond := c.param(0, kindData)
		if cond == nil {
			return in, false
		}
		if zero := cond.notZero(); !cond.fitsU() && !cond.fitsI() {
			in.cond = func(p *packet) uint64 {
				if zero(p) {
					return 1
				}
				return 0
			}
		} else {
			in.cond = cond.low()
		}
	}
	return in, true
}

func (c *call) assign() action1 {
	dst, src := c.param(0, kindData), c.param(1, kindData)
	if !c.ok {
		return nil
	}
	if dst.op == opField && dst.field.vl && src.op == opField && src.field.vl {
		return c.assignVL()
	}
	f := assign(dst, src)
	if f == nil {
		c.fail(0, "cannot be assigned to")
	}
	c.in = assignOp(dst, src)
	return f
}

func (c *call) arith(o op, first int) action1 {
	dst, l, r := c.param(0, kindData), c.param(first, kindData), c.param(first+1, kindData)
	if !c.ok {
		return nil
	}
	e := &expr{op: o, kind: kindData, l: l, r: r}
	e.bound()
	f := assign(dst, e)
	if f == nil {
		c.fail(0, "cannot be assigned to")
	}
	return f
}

func (c *call) assignVL() action1 {
	dst, src := c.param(0, kindData), c.param(1, kindData)
	if !c.ok {
		return nil
	}
	d, s := dst.place(), src.place()
	if d == nil || s == nil {
		c.ok = false
		c.v.Faultf("wants two variable-length fields")
		return nil
	}
	return func(p *packet) {
		if x, y := d(p), s(p); x != nil && y != nil && x.vl && y.vl {
			p.assignVL(x, y)
		}
	}
}

// place is the field that an expression names, nil where it is no field.
func (e *expr) place() func(*packet) *field {
	switch e.op {
	case opField:
		f := e.field
		if !f.vl {
			return nil
		}
		return func(*packet) *field { return f }
	case opAccess, opLast:
		if e.bits != 0 {
			return nil
		}
		return e.element()
	}
	return nil
}

// assignVL copies a variable-length field with its length, as much of it as the destination can hold.
func (p *packet) assignVL(d, s *field) {
	n := min(p.w[s.slot]/8, uint64(d.vlMax))
	p.w[d.slot] = 8 * n
	copy(p.vl[d.vlOff:d.vlOff+int(n)], p.vl[s.vlOff:s.vlOff+int(n)])
}

func (c *call) assignHeader() action1 {
	dst, src := c.param(0, kindHeader), c.param(1, kindHeader)
	if !c.ok {
		return nil
	}
	if dst.typ != src.typ {
		c.fail(1, "headers are of different types")
		return nil
	}
	if dst.op == opHeader && src.op == opHeader {
		d, s := dst.header, src.header
		return func(p *packet) { p.copyHeader(d, s) }
	}
	d, s := dst.hdr(), src.hdr()
	return func(p *packet) {
		if x := d(p); x != nil {
			if y := s(p); y != nil {
				p.copyHeader(x, y)
			}
		}
	}
}

func (c *call) assignUnion() action1 {
	dst, src := c.param(0, kindUnion), c.param(1, kindUnion)
	if !c.ok {
		return nil
	}
	d, s := dst.uni(), src.uni()
	return func(p *packet) {
		if x, y := d(p), s(p); x != nil && y != nil && x.typ == y.typ {
			p.copyUnion(x, y)
		}
	}
}

func (p *packet) copyUnion(d, s *union) {
	for i := range min(len(d.hdrs), len(s.hdrs)) {
		p.copyHeader(d.hdrs[i], s.hdrs[i])
	}
}

func (c *call) assignStack() action1 {
	dst, src := c.param(0, kindStack), c.param(1, kindStack)
	if !c.ok {
		return nil
	}
	d, s := dst.stack, src.stack
	if d.typ != s.typ || len(d.hdrs) != len(s.hdrs) {
		c.fail(1, "stacks are of different types")
		return nil
	}
	return func(p *packet) {
		p.w[d.next] = p.w[s.next]
		for i := range d.hdrs {
			p.copyHeader(d.hdrs[i], s.hdrs[i])
		}
	}
}

func (c *call) assignUnionStack() action1 {
	dst, src := c.param(0, kindUnionStack), c.param(1, kindUnionStack)
	if !c.ok {
		return nil
	}
	d, s := dst.ustack, src.ustack
	if d.typ != s.typ || len(d.unions) != len(s.unions) {
		c.fail(1, "stacks are of different types")
		return nil
	}
	return func(p *packet) {
		p.w[d.next] = p.w[s.next]
		for i := range d.unions {
			p.copyUnion(d.unions[i], s.unions[i])
		}
	}
}

// rows returns the elements of a stack of headers or of unions, each as the headers that move together.
func (c *call) rows() (rows [][]*header, next int) {
	e := c.l.expr(c.params[0])
	switch {
	case e != nil && e.kind == kindStack:
		for _, h := range e.stack.hdrs {
			rows = append(rows, []*header{h})
		}
		return rows, e.stack.next
	case e != nil && e.kind == kindUnionStack:
		for _, u := range e.ustack.unions {
			rows = append(rows, u.hdrs)
		}
		return rows, e.ustack.next
	}
	c.fail(0, "want a stack")
	return nil, 0
}

// push is push_front of P4_16: the new elements are invalid.
func (c *call) push() action1 {
	rows, next := c.rows()
	num := c.num(1)
	if !c.ok {
		return nil
	}
	return func(p *packet) {
		size := len(rows)
		n := int(min(num(p), uint64(size)))
		p.w[next] = min(uint64(size), p.w[next]+uint64(n))
		for i := size - 1; i >= n; i-- {
			for k, h := range rows[i] {
				p.moveHeader(h, rows[i-n][k])
			}
		}
		for _, row := range rows[:n] {
			p.clearRow(row)
		}
	}
}

func (c *call) pop() action1 {
	rows, next := c.rows()
	num := c.num(1)
	if !c.ok {
		return nil
	}
	return func(p *packet) {
		size := len(rows)
		n := int(min(num(p), uint64(size)))
		p.w[next] -= min(p.w[next], uint64(n))
		for i := range size - n {
			for k, h := range rows[i] {
				p.moveHeader(h, rows[i+n][k])
			}
		}
		for _, row := range rows[size-n:] {
			p.clearRow(row)
		}
	}
}

func (p *packet) clearRow(row []*header) {
	for _, h := range row {
		p.clearHeader(h)
	}
}

func (c *call) addHeader() action1 {
	e := c.param(0, kindHeader)
	if !c.ok {
		return nil
	}
	if h := e.header; h != nil && h.simple() {
		c.in = instruction{op: opAdd, dst: int32(h.valid), src: int32(h.words), val: uint64(h.bytes)}
	}
	return e.onHeader(func(p *packet, h *header) {
		if p.isValid(h) {
			return
		}
		p.clearHeader(h)
		p.setValid(h)
		p.regLength += p.headerBytes(h)
	})
}

func (c *call) addHeaderFast() action1 {
	e := c.param(0, kindHeader)
	if !c.ok {
		return nil
	}
	return e.onHeader((*packet).setValid)
}

func (c *call) removeHeader() action1 {
	e := c.param(0, kindHeader)
	if !c.ok {
		return nil
	}
	if h := e.header; h != nil && h.simple() {
		c.in = instruction{op: opRemove, dst: int32(h.valid), val: uint64(h.bytes)}
	}
	return e.onHeader(func(p *packet, h *header) {
		if p.isValid(h) {
			p.regLength -= p.headerBytes(h)
			p.w[h.valid] = 0
		}
	})
}

// simple headers are always as long and in no union.
func (h *header) simple() bool { return !h.metadata && h.typ.vl < 0 && h.union == nil }

func (e *expr) onHeader(f func(*packet, *header)) action1 {
	if e.op == opHeader {
		h := e.header
		return func(p *packet) { f(p, h) }
	}
	at := e.hdr()
	return func(p *packet) {
		if h := at(p); h != nil {
			f(p, h)
		}
	}
}

// constNumber reads parameter i as a constant of up to 16 bits, as field lists are numbered.
func (c *call) constNumber(i int) uint16 {
	e := c.param(i, kindData)
	if e == nil {
		return 0
	}
	if !e.constant || e.num.Sign() < 0 || e.num.Cmp(big.NewInt(1<<16)) >= 0 {
		c.fail(i, "want a constant below 65536")
		return 0
	}
	return uint16(e.num.Uint64())
}
