package engine

import (
	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

// pipeline is a control: a graph of nodes, without cycles.
type pipeline struct {
	name  string
	init  int
	nodes []node
}

// node is a table, a condition, or an action whose call is fixed. Indices of what comes next are below 0 at the end.
type node struct {
	table  *tableDef
	cond   boolFunc
	action *action
	args   []uint64      // of action
	code   []instruction // of action and those fixed ones that follow it
	yes    int           // the condition holds; after a fixed action
	no     int
}

func (pl *pipeline) apply(p *packet) {
	for n := pl.init; n >= 0 && !p.exit && !p.fault; {
		nd := &pl.nodes[n]
		switch {
		case nd.cond != nil:
			if nd.cond(p) {
				n = nd.yes
			} else {
				n = nd.no
			}
		case nd.code != nil:
			p.args = nd.args
			execute(nd.code, p)
			n = nd.yes
		case nd.table != nil:
			n = p.applyTable(nd.table)
		default:
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

func (l *loader) loadPipelines(root *bmjson.Value) {
	p := l.p
	p.tableIndex, p.profileIndex = map[string]int{}, map[string]int{}
	for _, v := range root.List("pipelines") {
		l.loadPipeline(v)
	}
}

func (l *loader) loadPipeline(v *bmjson.Value) {
	pl := &pipeline{name: v.Get("name").String(), init: -1}
	index := map[string]int{}
	add := func(nv *bmjson.Value) {
		name := nv.Get("name").String()
		if _, dup := index[name]; dup {
			nv.Get("name").Faultf("duplicate node %q", name)
		}
		index[name] = len(pl.nodes)
		pl.nodes = append(pl.nodes, node{yes: -1, no: -1})
	}
	tables, conds, calls := v.List("tables"), v.List("conditionals"), v.List("action_calls")
	for _, list := range [][]*bmjson.Value{tables, conds, calls} {
		for _, nv := range list {
			add(nv)
		}
	}
	at := func(nv *bmjson.Value) int {
		if nv.Null() {
			return -1
		}
		i, ok := index[nv.String()]
		if !ok {
			nv.Faultf("no such table or condition")
			return -1
		}
		return i
	}
	for _, pv := range v.List("action_profiles") {
		l.loadProfile(pv)
	}
	for i, tv := range tables {
		t := l.loadTable(tv)
		l.loadTableActions(t, tv, at)
		pl.nodes[i].table = t
	}
	for i, cv := range conds {
		n := &pl.nodes[len(tables)+i]
		n.cond = func(*packet) bool { return false }
		if !cv.Get("expression").Null() {
			if e := l.exprOf(cv.Get("expression"), kindBool); e != nil {
				n.cond = e.boolean()
			}
		}
		n.yes, n.no = at(cv.Get("true_next")), at(cv.Get("false_next"))
	}
	for i, av := range calls {
		n := &pl.nodes[len(tables)+len(conds)+i]
		if n.action = l.p.actionByID[av.Get("action_id").Int(0, maxArraySize)]; n.action == nil {
			av.Get("action_id").Faultf("no such action")
			n.action = &action{}
		}
		if len(n.action.params) > 0 {
			av.Get("action_id").Faultf("action %s has parameters", n.action.name)
		}
		n.yes = at(av.Get("next_node"))
	}
	pl.init = at(v.Get("init_table"))
	if pl.cyclic() {
		v.Faultf("the control flow has a cycle")
		pl.init = -1
	}
	pl.flatten()
	l.p.pipelines = append(l.p.pipelines, pl)
}

// flatten turns tables without key and with a constant default action, which is what p4c makes of bare statements,
// into fixed actions, and joins those that always follow one another.
func (pl *pipeline) flatten() {
	preds := make([]int, len(pl.nodes))
	for i := range pl.nodes {
		nd := &pl.nodes[i]
		if t := nd.table; t != nil && len(t.keys) == 0 && t.constDef && t.def != nil && t.profile < 0 {
			*nd = node{action: t.def, args: t.defArgs, yes: t.nextMiss(t.def), no: -1}
		}
	}
	for i := range pl.nodes {
		for _, next := range pl.nodes[i].successors() {
			if next >= 0 {
				preds[next]++
			}
		}
	}
	if pl.init >= 0 {
		preds[pl.init]++
	}
	for i := range pl.nodes {
		pl.join(&pl.nodes[i], preds)
	}
}

// join appends the fixed actions that follow nd and nothing else.
func (pl *pipeline) join(nd *node, preds []int) {
	if nd.action == nil || nd.action.jumps || len(nd.action.code) == 0 {
		return
	}
	nd.code = nd.action.code
	if len(nd.args) > 0 || nd.action.stops {
		return
	}
	for nd.yes >= 0 && preds[nd.yes] == 1 {
		next := &pl.nodes[nd.yes]
		if next.action == nil || next.action.jumps || next.action.stops || len(next.args) > 0 {
			return
		}
		code := next.code // joined already, with what follows it
		if code == nil {
			code = next.action.code
		}
		nd.code = append(nd.code[:len(nd.code):len(nd.code)], code...)
		nd.yes = next.yes
	}
}

// cyclic reports whether a packet could go round for ever.
func (pl *pipeline) cyclic() bool {
	const (
		unseen = iota
		open
		done
	)
	mark := make([]int, len(pl.nodes))
	var visit func(int) bool
	visit = func(n int) bool {
		if n < 0 || mark[n] == done {
			return false
		}
		if mark[n] == open {
			return true
		}
		mark[n] = open
		for _, next := range pl.nodes[n].successors() {
			if visit(next) {
				return true
			}
		}
		mark[n] = done
		return false
	}
	return visit(pl.init)
}

func (n *node) successors() []int {
	s := []int{n.yes, n.no}
	if t := n.table; t != nil {
		s = append(s, t.hit, t.miss, t.base)
		for _, next := range t.next {
			s = append(s, next)
		}
	}
	return s
}
