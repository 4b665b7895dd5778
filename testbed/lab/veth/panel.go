// Package veth puts a lab on real interfaces: each device and each host has a network namespace, and each of its ports is one end of a veth pair. The
// other ends are in one more namespace, the patch panel, where this process has an AF_PACKET socket on each.
//
// So a wire of the lab is two veth pairs with the lab's wire in memory between them. One pair a wire would be half the work for the
// kernel, but then the kernel would be the wire: what crosses it could be watched, yet not in one order with the other wires, faults would be
// netem's, which does not count frames, and an endpoint that moves would lose what is under way. Between two pairs all that is as it is in memory, and
// the same scenario has the same outcome.
//
// In a lab that is run, the hosts are the lab's own, on sockets of their namespaces, and the kernel has no address there and is silent. In a lab that is
// kept up for others, the kernel is the host. Its interface is untagged: where the endpoint has a VLAN, the panel adds and removes the
// tag, as an access port does.
package veth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/keyway-nve/keyway/testbed/afpacket"
	"github.com/keyway-nve/keyway/testbed/netns"
)

// MTU is of all interfaces but those of hosts that are not the lab's own: some more than the underlay's 9000 bytes, which the NVEs see to.
const MTU = 9216

// frameSize is the longest frame: an IP packet, an Ethernet header, two tags.
const frameSize = MTU + 14 + 8

// Options configure a Panel. The zero value is the default.
type Options struct {
	// Prefix, in front of a node's name, names its namespace. Empty: namespaces have no names, and end with this process.
	Prefix string
	// UnderlayMTU is the longest IP packet of the underlay, from which the MTU of hosts that are not the lab's own follows. 0: 9000.
	UnderlayMTU int
	Log         *slog.Logger // nil: discarded
}

// Panel is where all wires of a lab come together. Its methods may be called by several goroutines at once.
type Panel struct {
	o       Options
	own     *netns.Namespace
	running sync.WaitGroup

	mu      sync.Mutex
	nodes   map[string]*netns.Namespace
	devices map[string][]uint32 // their ports
	guests  []Guest
	plugs   int
	conns   []*afpacket.Conn
}

// NewPanel returns a panel that nothing is plugged into. The error is [netns.ErrNotPermitted] or [netns.ErrUnsupported] where there can be none.
func NewPanel(o Options) (*Panel, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.UnderlayMTU == 0 {
		o.UnderlayMTU = 9000
	}
	own, err := netns.New("")
	if err != nil {
		return nil, err
	}
	return &Panel{o: o, own: own, nodes: map[string]*netns.Namespace{}, devices: map[string][]uint32{}}, nil
}

// Close unplugs everything and lets all namespaces go.
func (p *Panel) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, c := range p.conns {
		errs = append(errs, c.Close())
	}
	p.conns = nil
	p.running.Wait()
	for _, n := range p.nodes {
		errs = append(errs, n.Close())
	}
	clear(p.nodes)
	return errors.Join(append(errs, p.own.Close())...)
}

// Namespace returns the network namespace of a node.
func (p *Panel) Namespace(node string) (*netns.Namespace, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.nodes[node]; n != nil {
		return n, nil
	}
	name := ""
	if p.o.Prefix != "" {
		name = p.o.Prefix + node
	}
	n, err := netns.New(name)
	if err != nil {
		return nil, err
	}
	p.nodes[node] = n
	return n, nil
}

// Plug makes an interface of a node and plugs it into the panel. receive is given what the node sends, from one goroutine; what is
// sent on the Conn arrives at the node.
func (p *Panel) Plug(i netns.Interface, receive func(frame []byte)) (*afpacket.Conn, error) {
	p.mu.Lock()
	p.plugs++
	here := netns.Interface{Namespace: p.own, Name: fmt.Sprintf("plug%d", p.plugs), MTU: i.MTU}
	p.mu.Unlock()
	if err := netns.AddVeth(here, i); err != nil {
		return nil, err
	}
	c, err := p.open(here)
	if err != nil {
		return nil, err
	}
	p.serve(c, receive, nil)
	return c, nil
}

// open opens an interface until the panel is closed.
func (p *Panel) open(i netns.Interface) (*afpacket.Conn, error) {
	var c *afpacket.Conn
	err := i.Namespace.Do(func() (err error) {
		c, err = afpacket.Open(i.Name, afpacket.Options{MaxFrame: frameSize, Failed: func(frame []byte, err error) {
			p.o.Log.Warn("frame not sent", "namespace", i.Namespace.Name(), "interface", i.Name, "bytes", len(frame), "err", err)
		}})
		return err
	})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, c)
	return c, nil
}

// serve gives a socket's frames to receive until the panel is closed.
func (p *Panel) serve(c *afpacket.Conn, receive func(frame []byte), burst func() func()) {
	p.running.Go(func() {
		if err := c.Receive(receive, burst); err != nil {
			p.o.Log.Error("interface lost", "err", err)
		}
	})
}

const settlePoll = 50 * time.Microsecond

// Settle returns when nothing waits on any of some sockets. They are given in the order in which frames pass them, so that what one of them still
// had is seen at one behind it.
func Settle(ctx context.Context, conns ...*afpacket.Conn) error {
	for passes := 0; passes < 2; {
		quiet, err := idle(conns)
		if err != nil {
			return err
		}
		if passes++; quiet {
			continue
		}
		passes = 0
		select {
		case <-time.After(settlePoll):
		case <-ctx.Done():
			return fmt.Errorf("frames still under way between namespaces: %w", context.Cause(ctx))
		}
	}
	for _, c := range conns {
		if n, err := c.Dropped(); err != nil {
			return err
		} else if n > 0 {
			return fmt.Errorf("%d frames lost on the way to a socket, whose queue was full", n)
		}
	}
	return nil
}

func idle(conns []*afpacket.Conn) (bool, error) {
	for _, c := range conns {
		if quiet, err := c.Idle(); !quiet || err != nil {
			return false, err
		}
	}
	return true, nil
}
