package intent

import (
	"fmt"
	"slices"

	"github.com/keyway-nve/keyway/proto/geneve"
)

func (c *checker) virtualNetworks() {
	for i, v := range c.in.VirtualNetworks {
		at := fmt.Sprintf("virtualNetworks[%d]", i)
		c.name(at+".name", "virtual network", v.Name)
		if c.between(at+".vni", "VNI", int(v.VNI), 1, int(geneve.MaxVNI)) && c.usesNVGRE(v) {
			c.between(at+".vni", "virtual network "+v.Name+" is tunnelled as NVGRE, and VSID", int(v.VNI), MinVSID, MaxVSID)
		}
		c.once(at+".vni", "VNI", v.VNI)
	}
}

// usesNVGRE reports whether any two NVEs with endpoints of v tunnel it as NVGRE.
func (c *checker) usesNVGRE(v VirtualNetwork) bool {
	if v.Encapsulation == NVGRE {
		return true
	}
	members := c.members[v.Name]
	has := func(name string) bool {
		return slices.ContainsFunc(members, func(d *Device) bool { return d.Name == name })
	}
	return slices.ContainsFunc(c.in.Tunnels, func(t Tunnel) bool {
		return t.Encapsulation == NVGRE && has(t.Sender) && has(t.Receiver)
	})
}

func (c *checker) endpoints() {
	for i, e := range c.in.Endpoints {
		at := fmt.Sprintf("endpoints[%d]", i)
		c.name(at+".name", "endpoint", e.Name)
		c.refVN(at+".virtualNetwork", e.VirtualNetwork)
		c.unicast(at+".mac", e.MAC)
		c.once(at+".mac", "MAC", fmt.Sprintf("%v in %s", e.MAC, e.VirtualNetwork))
		for j, a := range e.Addresses {
			path := fmt.Sprintf("%s.addresses[%d]", at, j)
			if familyOf(a) == 0 || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a == broadcast() {
				c.report(path, "%v cannot be a customer address: want a unicast address without a zone", a)
				continue
			}
			c.once(path, "customer address", fmt.Sprintf("%v in %s", a, e.VirtualNetwork))
		}
		c.attachment(at, e)
		if e.LogicalPort != 0 && c.between(at+".logicalPort", "logical port", int(e.LogicalPort), 1, MaxLogicalPort) {
			c.once(at+".logicalPort", "logical port", fmt.Sprintf("%d in %s", e.LogicalPort, e.VirtualNetwork))
		}
	}
}

func (c *checker) attachment(at string, e Endpoint) {
	c.refNVE(at+".device", e.Device)
	c.between(at+".port", "tenant port", int(e.Port), MinTenantPort, MaxTenantPort)
	c.between(at+".vlan", "VLAN", int(e.VLAN), 0, MaxVLAN)
	place := fmt.Sprintf("%s port %d", e.Device, e.Port)
	if e.VLAN != 0 {
		place = fmt.Sprintf("%s VLAN %d", place, e.VLAN)
	}
	c.once(at+".port", "attachment", place)
	// What leaves a port for a virtual network has one tag, or none.
	c.once(at+".virtualNetwork", "virtual network", fmt.Sprintf("%s on %s port %d", e.VirtualNetwork, e.Device, e.Port))
}

func (c *checker) groupPolicies() {
	for i, g := range c.in.GroupPolicies {
		at := fmt.Sprintf("groupPolicies[%d]", i)
		c.refVN(at+".virtualNetwork", g.VirtualNetwork)
		c.once(at, "policy", fmt.Sprintf("from group %d to %d in %s", g.From, g.To, g.VirtualNetwork))
	}
}

func (c *checker) tunnels() {
	for i, t := range c.in.Tunnels {
		at := fmt.Sprintf("tunnels[%d]", i)
		if !c.pair(at, "tunnel", t.Sender, t.Receiver) || t.Underlay == 0 {
			continue
		}
		for _, name := range []string{t.Sender, t.Receiver} {
			if !c.devicesByName[name].ProviderAddress(t.Underlay).IsValid() {
				c.report(at+".underlay", "NVE %s has no %v provider address", name, t.Underlay)
			}
		}
	}
}

// pair checks the two ends of a tunnel or layout.
func (c *checker) pair(at, kind, sender, receiver string) bool {
	okSender, okReceiver := c.refNVE(at+".sender", sender), c.refNVE(at+".receiver", receiver)
	if !okSender || !okReceiver {
		return false
	}
	if sender == receiver {
		c.report(at+".receiver", "an NVE needs no %s to itself", kind)
		return false
	}
	c.once(at, kind, fmt.Sprintf("from %s to %s", sender, receiver))
	return true
}

// paths reports NVEs that share a virtual network but no family of provider addresses.
func (c *checker) paths() {
	for i, v := range c.in.VirtualNetworks {
		var only [IPv6 + 1][]string // members that have a provider address of this family alone
		for _, d := range c.members[v.Name] {
			v4, v6 := d.ProviderAddress(IPv4).IsValid(), d.ProviderAddress(IPv6).IsValid()
			switch {
			case v4 && !v6:
				only[IPv4] = append(only[IPv4], d.Name)
			case v6 && !v4:
				only[IPv6] = append(only[IPv6], d.Name)
			}
		}
		for _, a := range only[IPv4] {
			for _, b := range only[IPv6] {
				c.report(fmt.Sprintf("virtualNetworks[%d]", i), "NVEs %s and %s have endpoints of %s but no provider addresses of one family", a, b, v.Name)
			}
		}
	}
}
