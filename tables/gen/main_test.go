package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.txtpb")
	if err := os.WriteFile(bad, []byte("tables { preamble { id: 0 name: \"t\" } }"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"nothing", nil, 2, "-p4info and -package are needed"},
		{"unknown flag", []string{"-x"}, 2, "flag provided but not defined"},
		{"no such file", []string{"-p4info", "nowhere", "-package", "x"}, 1, "nowhere"},
		{"not a P4Info", []string{"-p4info", "main.go", "-package", "x"}, 1, "main.go: "},
		{"inconsistent", []string{"-p4info", bad, "-package", "x"}, 1, "table t: id 0"},
		{"good", []string{"-p4info", "../testdata/demo.p4info.txtpb", "-package", "x", "-o", t.TempDir()}, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := run(tc.args, &stderr); code != tc.code || !strings.Contains(stderr.String(), tc.stderr) {
				t.Errorf("exit %d, want %d: %s", code, tc.code, &stderr)
			}
		})
	}
	dir := t.TempDir()
	if code := run([]string{"-p4info", "../testdata/demo.p4info.txtpb", "-package", "x", "-o", dir}, &bytes.Buffer{}); code != 0 {
		t.Fatal(code)
	}
	src, err := os.ReadFile(filepath.Join(dir, "names.go"))
	if err != nil || !strings.HasPrefix(string(src), "// Code generated from demo.p4info.txtpb by tables/gen. DO NOT EDIT.\n\npackage x\n") {
		t.Errorf("got %.80s, %v", src, err)
	}
}
