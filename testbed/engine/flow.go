package engine

import (
	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

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
		pl.nodes = append(pl.nodes, node{nodeBody: &nodeBody{yesIndex: -1, noIndex: -1}})
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
		t.pl = pl
		l.loadTableActions(t, tv, at)
		pl.nodes[i].kind, pl.nodes[i].table = nodeTable, t
	}
	for i, cv := range conds {
		e := &expr{op: opBool, kind: kindBool} // no expression never holds
		if !cv.Get("expression").Null() {
			if x := l.exprOf(cv.Get("expression"), kindBool); x != nil {
				e = x
			}
		}
		pl.condition(len(tables)+i, e, at(cv.Get("true_next")), at(cv.Get("false_next")))
	}
	for i, av := range calls {
		n := &pl.nodes[len(tables)+len(conds)+i]
		n.kind = nodeAction
		if n.action = l.p.actionByID[av.Get("action_id").Int(0, maxArraySize)]; n.action == nil {
			av.Get("action_id").Faultf("no such action")
			n.action = &action{}
		}
		if len(n.action.params) > 0 {
			av.Get("action_id").Faultf("action %s has parameters", n.action.name)
		}
		n.yesIndex = at(av.Get("next_node"))
	}
	pl.init = at(v.Get("init_table"))
	if pl.cyclic() {
		v.Faultf("the control flow has a cycle")
		pl.init = -1
	} else {
		pl.flatten()
	}
	l.p.pipelines = append(l.p.pipelines, pl)
}

// condition makes node i decide e. A conjunction or disjunction becomes several nodes, so that most of them are tests
// of one word.
func (pl *pipeline) condition(i int, e *expr, yes, no int) {
	switch e.op {
	case "not":
		pl.condition(i, e.r, no, yes)
		return
	case "and", "or":
		right := len(pl.nodes)
		pl.nodes = append(pl.nodes, node{})
		pl.condition(right, e.r, yes, no)
		if e.op == "and" {
			pl.condition(i, e.l, right, no)
		} else {
			pl.condition(i, e.l, yes, right)
		}
		return
	}
	n := node{kind: nodeCond, nodeBody: &nodeBody{yesIndex: yes, noIndex: no}}
	var simple bool
	if n.test, simple = e.test(); simple {
		n.kind = nodeTest
	} else {
		n.cond = e.boolean()
	}
	pl.nodes[i] = n
}

// test is the boolean as a test of one word, if it is one.
func (e *expr) test() (test, bool) {
	t := test{mask: ^uint64(0)}
	word := func(x *expr) bool { // a field, or some bits of one
		if x.op == "&" && x.r.constant && x.r.fitsU() {
			t.mask = x.r.num.Uint64()
			x = x.l
		}
		if x.op != opField || x.field.vl || x.field.words > 1 || x.signed {
			return false
		}
		t.slot = int32(x.field.slot)
		return true
	}
	switch e.op {
	case "valid":
		if e.r.op != opHeader || e.r.header.metadata {
			return t, false
		}
		t.slot, t.not = int32(e.r.header.valid), true
		return t, true
	case "d2b":
		t.not = true
		return t, word(e.r)
	case "==", "!=":
		t.not = e.op == "!="
		if e.l.kind != kindData || !e.r.constant || !e.r.fitsU() || !word(e.l) {
			return t, false
		}
		t.val = e.r.num.Uint64()
		return t, true
	}
	return t, false
}

// flatten turns tables without key and with a constant default action, which is what p4c makes of bare statements,
// into fixed actions, leaves those out that do nothing, and joins those that always follow one another.
func (pl *pipeline) flatten() {
	for i := range pl.nodes {
		nd := &pl.nodes[i]
		if t := nd.table; t != nil && len(t.keys) == 0 && t.constDef && t.def != nil && t.profile < 0 {
			*nd = node{kind: nodeAction, nodeBody: &nodeBody{action: t.def, args: t.defArgs, yesIndex: t.nextMiss(t.def), noIndex: -1}}
		}
	}
	pl.init = pl.past(pl.init)
	for i := range pl.nodes {
		pl.nodes[i].redirect(pl.past)
	}
	preds := make([]int, len(pl.nodes))
	if pl.init >= 0 {
		preds[pl.init]++
	}
	for i := range pl.nodes {
		for _, next := range pl.nodes[i].successors() {
			if next >= 0 {
				preds[next]++
			}
		}
	}
	for i := range pl.nodes {
		pl.join(&pl.nodes[i], preds)
	}
	pl.first = pl.at(pl.init)
	for i := range pl.nodes {
		nd := &pl.nodes[i]
		nd.yes, nd.no = pl.at(nd.yesIndex), pl.at(nd.noIndex)
		nd.specialise()
	}
}

// specialise chooses the quickest kind for a fixed action.
func (n *node) specialise() {
	if n.kind != nodeCode || len(n.args) > 0 {
		return
	}
	for _, in := range n.code {
		if in.op == opRun {
			if len(n.code) == 1 {
				n.kind, n.run = nodeRun, in.run
			}
			return
		}
	}
	n.kind = nodeMove
}

// past is the first node from n on that does something.
func (pl *pipeline) past(n int) int {
	for n >= 0 && pl.nodes[n].kind == nodeAction && len(pl.nodes[n].action.code) == 0 {
		n = pl.nodes[n].yesIndex
	}
	return n
}

// redirect changes the successors of a node.
func (n *node) redirect(to func(int) int) {
	n.yesIndex, n.noIndex = to(n.yesIndex), to(n.noIndex)
	if t := n.table; t != nil {
		t.hit, t.miss, t.base = to(t.hit), to(t.miss), to(t.base)
		for a, next := range t.next {
			t.next[a] = to(next)
		}
	}
}

// join appends the fixed actions that follow nd and nothing else.
func (pl *pipeline) join(nd *node, preds []int) {
	if nd.kind != nodeAction || nd.action.jumps {
		return
	}
	nd.kind, nd.code = nodeCode, nd.action.code
	if len(nd.args) > 0 || nd.action.stops {
		return
	}
	for nd.yesIndex >= 0 && preds[nd.yesIndex] == 1 {
		next := &pl.nodes[nd.yesIndex]
		if next.action == nil || next.action.jumps || next.action.stops || len(next.args) > 0 {
			return
		}
		code := next.action.code
		if next.kind == nodeCode {
			code = next.code // joined already, with what follows it
		}
		nd.code = append(nd.code[:len(nd.code):len(nd.code)], code...)
		nd.yesIndex = next.yesIndex
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
	s := []int{n.yesIndex, n.noIndex}
	if t := n.table; t != nil {
		s = append(s, t.hit, t.miss, t.base)
		for _, next := range t.next {
			s = append(s, next)
		}
	}
	return s
}
