package gnmi

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	goyang "github.com/openconfig/goyang/pkg/yang"
	"github.com/openconfig/ygot/ygot"
	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/proto/yang/nvecaps"
	"github.com/keyway-nve/keyway/testbed/peer"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawCapability(t)
		text, err := Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		have, err := Unmarshal(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Fatalf("-want +have:\n%s\n%s", diff, text)
		}
	})
}

func TestLeavesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawCapability(t)
		leaves, err := leavesOf(want)
		if err != nil {
			t.Fatal(err)
		}
		// gNMI conveys no order between leaves.
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)).Shuffle(len(leaves), func(i, j int) { leaves[i], leaves[j] = leaves[j], leaves[i] })
		have, err := fromLeaves(leaves)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Fatalf("-want +have:\n%s", diff)
		}
	})
}

// The names of both enumerations are the same, number by number.
func TestEnumerations(t *testing.T) {
	for _, e := range []struct {
		name string
		last int
		yang func(int) ygot.GoEnum
		text func(int) string
	}{
		{"role", 3, func(i int) ygot.GoEnum { return nvecaps.E_KeywayNveCapabilities_RoleType(i) }, func(i int) string { return capabilities.Role(i).String() }},
		{"encapsulation", 4, func(i int) ygot.GoEnum { return nvecaps.E_KeywayNveCapabilities_EncapsulationType(i) }, func(i int) string { return capabilities.EncapsulationKind(i).String() }},
		{"direction", 2, func(i int) ygot.GoEnum { return nvecaps.E_KeywayNveCapabilities_DirectionType(i) }, func(i int) string { return capabilities.Way(i).String() }},
		{"family", 2, func(i int) ygot.GoEnum { return nvecaps.E_KeywayNveCapabilities_AddressFamilyType(i) }, func(i int) string { return capabilities.Family(i).String() }},
		{"order rule", 6, func(i int) ygot.GoEnum { return nvecaps.E_KeywayNveCapabilities_OrderRuleType(i) }, func(i int) string { return capabilities.OrderKind(i).String() }},
		{"class match", 3, func(i int) ygot.GoEnum { return nvecaps.E_KeywayNveCapabilities_ClassMatchType(i) }, func(i int) string { return capabilities.ClassMatch(i).String() }},
		{"behaviour", 4, func(i int) ygot.GoEnum { return nvecaps.E_KeywayNveCapabilities_BehaviorType(i) }, func(i int) string { return capabilities.Behaviour(i).String() }},
		{"reconfiguration", 4, func(i int) ygot.GoEnum { return nvecaps.E_KeywayNveCapabilities_ReconfigurationType(i) }, func(i int) string { return capabilities.Reconfiguration(i).String() }},
	} {
		t.Run(e.name, func(t *testing.T) {
			for i := 1; i <= e.last; i++ {
				want := strings.ToUpper(strings.ReplaceAll(e.text(i), "-", "_"))
				if have, err := ygot.EnumName(e.yang(i)); err != nil || have != want {
					t.Errorf("%d is %s in the model (%v) and %s in the capability", i, have, err, want)
				}
			}
			if after := e.text(e.last + 1); !strings.Contains(after, "(") {
				t.Errorf("the capability has %s too", after)
			}
		})
	}
}

func TestGolden(t *testing.T) {
	for name, c := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			have, err := Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "golden", name+".json")
			if *update {
				if err := os.WriteFile(file, have, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(have)); diff != "" {
				t.Errorf("-want +have:\n%s", diff)
			}
			back, err := Unmarshal(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c, back); diff != "" {
				t.Errorf("-written +read:\n%s", diff)
			}
		})
	}
}

// The golden capability named everything has every leaf of the model.
func TestGoldenHasEveryLeaf(t *testing.T) {
	leaves, err := leavesOf(goldens(t)["everything"])
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	var walk func(*goyang.Entry)
	walk = func(e *goyang.Entry) {
		if e.IsLeaf() || e.IsLeafList() {
			missing[strings.TrimPrefix(e.Path(), "/root")] = true
		}
		for _, c := range e.Dir {
			walk(c)
		}
	}
	walk(schemaRoot())
	total := len(missing)
	for _, l := range leaves {
		var at strings.Builder
		for _, e := range l.path.Elem {
			at.WriteString("/" + e.Name)
		}
		delete(missing, at.String())
	}
	if len(missing) > 0 || total < 50 {
		t.Errorf("of %d leaves these are missing: %v", total, sortedKeys(missing))
	}
}

func TestShippedProfilesRoundTrip(t *testing.T) {
	for _, want := range shipped(t) {
		text, err := Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		have, err := Unmarshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s: -want +have:\n%s", want.Name, diff)
		}
	}
}

