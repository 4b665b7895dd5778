package layouts

import (
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/intent"
)

// zones puts NVEs that have the same way to all others together, so that a fleet
// is settled by zones and not by pairs: those on the same transit devices, with
// provider addresses of the same families. An NVE for which the intent says
// something special is a zone of its own.
type zones struct {
	in      Input
	nves    []*intent.Device
	of      []int
	members [][]int // the first two of each zone
	written map[pair]*intent.Layout
	// transits are those that look behind the outer headers, by name.
	transits map[string]capabilities.Capability
	devices  map[string]*intent.Device

	mu     sync.Mutex
	routes map[string][]intent.Route
	known  map[[2]int]capabilities.Relation
}

func newZones(in Input, nves []*intent.Device, written map[pair]*intent.Layout) *zones {
	z := &zones{
		in: in, nves: nves, written: written,
		transits: make(map[string]capabilities.Capability),
		devices:  make(map[string]*intent.Device, len(in.Intent.Devices)),
		routes:   make(map[string][]intent.Route),
		known:    make(map[[2]int]capabilities.Relation),
	}
	special := make(map[string]bool)
	routed := false // a route may tell any two NVEs apart
	for i := range in.Intent.Devices {
		d := &in.Intent.Devices[i]
		z.devices[d.Name] = d
		if d.Role == intent.RoleTransit {
			routed = routed || len(d.Routes) > 0
			if c, ok := transit(in.Intent, d); ok {
				z.transits[d.Name] = c
			}
		}
		special[d.Name] = len(d.Routes) > 0
	}
	for _, t := range in.Intent.Tunnels {
		special[t.Sender], special[t.Receiver] = true, true
	}
	for p := range written {
		special[p.sender], special[p.receiver] = true, true
	}
	numbers := make(map[string]int)
	for i, d := range nves {
		key := place(d)
		if routed || special[d.Name] {
			key = "only " + d.Name
		}
		n, ok := numbers[key]
		if !ok {
			n = len(z.members)
			numbers[key] = n
			z.members = append(z.members, nil)
		}
		z.of = append(z.of, n)
		if len(z.members[n]) < 2 {
			z.members[n] = append(z.members[n], i)
		}
	}
	return z
}

// place is where an NVE is in the underlay.
func place(d *intent.Device) string {
	var parts []string
	for _, p := range d.Ports {
		parts = append(parts, p.Neighbor.Device)
	}
	slices.Sort(parts)
	for _, f := range []intent.Family{intent.IPv4, intent.IPv6} {
		if d.ProviderAddress(f).IsValid() {
			parts = append(parts, f.String())
		}
	}
	return strings.Join(parts, " ")
}

// between returns the way from one zone to another, by two of their devices.
func (z *zones) between(sender, receiver int) capabilities.Relation {
	s, r := z.members[sender][0], z.members[receiver][0]
	if sender == receiver {
		if len(z.members[sender]) == 1 {
			return capabilities.Relation{None: true}
		}
		r = z.members[sender][1]
	}
	key := [2]int{sender, receiver}
	z.mu.Lock()
	relation, ok := z.known[key]
	z.mu.Unlock()
	if ok {
		return relation
	}
	relation = z.relation(s, r)
	z.mu.Lock()
	defer z.mu.Unlock()
	z.known[key] = relation
	return relation
}

// relation returns the way from one NVE to another.
func (z *zones) relation(sender, receiver int) capabilities.Relation {
	s, r := z.nves[sender], z.nves[receiver]
	t := z.in.Intent.Tunnel(s.Name, r.Name)
	family, ok := t.FamilyBetween(*s, *r)
	if !ok || t.Encapsulation == intent.NVGRE {
		return capabilities.Relation{None: true}
	}
	relation := capabilities.Relation{Path: capabilities.Path{
		Encapsulation: capabilities.Geneve,
		Underlay:      capabilities.IPv4,
		MTU:           uint16(z.in.MTU),
	}}
	if family == intent.IPv6 {
		relation.Path.Underlay = capabilities.IPv6
	}
	for _, name := range z.way(s.Name, r.ProviderAddress(family), r.Name) {
		if c, ok := z.transits[name]; ok {
			relation.Path.Transit = append(relation.Path.Transit, c)
		}
	}
	if l := z.written[pair{s.Name, r.Name}]; l != nil {
		relation.Override = &l.Options
	}
	return relation
}

// way returns the transit devices that a packet crosses. Routes may lead astray,
// or in a circle; then it is those that are on the way until there.
func (z *zones) way(from string, to netip.Addr, name string) []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	var crossed []string
	for range z.devices {
		d := z.devices[from]
		if _, ok := z.routes[from]; !ok {
			z.routes[from] = z.in.Intent.Routes(from)
		}
		route, ok := intent.Towards(z.routes[from], to)
		if !ok {
			break
		}
		i := slices.IndexFunc(d.Ports, func(p intent.UnderlayPort) bool { return p.Number == route.Port })
		if i < 0 || d.Ports[i].Neighbor.Device == name {
			break
		}
		next := z.devices[d.Ports[i].Neighbor.Device]
		if next == nil || next.Role != intent.RoleTransit {
			break
		}
		crossed = append(crossed, next.Name)
		from = next.Name
	}
	return crossed
}
