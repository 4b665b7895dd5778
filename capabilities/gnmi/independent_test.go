package gnmi

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
)

// gnmiCLI builds gnmi_cli of openconfig/gnmi, as .ci/tools.mod pins it, from what the module cache has.
func gnmiCLI(t *testing.T) string {
	t.Helper()
	tools, err := filepath.Abs("../../.ci/tools.mod")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "gnmi_cli")
	build := exec.Command("go", "build", "-modfile="+tools, "-o", out, "github.com/openconfig/gnmi/cmd/gnmi_cli")
	build.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off")
	if text, err := build.CombinedOutput(); err != nil {
		t.Skipf("gnmi_cli cannot be built (.ci/run peers fetches what it needs): %v\n%s", err, text)
	}
	return out
}

// Others' client understands our server.
func TestIndependentClient(t *testing.T) {
	cli := gnmiCLI(t)
	s := oneDevice(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	gpb.RegisterGNMIServer(g, s)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	command := func(args ...string) *exec.Cmd {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		t.Cleanup(cancel)
		return exec.CommandContext(ctx, cli, append([]string{"-a", l.Addr().String(), "-insecure", "-logtostderr"}, args...)...)
	}
	const role = `elem: <name: "nve-capabilities"> elem: <name: "state"> elem: <name: "role">`
	for _, tc := range []struct {
		name  string
		args  []string
		fails bool
		want  []string
	}{
		{"capabilities", []string{"-capabilities"}, false, []string{`"keyway-nve-capabilities"`, `"1.0.0"`, "JSON_IETF", "PROTO"}},
		{"get", []string{"-get", "-proto", `path: <` + role + `> encoding: JSON_IETF`}, false, []string{`json_ietf_val:  "\"OFFLOAD\""`}},
		{"get in its default encoding", []string{"-get", "-proto", `path: <` + role + `>`}, false, []string{`json_val:  "\"OFFLOAD\""`}},
		{"get what is not there", []string{"-get", "-proto", `path: <elem: <name: "interfaces">>`}, true, []string{"Unimplemented", "/interfaces: no such node in the model"}},
		{"set", []string{"-set", "-proto", `delete: <` + role + `>`}, true, []string{"PermissionDenied", "cannot be written"}},
		{"once", []string{"-t", "nic", "-q", "/nve-capabilities/directions/direction[direction=RECEIVE]/limits", "-dt", "s"}, false, []string{"nic/nve-capabilities/directions/direction/RECEIVE/limits/limit/ANY/state/max-bytes, {Deprecated TypedValue_JsonVal 48}"}},
		{"once of an unknown target", []string{"-t", "other", "-q", "/"}, true, []string{"NotFound", "no such target"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, err := command(tc.args...).CombinedOutput()
			if (err != nil) != tc.fails {
				t.Errorf("%v\n%s", err, out)
			}
			for _, want := range tc.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("%q is not in:\n%s", want, out)
				}
			}
		})
	}
	t.Run("streaming", func(t *testing.T) {
		cmd := command("-t", "nic", "-q", "/nve-capabilities/directions/direction[direction=RECEIVE]/limits", "-qt", "streaming", "-dt", "s")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}()
		lines := bufio.NewScanner(stdout)
		until := func(want string) {
			for lines.Scan() {
				if strings.Contains(lines.Text(), want) {
					return
				}
			}
			t.Fatalf("no %q\n%s", want, stderr.String())
		}
		until("/state/max-bytes, {Deprecated TypedValue_JsonVal 48}")
		put(t, s, 44, 0)
		until("/state/max-bytes, {Deprecated TypedValue_JsonVal 44}")
	})
}
