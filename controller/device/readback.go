package device

import (
	"context"
	"errors"
	"fmt"
	"iter"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/tables"
)

// contents is what a read-back found.
type contents struct {
	entities map[string]tables.Entity
	// odd are what the device holds and our program cannot have.
	odd []error
	// unread are kinds of entity that the device's server cannot read. Of
	// these what we believe is all we know.
	unread []func(tables.Entity) bool
}

// part is a kind of entity and how it is read.
type part struct {
	name    string
	filters []*p4v1.Entity
	holds   func(tables.Entity) bool
	needed  bool // a device that cannot read it is of no use
}

// parts returns what to read to know all that a device holds.
func (d *Device) parts() []part {
	s := d.schema
	entries := part{name: "tables", needed: true, holds: is[tables.Entry]}
	for _, t := range s.Tables() {
		te := &p4v1.TableEntry{TableId: t.ID}
		if t.Meter != nil { // returned only on demand
			te.MeterConfig = &p4v1.MeterConfig{}
		}
		entries.filters = append(entries.filters, tableEntry(te))
		if !t.ConstDefault {
			entries.filters = append(entries.filters, tableEntry(&p4v1.TableEntry{
				TableId: t.ID, IsDefaultAction: true, MeterConfig: te.MeterConfig,
			}))
		}
	}
	groups := part{name: "multicast groups", holds: is[tables.MulticastGroup], filters: []*p4v1.Entity{
		pre(&p4v1.PacketReplicationEngineEntry{Type: &p4v1.PacketReplicationEngineEntry_MulticastGroupEntry{
			MulticastGroupEntry: &p4v1.MulticastGroupEntry{},
		}}),
	}}
	clones := part{name: "clone sessions", holds: is[tables.CloneSession], filters: []*p4v1.Entity{
		pre(&p4v1.PacketReplicationEngineEntry{Type: &p4v1.PacketReplicationEngineEntry_CloneSessionEntry{
			CloneSessionEntry: &p4v1.CloneSessionEntry{},
		}}),
	}}
	cells := part{name: "meters", holds: is[tables.MeterCell]}
	for _, m := range s.Meters() {
		if m.Table == nil {
			cells.filters = append(cells.filters, &p4v1.Entity{Entity: &p4v1.Entity_MeterEntry{
				MeterEntry: &p4v1.MeterEntry{MeterId: m.ID},
			}})
		}
	}
	digests := part{name: "digests", holds: is[tables.DigestConfig]}
	if len(s.Digests()) > 0 {
		digests.filters = []*p4v1.Entity{{Entity: &p4v1.Entity_DigestEntry{DigestEntry: &p4v1.DigestEntry{}}}}
	}
	return []part{entries, groups, clones, cells, digests}
}

func is[T tables.Entity](e tables.Entity) bool { _, ok := e.(T); return ok }

func tableEntry(te *p4v1.TableEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: te}}
}

func pre(e *p4v1.PacketReplicationEngineEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_PacketReplicationEngineEntry{PacketReplicationEngineEntry: e}}
}

// readBack reads all that the device holds. What always exists and is as the
// program leaves it (default actions, meters) is left out.
func (d *Device) readBack(ctx context.Context, r *p4rt.Ready) (*contents, error) {
	d.n.audits.Add(1)
	c := &contents{entities: make(map[string]tables.Entity)}
	for _, p := range d.parts() {
		if len(p.filters) == 0 {
			continue
		}
		err := c.read(d, r.Read(ctx, p.filters...))
		switch {
		case err == nil:
		case !p.needed && unreadable(err):
			d.log.Debug("not readable", "what", p.name, "err", err)
			c.unread = append(c.unread, p.holds)
		default:
			return nil, fmt.Errorf("reading back %s: %w", p.name, err)
		}
	}
	return c, nil
}

// unreadable reports whether a device refuses to read a kind of entity. Where
// none was ever configured, some say NOT_FOUND or INVALID_ARGUMENT.
func unreadable(err error) bool {
	switch status.Code(err) {
	case codes.Unimplemented, codes.NotFound, codes.InvalidArgument:
		return true
	}
	return false
}

func (c *contents) read(d *Device, found iter.Seq2[*p4v1.Entity, error]) error {
	for pe, err := range found {
		if err != nil {
			return err
		}
		e, err := d.schema.Decode(pe)
		if err != nil {
			c.odd = append(c.odd, fmt.Errorf("device holds what its program does not have: %w", err))
			continue
		}
		if !d.untouched(e) {
			c.entities[e.Key()] = e
		}
	}
	return nil
}

// initialDefaults returns the default actions that the program sets and that
// can be changed. A P4Info from before P4Runtime 1.4 does not tell them.
func initialDefaults(s *tables.Schema, info *p4configv1.P4Info) (map[string]tables.Entry, error) {
	defaults := make(map[string]tables.Entry)
	var errs []error
	for _, t := range info.GetTables() {
		call := t.GetInitialDefaultAction()
		if call == nil || t.GetConstDefaultActionId() != 0 {
			continue
		}
		a := &p4v1.Action{ActionId: call.GetActionId()}
		for _, arg := range call.GetArguments() {
			a.Params = append(a.Params, &p4v1.Action_Param{ParamId: arg.GetParamId(), Value: arg.GetValue()})
		}
		e, err := s.DecodeEntry(&p4v1.TableEntry{
			TableId:         t.GetPreamble().GetId(),
			IsDefaultAction: true,
			Action:          &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: a}},
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("initial default action: %w", err))
			continue
		}
		defaults[e.Key()] = e
	}
	return defaults, errors.Join(errs...)
}

// untouched reports whether e always exists and is as the program leaves it.
func (d *Device) untouched(e tables.Entity) bool {
	switch e := e.(type) {
	case tables.MeterCell:
		return e.Rates == nil
	case tables.Entry:
		if !e.Default {
			return false
		}
		if e.Const || e.Action.Name == "" {
			return true
		}
		initial, known := d.initial[e.Key()]
		return known && len(d.schema.Plan([]tables.Entity{e}, []tables.Entity{initial}, tables.PlanOptions{})) == 0
	}
	return false
}

// programs reports whether e may be the program's own, of which P4Info does
// not tell: a default action, or an entry of a table that it fills.
func (d *Device) programs(e tables.Entity) bool {
	entry, ok := e.(tables.Entry)
	if !ok {
		return false
	}
	if entry.Default {
		_, known := d.initial[entry.Key()]
		return !known
	}
	t, err := d.schema.Table(entry.Table)
	return err == nil && t.Initial && !t.Const
}
