package capabilities

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/keyway-nve/keyway/tables"
)

// ErrNoWindow reports a program whose P4Info does not say that it has an option window.
var ErrNoWindow = errors.New("no table with @option_window")

// FromP4Info is FromSchema for a program by its P4Info.
func FromP4Info(name string, info *p4configv1.P4Info) (Capability, error) {
	s, err := tables.NewSchema(info)
	if err != nil {
		return Capability{}, err
	}
	return FromSchema(name, s)
}

// FromSchema returns the capability of a device called name as far as the program that it runs says it: from the table with the annotation
// @option_window(WORDS), whose size is the number of layouts; from the tables FIELD.read, whose actions from_wordN are the words that the
// field can be read from; and from the tables wordN.place, whose actions are the fields that can be put there. A program without
// the last is one for transit devices. What the hardware under the program can do is a matter of its profile: see [Intersect].
//
// The error wraps [ErrNoWindow], or names the annotation that makes no sense.
func FromSchema(name string, s *tables.Schema) (Capability, error) {
	c := Capability{Name: name, Role: RoleTransit, Encapsulations: []Encapsulation{{Kind: Geneve}}, Reconfiguration: AtRuntime}
	words := 0
	for _, t := range s.Tables() {
		args, ok := t.Annotation("option_window")
		if !ok {
			continue
		}
		n, err := windowOf(args)
		switch {
		case err != nil:
			return Capability{}, fmt.Errorf("table %s of %s: %w", t.Name, s.Name, err)
		case words > 0:
			return Capability{}, fmt.Errorf("table %s of %s: @option_window is said of two tables", t.Name, s.Name)
		}
		words = n
		c.Receive.Rows = uint32(t.Size)
	}
	if words == 0 {
		return Capability{}, fmt.Errorf("%s: %w", s.Name, ErrNoWindow)
	}
	window := []OptionRange{EveryOption(uint8(min(words-1, MaxDataWords)))}
	c.Receive.Options = window
	c.Receive.Order = []OrderRule{{Kind: Positional}}
	for _, t := range s.Tables() {
		c.table(t, words)
	}
	if c.Role == RoleNVE {
		c.Receive.Limits.Bytes = uint16(4 * words)
		c.Send.Options = slices.Clone(window)
		c.Send.Limits.Bytes = uint16(4 * words)
		c.Exceptions.Unknown = Skip
	}
	for _, a := range s.Actions() {
		if _, ok := c.Encapsulation(NVGRE); !ok && strings.HasPrefix(last(a.Name), "nvgre_") {
			c.Encapsulations = append(c.Encapsulations, Encapsulation{Kind: NVGRE})
		}
	}
	return c, nil
}

func windowOf(args []string) (int, error) {
	if len(args) != 1 {
		return 0, errors.New("@option_window takes one number, of words")
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 || n > MaxOptionWords {
		return 0, fmt.Errorf("@option_window(%s) is not 1 to %d words", args[0], MaxOptionWords)
	}
	return n, nil
}

// table adds what one table of the crossbar says.
func (c *Capability) table(t *tables.Table, words int) {
	path := strings.Split(t.Name, ".")
	if len(path) < 2 {
		return
	}
	instance := path[len(path)-2]
	switch path[len(path)-1] {
	case "read":
		for _, a := range t.Actions {
			if i, ok := numbered(last(a.Name), "from_word"); ok && i < words {
				c.Receive.field(instance, i)
			}
		}
		c.Receive.Rows = least(c.Receive.Rows, uint32(t.Size))
	case "place":
		i, ok := numbered(instance, "word")
		if !ok || i >= words {
			return
		}
		c.Role = RoleNVE
		for _, a := range t.Actions {
			if field := last(a.Name); a.Scope != tables.ScopeDefault && field != "constant" {
				c.Send.field(field, i)
			}
		}
		c.Send.Rows = least(c.Send.Rows, uint32(t.Size))
	case "send_layout":
		c.Send.Rows = least(c.Send.Rows, uint32(t.Size))
	case "critical_miss":
		c.Exceptions.UnknownCritical = Drop
		if strings.HasPrefix(last(t.Default.Name), "punt") {
			c.Exceptions.UnknownCritical = Punt
		}
	}
}

// field adds word i to those of a field, whose names are written with hyphens everywhere but in P4.
func (d *Direction) field(name string, i int) {
	name = strings.ReplaceAll(name, "_", "-")
	at := slices.IndexFunc(d.Fields, func(f FieldWords) bool { return f.Field == name })
	if at < 0 {
		d.Fields = append(d.Fields, FieldWords{Field: name})
		at = len(d.Fields) - 1
	}
	d.Fields[at].Words |= 1 << i
}

// last returns the last part of a P4 name.
func last(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// numbered returns the number at the end of a name that starts with prefix.
func numbered(name, prefix string) (int, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 0
}
