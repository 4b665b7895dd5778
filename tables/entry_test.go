package tables_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/tables"
)

func mac(t testing.TB, s string) tables.Value {
	t.Helper()
	m, err := ethernet.ParseMAC(s)
	if err != nil {
		t.Fatal(err)
	}
	return tables.MAC(m)
}

func endpoint(t testing.TB, edit func(*tables.Entry)) tables.Entry {
	e := tables.Entry{
		Table:   "endpoint",
		Matches: []tables.Match{tables.Exact("vni", num(5001)), tables.Exact("mac", mac(t, "02:00:00:00:00:01"))},
		Action:  tables.Do("remote", tables.Arg{Param: "tunnel_id", Value: num(3)}),
	}
	if edit != nil {
		edit(&e)
	}
	return e
}

func acl(edit func(*tables.Entry)) tables.Entry {
	e := tables.Entry{Table: "acl", Priority: 10, Action: tables.Do("permit")}
	if edit != nil {
		edit(&e)
	}
	return e
}

// TestRefused lists every reason against each bad entry, in the golden file.
func TestRefused(t *testing.T) {
	s := demo(t)
	match := func(ms ...tables.Match) func(*tables.Entry) { return func(e *tables.Entry) { e.Matches = ms } }
	do := func(name string, args ...tables.Arg) func(*tables.Entry) {
		return func(e *tables.Entry) { e.Action = tables.Do(name, args...) }
	}
	arg := func(p string, v uint64) tables.Arg { return tables.Arg{Param: p, Value: num(v)} }
	var out strings.Builder
	for _, tc := range []struct {
		name  string
		entry tables.Entity
	}{
		{"table unknown", tables.Entry{Table: "endpont"}},
		{"nothing but the table", tables.Entry{Table: "endpoint"}},
		{"field unknown", endpoint(t, match(tables.Exact("vni", num(1)), tables.Exact("mac", num(1)), tables.Exact("vid", num(1))))},
		{"field given twice", endpoint(t, match(tables.Exact("vni", num(1)), tables.Exact("mac", num(1)), tables.Exact("vni", num(2))))},
		{"field of another kind", endpoint(t, match(tables.Exact("vni", num(1)), tables.Ternary("mac", num(1), num(1))))},
		{"value too wide", endpoint(t, match(tables.Exact("vni", num(1<<24)), tables.Exact("mac", num(1<<50))))},
		{"value empty", endpoint(t, match(tables.Exact("vni", ""), tables.Exact("mac", tables.IPv4(netip.Addr{}))))},
		{"everything at once", endpoint(t, func(e *tables.Entry) {
			e.Matches = []tables.Match{tables.Exact("vni", num(1<<24)), tables.Exact("vid", num(1))}
			e.Priority = 5
			e.Action = tables.Do("remote", arg("tunnel_id", 1<<16), arg("tunnel", 3))
			e.IdleTimeout = -time.Second
			e.Rates = &tables.Rates{CIR: 1}
		})},
		{"action missing", endpoint(t, do(""))},
		{"action unknown", endpoint(t, do("remot"))},
		{"action of another table", endpoint(t, do("encap_v4"))},
		{"action for defaults only", endpoint(t, do("drop"))},
		{"parameter missing", endpoint(t, do("remote"))},
		{"parameter given twice", endpoint(t, do("remote", arg("tunnel_id", 1), arg("tunnel_id", 2)))},
		{"prefix too long", tables.Entry{
			Table: "route", Matches: []tables.Match{tables.Exact("vni", num(1)), tables.LPM("dst_ip", num(1), 33)}, Action: tables.Do("drop"),
		}},
		{"prefix negative", tables.Entry{
			Table: "route", Matches: []tables.Match{tables.Exact("vni", num(1)), tables.LPM("dst_ip", num(1), -1)}, Action: tables.Do("drop"),
		}},
		{"priority missing", acl(func(e *tables.Entry) { e.Priority = 0 })},
		{"priority negative", acl(func(e *tables.Entry) { e.Priority = -1 })},
		{"priority on LPM", tables.Entry{
			Table: "route", Matches: []tables.Match{tables.Exact("vni", num(1))}, Priority: 1, Action: tables.Do("drop"),
		}},
		{"range backwards", acl(match(tables.Range("l4_port", num(80), num(79))))},
		{"range too wide", acl(match(tables.Range("l4_port", num(80), num(1<<16))))},
		{"mask too wide", acl(match(tables.Ternary("flow", num(1), num(1<<20))))},
		{"mask empty", acl(match(tables.Ternary("flow", num(1), "")))},
		{"rates of a meter of one rate", acl(func(e *tables.Entry) { e.Rates = &tables.Rates{CIR: 2, PIR: 1, ExcessBurst: 5} })},
		{"idle timeout where there is none", acl(func(e *tables.Entry) { e.IdleTimeout = time.Second })},
		{"entry of a constant table", tables.Entry{Table: "fixed", Matches: []tables.Match{tables.Exact("proto", num(6))}, Action: tables.Do("permit")}},
		{"entry of a table without key", tables.Entry{Table: "keyless", Action: tables.Do("permit")}},
		{"constant default", tables.Entry{Table: "tunnel", Default: true, Action: tables.Do("NoAction")}},
		{"default with a match", endpoint(t, func(e *tables.Entry) { e.Default = true })},
		{"default with a priority", acl(func(e *tables.Entry) { e.Default = true })},
		{"default by an action for entries only", tables.Entry{Table: "acl", Default: true, Action: tables.Do("deny", arg("reason", 1), arg("log", 2))}},
		{"group 0", tables.MulticastGroup{Replicas: []tables.Replica{{Port: 1}, {Port: 2}, {Port: 1}, {Port: 3}}}},
		{"clone session 0", tables.CloneSession{MaxLength: -1}},
		{"meter unknown", tables.MeterCell{Meter: "punt"}},
		{"meter direct", tables.MeterCell{Meter: "acl_meter"}},
		{"meter cell beyond the end", tables.MeterCell{Meter: "punt_meter", Index: 8, Rates: &tables.Rates{CIR: 3, PIR: 2, PeakBurst: -1}}},
		{"digest unknown", tables.DigestConfig{Digest: "learn"}},
		{"digest negative", tables.DigestConfig{Digest: "learn_t", MaxTimeout: -1}},
	} {
		fmt.Fprintf(&out, "== %s\n", tc.name)
		e, err := s.Canonical(tc.entry)
		if err == nil {
			t.Errorf("%s: accepted as %v", tc.name, e)
			continue
		}
		fmt.Fprintln(&out, err)
		if _, err := s.Encode(tc.entry); err == nil {
			t.Errorf("%s: encoded", tc.name)
		}
	}
	golden(t, "refused.golden", out.String())
}

