package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/controller/nva"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/udp"
	"github.com/keyway-nve/keyway/testbed/target"
)

// strays is how many endpoints have moved to an NVE of somebody else's.
const strays = 250

// network is two NVEs, a and b, a transit device between them, and an NVE c that
// nobody here programs.
type network struct {
	nva      *nva.NVA
	switches map[string]*sw
}

// sw is one target, with what leaves it.
type sw struct {
	*target.Target
	mu   sync.Mutex
	keep func(port uint32, frame []byte) // nil: frames are dropped
}

func (s *sw) output(port uint32, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keep != nil {
		s.keep(port, frame)
	}
}

func (s *sw) onOutput(f func(port uint32, frame []byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep = f
}

// through injects a frame and returns the one that leaves for it.
func (s *sw) through(port uint32, frame []byte) ([]byte, error) {
	var out [][]byte
	s.onOutput(func(_ uint32, f []byte) { out = append(out, append([]byte(nil), f...)) })
	s.Inject(port, frame)
	s.onOutput(nil)
	if len(out) != 1 {
		return nil, fmt.Errorf("%d frames leave for one", len(out))
	}
	return out[0], nil
}

func newNetwork(ctx context.Context) (*network, error) {
	w := &network{switches: make(map[string]*sw)}
	in := fleet()
	for _, d := range in.Devices {
		if !d.Managed() {
			continue
		}
		s := &sw{}
		t, err := target.New(target.Options{DeviceID: d.P4Runtime.DeviceID, CPUPort: p4.CPUPort, Output: s.output})
		if err != nil {
			return nil, err
		}
		s.Target = t
		if err := t.Start(); err != nil {
			return nil, err
		}
		w.switches[d.Name] = s
	}
	every := miss.Rate{PerSecond: 1e6, Burst: 1e6}
	n, err := nva.New(nva.Options{
		Responder: miss.ResponderOptions{Limits: miss.Limits{Peer: every, Global: every}},
		Dial: func(d intent.Device, o device.Options) (*device.Device, error) {
			return device.Dial("passthrough:///"+d.P4Runtime.Address, o,
				grpc.WithContextDialer(w.switches[d.Name].DialContext))
		},
	})
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.nva = n
	if err := n.Apply(ctx, in); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *network) close() error {
	var errs []error
	if w.nva != nil {
		errs = append(errs, w.nva.Close())
	}
	for _, s := range w.switches {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// fleet is the intent: VN 5000 over Geneve, three options from a to b and two
// back; VN 20000 over NVGRE, with the strays behind c.
func fleet() intent.Intent {
	nve := func(name string, n byte) intent.Device {
		return intent.Device{
			Name:              name,
			Role:              intent.RoleNVE,
			ProviderAddresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, n})},
			MAC:               ethernet.MAC{2, 0, 0, 0, 0, n},
			Ports: []intent.UnderlayPort{{
				Number:   1,
				MAC:      ethernet.MAC{2, 0, 0, 0, n, 1},
				Neighbor: intent.Neighbor{Device: "spine", Port: uint16(n)},
			}},
			NVGREExt: intent.NVGREExt{Redirect: true, Unreachable: true},
		}
	}
	a, b, c := nve("a", 1), nve("b", 2), nve("c", 3)
	a.P4Runtime = intent.Target{Address: "a:9559", DeviceID: 1}
	b.P4Runtime = intent.Target{Address: "b:9559", DeviceID: 2}
	spine := intent.Device{
		Name:      "spine",
		Role:      intent.RoleTransit,
		P4Runtime: intent.Target{Address: "spine:9559", DeviceID: 3},
	}
	for n := range byte(3) {
		spine.Ports = append(spine.Ports, intent.UnderlayPort{Number: uint16(n + 1), MAC: ethernet.MAC{2, 0, 0, 0, 9, n + 1}})
	}
	in := intent.Intent{
		Devices: []intent.Device{a, b, c, spine},
		VirtualNetworks: []intent.VirtualNetwork{
			{Name: "blue", VNI: 5000},
			{Name: "red", VNI: 20000, Encapsulation: intent.NVGRE},
		},
		OptionTypes: []intent.OptionType{
			{Name: "group", Class: 0xff00, Type: 1, Length: 1, Words: []intent.Word{{Field: intent.FieldGroup}}},
			{Name: "context", Class: 0x0102, Type: 0x80, Critical: true, Length: 1, Words: []intent.Word{{Field: intent.FieldLogicalPorts}}},
			{Name: "sequence", Class: 0xff00, Type: 2, Length: 1, Words: []intent.Word{{Field: intent.FieldSequence}}},
		},
		Layouts: []intent.Layout{
			{Sender: "a", Receiver: "b", Options: []string{"context", "group", "sequence"}},
			{Sender: "b", Receiver: "a", Options: []string{"group", "context"}},
		},
	}
	endpoint := func(name, vn, device string, port uint16) {
		mac := mac(name)
		in.Endpoints = append(in.Endpoints, intent.Endpoint{
			Name: name, VirtualNetwork: vn, Device: device, MAC: mac, Port: port, Group: port - 255, LogicalPort: uint16(mac[5]),
		})
	}
	endpoint("blue-a", "blue", "a", 256)
	endpoint("blue-b", "blue", "b", 256)
	endpoint("red-a", "red", "a", 257)
	endpoint("red-b", "red", "b", 257)
	for i := range strays {
		in.Endpoints = append(in.Endpoints, intent.Endpoint{
			Name: fmt.Sprintf("stray-%d", i), VirtualNetwork: "red", Device: "c", MAC: stray(i), Port: uint16(256 + i),
		})
	}
	return in
}

func mac(name string) ethernet.MAC {
	m := map[string]byte{"blue-a": 1, "blue-b": 2, "red-a": 3, "red-b": 4}
	return ethernet.MAC{2, 0, 0, 1, 0, m[name]}
}

func stray(i int) ethernet.MAC { return ethernet.MAC{2, 0, 0, 2, byte(i >> 8), byte(i)} }

// tenantFrame is a UDP datagram of 64 bytes of data between two tenants.
func tenantFrame(from, to string) ([]byte, error) {
	src, dst := netip.AddrFrom4([4]byte{172, 16, 0, 1}), netip.AddrFrom4([4]byte{172, 16, 0, 2})
	u := udp.Header{SrcPort: 49152, DstPort: 9, Length: udp.HeaderLen + 64}
	datagram, err := u.AppendTo(nil)
	if err != nil {
		return nil, err
	}
	datagram = append(datagram, make([]byte, 64)...)
	if err := udp.Seal(datagram, src, dst); err != nil {
		return nil, err
	}
	eth := ethernet.Header{Dst: mac(to), Src: mac(from), Type: ethernet.TypeIPv4}
	b, err := eth.AppendTo(nil)
	if err != nil {
		return nil, err
	}
	h := ip.V4{TotalLen: uint16(ip.V4HeaderLen + len(datagram)), TTL: 64, Protocol: ip.ProtocolUDP, Src: src, Dst: dst}
	if b, err = h.AppendTo(b); err != nil {
		return nil, err
	}
	return append(b, datagram...), nil
}
