// Package ovs runs Open vSwitch's datapath in user space as an NVE that others
// wrote. Its ports are Unix domain sockets (dummy devices, as Open vSwitch's own
// tests have them), so it needs neither interfaces nor a kernel module nor root,
// and its database, sockets and logs are in a directory of its own: an Open
// vSwitch that the machine runs is left alone.
//
//	     tenants
//	      | | |  ports from 256 on
//	+-----+-+-+-----+
//	|    overlay    |  flows: [Switch.SetFlows]
//	+-------+-------+
//	        | tunnel ports 1 to 255
//	+-------+-------+
//	|    underlay   |  owns the provider addresses
//	+-------+-------+
//	        | port 1
//	       wire
//
// # Settling
//
// One thread of Open vSwitch reads all ports, one frame of each in turn, and does
// all that a frame causes before the next. [Switch.Settle] sends a frame of
// its own through each port, which comes back by the same port, and does so
// twice: behind the first all that was injected has been dealt with, and
// behind the second what it caused has left.
package ovs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/keyway-nve/keyway/testbed/peer"
)

// The bridges.
const (
	Overlay  = "overlay"
	Underlay = "underlay"
)

// Patience bounds how long Open vSwitch may take to start, and for a command.
const Patience = 20 * time.Second

var (
	// ErrEnded says that a process has ended by itself.
	ErrEnded = errors.New("has ended")
	// ErrClosed is returned once Close was called.
	ErrClosed = errors.New("closed")
	// ErrNotInstalled says that there is no Open vSwitch to run.
	ErrNotInstalled = errors.New("open vswitch is not installed (Debian package openvswitch-switch)")
)

// Options configure a Switch. The zero value is ready.
type Options struct {
	// Output takes the frames that leave, by port, from one goroutine for each
	// port. The frame may be kept. Nil: they are dropped.
	Output func(port uint32, frame []byte)
	Log    *slog.Logger // nil: discarded
}

// Switch is a running Open vSwitch. Its methods may be called by several
// goroutines at once.
type Switch struct {
	o        Options
	node     Node
	dir      string
	programs map[string]string // paths
	version  string

	ctx     context.Context // until Close, or until a process ends
	cancel  context.CancelCauseFunc
	daemons []*exec.Cmd
	running sync.WaitGroup
	closing sync.Once
	closed  error

	ports   map[uint32]*port
	probing sync.Mutex
	probe   uint64 // the last one
}

// Start starts Open vSwitch as a node, without flows in the overlay. ctx bounds
// the start only.
func Start(ctx context.Context, node Node, o Options) (*Switch, error) {
	if err := node.check(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, Patience)
	defer stop()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Switch{o: o, node: node, programs: make(map[string]string), ports: make(map[uint32]*port)}
	for _, name := range []string{"ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl", "ovs-appctl"} {
		path, err := peer.Find(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotInstalled, err)
		}
		s.programs[name] = path
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "ovs-"); err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Switch) start(ctx context.Context) error {
	said, err := s.run(ctx, "ovs-vswitchd", "--version")
	if err != nil {
		return err
	}
	if m := regexp.MustCompile(`\d+\.\d+\.\d+`).FindString(said); m != "" {
		s.version = m
	}
	if _, err := s.run(ctx, "ovsdb-tool", "create", s.file("conf.db"), s.schema()); err != nil {
		return err
	}
	if err := s.daemon("ovsdb-server", s.file("conf.db"), "--remote=punix:"+s.file("db.sock")); err != nil {
		return err
	}
	if err := s.listens(ctx, "db.sock"); err != nil {
		return err
	}
	if err := s.vsctl(ctx, "--no-wait", "init"); err != nil {
		return err
	}
	// The machine's interfaces and routes are none of this switch's business.
	if err := s.daemon("ovs-vswitchd", "unix:"+s.file("db.sock"), "--enable-dummy", "--disable-system", "--disable-system-route"); err != nil {
		return err
	}
	if err := s.configure(ctx); err != nil {
		return err
	}
	s.o.Log.Debug("open vswitch runs", "version", s.version, "dir", s.dir)
	return nil
}

