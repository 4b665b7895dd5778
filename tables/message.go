package tables

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/proto/ethernet"
)

// MetadataWriter makes the metadata of a packet to or from the controller. It
// serves generated bindings.
type MetadataWriter struct {
	header string
	list   []*p4v1.PacketMetadata
	errs   []error
}

// WriteMetadata starts the metadata of a header with so many fields.
func WriteMetadata(header string, fields int) *MetadataWriter {
	return &MetadataWriter{header: header, list: make([]*p4v1.PacketMetadata, 0, fields)}
}

// Put appends a field of width bits.
func (w *MetadataWriter) Put(id uint32, name string, width int, v Value) {
	v, err := v.canonical(width)
	if err != nil {
		w.errs = append(w.errs, fmt.Errorf("%s: %s: %w", w.header, name, err))
	}
	w.list = append(w.list, &p4v1.PacketMetadata{MetadataId: id, Value: []byte(v)})
}

// Metadata returns the metadata, or all reasons against it.
func (w *MetadataWriter) Metadata() ([]*p4v1.PacketMetadata, error) {
	if len(w.errs) > 0 {
		return nil, errors.Join(w.errs...)
	}
	return w.list, nil
}

// MessageReader takes packet metadata or a digest's message apart. It serves
// generated bindings.
type MessageReader struct {
	name   string
	values map[uint32][]byte // by metadata id, or by index in a digest
	errs   []error
}

// ReadMetadata starts reading the metadata of a header.
func ReadMetadata(header string, md []*p4v1.PacketMetadata) *MessageReader {
	r := &MessageReader{name: header, values: make(map[uint32][]byte, len(md))}
	for _, m := range md {
		if _, ok := r.values[m.GetMetadataId()]; ok {
			r.errs = append(r.errs, fmt.Errorf("%s: metadata id %d: %w", header, m.GetMetadataId(), ErrRepeated))
		}
		r.values[m.GetMetadataId()] = m.GetValue()
	}
	return r
}

// ReadDigest starts reading a message of a digest: a struct or tuple of plain
// values, or one plain value.
func ReadDigest(name string, data *p4v1.P4Data) *MessageReader {
	r := &MessageReader{name: name, values: make(map[uint32][]byte)}
	members := []*p4v1.P4Data{data}
	switch d := data.GetData().(type) {
	case *p4v1.P4Data_Struct:
		members = d.Struct.GetMembers()
	case *p4v1.P4Data_Tuple:
		members = d.Tuple.GetMembers()
	}
	for i, m := range members {
		switch d := m.GetData().(type) {
		case *p4v1.P4Data_Bitstring:
			r.values[uint32(i)] = d.Bitstring
		case *p4v1.P4Data_EnumValue:
			r.values[uint32(i)] = d.EnumValue
		case *p4v1.P4Data_Bool:
			r.values[uint32(i)] = []byte(Bool(d.Bool))
		default: // a member that bindings leave out
			r.values[uint32(i)] = nil
		}
	}
	return r
}

// Field returns the field of that id, or in a digest of that index, as a
// number of width bits; 0 if there is an error, which Err keeps.
func (r *MessageReader) Field(id uint32, name string, width int) Value {
	b, ok := r.values[id]
	delete(r.values, id)
	err := ErrMissing
	v := Value(b)
	if ok {
		v, err = v.canonical(width)
	}
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %s: %w", r.name, name, err))
		return "\x00"
	}
	return v
}

// Skip takes a field that carries nothing.
func (r *MessageReader) Skip(id uint32) { delete(r.values, id) }

// Err joins all errors so far with those of fields that nobody asked for.
func (r *MessageReader) Err() error {
	for _, id := range slices.Sorted(maps.Keys(r.values)) {
		r.errs = append(r.errs, fmt.Errorf("%s: field id %d: %w", r.name, id, ErrUnknown))
	}
	return errors.Join(r.errs...)
}

// AsUint returns the number as a T, whose width the value has been checked for.
func AsUint[T ~uint8 | ~uint16 | ~uint32 | ~uint64](v Value) T {
	var n uint64
	for i := range len(v) {
		n = n<<8 | uint64(v[i])
	}
	return T(n)
}

// AsBool reports whether the number is not 0.
func AsBool(v Value) bool { return !v.isZero() }

// AsMAC returns a number of 48 bits as an address.
func AsMAC(v Value) (a ethernet.MAC) {
	AsBytes(v, a[:])
	return a
}

// AsIPv4 returns a number of 32 bits as an address.
func AsIPv4(v Value) netip.Addr {
	var b [4]byte
	AsBytes(v, b[:])
	return netip.AddrFrom4(b)
}

// AsIPv6 returns a number of 128 bits as an address; IPv4-mapped ones stay so.
func AsIPv6(v Value) netip.Addr {
	var b [16]byte
	AsBytes(v, b[:])
	return netip.AddrFrom16(b)
}

// AsBytes sets b to the number, big-endian and filled up with zeros in front.
// What does not fit is cut.
func AsBytes(v Value, b []byte) {
	clear(b)
	c := bytestring.Canonical([]byte(v))
	if len(c) > len(b) {
		c = c[len(c)-len(b):]
	}
	copy(b[len(b)-len(c):], c)
}
