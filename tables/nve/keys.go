// Code generated from nve.p4info.txtpb by tables/gen. DO NOT EDIT.

package nve

import (
	"net/netip"
	"strconv"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/tables"
)

// AttachmentKey is the key of table NveIngress.from_tenant.attachment (4096
// entries).
type AttachmentKey struct {
	Port uint16 // exact, 9 bits
	VLAN uint16 // exact, 16 bits
}

func (k AttachmentKey) build() *tables.Builder {
	b := tables.Build(TableAttachment, 2)
	b.Exact("port", 9, tables.Uint(k.Port))
	b.Exact("vlan", 16, tables.Uint(k.VLAN))
	return b
}

// Attach returns the entry that calls attach. Here vni has 24 bits and refers
// to virtual_network.vni.
func (k AttachmentKey) Attach(vni uint32, group, logicalPort uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionAttach, 3)
	b.Arg("vni", 24, tables.Uint(vni))
	b.Arg("group", 16, tables.Uint(group))
	b.Arg("logical_port", 16, tables.Uint(logicalPort))
	return b.Entry()
}

// OptionLayoutKey is the key of table
// NveIngress.from_underlay.receive_options.options.option_layout (512
// entries).
type OptionLayoutKey struct {
	OptLen   tables.Masked[uint8]      // ternary, 6 bits
	Critical tables.Masked[bool]       // ternary, 1 bit
	Word     [16]tables.Masked[uint32] // ternary, 32 bits

	// Priority is positive; the highest that matches wins.
	Priority int32
}

func (k OptionLayoutKey) build() *tables.Builder {
	b := tables.Build(TableOptionLayout, 18)
	tables.TernaryOf(b, "opt_len", 6, k.OptLen, tables.Uint)
	tables.TernaryOf(b, "critical", 1, k.Critical, tables.Bool)
	for i, f := range k.Word {
		tables.TernaryOf(b, "word"+strconv.Itoa(i), 32, f, tables.Uint)
	}
	b.Priority(k.Priority)
	return b
}

// Bind returns the entry that calls bind. Here layout refers to read.layout.
func (k OptionLayoutKey) Bind(layout uint16, carries uint8) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionBind, 2)
	b.Arg("layout", 16, tables.Uint(layout))
	b.Arg("carries", 8, tables.Uint(carries))
	return b.Entry()
}

// ReadInstance is one of the tables
// NveIngress.from_underlay.receive_options.*.read, which have the same key and
// the same actions.
type ReadInstance uint8

// The instances of read.
const (
	ReadGroup ReadInstance = 1 + iota
	ReadLogicalPorts
	ReadSequence
	ReadOrigin
	ReadFlowHash
	ReadTimestamp
)

// String returns the instance's own name, such as "group".
func (i ReadInstance) String() string {
	switch i {
	case ReadGroup:
		return "group"
	case ReadLogicalPorts:
		return "logical_ports"
	case ReadSequence:
		return "sequence"
	case ReadOrigin:
		return "origin"
	case ReadFlowHash:
		return "flow_hash"
	case ReadTimestamp:
		return "timestamp"
	}
	return ""
}

// Table returns the full name of the instance's table, "" if there is no such
// instance.
func (i ReadInstance) Table() string { return i.object("read") }

func (i ReadInstance) object(name string) string {
	if i == 0 || i > 6 {
		return ""
	}
	return "NveIngress.from_underlay.receive_options." + i.String() + "." + name
}

// ReadKey is the key of the tables
// NveIngress.from_underlay.receive_options.*.read (512 entries).
type ReadKey struct {
	Instance ReadInstance
	Layout   uint16 // exact, 16 bits
}

func (k ReadKey) build() *tables.Builder {
	b := tables.Build(k.Instance.Table(), 1)
	b.Exact("layout", 16, tables.Uint(k.Layout))
	return b
}

// FromWord returns the entry that calls from_word<n>, 0 <= n < 16.
func (k ReadKey) FromWord(n int, shift uint8) (tables.Entry, error) {
	b := k.build()
	b.DoNth(k.Instance.object("from_word"), n, 16, 1)
	b.Arg("shift", 8, tables.Uint(shift))
	return b.Entry()
}

