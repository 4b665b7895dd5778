package stf

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, line string
		want       Statement
	}{
		{"add", "add ingress.t hdr.a:0x01 act(port:2)", Statement{Command: "add", Table: "ingress.t", Priority: -1,
			Key: []Binding{{"hdr.a", "0x01"}}, Action: "act", Args: []Binding{{"port", "2"}}}},
		{"add with everything", `ADD t 100 a:0b1*0 "b & 0xf":1/2 c : 1..5 ns.act( x:1 , y : 0x2 ) = $A  # comment`, Statement{
			Command: "add", Table: "t", Priority: 100, Key: []Binding{{"a", "0b1*0"}, {"b & 0xf", "1/2"}, {"c", "1..5"}},
			Action: "ns.act", Args: []Binding{{"x", "1"}, {"y", "0x2"}}, ID: "A"}},
		{"no key, no arguments", "setdefault t act()", Statement{Command: "setdefault", Table: "t", Priority: -1, Action: "act"}},
		{"packet", "packet 1 00 aB\tcd", Statement{Command: "packet", Priority: -1, Port: 1, Data: "00abcd"}},
		{"expect with wildcards", "expect 2 0* *1 $", Statement{Command: "expect", Priority: -1, Port: 2, Data: "0**1$"}},
		{"expect anything", "expect 2", Statement{Command: "expect", Priority: -1, Port: 2, Any: true}},
		{"wait", "wait", Statement{Command: "wait", Priority: -1}},
		{"counter", "check_counter c(3) packets == 7", Statement{Command: "check_counter", Priority: -1,
			Words: []string{"c", "3", "packets", "==", "7"}}},
		{"counter of an entry", "check_counter c($A) bytes >= 7", Statement{Command: "check_counter", Priority: -1,
			Words: []string{"c", "A", "bytes", ">=", "7"}}},
		{"multicast", "mc_node_create 400 6 7 8", Statement{Command: "mc_node_create", Priority: -1,
			Words: []string{"400", "6", "7", "8"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse("x.stf", "\n"+tt.line+"\n# nothing\n")
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Line = 2
			for i := range s.Statements {
				if len(s.Statements[i].Words) == 0 {
					s.Statements[i].Words = nil
				}
			}
			if diff := cmp.Diff([]Statement{tt.want}, s.Statements); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseNamesEveryFault(t *testing.T) {
	src := `frobnicate 1
packet x 00
packet 1 0
packet 1 0g
expect 2 0$0
add t act
add t act(x)
add t many act()
add t a: act()
add t act() ~ B
register_write r 1
check_counter c
`
	_, err := Parse("bad.stf", src)
	if err == nil {
		t.Fatal("no error")
	}
	want := strings.Count(src, "\n")
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != want {
		t.Errorf("%d errors, want %d:\n%v", len(lines), want, err)
	}
	var e *Error
	if !errors.As(err, &e) || e.Line != 1 || e.Script != "bad.stf" {
		t.Errorf("first error is %+v", e)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("add t 1 a:0x*1 b(c:2) = D\npacket 1 00\nexpect 2 *$\ncheck_counter c(1)\nmc_node_create 1 2")
	f.Fuzz(func(t *testing.T, src string) {
		_, err := Parse("fuzz", src)
		for _, e := range unwrap(err) {
			var line *Error
			if !errors.As(e, &line) {
				t.Errorf("%v has no line", e)
			}
		}
	})
}

func unwrap(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return nil
}
