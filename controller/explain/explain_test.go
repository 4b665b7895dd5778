package explain_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/explain"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables"
)

const fleet = `
virtualNetworks: [{name: blue, vni: 5000}, {name: red, vni: 6000, encapsulation: nvgre}]
optionTypes:
  - {name: group, class: 0xff00, type: 0x01, length: 1, words: [{field: group}]}
  - {name: context, class: 0x0102, type: 0x80, critical: true, length: 1, words: [{field: logical-ports}]}
  - {name: sequence, class: 0xff00, type: 0x02, length: 1, words: [{field: sequence}]}
devices:
  - {name: a, role: nve, mac: 02:00:00:00:00:01, providerAddresses: [10.0.0.1], p4runtime: {address: "a.example:9559", deviceId: 1},
     ports: [{number: 1, mac: 02:00:00:00:01:01, neighbor: {device: spine, port: 1}}]}
  - {name: b, role: nve, mac: 02:00:00:00:00:02, providerAddresses: [10.0.0.2], p4runtime: {address: "b.example:9559", deviceId: 1},
     capability: {name: b, role: nve, encapsulations: [{kind: geneve}], receive: {options: ["*/*/0-3w"], rows: 1}, send: {options: ["*/*/0-3w"], limits: {options: 1}}},
     ports: [{number: 1, mac: 02:00:00:00:02:01, neighbor: {device: spine, port: 2}}]}
  - {name: c, role: nve, mac: 02:00:00:00:00:03, providerAddresses: [10.0.0.3], profile: cisco-vic,
     ports: [{number: 1, mac: 02:00:00:00:03:01, neighbor: {device: spine, port: 3}}]}
  - {name: d, role: nve, mac: 02:00:00:00:00:04, providerAddresses: [10.0.0.4],
     ports: [{number: 1, mac: 02:00:00:00:04:01, neighbor: {device: spine, port: 4}}]}
  - {name: e, role: nve, mac: 02:00:00:00:00:05, providerAddresses: [10.0.0.5], p4runtime: {address: "e.example:9559", deviceId: 1},
     capability: {name: e, role: nve, encapsulations: [{kind: geneve}], receive: {options: ["*/*/0-3w"]}, send: {options: ["*/*/0-3w"], limits: {options: 1}}},
     ports: [{number: 1, mac: 02:00:00:00:05:01, neighbor: {device: spine, port: 5}}]}
  - {name: six, role: nve, mac: 02:00:00:00:00:06, providerAddresses: ["fd00::6"]}
  - name: spine
    role: transit
    ports: [{number: 1, mac: 02:00:00:00:09:01}, {number: 2, mac: 02:00:00:00:09:02}, {number: 3, mac: 02:00:00:00:09:03}, {number: 4, mac: 02:00:00:00:09:04}, {number: 5, mac: 02:00:00:00:09:05}]
endpoints:
  - {name: vm-a, virtualNetwork: blue, mac: 02:00:00:02:00:01, device: a, port: 256}
  - {name: vm-b, virtualNetwork: blue, mac: 02:00:00:02:00:02, device: b, port: 256}
`

const some = "wanted: {options: [{option: group, weight: 4}, {option: sequence, weight: 2}, {option: context}]}\n"

func input(t testing.TB, more string) explain.Input {
	t.Helper()
	in, err := intent.Parse("fleet.yaml", []byte(fleet+more))
	if err != nil {
		t.Fatal(err)
	}
	program, err := p4.NVE()
	if err != nil {
		t.Fatal(err)
	}
	schema, err := tables.NewSchema(program.P4Info)
	if err != nil {
		t.Fatal(err)
	}
	allows, err := capabilities.FromSchema("nve", schema)
	if err != nil {
		t.Fatal(err)
	}
	const mtu = 9000
	plan := layouts.Settle(layouts.Input{Intent: &in, Program: allows, MTU: mtu})
	return explain.Input{Intent: &in, Plan: plan, MTU: mtu, Schema: schema}
}

