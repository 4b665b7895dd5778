package intent_test

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
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/proto/manifest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func good(t *testing.T) intent.Intent {
	t.Helper()
	in, err := intent.Load("testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// The golden files list every reason against the bad files, with line and column.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad_*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := intent.Load(file)
			if err == nil {
				t.Fatal("no error")
			}
			got := strings.ReplaceAll(err.Error()+"\n", file, filepath.Base(file))
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestGoodFile(t *testing.T) {
	in := good(t)
	leaf, _ := in.Device("leaf-a")
	want := intent.Device{
		Name:              "leaf-a",
		Role:              intent.RoleNVE,
		P4Runtime:         intent.Target{Address: "127.0.0.1:9559", DeviceID: 1},
		ProviderAddresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
		MAC:               ethernet.MAC{2, 0, 0, 0, 0, 0x0a},
		Ports: []intent.UnderlayPort{
			{Number: 1, MAC: ethernet.MAC{2, 0, 0, 0, 0x0a, 1}, Neighbor: intent.Neighbor{Device: "spine", Port: 1, MAC: ethernet.MAC{2, 0, 0, 0, 0x0c, 1}}},
			{Number: 2, MAC: ethernet.MAC{2, 0, 0, 0, 0x0a, 2}, Neighbor: intent.Neighbor{MAC: ethernet.MAC{2, 0, 0, 0, 0xff, 1}}},
		},
		Routes:          []intent.Route{{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Port: 2, NextHop: ethernet.MAC{2, 0, 0, 0, 0xff, 1}}},
		NVGREExt:        intent.NVGREExt{Redirect: true, Unreachable: true, Policy: intent.Provisional, Hold: 5 * time.Second},
		UnknownCritical: intent.MissPunt,
	}
	if diff := cmp.Diff(want, leaf, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	spine, _ := in.Device("spine")
	if got, want := spine.Ports[1].Neighbor, (intent.Neighbor{Device: "leaf-b", Port: 1, MAC: ethernet.MAC{2, 0, 0, 0, 0x0b, 1}}); got != want {
		t.Errorf("far end of a link written at one end: %+v, want %+v", got, want)
	}
	group, _ := in.OptionType("group")
	if got, want := group.Words[0].Mask(), uint32(0xffff0000); got != want {
		t.Errorf("mask %#x, want %#x", got, want)
	}
	if !leaf.Managed() || spine.NVGREExt.HoldTime() != intent.DefaultHold {
		t.Error("leaf-a is managed, and the default hold time holds for the spine")
	}
}

func TestRoutes(t *testing.T) {
	in := good(t)
	leafPort := ethernet.MAC{2, 0, 0, 0, 0x0c, 1}
	want := map[string][]intent.Route{
		"leaf-a": {
			{Prefix: netip.MustParsePrefix("10.0.0.2/32"), Port: 1, NextHop: leafPort},
			{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Port: 2, NextHop: ethernet.MAC{2, 0, 0, 0, 0xff, 1}},
			{Prefix: netip.MustParsePrefix("fd00::2/128"), Port: 1, NextHop: leafPort},
		},
		"spine": {
			{Prefix: netip.MustParsePrefix("10.0.0.1/32"), Port: 1, NextHop: ethernet.MAC{2, 0, 0, 0, 0x0a, 1}},
			{Prefix: netip.MustParsePrefix("10.0.0.2/32"), Port: 2, NextHop: ethernet.MAC{2, 0, 0, 0, 0x0b, 1}},
			{Prefix: netip.MustParsePrefix("fd00::1/128"), Port: 1, NextHop: ethernet.MAC{2, 0, 0, 0, 0x0a, 1}},
			{Prefix: netip.MustParsePrefix("fd00::2/128"), Port: 2, NextHop: ethernet.MAC{2, 0, 0, 0, 0x0b, 1}},
		},
		"nobody": nil,
	}
	for device, routes := range want {
		if diff := cmp.Diff(routes, in.Routes(device), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("%s: -want +got:\n%s", device, diff)
		}
	}
}

func TestPath(t *testing.T) {
	in := good(t)
	tests := []struct {
		vn, sender, receiver string
		encapsulation        intent.Encapsulation
		local                string
	}{
		{"blue", "leaf-a", "leaf-b", intent.Geneve, "10.0.0.1"},
		{"red", "leaf-a", "leaf-b", intent.NVGRE, "10.0.0.1"},
		{"blue", "leaf-b", "leaf-a", intent.Geneve, "fd00::2"},
		{"red", "leaf-b", "leaf-a", intent.Geneve, "fd00::2"},
	}
	for _, tt := range tests {
		t.Run(tt.vn+" "+tt.sender+" "+tt.receiver, func(t *testing.T) {
			p, ok := in.Path(tt.vn, tt.sender, tt.receiver)
			if !ok || p.Encapsulation != tt.encapsulation || p.Local.String() != tt.local {
				t.Errorf("path %+v, %v", p, ok)
			}
		})
	}
	if _, ok := in.Path("green", "leaf-a", "leaf-b"); ok {
		t.Error("a path in a virtual network that does not exist")
	}
}

func TestMembers(t *testing.T) {
	in := good(t)
	var names []string
	for d := range in.Members("blue") {
		names = append(names, d.Name)
	}
	if !slices.Equal(names, []string{"leaf-a", "leaf-b"}) {
		t.Errorf("members %v", names)
	}
}

// An intent built in Go is checked by the same rules as a file, and reports by the same paths.
func TestValidate(t *testing.T) {
	in := good(t)
	if err := in.Validate(); err != nil {
		t.Errorf("valid intent: %v", err)
	}
	in.Endpoints = append(in.Endpoints, intent.Endpoint{Name: "vm1", VirtualNetwork: "blue", MAC: ethernet.MAC{2, 9}, Device: "spine", Port: 300})
	err := in.Validate()
	want := `intent: endpoints[3].name: endpoint name vm1 is already used by endpoints[0].name
intent: endpoints[3].device: device spine is not an NVE`
	if err == nil || err.Error() != want {
		t.Errorf("have\n%v\nwant\n%s", err, want)
	}
	if err := (intent.Intent{}).Validate(); err != nil {
		t.Errorf("empty intent: %v", err)
	}
}

func TestResolvedLeavesItsReceiver(t *testing.T) {
	in, err := intent.Load("testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	in.Devices[2].Ports[0].Neighbor = intent.Neighbor{}
	in.Resolved()
	if in.Devices[2].Ports[0].Neighbor != (intent.Neighbor{}) {
		t.Error("Resolved changed the intent that it was called on")
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		in, err := intent.Parse("fuzz.yaml", src)
		var e *manifest.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("error is a %T: %v", err, err)
		}
		if err == nil {
			if err := in.Validate(); err != nil {
				t.Errorf("a file was accepted that gives an invalid intent: %v", err)
			}
			for _, d := range in.Devices {
				in.Routes(d.Name)
			}
		}
	})
}

// large returns an intent of 100 NVEs on one spine, and 100 endpoints on each in 100 virtual networks.
func large() intent.Intent {
	const n = 100
	var in intent.Intent
	spine := intent.Device{Name: "spine", Role: intent.RoleTransit}
	for i := range n {
		name := fmt.Sprintf("leaf%d", i)
		spine.Ports = append(spine.Ports, intent.UnderlayPort{Number: uint16(i + 1), MAC: ethernet.MAC{2, 1, 0, 0, 0, byte(i)}})
		in.Devices = append(in.Devices, intent.Device{
			Name: name, Role: intent.RoleNVE, MAC: ethernet.MAC{2, 2, 0, 0, 0, byte(i)}, ProviderAddresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})},
			Ports: []intent.UnderlayPort{{Number: 1, MAC: ethernet.MAC{2, 3, 0, 0, 0, byte(i)}, Neighbor: intent.Neighbor{Device: "spine", Port: uint16(i + 1)}}},
		})
		in.VirtualNetworks = append(in.VirtualNetworks, intent.VirtualNetwork{Name: fmt.Sprintf("vn%d", i), VNI: 0x1000 + geneve.VNI(i)})
		for j := range n {
			in.Endpoints = append(in.Endpoints, intent.Endpoint{
				Name: fmt.Sprintf("vm%d-%d", i, j), VirtualNetwork: fmt.Sprintf("vn%d", j), MAC: ethernet.MAC{2, 4, 0, 0, byte(i), byte(j)},
				Addresses: []netip.Addr{netip.AddrFrom4([4]byte{172, 16, byte(i), byte(j)})}, Device: name, Port: uint16(256 + j),
			})
		}
	}
	in.Devices = append(in.Devices, spine)
	return in
}

func BenchmarkValidate(b *testing.B) {
	in := large()
	for b.Loop() {
		if err := in.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleLoad() {
	in, err := intent.Load("testdata/good.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	path, _ := in.Path("blue", "leaf-a", "leaf-b")
	fmt.Println(path.Encapsulation, path.Local, "->", path.Remote)
	for _, o := range in.Layout("leaf-a", "leaf-b") {
		fmt.Println(o.Name, o.TLV())
	}
	// Output:
	// geneve 10.0.0.1 -> 10.0.0.2
	// path-trace 0xff00/0x02/2w
	// group 0xff00/0x01/1w
}
