package render

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/transit"
)

// transit renders a transit device: routes, the inner ACL, and the options that
// its configuration names.
func (r *renderer) transit() {
	for _, route := range r.routes {
		for _, p := range r.self.Ports {
			if p.Number == route.Port {
				r.add(transit.RouteKey{IPv4: route.Prefix.Addr().Is4(), Destination: route.Prefix}.Forward(route.Port, p.MAC, route.NextHop))
			}
		}
	}
	for i, rule := range r.self.InnerACL {
		r.acl(rule, int32(len(r.self.InnerACL)-i))
	}
	r.reads()
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
	if holdsIPv4(rule.Source) || holdsIPv4(rule.Destination) {
		key.EtherType = tables.Is(uint16(ethernet.TypeIPv6))
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

// holdsIPv4 reports whether a prefix of IPv6 holds the addresses as which the
// table has tenants' IPv4.
func holdsIPv4(p netip.Prefix) bool {
	return p.IsValid() && p.Addr().Is6() && p.Contains(netip.MustParseAddr("::ffff:0:0"))
}

// maxReads bounds the rows of option_layout that a device's reads take: up to
// six for each set of them.
const maxReads = 6

// ErrTooManyReads is the fault of a transit device that is to read more
// options than it has rows for.
var ErrTooManyReads = errors.New("too many options to read")

// placed is an option at its place in the window.
type placed struct {
	intent.OptionType
	first int // word of its header
}

func (p placed) end() int { return p.first + p.Size() }

// reads renders the rows that find options at their places, whatever else stands
// in the window. A packet meets one row only, so each set of options that a
// packet may have together has its own, and larger sets come before smaller.
func (r *renderer) reads() {
	var options []placed
	for _, read := range r.self.Reads {
		o, ok := r.in.Intent.OptionType(read.Option)
		if !ok {
			r.fail(fmt.Errorf("reads: option type %s: not in the intent", read.Option))
			continue
		}
		options = append(options, placed{o, int(read.Word)})
	}
	if len(options) > maxReads {
		r.fail(fmt.Errorf("reads: %w: %d, the device has rows for %d", ErrTooManyReads, len(options), maxReads))
		return
	}
	sets := make([]uint, 0, 1<<len(options))
	for set := uint(1); set < 1<<len(options); set++ {
		sets = append(sets, set)
	}
	slices.SortFunc(sets, func(a, b uint) int {
		return cmp.Or(cmp.Compare(bits.OnesCount(a), bits.OnesCount(b)), cmp.Compare(a, b))
	})
	for i, set := range sets {
		var chosen []placed
		for j, o := range options {
			if set&(1<<j) != 0 {
				chosen = append(chosen, o)
			}
		}
		slices.SortFunc(chosen, func(a, b placed) int { return cmp.Compare(a.first, b.first) })
		if !overlap(chosen) {
			r.read(chosen, int32(i+1))
		}
	}
}

// overlap reports whether options, in the order of their places, cannot stand
// there together.
func overlap(options []placed) bool {
	for i := 1; i < len(options); i++ {
		if options[i].first < options[i-1].end() {
			return true
		}
	}
	return false
}

// read renders the rows for packets that have all of some options at their
// places. OptLen has to reach the end of the last, which a row says as a few
// ternary values.
func (r *renderer) read(options []placed, priority int32) {
	type source struct {
		word  int
		shift uint8
	}
	var key transit.OptionLayoutKey
	var carried uint8
	from := make(map[transit.ReadInstance]source)
	var name strings.Builder
	for _, o := range options {
		key.Word[o.first] = tables.Masked[uint32]{Value: header(o.OptionType), Mask: headerMask}
		l := layoutOf([]intent.OptionType{o.OptionType})
		fmt.Fprintf(&name, "%d:%x ", o.first, l.content())
		for i, w := range o.Words {
			instance := transitReader(w.Field)
			if _, known := from[instance]; instance != 0 && !known {
				carried |= carries(w.Field)
				from[instance] = source{o.first + 1 + i, w.Shift}
			}
		}
	}
	layout := uint16(r.numberOf(spaceOfLayouts(), name.String()))
	for instance := transit.ReadOrigin; instance <= transit.ReadTimestamp; instance++ {
		if s, ok := from[instance]; ok {
			r.add(transit.ReadKey{Instance: instance, Layout: layout}.FromWord(s.word, s.shift))
		}
	}
	for _, optLen := range tables.ExpandRange(uint64(options[len(options)-1].end()), maxOptLen, 6) {
		key.OptLen = tables.Masked[uint8]{Value: uint8(optLen.Value), Mask: uint8(optLen.Mask)}
		key.Priority = priority
		r.add(key.Bind(layout, carried))
	}
}

// maxOptLen is the largest OptLen of a Geneve header, in words (RFC 8926
// section 3.4).
const maxOptLen = 63

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
