package render_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/tables"
)

// optionTypes are those of the drawn intents. Two carry the same field, and two
// have the same class.
func optionTypes() []intent.OptionType {
	return []intent.OptionType{
		{Name: "group", Class: 0xFF00, Type: 1, Length: 1, Words: []intent.Word{{Field: intent.FieldGroup, Shift: 8}}},
		{Name: "context", Class: 0x0102, Type: 0x80, Critical: true, Length: 1, Words: []intent.Word{{Field: intent.FieldLogicalPorts}}},
		{Name: "trace", Class: 0xFF00, Type: 2, Length: 2, Words: []intent.Word{{Field: intent.FieldOrigin}, {Field: intent.FieldTimestamp}}},
		{Name: "sequence", Class: 0xFF00, Type: 3, Length: 1, Words: []intent.Word{{Field: intent.FieldSequence}}},
		{Name: "ports", Class: 0xFF00, Type: 4, Length: 3, Words: []intent.Word{{Field: intent.FieldPorts}, {Constant: 7}, {Field: intent.FieldFlowHash}}},
		{Name: "mark", Class: 0xFF01, Type: 1, Length: 0},
	}
}

// drawIntent draws a valid intent of up to five NVEs round a spine.
func drawIntent(t *rapid.T) *intent.Intent {
	in := intent.Intent{OptionTypes: optionTypes()}
	spine := intent.Device{Name: "spine", Role: intent.RoleTransit}
	var names []string
	nves := rapid.IntRange(2, 5).Draw(t, "nves")
	for i := range nves {
		n := uint16(i + 1)
		d := intent.Device{
			Name: fmt.Sprintf("nve%d", n), Role: intent.RoleNVE, MAC: mac(0x0A, byte(n)),
			ProviderAddresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})},
			Ports:             []intent.UnderlayPort{{Number: 1, MAC: mac(0x0B, byte(n)), Neighbor: intent.Neighbor{Device: "spine", Port: n}}},
			UnknownCritical:   rapid.SampledFrom([]intent.MissAction{intent.MissPunt, intent.MissDrop}).Draw(t, "critical"),
		}
		if rapid.Bool().Draw(t, "dual stack") {
			d.ProviderAddresses = append(d.ProviderAddresses, netip.AddrFrom16([16]byte{0xFD, 15: byte(n)}))
		}
		spine.Ports = append(spine.Ports, intent.UnderlayPort{Number: n, MAC: mac(0x0C, byte(n))})
		in.Devices = append(in.Devices, d)
		names = append(names, d.Name)
	}
	for i, o := range rapid.Permutation(in.OptionTypes).Draw(t, "reads")[:rapid.IntRange(0, 3).Draw(t, "n reads")] {
		word := rapid.IntRange(0, intent.WindowWords-o.Size()).Draw(t, fmt.Sprint("word", i))
		spine.Reads = append(spine.Reads, intent.Read{Option: o.Name, Word: uint8(word)})
	}
	in.Devices = append(in.Devices, spine)

	actions := []intent.Action{intent.Permit, intent.Deny}
	for v := range rapid.IntRange(1, 3).Draw(t, "networks") {
		vn := intent.VirtualNetwork{
			Name: fmt.Sprintf("vn%d", v), VNI: geneve.VNI(5000 + v),
			Encapsulation: rapid.SampledFrom([]intent.Encapsulation{0, intent.Geneve, intent.NVGRE}).Draw(t, "encapsulation"),
			DefaultPolicy: rapid.SampledFrom(actions).Draw(t, "default policy"),
		}
		in.VirtualNetworks = append(in.VirtualNetworks, vn)
		for e := range rapid.IntRange(0, 6).Draw(t, "endpoints") {
			// Ports of their own for half of them, tags on a shared one for the rest.
			port, vlan := uint16(300+10*v+e), uint16(0)
			device := rapid.SampledFrom(names).Draw(t, "device")
			if e == 0 {
				port, vlan = 256, uint16(100+v)
			}
			in.Endpoints = append(in.Endpoints, intent.Endpoint{
				Name: fmt.Sprintf("vm%d-%d", v, e), VirtualNetwork: vn.Name, MAC: mac(byte(v), byte(e+1)),
				Device: device, Port: port, VLAN: vlan,
				Group:       rapid.Uint16Range(0, 3).Draw(t, "group"),
				LogicalPort: uint16(e),
			})
		}
		if rapid.Bool().Draw(t, "policy") {
			in.GroupPolicies = append(in.GroupPolicies, intent.GroupPolicy{VirtualNetwork: vn.Name, From: 1, To: 2, Action: rapid.SampledFrom(actions).Draw(t, "action")})
		}
	}
	for _, from := range names {
		for _, to := range names {
			if from == to {
				continue
			}
			tunnel := intent.Tunnel{Sender: from, Receiver: to}
			tunnel.Encapsulation = rapid.SampledFrom([]intent.Encapsulation{0, 0, intent.Geneve, intent.NVGRE}).Draw(t, "tunnel")
			if tunnel.Encapsulation != 0 {
				in.Tunnels = append(in.Tunnels, tunnel)
			}
			if tunnel.Encapsulation == intent.NVGRE {
				continue
			}
			l := intent.Layout{Sender: from, Receiver: to}
			order := rapid.Permutation(in.OptionTypes).Draw(t, "layout")
			for _, o := range order[:rapid.IntRange(0, len(order)).Draw(t, "options")] {
				l.Options = append(l.Options, o.Name)
			}
			if len(l.Options) > 0 {
				in.Layouts = append(in.Layouts, l)
			}
		}
	}
	if err := in.Validate(); err != nil {
		t.Fatalf("the drawn intent is not valid: %v", err)
	}
	in = in.Resolved()
	return &in
}

