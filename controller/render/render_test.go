package render_test

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/tables"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func fabric(t testing.TB) *intent.Intent {
	t.Helper()
	in, err := intent.Load("testdata/fabric.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return &in
}

func schemas(t testing.TB) map[intent.Role]*tables.Schema {
	t.Helper()
	out := make(map[intent.Role]*tables.Schema)
	for role, load := range map[intent.Role]func() (*p4.Program, error){
		intent.RoleNVE: p4.NVE, intent.RoleTransit: p4.Transit,
	} {
		program, err := load()
		if err != nil {
			t.Fatal(err)
		}
		if out[role], err = tables.NewSchema(program.P4Info); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func device(t testing.TB, in render.Input, name string) []render.Desired {
	t.Helper()
	if in.Numbers == nil {
		in.Numbers = new(render.Numbers)
	}
	ds, err := render.Device(in, name)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

func entities(ds []render.Desired) []tables.Entity {
	out := make([]tables.Entity, len(ds))
	for i, d := range ds {
		out[i] = d.Entity
	}
	return out
}

// text is what a device should hold, a line for each entity with the NVEs that
// it waits for, by the order of rendering.
func text(s *tables.Schema, ds []render.Desired) string {
	var b strings.Builder
	for _, d := range ds {
		b.WriteString(s.Text(d.Entity))
		if len(d.Needs) > 0 {
			fmt.Fprintf(&b, "  needs %s", strings.Join(d.Needs, " "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
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
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What each device should hold, by name.
func TestDevices(t *testing.T) {
	in, all := fabric(t), schemas(t)
	numbers := new(render.Numbers)
	for _, d := range in.Devices {
		if !d.Managed() {
			continue
		}
		t.Run(d.Name, func(t *testing.T) {
			s := all[d.Role]
			ds := device(t, render.Input{Intent: in, Numbers: numbers}, d.Name)
			if err := s.Check(entities(ds)); err != nil {
				t.Error(err)
			}
			golden(t, d.Name, text(s, ds))
		})
	}
}

func mac(last ...byte) (m ethernet.MAC) {
	m[0] = 2
	copy(m[6-len(last):], last)
	return m
}

// find returns the line of a device's text that has all of some words.
func find(t testing.TB, text string, words ...string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			return strings.TrimSuffix(line, "\n")
		}
	}
	return ""
}

func TestOverride(t *testing.T) {
	in, s := fabric(t), schemas(t)[intent.RoleNVE]
	numbers := new(render.Numbers)
	place := miss.Place{Device: "leaf-a", VNI: 5000, MAC: mac(0x01, 0x02)} // vm2, behind leaf-b
	plain := text(s, device(t, render.Input{Intent: in, Numbers: numbers}, "leaf-a"))
	toNIC := find(t, plain, "endpoint", "02:00:00:00:01:03")
	for _, c := range []struct {
		name, to string
		gone     bool
	}{
		{"an NVE of the virtual network", "nic", false},
		{"an NVE of another virtual network", "foreign", true},
		{"an NVE that the intent has no more", "gone", true},
		{"the device itself", "leaf-a", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var o miss.Overrides
			if err := o.Add(place, miss.Override{Device: c.to, Until: time.Unix(1, 0)}); err != nil {
				t.Fatal(err)
			}
			ds := device(t, render.Input{Intent: in, Numbers: numbers, Overrides: &o}, "leaf-a")
			if err := s.Check(entities(ds)); err != nil {
				t.Error(err)
			}
			got := text(s, ds)
			if c.gone {
				if diff := cmp.Diff(plain, got); diff != "" {
					t.Errorf("the override should have no effect (-want +got):\n%s", diff)
				}
				return
			}
			want := strings.Replace(toNIC, "01:03", "01:02", 1)
			want = strings.Replace(want, "logical_port=0", "logical_port=2", 1)
			if line := find(t, got, "endpoint", "02:00:00:00:01:02"); line != want {
				t.Errorf("got  %s\nwant %s", line, want)
			}
		})
	}
}

// Everything that is wrong is told, once and by name.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		device string
		change func(*intent.Intent, *render.Options)
		is     error
		want   []string
	}{
		{
			name: "no such device", device: "leaf-z",
			is: render.ErrNoDevice, want: []string{"leaf-z"},
		},
		{
			name: "islands", device: "leaf-a",
			change: func(in *intent.Intent, _ *render.Options) { in.Devices[0].Ports, in.Devices[0].Routes = nil, nil },
			is:     render.ErrNoPath,
			want:   []string{"from leaf-a to leaf-b", "from leaf-a to nic", "from leaf-a to foreign"},
		},
		{
			name: "no common family", device: "leaf-a",
			change: func(in *intent.Intent, _ *render.Options) {
				in.Devices[1].ProviderAddresses = nil
			},
			is: render.ErrNoPath, want: []string{"virtual network blue", "virtual network red", "from leaf-b to leaf-a", "from leaf-a to leaf-b"},
		},
		{
			name: "options", device: "leaf-a",
			change: func(_ *intent.Intent, o *render.Options) {
				*o = render.Options{UnderlayMTU: 65536, PuntRate: -1, PuntBurst: -2}
			},
			is: render.ErrOption, want: []string{"underlay MTU 65536", "1280 to 65535", "punt rate -1", "punt burst -2"},
		},
		{
			name: "an MTU below IPv6's", device: "spine",
			change: func(_ *intent.Intent, o *render.Options) { o.UnderlayMTU = 1279 },
			is:     render.ErrOption, want: []string{"underlay MTU 1279"},
		},
		{
			name: "more reads than rows", device: "spine",
			change: func(in *intent.Intent, _ *render.Options) {
				in.Devices[4].Reads = slices.Repeat(in.Devices[4].Reads, 4)
			},
			is: render.ErrTooManyReads, want: []string{"reads", "8", "6"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := fabric(t)
			var o render.Options
			if c.change != nil {
				c.change(in, &o)
			}
			ds, err := render.Device(render.Input{Intent: in, Numbers: new(render.Numbers), Options: o}, c.device)
			if !errors.Is(err, c.is) || ds != nil {
				t.Fatalf("%d entities, error %v, want %v", len(ds), err, c.is)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error does not say %q:\n%v", w, err)
				}
			}
			lines := strings.Split(err.Error(), "\n")
			slices.Sort(lines)
			if n := len(slices.Compact(slices.Clone(lines))); n != len(lines) {
				t.Errorf("said twice:\n%v", err)
			}
		})
	}
}

// What is left for a tenant's frame of the longest packet of the underlay.
func TestMaxFrame(t *testing.T) {
	in, s := fabric(t), schemas(t)[intent.RoleNVE]
	for _, c := range []struct {
		name string
		mtu  int
		to   []string
		want int
	}{
		// IPv4 20, UDP 8, Geneve 8, options 4 x (3 + 2 + 2).
		{"Geneve over IPv4 with options", 9000, []string{"tunnel=", "geneve_ipv4", "10.0.0.2"}, 9000 - 20 - 16 - 28},
		// IPv6 40, UDP 8, Geneve 8, options 4 x 3.
		{"Geneve over IPv6 with options", 1280, []string{"tunnel=", "geneve_ipv6", "fd00::3"}, 1280 - 40 - 16 - 12},
		// IPv4 20, GRE 8.
		{"NVGRE over IPv4", 65535, []string{"tunnel=", "nvgre_ipv4", "10.0.0.2"}, 65535 - 20 - 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := text(s, device(t, render.Input{Intent: in, Options: render.Options{UnderlayMTU: c.mtu}}, "leaf-a"))
			line := find(t, got, c.to...)
			if want := fmt.Sprintf("max_frame_length=%d)", c.want); !strings.Contains(line, want) {
				t.Errorf("no %s in %q", want, line)
			}
		})
	}
}

// An endpoint that moves takes its virtual network away from the device where it
// was the last of it, and nothing of it stays there.
func TestLastEndpointLeaves(t *testing.T) {
	in, s := fabric(t), schemas(t)[intent.RoleNVE]
	i := slices.IndexFunc(in.Endpoints, func(e intent.Endpoint) bool { return e.Name == "vm3" })
	in.Endpoints[i].Device, in.Endpoints[i].Port = "leaf-b", 270
	numbers := new(render.Numbers)
	ds := device(t, render.Input{Intent: in, Numbers: numbers}, "nic")
	got := text(s, ds)
	for _, w := range []string{"5000", "endpoint", "tunnel", "attachment", "multicast", "option_layout", "source_nve"} {
		if line := find(t, got, w); line != "" {
			t.Errorf("left of it: %s", line)
		}
	}
	a := text(s, device(t, render.Input{Intent: in, Numbers: numbers}, "leaf-a"))
	if line := find(t, a, "fd00::3"); line != "" {
		t.Errorf("leaf-a still knows the nic: %s", line)
	}
}

// Both families of a pair stand in its rows as the tunnels say, each direction
// for itself.
func TestFamilies(t *testing.T) {
	in, s := fabric(t), schemas(t)[intent.RoleNVE]
	a := text(s, device(t, render.Input{Intent: in}, "leaf-a"))
	for _, c := range []struct{ row, address string }{
		{"source_nve", netip.MustParseAddr("fd00::2").String()}, // leaf-b sends by IPv6
		{"geneve_ipv4", "10.0.0.2"},                             // and is sent to by IPv4
		{"nvgre_ipv4", "10.0.0.2"},
		{"source_nve", "fd00::3"},
		{"geneve_ipv6", "fd00::3"},
	} {
		if find(t, a, c.row, c.address) == "" {
			t.Errorf("no %s of %s in\n%s", c.row, c.address, a)
		}
	}
	if line := find(t, a, "source_nve", "10.0.0.2"); line != "" {
		t.Errorf("leaf-b never sends from there: %s", line)
	}
}

// A word that the receiver may leave unread is sent, and not read: the receiver
// may have no way to.
func TestUnread(t *testing.T) {
	s := schemas(t)[intent.RoleNVE]
	option := intent.OptionType{Name: "trace", Class: 0xff00, Type: 1, Length: 2,
		Words: []intent.Word{{Field: intent.FieldGroup, Unread: true}, {Field: intent.FieldSequence}}}
	send, receive, err := render.Layout([]intent.OptionType{option})
	if err != nil {
		t.Fatal(err)
	}
	lines := func(es []tables.Entity) (text string) {
		for _, e := range es {
			text += s.Text(e) + "\n"
		}
		return text
	}
	if got := lines(send); !strings.Contains(got, "-> group(") || !strings.Contains(got, "-> sequence(") {
		t.Errorf("sent:\n%s", got)
	}
	if got := lines(receive); strings.Contains(got, "group.read") || !strings.Contains(got, "sequence.read") {
		t.Errorf("received:\n%s", got)
	}
	option.Words[0].Unread = false
	if again, _, err := render.Layout([]intent.OptionType{option}); err != nil || lines(again) == lines(send) {
		t.Errorf("a layout that is read otherwise has the same number: %v", err)
	}
}
