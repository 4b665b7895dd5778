package intent

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"

	"github.com/keyway-nve/keyway/proto/ethernet"
)

// Resolved returns a copy of the intent in which what may be left out is filled in: the far end of each link that is written at
// one end only, and the MACs of neighbours and next hops. It changes nothing that is given, and an invalid intent as little as
// a valid one.
func (in Intent) Resolved() Intent {
	in.Devices = slices.Clone(in.Devices)
	for i := range in.Devices {
		in.Devices[i].Ports = slices.Clone(in.Devices[i].Ports)
		in.Devices[i].Routes = slices.Clone(in.Devices[i].Routes)
	}
	for _, d := range in.Devices {
		for _, p := range d.Ports {
			if p.Neighbor.Device == "" {
				continue
			}
			if far := in.port(p.Neighbor.Device, p.Neighbor.Port); far != nil && far.Neighbor == (Neighbor{}) {
				far.Neighbor = Neighbor{Device: d.Name, Port: p.Number}
			}
		}
	}
	for i := range in.Devices {
		d := &in.Devices[i]
		for j := range d.Ports {
			n := &d.Ports[j].Neighbor
			if far := in.port(n.Device, n.Port); far != nil && n.MAC.IsZero() {
				n.MAC = far.MAC
			}
		}
		for j := range d.Routes {
			r := &d.Routes[j]
			if p := in.port(d.Name, r.Port); p != nil && r.NextHop.IsZero() {
				r.NextHop = p.Neighbor.MAC
			}
		}
	}
	return in
}

// port returns the port of a device, to be read or changed in place, or nil.
func (in *Intent) port(device string, number uint16) *UnderlayPort {
	for i := range in.Devices {
		if in.Devices[i].Name != device || device == "" {
			continue
		}
		for j := range in.Devices[i].Ports {
			if in.Devices[i].Ports[j].Number == number {
				return &in.Devices[i].Ports[j]
			}
		}
	}
	return nil
}

// Device returns the device of that name.
func (in *Intent) Device(name string) (Device, bool) {
	return find(in.Devices, func(d *Device) bool { return d.Name == name })
}

// VirtualNetwork returns the virtual network of that name.
func (in *Intent) VirtualNetwork(name string) (VirtualNetwork, bool) {
	return find(in.VirtualNetworks, func(v *VirtualNetwork) bool { return v.Name == name })
}

// Endpoint returns the endpoint of that name.
func (in *Intent) Endpoint(name string) (Endpoint, bool) {
	return find(in.Endpoints, func(e *Endpoint) bool { return e.Name == name })
}

// OptionType returns the option type of that name.
func (in *Intent) OptionType(name string) (OptionType, bool) {
	return find(in.OptionTypes, func(o *OptionType) bool { return o.Name == name })
}

func find[T any](s []T, match func(*T) bool) (T, bool) {
	for i := range s {
		if match(&s[i]) {
			return s[i], true
		}
	}
	var zero T
	return zero, false
}

// Members yields the NVEs that have endpoints of a virtual network, in the order of Devices.
func (in *Intent) Members(vn string) iter.Seq[Device] {
	return func(yield func(Device) bool) {
		for _, d := range in.Devices {
			has := slices.ContainsFunc(in.Endpoints, func(e Endpoint) bool { return e.VirtualNetwork == vn && e.Device == d.Name })
			if has && !yield(d) {
				return
			}
		}
	}
}

// Layout returns the option types that sender places for receiver by the operator's word, in their order.
func (in *Intent) Layout(sender, receiver string) []OptionType {
	l, _ := find(in.Layouts, func(l *Layout) bool { return l.Sender == sender && l.Receiver == receiver })
	return in.Types(l.Options)
}

// Types returns the option types of some names, without those that there are not.
func (in *Intent) Types(names []string) []OptionType {
	var types []OptionType
	for _, name := range names {
		if o, ok := in.OptionType(name); ok {
			types = append(types, o)
		}
	}
	return types
}

// Path is how one NVE sends to another for one virtual network.
type Path struct {
	Encapsulation Encapsulation
	Local, Remote netip.Addr // provider addresses of sender and receiver
}

