package stf

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/keyway-nve/keyway/testbed/engine"
)

func program(t testing.TB, name string) *engine.Program {
	t.Helper()
	b, err := os.ReadFile("../engine/testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := engine.Load(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a script on a program of the engine's tests and returns what was wrong, a line each.
func run(t *testing.T, name, src string) []string {
	t.Helper()
	s, err := Parse("s", src)
	if err != nil {
		t.Fatal(err)
	}
	if err := NewBench(program(t, name), engine.Options{}).Run(s); err != nil {
		return strings.Split(err.Error(), "\n")
	}
	return nil
}

// TestRunFinds: what a script expects and does not happen is reported with its line.
func TestRunFinds(t *testing.T) {
	key := "01 01020304 1230 00000000000000000000000000000000"
	tests := []struct {
		name, program, src string
		want               []string
	}{
		{"all as expected", "match", "add exact_table a:0x01020304 b:0x123 counted(value:7)\npacket 1 " + key + "\nexpect 2 01 0007 " + key + "$", nil},
		{"prefix is enough", "match", "packet 1 " + key + "\nexpect 2 02 0*", nil},
		{"any packet", "match", "packet 1 " + key + "\nexpect 2", nil},
		{"another port is not looked at", "match", "packet 1 " + key, nil},
		{"another byte", "copies", "packet 1 00 00\nexpect 2 ******************01$",
			[]string{"s:2: port 2: packets differ", "want ******************01$", "have 0022110000000200010000"}},
		{"too long", "match", "packet 1 " + key + "\nexpect 2 02$", []string{"s:2: port 2: packets differ", "want 02$",
			"have 020000" + strings.ReplaceAll(key, " ", "")}},
		{"no packet", "match", "expect 2 00\nexpect 3", []string{"s:1: port 2: no packet, want 00", "s:2: port 3: no packet"}},
		{"one too many", "copies", "packet 2 00 00\npacket 1 00 00\nexpect 2 00",
			[]string{"s:3: port 2: unexpected packets: 0022110000000200010000"}},
		{"unexpected on a named port", "copies", "packet 2 00 00",
			[]string{"s:0: port 2: unexpected packets: 0022110000000200020000"}},
		{"unknown names", "match", "add no_table a:1 set()\nadd exact_table nokey:1 counted(value:1)\n" +
			"add exact_table a:1 b:1 nothing()\nadd exact_table a:1 b:1 counted(x:1)\nadd exact_table a:1 b:1 counted()\n" +
			"add exact_table a:0x100000000 b:1 counted(value:1)\nsetdefault const_table set(value:1)\nregister_read r 0",
			[]string{"s:1: no table no_table", "s:2: table I.exact_table has no key field nokey",
				"s:3: table I.exact_table has no action nothing", "s:4: action I.counted has no parameter x",
				"s:5: parameter value of action I.counted is missing",
				"s:6: key field a: 0x100000000 does not fit in 32 bits",
				"s:7: table I.const_table: default action of the table is constant", "s:8: no register r"}},
		{"counter", "state", "packet 1 01 01 00000000\ncheck_counter I.counts(1) packets == 2\ncheck_counter I.counts(1)\n" +
			"check_counter I.counts(1) bytes < 7\ncheck_counter I.counts(9)\ncheck_counter I.counts(1) packets ~ 1",
			[]string{"s:2: counter I.counts(1) is 1, want == 2", "s:5: counter I.counts: index out of range: 9 of 4",
				"s:6: unknown operator \"~\""}},
		{"register", "state", "register_write I.cells 1 5\nregister_read I.cells 1 5\nregister_read I.cells 1 6\nregister_read I.cells 99",
			[]string{"s:3: register I.cells[1] is 0x00000005, want 6", "s:4: register I.cells: index out of range: 99 of 8"}},
		{"remove all", "match", "add exact_table a:0x01020304 b:0x123 counted(value:7)\nremove all\npacket 1 " + key + "\nexpect 2 02 0000", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, run(t, tt.program, tt.src)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConfigureRefusesPackets(t *testing.T) {
	s, err := Parse("s", "packet 1 00\nexpect 1\nmirroring_add 1 2")
	if err != nil {
		t.Fatal(err)
	}
	err = Configure(engine.New(program(t, "match"), engine.Options{}), s)
	if n := strings.Count(err.Error(), "\n") + 1; n != 2 {
		t.Errorf("%d errors: %v", n, err)
	}
}
