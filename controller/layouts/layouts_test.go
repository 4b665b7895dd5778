package layouts_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
	"github.com/keyway-nve/keyway/p4"
)

// fabric has four NVEs round two spines. What stands in its middle is of the test.
const fabric = `
virtualNetworks: [{name: blue, vni: 5000}]
optionTypes:
  - {name: group, class: 0xff00, type: 0x01, length: 1, words: [{field: group}]}
  - {name: context, class: 0x0102, type: 0x80, critical: true, length: 1, words: [{field: logical-ports}]}
  - {name: sequence, class: 0xff00, type: 0x02, length: 1, words: [{field: sequence}]}
  - {name: trace, class: 0xff00, type: 0x03, length: 3, words: [{field: origin}, {field: ports}, {field: timestamp}]}
  - {name: mark, class: 0xff00, type: 0x04, length: 1, words: [{constant: 7}]}
devices:
  - {name: a, role: nve, mac: 02:00:00:00:00:01, providerAddresses: [10.0.0.1], %A
     ports: [{number: 1, mac: 02:00:00:00:01:01, neighbor: {device: near, port: 1}}]}
  - {name: b, role: nve, mac: 02:00:00:00:00:02, providerAddresses: [10.0.0.2], %B
     ports: [{number: 1, mac: 02:00:00:00:02:01, neighbor: {device: near, port: 2}}]}
  - {name: c, role: nve, mac: 02:00:00:00:00:03, providerAddresses: [10.0.0.3, "fd00::3"], %C
     ports: [{number: 1, mac: 02:00:00:00:03:01, neighbor: {device: far, port: 1}}]}
  - {name: d, role: nve, mac: 02:00:00:00:00:04, providerAddresses: [10.0.0.4, "fd00::4"], %D
     ports: [{number: 1, mac: 02:00:00:00:04:01, neighbor: {device: far, port: 2}}]}
  - name: near
    role: transit
    ports: [{number: 1, mac: 02:00:00:00:09:01}, {number: 2, mac: 02:00:00:00:09:02}, {number: 3, mac: 02:00:00:00:09:03, neighbor: {device: far, port: 3}}]
  - name: far
    role: transit
    reads: [{option: trace, word: 0}]
    ports: [{number: 1, mac: 02:00:00:00:08:01}, {number: 2, mac: 02:00:00:00:08:02}, {number: 3, mac: 02:00:00:00:08:03}]
`

// settle settles the fabric with something said of devices, by their upper-case name, and something more.
func settle(t testing.TB, devices map[string]string, more string, told map[string]capabilities.Capability) (*layouts.Plan, intent.Intent) {
	t.Helper()
	text := fabric
	for _, name := range []string{"A", "B", "C", "D"} {
		says, ok := devices[name]
		if !ok {
			says = "p4runtime: {address: '192.0.2." + string(name[0]-'A'+'1') + ":9559', deviceId: 1},"
		}
		text = strings.Replace(text, "%"+name, says, 1)
	}
	in, err := intent.Parse("fabric.yaml", []byte(text+more))
	if err != nil {
		t.Fatal(err)
	}
	return layouts.Settle(layouts.Input{Intent: &in, Program: program(t), Told: told, MTU: 9000}), in
}

