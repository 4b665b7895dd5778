package differential

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/keyway-nve/keyway/p4"
)

var update = flag.Bool("update", false, "record what bmv2 answers to the first case of each program")

// golden is what was done to bmv2 and what it made of it.
type golden struct {
	t   *testing.T
	buf bytes.Buffer
}

func (g *golden) add(st step, a answer) {
	l, err := st.line(a)
	if err != nil {
		g.t.Fatal(err)
	}
	e := json.NewEncoder(&g.buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(l); err != nil {
		g.t.Fatal(err)
	}
}

// save writes the file, with a line that says where it is from.
func (g *golden) save(path, source string) {
	if g.t.Failed() {
		g.t.Logf("%s is left as it is", path)
		return
	}
	if err := os.WriteFile(path, append([]byte(source+"\n"), g.buf.Bytes()...), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

// What was compiled is what the sources say: testdata/Makefile keeps the digests
// of both.
func TestArtifactsMatchSources(t *testing.T) {
	b, err := os.ReadFile("testdata/sha256sums")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for l := range strings.Lines(string(b)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(l), "  ")
		listed[name] = sum
	}
	have, err := filepath.Glob("testdata/*.p4")
	if err != nil || len(have) != len(corners()) {
		t.Errorf("%d programs, %d corners, %v", len(have), len(corners()), err)
	}
	for _, path := range have {
		name := strings.TrimSuffix(filepath.Base(path), ".p4")
		for _, file := range []string{name + ".p4", name + ".json", name + ".p4info.txtpb", "include/corner.p4"} {
			text, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			if sum := fmt.Sprintf("%x", sha256.Sum256(text)); sum != listed[file] {
				t.Errorf("%s: digest %s, listed is %q: run make -C testdata", file, sum, listed[file])
			}
		}
	}
}

// subject is a program of which bmv2's answers are recorded.
type subject struct {
	name string
	load func(*testing.T) (*p4configv1.P4Info, []byte)
	// sources is the digest of what it was compiled from, if the digest is part
	// of what is recorded.
	sources func() (string, error)
}

func subjects() []subject {
	none := func() (string, error) { return "", nil }
	var out []subject
	for _, c := range corners() {
		out = append(out, subject{c.name, c.load, none})
	}
	for name, load := range map[string]func() (*p4.Program, error){"nve": p4.NVE, "transit": p4.Transit} {
		out = append(out, subject{name, func(t *testing.T) (*p4configv1.P4Info, []byte) { return program(t, load) }, p4.CompiledDigest})
	}
	return out
}

// source is the first line of a golden file.
func source(version, sources string) string {
	return strings.TrimSpace(fmt.Sprintf("bmv2 %s %s", version, sources))
}

// What real bmv2 answered, once, the embedded target answers without it.
func TestAsRecorded(t *testing.T) {
	var total tally
	for _, p := range subjects() {
		t.Run(p.name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata", p.name+".golden"))
			if err != nil {
				t.Fatal(err)
			}
			sources, err := p.sources()
			if err != nil {
				t.Fatal(err)
			}
			from, steps, _ := strings.Cut(string(b), "\n")
			if !strings.HasSuffix(from, sources) {
				t.Skipf("recorded was another version of the program (%s): where bmv2 is, run the tests of this package with -update", from)
			}
			info, config := p.load(t)
			s := embedded(t)
			s.push(t, info, config)
			c := pair{t: t}
			n := 1
			for text := range strings.Lines(steps) {
				n++
				var l line
				if err := json.Unmarshal([]byte(text), &l); err != nil {
					t.Fatalf("line %d: %v", n, err)
				}
				st, want, err := l.step()
				if err != nil {
					t.Fatalf("line %d: %v", n, err)
				}
				got := s.do(t, info, st, want)
				for _, d := range st.differences(got, want) {
					c.fault("line %d: %v: %s", n, st, d)
				}
				if st.write != nil {
					s.undo(t, st, got, want)
				}
				total.count(st, got)
			}
			if n < 100 {
				t.Errorf("%d lines only", n)
			}
		})
	}
	t.Logf("%v as recorded of bmv2", total)
}
