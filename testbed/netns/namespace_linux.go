package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is a network namespace with its loopback interface up.
type Namespace struct {
	name   string // empty: none
	handle netns.NsHandle
	claim  *claim // of the name
	once   sync.Once
	err    error // of closing
}

// New makes a namespace. With a name, other processes can enter it by the name; the error is ErrHeld if somebody has it.
func New(name string) (*Namespace, error) {
	n := &Namespace{name: name, handle: netns.None()}
	if err := n.make(); err != nil {
		what := "network namespace"
		if name != "" {
			what += " " + name
		}
		return nil, errors.Join(fmt.Errorf("%s: %w", what, explain(err)), n.Close())
	}
	return n, nil
}

func (n *Namespace) make() error {
	if n.name != "" {
		var err error
		if n.claim, err = take(n.name); err != nil {
			return err
		}
	}
	return onThread(func() (err error) {
		if n.name == "" {
			n.handle, err = netns.New()
		} else {
			n.handle, err = netns.NewNamed(n.name)
		}
		if err != nil {
			return err
		}
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
}

// explain names what a missing right or kernel feature is about.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: %w", err, ErrNotPermitted)
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: %w", err, ErrUnsupported)
	}
	return err
}

// onThread runs f on a thread of its own, which ends with f: whatever f has done to the thread's namespaces stays there.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

func (n *Namespace) enter() error { return os.NewSyscallError("setns", netns.Set(n.handle)) }

// Do runs f in the namespace. Sockets that f opens stay there; goroutines that it starts do not run there.
func (n *Namespace) Do(f func() error) error {
	return onThread(func() error {
		if err := n.enter(); err != nil {
			return err
		}
		return f()
	})
}

// Run starts a command in the namespace, with a /sys that shows its interfaces as ip-netns(8) does, and calls ended when it has ended, with what
// [exec.Cmd.Wait] says. The thread that starts the command waits for it too, so that a parent-death signal means the process.
func (n *Namespace) Run(cmd *exec.Cmd, ended func(error)) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := n.start(cmd)
		started <- err
		if err == nil {
			ended(cmd.Wait())
		}
	}()
	return <-started
}

func (n *Namespace) start(cmd *exec.Cmd) error {
	if err := n.enter(); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return fmt.Errorf("/sys: %w", os.NewSyscallError("mount", err))
	}
	return cmd.Start()
}

// Name returns the name, or "" if there is none.
func (n *Namespace) Name() string { return n.name }

// Close lets the namespace go, and removes its name. It ends, with the interfaces in it, when no process and no socket is in it any more.
func (n *Namespace) Close() error {
	n.once.Do(func() {
		var errs []error
		if n.handle.IsOpen() {
			errs = append(errs, n.handle.Close())
		}
		if n.claim != nil {
			errs = append(errs, n.claim.drop())
		}
		n.err = errors.Join(errs...)
	})
	return n.err
}
