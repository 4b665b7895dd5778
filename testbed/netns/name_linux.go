package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	// directory is where ip-netns(8) has its names.
	directory = "/run/netns"
	// claims has a file for each name of ours, locked by the process that made it for as long as that lives.
	claims = "/run/keyway/netns"
)

// unbind takes a name away. That it is gone already is no error.
func unbind(name string) error {
	err := netns.DeleteNamed(name)
	if errors.Is(err, unix.EINVAL) { // a plain file, because its maker ended before the mount
		err = os.Remove(filepath.Join(directory, name))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("network namespace %s: %w", name, err)
	}
	return nil
}

// claim is the right to a name.
type claim struct {
	name string
	file *os.File // locked
}

// take claims a name, and removes what earlier processes have left of all names that nobody holds.
func take(name string) (*claim, error) {
	if err := os.MkdirAll(claims, 0o755); err != nil {
		return nil, err
	}
	// One at a time: what another one is about to claim is not what somebody has left.
	turn, err := os.Open(claims)
	if err != nil {
		return nil, err
	}
	defer turn.Close()
	if err := unix.Flock(int(turn.Fd()), unix.LOCK_EX); err != nil {
		return nil, os.NewSyscallError("flock", err)
	}
	left, err := os.ReadDir(claims)
	if err != nil {
		return nil, err
	}
	for _, e := range left {
		c, err := lock(e.Name())
		if errors.Is(err, ErrHeld) {
			continue
		}
		if err == nil {
			err = c.drop()
		}
		if err != nil {
			return nil, err
		}
	}
	c, err := lock(name)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(filepath.Join(directory, name)); err == nil {
		// Had it been ours, it would be gone by now.
		return nil, errors.Join(fmt.Errorf("%w, and it was not made by keyway: ip netns delete %s", ErrHeld, name), c.release())
	}
	return c, nil
}

// lock locks the file of a name.
func lock(name string) (*claim, error) {
	for {
		f, err := os.OpenFile(filepath.Join(claims, name), os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EWOULDBLOCK):
			pid := make([]byte, 16)
			n, _ := f.Read(pid) // its absence is as telling
			return nil, errors.Join(fmt.Errorf("%w by process %s", ErrHeld, strings.TrimSpace(string(pid[:n]))), f.Close())
		case err != nil:
			return nil, errors.Join(os.NewSyscallError("flock", err), f.Close())
		}
		same, err := isFile(f)
		if same {
			if _, err := fmt.Fprintf(f, "%-15d", os.Getpid()); err != nil {
				return nil, errors.Join(err, f.Close())
			}
			return &claim{name, f}, nil
		}
		// Its holder has removed it while we waited.
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
}

// isFile reports whether an open file is still the one of its name.
func isFile(f *os.File) (bool, error) {
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(f.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(opened, named), err
}

// drop removes the name and gives up the claim to it.
func (c *claim) drop() error { return errors.Join(unbind(c.name), c.release()) }

// release gives up the claim, and leaves what has the name.
func (c *claim) release() error { return errors.Join(os.Remove(c.file.Name()), c.file.Close()) }
