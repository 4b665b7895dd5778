package device_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables"
)

func elected(id uint64) device.Options {
	return device.Options{Session: p4rt.Options{ElectionID: p4rt.ElectionID{Low: id}}}
}

func TestStandby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := newTarget(t, nil)
		a := tg.controller(elected(1))
		run(t, a)
		must(t, a.SetDesired(1, []tables.Entity{vn(5)}))
		expect(t, a, device.InSync, 1)

		b := tg.controller(elected(2))
		stopB := run(t, b)
		must(t, b.SetDesired(1, []tables.Entity{vn(5), vn(6)}))
		expect(t, b, device.InSync, 1)
		expect(t, a, device.Standby, 1, "another controller is primary; highest election id 2")
		tg.told()
		must(t, a.SetDesired(2, []tables.Entity{vn(5), vn(7)}))
		settle(5 * time.Minute)
		if us := tg.told(); len(us) != 0 {
			t.Errorf("a standby controller writes: %q", us)
		}
		if err := a.PacketOut(&p4v1.PacketOut{}); !errors.Is(err, device.ErrNotReady) {
			t.Errorf("PacketOut on standby: %v", err)
		}

		stopB()
		settle(5 * time.Minute)
		expect(t, a, device.Standby, 1, "no controller is primary; highest election id 2")
		tg.expect(vn(5), vn(6)) // a data plane without controller goes on as it was

		a.Session().Elect(p4rt.ElectionID{Low: 3})
		expect(t, a, device.InSync, 2)
		tg.expect(vn(5), vn(7))
		if n := a.Stats(); n.Foreign != 1 || n.Session.Terms != 2 || n.Session.Streams != 1 {
			t.Errorf("stats %+v", n)
		}
	})
}

func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := newTarget(t, nil)
		b := tg.controller(elected(9))
		stopB := run(t, b)
		must(t, b.SetDesired(1, []tables.Entity{vn(5)}))
		expect(t, b, device.InSync, 1)

		var standbys []*device.Device
		for id := range uint64(3) {
			o := elected(id + 1)
			o.Session.TakeOver = true
			d := tg.controller(o)
			run(t, d)
			must(t, d.SetDesired(2, []tables.Entity{vn(5), vn(6)}))
			expect(t, d, device.Standby, 0, "another controller is primary; highest election id 9")
			standbys = append(standbys, d)
		}
		stopB()
		settle(time.Minute)
		primaries := 0
		for _, d := range standbys {
			switch s := d.Status(); s.State {
			case device.InSync:
				primaries++
			case device.Standby:
			default:
				t.Errorf("status %+v", s)
			}
		}
		if primaries != 1 {
			t.Errorf("%d controllers are primary", primaries)
		}
		tg.expect(vn(5), vn(6))
	})
}

// A device that does not exist is a reason, not a loop of a thousand streams.
func TestUnknownDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := newTarget(t, nil)
		o := device.Options{}
		o.Session = p4rt.Options{Name: "leaf2", DeviceID: 99, ElectionID: p4rt.ElectionID{Low: 1}, Pipeline: &p4rt.Pipeline{Info: tg.program.P4Info}}
		d, err := device.New(tg.dial(o.Session), o)
		must(t, err)
		run(t, d)
		settle(time.Minute)
		s := d.Status()
		if s.State != device.Connecting || len(s.Reasons) != 1 || !strings.Contains(s.Reasons[0], "NotFound") {
			t.Errorf("status %+v", s)
		}
		if n := d.Stats().Session.Streams; n > 40 {
			t.Errorf("%d streams in a minute", n)
		}
	})
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, d := start(t, device.Options{})
		go func() {
			time.Sleep(time.Second)
			_ = d.SetDesired(4, []tables.Entity{vn(5)})
		}()
		s, err := d.Await(t.Context(), func(s device.Status) bool { return s.Watermark >= 4 })
		if err != nil || s.State != device.InSync {
			t.Errorf("%+v, %v", s, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := d.Await(ctx, func(s device.Status) bool { return s.Watermark > 4 }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Await without end: %v", err)
		}
	})
}

// frame is a Geneve packet from another NVE to 192.0.2.1, in the virtual
// network vni.
func frame(t *testing.T, vni uint32) []byte {
	t.Helper()
	ip := &layers.IPv4{
		Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP,
		SrcIP: net.IPv4(192, 0, 2, 2), DstIP: net.IPv4(192, 0, 2, 1),
	}
	udp := &layers.UDP{SrcPort: 50000, DstPort: 6081}
	must(t, udp.SetNetworkLayerForChecksum(ip))
	geneve := []byte{0, 0, 0x65, 0x58, byte(vni >> 16), byte(vni >> 8), byte(vni), 0}
	inner := make([]byte, 60) // to and from 00:00:00:00:00:00, no EtherType that matters
	b := gopacket.NewSerializeBuffer()
	must(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4},
		ip, udp, gopacket.Payload(append(geneve, inner...))))
	return b.Bytes()
}

// local makes 192.0.2.1 an address of the NVE; the program has IPv4 addresses
// mapped into IPv6.
func local() tables.Entity {
	mapped := append(bytes.Repeat([]byte{0}, 10), 0xff, 0xff, 192, 0, 2, 1)
	return tables.Entry{
		Table:   "local_address",
		Matches: []tables.Match{tables.Exact("address", tables.Bytes(mapped))},
		Action:  tables.Do("terminate"),
	}
}

func TestPacketIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got [][]byte
		tg, d := start(t, device.Options{PacketIn: func(_ context.Context, p *p4v1.PacketIn) {
			got = append(got, p.GetPayload())
		}})
		must(t, d.SetDesired(1, []tables.Entity{local()}))
		expect(t, d, device.InSync, 1)
		sent := frame(t, 9) // a virtual network that the NVE does not have is punted
		tg.server.Process(3, sent)
		synctest.Wait()
		if diff := cmp.Diff([][]byte{sent}, got); diff != "" {
			t.Errorf("punted (-want +got):\n%s", diff)
		}
		if n := d.Stats().Session; n.PacketsIn != 1 || n.PacketsDropped != 0 {
			t.Errorf("stats %+v", n)
		}
	})
}

func TestPacketOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, d := start(t, device.Options{})
		must(t, d.SetDesired(1, nil))
		expect(t, d, device.InSync, 1)
		must(t, d.PacketOut(&p4v1.PacketOut{
			Payload:  []byte("a frame of whatever kind it may be"),
			Metadata: []*p4v1.PacketMetadata{{MetadataId: 1, Value: []byte{7}}},
		}))
		synctest.Wait()
		if diff := cmp.Diff([]string{"7 a frame of whatever kind it may be"}, tg.frames()); diff != "" {
			t.Errorf("left the target (-want +got):\n%s", diff)
		}
		must(t, d.PacketOut(&p4v1.PacketOut{Payload: []byte("without metadata")}))
		synctest.Wait()
		if n := d.Stats().Session; n.PacketsOut != 2 || n.StreamErrors != 1 {
			t.Errorf("stats %+v", n)
		}
	})
}

func TestReadCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, d := start(t, device.Options{})
		must(t, d.SetDesired(1, []tables.Entity{local(), vn(5), vn(6)}))
		expect(t, d, device.InSync, 1)
		sent := frame(t, 5)
		for range 3 { // counted by its virtual network, and dropped: its source is no member
			tg.server.Process(3, sent)
		}
		got := make(map[string]int64)
		for c, err := range d.ReadCounters(t.Context(), "virtual_network") {
			must(t, err)
			got[c.Entry.Matches[0].Value.String()] = c.Packets
			if c.Bytes != c.Packets*int64(len(sent)) {
				t.Errorf("%d packets have %d bytes", c.Packets, c.Bytes)
			}
		}
		if diff := cmp.Diff(map[string]int64{"5": 3, "6": 0}, got); diff != "" {
			t.Errorf("counters (-want +got):\n%s", diff)
		}
		var dropped int64
		cells := 0
		for c, err := range d.ReadCells(t.Context(), "drops") {
			must(t, err)
			dropped += c.Packets
			cells++
		}
		if dropped != 3 || cells != 32 {
			t.Errorf("%d packets in %d cells", dropped, cells)
		}

		fails := func(err error) bool {
			return errors.Is(err, tables.ErrUnsupported) || errors.Is(err, tables.ErrUnknown)
		}
		for _, table := range []string{"node", "no such table"} {
			for _, err := range d.ReadCounters(t.Context(), table) {
				if !fails(err) {
					t.Errorf("counters of %s: %v", table, err)
				}
			}
		}
		for _, counter := range []string{"virtual_network_counter", "no such counter"} {
			for _, err := range d.ReadCells(t.Context(), counter) {
				if !fails(err) {
					t.Errorf("cells of %s: %v", counter, err)
				}
			}
		}
	})
}

// A device that runs another version of the program keeps what it holds when it
// can, and is filled again when it cannot.
func TestNewProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := newTarget(t, nil)
		d := tg.controller(device.Options{})
		stop := run(t, d)
		must(t, d.SetDesired(1, []tables.Entity{vn(5), vn(6), local()}))
		expect(t, d, device.InSync, 1)
		stop()
		tg.told()

		tg.program.P4Info = proto.CloneOf(tg.program.P4Info)
		tg.program.P4Info.PkgInfo.Version = "another"
		d = tg.controller(device.Options{})
		stop = run(t, d)
		must(t, d.SetDesired(2, []tables.Entity{vn(5), vn(6), local()}))
		expect(t, d, device.InSync, 2)
		if us := tg.told(); len(us) != 0 {
			t.Errorf("told %q though the pipeline was reconciled", us)
		}
		tg.expect(vn(5), vn(6), local())
		stop()

		transit, err := p4.Transit()
		must(t, err)
		tg.program = transit
		tg.schema, err = tables.NewSchema(transit.P4Info)
		must(t, err)
		d = tg.controller(device.Options{})
		run(t, d)
		must(t, d.SetDesired(3, nil))
		settle(time.Second)
		expect(t, d, device.InSync, 3)
		tg.expect()
	})
}

// Desired states may come from several goroutines; the highest revision wins.
func TestConcurrentChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, d := start(t, device.Options{})
		must(t, d.SetDesired(1, nil))
		var wg sync.WaitGroup
		for vni := range uint32(8) {
			wg.Go(func() {
				for range 20 {
					if err := d.Apply(1, []tables.Entity{vn(vni + 1), endpoint(vni+1, 1, 300)}, nil); err != nil {
						t.Error(err)
					}
					if err := d.Apply(1, nil, []string{key(t, d.Schema(), endpoint(vni+1, 1, 300))}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		must(t, d.Apply(2, nil, nil))
		expect(t, d, device.InSync, 2)
		tg.expect(vn(1), vn(2), vn(3), vn(4), vn(5), vn(6), vn(7), vn(8))
	})
}
