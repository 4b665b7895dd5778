package embedded

import (
	"context"
	"time"

	"github.com/keyway-nve/keyway/controller/nva"
)

// authority is an NVA of a lab.
type authority struct {
	*nva.NVA
	world *World
}

const (
	settlePoll = 200 * time.Microsecond
	// settleWithin is how long the lab waits for a punt that got lost on its
	// way, because the session went down under it, before it goes on.
	settleWithin = 500 * time.Millisecond
)

// Settle implements [lab.Controller]: all that the devices have punted has been
// handled, all that they were sent has been forwarded, and their tables are as
// they should be.
func (a *authority) Settle(ctx context.Context) error {
	for patience := time.Now().Add(settleWithin); ; {
		quiet, err := a.quiet(ctx)
		if err != nil {
			return err
		}
		if quiet || time.Now().After(patience) {
			return a.InSync(ctx)
		}
		select {
		case <-time.After(settlePoll):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (a *authority) quiet(ctx context.Context) (bool, error) {
	for _, d := range a.Intent().Devices {
		if !d.Managed() {
			continue
		}
		s, err := a.world.at(d.P4Runtime.Address)
		if err != nil {
			return false, err
		}
		punted, err := s.punted(ctx)
		if err != nil {
			return false, err
		}
		if handled, sent := a.Handled(d.Name); handled < punted || s.injected() < sent {
			return false, nil
		}
	}
	return true, nil
}

// Counters implements [lab.Controller].
func (a *authority) Counters(context.Context) (map[string]uint64, error) {
	return a.NVA.Counters(), nil
}
