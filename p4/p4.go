// Package p4 holds Keyway's data plane: the P4_16 sources, what p4c made of
// them for bmv2, and the way to both.
//
// The artifacts are committed, so nothing here needs p4c; `make -C p4` runs it
// where it is installed, and a test fails when sources and artifacts differ.
package p4

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"path"

	configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/protobuf/encoding/prototext"
)

//go:generate make

//go:embed *.p4 include/*.p4
var sources embed.FS

//go:embed *.p4info.txtpb *.json sources.sha256
var artifacts embed.FS

// A Program is what a device runs.
type Program struct {
	Name string
	// P4Info names and numbers the program's tables for P4Runtime.
	P4Info *configv1.P4Info
	// DeviceConfig is the bmv2 JSON, as bmv2 takes it in
	// ForwardingPipelineConfig.p4_device_config.
	DeviceConfig []byte
}

// NVE returns the network virtualization edge.
func NVE() (*Program, error) { return load("nve") }

// Transit returns the transit device.
func Transit() (*Program, error) { return load("transit") }

func load(name string) (*Program, error) {
	text, err := artifacts.ReadFile(name + ".p4info.txtpb")
	if err != nil {
		return nil, fmt.Errorf("p4 program %s: %w", name, err)
	}
	config, err := artifacts.ReadFile(name + ".json")
	if err != nil {
		return nil, fmt.Errorf("p4 program %s: %w", name, err)
	}
	info := new(configv1.P4Info)
	if err := prototext.Unmarshal(text, info); err != nil {
		return nil, fmt.Errorf("p4 program %s: P4Info: %w", name, err)
	}
	return &Program{Name: name, P4Info: info, DeviceConfig: config}, nil
}

// SourceDigest returns the digest of the sources that are compiled in: of every
// file's path, length and content, in path order.
func SourceDigest() (string, error) {
	h := sha256.New()
	for _, dir := range []string{".", "include"} {
		files, err := fs.ReadDir(sources, dir)
		if err != nil {
			return "", fmt.Errorf("p4 sources: %w", err)
		}
		for _, f := range files {
			if f.IsDir() {
				continue
			}
			name := path.Join(dir, f.Name())
			text, err := sources.ReadFile(name)
			if err != nil {
				return "", fmt.Errorf("p4 sources: %w", err)
			}
			fmt.Fprintf(h, "%s %d\n", name, len(text))
			h.Write(text)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// CompiledDigest returns the SourceDigest that the artifacts were made from.
func CompiledDigest() (string, error) {
	b, err := artifacts.ReadFile("sources.sha256")
	if err != nil {
		return "", fmt.Errorf("p4 artifacts: %w", err)
	}
	return string(b), nil
}
