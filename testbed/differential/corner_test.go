package differential

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/testbed/simpleswitch"
)

// corner is a program of testdata that was written for one corner of v1model.
type corner struct {
	name string
	// rounds is how often a packet may be queued anew.
	rounds int
	// fields has those of which only some values mean something.
	fields map[string]func(*rand.Rand) uint64
	// strip is what to take from a frame that left to let it arrive again: so
	// checksums are right at times.
	strip []int
}

// upTo draws from 0 to n.
func upTo(n int) func(*rand.Rand) uint64 {
	return func(r *rand.Rand) uint64 { return uint64(r.IntN(n + 1)) }
}

// either draws from one or the other.
func either(a, b func(*rand.Rand) uint64) func(*rand.Rand) uint64 {
	return func(r *rand.Rand) uint64 { return pick(r, a, b)(r) }
}

func plus(base uint64, f func(*rand.Rand) uint64) func(*rand.Rand) uint64 {
	return func(r *rand.Rand) uint64 { return base + f(r) }
}

func corners() []corner {
	type fields = map[string]func(*rand.Rand) uint64
	return []corner{
		{name: "arithmetic"},
		{name: "checksums", strip: []int{1, 36}, fields: fields{
			"kind.kind": either(plus(4, upTo(0)), plus(7, upTo(0))), "ipv4.ihl": either(plus(5, upTo(0)), upTo(15)),
		}},
		{name: "copies", rounds: 6, fields: fields{
			"op.op": either(upTo(20), either(plus(32, upTo(6)), plus(48, upTo(2)))), "op.n": upTo(9),
		}},
		{name: "headers", fields: fields{
			"op.op": either(upTo(17), either(plus(0x40, either(upTo(4), plus(32, upTo(3)))), plus(0x80, upTo(5)))), "op.n": upTo(5),
			"cells.v": upTo(3), "cells.hi": upTo(1), "cells.lo": upTo(1), "any.b.tag": plus(1, upTo(0)), "any.w.tag": plus(2, upTo(0)),
		}},
		{name: "packetio"},
		{name: "parsing", fields: fields{"kind.kind": upTo(16), "options.length": upTo(18)}},
		{name: "primitives", fields: fields{
			"op.op": either(either(upTo(0x12), plus(0x20, upTo(4))), either(either(plus(0x30, upTo(3)), plus(0x40, upTo(2))), plus(0x50, either(upTo(6), plus(0x10, upTo(0)))))),
			"op.a":  either(upTo(3), upTo(0xffff)), "cells.v": upTo(4),
			"any.b.tag": plus(1, upTo(0)), "any.w.tag": plus(2, upTo(0)), "other.b.tag": plus(1, upTo(0)), "other.w.tag": plus(2, upTo(0)),
			"any.b.v": upTo(1), "anys.b.v": either(upTo(1), plus(0xfe, upTo(1))), "other.b.v": upTo(1), "any.w.v": upTo(1), "other.w.v": upTo(1),
			"data.x": upTo(1), "twin.x": upTo(1), "data.y": upTo(0), "twin.y": upTo(0), "data.z": upTo(0), "twin.z": upTo(0), "data.t": upTo(1), "twin.t": upTo(1),
		}},
		{name: "selection", fields: fields{"key.which": upTo(2)}},
		{name: "state", fields: fields{"op.op": either(upTo(16), plus(0x80, upTo(16)))}},
		{name: "tables", fields: fields{"key.which": either(upTo(13), plus(0x80, upTo(13)))}},
	}
}

// load reads the program.
func (c corner) load(t *testing.T) (*p4configv1.P4Info, []byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", c.name+".p4info.txtpb"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join("testdata", c.name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	info := new(p4configv1.P4Info)
	if err := prototext.Unmarshal(text, info); err != nil {
		t.Fatal(err)
	}
	if c.name == "primitives" {
		b = replace(t, b)
	}
	return info, timeless(t, b)
}

// cornerCase is a program with what is drawn for it.
type cornerCase struct {
	pair
	corner corner
	shape  shape
	left   []frame // frames that left
}

func newCornerCase(t *testing.T, bmv2 simpleswitch.Program, c corner, seed uint64) *cornerCase {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	info, config := c.load(t)
	x := &cornerCase{pair: pair{t: t, r: r, sides: [2]*side{embedded(t), reference(t, bmv2)}}, corner: c}
	x.draw = entries{r: r, info: info, known: map[string][][]byte{}, members: map[uint32][]uint32{}, groups: map[uint32][]uint32{}}
	x.shape = shape{r: r, parser: newParser(t, config), value: x.value}
	for _, s := range x.sides {
		s.rounds = c.rounds
		s.push(t, info, config)
		s.left(t) // bmv2 takes frames a moment after it says so
	}
	return x
}

