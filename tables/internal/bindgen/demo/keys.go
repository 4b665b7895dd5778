// Code generated from demo.p4info.txtpb by tables/gen. DO NOT EDIT.

package demo

import (
	"net/netip"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/tables"
)

// EndpointKey is the key of table Ingress.endpoint (8 entries).
type EndpointKey struct {
	VNI uint32       // exact, 24 bits
	MAC ethernet.MAC // exact, 48 bits
}

func (k EndpointKey) build() *tables.Builder {
	b := tables.Build(TableEndpoint, 2)
	b.Exact("vni", 24, tables.Uint(k.VNI))
	b.Exact("mac", 48, tables.MAC(k.MAC))
	return b
}

// Remote returns the entry that calls remote. Here tunnelID refers to
// Ingress.tunnel.tunnel_id.
func (k EndpointKey) Remote(tunnelID uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionRemote, 1)
	b.Arg("tunnel_id", 16, tables.Uint(tunnelID))
	return b.Entry()
}

// Flood returns the entry that calls flood. Here group refers to
// builtin::multicast_group_table.multicast_group_id.
func (k EndpointKey) Flood(group uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionFlood, 1)
	b.Arg("group", 16, tables.Uint(group))
	return b.Entry()
}

// Local returns the entry that calls local. Here port has 9 bits.
func (k EndpointKey) Local(port uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionLocal, 1)
	b.Arg("port", 9, tables.Uint(port))
	return b.Entry()
}

// DefaultEndpointRemote makes remote the default action of table
// Ingress.endpoint. Here tunnelID refers to Ingress.tunnel.tunnel_id.
func DefaultEndpointRemote(tunnelID uint16) (tables.Entry, error) {
	b := tables.Build(TableEndpoint, 0)
	b.Default()
	b.Do(ActionRemote, 1)
	b.Arg("tunnel_id", 16, tables.Uint(tunnelID))
	return b.Entry()
}

// DefaultEndpointFlood makes flood the default action of table
// Ingress.endpoint. Here group refers to
// builtin::multicast_group_table.multicast_group_id.
func DefaultEndpointFlood(group uint16) (tables.Entry, error) {
	b := tables.Build(TableEndpoint, 0)
	b.Default()
	b.Do(ActionFlood, 1)
	b.Arg("group", 16, tables.Uint(group))
	return b.Entry()
}

// DefaultEndpointLocal makes local the default action of table
// Ingress.endpoint. Here port has 9 bits.
func DefaultEndpointLocal(port uint16) (tables.Entry, error) {
	b := tables.Build(TableEndpoint, 0)
	b.Default()
	b.Do(ActionLocal, 1)
	b.Arg("port", 9, tables.Uint(port))
	return b.Entry()
}

// DefaultEndpointDrop makes drop the default action of table Ingress.endpoint.
func DefaultEndpointDrop() (tables.Entry, error) {
	b := tables.Build(TableEndpoint, 0)
	b.Default()
	b.Do(ActionDrop, 0)
	return b.Entry()
}

// TunnelKey is the key of table Ingress.tunnel (4 entries).
type TunnelKey struct {
	TunnelID uint16 // exact, 16 bits
}

func (k TunnelKey) build() *tables.Builder {
	b := tables.Build(TableTunnel, 1)
	b.Exact("tunnel_id", 16, tables.Uint(k.TunnelID))
	return b
}

// EncapV4 returns the entry that calls encap_v4.
func (k TunnelKey) EncapV4(src, dst netip.Addr, nextHop ethernet.MAC, layoutID uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionEncapV4, 4)
	b.Arg("src", 32, tables.IPv4(src))
	b.Arg("dst", 32, tables.IPv4(dst))
	b.Arg("next_hop", 48, tables.MAC(nextHop))
	b.Arg("layout_id", 16, tables.Uint(layoutID))
	return b.Entry()
}

// EncapV6 returns the entry that calls encap_v6.
func (k TunnelKey) EncapV6(src, dst netip.Addr, nextHop ethernet.MAC, layoutID uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionEncapV6, 4)
	b.Arg("src", 128, tables.IPv6(src))
	b.Arg("dst", 128, tables.IPv6(dst))
	b.Arg("next_hop", 48, tables.MAC(nextHop))
	b.Arg("layout_id", 16, tables.Uint(layoutID))
	return b.Entry()
}

