package nva

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
)

// asked is a device that is asked what it can do with options.
type asked struct {
	name, address string
	client        *gnmi.Client
	stop          context.CancelFunc
	done          chan struct{}
	// state is what it has said last, if reported is set.
	state    gnmi.State
	reported bool
	// last is what it could do when it last said so: what it says of itself
	// stands until it says something else.
	last *capabilities.Capability
}

// askAll follows the devices that in says can be asked, and no others. What a
// device has said stands while it is at another address. The lock is held.
func (n *NVA) askAll(in *intent.Intent) {
	stays := make(map[string]bool)
	for _, d := range in.Devices {
		stays[d.Name] = d.GNMI != ""
	}
	for name, a := range n.asked {
		if !stays[name] {
			n.quit(a)
			delete(n.asked, name)
			n.withdraw(name)
		}
	}
	for _, d := range in.Devices {
		if d.GNMI == "" {
			continue
		}
		before := n.asked[d.Name]
		if before != nil && before.address == d.GNMI {
			continue
		}
		client, err := n.o.Ask(d)
		if err != nil {
			n.log.Error("a device cannot be asked", "device", d.Name, "gnmi", d.GNMI, "err", err)
			continue
		}
		a := &asked{name: d.Name, address: d.GNMI, client: client, done: make(chan struct{})}
		if before != nil {
			a.last = before.last
			n.quit(before)
		}
		n.asked[d.Name] = a
		ctx, stop := context.WithCancel(n.ctx)
		a.stop = stop
		n.running.Go(func() {
			defer close(a.done)
			// It returns why the context ended.
			_ = client.Watch(ctx, func(s gnmi.State) { n.heard(a, s) })
		})
	}
}

// quit ends asking. The lock is held.
func (n *NVA) quit(a *asked) {
	a.stop()
	n.running.Go(func() {
		<-a.done
		if err := a.client.Close(); err != nil {
			n.log.Warn("closing a gNMI connection", "device", a.name, "err", err)
		}
	})
}

// heard takes what a device has said, or that it says no more.
func (n *NVA) heard(a *asked, s gnmi.State) {
	s.Capability.Name = a.name
	if s.Answer == gnmi.Supported && n.o.Serve != nil { // which takes some milliseconds
		if err := n.o.Serve.Put(a.name, s.Capability); err != nil {
			n.log.Error("serving a capability", "device", a.name, "err", err)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.asked[a.name] != a || n.closed {
		if n.asked[a.name] == nil {
			n.withdraw(a.name)
		}
		return
	}
	a.state, a.reported = s, true
	before := a.last
	switch s.Answer {
	case gnmi.Supported:
		a.last = &s.Capability
	case gnmi.Unsupported: // it was another device that said something else
		a.last = nil
		n.withdraw(a.name)
	}
	if s.Err != nil {
		n.log.Warn("capability", "device", a.name, "answer", s.Answer, "stale", s.Stale, "err", s.Err)
	}
	if n.holding && !n.mustHold(n.intent) || !reflect.DeepEqual(before, a.last) {
		n.settleAgain()
	}
}

// withdraw takes a device away from those of which the NVA itself serves something.
func (n *NVA) withdraw(name string) {
	if n.o.Serve != nil {
		_ = n.o.Serve.Remove(name) // it may not have been there
	}
}

// mustHold reports whether in has to wait for devices to say what they can do.
// One of another authority may say nothing before that has given it a program, and
// the other may wait for ours; so of such a one any word will do. The lock is held.
func (n *NVA) mustHold(in *intent.Intent) bool {
	return slices.ContainsFunc(in.Devices, func(d intent.Device) bool {
		a := n.asked[d.Name]
		return a != nil && a.last == nil && a.state.Answer == gnmi.Untold && (d.Managed() || !a.reported)
	})
}

// told is what devices have said of themselves. The lock is held.
func (n *NVA) told() map[string]capabilities.Capability {
	told := make(map[string]capabilities.Capability)
	for name, a := range n.asked {
		if a.last != nil {
			told[name] = *a.last
		}
	}
	return told
}

// settle settles the layouts of an intent, and takes the lock: with what devices
// have told by then. It is not held while the solver works.
func (n *NVA) settle(in *intent.Intent) *layouts.Plan {
	for {
		n.mu.Lock()
		version, told := n.version, n.told()
		n.mu.Unlock()
		plan := layouts.Settle(layouts.Input{Intent: in, Program: n.program, Told: told, MTU: n.o.Render.MTU()})
		n.mu.Lock()
		if version == n.version {
			return plan
		}
		n.mu.Unlock()
	}
}

// settleAgain has the layouts settled anew. The lock is held.
func (n *NVA) settleAgain() {
	n.version++
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// resettle settles the layouts anew whenever a device has said something new.
func (n *NVA) resettle() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.wake:
		}
		n.mu.Lock()
		in := n.intent
		n.mu.Unlock()
		plan := n.settle(in)             // takes the lock
		if in == n.intent && !n.closed { // else who made in the newer one has settled it
			if n.holding && !n.mustHold(in) {
				n.release()
			}
			if err := n.replace(in, plan); err != nil {
				n.log.Error("the layouts stay as they were", "err", err)
				n.current = n.version
			}
		}
		n.movedOn()
		n.mu.Unlock()
	}
}

