package render

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/nve"
)

// What an NVE writes into outer IP headers. The tunnel is a pipe: the tenant's
// TTL and DSCP stay inside (RFC 8926 section 4.4.2).
const (
	outerTTL  = 64
	outerDSCP = 0
)

// nve renders a network virtualization edge.
func (r *renderer) nve() {
	r.add(nve.DefaultNodeIdentity(r.node(r.self.Name)))
	if r.self.UnknownCritical == intent.MissPunt {
		r.add(nve.DefaultCriticalMissPuntCritical())
	} else {
		r.add(nve.DefaultCriticalMissDropCritical())
	}
	for reason := miss.NVGREExt; reason <= miss.NoDestination; reason++ {
		r.put(tables.MeterCell{Meter: nve.MeterPunt, Index: int64(reason), Rates: &tables.Rates{
			CIR: r.in.Options.PuntRate, CommittedBurst: r.in.Options.PuntBurst,
			PIR: r.in.Options.PuntRate, PeakBurst: r.in.Options.PuntBurst,
		}})
	}
	for _, pa := range r.self.ProviderAddresses {
		r.add(nve.LocalAddressKey{Address: pa}.Terminate())
	}

	e := &edge{renderer: r}
	for _, vn := range r.networks() {
		e.virtualNetwork(vn)
	}
	r.send(&e.sends)
	r.receive(&e.receives)
}

// edge gathers what an NVE's virtual networks share: tunnels, next hops, and
// layouts in both directions.
type edge struct {
	*renderer
	sends, receives directions
	tunnels         map[string]tunnel
	neighbors       map[intent.Route]bool
	origins         map[string]bool
}

// tunnel is the way to another NVE in one encapsulation.
type tunnel struct {
	number uint16
	port   uint16
}

func (t tunnel) compare(u tunnel) int {
	return cmp.Or(cmp.Compare(t.port, u.port), cmp.Compare(t.number, u.number))
}

// network is a virtual network with what the intent says of it.
type network struct {
	intent.VirtualNetwork
	endpoints []intent.Endpoint
	members   []string // NVEs that have some of the endpoints
	policies  []intent.GroupPolicy
	ways      map[string]tunnel // to the other members
}

// networks returns the virtual networks of which the device is a member.
func (r *renderer) networks() []*network {
	in := r.in.Intent
	byName := make(map[string]*network, len(in.VirtualNetworks))
	all := make([]*network, len(in.VirtualNetworks))
	for i, vn := range in.VirtualNetworks {
		all[i] = &network{VirtualNetwork: vn, ways: make(map[string]tunnel)}
		byName[vn.Name] = all[i]
	}
	position := make(map[string]int, len(in.Devices))
	for i, d := range in.Devices {
		position[d.Name] = i
	}
	for _, ep := range in.Endpoints {
		if vn := byName[ep.VirtualNetwork]; vn != nil {
			vn.endpoints = append(vn.endpoints, ep)
			vn.members = append(vn.members, ep.Device)
		}
	}
	for _, p := range in.GroupPolicies {
		if vn := byName[p.VirtualNetwork]; vn != nil {
			vn.policies = append(vn.policies, p)
		}
	}
	return slices.DeleteFunc(all, func(vn *network) bool {
		slices.SortFunc(vn.members, func(a, b string) int { return cmp.Compare(position[a], position[b]) })
		vn.members = slices.Compact(vn.members)
		return !slices.Contains(vn.members, r.self.Name)
	})
}

func (e *edge) virtualNetwork(vn *network) {
	e.add(nve.VirtualNetworkKey{VNI: uint32(vn.VNI)}.Member())
	var toAll, toLocal []tables.Replica
	for _, other := range vn.members {
		if other == e.self.Name {
			continue
		}
		e.source(vn, other)
		if t, ok := e.towards(vn, other); ok {
			vn.ways[other] = t
		}
	}
	// In the canonical order of replicas, in which those to tenants follow.
	others := slices.SortedFunc(maps.Keys(vn.ways), func(a, b string) int { return vn.ways[a].compare(vn.ways[b]) })
	for _, other := range others {
		t := vn.ways[other]
		toAll = append(toAll, tables.Replica{Port: uint32(t.port), Instance: uint32(t.number)})
	}
	for _, ep := range vn.endpoints {
		if ep.Device == e.self.Name {
			e.local(vn, ep)
			// A virtual network is on a port once, with one tag or none.
			toLocal = append(toLocal, tables.Replica{Port: uint32(ep.Port)})
		} else {
			e.remote(vn, ep)
		}
	}
	slices.SortFunc(toLocal, func(a, b tables.Replica) int { return cmp.Compare(a.Port, b.Port) })
	e.flood(vn, "all", false, append(toAll, toLocal...), others)
	e.flood(vn, "local", true, toLocal, nil)
	e.policies(vn)
}

