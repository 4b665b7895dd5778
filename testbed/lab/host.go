package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/testbed/wire"
)

// host is an endpoint's tenant system. It answers ARP, Neighbor Solicitations and echo requests for its addresses, and keeps what else it gets.
type host struct {
	endpoint intent.Endpoint
	transmit func(frame []byte)

	mu        sync.Mutex
	arrived   [][]byte // frames without their tag
	neighbors map[netip.Addr]ethernet.MAC
	replies   map[uint16]int // to echo requests, by identifier
}

func newHost(e intent.Endpoint, transmit func([]byte)) *host {
	return &host{endpoint: e, transmit: transmit, neighbors: map[netip.Addr]ethernet.MAC{}, replies: map[uint16]int{}}
}

// startHost puts a host on an endpoint's wire, the lab's own unless guests are wanted, on an interface if hosts have them.
func (r *runner) startHost(ctx context.Context, e intent.Endpoint) error {
	if r.guests {
		return r.startGuest(ctx, HostSpec{Endpoint: e})
	}
	transmit := func(frame []byte) { _ = r.net.Send(wire.End{Node: e.Name}, frame) }
	h := newHost(e, transmit)
	r.hosts[e.Name] = h
	arrive := func(frame []byte) { h.receive(0, frame) }
	if r.options.Hosts != nil {
		// What arrives at an interface is valid for a moment only; a host keeps it.
		nic, err := r.options.Hosts.StartHost(ctx, HostSpec{e, func(frame []byte) { h.receive(0, bytes.Clone(frame)) }}, transmit)
		if err != nil {
			return err
		}
		r.nics[e.Name], h.transmit, arrive = nic, nic.Send, nic.Receive
	}
	r.net.Attach(e.Name, func(_ uint32, frame []byte) { arrive(frame) })
	return nil
}

// send tags a frame with the endpoint's VLAN, if it has one, and transmits it.
func (h *host) send(frame []byte) {
	if h.endpoint.VLAN != 0 {
		tag := []byte{0x81, 0x00, byte(h.endpoint.VLAN >> 8), byte(h.endpoint.VLAN)}
		frame = slices.Concat(frame[:12], tag, frame[12:])
	}
	h.transmit(frame)
}

// receive takes a frame from the wire. One with another tag than the endpoint's is for somebody else on the port, and goes unseen.
func (h *host) receive(_ uint32, frame []byte) {
	var eth ethernet.Header
	if _, err := eth.Decode(frame); err != nil || eth.Tag.VID != h.endpoint.VLAN {
		return
	}
	if eth.Tag.TPID != 0 {
		frame = slices.Concat(frame[:12], frame[16:])
	}
	p, ok := parseFrame(frame)
	switch {
	case ok && p.eth.Type == ethernet.TypeARP && len(p.payload) >= 28:
		h.arp(p)
	case ok && p.protocol == ip.ProtocolICMP && len(p.payload) >= 8:
		h.icmp(p, echoV4, echoReplyV4)
	case ok && p.protocol == ip.ProtocolICMPv6 && len(p.payload) >= 32 && p.payload[0] == solicit:
		h.solicited(p)
	case ok && p.protocol == ip.ProtocolICMPv6 && len(p.payload) >= 32 && p.payload[0] == advertise:
		h.learn(netip.AddrFrom16([16]byte(p.payload[8:24])), ethernet.MAC(p.payload[26:32]))
	case ok && p.protocol == ip.ProtocolICMPv6 && len(p.payload) >= 8:
		h.icmp(p, echoV6, echoReplyV6)
	default:
		h.mu.Lock()
		defer h.mu.Unlock()
		h.arrived = append(h.arrived, frame)
	}
}

func (h *host) owns(a netip.Addr) bool { return slices.Contains(h.endpoint.Addresses, a) }

func (h *host) learn(a netip.Addr, m ethernet.MAC) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.neighbors[a] = m
}

func (h *host) arp(p packet) {
	op := binary.BigEndian.Uint16(p.payload[6:])
	sender, senderIP := ethernet.MAC(p.payload[8:14]), netip.AddrFrom4([4]byte(p.payload[14:18]))
	target := netip.AddrFrom4([4]byte(p.payload[24:28]))
	if !h.owns(target) {
		return
	}
	h.learn(senderIP, sender)
	if op == arpRequest {
		h.send(arp(arpReply, h.endpoint.MAC, target, sender, senderIP))
	}
}

func (h *host) solicited(p packet) {
	if target := netip.AddrFrom16([16]byte(p.payload[8:24])); h.owns(target) {
		h.learn(p.src, p.eth.Src)
		h.send(neighborMessage(advertise, h.endpoint.MAC, target, target, p.eth.Src, p.src))
	}
}

func (h *host) icmp(p packet, request, reply uint8) {
	body := bytes.Clone(p.payload[4:])
	switch {
	case !h.owns(p.dst) || p.eth.Dst != h.endpoint.MAC:
	case p.payload[0] == request:
		h.send(echo(true, h.endpoint.MAC, p.eth.Src, p.dst, p.src, body))
	case p.payload[0] == reply:
		h.mu.Lock()
		defer h.mu.Unlock()
		h.replies[binary.BigEndian.Uint16(body)]++
	}
}

// resolve asks for the MAC of a neighbour.
func (h *host) resolve(src, dst netip.Addr) {
	if src.Is6() {
		h.send(neighborMessage(solicit, h.endpoint.MAC, src, dst, ethernet.MAC{}, netip.Addr{}))
		return
	}
	h.send(arp(arpRequest, h.endpoint.MAC, src, ethernet.MAC{}, dst))
}

// echo sends an echo request to a neighbour that resolve has found, and reports false if it has not.
func (h *host) echo(src, dst netip.Addr, id, seq uint16) bool {
	h.mu.Lock()
	mac, ok := h.neighbors[dst]
	h.mu.Unlock()
	if !ok {
		return false
	}
	body := binary.BigEndian.AppendUint16(nil, id)
	body = binary.BigEndian.AppendUint16(body, seq)
	h.send(echo(false, h.endpoint.MAC, mac, src, dst, append(body, "keyway lab"...)))
	return true
}

// replied returns the number of answers to the echo requests of an identifier.
func (h *host) replied(id uint16) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.replies[id]
}

// arrivals returns what arrived since reset.
func (h *host) arrivals() [][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.arrived)
}

// reset forgets what arrived, and all neighbours.
func (h *host) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.arrived = nil
	clear(h.neighbors)
	clear(h.replies)
}
