package afpacket

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	size uint32
}

const (
	vlanTag  = 4  // bytes of an 802.1Q tag
	macBytes = 12 // of the two addresses in front of it
	oobSize  = 64 // room for a control message with struct tpacket_auxdata
)

// receiver is room for one batch. The kernel reports a VLAN tag beside the frame, so each frame begins vlanTag bytes behind the start of its room.
type receiver struct {
	headers [batch]mmsghdr
	iov     [batch]unix.Iovec
	oob     [batch][oobSize]byte
	room    [batch][]byte
	n       int           // frames of the last batch
	errno   syscall.Errno // why there are none
}

func newReceiver(maxFrame int) *receiver {
	r := &receiver{}
	all := make([]byte, batch*(vlanTag+maxFrame))
	for i := range batch {
		r.room[i], all = all[:vlanTag+maxFrame:vlanTag+maxFrame], all[vlanTag+maxFrame:]
		r.iov[i].Base = &r.room[i][vlanTag]
		r.iov[i].SetLen(maxFrame)
		h := &r.headers[i].Msghdr
		h.Iov, h.Control = &r.iov[i], &r.oob[i][0]
		h.SetIovlen(1)
	}
	return r
}

// receive takes what has arrived.
func (r *receiver) receive(fd uintptr) {
	for i := range r.headers {
		r.headers[i].SetControllen(oobSize)
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.headers[0])), batch, unix.MSG_DONTWAIT, 0, 0)
	if r.n, r.errno = int(n), errno; errno != 0 {
		r.n = 0
	}
}

// frame returns a frame of the last batch as it was on the wire.
func (r *receiver) frame(i int) []byte {
	h := &r.headers[i]
	return untag(r.room[i][:vlanTag+int(h.size)], r.oob[i][:h.Controllen])
}

// untag returns the frame, which begins at vlanTag in buf, with its tag if oob has one. Control messages are read here because the usual way to do it
// allocates, and this is done for every frame.
func untag(buf, oob []byte) []byte {
	frame := buf[vlanTag:]
	if len(frame) < macBytes {
		return frame
	}
	data := unix.CmsgLen(0)
	for len(oob) >= data {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
		size := int(h.Len)
		if size < data || size > len(oob) {
			break
		}
		// struct tpacket_auxdata: status, len, snaplen (32 bits each), mac, net, vlan_tci, vlan_tpid (16 bits each).
		if h.Level == unix.SOL_PACKET && h.Type == unix.PACKET_AUXDATA && size >= data+20 {
			aux := oob[data:size]
			status := binary.NativeEndian.Uint32(aux)
			if status&unix.TP_STATUS_VLAN_VALID == 0 {
				return frame
			}
			tpid := uint16(unix.ETH_P_8021Q)
			if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
				tpid = binary.NativeEndian.Uint16(aux[18:])
			}
			copy(buf, frame[:macBytes])
			binary.BigEndian.PutUint16(buf[macBytes:], tpid)
			binary.BigEndian.PutUint16(buf[macBytes+2:], binary.NativeEndian.Uint16(aux[16:]))
			return buf
		}
		oob = oob[min(len(oob), unix.CmsgSpace(size-data)):]
	}
	return frame
}

// frames are copies of frames, one behind the other.
type frames struct {
	bytes []byte
	ends  []int
}

func (f *frames) len() int { return len(f.ends) }

func (f *frames) add(frame []byte) {
	f.bytes = append(f.bytes, frame...)
	f.ends = append(f.ends, len(f.bytes))
}

func (f *frames) at(i int) []byte {
	start := 0
	if i > 0 {
		start = f.ends[i-1]
	}
	return f.bytes[start:f.ends[i]]
}

// keep is how much room frames keep for the next ones.
const keep = 1 << 20

func (f *frames) reset() {
	if cap(f.bytes) > keep {
		f.bytes = nil
	}
	f.bytes, f.ends = f.bytes[:0], f.ends[:0]
}

// sender sends frames, a batch at a time.
type sender struct {
	headers [batch]mmsghdr
	iov     [batch]unix.Iovec
	frames  *frames
	next    int           // the first frame that has not been sent
	errno   syscall.Errno // why it was not
}

func (s *sender) begin(f *frames) { s.frames, s.next = f, 0 }

// send sends as many frames as a batch has. If the first one fails it says why.
func (s *sender) send(fd uintptr) {
	n := min(batch, s.frames.len()-s.next)
	for i := range n {
		frame := s.frames.at(s.next + i)
		s.iov[i].Base = unsafe.SliceData(frame)
		s.iov[i].SetLen(len(frame))
		s.headers[i].Iov = &s.iov[i]
		s.headers[i].SetIovlen(1)
	}
	sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&s.headers[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	if s.errno = errno; errno == 0 {
		s.next += int(sent)
	}
}
