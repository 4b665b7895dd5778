package differential

import (
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

// parser is as much of a program's parser as says what its packets look like.
type parser struct {
	types  map[string][]field // of headers
	states map[string]*state
	start  string
}

type field struct {
	name string // "header.field"
	bits int    // 0: it varies
	max  int    // bits of one that varies
}

type state struct {
	extract []extraction
	key     []string // fields, or empty for what is not one
	next    []transition
}

type extraction struct {
	as     string // the name of a header, or of a stack
	header string // its type
}

// transition is where a state leads, "" being the end. A nil value is any.
type transition struct {
	value, mask *big.Int
	next        string
}

// config is the part of bmv2's JSON that says so.
type config struct {
	HeaderTypes []struct {
		Name   string
		Fields [][]any
		Max    int `json:"max_length"`
	} `json:"header_types"`
	Headers, Stacks []struct {
		Name string
		Type string `json:"header_type"`
	}
	HeaderStacks []struct {
		Name string
		Type string `json:"header_type"`
	} `json:"header_stacks"`
	Parsers []struct {
		Init   string `json:"init_state"`
		States []struct {
			Name string
			Ops  []struct {
				Op     string
				Params []struct {
					Type  string
					Value any
				} `json:"parameters"`
			} `json:"parser_ops"`
			Transitions []struct {
				Type        string
				Value, Mask string
				Next        string `json:"next_state"`
			}
			Key []struct {
				Type  string
				Value any
			} `json:"transition_key"`
		} `json:"parse_states"`
	}
}

func newParser(t *testing.T, b []byte) *parser {
	t.Helper()
	var c config
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	p := &parser{types: map[string][]field{}, states: map[string]*state{}, start: c.Parsers[0].Init}
	for _, h := range c.HeaderTypes {
		for _, f := range h.Fields {
			x := field{name: f[0].(string)}
			if bits, ok := f[1].(float64); ok {
				x.bits = int(bits)
			} else {
				x.max = 128
			}
			p.types[h.Name] = append(p.types[h.Name], x)
		}
	}
	header := map[string]string{}
	for _, h := range append(c.Headers, c.HeaderStacks...) {
		header[h.Name] = h.Type
	}
	for _, s := range c.Parsers[0].States {
		st := &state{}
		for _, op := range s.Ops {
			if name, ok := op.Params[0].Value.(string); ok && strings.HasPrefix(op.Op, "extract") && header[name] != "" {
				st.extract = append(st.extract, extraction{name, header[name]})
			}
		}
		for _, k := range s.Key {
			name := ""
			if v, ok := k.Value.([]any); ok && (k.Type == "field" || k.Type == "stack_field") {
				name = v[0].(string) + "." + v[1].(string)
			}
			st.key = append(st.key, name)
		}
		for _, x := range s.Transitions {
			tr := transition{next: x.Next}
			if x.Type == "hexstr" {
				tr.value, _ = new(big.Int).SetString(x.Value, 0)
				tr.mask, _ = new(big.Int).SetString(x.Mask, 0)
			}
			st.next = append(st.next, tr)
		}
		p.states[s.Name] = st
	}
	return p
}

// shape draws packets that a parser takes, or nearly so.
type shape struct {
	r      *rand.Rand
	parser *parser
	// value draws the value of a field.
	value func(name string, bits int) *big.Int
}

// maxStates is how many states a packet passes at most.
const maxStates = 12

// packet draws a packet.
func (s *shape) packet() []byte {
	var bits int
	all := new(big.Int)
	at := map[string]field{} // fields that are there, and the bits up to their end
	next := s.parser.start
	for range maxStates {
		st := s.parser.states[next]
		if st == nil {
			break
		}
		for _, x := range st.extract {
			for _, f := range s.parser.types[x.header] {
				if f.bits == 0 {
					f.bits = 8 * s.r.IntN(f.max/8+1) * s.r.IntN(2)
				}
				name := x.as + "." + f.name
				all.Lsh(all, uint(f.bits))
				all.Or(all, s.value(name, f.bits))
				bits += f.bits
				at[name] = field{bits: f.bits, max: bits}
			}
		}
		next = s.follow(st, all, bits, at)
	}
	for bits%8 != 0 {
		all.Lsh(all, 1)
		bits++
	}
	out := all.FillBytes(make([]byte, bits/8))
	for range s.r.IntN(40) * s.r.IntN(2) {
		out = append(out, byte(s.r.Uint32()))
	}
	return out
}

// follow draws a transition and sets the fields that lead there, as far as they
// are in the packet. It does not go where frames of the CPU port go.
func (s *shape) follow(st *state, all *big.Int, bits int, at map[string]field) string {
	if len(st.next) == 0 {
		return ""
	}
	tr := st.next[s.r.IntN(len(st.next))]
	if len(st.key) == 1 && st.key[0] == "standard_metadata.ingress_port" {
		tr = st.next[len(st.next)-1]
	}
	if tr.value == nil {
		return tr.next
	}
	// The key is its fields from the right, each in whole bytes.
	shift := uint(0)
	for i := len(st.key) - 1; i >= 0; i-- {
		f, ok := at[st.key[i]]
		if !ok {
			return tr.next
		}
		ones := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(f.bits)), big.NewInt(1))
		v := new(big.Int).And(new(big.Int).Rsh(tr.value, shift), ones)
		if tr.mask != nil {
			ones.And(ones, new(big.Int).Rsh(tr.mask, shift))
		}
		all.AndNot(all, new(big.Int).Lsh(ones, uint(bits-f.max)))
		all.Or(all, new(big.Int).Lsh(v.And(v, ones), uint(bits-f.max)))
		shift += uint(f.bits+7) / 8 * 8
	}
	return tr.next
}