// value draws a field of a packet: often one that an entry looks for.
func (c *cornerCase) value(name string, bits int) *big.Int {
	if f := c.corner.fields[name]; f != nil && !chance(c.r, 3) {
		n := new(big.Int).SetUint64(f(c.r))
		return n.And(n, tooLarge(bits))
	}
	known := c.draw.known["hdr."+name]
	if len(known) > 0 && chance(c.r, 80) {
		n := new(big.Int).SetBytes(known[c.r.IntN(len(known))])
		if chance(c.r, 20) {
			n.Add(n, big.NewInt(int64(1-2*c.r.IntN(2)))).Abs(n)
		}
		return n.And(n, tooLarge(bits))
	}
	if bits == 0 {
		return new(big.Int)
	}
	return new(big.Int).SetBytes(c.draw.value(int32(bits), ""))
}

// tooLarge is all the bits of a width.
func tooLarge(bits int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	return n.Sub(n, big.NewInt(1))
}

// frame draws a frame.
func (c *cornerCase) frame() frame {
	f := frame{port: uint32(pick(c.r, 1, 1, 1, 2, 3, 255)), data: c.shape.packet()}
	if c.corner.strip != nil && len(c.left) > 0 && chance(c.r, 30) {
		f.data = c.left[c.r.IntN(len(c.left))].data
		return frame{f.port, f.data[min(len(f.data), pick(c.r, c.corner.strip...)):]}
	}
	switch c.r.IntN(20) {
	case 0, 1:
		f.data = f.data[:c.r.IntN(len(f.data)+1)]
	case 2, 3:
		for range 1 + c.r.IntN(3) {
			if len(f.data) > 0 {
				f.data[c.r.IntN(len(f.data))] = byte(c.r.Uint32())
			}
		}
	case 4:
		f = frame{cpuPort, append([]byte{byte(c.r.IntN(2)), byte(c.r.IntN(4))}, f.data...)}
	}
	return f
}

// out draws a packet-out.
func (c *cornerCase) out() *p4v1.PacketOut {
	p := &p4v1.PacketOut{Payload: c.shape.packet()}
	for _, h := range c.draw.info.GetControllerPacketMetadata() {
		for i, m := range h.GetMetadata() {
			if h.GetPreamble().GetName() != "packet_out" {
				continue
			}
			v := c.draw.value(m.GetBitwidth(), "")
			if i == 0 {
				v = bytestring.Canonical([]byte{byte(c.r.IntN(2)), byte(c.r.IntN(4))})
			}
			p.Metadata = append(p.Metadata, &p4v1.PacketMetadata{MetadataId: m.GetId(), Value: v})
		}
	}
	return p
}

// run writes what a program can hold, sends packets, and compares.
func (c *cornerCase) run() {
	c.t.Helper()
	c.services()
	c.profiles()
	if len(c.draw.info.GetTables()) > 0 {
		c.write()
	}
	c.packets()
	if len(c.draw.info.GetTables()) > 0 {
		for range *updates / 10 {
			c.change()
			c.reprofile()
		}
	}
	c.packets()
	for range *packets / 10 {
		c.packetOut(c.out())
	}
	c.expire()
	c.listen()
	c.recall()
}

// packets sends half of them.
func (c *cornerCase) packets() {
	c.t.Helper()
	for range *packets / 2 {
		if f := c.frame(); len(f.data) > 0 {
			c.left = append(c.left, c.inject(f)...)
		}
	}
}

// expire inserts entries that time out at once.
func (c *cornerCase) expire() {
	c.t.Helper()
	for _, t := range c.draw.info.GetTables() {
		if t.GetIdleTimeoutBehavior() != p4configv1.Table_NOTIFY_CONTROL {
			continue
		}
		for range 20 {
			te := c.draw.entry()
			if te == nil || te.GetTableId() != t.GetPreamble().GetId() {
				continue
			}
			te.IdleTimeoutNs, te.Metadata = 1e6, []byte("timed")
			if c.update("insert", &p4v1.Update{Type: p4v1.Update_INSERT, Entity: tableEntity(te)}) {
				c.timed++
			}
		}
	}
}

