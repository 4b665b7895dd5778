package netns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// request is an rtnetlink message being put together: a header, the fixed part of its type, and attributes (rtnetlink(7)).
type request struct{ b []byte }

// newRequest begins a message of a type with its fixed part. flags are added to those that ask for an acknowledgement.
func newRequest(kind, flags uint16, fixed []byte) *request {
	r := &request{make([]byte, unix.NLMSG_HDRLEN, 512)}
	binary.NativeEndian.PutUint16(r.b[4:], kind)
	binary.NativeEndian.PutUint16(r.b[6:], flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	r.b = append(r.b, fixed...)
	return r
}

func (r *request) attr(kind uint16, data []byte) {
	r.b = binary.NativeEndian.AppendUint16(r.b, uint16(unix.SizeofRtAttr+len(data)))
	r.b = binary.NativeEndian.AppendUint16(r.b, kind)
	r.b = append(r.b, data...)
	r.pad()
}

func (r *request) pad() {
	for len(r.b)%unix.NLMSG_ALIGNTO != 0 {
		r.b = append(r.b, 0)
	}
}

func (r *request) text(kind uint16, s string) { r.attr(kind, append([]byte(s), 0)) }

func (r *request) uint32(kind uint16, v uint32) {
	r.attr(kind, binary.NativeEndian.AppendUint32(nil, v))
}

// nest adds an attribute whose data fill adds.
func (r *request) nest(kind uint16, fill func()) {
	at := len(r.b)
	r.attr(kind, nil)
	fill()
	binary.NativeEndian.PutUint16(r.b[at:], uint16(len(r.b)-at))
}

// do sends the message in the namespace of the calling thread and waits for the kernel's answer.
func (r *request) do() error {
	binary.NativeEndian.PutUint32(r.b, uint32(len(r.b)))
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	return errors.Join(r.exchange(fd), unix.Close(fd))
}

func (r *request) exchange(fd int) error {
	// So that the kernel says in words what it does not like.
	if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Sendto(fd, r.b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	answer := make([]byte, 8192)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return os.NewSyscallError("recvfrom", err)
	}
	return acknowledged(answer[:n])
}

// acknowledged reads an NLMSG_ERROR: the header, the negative error number, the request's header, attributes.
func acknowledged(b []byte) error {
	const size = unix.NLMSG_HDRLEN + 4 + unix.NLMSG_HDRLEN
	if len(b) < size || binary.NativeEndian.Uint16(b[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("rtnetlink answered %d bytes that are no acknowledgement", len(b))
	}
	number := -int32(binary.NativeEndian.Uint32(b[unix.NLMSG_HDRLEN:]))
	if number == 0 {
		return nil
	}
	err := os.NewSyscallError("rtnetlink", unix.Errno(number))
	capped := binary.NativeEndian.Uint16(b[6:])&unix.NLM_F_CAPPED != 0
	attrs := b[size:]
	if !capped { // the whole request stands there
		whole := int(binary.NativeEndian.Uint32(b[unix.NLMSG_HDRLEN+4:]))
		attrs = b[min(len(b), unix.NLMSG_HDRLEN+4+(whole+3)&^3):]
	}
	for len(attrs) >= unix.SizeofRtAttr {
		n := int(binary.NativeEndian.Uint16(attrs))
		if n < unix.SizeofRtAttr || n > len(attrs) {
			break
		}
		if binary.NativeEndian.Uint16(attrs[2:]) == unix.NLMSGERR_ATTR_MSG {
			return fmt.Errorf("%w: %s", err, unix.ByteSliceToString(attrs[unix.SizeofRtAttr:n]))
		}
		attrs = attrs[min(len(attrs), (n+3)&^3):]
	}
	return err
}
