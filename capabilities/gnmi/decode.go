package gnmi

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/proto/yang/nvecaps"
)

// Unmarshal reads the JSON of [Marshal]. Names may stand with their module or without. The error lists all that is wrong: parts that
// cannot be read as [PathError], otherwise the contradictions in the whole.
func Unmarshal(b []byte) (capabilities.Capability, error) {
	leaves, err := parseJSON(b, schemaRoot(), nil)
	if err != nil {
		return capabilities.Capability{}, err
	}
	return fromLeaves(leaves)
}

// fromLeaves is the inverse of leavesOf.
func fromLeaves(leaves []leaf) (capabilities.Capability, error) {
	tree, err := plant(leaves)
	if err != nil {
		return capabilities.Capability{}, err
	}
	var d decoder
	c := d.capability(tree)
	if err := errors.Join(d.errs...); err != nil {
		return capabilities.Capability{}, err
	}
	if err := c.Validate(); err != nil {
		return capabilities.Capability{}, err
	}
	return c, nil
}

// decoder turns a tree into a capability and collects what is missing or wrong in it.
type decoder struct{ errs []error }

func (d *decoder) missing(format string, args ...any) {
	d.fail(ErrMissing, format, args...)
}

func (d *decoder) fail(reason error, format string, args ...any) {
	d.errs = append(d.errs, &PathError{Path: "/nve-capabilities" + fmt.Sprintf(format, args...), Err: reason})
}

func (d *decoder) capability(t *nvecaps.NveCapabilities) capabilities.Capability {
	if t.Name == nil {
		d.missing("/state/name")
	}
	if t.Role == 0 {
		d.missing("/state/role")
	}
	c := capabilities.Capability{
		Name:            value(t.Name),
		Role:            capabilities.Role(t.Role),
		Reconfiguration: capabilities.Reconfiguration(t.Reconfiguration),
		SamePorts:       value(t.SamePorts),
		Receive:         d.direction(t.Direction[nvecaps.KeywayNveCapabilities_DirectionType_RECEIVE], "RECEIVE"),
		Send:            d.direction(t.Direction[nvecaps.KeywayNveCapabilities_DirectionType_SEND], "SEND"),
	}
	if x := t.Exceptions; x != nil {
		c.Exceptions = capabilities.Exceptions{
			Unknown:         capabilities.Behaviour(x.Unknown),
			UnknownCritical: capabilities.Behaviour(x.UnknownCritical),
			Duplicate:       capabilities.Behaviour(x.Duplicate),
			Malformed:       capabilities.Behaviour(x.Malformed),
			Control:         capabilities.Behaviour(x.Control),
		}
	}
	if x := t.NvgreExt; x != nil {
		c.NVGREExt = capabilities.NVGREExt{
			SendRedirect:       value(x.SendRedirect),
			SendUnreachable:    value(x.SendUnreachable),
			ReceiveRedirect:    value(x.ReceiveRedirect),
			ReceiveUnreachable: value(x.ReceiveUnreachable),
		}
	}
	for _, e := range inSequence(t.Encapsulation, func(e *nvecaps.NveCapabilities_Encapsulation) *uint8 { return e.Sequence }) {
		out := capabilities.Encapsulation{
			Kind:  capabilities.EncapsulationKind(e.Type),
			Only:  capabilities.Way(e.Direction),
			Ports: e.UdpPort,
			Inner: e.InnerEthertype,
		}
		for _, f := range e.ZeroChecksum {
			out.ZeroChecksum = append(out.ZeroChecksum, capabilities.Family(f))
		}
		c.Encapsulations = append(c.Encapsulations, out)
	}
	return c
}