// DefaultCriticalMissPuntCritical makes punt_critical the default action of
// table critical_miss.
func DefaultCriticalMissPuntCritical() (tables.Entry, error) {
	b := tables.Build(TableCriticalMiss, 0)
	b.Default()
	b.Do(ActionPuntCritical, 0)
	return b.Entry()
}

// DefaultCriticalMissDropCritical makes drop_critical the default action of
// table critical_miss.
func DefaultCriticalMissDropCritical() (tables.Entry, error) {
	b := tables.Build(TableCriticalMiss, 0)
	b.Default()
	b.Do(ActionDropCritical, 0)
	return b.Entry()
}

// TraceWatchKey is the key of table
// NveIngress.from_underlay.path_trace.trace_watch (256 entries).
type TraceWatchKey struct {
	Origin   uint32                // exact, 32 bits
	FlowHash tables.Masked[uint32] // ternary, 32 bits

	// Priority is positive; the highest that matches wins.
	Priority int32
}

func (k TraceWatchKey) build() *tables.Builder {
	b := tables.Build(TableTraceWatch, 2)
	b.Exact("origin", 32, tables.Uint(k.Origin))
	tables.TernaryOf(b, "flow_hash", 32, k.FlowHash, tables.Uint)
	b.Priority(k.Priority)
	return b
}

// Count returns the entry that calls count.
func (k TraceWatchKey) Count() (tables.Entry, error) {
	b := k.build()
	b.Do(ActionCount, 0)
	return b.Entry()
}

// Report returns the entry that calls report.
func (k TraceWatchKey) Report(nodeID uint32) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionReport, 1)
	b.Arg("node_id", 32, tables.Uint(nodeID))
	return b.Entry()
}

// LocalAddressKey is the key of table NveIngress.from_underlay.local_address
// (64 entries).
type LocalAddressKey struct {
	Address netip.Addr // exact, 128 bits
}

func (k LocalAddressKey) build() *tables.Builder {
	b := tables.Build(TableLocalAddress, 1)
	b.Exact("address", 128, tables.Mapped(k.Address))
	return b
}

// Terminate returns the entry that calls terminate.
func (k LocalAddressKey) Terminate() (tables.Entry, error) {
	b := k.build()
	b.Do(ActionTerminate, 0)
	return b.Entry()
}

// VirtualNetworkKey is the key of table
// NveIngress.from_underlay.virtual_network (4096 entries).
//
// The program restricts entries:
//
//	vni != 0xFFFFFF
type VirtualNetworkKey struct {
	VNI uint32 // exact, 24 bits
}

func (k VirtualNetworkKey) build() *tables.Builder {
	b := tables.Build(TableVirtualNetwork, 1)
	b.Exact("vni", 24, tables.Uint(k.VNI))
	return b
}

// Member returns the entry that calls member.
func (k VirtualNetworkKey) Member() (tables.Entry, error) {
	b := k.build()
	b.Do(ActionMember, 0)
	return b.Entry()
}

// SourceNVEKey is the key of table NveIngress.from_underlay.source_nve (16384
// entries).
type SourceNVEKey struct {
	VNI     uint32     // exact, 24 bits, refers to virtual_network.vni
	Address netip.Addr // exact, 128 bits
}

func (k SourceNVEKey) build() *tables.Builder {
	b := tables.Build(TableSourceNVE, 2)
	b.Exact("vni", 24, tables.Uint(k.VNI))
	b.Exact("address", 128, tables.Mapped(k.Address))
	return b
}

// Allow returns the entry that calls allow.
func (k SourceNVEKey) Allow(peer uint16, zeroUDPChecksum bool) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionAllow, 2)
	b.Arg("peer", 16, tables.Uint(peer))
	b.Arg("zero_udp_checksum", 1, tables.Bool(zeroUDPChecksum))
	return b.Entry()
}

