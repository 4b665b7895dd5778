package bmv2

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/nvgre"
	"github.com/keyway-nve/keyway/testbed/afpacket"
	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/veth"
	"github.com/keyway-nve/keyway/testbed/simpleswitch"
)

// ports are the network interfaces of a process, seen from the other end.
type ports struct {
	veth.Ports
	conns    []*afpacket.Conn
	messages atomic.Uint64 // NVGRE-EXT messages that have left
	unpaced  bool
	since    int // frames since the last wait
}

// plug makes the interfaces and tells the process of them.
func (w *World) plug(spec lab.DeviceSpec, transmit func(uint32, []byte), o *simpleswitch.Options) (*ports, error) {
	p := &ports{unpaced: w.Unpaced}
	ns, err := w.Panel.Namespace(spec.Name)
	if err != nil {
		return nil, err
	}
	p.Ports, err = w.Panel.PlugDevice(spec, func(port uint32, frame []byte) {
		transmit(port, frame)
		if isMessage(frame) {
			p.messages.Add(1)
		}
	})
	if err != nil {
		return nil, err
	}
	p.conns = p.Conns()
	o.Output, o.Run = nil, ns.Run
	o.Interfaces = make(map[uint32]string, len(spec.Ports))
	for _, n := range spec.Ports {
		o.Interfaces[n] = veth.PortName(n)
	}
	return p, nil
}

// isMessage reports whether a frame is an NVGRE-EXT message.
func isMessage(frame []byte) bool {
	var eth ethernet.Header
	rest, err := eth.Decode(frame)
	if err != nil {
		return false
	}
	var protocol ip.Protocol
	var src netip.Addr
	switch eth.Type {
	case ethernet.TypeIPv4:
		var h ip.V4
		rest, err = h.Decode(rest)
		protocol, src = h.Protocol, h.Src
	case ethernet.TypeIPv6:
		var h ip.V6
		rest, err = h.Decode(rest)
		protocol, src = h.NextHeader, h.Src
	}
	if err != nil || !src.IsValid() || protocol != ip.ProtocolGRE {
		return false
	}
	var h nvgre.Header
	_, err = h.Decode(rest)
	return err == nil && h.VSID == nvgre.Control
}

// wired is a device whose frames go by network interfaces.
type wired struct {
	*device
	ports *ports
}

// window is how many frames may be on their way into a process at once: the
// queue of a port takes 64 frames, and a frame has a few replicas.
const window = 16

// Receive implements [lab.Device].
func (w *wired) Receive(port uint32, frame []byte) {
	if w.ports.since++; w.ports.since > window && !w.ports.unpaced {
		w.ports.since = 0
		_ = w.Switch.Settle(context.Background()) // Settle says why it ended
	}
	w.ports.Receive(port, frame)
}

// Settle implements [lab.Device].
func (w *wired) Settle(ctx context.Context) error {
	return errors.Join(veth.Settle(ctx, w.ports.conns...), w.Switch.Settle(ctx), veth.Settle(ctx, w.ports.conns...))
}

// PacketOuts implements [authority.Device]. The process does not say which of
// the frames that leave it an NVA has sent out; but NVGRE-EXT messages are all
// that an NVA sends, and no NVE forwards those of others.
func (w *wired) PacketOuts() uint64 { return w.ports.messages.Load() }
