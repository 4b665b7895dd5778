package render

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/nve"
)

// The bits of field_set_t in p4/include/metadata.p4.
const (
	carriesGroup        = 0x01
	carriesLogicalPorts = 0x02
	carriesSequence     = 0x04
	carriesOrigin       = 0x08
	carriesFlowHash     = 0x10
	carriesTimestamp    = 0x20
)

func carries(f intent.Field) uint8 {
	switch f {
	case intent.FieldGroup:
		return carriesGroup
	case intent.FieldLogicalPorts:
		return carriesLogicalPorts
	case intent.FieldSequence:
		return carriesSequence
	case intent.FieldOrigin:
		return carriesOrigin
	case intent.FieldFlowHash:
		return carriesFlowHash
	case intent.FieldTimestamp:
		return carriesTimestamp
	}
	return 0 // sent and not read by any pipeline
}

// layout is an ordered list of option types as the words of the window.
type layout struct {
	number  uint16
	options []intent.OptionType
	words   []word
}

// word is one word of the window: an option's header, or one word of its data.
type word struct {
	header bool
	value  uint32 // the header, or the constant
	field  intent.Field
	shift  uint8
	unread bool // by the receiver, which may have no way to read it there
}

// layoutOf lays option types out. Nobody has to send the reserved bits of an
// option's header, so they are 0 (RFC 8926 section 3.5).
func layoutOf(options []intent.OptionType) layout {
	l := layout{options: options}
	for _, o := range options {
		l.words = append(l.words, word{header: true, value: header(o)})
		for _, w := range o.Words {
			l.words = append(l.words, word{value: w.Constant, field: w.Field, shift: w.Shift, unread: w.Unread})
		}
	}
	return l
}

// Layout returns the entries of one layout: by which an NVE sends it, and by which
// one receives it.
func Layout(options []intent.OptionType) (send, receive []tables.Entity, err error) {
	for _, x := range []struct {
		out    *[]tables.Entity
		render func(*renderer, *directions)
	}{{&send, (*renderer).send}, {&receive, (*renderer).receive}} {
		r := &renderer{in: Input{Numbers: new(Numbers)}}
		var ls directions
		r.number(&ls, options)
		x.render(r, &ls)
		if err := errors.Join(r.errs...); err != nil {
			return nil, nil, err
		}
		for _, d := range r.out {
			*x.out = append(*x.out, d.Entity)
		}
	}
	return send, receive, nil
}

// Header returns what the header of an option is compared with by a receiver, and
// under which mask.
func Header(o intent.OptionType) (value, mask uint32) { return header(o), headerMask }

func header(o intent.OptionType) uint32 {
	return uint32(o.Class)<<16 | uint32(o.Type)<<8 | uint32(o.Length)
}

// headerMask leaves the reserved bits of an option's header out of a match.
const headerMask = 0xFFFFFF1F

func (l *layout) carries() (set uint8) {
	for _, w := range l.words {
		set |= carries(w.field)
	}
	return set
}

func (l *layout) critical() bool {
	return slices.ContainsFunc(l.options, func(o intent.OptionType) bool { return o.Type&0x80 != 0 })
}

// content is what tells layouts apart.
func (l *layout) content() string {
	b := make([]byte, 0, 8*len(l.words))
	for _, w := range l.words {
		b = binary.BigEndian.AppendUint32(b, w.value)
		b = append(b, byte(w.field), w.shift)
		if w.header {
			b = append(b, 1)
		}
		if w.unread {
			b = append(b, 2)
		}
	}
	return string(b)
}

// directions are the layouts of one device in one direction.
type directions struct {
	numbers map[string]uint16
	list    []layout // in order of asking
}

// number returns the number of a layout, 0 for none, which has no options.
func (r *renderer) number(ls *directions, options []intent.OptionType) uint16 {
	if len(options) == 0 {
		return 0
	}
	l := layoutOf(options)
	content := l.content()
	if n, ok := ls.numbers[content]; ok {
		return n
	}
	l.number = uint16(r.numberOf(spaceOfLayouts(), content))
	if ls.numbers == nil {
		ls.numbers = make(map[string]uint16)
	}
	ls.numbers[content] = l.number
	ls.list = append(ls.list, l)
	return l.number
}

// send returns the entries by which a device puts the layouts into tunnels.
func (r *renderer) send(ls *directions) {
	for _, l := range ls.list {
		n := l.number
		for i, w := range l.words {
			r.add(place(nve.PlaceKey{Instance: nve.PlaceWord(i), Layout: n}, w))
		}
		r.add(nve.SendLayoutKey{Layout: n}.Options(uint8(len(l.words)), l.critical(), l.carries()))
	}
}

func place(k nve.PlaceKey, w word) (tables.Entry, error) {
	switch w.field {
	case 0:
		return k.Constant(w.value)
	case intent.FieldGroup:
		return k.Group(w.value, w.shift)
	case intent.FieldLogicalPorts:
		return k.LogicalPorts(w.value, w.shift)
	case intent.FieldSequence:
		return k.Sequence(w.value, w.shift)
	case intent.FieldOrigin:
		return k.Origin(w.value, w.shift)
	case intent.FieldTimestamp:
		return k.Timestamp(w.value, w.shift)
	case intent.FieldFlowHash:
		return k.FlowHash(w.value, w.shift)
	case intent.FieldPorts:
		return k.Ports(w.value, w.shift)
	}
	return tables.Entry{}, fmt.Errorf("word %d of layout %d: field %v", k.Instance, k.Layout, w.field)
}

// layoutPriority is that of all rows: no two layouts match the same options.
// Up to the first word where two differ they have the same options, so there
// both have a header.
const layoutPriority = 10

// receive returns the entries by which an NVE reads the layouts.
func (r *renderer) receive(ls *directions) {
	for _, l := range ls.list {
		n := l.number
		key := nve.OptionLayoutKey{OptLen: tables.Is(uint8(len(l.words))), Priority: layoutPriority}
		if l.critical() {
			// An option that must be understood behind a header that says there
			// is none is malformed (RFC 8926 section 3.5).
			key.Critical = tables.Is(true)
		}
		var read uint8
		for i, w := range l.words {
			if w.header {
				key.Word[i] = tables.Masked[uint32]{Value: w.value, Mask: headerMask}
				continue
			}
			bit := carries(w.field)
			if instance := nveReader(w.field); instance != 0 && !w.unread && read&bit == 0 {
				read |= bit
				r.add(nve.ReadKey{Instance: instance, Layout: n}.FromWord(i, w.shift))
			}
		}
		r.add(key.Bind(n, read))
	}
}

func nveReader(f intent.Field) nve.ReadInstance {
	switch f {
	case intent.FieldGroup:
		return nve.ReadGroup
	case intent.FieldLogicalPorts:
		return nve.ReadLogicalPorts
	case intent.FieldSequence:
		return nve.ReadSequence
	case intent.FieldOrigin:
		return nve.ReadOrigin
	case intent.FieldFlowHash:
		return nve.ReadFlowHash
	case intent.FieldTimestamp:
		return nve.ReadTimestamp
	}
	return 0
}