// EndpointKey is the key of table NveIngress.forward.endpoint (65536 entries).
type EndpointKey struct {
	VNI uint32       // exact, 24 bits, refers to virtual_network.vni
	MAC ethernet.MAC // exact, 48 bits
}

func (k EndpointKey) build() *tables.Builder {
	b := tables.Build(TableEndpoint, 2)
	b.Exact("vni", 24, tables.Uint(k.VNI))
	b.Exact("mac", 48, tables.MAC(k.MAC))
	return b
}

// Local returns the entry that calls local. Here port has 9 bits.
func (k EndpointKey) Local(port, group uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionLocal, 2)
	b.Arg("port", 9, tables.Uint(port))
	b.Arg("group", 16, tables.Uint(group))
	return b.Entry()
}

// Remote returns the entry that calls remote. Here tunnel refers to
// underlay_path.tunnel.
func (k EndpointKey) Remote(tunnel, logicalPort uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionRemote, 2)
	b.Arg("tunnel", 16, tables.Uint(tunnel))
	b.Arg("logical_port", 16, tables.Uint(logicalPort))
	return b.Entry()
}

// LogicalPortKey is the key of table NveIngress.forward.logical_port (65536
// entries).
type LogicalPortKey struct {
	VNI         uint32 // exact, 24 bits, refers to virtual_network.vni
	LogicalPort uint16 // exact, 16 bits
}

func (k LogicalPortKey) build() *tables.Builder {
	b := tables.Build(TableLogicalPort, 2)
	b.Exact("vni", 24, tables.Uint(k.VNI))
	b.Exact("logical_port", 16, tables.Uint(k.LogicalPort))
	return b
}

// LocalPort returns the entry that calls local_port. Here port has 9 bits.
func (k LogicalPortKey) LocalPort(port, group uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionLocalPort, 2)
	b.Arg("port", 9, tables.Uint(port))
	b.Arg("group", 16, tables.Uint(group))
	return b.Entry()
}

// FloodKey is the key of table NveIngress.forward.flood (8192 entries).
type FloodKey struct {
	VNI          uint32 // exact, 24 bits, refers to virtual_network.vni
	FromUnderlay bool   // exact, 1 bit
}

func (k FloodKey) build() *tables.Builder {
	b := tables.Build(TableFlood, 2)
	b.Exact("vni", 24, tables.Uint(k.VNI))
	b.Exact("from_underlay", 1, tables.Bool(k.FromUnderlay))
	return b
}

// Replicate returns the entry that calls replicate. Here multicastGroup refers
// to builtin::multicast_group_table.multicast_group_id.
func (k FloodKey) Replicate(multicastGroup uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionReplicate, 1)
	b.Arg("multicast_group", 16, tables.Uint(multicastGroup))
	return b.Entry()
}

// GroupPolicyKey is the key of table NveIngress.forward.group_policy (4096
// entries).
type GroupPolicyKey struct {
	VNI              uint32                // exact, 24 bits, refers to virtual_network.vni
	SourceGroup      tables.Masked[uint16] // ternary, 16 bits
	DestinationGroup tables.Masked[uint16] // ternary, 16 bits

	// Priority is positive; the highest that matches wins.
	Priority int32
}

func (k GroupPolicyKey) build() *tables.Builder {
	b := tables.Build(TableGroupPolicy, 3)
	b.Exact("vni", 24, tables.Uint(k.VNI))
	tables.TernaryOf(b, "source_group", 16, k.SourceGroup, tables.Uint)
	tables.TernaryOf(b, "destination_group", 16, k.DestinationGroup, tables.Uint)
	b.Priority(k.Priority)
	return b
}

// Permit returns the entry that calls permit.
func (k GroupPolicyKey) Permit() (tables.Entry, error) {
	b := k.build()
	b.Do(ActionPermit, 0)
	return b.Entry()
}

// Deny returns the entry that calls deny.
func (k GroupPolicyKey) Deny() (tables.Entry, error) {
	b := k.build()
	b.Do(ActionDeny, 0)
	return b.Entry()
}

// UnderlayPathKey is the key of table NveIngress.forward.underlay_path (4096
// entries).
type UnderlayPathKey struct {
	Tunnel uint16 // exact, 16 bits, refers to tunnel.tunnel
}

