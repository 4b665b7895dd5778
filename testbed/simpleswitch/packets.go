package simpleswitch

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyway-nve/keyway/proto/bm"
)

// window is how many frames may be on their way at once. A frame has a few
// replicas at most, for all of which a port's queue has room.
const window = 8

// injected is the id of the frames that come from here. What leaves without it
// came by packet-out.
const injected = 1

// open opens the packet stream.
func (s *Switch) open() error {
	stream, err := bm.NewDataplaneInterfaceClient(s.conn).PacketStream(s.ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stream = stream
	return nil
}

// receive takes what leaves, until the process ends.
func (s *Switch) receive() {
	for s.ctx.Err() == nil {
		resp, err := s.stream.Recv()
		switch {
		case err == nil:
			s.leave(resp)
		case status.Code(err) == codes.Unavailable || status.Code(err) == codes.ResourceExhausted:
			// The packet service answers a moment before it takes packets. If it
			// does not answer any more, the process has ended or is about to.
			time.Sleep(time.Millisecond)
			if err := s.open(); err != nil {
				s.o.Log.Debug("packet stream", "device", s.o.DeviceID, "err", err)
			}
		default:
			s.cancel(err)
		}
	}
}

func (s *Switch) leave(resp *bm.PacketStreamResponse) {
	if s.barrier.passed(resp.GetPacket()) {
		return
	}
	if s.o.Output != nil {
		s.o.Output(resp.GetPort(), resp.GetPacket())
	}
	if resp.GetId() == 0 {
		s.emitted.Add(1)
	}
}

// Emitted counts the frames that left and were not injected here: those of
// packet-outs.
func (s *Switch) Emitted() uint64 { return s.emitted.Load() }

// Inject lets a frame arrive at a port. It may wait until others have been dealt
// with. The error says why the process has ended.
func (s *Switch) Inject(port uint32, frame []byte) error {
	s.mu.Lock()
	s.since++
	full := s.since > window
	s.mu.Unlock()
	if full {
		if err := s.Settle(s.ctx); err != nil {
			return err
		}
	}
	s.send(port, frame)
	return s.Err()
}

func (s *Switch) send(port uint32, frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// If the stream has broken its receiver knows why.
	_ = s.stream.Send(&bm.PacketStreamRequest{Id: injected, DeviceId: s.o.DeviceID, Port: port, Packet: frame})
}

// egressThreads is how many of them bmv2 has; a port is served by the one of its
// number modulo this.
const egressThreads = 4

// barrierPort is the first of as many ports as there are egress threads, which
// are nobody else's: the last ones before the CPU port.
const barrierPort = 506

// resend is how long a barrier is waited for before it is sent once more, in
// case it came before the switch took packets.
const resend = 100 * time.Millisecond

// barrier is the frames by which Settle knows that all before them have passed.
type barrier struct {
	turn  sync.Mutex // held by the one who settles
	magic [8]byte    // tells them from the frames of others

	mu    sync.Mutex
	round uint64
	back  [egressThreads]bool
	done  chan struct{}
}

func (b *barrier) init() {
	_, _ = rand.Read(b.magic[:]) // never fails
}

// begin starts a round; the channel is closed when all frames are back.
func (b *barrier) begin() (round uint64, done <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.round++
	b.back, b.done = [egressThreads]bool{}, make(chan struct{})
	return b.round, b.done
}

// frame is 2 bytes of packet-out header, 8 of magic, 8 of the round and 1 of the
// thread.
func (b *barrier) frame(round uint64, thread int) []byte {
	f := binary.BigEndian.AppendUint16(nil, uint16(barrierPort+thread))
	f = append(f, b.magic[:]...)
	f = binary.BigEndian.AppendUint64(f, round)
	return append(f, byte(thread))
}

// passed reports whether a frame that has left is a barrier's.
func (b *barrier) passed(frame []byte) bool {
	if len(frame) != 17 || !bytes.Equal(frame[:8], b.magic[:]) {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if binary.BigEndian.Uint64(frame[8:]) != b.round {
		return true
	}
	b.back[frame[16]%egressThreads] = true
	for _, back := range b.back {
		if !back {
			return true
		}
	}
	if b.done != nil {
		close(b.done)
		b.done = nil
	}
	return true
}

// Settle returns when all frames that were injected before have been dealt
// with: what they cause has been given to Output or, as far as it is for the
// controller, to the P4Runtime server. There must be a program. Where frames
// come by network interfaces, these are those that the interfaces have got.
func (s *Switch) Settle(ctx context.Context) error {
	if s.o.Interfaces != nil {
		return s.asleep(ctx)
	}
	s.barrier.turn.Lock()
	defer s.barrier.turn.Unlock()
	s.mu.Lock()
	s.since = 0
	s.mu.Unlock()
	for {
		round, done := s.barrier.begin()
		for i := range egressThreads {
			s.send(s.o.CPUPort, s.barrier.frame(round, i))
		}
		select {
		case <-done:
			return nil
		case <-time.After(resend):
		case <-s.ctx.Done():
			return s.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
