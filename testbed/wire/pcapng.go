package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// Block types, options and values of pcapng (draft-ietf-opsawg-pcapng).
const (
	blockSection   = 0x0A0D0D0A
	blockInterface = 1
	blockPacket    = 6
	byteOrderMagic = 0x1A2B3C4D
	linkEthernet   = 1
	optEnd         = 0
	optComment     = 1 // of any block
	optSectionApp  = 4 // shb_userappl
	optName        = 2 // if_name
	optResolution  = 9 // if_tsresol: 9 is nanoseconds
	optFlags       = 2 // epb_flags
	flagInbound    = 1 // from end A
	flagOutbound   = 2 // towards end A
)

// Capture writes the frames of wires to a pcapng file, each wire as an interface of its name and with times in nanoseconds. A frame from end A is marked
// as inbound, any other as outbound; a note becomes its comment. Frames that a fault takes away are not written: a capture stands at the receiving end.
type Capture struct {
	mu    sync.Mutex
	w     io.Writer
	buf   []byte
	ids   map[string]uint32
	wires map[string]Wire
	err   error
}

// NewCapture starts a capture of the given wires on w, and writes its header. Frames of other wires are left out. Each frame is one Write, so
// that the file can be read while the network runs.
func NewCapture(w io.Writer, wires ...Wire) (*Capture, error) {
	c := &Capture{w: w, ids: map[string]uint32{}, wires: map[string]Wire{}}
	b := beginBlock(nil, blockSection)
	b = binary.LittleEndian.AppendUint32(b, byteOrderMagic)
	b = binary.LittleEndian.AppendUint16(b, 1)          // major version
	b = binary.LittleEndian.AppendUint16(b, 0)          // minor version
	b = binary.LittleEndian.AppendUint64(b, ^uint64(0)) // section length: not given
	b = appendOption(b, optSectionApp, []byte("keyway"))
	b = endBlock(appendOption(b, optEnd, nil), 0)
	for i, wire := range wires {
		if _, ok := c.ids[wire.Name]; ok {
			return nil, fmt.Errorf("wire: capture: %s %w", wire.Name, ErrTaken)
		}
		c.ids[wire.Name], c.wires[wire.Name] = uint32(i), wire
		start := len(b)
		b = beginBlock(b, blockInterface)
		b = binary.LittleEndian.AppendUint16(b, linkEthernet)
		b = binary.LittleEndian.AppendUint16(b, 0) // reserved
		b = binary.LittleEndian.AppendUint32(b, 0) // snap length: none
		b = appendOption(b, optName, []byte(wire.Name))
		b = appendOption(b, optResolution, []byte{9})
		b = endBlock(appendOption(b, optEnd, nil), start)
	}
	if _, err := w.Write(b); err != nil {
		return nil, fmt.Errorf("wire: capture: %w", err)
	}
	return c, nil
}

// Frame writes a frame. It is a [Tap]. After an error it does nothing; Err tells.
func (c *Capture) Frame(f Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, ok := c.ids[f.Wire]
	if !ok || f.Lost || c.err != nil {
		return
	}
	flags := uint32(flagOutbound)
	if f.From == c.wires[f.Wire].A {
		flags = flagInbound
	}
	t := uint64(f.At.UnixNano())
	b := beginBlock(c.buf[:0], blockPacket)
	b = binary.LittleEndian.AppendUint32(b, id)
	b = binary.LittleEndian.AppendUint32(b, uint32(t>>32))
	b = binary.LittleEndian.AppendUint32(b, uint32(t))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.Data)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.Data)))
	b = pad(append(b, f.Data...))
	if f.Note != "" {
		b = appendOption(b, optComment, []byte(f.Note))
	}
	b = appendOption(b, optFlags, binary.LittleEndian.AppendUint32(nil, flags))
	c.buf = endBlock(appendOption(b, optEnd, nil), 0)
	if _, err := c.w.Write(c.buf); err != nil {
		c.err = fmt.Errorf("wire: capture: %w", err)
	}
}

// Err returns the first error of writing.
func (c *Capture) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// beginBlock appends a block's type and room for its length.
func beginBlock(b []byte, kind uint32) []byte {
	return append(binary.LittleEndian.AppendUint32(b, kind), 0, 0, 0, 0)
}

// endBlock completes the block that begins at start with its length, which stands in front and behind.
func endBlock(b []byte, start int) []byte {
	n := uint32(len(b) - start + 4)
	binary.LittleEndian.PutUint32(b[start+4:], n)
	return binary.LittleEndian.AppendUint32(b, n)
}

// appendOption appends an option, padded to 32 bits.
func appendOption(b []byte, code uint16, value []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return pad(append(b, value...))
}

// pad fills up to 32 bits, counted from the start of the file's first block, which like all blocks is a multiple of them.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
