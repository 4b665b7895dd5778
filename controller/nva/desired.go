package nva

import (
	"errors"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/tables"
)

// renderAll renders every device that is to be managed. The lock is held.
func (n *NVA) renderAll(in *intent.Intent) (map[string][]tables.Entity, error) {
	rendered := make(map[string][]tables.Entity)
	var errs []error
	for _, d := range in.Devices {
		if !d.Managed() {
			continue
		}
		entities, err := n.render(in, d.Name)
		if err != nil {
			errs = append(errs, err)
		}
		rendered[d.Name] = entities
	}
	return rendered, errors.Join(errs...)
}

func (n *NVA) render(in *intent.Intent, name string) ([]tables.Entity, error) {
	return render.Device(render.Input{
		Intent:    in,
		Overrides: &n.overrides,
		Numbers:   &n.numbers,
		Options:   n.o.Render,
	}, name)
}

// hand gives devices their desired state under a new revision. The lock is
// held.
func (n *NVA) hand(rendered map[string][]tables.Entity) error {
	n.revision++
	var errs []error
	for name, entities := range rendered {
		if m := n.devices[name]; m != nil {
			errs = append(errs, m.SetDesired(n.revision, entities))
		}
	}
	// A device that was not rendered is up to date as it is: nothing of it has
	// changed. Its watermark follows.
	for name, m := range n.devices {
		if _, ok := rendered[name]; !ok {
			errs = append(errs, m.Apply(n.revision, nil, nil))
		}
	}
	return errors.Join(errs...)
}

// again renders some devices anew after a change of the overrides. The lock is
// held.
func (n *NVA) again(names ...string) {
	rendered := make(map[string][]tables.Entity)
	for _, name := range names {
		if n.devices[name] == nil {
			continue
		}
		entities, err := n.render(n.intent, name)
		if err != nil {
			n.log.Error("rendering", "device", name, "err", err)
			continue
		}
		rendered[name] = entities
	}
	if len(rendered) == 0 {
		return
	}
	if err := n.hand(rendered); err != nil {
		n.log.Error("handing over the desired state", "err", err)
	}
}
