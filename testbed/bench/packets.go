package bench

import (
	"context"
	"errors"
)

// packets measures the P4 programs, one packet at a time on one core.
func packets(ctx context.Context, r *runner) (err error) {
	w, err := newNetwork(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	a, b, spine := w.switches["a"], w.switches["b"], w.switches["spine"]
	const (
		underlay = 1
		blue     = 256
		red      = 257
	)
	type step struct {
		name  string
		sw    *sw
		port  uint32
		frame []byte
	}
	var steps []step
	// Each pair sends through one switch what it then measures at the next.
	add := func(name string, s *sw, port uint32, frame []byte) ([]byte, error) {
		steps = append(steps, step{name, s, port, frame})
		out, err := s.through(port, frame)
		if err != nil {
			return nil, errors.Join(errors.New(name), err)
		}
		return out, nil
	}
	for _, way := range []struct {
		from, to         string
		sender, receiver *sw
		port             uint32
		send, receive    string
		transit          string
	}{
		{"blue-b", "blue-a", b, a, blue, "Geneve send, 2 options", "Geneve receive, 2 options", ""},
		{"blue-a", "blue-b", a, b, blue, "Geneve send, 3 options", "Geneve receive, 3 options", "Geneve transit, 3 options"},
		{"red-a", "red-b", a, b, red, "NVGRE send", "NVGRE receive", "NVGRE transit"},
	} {
		frame, err := tenantFrame(way.from, way.to)
		if err != nil {
			return err
		}
		tunnelled, err := add(way.send, way.sender, way.port, frame)
		if err != nil {
			return err
		}
		if way.transit != "" {
			if _, err := add(way.transit, spine, underlay, tunnelled); err != nil {
				return err
			}
		}
		if _, err := add(way.receive, way.receiver, underlay, tunnelled); err != nil {
			return err
		}
	}
	for _, s := range steps {
		err := r.rate(ctx, "packets", s.name, 1, func() error {
			s.sw.Inject(s.port, s.frame)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
