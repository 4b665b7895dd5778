// Code generated from transit.p4info.txtpb by tables/gen. DO NOT EDIT.

package transit

import (
	"net/netip"
	"strconv"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/tables"
)

// RouteKey is the key of table TransitIngress.route.route (16384 entries).
type RouteKey struct {
	IPv4        bool         // exact, 1 bit
	Destination netip.Prefix // lpm, 128 bits
}

func (k RouteKey) build() *tables.Builder {
	b := tables.Build(TableRoute, 2)
	b.Exact("ipv4", 1, tables.Bool(k.IPv4))
	tables.PrefixOf(b, "destination", 128, k.Destination)
	return b
}

// Forward returns the entry that calls forward. Here port has 9 bits.
func (k RouteKey) Forward(port uint16, source, destination ethernet.MAC) (tables.Entry, error) {
	b := k.build()
	b.Do(ActionForward, 3)
	b.Arg("port", 9, tables.Uint(port))
	b.Arg("source", 48, tables.MAC(source))
	b.Arg("destination", 48, tables.MAC(destination))
	return b.Entry()
}

// InnerACLKey is the key of table TransitIngress.inner_acl.inner_acl (1024
// entries).
type InnerACLKey struct {
	VNI             tables.Masked[uint32]       // ternary, 24 bits
	SourceMAC       tables.Masked[ethernet.MAC] // ternary, 48 bits
	DestinationMAC  tables.Masked[ethernet.MAC] // ternary, 48 bits
	EtherType       tables.Masked[uint16]       // ternary, 16 bits
	Source          tables.Masked[netip.Addr]   // ternary, 128 bits
	Destination     tables.Masked[netip.Addr]   // ternary, 128 bits
	Protocol        tables.Masked[uint8]        // ternary, 8 bits
	SourcePort      tables.Masked[uint16]       // ternary, 16 bits
	DestinationPort tables.Masked[uint16]       // ternary, 16 bits

	// Priority is positive; the highest that matches wins.
	Priority int32
}

func (k InnerACLKey) build() *tables.Builder {
	b := tables.Build(TableInnerACL, 9)
	tables.TernaryOf(b, "vni", 24, k.VNI, tables.Uint)
	tables.TernaryOf(b, "source_mac", 48, k.SourceMAC, tables.MAC)
	tables.TernaryOf(b, "destination_mac", 48, k.DestinationMAC, tables.MAC)
	tables.TernaryOf(b, "ether_type", 16, k.EtherType, tables.Uint)
	tables.TernaryAddrOf(b, "source", 128, k.Source)
	tables.TernaryAddrOf(b, "destination", 128, k.Destination)
	tables.TernaryOf(b, "protocol", 8, k.Protocol, tables.Uint)
	tables.TernaryOf(b, "source_port", 16, k.SourcePort, tables.Uint)
	tables.TernaryOf(b, "destination_port", 16, k.DestinationPort, tables.Uint)
	b.Priority(k.Priority)
	return b
}

// Permit returns the entry that calls permit.
func (k InnerACLKey) Permit() (tables.Entry, error) {
	b := k.build()
	b.Do(ActionPermit, 0)
	return b.Entry()
}

// Deny returns the entry that calls deny.
func (k InnerACLKey) Deny() (tables.Entry, error) {
	b := k.build()
	b.Do(ActionDeny, 0)
	return b.Entry()
}

// OptionLayoutKey is the key of table TransitIngress.options.option_layout
// (512 entries).
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

// ReadInstance is one of the tables TransitIngress.transit_options.*.read,
// which have the same key and the same actions.
type ReadInstance uint8

// The instances of read.
const (
	ReadOrigin ReadInstance = 1 + iota
	ReadFlowHash
	ReadTimestamp
)

// String returns the instance's own name, such as "origin".
func (i ReadInstance) String() string {
	switch i {
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
	if i == 0 || i > 3 {
		return ""
	}
	return "TransitIngress.transit_options." + i.String() + "." + name
}

// ReadKey is the key of the tables TransitIngress.transit_options.*.read (512
// entries).
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

// TraceWatchKey is the key of table
// TransitIngress.transit_options.path_trace.trace_watch (256 entries).
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
