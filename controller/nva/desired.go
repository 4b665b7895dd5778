package nva

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/tables"
)

// Apply makes in the intent, and returns when the tables of all managed
// devices hold it. An intent that is invalid, or that a device's program has no
// room for, changes nothing; the error has all reasons.
func (n *NVA) Apply(ctx context.Context, in intent.Intent) error {
	if err := n.Set(in); err != nil {
		return err
	}
	return n.InSync(ctx)
}

// Set makes in the intent and returns at once; the devices follow.
func (n *NVA) Set(in intent.Intent) error { return n.set(in, nil) }

// set makes in the intent unless there were others since so many.
func (n *NVA) set(in intent.Intent, since *uint64) error {
	if err := in.Validate(); err != nil {
		return err
	}
	in = in.Resolved()
	plan := n.settle(&in) // takes the lock
	defer n.mu.Unlock()
	if n.closed {
		return ErrClosed
	}
	if since != nil && *since != n.sets {
		n.log.Info("an intent that was asked for is outdated")
		return nil
	}
	if err := n.replace(&in, plan); err != nil {
		return err
	}
	n.sets++
	return nil
}

// replace replaces the intent with its layouts and renders all. The lock is held.
// Until all that can be refused has been accepted nothing changes.
func (n *NVA) replace(in *intent.Intent, plan *layouts.Plan) error {
	round := n.numbers.Begin()
	rendered, err := n.renderAll(in, plan)
	if err != nil {
		return err
	}
	fresh, err := n.dial(in)
	if err != nil {
		return err
	}
	n.sayExceptions(n.plan, plan)
	n.intent, n.plan, n.network, n.round = in, plan, miss.NewNetwork(in, &n.overrides), round
	n.current = n.version
	n.askAll(in)
	if n.sets == 0 && !n.holding && n.mustHold(in) {
		n.hold()
	}
	n.enlist(fresh)
	if n.holding {
		return nil
	}
	for name, entities := range rendered {
		n.fleet.Target(name, entities)
		if m := n.devices[name]; m.held != nil {
			n.fleet.Found(name, m.held)
			m.held = nil
		}
	}
	var ended []string // devices that follow the intent again
	for _, place := range n.overrides.Settle(n.network) {
		ended = append(ended, place.Device)
	}
	n.expireLater()
	return n.again(ended...)
}

// renderAll renders every device that is to be managed, and holds it against
// what the device's program has room for. The lock is held.
func (n *NVA) renderAll(in *intent.Intent, plan *layouts.Plan) (map[string][]render.Desired, error) {
	rendered := make(map[string][]render.Desired)
	var errs []error
	for _, d := range in.Devices {
		if !d.Managed() {
			continue
		}
		entities, err := n.render(in, plan, d.Name)
		if err == nil {
			if err = n.programs[d.Role].schema.Check(plain(entities)); err != nil {
				err = fmt.Errorf("device %s: %w", d.Name, err)
			}
		}
		errs = append(errs, err)
		rendered[d.Name] = entities
	}
	return rendered, errors.Join(errs...)
}

func plain(ds []render.Desired) []tables.Entity {
	out := make([]tables.Entity, len(ds))
	for i, d := range ds {
		out[i] = d.Entity
	}
	return out
}

func (n *NVA) render(in *intent.Intent, plan *layouts.Plan, name string) ([]render.Desired, error) {
	return render.Device(render.Input{
		Intent:    in,
		Layouts:   plan,
		Overrides: &n.overrides,
		Numbers:   &n.numbers,
		Options:   n.o.Render,
	}, name)
}

// stays reports whether the session with a device serves in, too.
func (m *managed) stays(in *intent.Intent) bool {
	d, ok := in.Device(m.spec.Name)
	return ok && d.P4Runtime == m.spec.P4Runtime && d.Role == m.spec.Role
}

