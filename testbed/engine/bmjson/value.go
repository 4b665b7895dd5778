// Package bmjson reads bmv2's JSON configuration as a tree of values that know where they stand, so that a reader can
// go on after a fault and every fault names its JSON path.
package bmjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
)

// Faults collects what is wrong with a configuration. The zero value is ready to use.
type Faults struct {
	errs []error
}

// maxFaults bounds the report on input that is not a configuration at all.
const maxFaults = 100

// Err returns all faults joined, or nil.
func (f *Faults) Err() error { return errors.Join(f.errs...) }

// Len returns the number of faults so far.
func (f *Faults) Len() int { return len(f.errs) }

func (f *Faults) add(err error) {
	if len(f.errs) < maxFaults {
		f.errs = append(f.errs, err)
	}
}

// Fault is one fault with the JSON path of the value that has it, "pipelines[0].tables[2].max_size".
type Fault struct {
	Path   string
	Reason string
}

func (e *Fault) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return e.Path + ": " + e.Reason
}

// Value is a value in the tree. Reading a value that is absent or of another type records a fault and yields the zero
// value, so a reader needs no checks of its own.
type Value struct {
	v      any
	ok     bool // false: absent
	faults *Faults
	parent *Value
	key    string
	index  int // when key is empty
}

// maxDepth bounds nesting: expressions of real programs stay below fifty.
const maxDepth = 2000

// Parse reads one JSON document. The faults that reading the tree finds are collected in f.
func Parse(data []byte, f *Faults) (*Value, error) {
	if err := checkDepth(data); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("bmv2 JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("bmv2 JSON: data after the document")
	}
	return &Value{v: v, ok: true, faults: f}, nil
}

// checkDepth refuses documents nested so deeply that reading them recursively would exhaust the stack.
func checkDepth(data []byte) error {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return errors.New("bmv2 JSON: nested too deeply")
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// Path returns where the value stands.
func (v *Value) Path() string {
	if v.parent == nil {
		return ""
	}
	var b strings.Builder
	v.writePath(&b)
	return b.String()
}

func (v *Value) writePath(b *strings.Builder) {
	if v.parent == nil {
		return
	}
	v.parent.writePath(b)
	switch {
	case v.key == "":
		b.WriteByte('[')
		b.WriteString(strconv.Itoa(v.index))
		b.WriteByte(']')
	case b.Len() > 0:
		b.WriteByte('.')
		fallthrough
	default:
		b.WriteString(v.key)
	}
}

// Faultf records a fault of the value.
func (v *Value) Faultf(format string, args ...any) {
	v.faults.add(&Fault{Path: v.Path(), Reason: fmt.Sprintf(format, args...)})
}

func (v *Value) want(what string) {
	if !v.ok {
		v.Faultf("missing, want %s", what)
		return
	}
	v.Faultf("want %s", what)
}

// Has reports whether the object has the member and it is not null.
func (v *Value) Has(key string) bool {
	m, _ := v.v.(map[string]any)
	return m[key] != nil
}

// Null reports whether the value is absent or null.
func (v *Value) Null() bool { return v.v == nil }

// Get returns a member of an object; what is absent yields a value that is Null.
func (v *Value) Get(key string) *Value {
	m, isObject := v.v.(map[string]any)
	if !isObject && v.ok {
		v.want("an object")
	}
	x, ok := m[key]
	return &Value{v: x, ok: ok, faults: v.faults, parent: v, key: key}
}

// Keys returns the member names of an object, in no particular order.
func (v *Value) Keys() []string {
	m, _ := v.v.(map[string]any)
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

// List returns the elements of the array member key. An absent member is an empty list, as bmv2 reads it.
func (v *Value) List(key string) []*Value {
	x := v.Get(key)
	if !x.ok {
		return nil
	}
	return x.Elems()
}

// Elems returns the elements of an array. As bmv2's reader has it, null and an empty object are empty arrays: p4c
// writes the latter for a log message without arguments.
func (v *Value) Elems() []*Value {
	switch a := v.v.(type) {
	case nil:
		return nil
	case map[string]any:
		if len(a) == 0 {
			return nil
		}
	case []any:
		out := make([]*Value, len(a))
		for i, x := range a {
			out[i] = &Value{v: x, ok: true, faults: v.faults, parent: v, index: i}
		}
		return out
	}
	v.want("an array")
	return nil
}

// Tuple returns the elements of an array that must have n of them; on a fault it returns n absent values.
func (v *Value) Tuple(n int) []*Value {
	e := v.Elems()
	if _, isArray := v.v.([]any); isArray && len(e) == n {
		return e
	}
	v.Faultf("want an array of %d", n)
	e = make([]*Value, n)
	mute := &Faults{} // one fault is enough
	for i := range e {
		e[i] = &Value{faults: mute, parent: v, index: i}
	}
	return e
}

// IsString reports whether the value is a string.
func (v *Value) IsString() bool {
	_, ok := v.v.(string)
	return ok
}

// IsNumber reports whether the value is a number.
func (v *Value) IsNumber() bool {
	_, ok := v.v.(json.Number)
	return ok
}

// String returns a string.
func (v *Value) String() string {
	s, ok := v.v.(string)
	if !ok {
		v.want("a string")
	}
	return s
}

// Int returns a whole number that must lie in lo..hi.
func (v *Value) Int(lo, hi int64) int {
	n, ok := v.v.(json.Number)
	if !ok {
		v.want("a number")
		return 0
	}
	i, err := n.Int64()
	if err != nil {
		v.want("a whole number")
		return 0
	}
	if i < lo || i > hi {
		v.Faultf("%d is outside of %d..%d", i, lo, hi)
		return 0
	}
	return int(i)
}

// Bool returns a boolean, which may be written 0 or 1: p4c does so in the types of headers.
func (v *Value) Bool() bool {
	if n, ok := v.v.(json.Number); ok && (n == "0" || n == "1") {
		return n == "1"
	}
	b, ok := v.v.(bool)
	if !ok {
		v.want("true or false")
	}
	return b
}

// BoolOr returns a boolean, or def when the value is absent or null.
func (v *Value) BoolOr(def bool) bool {
	if v.Null() {
		return def
	}
	return v.Bool()
}

// Hex returns the number of a hexadecimal string, "0x1f" or "-0x1".
func (v *Value) Hex() *big.Int {
	s := v.String()
	digits, neg := strings.CutPrefix(s, "-")
	digits = strings.TrimPrefix(digits, "0x")
	n, ok := new(big.Int).SetString(digits, 16)
	if !ok || strings.HasPrefix(digits, "-") || strings.HasPrefix(digits, "+") {
		if s != "" || v.IsString() {
			v.Faultf("%q is no hexadecimal number", s)
		}
		return new(big.Int)
	}
	if neg {
		n.Neg(n)
	}
	return n
}

// HexBytes returns the bytes of a hexadecimal string that must have n of them, "0x00ff"; fewer digits are filled up
// with zeros on the left.
func (v *Value) HexBytes(n int) []byte {
	out := make([]byte, n)
	h := v.Hex()
	if h.Sign() < 0 || h.BitLen() > 8*n {
		v.Faultf("%q does not fit in %d bytes", v.v, n)
		return out
	}
	return h.FillBytes(out)
}
