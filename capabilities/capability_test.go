package capabilities_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/capabilities"
)

func TestProfilesRoundTrip(t *testing.T) {
	for _, name := range capabilities.Profiles() {
		t.Run(name, func(t *testing.T) {
			p, err := capabilities.ShippedProfile(name)
			if err != nil {
				t.Fatal(err)
			}
			if p.Capability.Name != name {
				t.Errorf("the file's name is %s and the capability's %s", name, p.Capability.Name)
			}
			text, err := p.Capability.YAML()
			if err != nil {
				t.Fatal(err)
			}
			again, err := capabilities.ParseCapability(name, text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if diff := cmp.Diff(p.Capability, again); diff != "" {
				t.Errorf("-written +read:\n%s\n%s", diff, text)
			}
		})
	}
}