// source lets another NVE send into a virtual network here, and counts what is
// seen of it if it puts its node id into options.
func (e *edge) source(vn *network, other string) {
	p, ok := e.in.Intent.Path(vn.Name, other, e.self.Name)
	if !ok {
		e.fail(fmt.Errorf("virtual network %s: %w from %s to %s", vn.Name, ErrNoPath, other, e.self.Name))
		return
	}
	agreed := e.agreed(p, other, e.self.Name)
	if agreed.Impossible {
		return
	}
	e.add(nve.SourceNVEKey{VNI: uint32(vn.VNI), Address: p.Local}.Allow(uint16(e.node(other)), false))
	e.number(&e.receives, agreed.Options)
	if layoutHas(agreed.Options, intent.FieldOrigin) && !e.origins[other] {
		if e.origins == nil {
			e.origins = make(map[string]bool)
		}
		e.origins[other] = true
		e.add(nve.TraceWatchKey{Origin: e.node(other), Priority: 1}.Count())
	}
}

// agreed returns what one NVE sends to another on a path. NVGRE has no options, so
// that nothing about them has to be agreed.
func (e *edge) agreed(p intent.Path, sender, receiver string) layouts.Agreement {
	if p.Encapsulation == intent.NVGRE {
		return layouts.Agreement{}
	}
	return e.in.Layouts.Between(sender, receiver)
}

func layoutHas(options []intent.OptionType, f intent.Field) bool {
	return slices.ContainsFunc(options, func(o intent.OptionType) bool {
		return slices.ContainsFunc(o.Words, func(w intent.Word) bool { return w.Field == f })
	})
}

// towards returns the tunnel to another NVE of a virtual network, and renders it
// the first time. There is none to an NVE that cannot be sent what is required.
func (e *edge) towards(vn *network, other string) (tunnel, bool) {
	p, ok := e.in.Intent.Path(vn.Name, e.self.Name, other)
	if !ok {
		e.fail(fmt.Errorf("virtual network %s: %w from %s to %s", vn.Name, ErrNoPath, e.self.Name, other))
		return tunnel{}, false
	}
	agreed := e.agreed(p, e.self.Name, other)
	if agreed.Impossible {
		return tunnel{}, false
	}
	name := fmt.Sprintf("%s %v %v", other, p.Encapsulation, p.Remote)
	if t, ok := e.tunnels[name]; ok {
		return t, true
	}
	route, ok := intent.Towards(e.routes, p.Remote)
	if !ok {
		e.fail(fmt.Errorf("%w in the underlay from %s to %s (%v)", ErrNoPath, e.self.Name, other, p.Remote))
		return tunnel{}, false
	}
	t := tunnel{
		number: uint16(e.numberOf(spaceOfTunnels(e.self.Name), name)),
		port:   route.Port,
	}
	if e.tunnels == nil {
		e.tunnels = make(map[string]tunnel)
	}
	e.tunnels[name] = t
	e.tunnel(other, t, p, agreed.Options, e.nextHop(route))
	return t, true
}

func (e *edge) tunnel(other string, t tunnel, p intent.Path, options []intent.OptionType, nextHop uint16) {
	needs := []string{other}
	add := func(entry tables.Entry, err error) { e.addFor(needs, entry, err) }
	key := nve.TunnelKey{Tunnel: t.number}
	v4 := p.Remote.Is4()
	layout := e.number(&e.sends, options)
	frame := e.maxFrame(p, options)
	switch {
	case p.Encapsulation == intent.NVGRE && v4:
		add(key.NVGREIPv4(p.Local, p.Remote, outerDSCP, outerTTL, nextHop, frame))
	case p.Encapsulation == intent.NVGRE:
		add(key.NVGREIPv6(p.Local, p.Remote, outerDSCP, outerTTL, nextHop, frame))
	case v4:
		add(key.GeneveIPv4(p.Local, p.Remote, outerDSCP, outerTTL, true, layout, nextHop, frame))
	default:
		add(key.GeneveIPv6(p.Local, p.Remote, outerDSCP, outerTTL, true, layout, nextHop, frame))
	}
	add(nve.UnderlayPathKey{Tunnel: t.number}.Via(t.port))
}

// maxFrame is the longest tenant frame that the path carries whole. The least
// MTU leaves some after all headers and a full window.
func (e *edge) maxFrame(p intent.Path, options []intent.OptionType) uint16 {
	bytes := 0
	for _, o := range options {
		bytes += 4 * o.Size()
	}
	return uint16(e.in.Options.UnderlayMTU - Overhead(p, bytes) + ethernetLen)
}

