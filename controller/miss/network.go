package miss

import (
	"net/netip"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
)

// Network is the [View] that an intent and the overrides in force give: each device is taken to hold what they say. It is not
// safe for concurrent use, since it finds a device's routes when they are first asked for.
type Network struct {
	in        *intent.Intent
	overrides *Overrides
	devices   map[string]*intent.Device
	owners    map[netip.Addr]*intent.Device
	networks  map[geneve.VNI]string
	at        map[attachment]string
	members   map[membership]bool
	routes    map[string][]intent.Route
}

type attachment struct {
	vni geneve.VNI
	mac ethernet.MAC
}

type membership struct {
	vni    geneve.VNI
	device string
}

// NewNetwork indexes an intent, which has to be valid and resolved, and must not change while the Network is used. The overrides may
// change; nil is none.
func NewNetwork(in *intent.Intent, overrides *Overrides) *Network {
	n := &Network{
		in: in, overrides: overrides,
		devices: make(map[string]*intent.Device), owners: make(map[netip.Addr]*intent.Device),
		networks: make(map[geneve.VNI]string), at: make(map[attachment]string),
		members: make(map[membership]bool), routes: make(map[string][]intent.Route),
	}
	if n.overrides == nil {
		n.overrides = new(Overrides)
	}
	for i := range in.Devices {
		d := &in.Devices[i]
		n.devices[d.Name] = d
		for _, pa := range d.ProviderAddresses {
			n.owners[pa] = d
		}
	}
	vnis := make(map[string]geneve.VNI)
	for _, v := range in.VirtualNetworks {
		vnis[v.Name] = v.VNI
		n.networks[v.VNI] = v.Name
	}
	for _, e := range in.Endpoints {
		vni := vnis[e.VirtualNetwork]
		n.at[attachment{vni, e.MAC}] = e.Device
		n.members[membership{vni, e.Device}] = true
	}
	return n
}

// Device implements [View].
func (n *Network) Device(name string) (intent.Device, bool) { return deref(n.devices[name]) }

// Owner implements [View].
func (n *Network) Owner(pa netip.Addr) (intent.Device, bool) { return deref(n.owners[pa]) }

func deref(d *intent.Device) (intent.Device, bool) {
	if d == nil {
		return intent.Device{}, false
	}
	return *d, true
}

// Location implements [View].
func (n *Network) Location(vni geneve.VNI, mac ethernet.MAC) (string, bool) {
	device, ok := n.at[attachment{vni, mac}]
	return device, ok
}

// Member implements [View]: the NVEs of a virtual network are those that have endpoints of it.
func (n *Network) Member(vni geneve.VNI, device string) bool {
	return n.members[membership{vni, device}]
}

// Sends implements [View]: an override's target, or else the way to where the intent has the endpoint.
func (n *Network) Sends(p Place) (netip.Addr, bool) {
	if v, ok := n.overrides.Lookup(p); ok {
		return v.To, true
	}
	at, ok := n.Location(p.VNI, p.MAC)
	if !ok || at == p.Device || !n.Member(p.VNI, p.Device) {
		return netip.Addr{}, false
	}
	path, ok := n.in.Path(n.networks[p.VNI], p.Device, at)
	return path.Remote, ok
}

// Way implements [View]: by the longest prefix of the device's routes.
func (n *Network) Way(device string, pa netip.Addr) (Way, bool) {
	d := n.devices[device]
	if d == nil {
		return Way{}, false
	}
	routes, known := n.routes[device]
	if !known {
		routes = n.in.Routes(device)
		n.routes[device] = routes
	}
	best, ok := intent.Towards(routes, pa)
	if !ok {
		return Way{}, false
	}
	w := Way{Port: best.Port, NextHop: best.NextHop}
	for _, p := range d.Ports {
		if p.Number == best.Port {
			w.Source = p.MAC
		}
	}
	return w, true
}
