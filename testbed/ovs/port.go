package ovs

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/keyway-nve/keyway/proto/ethernet"
)

// port is our end of a dummy device's socket. On it each frame has its length
// in two bytes before it.
type port struct {
	number uint32
	bridge string
	conn   net.Conn
	sent   sync.Mutex  // one frame at a time
	probes chan uint64 // that came back
}

// probeType is the EtherType of the frames by which we wait, the second that
// IEEE 802 has for local experiments.
const probeType ethernet.EtherType = 0x88b6

const probeLen = ethernet.MinFrame

// connect connects to the socket of a device.
func (s *Switch) connect(ctx context.Context, number uint32, bridge string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", s.socket(number))
	if err != nil {
		return fmt.Errorf("port %d: %w", number, err)
	}
	p := &port{number: number, bridge: bridge, conn: conn, probes: make(chan uint64, 4)}
	s.ports[number] = p
	s.running.Go(func() {
		if err := s.receive(p); s.ctx.Err() == nil {
			s.cancel(fmt.Errorf("port %d: %w", number, err))
		}
	})
	return nil
}

func (s *Switch) socket(number uint32) string { return s.file(device(number) + ".sock") }

func device(number uint32) string { return fmt.Sprintf("p%d", number) }

// receive reads frames until the socket is closed.
func (s *Switch) receive(p *port) error {
	var length [2]byte
	for {
		if _, err := io.ReadFull(p.conn, length[:]); err != nil {
			return err
		}
		frame := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(p.conn, frame); err != nil {
			return err
		}
		if n, ok := probeNumber(frame); ok {
			select {
			case p.probes <- n:
			case <-s.ctx.Done():
				return s.Err()
			}
		} else if s.o.Output != nil {
			s.o.Output(p.number, frame)
		}
	}
}

// Inject has a frame arrive at a port of the underlay or of a tenant. It must
// have an Ethernet header. What it causes leaves later: see Settle.
func (s *Switch) Inject(number uint32, frame []byte) error {
	p := s.ports[number]
	if p == nil {
		return fmt.Errorf("open vswitch has no port %d", number)
	}
	if len(frame) < ethernet.HeaderLen || len(frame) > 0xffff {
		return fmt.Errorf("port %d: a frame of %d bytes", number, len(frame))
	}
	return p.send(frame)
}

func (p *port) send(frame []byte) error {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(frame)), uint16(len(frame)))
	p.sent.Lock()
	defer p.sent.Unlock()
	_, err := p.conn.Write(append(b, frame...))
	return err
}

// Settle returns when all that the frames injected before have caused has been
// given to Output.
func (s *Switch) Settle(ctx context.Context) error {
	s.probing.Lock()
	defer s.probing.Unlock()
	if s.ctx.Err() != nil {
		return s.Err()
	}
	for range 2 {
		s.probe++
		for _, p := range s.ports {
			if err := p.send(probe(s.probe)); err != nil {
				return err
			}
		}
		for _, p := range s.ports {
			if err := s.await(ctx, p, s.probe); err != nil {
				return fmt.Errorf("port %d: %w", p.number, err)
			}
		}
	}
	return nil
}

// await waits for a probe. An earlier one was given up by another Settle.
func (s *Switch) await(ctx context.Context, p *port, want uint64) error {
	for {
		select {
		case n := <-p.probes:
			if n == want {
				return nil
			}
		case <-s.ctx.Done():
			return s.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func probe(n uint64) []byte {
	b := make([]byte, probeLen)
	binary.BigEndian.PutUint16(b[12:], uint16(probeType))
	binary.BigEndian.PutUint64(b[ethernet.HeaderLen:], n)
	return b
}

func probeNumber(b []byte) (uint64, bool) {
	if len(b) != probeLen || binary.BigEndian.Uint16(b[12:]) != uint16(probeType) {
		return 0, false
	}
	return binary.BigEndian.Uint64(b[ethernet.HeaderLen:]), true
}
