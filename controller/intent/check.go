package intent

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/proto/ethernet"
)

// ReportFunc takes one reason against the value at a path, such as devices[2].mac, of which the names are those of the YAML form.
type ReportFunc func(path, format string, args ...any)

// checker validates an intent.
type checker struct {
	in     *Intent
	report ReportFunc
	// seen has, by kind and key, the path where each key was first used.
	seen map[string]string
	// The first device and virtual network of each name, and the NVEs of each virtual network.
	devicesByName map[string]*Device
	networks      map[string]*VirtualNetwork
	members       map[string][]*Device
}

func newChecker(in *Intent, report ReportFunc) *checker {
	c := &checker{
		in: in, report: report, seen: map[string]string{},
		devicesByName: map[string]*Device{}, networks: map[string]*VirtualNetwork{}, members: map[string][]*Device{},
	}
	for i := range in.Devices {
		if d := &in.Devices[i]; c.devicesByName[d.Name] == nil {
			c.devicesByName[d.Name] = d
		}
	}
	for i := range in.VirtualNetworks {
		if v := &in.VirtualNetworks[i]; c.networks[v.Name] == nil {
			c.networks[v.Name] = v
		}
	}
	type membership struct{ vn, device string }
	had := map[membership]bool{}
	for _, e := range in.Endpoints {
		if d, m := c.devicesByName[e.Device], (membership{e.VirtualNetwork, e.Device}); d != nil && !had[m] {
			had[m] = true
			c.members[e.VirtualNetwork] = append(c.members[e.VirtualNetwork], d)
		}
	}
	return c
}

// Check validates a resolved intent as a whole and reports every reason against it. What is absent although it must not be is not
// reported again here if the manifest already did; see [manifest.Document.Errorf].
func (in Intent) Check(report ReportFunc) {
	c := newChecker(&in, report)
	c.optionTypes()
	c.devices()
	c.virtualNetworks()
	c.endpoints()
	c.groupPolicies()
	c.tunnels()
	c.wanted()
	c.layouts()
	c.paths()
}

// once reports a key that was used before. Different kinds of key do not clash.
func (c *checker) once(path, kind string, key any) {
	k := fmt.Sprintf("%s\x00%v", kind, key)
	if first, ok := c.seen[k]; ok {
		c.report(path, "%s %v is already used by %s", kind, key, first)
		return
	}
	c.seen[k] = path
}

