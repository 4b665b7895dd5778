package nva

import (
	"context"
	"slices"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/tables/transit"
)

// Sighting is one traced packet as a device saw it pass.
type Sighting struct {
	Device string // that saw it
	transit.PathTrace
}

// maxSightings bounds what is kept of path traces.
const maxSightings = 1024

// traces are the newest sightings: the i-th of all is at i modulo maxSightings.
type traces struct {
	seen  []Sighting
	total uint64
}

func (t *traces) add(s Sighting) {
	if len(t.seen) < maxSightings {
		t.seen = append(t.seen, s)
	} else {
		t.seen[t.total%maxSightings] = s
	}
	t.total++
}

func (t *traces) newest() []Sighting {
	oldest := int(t.total % maxSightings)
	if len(t.seen) < maxSightings {
		oldest = 0
	}
	return slices.Concat(t.seen[oldest:], t.seen[:oldest])
}

// digest returns the handler of a device's path traces.
func (n *NVA) digest(m *managed) func(context.Context, *p4v1.DigestList) {
	return func(_ context.Context, l *p4v1.DigestList) {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, data := range l.GetData() {
			var t transit.PathTrace
			if err := t.Decode(data); err != nil {
				n.log.Warn("digest", "device", m.Name(), "err", err)
				continue
			}
			n.traces.add(Sighting{m.Name(), t})
		}
	}
}

// Sightings returns the newest path traces, oldest first.
func (n *NVA) Sightings() []Sighting {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.traces.newest()
}
