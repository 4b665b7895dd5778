package simpleswitch

import (
	"os/exec"
	"syscall"
)

// detach gives the process a group of its own, so that an interrupt of the
// terminal reaches it through us only, and lets it die with us whatever
// happens to us.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// kill ends the process and all that it has started.
func kill(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
