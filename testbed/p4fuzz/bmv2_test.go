package p4fuzz

import (
	"errors"
	"testing"

	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/testbed/simpleswitch"
)

// TestBMv2 fuzzes bmv2, if it is on PATH, for as long as the embedded server. It
// shows that the oracle has what two servers have that nobody wrote together,
// and that [BMv2] has the rest. The program of the server's own tests is not for
// bmv2: PI does not import its digest, which has an int<7>.
func TestBMv2(t *testing.T) {
	program, err := simpleswitch.Find(t.Context(), "")
	if errors.Is(err, simpleswitch.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, load := range map[string]func() (*p4.Program, error){"nve": p4.NVE, "transit": p4.Transit} {
		t.Run(name, func(t *testing.T) {
			s, err := program.Start(t.Context(), simpleswitch.Options{DeviceID: *deviceID, CPUPort: 510})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			conn, err := s.Dial(grpc.WithMaxHeaderListSize(maxTrailers))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			report, err := Run(t.Context(), conn, Options{DeviceID: *deviceID, Config: configOf(t, load), Seed: *seed, For: *duration / 2,
				OneByOne: true, NoConfigs: true, Deviations: BMv2()})
			t.Logf("%v", report)
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
