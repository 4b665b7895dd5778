package capabilities

import (
	"embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/keyway-nve/keyway/proto/manifest"
)

//go:embed profiles/*.yaml
var profiles embed.FS

// ErrNoProfile reports a name that no shipped profile has.
var ErrNoProfile = errors.New("no such profile")

// Profile is the capability of a product, and where each statement in it comes from. See profiles/README.md.
type Profile struct {
	Title      string     `yaml:"title,required"`
	Sources    []Source   `yaml:"sources,required"`
	Capability Capability `yaml:"capability,required"`
}

// Source is one thing that a profile rests on.
type Source struct {
	// States is what the source says.
	States     string     `yaml:"states,required"`
	Confidence Confidence `yaml:"confidence,required"`
	// Reference is a document, or a file of source code with its revision. Interpretations and gaps have none.
	Reference string `yaml:"reference,omitempty"`
}

// Confidence is how far a statement of a profile can be relied on.
type Confidence uint8

const (
	// Verified was read in the source named, or measured.
	Verified Confidence = iota + 1
	// Excerpt was seen in a part of the source only.
	Excerpt
	// NotFound means that nothing public says it; the profile leaves it open.
	NotFound
	// Interpretation is our own reading.
	Interpretation
)

func confidences() word {
	return word{"confidence", []string{"", "verified", "excerpt", "not-found", "interpretation"}}
}

func (c Confidence) String() string { return confidences().text(uint8(c)) }

// MarshalText implements [encoding.TextMarshaler].
func (c Confidence) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads "verified", "excerpt", "not-found" or "interpretation".
func (c *Confidence) UnmarshalText(b []byte) error {
	v, err := confidences().parse(b)
	*c = Confidence(v)
	return err
}

// Profiles returns the names of the shipped profiles, in order.
func Profiles() []string {
	entries, err := profiles.ReadDir("profiles")
	if err != nil {
		return nil // the pattern above has matched
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	slices.Sort(names)
	return names
}

// ProfileSource returns the file of a shipped profile. The error wraps [ErrNoProfile].
func ProfileSource(name string) ([]byte, error) {
	src, err := profiles.ReadFile(path.Join("profiles", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("%w: %q; known are %s", ErrNoProfile, name, strings.Join(Profiles(), ", "))
	}
	return src, nil
}

// ShippedProfile returns a shipped profile. The error wraps [ErrNoProfile].
func ShippedProfile(name string) (Profile, error) {
	src, err := ProfileSource(name)
	if err != nil {
		return Profile{}, err
	}
	return ParseProfile(name+".yaml", src)
}

// ParseProfile reads a profile; messages call its source file. The error lists all that is wrong, see [manifest.Problems].
func ParseProfile(file string, src []byte) (Profile, error) {
	doc, err := manifest.Parse(file, src)
	if err != nil {
		return Profile{}, err
	}
	return profileFrom(doc)
}

// LoadProfile is ParseProfile for a file on disk.
func LoadProfile(file string) (Profile, error) {
	doc, err := manifest.Load(file)
	if err != nil {
		return Profile{}, err
	}
	return profileFrom(doc)
}

// FindProfile returns a shipped profile by its name, or one in a file, whose name has a dot or a slash.
func FindProfile(name string) (Profile, error) {
	if strings.ContainsAny(name, "./") {
		return LoadProfile(name)
	}
	return ShippedProfile(name)
}

func profileFrom(doc *manifest.Document) (Profile, error) {
	var p Profile
	doc.Decode(&p)
	for i, s := range p.Sources {
		cited := s.Confidence == Verified || s.Confidence == Excerpt
		if at := manifest.Index("sources", i) + ".reference"; cited != (s.Reference != "") {
			doc.Errorf(at, "a %v statement %s a reference", s.Confidence, map[bool]string{true: "has", false: "has not"}[cited])
		}
	}
	if doc.Has("capability") {
		p.Capability.Check(func(path, format string, args ...any) {
			doc.Errorf(manifest.Join("capability", path), format, args...)
		})
	}
	if err := doc.Err(); err != nil {
		return Profile{}, err
	}
	return p, nil
}

// YAML returns the capability as profiles and solve files have it.
func (c Capability) YAML() ([]byte, error) {
	b, err := yaml.MarshalWithOptions(c, yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("capability %s: %w", c.Name, err)
	}
	return b, nil
}

// ParseCapability reads a capability that stands alone, as [Capability.YAML] writes it. The error lists all that is wrong.
func ParseCapability(file string, src []byte) (Capability, error) {
	doc, err := manifest.Parse(file, src)
	if err != nil {
		return Capability{}, err
	}
	var c Capability
	doc.Decode(&c)
	c.Check(doc.Errorf)
	if err := doc.Err(); err != nil {
		return Capability{}, err
	}
	return c, nil
}