// Path returns how sender reaches receiver for a virtual network, and false if they have no provider addresses of one family. The three
// are names.
func (in *Intent) Path(vn, sender, receiver string) (Path, bool) {
	v, ok := in.VirtualNetwork(vn)
	from, okFrom := in.Device(sender)
	to, okTo := in.Device(receiver)
	if !ok || !okFrom || !okTo {
		return Path{}, false
	}
	t := in.Tunnel(sender, receiver)
	p := Path{Encapsulation: cmp.Or(t.Encapsulation, v.Encapsulation, Geneve)}
	p.Local, p.Remote, ok = t.addresses(from, to)
	return p, ok
}

// Tunnel returns what differs from the default from one NVE to another.
func (in *Intent) Tunnel(sender, receiver string) Tunnel {
	t, _ := find(in.Tunnels, func(t *Tunnel) bool { return t.Sender == sender && t.Receiver == receiver })
	return t
}

// FamilyBetween returns the family over which one NVE sends to another, and false if they have none in common.
func (t Tunnel) FamilyBetween(from, to Device) (Family, bool) {
	local, _, ok := t.addresses(from, to)
	return familyOf(local), ok
}

// addresses returns the provider addresses of sender and receiver.
func (t Tunnel) addresses(from, to Device) (local, remote netip.Addr, ok bool) {
	for _, f := range []Family{IPv4, IPv6} {
		if t.Underlay != 0 && t.Underlay != f {
			continue
		}
		local, remote = from.ProviderAddress(f), to.ProviderAddress(f)
		if local.IsValid() && remote.IsValid() {
			return local, remote, true
		}
	}
	return netip.Addr{}, netip.Addr{}, false
}

// Routes returns the device's routes in the underlay: those it is given, and one host route for each provider address of
// another device that can be reached over the links, by the fewest hops, and of equals by the lowest port. A given
// route hides a derived one of the same prefix. The order is that of prefixes.
func (in *Intent) Routes(device string) []Route {
	d, ok := in.Device(device)
	if !ok {
		return nil
	}
	routes := slices.Clone(d.Routes)
	for _, far := range in.reach(d) {
		for _, a := range far.addresses {
			prefix := netip.PrefixFrom(a, a.BitLen())
			if !slices.ContainsFunc(d.Routes, func(r Route) bool { return r.Prefix == prefix }) {
				routes = append(routes, Route{Prefix: prefix, Port: far.port, NextHop: far.mac})
			}
		}
	}
	slices.SortFunc(routes, func(a, b Route) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
	})
	return routes
}

// Towards returns the route with the longest prefix that holds an address.
func Towards(routes []Route, a netip.Addr) (Route, bool) {
	var best *Route
	for i := range routes {
		if r := &routes[i]; r.Prefix.Contains(a) && (best == nil || r.Prefix.Bits() > best.Prefix.Bits()) {
			best = r
		}
	}
	if best == nil {
		return Route{}, false
	}
	return *best, true
}

type reached struct {
	port      uint16
	mac       ethernet.MAC
	addresses []netip.Addr
}

// reach searches the links breadth first. An NVE is an end: it does not forward for others.
func (in *Intent) reach(from Device) []reached {
	type hop struct {
		device string
		port   uint16
		mac    ethernet.MAC
	}
	devices := make(map[string]*Device, len(in.Devices))
	for i := range in.Devices {
		devices[in.Devices[i].Name] = &in.Devices[i]
	}
	var queue []hop
	ports := slices.SortedFunc(slices.Values(from.Ports), func(a, b UnderlayPort) int { return cmp.Compare(a.Number, b.Number) })
	for _, p := range ports {
		if p.Neighbor.Device != "" {
			queue = append(queue, hop{p.Neighbor.Device, p.Number, p.Neighbor.MAC})
		}
	}
	seen := map[string]bool{from.Name: true}
	var out []reached
	for len(queue) > 0 {
		h := queue[0]
		queue = queue[1:]
		d := devices[h.device]
		if d == nil || seen[h.device] {
			continue
		}
		seen[h.device] = true
		out = append(out, reached{h.port, h.mac, d.ProviderAddresses})
		if d.Role != RoleTransit {
			continue
		}
		for _, p := range d.Ports {
			if p.Neighbor.Device != "" {
				queue = append(queue, hop{p.Neighbor.Device, h.port, h.mac})
			}
		}
	}
	return out
}