func program(t testing.TB) capabilities.Capability {
	t.Helper()
	nve, err := p4.NVE()
	if err != nil {
		t.Fatal(err)
	}
	c, err := capabilities.FromP4Info("nve", nve.P4Info)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// says is what a device tells: it takes so many bytes of any options.
func says(t testing.TB, name string, bytes uint16) capabilities.Capability {
	t.Helper()
	c := program(t)
	c.Name = name
	c.Receive.Limits.Bytes = bytes
	return c
}

func names(types []intent.OptionType) string {
	var s []string
	for _, o := range types {
		s = append(s, o.Name)
	}
	return strings.Join(s, " ")
}

const everything = `
wanted:
  options: [{option: group, weight: 8}, {option: sequence, weight: 2}, {option: trace, weight: 4}, {option: mark}]
`

func TestBetween(t *testing.T) {
	const asked = "gnmi: '192.0.2.9:9339', p4runtime: {address: '192.0.2.3:9559', deviceId: 1},"
	tests := []struct {
		name             string
		devices          map[string]string
		more             string
		told             map[string]capabilities.Capability
		sender, receiver string
		want             string
		check            func(layouts.Agreement) bool
	}{
		{name: "nothing is wanted", sender: "a", receiver: "b"},
		{name: "the order in which things are wanted", more: everything, sender: "a", receiver: "b", want: "group sequence trace mark"},
		{name: "a spine that reads the trace", more: everything, sender: "a", receiver: "c", want: "trace group sequence mark"},
		{name: "and on the way back", more: everything, sender: "c", receiver: "a", want: "trace group sequence mark"},
		{name: "and between those at that spine", more: everything, sender: "c", receiver: "d", want: "trace group sequence mark"},
		{name: "a layout by hand", more: everything + "layouts: [{sender: a, receiver: b, options: [mark, context]}]", sender: "a", receiver: "b",
			want: "mark context", check: func(a layouts.Agreement) bool { return a.Written }},
		{name: "which is for that pair alone", more: everything + "layouts: [{sender: a, receiver: b, options: [mark, context]}]",
			sender: "b", receiver: "a", want: "group sequence trace mark"},
		{name: "a layout by hand without options", more: everything + "layouts: [{sender: a, receiver: b, options: []}]", sender: "a", receiver: "b",
			check: func(a layouts.Agreement) bool { return a.Written }},
		{name: "a layout by hand that a spine cannot read", more: everything + "layouts: [{sender: a, receiver: c, options: [group, trace]}]", sender: "a", receiver: "c",
			check: func(a layouts.Agreement) bool { return a.Refused && !a.Impossible }},
		{name: "a device that has been asked and has not answered", devices: map[string]string{"C": asked}, more: everything, sender: "a", receiver: "c",
			check: func(a layouts.Agreement) bool { return len(a.Unknown) == 1 && a.Unknown[0] == "c" && !a.Impossible }},
		{name: "its layout by hand", devices: map[string]string{"C": asked}, more: everything + "layouts: [{sender: a, receiver: c, options: [group]}]",
			sender: "a", receiver: "c", want: "group", check: func(a layouts.Agreement) bool { return a.Written && a.Unknown != nil }},
		{name: "a device that has answered", devices: map[string]string{"C": asked}, more: everything, told: map[string]capabilities.Capability{"c": says(t, "c", 16)},
			sender: "a", receiver: "c", want: "group sequence"},
		{name: "what it sends is not what it receives", devices: map[string]string{"C": asked}, more: everything, told: map[string]capabilities.Capability{"c": says(t, "c", 16)},
			sender: "c", receiver: "a", want: "trace group sequence mark"},
		{name: "a device with a profile", devices: map[string]string{"B": "profile: netronome-flower,"}, more: everything, sender: "a", receiver: "b", want: "group sequence trace"},
		{name: "a device with a profile that has no options", devices: map[string]string{"B": "profile: intel-e810,"}, more: everything, sender: "a", receiver: "b"},
		{name: "a peer of which nothing is known", devices: map[string]string{"B": ""}, more: everything, sender: "a", receiver: "b",
			check: func(a layouts.Agreement) bool { return a.Unknown != nil }},
		{name: "a peer that cannot have what is required", devices: map[string]string{"B": "profile: intel-e810,"}, more: "wanted: {options: [{option: context, required: true}]}",
			sender: "a", receiver: "b", check: func(a layouts.Agreement) bool { return a.Impossible }},
		{name: "nothing is known of who must have what is required", devices: map[string]string{"B": ""}, more: "wanted: {options: [{option: context, required: true}]}",
			sender: "a", receiver: "b", check: func(a layouts.Agreement) bool { return a.Impossible }},
		{name: "the others have it", devices: map[string]string{"B": ""}, more: "wanted: {options: [{option: context, required: true}]}", sender: "a", receiver: "d", want: "context"},
		{name: "an NVGRE tunnel", more: everything + "tunnels: [{sender: a, receiver: b, encapsulation: nvgre}]", sender: "a", receiver: "b"},
		{name: "room for tenants", more: `
wanted:
  tenantMtu: 8934
  options: [{option: group, weight: 8}, {option: sequence, weight: 2}, {option: trace, weight: 4}]
`, sender: "a", receiver: "b", want: "group sequence"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := settle(t, tt.devices, tt.more, tt.told)
			a := p.Between(tt.sender, tt.receiver)
			if names(a.Options) != tt.want {
				t.Errorf("have [%s], want [%s]", names(a.Options), tt.want)
			}
			if tt.check != nil && !tt.check(a) || tt.check == nil && (a.Impossible || a.Refused || a.Degraded != nil || a.Unknown != nil) {
				t.Errorf("have %+v", a)
			}
		})
	}
}

