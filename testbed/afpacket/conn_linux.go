package afpacket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// batch is how many frames one system call receives or sends at most.
const batch = 32

// bufferSize is of the kernel's queue for a socket, in bytes, if the process may have that much.
const bufferSize = 16 << 20

// Options configure a Conn. The zero value is the default.
type Options struct {
	// MaxFrame is the length of the longest frame in bytes; longer ones are cut when they are received. 0: 65536, what the kernel aggregates.
	MaxFrame int
	// Failed is told of each frame that could not be sent. nil: nobody is.
	Failed func(frame []byte, err error)
}

const defaultMaxFrame = 1 << 16

// Conn is an interface. Its methods may be called by several goroutines at once, but for Receive, which is one goroutine's.
type Conn struct {
	o    Options
	conn *packet.Conn
	raw  syscall.RawConn
	in   *receiver
	busy atomic.Bool // Receive has frames in hand
	// closed tells an error of the socket from the end.
	closed atomic.Bool
	// What the poller calls, made once: this is done for every batch.
	tryReceive, trySend func(fd uintptr) bool

	mu      sync.Mutex
	corks   int
	sending bool
	queue   frames // to be sent
	spare   frames
	out     sender // of who is sending
	dropped uint64
}

// Open opens an interface of the calling thread's network namespace. It needs CAP_NET_RAW there.
func Open(name string, o Options) (*Conn, error) {
	if o.MaxFrame == 0 {
		o.MaxFrame = defaultMaxFrame
	}
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	p, err := packet.Listen(ifi, packet.Raw, unix.ETH_P_ALL, nil)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	c := &Conn{o: o, conn: p, in: newReceiver(o.MaxFrame)}
	c.tryReceive, c.trySend = c.receiveOrWait, c.sendOrWait
	if err := c.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("interface %s: %w", name, err), p.Close())
	}
	return c, nil
}

func (c *Conn) prepare() error {
	if err := c.conn.SetPromiscuous(true); err != nil {
		return err
	}
	var err error
	if c.raw, err = c.conn.SyscallConn(); err != nil {
		return err
	}
	var failed error
	err = c.raw.Control(func(fd uintptr) {
		failed = errors.Join(
			os.NewSyscallError("PACKET_IGNORE_OUTGOING", unix.SetsockoptInt(int(fd), unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)),
			os.NewSyscallError("PACKET_AUXDATA", unix.SetsockoptInt(int(fd), unix.SOL_PACKET, unix.PACKET_AUXDATA, 1)))
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bufferSize) != nil {
			// Without CAP_NET_ADMIN the kernel caps it at net.core.rmem_max.
			failed = errors.Join(failed, os.NewSyscallError("SO_RCVBUF", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, bufferSize)))
		}
	})
	return errors.Join(err, failed)
}

// Close closes the socket. Receive returns.
func (c *Conn) Close() error {
	c.closed.Store(true)
	return c.conn.Close()
}

// Receive calls handle with each frame that arrives, until the Conn is closed, which is no error. The frame is valid during the call only. burst, unless
// nil, is called before two frames or more that arrived together, and what it returns behind them.
func (c *Conn) Receive(handle func(frame []byte), burst func() (end func())) error {
	for {
		n, err := c.receive()
		switch {
		case err != nil && c.closed.Load():
			return nil
		case errors.Is(err, unix.ENETDOWN): // until it is up again
			continue
		case err != nil:
			return err
		}
		end := func() {}
		if burst != nil && n > 1 {
			end = burst()
		}
		for i := range n {
			handle(c.in.frame(i))
		}
		end()
	}
}

func (c *Conn) receive() (int, error) {
	err := c.raw.Read(c.tryReceive)
	if err == nil && c.in.errno != 0 {
		err = os.NewSyscallError("recvmmsg", c.in.errno)
	}
	if err != nil {
		c.busy.Store(false)
	}
	return c.in.n, err
}

// receiveOrWait reports false if nothing has arrived yet.
func (c *Conn) receiveOrWait(fd uintptr) bool {
	// Busy before a frame leaves the kernel's queue, so that it is always seen in one or the other place.
	c.busy.Store(true)
	c.in.receive(fd)
	if again(c.in.errno) {
		c.busy.Store(false)
		return false
	}
	return true
}

func again(e syscall.Errno) bool { return e == unix.EAGAIN || e == unix.EINTR }

// Idle reports whether no frame waits, neither to be received nor to be sent, and none is being handled. A frame that was sent to the other end of
// a veth pair before is there: the kernel hands it over while it is sent.
func (c *Conn) Idle() (bool, error) {
	c.mu.Lock()
	sending := c.sending || c.queue.len() > 0
	c.mu.Unlock()
	waiting := 0
	var failed error
	err := c.raw.Control(func(fd uintptr) { waiting, failed = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	if err := errors.Join(err, failed); err != nil {
		return false, err
	}
	return waiting == 0 && !c.busy.Load() && !sending, nil
}

// Dropped returns how many frames were lost because the kernel's queue for the socket was full.
func (c *Conn) Dropped() (uint64, error) {
	s, err := c.conn.Stats()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.dropped += uint64(s.Drops) // since the last time
	}
	return c.dropped, err
}

// Send sends a frame, which it does not keep. While somebody else sends, or while the Conn is corked, the frame is left for that one to send.
func (c *Conn) Send(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue.add(frame)
	if c.corks == 0 || c.queue.len() >= batch {
		c.flush()
	}
}

// Cork keeps frames back, so that they are sent together, until Uncork was called as often.
func (c *Conn) Cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corks++
}

// Uncork undoes a Cork.
func (c *Conn) Uncork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.corks--; c.corks == 0 {
		c.flush()
	}
}

// flush sends what is queued, if nobody else does so. The lock is held, but not while frames are sent.
func (c *Conn) flush() {
	if c.sending {
		return
	}
	c.sending = true
	for c.queue.len() > 0 {
		f := c.queue
		c.queue = c.spare
		c.mu.Unlock()
		c.transmit(&f)
		f.reset()
		c.mu.Lock()
		c.spare = f
	}
	c.sending = false
}

func (c *Conn) transmit(f *frames) {
	for c.out.begin(f); c.out.next < f.len(); {
		err := c.raw.Write(c.trySend)
		if err == nil && c.out.errno != 0 {
			err = os.NewSyscallError("sendmmsg", c.out.errno)
		}
		if err != nil {
			if c.o.Failed != nil {
				c.o.Failed(f.at(c.out.next), err)
			}
			c.out.next++ // the frame at fault
		}
	}
}

// sendOrWait reports false if the kernel has no room.
func (c *Conn) sendOrWait(fd uintptr) bool {
	c.out.send(fd)
	return !again(c.out.errno)
}
