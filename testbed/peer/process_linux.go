package peer

import (
	"os/exec"
	"syscall"
)

// Detach gives the process a group of its own, so that an interrupt of the
// terminal reaches it through us only, and lets it die with us whatever
// happens to us.
func Detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// Kill ends a process that was detached, and all that it has started.
func Kill(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
