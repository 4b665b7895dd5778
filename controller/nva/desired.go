package nva

import (
	"errors"
	"time"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/render"
)

// renderAll renders every device that is to be managed. The lock is held.
func (n *NVA) renderAll(in *intent.Intent) (map[string][]render.Desired, error) {
	rendered := make(map[string][]render.Desired)
	var errs []error
	for _, d := range in.Devices {
		if !d.Managed() {
			continue
		}
		entities, err := n.render(in, d.Name)
		errs = append(errs, err)
		rendered[d.Name] = entities
	}
	return rendered, errors.Join(errs...)
}

func (n *NVA) render(in *intent.Intent, name string) ([]render.Desired, error) {
	return render.Device(render.Input{
		Intent:    in,
		Overrides: &n.overrides,
		Numbers:   &n.numbers,
		Options:   n.o.Render,
	}, name)
}

// advance hands devices what they may hold by now. The lock is held.
func (n *NVA) advance() error {
	var errs []error
	for {
		hands := n.fleet.Advance(n.revision+1, time.Now())
		if len(hands) == 0 {
			break
		}
		n.revision++
		for _, h := range hands {
			if m := n.devices[h.Device]; m != nil {
				errs = append(errs, m.SetDesired(n.revision, h.Entities))
			}
		}
	}
	n.advanceLater()
	return errors.Join(errs...)
}

// advanceLater arranges for the fleet to advance when time has passed. The lock
// is held.
func (n *NVA) advanceLater() {
	if n.drain != nil {
		n.drain.Stop()
		n.drain = nil
	}
	next, ok := n.fleet.Next()
	if !ok || n.closed {
		return
	}
	n.drain = time.AfterFunc(time.Until(next), func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if err := n.advance(); err != nil {
			n.log.Error("rollout", "err", err)
		}
	})
}

// again renders some devices anew after a change of the overrides. The lock is
// held.
func (n *NVA) again(names ...string) {
	for _, name := range names {
		if n.devices[name] == nil {
			continue
		}
		entities, err := n.render(n.intent, name)
		if err != nil {
			n.log.Error("rendering", "device", name, "err", err)
			continue
		}
		n.fleet.Target(name, entities)
	}
	if err := n.advance(); err != nil {
		n.log.Error("rollout", "err", err)
	}
}
