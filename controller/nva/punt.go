package nva

import (
	"context"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/proto/nvgreext"
	"github.com/keyway-nve/keyway/tables/nve"
)

// packetIn returns the handler of what a device punts.
func (n *NVA) packetIn(m *managed) func(context.Context, *p4v1.PacketIn) {
	return func(ctx context.Context, in *p4v1.PacketIn) {
		var md nve.PacketIn // transit.p4 has the same header
		if err := md.Decode(in.GetMetadata()); err != nil {
			n.log.Warn("packet-in", "device", m.Name(), "err", err)
			n.mu.Lock()
			defer n.mu.Unlock()
			m.handled++
			n.n.malformedPunts++
			return
		}
		p := miss.Punt{
			Device: m.Name(),
			Reason: miss.Reason(md.Reason),
			Port:   md.IngressPort,
			Frame:  in.GetPayload(),
			At:     time.Now(),
		}
		port, frame, refresh := n.punt(m, p)
		if frame != nil {
			n.send(m, port, frame)
		}
		if refresh {
			n.refresh(ctx, m)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		m.handled++
	}
}

// punt decides about one packet. It returns a frame to send out of a port of the
// device, if any, and whether the intent should be asked for anew.
func (n *NVA) punt(m *managed, p miss.Punt) (port uint16, frame []byte, refresh bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.Reason == miss.NVGREExt {
		return 0, nil, n.receive(p)
	}
	a := n.responder.Respond(n.network, p)
	n.log.Info("miss", "device", p.Device, "reason", p.Reason, "outcome", a.Outcome,
		"peer", a.Peer, "vni", a.VNI, "mac", a.MAC, "target", a.Target)
	if a.Frame != nil {
		m.sent++ // before it can arrive
	}
	if peer := n.devices[a.Refresh.Device]; peer != nil {
		// No message will make the sender send elsewhere, but we can: its
		// tables are not as they should be, or are just being written.
		n.n.refreshes++
		n.logged(n.again(a.Refresh.Device))
		peer.Audit()
	}
	return a.Port, a.Frame, false
}

// send puts a frame out of a device's port. It waits for the device to take it.
func (n *NVA) send(m *managed, port uint16, frame []byte) {
	md, err := nve.PacketOut{EgressPort: port}.Encode()
	if err == nil {
		err = m.PacketOut(&p4v1.PacketOut{Payload: frame, Metadata: md})
	}
	if err != nil {
		n.log.Warn("packet-out", "device", m.Name(), "port", port, "err", err)
		n.mu.Lock()
		defer n.mu.Unlock()
		m.sent--
		n.n.unsent++
	}
}

// receive judges an NVGRE-EXT message. The lock is held.
func (n *NVA) receive(p miss.Punt) (refresh bool) {
	d := n.receiver.Receive(n.network, p)
	n.log.Info("message", "device", p.Device, "result", d.Result, "kind", d.Kind, "form", d.Form,
		"peer", d.Peer, "vni", d.Place.VNI, "mac", d.Place.MAC, "target", d.Override.To, "err", d.Err)
	switch d.Kind {
	case nvgreext.Redirect:
		n.n.redirects++
	case nvgreext.Unreachable:
		n.n.unreachables++
	}
	switch d.Action {
	case miss.Retarget, miss.Refresh:
		changed, err := n.overrides.Apply(d)
		if err != nil {
			n.log.Warn("redirect not followed", "device", p.Device, "err", err)
		}
		if changed {
			n.logged(n.again(p.Device))
			n.expireLater()
		}
	}
	return d.Action == miss.Refresh
}

// askWithin is how long the inventory may take to answer.
const askWithin = 10 * time.Second

// refresh asks where intents come from, and makes the device's tables what
// they should be by the answer, whatever they are now.
func (n *NVA) refresh(ctx context.Context, m *managed) {
	n.mu.Lock()
	n.n.refreshes++
	n.mu.Unlock()
	if n.o.Inventory != nil {
		if err := n.ask(ctx); err != nil {
			// The intent that we have stays; what is wrong is the inventory's.
			n.log.Warn("refreshing the intent", "err", err)
		}
	}
	m.Audit()
}

// ask asks the inventory, unless somebody does: who comes meanwhile asks after
// him.
func (n *NVA) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	select {
	case n.asking <- struct{}{}:
		defer func() { <-n.asking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	n.mu.Lock()
	sets := n.sets
	n.mu.Unlock()
	in, err := n.o.Inventory(ctx)
	if err != nil {
		return err
	}
	return n.set(in, &sets)
}

// expireLater arranges for the next override to end. The lock is held.
func (n *NVA) expireLater() {
	n.expiry = n.later(n.expiry, n.overrides.Next, func() {
		var devices []string
		for _, p := range n.overrides.Expire(time.Now()) {
			n.log.Info("redirect not confirmed: back to the intent", "device", p.Device, "vni", p.VNI, "mac", p.MAC)
			devices = append(devices, p.Device)
		}
		n.logged(n.again(devices...))
		n.expireLater()
	})
}

// Handled returns how many packet-ins of a device have been dealt with, and how
// many packet-outs it was sent. A testbed tells by them that all is done.
func (n *NVA) Handled(device string) (in, out uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if m := n.devices[device]; m != nil {
		return m.handled, m.sent
	}
	return 0, 0
}

// Overridden returns the redirects that are followed before the intent says so.
func (n *NVA) Overridden() map[miss.Place]miss.Override {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make(map[miss.Place]miss.Override)
	for p, o := range n.overrides.All() {
		out[p] = o
	}
	return out
}

// Intent returns the intent of now, with what follows from it filled in.
func (n *NVA) Intent() intent.Intent {
	n.mu.Lock()
	defer n.mu.Unlock()
	return *n.intent
}
