package differential

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/testbed/simpleswitch"
)

var (
	seed    = flag.Uint64("seed", 1, "number of the first case")
	cases   = flag.Int("cases", 4, "how many cases, of some hundred packets and updates each")
	packets = flag.Int("packets", 150, "packets of each case")
	updates = flag.Int("updates", 150, "random updates of each case")
)

// Two switches are told the same and get the same packets, and must do the same.
func TestEmbeddedAgainstBMv2(t *testing.T) {
	bmv2, err := simpleswitch.Find(t.Context(), "")
	if errors.Is(err, simpleswitch.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var total tally
	recorded := map[string]bool{}
	for n := range uint64(*cases) {
		t.Run(fmt.Sprintf("seed=%d", *seed+n), func(t *testing.T) {
			c := newCase(t, bmv2, *seed+n)
			if name := c.device.Role.String(); *update && !recorded[name] {
				recorded[name] = true
				g := &golden{t: t}
				c.record = g.add
				sources, err := p4.CompiledDigest()
				if err != nil {
					t.Fatal(err)
				}
				defer g.save(filepath.Join("testdata", name+".golden"), source(bmv2.Version.String(), sources))
			}
			c.program()
			c.write()
			c.readBack()
			c.send()
			c.counters()
			total.add(c.tally)
		})
	}
	t.Logf("%v with bmv2 %v", total, bmv2.Version)
}

// tally is what was compared.
type tally struct{ updates, entities, packets, out, punted, digests, counters int }

func (t *tally) add(o tally) {
	t.updates += o.updates
	t.entities += o.entities
	t.packets += o.packets
	t.out += o.out
	t.punted += o.punted
	t.digests += o.digests
	t.counters += o.counters
}

// count adds a step.
func (t *tally) count(st step, a answer) {
	switch {
	case st.write != nil:
		t.updates++
	case st.in != nil || st.out != nil:
		t.packets++
	}
	t.entities += len(a.entities)
	t.out += len(a.frames)
	t.punted += len(a.punted)
	t.digests += len(a.digested)
}

func (t tally) String() string {
	return fmt.Sprintf("%d updates, %d entities read back, %d packets in, %d out, %d packet-ins, %d digests, %d counters", t.updates, t.entities, t.packets, t.out, t.punted, t.digests, t.counters)
}

// maxFaults is how many differences are told of one case.
const maxFaults = 10

// pair is two switches that are told the same.
type pair struct {
	t      *testing.T
	r      *rand.Rand
	sides  [2]*side // the embedded target and bmv2
	draw   entries
	timed  int // entries that time out at once
	faults int
	tally  tally
	// record, unless nil, takes each step with what bmv2 made of it.
	record func(step, answer)
}

// do takes a step on both sides, and what only one has accepted back.
func (c *pair) do(st step) (a [2]answer) {
	c.t.Helper()
	for i := range 2 {
		a[i] = c.sides[i].do(c.t, c.draw.info, st, a[1-i])
	}
	if st.told {
		a[0] = c.sides[0].do(c.t, c.draw.info, st, a[1])
	}
	for _, d := range st.differences(a[0], a[1]) {
		c.fault("%v: %s", st, d)
	}
	for i, s := range c.sides {
		if st.write == nil {
			break
		}
		s.undo(c.t, st, a[i], a[1-i])
	}
	if c.record != nil {
		c.record(st, a[1])
	}
	return a
}

func (c *pair) fault(format string, args ...any) {
	c.t.Helper()
	if c.faults++; c.faults <= maxFaults {
		c.t.Errorf(format, args...)
	}
	if c.faults > 10*maxFaults {
		c.t.FailNow()
	}
}

// testCase is one fabric, of which one device is there twice.
type testCase struct {
	pair
	in     *intent.Intent
	device intent.Device
	pool   []frame // packets that make sense to the device
	loads  map[intent.Role]func() (*p4.Program, error)
}

func newCase(t *testing.T, bmv2 simpleswitch.Program, seed uint64) *testCase {
	r := rand.New(rand.NewPCG(seed, 0))
	in := fabric(t, r)
	c := &testCase{
		pair: pair{t: t, r: r, sides: [2]*side{embedded(t), reference(t, bmv2)}},
		in:   in, device: in.Devices[r.IntN(len(in.Devices))],
		loads: map[intent.Role]func() (*p4.Program, error){intent.RoleNVE: p4.NVE, intent.RoleTransit: p4.Transit},
	}
	if chance(r, 25) {
		c.device = in.Devices[len(in.Devices)-1] // the spine
	}
	return c
}

// rendered is what a device should hold, in the order of the planner.
func (c *testCase) rendered(d intent.Device) (*tables.Schema, []*p4v1.Update) {
	c.t.Helper()
	p, err := c.loads[d.Role]()
	if err != nil {
		c.t.Fatal(err)
	}
	schema, err := tables.NewSchema(p.P4Info)
	if err != nil {
		c.t.Fatal(err)
	}
	desired, err := render.Device(render.Input{
		Intent: c.in, Numbers: new(render.Numbers),
		Options: render.Options{PuntRate: 1e6, PuntBurst: 1e6}, // the meter's clock is real
	}, d.Name)
	if err != nil {
		c.t.Fatal(err)
	}
	var want []tables.Entity
	for _, e := range desired {
		want = append(want, e.Entity)
	}
	var out []*p4v1.Update
	for _, b := range schema.Plan(nil, want, tables.PlanOptions{}) {
		us, err := schema.EncodeBatch(b)
		if err != nil {
			c.t.Fatal(err)
		}
		out = append(out, us...)
	}
	return schema, out
}

// program pushes the device's program to both sides and what it should hold.
func (c *testCase) program() {
	c.t.Helper()
	info, config := program(c.t, c.loads[c.device.Role])
	c.draw = entries{r: c.r, info: info}
	for _, s := range c.sides {
		s.push(c.t, info, config)
	}
	_, us := c.rendered(c.device)
	for _, u := range us {
		if c.update("rendered", u) && u.GetEntity().GetTableEntry() != nil {
			c.draw.have = append(c.draw.have, u.GetEntity())
		}
	}
}