// The rows of a receiver are shared by all that send to it.
func TestRows(t *testing.T) {
	told := map[string]capabilities.Capability{}
	devices := map[string]string{}
	for i, name := range []string{"a", "b", "c", "d"} {
		c := program(t)
		c.Name = name
		if name == "d" {
			c.Receive.Rows = 1
		} else {
			c.Send.Limits.Options = uint8(1 + i)
		}
		told[name] = c
		devices[strings.ToUpper(name)] = "gnmi: '192.0.2.9:9339',"
	}
	p, _ := settle(t, devices, everything, told)
	if n := p.Rows("d"); n != 1 {
		t.Errorf("d has %d rows", n)
	}
	if n := p.Rows("c"); n != 3 {
		t.Errorf("c has %d rows", n)
	}
	if a := p.Between("c", "d"); a.Degraded == nil || a.Degraded.Leaf != "receive.rows" {
		t.Errorf("have %+v", a)
	}
}

func TestSolve(t *testing.T) {
	p, _ := settle(t, map[string]string{"B": "profile: netronome-flower,"}, everything, nil)
	layout, why, ok := p.Solve("a", "c")
	if !ok || layout.String() != "trace group sequence mark" || why.TenantMTU != 9000-50-40 {
		t.Errorf("have %v, %+v, %v", layout, why, ok)
	}
	if len(why.Places[0]) == 0 || why.Places[0][0].Device != "far" {
		t.Errorf("trace is where it is because of %v", why.Places[0])
	}
	if _, _, ok := p.Solve("a", "near"); ok {
		t.Error("a transit device has no layouts")
	}
	if _, ok := p.Known("b"); !ok {
		t.Error("b has a profile")
	}
	if _, ok := p.Known("near"); ok {
		t.Error("a transit device is known as an NVE")
	}
}

// Without knowledge there is what is written.
func TestWritten(t *testing.T) {
	_, in := settle(t, nil, everything+"layouts: [{sender: a, receiver: b, options: [trace]}]", nil)
	p := layouts.Written(&in)
	if a := p.Between("a", "b"); names(a.Options) != "trace" || a.Impossible {
		t.Errorf("have %+v", a)
	}
	if a := p.Between("b", "a"); a.Options != nil || a.Impossible {
		t.Errorf("have %+v", a)
	}
}

