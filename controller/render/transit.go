package render

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/transit"
)

// transit renders a transit device: routes, the inner ACL, and the options that
// its configuration names.
func (r *renderer) transit() {
	for _, route := range r.routes {
		for _, p := range r.self.Ports {
			if p.Number == route.Port {
				r.add(transit.RouteKey{Destination: route.Prefix}.Forward(route.Port, p.MAC, route.NextHop))
			}
		}
	}
	for i, rule := range r.self.InnerACL {
		r.acl(rule, int32(len(r.self.InnerACL)-i))
	}
	for i, read := range r.self.Reads {
		r.read(uint16(i+1), read)
	}
	if len(r.self.Reads) > 0 {
		r.put(tables.DigestConfig{
			Digest:     transit.DigestPathTrace,
			MaxTimeout: 10 * time.Millisecond,
			MaxList:    100,
			AckTimeout: time.Second,
		})
		for _, d := range r.in.Intent.Devices {
			if d.Role == intent.RoleNVE {
				r.add(transit.TraceWatchKey{Origin: r.node(d.Name), Priority: 1}.Report(r.node(r.self.Name)))
			}
		}
	}
}

// acl renders one rule of the inner ACL; the first rule has the highest
// priority.
func (r *renderer) acl(rule intent.ACLRule, priority int32) {
	key := transit.InnerACLKey{Priority: priority}
	if rule.VirtualNetwork != "" {
		vn, ok := r.in.Intent.VirtualNetwork(rule.VirtualNetwork)
		if !ok {
			r.fail(fmt.Errorf("inner ACL: virtual network %s: not in the intent", rule.VirtualNetwork))
			return
		}
		key.VNI = tables.Is(uint32(vn.VNI))
	}
	if rule.Source.IsValid() {
		key.Source = in(rule.Source)
	}
	if rule.Destination.IsValid() {
		key.Destination = in(rule.Destination)
	}
	if rule.Protocol != 0 {
		key.Protocol = tables.Is(rule.Protocol)
	}
	if rule.SourcePort != 0 {
		key.SourcePort = tables.Is(rule.SourcePort)
	}
	if rule.DestinationPort != 0 {
		key.DestinationPort = tables.Is(rule.DestinationPort)
	}
	if rule.Action == intent.Deny {
		r.add(key.Deny())
	} else {
		r.add(key.Permit())
	}
}

// in matches a prefix; one of IPv4 only tenants' IPv4.
func in(p netip.Prefix) tables.Masked[netip.Addr] {
	if p.Bits() == 0 && p.Addr().Is4() {
		return tables.In(netip.MustParsePrefix("::ffff:0:0/96"))
	}
	return tables.In(p)
}

// read renders the rows that find one option at its place, whatever else the
// options are: OptLen has to reach the option's end, which a row says as a few
// ternary values.
func (r *renderer) read(layout uint16, read intent.Read) {
	o, ok := r.in.Intent.OptionType(read.Option)
	if !ok {
		r.fail(fmt.Errorf("reads: option type %s: not in the intent", read.Option))
		return
	}
	first := int(read.Word)
	var bits uint8
	for i, w := range o.Words {
		bit := carries(w.Field)
		if instance := transitReader(w.Field); instance != 0 && bits&bit == 0 {
			bits |= bit
			r.add(transit.ReadKey{Instance: instance, Layout: layout}.FromWord(first+1+i, w.Shift))
		}
	}
	for _, optLen := range tables.ExpandRange(uint64(first+o.Size()), 63, 6) {
		key := transit.OptionLayoutKey{
			OptLen:   tables.Masked[uint8]{Value: uint8(optLen.Value), Mask: uint8(optLen.Mask)},
			Priority: layoutPriority,
		}
		key.Word[first] = tables.Masked[uint32]{Value: header(o), Mask: headerMask}
		r.add(key.Bind(layout, bits))
	}
}

func transitReader(f intent.Field) transit.ReadInstance {
	switch f {
	case intent.FieldOrigin:
		return transit.ReadOrigin
	case intent.FieldFlowHash:
		return transit.ReadFlowHash
	case intent.FieldTimestamp:
		return transit.ReadTimestamp
	}
	return 0
}
