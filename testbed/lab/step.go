package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
	"github.com/keyway-nve/keyway/testbed/wire"
)

// trial is one step under way: what it has done, and what was so before.
type trial struct {
	step     Step
	before   intent.Intent
	streams  []*stream
	pings    []pinged
	counters map[string]Counters
	stats    map[string]Counters
	said     map[string]capabilities.Capability // by devices, before
	plans    []*layouts.Plan                    // by which they may send
}

// pinged is a Ping that was done.
type pinged struct {
	Ping
	id       uint16
	resolved bool
}

// step does a step and checks what is expected of it.
func (r *runner) step(ctx context.Context, s Step, report *StepReport) error {
	t := &trial{step: s, before: r.truth, said: r.said()}
	r.setTruth(after(r.truth, s))
	truth := r.truth
	r.seen.reset(&truth)
	for _, h := range r.hosts {
		h.reset()
	}
	var err error
	if t.counters, t.stats, err = r.counters(ctx, s.Expect); err != nil {
		return err
	}
	stop := r.keepSending(t)
	disturbed := make(chan error, 1)
	go func() { disturbed <- r.disturb(ctx, s.Disturb) }()
	err = r.act(ctx, t)
	if err = errors.Join(err, <-disturbed); err == nil && s.While != nil {
		err = sleep(ctx, whileAfter)
	}
	stop()
	if err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	if t.plans, err = r.plans(t); err != nil {
		return err
	}
	for deadline := time.Now().Add(r.options.Grace); ; {
		if err := r.judge(ctx, t, report); err != nil || report.OK || time.Now().After(deadline) {
			return err
		}
		if err := sleep(ctx, graceInterval); err != nil {
			return err
		}
		if err := r.settle(ctx); err != nil {
			return err
		}
	}
}

// Traffic of While is sent in this interval, and for this long after the action has come to its end.
const (
	whileInterval = 200 * time.Microsecond
	whileAfter    = 20 * time.Millisecond
	// whileInFlight is how many frames may be on the wires before less is sent: where they are dealt with more slowly than they come, they would
	// wait there for longer than an NVA believes that a packet can be under way.
	whileInFlight = 10
)

// done says what a step has done that is not seen on the wires.
func (r *runner) done(t *trial) string {
	s := t.step
	switch {
	case s.Move != nil:
		e, _ := t.before.Endpoint(s.Move.Endpoint)
		from := wire.End{Node: e.Device, Port: uint32(e.Port)}
		return fmt.Sprintf("%s from %v to %v%s", e.Name, from, s.Move.To, r.heard(s.Move.Tell))
	case s.Forget != nil:
		return fmt.Sprintf("%s is gone, as %s sees it", s.Forget.Endpoint, strings.Join(s.Forget.Authorities, " and "))
	case s.Tell != nil:
		return strings.Join(s.Tell.Authorities, " and ") + " in sync with the truth"
	case s.Update != nil:
		return "intent updated" + r.heard(s.Update.Tell) + s.Disturb.String()
	case s.Advertise != nil:
		var names []string
		for _, c := range s.Advertise {
			names = append(names, c.Name)
		}
		return strings.Join(names, " and ") + " can do something else now" + s.Disturb.String()
	case s.Fault != nil:
		return s.Fault.String()
	case s.Wait != 0:
		return fmt.Sprintf("%v have passed", s.Wait)
	}
	return strings.TrimPrefix(s.Disturb.String(), ", ")
}

// String says what has gone wrong.
func (d *Disturb) String() string {
	var s string
	if d != nil && d.Cut != nil {
		s = ", connections to " + strings.Join(d.Cut, " and ") + " cut"
	}
	if d != nil && d.Restart != nil {
		s += ", " + strings.Join(d.Restart, " and ") + " restarted"
	}
	return s
}

