// Package wire joins the ports of devices and hosts by wires in memory, which need no root and lose nothing unless told to.
//
// All frames of a [Network] pass through one queue in the order in which they were sent, and one goroutine hands them over: a
// network that is given the same frames shows the same traffic. A receiver that sends while it is handed a frame only adds
// to the queue, so no chain of devices can lock or recurse.
//
// [Network.Settle] waits until nothing is in flight. What happens off the wires, such as a controller that thinks about a punt, is not seen by
// it; [Network.Sent] lets a caller find out whether frames were sent while it waited for such a party.
package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// End is one end of a wire: a port of a device or host.
type End struct {
	Node string
	Port uint32
}

// String returns node/port, a form that stands in YAML without quotes.
func (e End) String() string { return fmt.Sprintf("%s/%d", e.Node, e.Port) }

// ParseEnd parses the form of String. The error says what is wanted.
func ParseEnd(s string) (End, error) {
	i := strings.LastIndexByte(s, '/')
	if i <= 0 {
		return End{}, fmt.Errorf("%q is not node/port", s)
	}
	port, err := strconv.ParseUint(s[i+1:], 10, 32)
	if err != nil {
		return End{}, fmt.Errorf("%q is not node/port", s)
	}
	return End{Node: s[:i], Port: uint32(port)}, nil
}

// UnmarshalText implements [encoding.TextUnmarshaler]; see ParseEnd.
func (e *End) UnmarshalText(b []byte) error {
	p, err := ParseEnd(string(b))
	if err == nil {
		*e = p
	}
	return err
}

// MarshalText implements [encoding.TextMarshaler] with the form of String.
func (e End) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// Wire is a full-duplex link between two ends.
type Wire struct {
	Name string
	A, B End
}

// Far returns the end opposite to e, and false if e is not of this wire.
func (w Wire) Far(e End) (End, bool) {
	switch e {
	case w.A:
		return w.B, true
	case w.B:
		return w.A, true
	}
	return End{}, false
}

// Frame is a frame on a wire. Data must not be changed, and can be kept.
type Frame struct {
	Wire     string
	From, To End
	At       time.Time
	Data     []byte
	// Note says why the frame is there if no node has sent it; see Inject.
	Note string
	// Lost is set on a frame that a fault takes away: it left From and never reached To.
	Lost bool
}

// Receiver is handed the frames that arrive at a node, one at a time.
type Receiver func(port uint32, frame []byte)

// Tap sees every frame of every wire, before it is handed over.
type Tap func(Frame)

var (
	// ErrTaken reports a second wire for the same end or by the same name.
	ErrTaken = errors.New("already has a wire")
	// ErrUnknown reports a wire or end that is not in the network.
	ErrUnknown = errors.New("not in the network")
	// ErrStorm reports more frames in flight than the network holds: a loop that multiplies frames.
	ErrStorm = errors.New("more frames in flight than the network holds")
	// ErrClosed reports a network that was closed.
	ErrClosed = errors.New("network is closed")
)

// Options configure a Network. The zero value is the default.
type Options struct {
	// MaxInFlight is the number of frames that may wait at once. Further ones are lost, and Settle says so. 0: 65536.
	MaxInFlight int
	// Now stamps frames. nil: time.Now.
	Now func() time.Time
}

// Network is a set of wires and the frames on them. Its methods may be called from any goroutine, and from receivers and taps, except for Settle
// and Close.
type Network struct {
	max int
	now func() time.Time

	mu        sync.Mutex
	work      sync.Cond // the queue is not empty, or the network is closed
	wires     map[string]*link
	ends      map[End]*link
	receivers map[string]Receiver // replaced, never changed
	taps      []Tap               // appended to, never changed
	queue     []Frame
	inHand    atomic.Int64  // frames taken from the queue that have not been handed over
	active    bool          // frames wait or are being handed over
	idle      chan struct{} // closed while not active
	sent      uint64
	storm     bool
	closed    bool
	done      chan struct{}
}

// link is a wire with its faults.
type link struct {
	Wire
	faults Faults
	passed uint64
	held   []Frame
}

// New returns a network without wires. Close ends it.
func New(o Options) *Network {
	n := &Network{
		max: o.MaxInFlight, now: o.Now,
		wires: map[string]*link{}, ends: map[End]*link{}, receivers: map[string]Receiver{},
		idle: make(chan struct{}), done: make(chan struct{}),
	}
	if n.max == 0 {
		n.max = 1 << 16
	}
	if n.now == nil {
		n.now = time.Now
	}
	n.work.L = &n.mu
	close(n.idle)
	go n.run()
	return n
}

// Close stops the network. Frames in flight are lost.
func (n *Network) Close() {
	n.mu.Lock()
	n.closed = true
	n.work.Signal()
	n.mu.Unlock()
	<-n.done
}

// Attach hands frames that arrive at node to r, in place of the receiver before. Frames for a node without one end there.
func (n *Network) Attach(node string, r Receiver) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.receivers = maps.Clone(n.receivers)
	n.receivers[node] = r
}

