package capabilities

import (
	"fmt"
	"strings"

	"github.com/keyway-nve/keyway/proto/geneve"
)

// side is one device's part in a layout.
type side struct {
	part   Part
	device string
	path   string // of the direction in the capability
	does   string // to an option
	access string // to a field
	// reasons is set if the rules have to be said.
	reasons bool
	Direction
}

// looksAt returns the options that the device deals with. NVEs deal with all of a layout; a transit device passes over what it does
// not know (RFC 8926 §2.2.1).
func (c *compiler) looksAt(s side) set {
	if s.part != PartTransit {
		return c.where(func(WantedOption) bool { return true })
	}
	return c.where(func(o WantedOption) bool { return s.Takes(o.Type) })
}

func (s side) rule(leaf, format string, args ...any) Rule {
	if !s.reasons {
		return Rule{}
	}
	return Rule{Part: s.part, Device: s.device, Leaf: s.path + "." + leaf, Says: fmt.Sprintf(format, args...)}
}

// device adds the rules of one device.
func (c *compiler) device(s side) {
	if s.part != PartTransit {
		c.known(s)
	}
	c.limits(s)
	for i, p := range s.Pools {
		says := fmt.Sprintf("has a pool of %d words for the data of options", p.Words)
		if p.PerOption > 0 {
			says += fmt.Sprintf(", of which each option takes %d more", p.PerOption)
		}
		c.add(constraint{
			rule: s.rule(fmt.Sprintf("pools[%d]", i), "%s", says),
			cost: c.costs(s, func(o WantedOption) int {
				words := int(o.Type.Len) + int(p.PerOption)
				if s.part == PartReceiver {
					words -= o.unread()
				}
				return words
			}),
			room: int(p.Words),
		})
	}
	if s.ClassMatch == ClassIgnored {
		c.twice(s.rule("classMatch", "tells options apart by their type alone"), func(a, b geneve.OptionType) bool {
			return a.Type == b.Type && (s.part != PartTransit || s.Takes(a) && s.Takes(b))
		})
	}
	for i, r := range s.Order {
		c.ordered(s, i, r)
	}
	c.fields(s)
}

// known rejects the option types that the device cannot take, each with a reason of its own.
func (c *compiler) known(s side) {
	if len(s.Options) == 0 {
		c.add(constraint{rule: s.rule("options", "%s no options", s.does), reject: c.looksAt(s)})
		return
	}
	said := map[geneve.OptionType]bool{}
	for _, o := range c.options {
		if s.Takes(o.Type) || said[o.Type] {
			continue
		}
		said[o.Type] = true
		says := fmt.Sprintf("%s %s, and not %v", s.does, some(s.Options), o.Type)
		if s.part == PartReceiver && o.Type.Critical() {
			says += "; it is critical, and a receiver that does not know it must not go on (RFC 8926 §3.5)"
		}
		c.add(constraint{rule: s.rule("options", "%s", says), reject: c.where(func(p WantedOption) bool { return p.Type == o.Type })})
	}
}

