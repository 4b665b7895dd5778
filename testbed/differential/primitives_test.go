package differential

import (
	"encoding/json"
	"strings"
	"testing"
)

// object is one of JSON.
type object = map[string]any

func typed(kind string, value any) object { return object{"type": kind, "value": value} }

func fieldOf(name string) object {
	header, f, _ := strings.Cut(name, ".")
	return typed("field", []any{header, f})
}

func number(hex string) object { return typed("hexstr", hex) }

func call(op string, params ...object) object { return object{"op": op, "parameters": params} }

// calc is an expression; a nil side is one that the operator has not.
func calc(op string, left, right object) object {
	x := object{"op": op, "left": left, "right": right}
	if left == nil {
		x["left"] = nil
	}
	return typed("expression", x)
}

// assign sets a field to an expression.
func assign(to string, e object) object { return call("assign", fieldOf(to), typed("expression", e)) }

// truth sets op.q to what an expression says, and op.r to the contrary.
func truth(e object) []object {
	return []object{assign("op.q", calc("b2d", nil, e)), assign("op.r", calc("b2d", nil, calc("not", nil, e)))}
}

// replacements are the primitives that the log_msgs of testdata/primitives.p4
// stand for.
func replacements() map[string][]object {
	a, b, c, s, w := fieldOf("op.a"), fieldOf("op.b"), fieldOf("op.c"), fieldOf("op.s"), fieldOf("op.w")
	three := func(op string) []object { return []object{call(op, c, a, b)} }
	header := func(name string) object { return typed("header", name) }
	one := func(o ...object) []object { return o }
	return map[string][]object{
		"!add": three("add"), "!subtract": three("subtract"), "!xor": three("bit_xor"), "!or": three("bit_or"), "!and": three("bit_and"),
		"!left": one(call("shift_left", c, a, number("0x3"))), "!right": one(call("shift_right", c, a, number("0x11"))),
		"!add_to": one(call("add_to_field", c, a)), "!subtract_from": one(call("subtract_from_field", c, a), call("subtract_from_field", w, a)),
		"!modify": one(call("modify_field", c, a)), "!nothing": one(call("no_op")), "!drop": one(call("drop")),
		"!divide": one(assign("op.c", calc("/", a, b)), assign("op.w", calc("/", w, b))),
		"!rest":   one(assign("op.c", calc("%", a, b)), assign("op.w", calc("%", w, b))),
		// Infinite precision until a value is cut, as p4c would have it cut, or not.
		"!signed": one(
			assign("op.c", calc("two_comp_mod", calc("-", s, a), number("0x9"))),
			assign("op.s", calc("two_comp_mod", calc("*", s, s), number("0x10"))),
			assign("op.w", calc("two_comp_mod", calc("<<", s, number("0x40")), number("0x48"))),
		),
		"!saturate": one(
			assign("op.c", calc("usat_cast", calc("-", a, b), number("0xd"))),
			assign("op.w", calc("usat_cast", calc("*", w, w), number("0x48"))),
		),
		"!saturate_signed": one(assign("op.s", calc("sat_cast", calc("+", s, calc("-", nil, a)), number("0xc")))),
		"!choose": one(call("assign", fieldOf("op.c"), typed("expression", typed("expression", object{
			"op": "?", "cond": calc("and", calc(">=", a, b), calc("or", calc("<", a, c), calc("==", calc("d2b", nil, a), calc("d2b", nil, b)))),
			"left": calc("~", nil, a), "right": calc("+", calc("*", b, number("0x10001")), w),
		})))),
		"!wide": one(assign("op.w", calc("-", calc("|", calc("<<", w, a), calc(">>", w, b)), calc("^", w, number("0xffffffffffffffffff"))))),

		"!copy_stack": one(call("assign_header_stack", typed("header_stack", "spare"), typed("header_stack", "cells"))),
		"!push":       one(call("push", typed("header_stack", "cells"), number("0x2"))),
		"!pop":        one(call("pop", typed("header_stack", "cells"), number("0x2"))),
		"!sizes": one(
			assign("op.a", calc("last_stack_index", nil, typed("header_stack", "cells"))),
			assign("op.b", calc("size_stack", nil, typed("header_stack", "cells"))),
			assign("op.c", typed("stack_field", []any{"cells", "v"})),
		),
		"!index": one(call("assign", fieldOf("op.c"), typed("expression", typed("expression", object{
			"op": "access_field", "left": calc("dereference_header_stack", typed("header_stack", "cells"), a), "right": 0,
		})))),

		"!copy_union":  one(call("assign_union", typed("header_union", "other"), typed("header_union", "any"))),
		"!valid_union": truth(calc("valid_union", nil, typed("header_union", "any"))),
		// Without these bmv2 had no numbers of the unions' fields, and would copy
		// and compare zeros.
		"!equal_members": one(assign("op.a", calc("b2d", nil, calc("==", header("any.b"), header("other.b")))), assign("op.b", calc("b2d", nil, calc("!=", header("any.w"), header("other.w"))))),
		"!equal_unions":  truth(calc("==", typed("header_union", "any"), typed("header_union", "other"))),

		"!copy_union_stack": one(call("assign_union_stack", typed("header_union_stack", "spares"), typed("header_union_stack", "anys"))),
		"!push_unions":      one(call("push", typed("header_union_stack", "anys"), number("0x1"))),
		"!pop_unions":       one(call("pop", typed("header_union_stack", "anys"), number("0x1"))),

		"!equal_headers":   truth(calc("==", header("data"), header("twin"))),
		"!unequal_headers": truth(calc("!=", header("data"), header("twin"))),
		"!remove":          one(call("remove_header", header("data")), call("remove_header", header("data"))),
		// add_header clears, where setValid does not.
		"!remove_and_add":    one(call("remove_header", header("data")), call("add_header", header("data"))),
		"!add_what_is_there": one(call("add_header", header("data"))),
		// add_header_fast takes what is there, and a copy puts something there.
		"!add_fast":    one(call("remove_header", header("data")), call("add_header_fast", header("data")), call("copy_header", header("data"), header("twin"))),
		"!copy_header": one(call("remove_header", header("data")), call("copy_header", header("twin"), header("data"))),
	}
}