func (k UnderlayPathKey) build() *tables.Builder {
	b := tables.Build(TableUnderlayPath, 1)
	b.Exact("tunnel", 16, tables.Uint(k.Tunnel))
	return b
}

// Via returns the entry that calls via. Here port has 9 bits.
func (k UnderlayPathKey) Via(port uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionVia, 1)
	b.Arg("port", 9, tables.Uint(port))
	return b.Entry()
}

// PlaceInstance is one of the tables
// NveEgress.encapsulate.send_options.*.place, which have the same key and the
// same actions.
type PlaceInstance uint8

// The instances of place.
const (
	PlaceWord0 PlaceInstance = 1 + iota
	PlaceWord1
	PlaceWord2
	PlaceWord3
	PlaceWord4
	PlaceWord5
	PlaceWord6
	PlaceWord7
	PlaceWord8
	PlaceWord9
	PlaceWord10
	PlaceWord11
	PlaceWord12
	PlaceWord13
	PlaceWord14
	PlaceWord15
)

// PlaceWord returns the instance NveEgress.encapsulate.send_options.word<n>, 0
// <= n < 16. Keys of any other are refused.
func PlaceWord(n int) PlaceInstance {
	if n < 0 || n >= 16 {
		return 0
	}
	return PlaceWord0 + PlaceInstance(n)
}

// String returns the instance's own name, such as "word0".
func (i PlaceInstance) String() string {
	switch i {
	case PlaceWord0:
		return "word0"
	case PlaceWord1:
		return "word1"
	case PlaceWord2:
		return "word2"
	case PlaceWord3:
		return "word3"
	case PlaceWord4:
		return "word4"
	case PlaceWord5:
		return "word5"
	case PlaceWord6:
		return "word6"
	case PlaceWord7:
		return "word7"
	case PlaceWord8:
		return "word8"
	case PlaceWord9:
		return "word9"
	case PlaceWord10:
		return "word10"
	case PlaceWord11:
		return "word11"
	case PlaceWord12:
		return "word12"
	case PlaceWord13:
		return "word13"
	case PlaceWord14:
		return "word14"
	case PlaceWord15:
		return "word15"
	}
	return ""
}

// Table returns the full name of the instance's table, "" if there is no such
// instance.
func (i PlaceInstance) Table() string { return i.object("place") }

func (i PlaceInstance) object(name string) string {
	if i == 0 || i > 16 {
		return ""
	}
	return "NveEgress.encapsulate.send_options." + i.String() + "." + name
}

// PlaceKey is the key of the tables NveEgress.encapsulate.send_options.*.place
// (512 entries).
type PlaceKey struct {
	Instance PlaceInstance
	Layout   uint16 // exact, 16 bits
}

func (k PlaceKey) build() *tables.Builder {
	b := tables.Build(k.Instance.Table(), 1)
	b.Exact("layout", 16, tables.Uint(k.Layout))
	return b
}

// Constant returns the entry that calls constant.
func (k PlaceKey) Constant(value uint32) (tables.Entry, error) {
	b := k.build()
	b.Do(k.Instance.object("constant"), 1)
	b.Arg("value", 32, tables.Uint(value))
	return b.Entry()
}

// Group returns the entry that calls group.
func (k PlaceKey) Group(base uint32, shift uint8) (tables.Entry, error) {
	b := k.build()
	b.Do(k.Instance.object("group"), 2)
	b.Arg("base", 32, tables.Uint(base))
	b.Arg("shift", 8, tables.Uint(shift))
	return b.Entry()
}

// LogicalPorts returns the entry that calls logical_ports.
func (k PlaceKey) LogicalPorts(base uint32, shift uint8) (tables.Entry, error) {
	b := k.build()
	b.Do(k.Instance.object("logical_ports"), 2)
	b.Arg("base", 32, tables.Uint(base))
	b.Arg("shift", 8, tables.Uint(shift))
	return b.Entry()
}

