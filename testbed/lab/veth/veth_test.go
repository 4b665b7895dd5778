package veth_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/embedded"
	"github.com/keyway-nve/keyway/testbed/lab/veth"
	"github.com/keyway-nve/keyway/testbed/netns"
)

func panel(t testing.TB, o veth.Options) *veth.Panel {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	p, err := veth.NewPanel(o)
	if errors.Is(err, netns.ErrNotPermitted) || errors.Is(err, netns.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// The shipped labs meet all their expectations when every frame crosses network
// namespaces, as they do in memory.
func TestShippedLabs(t *testing.T) {
	for _, name := range lab.Shipped() {
		t.Run(name, func(t *testing.T) {
			l, err := lab.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			p := panel(t, veth.Options{})
			report := lab.Run(t.Context(), l, &veth.World{World: &embedded.World{}, Panel: p}, lab.Options{Hosts: p, Timeout: time.Minute})
			for _, s := range report.Steps {
				t.Logf("%q %.2f s", s.Name, s.Seconds)
				if !s.OK {
					t.Errorf("step %q: %s", s.Name, s.Detail)
				}
			}
			if len(report.Steps) != len(l.Scenario)+1 { // and bringing up
				t.Errorf("%d steps were run, the scenario has %d", len(report.Steps), len(l.Scenario))
			}
		})
	}
}
