package ovs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
)

// The tunnel ports of a program.
const (
	genevePort = 1
	grePort    = 2
)

var (
	// ErrField says that a layout wants of Open vSwitch what it cannot put into an
	// option, such as a sequence number.
	ErrField = errors.New("open vswitch has no such field")
	// ErrOrder says that layouts want options in orders that no map has.
	ErrOrder = errors.New("open vswitch sends options in one order to all")
	// ErrTag says that an endpoint is behind an 802.1Q tag.
	ErrTag = errors.New("no endpoint with a tag is given to open vswitch here")
)

// Program is an Open vSwitch with its flows.
type Program struct {
	Node  Node
	Flows []string
}

// Plan returns how an Open vSwitch does what an intent wants of one of its NVEs.
// It sends the layouts that it is told, and takes a frame only with the options
// that the layout of its sender has and with what is known of their values:
// constants, groups and logical ports. The intent must be valid and resolved. The
// error has all reasons.
func Plan(in intent.Intent, device string, layout func(sender, receiver string) []intent.OptionType) (Program, error) {
	p := planner{in: in, layout: layout}
	p.self, _ = in.Device(device)
	p.node()
	for _, vn := range in.VirtualNetworks {
		p.network(vn)
	}
	if err := errors.Join(p.errs...); err != nil {
		return Program{}, fmt.Errorf("open vswitch %s: %w", device, err)
	}
	return p.program, nil
}

type planner struct {
	in      intent.Intent
	self    intent.Device
	layout  func(sender, receiver string) []intent.OptionType
	program Program
	errs    []error
}

func (p *planner) fail(err error) { p.errs = append(p.errs, err) }

func (p *planner) flow(format string, args ...any) {
	p.program.Flows = append(p.program.Flows, fmt.Sprintf(format, args...))
}

func (p *planner) node() {
	n := &p.program.Node
	n.Tunnels = map[uint32]Tunnel{
		genevePort: {Type: "geneve", Options: map[string]string{"remote_ip": "flow", "key": "flow", "csum": "true"}},
		grePort:    {Type: "gre", Options: map[string]string{"remote_ip": "flow", "key": "flow"}},
	}
	for _, port := range p.self.Ports {
		if port.Number == UnderlayPort {
			n.MAC = port.MAC
		}
	}
	n.Addresses = p.self.ProviderAddresses
	n.Neighbors = make(map[netip.Addr]ethernet.MAC)
	routes := p.in.Routes(p.self.Name)
	var sent, received [][]intent.OptionType
	for _, d := range p.in.Devices {
		if d.Name == p.self.Name || d.Role != intent.RoleNVE {
			continue
		}
		for _, a := range d.ProviderAddresses {
			if r, ok := intent.Towards(routes, a); ok {
				n.Neighbors[a] = r.NextHop
			}
		}
		sent = append(sent, p.layout(p.self.Name, d.Name))
		received = append(received, p.layout(d.Name, p.self.Name))
	}
	p.options(sent, received)
	for _, e := range p.in.Endpoints {
		if e.Device != p.self.Name {
			continue
		}
		if e.VLAN != 0 {
			p.fail(fmt.Errorf("endpoint %s: %w", e.Name, ErrTag))
		}
		if !slices.Contains(n.TenantPorts, uint32(e.Port)) {
			n.TenantPorts = append(n.TenantPorts, uint32(e.Port))
		}
	}
}

// options maps what is sent and received, in an order that all layouts to be
// sent have: of the options that are left, the first that none of them has
// behind another.
func (p *planner) options(sent, received [][]intent.OptionType) {
	m := &p.program.Node.Options
	left := make([][]geneve.OptionType, 0, len(sent))
	for _, l := range sent {
		var types []geneve.OptionType
		for _, o := range l {
			types = append(types, o.TLV())
		}
		left = append(left, types)
	}
	for {
		var next *geneve.OptionType
		for _, l := range left {
			if len(l) > 0 && !slices.ContainsFunc(left, func(k []geneve.OptionType) bool { return slices.Index(k, l[0]) > 0 }) {
				next = &l[0]
				break
			}
		}
		if next == nil {
			break
		}
		first := *next
		*m = append(*m, first)
		for i, l := range left {
			if len(l) > 0 && l[0] == first {
				left[i] = l[1:]
			}
		}
	}
	if slices.ContainsFunc(left, func(l []geneve.OptionType) bool { return len(l) > 0 }) {
		p.fail(ErrOrder)
	}
	for _, l := range received {
		for _, o := range l {
			if !slices.Contains(*m, o.TLV()) {
				*m = append(*m, o.TLV())
			}
		}
	}
}

func (p *planner) network(vn intent.VirtualNetwork) {
	var here, there []intent.Endpoint
	for _, e := range p.in.Endpoints {
		switch {
		case e.VirtualNetwork != vn.Name:
		case e.Device == p.self.Name:
			here = append(here, e)
		default:
			there = append(there, e)
		}
	}
	for _, e := range here {
		var copies []string
		for _, other := range here {
			if other.Name != e.Name {
				p.flow("in_port=%d,dl_dst=%v actions=output:%d", e.Port, other.MAC, other.Port)
				copies = append(copies, fmt.Sprintf("output:%d", other.Port))
			}
		}
		for _, r := range there {
			p.flow("in_port=%d,dl_dst=%v actions=%s", e.Port, r.MAC, p.send(vn, e, r.Device, r.LogicalPort))
			p.receive(vn, r, e)
		}
		for d := range p.in.Members(vn.Name) {
			if d.Name != p.self.Name {
				copies = append(copies, "clone("+p.send(vn, e, d.Name, 0)+")")
			}
		}
		p.flow("in_port=%d,dl_dst=%s actions=%s", e.Port, group, orDrop(copies))
	}
	if len(here) == 0 {
		return
	}
	var all []string
	for _, e := range here {
		all = append(all, fmt.Sprintf("output:%d", e.Port))
	}
	for _, r := range there {
		p.flow("%s,dl_src=%v,dl_dst=%s%s actions=%s", p.from(vn, r.Device), r.MAC, group, p.match(vn, r, 0), orDrop(all))
	}
}