func (d *decoder) direction(t *nvecaps.NveCapabilities_Direction, name string) capabilities.Direction {
	if t == nil {
		return capabilities.Direction{}
	}
	at := "/directions/direction[direction=" + name + "]"
	out := capabilities.Direction{
		Limits:        limits(t.Limit[nvecaps.KeywayNveCapabilities_UnderlayType_ANY]),
		IPv4:          limits(t.Limit[nvecaps.KeywayNveCapabilities_UnderlayType_IPV4]),
		IPv6:          limits(t.Limit[nvecaps.KeywayNveCapabilities_UnderlayType_IPV6]),
		ClassMatch:    capabilities.ClassMatch(t.ClassMatch),
		LengthIgnored: value(t.LengthIgnored),
		Rows:          value(t.Rows),
	}
	for _, o := range inSequence(t.Option, func(o *nvecaps.NveCapabilities_Direction_Option) *uint16 { return o.Sequence }) {
		out.Options = append(out.Options, d.option(at, *o.Sequence, o.Class, o.Type, o.MinWords, o.MaxWords))
	}
	for _, r := range inSequence(t.OrderRule, func(r *nvecaps.NveCapabilities_Direction_OrderRule) *uint16 { return r.Sequence }) {
		at := fmt.Sprintf("%s/order-rules/order-rule[sequence=%d]", at, *r.Sequence)
		if r.Rule == 0 {
			d.missing("%s/state/rule", at)
		}
		rule := capabilities.OrderRule{Kind: capabilities.OrderKind(r.Rule), At: d.words(r.At, "%s/state/at", at)}
		for _, o := range inSequence(r.Option, func(o *nvecaps.NveCapabilities_Direction_OrderRule_Option) *uint16 { return o.Sequence }) {
			rule.Options = append(rule.Options, d.option(at, *o.Sequence, o.Class, o.Type, o.MinWords, o.MaxWords))
		}
		out.Order = append(out.Order, rule)
	}
	for _, p := range inSequence(t.Pool, func(p *nvecaps.NveCapabilities_Direction_Pool) *uint16 { return p.Sequence }) {
		if p.Words == nil {
			d.missing("%s/pools/pool[sequence=%d]/state/words", at, *p.Sequence)
		}
		out.Pools = append(out.Pools, capabilities.Pool{Words: value(p.Words), PerOption: value(p.PerOption)})
	}
	for _, f := range inSequence(t.Field, func(f *nvecaps.NveCapabilities_Direction_Field) *uint16 { return f.Sequence }) {
		words := d.words(f.Word, "%s/fields/field[name=%s]/state/word", at, value(f.Name))
		out.Fields = append(out.Fields, capabilities.FieldWords{Field: value(f.Name), Words: words})
	}
	return out
}

// option reads an option. All its leaves have to be there: what is only left out must not read as every class or every type.
func (d *decoder) option(at string, sequence uint16, class, typ any, least, most *uint8) capabilities.OptionRange {
	at = fmt.Sprintf("%s/options/option[sequence=%d]/state", at, sequence)
	o := capabilities.OptionRange{MinWords: value(least), MaxWords: value(most)}
	switch v := class.(type) {
	case nvecaps.UnionUint16:
		o.Class = uint16(v)
	case nvecaps.E_KeywayNveCapabilities_OptionClassType_Enum:
		o.AnyClass = true
	default:
		d.missing("%s/class", at)
	}
	switch v := typ.(type) {
	case nvecaps.UnionUint8:
		o.Type = uint8(v)
	case nvecaps.E_KeywayNveCapabilities_OptionTypeType_Enum:
		o.AnyType = true
	default:
		d.missing("%s/type", at)
	}
	if least == nil {
		d.missing("%s/min-words", at)
	}
	if most == nil {
		d.missing("%s/max-words", at)
	}
	return o
}

func limits(l *nvecaps.NveCapabilities_Direction_Limit) capabilities.Limits {
	if l == nil {
		return capabilities.Limits{}
	}
	return capabilities.Limits{
		Options:     value(l.MaxOptions),
		Bytes:       value(l.MaxBytes),
		DataWords:   value(l.MaxDataWords),
		ParserDepth: value(l.ParserDepth),
		InnerBytes:  value(l.InnerBytes),
	}
}

// words reads a set of words, which stands at a path.
func (d *decoder) words(words []uint8, format string, args ...any) capabilities.WordSet {
	var s capabilities.WordSet
	for _, w := range words {
		if w >= 64 {
			d.fail(fmt.Errorf("%w: there is no word %d", ErrValue, w), format, args...)
			continue
		}
		s |= capabilities.WordRange(int(w), int(w))
	}
	return s
}

// inSequence returns the entries of a list by their sequence numbers. Those without one, which is no key of theirs, come by their keys.
func inSequence[K cmp.Ordered, E any, S uint8 | uint16](list map[K]E, sequence func(E) *S) []E {
	keys := slices.SortedStableFunc(slices.Values(slices.Sorted(maps.Keys(list))), func(a, b K) int {
		return cmp.Compare(value(sequence(list[a])), value(sequence(list[b])))
	})
	out := make([]E, len(keys))
	for i, k := range keys {
		out[i] = list[k]
	}
	return out
}

// value returns the zero value for what is not there, which is no statement.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
