package info

import (
	"errors"
	"fmt"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// Len returns the length of the header in bytes. A nil header has none.
func (h *Header) Len() int {
	if h == nil {
		return 0
	}
	return (h.Bits + 7) / 8
}

// Pack appends the header that the metadata describes, as it stands in front
// of the packet on the CPU port. There must be exactly one element for each
// field of P4Info (section 16.1); all faults are reported at once with
// INVALID_ARGUMENT.
func (h *Header) Pack(dst []byte, metadata []*p4v1.PacketMetadata) ([]byte, error) {
	if h == nil {
		if len(metadata) > 0 {
			return dst, refusal.New(codes.InvalidArgument, "the program has no packet_out header, got %d metadata fields", len(metadata))
		}
		return dst, nil
	}
	given := make([]*p4v1.PacketMetadata, len(h.Fields))
	var faults []error
	for _, m := range metadata {
		i, ok := h.pos[m.GetMetadataId()]
		switch {
		case !ok:
			faults = append(faults, fmt.Errorf("unknown metadata field id %d", m.GetMetadataId()))
		case given[i] != nil:
			faults = append(faults, fmt.Errorf("metadata field %s is given twice", h.Fields[i].Name))
		default:
			given[i] = m
		}
	}
	at := len(dst)
	dst = append(dst, make([]byte, h.Len())...)
	bit := 0
	var buf []byte
	for i, f := range h.Fields {
		if given[i] == nil {
			faults = append(faults, fmt.Errorf("metadata field %s is missing", f.Name))
			continue
		}
		var err error
		if buf, err = bytestring.AppendFixed(buf[:0], given[i].GetValue(), f.Width); err != nil {
			faults = append(faults, fmt.Errorf("metadata field %s: %w", f.Name, err))
		} else {
			putBits(dst[at:], bit, f.Width, buf)
		}
		bit += f.Width
	}
	if err := errors.Join(faults...); err != nil {
		return dst[:at], refusal.New(codes.InvalidArgument, "%s: %w", h.Name, err)
	}
	return dst, nil
}

// Unpack reads the header in front of a frame and returns its metadata and
// what follows. A frame shorter than the header is an error.
func (h *Header) Unpack(frame []byte) ([]*p4v1.PacketMetadata, []byte, error) {
	if h == nil {
		return nil, frame, nil
	}
	if len(frame) < h.Len() {
		return nil, nil, fmt.Errorf("frame of %d bytes is shorter than the %s header of %d", len(frame), h.Name, h.Len())
	}
	metadata := make([]*p4v1.PacketMetadata, len(h.Fields))
	bit := 0
	for i, f := range h.Fields {
		v := make([]byte, bytestring.Len(f.Width))
		getBits(v, frame, bit, f.Width)
		metadata[i] = &p4v1.PacketMetadata{MetadataId: f.ID, Value: bytestring.Canonical(v)}
		bit += f.Width
	}
	return metadata, frame[h.Len():], nil
}

// putBits writes the low width bits of the right-aligned v at a bit offset of
// dst, which is zero there.
func putBits(dst []byte, at, width int, v []byte) {
	skip := 8*len(v) - width
	for i := range width {
		src := skip + i
		if v[src/8]&(0x80>>(src%8)) != 0 {
			dst[(at+i)/8] |= 0x80 >> ((at + i) % 8)
		}
	}
}

// getBits reads width bits at a bit offset of src into the right-aligned v,
// which is zero.
func getBits(v, src []byte, at, width int) {
	if at%8 == 0 && width%8 == 0 {
		copy(v, src[at/8:])
		return
	}
	skip := 8*len(v) - width
	for i := range width {
		if src[(at+i)/8]&(0x80>>((at+i)%8)) != 0 {
			v[(skip+i)/8] |= 0x80 >> ((skip + i) % 8)
		}
	}
}

// Concat returns right-aligned numbers of the given widths as one right-aligned
// number, without padding between them.
func Concat(widths []int, values [][]byte) []byte {
	total := 0
	for _, w := range widths {
		total += w
	}
	out := make([]byte, bytestring.Len(total))
	at := 8*len(out) - total
	for i, v := range values {
		putBits(out, at, widths[i], v)
		at += widths[i]
	}
	return out
}