// algorithms are those that bmv2 registers, but for the ones that depend on what
// was hashed before.
func algorithms() []string {
	return []string{
		"xxh64", "bmv2_hash", "crc16", "crc32", "crcCCITT", "cksum16", "csum16", "toeplitz", "identity", "xor16", "xor32",
		"crc8_custom", "crc64_custom",
	}
}

// replace puts the replacements where they belong.
func replace(t *testing.T, b []byte) []byte {
	t.Helper()
	var config map[string]json.RawMessage
	var actions, hashes, parsers []object
	var err error
	read := func(from []byte, to any) {
		if err == nil {
			err = json.Unmarshal(from, to)
		}
	}
	write := func(v any) (out json.RawMessage) {
		if err == nil {
			out, err = json.Marshal(v)
		}
		return out
	}
	read(b, &config)
	read(config["actions"], &actions)
	read(config["calculations"], &hashes)
	read(config["parsers"], &parsers)
	with := replacements()
	for _, a := range actions {
		var out []any
		for _, p := range a["primitives"].([]any) {
			name := ""
			if p := p.(object); p["op"] == "log_msg" {
				name = p["parameters"].([]any)[0].(object)["value"].(string)
			}
			if with[name] == nil {
				out = append(out, p)
			}
			for _, r := range with[name] {
				out = append(out, r)
			}
			delete(with, name)
		}
		a["primitives"] = out
	}
	for i, algo := range algorithms() {
		hashes[i]["algo"] = algo
	}
	// p4c writes a header "anys", which there is none of.
	for _, st := range parsers[0]["parse_states"].([]any) {
		for _, k := range st.(object)["transition_key"].([]any) {
			if k := k.(object); k["type"] == "field" && k["value"].([]any)[0] == "anys" {
				k["type"], k["value"] = "union_stack_field", []any{"anys", "b", "v"}
			}
		}
	}
	config["actions"], config["calculations"], config["parsers"] = write(actions), write(hashes), write(parsers)
	out := write(config)
	if err != nil || len(with) > 0 {
		t.Fatalf("not replaced: %v, %v", with, err)
	}
	return out
}