// summary is a pair in a few words: the layout, what is left out with the device or part whose rule says so, and the verdict.
func summary(p explain.Pair) string {
	var parts []string
	for _, o := range p.Layout {
		parts = append(parts, fmt.Sprintf("%s@%d", o.Name, o.Word))
	}
	for _, o := range p.LeftOut {
		parts = append(parts, fmt.Sprintf("no %s (%s)", o.Name, o.Because[0].Device))
	}
	return strings.Join(append(parts, p.Verdict), ", ")
}

func TestExplain(t *testing.T) {
	tests := []struct {
		name, more, sender, receiver, vn string
		want                             string
		mtu, rows                        int
		possible                         bool
	}{
		{"as settled", some, "b", "a", "blue", "group@0, no sequence (b), no context (b), settled from what both ends and the path can do", 9000 - 50 - 8, 1, true},
		{"a profile", some, "a", "c", "blue", "group@0, no sequence (c), no context (c), settled from what both ends and the path can do", 9000 - 50 - 8, 1, true},
		{"too few rows", some, "a", "b", "blue", "group@0, no sequence (b), no context (b), the best that b has room for beside its other senders", 9000 - 50 - 8, 1, true},
		{"NVGRE", some, "a", "b", "red", "NVGRE has no options; nothing has to be settled", 9000 - 42, 0, true},
		{"nothing known", some, "a", "d", "blue", "no options: nothing is known of d", 9000 - 50, 0, true},
		{"by hand", some + "layouts: [{sender: a, receiver: b, options: [context]}]", "a", "b", "blue", "context@0, written by the operator", 9000 - 50 - 8, 1, true},
		{"by hand, nothing known", "layouts: [{sender: a, receiver: d, options: [context]}]", "a", "d", "blue",
			"context@0, written by the operator, and nobody knows better: nothing is known of d", 9000 - 50 - 8, 0, true},
		{"by hand, and not possible", some + "layouts: [{sender: b, receiver: a, options: [context, group]}]", "b", "a", "blue", "no options: the operator's layout cannot be", 9000 - 50, 1, true},
		{"required", "wanted: {options: [{option: context, required: true}, {option: group, required: true}]}", "b", "a", "blue", "nothing is sent: what is required cannot be", 9000 - 50, 0, false},
		{"required, nothing known", "wanted: {options: [{option: context, required: true}]}", "a", "d", "blue",
			"nothing is known of d, so that it is not sent what it could not do without the options that are required", 9000 - 50, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := explain.Explain(input(t, tt.more), tt.sender, tt.receiver, tt.vn)
			if err != nil {
				t.Fatal(err)
			}
			if got := summary(p); got != tt.want {
				t.Errorf("have %s\nwant %s", got, tt.want)
			}
			if p.TenantMTU != tt.mtu || p.Rows.Held != tt.rows || p.Possible != tt.possible {
				t.Errorf("MTU %d, %d rows, possible: %v", p.TenantMTU, p.Rows.Held, p.Possible)
			}
			if tt.name == "required" != (p.Conflict != nil && !p.Possible) {
				t.Errorf("conflict %v", p.Conflict)
			}
			if have := p.Rows.TCAM != nil; have != (len(p.Layout) > 0) || have && len(p.Rows.TCAM.Words) != p.Bytes/4 {
				t.Errorf("rows %+v", p.Rows)
			}
		})
	}
}

func TestNoPair(t *testing.T) {
	in := input(t, some)
	for _, tt := range []struct{ sender, receiver, vn, want string }{
		{"x", "spine", "green", "no device is named x\nno such pair of NVEs: device spine is a transit device\nno such pair of NVEs: no virtual network is named green"},
		{"a", "a", "blue", "a sends nothing to itself"},
		{"a", "six", "blue", "a and six have no provider addresses of one family"},
	} {
		_, err := explain.Explain(in, tt.sender, tt.receiver, tt.vn)
		if !errors.Is(err, explain.ErrNoPair) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s to %s: %v", tt.sender, tt.receiver, err)
		}
	}
}
