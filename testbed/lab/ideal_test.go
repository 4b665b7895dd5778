package lab_test

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/nvgre"
	"github.com/keyway-nve/keyway/proto/nvgreext"
	"github.com/keyway-nve/keyway/proto/udp"
	"github.com/keyway-nve/keyway/testbed/lab"
)

// ideal is a World of NVEs and transit devices that read the intent itself, without P4 or P4Runtime. The labs are run in it so that what a
// lab says can be told from what programs and controllers do.
type ideal struct {
	mu      sync.Mutex
	devices map[string]*idealDevice
	// spoil, if set, changes what an NVE is about to put into a tunnel.
	spoil  func(options geneve.Options) geneve.Options
	refuse error // of StartController
	// unreadable are counters of the devices.
	unreadable []string
}

func newIdeal() *ideal { return &ideal{devices: map[string]*idealDevice{}} }

type idealDevice struct {
	world    *ideal
	spec     lab.DeviceSpec
	transmit func(uint32, []byte)
	view     intent.Intent
	plan     *layouts.Plan
	says     capabilities.Capability
	nva      *idealController
	drops    uint64
	punts    uint64
}

type idealController struct {
	world   *ideal
	spec    lab.ControllerSpec
	counted map[string]uint64
}

func (w *ideal) StartDevice(_ context.Context, spec lab.DeviceSpec, transmit func(uint32, []byte)) (lab.Device, error) {
	d := &idealDevice{world: w, spec: spec, transmit: transmit}
	w.devices[spec.Name] = d
	if spec.Capability != nil {
		return d, d.Advertise(*spec.Capability)
	}
	return d, d.Advertise(nveCapability())
}

func (w *ideal) StartController(_ context.Context, spec lab.ControllerSpec) (lab.Controller, error) {
	return &idealController{world: w, spec: spec, counted: map[string]uint64{"redirects-sent": 0, "unreachables-sent": 0, "refreshes": 0}}, w.refuse
}

func (c *idealController) Apply(_ context.Context, in intent.Intent) error {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	c.apply(in)
	return in.Validate()
}

func (c *idealController) apply(in intent.Intent) {
	for _, d := range in.Devices {
		if d.Managed() {
			c.world.devices[d.Name].view, c.world.devices[d.Name].nva = in, c
		}
	}
	c.world.settle()
}

// settle settles the layouts of every view anew.
func (w *ideal) settle() {
	told := map[string]capabilities.Capability{}
	for name, d := range w.devices {
		told[name] = d.says
	}
	for _, d := range w.devices {
		d.plan = layouts.Settle(layouts.Input{Intent: &d.view, Program: nveCapability(), Told: told})
	}
}

func nveCapability() capabilities.Capability {
	program, err := p4.NVE()
	if err != nil {
		panic(err)
	}
	c, err := capabilities.FromP4Info("nve", program.P4Info)
	if err != nil {
		panic(err)
	}
	return c
}

func (c *idealController) Settle(context.Context) error { return nil }
func (c *idealController) Close() error                 { return nil }

func (c *idealController) Counters(context.Context) (map[string]uint64, error) {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	out := map[string]uint64{}
	for k, v := range c.counted {
		out[k] = v
	}
	return out, nil
}

func (d *idealDevice) Close() error { return nil }

func (d *idealDevice) Target() intent.Target {
	return intent.Target{Address: "ideal:9559", DeviceID: d.spec.ID}
}

func (d *idealDevice) GNMI() string { return d.spec.Name + ":9339" }

func (d *idealDevice) Advertise(c capabilities.Capability) error {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	d.says = capabilities.Intersect(c, nveCapability())
	d.says.Name = d.spec.Name
	d.world.settle()
	return nil
}

func (d *idealDevice) Says() (capabilities.Capability, bool) {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	return d.says, true
}

func (d *idealDevice) Cut() error { return nil }

func (d *idealDevice) Settle(context.Context) error { return nil }

func (d *idealDevice) Counters(context.Context) (lab.Counters, error) {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	return lab.Counters{Values: map[string]uint64{"drops": d.drops, "punts": d.punts}, Unreadable: d.world.unreadable}, nil
}

func (d *idealDevice) Receive(port uint32, frame []byte) {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	switch {
	case d.spec.Role == intent.RoleTransit:
		d.forward(frame)
	case port >= intent.MinTenantPort:
		d.fromTenant(uint16(port), frame)
	default:
		d.fromUnderlay(frame)
	}
}

