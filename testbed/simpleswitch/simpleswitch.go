// Package simpleswitch runs bmv2's simple_switch_grpc, the reference software
// switch, as a process. Frames go in and out by bmv2's packet service
// (p4.bm.DataplaneInterface), so it needs neither interfaces nor root. Both of
// its servers listen on sockets in a directory of its own.
//
// # Settling
//
// bmv2 handles a frame in one ingress thread, one of four egress threads, chosen
// by the port, and one transmit thread, with queues between them that keep the
// order. [Switch.Settle] sends a frame of its own through each egress thread
// and waits for them: what was injected before has then left, or never will.
// This holds for programs that neither clone in egress nor recirculate, and that
// send a frame from the CPU port where its first two bytes say, as those of
// this project do.
//
// Where frames come by network interfaces, nothing tells which of them have been handled. There Settle waits until the process is asleep: every thread of
// it, and none has run between two looks. No frame waits then, since each would keep a thread awake.
//
// The queue of a port takes 64 frames, and drops what comes then.
// [Switch.Inject] waits at times, so that few are ever in there.
package simpleswitch

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/keyway-nve/keyway/proto/bm"
	"github.com/keyway-nve/keyway/testbed/peer"
)

const defaultWithin = 20 * time.Second

var (
	// ErrEnded says that the process has ended by itself.
	ErrEnded = errors.New("ended")
	// ErrClosed is returned once Close was called.
	ErrClosed = errors.New("closed")
)

// Options configure a Switch.
type Options struct {
	DeviceID uint64
	CPUPort  uint32 // packet I/O goes by this port
	DropPort uint32
	// Output takes the frames that leave, from one goroutine, and must return at
	// once. The frame may be kept. Nil: they are dropped.
	Output func(port uint32, frame []byte)
	// Interfaces are the network interfaces of ports, on which frames come and go in place of Inject and Output. Then Emitted counts nothing.
	Interfaces map[uint32]string
	// Run starts the process in its own way, such as in a network namespace, and calls ended when it has ended. Nil: as [exec.Cmd] does.
	Run func(cmd *exec.Cmd, ended func(error)) error
	// Within bounds how long the process may take until it answers. 0: 20 s.
	Within time.Duration
	Log    *slog.Logger // nil: discarded
}

// Switch is a running process, without a P4 program at the start. Its methods
// may be called by several goroutines at once.
type Switch struct {
	o    Options
	dir  string // with the sockets
	cmd  *exec.Cmd
	said *tail
	conn *grpc.ClientConn // of the packet service

	ctx     context.Context
	cancel  context.CancelCauseFunc
	running sync.WaitGroup
	closing sync.Once
	closed  error // of closing

	mu     sync.Mutex // guards the next two; a stream has one sender
	stream bm.DataplaneInterface_PacketStreamClient
	since  int // frames injected since the last barrier

	barrier barrier
	emitted atomic.Uint64
}

// Start starts a process and returns once its P4Runtime server answers. ctx
// bounds the start only.
func (p Program) Start(ctx context.Context, o Options) (*Switch, error) {
	ctx, stop := context.WithTimeout(ctx, cmp.Or(o.Within, defaultWithin))
	defer stop()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := os.MkdirTemp("", "bmv2-")
	if err != nil {
		return nil, err
	}
	s := &Switch{o: o, dir: dir, said: &tail{}}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.barrier.init()
	if err := s.start(ctx, p.Path); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Switch) socket(name string) string { return filepath.Join(s.dir, name) }

const (
	p4runtimeSocket = "p4rt"
	packetSocket    = "packets"
)

func (s *Switch) start(ctx context.Context, path string) error {
	s.cmd = exec.Command(path, s.arguments()...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, s.said, s.said
	peer.Detach(s.cmd)
	run := s.o.Run
	if run == nil {
		run = peer.Run
	}
	s.running.Add(1)
	err := run(s.cmd, func(err error) {
		defer s.running.Done()
		s.cancel(fmt.Errorf("%s %w (%v): %s", name, ErrEnded, err, s.said))
	})
	if err != nil {
		s.running.Done()
		return err
	}
	if err := s.answers(ctx); err != nil {
		return err
	}
	s.o.Log.Debug("simple_switch_grpc runs", "device", s.o.DeviceID, "pid", s.cmd.Process.Pid)
	if s.o.Interfaces != nil {
		return nil
	}
	s.conn, err = grpc.NewClient("unix:"+s.socket(packetSocket), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	s.running.Go(s.receive)
	return nil
}

func (s *Switch) arguments() []string {
	args := []string{"--no-p4", "--device-id", strconv.FormatUint(s.o.DeviceID, 10)}
	for _, port := range slices.Sorted(maps.Keys(s.o.Interfaces)) {
		args = append(args, "--interface", fmt.Sprintf("%d@%s", port, s.o.Interfaces[port]))
	}
	args = append(args, "--",
		"--grpc-server-addr", s.P4RuntimeAddress(),
		"--cpu-port", strconv.FormatUint(uint64(s.o.CPUPort), 10),
		"--drop-port", strconv.FormatUint(uint64(s.o.DropPort), 10))
	if s.o.Interfaces == nil {
		args = append(args, "--dp-grpc-server-addr", "unix:"+s.socket(packetSocket))
	}
	return args
}

// answers waits until the P4Runtime server does.
func (s *Switch) answers(ctx context.Context) error {
	conn, err := s.Dial()
	if err != nil {
		return err
	}
	for {
		_, err := p4v1.NewP4RuntimeClient(conn).Capabilities(ctx, &p4v1.CapabilitiesRequest{})
		if err == nil {
			return conn.Close()
		}
		conn.ResetConnectBackoff()
		select {
		case <-time.After(5 * time.Millisecond):
		case <-s.ctx.Done():
			return errors.Join(context.Cause(s.ctx), conn.Close())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s: %w: %w: %s", name, context.Cause(ctx), err, s.said), conn.Close())
		}
	}
}

// Close kills the process and removes its directory. Doing so again does
// nothing.
func (s *Switch) Close() error {
	s.cancel(ErrClosed)
	s.closing.Do(func() { s.closed = s.close() })
	return s.closed
}

func (s *Switch) close() error {
	var errs []error
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.cmd != nil && s.cmd.Process != nil {
		// It may have ended, and then there is nobody to kill.
		_ = peer.Kill(s.cmd)
	}
	s.running.Wait()
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// Ended is closed when the process has ended; see Err.
func (s *Switch) Ended() <-chan struct{} { return s.ctx.Done() }

// Err returns why the process ended: ErrEnded, with its last words, or
// ErrClosed.
func (s *Switch) Err() error { return context.Cause(s.ctx) }

// P4RuntimeAddress returns where the P4Runtime server listens, in gRPC's form.
func (s *Switch) P4RuntimeAddress() string { return "unix:" + s.socket(p4runtimeSocket) }

// Dial connects to the P4Runtime server.
func (s *Switch) Dial(opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///simple_switch_grpc", append([]grpc.DialOption{
		grpc.WithContextDialer(s.DialContext),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}, opts...)...)
}

// DialContext is a dialer for [grpc.WithContextDialer] that reaches the
// P4Runtime server, whatever the address.
func (s *Switch) DialContext(ctx context.Context, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", s.socket(p4runtimeSocket))
}

// tail keeps the last words of a process.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 2048

var _ io.Writer = (*tail)(nil)

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	t.buf = t.buf[max(0, len(t.buf)-tailSize):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}
