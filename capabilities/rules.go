package capabilities

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyway-nve/keyway/proto/geneve"
)

// constraint is a rule as the search sees it. Each of its members is nil or zero where the rule says nothing of the kind.
type constraint struct {
	rule Rule
	// never: no layout at all, not even the empty one.
	never bool
	// reject: these options cannot be there.
	reject set
	// need: these options have to be there.
	need set
	// The cost of all options together is at most room.
	cost []int
	room int
	// Option i has to stand before all of before[i].
	before []set
	// Option i cannot be in one layout with any of apart[i].
	apart []set
	// The header of option i stands in one of the words at[i].
	at []WordSet
}

// anywhere is every word in which an option can start.
const anywhere = ^WordSet(0)

// compiler turns capabilities, path and wishes into constraints.
type compiler struct {
	path    Path
	options []WantedOption
	words   []int
	values  []int
	port    uint16
	reasons bool
	list    []constraint
}

// compile returns the rules of a question. Without reasons they have no words, which take more time than the answer.
func compile(sender, receiver Capability, path Path, wanted Wanted, reasons bool) *compiler {
	c := &compiler{path: path, reasons: reasons, options: wanted.Options, words: make([]int, 0, len(wanted.Options))}
	for _, o := range wanted.Options {
		c.words = append(c.words, o.Type.Words())
		value := o.value()
		if o.Required {
			value = 0
		}
		c.values = append(c.values, value)
	}
	c.format()
	c.tunnel(sender, receiver, wanted)
	c.wanted(wanted)
	if path.Encapsulation != Geneve {
		return c
	}
	c.device(side{PartSender, sender.Name, "send", "places", "put", reasons, sender.Send})
	c.device(side{PartReceiver, receiver.Name, "receive", "matches", "read", reasons, receiver.Receive})
	for _, t := range path.Transit {
		if _, ok := t.Encapsulation(Geneve); ok {
			c.device(side{PartTransit, t.Name, "receive", "looks at", "read", reasons, t.Receive})
		}
	}
	return c
}

func (c *compiler) add(k constraint) { c.list = append(c.list, k) }

// need returns the options that every layout has.
func (c *compiler) need() set {
	var s set
	for _, k := range c.list {
		s |= k.need
	}
	return s
}

// where returns the options for which f holds.
func (c *compiler) where(f func(WantedOption) bool) set {
	var s set
	for i, o := range c.options {
		if f(o) {
			s |= 1 << i
		}
	}
	return s
}

func (c *compiler) format() {
	c.add(constraint{
		rule: Rule{Part: PartFormat, Leaf: "RFC 8926 §3.4", Says: fmt.Sprintf("a Geneve header has at most %d bytes of options", 4*MaxOptionWords)},
		cost: c.words, room: MaxOptionWords,
	})
	c.twice(Rule{Part: PartFormat, Leaf: "RFC 8926 §3.5", Says: "an option of one class and type is sent once in a header, because a receiver may take a second for an error"},
		func(a, b geneve.OptionType) bool { return a.Class == b.Class && a.Type == b.Type })
	if c.path.Encapsulation != Geneve && len(c.options) > 0 {
		c.add(constraint{
			rule:   Rule{Part: PartPath, Leaf: "path.encapsulation", Says: fmt.Sprintf("%v carries no options", c.path.Encapsulation)},
			reject: c.where(func(WantedOption) bool { return true }),
		})
	}
}

// twice keeps options apart that are the same to somebody.
func (c *compiler) twice(rule Rule, same func(a, b geneve.OptionType) bool) {
	k := constraint{rule: rule, apart: make([]set, len(c.options))}
	found := false
	for i, a := range c.options {
		for j, b := range c.options {
			if i != j && same(a.Type, b.Type) {
				k.apart[i] |= 1 << j
				found = true
			}
		}
	}
	if found {
		c.add(k)
	}
}

