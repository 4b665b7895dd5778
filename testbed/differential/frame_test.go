package differential

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/keyway-nve/keyway/controller/intent"
)

// tenantFrame is what an endpoint may send to another, or to everybody.
func tenantFrame(r *rand.Rand, from, to intent.Endpoint) []byte {
	dst := to.MAC
	if chance(r, 15) {
		dst = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	} else if chance(r, 5) {
		dst = [6]byte{0x33, 0x33, 0, 0, 0, 1}
	}
	f := slices.Concat(dst[:], from.MAC[:])
	if from.VLAN != 0 && chance(r, 95) {
		f = append(f, 0x81, 0x00, byte(from.VLAN>>8), byte(from.VLAN))
	}
	payload := make([]byte, pick(r, 0, 1, 2, 7, 20, 60, 61, 200))
	for i := range payload {
		payload[i] = byte(r.Uint32())
	}
	proto := pick[byte](r, 6, 17, 17, 1, 47, 99)
	switch r.IntN(8) {
	case 0:
		return append(append(f, 0x08, 0x06), payload...)
	case 1:
		return append(append(f, byte(r.Uint32()), byte(r.Uint32())), payload...)
	case 2, 3:
		f = append(f, 0x86, 0xdd, 0x60|byte(r.IntN(16)), byte(r.IntN(256)), 0, 0)
		f = binary.BigEndian.AppendUint16(f, uint16(len(payload)))
		f = append(f, proto, 64, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, from.MAC[5])
		f = append(f, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, to.MAC[5])
		return append(f, payload...)
	}
	ihl := pick[byte](r, 5, 5, 5, 5, 6, 15, 4, 0)
	at := len(f) + 2
	f = append(f, 0x08, 0x00, 0x40|ihl, byte(r.IntN(256)))
	f = binary.BigEndian.AppendUint16(f, uint16(int(ihl)*4+len(payload)))
	f = append(f, byte(r.Uint32()), byte(r.Uint32()), pick[byte](r, 0x40, 0x40, 0x00, 0x20), pick[byte](r, 0, 0, 0, 9), 64, proto, 0, 0)
	f = append(f, 172, 16, 0, from.MAC[5], 172, 16, 0, to.MAC[5])
	if !chance(r, 5) {
		binary.BigEndian.PutUint16(f[at+10:], checksum(f[at:at+20]))
	}
	return append(f, payload...)
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// mutate changes a frame, and its outer IPv4 checksum along with it at times, so
// that what lies behind that check is reached.
func mutate(r *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	for range 1 + r.IntN(3) {
		if len(b) == 0 {
			break
		}
		// Most of what the programs look at is in front.
		at := r.IntN(min(len(b), pick(r, 64, 128, 9000)))
		switch r.IntN(6) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] = byte(r.Uint32())
		case 2:
			b[at] = pick[byte](r, 0, 0xff, 0x80, 1)
		case 3:
			b = b[:at]
		case 4:
			b = slices.Insert(b, at, byte(r.Uint32()))
		case 5:
			b = slices.Delete(b, at, min(len(b), at+1+r.IntN(4)))
		}
	}
	if chance(r, 75) {
		seal(r, b)
	}
	return b
}

// seal makes the outer checksums right, or leaves that of UDP out.
func seal(r *rand.Rand, b []byte) {
	at, protocol, pseudo := outer(b)
	if at == 0 {
		return
	}
	if b[14]>>4 == 4 {
		b[24], b[25] = 0, 0
		binary.BigEndian.PutUint16(b[24:], checksum(b[14:at]))
	}
	if protocol != 17 || len(b) < at+8 {
		return
	}
	b[at+6], b[at+7] = 0, 0
	if chance(r, 20) {
		return
	}
	pseudo = slices.Concat(pseudo, []byte{0, 17}, b[at+4:at+6], b[at:])
	if len(pseudo)%2 != 0 {
		pseudo = append(pseudo, 0)
	}
	sum := checksum(pseudo)
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[at+6:], sum)
}

// outer returns where the outer IP header ends, the protocol behind it and the
// addresses that its checksum covers, or zeros if there is no plain IP header.
func outer(b []byte) (end int, protocol byte, addresses []byte) {
	switch {
	case len(b) >= 34 && b[12] == 0x08 && b[13] == 0x00 && b[14] == 0x45:
		return 34, b[23], b[26:34]
	case len(b) >= 54 && b[12] == 0x86 && b[13] == 0xdd:
		return 54, b[20], b[22:54]
	}
	return 0, 0, nil
}

// meddle changes what a tunnelled packet means, and keeps it well-formed. It
// returns nil if the frame is none.
func (c *testCase) meddle(b []byte) []byte {
	b = slices.Clone(b)
	r := c.r
	at, protocol, _ := outer(b)
	if at == 0 || len(b) < at+16 {
		return nil
	}
	vn := at + 4 // of NVGRE
	options := 0
	if protocol == 17 {
		vn, options = at+12, 4*int(b[at+8]&0x3f)
	}
	inner := vn + 4 + options
	if len(b) < inner+14 {
		return nil
	}
	switch r.IntN(9) {
	case 0: // another network
		v := c.in.VirtualNetworks[r.IntN(len(c.in.VirtualNetworks))].VNI
		b[vn], b[vn+1], b[vn+2] = byte(v>>16), byte(v>>8), byte(v)
	case 1:
		b[vn], b[vn+1], b[vn+2] = 0xff, 0xff, 0xff
	case 2: // another endpoint
		e := c.in.Endpoints[r.IntN(len(c.in.Endpoints))]
		copy(b[inner:], e.MAC[:])
	case 3: // O and C
		if protocol == 17 {
			b[at+9] = byte(r.IntN(4)) << 6
		}
	case 4: // another sender
		if b[14]>>4 == 4 {
			b[29] = byte(r.IntN(6))
		} else {
			b[37] = byte(r.IntN(6))
		}
	case 5: // congestion
		if b[14]>>4 == 4 {
			b[15] |= 3
		} else {
			b[15] |= 0x30
		}
	case 6: // a word of the options
		if options > 0 {
			b[vn+4+r.IntN(options)] ^= 1 << r.IntN(8)
		}
	case 7: // TTL or hop limit
		if b[14]>>4 == 4 {
			b[22] = byte(r.IntN(3))
		} else {
			b[21] = byte(r.IntN(3))
		}
	case 8: // a tag within
		b = slices.Insert(b, inner+12, 0x81, 0x00, 0x00, byte(r.IntN(9)))
		if b[14]>>4 == 4 {
			binary.BigEndian.PutUint16(b[16:], binary.BigEndian.Uint16(b[16:])+4)
		} else {
			binary.BigEndian.PutUint16(b[18:], binary.BigEndian.Uint16(b[18:])+4)
		}
		if protocol == 17 {
			binary.BigEndian.PutUint16(b[at+4:], binary.BigEndian.Uint16(b[at+4:])+4)
		}
	}
	seal(r, b)
	return b
}

// packetOut is a frame with the header of the controller's.
func packetOut(r *rand.Rand, b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, pick[uint16](r, 0, 1, 2, 256, 300, 505, 510, 511, 512, 0xffff)), b...)
}
