package capabilities_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/capabilities"
)

// pair is a question between two devices that take everything, but for what a case adds.
const pair = `
sender:
  capability:
    name: a
    role: nve
    encapsulations: [%s]
    send: {options: ["*/*/0-31w"]%s}
receiver:
  capability:
    name: b
    role: nve
    encapsulations: [%s]
    receive: {options: [%s]%s}
path: {mtu: 1500%s}
wanted: {%s options: [%s]}
`

type solveCase struct {
	name                  string
	sends, receives       string // encapsulations, {kind: geneve} by default
	send, receive         string // more of a direction
	takes                 string // what the receiver takes, everything by default
	path, wanted, options string
	// want is the layout, as names in order. wantConflict and wantOut are rules, as device and leaf, and for the latter after the option's name.
	want         string
	wantConflict []string
	wantOut      []string
	wantMTU      int
}

const three = `{name: group, type: 0xff01/0x01/1w, weight: 5}, {name: seq, type: 0xff01/0x03/1w, weight: 2}, {name: origin, type: 0xff01/0x04/2w, weight: 2}`

func TestSolve(t *testing.T) {
	for _, c := range []solveCase{
		{name: "nothing is wanted", want: "", wantMTU: 1450},
		{name: "all fit", options: three, want: "group seq origin", wantMTU: 1450 - 28},
		{name: "an IPv6 underlay", path: ", underlay: ipv6", options: three, want: "group seq origin", wantMTU: 1430 - 28},
		{name: "NVGRE has the larger MTU", sends: "{kind: nvgre}", receives: "{kind: nvgre}", send: "-", takes: "-", path: ", encapsulation: nvgre",
			options: three, want: "", wantMTU: 1458, wantOut: []string{"group path.encapsulation", "seq path.encapsulation", "origin path.encapsulation"}},
		{name: "NVGRE cannot have what is required", sends: "{kind: nvgre}", receives: "{kind: nvgre}", send: "-", takes: "-", path: ", encapsulation: nvgre",
			options: "{name: group, type: 0xff01/0x01/1w, required: true}", wantConflict: []string{"path.encapsulation", "wanted.options[0].required"}},
		{name: "a tunnel that one end does not speak", receives: "{kind: geneve, only: send}", takes: "-", wantConflict: []string{"b encapsulations"}},
		{name: "ports that do not meet", sends: "{kind: geneve, ports: [7000]}", wantConflict: []string{"path.encapsulation"}},
		{name: "a payload that is not Ethernet", receives: "{kind: geneve, inner: [0x0800]}", wantConflict: []string{"b encapsulations"}},
		{name: "a checksum of zero that one end may not send", sends: "{kind: geneve, zeroChecksum: [ipv4]}", receives: "{kind: geneve, zeroChecksum: [ipv4, ipv6]}",
			path: ", underlay: ipv6", wanted: "zeroChecksum: true,", wantConflict: []string{"a encapsulations"}},
		{name: "a checksum of zero that both know", sends: "{kind: geneve, zeroChecksum: [ipv6]}", receives: "{kind: geneve, zeroChecksum: [ipv4, ipv6]}",
			path: ", underlay: ipv6", wanted: "zeroChecksum: true,", want: "", wantMTU: 1430},
		{name: "a critical option never goes to who lacks it", takes: "0xff01/0x01/1w",
			options:      "{name: group, type: 0xff01/0x01/1w}, {name: mac, type: 0xff01/0x90/1w, required: true}",
			wantConflict: []string{"b receive.options", "wanted.options[1].required"}},
		{name: "a preferred critical option is left out", takes: "0xff01/0x01/1w",
			options: "{name: group, type: 0xff01/0x01/1w}, {name: mac, type: 0xff01/0x90/1w, weight: 9}",
			want:    "group", wantMTU: 1442, wantOut: []string{"mac b receive.options"}},
		{name: "the more valuable of two", receive: ", limits: {bytes: 12}", options: three, want: "group", wantMTU: 1442,
			wantOut: []string{"seq b receive.limits.bytes", "origin b receive.limits.bytes"}},
		{name: "fewer bytes of equal value", receive: ", limits: {options: 1}",
			options: "{name: long, type: 0xff01/0x04/2w}, {name: short, type: 0xff01/0x03/1w}", want: "short", wantMTU: 1442, wantOut: []string{"long b receive.limits.options"}},
		{name: "several small ones are worth more than a large one", receive: ", limits: {bytes: 16}",
			options: "{name: large, type: 0xff01/0x05/3w, weight: 3}, {name: x, type: 0xff01/0x06/1w, weight: 2}, {name: y, type: 0xff01/0x07/1w, weight: 2}",
			want:    "x y", wantMTU: 1434, wantOut: []string{"large b receive.limits.bytes"}},
		{name: "the bounds of a family add to the others", receive: ", limits: {bytes: 40}, ipv6: {bytes: 8}", path: ", underlay: ipv6",
			options: three, want: "group", wantMTU: 1422, wantOut: []string{"seq b receive.ipv6.bytes", "origin b receive.ipv6.bytes"}},
		{name: "what is said of the other family does not count", receive: ", ipv6: {bytes: 8}", options: three, want: "group seq origin", wantMTU: 1422},
		{name: "an outer tag takes of the parser's depth", receive: ", limits: {parserDepth: 100, innerBytes: 14}", path: ", vlan: true",
			options: "{name: big, type: 0xff01/0x05/8w}", want: "", wantMTU: 1450, wantOut: []string{"big b receive.limits.parserDepth"}},
		{name: "and fits without", receive: ", limits: {parserDepth: 100, innerBytes: 14}",
			options: "{name: big, type: 0xff01/0x05/8w}", want: "big", wantMTU: 1414},
		{name: "a parser that does not reach the payload over IPv6", receive: ", limits: {parserDepth: 64}", path: ", underlay: ipv6",
			wantConflict: []string{"b receive.limits.parserDepth"}},
		{name: "the class takes a word of the pool", receive: ", pools: [{words: 4, perOption: 1}]", options: three, want: "group seq", wantMTU: 1434,
			wantOut: []string{"origin b receive.pools[0]"}},
		{name: "what is not read takes none", receive: ", pools: [{words: 2}]",
			options: "{name: trace, type: 0xff01/0x05/4w, words: [{unread: true}, {}, {unread: true}]}", want: "trace", wantMTU: 1430},
		{name: "a sender's pool has all words", send: ", pools: [{words: 2}]",
			options: "{name: trace, type: 0xff01/0x05/4w, words: [{unread: true}, {}, {unread: true}]}", want: "", wantMTU: 1450, wantOut: []string{"trace a send.pools[0]"}},
		{name: "options that a device cannot tell apart", receive: ", classMatch: ignored",
			options: "{name: x, type: 0xff01/0x01/1w, weight: 2}, {name: y, type: 0xff02/0x01/1w}", want: "x", wantMTU: 1442, wantOut: []string{"y b receive.classMatch"}},
		{name: "two lengths of one type", options: "{name: v4, type: 0x014b/0x81/2w}, {name: v6, type: 0x014b/0x81/5w}", want: "v4", wantMTU: 1438,
			wantOut: []string{"v6 RFC 8926 §3.5"}},
		{name: "a receiver's order", receive: ", order: [{rule: list, options: [0xff01/0x04/2w, 0xff01/0x03/1w]}]", options: three, want: "group origin seq", wantMTU: 1422},
		{name: "a sender that reverses", send: ", order: [{rule: reverse, options: [0xff01/0x01/1w, 0xff01/0x03/1w, 0xff01/0x04/2w]}]",
			options: three, want: "origin seq group", wantMTU: 1422},
		{name: "orders that contradict each other", send: ", order: [{rule: canonical, options: [0xff01/0x01/1w, 0xff01/0x03/1w]}]",
			receive: ", order: [{rule: list, options: [0xff01/0x03/1w, 0xff01/0x01/1w]}]", options: three, want: "group origin", wantMTU: 1430,
			wantOut: []string{"seq a send.order[0]", "seq b receive.order[0]"}},
		{name: "orders that contradict each other on what is required", send: ", order: [{rule: canonical, options: [0xff01/0x01/1w, 0xff01/0x03/1w]}]",
			receive:      ", order: [{rule: list, options: [0xff01/0x03/1w, 0xff01/0x01/1w]}]",
			options:      "{name: group, type: 0xff01/0x01/1w, required: true}, {name: seq, type: 0xff01/0x03/1w, required: true}",
			wantConflict: []string{"a send.order[0]", "b receive.order[0]", "wanted.options[0].required", "wanted.options[1].required"}},
		{name: "a preferred option fills the words before a slot", receive: `, order: [{rule: slot, options: [0xff01/0x01/1w], at: "2"}]`,
			options: "{name: group, type: 0xff01/0x01/1w, required: true}, {name: seq, type: 0xff01/0x03/1w}", want: "seq group", wantMTU: 1434},
		{name: "nothing fills the words before a slot", receive: `, order: [{rule: slot, options: [0xff01/0x01/1w], at: "3"}]`,
			options:      "{name: group, type: 0xff01/0x01/1w, required: true}, {name: seq, type: 0xff01/0x03/1w}",
			wantConflict: []string{"b receive.order[0]", "wanted.options[0].required"}},
		{name: "one has to be first", options: three + ", {name: mac, type: 0xff01/0xa0/4w, first: true}", want: "mac group seq origin", wantMTU: 1402},
		{name: "a field that can be read from some words only", receive: ", fields: [{field: group, words: 0-3}]",
			options: "{name: big, type: 0xff01/0x05/8w}, {name: group, type: 0xff01/0x01/1w, words: [{field: group}]}", want: "group big", wantMTU: 1406},
		{name: "a field that the receiver does not have", receive: ", fields: [{field: group, words: 0-3}]",
			options: "{name: seq, type: 0xff01/0x03/1w, words: [{field: sequence}]}", want: "", wantMTU: 1450, wantOut: []string{"seq b receive.fields"}},
		{name: "a field that the receiver need not have", receive: ", fields: [{field: group, words: 0-3}]",
			options: "{name: seq, type: 0xff01/0x03/1w, words: [{field: sequence, unread: true}]}", want: "seq", wantMTU: 1442},
		{name: "an MTU to leave to tenants", wanted: "tenantMtu: 1440,", options: three, want: "group", wantMTU: 1442,
			wantOut: []string{"seq wanted.tenantMtu", "origin wanted.tenantMtu"}},
		{name: "an MTU that cannot be left", wanted: "tenantMtu: 1460,", wantConflict: []string{"wanted.tenantMtu"}},
		{name: "an operator's layout", wanted: "override: [origin, group],", options: three, want: "origin group", wantMTU: 1430, wantOut: []string{"seq wanted.override"}},
		{name: "an operator's layout of nothing", wanted: "override: [],", options: "{name: group, type: 0xff01/0x01/1w, required: true}", want: "", wantMTU: 1450,
			wantOut: []string{"group wanted.override"}},
		{name: "an operator's layout that a device cannot take", wanted: "override: [origin, group],", receive: ", limits: {options: 1}", options: three,
			wantConflict: []string{"b receive.limits.options", "wanted.override"}},
		{name: "a transit device passes over what it does not know", path: transit("options: [0xff01/0x03/1w], order: [{rule: first, options: [0xff01/0x03/1w]}]"),
			options: three, want: "seq group origin", wantMTU: 1422},
		{name: "a transit device has to reach the inner headers", path: transit(`options: ["*/*/0-31w"], limits: {bytes: 8}`), options: three, want: "group", wantMTU: 1442,
			wantOut: []string{"seq spine receive.limits.bytes", "origin spine receive.limits.bytes"}},
		{name: "what a transit device counts", path: transit(`options: [0xff01/0x03/1w, 0xff01/0x04/2w], limits: {options: 1}`), options: three, want: "group seq", wantMTU: 1434,
			wantOut: []string{"origin spine receive.limits.options"}},
	} {
		t.Run(c.name, c.run)
	}
}

