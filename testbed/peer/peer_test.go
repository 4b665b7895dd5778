package peer_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/keyway-nve/keyway/testbed/peer"
)

// verdict records what a test was told.
type verdict struct{ said string }

func (v *verdict) Helper()                      {}
func (v *verdict) Skipf(f string, args ...any)  { v.said = "skip: " + fmt.Sprintf(f, args...) }
func (v *verdict) Fatalf(f string, args ...any) { v.said = "fail: " + fmt.Sprintf(f, args...) }

func TestRequire(t *testing.T) {
	for _, tt := range []struct{ name, program, required, want string }{
		{"there", "go", "", ""},
		{"there and required", "go", "1", ""},
		{"missing", "no-such-program", "", "skip: no no-such-program here (Debian package some)"},
		{"missing and required", "no-such-program", "1", "fail: no no-such-program here (Debian package some), and KEYWAY_REQUIRE_PEERS is set"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(peer.Required, tt.required)
			var v verdict
			path := peer.Require(&v, tt.program, "some")
			if v.said != tt.want {
				t.Errorf("test was told %q, want %q", v.said, tt.want)
			}
			if tt.want == "" && filepath.Base(path) != tt.program {
				t.Errorf("path is %q", path)
			}
		})
	}
}
