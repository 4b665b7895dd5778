package lab

import (
	"maps"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/manifest"
)

// DefaultAuthority is the name of the one authority of a lab that lists none.
const DefaultAuthority = "nva"

// Load reads and checks a lab file. The error lists all that is wrong with it: [manifest.Problems] takes it apart.
func Load(file string) (*Lab, error) {
	doc, err := manifest.Load(file)
	if err != nil {
		return nil, err
	}
	return fromDocument(doc)
}

// Parse is Load for a file that was read already; messages call it file.
func Parse(file string, src []byte) (*Lab, error) {
	doc, err := manifest.Parse(file, src)
	if err != nil {
		return nil, err
	}
	return fromDocument(doc)
}

func fromDocument(doc *manifest.Document) (*Lab, error) {
	l := &Lab{}
	doc.Decode(l)
	l.Intent = cable(l.Intent, l.Topology.Wires)
	l.expand()
	if len(l.Authorities) == 0 {
		nva := Authority{Name: DefaultAuthority}
		for _, d := range l.Intent.Devices {
			if !l.isPeer(d.Name) {
				nva.Devices = append(nva.Devices, d.Name)
			}
		}
		l.Authorities = []Authority{nva}
	}
	check(doc, l)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return l, nil
}

// expand writes out what the scenario has words for.
func (l *Lab) expand() {
	for i := range l.Scenario {
		s := &l.Scenario[i]
		s.Send, s.While = l.each(s.Send), l.each(s.While)
		if !s.Expect.Quiet {
			continue
		}
		counters := make(map[string]map[string]Count)
		for _, d := range l.Intent.Devices {
			counters[d.Name] = map[string]Count{"drops": {}, "punts": {}}
			if d.Role == intent.RoleTransit {
				delete(counters[d.Name], "punts") // it has no reason to
			}
			maps.Copy(counters[d.Name], s.Expect.Counters[d.Name])
		}
		s.Expect.Counters = counters
	}
}

// each puts all pairs of endpoints in place of [Each].
func (l *Lab) each(list []Send) []Send {
	var out []Send
	for _, x := range list {
		if x.From != Each || x.To != Each {
			out = append(out, x)
			continue
		}
		for _, from := range l.Intent.Endpoints {
			for _, to := range l.Intent.Endpoints {
				if from.Name != to.Name && from.VirtualNetwork == to.VirtualNetwork {
					x.From, x.To = from.Name, to.Name
					out = append(out, x)
				}
			}
		}
	}
	return out
}

// check reports what is wrong with a lab whose parts were decoded. The scenario is checked against the truth as it will be at each step.
func check(doc *manifest.Document, l *Lab) {
	c := &checker{doc: doc, lab: l, truth: l.Intent, replayable: map[string]bool{}}
	c.name("name", l.Name)
	c.intent()
	c.wires()
	c.capabilities("capabilities", l.Capabilities)
	c.peers()
	c.authorities()
	names := map[string]int{}
	for i, s := range l.Scenario {
		at := manifest.Index("scenario", i)
		if first, ok := names[s.Name]; ok && s.Name != "" {
			doc.Errorf(at+".name", "step %d already has this name", first+1)
		} else {
			names[s.Name] = i
		}
		c.step(at, s)
	}
}

func (c *checker) intent() {
	c.lab.Intent.Check(func(path, format string, args ...any) {
		c.doc.Errorf(manifest.Join("intent", path), format, args...)
	})
	names := map[string]string{}
	for i, d := range c.lab.Intent.Devices {
		at := manifest.Index("intent.devices", i)
		if d.P4Runtime != (intent.Target{}) {
			c.doc.Errorf(at+".p4runtime", "the lab starts the devices, and knows where they are")
		}
		if d.GNMI != "" {
			c.doc.Errorf(at+".gnmi", "the lab starts the devices, and knows where they can be asked")
		}
		names[d.Name] = at
	}
	for i, e := range c.lab.Intent.Endpoints {
		if names[e.Name] != "" {
			c.doc.Errorf(manifest.Index("intent.endpoints", i)+".name", "a device has this name too, and hosts are called as their endpoints")
		}
	}
}