// schema returns where that of the database is, which is by where it was
// installed to.
func (s *Switch) schema() string {
	program := s.programs["ovsdb-server"]
	if real, err := filepath.EvalSymlinks(program); err == nil { // /sbin may be /usr/sbin
		program = real
	}
	return filepath.Join(filepath.Dir(program), "../share/openvswitch/vswitch.ovsschema")
}

func (s *Switch) file(name string) string { return filepath.Join(s.dir, name) }

// command is a program of Open vSwitch that takes all directories to be ours.
func (s *Switch) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.programs[name], args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+s.dir, "OVS_LOGDIR="+s.dir, "OVS_DBDIR="+s.dir, "OVS_SYSCONFDIR="+s.dir)
	return cmd
}

// daemon starts a process that runs until Close.
func (s *Switch) daemon(name string, args ...string) error {
	log := s.file(name + ".log")
	cmd := s.command(context.Background(), name, append(args, "--unixctl="+s.file(name+".ctl"), "--log-file="+log, "-vconsole:off")...)
	peer.Detach(cmd)
	s.running.Add(1)
	err := peer.Run(cmd, func(err error) {
		defer s.running.Done()
		s.cancel(fmt.Errorf("%s %w (%v): %s", name, ErrEnded, err, last(log)))
	})
	if err != nil {
		s.running.Done()
		return err
	}
	s.daemons = append(s.daemons, cmd)
	return nil
}

// listens waits for a socket of a daemon. The programs themselves try again
// only after a second.
func (s *Switch) listens(ctx context.Context, name string) error {
	for {
		conn, err := net.Dial("unix", s.file(name))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(time.Millisecond):
		case <-s.ctx.Done():
			return s.Err()
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// last returns the last lines of a log.
func last(file string) []byte {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return bytes.TrimSpace(b[max(0, len(b)-2048):])
}

// run runs a program and returns what it says. The error has what it says
// against it.
func (s *Switch) run(ctx context.Context, name string, args ...string) (string, error) {
	if s.ctx.Err() != nil {
		return "", s.Err()
	}
	ctx, stop := context.WithTimeout(ctx, Patience)
	defer stop()
	defer context.AfterFunc(s.ctx, stop)()
	cmd := s.command(ctx, name, args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if err == nil {
		return out.String(), nil
	}
	err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(complaint.Bytes()))
	return "", errors.Join(err, context.Cause(s.ctx))
}

func (s *Switch) vsctl(ctx context.Context, args ...string) error {
	_, err := s.run(ctx, "ovs-vsctl", append([]string{"--db=unix:" + s.file("db.sock")}, args...)...)
	return err
}

// Appctl gives ovs-vswitchd a command (see ovs-vswitchd(8), runtime management
// commands) and returns its answer.
func (s *Switch) Appctl(ctx context.Context, args ...string) (string, error) {
	return s.run(ctx, "ovs-appctl", append([]string{"-t", s.file("ovs-vswitchd.ctl")}, args...)...)
}

// Ofctl runs ovs-ofctl on a bridge: the command, then what follows the bridge.
func (s *Switch) Ofctl(ctx context.Context, bridge, command string, args ...string) (string, error) {
	return s.run(ctx, "ovs-ofctl", append([]string{"-O", "OpenFlow13", command, "unix:" + s.file(bridge+".mgmt")}, args...)...)
}

// Version is that of the Open vSwitch that runs, such as 3.1.0.
func (s *Switch) Version() string { return s.version }

// Ended is closed when a process has ended; see Err.
func (s *Switch) Ended() <-chan struct{} { return s.ctx.Done() }

// Err returns why: ErrEnded with the end of the log, or ErrClosed.
func (s *Switch) Err() error { return context.Cause(s.ctx) }

// Close ends the processes and removes their directory. Doing so again does
// nothing.
func (s *Switch) Close() error {
	s.cancel(ErrClosed)
	s.closing.Do(func() {
		for _, p := range s.ports {
			_ = p.conn.Close() // so that its reader ends
		}
		for _, cmd := range s.daemons {
			// It may have ended, and then there is nobody to kill.
			_ = peer.Kill(cmd)
		}
		s.running.Wait()
		s.closed = os.RemoveAll(s.dir)
	})
	return s.closed
}