// ethernetLen is the length of a tenant's Ethernet header, which RFC 7637 section
// 3.3 has without a tag, and we as well with Geneve.
const ethernetLen = 14

// Overhead returns what a tenant's IP packet grows by until it is an IP packet of
// the underlay with so many bytes of options, in bytes (RFC 8926 section 4.4.1).
func Overhead(p intent.Path, options int) int {
	n := ethernetLen + 8 + 20 // GRE with key, or the Geneve base header
	if !p.Remote.Is4() {
		n += 20
	}
	if p.Encapsulation == intent.Geneve {
		n += 8 + options // UDP
	}
	return n
}

// nextHop returns the number of the neighbor that a route leads to, and renders
// it the first time.
func (e *edge) nextHop(route intent.Route) uint16 {
	route.Prefix = netip.Prefix{} // the neighbor is the same for all prefixes
	n := uint16(e.numberOf(spaceOfNextHops(e.self.Name), fmt.Sprintf("%d %v", route.Port, route.NextHop)))
	if e.neighbors[route] {
		return n
	}
	if e.neighbors == nil {
		e.neighbors = make(map[intent.Route]bool)
	}
	e.neighbors[route] = true
	for _, p := range e.self.Ports {
		if p.Number == route.Port {
			e.add(nve.NeighborKey{NextHop: n}.Resolve(p.MAC, route.NextHop))
			return n
		}
	}
	e.fail(fmt.Errorf("route by port %d, which %s does not have", route.Port, e.self.Name))
	return n
}

func (e *edge) local(vn *network, ep intent.Endpoint) {
	e.add(nve.AttachmentKey{Port: ep.Port, VLAN: ep.VLAN}.Attach(uint32(vn.VNI), ep.Group, ep.LogicalPort))
	e.add(nve.EndpointKey{VNI: uint32(vn.VNI), MAC: ep.MAC}.Local(ep.Port, ep.Group))
	if ep.LogicalPort != 0 {
		e.add(nve.LogicalPortKey{VNI: uint32(vn.VNI), LogicalPort: ep.LogicalPort}.LocalPort(ep.Port, ep.Group))
	}
	if ep.VLAN != 0 {
		e.add(nve.PortTagKey{Port: ep.Port, VNI: uint32(vn.VNI)}.Tag(ep.VLAN))
	}
}

// remote sends for an endpoint to the NVE that it is behind, or to which a
// message from the wire that was believed has redirected it, if that still is
// an NVE of the virtual network.
func (e *edge) remote(vn *network, ep intent.Endpoint) {
	at := ep.Device
	if e.in.Overrides != nil {
		o, ok := e.in.Overrides.Lookup(miss.Place{Device: e.self.Name, VNI: vn.VNI, MAC: ep.MAC})
		if _, reached := vn.ways[o.Device]; ok && reached {
			at = o.Device
		}
	}
	if t, ok := vn.ways[at]; ok {
		entry, err := nve.EndpointKey{VNI: uint32(vn.VNI), MAC: ep.MAC}.Remote(t.number, ep.LogicalPort)
		e.addFor([]string{at}, entry, err)
	}
}

// flood replicates to all of a virtual network. The row needs nobody: the group
// has at least the local ports.
func (e *edge) flood(vn *network, scope string, fromUnderlay bool, replicas []tables.Replica, needs []string) {
	group := e.numberOf(spaceOfGroups(e.self.Name), vn.Name+" "+scope)
	e.put(tables.MulticastGroup{ID: group, Replicas: replicas}, needs...)
	e.add(nve.FloodKey{VNI: uint32(vn.VNI), FromUnderlay: fromUnderlay}.Replicate(uint16(group)))
}

// Priorities of group policies: a pair of groups before the rest.
const (
	policyOfPair = 20
	policyOfRest = 10
)

func (e *edge) policies(vn *network) {
	for _, p := range vn.policies {
		key := nve.GroupPolicyKey{
			VNI:              uint32(vn.VNI),
			SourceGroup:      tables.Is(p.From),
			DestinationGroup: tables.Is(p.To),
			Priority:         policyOfPair,
		}
		if p.Action == intent.Deny {
			e.add(key.Deny())
		} else {
			e.add(key.Permit())
		}
	}
	if vn.DefaultPolicy == intent.Deny {
		e.add(nve.GroupPolicyKey{VNI: uint32(vn.VNI), Priority: policyOfRest}.Deny())
	}
}