// hold has the first intent wait until the devices have said what they can do: a
// controller that starts anew would otherwise first take from them what it does
// not know of yet. The lock is held.
func (n *NVA) hold() {
	n.holding = true
	n.patience = time.AfterFunc(n.o.AskWithin, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.holding && !n.closed {
			n.log.Warn("going on without devices that do not say what they can do", "devices", n.untold())
			n.release()
			n.settleAgain()
		}
	})
}

// release ends the hold. The lock is held.
func (n *NVA) release() {
	n.holding = false
	n.patience.Stop()
}

// untold are the devices that are asked and have never answered, by name. The
// lock is held.
func (n *NVA) untold() []string {
	var names []string
	for name, a := range n.asked {
		if a.last == nil && a.state.Answer == gnmi.Untold {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Capability is what the NVA knows of a device from itself.
type Capability struct {
	Device string
	// State is the newest; its capability is the last that the device has told.
	gnmi.State
}

// Capabilities returns what is known of each device that can be asked, by name.
func (n *NVA) Capabilities() []Capability {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []Capability
	for _, name := range slices.Sorted(maps.Keys(n.asked)) {
		out = append(out, Capability{name, n.asked[name].known()})
	}
	return out
}

// known is the newest state, with what the device has told before it came to its
// address, if that is all there is.
func (a *asked) known() gnmi.State {
	s := a.state
	if a.last != nil {
		s.Capability = *a.last
		if s.Answer == gnmi.Untold {
			s.Answer, s.Stale = gnmi.Supported, true
		}
	}
	return s
}

// Layouts returns what NVEs send to each other by now, as settled.
func (n *NVA) Layouts() *layouts.Plan {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.plan
}

// maxSaid bounds the exceptions that are logged at a time.
const maxSaid = 20

// sayExceptions logs what a new plan has not as one might wish and the old one had.
func (n *NVA) sayExceptions(before, after *layouts.Plan) {
	old := make(map[layouts.Exception]bool)
	for _, x := range before.Exceptions() {
		old[x] = true
	}
	said := 0
	for _, x := range after.Exceptions() {
		if old[x] {
			continue
		}
		if said++; said > maxSaid {
			n.log.Warn("and more pairs of NVEs that do not have what would be best for them")
			return
		}
		why, _ := after.Because(x)
		n.log.Warn("layout", "sender", x.Sender, "receiver", x.Receiver, "pairs", x.Pairs, "is", x.Trouble, "why", why)
	}
}