// RouteKey is the key of table Ingress.route (1024 entries).
type RouteKey struct {
	VNI   uint32       // exact, 24 bits, refers to endpoint.vni
	DstIP netip.Prefix // lpm, 32 bits
}

func (k RouteKey) build() *tables.Builder {
	b := tables.Build(TableRoute, 2)
	b.Exact("vni", 24, tables.Uint(k.VNI))
	tables.PrefixOf(b, "dst_ip", 32, k.DstIP)
	return b
}

// ToVRF returns the entry that calls to_vrf. Here vrf has 12 bits; vni has 24
// bits and refers to endpoint.vni; mac refers to endpoint.mac.
func (k RouteKey) ToVRF(vrf uint16, vni uint32, mac ethernet.MAC) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionToVRF, 3)
	b.Arg("vrf", 12, tables.Uint(vrf))
	b.Arg("vni", 24, tables.Uint(vni))
	b.Arg("mac", 48, tables.MAC(mac))
	return b.Entry()
}

// Drop returns the entry that calls drop.
func (k RouteKey) Drop() (tables.Entry, error) {
	b := k.build()
	b.Do(ActionDrop, 0)
	return b.Entry()
}

// DefaultRouteToVRF makes to_vrf the default action of table Ingress.route.
// Here vrf has 12 bits; vni has 24 bits and refers to endpoint.vni; mac refers
// to endpoint.mac.
func DefaultRouteToVRF(vrf uint16, vni uint32, mac ethernet.MAC) (tables.Entry, error) {
	b := tables.Build(TableRoute, 0)
	b.Default()
	b.Do(ActionToVRF, 3)
	b.Arg("vrf", 12, tables.Uint(vrf))
	b.Arg("vni", 24, tables.Uint(vni))
	b.Arg("mac", 48, tables.MAC(mac))
	return b.Entry()
}

// DefaultRouteDrop makes drop the default action of table Ingress.route.
func DefaultRouteDrop() (tables.Entry, error) {
	b := tables.Build(TableRoute, 0)
	b.Default()
	b.Do(ActionDrop, 0)
	return b.Entry()
}

// ACLKey is the key of table Ingress.acl (128 entries).
//
// The program restricts entries:
//
//	// A port needs a protocol.
//	l4_port::mask != 0 -> proto::mask != 0;
type ACLKey struct {
	SrcIP  tables.Masked[netip.Addr] // ternary, 128 bits
	DstIP  tables.Masked[netip.Addr] // ternary, 32 bits
	L4Port tables.Span[uint16]       // range, 16 bits
	Proto  tables.Maybe[uint8]       // optional, 8 bits
	IsTCP  tables.Masked[bool]       // ternary, 1 bit
	Flow   tables.Masked[uint32]     // ternary, 20 bits

	// Priority is positive; the highest that matches wins.
	Priority int32
}

func (k ACLKey) build() *tables.Builder {
	b := tables.Build(TableACL, 6)
	tables.TernaryAddrOf(b, "src_ip", 128, k.SrcIP)
	tables.TernaryAddrOf(b, "dst_ip", 32, k.DstIP)
	tables.SpanOf(b, "l4_port", 16, k.L4Port, tables.Uint)
	tables.MaybeOf(b, "proto", 8, k.Proto, tables.Uint)
	tables.TernaryOf(b, "is_tcp", 1, k.IsTCP, tables.Bool)
	tables.TernaryOf(b, "flow", 20, k.Flow, tables.Uint)
	b.Priority(k.Priority)
	return b
}

// Permit returns the entry that calls permit.
func (k ACLKey) Permit() (tables.Entry, error) {
	b := k.build()
	b.Do(ActionPermit, 0)
	return b.Entry()
}

// Deny returns the entry that calls deny.
func (k ACLKey) Deny(reason uint8, log bool) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionDeny, 2)
	b.Arg("reason", 8, tables.Uint(reason))
	b.Arg("log", 1, tables.Bool(log))
	return b.Entry()
}

// DefaultACLPermit makes permit the default action of table Ingress.acl.
func DefaultACLPermit() (tables.Entry, error) {
	b := tables.Build(TableACL, 0)
	b.Default()
	b.Do(ActionPermit, 0)
	return b.Entry()
}

