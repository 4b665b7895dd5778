// Package peer finds and runs the programs of others that tests hold our own
// work against.
package peer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Required is the environment variable that makes a program that is missing a
// failure. Where everything was installed on purpose, nothing may be skipped.
const Required = "KEYWAY_REQUIRE_PEERS"

// Find returns the path of a program: from PATH, or from where systems keep
// what they mean for root, although it may be of use to others.
func Find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, errDir := exec.LookPath(filepath.Join(dir, program)); errDir == nil {
			return path, nil
		}
	}
	return "", err
}

// Run starts a process that was detached, and calls ended when it has ended, with
// what [exec.Cmd.Wait] says. One thread starts it and waits for it: to the
// kernel, who starts a process is a thread, and threads may end before us, as
// those do that have been in other network namespaces.
func Run(cmd *exec.Cmd, ended func(error)) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended(cmd.Wait())
		}
	}()
	return <-started
}

// Tester is what Require needs of a [testing.TB].
type Tester interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Require returns the path of a program. Without it the test is skipped, or
// fails if [Required] is set. The package is where Debian has the program.
func Require(t Tester, program, debianPackage string) string {
	t.Helper()
	path, err := Find(program)
	if err == nil {
		return path
	}
	reason := fmt.Sprintf("no %s here (Debian package %s)", program, debianPackage)
	if os.Getenv(Required) != "" {
		t.Fatalf("%s, and %s is set", reason, Required)
	} else {
		t.Skipf("%s", reason)
	}
	return ""
}