// disturb does what goes wrong in a step.
func (r *runner) disturb(ctx context.Context, d *Disturb) error {
	if d == nil {
		return nil
	}
	if err := sleep(ctx, d.After); err != nil {
		return err
	}
	for _, name := range d.Cut {
		if err := r.devices[name].Cut(); err != nil {
			return fmt.Errorf("device %s: %w", name, err)
		}
	}
	for _, name := range d.Restart {
		if err := r.restart(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// heard says who was told, unless there is only one to tell.
func (r *runner) heard(tell []string) string {
	names := told(r.lab.Authorities, tell)
	switch {
	case len(names) == 0:
		return ", nobody told"
	case len(r.lab.Authorities) == 1:
		return ", in sync"
	}
	return ", " + strings.Join(names, " and ") + " in sync"
}

// String says what the wire does from now on.
func (f Fault) String() string {
	if f.Down {
		return f.Wire + " is down"
	}
	var parts []string
	for _, x := range []struct {
		what    string
		numbers []uint64
	}{{"loses", f.Lose}, {"duplicates", f.Duplicate}, {"delays", f.Delay}} {
		if x.numbers != nil {
			parts = append(parts, fmt.Sprintf("%s frames %v", x.what, x.numbers))
		}
	}
	if parts == nil {
		return f.Wire + " loses nothing"
	}
	return f.Wire + " " + strings.Join(parts, ", ")
}

// keepSending sends the streams of While, in turn, until the function that it returns is called.
func (r *runner) keepSending(t *trial) (stop func()) {
	for _, x := range t.step.While {
		r.streams++
		s := newStream(r.streams, x, &t.before)
		s.count = 0
		t.streams = append(t.streams, s)
	}
	streams := t.streams
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(whileInterval)
		defer tick.Stop()
		for i := 0; len(streams) > 0; {
			if r.net.InFlight() <= whileInFlight {
				s := streams[i%len(streams)]
				r.hosts[s.from].send(s.frame(uint32(s.count)))
				s.count++
				i++
			}
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// act does what a step says. The truth has been changed already.
func (r *runner) act(ctx context.Context, t *trial) error {
	s := t.step
	switch {
	case s.Send != nil:
		return r.send(ctx, t)
	case s.Ping != nil:
		return r.ping(ctx, t)
	case s.Inject != nil:
		return r.inject(s)
	case s.Move != nil:
		e, _ := r.truth.Endpoint(s.Move.Endpoint)
		if err := errors.Join(r.net.Disconnect(e.Name), r.plug(e)); err != nil {
			return err
		}
		return r.tell(ctx, told(r.lab.Authorities, s.Move.Tell))
	case s.Forget != nil:
		for _, name := range s.Forget.Authorities {
			if err := r.show(ctx, name, without(r.views[name], s.Forget.Endpoint)); err != nil {
				return err
			}
		}
	case s.Tell != nil:
		return r.tell(ctx, s.Tell.Authorities)
	case s.Update != nil:
		return r.tell(ctx, told(r.lab.Authorities, s.Update.Tell))
	case s.Advertise != nil:
		for _, c := range s.Advertise {
			if err := r.devices[c.Name].Advertise(c); err != nil {
				return fmt.Errorf("device %s: %w", c.Name, err)
			}
		}
		if s.While != nil { // that meets all of the rollout
			return r.settleControllers(ctx)
		}
	case s.Fault != nil:
		f := s.Fault
		return r.net.SetFaults(f.Wire, wire.Faults{Down: f.Down, Lose: f.Lose, Duplicate: f.Duplicate, Delay: f.Delay})
	case s.Wait != 0:
		return sleep(ctx, s.Wait)
	}
	return nil
}

// send transmits all streams of a step, frame by frame in turn, so that they meet on the wires.
func (r *runner) send(ctx context.Context, t *trial) error {
	most := 0
	for _, x := range t.step.Send {
		r.streams++
		s := newStream(r.streams, x, &t.before)
		t.streams = append(t.streams, s)
		most = max(most, s.count)
	}
	for seq := range most {
		for i, s := range t.streams {
			if seq >= s.count {
				continue
			}
			r.hosts[s.from].send(s.frame(uint32(seq)))
			if t.step.Send[i].Settle {
				if err := r.settle(ctx); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// ping resolves each receiver, and then sends the echo requests.
func (r *runner) ping(ctx context.Context, t *trial) error {
	for _, p := range t.step.Ping {
		from, _ := r.truth.Endpoint(p.From)
		to, _ := r.truth.Endpoint(p.To)
		src, dst, _ := commonAddresses(from, to)
		h := r.hosts[p.From]
		h.resolve(src, dst)
		if err := r.settle(ctx); err != nil {
			return err
		}
		r.pings++
		done := pinged{Ping: p, id: r.pings, resolved: true}
		for seq := range max(p.Count, 1) {
			done.resolved = h.echo(src, dst, done.id, uint16(seq)) && done.resolved
		}
		t.pings = append(t.pings, done)
	}
	return nil
}

// inject puts frames on wires.
func (r *runner) inject(s Step) error {
	for _, x := range s.Inject {
		frame := []byte(x.Frame)
		if frame == nil {
			frame = slices.Clone(r.seen.replay(x.Wire, x.From))
			if frame == nil {
				return fmt.Errorf("no frame of %s was seen on wire %s that could be replayed", x.From, x.Wire)
			}
			for _, p := range x.Patch {
				if p.At+len(p.Bytes) > len(frame) {
					return fmt.Errorf("the frame has %d bytes, none at %d to patch", len(frame), p.At+len(p.Bytes)-1)
				}
				copy(frame[p.At:], p.Bytes)
			}
			if x.Cut > 0 {
				frame = frame[:min(x.Cut, len(frame))]
			}
		}
		w := r.wire(x.Wire)
		end := w.A
		if w.B.Node == x.From {
			end = w.B
		}
		for range max(x.Count, 1) {
			if err := r.net.Inject(end, frame, fmt.Sprintf("put here by the lab as if from %s: %s", x.From, s.Name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *runner) wire(name string) wire.Wire {
	for _, w := range r.net.Wires() {
		if w.Name == name {
			return w
		}
	}
	return wire.Wire{}
}

// counters reads the counters that a step has expectations on.
func (r *runner) counters(ctx context.Context, x Expect) (devices, authorities map[string]Counters, err error) {
	devices, authorities = map[string]Counters{}, map[string]Counters{}
	for name := range x.Counters {
		if devices[name], err = r.devices[name].Counters(ctx); err != nil {
			return nil, nil, fmt.Errorf("device %s: counters: %w", name, err)
		}
	}
	for name := range x.Authorities {
		values, err := r.controller(name).Counters(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("authority %s: counters: %w", name, err)
		}
		authorities[name] = Counters{Values: values}
	}
	return devices, authorities, nil
}
