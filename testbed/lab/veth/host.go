package veth

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/testbed/afpacket"
	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/netns"
)

// Interface is the name of a host's interface.
const Interface = "eth0"

// overhead is what a tunnel adds to a tenant's IP packet at most: IPv6, UDP and Geneve headers, a full window of options, and the inner Ethernet
// header. Options that are used today may be others tomorrow, while a host that is up keeps its MTU.
const overhead = 40 + 8 + 8 + optionWindow + 14

// optionWindow is the size of the programs' window in bytes.
const optionWindow = 64

// Guest is a host that is not the lab's own.
type Guest struct {
	Endpoint  string       `json:"endpoint"`
	Namespace string       `json:"namespace"`
	MAC       ethernet.MAC `json:"mac"`
	Addresses []netip.Addr `json:"addresses"`
	MTU       int          `json:"mtu"`
}

// Guests returns the hosts that are not the lab's own, in the order in which they were started.
func (p *Panel) Guests() []Guest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.guests)
}

// StartHost implements [lab.Hosts].
func (p *Panel) StartHost(_ context.Context, spec lab.HostSpec, transmit func(frame []byte)) (lab.Host, error) {
	e := spec.Endpoint
	ns, err := p.Namespace(e.Name)
	if err != nil {
		return nil, err
	}
	i := netns.Interface{Namespace: ns, Name: Interface, MAC: e.MAC, MTU: MTU}
	if spec.Receive == nil {
		return p.startGuest(i, spec, transmit)
	}
	outside, err := p.Plug(i, transmit)
	if err != nil {
		return nil, err
	}
	inside, err := p.open(i)
	if err != nil {
		return nil, err
	}
	p.serve(inside, spec.Receive, nil)
	return &own{outside: outside, inside: inside}, nil
}

// own is a host of the lab. Close has nothing to do for it: all goes with the panel.
type own struct{ outside, inside *afpacket.Conn }

func (h *own) Send(frame []byte)    { h.inside.Send(frame) }
func (h *own) Receive(frame []byte) { h.outside.Send(frame) }
func (h *own) Close() error         { return nil }

// Settle implements [lab.Host]. A host answers some of what it gets.
func (h *own) Settle(ctx context.Context) error { return Settle(ctx, h.outside, h.inside, h.outside) }

func (p *Panel) startGuest(i netns.Interface, spec lab.HostSpec, transmit func(frame []byte)) (lab.Host, error) {
	e := spec.Endpoint
	i.MTU = p.o.UnderlayMTU - overhead
	tag := accessTag(e.VLAN)
	outside, err := p.Plug(i, func(frame []byte) { transmit(tag.add(frame)) })
	if err != nil {
		return nil, err
	}
	for _, a := range e.Addresses {
		if err := i.Namespace.AddAddress(Interface, a); err != nil {
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.guests = append(p.guests, Guest{e.Name, i.Namespace.Name(), e.MAC, e.Addresses, i.MTU})
	return &guest{outside, tag}, nil
}

// guest is somebody else's host. It sends from where it is, and nobody waits for it to be quiet.
type guest struct {
	outside *afpacket.Conn
	tag     accessTag
}

func (h *guest) Send([]byte) {}

func (h *guest) Receive(frame []byte) {
	if frame, ok := h.tag.remove(frame); ok {
		h.outside.Send(frame)
	}
}

func (h *guest) Settle(context.Context) error { return nil }
func (h *guest) Close() error                 { return nil }

// accessTag is the VLAN of an access port; 0 is none.
type accessTag uint16

const macs = 12 // bytes of both addresses, behind which the tag is

// add returns the frame with the tag.
func (t accessTag) add(frame []byte) []byte {
	if t == 0 || len(frame) < macs {
		return frame
	}
	tag := binary.BigEndian.AppendUint16([]byte{0x81, 0x00}, uint16(t))
	return slices.Concat(frame[:macs], tag, frame[macs:])
}

// remove returns the frame without the tag, and false if it has another one or none: it is for somebody else.
func (t accessTag) remove(frame []byte) ([]byte, bool) {
	var eth ethernet.Header
	if _, err := eth.Decode(frame); err != nil || eth.Tag.VID != uint16(t) {
		return nil, false
	}
	if eth.Tag.TPID == 0 {
		return frame, true
	}
	return slices.Concat(frame[:macs], frame[macs+4:]), true
}
