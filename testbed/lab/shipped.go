package lab

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed labs/*.yaml labs/peers/*.yaml
var labFiles embed.FS

// ErrNoLab reports the name of a lab that is not shipped.
var ErrNoLab = errors.New("no such lab")

// Shipped returns the names of the labs that are part of the program and need nothing else, sorted.
func Shipped() []string { return names("labs") }

// WithPeers returns the names of the shipped labs that need programs of others, sorted.
func WithPeers() []string { return names("labs/peers") }

func names(dir string) []string {
	files, _ := fs.Glob(labFiles, dir+"/*.yaml") // the pattern is well formed
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(path.Base(f), ".yaml")
	}
	return names
}

// Source returns the text of a shipped lab. The error is ErrNoLab.
func Source(name string) ([]byte, error) {
	for _, dir := range []string{"labs", "labs/peers"} {
		if src, err := labFiles.ReadFile(dir + "/" + name + ".yaml"); err == nil {
			return src, nil
		}
	}
	return nil, fmt.Errorf("%w: %q; there are %s", ErrNoLab, name, strings.Join(slices.Concat(Shipped(), WithPeers()), ", "))
}

// Open returns a shipped lab.
func Open(name string) (*Lab, error) {
	src, err := Source(name)
	if err != nil {
		return nil, err
	}
	return Parse(name+".yaml", src)
}
