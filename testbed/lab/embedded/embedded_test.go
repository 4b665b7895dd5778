package embedded_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/embedded"
)

// The shipped labs meet all their expectations on the embedded target.
func TestShippedLabs(t *testing.T) {
	for _, name := range lab.Shipped() {
		t.Run(name, func(t *testing.T) {
			l, err := lab.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			log := slog.New(slog.DiscardHandler)
			if os.Getenv("KEYWAY_LAB_LOG") != "" {
				log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
			}
			report := lab.Run(t.Context(), l, &embedded.World{Log: log}, lab.Options{PcapDir: t.TempDir()})
			for _, s := range report.Steps {
				if s.OK {
					t.Logf("ok   %s: %s", s.Name, s.Detail)
				} else {
					t.Errorf("FAIL %s: %s", s.Name, s.Detail)
				}
			}
		})
	}
}
