package engine

import "encoding/binary"

// piece is a part of a field, at most 64 bits of one word, and where it stands in the bytes of the header.
type piece struct {
	mask uint64
	slot int32
	off  int32 // first byte
	// Where the header has eight bytes, the piece is read through a window of eight: a shift and a mask.
	window      int32 // first byte of the window, -1 for none
	windowShift uint8
	shift       uint8
	n           uint8 // bytes it touches, at most 9
	bits        uint8
}

// piecesOf lays fields out one after the other, as they stand in a packet of which they take size bytes.
func piecesOf(fields []*field, size int) []piece {
	var ps []piece
	at := 0
	for _, f := range fields {
		left := f.bits
		for w := range f.words {
			n := left - 64*(f.words-1-w)
			left -= n
			end := at + n
			p := pieceAt(at, n)
			p.slot = int32(f.slot + w)
			if size >= 8 && p.n <= 8 {
				p.window = min(p.off, int32(size-8))
				p.windowShift = uint8(8*(int(p.window)+8) - end)
			}
			ps = append(ps, p)
			at = end
		}
	}
	return ps
}

// pieceAt is n bits that start at bit at.
func pieceAt(at, n int) piece {
	end := at + n
	return piece{mask: maskOf(n), off: int32(at / 8), window: -1, n: uint8((end+7)/8 - at/8),
		shift: uint8((8 - end%8) % 8), bits: uint8(n)}
}

// loadSlow reads the piece from the bytes of the header, without the window.
func (p *piece) loadSlow(b []byte) uint64 {
	b = b[p.off:]
	if p.n > 8 {
		return (binary.BigEndian.Uint64(b)<<(8-p.shift) | uint64(b[8])>>p.shift) & p.mask
	}
	return loadBE(b, int(p.n)) >> p.shift & p.mask
}

// chunk is a run of whole bytes of a header, at most eight, put together from words of the header vector.
type chunk struct {
	off   int32 // first byte
	shift uint8 // to the left end of 64 bits
	from  []wordBits
}

// wordBits is a word of the header vector and where its low end stands in the chunk.
type wordBits struct {
	slot  int32
	shift uint8
}

// chunksOf joins pieces into chunks. It is nil when some of them do not meet at a byte within 64 bits.
func chunksOf(ps []piece) []chunk {
	chunks := []chunk{}
	start, bits, at := 0, 0, 0 // pieces and bits of the open chunk; bits before it
	for start < len(ps) {
		end, n := start, 0 // as far as a chunk can go
		bits = 0
		for i := start; i < len(ps) && bits+int(ps[i].bits) <= 64; i++ {
			if bits += int(ps[i].bits); bits%8 == 0 {
				end, n = i+1, bits
			}
		}
		if n == 0 {
			return nil
		}
		c := chunk{off: int32(at / 8), shift: uint8(64 - n)}
		left := n
		for _, p := range ps[start:end] {
			left -= int(p.bits)
			c.from = append(c.from, wordBits{slot: p.slot, shift: uint8(left)})
		}
		chunks = append(chunks, c)
		start, at = end, at+n
	}
	return chunks
}

// loadBE reads n bytes, 0 to 8, as a big-endian number.
func loadBE(b []byte, n int) uint64 {
	switch n {
	case 0:
		return 0
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(b))
	case 3:
		return uint64(b[0])<<16 | uint64(binary.BigEndian.Uint16(b[1:]))
	case 4:
		return uint64(binary.BigEndian.Uint32(b))
	case 5:
		return uint64(b[0])<<32 | uint64(binary.BigEndian.Uint32(b[1:]))
	case 6:
		return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
	case 7:
		return uint64(b[0])<<48 | uint64(binary.BigEndian.Uint16(b[1:]))<<32 | uint64(binary.BigEndian.Uint32(b[3:]))
	}
	return binary.BigEndian.Uint64(b)
}

// storeBE writes the n low bytes of v, 0 to 8, big-endian.
func storeBE(b []byte, n int, v uint64) {
	switch n {
	case 1:
		b[0] = byte(v)
	case 2:
		binary.BigEndian.PutUint16(b, uint16(v))
	case 4:
		binary.BigEndian.PutUint32(b, uint32(v))
	case 6:
		binary.BigEndian.PutUint16(b, uint16(v>>32))
		binary.BigEndian.PutUint32(b[2:], uint32(v))
	case 8:
		binary.BigEndian.PutUint64(b, v)
	default:
		for i := n - 1; i >= 0; i-- {
			b[i] = byte(v)
			v >>= 8
		}
	}
}

// getBits reads n bits, at most 64, that start at bit off of b.
func getBits(b []byte, off, n int) uint64 {
	if n == 0 {
		return 0
	}
	p := pieceAt(off, n)
	return p.loadSlow(b)
}

// wordsFromBytes writes a big-endian number of any length into words, most significant word first, cut to bits.
func wordsFromBytes(w []uint64, b []byte, bits int) {
	for i := len(w) - 1; i >= 0; i-- {
		n := min(8, len(b))
		w[i] = loadBE(b[len(b)-n:], n)
		b = b[:len(b)-n]
	}
	w[0] &= maskOf(bits - 64*(len(w)-1))
}

// appendWords appends the number as bytesOf(bits) bytes.
func appendWords(b []byte, w []uint64, bits int) []byte {
	n := bytesOf(bits)
	for i, v := range w {
		k := min(8, n-8*(len(w)-1-i))
		at := len(b)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)[:at+k]
		storeBE(b[at:], k, v)
	}
	return b
}

// bitWriter packs values bit after bit, as the input of checksums and hashes has them.
type bitWriter struct {
	b   []byte
	acc uint64 // the n low bits are not yet in b
	n   int    // below 8
}

func (w *bitWriter) put(v uint64, bits int) {
	if w.n == 0 && bits%8 == 0 {
		at := len(w.b)
		w.b = append(w.b, 0, 0, 0, 0, 0, 0, 0, 0)
		binary.BigEndian.PutUint64(w.b[at:], v<<((64-bits)&63))
		w.b = w.b[:at+bits/8]
		return
	}
	if bits > 56 {
		w.put(v>>32, bits-32)
		bits = 32
	}
	w.acc = w.acc<<bits | v&maskOf(bits)
	w.n += bits
	for w.n >= 8 {
		w.n -= 8
		w.b = append(w.b, byte(w.acc>>w.n))
	}
	w.acc &= maskOf(w.n)
}

func (w *bitWriter) putBytes(b []byte) {
	if w.n == 0 {
		w.b = append(w.b, b...)
		return
	}
	for _, c := range b {
		w.put(uint64(c), 8)
	}
}

// pad fills up to a whole byte with zeros.
func (w *bitWriter) pad() {
	if w.n > 0 {
		w.put(0, 8-w.n)
	}
}
