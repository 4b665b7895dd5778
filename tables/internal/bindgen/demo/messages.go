// Code generated from demo.p4info.txtpb by tables/gen. DO NOT EDIT.

package demo

import (
	"net/netip"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/tables"
)

// PacketIn is the metadata of controller header packet_in.
type PacketIn struct {
	IngressPort uint16     // 9 bits
	Reason      uint8      // 6 bits
	Critical    bool       // 1 bit
	OuterIP     netip.Addr // 128 bits
}

// Encode returns the metadata, or every reason why a field does not fit.
func (m PacketIn) Encode() ([]*p4v1.PacketMetadata, error) {
	w := tables.WriteMetadata("packet_in", 4)
	w.Put(1, "ingress_port", 9, tables.Uint(m.IngressPort))
	w.Put(2, "reason", 6, tables.Uint(m.Reason))
	w.Put(3, "critical", 1, tables.Bool(m.Critical))
	w.Put(4, "outer_ip", 128, tables.Mapped(m.OuterIP))
	return w.Metadata()
}

// Decode sets m from the metadata. The error joins everything that is missing,
// unknown, repeated or too wide.
func (m *PacketIn) Decode(md []*p4v1.PacketMetadata) error {
	*m = PacketIn{}
	r := tables.ReadMetadata("packet_in", md)
	m.IngressPort = tables.AsUint[uint16](r.Field(1, "ingress_port", 9))
	m.Reason = tables.AsUint[uint8](r.Field(2, "reason", 6))
	m.Critical = tables.AsBool(r.Field(3, "critical", 1))
	m.OuterIP = tables.AsIPv6(r.Field(4, "outer_ip", 128))
	return r.Err()
}

// PacketOut is the metadata of controller header packet_out.
type PacketOut struct {
	EgressPort uint16 // 9 bits
}

// Encode returns the metadata, or every reason why a field does not fit.
func (m PacketOut) Encode() ([]*p4v1.PacketMetadata, error) {
	w := tables.WriteMetadata("packet_out", 2)
	w.Put(1, "egress_port", 9, tables.Uint(m.EgressPort))
	w.Put(2, "_pad", 7, tables.Bool(false))
	return w.Metadata()
}

// Decode sets m from the metadata. The error joins everything that is missing,
// unknown, repeated or too wide.
func (m *PacketOut) Decode(md []*p4v1.PacketMetadata) error {
	*m = PacketOut{}
	r := tables.ReadMetadata("packet_out", md)
	m.EgressPort = tables.AsUint[uint16](r.Field(1, "egress_port", 9))
	r.Skip(2)
	return r.Err()
}

// Learn is a message of digest learn_t.
type Learn struct {
	MAC  ethernet.MAC // 48 bits
	Port uint16       // 9 bits
}

// Decode sets m from one message of a digest list. The error joins everything
// that is missing, unknown or too wide.
func (m *Learn) Decode(data *p4v1.P4Data) error {
	*m = Learn{}
	r := tables.ReadDigest("learn_t", data)
	m.MAC = tables.AsMAC(r.Field(0, "mac", 48))
	m.Port = tables.AsUint[uint16](r.Field(1, "port", 9))
	return r.Err()
}
