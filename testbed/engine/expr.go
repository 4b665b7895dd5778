package engine

import (
	"math/big"

	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

// kind is the type of an expression.
type kind uint8

const (
	kindNone kind = iota
	kindData
	kindBool
	kindHeader
	kindStack
	kindUnion
	kindUnionStack
)

func (k kind) String() string {
	return [...]string{"nothing", "a number", "a boolean", "a header", "a header stack", "a header union",
		"a header union stack"}[k]
}

// op is an operation of an expression; leaves are operations too.
type op string

const (
	opField    op = "field"
	opConst    op = "hexstr"
	opArg      op = "local"
	opBool     op = "bool"
	opHeader   op = "header"
	opStack    op = "header_stack"
	opLast     op = "stack_field" // a field of the last element in use
	opUnion    op = "header_union"
	opUStack   op = "header_union_stack"
	opRegister op = "register"
	opAccess   op = "access_field"
	opAccessU  op = "access_union_header"
)

// expr is a typed expression tree.
type expr struct {
	op       op
	kind     kind
	l, r, c  *expr
	num      *big.Int // opConst
	truth    bool
	field    *field // opField
	header   *header
	stack    *stack
	union    *union
	ustack   *unionStack
	arg      argSlot
	reg      int // register array
	regBits  int
	index    int // opAccess, opAccessU: field or member; opLast: field
	typ      *headerType
	lo, hi   *big.Int // bounds of a number; nil: unknown
	bits     int      // of what opAccess and opLast yield
	signed   bool
	constant bool // a number known at load
}

// argSlot is where an action parameter lives in the arguments of an entry.
type argSlot struct {
	slot, words, bits int
}

// loader compiles one configuration.
type loader struct {
	layout
	p     *Program
	state int       // words of state so far
	args  []argSlot // of the action being compiled
	local *header   // whose fields locals are, in the length expression of a header type
}

// expr reads an expression of any type.
func (l *loader) expr(v *bmjson.Value) *expr {
	e := l.exprNode(v)
	if e == nil {
		return nil
	}
	e.bound()
	return e
}

// exprOf reads an expression that must have type k; nil after a fault.
func (l *loader) exprOf(v *bmjson.Value, k kind) *expr {
	e := l.expr(v)
	if e != nil && e.kind != k {
		v.Faultf("want %v, have %v", k, e.kind)
		return nil
	}
	return e
}

func (l *loader) exprNode(v *bmjson.Value) *expr {
	val := v.Get("value")
	switch t := op(v.Get("type").String()); t {
	case "expression":
		if val.Has("op") {
			return l.opNode(val)
		}
		return l.expr(val)
	case opField:
		return fieldExpr(l.fieldAt(val))
	case opConst:
		return constExpr(val.Hex())
	case "runtime_data", opArg:
		i := val.Int(0, maxArraySize)
		if l.local != nil && i < len(l.local.fields) {
			return fieldExpr(l.local.fields[i])
		}
		if i >= len(l.args) {
			val.Faultf("the action has %d parameters", len(l.args))
			return nil
		}
		return &expr{op: opArg, kind: kindData, arg: l.args[i]}
	case opBool:
		return &expr{op: opBool, kind: kindBool, truth: val.Bool()}
	case opHeader:
		if h := l.header[val.String()]; h != nil {
			return &expr{op: t, kind: kindHeader, header: h, typ: h.typ}
		}
		val.Faultf("no such header")
	case opStack:
		if s := l.stack[val.String()]; s != nil {
			return &expr{op: t, kind: kindStack, stack: s, typ: s.typ}
		}
		val.Faultf("no such header stack")
	case opLast:
		p := val.Tuple(2)
		s := l.stack[p[0].String()]
		if s == nil || s.typ == nil {
			val.Faultf("no such header stack")
			return nil
		}
		i, ok := s.typ.index[p[1].String()]
		if !ok {
			val.Faultf("header type %s has no such field", s.typ.name)
			return nil
		}
		ft := s.typ.fields[i]
		return &expr{op: t, kind: kindData, stack: s, index: i, bits: ft.bits, signed: ft.signed}
	case opUnion:
		if u := l.union[val.String()]; u != nil {
			return &expr{op: t, kind: kindUnion, union: u}
		}
		val.Faultf("no such header union")
	case opUStack:
		if s := l.unionStack[val.String()]; s != nil {
			return &expr{op: t, kind: kindUnionStack, ustack: s}
		}
		val.Faultf("no such header union stack")
	case opRegister:
		p := val.Tuple(2)
		i, ok := l.p.registerIndex[p[0].String()]
		if !ok {
			p[0].Faultf("no such register array")
			return nil
		}
		return &expr{op: t, kind: kindData, reg: i, regBits: l.p.registers[i].bits, r: l.exprOf(p[1], kindData)}
	default:
		if v.Get("type").IsString() {
			v.Get("type").Faultf("unknown type %q of expression", t)
		}
	}
	return nil
}

func fieldExpr(f *field) *expr {
	if f == nil {
		return nil
	}
	if f.vl {
		return &expr{op: opField, kind: kindData, field: f, lo: new(big.Int)}
	}
	return &expr{op: opField, kind: kindData, field: f, bits: f.bits, signed: f.signed}
}

func constExpr(n *big.Int) *expr {
	return &expr{op: opConst, kind: kindData, num: n, constant: true}
}

// opNode reads {"op": ..., "left": ..., "right": ...}.
func (l *loader) opNode(v *bmjson.Value) *expr {
	o := op(v.Get("op").String())
	e := &expr{op: o}
	left := func(k kind) bool { e.l = l.exprOf(v.Get("left"), k); return e.l != nil }
	right := func(k kind) bool { e.r = l.exprOf(v.Get("right"), k); return e.r != nil }
	ok := false
	switch o {
	case "+", "-":
		e.kind = kindData
		if v.Get("left").Null() {
			e.l = constExpr(new(big.Int))
			e.l.bound()
			ok = right(kindData)
			break
		}
		ok = left(kindData) && right(kindData)
	case "*", "/", "%", "<<", ">>", "&", "|", "^", "two_comp_mod", "usat_cast", "sat_cast":
		e.kind = kindData
		ok = left(kindData) && right(kindData)
		if ok && len(o) > 2 && !(e.r.constant && e.r.num.IsInt64() && e.r.num.Int64() > 0 && e.r.num.Int64() <= maxFieldBits) {
			v.Get("right").Faultf("width of %s is not a positive constant", o)
			ok = false
		}
	case "~":
		e.kind = kindData
		ok = right(kindData)
	case "<", ">", "<=", ">=":
		e.kind = kindBool
		ok = left(kindData) && right(kindData)
	case "==", "!=":
		e.kind = kindBool
		e.l, e.r = l.expr(v.Get("left")), l.expr(v.Get("right"))
		ok = e.l != nil && e.r != nil
		if ok && (e.l.kind != e.r.kind || e.l.kind == kindStack || e.l.kind == kindUnionStack) {
			v.Faultf("%s cannot compare %v and %v", o, e.l.kind, e.r.kind)
			ok = false
		}
	case "and", "or":
		e.kind = kindBool
		ok = left(kindBool) && right(kindBool)
	case "not":
		e.kind = kindBool
		ok = right(kindBool)
	case "valid":
		e.kind = kindBool
		ok = right(kindHeader)
	case "valid_union":
		e.kind = kindBool
		ok = right(kindUnion)
	case "d2b":
		e.kind = kindBool
		ok = right(kindData)
	case "b2d":
		e.kind = kindData
		ok = right(kindBool)
	case "?":
		e.c = l.exprOf(v.Get("cond"), kindBool)
		e.l, e.r = l.expr(v.Get("left")), l.expr(v.Get("right"))
		ok = e.c != nil && e.l != nil && e.r != nil
		if ok {
			e.kind, e.typ = e.l.kind, e.l.typ
			if e.l.kind != e.r.kind || e.kind != kindData && e.kind != kindBool {
				v.Faultf("? cannot choose between %v and %v", e.l.kind, e.r.kind)
				ok = false
			}
		}
	case "dereference_header_stack":
		e.kind = kindHeader
		if ok = left(kindStack) && right(kindData); ok {
			e.typ = e.l.typ
		}
	case "dereference_union_stack":
		e.kind = kindUnion
		ok = left(kindUnionStack) && right(kindData)
	case "last_stack_index", "size_stack":
		e.kind = kindData
		e.r = l.expr(v.Get("right"))
		ok = e.r != nil
		if ok && e.r.kind != kindStack && e.r.kind != kindUnionStack {
			v.Get("right").Faultf("want a stack, have %v", e.r.kind)
			ok = false
		}
	case opAccess:
		ok = l.accessNode(e, v)
	case opAccessU:
		e.kind = kindHeader
		e.index = v.Get("right").Int(0, maxArraySize)
		if ok = left(kindUnion); ok {
			e.typ = e.l.memberType(e.index)
			if ok = e.typ != nil; !ok {
				v.Get("right").Faultf("the union has no member %d", e.index)
			}
		}
	default:
		v.Get("op").Faultf("unknown operation %q", o)
	}
	if !ok {
		return nil
	}
	return e
}

func (l *loader) accessNode(e *expr, v *bmjson.Value) bool {
	left := l.expr(v.Get("left"))
	if left == nil {
		return false
	}
	e.l, e.index = left, v.Get("right").Int(0, maxArraySize)
	// bmv2 reads an access to a member of a union from the same operation.
	if left.kind == kindUnion {
		e.op, e.kind = opAccessU, kindHeader
		if e.typ = left.memberType(e.index); e.typ == nil {
			v.Get("right").Faultf("the union has no member %d", e.index)
		}
		return e.typ != nil
	}
	if left.kind != kindHeader || left.typ == nil {
		v.Get("left").Faultf("want a header, have %v", left.kind)
		return false
	}
	e.kind = kindData
	switch n := len(left.typ.fields); {
	case e.index < n:
		ft := left.typ.fields[e.index]
		e.bits, e.signed = ft.bits, ft.signed
	case e.index == n: // bmv2 keeps the hidden fields after the others
		e.bits = 1
	default:
		v.Get("right").Faultf("header type %s has no field %d", left.typ.name, e.index)
		return false
	}
	return true
}

// memberType is the type of member i of what a union expression yields.
func (e *expr) memberType(i int) *headerType {
	t := &unionType{}
	switch {
	case e.union != nil:
		t = e.union.typ
	case e.l != nil && e.l.ustack != nil:
		t = e.l.ustack.typ
	}
	if i < len(t.types) {
		return t.types[i]
	}
	return nil
}