// yanglint, which is of another house, reads what we write.
func TestIsValidYANGData(t *testing.T) {
	lint := peer.Require(t, "yanglint", "libyang2-tools")
	const model = "../../proto/yang/keyway-nve-capabilities.yang"
	dir := t.TempDir()
	all := append(shipped(t), slices.Collect(maps.Values(goldens(t)))...)
	for i, c := range all {
		text, err := Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, strconv.Itoa(i)+".json")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(lint, "-f", "json", model, file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", c.Name, err, out)
		}
		if err := os.WriteFile(file, bytes.Replace(text, []byte(`"role"`), []byte(`"rank"`), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(lint, model, file).CombinedOutput(); err == nil {
			t.Errorf("yanglint takes an unknown leaf, so it checks nothing:\n%s", out)
		}
	}
}

func TestUnmarshalErrors(t *testing.T) {
	const head = `{"keyway-nve-capabilities:nve-capabilities": {"state": {"name": "d", "role": "NVE"},
		"encapsulations": {"encapsulation": [{"type": "GENEVE", "state": {"type": "GENEVE"}}]}`
	direction := func(body string) string {
		return head + `, "directions": {"direction": [{"direction": "RECEIVE", ` + body + `}]}}}`
	}
	option := func(state string) string {
		return direction(`"options": {"option": [{"sequence": 4, "state": {` + state + `}}]}`)
	}
	for _, tc := range []struct {
		name, text string
		is         error
		want       []string
	}{
		{"not JSON", `{`, ErrValue, []string{"/: cannot be read: not JSON"}},
		{"an array", `[]`, ErrValue, []string{"/: cannot be read: want an object"}},
		{"null", `null`, ErrValue, []string{"/: cannot be read: want an object"}},
		{"nothing", `{}`, ErrMissing, []string{"/nve-capabilities/state/name: is missing", "/nve-capabilities/state/role: is missing"}},
		{"unknown leaves, all of them", head + `, "exceptions": {"state": {"unknwon": "SKIP", "state": 1}}, "extra": []}}`, ErrUnknownPath, []string{
			"/nve-capabilities/exceptions/state/unknwon: no such node in the model",
			"/nve-capabilities/exceptions/state/state: no such node in the model",
			"/nve-capabilities/extra: no such node in the model",
		}},
		{"a node of another module", head + `, "other:exceptions": {}}}`, ErrUnknownPath, []string{"/nve-capabilities/other:exceptions: no such node"}},
		{"an unknown leaf in a list", option(`"class": 1, "weight": 2`), ErrUnknownPath, []string{
			"/nve-capabilities/directions/direction[direction=RECEIVE]/options/option[sequence=4]/state/weight: no such node in the model",
		}},
		{"a list that is none", direction(`"pools": {"pool": {}}`), ErrValue, []string{"direction[direction=RECEIVE]/pools/pool: cannot be read: want an array of objects"}},
		{"an entry without its key", direction(`"pools": {"pool": [{"state": {}}]}`), ErrMissing, []string{"/pools/pool: is missing: key sequence of entry 0"}},
		{"an entry twice", direction(`"pools": {"pool": [{"sequence": 1}, {"sequence": 1}]}`), ErrValue, []string{"/pools/pool[sequence=1]: cannot be read: is there twice"}},
		{"a missing class is not every class", option(`"sequence": 4, "type": "ANY", "min-words": 0, "max-words": 1`), ErrMissing, []string{
			"/option[sequence=4]/state/class: is missing",
		}},
		{"a class of 17 bits", option(`"class": 65536`), ErrValue, []string{"/option[sequence=4]/state/class: cannot be read"}},
		{"a word outside", direction(`"fields": {"field": [{"name": "group", "state": {"word": [64]}}]}`), ErrValue, []string{
			"/fields/field[name=group]/state/word: cannot be read",
		}},
		{"a role that is none", strings.Replace(head, "NVE", "SWITCH", 1) + `}}`, ErrValue, []string{"/nve-capabilities/state/role: cannot be read"}},
		{"a text for a number", direction(`"state": {"rows": "many"}`), ErrValue, []string{"/direction[direction=RECEIVE]/state/rows: cannot be read"}},
		{"a key that is not the leaf", direction(`"pools": {"pool": [{"sequence": 1, "state": {"sequence": 2, "words": 3}}]}`), ErrValue, []string{
			"/pools/pool[sequence=1]/state/sequence: cannot be read",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Unmarshal([]byte(tc.text))
			if !errors.Is(err, tc.is) {
				t.Fatalf("have %+v, %v; want an error that is %v", c, err, tc.is)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in:\n%v", want, err)
				}
			}
			if lines := strings.Count(err.Error(), "\n") + 1; lines != len(tc.want) {
				t.Errorf("want %d reasons, have:\n%v", len(tc.want), err)
			}
		})
	}
}

func TestUnmarshalContradiction(t *testing.T) {
	text, err := Marshal(goldens(t)["first-only"])
	if err != nil {
		t.Fatal(err)
	}
	_, err = Unmarshal(bytes.Replace(text, []byte(`"max-bytes": 48`), []byte(`"max-bytes": 47`), 1))
	if err == nil || !strings.Contains(err.Error(), "receive.limits.bytes") {
		t.Errorf("have %v, want the contradiction", err)
	}
}

// P4Runtime carries what gNMI does.
func TestAny(t *testing.T) {
	for name, want := range goldens(t) {
		a, err := MarshalAny(want)
		if err != nil {
			t.Fatal(err)
		}
		have, err := UnmarshalAny(a)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s: -want +have:\n%s", name, diff)
		}
	}
	if a, err := MarshalAny(capabilities.Capability{}); err == nil {
		t.Errorf("a capability without a name: %v", a)
	}
	if _, err := UnmarshalAny(nil); !errors.Is(err, ErrNoCapability) {
		t.Errorf("none: %v", err)
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, c := range goldens(f) {
		text, err := Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Unmarshal(b)
		if err != nil {
			return
		}
		text, err := Marshal(c)
		if err != nil {
			t.Fatalf("read, and cannot be written: %v", err)
		}
		again, err := Unmarshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("-read +read again:\n%s", diff)
		}
	})
}
