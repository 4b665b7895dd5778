package lab

import (
	"fmt"
	"slices"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/manifest"
	"github.com/keyway-nve/keyway/testbed/wire"
)

const (
	maxCount = 100000
	// minSize is what stream and sequence number need, maxSize what fits a frame that no underlay has to fragment.
	minSize = payloadHeader
	maxSize = 8000
)

type checker struct {
	doc   *manifest.Document
	lab   *Lab
	truth intent.Intent
	// replayable has the wires, by name and end, that frames may have crossed already.
	replayable map[string]bool
}

// name reports what cannot name a lab, wire or authority, of which the first two become files.
func (c *checker) name(path, name string) {
	if !intent.IsName(name) {
		c.doc.Errorf(path, "%q is not a name: want 1 to 63 lower-case letters and digits, with hyphens, dots and underscores between them", name)
	}
}

func (c *checker) wires() {
	names, ends := map[string]bool{}, map[wire.End]bool{}
	for _, e := range c.lab.Intent.Endpoints {
		names[e.Name] = true
	}
	for i, w := range c.lab.Topology.Wires {
		at := manifest.Index("topology.wires", i)
		c.name(at+".name", w.Name)
		if names[w.Name] {
			c.doc.Errorf(at+".name", "%s already names a wire; those of endpoints are named after them", w.Name)
		}
		names[w.Name] = true
		if len(w.Ends) != 2 {
			c.doc.Errorf(at+".ends", "a wire has two ends, and this one %d", len(w.Ends))
		}
		for j, e := range w.Ends {
			path := manifest.Index(at+".ends", j)
			if ends[e] {
				c.doc.Errorf(path, "%v already has a wire", e)
			}
			ends[e] = true
			d, ok := c.lab.Intent.Device(e.Node)
			switch {
			case !ok:
				c.doc.Errorf(path, "no device is named %q", e.Node)
			case !slices.ContainsFunc(d.Ports, func(p intent.UnderlayPort) bool { return uint32(p.Number) == e.Port }):
				c.doc.Errorf(path, "device %s has no underlay port %d", e.Node, e.Port)
			}
		}
	}
}

func (c *checker) authorities() {
	owner := map[string]string{}
	names := map[string]bool{}
	for i, a := range c.lab.Authorities {
		at := manifest.Index("authorities", i)
		c.name(at+".name", a.Name)
		if names[a.Name] {
			c.doc.Errorf(at+".name", "another authority is named %s", a.Name)
		}
		names[a.Name] = true
		for j, d := range a.Devices {
			path := manifest.Index(at+".devices", j)
			if _, ok := c.lab.Intent.Device(d); !ok {
				c.doc.Errorf(path, "no device is named %q", d)
			}
			if owner[d] != "" {
				c.doc.Errorf(path, "%s already belongs to %s", d, owner[d])
			}
			owner[d] = a.Name
			if c.lab.isPeer(d) {
				c.doc.Errorf(path, "%s is a peer, which no authority programs", d)
			}
		}
	}
	for i, d := range c.lab.Intent.Devices {
		if owner[d.Name] == "" && !c.lab.isPeer(d.Name) {
			c.doc.Errorf(manifest.Index("intent.devices", i), "no authority programs device %s", d.Name)
		}
	}
}

func (c *checker) step(at string, s Step) {
	var actions []string
	for _, a := range []struct {
		name  string
		given bool
	}{
		{"send", s.Send != nil}, {"ping", s.Ping != nil}, {"inject", s.Inject != nil}, {"move", s.Move != nil}, {"forget", s.Forget != nil},
		{"tell", s.Tell != nil}, {"update", s.Update != nil}, {"advertise", s.Advertise != nil}, {"fault", s.Fault != nil}, {"wait", s.Wait != 0},
	} {
		if a.given {
			actions = append(actions, a.name)
		}
	}
	if len(actions) > 1 {
		c.doc.Errorf(at, "a step does one thing, and this one does %d: %v", len(actions), actions)
	}
	for i, x := range s.Send {
		c.send(manifest.Index(at+".send", i), x)
	}
	for i, x := range s.While {
		path := manifest.Index(at+".while", i)
		c.send(path, x)
		if x.Count != 0 || x.Settle {
			c.doc.Errorf(path, "traffic that goes on while something is done has no count, and waits for nothing")
		}
	}
	if s.While != nil && (len(actions) == 0 && s.Disturb == nil || s.Send != nil) {
		c.doc.Errorf(at+".while", "there is nothing else to be done in this step")
	}
	for i, x := range s.Ping {
		path := manifest.Index(at+".ping", i)
		from, ok1 := c.endpoint(path+".from", x.From)
		to, ok2 := c.endpoint(path+".to", x.To)
		c.inRange(path+".count", x.Count, 0, maxCount)
		if ok1 && ok2 {
			c.reachable(path+".to", from, to)
		}
	}
	for i, x := range s.Inject {
		c.inject(manifest.Index(at+".inject", i), x)
	}
	if s.Wait < 0 {
		c.doc.Errorf(at+".wait", "a wait is not negative")
	}
	c.changes(at, s)
	c.expect(at+".expect", s)
	if s.Send != nil || s.Ping != nil {
		for _, w := range c.lab.Topology.Wires {
			c.replayable[w.Name] = true
		}
	}
}