// Sequence returns the entry that calls sequence.
func (k PlaceKey) Sequence(base uint32, shift uint8) (tables.Entry, error) {
	b := k.build()
	b.Do(k.Instance.object("sequence"), 2)
	b.Arg("base", 32, tables.Uint(base))
	b.Arg("shift", 8, tables.Uint(shift))
	return b.Entry()
}

// Origin returns the entry that calls origin.
func (k PlaceKey) Origin(base uint32, shift uint8) (tables.Entry, error) {
	b := k.build()
	b.Do(k.Instance.object("origin"), 2)
	b.Arg("base", 32, tables.Uint(base))
	b.Arg("shift", 8, tables.Uint(shift))
	return b.Entry()
}

// FlowHash returns the entry that calls flow_hash.
func (k PlaceKey) FlowHash(base uint32, shift uint8) (tables.Entry, error) {
	b := k.build()
	b.Do(k.Instance.object("flow_hash"), 2)
	b.Arg("base", 32, tables.Uint(base))
	b.Arg("shift", 8, tables.Uint(shift))
	return b.Entry()
}

// Timestamp returns the entry that calls timestamp.
func (k PlaceKey) Timestamp(base uint32, shift uint8) (tables.Entry, error) {
	b := k.build()
	b.Do(k.Instance.object("timestamp"), 2)
	b.Arg("base", 32, tables.Uint(base))
	b.Arg("shift", 8, tables.Uint(shift))
	return b.Entry()
}

// Ports returns the entry that calls ports.
func (k PlaceKey) Ports(base uint32, shift uint8) (tables.Entry, error) {
	b := k.build()
	b.Do(k.Instance.object("ports"), 2)
	b.Arg("base", 32, tables.Uint(base))
	b.Arg("shift", 8, tables.Uint(shift))
	return b.Entry()
}

// TunnelKey is the key of table NveEgress.encapsulate.tunnel (4096 entries).
//
// The program restricts entries:
//
//	tunnel < 4096
type TunnelKey struct {
	Tunnel uint16 // exact, 16 bits
}

func (k TunnelKey) build() *tables.Builder {
	b := tables.Build(TableTunnel, 1)
	b.Exact("tunnel", 16, tables.Uint(k.Tunnel))
	return b
}

// GeneveIPv4 returns the entry that calls geneve_ipv4. Here dscp has 6 bits;
// layout refers to send_layout.layout; nextHop refers to neighbor.next_hop.
func (k TunnelKey) GeneveIPv4(source, destination netip.Addr, dscp, ttl uint8, udpChecksum bool, layout, nextHop, maxFrameLength uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionGeneveIPv4, 8)
	b.Arg("source", 32, tables.IPv4(source))
	b.Arg("destination", 32, tables.IPv4(destination))
	b.Arg("dscp", 6, tables.Uint(dscp))
	b.Arg("ttl", 8, tables.Uint(ttl))
	b.Arg("udp_checksum", 1, tables.Bool(udpChecksum))
	b.Arg("layout", 16, tables.Uint(layout))
	b.Arg("next_hop", 16, tables.Uint(nextHop))
	b.Arg("max_frame_length", 16, tables.Uint(maxFrameLength))
	return b.Entry()
}

// GeneveIPv6 returns the entry that calls geneve_ipv6. Here dscp has 6 bits;
// layout refers to send_layout.layout; nextHop refers to neighbor.next_hop.
func (k TunnelKey) GeneveIPv6(source, destination netip.Addr, dscp, hopLimit uint8, udpChecksum bool, layout, nextHop, maxFrameLength uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionGeneveIPv6, 8)
	b.Arg("source", 128, tables.IPv6(source))
	b.Arg("destination", 128, tables.IPv6(destination))
	b.Arg("dscp", 6, tables.Uint(dscp))
	b.Arg("hop_limit", 8, tables.Uint(hopLimit))
	b.Arg("udp_checksum", 1, tables.Bool(udpChecksum))
	b.Arg("layout", 16, tables.Uint(layout))
	b.Arg("next_hop", 16, tables.Uint(nextHop))
	b.Arg("max_frame_length", 16, tables.Uint(maxFrameLength))
	return b.Entry()
}

