package lab_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/proto/manifest"
	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/peer"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s: -want +got:\n%s", file, diff)
	}
}

// open returns a shipped lab without its expectations on counters, which are those of the real programs and controllers.
func open(t *testing.T, name string) *lab.Lab {
	t.Helper()
	l, err := lab.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range l.Scenario {
		l.Scenario[i].Expect.Counters, l.Scenario[i].Expect.Authorities = nil, nil
	}
	return l
}

func options() lab.Options { return lab.Options{Grace: time.Millisecond, Timeout: 10 * time.Second} }

func failures(r lab.LabReport) []string {
	var out []string
	for _, s := range r.Steps {
		if !s.OK {
			out = append(out, s.Name+": "+s.Detail)
		}
	}
	return out
}

func TestShippedLabs(t *testing.T) {
	names := lab.Shipped()
	if !slices.Equal(names, []string{"geneve-options", "ipv6-underlay", "nvgre-miss", "nvgre-move", "renegotiate"}) {
		t.Errorf("shipped labs: %v", names)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			l := open(t, name)
			if l.Name != name {
				t.Errorf("the lab calls itself %s", l.Name)
			}
			r := lab.Run(t.Context(), l, newIdeal(), options())
			for _, f := range failures(r) {
				t.Error(f)
			}
		})
	}
}

func TestReport(t *testing.T) {
	var steps []string
	o := options()
	o.Progress = func(s lab.StepReport) { steps = append(steps, s.Name) }
	l := open(t, "geneve-options")
	l.Scenario = l.Scenario[1:3]
	r := lab.NewReport(lab.Run(t.Context(), l, newIdeal(), o))
	if want := []string{"bring up", "six directions, four layouts", "a broadcast, one copy for each layout"}; !slices.Equal(steps, want) {
		t.Errorf("progress %q", steps)
	}
	for i := range r.Labs {
		r.Labs[i].Seconds = 0
		for j := range r.Labs[i].Steps {
			r.Labs[i].Steps[j].Seconds = 0
		}
	}
	var table, js bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&js); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/report.golden", table.String())
	golden(t, "testdata/report.json.golden", js.String())

	var shape struct {
		OK   bool
		Labs []struct {
			Name  string
			OK    bool
			Steps []struct {
				Name   string
				OK     bool
				Detail string
			}
		}
	}
	if err := json.Unmarshal(js.Bytes(), &shape); err != nil || !shape.OK || len(shape.Labs) != 1 || len(shape.Labs[0].Steps) != 3 {
		t.Errorf("%v: %+v", err, shape)
	}
}

// What goes wrong in the devices is seen and told, whatever the lab expects.
func TestFailuresAreSeen(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(geneve.Options) geneve.Options
		want  string
	}{
		{"options in another order", func(o geneve.Options) geneve.Options {
			if len(o) == 0 {
				return o
			}
			first, rest, _ := o.Next()
			out, _ := first.AppendTo(slices.Clone(rest))
			return out
		}, `options from dpu to leaf: want \[path-trace group sequence\], have \[group sequence path-trace\]`},
		{"an option that nobody knows", func(o geneve.Options) geneve.Options {
			out, _ := geneve.Option{Type: geneve.OptionType{Class: 0xffee, Type: 1}}.AppendTo(slices.Clone(o))
			return out
		}, `options from dpu to leaf: want .*, have \[path-trace group sequence 0xffee/0x01/0w\]`},
		{"option lengths that lie", func(o geneve.Options) geneve.Options {
			o = slices.Clone(o)
			if len(o) > 3 {
				o[3] = 31
			}
			return o
		}, `frames on the wires: want none malformed, have dpu-spine from dpu/1: .*option lengths do not add up`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newIdeal()
			w.spoil = tt.spoil
			l := open(t, "geneve-options")
			l.Scenario = l.Scenario[1:2]
			r := lab.Run(t.Context(), l, w, options())
			f := strings.Join(failures(r), "\n")
			if ok, _ := regexp.MatchString(tt.want, f); r.OK || !ok {
				t.Errorf("ok %v, failures:\n%s\nwant %s", r.OK, f, tt.want)
			}
		})
	}
}

