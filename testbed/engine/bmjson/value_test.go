package bmjson_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

func parse(t *testing.T, src string) (*bmjson.Value, *bmjson.Faults) {
	t.Helper()
	f := &bmjson.Faults{}
	v, err := bmjson.Parse([]byte(src), f)
	if err != nil {
		t.Fatal(err)
	}
	return v, f
}

func TestRead(t *testing.T) {
	v, f := parse(t, `{"a":[{"name":"x","n":3,"b":true,"one":1},{"hex":"-0x1f","bytes":"0x1ff"}],"none":null,"empty":{}}`)
	a := v.List("a")
	if len(a) != 2 || a[0].Get("name").String() != "x" || a[0].Get("n").Int(0, 3) != 3 || !a[0].Get("b").Bool() ||
		!a[0].Get("one").Bool() || a[1].Get("hex").Hex().Int64() != -31 {
		t.Error("read something else")
	}
	if diff := cmp.Diff([]byte{0, 1, 0xff}, a[1].Get("bytes").HexBytes(3)); diff != "" {
		t.Error(diff)
	}
	if !v.Get("none").Null() || v.Has("none") || !v.Get("missing").Null() || len(v.List("missing")) != 0 ||
		len(v.List("empty")) != 0 || !v.Get("missing").BoolOr(true) {
		t.Error("absent and null are not the same")
	}
	if p := a[1].Get("hex").Path(); p != "a[1].hex" {
		t.Errorf("path %q", p)
	}
	if err := f.Err(); err != nil {
		t.Error(err)
	}
}

func TestEveryFaultHasItsPath(t *testing.T) {
	v, f := parse(t, `{"s":1,"n":"x","f":1.5,"b":"true","big":99,"list":{"x":1},"pair":[1],"hex":"0xzz","minus":"--1","wide":"0x100",
		"deep":[[{"x":null}]]}`)
	_ = v.Get("s").String()
	v.Get("n").Int(0, 1)
	v.Get("f").Int(0, 9)
	v.Get("b").Bool()
	v.Get("big").Int(0, 9)
	v.List("list")
	for _, e := range v.Get("pair").Tuple(2) {
		e.Int(0, 9) // says nothing more
	}
	v.Get("hex").Hex()
	v.Get("minus").Hex()
	v.Get("wide").HexBytes(1)
	v.Get("deep").Elems()[0].Elems()[0].Get("x").Int(0, 1)
	v.Get("nothing").Int(0, 1)
	v.Get("s").Get("x")
	want := `s: want a string
n: want a number
f: want a whole number
b: want true or false
big: 99 is outside of 0..9
list: want an array
pair: want an array of 2
hex: "0xzz" is no hexadecimal number
minus: "--1" is no hexadecimal number
wide: "0x100" does not fit in 1 bytes
deep[0][0].x: want a number
nothing: missing, want a number
s: want an object`
	if diff := cmp.Diff(want, f.Err().Error()); diff != "" {
		t.Error(diff)
	}
	var fault *bmjson.Fault
	if !errors.As(f.Err(), &fault) || fault.Path != "s" {
		t.Errorf("first fault %+v", fault)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, src := range map[string]string{
		"nothing": "", "half": `{"a":`, "two documents": "{} {}", "too deep": strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := bmjson.Parse([]byte(src), &bmjson.Faults{}); err == nil {
				t.Error("parsed")
			}
		})
	}
	// Brackets in strings are no nesting.
	parse(t, `"`+strings.Repeat(`[\"`, 5000)+`"`)
}
