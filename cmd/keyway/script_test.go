package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyway-nve/keyway/testbed/netns"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"keyway": func() {
			os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// The command line, told in testdata/script. $PORT and $PORT2 are free TCP ports, $EXAMPLES
// the directory of the questions for keyway solve. "expand FILE" puts variables'
// values into a file; "status N ARG..." runs keyway and wants exit status N. The
// condition [netns] is that network namespaces can be made.
func TestScripts(t *testing.T) {
	examples, err := filepath.Abs("../../capabilities/examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition: func(name string) (bool, error) {
			if name != "netns" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			n, err := netns.New("")
			if errors.Is(err, netns.ErrNotPermitted) || errors.Is(err, netns.ErrUnsupported) {
				t.Log("no labs in network namespaces: ", err)
				return false, nil
			}
			return err == nil, errors.Join(err, n.Close())
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("EXAMPLES", examples)
			var errs []error
			for _, name := range []string{"PORT", "PORT2"} {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return errors.Join(append(errs, err)...)
				}
				defer l.Close() // only then, so that they differ
				_, port, err := net.SplitHostPort(l.Addr().String())
				e.Setenv(name, port)
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: status N ARG...")
				}
				var exit *exec.ExitError
				have := 0
				if err := ts.Exec("keyway", args[1:]...); errors.As(err, &exit) {
					have = exit.ExitCode()
				} else {
					ts.Check(err)
				}
				if strconv.Itoa(have) != args[0] {
					ts.Fatalf("exit status %d, want %s", have, args[0])
				}
			},
			"expand": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 1 {
					ts.Fatalf("usage: expand FILE")
				}
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o600))
			},
		},
	})
}
