package target

import (
	"bufio"
	"encoding/binary"
	"io"
	"sync"
	"time"
)

// Pcap writes frames as a classic pcap file, version 2.4 with link type
// Ethernet and microseconds: what bmv2 writes for --pcap.
type Pcap struct {
	mu  sync.Mutex
	w   *bufio.Writer
	err error
}

const (
	pcapMagic   = 0xa1b2c3d4
	pcapSnapLen = 65535
	pcapEther   = 1
)

// NewPcap begins a file on w.
func NewPcap(w io.Writer) *Pcap {
	p := &Pcap{w: bufio.NewWriter(w)}
	h := make([]byte, 0, 24)
	h = binary.LittleEndian.AppendUint32(h, pcapMagic)
	h = binary.LittleEndian.AppendUint16(h, 2)
	h = binary.LittleEndian.AppendUint16(h, 4)
	h = binary.LittleEndian.AppendUint32(h, 0) // UTC
	h = binary.LittleEndian.AppendUint32(h, 0)
	h = binary.LittleEndian.AppendUint32(h, pcapSnapLen)
	h = binary.LittleEndian.AppendUint32(h, pcapEther)
	p.write(h)
	return p
}

func (p *Pcap) write(b []byte) {
	if p.err == nil {
		_, p.err = p.w.Write(b)
	}
}

// Frame adds a frame, of which at most 65535 bytes are kept. Each frame is
// flushed: whoever looks at the file while the switch runs sees all of it.
func (p *Pcap) Frame(at time.Time, frame []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := frame[:min(len(frame), pcapSnapLen)]
	h := make([]byte, 0, 16)
	h = binary.LittleEndian.AppendUint32(h, uint32(at.Unix()))
	h = binary.LittleEndian.AppendUint32(h, uint32(at.Nanosecond()/1000))
	h = binary.LittleEndian.AppendUint32(h, uint32(len(kept)))
	h = binary.LittleEndian.AppendUint32(h, uint32(len(frame)))
	p.write(h)
	p.write(kept)
	if p.err == nil {
		p.err = p.w.Flush()
	}
}

// Err returns the first error of the writer.
func (p *Pcap) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = p.w.Flush()
	}
	return p.err
}