// group matches the addresses of more than one station.
const group = "01:00:00:00:00:00/01:00:00:00:00:00"

func orDrop(actions []string) string {
	if len(actions) == 0 {
		return "drop"
	}
	return strings.Join(actions, ",")
}

// path returns the way from one NVE to another.
func (p *planner) path(vn intent.VirtualNetwork, sender, receiver string) intent.Path {
	path, ok := p.in.Path(vn.Name, sender, receiver)
	if !ok {
		p.fail(fmt.Errorf("virtual network %s: no path from %s to %s", vn.Name, sender, receiver))
	}
	return path
}

// send returns the actions by which a frame of an endpoint goes to another NVE.
func (p *planner) send(vn intent.VirtualNetwork, e intent.Endpoint, to string, logicalPort uint16) string {
	path := p.path(vn, p.self.Name, to)
	dst := "tun_dst"
	if path.Remote.Is6() {
		dst = "tun_ipv6_dst"
	}
	actions := []string{fmt.Sprintf("set_field:%v->%s", path.Remote, dst)}
	if path.Encapsulation == intent.NVGRE {
		// The FlowID is 0: no entropy (RFC 7637 §3.2).
		actions = append(actions, fmt.Sprintf("set_field:%#x->tun_id", uint32(vn.VNI)<<8), fmt.Sprintf("output:%d", grePort))
		return strings.Join(actions, ",")
	}
	actions = append(actions, fmt.Sprintf("set_field:%d->tun_id", vn.VNI))
	for _, o := range p.layout(p.self.Name, to) {
		data, mask := values(o, e.Group, e.LogicalPort, logicalPort)
		if slices.Contains(mask, 0) {
			p.fail(fmt.Errorf("option %s to %s: %w", o.Name, to, ErrField))
		}
		actions = append(actions, fmt.Sprintf("set_field:0x0%x->%s", data, p.field(o)))
	}
	return strings.Join(append(actions, fmt.Sprintf("output:%d", genevePort)), ",")
}

// from matches the tunnel from another NVE.
func (p *planner) from(vn intent.VirtualNetwork, sender string) string {
	path := p.path(vn, sender, p.self.Name)
	src := "tun_src"
	if path.Local.Is6() {
		src = "tun_ipv6_src"
	}
	if path.Encapsulation == intent.NVGRE {
		return fmt.Sprintf("in_port=%d,tun_id=%#x/0xffffff00,%s=%v", grePort, uint32(vn.VNI)<<8, src, path.Local)
	}
	return fmt.Sprintf("in_port=%d,tun_id=%d,%s=%v", genevePort, vn.VNI, src, path.Local)
}

// receive gives a frame of a remote endpoint to one here, as group policy wants.
func (p *planner) receive(vn intent.VirtualNetwork, r, e intent.Endpoint) {
	actions := fmt.Sprintf("output:%d", e.Port)
	if p.denied(vn, r.Group, e.Group) {
		actions = "drop"
	}
	p.flow("%s,dl_src=%v,dl_dst=%v%s actions=%s", p.from(vn, r.Device), r.MAC, e.MAC, p.match(vn, r, e.LogicalPort), actions)
}

// match returns what the options of a frame of an endpoint have to be.
func (p *planner) match(vn intent.VirtualNetwork, r intent.Endpoint, logicalPort uint16) string {
	if p.path(vn, r.Device, p.self.Name).Encapsulation == intent.NVGRE {
		return ""
	}
	var b strings.Builder
	for _, o := range p.layout(r.Device, p.self.Name) {
		data, mask := values(o, r.Group, r.LogicalPort, logicalPort)
		fmt.Fprintf(&b, ",%s=0x0%x/0x0%x", p.field(o), data, mask)
	}
	return b.String()
}

// field returns the field that an option is mapped to. One without data has no
// bits there, but can be told from one that is absent.
func (p *planner) field(o intent.OptionType) string {
	return fmt.Sprintf("tun_metadata%d", slices.Index(p.program.Node.Options, o.TLV()))
}

func (p *planner) denied(vn intent.VirtualNetwork, from, to uint16) bool {
	for _, g := range p.in.GroupPolicies {
		if g.VirtualNetwork == vn.Name && g.From == from && g.To == to {
			return g.Action == intent.Deny
		}
	}
	return vn.DefaultPolicy == intent.Deny
}

// values returns the data of an option as far as they are known beforehand, and
// a mask that is 0 where they are not.
func values(o intent.OptionType, group, from, to uint16) (data, mask []byte) {
	for _, w := range o.Words {
		v, known := w.Constant, uint32(0xffffffff)
		switch w.Field {
		case 0:
		case intent.FieldGroup:
			v |= uint32(group) << w.Shift
		case intent.FieldLogicalPorts:
			v |= (uint32(from)<<16 | uint32(to)) << w.Shift
		default:
			v, known = 0, 0
		}
		data = binary.BigEndian.AppendUint32(data, v)
		mask = binary.BigEndian.AppendUint32(mask, known)
	}
	return data, mask
}