// recall reads everything back, with what was counted.
func (c *cornerCase) recall() {
	c.t.Helper()
	info := c.draw.info
	for _, t := range info.GetTables() {
		p := t.GetPreamble()
		all := &p4v1.TableEntry{TableId: p.GetId()}
		for _, id := range t.GetDirectResourceIds() {
			switch p4configv1.P4Ids_Prefix(id >> 24) {
			case p4configv1.P4Ids_DIRECT_COUNTER:
				all.CounterData = &p4v1.CounterData{}
			case p4configv1.P4Ids_DIRECT_METER:
				all.MeterConfig = &p4v1.MeterConfig{}
			}
		}
		what := "entries of " + p.GetName()
		if t.GetIsConstTable() || t.GetHasInitialEntries() {
			what = "constant entries"
		} else if masked(t) {
			what = "masked entries"
		}
		c.tally.entities += c.compare(what, tableEntity(all))
		if t.GetImplementationId() == 0 {
			c.tally.entities += c.compare("default of "+p.GetName(), tableEntity(&p4v1.TableEntry{TableId: p.GetId(), IsDefaultAction: true}))
		}
	}
	for _, p := range info.GetActionProfiles() {
		if oneShot(p) {
			continue
		}
		id := p.GetPreamble().GetId()
		c.tally.entities += c.compare("members", memberEntity(&p4v1.ActionProfileMember{ActionProfileId: id}))
		if p.GetWithSelector() {
			c.tally.entities += c.compare("groups of members", setEntity(&p4v1.ActionProfileGroup{ActionProfileId: id}))
		}
	}
	for _, x := range info.GetCounters() {
		c.tally.counters += c.compare(x.GetPreamble().GetName(), counterEntity(&p4v1.CounterEntry{CounterId: x.GetPreamble().GetId()}))
	}
	for _, x := range info.GetMeters() {
		c.tally.entities += c.compare(x.GetPreamble().GetName(), meterEntity(&p4v1.MeterEntry{MeterId: x.GetPreamble().GetId()}))
	}
	for _, x := range info.GetDigests() {
		c.tally.entities += c.compare(x.GetPreamble().GetName(), digestEntity(&p4v1.DigestEntry{DigestId: x.GetPreamble().GetId()}))
	}
	c.tally.entities += c.compare("groups", groupEntity(&p4v1.MulticastGroupEntry{}))
	c.tally.entities += c.compare("sessions", sessionEntity(&p4v1.CloneSessionEntry{}))
	if len(info.GetTables()) > 0 {
		for range *updates / 10 {
			c.ask()
		}
	}
}

// services writes what packets are copied and told by.
func (c *cornerCase) services() {
	c.t.Helper()
	insert := func(what string, e *p4v1.Entity) {
		c.update(what, &p4v1.Update{Type: p4v1.Update_INSERT, Entity: e})
	}
	ports := func() (out []*p4v1.Replica) {
		for i := range 1 + c.r.Uint32N(3) {
			out = append(out, &p4v1.Replica{Instance: i + c.r.Uint32N(3)*100, PortKind: &p4v1.Replica_EgressPort{EgressPort: 1 + c.r.Uint32N(8)}})
		}
		return out
	}
	for id := range uint32(4) {
		insert("multicast group", groupEntity(&p4v1.MulticastGroupEntry{MulticastGroupId: id + 1, Replicas: ports()}))
		insert("clone session", sessionEntity(&p4v1.CloneSessionEntry{SessionId: id + 1, Replicas: ports()}))
	}
	insert("clone session: cut short", sessionEntity(&p4v1.CloneSessionEntry{SessionId: 9, Replicas: ports(), PacketLengthBytes: 14}))
	for _, d := range c.draw.info.GetDigests() {
		insert("digest", digestEntity(&p4v1.DigestEntry{DigestId: d.GetPreamble().GetId(), Config: &p4v1.DigestEntry_Config{MaxListSize: 1}}))
	}
}

// Programs that were written for one corner of v1model each get entries, groups
// and packets that are drawn from their P4Info and their parser.
func TestCornersAgainstBMv2(t *testing.T) {
	bmv2, err := simpleswitch.Find(t.Context(), "")
	if errors.Is(err, simpleswitch.ErrNotFound) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var total tally
	for _, p := range corners() {
		for n := range uint64(*cases) {
			t.Run(fmt.Sprintf("%s/seed=%d", p.name, *seed+n), func(t *testing.T) {
				c := newCornerCase(t, bmv2, p, *seed+n)
				if *update && n == 0 {
					g := &golden{t: t}
					c.record = g.add
					defer g.save(filepath.Join("testdata", p.name+".golden"), source(bmv2.Version.String(), ""))
				}
				c.run()
				total.add(c.tally)
			})
		}
	}
	t.Logf("%v with bmv2 %v", total, bmv2.Version)
}