// OptionLayoutKey is the key of table Ingress.option_layout (16 entries).
type OptionLayoutKey struct {
	OptLen uint8                   // exact, 6 bits
	Words  tables.Masked[[64]byte] // ternary, 512 bits

	// Priority is positive; the highest that matches wins.
	Priority int32
}

func (k OptionLayoutKey) build() *tables.Builder {
	b := tables.Build(TableOptionLayout, 2)
	b.Exact("opt_len", 6, tables.Uint(k.OptLen))
	tables.TernaryOf(b, "words", 512, k.Words, func(v [64]byte) tables.Value { return tables.Bytes(v[:]) })
	b.Priority(k.Priority)
	return b
}

// Bind returns the entry that calls bind. Here layoutID refers to
// extract.layout_id.
func (k OptionLayoutKey) Bind(layoutID uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionBind, 1)
	b.Arg("layout_id", 16, tables.Uint(layoutID))
	return b.Entry()
}

// DefaultOptionLayoutBind makes bind the default action of table
// Ingress.option_layout. Here layoutID refers to extract.layout_id.
func DefaultOptionLayoutBind(layoutID uint16) (tables.Entry, error) {
	b := tables.Build(TableOptionLayout, 0)
	b.Default()
	b.Do(ActionBind, 1)
	b.Arg("layout_id", 16, tables.Uint(layoutID))
	return b.Entry()
}

// CopyKey is the key of table Egress.copy (64 entries).
type CopyKey struct {
	Port uint16 // exact, 9 bits
	RID  uint16 // exact, 16 bits
}

func (k CopyKey) build() *tables.Builder {
	b := tables.Build(TableCopy, 2)
	b.Exact("port", 9, tables.Uint(k.Port))
	b.Exact("rid", 16, tables.Uint(k.RID))
	return b
}

// ToTunnel returns the entry that calls to_tunnel. Here tunnelID refers to
// tunnel.tunnel_id.
func (k CopyKey) ToTunnel(tunnelID uint16) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionToTunnel, 1)
	b.Arg("tunnel_id", 16, tables.Uint(tunnelID))
	return b.Entry()
}

// DefaultCopyToTunnel makes to_tunnel the default action of table Egress.copy.
// Here tunnelID refers to tunnel.tunnel_id.
func DefaultCopyToTunnel(tunnelID uint16) (tables.Entry, error) {
	b := tables.Build(TableCopy, 0)
	b.Default()
	b.Do(ActionToTunnel, 1)
	b.Arg("tunnel_id", 16, tables.Uint(tunnelID))
	return b.Entry()
}

// DefaultFixedPermit makes permit the default action of table Ingress.fixed.
func DefaultFixedPermit() (tables.Entry, error) {
	b := tables.Build(TableFixed, 0)
	b.Default()
	b.Do(ActionPermit, 0)
	return b.Entry()
}

// DefaultKeylessPermit makes permit the default action of table
// Ingress.keyless.
func DefaultKeylessPermit() (tables.Entry, error) {
	b := tables.Build(TableKeyless, 0)
	b.Default()
	b.Do(ActionPermit, 0)
	return b.Entry()
}

// DefaultKeylessDeny makes deny the default action of table Ingress.keyless.
func DefaultKeylessDeny(reason uint8, log bool) (tables.Entry, error) {
	b := tables.Build(TableKeyless, 0)
	b.Default()
	b.Do(ActionDeny, 2)
	b.Arg("reason", 8, tables.Uint(reason))
	b.Arg("log", 1, tables.Bool(log))
	return b.Entry()
}

// PlaceInstance is one of the tables Egress.*.place, which have the same key
// and the same actions.
type PlaceInstance uint8

// The instances of place.
const (
	PlaceWord0 PlaceInstance = 1 + iota
	PlaceWord1
	PlaceWord2
	PlaceWord3
)

// PlaceWord returns the instance Egress.word<n>, 0 <= n < 4. Keys of any other
// are refused.
func PlaceWord(n int) PlaceInstance {
	if n < 0 || n >= 4 {
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
	}
	return ""
}

// Table returns the full name of the instance's table, "" if there is no such
// instance.
func (i PlaceInstance) Table() string { return i.object("place") }

func (i PlaceInstance) object(name string) string {
	if i == 0 || i > 4 {
		return ""
	}
	return "Egress." + i.String() + "." + name
}

