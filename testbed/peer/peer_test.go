package peer_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

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

// A process outlives the threads of ours that end, and nobody waits for one that
// cannot be started.
func TestRun(t *testing.T) {
	sleep := peer.Require(t, "sleep", "coreutils")
	ended := make(chan error, 1)
	cmd := exec.Command(sleep, "60")
	peer.Detach(cmd)
	if err := peer.Run(cmd, func(err error) { ended <- err }); err != nil {
		t.Fatal(err)
	}
	var threads sync.WaitGroup
	for range 20 {
		threads.Go(func() { runtime.LockOSThread() }) // and ends with it
	}
	threads.Wait()
	select {
	case err := <-ended:
		t.Fatalf("ended: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := peer.Kill(cmd); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("killed without an error")
	}
	if err := peer.Run(exec.Command("/no/such/program"), func(error) { t.Error("ended") }); err == nil {
		t.Error("started")
	}
}
