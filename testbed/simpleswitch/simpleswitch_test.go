package simpleswitch_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyway-nve/keyway/testbed/simpleswitch"
)

// script writes a shell script that stands in for the program.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "simple_switch_grpc")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	tests := []struct {
		name, path string
		want       simpleswitch.Version
		err        error
		says       string
	}{
		{name: "absent", path: filepath.Join(t.TempDir(), "nothing"), err: simpleswitch.ErrNotFound, says: "https://github.com/p4lang/behavioral-model"},
		{name: "release", path: script(t, "echo 1.15.5"), want: simpleswitch.Version{1, 15, 5}},
		{name: "build", path: script(t, "echo 1.16.0-0d6d7b5f; echo more"), want: simpleswitch.Version{1, 16, 0}},
		{name: "after other words", path: script(t, "echo Calling target program-options parser; echo 2.0.1"), want: simpleswitch.Version{2, 0, 1}},
		{name: "old", path: script(t, "echo 1.14.9"), err: simpleswitch.ErrVersion, says: "1.14.9 is older than 1.15.0"},
		{name: "something else", path: script(t, "echo hello 1.15.5"), err: simpleswitch.ErrVersion, says: "hello"},
		{name: "too large a number", path: script(t, "echo 1.15.99999999999999999999"), err: simpleswitch.ErrVersion},
		{name: "fails", path: script(t, "echo libpi.so.0 is missing; exit 127"), says: "libpi.so.0 is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := simpleswitch.Find(t.Context(), tt.path)
			if p.Version != tt.want || (err == nil) != (tt.want != simpleswitch.Version{}) {
				t.Errorf("version %v, error %v; want %v", p.Version, err, tt.want)
			}
			if tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %q does not say %q", err, tt.says)
			}
		})
	}
}

// A process that ends or never answers is told with its last words, and leaves
// nothing behind.
func TestStartFails(t *testing.T) {
	for name, tt := range map[string]struct {
		body, says string
	}{
		"ends":    {"echo no such option >&2; exit 3", "ended (exit status 3): no such option"},
		"silent":  {"echo waiting; sleep 600 & wait", "waiting"},
		"chatter": {"head -c 100000 /dev/zero | tr '\\0' x; echo; echo the end; exit 1", "xxx\nthe end"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			p := simpleswitch.Program{Path: script(t, tt.body)}
			s, err := p.Start(t.Context(), simpleswitch.Options{Within: 300 * time.Millisecond})
			if err == nil {
				t.Fatal(errors.Join(errors.New("it started"), s.Close()))
			}
			if !strings.Contains(err.Error(), tt.says) || len(err.Error()) > 3000 {
				t.Errorf("error %q does not say %q", err, tt.says)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "bmv2-*")); left != nil {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// start runs the real program, or skips the test.
func start(t *testing.T, o simpleswitch.Options) *simpleswitch.Switch {
	t.Helper()
	p, err := simpleswitch.Find(t.Context(), "")
	if errors.Is(err, simpleswitch.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Close ends everything, and says so to those who still want something.
func TestClose(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	s := start(t, simpleswitch.Options{DeviceID: 1, CPUPort: 510, DropPort: 511})
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	<-s.Ended()
	if err := s.Inject(1, []byte{1}); !errors.Is(err, simpleswitch.ErrClosed) {
		t.Errorf("Inject: %v", err)
	}
	if err := s.Settle(t.Context()); !errors.Is(err, simpleswitch.ErrClosed) {
		t.Errorf("Settle: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}
