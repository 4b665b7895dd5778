package engine

import (
	"math"
	"math/big"

	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

// coreErrors in the order in which bmv2 numbers those that a program does not declare.
var coreErrors = []string{"NoError", "PacketTooShort", "NoMatch", "StackOutOfBounds", "HeaderTooShort",
	"ParserTimeout", "ParserInvalidArgument"}

func (l *loader) loadErrors(root *bmjson.Value) {
	value := map[string]int32{}
	names := map[int32]string{}
	next := int32(0)
	for _, v := range root.List("errors") {
		p := v.Tuple(2)
		name, n := p[0].String(), int32(p[1].Int(0, math.MaxInt32-1))
		if _, dup := value[name]; dup || names[n] != "" {
			v.Faultf("duplicate error")
		}
		value[name], names[n] = n, name
		next = max(next, n+1)
	}
	for _, name := range coreErrors {
		if _, ok := value[name]; !ok {
			value[name], names[next] = next, name
			next++
		}
	}
	l.p.errors = names
	l.p.core = core{
		value["NoError"], value["PacketTooShort"], value["StackOutOfBounds"], value["HeaderTooShort"], value["ParserTimeout"], value["ParserInvalidArgument"],
	}
}

func (l *loader) loadParsers(root *bmjson.Value) {
	for _, v := range root.List("parsers") {
		l.p.parsers = append(l.p.parsers, l.loadParser(v))
	}
}

func (l *loader) loadParser(v *bmjson.Value) *parser {
	ps := &parser{name: v.Get("name").String(), init: -1}
	index := map[string]int{}
	states := v.List("parse_states")
	for i, sv := range states {
		name := sv.Get("name").String()
		if _, dup := index[name]; dup {
			sv.Get("name").Faultf("duplicate parse state %q", name)
		}
		index[name] = i
	}
	next := func(v *bmjson.Value) int {
		if v.Null() {
			return -1
		}
		i, ok := index[v.String()]
		if !ok {
			v.Faultf("no such parse state")
			return -1
		}
		return i
	}
	if !v.Get("init_state").Null() {
		ps.init = next(v.Get("init_state"))
	}
	for _, sv := range states {
		st := state{name: sv.Get("name").String(), next: -1}
		for _, ov := range sv.List("parser_ops") {
			if op := l.parserOp(ov); op.run != nil || op.extract != nil {
				st.ops = append(st.ops, op)
			}
		}
		l.loadTransitionKey(&st, sv)
		l.loadTransitions(&st, sv, next)
		ps.states = append(ps.states, st)
	}
	return ps
}

func (l *loader) loadTransitionKey(st *state, sv *bmjson.Value) {
	for _, kv := range sv.List("transition_key") {
		k := keyPart{slot: -1}
		val := kv.Get("value")
		switch kv.Get("type").String() {
		case "field":
			if k.field = l.fieldAt(val); k.field == nil {
				continue
			}
			if k.field.vl {
				val.Faultf("a variable-length field cannot be a transition key")
			}
			k.bits, k.slot = k.field.bits, k.field.slot
		case "stack_field":
			if e := l.exprNode(kv); e != nil && e.bits > 0 {
				k.bits, k.dyn = e.bits, e.element()
			} else {
				continue
			}
		case "union_stack_field":
			if !l.unionStackKey(&k, val) {
				continue
			}
		case "lookahead":
			p := val.Tuple(2)
			k.peek, k.off, k.bits = true, p[0].Int(0, maxFieldBits), p[1].Int(1, maxFieldBits)
		default:
			kv.Get("type").Faultf("unknown type of transition key")
			continue
		}
		k.padded = bytesOf(k.bits)
		st.keyBytes += k.padded
		st.keys = append(st.keys, k)
	}
	st.number = st.keyBytes <= 8
	left := st.keyBytes
	for i := range st.keys {
		left -= st.keys[i].padded
		st.keys[i].shift = uint(8 * left)
	}
}

// unionStackKey reads ["stack", "member", "field"], a field of the last union in use.
func (l *loader) unionStackKey(k *keyPart, val *bmjson.Value) bool {
	p := val.Tuple(3)
	s := l.unionStack[p[0].String()]
	if s == nil {
		p[0].Faultf("no such header union stack")
		return false
	}
	for m, name := range s.typ.names {
		if name != p[1].String() || s.typ.types[m] == nil {
			continue
		}
		i, ok := s.typ.types[m].index[p[2].String()]
		if !ok || s.typ.types[m].fields[i].vl {
			p[2].Faultf("no such field")
			return false
		}
		k.bits = s.typ.types[m].fields[i].bits
		k.dyn = func(p *packet) *field {
			n := p.w[s.next]
			if n == 0 || n > uint64(len(s.unions)) {
				return nil
			}
			return s.unions[n-1].hdrs[m].fields[i]
		}
		return true
	}
	p[1].Faultf("no such member")
	return false
}

func (l *loader) loadTransitions(st *state, sv *bmjson.Value, next func(*bmjson.Value) int) {
	plain := true
	for _, tv := range sv.List("transitions") {
		to := next(tv.Get("next_state"))
		kind := "hexstr"
		if tv.Has("type") {
			kind = tv.Get("type").String()
		}
		val := tv.Get("value")
		if kind == "hexstr" && val.IsString() && val.String() == "default" {
			kind = "default"
		}
		c := parserCase{set: -1, next: to}
		switch kind {
		case "default":
			st.next = to
			continue
		case "hexstr":
			c.bytes = val.HexBytes(st.keyBytes)
			if !tv.Get("mask").Null() {
				c.bm = tv.Get("mask").HexBytes(st.keyBytes)
				for i := range c.bytes {
					c.bytes[i] &= c.bm[i]
				}
				plain = false
			}
			if st.number {
				c.value, c.mask = loadBE(c.bytes, st.keyBytes), ^uint64(0)
				if c.bm != nil {
					c.mask = loadBE(c.bm, st.keyBytes)
				}
			}
		case "parse_vset":
			plain = false
			if c.set = l.valueSetUse(st, tv); c.set < 0 {
				continue
			}
		default:
			tv.Get("type").Faultf("unknown type %q of transition", kind)
			continue
		}
		st.cases = append(st.cases, c)
	}
	if plain && st.number && len(st.cases) >= manyCases {
		st.exact = map[uint64]int{}
		for _, c := range st.cases {
			if _, dup := st.exact[c.value]; !dup {
				st.exact[c.value] = c.next
			}
		}
	}
}

func (l *loader) parserOp(v *bmjson.Value) parserOp {
	is := func(x *bmjson.Value, s string) bool { return x.IsString() && x.String() == s }
	if params := v.List("parameters"); is(v.Get("op"), "extract") && len(params) == 1 && is(params[0].Get("type"), "regular") {
		if val := params[0].Get("value"); val.IsString() {
			if h := l.header[val.String()]; h != nil && h.typ.vl < 0 {
				return parserOp{extract: h}
			}
		}
	}
	return parserOp{run: l.parserFunc(v)}
}

func (l *loader) parserFunc(v *bmjson.Value) parserFunc {
	params := v.List("parameters")
	want := func(n int) bool {
		if len(params) != n {
			v.Faultf("want %d parameters, have %d", n, len(params))
		}
		return len(params) == n
	}
	switch name := v.Get("op").String(); name {
	case "extract":
		if want(1) {
			return l.extractOp(params[0], nil)
		}
	case "extract_VL":
		if want(2) {
			if length := l.exprOf(params[1], kindData); length != nil {
				return l.extractOp(params[0], length.low())
			}
		}
	case "set":
		if want(2) {
			return l.setOp(params[0], params[1])
		}
	case "verify":
		if want(2) {
			return l.verifyOp(params[0], params[1])
		}
	case "primitive":
		if want(1) {
			outer := l.args
			l.args = nil
			defer func() { l.args = outer }()
			if ins, ok := l.primitive(params[0]); ok && ins.run != nil {
				run := ins.run
				return func(p *packet) int32 { run(p); return parserOK }
			}
		}
	case "shift":
		if want(1) {
			n := uint64(params[0].Int(0, maxHeaderBytes)) * 8
			return func(p *packet) int32 { return p.advance(n) }
		}
	case "advance":
		if want(1) {
			if n := l.exprOf(params[0], kindData); n != nil {
				bits := n.low()
				return func(p *packet) int32 { return p.advance(bits(p)) }
			}
		}
	default:
		v.Get("op").Faultf("unknown parser operation %q", name)
	}
	return nil
}

// extractOp compiles an extraction to a header, to the next element of a stack or to a member of the next union of a
// stack. length yields the bits of the variable-length field, nil where the header has none.
func (l *loader) extractOp(v *bmjson.Value, length numFunc) parserFunc {
	val := v.Get("value")
	into := func(typ *headerType) func(*packet, *header) int32 {
		switch {
		case typ == nil:
		case length != nil && typ.vl < 0:
			v.Faultf("header type %s has no variable-length field", typ.name)
		case length != nil:
			return func(p *packet, h *header) int32 { return p.extractVL(h, length(p)) }
		case typ.vl < 0:
			return (*packet).extract
		case typ.length != nil:
			return func(p *packet, h *header) int32 { return p.extractVL(h, h.vlLength(p)) }
		default:
			v.Faultf("header type %s needs the length of its variable-length field", typ.name)
		}
		return nil
	}
	switch v.Get("type").String() {
	case "regular":
		h := l.header[val.String()]
		if h == nil {
			val.Faultf("no such header")
			return nil
		}
		if f := into(h.typ); f != nil {
			return func(p *packet) int32 { return f(p, h) }
		}
	case "stack":
		s := l.stack[val.String()]
		if s == nil {
			val.Faultf("no such header stack")
			return nil
		}
		if f := into(s.typ); f != nil {
			return func(p *packet) int32 { return p.extractNext(s, f) }
		}
	case "union_stack":
		return l.extractUnion(v, into)
	default:
		v.Get("type").Faultf("unknown type of extraction")
	}
	return nil
}

func (l *loader) extractUnion(v *bmjson.Value, into func(*headerType) func(*packet, *header) int32) parserFunc {
	t := v.Get("value").Tuple(2)
	s := l.unionStack[t[0].String()]
	if s == nil {
		t[0].Faultf("no such header union stack")
		return nil
	}
	for m, name := range s.typ.names {
		if name != t[1].String() {
			continue
		}
		f := into(s.typ.types[m])
		if f == nil {
			return nil
		}
		return func(p *packet) int32 {
			n := p.w[s.next]
			if n >= uint64(len(s.unions)) {
				return p.s.p.core.stackOutOfBounds
			}
			if err := f(p, s.unions[n].hdrs[m]); err != parserOK {
				return err
			}
			p.w[s.next]++
			return parserOK
		}
	}
	t[1].Faultf("no such member")
	return nil
}

func (p *packet) extractNext(s *stack, f func(*packet, *header) int32) int32 {
	n := p.w[s.next]
	if n >= uint64(len(s.hdrs)) {
		return p.s.p.core.stackOutOfBounds
	}
	if err := f(p, s.hdrs[n]); err != parserOK {
		return err
	}
	p.w[s.next]++
	return parserOK
}

func (l *loader) setOp(dv, sv *bmjson.Value) parserFunc {
	dst := l.exprOf(dv, kindData)
	if sv.Get("type").String() == "lookahead" {
		if dst == nil {
			return nil
		}
		return l.setLookahead(dst, dv, sv)
	}
	src := l.exprOf(sv, kindData)
	if dst == nil || src == nil {
		return nil
	}
	if dst.op == opField && dst.field.vl && src.op == opField && src.field.vl {
		d, s := dst.field, src.field
		return func(p *packet) int32 { p.assignVL(d, s); return parserOK }
	}
	f := assign(dst, src)
	if f == nil {
		dv.Faultf("cannot be assigned to")
		return nil
	}
	return func(p *packet) int32 { f(p); return parserOK }
}

func (l *loader) setLookahead(dst *expr, dv, sv *bmjson.Value) parserFunc {
	t := sv.Get("value").Tuple(2)
	off, n := t[0].Int(0, maxFieldBits), t[1].Int(1, maxFieldBits)
	if dst.op != opField || dst.field.vl {
		dv.Faultf("want a field")
		return nil
	}
	f := dst.field
	return func(p *packet) int32 {
		if off+n > 8*(len(p.frame)-p.pos) {
			return p.s.p.core.packetTooShort
		}
		b := p.frame[p.pos:]
		if f.words == 1 && n <= 64 {
			p.w[f.slot] = getBits(b, off, n) & f.mask()
			return parserOK
		}
		p.bits.b, p.bits.n, p.bits.acc = p.bits.b[:0], 0, 0
		p.bits.put(0, bytesOf(n)*8-n)
		for at := 0; at < n; at += 56 {
			k := min(56, n-at)
			p.bits.put(getBits(b, off+at, k), k)
		}
		wordsFromBytes(p.w[f.slot:f.slot+f.words], p.bits.b, f.bits)
		return parserOK
	}
}

func (l *loader) verifyOp(cv, ev *bmjson.Value) parserFunc {
	cond := l.exprOf(cv, kindBool)
	var code *expr
	if ev.IsNumber() { // older files
		code = constExpr(big.NewInt(int64(ev.Int(0, math.MaxInt32))))
		code.bound()
	} else {
		code = l.exprOf(ev, kindData)
	}
	if cond == nil || code == nil {
		return nil
	}
	ok, value := cond.boolean(), code.low()
	return func(p *packet) int32 {
		if ok(p) {
			return parserOK
		}
		return int32(value(p) & math.MaxInt32)
	}
}
