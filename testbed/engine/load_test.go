package engine_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

func config(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// replaceOnce changes one place of a configuration.
func replaceOnce(t *testing.T, b []byte, old, new string) []byte {
	t.Helper()
	if !bytes.Contains(b, []byte(old)) {
		t.Fatalf("no %s", old)
	}
	return bytes.Replace(b, []byte(old), []byte(new), 1)
}

func TestLoadNamesEveryFault(t *testing.T) {
	b := config(t, "copies")
	for _, r := range [][2]string{
		{`"op" : "resubmit"`, `"op" : "resubmitt"`},
		{`"op" : "truncate"`, `"op" : "assign"`},
		{`"init_table" : "`, `"init_table" : "no_`},
		{`"op" : "extract"`, `"op" : "extrakt"`},
		{`"type" : "default"`, `"type" : "otherwise"`},
	} {
		b = replaceOnce(t, b, r[0], r[1])
	}
	_, err := engine.Load(b)
	if err == nil {
		t.Fatal("loaded")
	}
	var paths []string
	for _, line := range strings.Split(err.Error(), "\n") {
		path, _, _ := strings.Cut(line, ":")
		paths = append(paths, path)
	}
	want := []string{
		"parsers[0].parse_states[0].parser_ops[1].op",
		"parsers[0].parse_states[0].transitions[0].type",
		"actions[2].primitives[0].op",
		"actions[4].primitives[0]",
		"pipelines[0].init_table",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
	var fault *bmjson.Fault
	if !errors.As(err, &fault) {
		t.Errorf("no *bmjson.Fault in %T", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct {
		name, program, old, new, want string
	}{
		{"no JSON", "match", `{`, `[`, "bmv2 JSON"},
		{"another major version", "match", `"version" : [2,`, `"version" : [3,`, "__meta__.version[0]"},
		{"a newer minor version", "match", `"version" : [2, 23]`, `"version" : [2, 99]`, "__meta__.version[1]"},
		{"an unknown header type", "match", `"header_type" : "key_t"`, `"header_type" : "kee_t"`, "headers["},
		{"an unknown hash", "match", `"algo" : "crc16"`, `"algo" : "crc17"`, "selector.algo: unknown hash"},
		{"a table that does not exist", "match", `"true_next" : "I.exact_table"`, `"true_next" : "I.nothing"`, "true_next: no such table"},
		{"a cycle", "match", `"false_next" : "node_7"`, `"false_next" : "node_3"`, "cycle"},
		{"a key without header", "match", `"target" : ["key", "a"]`, `"target" : ["kee", "a"]`, "key[0].target: no header"},
		{"a match type that does not suit", "match", `"match_type" : "ternary",
          "type" : "simple"`, `"match_type" : "exact",
          "type" : "simple"`, "does not suit"},
		{"a negative size", "match", `"max_size" : 4`, `"max_size" : -4`, "max_size: -4 is outside"},
		{"no egress_spec", "match", `["egress_spec", 9, false]`, `["egress_sp", 9, false]`, "egress_spec"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := engine.Load(replaceOnce(t, config(t, tt.program), tt.old, tt.new))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestLoadMutated changes programs at random places, value by value: Load refuses them or what it returns runs.
func TestLoadMutated(t *testing.T) {
	frames := [][]byte{{}, {1}, bytes.Repeat([]byte{2}, 200), bytes.Repeat([]byte{0xff, 4}, 40)}
	for _, name := range []string{"parser", "match", "copies", "state", "checksum"} {
		t.Run(name, func(t *testing.T) {
			var doc any
			if err := json.Unmarshal(config(t, name), &doc); err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 2))
			ran := 0
			for range 60 {
				b, err := json.Marshal(mutate(r, doc))
				if err != nil {
					t.Fatal(err)
				}
				p, err := engine.Load(b)
				if err != nil {
					continue
				}
				ran++
				s := engine.New(p, engine.Options{})
				for _, f := range frames {
					s.Process(1, f)
				}
			}
			t.Logf("%d of 60 still loaded", ran)
		})
	}
}

// mutate returns a copy of the tree with one value changed or left out.
func mutate(r *rand.Rand, v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		keys := make([]string, 0, len(x))
		for k, e := range x {
			out[k] = e
			keys = append(keys, k)
		}
		if len(keys) == 0 {
			return 1
		}
		k := keys[r.IntN(len(keys))]
		if r.IntN(20) == 0 {
			delete(out, k)
			return out
		}
		out[k] = mutate(r, x[k])
		return out
	case []any:
		out := append([]any(nil), x...)
		if len(out) == 0 {
			return nil
		}
		i := r.IntN(len(out))
		switch r.IntN(20) {
		case 0:
			return append(out[:i], out[i+1:]...)
		case 1:
			return append(out, out[i])
		}
		out[i] = mutate(r, out[i])
		return out
	case float64:
		return []any{x + 1, x - 1, -x, 0, 1 << 40, 3.5, "x"}[r.IntN(7)]
	case string:
		return []any{"", x + "0", "0x0", "-0x1", "0xffffffffffffffffffff", nil, 1}[r.IntN(7)]
	case bool:
		return !x
	}
	return []any{"x", 0, true}[r.IntN(3)]
}

// smallProgram forwards to port 1: small, so that fuzzing does not spend its time on reading.
const smallProgram = `{"header_types":[{"name":"s","id":0,"fields":[["ingress_port",9],["packet_length",32],["instance_type",32],
["egress_spec",9],["egress_port",9]]},{"name":"h","id":1,"fields":[["a",4],["b",12],["v","*"]],"max_length":9}],
"headers":[{"name":"standard_metadata","id":0,"header_type":"s","metadata":true},{"name":"x","id":1,"header_type":"h","metadata":false}],
"parsers":[{"name":"parser","id":0,"init_state":"start","parse_states":[{"name":"start","id":0,"parser_ops":[{"op":"extract_VL",
"parameters":[{"type":"regular","value":"x"},{"type":"expression","value":{"type":"expression","value":{"op":"+","left":null,
"right":{"type":"hexstr","value":"0x8"}}}}]}],"transition_key":[{"type":"field","value":["x","b"]},{"type":"lookahead","value":[0,8]}],
"transitions":[{"type":"hexstr","value":"0x012301","mask":"0xffff01","next_state":"start"},{"type":"default","value":null,"next_state":null}]}]}],
"deparsers":[{"name":"deparser","id":0,"order":["x"]}],
"actions":[{"name":"go","id":0,"runtime_data":[{"name":"port","bitwidth":9}],"primitives":[{"op":"assign","parameters":
[{"type":"field","value":["standard_metadata","egress_spec"]},{"type":"runtime_data","value":0}]}]}],
"pipelines":[{"name":"ingress","id":0,"init_table":"t","tables":[{"name":"t","id":0,"match_type":"ternary","type":"simple","max_size":4,
"key":[{"match_type":"ternary","target":["x","a"],"mask":null}],"action_ids":[0],"actions":["go"],"next_tables":{"go":"c"},
"entries":[{"match_key":[{"match_type":"ternary","key":"0x1","mask":"0xf"}],"action_entry":{"action_id":0,"action_data":["0x1"]},"priority":1}],
"default_entry":{"action_id":0,"action_data":["0x2"]}}],"conditionals":[{"name":"c","id":1,"expression":{"type":"expression",
"value":{"op":"valid","left":null,"right":{"type":"header","value":"x"}}},"true_next":null,"false_next":null}]},
{"name":"egress","id":1,"init_table":null}],
"calculations":[{"name":"k","id":0,"algo":"csum16","input":[{"type":"header","value":"x"},{"type":"payload","value":null}]}],
"checksums":[{"name":"ck","id":0,"target":["x","b"],"type":"generic","calculation":"k"}]}`

func TestSmallProgram(t *testing.T) {
	p, err := engine.Load([]byte(smallProgram))
	if err != nil {
		t.Fatal(err)
	}
	var port uint32
	s := engine.New(p, engine.Options{Output: func(p uint32, _ []byte) { port = p }})
	for first, want := range map[byte]uint32{0x10: 1, 0x20: 2} {
		if s.Process(9, []byte{first, 0, 0, 0}); port != want {
			t.Errorf("%#x: port %d, want %d", first, port, want)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"header_types":[]}`))
	f.Add([]byte(smallProgram))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := engine.Load(b)
		if err != nil {
			return
		}
		engine.New(p, engine.Options{}).Process(1, []byte("some frame"))
	})
}

// FuzzProcess: no frame stops any program, and the same frame does the same again.
func FuzzProcess(f *testing.F) {
	for _, script := range []string{"parser", "match", "copies", "state", "checksum", "arith"} {
		src, err := os.ReadFile(filepath.Join("testdata", script+".stf"))
		if err != nil {
			f.Fatal(err)
		}
		for _, line := range strings.Split(string(src), "\n") {
			if hex, ok := strings.CutPrefix(line, "packet 1 "); ok && len(hex) < 300 {
				f.Add(unhex(f, hex))
			}
		}
	}
	f.Add([]byte{})
	var out []byte
	var switches []*engine.Switch
	for _, name := range []string{"parser", "match", "copies", "state", "checksum", "arith"} {
		s := engine.New(load(f, name), engine.Options{Output: func(port uint32, frame []byte) {
			out = append(append(out, byte(port)), frame...)
		}})
		if err := s.SetMulticastGroup(9, []engine.Replica{{Port: 4, Instance: 1}, {Port: 5}}); err != nil {
			f.Fatal(err)
		}
		if err := s.SetCloneSession(5, engine.CloneSession{Replicas: []engine.Replica{{Port: 7}}}); err != nil {
			f.Fatal(err)
		}
		switches = append(switches, s)
	}
	switches = append(switches, nveSwitch(f, engine.Options{}))
	f.Fuzz(func(t *testing.T, frame []byte) {
		keep := bytes.Clone(frame)
		for i, s := range switches {
			stateless := i != 3 && i != 6
			out = out[:0]
			s.Process(1, frame)
			first := bytes.Clone(out)
			out = out[:0]
			s.Process(1, frame)
			if stateless && !bytes.Equal(first, out) {
				t.Errorf("program %d: first %x, then %x", i, first, out)
			}
		}
		if !bytes.Equal(frame, keep) {
			t.Error("the frame was changed")
		}
	})
}