// forward routes a packet with its own headers, or one that has just been made.
func (d *idealDevice) forward(frame []byte) {
	dst, ok := outerDestination(frame)
	if !ok {
		d.drops++
		return
	}
	self, _ := d.view.Device(d.spec.Name)
	for _, r := range d.view.Routes(d.spec.Name) {
		i := slices.IndexFunc(self.Ports, func(p intent.UnderlayPort) bool { return p.Number == r.Port })
		if r.Prefix.Contains(dst) && i >= 0 {
			out := slices.Concat(r.NextHop[:], self.Ports[i].MAC[:], frame[12:])
			d.transmit(uint32(r.Port), out)
			return
		}
	}
	d.drops++
}

func outerDestination(frame []byte) (netip.Addr, bool) {
	if len(frame) >= 34 && frame[12] == 0x08 && frame[13] == 0 {
		return netip.AddrFromSlice(frame[30:34])
	}
	if len(frame) >= 54 && frame[12] == 0x86 && frame[13] == 0xdd {
		return netip.AddrFromSlice(frame[38:54])
	}
	return netip.Addr{}, false
}

func (d *idealDevice) fromTenant(port uint16, frame []byte) {
	var eth ethernet.Header
	if _, err := eth.Decode(frame); err != nil {
		d.drops++
		return
	}
	i := slices.IndexFunc(d.view.Endpoints, func(e intent.Endpoint) bool {
		return e.Device == d.spec.Name && e.Port == port && e.VLAN == eth.Tag.VID
	})
	if i < 0 {
		d.drops++
		return
	}
	if eth.Tag.TPID != 0 {
		frame = slices.Concat(frame[:12], frame[16:])
	}
	from := d.view.Endpoints[i]
	sent := map[string]bool{}
	for _, e := range d.view.Endpoints {
		if e.VirtualNetwork != from.VirtualNetwork || e.Name == from.Name || !eth.Dst.IsMulticast() && e.MAC != eth.Dst {
			continue
		}
		if e.Device == d.spec.Name {
			d.deliver(e, frame)
		} else if !sent[e.Device] {
			sent[e.Device] = true
			d.tunnel(from.VirtualNetwork, e.Device, frame)
		}
	}
}

func (d *idealDevice) deliver(e intent.Endpoint, frame []byte) {
	if e.VLAN != 0 {
		frame = slices.Concat(frame[:12], []byte{0x81, 0, byte(e.VLAN >> 8), byte(e.VLAN)}, frame[12:])
	}
	d.transmit(uint32(e.Port), frame)
}

func (d *idealDevice) tunnel(vn, to string, frame []byte) {
	p, ok := d.view.Path(vn, d.spec.Name, to)
	v, _ := d.view.VirtualNetwork(vn)
	if !ok {
		d.drops++
		return
	}
	if p.Encapsulation == intent.NVGRE {
		h := nvgre.Header{VSID: nvgre.VSID(v.VNI), FlowID: 7}
		b, _ := h.AppendTo(nil)
		d.forward(outer(p.Local, p.Remote, ip.ProtocolGRE, append(b, frame...)))
		return
	}
	h := geneve.Header{Protocol: ethernet.TypeTEB, VNI: v.VNI}
	for _, o := range d.plan.Between(d.spec.Name, to).Options {
		var data []byte
		for _, w := range o.Words {
			data = binary.BigEndian.AppendUint32(data, w.Constant|w.Mask()&0x2A2A2A2A)
		}
		h.Options, _ = geneve.Option{Type: o.TLV(), Data: data}.AppendTo(h.Options)
		h.Critical = h.Critical || o.Critical
	}
	if d.world.spoil != nil {
		h.Options = d.world.spoil(h.Options)
	}
	b, _ := h.AppendTo(nil)
	b = append(b, frame...)
	u := udp.Header{SrcPort: 50000, DstPort: geneve.Port, Length: uint16(udp.HeaderLen + len(b))}
	datagram, _ := u.AppendTo(nil)
	datagram = append(datagram, b...)
	_ = udp.Seal(datagram, p.Local, p.Remote)
	d.forward(outer(p.Local, p.Remote, ip.ProtocolUDP, datagram))
}

func outer(src, dst netip.Addr, p ip.Protocol, payload []byte) []byte {
	eth := ethernet.Header{Type: ethernet.TypeIPv4}
	if src.Is6() {
		eth.Type = ethernet.TypeIPv6
	}
	b, _ := eth.AppendTo(nil)
	if src.Is6() {
		h := ip.V6{PayloadLen: uint16(len(payload)), NextHeader: p, HopLimit: 64, Src: src, Dst: dst}
		b, _ = h.AppendTo(b)
	} else {
		h := ip.V4{TotalLen: uint16(20 + len(payload)), DontFragment: true, TTL: 64, Protocol: p, Src: src, Dst: dst}
		b, _ = h.AppendTo(b)
	}
	return append(b, payload...)
}

