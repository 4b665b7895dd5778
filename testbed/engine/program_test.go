package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/stf"
)

// load compiles a program of testdata.
func load(t testing.TB, name string) *engine.Program {
	t.Helper()
	config, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := engine.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPrograms runs each script of testdata on the program of the same name: parser.stf and parser-x.stf on parser.
func TestPrograms(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.stf")
	if err != nil || len(scripts) == 0 {
		t.Fatal(err, "no scripts")
	}
	for _, path := range scripts {
		name := strings.TrimSuffix(filepath.Base(path), ".stf")
		program, _, _ := strings.Cut(name, "-")
		if program == "nve" {
			continue // entries of the benchmark
		}
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			script, err := stf.Parse(path, string(src))
			if err != nil {
				t.Fatal(err)
			}
			b := stf.NewBench(load(t, program), engine.Options{Now: func() time.Duration { return time.Second }})
			if err := b.Run(script); err != nil {
				t.Error(err)
			}
		})
	}
}
