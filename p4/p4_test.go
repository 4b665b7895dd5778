package p4_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/keyway-nve/keyway/p4"
)

func TestArtifactsMatchSources(t *testing.T) {
	have, err := p4.SourceDigest()
	if err != nil {
		t.Fatal(err)
	}
	made, err := p4.CompiledDigest()
	if err != nil {
		t.Fatal(err)
	}
	if have != made {
		t.Errorf("artifacts were compiled from sources %s, sources are %s: run make -C p4", made, have)
	}
}

func programs(t *testing.T) []*p4.Program {
	t.Helper()
	nve, err := p4.NVE()
	if err != nil {
		t.Fatal(err)
	}
	transit, err := p4.Transit()
	if err != nil {
		t.Fatal(err)
	}
	return []*p4.Program{nve, transit}
}

// Every table of the P4Info stands in the device config, and the other way
// round but for those that p4c makes of bare statements.
func TestP4InfoMatchesDeviceConfig(t *testing.T) {
	for _, prog := range programs(t) {
		t.Run(prog.Name, func(t *testing.T) {
			var config struct {
				Pipelines []struct {
					Tables []struct {
						Name    string
						Actions []string
					}
				}
			}
			if err := json.Unmarshal(prog.DeviceConfig, &config); err != nil {
				t.Fatal(err)
			}
			inConfig := map[string][]string{}
			for _, p := range config.Pipelines {
				for _, table := range p.Tables {
					inConfig[table.Name] = table.Actions
				}
			}
			actions := map[uint32]string{}
			for _, a := range prog.P4Info.GetActions() {
				actions[a.GetPreamble().GetId()] = a.GetPreamble().GetName()
			}
			for _, table := range prog.P4Info.GetTables() {
				name := table.GetPreamble().GetName()
				have, ok := inConfig[name]
				if !ok {
					t.Errorf("table %s is not in the device config: %v", name, slices.Sorted(maps.Keys(inConfig)))
					continue
				}
				for _, ref := range table.GetActionRefs() {
					if !slices.Contains(have, actions[ref.GetId()]) {
						t.Errorf("table %s: action %s is not in the device config", name, actions[ref.GetId()])
					}
				}
			}
		})
	}
}

// A device's capability is derived from these.
func TestOptionWindow(t *testing.T) {
	for _, prog := range programs(t) {
		var window *configv1.Table
		for _, table := range prog.P4Info.GetTables() {
			if slices.Contains(table.GetPreamble().GetAnnotations(), "@option_window(16)") {
				window = table
			}
		}
		if window == nil {
			t.Errorf("%s: no table is annotated @option_window(16)", prog.Name)
			continue
		}
		bits := int32(0)
		for _, f := range window.GetMatchFields() {
			if f.GetMatchType() != configv1.MatchField_TERNARY {
				t.Errorf("%s: field %s is %v, want ternary", prog.Name, f.GetName(), f.GetMatchType())
			}
			bits += f.GetBitwidth()
		}
		// What one TCAM stage of a Tofino-class chip matches is 524 bits.
		if want := int32(6 + 1 + 16*32); bits != want || bits > 524 {
			t.Errorf("%s: option_layout key is %d bits, want %d", prog.Name, bits, want)
		}
	}
}
