package differential

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/simpleswitch"
	"github.com/keyway-nve/keyway/testbed/stf"
)

// script reads the script of a corner program.
func (c corner) script(t *testing.T) *stf.Script {
	t.Helper()
	path := filepath.Join("testdata", c.name+".stf")
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := stf.Parse(path, string(src))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// play runs the script of a program over P4Runtime.
func (c corner) play(t *testing.T, s *side) {
	t.Helper()
	info, config := c.load(t)
	s.rounds = c.rounds
	s.push(t, info, config)
	s.left(t)
	r := stf.Remote{
		Client: s.client, Device: deviceID, Election: election(), Info: info,
		Process: func(port uint32, data []byte) (out []stf.Frame, err error) {
			for _, f := range s.process(t, frame{port, data}) {
				out = append(out, stf.Frame{Port: f.port, Data: f.data})
			}
			return out, nil
		},
	}
	if err := r.Run(t.Context(), c.script(t)); err != nil {
		t.Error(err)
	}
}

// What the corner programs do is what was worked out by hand from P4_16 and
// v1model: in the engine, in the embedded target and in bmv2.
func TestScripts(t *testing.T) {
	for _, c := range corners() {
		t.Run(c.name, func(t *testing.T) {
			t.Run("engine", func(t *testing.T) {
				_, config := c.load(t)
				p, err := engine.Load(config)
				if err != nil {
					t.Fatal(err)
				}
				if err := stf.NewBench(p, engine.Options{Now: func() time.Duration { return 0 }}).Run(c.script(t)); err != nil {
					t.Error(err)
				}
			})
			t.Run("embedded", func(t *testing.T) { c.play(t, embedded(t)) })
			t.Run("bmv2", func(t *testing.T) {
				bmv2, err := simpleswitch.Find(t.Context(), "")
				if errors.Is(err, simpleswitch.ErrNotFound) {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				c.play(t, reference(t, bmv2))
			})
		})
	}
}
