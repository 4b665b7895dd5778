package p4rt_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/testbed/p4rt/pipeline"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// model is what the specification says of entries, without an engine.
type model map[string]*p4v1.TableEntry

func (m model) key(e *p4v1.TableEntry) string {
	return fmt.Sprint(e.GetTableId(), e.GetPriority(), e.GetMatch())
}

// write applies an update and returns its outcome.
func (m model) write(u *p4v1.Update) codes.Code {
	e := u.GetEntity().GetTableEntry()
	k := m.key(e)
	old := m[k]
	switch u.GetType() {
	case p4v1.Update_INSERT:
		switch {
		case old != nil:
			return codes.AlreadyExists
		case e.GetTableId() == 0x02000002 && m.of(e.GetTableId()) == 4:
			return codes.ResourceExhausted
		}
		m[k] = e
	case p4v1.Update_MODIFY:
		if old == nil {
			return codes.NotFound
		}
		n := proto.CloneOf(e)
		if n.GetAction() == nil {
			n.Action = old.GetAction()
		}
		m[k] = n
	case p4v1.Update_DELETE:
		if old == nil {
			return codes.NotFound
		}
		delete(m, k)
	}
	return codes.OK
}

// of returns how many entries a table has.
func (m model) of(table uint32) int {
	n := 0
	for _, e := range m {
		if e.GetTableId() == table {
			n++
		}
	}
	return n
}

// route returns the port to which the lpm table, or else the range table,
// sends a probe, as longest prefix and highest priority say; 0 is none.
func (m model) route(arg uint16, addr uint32) uint32 {
	port := func(e *p4v1.TableEntry) uint32 {
		return uint32(e.GetAction().GetAction().GetParams()[0].GetValue()[0])
	}
	var lpm, ranged *p4v1.TableEntry
	for _, e := range m {
		switch e.GetTableId() {
		case 0x02000002:
			length := func(e *p4v1.TableEntry) int32 {
				if e == nil {
					return -1
				}
				if len(e.GetMatch()) == 0 {
					return 0
				}
				return e.GetMatch()[0].GetLpm().GetPrefixLen()
			}
			n := length(e)
			value := uint32(0)
			if n > 0 {
				for _, b := range e.GetMatch()[0].GetLpm().GetValue() {
					value = value<<8 | uint32(b)
				}
			}
			if n == 0 || addr>>(32-n) == value>>(32-n) {
				if n > length(lpm) {
					lpm = e
				}
			}
		case 0x02000004:
			r := e.GetMatch()[0].GetRange()
			if arg < uint16(r.GetLow()[0]) || arg > uint16(r.GetHigh()[0]) {
				continue
			}
			if ranged == nil || e.GetPriority() > ranged.GetPriority() {
				ranged = e
			}
		}
	}
	switch {
	case ranged != nil: // it is applied last
		return port(ranged)
	case lpm != nil:
		return port(lpm)
	}
	return 0
}

// Whatever is written in whatever batches, outcomes, reads and packets are
// those of the model (sections 9.1, 12 and 13).
func TestTablesFollowTheModel(t *testing.T) {
	config, err := pipeline.Verify(entitiesConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t}
	rapid.Check(t, func(r *rapid.T) {
		var left []uint32
		p := pipeline.New(config, pipeline.Options{Output: func(port uint32, _ []byte) { left = append(left, port) }})
		defer p.Close()
		m := model{}
		entry := rapid.Custom(func(r *rapid.T) *p4v1.Entity {
			action := ""
			if rapid.IntRange(0, 3).Draw(r, "with action") > 0 {
				action = forward(rapid.IntRange(1, 9).Draw(r, "port"))
			}
			if rapid.Bool().Draw(r, "lpm") {
				n := rapid.SampledFrom([]int{0, 1, 2, 8}).Draw(r, "prefix")
				first := rapid.SampledFrom([]int{0x80, 0xc0, 0x40}).Draw(r, "address") & (0xff00 >> n)
				return f.entity(lpm(max(first, 0x40<<(n&1)), n, action)) // zero would be written shorter
			}
			low := rapid.IntRange(1, 5).Draw(r, "low")
			// Equal priorities that overlap leave the choice to the target.
			priority := 10*low + rapid.IntRange(1, 5).Draw(r, "priority")
			return f.entity(fmt.Sprintf(`table_entry { table_id: $range_table$ match { field_id: 1 range { low: "\x%02x" high: "\x%02x" } } priority: %d %s }`,
				low, low+priority%10, priority, action))
		})
		for range rapid.IntRange(1, 10).Draw(r, "batches") {
			mode := rapid.SampledFrom([]p4v1.WriteRequest_Atomicity{
				p4v1.WriteRequest_CONTINUE_ON_ERROR, p4v1.WriteRequest_ROLLBACK_ON_ERROR, p4v1.WriteRequest_DATAPLANE_ATOMIC}).Draw(r, "mode")
			var batch []*p4v1.Update
			for range rapid.IntRange(1, 6).Draw(r, "updates") {
				u := &p4v1.Update{
					Type:   p4v1.Update_Type(rapid.IntRange(1, 3).Draw(r, "type")),
					Entity: entry.Draw(r, "entry"),
				}
				if u.GetType() == p4v1.Update_INSERT && u.GetEntity().GetTableEntry().GetAction() == nil {
					u.Type = p4v1.Update_MODIFY
				}
				batch = append(batch, u)
			}
			trial := model{}
			for k, e := range m {
				trial[k] = e
			}
			var want []codes.Code
			for _, u := range batch {
				want = append(want, trial.write(u))
			}
			if i := slices.IndexFunc(want, func(c codes.Code) bool { return c != codes.OK }); i >= 0 && mode != p4v1.WriteRequest_CONTINUE_ON_ERROR {
				failed := want[i]
				for k := range want {
					want[k] = codes.Aborted
				}
				want[i] = failed
			} else {
				m = trial
			}
			var got []codes.Code
			for _, err := range p.Write(batch, mode, nil) {
				got = append(got, refusal.Code(err))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				r.Fatalf("outcomes of %v (-want +got):\n%s", batch, diff)
			}
		}
		read := model{}
		for _, table := range []string{"lpm_table", "range_table"} {
			if err := p.Read(f.entity(`table_entry { table_id: $`+table+`$ }`), func(e *p4v1.Entity) {
				read[m.key(e.GetTableEntry())] = e.GetTableEntry()
			}); err != nil {
				r.Fatal(err)
			}
		}
		if diff := cmp.Diff(m, read, protocmp.Transform()); diff != "" {
			r.Fatalf("read (-want +got):\n%s", diff)
		}
		for arg := range uint16(12) {
			for _, addr := range []uint32{0, 0x40000000, 0x80000000, 0xc0000000} {
				var want []uint32
				if port := m.route(arg, addr); port != 0 {
					want = []uint32{port}
				}
				left = nil
				p.Process(1, probe(toTables, arg, addr, 0))
				if !slices.Equal(left, want) {
					r.Fatalf("probe %d, %#x left on %v, want %v", arg, addr, left, want)
				}
			}
		}
	})
}
