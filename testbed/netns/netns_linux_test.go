package netns_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/testbed/netns"
)

func namespace(t *testing.T, name string) *netns.Namespace {
	t.Helper()
	n, err := netns.New(name)
	if errors.Is(err, netns.ErrNotPermitted) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// name is one that no other test run has.
func name(what string) string { return fmt.Sprintf("kwtest-%d-%s", os.Getpid(), what) }

// Two namespaces talk TCP over a veth pair, by the addresses that they were given.
func TestVeth(t *testing.T) {
	for _, tt := range []struct {
		name string
		a, b string
	}{
		{"IPv4", "172.16.0.1", "10.9.8.7"},
		{"IPv6", "2001:db8::1", "2001:db8:ffff::2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := namespace(t, ""), namespace(t, "")
			mac := ethernet.MAC{2, 0, 0, 0, 0, 1}
			if err := netns.AddVeth(netns.Interface{Namespace: a, Name: "eth0", MAC: mac, MTU: 1400}, netns.Interface{Namespace: b, Name: "eth0", MTU: 1400}); err != nil {
				t.Fatal(err)
			}
			for _, end := range []struct {
				n       *netns.Namespace
				address string
			}{{a, tt.a}, {b, tt.b}} {
				if err := end.n.AddAddress("eth0", netip.MustParseAddr(end.address)); err != nil {
					t.Fatal(err)
				}
			}
			if err := a.Do(func() error {
				ifi, err := net.InterfaceByName("eth0")
				if err == nil && (ifi.MTU != 1400 || ifi.HardwareAddr.String() != mac.String()) {
					t.Errorf("interface %+v", ifi)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			var l net.Listener
			if err := b.Do(func() (err error) {
				l, err = net.Listen("tcp", net.JoinHostPort(tt.b, "0"))
				return err
			}); err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if err := a.Do(func() error {
				c, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					return err
				}
				return c.Close()
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is wrong is said in the kernel's words.
func TestRefused(t *testing.T) {
	n := namespace(t, "")
	end := func(name string) netns.Interface { return netns.Interface{Namespace: n, Name: name, MTU: 1500} }
	if err := netns.AddVeth(end("a"), end("b")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		err        error
	}{
		{"a name twice", "veth a to c: file exists", netns.AddVeth(end("a"), end("c"))},
		{"a name that is too long", "veth a-long-interface-name to d: numerical result out of range", netns.AddVeth(end("a-long-interface-name"), end("d"))},
		{"an address for nothing", "address 10.0.0.1 on x: Link not found", n.AddAddress("x", netip.MustParseAddr("10.0.0.1"))},
	} {
		if tt.err == nil || !strings.HasPrefix(tt.err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, tt.err, tt.want)
		}
	}
}

// A name is what "ip netns exec" wants, belongs to one process, and goes with the namespace.
func TestName(t *testing.T) {
	called := name("one")
	n := namespace(t, called)
	if _, err := netns.New(called); !errors.Is(err, netns.ErrHeld) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("a second one: %v", err)
	}
	if ip, err := exec.LookPath("ip"); err != nil {
		t.Log("not entered: ", err)
	} else if out, err := exec.Command(ip, "netns", "exec", called, "ip", "-br", "link").CombinedOutput(); err != nil || strings.Count(string(out), "\n") != 1 {
		t.Errorf("ip netns exec: %v: %s", err, out)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"/run/netns/" + called, "/run/keyway/netns/" + called} {
		if _, err := os.Lstat(file); err == nil {
			t.Errorf("%s is left behind", file)
		}
	}
}

// What a process that was killed has left is removed by the next one, but nothing of others.
func TestLeftBehind(t *testing.T) {
	namespace(t, "") // may we?
	dead, strange, held := name("dead"), name("strange"), name("held")
	for _, dir := range []string{"/run/netns", "/run/keyway/netns"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"/run/netns/" + dead, "/run/keyway/netns/" + dead, "/run/netns/" + strange} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Remove("/run/netns/" + strange) })
	namespace(t, held)
	namespace(t, name("next"))
	for file, want := range map[string]bool{
		"/run/netns/" + dead: false, "/run/keyway/netns/" + dead: false, "/run/netns/" + strange: true, "/run/netns/" + held: true,
	} {
		if _, err := os.Lstat(file); (err == nil) != want {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := netns.New(strange); !errors.Is(err, netns.ErrHeld) || !strings.Contains(err.Error(), "ip netns delete") {
		t.Errorf("a name of somebody else: %v", err)
	}
	if _, err := os.Lstat("/run/netns/" + strange); err != nil {
		t.Errorf("somebody else's namespace: %v", err)
	}
}

// A command sees the namespace's interfaces, in /sys too.
func TestRun(t *testing.T) {
	n := namespace(t, "")
	var out strings.Builder
	cmd := exec.Command("ls", "/sys/class/net")
	cmd.Stdout = &out
	done := make(chan error)
	if err := n.Run(cmd, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || out.String() != "lo\n" {
		t.Errorf("%v: %q", err, out.String())
	}
	if err := n.Run(exec.Command("/nonexistent"), nil); err == nil {
		t.Error("a program that does not exist was started")
	}
}
