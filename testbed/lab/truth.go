package lab

import (
	"slices"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/testbed/wire"
)

// cable fills the neighbours of a lab's intent from its wires.
func cable(in intent.Intent, wires []Wire) intent.Intent {
	in.Devices = slices.Clone(in.Devices)
	for i := range in.Devices {
		d := &in.Devices[i]
		d.Ports = slices.Clone(d.Ports)
		for j := range d.Ports {
			p := &d.Ports[j]
			if far, ok := farEnd(wires, wire.End{Node: d.Name, Port: uint32(p.Number)}); ok && p.Neighbor == (intent.Neighbor{}) {
				p.Neighbor = intent.Neighbor{Device: far.Node, Port: uint16(far.Port)}
			}
		}
	}
	return in.Resolved()
}

func farEnd(wires []Wire, e wire.End) (wire.End, bool) {
	for _, w := range wires {
		if len(w.Ends) != 2 {
			continue
		}
		if far, ok := (wire.Wire{A: w.Ends[0], B: w.Ends[1]}).Far(e); ok {
			return far, true
		}
	}
	return wire.End{}, false
}

// ports returns the ports of a device that have a wire at some time.
func (l *Lab) ports(d intent.Device) []uint32 {
	var ports []uint32
	for _, w := range l.Topology.Wires {
		for _, e := range w.Ends {
			if e.Node == d.Name {
				ports = append(ports, e.Port)
			}
		}
	}
	for _, e := range l.Intent.Endpoints {
		if e.Device == d.Name {
			ports = append(ports, uint32(e.Port))
		}
	}
	for _, s := range l.Scenario {
		if s.Move != nil && s.Move.To.Node == d.Name {
			ports = append(ports, s.Move.To.Port)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// after returns the truth as a step leaves it. It changes nothing in place.
func after(in intent.Intent, s Step) intent.Intent {
	if s.Move != nil {
		in.Endpoints = slices.Clone(in.Endpoints)
		for i := range in.Endpoints {
			if in.Endpoints[i].Name == s.Move.Endpoint {
				in.Endpoints[i].Device = s.Move.To.Node
				in.Endpoints[i].Port = uint16(s.Move.To.Port)
			}
		}
	}
	if u := s.Update; u != nil {
		in.VirtualNetworks = merge(in.VirtualNetworks, u.VirtualNetworks, func(v intent.VirtualNetwork) string { return v.Name })
		in.OptionTypes = merge(in.OptionTypes, u.OptionTypes, func(o intent.OptionType) string { return o.Name })
		in.GroupPolicies = merge(in.GroupPolicies, u.GroupPolicies, func(g intent.GroupPolicy) intent.GroupPolicy {
			g.Action = 0
			return g
		})
		in.Tunnels = merge(in.Tunnels, u.Tunnels, func(t intent.Tunnel) [2]string { return [2]string{t.Sender, t.Receiver} })
		if u.Wanted != nil {
			in.Wanted = *u.Wanted
		}
		in.Layouts = merge(in.Layouts, u.Layouts, func(l intent.Layout) [2]string { return [2]string{l.Sender, l.Receiver} })
	}
	return in
}

// merge returns base in which each of changes has replaced the entry of its key, or been added.
func merge[T any, K comparable](base, changes []T, key func(T) K) []T {
	out := slices.Clone(base)
	for _, c := range changes {
		if i := slices.IndexFunc(out, func(t T) bool { return key(t) == key(c) }); i >= 0 {
			out[i] = c
		} else {
			out = append(out, c)
		}
	}
	return out
}

// without returns an intent that lacks an endpoint.
func without(in intent.Intent, endpoint string) intent.Intent {
	in.Endpoints = slices.DeleteFunc(slices.Clone(in.Endpoints), func(e intent.Endpoint) bool { return e.Name == endpoint })
	return in
}

// viewOf returns an intent as an authority has to see it: with the targets of its own devices, with all others as peers, and with where each
// can be asked what it can do.
func viewOf(in intent.Intent, a Authority, targets map[string]intent.Target, gnmi map[string]string) intent.Intent {
	in.Devices = slices.Clone(in.Devices)
	for i := range in.Devices {
		d := &in.Devices[i]
		d.P4Runtime, d.GNMI = intent.Target{}, gnmi[d.Name]
		if slices.Contains(a.Devices, d.Name) {
			d.P4Runtime = targets[d.Name]
		}
	}
	return in
}

// told returns which authorities learn of a change.
func told(authorities []Authority, tell []string) []string {
	if tell != nil {
		return tell
	}
	names := make([]string, len(authorities))
	for i, a := range authorities {
		names[i] = a.Name
	}
	return names
}