// Every device of every valid intent can be given what is rendered for it.
func TestEveryIntentFits(t *testing.T) {
	all := schemas(t)
	rapid.Check(t, func(t *rapid.T) {
		in := drawIntent(t)
		numbers := new(render.Numbers)
		for _, d := range in.Devices {
			ds, err := render.Device(render.Input{Intent: in, Numbers: numbers}, d.Name)
			if err != nil {
				t.Fatal(err)
			}
			s := all[d.Role]
			if err := s.Check(entities(ds)); err != nil {
				t.Fatalf("%s: %v", d.Name, err)
			}
			rows := make(map[string][]tables.Entry)
			for _, e := range entities(ds) {
				if entry, ok := e.(tables.Entry); ok {
					rows[entry.Table] = append(rows[entry.Table], entry)
				}
				if c, err := s.Canonical(e); err != nil || !tables.Same(c, e) {
					t.Fatalf("%s: %v is not in canonical form: %v, %v", d.Name, e, c, err)
				}
			}
			for _, table := range s.Tables() {
				if table.Ranked() {
					for _, c := range table.Conflicts(rows[table.Name]) {
						t.Fatalf("%s: %v", d.Name, c)
					}
				}
			}
		}
	})
}

// meanings are where numbers stand, and what tells their meanings apart. A
// number of a device is one of its own, others are of all devices.
func meanings() []meaning {
	return []meaning{
		{"tunnel", true, regexp.MustCompile(`encapsulate\.tunnel tunnel=(\d+) -> (\w+)\(.* destination=([^,]+)`)},
		{"next hop", true, regexp.MustCompile(`neighbor next_hop=(\d+) -> resolve\(.*(destination=[^)]+)`)},
		{"group", true, regexp.MustCompile(`flood (vni=\d+ from_underlay=\d) -> replicate\(multicast_group=(\d+)`)},
		{"node", false, regexp.MustCompile(`source_nve vni=\d+ address=(\S+) -> allow\(peer=(\d+)`)},
		{"sent layout", false, regexp.MustCompile(`(word\d+)\.place layout=(\d+) -> (.*)`)},
		{"received layout", false, regexp.MustCompile(`options\.option_layout (opt_len=.*) -> bind\(layout=(\d+)`)},
	}
}

