package target

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// PortStats counts the frames of one port.
type PortStats struct {
	InPackets, InBytes   uint64
	OutPackets, OutBytes uint64
	// Dropped frames came or went while the port was down, or went while
	// nothing was attached.
	Dropped uint64
}

// ports are the ports of a target. A port exists when it is first used, and is
// up until it is taken down.
type ports struct {
	mu   sync.Mutex
	byNo map[uint32]*port
}

type port struct {
	down  bool
	sink  func(frame []byte)
	iface iface // that is attached, or nil
	stats PortStats
}

// iface is a network interface.
type iface interface {
	io.Closer
	// Idle reports whether no frame waits or is being handled there.
	Idle() (bool, error)
	// Cork keeps frames back until Uncork, so that they are sent together.
	Cork()
	Uncork()
}

// get returns a port. mu must be held.
func (p *ports) get(n uint32) *port {
	if p.byNo == nil {
		p.byNo = make(map[uint32]*port)
	}
	if p.byNo[n] == nil {
		p.byNo[n] = &port{}
	}
	return p.byNo[n]
}

func (p *ports) allDown() []uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []uint32
	for n, port := range p.byNo {
		if port.down {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

func (p *ports) close() error {
	p.mu.Lock()
	var closers []io.Closer
	for _, port := range p.byNo {
		if port.iface != nil {
			closers = append(closers, port.iface)
			port.sink, port.iface = nil, nil
		}
	}
	p.mu.Unlock()
	var faults []error
	for _, c := range closers {
		faults = append(faults, c.Close())
	}
	return errors.Join(faults...)
}

// cork lets all interfaces keep frames back until uncork is called.
func (p *ports) cork() (uncork func()) {
	p.mu.Lock()
	var all []iface
	for _, port := range p.byNo {
		if port.iface != nil {
			all = append(all, port.iface)
			port.iface.Cork()
		}
	}
	p.mu.Unlock()
	return func() {
		for _, i := range all {
			i.Uncork()
		}
	}
}

// in counts a frame that arrives and reports whether it may.
func (p *ports) in(n uint32, frame []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	port := p.get(n)
	if port.down {
		port.stats.Dropped++
		return false
	}
	port.stats.InPackets++
	port.stats.InBytes += uint64(len(frame))
	return true
}

// out counts a frame that leaves and returns who takes it; nil: nobody.
func (p *ports) out(n uint32, frame []byte, rest func([]byte)) func([]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	port := p.get(n)
	sink := port.sink
	if sink == nil {
		sink = rest
	}
	if port.down || sink == nil {
		port.stats.Dropped++
		return nil
	}
	port.stats.OutPackets++
	port.stats.OutBytes += uint64(len(frame))
	return sink
}

// AttachPort gives a port to sink, which takes the frames that leave on it. A
// frame is valid during the call only. The CPU port, and a port that has a
// sink already, are refused.
func (t *Target) AttachPort(n uint32, sink func(frame []byte)) error {
	return t.attach(n, sink, nil)
}

func (t *Target) attach(n uint32, sink func(frame []byte), i iface) error {
	if t.opts.CPUPort != 0 && n == t.opts.CPUPort {
		return fmt.Errorf("port %d is the CPU port", n)
	}
	t.ports.mu.Lock()
	defer t.ports.mu.Unlock()
	port := t.ports.get(n)
	if port.sink != nil {
		return fmt.Errorf("port %d is attached already", n)
	}
	port.sink, port.iface = sink, i
	return nil
}

// DetachPort takes a port back.
func (t *Target) DetachPort(n uint32) {
	t.ports.mu.Lock()
	defer t.ports.mu.Unlock()
	port := t.ports.get(n)
	port.sink, port.iface = nil, nil
}

// Inject runs a frame that arrives on a port. What it causes has left when
// Inject returns. The frame is not kept.
func (t *Target) Inject(n uint32, frame []byte) {
	t.inject(n, frame, 0)
}

func (t *Target) inject(n uint32, frame []byte, id uint64) {
	if !t.ports.in(n, frame) {
		return
	}
	if t.opts.Dump != nil {
		t.opts.Dump("in", n, frame)
	}
	t.process(n, frame, id)
}

// SetPort takes a port up or down. A port that is down passes no frame either
// way, and the server moves to backup replicas and other members of groups.
func (t *Target) SetPort(n uint32, up bool) error {
	t.ports.mu.Lock()
	t.ports.get(n).down = !up
	t.ports.mu.Unlock()
	return t.current().SetPort(n, up)
}

// Idle reports whether no frame waits at the network interfaces that are
// attached, and none that came from there is being processed.
func (t *Target) Idle() (bool, error) {
	t.ports.mu.Lock()
	defer t.ports.mu.Unlock()
	for _, port := range t.ports.byNo {
		if port.iface == nil {
			continue
		}
		if idle, err := port.iface.Idle(); !idle || err != nil {
			return false, err
		}
	}
	return true, nil
}

// PortUp reports whether a port is up.
func (t *Target) PortUp(n uint32) bool {
	t.ports.mu.Lock()
	defer t.ports.mu.Unlock()
	return !t.ports.get(n).down
}

// PortStats returns the counters of a port.
func (t *Target) PortStats(n uint32) PortStats {
	t.ports.mu.Lock()
	defer t.ports.mu.Unlock()
	return t.ports.get(n).stats
}

// process runs a frame. id is what bmv2's packet service calls it, 0 for a
// frame that comes from elsewhere.
//
// The engine does not say which frame caused which. So where there is a packet
// service, which has to say it, frames take turns, and what leaves waits until
// the turn is over: it may come back to this very target.
func (t *Target) process(n uint32, frame []byte, id uint64) {
	if t.opts.DataplaneAddress == "" {
		t.current().Process(n, frame)
		return
	}
	t.stream.turn.Lock()
	t.current().Process(n, frame)
	out := t.stream.out
	t.stream.out = nil
	t.stream.turn.Unlock()
	for _, f := range out {
		t.transmit(f.port, f.frame, id)
	}
}

// output takes what leaves the engine.
func (t *Target) output(n uint32, frame []byte) {
	if t.opts.DataplaneAddress == "" {
		t.transmit(n, frame, 0)
		return
	}
	t.stream.out = append(t.stream.out, leaving{n, bytes.Clone(frame)})
}

func (t *Target) transmit(n uint32, frame []byte, id uint64) {
	if sink := t.ports.out(n, frame, t.rest(n, id)); sink != nil {
		if t.opts.Dump != nil {
			t.opts.Dump("out", n, frame)
		}
		sink(frame)
	}
}

// rest returns what takes the frames of a port to which nothing is attached.
func (t *Target) rest(n uint32, id uint64) func([]byte) {
	if t.opts.DataplaneAddress != "" {
		return func(frame []byte) {
			if !t.stream.send(t.opts.DeviceID, n, frame, id) && t.opts.Output != nil {
				t.opts.Output(n, frame)
			}
		}
	}
	if t.opts.Output != nil {
		return func(frame []byte) { t.opts.Output(n, frame) }
	}
	return nil
}