func (d *idealDevice) fromUnderlay(frame []byte) {
	var eth ethernet.Header
	rest, _ := eth.Decode(frame)
	var payload []byte
	var protocol ip.Protocol
	var known bool
	var err error
	if eth.Type == ethernet.TypeIPv6 {
		var h ip.V6
		if payload, err = h.Decode(rest); err == nil {
			payload, err = h.Payload(payload)
			known = d.knows(h.Src)
		}
		protocol = h.NextHeader
	} else {
		var h ip.V4
		if payload, err = h.Decode(rest); err == nil {
			payload, err = h.Payload(payload)
			known = d.knows(h.Src) && ip.Checksum(rest[:ip.V4HeaderLen]) == 0
		}
		protocol = h.Protocol
	}
	if err != nil || !known {
		d.drops++
		return
	}
	if protocol == ip.ProtocolGRE {
		d.fromNVGRE(frame, payload)
		return
	}
	var h geneve.Header
	if len(payload) < udp.HeaderLen {
		d.drops++
		return
	}
	inner, err := h.Decode(payload[udp.HeaderLen:])
	if err != nil || h.CheckOptions() != nil || !d.deliverInner(h.VNI, inner) {
		d.drops++
	}
}

// knows reports whether an address is the provider address of a device.
func (d *idealDevice) knows(a netip.Addr) bool {
	return slices.ContainsFunc(d.view.Devices, func(x intent.Device) bool { return slices.Contains(x.ProviderAddresses, a) })
}

// deliverInner reports false if the frame's destination is not here.
func (d *idealDevice) deliverInner(vni geneve.VNI, inner []byte) bool {
	found := false
	for _, e := range d.view.Endpoints {
		v, _ := d.view.VirtualNetwork(e.VirtualNetwork)
		if d.denied(e, inner) {
			continue
		}
		if v.VNI == vni && e.Device == d.spec.Name && (inner[0]&1 != 0 || e.MAC == ethernet.MAC(inner[:6])) {
			d.deliver(e, inner)
			found = true
		}
	}
	return found
}

// denied applies the group policies. It knows the sender's group from the intent, where a real NVE has it from an option.
func (d *idealDevice) denied(to intent.Endpoint, inner []byte) bool {
	for _, from := range d.view.Endpoints {
		if from.MAC != ethernet.MAC(inner[6:12]) || from.VirtualNetwork != to.VirtualNetwork {
			continue
		}
		g := intent.GroupPolicy{VirtualNetwork: to.VirtualNetwork, From: from.Group, To: to.Group, Action: intent.Deny}
		return slices.Contains(d.view.GroupPolicies, g)
	}
	return false
}

func (d *idealDevice) fromNVGRE(frame, payload []byte) {
	var h nvgre.Header
	inner, err := h.Decode(payload)
	if err != nil || len(inner) < ethernet.HeaderLen {
		d.drops++
		return
	}
	if h.VSID == nvgre.Control {
		d.punts++
		var m nvgreext.Message
		if in, err := d.nva.spec.Refresh(context.Background()); m.Decode(frame, 0) == nil && err == nil {
			d.nva.counted["refreshes"]++
			d.nva.apply(in)
		}
		return
	}
	if d.deliverInner(geneve.VNI(h.VSID), inner) {
		return
	}
	d.punts++
	self, _ := d.view.Device(d.spec.Name)
	p := nvgreext.Params{Kind: nvgreext.Unreachable, LinkDst: ethernet.MAC{2, 1}, LinkSrc: ethernet.MAC{2, 2}, SenderMAC: ethernet.MAC{2, 3}, ReceiverMAC: self.MAC}
	family := intent.IPv4
	if frame[12] == 0x86 {
		family = intent.IPv6
	}
	for _, e := range d.view.Endpoints {
		v, _ := d.view.VirtualNetwork(e.VirtualNetwork)
		if e.MAC == ethernet.MAC(inner[:6]) && nvgre.VSID(v.VNI) == h.VSID {
			far, _ := d.view.Device(e.Device)
			p.Kind, p.Target = nvgreext.Redirect, far.ProviderAddress(family)
		}
	}
	message, err := nvgreext.Build(nil, p, frame)
	if err != nil {
		d.drops++
		return
	}
	d.nva.counted[map[nvgreext.Kind]string{nvgreext.Redirect: "redirects-sent", nvgreext.Unreachable: "unreachables-sent"}[p.Kind]]++
	d.forward(message)
}
