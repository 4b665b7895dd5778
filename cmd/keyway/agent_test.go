package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
)

// On SIGHUP the agent reads its profile again, and its subscribers hear of what has changed. A profile with mistakes changes nothing.
func TestAgentReads(t *testing.T) {
	src, err := capabilities.ProfileSource("cisco-vic")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "nic.yaml")
	write := func(old, new string) {
		t.Helper()
		text := bytes.Replace(src, []byte(old), []byte(new), 1)
		if bytes.Equal(text, src) != (old == new) {
			t.Fatalf("the profile has no %q", old)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("", "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	var agents sync.WaitGroup
	defer agents.Wait()
	defer cancel()
	var stdout, stderr bytes.Buffer // read once the agent has ended
	agents.Go(func() {
		if code := run(ctx, []string{"agent", "--profile", file, "--listen", address}, strings.NewReader(""), &stdout, &stderr); code != exitOK {
			t.Errorf("exit status %d", code)
		}
	})
	client, err := gnmi.Dial(address, gnmi.ClientOptions{Timeout: 20 * time.Second, MinBackoff: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	states := make(chan gnmi.State, 10)
	agents.Go(func() { _ = client.Watch(ctx, func(s gnmi.State) { states <- s }) })
	next := func() gnmi.State {
		t.Helper()
		select {
		case s := <-states:
			return s
		case <-time.After(20 * time.Second):
			t.Fatal("nothing new for 20 s")
			return gnmi.State{}
		}
	}
	hup := func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	if s := next(); s.Answer != gnmi.Supported || s.Capability.Receive.Limits.Bytes != 48 {
		t.Fatalf("have %+v", s)
	}
	write("bytes: 48", "bytes: 44")
	hup()
	if s := next(); s.Capability.Receive.Limits.Bytes != 44 {
		t.Errorf("have %+v", s)
	}
	write("bytes: 48", "bytes: 47")
	hup()
	time.Sleep(200 * time.Millisecond) // signals that come together are one
	write("bytes: 48", "bytes: 40")
	hup()
	if s := next(); s.Capability.Receive.Limits.Bytes != 40 || s.Stale {
		t.Errorf("have %+v", s)
	}
	cancel()
	agents.Wait()
	if !strings.Contains(stderr.String(), "the capability stays as it was") {
		t.Errorf("the mistake is not in the log:\n%s", stderr.String())
	}
}
