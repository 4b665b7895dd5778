package ovs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
)

// UnderlayPort is the port that faces the underlay.
const UnderlayPort = 1

// Node is Open vSwitch as an NVE, as far as no flow says it.
type Node struct {
	// MAC is that of the underlay port.
	MAC ethernet.MAC
	// Addresses are the provider addresses, at most one for each family.
	Addresses []netip.Addr
	// Neighbors say to which MACs the ways to other provider addresses lead. Open
	// vSwitch would ask for them by ARP, to which the devices of this project do
	// not answer.
	Neighbors map[netip.Addr]ethernet.MAC
	// Tunnels are ports of the overlay, by number, 1 to 255.
	Tunnels map[uint32]Tunnel
	// TenantPorts are numbers from 256 on.
	TenantPorts []uint32
	// Options map Geneve options to tun_metadata0, tun_metadata1 and so on.
	Options OptionMap
}

// Tunnel is a tunnel port: "geneve" or "gre" with the options that
// ovs-vswitchd.conf.db(5) has for it, such as remote_ip and key.
type Tunnel struct {
	Type    string
	Options map[string]string
}

func (n Node) check() error {
	var errs []error
	if len(n.Addresses) == 0 {
		errs = append(errs, errors.New("an NVE has a provider address"))
	}
	for number := range n.Tunnels {
		if number < 1 || number > 255 {
			errs = append(errs, fmt.Errorf("tunnel port %d is not from 1 to 255", number))
		}
	}
	for _, number := range n.TenantPorts {
		if number < 256 || number >= 0xff00 { // OFPP_MAX of OpenFlow 1.0
			errs = append(errs, fmt.Errorf("tenant port %d is not from 256 to 65279", number))
		}
	}
	return errors.Join(append(errs, n.Options.check())...)
}

// configure makes the running switch the node.
func (s *Switch) configure(ctx context.Context) error {
	n := s.node
	args := append(bridge(Underlay, "other-config:hwaddr="+n.MAC.String()), s.dummy(Underlay, UnderlayPort)...)
	args = append(args, bridge(Overlay)...)
	for _, number := range slices.Sorted(maps.Keys(n.Tunnels)) {
		t := n.Tunnels[number]
		options := make([]string, 0, len(t.Options))
		for _, k := range slices.Sorted(maps.Keys(t.Options)) {
			options = append(options, fmt.Sprintf("options:%s=%s", k, t.Options[k]))
		}
		args = append(args, attach(Overlay, fmt.Sprintf("tunnel%d", number), number, t.Type, options...)...)
	}
	for _, number := range n.TenantPorts {
		args = append(args, s.dummy(Overlay, number)...)
	}
	if err := s.vsctl(ctx, args[1:]...); err != nil { // without the first "--"
		return err
	}
	for _, a := range n.Addresses {
		command := "netdev-dummy/ip4addr"
		if a.Is6() {
			command = "netdev-dummy/ip6addr"
		}
		// Open vSwitch takes an address of its own for the source only of what it
		// can reach without a router, which is thus everything.
		if _, err := s.Appctl(ctx, command, Underlay, a.String()+"/0"); err != nil {
			return err
		}
	}
	for _, a := range slices.SortedFunc(maps.Keys(n.Neighbors), netip.Addr.Compare) {
		if _, err := s.Appctl(ctx, "ovs/route/add", host(a), Underlay); err != nil {
			return err
		}
		if _, err := s.Appctl(ctx, "tnl/neigh/set", Underlay, a.String(), n.Neighbors[a].String()); err != nil {
			return err
		}
	}
	if len(n.Options) > 0 {
		if _, err := s.Ofctl(ctx, Overlay, "add-tlv-map", n.Options.String()); err != nil {
			return err
		}
	}
	if err := s.connect(ctx, UnderlayPort, Underlay); err != nil {
		return err
	}
	for _, number := range n.TenantPorts {
		if err := s.connect(ctx, number, Overlay); err != nil {
			return err
		}
	}
	if err := s.flows(ctx, Underlay, fmt.Sprintf("in_port=%d,actions=LOCAL", UnderlayPort), fmt.Sprintf("in_port=LOCAL,actions=%d", UnderlayPort)); err != nil {
		return err
	}
	return s.SetFlows(ctx)
}

func host(a netip.Addr) string { return netip.PrefixFrom(a, a.BitLen()).String() }

func bridge(name string, settings ...string) []string {
	return append([]string{"--", "add-br", name, "--", "set", "bridge", name, "datapath_type=dummy", "fail-mode=secure"}, settings...)
}

func attach(bridge, name string, number uint32, kind string, settings ...string) []string {
	return append([]string{
		"--", "add-port", bridge, name, "--", "set", "interface", name,
		"type=" + kind, fmt.Sprintf("ofport_request=%d", number),
	}, settings...)
}

func (s *Switch) dummy(bridge string, number uint32) []string {
	return attach(bridge, device(number), number, "dummy", "options:pstream=punix:"+s.socket(number))
}

// SetFlows replaces the flows of the overlay, in the syntax of ovs-ofctl(8), and
// returns when frames meet them.
func (s *Switch) SetFlows(ctx context.Context, flows ...string) error {
	return s.flows(ctx, Overlay, flows...)
}

func (s *Switch) flows(ctx context.Context, bridge string, flows ...string) error {
	for _, p := range s.ports {
		if p.bridge == bridge {
			flows = append(flows, fmt.Sprintf("priority=65535,in_port=%d,dl_type=%#x,actions=IN_PORT", p.number, uint16(probeType)))
		}
	}
	file := s.file(bridge + ".flows")
	if err := os.WriteFile(file, []byte(strings.Join(flows, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	if _, err := s.Ofctl(ctx, bridge, "replace-flows", file); err != nil {
		return err
	}
	// What the datapath has cached of other flows goes within half a second, or
	// at once if told so.
	_, err := s.Appctl(ctx, "revalidator/purge")
	return err
}

// OptionMap says which Geneve option each tun_metadata field holds, from
// tun_metadata0 on. Open vSwitch sends options in this order, whatever the order
// in which a flow's actions set them.
type OptionMap []geneve.OptionType

// String returns the map as ovs-ofctl add-tlv-map takes it.
func (m OptionMap) String() string {
	var all []string
	for i, t := range m {
		all = append(all, fmt.Sprintf("{class=%#x,type=%#x,len=%d}->tun_metadata%d", t.Class, t.Type, 4*int(t.Len), i))
	}
	return strings.Join(all, ",")
}

func (m OptionMap) check() error {
	var errs []error
	for i, t := range m {
		if at := slices.IndexFunc(m, func(o geneve.OptionType) bool { return o.Class == t.Class && o.Type == t.Type }); at < i {
			errs = append(errs, fmt.Errorf("option %v is mapped twice", t))
		}
	}
	return errors.Join(errs...)
}

// Narrow returns what is left of a capability of Open vSwitch once it has this
// map: it matches and sends these options only, and sends them in this order.
func (m OptionMap) Narrow(c capabilities.Capability) capabilities.Capability {
	var only []capabilities.OptionRange
	for _, t := range m {
		only = append(only, capabilities.Exactly(t))
	}
	mapped := capabilities.Capability{
		Name: c.Name, Role: c.Role, Encapsulations: c.Encapsulations,
		Receive: capabilities.Direction{Options: only},
		Send: capabilities.Direction{
			Options: only,
			Order:   []capabilities.OrderRule{{Kind: capabilities.Canonical, Options: only}},
		},
	}
	return capabilities.Intersect(c, mapped)
}
