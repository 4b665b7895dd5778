package render_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/controller/render"
)

// Names of a space have numbers of their own within its bounds, which they keep
// until they are recycled; a full space refuses, and says its bound.
func TestNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		space := render.Space{Name: "things", Max: rapid.Uint32Range(1, 8).Draw(t, "max")}
		var n render.Numbers
		model := make(map[string]uint32)
		var asked []string // since the last Begin
		round := n.Begin()
		t.Repeat(map[string]func(*rapid.T){
			"ask": func(t *rapid.T) {
				name := fmt.Sprint("name", rapid.IntRange(0, 12).Draw(t, "name"))
				v, err := n.Of(space, name)
				was, known := model[name]
				switch {
				case known && (err != nil || v != was):
					t.Fatalf("%s is %d, %v; it was %d", name, v, err, was)
				case known:
				case len(model) == int(space.Max):
					if !errors.Is(err, render.ErrNoNumber) {
						t.Fatalf("number %d, error %v from a full space", v, err)
					}
					return
				case err != nil || v < 1 || v > space.Max:
					t.Fatalf("%s: number %d, error %v", name, v, err)
				default:
					for other, number := range model {
						if number == v {
							t.Fatalf("%s and %s both have %d", name, other, v)
						}
					}
					model[name] = v
				}
				asked = append(asked, name)
			},
			"begin": func(*rapid.T) { round, asked = n.Begin(), nil },
			"recycle": func(*rapid.T) {
				n.Recycle(round)
				for name := range model {
					if !slices.Contains(asked, name) {
						delete(model, name)
					}
				}
			},
		})
	})
}

// Who asks in another order gets the same numbers, but for names whose digests
// meet.
func TestNumbersAreDigests(t *testing.T) {
	space := render.Space{Name: "things", Max: 65535}
	var up, down render.Numbers
	first := make(map[string]uint32)
	for i := range 100 {
		name := fmt.Sprint("name", i)
		first[name], _ = up.Of(space, name)
	}
	same := 0
	for i := range 100 {
		name := fmt.Sprint("name", 99-i)
		if v, err := down.Of(space, name); err == nil && v == first[name] {
			same++
		}
	}
	if same < 98 {
		t.Errorf("%d of 100 names have the same number", same)
	}
}

// The fleet's limits are the programs', not those of the fields that numbers
// stand in.
func TestNumbersRunOut(t *testing.T) {
	in := fabric(t)
	numbers := new(render.Numbers)
	for i := range 4094 {
		if _, err := numbers.Of(render.Space{Name: "nodes", Max: 4095}, fmt.Sprint("other", i)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := render.Device(render.Input{Intent: in, Numbers: numbers}, "leaf-a")
	if !errors.Is(err, render.ErrNoNumber) {
		t.Fatalf("error %v, want %v", err, render.ErrNoNumber)
	}
	if want := "device leaf-a: nodes: no number is left: there are 4095"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}
