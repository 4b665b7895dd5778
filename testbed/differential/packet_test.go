package differential

import (
	"bytes"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/testbed/target"
)

// send gives both the same packets.
func (c *testCase) send() {
	c.t.Helper()
	c.tenants()
	for range *packets {
		if f := c.packet(); len(f.data) > 0 {
			c.inject(f)
		}
	}
	for range *packets / 10 {
		c.packetOut(&p4v1.PacketOut{Payload: c.packet().data, Metadata: []*p4v1.PacketMetadata{{MetadataId: 1, Value: c.outPort()}}})
	}
	c.listen()
}

// inject gives both the same frame and returns what leaves.
func (c *pair) inject(f frame) []frame {
	c.t.Helper()
	out := c.do(step{in: &f})[0].frames
	c.tally.packets++
	c.tally.out += len(out)
	return out
}

// packetOut sends both the same packet over P4Runtime.
func (c *pair) packetOut(p *p4v1.PacketOut) {
	c.t.Helper()
	c.tally.packets++
	c.tally.out += len(c.do(step{out: p})[0].frames)
}

func (c *pair) outPort() []byte {
	return pick(c.r, []byte{1}, []byte{2}, []byte{1, 0}, []byte{1, 44}, []byte{0}, []byte{1, 254}, []byte{1, 255}, []byte{0xff, 0xff},
		[]byte{0, 0, 1}, []byte{1, 0, 0})
}

// listen compares what the controller was told.
func (c *pair) listen() {
	c.t.Helper()
	a := c.do(step{told: true, idle: c.timed})
	c.tally.digests += len(a[0].digested)
	c.tally.punted += len(a[0].punted)
}

// packet draws a packet.
func (c *testCase) packet() frame {
	f := frame{port: uint32(pick(c.r, 1, 2, 3, 255, 256, 300, 509))}
	if len(c.pool) > 0 && !chance(c.r, 2) {
		f = c.pool[c.r.IntN(len(c.pool))]
	} else {
		f.data = make([]byte, c.r.IntN(100))
		for i := range f.data {
			f.data[i] = byte(c.r.Uint32())
		}
	}
	switch c.r.IntN(20) {
	case 0, 1, 2, 3, 4, 5, 6, 7:
	case 8, 9:
		f.data = f.data[:c.r.IntN(len(f.data)+1)]
	case 10:
		f = frame{cpuPort, packetOut(c.r, f.data)}
	case 11:
		f.port = uint32(pick(c.r, 1, 2, 3, 4, 5, 256, 260))
	case 12, 13, 14:
		f.data = mutate(c.r, f.data)
	default:
		if b := c.meddle(f.data); b != nil {
			f.data = b
		}
	}
	return f
}

// tenants fills the pool: with what tenants send into the device, and with what
// arrives there of what they send into others.
func (c *testCase) tenants() {
	c.t.Helper()
	others := map[string]*target.Target{}
	arrive := func(device string, port uint32, data []byte) {
		if device == c.device.Name {
			c.pool = append(c.pool, frame{port, bytes.Clone(data)})
		} else if o := others[device]; o != nil {
			o.Inject(port, data)
		}
	}
	for _, d := range c.in.Devices {
		if d.Name != c.device.Name {
			others[d.Name] = c.other(d, arrive)
		}
	}
	for range 100 {
		from, to := c.in.Endpoints[c.r.IntN(len(c.in.Endpoints))], c.in.Endpoints[c.r.IntN(len(c.in.Endpoints))]
		arrive(from.Device, uint32(from.Port), tenantFrame(c.r, from, to))
	}
}

// other runs another device of the fabric.
func (c *testCase) other(d intent.Device, arrive func(string, uint32, []byte)) *target.Target {
	c.t.Helper()
	sw, err := target.New(target.Options{DeviceID: deviceID, CPUPort: cpuPort, DropPort: dropPort, Output: func(port uint32, data []byte) {
		for _, p := range d.Ports {
			if uint32(p.Number) == port && p.Neighbor.Device != "" {
				arrive(p.Neighbor.Device, uint32(p.Neighbor.Port), bytes.Clone(data))
			}
		}
	}})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := sw.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = sw.Close() })
	conn, err := sw.Dial()
	if err != nil {
		c.t.Fatal(err)
	}
	s := newSide(d.Name)
	s.connect(c.t, conn)
	info, config := program(c.t, c.loads[d.Role])
	s.push(c.t, info, config)
	_, us := c.rendered(d)
	for _, u := range us {
		if code, said := s.write(c.t.Context(), u); code != codes.OK {
			c.t.Fatalf("%s: %v: %v %s", d.Name, u, code, said)
		}
	}
	return sw
}
