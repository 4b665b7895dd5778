package engine

import (
	"strings"
)

// switchPrimitives are those of simple_switch itself.
func switchPrimitives(name string) (primitiveDef, bool) {
	d := func(n int, f func(*call) action1) (primitiveDef, bool) {
		return primitiveDef{params: n, compile: f}, true
	}
	switch name {
	case "drop":
		return d(0, (*call).drop)
	case "mark_to_drop":
		return d(1, (*call).markToDrop)
	case "generate_digest":
		return d(2, (*call).generateDigest)
	case "clone_ingress_pkt_to_egress", "clone_egress_pkt_to_egress":
		return d(2, (*call).clone)
	case "resubmit":
		return d(1, func(c *call) action1 { return c.again(func(p *packet) *uint16 { return &p.resubmit }) })
	case "recirculate":
		return d(1, func(c *call) action1 { return c.again(func(p *packet) *uint16 { return &p.recirculate }) })
	case "modify_field_with_hash_based_offset":
		return d(4, (*call).hash)
	case "modify_field_rng_uniform":
		return d(3, (*call).random)
	case "execute_meter":
		return d(3, (*call).executeMeter)
	case "count":
		return d(2, (*call).count)
	case "register_read":
		return d(3, (*call).registerRead)
	case "register_write":
		return d(3, (*call).registerWrite)
	case "truncate":
		return d(1, (*call).truncate)
	case "assert", "assume":
		return d(1, (*call).assert)
	case "exit":
		return d(0, func(*call) action1 { return func(p *packet) { p.exit = true } })
	case "log_msg":
		return d(2, (*call).logMsg)
	}
	return primitiveDef{}, false
}

func (c *call) drop() action1 {
	spec, mcast := c.l.std("standard_metadata", "egress_spec"), c.l.std("intrinsic_metadata", "mcast_grp")
	return c.dropTo(spec, mcast)
}

func (c *call) markToDrop() action1 {
	e := c.param(0, kindHeader)
	if !c.ok {
		return nil
	}
	if e.op != opHeader {
		c.fail(0, "want the standard metadata")
		return nil
	}
	return c.dropTo(e.header.field("egress_spec"), e.header.field("mcast_grp"))
}

func (c *call) dropTo(spec, mcast *field) action1 {
	if spec == nil || spec.words > 1 || mcast != nil && mcast.words > 1 {
		c.v.Faultf("the program has no standard_metadata.egress_spec")
		c.ok = false
		return nil
	}
	s, m := spec.slot, spec.mask()
	if mcast == nil {
		return func(p *packet) { p.w[s] = uint64(p.s.dropPort) & m }
	}
	g := mcast.slot
	return func(p *packet) {
		p.w[s] = uint64(p.s.dropPort) & m
		p.w[g] = 0
	}
}

// generateDigest keeps the last list only, as bmv2 does.
func (c *call) generateDigest() action1 {
	id := c.constNumber(1)
	if !c.ok {
		return nil
	}
	if c.l.p.learnLists[id] == nil {
		c.fail(1, "no learn list %d", id)
		return nil
	}
	return func(p *packet) { p.digest = id }
}

func (c *call) clone() action1 {
	session, list := c.num(0), c.fieldList(1)
	if !c.ok {
		return nil
	}
	return func(p *packet) {
		p.cloneSession = uint16(session(p)) | cloneValid
		p.cloneList = list
	}
}

func (c *call) again(request func(*packet) *uint16) action1 {
	list := c.fieldList(0)
	if !c.ok {
		return nil
	}
	return func(p *packet) { *request(p) = list }
}

func (c *call) fieldList(i int) uint16 {
	id := c.constNumber(i)
	if c.ok && c.l.p.fieldLists[id] == nil {
		c.fail(i, "no field list %d", id)
	}
	return id
}

func (c *call) hash() action1 {
	dst, base, size := c.param(0, kindData), c.num(1), c.num(3)
	calc := c.object(2, "calculation", c.l.p.calculationIndex)
	if !c.ok {
		return nil
	}
	k := c.l.p.calculations[calc]
	return c.store(0, dst, func(p *packet) uint64 {
		n := max(size(p), 1) // bmv2 takes a range of 0 for 1
		return k.output(p)%n + base(p)
	})
}

// store compiles an assignment of a computed unsigned number.
func (c *call) store(i int, dst *expr, v numFunc) action1 {
	f := assignNum(dst, v)
	if f == nil {
		c.fail(i, "cannot be assigned to")
	}
	return f
}

// assignNum is assign for an unsigned 64-bit number that is no expression.
func assignNum(dst *expr, v numFunc) action1 {
	switch {
	case dst.op == opField && !dst.field.vl && dst.field != dst.field.hdr.validF:
		f := dst.field
		at, m := f.low(), maskOf(min(f.bits, 64))
		return func(p *packet) {
			x := v(p) & m
			if f.words > 1 {
				clear(p.w[f.slot:at])
			}
			p.w[at] = x
		}
	case (dst.op == opAccess || dst.op == opLast) && dst.bits > 0:
		at := dst.element()
		return func(p *packet) {
			x := v(p)
			if f := at(p); f != nil && f != f.hdr.validF {
				clear(p.w[f.slot : f.slot+f.words])
				p.w[f.low()] = x & maskOf(min(f.bits, 64))
			}
		}
	}
	return nil
}

