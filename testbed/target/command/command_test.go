package command

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/packet"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/testbed/peer"
)

func TestParse(t *testing.T) {
	dir := t.TempDir()
	o, err := parse(strings.Fields("-i 0@veth0 --interface 1@veth2 -i2@veth4 --thrift-port 9090 --nanolog ipc:///tmp/x --device-id 5 " +
		"--log-console -L debug --pcap " + dir + " --no-p4 -- --cpu-port 255 --drop-port 510 --grpc-server-addr 127.0.0.1:50051 " +
		"--dp-grpc-server-addr 127.0.0.1:50052 --priority-queues 8 --disable-swap"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]attachment{{0, "veth0"}, {1, "veth2"}, {2, "veth4"}}, o.ports, cmp.AllowUnexported(attachment{})); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	got := []any{o.deviceID, o.logConsole, o.logLevel, o.pcap, o.noP4, o.json, o.cpuPort, o.dropPort, o.grpcAddress, o.dataplaneAddress, o.priorityQueues}
	want := []any{uint64(5), true, "debug", dir, true, "", uint32(255), uint32(510), "127.0.0.1:50051", "127.0.0.1:50052", uint(8)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"--nanolog", "--thrift-port", "--disable-swap"}, o.ignored); diff != "" {
		t.Errorf("ignored (-want +got):\n%s", diff)
	}
}

// What bmv2 does where its options are left out.
func TestDefaults(t *testing.T) {
	o, err := parse([]string{"--no-p4"})
	if err != nil {
		t.Fatal(err)
	}
	if o.grpcAddress != "0.0.0.0:9559" || o.deviceID != 0 || o.cpuPort != 0 || o.dropPort != 511 || o.pcap != "" {
		t.Errorf("%+v", o)
	}
}

