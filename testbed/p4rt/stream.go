package p4rt

import (
	"bytes"
	"errors"
	"io"
	"sync"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/testbed/p4rt/arbitration"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// maxQueue is how many messages wait for a client that does not read its
// stream. Beyond it packets, digests, idle notifications and errors are
// dropped, of which the specification guarantees none; arbitration never is.
const maxQueue = 4096

// client is one stream.
type client struct {
	arbitration.Client
	cut  chan struct{} // closed to end the stream from this side
	left bool          // the stream has ended; guarded by Server.turn

	mu    sync.Mutex
	queue []*p4v1.StreamMessageResponse
	ready chan struct{} // has room for one: the queue is not empty
}

func newClient() *client {
	c := &client{cut: make(chan struct{}), ready: make(chan struct{}, 1)}
	c.Deliver = c.push
	return c
}

func (c *client) push(m *p4v1.StreamMessageResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, keep := m.GetUpdate().(*p4v1.StreamMessageResponse_Arbitration); !keep && len(c.queue) >= maxQueue {
		return
	}
	c.queue = append(c.queue, m)
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

func (c *client) take() []*p4v1.StreamMessageResponse {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.queue
	c.queue = nil
	return q
}

// StreamChannel implements p4.v1.P4Runtime (sections 5 and 16).
func (s *Server) StreamChannel(stream p4v1.P4Runtime_StreamChannelServer) error {
	c := newClient()
	s.clientsMu.Lock()
	s.clients[c] = struct{}{}
	s.clientsMu.Unlock()
	defer s.leave(c)

	received := make(chan error, 1)
	go func() { received <- s.receive(c, stream) }()
	for {
		select {
		case <-c.ready:
			for _, m := range c.take() {
				if err := stream.Send(m); err != nil {
					return err
				}
			}
		case err := <-received:
			return err
		case <-c.cut:
			return refusal.RPC(refusal.New(codes.Unavailable, "the target has cut the stream"))
		}
	}
}

// leave forgets a client whose stream has ended.
func (s *Server) leave(c *client) {
	s.clientsMu.Lock()
	delete(s.clients, c)
	s.clientsMu.Unlock()
	s.turn.Lock()
	defer s.turn.Unlock()
	c.left = true
	for _, n := range s.arbiter.Leave(&c.Client) {
		n.Deliver()
	}
}

// CutStreams ends the streams of all clients.
func (s *Server) CutStreams() {
	s.clientsMu.Lock()
	defer s.clientsMu.Unlock()
	for c := range s.clients {
		close(c.cut)
		delete(s.clients, c)
	}
}

// receive handles what a client sends until its stream ends.
func (s *Server) receive(c *client, stream p4v1.P4Runtime_StreamChannelServer) error {
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch u := m.GetUpdate().(type) {
		case *p4v1.StreamMessageRequest_Arbitration:
			if err := s.arbitrate(c, u.Arbitration); err != nil {
				return refusal.RPC(err)
			}
		case *p4v1.StreamMessageRequest_Packet:
			if err := s.packetOut(c, u.Packet); err != nil {
				c.report(err, &p4v1.StreamError{Details: &p4v1.StreamError_PacketOut{
					PacketOut: &p4v1.PacketOutError{PacketOut: u.Packet}}})
			}
		case *p4v1.StreamMessageRequest_DigestAck:
			if err := s.digestAck(c, u.DigestAck); err != nil {
				c.report(err, &p4v1.StreamError{Details: &p4v1.StreamError_DigestListAck{
					DigestListAck: &p4v1.DigestListAckError{DigestListAck: u.DigestAck}}})
			}
		case *p4v1.StreamMessageRequest_Other:
			c.report(refusal.New(codes.Unimplemented, "v1model has no stream messages of its own"),
				&p4v1.StreamError{Details: &p4v1.StreamError_Other{Other: &p4v1.StreamOtherError{Other: u.Other}}})
		default:
			c.report(refusal.New(codes.InvalidArgument, "empty stream message"),
				&p4v1.StreamError{Details: &p4v1.StreamError_Other{Other: &p4v1.StreamOtherError{}}})
		}
	}
}

// report sends a StreamError (section 16.6).
func (c *client) report(err error, e *p4v1.StreamError) {
	e.CanonicalCode = int32(refusal.Code(err))
	e.Message = err.Error()
	e.Space = refusal.Space
	c.push(&p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Error{Error: e}})
}

