package intent

import (
	"fmt"
	"slices"

	"github.com/keyway-nve/keyway/capabilities"
)

// Ranges of the option class registry (RFC 8926 §7).
const (
	minClass        = 0x0100 // below, IETF Review; nothing is assigned there
	minExperimental = 0xFF00 // to 0xFFFF, Experimental Use
)

// classRange is a run of registered option classes.
type classRange struct {
	first, last uint16
	owner       string
}

// registeredClasses are assignments that a public source confirms. The registry is first come, first served and grows: a class
// that is missing here has to come from the experimental range until it is added.
func registeredClasses() []classRange {
	return []classRange{
		{0x0100, 0x0100, "Linux"},
		{0x0101, 0x0101, "Open vSwitch"},
		{0x0102, 0x0102, "OVN"},
		{0x0103, 0x0103, "In-band Network Telemetry"},
		{0x0104, 0x0104, "VMware"},
		{0x0105, 0x0105, "Amazon"},
		{0x0106, 0x0106, "Cisco"},
		{0x0107, 0x0107, "Oracle"},
		{0x0108, 0x0110, "Amazon"},
		{0x0111, 0x0118, "IBM"},
		{0x0119, 0x0128, "Ericsson"},
		{0x0129, 0x0129, "Oxide"},
		{0x0130, 0x0131, "Cisco"},
		{0x0132, 0x0135, "Google"},
		{0x0136, 0x0136, "InfoQuick"},
		{0x014B, 0x014B, "Cilium"},
		{0x0164, 0x0164, "cPacket"},
		{0x0167, 0x0167, "Tencent"},
	}
}

func (c *checker) optionTypes() {
	for i, o := range c.in.OptionTypes {
		at := fmt.Sprintf("optionTypes[%d]", i)
		c.name(at+".name", "option type", o.Name)
		c.class(at+".class", o.Class)
		c.once(at+".type", "option", fmt.Sprintf("class 0x%04x type 0x%02x", o.Class, o.Type))
		if high := o.Type&0x80 != 0; high != o.Critical {
			c.report(at+".critical", "type 0x%02x says critical: %v by its high bit (RFC 8926 §3.5)", o.Type, high)
		}
		if c.between(at+".length", "length in words", int(o.Length), 0, WindowWords-1) && int(o.Length) != len(o.Words) {
			c.report(at+".words", "%d words are described, and the length is %d", len(o.Words), o.Length)
		}
		used := map[Field]int{}
		for j, w := range o.Words {
			path := fmt.Sprintf("%s.words[%d]", at, j)
			c.word(path, w)
			if first, ok := used[w.Field]; ok && w.Field != 0 {
				c.report(path+".field", "field %v already stands in word %d", w.Field, first)
				continue
			}
			used[w.Field] = j
		}
	}
}

func (c *checker) class(path string, class uint16) {
	registered := slices.ContainsFunc(registeredClasses(), func(r classRange) bool { return class >= r.first && class <= r.last })
	switch {
	case registered || class >= minExperimental:
	case class < minClass:
		c.report(path, "class 0x%04x is for IETF standards, and none is assigned (RFC 8926 §7)", class)
	default:
		c.report(path, "class 0x%04x is not known to be registered; private option types use 0xff00 to 0xffff (RFC 8926 §7)", class)
	}
}

func (c *checker) word(at string, w Word) {
	switch {
	case w.Field == 0 && w.Shift != 0:
		c.report(at+".shift", "a constant is not shifted")
	case w.Field != 0 && int(w.Shift)+w.Field.Width() > 32:
		c.report(at+".shift", "field %v is %d bits wide and cannot be shifted by %d in a 32-bit word", w.Field, w.Field.Width(), w.Shift)
	case w.Constant&w.Mask() != 0:
		c.report(at+".constant", "0x%08x overlaps the bits of field %v, 0x%08x", w.Constant, w.Field, w.Mask())
	}
}

func (c *checker) wanted() {
	asked := map[string]bool{}
	usedField := map[Field]string{}
	for i, w := range c.in.Wanted.Options {
		at := fmt.Sprintf("wanted.options[%d]", i)
		o, ok := c.in.OptionType(w.Option)
		switch {
		case !ok:
			c.report(at+".option", "no option type is named %q", w.Option)
			continue
		case asked[w.Option]:
			c.report(at+".option", "option %s is wanted already", w.Option)
			continue
		case w.Required && w.Weight != 0:
			c.report(at+".weight", "what is required has no weight")
		}
		asked[w.Option] = true
		c.fields(at+".option", o, usedField)
	}
	for _, l := range c.in.Layouts {
		for _, name := range l.Options {
			asked[name] = true
		}
	}
	if len(asked) > capabilities.MaxWanted {
		c.report("wanted.options", "%d option types are wanted or in layouts, and %d at most can be", len(asked), capabilities.MaxWanted)
	}
}

// fields reports fields of an option that other options of one packet carry already.
func (c *checker) fields(at string, o OptionType, used map[Field]string) {
	for _, w := range o.Words {
		if first, ok := used[w.Field]; ok && w.Field != 0 && first != o.Name {
			c.report(at, "options %s and %s both carry field %v, and a receiver reads it from one word", first, o.Name, w.Field)
			continue
		}
		used[w.Field] = o.Name
	}
}

func (c *checker) layouts() {
	for i, l := range c.in.Layouts {
		at := fmt.Sprintf("layouts[%d]", i)
		pair := c.pair(at, "layout", l.Sender, l.Receiver)
		size := 0
		usedType, usedField := map[string]bool{}, map[Field]string{}
		for j, name := range l.Options {
			path := fmt.Sprintf("%s.options[%d]", at, j)
			o, ok := c.in.OptionType(name)
			switch {
			case !ok:
				c.report(path, "no option type is named %q", name)
				continue
			case usedType[name]:
				c.report(path, "option %s already stands in this layout", name)
				continue
			}
			usedType[name] = true
			size += o.Size()
			c.fields(path, o, usedField)
		}
		if size > WindowWords {
			c.report(at+".options", "the options take %d words with their headers, and the window has %d", size, WindowWords)
		}
		if pair && len(l.Options) > 0 && c.onlyNVGRE(l) {
			c.report(at+".options", "the tunnel from %s to %s is NVGRE, which carries no options", l.Sender, l.Receiver)
		}
	}
}

func (c *checker) onlyNVGRE(l Layout) bool {
	return slices.ContainsFunc(c.in.Tunnels, func(t Tunnel) bool {
		return t.Sender == l.Sender && t.Receiver == l.Receiver && t.Encapsulation == NVGRE
	})
}