// Connect adds a wire. The error is ErrTaken if its name or one of its ends has one.
func (n *Network) Connect(w Wire) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wires[w.Name] != nil {
		return fmt.Errorf("wire: %s %w", w.Name, ErrTaken)
	}
	for _, e := range []End{w.A, w.B} {
		if n.ends[e] != nil || w.A == w.B {
			return fmt.Errorf("wire: %s: %v %w", w.Name, e, ErrTaken)
		}
	}
	l := &link{Wire: w}
	n.wires[w.Name], n.ends[w.A], n.ends[w.B] = l, l, l
	return nil
}

// Disconnect pulls a wire. Frames that are on it still arrive.
func (n *Network) Disconnect(name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.wires[name]
	if l == nil {
		return fmt.Errorf("wire: %s %w", name, ErrUnknown)
	}
	delete(n.wires, name)
	delete(n.ends, l.A)
	delete(n.ends, l.B)
	return nil
}

// At returns the wire that is plugged into an end.
func (n *Network) At(e End) (Wire, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.ends[e]
	if l == nil {
		return Wire{}, false
	}
	return l.Wire, true
}

// Wires returns all wires, by name.
func (n *Network) Wires() []Wire {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]Wire, 0, len(n.wires))
	for _, l := range n.wires {
		all = append(all, l.Wire)
	}
	slices.SortFunc(all, func(a, b Wire) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Observe adds a tap. Taps are called in the order in which they were added.
func (n *Network) Observe(t Tap) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.taps = append(slices.Clip(n.taps), t)
}

// Send puts a copy of frame on the wire at from, towards its far end, and returns at once. The error is ErrUnknown if no wire
// is plugged in there, which a device may ignore as hardware does.
func (n *Network) Send(from End, frame []byte) error { return n.Inject(from, frame, "") }

// Inject is Send for somebody who is not the node at from. The note goes along with the frame, into captures too.
func (n *Network) Inject(from End, frame []byte, note string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return fmt.Errorf("wire: %v: %w", from, ErrClosed)
	}
	l := n.ends[from]
	if l == nil {
		return fmt.Errorf("wire: %v %w", from, ErrUnknown)
	}
	n.sent++
	if len(n.queue) >= n.max {
		n.storm = true
		return fmt.Errorf("wire: %v: %w", from, ErrStorm)
	}
	to, _ := l.Far(from)
	for _, f := range l.apply(Frame{Wire: l.Name, From: from, To: to, At: n.now(), Data: slices.Clone(frame), Note: note}) {
		n.enqueue(f)
	}
	return nil
}

// enqueue adds a frame to the queue and wakes the goroutine. The caller holds n.mu.
func (n *Network) enqueue(f Frame) {
	if !n.active {
		n.active, n.idle = true, make(chan struct{})
	}
	n.queue = append(n.queue, f)
	n.work.Signal()
}

// Sent counts the frames that were put on wires so far.
func (n *Network) Sent() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sent
}

// InFlight counts the frames that have been sent and not been dealt with by their receivers, but for those that a fault holds back.
func (n *Network) InFlight() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.queue) + int(n.inHand.Load())
}

// Settle waits until no frame is in flight and every receiver has returned. It lets frames go that a fault holds back. The error is that of the
// context, or ErrStorm if frames were lost since the last Settle because there were too many.
func (n *Network) Settle(ctx context.Context) error {
	for {
		settled, storm, idle := n.settled()
		if settled {
			if storm {
				return fmt.Errorf("wire: %w", ErrStorm)
			}
			return nil
		}
		select {
		case <-idle:
		case <-n.done:
			return fmt.Errorf("wire: %w", ErrClosed)
		case <-ctx.Done():
			return fmt.Errorf("wire: frames still in flight: %w", ctx.Err())
		}
	}
}

// settled reports whether nothing is in flight, and if so whether frames were lost since it last was. If not, idle is closed when it is time to
// ask again.
func (n *Network) settled() (settled, storm bool, idle <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.active {
		n.releaseHeld()
	}
	if n.active {
		return false, false, n.idle
	}
	storm, n.storm = n.storm, false
	return true, storm, nil
}

func (n *Network) run() {
	defer close(n.done)
	for {
		batch, receivers, taps, ok := n.take()
		if !ok {
			return
		}
		for _, f := range batch {
			for _, t := range taps {
				t(f)
			}
			if r := receivers[f.To.Node]; r != nil && !f.Lost {
				r(f.To.Port, f.Data)
			}
			n.inHand.Add(-1)
		}
	}
}

// take waits for frames and takes all that wait, so that the lock costs little.
func (n *Network) take() ([]Frame, map[string]Receiver, []Tap, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.queue) == 0 || n.closed {
		if n.active {
			n.active = false
			close(n.idle)
		}
		if n.closed {
			return nil, nil, nil, false
		}
		n.work.Wait()
	}
	batch := n.queue
	n.queue = nil
	n.inHand.Store(int64(len(batch)))
	return batch, n.receivers, n.taps, true
}