// tunnel adds the rules of having a tunnel at all, and sets the port.
func (c *compiler) tunnel(sender, receiver Capability, wanted Wanted) {
	kind := c.path.Encapsulation
	var ends [2]Encapsulation
	for i, d := range []struct {
		part Part
		Capability
		not  Way
		does string
	}{{PartSender, sender, OnlyReceive, "send"}, {PartReceiver, receiver, OnlySend, "receive"}} {
		e, ok := d.Encapsulation(kind)
		ends[i] = e
		never := func(leaf, format string, args ...any) {
			c.add(constraint{rule: Rule{Part: d.part, Device: d.Name, Leaf: leaf, Says: fmt.Sprintf(format, args...)}, never: true})
		}
		if !ok || e.Only == d.not {
			never("encapsulations", "does not %s %v", d.does, kind)
			continue
		}
		if len(e.Inner) > 0 && !slices.Contains(e.Inner, ethernetPayload) {
			never("encapsulations", "does not process Ethernet frames in %v", kind)
		}
		if wanted.ZeroChecksum && kind != NVGRE && !slices.Contains(e.ZeroChecksum, c.path.Underlay) {
			never("encapsulations", "is not known to %s a UDP checksum of zero over %v, which wanted.zeroChecksum asks for", d.does, c.path.Underlay)
		}
	}
	if ends[0].Kind == 0 || ends[1].Kind == 0 || kind == NVGRE {
		return
	}
	ports := common(ends[0].UDPPorts(), ends[1].UDPPorts())
	if len(ports) == 0 {
		c.add(constraint{never: true, rule: Rule{Part: PartPath, Leaf: "path.encapsulation",
			Says: fmt.Sprintf("%s sends %v to port %s and %s receives it on %s", sender.Name, kind, join(ends[0].UDPPorts()), receiver.Name, join(ends[1].UDPPorts()))}})
		return
	}
	c.port = ports[0]
	if slices.Contains(ports, kind.Port()) {
		c.port = kind.Port()
	}
}

// ethernetPayload is the protocol type of an Ethernet frame (RFC 8926 §3.4).
const ethernetPayload = 0x6558

func join[T any](list []T) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, ", ")
}

func (c *compiler) wanted(w Wanted) {
	for i, o := range c.options {
		at := fmt.Sprintf("wanted.options[%d]", i)
		if o.Required && w.Override == nil {
			c.add(constraint{rule: Rule{Part: PartWanted, Leaf: at + ".required", Says: o.Name + " is required"}, need: 1 << i})
		}
		if o.ByOverride && w.Override == nil {
			c.add(constraint{rule: Rule{Part: PartWanted, Leaf: at + ".byOverride", Says: o.Name + " is sent where an operator's layout has it"}, reject: 1 << i})
		}
		if o.First {
			k := constraint{rule: Rule{Part: PartWanted, Leaf: at + ".first", Says: fmt.Sprintf("%s has to be the first option", o.Name)}, at: c.free()}
			k.at[i] = 1
			c.add(k)
		}
	}
	if w.MaxBytes > 0 {
		c.add(constraint{
			rule: Rule{Part: PartWanted, Leaf: "wanted.maxBytes", Says: fmt.Sprintf("options take at most %d bytes", w.MaxBytes)},
			cost: c.words, room: int(w.MaxBytes) / 4,
		})
	}
	if w.TenantMTU > 0 && c.path.MTU > 0 {
		left := int(c.path.MTU) - int(w.TenantMTU) - overhead(c.path)
		c.add(constraint{
			rule: Rule{Part: PartWanted, Leaf: "wanted.tenantMtu", Says: fmt.Sprintf("an MTU of %d for tenants leaves %d bytes for options of the underlay's %d", w.TenantMTU, left, c.path.MTU)},
			cost: c.words, room: floorWords(left),
		})
	}
	if w.Override != nil {
		c.override(*w.Override)
	}
}

// floorWords returns the words that fit in a number of bytes, which may be less than none.
func floorWords(bytes int) int {
	if bytes < 0 {
		return -1
	}
	return bytes / 4
}

func (c *compiler) free() []WordSet {
	at := make([]WordSet, len(c.options))
	for i := range at {
		at[i] = anywhere
	}
	return at
}

func (c *compiler) override(names []string) {
	says := fmt.Sprintf("the operator's layout for this pair is %s", strings.Join(names, ", "))
	if len(names) == 0 {
		says = "the operator's layout for this pair has no options"
	}
	rule := Rule{Part: PartWanted, Leaf: "wanted.override", Says: says}
	k := constraint{rule: rule, before: make([]set, len(c.options))}
	var later set
	for _, name := range slices.Backward(names) {
		i := slices.IndexFunc(c.options, func(o WantedOption) bool { return o.Name == name })
		if i < 0 {
			c.add(constraint{never: true, rule: Rule{Part: PartWanted, Leaf: "wanted.override", Says: fmt.Sprintf("%s is in the operator's layout and not among the options", name)}})
			continue
		}
		k.before[i] = later
		later |= 1 << i
	}
	k.need = later
	k.reject = c.where(func(o WantedOption) bool { return !slices.Contains(names, o.Name) })
	c.add(k)
}
