package p4rt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// stream is one StreamChannel: a goroutine that receives, and sends that are
// serialised, as gRPC demands.
type stream struct {
	s   *Session
	rpc grpc.BidiStreamingClient[p4v1.StreamMessageRequest, p4v1.StreamMessageResponse]

	arbitrations chan *p4v1.MasterArbitrationUpdate
	lost         chan error // one message: why receiving ended
	packets      chan *p4v1.PacketIn
	digests      chan *p4v1.DigestList
	idle         chan *p4v1.IdleTimeoutNotification
	gone         chan struct{}

	sending sync.Mutex
}

func (s *Session) openStream(ctx context.Context) (*stream, error) {
	rpc, err := s.p4.StreamChannel(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: opening stream: %w", s.o.Name, err)
	}
	s.n.streams.Add(1)
	st := &stream{
		s:            s,
		rpc:          rpc,
		arbitrations: make(chan *p4v1.MasterArbitrationUpdate),
		lost:         make(chan error, 1),
		packets:      make(chan *p4v1.PacketIn, s.o.Queue),
		digests:      make(chan *p4v1.DigestList, s.o.Queue),
		idle:         make(chan *p4v1.IdleTimeoutNotification, s.o.Queue),
		gone:         make(chan struct{}),
	}
	go func() {
		defer close(st.gone)
		st.lost <- st.receive(ctx)
	}()
	return st, nil
}

// wait returns when nothing of the stream is left. Its context must have ended.
func (st *stream) wait() { <-st.gone }

// receive hands out what the device sends, until the stream ends.
func (st *stream) receive(ctx context.Context) error {
	n := &st.s.n
	for {
		m, err := st.rpc.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) { // ended by the server, with OK
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("%s: stream: %w", st.s.o.Name, err)
		}
		switch u := m.GetUpdate().(type) {
		case *p4v1.StreamMessageResponse_Arbitration:
			select {
			case st.arbitrations <- u.Arbitration:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		case *p4v1.StreamMessageResponse_Packet:
			offer(st.packets, u.Packet, &n.packetsIn, &n.packetsDropped)
		case *p4v1.StreamMessageResponse_Digest:
			offer(st.digests, u.Digest, &n.digests, &n.digestsDropped)
		case *p4v1.StreamMessageResponse_IdleTimeoutNotification:
			offer(st.idle, u.IdleTimeoutNotification, &n.idle, &n.idleDropped)
		case *p4v1.StreamMessageResponse_Error:
			n.streamErrors.Add(1)
			st.s.o.Log.Warn("stream error", "code", codes.Code(u.Error.GetCanonicalCode()),
				"message", u.Error.GetMessage(), "about", about(u.Error))
		default: // architecture-specific (16.5), or newer than we are
			st.s.o.Log.Debug("stream message ignored", "type", fmt.Sprintf("%T", u))
		}
	}
}

// offer puts v into its queue, or drops it when the queue is full.
func offer[T any](queue chan<- T, v T, taken, dropped *atomic.Uint64) {
	select {
	case queue <- v:
		taken.Add(1)
	default:
		dropped.Add(1)
	}
}

// flush drops what is queued: it speaks of a pipeline that is no more.
func (st *stream) flush() {
	n := &st.s.n
	for {
		select {
		case <-st.packets:
			n.packetsDropped.Add(1)
		case <-st.digests:
			n.digestsDropped.Add(1)
		case <-st.idle:
			n.idleDropped.Add(1)
		default:
			return
		}
	}
}

// about names the kind of request that a stream error answers.
func about(e *p4v1.StreamError) string {
	switch e.GetDetails().(type) {
	case *p4v1.StreamError_PacketOut:
		return "packet out"
	case *p4v1.StreamError_DigestListAck:
		return "digest acknowledgement"
	}
	return "other"
}

func (st *stream) send(m *p4v1.StreamMessageRequest) error {
	st.sending.Lock()
	err := st.rpc.Send(m)
	st.sending.Unlock()
	if errors.Is(err, io.EOF) { // gRPC's way to say that the reason is at Recv
		err = ErrStreamLost
	}
	if err != nil {
		return fmt.Errorf("%s: stream: %w", st.s.o.Name, err)
	}
	return nil
}

// arbitrate tells the device our id for our role (5.3). Its answer arrives on
// arbitrations; a refusal ends the stream.
func (st *stream) arbitrate(id ElectionID) error {
	o := &st.s.o
	m := &p4v1.MasterArbitrationUpdate{DeviceId: o.DeviceID, ElectionId: id.proto()}
	if o.Role != "" || o.RoleConfig != nil {
		m.Role = &p4v1.Role{Name: o.Role, Config: o.RoleConfig}
	}
	err := st.send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Arbitration{Arbitration: m}})
	if errors.Is(err, ErrStreamLost) {
		return nil // receive is about to say why
	}
	return err
}

// requestFailed wraps the failure of a whole request.
func (s *Session) requestFailed(what string, err error) error {
	if status.Code(err) == codes.Unimplemented {
		return fmt.Errorf("%s: %s: %w: %w", s.o.Name, what, errors.ErrUnsupported, err)
	}
	return fmt.Errorf("%s: %s: %w", s.o.Name, what, err)
}
