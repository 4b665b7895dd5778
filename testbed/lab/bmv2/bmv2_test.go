package bmv2_test

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/bmv2"
	"github.com/keyway-nve/keyway/testbed/lab/veth"
	"github.com/keyway-nve/keyway/testbed/netns"
	"github.com/keyway-nve/keyway/testbed/simpleswitch"
)

// The shipped labs meet all their expectations on bmv2, but for those on
// registers, which it has no way to read.
func TestShippedLabs(t *testing.T) {
	program, err := simpleswitch.Find(t.Context(), "")
	if errors.Is(err, simpleswitch.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lab.Shipped() {
		t.Run(name, func(t *testing.T) {
			l, err := lab.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			world := &bmv2.World{Program: program, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
			report := lab.Run(t.Context(), l, world, lab.Options{})
			for _, s := range report.Steps {
				if !s.OK {
					t.Errorf("step %q: %s", s.Name, s.Detail)
				}
				for _, c := range s.Checks {
					if c.Unreadable {
						t.Logf("step %q: %s is %s", s.Name, c.What, c.Have)
					}
				}
			}
		})
	}
}

// And so they do when frames go by network interfaces, in and out of a process
// in a namespace of its own.
func TestShippedLabsOnInterfaces(t *testing.T) {
	program, err := simpleswitch.Find(t.Context(), "")
	if errors.Is(err, simpleswitch.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lab.Shipped() {
		t.Run(name, func(t *testing.T) {
			l, err := lab.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			log := slog.New(slog.NewTextHandler(t.Output(), nil))
			panel, err := veth.NewPanel(veth.Options{Log: log})
			if errors.Is(err, netns.ErrNotPermitted) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer panel.Close()
			world := &bmv2.World{Program: program, Panel: panel, Log: log}
			report := lab.Run(t.Context(), l, world, lab.Options{Hosts: panel})
			for _, s := range report.Steps {
				t.Logf("%q %.2f s", s.Name, s.Seconds)
				if !s.OK {
					t.Errorf("step %q: %s", s.Name, s.Detail)
				}
			}
		})
	}
}
