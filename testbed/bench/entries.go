package bench

import (
	"context"
	"errors"
	"fmt"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/nve"
	"github.com/keyway-nve/keyway/testbed/target"
)

// entries measures P4Runtime: table entries written and read, by batch.
func entries(ctx context.Context, r *runner) (err error) {
	before := len(r.results)
	prog, err := p4.NVE()
	if err != nil {
		return err
	}
	schema, err := tables.NewSchema(prog.P4Info)
	if err != nil {
		return err
	}
	t, err := target.New(target.Options{DeviceID: 1, CPUPort: p4.CPUPort})
	if err != nil {
		return err
	}
	if err := t.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	o := p4rt.Options{
		DeviceID:   1,
		ElectionID: p4rt.ElectionID{Low: 1},
		Pipeline:   &p4rt.Pipeline{Info: prog.P4Info, DeviceConfig: prog.DeviceConfig},
		BatchSize:  1000,
	}
	conn, err := t.Dial(o.DialOptions()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()

	// A session starts another term when ready returns; it is ended from outside.
	ctx, end := context.WithCancel(ctx)
	defer end()
	var measured error
	err = p4rt.New(conn, o).Run(ctx, func(ctx context.Context, ready *p4rt.Ready) error {
		defer end()
		for _, n := range []int{1, 100, 1000} {
			if measured = r.entries(ctx, ready, schema, n); measured != nil {
				break
			}
		}
		return nil
	})
	if measured == nil && len(r.results) == before {
		return err // it ended before it was measured
	}
	return measured
}

// entries writes endpoints in batches of n, and reads as many back.
func (r *runner) entries(ctx context.Context, ready *p4rt.Ready, schema *tables.Schema, n int) error {
	insert := make([]*p4v1.Update, n)
	remove := make([]*p4v1.Update, n)
	for i := range n {
		key := nve.EndpointKey{VNI: 5000, MAC: ethernet.MAC{2, 0, 0, 3, byte(i >> 8), byte(i)}}
		e, err := key.Local(256, 1)
		if err != nil {
			return err
		}
		te, err := schema.EncodeEntry(e)
		if err != nil {
			return err
		}
		entity := &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: te}}
		insert[i] = &p4v1.Update{Type: p4v1.Update_INSERT, Entity: entity}
		remove[i] = &p4v1.Update{Type: p4v1.Update_DELETE, Entity: entity}
	}
	there := false
	err := r.rate(ctx, "P4Runtime write", fmt.Sprintf("batches of %d", n), n, func() error {
		there = !there
		if there {
			return ready.Write(ctx, insert...)
		}
		return ready.Write(ctx, remove...)
	})
	if err != nil {
		return err
	}
	if !there {
		if err := ready.Write(ctx, insert...); err != nil {
			return err
		}
	}
	all := &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{TableId: nve.TableEndpointID}}}
	err = r.rate(ctx, "P4Runtime read", fmt.Sprintf("%d entries", n), n, func() error {
		have := 0
		for _, err := range ready.Read(ctx, all) {
			if err != nil {
				return err
			}
			have++
		}
		if have != n {
			return fmt.Errorf("read %d entries, wrote %d", have, n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return ready.Write(ctx, remove...)
}