// random leaves the destination alone when the range is empty.
func (c *call) random() action1 {
	dst, lo, hi := c.param(0, kindData), c.num(1), c.num(2)
	if !c.ok {
		return nil
	}
	set := c.store(0, dst, func(p *packet) uint64 { return p.result })
	if set == nil {
		return nil
	}
	return func(p *packet) {
		a, b := lo(p), hi(p)
		if a > b {
			return
		}
		p.result = p.s.uniform(a, b)
		set(p)
	}
}

func (c *call) executeMeter() action1 {
	m, idx, dst := c.object(0, "meter_array", c.l.p.meterIndex), c.num(1), c.param(2, kindData)
	if !c.ok {
		return nil
	}
	set := c.store(2, dst, func(p *packet) uint64 { return p.result })
	if set == nil {
		return nil
	}
	return func(p *packet) {
		a := p.s.meters[m]
		i := idx(p)
		if i >= uint64(len(a.cells)) {
			return
		}
		p.result = a.cells[i].execute(p.now, a.cost(p))
		set(p)
	}
}

func (c *call) count() action1 {
	n, idx := c.object(0, "counter_array", c.l.p.counterIndex), c.num(1)
	if !c.ok {
		return nil
	}
	return func(p *packet) {
		a := p.s.counters[n].cells
		if i := idx(p); i < uint64(len(a)) {
			a[i].Packets++
			a[i].Bytes += uint64(p.length)
		}
	}
}

func (c *call) registerRead() action1 {
	dst, reg, idx := c.param(0, kindData), c.object(1, "register_array", c.l.p.registerIndex), c.param(2, kindData)
	if !c.ok {
		return nil
	}
	def := c.l.p.registers[reg]
	src := &expr{op: opRegister, kind: kindData, reg: reg, regBits: def.bits, r: idx}
	src.bound()
	set := assign(dst, src)
	if set == nil {
		c.fail(0, "cannot be assigned to")
		return nil
	}
	at, size := idx.low(), uint64(def.size)
	return func(p *packet) {
		if at(p) < size { // out of range leaves the destination alone
			set(p)
		}
	}
}

func (c *call) registerWrite() action1 {
	reg, idx, src := c.object(0, "register_array", c.l.p.registerIndex), c.num(1), c.param(2, kindData)
	if !c.ok {
		return nil
	}
	if c.l.p.registers[reg].bits <= 64 {
		v := src.low()
		return func(p *packet) { p.s.registers[reg].setLow(idx(p), v(p)) }
	}
	v := src.big()
	return func(p *packet) { p.s.registers[reg].set(idx(p), v(p)) }
}

func (c *call) truncate() action1 {
	n := c.num(0)
	if !c.ok {
		return nil
	}
	return func(p *packet) { p.truncate = int(min(uint64(p.truncate), n(p))) }
}

func (c *call) assert() action1 {
	e := c.l.expr(c.params[0])
	if e == nil || e.kind != kindData && e.kind != kindBool {
		c.fail(0, "want a number or a boolean")
		return nil
	}
	var holds boolFunc
	if e.kind == kindBool {
		holds = e.boolean()
	} else {
		holds = e.notZero()
	}
	what := c.v.Get("op").String()
	if src := c.v.Get("source_info"); src.Has("source_fragment") {
		what += " " + src.Get("source_fragment").String()
	}
	return func(p *packet) {
		if !holds(p) {
			p.fail()
			p.s.log.Error("packet dropped", "reason", what+" failed", "port", p.port)
		}
	}
}

func (c *call) logMsg() action1 {
	if t := c.params[0].Get("type").String(); t != "string" {
		c.fail(0, "want a string")
		return nil
	}
	format := c.params[0].Get("value").String()
	var values []bigFunc
	for _, v := range c.params[1].Get("value").Elems() {
		e := c.l.expr(v)
		switch {
		case e == nil:
			c.ok = false
		case e.kind == kindBool:
			b := &expr{op: "b2d", kind: kindData, r: e}
			values = append(values, b.big())
		case e.kind == kindData:
			values = append(values, e.big())
		default:
			v.Faultf("want a number")
			c.ok = false
		}
	}
	if !c.ok {
		return nil
	}
	return func(p *packet) {
		if p.s.quiet {
			return
		}
		var b strings.Builder
		rest := format
		for _, v := range values {
			before, after, found := strings.Cut(rest, "{}")
			if !found {
				break
			}
			b.WriteString(before)
			b.WriteString(v(p).String())
			rest = after
		}
		b.WriteString(rest)
		p.s.log.Info(b.String())
	}
}