// transit is a path through a device that receives so.
func transit(receive string) string {
	return ", transit: [{capability: {name: spine, role: transit, encapsulations: [{kind: geneve}], receive: {" + receive + "}}}]"
}

func (c solveCase) question(t *testing.T) capabilities.Question {
	t.Helper()
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	text := fmt.Sprintf(pair, or(c.sends, "{kind: geneve}"), c.send, or(c.receives, "{kind: geneve}"), or(c.takes, `"*/*/0-31w"`), c.receive, c.path, c.wanted, c.options)
	// "-" is a device that takes nothing.
	text = strings.Replace(text, `send: {options: ["*/*/0-31w"]-}`, "send: {}", 1)
	text = strings.Replace(text, "receive: {options: [-]}", "receive: {}", 1)
	q, err := capabilities.ParseQuestion("question.yaml", "", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return q
}

func (c solveCase) run(t *testing.T) {
	layout, why := c.question(t).Solve()
	var conflict []string
	for _, r := range why.Conflict {
		conflict = append(conflict, strings.TrimSpace(r.Device+" "+r.Leaf))
	}
	slices.Sort(conflict)
	if diff := cmp.Diff(c.wantConflict, conflict); diff != "" {
		t.Errorf("conflict, -want +have:\n%s", diff)
	}
	if layout.String() != c.want {
		t.Errorf("have %q, want %q", layout, c.want)
	}
	if why.TenantMTU != c.wantMTU {
		t.Errorf("MTU %d, want %d", why.TenantMTU, c.wantMTU)
	}
	var out []string
	for _, o := range why.LeftOut {
		for _, r := range o.Because {
			out = append(out, strings.Join(strings.Fields(o.Name+" "+r.Device+" "+r.Leaf), " "))
		}
	}
	if diff := cmp.Diff(c.wantOut, out); diff != "" {
		t.Errorf("left out, -want +have:\n%s", diff)
	}
}

// Questions that are hard because nearly everything is possible are answered in a moment too.
func TestSolveHard(t *testing.T) {
	tunnel := []capabilities.Encapsulation{{Kind: capabilities.Geneve}}
	every := capabilities.Direction{Options: []capabilities.OptionRange{capabilities.EveryOption(31)}}
	device := capabilities.Capability{Name: "device", Role: capabilities.RoleNVE, Encapsulations: tunnel, Receive: every, Send: every}
	wanted := func(n int) capabilities.Wanted {
		var w capabilities.Wanted
		for i := range n {
			w.Options = append(w.Options, capabilities.WantedOption{Name: fmt.Sprint("option", i), Weight: uint16(1 + i%3)})
			w.Options[i].Type.Class, w.Options[i].Type.Type, w.Options[i].Type.Len = 0xff01, uint8(i), uint8(i%3)
		}
		w.Options[0].Required, w.Options[0].Weight = true, 0
		return w
	}
	for _, at := range []int{30, 62} {
		receiver := device
		receiver.Receive.Limits.Bytes = 128
		receiver.Receive.Order = []capabilities.OrderRule{{
			Kind: capabilities.Slot, Options: []capabilities.OptionRange{capabilities.Exactly(wanted(1).Options[0].Type)}, At: capabilities.WordRange(at, at)}}
		start := time.Now()
		_, why := capabilities.Solve(device, receiver, capabilities.Path{}, wanted(capabilities.MaxWanted))
		if why.Satisfied() != (at == 30) {
			t.Errorf("word %d: have %v", at, why.Conflict)
		}
		t.Logf("word %d: %v", at, time.Since(start))
	}
	// Of twenty options that are worth the same, any ten will do.
	receiver, alike := device, wanted(capabilities.MaxWanted)
	receiver.Receive.Limits.Options = 10
	for i := range alike.Options {
		alike.Options[i].Weight, alike.Options[i].Type.Len = 0, 1
	}
	start := time.Now()
	layout, _ := capabilities.Solve(device, receiver, capabilities.Path{}, alike)
	t.Logf("all alike: %v", time.Since(start))
	for i, o := range layout.Options {
		if want := fmt.Sprint("option", i); o.Name != want {
			t.Errorf("have %s, want %s", o.Name, want)
		}
	}
}

func TestSolveTooMany(t *testing.T) {
	_, _, wanted := sixteen(64)
	wanted.Options = append(wanted.Options, wanted.Options[:9]...)
	_, why := capabilities.Solve(capabilities.Capability{}, capabilities.Capability{}, capabilities.Path{}, wanted)
	if len(why.Conflict) != 1 || why.Conflict[0].Leaf != "wanted.options" {
		t.Errorf("have %v", why.Conflict)
	}
}

func ExampleSolve() {
	leaf, err := capabilities.ShippedProfile("tofino-option-window")
	if err != nil {
		fmt.Println(err)
		return
	}
	nic, err := capabilities.ShippedProfile("cisco-vic")
	if err != nil {
		fmt.Println(err)
		return
	}
	var wanted capabilities.Wanted
	for _, o := range []capabilities.WantedOption{{Name: "group", Weight: 3}, {Name: "sequence", Weight: 2}} {
		o.Type.Class, o.Type.Type, o.Type.Len = 0xff01, o.Name[0], 1
		wanted.Options = append(wanted.Options, o)
	}
	layout, why := capabilities.Solve(leaf.Capability, nic.Capability, capabilities.Path{MTU: 1600}, wanted)
	fmt.Println(layout, layout.Bytes(), why.TenantMTU)
	for _, o := range why.LeftOut {
		fmt.Println("not", o.Name, "beside", o.With, "because", o.Because[0])
	}
	// Output:
	// group 8 1542
	// not sequence beside [group] because receiver cisco-vic: matches only the first option of a packet (receive.order[0])
}
