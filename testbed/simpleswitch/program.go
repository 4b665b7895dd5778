package simpleswitch

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// name is the program's file name.
const name = "simple_switch_grpc"

var (
	// ErrNotFound says that there is no simple_switch_grpc to run.
	ErrNotFound = errors.New("not found")
	// ErrVersion says that there is one, but that it is too old or does not tell.
	ErrVersion = errors.New("unsuitable version")
)

// install tells where to get the program.
const install = `it is part of bmv2 and comes with that project's own packages ("p4lang-bmv2" for Debian and Ubuntu) or sources, see https://github.com/p4lang/behavioral-model`

// Version is a version of bmv2.
type Version struct{ Major, Minor, Patch int }

// oldest is the oldest version that is run: the first of the series with which
// this package was tested.
var oldest = Version{1, 15, 0}

// String returns the form 1.15.0.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Compare returns -1, 0 or 1 as v is older than, the same as or newer than w.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch))
}

// Program is an installed simple_switch_grpc.
type Program struct {
	Path    string
	Version Version
}

var versionLine = regexp.MustCompile(`(?m)^(\d+)\.(\d+)\.(\d+)\b`)

// Find returns the program at path or, if path is empty, on PATH. The error is
// ErrNotFound, with where to get it, or ErrVersion.
func Find(ctx context.Context, path string) (Program, error) {
	found, err := exec.LookPath(cmp.Or(path, name))
	if err != nil {
		return Program{}, fmt.Errorf("%s: %w (%w); %s", name, ErrNotFound, err, install)
	}
	if found, err = filepath.Abs(found); err != nil { // it is started elsewhere
		return Program{}, err
	}
	out, err := exec.CommandContext(ctx, found, "--version").CombinedOutput()
	if err != nil {
		return Program{}, fmt.Errorf("%s --version: %w: %q", found, err, out)
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		line, _, _ := bytes.Cut(out, []byte("\n"))
		return Program{}, fmt.Errorf("%s: %w: %q", found, ErrVersion, line)
	}
	var n [3]int
	for i := range n {
		if n[i], err = strconv.Atoi(string(m[i+1])); err != nil {
			return Program{}, fmt.Errorf("%s: %w: %w", found, ErrVersion, err)
		}
	}
	p := Program{Path: found, Version: Version{n[0], n[1], n[2]}}
	if p.Version.Compare(oldest) < 0 {
		return Program{}, fmt.Errorf("%s: %w: %v is older than %v; %s", found, ErrVersion, p.Version, oldest, install)
	}
	return p, nil
}