// some names a few of the options.
func some(list []OptionRange) string {
	const enough = 4
	texts := make([]string, 0, enough)
	for _, r := range list[:min(len(list), enough)] {
		texts = append(texts, r.String())
	}
	text := strings.Join(texts, ", ")
	if more := len(list) - enough; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// costs returns the cost of each option that the device looks at, and 0 for the others.
func (c *compiler) costs(s side, cost func(WantedOption) int) []int {
	seen := c.looksAt(s)
	out := make([]int, len(c.options))
	for i, o := range c.options {
		if seen.has(i) {
			out[i] = cost(o)
		}
	}
	return out
}

func (c *compiler) limits(s side) {
	f := c.path.Underlay
	l := s.For(f)
	own := s.IPv4
	if f == IPv6 {
		own = s.IPv6
	}
	// Where both the family and the whole have a bound, the tighter one is the reason.
	leaf := func(name string, fromFamily bool) (string, string) {
		if fromFamily {
			return f.String() + "." + name, " over " + map[Family]string{IPv4: "IPv4", IPv6: "IPv6"}[f]
		}
		return "limits." + name, ""
	}
	if l.Options > 0 {
		at, over := leaf("options", l.Options == own.Options)
		c.add(constraint{
			rule: s.rule(at, "%s at most %s in a packet%s", s.does, count(int(l.Options), "option"), over),
			cost: c.costs(s, func(WantedOption) int { return 1 }), room: int(l.Options),
		})
	}
	if l.Bytes > 0 {
		at, over := leaf("bytes", l.Bytes == own.Bytes)
		what := s.does
		if s.part == PartTransit {
			what = "reaches past"
		}
		c.add(constraint{rule: s.rule(at, "%s at most %d bytes of options%s, their headers included", what, l.Bytes, over), cost: c.words, room: int(l.Bytes / 4)})
	}
	if l.DataWords > 0 && s.part != PartTransit {
		at, over := leaf("dataWords", l.DataWords == own.DataWords)
		c.add(constraint{
			rule:   s.rule(at, "%s at most %s of data in one option%s", s.does, count(int(l.DataWords), "word"), over),
			reject: c.where(func(o WantedOption) bool { return o.Type.Len > l.DataWords }),
		})
	}
	if l.ParserDepth > 0 {
		at, _ := leaf("parserDepth", l.ParserDepth == own.ParserDepth && l.InnerBytes == own.InnerBytes)
		headers := 14 + f.headerBytes() + Geneve.headerBytes()
		if c.path.VLAN {
			headers += 4
		}
		left := l.reach() - headers
		c.add(constraint{
			rule: s.rule(at, "parses %d bytes, of which the headers before the options take %d and those behind %d, which leaves %d", l.ParserDepth, headers, l.InnerBytes, left),
			cost: c.words, room: floorWords(left),
		})
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (c *compiler) ordered(s side, i int, r OrderRule) {
	seen := c.looksAt(s)
	k := constraint{}
	leaf := fmt.Sprintf("order[%d]", i)
	switch r.Kind {
	case List, Canonical, Reverse:
		if len(r.Options) == 0 {
			return
		}
		k.rule = s.rule(leaf, "%s options in the order %s", s.does, some(r.Options))
		if r.Kind == Reverse {
			k.rule = s.rule(leaf, "%s options in the reverse of the order %s", s.does, some(r.Options))
		}
		k.before = c.precedence(r, seen)
	case Slot:
		k.rule = s.rule(leaf, "%s %s in word %v only", s.does, some(r.Options), r.At)
		k.at = c.starting(seen, r.Options, r.At)
	case First:
		k.rule = s.rule(leaf, "%s only the first option of a packet", s.does)
		k.at = c.free()
		for i := range k.at {
			if seen.has(i) {
				k.at[i] = 1
			}
		}
		if len(r.Options) > 0 {
			k.rule = s.rule(leaf, "%s %s only as the first option", s.does, some(r.Options))
			k.at = c.starting(seen, r.Options, 1)
		}
	default:
		return
	}
	c.add(k)
}

func (c *compiler) starting(seen set, options []OptionRange, at WordSet) []WordSet {
	out := c.free()
	for i, o := range c.options {
		if seen.has(i) && contains(options, o.Type) {
			out[i] = at
		}
	}
	return out
}

// precedence returns for each option those that a rule wants behind it.
func (c *compiler) precedence(r OrderRule, seen set) []set {
	rank := make([]int, len(c.options))
	for i, o := range c.options {
		rank[i] = -1
		for j, p := range r.Options {
			if seen.has(i) && p.Contains(o.Type) {
				rank[i] = j
				break
			}
		}
	}
	before := make([]set, len(c.options))
	for i := range rank {
		for j := range rank {
			if rank[i] < 0 || rank[j] < 0 {
				continue
			}
			if rank[i] < rank[j] && r.Kind != Reverse || rank[i] > rank[j] && r.Kind == Reverse {
				before[i] |= 1 << j
			}
		}
	}
	return before
}

// fields adds a rule for each field that a wanted option carries and the device cannot have everywhere.
func (c *compiler) fields(s side) {
	if len(s.Fields) == 0 {
		return
	}
	words := map[string]WordSet{}
	leaf := map[string]string{}
	for i, f := range s.Fields {
		words[f.Field], leaf[f.Field] = f.Words, fmt.Sprintf("fields[%d]", i)
	}
	seen := c.looksAt(s)
	said := map[string]bool{}
	for _, o := range c.options {
		for _, w := range o.Words {
			if !s.minds(w) || said[w.Field] {
				continue
			}
			said[w.Field] = true
			c.field(s, w.Field, words[w.Field], leaf[w.Field], seen)
		}
	}
}

// minds reports whether the device has to do something with the word's field.
func (s side) minds(w WantedWord) bool {
	return w.Field != "" && !(w.Unread && s.part == PartReceiver)
}

func (c *compiler) field(s side, field string, words WordSet, leaf string, seen set) {
	k := constraint{at: c.free()}
	switch {
	case leaf == "":
		k.rule = s.rule("fields", "has no field %s to %s", field, s.access)
	case words == 0:
		k.rule = s.rule(leaf, "cannot %s field %s", s.access, field)
	default:
		into := map[string]string{"read": "from", "put": "into"}[s.access]
		k.rule = s.rule(leaf, "can %s field %s %s word %v only", s.access, field, into, words)
	}
	for i, o := range c.options {
		if !seen.has(i) {
			continue
		}
		for j, w := range o.Words {
			if w.Field == field && s.minds(w) {
				k.at[i] &= words >> (1 + j) // behind the header and the words before
			}
		}
		if k.at[i] == 0 {
			k.reject |= 1 << i
		}
	}
	c.add(k)
}