// NVGREIPv4 returns the entry that calls nvgre_ipv4. Here dscp has 6 bits;
// nextHop refers to neighbor.next_hop.
func (k TunnelKey) NVGREIPv4(source, destination netip.Addr, dscp, ttl uint8, nextHop, maxFrameLength uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionNVGREIPv4, 6)
	b.Arg("source", 32, tables.IPv4(source))
	b.Arg("destination", 32, tables.IPv4(destination))
	b.Arg("dscp", 6, tables.Uint(dscp))
	b.Arg("ttl", 8, tables.Uint(ttl))
	b.Arg("next_hop", 16, tables.Uint(nextHop))
	b.Arg("max_frame_length", 16, tables.Uint(maxFrameLength))
	return b.Entry()
}

// NVGREIPv6 returns the entry that calls nvgre_ipv6. Here dscp has 6 bits;
// nextHop refers to neighbor.next_hop.
func (k TunnelKey) NVGREIPv6(source, destination netip.Addr, dscp, hopLimit uint8, nextHop, maxFrameLength uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionNVGREIPv6, 6)
	b.Arg("source", 128, tables.IPv6(source))
	b.Arg("destination", 128, tables.IPv6(destination))
	b.Arg("dscp", 6, tables.Uint(dscp))
	b.Arg("hop_limit", 8, tables.Uint(hopLimit))
	b.Arg("next_hop", 16, tables.Uint(nextHop))
	b.Arg("max_frame_length", 16, tables.Uint(maxFrameLength))
	return b.Entry()
}

// SendLayoutKey is the key of table NveEgress.encapsulate.send_layout (512
// entries).
type SendLayoutKey struct {
	Layout uint16 // exact, 16 bits, refers to place.layout
}

func (k SendLayoutKey) build() *tables.Builder {
	b := tables.Build(TableSendLayout, 1)
	b.Exact("layout", 16, tables.Uint(k.Layout))
	return b
}

// Options returns the entry that calls options. Here optLen has 6 bits.
func (k SendLayoutKey) Options(optLen uint8, critical bool, carries uint8) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionOptions, 3)
	b.Arg("opt_len", 6, tables.Uint(optLen))
	b.Arg("critical", 1, tables.Bool(critical))
	b.Arg("carries", 8, tables.Uint(carries))
	return b.Entry()
}

// NeighborKey is the key of table NveEgress.encapsulate.neighbor (1024
// entries).
type NeighborKey struct {
	NextHop uint16 // exact, 16 bits
}

func (k NeighborKey) build() *tables.Builder {
	b := tables.Build(TableNeighbor, 1)
	b.Exact("next_hop", 16, tables.Uint(k.NextHop))
	return b
}

// Resolve returns the entry that calls resolve.
func (k NeighborKey) Resolve(source, destination ethernet.MAC) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionResolve, 2)
	b.Arg("source", 48, tables.MAC(source))
	b.Arg("destination", 48, tables.MAC(destination))
	return b.Entry()
}

// PortTagKey is the key of table NveEgress.deliver.port_tag (4096 entries).
type PortTagKey struct {
	Port uint16 // exact, 9 bits
	VNI  uint32 // exact, 24 bits, refers to virtual_network.vni
}

func (k PortTagKey) build() *tables.Builder {
	b := tables.Build(TablePortTag, 2)
	b.Exact("port", 9, tables.Uint(k.Port))
	b.Exact("vni", 24, tables.Uint(k.VNI))
	return b
}

// Tag returns the entry that calls tag.
func (k PortTagKey) Tag(vlan uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionTag, 1)
	b.Arg("vlan", 16, tables.Uint(vlan))
	return b.Entry()
}

// DefaultNodeIdentity makes identity the default action of table
// NveEgress.node.
func DefaultNodeIdentity(nodeID uint32) (tables.Entry, error) {
	b := tables.Build(TableNode, 0)
	b.Default()
	b.Do(ActionIdentity, 1)
	b.Arg("node_id", 32, tables.Uint(nodeID))
	return b.Entry()
}
