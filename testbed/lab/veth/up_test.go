package veth_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/embedded"
	"github.com/keyway-nve/keyway/testbed/lab/veth"
)

// up keeps a lab up, with the kernel's hosts, until the test ends or down is called.
func up(t testing.TB, name string, o lab.Options) (p *veth.Panel, down func()) {
	t.Helper()
	l, err := lab.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	p = panel(t, veth.Options{})
	o.Hosts = p
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- lab.Up(ctx, l, &veth.World{World: &embedded.World{}, Panel: p}, o, func() error {
			close(ready)
			return nil
		})
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	stopped := false
	down = func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(down)
	return p, down
}

// in runs f in a host's namespace.
func in(t testing.TB, p *veth.Panel, host string, f func() error) {
	t.Helper()
	ns, err := p.Namespace(host)
	if err == nil {
		err = ns.Do(f)
	}
	if err != nil {
		t.Fatalf("%s: %v", host, err)
	}
}

func hosts(p *veth.Panel) map[string]veth.Guest {
	all := map[string]veth.Guest{}
	for _, g := range p.Guests() {
		all[g.Endpoint] = g
	}
	return all
}

// Kernels are the hosts. They find each other by their own ARP and Neighbor
// Discovery, answer each other's echo requests and hold TCP connections, through
// the P4 programs: untagged and tagged, over Geneve and NVGRE, over IPv4 and IPv6.
func TestKernelHosts(t *testing.T) {
	for _, tt := range []struct {
		lab      string
		pings    [][2]string
		from, to string // of a TCP connection
		wire     string // that it crosses
		underlay uint16 // EtherType
	}{
		{"geneve-options", [][2]string{{"vm-leaf", "vm-dpu"}, {"vm-nic", "vm-leaf"}}, "vm-leaf", "vm-dpu", "dpu-spine", 0x0800}, // vm-dpu is tagged
		{"nvgre-move", [][2]string{{"vm1", "vm2"}}, "vm2", "vm1", "b-spine", 0x0800},
		{"ipv6-underlay", [][2]string{{"db1", "db2"}, {"web1", "web2"}}, "web1", "web2", "b-spine", 0x86dd},
	} {
		t.Run(tt.lab, func(t *testing.T) {
			dir := t.TempDir()
			p, down := up(t, tt.lab, lab.Options{PcapDir: dir})
			all := hosts(p)
			for _, pair := range tt.pings {
				for _, dst := range all[pair[1]].Addresses {
					in(t, p, pair[0], func() error { return echo(dst) })
				}
			}
			if tt.lab == "geneve-options" {
				pingMTU(t, p, all["vm-leaf"], all["vm-dpu"].Addresses[0])
			}
			for _, dst := range all[tt.to].Addresses {
				transfer(t, p, tt.from, tt.to, dst)
			}
			down()
			// Full segments, which the underlay carries whole.
			longest := longestPacket(t, filepath.Join(dir, tt.lab, tt.wire+".pcapng"), tt.underlay)
			if longest > 9000 || longest < 8900 {
				t.Errorf("the longest packet of the underlay has %d bytes, its MTU is 9000", longest)
			}
		})
	}
}

// echo sends echo requests by a raw socket until one is answered.
func echo(dst netip.Addr) error {
	network, request, reply := "ip4:icmp", byte(8), byte(0)
	if dst.Is6() {
		network, request, reply = "ip6:ipv6-icmp", 128, 129
	}
	c, err := net.ListenPacket(network, "")
	if err != nil {
		return err
	}
	defer c.Close()
	message := append([]byte{request, 0, 0, 0, 0x4b, 0x57, 0, 1}, "keyway"...)
	if dst.Is4() { // for ICMPv6 it is the kernel's business
		var sum uint32
		for i := 0; i < len(message); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(message[i:]))
		}
		binary.BigEndian.PutUint16(message[2:], ^uint16(sum+sum>>16))
	}
	buf := make([]byte, 1500)
	for range 20 {
		if _, err := c.WriteTo(message, &net.IPAddr{IP: dst.AsSlice()}); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		for {
			n, from, err := c.ReadFrom(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return err
			}
			if from.String() == dst.String() && n == len(message) && buf[0] == reply && bytes.Equal(buf[4:n], message[4:]) {
				return nil
			}
		}
	}
	return errors.New("no answer from " + dst.String())
}

// pingMTU finds with ping(8), as a user would, that the MTU is what the host's
// interface says.
func pingMTU(t *testing.T, p *veth.Panel, from veth.Guest, dst netip.Addr) {
	t.Helper()
	ping, err := exec.LookPath("ping")
	if err != nil {
		t.Log("not tried: ", err)
		return
	}
	ns, err := p.Namespace(from.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]string{from.MTU: " 0% packet loss", from.MTU + 1: "message too long"} {
		const headers = 20 + 8
		cmd := exec.Command(ping, "-n", "-c", "1", "-W", "10", "-M", "do", "-s", strconv.Itoa(size-headers), dst.String())
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		ended := make(chan error, 1)
		if err := ns.Run(cmd, func(err error) { ended <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !strings.Contains(strings.ToLower(out.String()), want) {
			t.Errorf("%d bytes: %v\n%s", size, err, out.String())
		}
	}
}

// transfer sends data both ways over one connection.
func transfer(t *testing.T, p *veth.Panel, from, to string, dst netip.Addr) {
	t.Helper()
	data := bytes.Repeat([]byte("keyway: a slot that a key fits. "), 1<<15)
	var l net.Listener
	in(t, p, to, func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(dst, 0).String())
		return err
	})
	defer l.Close()
	echoed := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = io.Copy(c, c)
			err = errors.Join(err, c.Close())
		}
		echoed <- err
	}()
	var c net.Conn
	in(t, p, from, func() (err error) {
		c, err = net.DialTimeout("tcp", l.Addr().String(), 20*time.Second)
		return err
	})
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	start := time.Now()
	go func() {
		_, err := c.Write(data)
		sent <- errors.Join(err, c.(*net.TCPConn).CloseWrite())
	}()
	got, err := io.ReadAll(c)
	if err := errors.Join(err, <-sent, <-echoed); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes came back, not the %d that were sent", len(got), len(data))
	}
	t.Logf("%d bytes to %v and back in %v", len(data), dst, time.Since(start))
}

// longestPacket returns the length of the longest IP packet in a capture, of which there must be some of one EtherType.
func longestPacket(t *testing.T, file string, etherType uint16) (longest int) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for {
		frame, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return longest
		}
		if err != nil {
			t.Fatal(err)
		}
		if binary.BigEndian.Uint16(frame[12:]) == etherType {
			longest = max(longest, len(frame)-14)
		}
	}
}