// changes checks what a step does to the truth, and to those who know it.
func (c *checker) changes(at string, s Step) {
	if m := s.Move; m != nil {
		c.endpoint(at+".move.endpoint", m.Endpoint)
		c.tell(at+".move.tell", m.Tell)
	}
	if f := s.Forget; f != nil {
		c.endpoint(at+".forget.endpoint", f.Endpoint)
		c.tell(at+".forget.authorities", f.Authorities)
	}
	if t := s.Tell; t != nil {
		c.tell(at+".tell.authorities", t.Authorities)
	}
	if u := s.Update; u != nil {
		c.tell(at+".update.tell", u.Tell)
	}
	if f := s.Fault; f != nil {
		c.wire(at+".fault.wire", f.Wire)
	}
	c.capabilities(at+".advertise", s.Advertise)
	if d := s.Disturb; d != nil {
		if d.After < 0 {
			c.doc.Errorf(at+".disturb.after", "a time is not negative")
		}
		for i, name := range d.Cut {
			if _, ok := c.truth.Device(name); !ok {
				c.doc.Errorf(manifest.Index(at+".disturb.cut", i), "no device is named %q", name)
			}
		}
		c.tell(at+".disturb.restart", d.Restart)
	}
	if s.Move == nil && s.Update == nil {
		return
	}
	before := map[string]bool{}
	c.truth.Check(func(path, format string, args ...any) { before[path+fmt.Sprintf(format, args...)] = true })
	c.truth = after(c.truth, s)
	c.truth.Check(func(path, format string, args ...any) {
		reason := fmt.Sprintf(format, args...)
		if before[path+reason] {
			return
		}
		where := at + ".update"
		if s.Move != nil {
			where = at + ".move.to"
		}
		c.doc.Errorf(where, "after this step the intent would be wrong: %s: %s", path, reason)
	})
}

// capabilities checks what devices are to say.
func (c *checker) capabilities(at string, list []capabilities.Capability) {
	named := map[string]bool{}
	for i, x := range list {
		path := manifest.Index(at, i)
		x.Check(func(p, format string, args ...any) { c.doc.Errorf(manifest.Join(path, p), format, args...) })
		c.nve(path+".name", x.Name)
		if named[x.Name] {
			c.doc.Errorf(path+".name", "%s is in this list already", x.Name)
		}
		named[x.Name] = true
	}
}

func (c *checker) send(at string, x Send) {
	from, ok := c.endpoint(at+".from", x.From)
	c.inRange(at+".count", x.Count, 0, maxCount)
	if c.doc.Has(at + ".size") {
		c.inRange(at+".size", x.Size, minSize, maxSize)
	}
	if x.To == Everyone || !ok {
		return
	}
	if to, ok := c.endpoint(at+".to", x.To); ok {
		c.reachable(at+".to", from, to)
	}
}

// reachable reports endpoints that cannot exchange IP packets on one subnet.
func (c *checker) reachable(path string, from, to intent.Endpoint) {
	switch {
	case from.VirtualNetwork != to.VirtualNetwork:
		c.doc.Errorf(path, "%s is in virtual network %s, and %s in %s", from.Name, from.VirtualNetwork, to.Name, to.VirtualNetwork)
	case from.Name == to.Name:
		c.doc.Errorf(path, "%s would send to itself", from.Name)
	default:
		if _, _, ok := commonAddresses(from, to); !ok {
			c.doc.Errorf(path, "%s and %s have no customer addresses of one family", from.Name, to.Name)
		}
	}
}

