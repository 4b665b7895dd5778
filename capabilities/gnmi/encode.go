package gnmi

import (
	"encoding/json"
	"fmt"
	"github.com/openconfig/ygot/ygot"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/proto/yang/nvecaps"
)

// Marshal returns the capability as JSON after RFC 7951. The error lists every contradiction in it.
func Marshal(c capabilities.Capability) ([]byte, error) {
	leaves, err := leavesOf(c)
	if err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(jsonTree(leaves, 0, true), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("capability %s: %w", c.Name, err)
	}
	return append(b, '\n'), nil
}

// leavesOf returns the capability leaf by leaf, in the order of their paths.
func leavesOf(c capabilities.Capability) ([]leaf, error) {
	tree, err := encode(c)
	if err != nil {
		return nil, err
	}
	ns, err := ygot.TogNMINotifications(tree, 0, ygot.GNMINotificationsConfig{UsePathElem: true})
	if err != nil {
		return nil, fmt.Errorf("capability %s: %w", c.Name, err)
	}
	var out []leaf
	for _, n := range ns {
		for _, u := range n.Update {
			out = append(out, leaf{u.Path, u.Val})
		}
	}
	sortLeaves(out)
	return out, nil
}

// encode returns the capability as a tree of the model. The enumerations of both number their names alike; a test compares them.
func encode(c capabilities.Capability) (*nvecaps.Root, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	t := &nvecaps.NveCapabilities{
		Name:            given(c.Name),
		Role:            nvecaps.E_KeywayNveCapabilities_RoleType(c.Role),
		Reconfiguration: nvecaps.E_KeywayNveCapabilities_ReconfigurationType(c.Reconfiguration),
		SamePorts:       given(c.SamePorts),
		Encapsulation:   map[nvecaps.E_KeywayNveCapabilities_EncapsulationType]*nvecaps.NveCapabilities_Encapsulation{},
		Direction: map[nvecaps.E_KeywayNveCapabilities_DirectionType]*nvecaps.NveCapabilities_Direction{
			nvecaps.KeywayNveCapabilities_DirectionType_RECEIVE: encodeDirection(c.Receive, nvecaps.KeywayNveCapabilities_DirectionType_RECEIVE),
			nvecaps.KeywayNveCapabilities_DirectionType_SEND:    encodeDirection(c.Send, nvecaps.KeywayNveCapabilities_DirectionType_SEND),
		},
		Exceptions: &nvecaps.NveCapabilities_Exceptions{
			Unknown:         nvecaps.E_KeywayNveCapabilities_BehaviorType(c.Exceptions.Unknown),
			UnknownCritical: nvecaps.E_KeywayNveCapabilities_BehaviorType(c.Exceptions.UnknownCritical),
			Duplicate:       nvecaps.E_KeywayNveCapabilities_BehaviorType(c.Exceptions.Duplicate),
			Malformed:       nvecaps.E_KeywayNveCapabilities_BehaviorType(c.Exceptions.Malformed),
			Control:         nvecaps.E_KeywayNveCapabilities_BehaviorType(c.Exceptions.Control),
		},
		NvgreExt: &nvecaps.NveCapabilities_NvgreExt{
			SendRedirect:       given(c.NVGREExt.SendRedirect),
			SendUnreachable:    given(c.NVGREExt.SendUnreachable),
			ReceiveRedirect:    given(c.NVGREExt.ReceiveRedirect),
			ReceiveUnreachable: given(c.NVGREExt.ReceiveUnreachable),
		},
	}
	for i, e := range c.Encapsulations {
		kind := nvecaps.E_KeywayNveCapabilities_EncapsulationType(e.Kind)
		out := &nvecaps.NveCapabilities_Encapsulation{
			Type:           kind,
			Sequence:       ygot.Uint8(uint8(i)),
			Direction:      nvecaps.E_KeywayNveCapabilities_DirectionType(e.Only),
			UdpPort:        e.Ports,
			InnerEthertype: e.Inner,
		}
		for _, f := range e.ZeroChecksum {
			out.ZeroChecksum = append(out.ZeroChecksum, nvecaps.E_KeywayNveCapabilities_AddressFamilyType(f))
		}
		t.Encapsulation[kind] = out
	}
	return &nvecaps.Root{NveCapabilities: t}, nil
}

