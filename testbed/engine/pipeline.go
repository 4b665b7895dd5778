package engine

// pipeline is a control: a graph of nodes, without cycles.
type pipeline struct {
	name  string
	init  int
	first *node // of init
	nodes []node
}

// at is the node with index i, nil below 0.
func (pl *pipeline) at(i int) *node {
	if i < 0 {
		return nil
	}
	return &pl.nodes[i]
}

// node is one step of a pipeline. What a packet takes its way by comes first and is small.
type node struct {
	kind nodeKind
	test       // of a test
	yes  *node // what comes next when the condition holds, and after a fixed action; nil: the end
	no   *node
	*nodeBody
}

type nodeBody struct {
	yesIndex, noIndex int // of yes and no, while the pipeline is loaded

	cond   boolFunc
	run    action1
	table  *tableDef
	action *action       // whose call is fixed
	args   []uint64      // of action
	code   []instruction // of action and those fixed ones that follow it
}

type nodeKind uint8

const (
	nodeTest nodeKind = iota // a condition on one word
	nodeCond                 // any other condition
	nodeMove                 // fixed actions without closure and arguments
	nodeRun                  // a fixed action that is one closure without arguments
	nodeCode                 // other fixed actions
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
	for nd := pl.first; nd != nil; {
		if nd.kind == nodeTest { // two nodes of three
			if (w[nd.slot]&nd.mask == nd.val) != nd.not {
				nd = nd.yes
			} else {
				nd = nd.no
			}
			continue
		}
		if p.exit {
			break
		}
		nd = nd.step(p)
	}
	p.exit = false
}

// step runs a node that is no test and returns the next one.
func (nd *node) step(p *packet) *node {
	switch nd.kind {
	case nodeTable:
		return p.applyTable(nd.table)
	case nodeMove:
		move(nd.code, p)
	case nodeRun:
		nd.run(p)
	case nodeCode:
		p.args = nd.args
		execute(nd.code, p)
	case nodeAction:
		p.args = nd.args
		nd.action.run(p)
	case nodeCond:
		if !nd.cond(p) {
			return nd.no
		}
	}
	return nd.yes
}

// applyTable looks the packet up, runs the action and returns the next node.
func (p *packet) applyTable(def *tableDef) *node {
	t := p.s.tables[def.index]
	var e *entry
	if t.n > 0 {
		key := p.key[:def.words]
		def.gatherKey(p, key)
		if def.order == orderNone {
			e = t.lookup.findExact(key)
		} else {
			e = t.lookup.find(key)
		}
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
		if e.act.jumps {
			e.act.run(p)
		} else {
			execute(e.act.code, p)
		}
		return e.node
	}
	m := p.s.profiles[def.profile].choose(e.target, p)
	if m == nil { // a group that became empty: nothing happens, as on a miss without default
		return def.at(def.base)
	}
	p.args = m.args
	m.act.run(p)
	return def.at(def.nextHit(m.act))
}

func (t *Table) missed(p *packet) *node {
	if t.defTarget != nil {
		m := p.s.profiles[t.def.profile].choose(t.defTarget, p)
		if m == nil {
			return t.def.at(t.def.base)
		}
		p.args = m.args
		m.act.run(p)
		return t.def.at(t.def.nextMiss(m.act))
	}
	if t.defAct != nil {
		p.args = t.defArgs
		t.defAct.run(p)
	}
	return t.defNode
}
