//go:build !linux

package peer

import "os/exec"

// Detach does nothing here.
func Detach(*exec.Cmd) {}

// Kill ends a process.
func Kill(cmd *exec.Cmd) error { return cmd.Process.Kill() }