// IsName reports whether s can name something: 1 to 63 lower-case letters and digits, with hyphens, dots and underscores between them. A name is
// safe as the name of a file, too.
func IsName(s string) bool {
	for i := range len(s) {
		alphanumeric := s[i] >= 'a' && s[i] <= 'z' || s[i] >= '0' && s[i] <= '9'
		inside := i > 0 && i < len(s)-1
		if !alphanumeric && !(inside && (s[i] == '-' || s[i] == '_' || s[i] == '.')) {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 63
}

func (c *checker) name(path, kind, name string) {
	if !IsName(name) {
		c.report(path, "%q is not a name: want 1 to 63 lower-case letters and digits, with hyphens, dots and underscores between them", name)
		return
	}
	c.once(path, kind+" name", name)
}

func (c *checker) unicast(path string, m ethernet.MAC) {
	switch {
	case m.IsZero():
		c.report(path, "the MAC is zero")
	case m.IsMulticast():
		c.report(path, "%v is a multicast MAC", m)
	}
}

func (c *checker) between(path, what string, v, low, high int) bool {
	if v >= low && v <= high {
		return true
	}
	c.report(path, "%s %d is not from %d to %d", what, v, low, high)
	return false
}

func (c *checker) devices() {
	for i, d := range c.in.Devices {
		at := fmt.Sprintf("devices[%d]", i)
		c.name(at+".name", "device", d.Name)
		if d.Role == RoleNVE || !d.MAC.IsZero() {
			c.unicast(at+".mac", d.MAC)
			c.once(at+".mac", "device MAC", d.MAC)
		}
		c.target(at+".p4runtime", d)
		c.capability(at, d)
		c.providerAddresses(at+".providerAddresses", d)
		c.ports(at, d)
		c.routes(at, d)
		if d.Role == RoleTransit {
			if d.NVGREExt != (NVGREExt{}) {
				c.report(at+".nvgreExt", "a transit device takes no part in NVGRE-EXT")
			}
		} else {
			if len(d.Reads) > 0 {
				c.report(at+".reads", "only a transit device reads options at fixed places; an NVE does by its layouts")
			}
			if len(d.InnerACL) > 0 {
				c.report(at+".innerAcl", "only a transit device has an inner ACL")
			}
		}
		if d.NVGREExt.Hold < 0 {
			c.report(at+".nvgreExt.hold", "a hold time is not negative")
		}
		c.reads(at, d)
		c.acl(at, d)
	}
}

func (c *checker) target(at string, d Device) {
	if d.P4Runtime == (Target{}) {
		return
	}
	c.address(at+".address", d.P4Runtime.Address)
	if d.P4Runtime.DeviceID == 0 {
		c.report(at+".deviceId", "a P4Runtime device id is not 0")
	}
	c.once(at, "P4Runtime target", fmt.Sprintf("%s device %d", d.P4Runtime.Address, d.P4Runtime.DeviceID))
}

func (c *checker) address(at, address string) {
	host, port, err := net.SplitHostPort(address)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || host == "" || n == 0 {
		c.report(at, "%q is not host:port", address)
	}
}

// capability checks what is said of where a device's capability is known from.
func (c *checker) capability(at string, d Device) {
	if d.GNMI != "" {
		c.address(at+".gnmi", d.GNMI)
		if d.Role == RoleTransit {
			c.report(at+".gnmi", "a transit device takes no part in the control plane of the overlay; say by profile or capability what it can do (RFC 9638 §6.5)")
		}
	}
	if d.Profile != "" {
		p, err := capabilities.ShippedProfile(d.Profile)
		if err != nil {
			c.report(at+".profile", "%v", err)
		} else {
			c.sameRole(at+".profile", d, p.Capability)
		}
	}
	if d.Capability != nil {
		d.Capability.Check(func(path, format string, args ...any) { c.report(at+".capability."+path, format, args...) })
		c.sameRole(at+".capability.role", d, *d.Capability)
	}
}

func (c *checker) sameRole(at string, d Device, x capabilities.Capability) {
	if transit := x.Role == capabilities.RoleTransit; transit != (d.Role == RoleTransit) {
		c.report(at, "%s is that of a device of role %v, and %s has role %v", x.Name, x.Role, d.Name, d.Role)
	}
}

func (c *checker) providerAddresses(at string, d Device) {
	if d.Role == RoleNVE && len(d.ProviderAddresses) == 0 {
		c.report(at, "an NVE has a provider address")
	}
	families := map[Family]bool{}
	for i, a := range d.ProviderAddresses {
		path := fmt.Sprintf("%s[%d]", at, i)
		f := familyOf(a)
		switch {
		case f == 0 || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a == broadcast():
			c.report(path, "%v cannot be a provider address: want a unicast address without a zone", a)
			continue
		case families[f]:
			c.report(path, "a second %v provider address: one for each family", f)
		}
		families[f] = true
		c.once(path, "provider address", a)
	}
}

func broadcast() netip.Addr { return netip.AddrFrom4([4]byte{255, 255, 255, 255}) }

func (c *checker) ports(at string, d Device) {
	for i, p := range d.Ports {
		path := fmt.Sprintf("%s.ports[%d]", at, i)
		c.between(path+".number", "underlay port", int(p.Number), MinUnderlayPort, MaxUnderlayPort)
		c.once(path+".number", "port", fmt.Sprintf("%d of %s", p.Number, d.Name))
		c.unicast(path+".mac", p.MAC)
		c.neighbor(path+".neighbor", d, p)
	}
}

func (c *checker) neighbor(at string, d Device, p UnderlayPort) {
	n := p.Neighbor
	if n == (Neighbor{}) {
		return
	}
	if n.Device == "" {
		if n.Port != 0 {
			c.report(at+".port", "a neighbour's port needs its device")
		}
		c.unicast(at+".mac", n.MAC)
		return
	}
	if c.devicesByName[n.Device] == nil {
		c.report(at+".device", "no device is named %q", n.Device)
		return
	}
	far := c.in.port(n.Device, n.Port)
	switch {
	case n.Device == d.Name:
		c.report(at+".device", "a link leads to another device")
	case far == nil:
		c.report(at+".port", "device %s has no underlay port %d", n.Device, n.Port)
	case far.Neighbor.Device != d.Name || far.Neighbor.Port != p.Number:
		c.report(at, "port %d of %s already has another neighbour", n.Port, n.Device)
	case n.MAC != far.MAC:
		c.report(at+".mac", "%v is not the MAC of port %d of %s, which is %v", n.MAC, n.Port, n.Device, far.MAC)
	}
}

func (c *checker) routes(at string, d Device) {
	for i, r := range d.Routes {
		path := fmt.Sprintf("%s.routes[%d]", at, i)
		if r.Prefix.IsValid() && r.Prefix != r.Prefix.Masked() {
			c.report(path+".prefix", "%v has bits behind its length; want %v", r.Prefix, r.Prefix.Masked())
		}
		c.once(path+".prefix", "route", fmt.Sprintf("%v of %s", r.Prefix, d.Name))
		if !slices.ContainsFunc(d.Ports, func(p UnderlayPort) bool { return p.Number == r.Port }) {
			c.report(path+".port", "device %s has no underlay port %d", d.Name, r.Port)
			continue
		}
		c.unicast(path+".nextHop", r.NextHop)
	}
}

func (c *checker) reads(at string, d Device) {
	for i, r := range d.Reads {
		path := fmt.Sprintf("%s.reads[%d]", at, i)
		o, ok := c.in.OptionType(r.Option)
		if !ok {
			c.report(path+".option", "no option type is named %q", r.Option)
			continue
		}
		c.once(path+".option", "read", fmt.Sprintf("%s of %s", r.Option, d.Name))
		if end := int(r.Word) + o.Size(); end > WindowWords {
			c.report(path+".word", "option %s at word %d ends at word %d, and the window has %d", o.Name, r.Word, end, WindowWords)
		}
	}
}

func (c *checker) acl(at string, d Device) {
	for i, r := range d.InnerACL {
		path := fmt.Sprintf("%s.innerAcl[%d]", at, i)
		if r.VirtualNetwork != "" {
			c.refVN(path+".virtualNetwork", r.VirtualNetwork)
		}
		for _, p := range []struct {
			name   string
			prefix netip.Prefix
		}{{"source", r.Source}, {"destination", r.Destination}} {
			if p.prefix.IsValid() && p.prefix != p.prefix.Masked() {
				c.report(path+"."+p.name, "%v has bits behind its length; want %v", p.prefix, p.prefix.Masked())
			}
		}
		if r.Source.IsValid() && r.Destination.IsValid() && r.Source.Addr().Is4() != r.Destination.Addr().Is4() {
			c.report(path+".destination", "source and destination are of different families")
		}
		if (r.SourcePort != 0 || r.DestinationPort != 0) && r.Protocol != 6 && r.Protocol != 17 {
			c.report(path+".protocol", "ports are of TCP (6) or UDP (17)")
		}
	}
}

func (c *checker) refVN(path, name string) {
	if c.networks[name] == nil {
		c.report(path, "no virtual network is named %q", name)
	}
}

// refNVE reports a name that is not that of an NVE.
func (c *checker) refNVE(path, name string) bool {
	d := c.devicesByName[name]
	switch {
	case d == nil:
		c.report(path, "no device is named %q", name)
	case d.Role == RoleTransit:
		c.report(path, "device %s is not an NVE", name)
	default:
		return true
	}
	return false
}
