package engine

import (
	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

// action is a compiled action.
type action struct {
	name   string
	index  int // in Program.actions
	params []paramDef
	words  int // of its arguments
	code   []instruction
	jumps  bool
	stops  bool // may end the pipeline
}

type paramDef struct {
	name string
	argSlot
}

// instruction is one primitive call, or a jump within the action. The commonest primitives are opcodes, the others
// closures.
type instruction struct {
	op    opcode
	stops bool // may end the pipeline
	dst   int32
	src   int32
	val   uint64
	run   action1
	cond  numFunc // of a jump: taken when it yields zero; nil: always
}

type opcode uint8

const (
	opRun     opcode = iota
	opJump           // to val
	opStore          // w[dst] = val
	opCopy           // w[dst] = w[src] & val
	opLoadArg        // w[dst] = args[src] & val
	opAdd            // makes the header at dst valid: src words, val bytes
	opRemove         // makes the header at dst invalid: val bytes
)

// maxBackwardJumps ends loops that a broken program would never leave.
const maxBackwardJumps = 1 << 16

func (a *action) run(p *packet) {
	if a.jumps {
		a.runJumps(p)
		return
	}
	execute(a.code, p)
}

// execute runs instructions without jumps.
func execute(code []instruction, p *packet) {
	for len(code) > 0 {
		n := 0
		if code[0].op != opRun {
			if n = move(code, p); n == len(code) {
				return
			}
		}
		code[n].run(p)
		code = code[n+1:]
	}
}

// move runs opcodes up to the first closure and returns how many. It calls nothing, so that everything stays in
// registers.
func move(code []instruction, p *packet) int {
	w, args := p.w, p.args
	for i := range code {
		in := &code[i]
		switch in.op {
		case opRun:
			return i
		case opStore:
			w[in.dst] = in.val
		case opCopy:
			w[in.dst] = w[in.src] & in.val
		case opLoadArg:
			w[in.dst] = args[in.src] & in.val
		case opAdd:
			if w[in.dst] == 0 {
				for k := in.dst + 1; k < in.dst+in.src; k++ {
					w[k] = 0
				}
				w[in.dst] = 1
				p.regLength += int(in.val)
			}
		case opRemove:
			if w[in.dst] != 0 {
				w[in.dst] = 0
				p.regLength -= int(in.val)
			}
		}
	}
	return len(code)
}

func (a *action) runJumps(p *packet) {
	back := 0
	for pc := 0; pc < len(a.code); {
		in := &a.code[pc]
		if in.op != opJump {
			execute(a.code[pc:pc+1], p)
			pc++
			continue
		}
		if in.cond != nil && in.cond(p) != 0 {
			pc++
			continue
		}
		target := int(in.val)
		if target <= pc {
			if back++; back > maxBackwardJumps {
				p.fail()
				return
			}
		}
		pc = target
	}
}

func (l *loader) loadActions(root *bmjson.Value) {
	l.p.actionByID = map[int]*action{}
	for _, v := range root.List("actions") {
		a := &action{name: v.Get("name").String(), index: len(l.p.actions)}
		l.args = nil
		for _, pv := range v.List("runtime_data") {
			n := pv.Get("bitwidth").Int(1, maxFieldBits)
			s := argSlot{slot: a.words, words: wordsOf(n), bits: n}
			a.words += s.words
			a.params = append(a.params, paramDef{name: pv.Get("name").String(), argSlot: s})
			l.args = append(l.args, s)
		}
		for _, cv := range v.List("primitives") {
			in, ok := l.primitive(cv)
			if !ok {
				continue
			}
			a.jumps = a.jumps || in.op == opJump
			a.stops = a.stops || in.stops
			a.code = append(a.code, in)
		}
		l.args = nil
		id := v.Get("id").Int(0, maxArraySize)
		if l.p.actionByID[id] != nil {
			v.Get("id").Faultf("duplicate action id %d", id)
		}
		l.p.actionByID[id] = a
		l.p.actions = append(l.p.actions, a)
	}
}

// callArgs reads the arguments of a call from hexadecimal strings.
func (a *action) callArgs(v *bmjson.Value) []uint64 {
	args := v.Elems()
	if len(args) != len(a.params) {
		v.Faultf("action %s takes %d arguments, not %d", a.name, len(a.params), len(args))
		return make([]uint64, a.words)
	}
	w := make([]uint64, a.words)
	for i, pd := range a.params {
		setBig(w[pd.slot:pd.slot+pd.words], args[i].Hex(), pd.bits)
	}
	return w
}

func (a *action) info() ActionInfo {
	i := ActionInfo{Name: a.name}
	for _, p := range a.params {
		i.Params = append(i.Params, Param{Name: p.name, Bits: p.bits})
	}
	return i
}

// call is the control plane's form of the action with the given arguments.
func (a *action) call(args []uint64) ActionCall {
	c := ActionCall{Name: a.name}
	for _, p := range a.params {
		c.Args = append(c.Args, appendWords(nil, args[p.slot:p.slot+p.words], p.bits))
	}
	return c
}
