package device

import (
	"context"
	"fmt"
	"iter"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/tables"
)

// Counted is an entry with its direct counter.
type Counted struct {
	Entry   tables.Entry
	Packets int64 // 0 where the counter counts bytes only
	Bytes   int64 // 0 where it counts packets only
}

// ReadCounters reads the direct counter of each of the table's entries, in the
// device's order. An error is the last thing it yields. It needs no primacy.
func (d *Device) ReadCounters(ctx context.Context, table string) iter.Seq2[Counted, error] {
	return func(yield func(Counted, error) bool) {
		t, err := d.schema.Table(table)
		if err == nil && t.Counter == nil {
			err = fmt.Errorf("table %s has no counter: %w", t.Name, tables.ErrUnsupported)
		}
		if err != nil {
			yield(Counted{}, fmt.Errorf("%s: %w", d.Name(), err))
			return
		}
		// Counters are returned only on demand (section 9.1.10, "Direct
		// Resources").
		filter := tableEntry(&p4v1.TableEntry{TableId: t.ID, CounterData: &p4v1.CounterData{}})
		for pe, err := range d.session.Read(ctx, filter) {
			if err != nil {
				yield(Counted{}, err)
				return
			}
			te := pe.GetTableEntry()
			e, err := d.schema.DecodeEntry(te)
			if err != nil {
				yield(Counted{}, fmt.Errorf("%s: %w", d.Name(), err))
				return
			}
			c := te.GetCounterData()
			if !yield(Counted{Entry: e, Packets: c.GetPacketCount(), Bytes: c.GetByteCount()}, nil) {
				return
			}
		}
	}
}

// Cell is one cell of an indirect counter.
type Cell struct {
	Index          int64
	Packets, Bytes int64
}

// ReadCells reads the cells of an indirect counter, in the device's order. An
// error is the last thing it yields. It needs no primacy.
func (d *Device) ReadCells(ctx context.Context, counter string) iter.Seq2[Cell, error] {
	return func(yield func(Cell, error) bool) {
		c, err := d.schema.Counter(counter)
		if err == nil && c.Table != nil {
			err = fmt.Errorf("counter %s belongs to the entries of %s: %w", c.Name, c.Table.Name, tables.ErrUnsupported)
		}
		if err != nil {
			yield(Cell{}, fmt.Errorf("%s: %w", d.Name(), err))
			return
		}
		filter := &p4v1.Entity{Entity: &p4v1.Entity_CounterEntry{CounterEntry: &p4v1.CounterEntry{CounterId: c.ID}}}
		for pe, err := range d.session.Read(ctx, filter) {
			if err != nil {
				yield(Cell{}, err)
				return
			}
			ce := pe.GetCounterEntry()
			cell := Cell{ce.GetIndex().GetIndex(), ce.GetData().GetPacketCount(), ce.GetData().GetByteCount()}
			if !yield(cell, nil) {
				return
			}
		}
	}
}
