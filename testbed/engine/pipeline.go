package engine

// pipeline is a control: a graph of nodes, without cycles.
type pipeline struct {
	name  string
	init  int32
	nodes []node
}

// node is one step of a pipeline. What a packet takes its way by comes first and is small.
type node struct {
	kind nodeKind
	test       // of a test
	yes  int32 // what comes next when the condition holds, and after a fixed action; below 0: the end
	no   int32
	*nodeBody
}

type nodeBody struct {
	cond   boolFunc
	table  *tableDef
	action *action       // whose call is fixed
	args   []uint64      // of action
	code   []instruction // of action and those fixed ones that follow it
}

type nodeKind uint8

const (
	nodeTest nodeKind = iota // a condition on one word
	nodeCond                 // any other condition
	nodeCode                 // fixed actions
	nodeTable
	nodeAction // a fixed action with jumps
)

// test holds when the bits of one word under the mask are those of val, or with not when they are others.
type test struct {
	not  bool
	slot int32
	mask uint64
	val  uint64
}

func (pl *pipeline) apply(p *packet) {
	w := p.w
	for n := pl.init; n >= 0 && !p.exit; {
		nd := &pl.nodes[n]
		switch nd.kind {
		case nodeTest:
			n = nd.no
			if (w[nd.slot]&nd.mask == nd.val) != nd.not {
				n = nd.yes
			}
		case nodeCond:
			if nd.cond(p) {
				n = nd.yes
			} else {
				n = nd.no
			}
		case nodeCode:
			p.args = nd.args
			execute(nd.code, p)
			n = nd.yes
		case nodeTable:
			n = int32(p.applyTable(nd.table))
		case nodeAction:
			p.args = nd.args
			nd.action.run(p)
			n = nd.yes
		}
	}
	p.exit = false
}

// applyTable looks the packet up, runs the action and returns the next node.
func (p *packet) applyTable(def *tableDef) int {
	t := p.s.tables[def.index]
	var e *entry
	if t.n > 0 {
		key := p.key[:def.words]
		def.gatherKey(p, key)
		e = t.lookup.find(key)
	}
	if e == nil {
		return t.missed(p)
	}
	e.hit = int64(p.now)
	e.armed = e.hit
	if def.counters {
		e.count.Packets++
		e.count.Bytes += uint64(p.length)
	}
	if m := def.meter; m != nil {
		cost := uint64(1)
		if m.unit == MeterBytes {
			cost = uint64(p.length)
		}
		p.w[m.target.slot] = e.meter.execute(p.now, cost) & m.target.mask()
	}
	if e.act != nil {
		p.args = e.args
		e.act.run(p)
		return e.node
	}
	m := p.s.profiles[def.profile].choose(e.target, p)
	if m == nil { // a group that became empty: nothing happens, as on a miss without default
		return def.base
	}
	p.args = m.args
	m.act.run(p)
	return def.nextHit(m.act)
}

func (t *Table) missed(p *packet) int {
	if t.defTarget != nil {
		m := p.s.profiles[t.def.profile].choose(t.defTarget, p)
		if m == nil {
			return t.def.base
		}
		p.args = m.args
		m.act.run(p)
		return t.def.nextMiss(m.act)
	}
	if t.defAct != nil {
		p.args = t.defArgs
		t.defAct.run(p)
	}
	return t.defNode
}