// dial makes the devices that in has new, or at another place. The lock is held.
func (n *NVA) dial(in *intent.Intent) ([]*managed, error) {
	var fresh []*managed
	var errs []error
	for _, d := range in.Devices {
		if m := n.devices[d.Name]; !d.Managed() || m != nil && m.stays(in) {
			continue
		}
		m, err := n.make(d)
		if err != nil {
			errs = append(errs, fmt.Errorf("device %s: %w", d.Name, err))
			continue
		}
		fresh = append(fresh, m)
	}
	if len(errs) > 0 {
		for _, m := range fresh {
			errs = append(errs, m.Close())
		}
		return nil, errors.Join(errs...)
	}
	return fresh, nil
}

func (n *NVA) make(d intent.Device) (*managed, error) {
	m := &managed{spec: d, done: make(chan struct{})}
	var err error
	m.Device, err = n.o.Dial(d, device.Options{
		Session: p4rt.Options{
			Name:       d.Name,
			DeviceID:   d.P4Runtime.DeviceID,
			ElectionID: p4rt.ElectionID{Low: n.o.ElectionID},
			Pipeline:   n.programs[d.Role].pipeline,
			Log:        n.o.Log,
		},
		Audit:    n.o.Audit,
		PacketIn: n.packetIn(m),
		Digest:   n.digest(m),
		Found:    func(entities []tables.Entity) { n.found(m, entities) },
		Repair: func(diff device.Difference) {
			n.log.Warn("device differed from what it should hold", "device", d.Name, "kind", diff.Kind, "entity", diff.Text)
		},
	})
	return m, err
}

// enlist starts sessions with fresh devices, and ends those with devices that
// the intent has no more or at another place. The lock is held.
func (n *NVA) enlist(fresh []*managed) {
	for name, m := range n.devices {
		if m.stays(n.intent) {
			continue
		}
		m.stop()
		delete(n.devices, name)
		n.fleet.Forget(name)
		n.running.Go(func() {
			<-m.done
			if err := m.Close(); err != nil {
				n.log.Warn("closing a session", "device", name, "err", err)
			}
		})
	}
	for _, m := range fresh {
		n.devices[m.Name()] = m
		ctx, stop := context.WithCancel(n.ctx)
		m.stop = stop
		n.running.Go(func() { n.follow(ctx, m) })
		n.running.Go(func() {
			defer close(m.done)
			if err := m.Run(ctx); err != nil && ctx.Err() == nil {
				n.log.Error("session ended", "device", m.Name(), "err", err)
			}
		})
	}
}

// found takes what a device holds that this NVA has not programmed yet.
func (n *NVA) found(m *managed, entities []tables.Entity) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.devices[m.Name()] != m {
		return
	}
	if n.holding {
		m.held = entities
		return
	}
	n.fleet.Found(m.Name(), entities)
	n.logged(n.advance())
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
			switch m := n.devices[h.Device]; {
			case m == nil:
			case h.First:
				errs = append(errs, m.SetDesired(n.revision, h.Put))
			default:
				errs = append(errs, m.Apply(n.revision, h.Put, h.Remove))
			}
		}
	}
	if n.fleet.Settled() { // no device holds another number
		n.numbers.Recycle(n.round)
	}
	n.advanceLater()
	return errors.Join(errs...)
}

// advanceLater arranges for the fleet to advance when time has passed. The lock
// is held.
func (n *NVA) advanceLater() {
	n.drain = n.later(n.drain, n.fleet.Next, func() { n.logged(n.advance()) })
}

// later stops a timer, and returns one that does something at the next time, if
// there is one. The lock is held, also when it is done.
func (n *NVA) later(old *time.Timer, next func() (time.Time, bool), do func()) *time.Timer {
	if old != nil {
		old.Stop()
	}
	at, ok := next()
	if !ok || n.closed {
		return nil
	}
	return time.AfterFunc(time.Until(at), func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if !n.closed { // it may have been on its way here when it was stopped
			do()
		}
	})
}

// again renders some devices anew after a change of the overrides, and lets all
// advance. The lock is held.
func (n *NVA) again(names ...string) error {
	if n.holding {
		return nil
	}
	var errs []error
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if n.devices[name] == nil {
			continue
		}
		entities, err := n.render(n.intent, n.plan, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		n.fleet.Target(name, entities)
	}
	return errors.Join(append(errs, n.advance())...)
}

func (n *NVA) logged(err error) {
	if err != nil {
		n.log.Error("rollout", "err", err)
	}
}
