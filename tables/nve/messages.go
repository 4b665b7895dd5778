// Code generated from nve.p4info.txtpb by tables/gen. DO NOT EDIT.

package nve

import (
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/tables"
)

// PacketIn is the metadata of controller header packet_in.
type PacketIn struct {
	IngressPort uint16 // 16 bits
	Reason      uint8  // 8 bits
}

// Encode returns the metadata, or every reason why a field does not fit.
func (m PacketIn) Encode() ([]*p4v1.PacketMetadata, error) {
	w := tables.WriteMetadata("packet_in", 2)
	w.Put(1, "ingress_port", 16, tables.Uint(m.IngressPort))
	w.Put(2, "reason", 8, tables.Uint(m.Reason))
	return w.Metadata()
}

// Decode sets m from the metadata. The error joins everything that is missing,
// unknown, repeated or too wide.
func (m *PacketIn) Decode(md []*p4v1.PacketMetadata) error {
	*m = PacketIn{}
	r := tables.ReadMetadata("packet_in", md)
	m.IngressPort = tables.AsUint[uint16](r.Field(1, "ingress_port", 16))
	m.Reason = tables.AsUint[uint8](r.Field(2, "reason", 8))
	return r.Err()
}

// PacketOut is the metadata of controller header packet_out.
type PacketOut struct {
	EgressPort uint16 // 16 bits
}

// Encode returns the metadata, or every reason why a field does not fit.
func (m PacketOut) Encode() ([]*p4v1.PacketMetadata, error) {
	w := tables.WriteMetadata("packet_out", 1)
	w.Put(1, "egress_port", 16, tables.Uint(m.EgressPort))
	return w.Metadata()
}

// Decode sets m from the metadata. The error joins everything that is missing,
// unknown, repeated or too wide.
func (m *PacketOut) Decode(md []*p4v1.PacketMetadata) error {
	*m = PacketOut{}
	r := tables.ReadMetadata("packet_out", md)
	m.EgressPort = tables.AsUint[uint16](r.Field(1, "egress_port", 16))
	return r.Err()
}

// PathTrace is a message of digest path_trace_t.
type PathTrace struct {
	NodeID      uint32 // 32 bits
	Origin      uint32 // 32 bits
	FlowHash    uint32 // 32 bits
	Sent        uint32 // 32 bits
	Received    uint32 // 32 bits
	IngressPort uint16 // 16 bits
}

// Decode sets m from one message of a digest list. The error joins everything
// that is missing, unknown or too wide.
func (m *PathTrace) Decode(data *p4v1.P4Data) error {
	*m = PathTrace{}
	r := tables.ReadDigest("path_trace_t", data)
	m.NodeID = tables.AsUint[uint32](r.Field(0, "node_id", 32))
	m.Origin = tables.AsUint[uint32](r.Field(1, "origin", 32))
	m.FlowHash = tables.AsUint[uint32](r.Field(2, "flow_hash", 32))
	m.Sent = tables.AsUint[uint32](r.Field(3, "sent", 32))
	m.Received = tables.AsUint[uint32](r.Field(4, "received", 32))
	m.IngressPort = tables.AsUint[uint16](r.Field(5, "ingress_port", 16))
	return r.Err()
}