// PlaceKey is the key of the tables Egress.*.place (256 entries).
type PlaceKey struct {
	Instance PlaceInstance
	LayoutID uint16 // exact, 16 bits
}

func (k PlaceKey) build() *tables.Builder {
	b := tables.Build(k.Instance.Table(), 1)
	b.Exact("layout_id", 16, tables.Uint(k.LayoutID))
	return b
}

// Constant returns the entry that calls constant.
func (k PlaceKey) Constant(word uint32) (tables.Entry, error) {
	b := k.build()
	b.Do(k.Instance.object("constant"), 1)
	b.Arg("word", 32, tables.Uint(word))
	return b.Entry()
}

// Sequence returns the entry that calls sequence.
func (k PlaceKey) Sequence() (tables.Entry, error) {
	b := k.build()
	b.Do(k.Instance.object("sequence"), 0)
	return b.Entry()
}

// NoAction returns the entry that calls NoAction.
func (k PlaceKey) NoAction() (tables.Entry, error) {
	b := k.build()
	b.Do(ActionNoAction, 0)
	return b.Entry()
}

// DefaultPlaceConstant makes constant the default action of table place.
func DefaultPlaceConstant(k PlaceInstance, word uint32) (tables.Entry, error) {
	b := tables.Build(k.Table(), 0)
	b.Default()
	b.Do(k.object("constant"), 1)
	b.Arg("word", 32, tables.Uint(word))
	return b.Entry()
}

// DefaultPlaceSequence makes sequence the default action of table place.
func DefaultPlaceSequence(k PlaceInstance) (tables.Entry, error) {
	b := tables.Build(k.Table(), 0)
	b.Default()
	b.Do(k.object("sequence"), 0)
	return b.Entry()
}

// DefaultPlaceNoAction makes NoAction the default action of table place.
func DefaultPlaceNoAction(k PlaceInstance) (tables.Entry, error) {
	b := tables.Build(k.Table(), 0)
	b.Default()
	b.Do(ActionNoAction, 0)
	return b.Entry()
}

// ExtractInstance is one of the tables Ingress.*.extract, which have the same
// key and the same actions.
type ExtractInstance uint8

// The instances of extract.
const (
	ExtractReadGroup ExtractInstance = 1 + iota
	ExtractReadSequence
)

// String returns the instance's own name, such as "read_group".
func (i ExtractInstance) String() string {
	switch i {
	case ExtractReadGroup:
		return "read_group"
	case ExtractReadSequence:
		return "read_sequence"
	}
	return ""
}

// Table returns the full name of the instance's table, "" if there is no such
// instance.
func (i ExtractInstance) Table() string { return i.object("extract") }

func (i ExtractInstance) object(name string) string {
	if i == 0 || i > 2 {
		return ""
	}
	return "Ingress." + i.String() + "." + name
}

// ExtractKey is the key of the tables Ingress.*.extract (256 entries).
type ExtractKey struct {
	Instance ExtractInstance
	LayoutID uint16 // exact, 16 bits
}

func (k ExtractKey) build() *tables.Builder {
	b := tables.Build(k.Instance.Table(), 1)
	b.Exact("layout_id", 16, tables.Uint(k.LayoutID))
	return b
}

// FromWord returns the entry that calls from_word.
func (k ExtractKey) FromWord(word uint8) (tables.Entry, error) {
	b := k.build()
	b.Do(k.Instance.object("from_word"), 1)
	b.Arg("word", 8, tables.Uint(word))
	return b.Entry()
}

// Absent returns the entry that calls absent.
func (k ExtractKey) Absent() (tables.Entry, error) {
	b := k.build()
	b.Do(k.Instance.object("absent"), 0)
	return b.Entry()
}

// DefaultExtractFromWord makes from_word the default action of table extract.
func DefaultExtractFromWord(k ExtractInstance, word uint8) (tables.Entry, error) {
	b := tables.Build(k.Table(), 0)
	b.Default()
	b.Do(k.object("from_word"), 1)
	b.Arg("word", 8, tables.Uint(word))
	return b.Entry()
}

// DefaultExtractAbsent makes absent the default action of table extract.
func DefaultExtractAbsent(k ExtractInstance) (tables.Entry, error) {
	b := tables.Build(k.Table(), 0)
	b.Default()
	b.Do(k.object("absent"), 0)
	return b.Entry()
}