func TestForms(t *testing.T) {
	for _, c := range []struct {
		name, line string
		check      func(*options) bool
	}{
		{"json", "x.json", func(o *options) bool { return o.json == "x.json" }},
		{"json before target options", "x.json -- --cpu-port 64", func(o *options) bool { return o.json == "x.json" && o.cpuPort == 64 }},
		{"json with --no-p4 is ignored", "--no-p4 x.json", func(o *options) bool { return o.json == "" && slices.Contains(o.ignored, "x.json") }},
		{"pcap without directory", "--pcap x.json", func(o *options) bool { return o.pcap == "." && o.json == "x.json" }},
		{"pcap with =", "--pcap=. x.json", func(o *options) bool { return o.pcap == "." && o.json == "x.json" }},
		{"a prefix of an option", "--log-c --device 3 x.json -- --cpu 64", func(o *options) bool { return o.logConsole && o.deviceID == 3 && o.cpuPort == 64 }},
		{"version needs no file", "--version", func(o *options) bool { return o.version }},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := parse(strings.Fields(c.line))
			if err != nil || !c.check(o) {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

func TestBadLines(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{"nothing", "", "specify a JSON file"},
		{"unknown option", "--no-p4 --bogus", "unknown flag"},
		{"unknown target option", "--no-p4 -- --bogus", "target options: unknown flag"},
		{"target option in front", "--no-p4 --cpu-port 64", "unknown flag"},
		{"ambiguous prefix", "--no-p4 --log console", "unknown flag"},
		{"interface without name", "--no-p4 -i 1@", "not PORT@IFACE"},
		{"interface without port", "--no-p4 -i veth0", "not PORT@IFACE"},
		{"port twice", "--no-p4 -i 1@a -i 1@b", "two interfaces"},
		{"CPU port as data port", "--no-p4 -i 64@a -- --cpu-port 64", "used as a data port"},
		{"CPU port 0", "--no-p4 -- --cpu-port 0", "no valid CPU port"},
		{"CPU port is the drop port", "--no-p4 -- --cpu-port 511", "both CPU port and drop port"},
		{"two logs", "--no-p4 --log-console --log-file x", "exclusive"},
		{"log level", "--no-p4 -L loud", "log-level"},
		{"pcap directory", "--no-p4 --pcap=/no/such/place", "--pcap"},
		{"TLS without key", "--no-p4 -- --grpc-server-ssl", "--grpc-server-key"},
		{"a profile and no gNMI", "--no-p4 -- --gnmi-profile cisco-vic", "--gnmi-server-addr"},
		{"use-files", "--no-p4 --use-files 5", "not supported"},
		{"two files", "a.json b.json", "unexpected argument"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parse(strings.Fields(c.line)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want ...%s...", err, c.want)
			}
		})
	}
	_, err := parse(strings.Fields("-i x -L loud -- --cpu-port 0"))
	for _, want := range []string{"JSON file", "PORT@IFACE", "log-level", "CPU port"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

// started runs the command in the background and returns the addresses on which
// its services listen: "Server" is P4Runtime's, "Packet service" and "gNMI" are
// the others that the arguments ask for.
func started(t *testing.T, args ...string) map[string]string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	c := NewCommand(w, os.Stderr)
	c.SetArgs(args)
	done := make(chan error, 1)
	go func() {
		err := c.ExecuteContext(ctx)
		w.CloseWithError(err)
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		go io.Copy(io.Discard, r)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	address := regexp.MustCompile(`^(Server|Packet service|gNMI) listening on (.*)$`)
	want := 1
	for _, flag := range []string{"--dp-grpc-server-addr", "--gnmi-server-addr"} {
		if slices.Contains(args, flag) {
			want++
		}
	}
	addresses := make(map[string]string)
	in := bufio.NewScanner(r)
	for len(addresses) < want && in.Scan() {
		if m := address.FindStringSubmatch(in.Text()); m != nil {
			addresses[m[1]] = m[2]
		}
	}
	if len(addresses) < want {
		t.Fatal("the command ended early: ", in.Err())
	}
	go io.Copy(io.Discard, r)
	return addresses
}

func TestRun(t *testing.T) {
	addresses := started(t, "--no-p4", "--device-id", "4", "--thrift-port", "9090", "--",
		"--grpc-server-addr", "127.0.0.1:0", "--dp-grpc-server-addr", "127.0.0.1:0", "--cpu-port", "510",
		"--gnmi-server-addr", "127.0.0.1:0", "--gnmi-name", "leaf", "--gnmi-profile", "cisco-vic")
	conn, err := grpc.NewClient(addresses["Server"], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r, err := p4v1.NewP4RuntimeClient(conn).Capabilities(t.Context(), &p4v1.CapabilitiesRequest{DeviceId: 4})
	if err != nil || r.GetP4RuntimeApiVersion() != "1.5.0" {
		t.Errorf("%v, %v", r, err)
	}
	client, err := gnmi.Dial(addresses["gNMI"], gnmi.ClientOptions{Target: "leaf"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	// Without a program it does not say what it can do, which is another matter
	// than not to be able to.
	if _, err := client.Ask(t.Context()); !errors.Is(err, gnmi.ErrUntold) || !strings.Contains(err.Error(), "says nothing of it") {
		t.Errorf("gNMI: %v", err)
	}
}

func TestHelpAndVersion(t *testing.T) {
	for arg, want := range map[string]string{
		"--help":         "--dp-grpc-server-addr",
		"-h":             "Target options",
		"--version":      Version,
		"--json-version": JSONVersion,
	} {
		var out strings.Builder
		c := NewCommand(&out, io.Discard)
		c.SetArgs([]string{arg})
		if err := c.Execute(); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v, %s", arg, err, out.String())
		}
	}
}

// veth makes a pair of interfaces, or skips the test.
func veth(t *testing.T, a, b string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("interfaces need root")
	}
	ip := peer.Require(t, "ip", "iproute2")
	if out, err := exec.Command(ip, "link", "add", a, "type", "veth", "peer", "name", b).CombinedOutput(); err != nil {
		t.Skipf("no veth interfaces here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(ip, "link", "del", a).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	for _, name := range []string{a, b} {
		if out, err := exec.Command(ip, "link", "set", name, "up").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// A frame that enters by one interface and is reflected comes back there, with
// its VLAN tag, and both ways are captured.
func TestInterfaces(t *testing.T) {
	inner, outer := fmt.Sprintf("kw%da", os.Getpid()), fmt.Sprintf("kw%db", os.Getpid())
	veth(t, inner, outer)
	dir := t.TempDir()
	started(t, "--pcap", dir, "-i", "1@"+inner, "../testdata/ports.json", "--", "--grpc-server-addr", "127.0.0.1:0")
	ifi, err := net.InterfaceByName(outer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := packet.Listen(ifi, packet.Raw, 0x0003, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	frame := append([]byte{0, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x81, 0x00, 0, 42, 0x88, 0xb5}, "keyway, tagged"...)
	// A new interface drops frames for a moment after it is up, and the
	// kernel's own traffic may come first.
	back := func() bool {
		if _, err := c.WriteTo(frame, &packet.Addr{HardwareAddr: frame[:6]}); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 2000)
		for {
			n, _, err := c.ReadFrom(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return false
			}
			if err != nil {
				t.Fatal(err)
			}
			// The tag is beside what this socket reads.
			if strings.HasSuffix(string(buf[:n]), "keyway, tagged") {
				return true
			}
		}
	}
	for end := time.Now().Add(20 * time.Second); !back(); {
		if time.Now().After(end) {
			t.Fatal("the frame does not come back")
		}
	}
	for _, name := range []string{inner + "_in.pcap", inner + "_out.pcap"} {
		if !slices.Contains(pcapFrames(t, filepath.Join(dir, name)), string(frame)) {
			t.Errorf("%s does not have the frame", name)
		}
	}
}

// pcapFrames reads a classic pcap file.
func pcapFrames(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 24 || binary.LittleEndian.Uint32(b) != 0xa1b2c3d4 || binary.LittleEndian.Uint32(b[20:]) != 1 {
		t.Fatalf("%s is no pcap file of Ethernet: %x", path, b[:min(24, len(b))])
	}
	var out []string
	for b = b[24:]; len(b) >= 16; {
		n := int(binary.LittleEndian.Uint32(b[8:]))
		out = append(out, string(b[16:16+n]))
		b = b[16+n:]
	}
	return out
}
