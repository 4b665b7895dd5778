package engine

import (
	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

// tableDef is a table as the program defines it.
type tableDef struct {
	name     string
	pl       *pipeline
	index    int // in Program.tables
	order    order
	keys     []keyField
	gather   [][]keyGather // by word of the key
	words    int
	ranges   []rangeField
	actions  []*action
	next     map[*action]int // node after the action
	hitMiss  bool
	hit      int
	miss     int
	base     int // after a miss without default action
	size     int
	profile  int // index of the action profile, -1 for a simple table
	counters bool
	timeout  bool
	meter    *directMeter

	def         *action // the program's default action; nil: none
	defArgs     []uint64
	constDef    bool    // action and arguments are constant
	constDefAct *action // the action is
	entries     []constEntry
	immutable   bool
}

type constEntry struct {
	key      []Match
	priority int32
	act      *action
	args     []uint64
}

type keyField struct {
	KeyField
	pieces []keyPiece
}

// keyGather puts one piece of a key into place.
type keyGather struct {
	keyPiece
	valid  int    // slot that must not be 0 for the field to count, -1 for none: fields of invalid headers match as 0
	static uint64 // mask of the program
}

func (t *tableDef) gatherKey(p *packet, key []uint64) {
	w := p.w
	for i, parts := range t.gather {
		var v uint64
		for k := range parts {
			if g := &parts[k]; g.valid < 0 || w[g.valid] != 0 {
				v |= w[g.slot] & g.static << (g.shift & 63)
			}
		}
		key[i] = v
	}
}

func (l *loader) loadTable(v *bmjson.Value) *tableDef {
	t := &tableDef{name: v.Get("name").String(), index: len(l.p.tables), profile: -1, next: map[*action]int{},
		hit: -1, miss: -1, base: -1}
	if _, dup := l.p.tableIndex[t.name]; dup {
		v.Get("name").Faultf("duplicate table %q", t.name)
	}
	l.loadKey(t, v)
	switch m := v.Get("match_type").String(); m {
	case "exact":
	case "lpm":
		t.order = orderLongest
	case "ternary", "range":
		t.order = orderPriority
	default:
		v.Get("match_type").Faultf("unknown match type %q", m)
	}
	t.checkOrder(v)
	t.counters = v.Get("with_counters").BoolOr(false)
	t.timeout = v.Get("support_timeout").BoolOr(false)
	switch {
	case v.Has("entries"):
		t.size = len(v.List("entries"))
	default:
		t.size = v.Get("max_size").Int(0, maxArraySize)
	}
	if v.Has("direct_meters") {
		if t.meter = l.p.directMeters[v.Get("direct_meters").String()]; t.meter == nil {
			v.Get("direct_meters").Faultf("no such direct meter array")
		}
	}
	switch typ := v.Get("type").String(); typ {
	case "simple":
	case "indirect", "indirect_ws":
		i, ok := l.p.profileIndex[v.Get("action_profile").String()]
		if !ok {
			v.Get("action_profile").Faultf("no such action profile")
			break
		}
		t.profile = i
	default:
		v.Get("type").Faultf("unknown table type %q", typ)
	}
	l.p.tableIndex[t.name] = t.index
	l.p.tables = append(l.p.tables, t)
	return t
}

func (l *loader) loadKey(t *tableDef, v *bmjson.Value) {
	longest, bit := 0, 0
	for _, kv := range v.List("key") {
		k := keyField{}
		target := kv.Get("target")
		var f *field
		kindName := kv.Get("match_type").String()
		switch kindName {
		case "exact":
		case "lpm":
			k.Kind = MatchLPM
			if longest++; longest > 1 {
				kv.Faultf("table %s has two lpm fields", t.name)
			}
		case "ternary", "optional":
			k.Kind = MatchTernary
		case "range":
			k.Kind = MatchRange
		case "valid":
			k.Kind = MatchValid
		default:
			kv.Get("match_type").Faultf("unknown match type %q", kindName)
			continue
		}
		valid := -1
		if k.Kind == MatchValid {
			h := l.header[target.String()]
			if h == nil {
				target.Faultf("no such header")
				continue
			}
			f, k.Name = h.validF, h.name
		} else {
			if f = l.fieldAt(target); f == nil {
				continue
			}
			if f.vl {
				target.Faultf("a variable-length field cannot be a key")
				continue
			}
			k.Name = f.hdr.name + "." + f.name
			if !f.hdr.metadata && f != f.hdr.validF {
				valid = f.hdr.valid
			}
		}
		if kv.Has("name") {
			k.Name = kv.Get("name").String()
		}
		k.Bits = f.bits
		static := make([]uint64, f.words)
		setBig(static, lowOnes(f.bits), f.bits)
		if kv.Has("mask") {
			wordsFromBytes(static, kv.Get("mask").HexBytes(bytesOf(f.bits)), f.bits)
		}
		left := f.bits
		for w := range f.words {
			n := left - 64*(f.words-1-w)
			left -= n
			if bit/64 != (bit+n-1)/64 {
				bit = (bit + 63) / 64 * 64
			}
			p := keyPiece{slot: f.slot + w, word: bit / 64, shift: uint(bit % 64), mask: maskOf(n)}
			bit += n
			k.pieces = append(k.pieces, p)
			for len(t.gather) <= p.word {
				t.gather = append(t.gather, nil)
			}
			t.gather[p.word] = append(t.gather[p.word], keyGather{keyPiece: p, valid: valid, static: static[w]})
		}
		if k.Kind == MatchRange {
			at := 0
			for _, r := range t.ranges {
				at = r.at + 2*len(r.pieces)
			}
			t.ranges = append(t.ranges, rangeField{pieces: k.pieces, at: at})
		}
		t.keys = append(t.keys, k)
	}
	t.words = (bit + 63) / 64
	l.p.maxKeyWords = max(l.p.maxKeyWords, t.words)
}

// checkOrder refuses key fields that the match type of the table cannot hold.
func (t *tableDef) checkOrder(v *bmjson.Value) {
	for _, k := range t.keys {
		if k.Kind == MatchTernary && t.order != orderPriority || k.Kind == MatchRange && t.order != orderPriority ||
			k.Kind == MatchLPM && t.order == orderNone {
			v.Get("match_type").Faultf("does not suit key field %s", k.Name)
		}
	}
}

// loadTableActions resolves what refers to actions and nodes, once all nodes are known.
func (l *loader) loadTableActions(t *tableDef, v *bmjson.Value, node func(*bmjson.Value) int) {
	next := v.Get("next_tables")
	if next.Has("__HIT__") || next.Has("__MISS__") || hasKey(next, "__HIT__") {
		t.hitMiss = true
		t.hit, t.miss = node(next.Get("__HIT__")), node(next.Get("__MISS__"))
	}
	if v.Has("action_ids") {
		for _, iv := range v.List("action_ids") {
			a := l.p.actionByID[iv.Int(0, maxArraySize)]
			if a == nil {
				iv.Faultf("no such action")
				continue
			}
			l.addAction(t, a, next, node)
		}
	} else {
		for _, nv := range v.List("actions") {
			if a := l.actionNamed(nv); a != nil {
				l.addAction(t, a, next, node)
			}
		}
	}
	if v.Has("base_default_next") {
		t.base = node(v.Get("base_default_next"))
	}
	if t.hitMiss {
		t.base = t.miss
	}
	if v.Has("default_entry") {
		l.loadDefault(t, v.Get("default_entry"))
	}
	if v.Has("entries") {
		l.loadEntries(t, v)
	}
}

func hasKey(v *bmjson.Value, key string) bool {
	for _, k := range v.Keys() {
		if k == key {
			return true
		}
	}
	return false
}

func (l *loader) actionNamed(v *bmjson.Value) *action {
	for _, a := range l.p.actions {
		if a.name == v.String() {
			return a
		}
	}
	v.Faultf("no such action")
	return nil
}

func (l *loader) addAction(t *tableDef, a *action, next *bmjson.Value, node func(*bmjson.Value) int) {
	n := -1
	if !t.hitMiss {
		if !hasKey(next, a.name) {
			next.Faultf("has nothing for action %s", a.name)
		} else {
			n = node(next.Get(a.name))
		}
	}
	if _, dup := t.next[a]; dup {
		return
	}
	t.next[a] = n
	t.actions = append(t.actions, a)
	if t.profile >= 0 {
		l.p.profiles[t.profile].addAction(a)
	}
}

// at is the node with index i of the table's pipeline, nil for the end.
func (t *tableDef) at(i int) *node { return t.pl.at(i) }

func (t *tableDef) nextHit(a *action) int {
	if t.hitMiss {
		return t.hit
	}
	return t.next[a]
}

func (t *tableDef) nextMiss(a *action) int {
	if t.hitMiss {
		return t.miss
	}
	return t.next[a]
}

func (l *loader) loadDefault(t *tableDef, v *bmjson.Value) {
	a := l.p.actionByID[v.Get("action_id").Int(0, maxArraySize)]
	if a == nil {
		v.Get("action_id").Faultf("no such action")
		return
	}
	if _, ok := t.next[a]; !ok && !t.hitMiss {
		v.Get("action_id").Faultf("table %s does not have action %s", t.name, a.name)
		return
	}
	t.def, t.defArgs = a, a.callArgs(v.Get("action_data"))
	t.constDef = v.Get("action_entry_const").BoolOr(false)
	if v.Get("action_const").BoolOr(false) {
		t.constDefAct = a
	}
}

func (l *loader) loadEntries(t *tableDef, v *bmjson.Value) {
	if t.profile >= 0 {
		v.Get("entries").Faultf("a table with an action profile cannot have constant entries")
		return
	}
	t.immutable = true
	for _, ev := range v.List("entries") {
		e := constEntry{}
		keys := ev.List("match_key")
		if len(keys) != len(t.keys) {
			ev.Get("match_key").Faultf("the key has %d fields, not %d", len(t.keys), len(keys))
			continue
		}
		for i, kv := range keys {
			e.key = append(e.key, loadMatch(t.keys[i], kv))
		}
		av := ev.Get("action_entry")
		if e.act = l.p.actionByID[av.Get("action_id").Int(0, maxArraySize)]; e.act == nil {
			av.Get("action_id").Faultf("no such action")
			continue
		}
		if _, ok := t.next[e.act]; !ok {
			av.Get("action_id").Faultf("table %s does not have action %s", t.name, e.act.name)
			continue
		}
		e.args = e.act.callArgs(av.Get("action_data"))
		if ev.Has("priority") {
			e.priority = int32(ev.Get("priority").Int(-1<<31, 1<<31-1))
		}
		if _, _, err := t.pack(e.key, e.priority); err != nil {
			ev.Get("match_key").Faultf("%v", err)
			continue
		}
		t.entries = append(t.entries, e)
	}
	l.checkDuplicates(t, v.Get("entries"))
}

// checkDuplicates builds the table once, as a switch will.
func (l *loader) checkDuplicates(t *tableDef, v *bmjson.Value) {
	lk := lookup{words: t.words, order: t.order, ranges: t.ranges}
	for i, c := range t.entries {
		e, mask, err := t.pack(c.key, c.priority)
		if err != nil {
			continue
		}
		if lk.exists(e, mask) != nil {
			v.Faultf("entry %d has the key of another", i)
		}
		e.handle = Handle(i)
		lk.insert(e, mask)
	}
}

func loadMatch(k keyField, v *bmjson.Value) Match {
	m := Match{Kind: k.Kind}
	n := bytesOf(k.Bits)
	want := [...]string{"exact", "lpm", "ternary", "range", "valid"}[k.Kind]
	if t := v.Get("match_type").String(); t != want && !(t == "optional" && k.Kind == MatchTernary) {
		v.Get("match_type").Faultf("want %s", want)
		m.Value, m.Mask, m.High = make([]byte, n), make([]byte, n), make([]byte, n)
		return m
	}
	switch k.Kind {
	case MatchRange:
		m.Value, m.High = v.Get("start").HexBytes(n), v.Get("end").HexBytes(n)
		return m
	case MatchValid:
		m.Value = []byte{0}
		if v.Get("key").Bool() {
			m.Value[0] = 1
		}
		return m
	case MatchLPM:
		m.PrefixLen = v.Get("prefix_length").Int(0, int64(k.Bits))
	case MatchTernary:
		m.Mask = v.Get("mask").HexBytes(n)
	}
	m.Value = v.Get("key").HexBytes(n)
	return m
}