// What a target cannot be read for is neither met nor failed, and is told.
func TestUnreadableCounter(t *testing.T) {
	l, err := lab.Parse("two.yaml", []byte(twoHosts+`
  - name: vm1 talks to vm2
    send: [{from: vm1, to: vm2}]
    expect: {counters: {a: {lost-packets: 7, drops: 0}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	w := newIdeal()
	w.unreadable = []string{"lost-packets"}
	r := lab.NewReport(lab.Run(t.Context(), l, w, options()))
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"n/a  a: lost-packets       want 7  have not readable on this target",
		"ok   a: drops              want 0  have 0",
		"1 lab, all expectations met but 1 that the target cannot be read for",
	} {
		if !r.OK || !strings.Contains(table.String(), want) {
			t.Errorf("ok %v, want %q in:\n%s", r.OK, want, table.String())
		}
	}

	w.unreadable = nil
	if r := lab.Run(t.Context(), l, w, options()); r.OK {
		t.Error("a counter that is not there at all passes")
	}
}

const twoHosts = `
name: two
title: two hosts on two NVEs
intent:
  virtualNetworks: [{name: red, vni: 20000, encapsulation: nvgre}]
  endpoints:
    - {name: vm1, virtualNetwork: red, mac: 02:00:00:02:00:01, addresses: [172.17.0.1], device: a, port: 256}
    - {name: vm2, virtualNetwork: red, mac: 02:00:00:02:00:02, addresses: [172.17.0.2], device: b, port: 256}
    - {name: vm3, virtualNetwork: red, mac: 02:00:00:02:00:03, addresses: [172.17.0.3], device: b, port: 257}
  devices:
    - {name: a, role: nve, providerAddresses: [10.0.0.1], mac: 02:00:00:00:00:01, ports: [{number: 1, mac: 02:00:00:00:01:01}]}
    - {name: b, role: nve, providerAddresses: [10.0.0.2], mac: 02:00:00:00:00:02, ports: [{number: 1, mac: 02:00:00:00:02:01}]}
topology:
  wires: [{name: a-b, ends: [a/1, b/1]}]
scenario:
`

// Each scenario is run on two NVEs joined by one wire; want is the detail of its last step.
func TestExpectations(t *testing.T) {
	tests := []struct{ name, scenario, want string }{
		{"delivered", `
  - {name: s, send: [{from: vm1, to: vm2, count: 3}]}`,
			`^vm1 -> vm2 x3$`},
		{"lost", `
  - {name: f, fault: {wire: a-b, lose: [2]}}
  - {name: s, send: [{from: vm1, to: vm2, count: 3}]}`,
			`frames of vm1 at vm2: want 3, have 2`},
		{"duplicated", `
  - {name: f, fault: {wire: a-b, duplicate: [2]}}
  - {name: s, send: [{from: vm1, to: vm2, count: 3}]}`,
			`frames of vm1 at vm2: want 3, have 3, 1 duplicated`},
		{"reordered", `
  - {name: f, fault: {wire: a-b, delay: [2]}}
  - {name: s, send: [{from: vm1, to: vm2, count: 3}]}`,
			`frames of vm1 at vm2: want 3, have 3, 1 out of order`},
		{"reordered as expected", `
  - {name: f, fault: {wire: a-b, delay: [2]}}
  - {name: s, send: [{from: vm1, to: vm2, count: 3}], expect: {delivered: [{at: vm2, from: vm1, count: 2-3, disordered: 1+, duplicates: 0}]}}`,
			`^vm1 -> vm2 x3$`},
		{"elsewhere", `
  - {name: s, send: [{from: vm1, to: vm2, count: 3}], expect: {delivered: [{at: vm3, from: vm1, count: 3}]}}`,
			`frames of vm1 at vm2: want 0, have 3; frames of vm1 at vm3: want 3, have 0`},
		{"while", `
  - {name: w, wait: 5ms, while: [{from: vm1, to: vm2}, {from: vm2, to: vm1}]}`,
			`^5ms have passed; vm1 -> vm2 x\d\d+; vm2 -> vm1 x\d\d+$`},
		{"while a wire is down", `
  - {name: w, fault: {wire: a-b, down: true}, while: [{from: vm1, to: vm2}]}`,
			`frames of vm1 at vm2: want \d+, have [01]$`},
		{"down and up", `
  - {name: f, fault: {wire: a-b, down: true}}
  - {name: s1, send: [{from: vm1, to: vm2}], expect: {delivered: []}}
  - {name: g, fault: {wire: a-b}}
  - {name: s, send: [{from: vm1, to: vm2}]}`,
			`^vm1 -> vm2 x1$`},
		{"ping without an answer", `
  - {name: f, fault: {wire: a-b, down: true}}
  - {name: p, ping: [{from: vm1, to: vm2, count: 2}]}`,
			`vm1 pings vm2: want 2 replies, have 0 replies, MAC not resolved`},
		{"tunnel", `
  - {name: s, send: [{from: vm1, to: vm2, count: 3}], expect: {tunnels: [{from: a, to: b, encapsulation: geneve}]}}`,
			`packets a -> b geneve: want 1\+, have 0; instead a -> b nvgre over ipv4 x3`},
		{"message that does not come", `
  - {name: s, send: [{from: vm1, to: vm2}], expect: {messages: [{kind: redirect, from: b, to: a}]}}`,
			`REDIRECT b -> a: want 1, have 0`},
		{"counters", `
  - {name: i, inject: [{wire: a-b, from: a, frame: 020000000201 020000000101 0800 4500, count: 2}], expect: {counters: {b: {drops: 2, punts: 1}}, authorities: {nva: {refreshed: 1}}}}`,
			`b: punts: want 1, have 0; nva: refreshed: want 1, have no such counter; known are redirects-sent, refreshes, unreachables-sent`},
		{"replayed", `
  - {name: s, send: [{from: vm1, to: vm2}]}
  - {name: i, inject: [{wire: a-b, from: a}], expect: {counters: {b: {drops: 0}}}}`,
			`other frames at hosts: want none, have 142 bytes at vm2`},
		{"replayed and spoilt", `
  - {name: s, send: [{from: vm1, to: vm2}]}
  - {name: i, inject: [{wire: a-b, from: a, cut: 40, patch: [{at: 12, bytes: 0800}]}], expect: {counters: {b: {drops: 1}}}}`,
			`met$`},
		{"fault", `
  - {name: f, fault: {wire: a-b, lose: [1], delay: [2, 3]}}`,
			`^a-b loses frames \[1\], delays frames \[2 3\]$`},
		{"move", `
  - {name: m, move: {endpoint: vm2, to: a/300, tell: []}}`,
			`^vm2 from b/256 to a/300, nobody told$`},
		{"update", `
  - {name: u, update: {groupPolicies: [{virtualNetwork: red, from: 0, to: 0, action: deny}]}}
  - {name: s, send: [{from: vm1, to: vm2}], expect: {delivered: []}}`,
			`^vm1 -> vm2 x1$`},
		{"wait", `
  - {name: w, wait: 1ms}`,
			`^1ms have passed$`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := lab.Parse("two.yaml", []byte(twoHosts+tt.scenario))
			if err != nil {
				t.Fatal(err)
			}
			r := lab.Run(t.Context(), l, newIdeal(), options())
			got := r.Steps[len(r.Steps)-1].Detail
			if ok, err := regexp.MatchString(tt.want, got); err != nil || !ok {
				t.Errorf("detail %q, want %s", got, tt.want)
			}
		})
	}
}

func TestMessageThatNobodyExpects(t *testing.T) {
	l := open(t, "nvgre-move")
	for i := range l.Scenario {
		l.Scenario[i].Expect.Messages = nil
	}
	r := lab.Run(t.Context(), l, newIdeal(), options())
	want := []string{"the next packet goes astray, and comes back as a REDIRECT: other NVGRE-EXT messages: want none, have REDIRECT leaf-b -> leaf-a target leaf-c x1"}
	if diff := cmp.Diff(want, failures(r)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestStepThatCannotBeDone(t *testing.T) {
	l := open(t, "nvgre-move")
	w := newIdeal()
	w.refuse = errors.New("port in use")
	r := lab.Run(t.Context(), l, w, options())
	if r.OK || r.Steps[0].Detail != "authority west: port in use" || r.Steps[1].Detail != "not run" || len(r.Steps) != len(l.Scenario)+1 {
		t.Errorf("report %+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := lab.Run(ctx, l, newIdeal(), options()); r.OK {
		t.Error("a lab whose context has ended is not ok")
	}
}

func TestBadLabs(t *testing.T) {
	files, err := filepath.Glob("testdata/bad_*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := lab.Load(file)
			if err == nil {
				t.Fatal("no error")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", strings.ReplaceAll(err.Error()+"\n", file, filepath.Base(file)))
		})
	}
	if _, err := lab.Open("none"); !errors.Is(err, lab.ErrNoLab) {
		t.Errorf("error %v, want ErrNoLab", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range lab.Shipped() {
		src, err := lab.Source(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte(twoHosts + "  - {name: s, send: [{from: vm1, to: vm2, count: 3}]}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		_, err := lab.Parse("fuzz.yaml", src)
		if err != nil && len(manifest.Problems(err)) == 0 {
			t.Errorf("error without a problem: %v", err)
		}
	})
}

// The captures open in tshark, without a malformed frame, with right checksums but where the lab put in a wrong one, and with the options in the order of the layouts.
func TestPcap(t *testing.T) {
	tshark := peer.Require(t, "tshark", "tshark")
	o := options()
	o.PcapDir = filepath.Join(t.TempDir(), "pcap")
	for _, name := range lab.Shipped() {
		lab.Run(t.Context(), open(t, name), newIdeal(), o)
	}
	for _, name := range lab.Shipped() {
		out, err := exec.Command(tshark, "-n", "-r", filepath.Join(o.PcapDir, name+".pcapng"),
			"-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
			"-Y", "_ws.malformed || !frame.comment && (udp.checksum.status == 0 || ip.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0)",
			"-T", "fields", "-e", "frame.number", "-e", "frame.interface_name", "-e", "frame.protocols").Output()
		if err != nil {
			t.Fatal(err)
		}
		if len(out) > 0 {
			t.Errorf("%s: bad frames:\n%s", name, out)
		}
	}
	out, err := exec.Command(tshark, "-n", "-r", filepath.Join(o.PcapDir, "geneve-options", "leaf-spine.pcapng"),
		"-Y", "ip.src == 10.0.0.2", "-T", "fields", "-e", "geneve.option.class", "-e", "geneve.option.type").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _ := strings.Cut(string(out), "\n"); got != "0xff00,0xff00,0xff00\t0x03,0x01,0x02" {
		t.Errorf("the options from dpu to leaf in tshark: %q", got)
	}
	messages, err := exec.Command(tshark, "-n", "-r", filepath.Join(o.PcapDir, "nvgre-move", "b-spine.pcapng"),
		"-Y", "icmp.type == 5", "-T", "fields", "-e", "icmp.code", "-e", "icmp.redir_gw", "-e", "gre.key").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _ := strings.Cut(string(messages), "\n"); !strings.HasPrefix(got, "1\t10.0.0.3\t0xffffff") {
		t.Errorf("the REDIRECT in tshark: %q", messages)
	}
}