func (c *checker) inject(at string, x Inject) {
	if c.wire(at+".wire", x.Wire) && !slices.ContainsFunc(c.endsOf(x.Wire), func(e wire.End) bool { return e.Node == x.From }) {
		c.doc.Errorf(at+".from", "%q is not at an end of wire %s", x.From, x.Wire)
	}
	c.inRange(at+".count", x.Count, 0, maxCount)
	replay := x.Cut != 0 || x.Patch != nil
	switch {
	case x.Frame != nil && replay:
		c.doc.Errorf(at+".frame", "a frame that is given is not cut or patched")
	case x.Frame == nil && !c.replayable[x.Wire]:
		c.doc.Errorf(at+".frame", "missing, and no frame has been sent yet that could be replayed")
	}
	if x.Cut < 0 {
		c.doc.Errorf(at+".cut", "%d bytes cannot be left", x.Cut)
	}
	for i, p := range x.Patch {
		if p.At < 0 {
			c.doc.Errorf(manifest.Index(at+".patch", i)+".at", "bytes are counted from 0")
		}
	}
}

// endsOf returns the ends of a wire, that of an endpoint included.
func (c *checker) endsOf(name string) []wire.End {
	if e, ok := c.truth.Endpoint(name); ok {
		return []wire.End{{Node: e.Name}, {Node: e.Device, Port: uint32(e.Port)}}
	}
	for _, w := range c.lab.Topology.Wires {
		if w.Name == name {
			return w.Ends
		}
	}
	return nil
}

func (c *checker) wire(path, name string) bool {
	if c.endsOf(name) == nil {
		c.doc.Errorf(path, "no wire is named %q", name)
		return false
	}
	return true
}

func (c *checker) endpoint(path, name string) (intent.Endpoint, bool) {
	e, ok := c.truth.Endpoint(name)
	if !ok {
		c.doc.Errorf(path, "no endpoint is named %q", name)
	}
	return e, ok
}

func (c *checker) nve(path, name string) {
	d, ok := c.truth.Device(name)
	switch {
	case !ok:
		c.doc.Errorf(path, "no device is named %q", name)
	case d.Role != intent.RoleNVE:
		c.doc.Errorf(path, "device %s is not an NVE", name)
	}
}

func (c *checker) tell(path string, names []string) {
	for i, n := range names {
		if !slices.ContainsFunc(c.lab.Authorities, func(a Authority) bool { return a.Name == n }) {
			c.doc.Errorf(manifest.Index(path, i), "no authority is named %q", n)
		}
	}
}

func (c *checker) inRange(path string, v, low, high int) {
	if v < low || v > high {
		c.doc.Errorf(path, "%d is not from %d to %d", v, low, high)
	}
}

func (c *checker) expect(at string, s Step) {
	x := s.Expect
	for i, d := range x.Delivered {
		path := manifest.Index(at+".delivered", i)
		c.endpoint(path+".at", d.At)
		if !slices.ContainsFunc(slices.Concat(s.Send, s.While), func(y Send) bool { return y.From == d.From }) {
			c.doc.Errorf(path+".from", "%q sends nothing in this step", d.From)
		}
	}
	if x.Delivered != nil && s.Send == nil && s.While == nil {
		c.doc.Errorf(at+".delivered", "this step sends nothing")
	}
	for i, t := range x.Tunnels {
		path := manifest.Index(at+".tunnels", i)
		c.nve(path+".from", t.From)
		c.nve(path+".to", t.To)
		if t.Wire != "" {
			c.wire(path+".wire", t.Wire)
		}
		if t.VirtualNetwork != "" {
			if _, ok := c.truth.VirtualNetwork(t.VirtualNetwork); !ok {
				c.doc.Errorf(path+".virtualNetwork", "no virtual network is named %q", t.VirtualNetwork)
			}
		}
		for j, o := range t.Options {
			if _, ok := c.truth.OptionType(o); !ok {
				c.doc.Errorf(manifest.Index(path+".options", j), "no option type is named %q", o)
			}
		}
	}
	for i, m := range x.Messages {
		path := manifest.Index(at+".messages", i)
		c.nve(path+".from", m.From)
		c.nve(path+".to", m.To)
		switch {
		case m.Kind == "redirect":
			if m.Target != "" {
				c.nve(path+".target", m.Target)
			}
		case m.Kind != "unreachable":
			c.doc.Errorf(path+".kind", "%q is no kind of message: want redirect or unreachable", m.Kind)
		case m.Target != "":
			c.doc.Errorf(path+".target", "only a redirect has a target")
		}
	}
	for name := range x.Counters {
		if _, ok := c.truth.Device(name); !ok {
			c.doc.Errorf(manifest.Join(at+".counters", name), "no device is named %q", name)
		}
	}
	for name := range x.Authorities {
		if !slices.ContainsFunc(c.lab.Authorities, func(a Authority) bool { return a.Name == name }) {
			c.doc.Errorf(manifest.Join(at+".authorities", name), "no authority is named %q", name)
		}
	}
}
