package capabilities

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/proto/manifest"
)

// Question is all that Solve has to know, as a file states it.
type Question struct {
	Sender, Receiver Capability
	Path             Path
	Wanted           Wanted
}

// Solve answers the question.
func (q Question) Solve() (Layout, Explanation) { return Solve(q.Sender, q.Receiver, q.Path, q.Wanted) }

// deviceRef says what a device can do in one way or more; all that is said holds.
type deviceRef struct {
	// Name is that of the device in reasons; without it, that of the first of the others.
	Name string `yaml:"name"`
	// Profile is the name of a shipped profile.
	Profile string `yaml:"profile"`
	// File is a profile of the user's own, relative to the question's file.
	File string `yaml:"file"`
	// Program is one of the P4 programs that are shipped, nve or transit.
	Program    string      `yaml:"program"`
	Capability *Capability `yaml:"capability"`
}

type questionFile struct {
	Sender   deviceRef `yaml:"sender,required"`
	Receiver deviceRef `yaml:"receiver,required"`
	Path     struct {
		Path
		Transit []deviceRef `yaml:"transit"`
	} `yaml:"path"`
	Wanted Wanted `yaml:"wanted,required"`
}

// LoadQuestion reads a question from a file. The error lists all that is wrong with it: see [manifest.Problems].
func LoadQuestion(file string) (Question, error) {
	doc, err := manifest.Load(file)
	if err != nil {
		return Question{}, err
	}
	return questionFrom(doc, filepath.Dir(file))
}

// ParseQuestion reads a question whose source messages call file. Profiles in files are looked for in dir.
func ParseQuestion(file, dir string, src []byte) (Question, error) {
	doc, err := manifest.Parse(file, src)
	if err != nil {
		return Question{}, err
	}
	return questionFrom(doc, dir)
}

func questionFrom(doc *manifest.Document, dir string) (Question, error) {
	var f questionFile
	doc.Decode(&f)
	c := questionCheck{doc: doc, dir: dir}
	q := Question{Path: f.Path.Path, Wanted: f.Wanted}
	if doc.Has("sender") {
		q.Sender = c.device("sender", f.Sender, false)
	}
	if doc.Has("receiver") {
		q.Receiver = c.device("receiver", f.Receiver, false)
	}
	for i, t := range f.Path.Transit {
		q.Path.Transit = append(q.Path.Transit, c.device(manifest.Index("path.transit", i), t, true))
	}
	q.Path = q.Path.orDefault()
	if q.Path.Encapsulation > NVGRE {
		doc.Errorf("path.encapsulation", "want geneve or nvgre")
	}
	c.wanted(q.Wanted, q.Path)
	if err := doc.Err(); err != nil {
		return Question{}, err
	}
	return q, nil
}

type questionCheck struct {
	doc *manifest.Document
	dir string
}

func (c *questionCheck) device(at string, ref deviceRef, transit bool) Capability {
	var all []Capability
	add := func(field string, f Capability, err error) {
		if err != nil {
			c.doc.Errorf(manifest.Join(at, field), "%v", err)
			return
		}
		all = append(all, f)
	}
	if ref.Capability != nil {
		ref.Capability.Check(func(path, format string, args ...any) {
			c.doc.Errorf(manifest.Join(manifest.Join(at, "capability"), path), format, args...)
		})
		all = append(all, *ref.Capability)
	}
	if ref.Program != "" {
		p, err := programCapability(ref.Program)
		add("program", p, err)
	}
	if ref.Profile != "" {
		p, err := ShippedProfile(ref.Profile)
		add("profile", p.Capability, err)
	}
	if ref.File != "" {
		file := ref.File
		if !filepath.IsAbs(file) {
			file = filepath.Join(c.dir, file)
		}
		p, err := LoadProfile(file)
		add("file", p.Capability, err)
	}
	if len(all) == 0 {
		if ref.Profile == "" && ref.File == "" && ref.Program == "" {
			c.doc.Errorf(at, "has none of capability, program, profile and file")
		}
		return Capability{}
	}
	out := all[0]
	for _, f := range all[1:] {
		out = Intersect(out, f)
	}
	if ref.Name != "" {
		out.Name = ref.Name
	}
	if (out.Role == RoleTransit) != transit && out.Role != 0 {
		c.doc.Errorf(at, "%s is %v, which cannot be %s", out.Name, out.Role, map[bool]string{true: "on the way", false: "an end of a tunnel"}[transit])
	}
	return out
}

// programCapability derives a capability from one of the programs that are shipped.
func programCapability(name string) (Capability, error) {
	var program *p4.Program
	var err error
	switch name {
	case "nve":
		program, err = p4.NVE()
	case "transit":
		program, err = p4.Transit()
	default:
		return Capability{}, fmt.Errorf("no program is named %q: want nve or transit", name)
	}
	if err != nil {
		return Capability{}, err
	}
	return FromP4Info(name, program.P4Info)
}

func (c *questionCheck) wanted(w Wanted, path Path) {
	if len(w.Options) > MaxWanted {
		c.doc.Errorf("wanted.options", "%d options are wanted, and %d at most can be", len(w.Options), MaxWanted)
	}
	for i, o := range w.Options {
		at := manifest.Index("wanted.options", i)
		switch first := slices.IndexFunc(w.Options, func(p WantedOption) bool { return p.Name == o.Name }); {
		case o.Name == "":
			c.doc.Errorf(at+".name", "is empty")
		case first < i:
			c.doc.Errorf(at+".name", "options[%d] is %s already", first, o.Name)
		}
		if o.Required && o.Weight > 0 {
			c.doc.Errorf(at+".weight", "what is required has no weight")
		}
		if o.Required && o.ByOverride {
			c.doc.Errorf(at+".byOverride", "what is required is sent everywhere")
		}
		if len(o.Words) > int(o.Type.Len) {
			c.doc.Errorf(at+".words", "%d words are described, and the option has %d", len(o.Words), o.Type.Len)
		}
	}
	if w.TenantMTU > 0 && path.MTU == 0 {
		c.doc.Errorf("wanted.tenantMtu", "needs path.mtu")
	}
	if w.Override == nil {
		return
	}
	for i, name := range *w.Override {
		at := manifest.Index("wanted.override", i)
		if !slices.ContainsFunc(w.Options, func(o WantedOption) bool { return o.Name == name }) {
			c.doc.Errorf(at, "no option is named %q", name)
		}
		if slices.Index(*w.Override, name) < i {
			c.doc.Errorf(at, "%s is listed twice", name)
		}
	}
}