type meaning struct {
	kind      string
	ofADevice bool
	pattern   *regexp.Regexp
}

// A number that stands for something never stands for something else, whatever
// intents come one after the other, as long as it may be in use.
func TestNumbersKeepTheirMeaning(t *testing.T) {
	all, where := schemas(t), meanings()
	// What says how to find a layout, and not which it is.
	finding := regexp.MustCompile(`opt_len=\S+ | priority=\d+`)
	rapid.Check(t, func(t *rapid.T) {
		numbers := new(render.Numbers)
		known := make(map[string]string)
		for range rapid.IntRange(2, 4).Draw(t, "intents") {
			in := drawIntent(t)
			owner := make(map[string]string)
			for _, d := range in.Devices {
				for _, a := range d.ProviderAddresses {
					owner[netip.AddrFrom16(a.As16()).String()] = d.Name
				}
			}
			for _, d := range in.Devices {
				ds, err := render.Device(render.Input{Intent: in, Numbers: numbers}, d.Name)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entities(ds) {
					line := all[d.Role].Text(e)
					for _, m := range where {
						found := m.pattern.FindStringSubmatch(line)
						if found == nil {
							continue
						}
						at, what := m.kind, ""
						if m.ofADevice {
							at += " of " + d.Name
						}
						if d.Role == intent.RoleTransit {
							at += " read" // by which a part of the options is meant
						}
						switch m.kind {
						case "tunnel":
							at, what = at+" "+found[1], found[2]+" "+found[3]
						case "next hop":
							at, what = at+" "+found[1], found[2]
						case "node":
							at, what = at+" "+found[2], owner[found[1]]
						case "sent layout":
							at, what = at+" "+found[2]+" "+found[1], found[3]
						default:
							at, what = at+" "+found[2], found[1]
						}
						if d.Role == intent.RoleTransit {
							what = finding.ReplaceAllString(what, "")
						}
						if was, ok := known[at]; ok && was != what {
							t.Fatalf("%s: %s was %s and is %s", d.Name, at, was, what)
						}
						known[at] = what
					}
				}
			}
		}
	})
}

func BenchmarkDevice(b *testing.B) {
	const devices, endpoints = 100, 1000
	in := intent.Intent{OptionTypes: optionTypes(), VirtualNetworks: []intent.VirtualNetwork{{Name: "vn", VNI: 5000}}}
	spine := intent.Device{Name: "spine", Role: intent.RoleTransit}
	for i := range uint16(devices) {
		spine.Ports = append(spine.Ports, intent.UnderlayPort{Number: i + 1, MAC: mac(1, byte(i))})
		in.Devices = append(in.Devices, intent.Device{
			Name: fmt.Sprintf("nve%d", i), Role: intent.RoleNVE, MAC: mac(2, byte(i)),
			ProviderAddresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 1, byte(i)})},
			Ports:             []intent.UnderlayPort{{Number: 1, MAC: mac(3, byte(i)), Neighbor: intent.Neighbor{Device: "spine", Port: i + 1}}},
		})
		if i > 0 {
			in.Layouts = append(in.Layouts, intent.Layout{Sender: "nve0", Receiver: in.Devices[i].Name, Options: []string{"trace", "group"}})
		}
	}
	in.Devices = append(in.Devices, spine)
	for i := range endpoints {
		in.Endpoints = append(in.Endpoints, intent.Endpoint{
			Name: fmt.Sprintf("vm%d", i), VirtualNetwork: "vn", MAC: ethernet.MAC{2, 4, 0, 0, byte(i >> 8), byte(i)},
			Device: fmt.Sprintf("nve%d", i%devices), Port: uint16(256 + i/devices),
		})
	}
	if err := in.Validate(); err != nil {
		b.Fatal(err)
	}
	in = in.Resolved()
	numbers := new(render.Numbers)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := render.Device(render.Input{Intent: &in, Numbers: numbers}, "nve0"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(endpoints*float64(b.N)/b.Elapsed().Seconds(), "endpoints/s")
}
