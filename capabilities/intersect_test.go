package capabilities_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables"
)

// A sequence of options is within the intersection of two capabilities if and only if it is within both.
func TestIntersectIsConjunction(t *testing.T) {
	taken, refused := 0, 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 2))
		a, b := randomCapability(r, "device"), randomCapability(r, "device")
		both := capabilities.Intersect(a, b)
		o := &oracle{path: capabilities.Path{Underlay: capabilities.Family(1 + r.IntN(2)), VLAN: r.IntN(2) == 0}}
		for i := range 4 {
			o.wanted.Options = append(o.wanted.Options, randomOption(r, i))
		}
		for range 12 {
			order := r.Perm(4)[:r.IntN(4)]
			within := func(c capabilities.Capability, part string) bool {
				var v violations
				if part == "send" {
					o.device(&v, "sender", c.Name, part, c.Send, order)
				} else {
					o.device(&v, part, c.Name, "receive", c.Receive, order)
				}
				return len(v) == 0
			}
			for _, part := range []string{"send", "receiver"} {
				want := within(a, part) && within(b, part)
				if have := within(both, part); have != want {
					texts := make([]string, 3)
					for i, c := range []capabilities.Capability{a, b, both} {
						text, _ := c.YAML()
						texts[i] = string(text)
					}
					t.Fatalf("seed %d: %s %v of %+v: have %v, want %v\n%s", seed, part, order, o.wanted.Options, have, want, strings.Join(texts, "\n"))
				}
				if want {
					taken++
				} else {
					refused++
				}
			}
		}
	}
	t.Logf("%d sequences taken, %d refused", taken, refused)
}

// What two valid capabilities have in common is valid, but where they want opposite orders.
func TestIntersectIsValid(t *testing.T) {
	pairs, opposed := 0, 0
	for seed := range uint64(20000) {
		r := rand.New(rand.NewPCG(seed, 3))
		a, b := randomCapability(r, "device"), randomCapability(r, "device")
		if a.Validate() != nil || b.Validate() != nil {
			continue
		}
		pairs++
		capabilities.Intersect(a, b).Check(func(path, format string, args ...any) {
			opposed++
			if !strings.Contains(path, ".order[") {
				x, _ := a.YAML()
				y, _ := b.YAML()
				t.Fatalf("seed %d: %s: %s\n%s\n%s", seed, path, fmt.Sprintf(format, args...), x, y)
			}
		})
	}
	if pairs < 200 {
		t.Errorf("only %d pairs are valid", pairs)
	}
	t.Logf("%d pairs, %d contradictions of order", pairs, opposed)
}

// Every product that is shipped can run the shipped programs.
func TestProductsRunPrograms(t *testing.T) {
	for _, name := range capabilities.Profiles() {
		profile, err := capabilities.ShippedProfile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, load := range []func() (*p4.Program, error){p4.NVE, p4.Transit} {
			program, err := load()
			if err != nil {
				t.Fatal(err)
			}
			schema, err := tables.NewSchema(program.P4Info)
			if err != nil {
				t.Fatal(err)
			}
			c, err := capabilities.FromSchema(program.Name, schema)
			if err != nil {
				t.Fatal(err)
			}
			if err := capabilities.Intersect(profile.Capability, c).Validate(); err != nil {
				t.Errorf("%s with %s: %v", name, program.Name, err)
			}
		}
	}
}

func TestIntersect(t *testing.T) {
	text := func(s string) capabilities.Capability {
		c, err := capabilities.ParseCapability("test.yaml", []byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a := text(`
name: smartnic7
role: nve
encapsulations:
  - {kind: geneve, ports: [6081, 7000], zeroChecksum: [ipv4, ipv6], inner: [0x6558, 0x0800]}
  - {kind: nvgre, only: send}
receive:
  options: ["*/*/0-15w"]
  limits: {options: 4, parserDepth: 256, innerBytes: 60}
  pools: [{words: 7, perOption: 1}, {words: 8}]
  fields: [{field: group, words: 0-13}, {field: origin, words: 0-15}]
  rows: 512
exceptions: {unknown: skip, unknownCritical: punt}
nvgreExt: {sendRedirect: true, receiveRedirect: true}
reconfiguration: runtime
`)
	b := text(`
name: product
role: offload
encapsulations:
  - {kind: geneve, zeroChecksum: [ipv6]}
  - {kind: nvgre, only: receive}
  - {kind: vxlan-gpe}
receive:
  options: [0x0102/*/0-31w, 0xff01/0x01/1w]
  order: [{rule: list, options: [0x0102/0x80/1w, 0xff01/0x01/1w]}]
  limits: {bytes: 64, parserDepth: 128}
  pools: [{words: 7}]
  fields: [{field: group, words: 2-15}]
exceptions: {unknown: drop}
reconfiguration: pipeline-load
samePorts: true
`)
	want := text(`
name: smartnic7
role: nve
encapsulations:
  - {kind: geneve, ports: [6081], zeroChecksum: [ipv6], inner: [0x6558, 0x0800]}
receive:
  options: [0x0102/*/0-15w, 0xff01/0x01/1w]
  order: [{rule: list, options: [0x0102/0x80/1w, 0xff01/0x01/1w]}]
  limits: {options: 4, bytes: 64, parserDepth: 128}
  pools: [{words: 7, perOption: 1}]
  fields: [{field: group, words: 2-13}, {field: origin, words: none}]
  rows: 512
exceptions: {unknown: drop, unknownCritical: punt}
reconfiguration: pipeline-load
samePorts: true
`)
	if diff := cmp.Diff(want, capabilities.Intersect(a, b)); diff != "" {
		t.Errorf("-want +have:\n%s", diff)
	}
	if diff := cmp.Diff(b, capabilities.Intersect(b, b)); diff != "" {
		t.Errorf("with itself, -want +have:\n%s", diff)
	}
}