func TestRefusedBy(t *testing.T) {
	s := demo(t)
	_, err := s.Entry(endpoint(t, func(e *tables.Entry) {
		e.Matches = []tables.Match{tables.Exact("vni", num(1<<24))}
		e.Priority = 5
	}))
	for _, want := range []error{bytestring.ErrRange, tables.ErrMissing, tables.ErrPriority} {
		if !errors.Is(err, want) {
			t.Errorf("%v is not said in %v", want, err)
		}
	}
	var one *tables.EntryError
	if !errors.As(err, &one) || one.Table != "Ingress.endpoint" || one.Where != "field vni" {
		t.Errorf("got %+v", one)
	}
}

func TestCanonical(t *testing.T) {
	s := demo(t)
	for _, tc := range []struct {
		name  string
		entry tables.Entity
		key   string
		text  string
	}{
		{
			"names, order and leading zeros", tables.Entry{
				Table:   "endpoint",
				Matches: []tables.Match{tables.Exact("mac", "\x00\x02\x00\x00\x00\x01"), tables.Exact("vni", "\x00\x13\x89")},
				Action:  tables.Do("remote", tables.Arg{Param: "tunnel_id", Value: "\x00\x03"}),
			},
			"Ingress.endpoint vni=0x1389 mac=0x0200000001",
			"Ingress.endpoint vni=5001 mac=00:02:00:00:00:01 -> remote(tunnel_id=3)",
		},
		{
			"zero stays in exact fields",
			endpoint(t, func(e *tables.Entry) { e.Matches[0].Value, e.Matches[1].Value = num(0), "\x00\x00" }),
			"Ingress.endpoint vni=0x00 mac=0x00",
			"Ingress.endpoint vni=0 mac=00:00:00:00:00:00 -> remote(tunnel_id=3)",
		},
		{
			"host bits of a prefix", tables.Entry{
				Table:   "route",
				Matches: []tables.Match{tables.Exact("vni", num(1)), tables.LPM("dst_ip", num(0x0a0b0cff), 22)},
				Action:  tables.Do("drop"),
			},
			"Ingress.route vni=0x01 dst_ip=0x0a0b0c00/22",
			"Ingress.route vni=1 dst_ip=10.11.12.0/22 -> drop()",
		},
		{
			"prefix of no bits", tables.Entry{
				Table:   "route",
				Matches: []tables.Match{tables.Exact("vni", num(1)), tables.LPM("dst_ip", num(0x0a0b0cff), 0)},
				Action:  tables.Do("drop"),
			},
			"Ingress.route vni=0x01", "Ingress.route vni=1 -> drop()",
		},
		{
			"value outside the mask", acl(func(e *tables.Entry) {
				e.Matches = []tables.Match{tables.Ternary("dst_ip", num(0x0a0b0c0d), num(0xff00ff00))}
			}),
			"Ingress.acl dst_ip=0x0a000c00&&&0xff00ff00 priority=10",
			"Ingress.acl dst_ip=10.0.12.0&&&0xff00ff00 priority=10 -> permit()",
		},
		{
			"don't care in every way", acl(func(e *tables.Entry) {
				e.Matches = []tables.Match{
					tables.Ternary("flow", num(7), num(0)), tables.Range("l4_port", num(0), num(0xffff)), tables.Ternary("src_ip", num(1), "\x00\x00"),
				}
			}),
			"Ingress.acl priority=10", "Ingress.acl priority=10 -> permit()",
		},
		{
			"range and optional", acl(func(e *tables.Entry) {
				e.Matches = []tables.Match{tables.Optional("proto", num(0)), tables.Range("l4_port", num(0), num(1023))}
				e.Action = tables.Do("deny", tables.Arg{Param: "log", Value: num(1)}, tables.Arg{Param: "reason", Value: num(4)})
			}),
			"Ingress.acl l4_port=0x00..0x03ff proto=0x00 priority=10",
			"Ingress.acl l4_port=0..1023 proto=0 priority=10 -> deny(reason=4, log=1)",
		},
		{
			"default", tables.Entry{Table: "keyless", Default: true, Action: tables.Do("permit")},
			"Ingress.keyless default", "Ingress.keyless default -> permit()",
		},
		{
			"default of the program", tables.Entry{Table: "keyless", Default: true},
			"Ingress.keyless default", "Ingress.keyless default -> (program's default)",
		},
		{
			"group", tables.MulticastGroup{ID: 7, Replicas: []tables.Replica{{Port: 9, Instance: 1}, {Port: 2, Instance: 5}, {Port: 2, Instance: 3}}},
			"multicast group 7", "multicast group 7 -> {2/3 2/5 9/1}",
		},
		{
			"clone session", tables.CloneSession{ID: 3, Replicas: []tables.Replica{{Port: 510}}, MaxLength: 128, Class: 2},
			"clone session 3", "clone session 3 -> {510/0} class 2 cut to 128 bytes",
		},
		{
			"meter cell", tables.MeterCell{Meter: "punt_meter", Index: 4, Rates: &tables.Rates{CIR: 1, CommittedBurst: 2, PIR: 3, PeakBurst: 4}},
			"Ingress.punt_meter[4]", "Ingress.punt_meter[4] -> cir=1/2 pir=3/4 eburst=0",
		},
		{
			"meter cell at rest", tables.MeterCell{Meter: "punt_meter", Index: 4},
			"Ingress.punt_meter[4]", "Ingress.punt_meter[4] -> green",
		},
		{
			"digest", tables.DigestConfig{Digest: "learn_t", MaxTimeout: time.Millisecond, MaxList: 10, AckTimeout: time.Second},
			"digest learn_t", "digest learn_t -> at most 10 in 1ms, ack in 1s",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := s.Canonical(tc.entry)
			if err != nil {
				t.Fatal(err)
			}
			if got.Key() != tc.key {
				t.Errorf("key %q, want %q", got.Key(), tc.key)
			}
			if text := s.Text(got); text != tc.text {
				t.Errorf("text %q, want %q", text, tc.text)
			}
			again, err := s.Canonical(got)
			if diff := cmp.Diff(got, again); err != nil || diff != "" {
				t.Errorf("canonical form is not stable: %v\n%s", err, diff)
			}
			message, err := s.Encode(got)
			if err != nil {
				t.Fatal(err)
			}
			back, err := s.Decode(message)
			if diff := cmp.Diff(got, back); err != nil || diff != "" {
				t.Errorf("after encoding and decoding: %v\n%s", err, diff)
			}
		})
	}
}

