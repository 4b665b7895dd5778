package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/netns"
)

// A lab that is up says who is there and how to get in, until it is
// interrupted, and then leaves nothing behind.
func TestLabUp(t *testing.T) {
	n, err := netns.New("")
	if errors.Is(err, netns.ErrNotPermitted) || errors.Is(err, netns.ErrUnsupported) {
		t.Skip(err)
	}
	if err := errors.Join(err, n.Close()); err != nil {
		t.Fatal(err)
	}
	src, err := lab.Source("nvgre-move")
	if err != nil {
		t.Fatal(err)
	}
	// Names of the machine's namespaces that no other run has.
	pid := fmt.Sprint(os.Getpid())
	src = []byte(strings.NewReplacer("leaf-", "leaf"+pid+"-", "spine", "spine"+pid, "vm", "vm"+pid+"-").Replace(string(src)))
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, src, 0o600); err != nil {
		t.Fatal(err)
	}

	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	r, w := io.Pipe()
	var stderr bytes.Buffer
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, []string{"lab", "up", file, "-o", "json", "--metrics", "127.0.0.1:0"}, strings.NewReader(""), w, &stderr)
		w.Close()
	}()
	var up upReport
	if err := json.NewDecoder(r).Decode(&up); err != nil {
		t.Fatalf("%v, status %d: %s", err, <-status, stderr.String())
	}
	go io.Copy(io.Discard, r)
	if len(up.Hosts) != 4 || len(up.Devices) != 4 {
		t.Errorf("%d hosts, %d devices", len(up.Hosts), len(up.Devices))
	}
	var names []string
	for _, h := range up.Hosts {
		names = append(names, h.Namespace)
		if ip, err := exec.LookPath("ip"); err != nil {
			t.Log("not entered: ", err)
		} else if out, err := exec.Command(ip, "netns", "exec", h.Namespace, ip, "-br", "addr", "show", "eth0").CombinedOutput(); err != nil ||
			!strings.Contains(string(out), h.Addresses[0].String()) {
			t.Errorf("%s: %v: %s", h.Namespace, err, out)
		}
	}
	for _, d := range up.Devices {
		names = append(names, d.Namespace)
		if len(d.Interfaces) == 0 || d.P4Runtime == "" {
			t.Errorf("device %+v", d)
		}
	}
	for _, name := range names {
		if _, err := os.Stat("/run/netns/" + name); err != nil {
			t.Error(err)
		}
	}
	if m, err := http.Get(up.Metrics); err != nil {
		t.Error(err)
	} else if body, err := io.ReadAll(m.Body); errors.Join(err, m.Body.Close()) != nil || !strings.Contains(string(body), `authority="west"`) {
		t.Errorf("metrics: %v\n%s", err, body)
	}
	interrupt()
	if s := <-status; s != exitOK {
		t.Errorf("status %d: %s", s, stderr.String())
	}
	for _, name := range names {
		if _, err := os.Stat("/run/netns/" + name); err == nil {
			t.Errorf("%s is left behind", name)
		}
	}
}
