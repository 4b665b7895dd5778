package stf

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyway-nve/keyway/testbed/engine"
)

// Bench is a switch on which scripts run.
type Bench struct {
	Switch *engine.Switch
	out    map[uint32][]string // what left each port, in hexadecimal digits
	trees  trees
	ids    map[string]entryRef
}

type entryRef struct {
	table  *engine.Table
	handle engine.Handle
}

// NewBench makes a switch that runs p. Its output goes to the bench, and to o.Output after that.
func NewBench(p *engine.Program, o engine.Options) *Bench {
	b := &Bench{out: map[uint32][]string{}, trees: trees{groups: map[uint32][]int{}}, ids: map[string]entryRef{}}
	next := o.Output
	o.Output = func(port uint32, frame []byte) {
		b.out[port] = append(b.out[port], hex.EncodeToString(frame))
		if next != nil {
			next(port, frame)
		}
	}
	b.Switch = engine.New(p, o)
	return b
}

// Configure runs the commands of a script that change state on a switch of the caller's. Packets and expectations are
// errors: what leaves the switch is the caller's.
func Configure(sw *engine.Switch, s *Script) error {
	b := &Bench{Switch: sw, trees: trees{groups: map[uint32][]int{}}, ids: map[string]entryRef{}}
	var errs []error
	for i := range s.Statements {
		st := &s.Statements[i]
		if err := b.do(st); err != nil {
			errs = append(errs, &Error{s.Name, st.Line, err})
		}
	}
	return errors.Join(errs...)
}

// do runs a command that is no packet and no expectation.
func (b *Bench) do(st *Statement) error {
	switch st.Command {
	case "packet", "expect":
		return fmt.Errorf("%s: the switch is only configured", st.Command)
	case "add":
		return b.add(st)
	case "setdefault":
		return b.setDefault(st)
	case "check_counter":
		return b.checkCounter(st)
	}
	return b.command(st)
}

// Run runs a script to its end and returns everything that was wrong, each an [*Error].
func (b *Bench) Run(s *Script) error {
	clear(b.out)
	return play(s, b)
}

func (b *Bench) process(port uint32, frame []byte) error {
	b.Switch.Process(port, frame)
	return nil
}

func (b *Bench) left() map[uint32][]string { return b.out }

// table finds a table by its name or the end of it.
func (b *Bench) table(name string) (*engine.Table, error) {
	if t, ok := b.Switch.Table(name); ok {
		return t, nil
	}
	var found *engine.Table
	for t := range b.Switch.Tables() {
		if strings.HasSuffix(t.Name(), name) {
			if found != nil {
				return nil, fmt.Errorf("table %s is ambiguous: %s, %s", name, found.Name(), t.Name())
			}
			found = t
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no table %s", name)
	}
	return found, nil
}

func (b *Bench) call(t *engine.Table, st *Statement) (engine.ActionCall, error) {
	info, err := actionOf(t, st.Action)
	if err != nil {
		return engine.ActionCall{}, err
	}
	c := engine.ActionCall{Name: info.Name, Args: make([][]byte, len(info.Params))}
	var errs []error
	for _, a := range st.Args {
		i := slices.IndexFunc(info.Params, func(p engine.Param) bool { return p.Name == a.Name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("action %s has no parameter %s", info.Name, a.Name))
			continue
		}
		v, err := number(a.Value, info.Params[i].Bits)
		if err != nil {
			errs = append(errs, fmt.Errorf("parameter %s: %w", a.Name, err))
		}
		c.Args[i] = v
	}
	for i, p := range info.Params {
		if c.Args[i] == nil && len(errs) == 0 {
			errs = append(errs, fmt.Errorf("parameter %s of action %s is missing", p.Name, info.Name))
		}
	}
	return c, errors.Join(errs...)
}

func actionOf(t *engine.Table, name string) (engine.ActionInfo, error) {
	var found []engine.ActionInfo
	for _, a := range t.Actions() {
		if a.Name == name {
			return a, nil
		}
		if strings.HasSuffix(a.Name, name) {
			found = append(found, a)
		}
	}
	switch len(found) {
	case 0:
		return engine.ActionInfo{}, fmt.Errorf("table %s has no action %s", t.Name(), name)
	case 1:
		return found[0], nil
	}
	return engine.ActionInfo{}, fmt.Errorf("action %s of table %s is ambiguous", name, t.Name())
}

// lowestPriority is what a priority is subtracted from: the engine, as bmv2, takes the lower number first.
const lowestPriority = 10000

func (b *Bench) add(st *Statement) error {
	t, err := b.table(st.Table)
	if err != nil {
		return err
	}
	fields := t.Key()
	key := make([]engine.Match, len(fields))
	for i, k := range fields {
		key[i] = wild(k)
	}
	var errs []error
	for _, kv := range st.Key {
		i := keyField(fields, kv.Name)
		if i < 0 {
			errs = append(errs, fmt.Errorf("table %s has no key field %s", t.Name(), kv.Name))
			continue
		}
		m, err := match(fields[i], kv.Value)
		if err != nil {
			errs = append(errs, fmt.Errorf("key field %s: %w", kv.Name, err))
		}
		key[i] = m
	}
	c, err := b.call(t, st)
	if errs = append(errs, err); errors.Join(errs...) != nil {
		return errors.Join(errs...)
	}
	target := engine.Target(c)
	if p, ok := b.Switch.ActionProfile(t.Profile()); ok {
		// Each entry has a member of its own.
		if target, err = p.AddMember(c); err != nil {
			return err
		}
	}
	h, err := t.Insert(key, int32(lowestPriority-max(0, st.Priority)), target, 0)
	if err == nil && st.ID != "" {
		b.ids[st.ID] = entryRef{t, h}
	}
	return err
}

// keyField finds a key field by its name, by how validity is written, or by the end of its name.
func keyField(fields []engine.KeyField, name string) int {
	short := name
	if i := strings.LastIndexByte(name, '$'); i > 0 && i+1 < len(name) && name[i+1] >= '0' && name[i+1] <= '9' {
		j := i + 1
		for j < len(name) && name[j] >= '0' && name[j] <= '9' {
			j++
		}
		short = name[:i] + "[" + name[i+1:j] + "]" + name[j:]
	}
	tries := []string{short, short + "$", short + ".$valid$"}
	if h, ok := strings.CutSuffix(short, ".valid"); ok {
		tries = append(tries, h+".$valid$", h+"$valid$")
	}
	for _, try := range tries {
		if i := slices.IndexFunc(fields, func(k engine.KeyField) bool { return k.Name == try }); i >= 0 {
			return i
		}
	}
	return slices.IndexFunc(fields, func(k engine.KeyField) bool {
		return strings.HasSuffix(k.Name, "."+short) || strings.HasSuffix(k.Name, "."+short+"$") ||
			short == "valid" && strings.HasSuffix(k.Name, "$valid$")
	})
}

func (b *Bench) setDefault(st *Statement) error {
	t, err := b.table(st.Table)
	if err != nil {
		return err
	}
	c, err := b.call(t, st)
	if err != nil {
		return err
	}
	return t.SetDefault(c)
}