// TestReplicasKept: making a group canonical must not sort its owner's slice.
func TestReplicasKept(t *testing.T) {
	rs := []tables.Replica{{Port: 2}, {Port: 1}}
	if _, err := demo(t).Canonical(tables.MulticastGroup{ID: 1, Replicas: rs}); err != nil || rs[0].Port != 2 {
		t.Errorf("got %v, %v", rs, err)
	}
}

func TestCheck(t *testing.T) {
	s := demo(t)
	var want []tables.Entity
	for i := range uint64(9) { // the table holds 8
		want = append(want, endpoint(t, func(e *tables.Entry) { e.Matches[1].Value = num(i) }))
	}
	want = append(want, want[0], acl(func(e *tables.Entry) { e.Priority = 0 }))
	for i := range uint32(5) { // the device holds 4
		want = append(want, tables.MulticastGroup{ID: i + 1})
	}
	want = append(want, tables.Entry{ // tunnel 0 is none
		Table: "copy", Matches: []tables.Match{tables.Exact("port", num(1)), tables.Exact("rid", num(1))},
		Action: tables.Do("to_tunnel", tables.Arg{Param: "tunnel_id", Value: num(0)}),
	}, tables.Entry{ // no reader has the layout, which a soft reference allows
		Table: "option_layout", Matches: []tables.Match{tables.Exact("opt_len", num(1))}, Priority: 1,
		Action: tables.Do("bind", tables.Arg{Param: "layout_id", Value: num(9)}),
	}, tables.Entry{
		Table: "route", Matches: []tables.Match{tables.Exact("vni", num(1))},
		Action: tables.Do("to_vrf", tables.Arg{Param: "vrf", Value: num(1)},
			tables.Arg{Param: "vni", Value: num(5001)}, tables.Arg{Param: "mac", Value: num(77)}),
	})
	err := s.Check(want)
	for _, is := range []error{tables.ErrFull, tables.ErrRepeated, tables.ErrDangling, tables.ErrPriority} {
		if !errors.Is(err, is) {
			t.Errorf("%v is not said", is)
		}
	}
	golden(t, "check.golden", fmt.Sprintln(err))
}
