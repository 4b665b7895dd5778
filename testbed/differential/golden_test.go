package differential

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "record what bmv2 answers to the first case of each corner program")

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

// What real bmv2 answered, once, the embedded target answers without it.
func TestCornersAsRecorded(t *testing.T) {
	var total tally
	for _, p := range corners() {
		t.Run(p.name, func(t *testing.T) {
			f, err := os.Open(filepath.Join("testdata", p.name+".golden"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, config := p.load(t)
			s := embedded(t)
			s.push(t, info, config)
			c := pair{t: t}
			lines := bufio.NewScanner(f)
			lines.Buffer(nil, 1<<20)
			n := 0
			for ; lines.Scan(); n++ {
				if n == 0 {
					continue // where it is from
				}
				var l line
				if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
					t.Fatalf("line %d: %v", n+1, err)
				}
				st, want, err := l.step()
				if err != nil {
					t.Fatalf("line %d: %v", n+1, err)
				}
				got := s.do(t, info, st, want)
				for _, d := range st.differences(got, want) {
					c.fault("line %d: %v: %s", n+1, st, d)
				}
				if st.write != nil {
					s.undo(t, st, got, want)
				}
				total.count(st, got)
			}
			if err := lines.Err(); err != nil || n < 100 {
				t.Fatalf("%d lines, %v", n, err)
			}
		})
	}
	t.Logf("%v as recorded of bmv2", total)
}