// In one zone, all pairs have what each would have by itself.
func TestZonesAreEnough(t *testing.T) {
	for _, more := range []string{
		everything,
		everything + "tunnels: [{sender: c, receiver: d, underlay: ipv6}]",
		everything + "layouts: [{sender: d, receiver: a, options: [trace]}]",
	} {
		p, in := settle(t, map[string]string{"B": "profile: netronome-flower,"}, more, nil)
		for _, s := range []string{"a", "b", "c", "d"} {
			for _, r := range []string{"a", "b", "c", "d"} {
				if s == r {
					continue
				}
				layout, _, _ := p.Solve(s, r)
				if have := names(p.Between(s, r).Options); have != layout.String() {
					t.Errorf("%s: %s to %s: have %s, alone %s", in.Wanted.Options[0].Option, s, r, have, layout)
				}
			}
		}
	}
}

func TestExceptions(t *testing.T) {
	told := map[string]capabilities.Capability{"d": says(t, "d", 16)}
	p, _ := settle(t, map[string]string{"A": "", "B": "profile: intel-e810,", "D": "gnmi: '192.0.2.9:9339',"}, `
wanted: {options: [{option: context, required: true}, {option: group}, {option: sequence}]}
layouts: [{sender: d, receiver: c, options: [context, mark, trace]}]
`, told)
	var have []string
	for _, x := range p.Exceptions() {
		why, _ := p.Because(x)
		have = append(have, fmt.Sprintf("%v: %v", x, why))
	}
	want := []string{
		"c to b is impossible: receiver b: matches no options (receive.options)",
		"d to b is impossible: receiver b: matches no options (receive.options)",
		"b to c is impossible: sender b: places no options (send.options)",
		"d to c is impossible: transit far: looks at 0xff00/0x03/3w in word 0 only (receive.order[0])",
		"b to d is impossible: sender b: places no options (send.options)",
	}
	slices.Sort(have)
	slices.Sort(want)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("-want +have:\n%s", diff)
	}
	if got := p.Between("a", "b").Unknown; !slices.Equal(got, []string{"a"}) {
		t.Errorf("unknown: %v", got)
	}
	for _, x := range layouts.Troubles() {
		if strings.Contains(x.String(), "(") {
			t.Errorf("trouble %v", x)
		}
	}
}

// A thousand NVEs of three generations on ten leaves, each of which sends to each.
func BenchmarkSettle(b *testing.B) {
	var in intent.Intent
	for _, o := range []struct {
		name  string
		field intent.Field
	}{{"group", intent.FieldGroup}, {"sequence", intent.FieldSequence}, {"context", intent.FieldLogicalPorts}, {"origin", intent.FieldOrigin}} {
		in.OptionTypes = append(in.OptionTypes, intent.OptionType{
			Name: o.name, Class: 0xff00, Type: uint8(len(in.OptionTypes)), Length: 1, Words: []intent.Word{{Field: o.field}}})
		in.Wanted.Options = append(in.Wanted.Options, intent.WantedOption{Option: o.name, Weight: uint16(10 - len(in.OptionTypes))})
	}
	told := map[string]capabilities.Capability{}
	const nves, leaves = 1000, 10
	for i := range leaves {
		in.Devices = append(in.Devices, intent.Device{Name: fmt.Sprintf("leaf%d", i), Role: intent.RoleTransit})
	}
	for i := range nves {
		name, leaf := fmt.Sprintf("nve%d", i), &in.Devices[i%leaves]
		port := uint16(len(leaf.Ports) + 1)
		leaf.Ports = append(leaf.Ports, intent.UnderlayPort{Number: port})
		in.Devices = append(in.Devices, intent.Device{
			Name: name, Role: intent.RoleNVE, GNMI: "192.0.2.1:9339", ProviderAddresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})},
			Ports: []intent.UnderlayPort{{Number: 1, Neighbor: intent.Neighbor{Device: leaf.Name, Port: port}}},
		})
		told[name] = says(b, name, uint16(8<<(i%3)))
	}
	program := program(b)
	for b.Loop() {
		p := layouts.Settle(layouts.Input{Intent: &in, Program: program, Told: told, MTU: 9000})
		if a := p.Between("nve0", "nve1"); len(a.Options) == 0 {
			b.Fatalf("%+v", a)
		}
	}
}
