package device

import (
	"context"
	"fmt"
	"iter"
	"slices"

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
	// unread are kinds of entity that the device's server cannot read. Of these
	// what we believe is all we know.
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
		if !t.ConstDefault && t.Profile == nil { // section 9.1.3: those of a profile are NoAction
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
	parts := []part{entries, groups, clones, cells}
	// One by one: PI reads a digest by its id only, and calls one NOT_FOUND that is not configured.
	for _, g := range s.Digests() {
		parts = append(parts, part{
			name: "digest " + g.Name,
			holds: func(e tables.Entity) bool {
				c, ok := e.(tables.DigestConfig)
				return ok && c.Digest == g.Name
			},
			filters: []*p4v1.Entity{{Entity: &p4v1.Entity_DigestEntry{DigestEntry: &p4v1.DigestEntry{DigestId: g.ID}}}},
		})
	}
	return parts
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

// untouched reports whether e always exists and is as the program leaves it.
func (d *Device) untouched(e tables.Entity) bool {
	entry, ok := e.(tables.Entry)
	if ok && !entry.Default {
		return false
	}
	if _, cell := e.(tables.MeterCell); !ok && !cell {
		return false
	}
	return len(d.schema.Plan([]tables.Entity{e}, nil, tables.PlanOptions{})) == 0
}

// programs reports whether e may be the program's own, of which P4Info does not
// tell: a default action, or an entry of a table that it fills.
func (d *Device) programs(e tables.Entity) bool {
	entry, ok := e.(tables.Entry)
	if !ok {
		return false
	}
	t, err := d.schema.Table(entry.Table)
	if err != nil {
		return false
	}
	if entry.Default { // P4Runtime before 1.4 has no initial_default_action
		return t.Default.Name == ""
	}
	return t.Initial && !t.Const
}

// foreign returns what somebody has put on a device, in the order of keys.
func (d *Device) foreign(c *contents) []tables.Entity {
	return slices.DeleteFunc(values(c.entities), d.programs)
}
