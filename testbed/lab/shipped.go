package lab

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed labs/*.yaml
var labFiles embed.FS

// ErrNoLab reports the name of a lab that is not shipped.
var ErrNoLab = errors.New("no such lab")

// Shipped returns the names of the labs that are part of the program, sorted.
func Shipped() []string {
	files, _ := fs.Glob(labFiles, "labs/*.yaml") // the pattern is well formed
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(path.Base(f), ".yaml")
	}
	return names
}

// Source returns the text of a shipped lab. The error is ErrNoLab.
func Source(name string) ([]byte, error) {
	src, err := labFiles.ReadFile("labs/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("%w: %q; there are %s", ErrNoLab, name, strings.Join(Shipped(), ", "))
	}
	return src, nil
}

// Open returns a shipped lab.
func Open(name string) (*Lab, error) {
	src, err := Source(name)
	if err != nil {
		return nil, err
	}
	return Parse(name+".yaml", src)
}