func encodeDirection(d capabilities.Direction, name nvecaps.E_KeywayNveCapabilities_DirectionType) *nvecaps.NveCapabilities_Direction {
	t := &nvecaps.NveCapabilities_Direction{
		Direction:     name,
		ClassMatch:    nvecaps.E_KeywayNveCapabilities_ClassMatchType(d.ClassMatch),
		LengthIgnored: given(d.LengthIgnored),
		Rows:          given(d.Rows),
		Option:        map[uint16]*nvecaps.NveCapabilities_Direction_Option{},
		OrderRule:     map[uint16]*nvecaps.NveCapabilities_Direction_OrderRule{},
		Limit:         map[nvecaps.E_KeywayNveCapabilities_UnderlayType]*nvecaps.NveCapabilities_Direction_Limit{},
		Pool:          map[uint16]*nvecaps.NveCapabilities_Direction_Pool{},
		Field:         map[string]*nvecaps.NveCapabilities_Direction_Field{},
	}
	for i, o := range d.Options {
		class, typ := names(o)
		t.Option[uint16(i)] = &nvecaps.NveCapabilities_Direction_Option{
			Sequence: ygot.Uint16(uint16(i)), Class: class, Type: typ,
			MinWords: ygot.Uint8(o.MinWords), MaxWords: ygot.Uint8(o.MaxWords),
		}
	}
	for i, r := range d.Order {
		rule := &nvecaps.NveCapabilities_Direction_OrderRule{
			Sequence: ygot.Uint16(uint16(i)),
			Rule:     nvecaps.E_KeywayNveCapabilities_OrderRuleType(r.Kind),
			At:       words(r.At),
			Option:   map[uint16]*nvecaps.NveCapabilities_Direction_OrderRule_Option{},
		}
		for j, o := range r.Options {
			class, typ := names(o)
			rule.Option[uint16(j)] = &nvecaps.NveCapabilities_Direction_OrderRule_Option{
				Sequence: ygot.Uint16(uint16(j)), Class: class, Type: typ,
				MinWords: ygot.Uint8(o.MinWords), MaxWords: ygot.Uint8(o.MaxWords),
			}
		}
		t.OrderRule[uint16(i)] = rule
	}
	for underlay, l := range map[nvecaps.E_KeywayNveCapabilities_UnderlayType]capabilities.Limits{
		nvecaps.KeywayNveCapabilities_UnderlayType_ANY:  d.Limits,
		nvecaps.KeywayNveCapabilities_UnderlayType_IPV4: d.IPv4,
		nvecaps.KeywayNveCapabilities_UnderlayType_IPV6: d.IPv6,
	} {
		if l == (capabilities.Limits{}) {
			continue
		}
		t.Limit[underlay] = &nvecaps.NveCapabilities_Direction_Limit{
			Underlay:     underlay,
			MaxOptions:   given(l.Options),
			MaxBytes:     given(l.Bytes),
			MaxDataWords: given(l.DataWords),
			ParserDepth:  given(l.ParserDepth),
			InnerBytes:   given(l.InnerBytes),
		}
	}
	for i, p := range d.Pools {
		t.Pool[uint16(i)] = &nvecaps.NveCapabilities_Direction_Pool{
			Sequence: ygot.Uint16(uint16(i)), Words: ygot.Uint8(p.Words), PerOption: given(p.PerOption),
		}
	}
	for i, f := range d.Fields {
		t.Field[f.Field] = &nvecaps.NveCapabilities_Direction_Field{
			Name: ygot.String(f.Field), Sequence: ygot.Uint16(uint16(i)), Word: words(f.Words),
		}
	}
	return t
}

// optionClass and optionType are values of the two lists of options that the model has.
type (
	optionClass interface {
		nvecaps.NveCapabilities_Direction_Option_Class_Union
		nvecaps.NveCapabilities_Direction_OrderRule_Option_Class_Union
	}
	optionType interface {
		nvecaps.NveCapabilities_Direction_Option_Type_Union
		nvecaps.NveCapabilities_Direction_OrderRule_Option_Type_Union
	}
)

func names(o capabilities.OptionRange) (optionClass, optionType) {
	var class optionClass = nvecaps.UnionUint16(o.Class)
	if o.AnyClass {
		class = nvecaps.KeywayNveCapabilities_OptionClassType_Enum_ANY
	}
	var typ optionType = nvecaps.UnionUint8(o.Type)
	if o.AnyType {
		typ = nvecaps.KeywayNveCapabilities_OptionTypeType_Enum_ANY
	}
	return class, typ
}

func words(s capabilities.WordSet) []uint8 {
	var out []uint8
	for i := 0; i <= s.Last(); i++ {
		if s.Has(i) {
			out = append(out, uint8(i))
		}
	}
	return out
}

// given returns nil for a zero value, which is no statement.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
