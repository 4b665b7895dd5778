package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyway-nve/keyway/proto/nvgreext"
)

// missTimeout is how long a REDIRECT may take before it counts as lost.
const missTimeout = 5 * time.Second

// misses measures the time from an NVGRE frame for an endpoint that has moved,
// at a port of the NVE, to the REDIRECT out of it: through the pipeline, over
// P4Runtime, the controller's decision, and back.
func misses(ctx context.Context, r *runner) (err error) {
	w, err := newNetwork(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	a, b := w.switches["a"], w.switches["b"]
	tenant, err := tenantFrame("red-b", "red-a")
	if err != nil {
		return err
	}
	frame, err := b.through(257, tenant)
	if err != nil {
		return err
	}
	redirects := make(chan error, 1)
	a.onOutput(func(_ uint32, out []byte) {
		var m nvgreext.Message
		err := m.Decode(out, 0)
		if err == nil && m.Kind != nvgreext.Redirect {
			err = fmt.Errorf("%v instead of a REDIRECT", m.Kind)
		}
		redirects <- err
	})
	const innerDestination = 14 + 20 + 8 // behind Ethernet, IPv4 and GRE
	var samples []time.Duration
	for i := range strays {
		m := stray(i)
		copy(frame[innerDestination:], m[:])
		start := time.Now()
		a.Inject(1, frame)
		select {
		case err := <-redirects:
			if err != nil {
				return err
			}
		case <-time.After(missTimeout):
			return fmt.Errorf("no REDIRECT for miss %d within %v", i, missTimeout)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		samples = append(samples, time.Since(start))
	}
	r.latency("miss to REDIRECT", "moved endpoint, NVGRE over IPv4", samples)
	return nil
}
