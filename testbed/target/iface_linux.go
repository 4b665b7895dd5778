package target

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// maxFrame is the longest frame that an interface gives: what the kernel
// aggregates is up to 64 KB.
const maxFrame = 1 << 16

// AttachInterface gives a port to a network interface by AF_PACKET: what
// arrives there enters the port, and what leaves the port is sent there. in
// and out, unless nil, capture the frames. It needs CAP_NET_RAW.
func (t *Target) AttachInterface(n uint32, name string, in, out *Pcap) error {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("port %d: interface %s: %w", n, name, err)
	}
	c, err := packet.Listen(ifi, packet.Raw, unix.ETH_P_ALL, nil)
	if err != nil {
		return fmt.Errorf("port %d: interface %s: %w", n, name, err)
	}
	raw, err := prepare(c)
	if err != nil {
		return errors.Join(fmt.Errorf("port %d: interface %s: %w", n, name, err), c.Close())
	}
	sink := func(frame []byte) {
		if out != nil {
			out.Frame(time.Now(), frame)
		}
		if err := transmit(raw, frame); err != nil {
			t.opts.Log.Warn("frame not sent", "port", n, "interface", name, "bytes", len(frame), "err", err)
		}
	}
	if err := t.attach(n, sink, c); err != nil {
		return errors.Join(err, c.Close())
	}
	t.group.Go(func() error {
		t.receive(n, name, raw, in)
		return nil
	})
	return nil
}

// prepare makes a socket see all frames, of others too, but not those that it
// sends itself, and see their VLAN tags.
func prepare(c *packet.Conn) (syscall.RawConn, error) {
	if err := c.SetPromiscuous(true); err != nil {
		return nil, err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = errors.Join(
			os.NewSyscallError("PACKET_IGNORE_OUTGOING", unix.SetsockoptInt(int(fd), unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)),
			os.NewSyscallError("PACKET_AUXDATA", unix.SetsockoptInt(int(fd), unix.SOL_PACKET, unix.PACKET_AUXDATA, 1)))
	})
	return raw, errors.Join(err, failed)
}

func transmit(raw syscall.RawConn, frame []byte) error {
	var failed error
	err := raw.Write(func(fd uintptr) bool {
		_, failed = unix.Write(int(fd), frame)
		return !errors.Is(failed, unix.EAGAIN)
	})
	return errors.Join(err, failed)
}

// receive injects frames until the socket is closed.
func (t *Target) receive(n uint32, name string, raw syscall.RawConn, in *Pcap) {
	buf := make([]byte, vlanTag+maxFrame)
	oob := make([]byte, 256)
	for {
		var size, oobn int
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			size, oobn, _, _, failed = unix.Recvmsg(int(fd), buf[vlanTag:], oob, 0)
			return !errors.Is(failed, unix.EAGAIN) && !errors.Is(failed, unix.EINTR)
		})
		switch {
		case err != nil:
			if !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrClosed) {
				t.opts.Log.Error("interface lost", "port", n, "interface", name, "err", err)
			}
			return
		case errors.Is(failed, unix.ENETDOWN): // until it is up again
			continue
		case failed != nil:
			t.opts.Log.Error("interface lost", "port", n, "interface", name, "err", failed)
			return
		}
		frame := untag(buf[:vlanTag+size], oob[:oobn])
		if in != nil {
			in.Frame(time.Now(), frame)
		}
		t.Inject(n, frame)
	}
}

const (
	vlanTag  = 4  // bytes of an 802.1Q tag
	macBytes = 12 // of the two addresses in front of it
)

// untag returns the frame as it was on the wire. The kernel takes the VLAN tag
// out and reports it beside the frame, which begins at vlanTag in buf.
func untag(buf, oob []byte) []byte {
	frame := buf[vlanTag:]
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(frame) < macBytes {
		return frame
	}
	for _, m := range messages {
		// struct tpacket_auxdata: status, len, snaplen (32 bits each), mac,
		// net, vlan_tci, vlan_tpid (16 bits each).
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < 20 {
			continue
		}
		status := binary.NativeEndian.Uint32(m.Data)
		if status&unix.TP_STATUS_VLAN_VALID == 0 {
			continue
		}
		tpid := uint16(unix.ETH_P_8021Q)
		if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			tpid = binary.NativeEndian.Uint16(m.Data[18:])
		}
		copy(buf, frame[:macBytes])
		binary.BigEndian.PutUint16(buf[macBytes:], tpid)
		binary.BigEndian.PutUint16(buf[macBytes+2:], binary.NativeEndian.Uint16(m.Data[16:]))
		return buf
	}
	return frame
}