// arbitrate carries a change of primary through, in the order of section 5.3.
func (s *Server) arbitrate(c *client, m *p4v1.MasterArbitrationUpdate) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if c.left {
		return nil
	}
	h, err := s.arbiter.Update(&c.Client, m)
	if err != nil {
		return err
	}
	for _, n := range h.Others {
		n.Deliver()
	}
	if len(h.Primary) == 0 {
		return nil
	}
	// Writes that have begun hold mu; those that come now are refused, because
	// the role has no primary until Confirm.
	s.mu.Lock()
	h.Confirm()
	s.mu.Unlock()
	for _, n := range h.Primary {
		n.Deliver()
	}
	return nil
}

// packetOut sends a packet of the controller (section 16.1): its metadata
// becomes the header in front of it, and it enters on the CPU port, as in bmv2.
func (s *Server) packetOut(c *client, m *p4v1.PacketOut) error {
	scope, primary := s.arbiter.Primary(&c.Client)
	p := s.active.Load()
	switch {
	case !primary:
		return refusal.New(codes.PermissionDenied, "only the primary may send packets")
	case scope.NoPacketOut:
		return refusal.New(codes.PermissionDenied, "the role may not send packets")
	case p == nil || p.Wire == nil:
		return refusal.New(codes.FailedPrecondition, "no forwarding-pipeline config has been set")
	case s.opts.CPUPort == 0:
		return refusal.New(codes.FailedPrecondition, "the target has no CPU port")
	}
	frame := make([]byte, 0, p.Index.PacketOut.Len()+len(m.GetPayload()))
	frame, err := p.Index.PacketOut.Pack(frame, m.GetMetadata())
	if err != nil {
		return err
	}
	s.opts.Enter(s.opts.CPUPort, append(frame, m.GetPayload()...))
	return nil
}

// output sends a frame on: on the CPU port to the controllers.
func (s *Server) output(port uint32, frame []byte) {
	if s.opts.CPUPort == 0 || port != s.opts.CPUPort {
		if s.opts.Output != nil {
			s.opts.Output(port, frame)
		}
		return
	}
	p := s.active.Load()
	if p == nil || p.Wire == nil {
		return
	}
	metadata, payload, err := p.Index.PacketIn.Unpack(frame)
	if err != nil {
		s.opts.Log.Error("packet in dropped", "err", err)
		return
	}
	m := &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Packet{
		Packet: &p4v1.PacketIn{Payload: bytes.Clone(payload), Metadata: metadata}}}
	s.arbiter.Primaries(func(c *arbitration.Client, scope arbitration.Scope) {
		if !scope.NoPacketIn {
			c.Deliver(m)
		}
	})
}

// digest sends a digest list to those that may have it.
func (s *Server) digest(l *p4v1.DigestList) {
	e := &p4v1.Entity{Entity: &p4v1.Entity_DigestEntry{DigestEntry: &p4v1.DigestEntry{DigestId: l.GetDigestId()}}}
	m := &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Digest{Digest: l}}
	s.arbiter.Primaries(func(c *arbitration.Client, scope arbitration.Scope) {
		if scope.Allows(e) {
			c.Deliver(m)
		}
	})
}

func (s *Server) digestAck(c *client, a *p4v1.DigestListAck) error {
	if _, primary := s.arbiter.Primary(&c.Client); !primary {
		return refusal.New(codes.PermissionDenied, "only the primary may acknowledge digests")
	}
	p := s.active.Load()
	if p == nil || p.Wire == nil {
		return refusal.New(codes.FailedPrecondition, "no forwarding-pipeline config has been set")
	}
	return p.AckDigest(a)
}

// Sweep sends notifications for entries that have not been hit for their time
// to live (section 16.4). It is to be called from time to time, by one
// goroutine.
func (s *Server) Sweep() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.active.Load()
	if p == nil {
		return
	}
	n := p.Sweep()
	if n == nil {
		return
	}
	s.arbiter.Primaries(func(c *arbitration.Client, scope arbitration.Scope) {
		mine := &p4v1.IdleTimeoutNotification{Timestamp: n.GetTimestamp()}
		for _, e := range n.GetTableEntry() {
			if scope.Allows(&p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: e}}) {
				mine.TableEntry = append(mine.TableEntry, e)
			}
		}
		if len(mine.TableEntry) > 0 {
			c.Deliver(&p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_IdleTimeoutNotification{
				IdleTimeoutNotification: mine}})
		}
	})
}
