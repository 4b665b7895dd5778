package p4rt

import (
	"context"
	"iter"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
)

// Ready is what a session offers during one term: what needs the primacy and
// the pipeline. Its methods may be used by several goroutines, and fail once
// the term is over.
type Ready struct {
	// Info describes the pipeline that the device runs.
	Info *p4configv1.P4Info
	// Cleared is set when this term put the pipeline in place in a way that
	// emptied the device's tables.
	Cleared bool

	s      *Session
	st     *stream
	id     ElectionID
	end    context.CancelCauseFunc
	cookie *p4v1.ForwardingPipelineConfig_Cookie // nil: the device keeps none
}

// Session returns the session whose term this is.
func (r *Ready) Session() *Session { return r.s }

// ElectionID returns the id under which we are primary.
func (r *Ready) ElectionID() ElectionID { return r.id }

// Read is Session.Read.
func (r *Ready) Read(ctx context.Context, filters ...*p4v1.Entity) iter.Seq2[*p4v1.Entity, error] {
	return r.s.Read(ctx, filters...)
}

// PacketsIn returns the queue of packets that the device punted. It is never
// closed: select on it and on the term's context.
func (r *Ready) PacketsIn() <-chan *p4v1.PacketIn { return r.st.packets }

// Digests returns the queue of digest lists. Each wants AckDigest once it has
// been dealt with. It is never closed.
func (r *Ready) Digests() <-chan *p4v1.DigestList { return r.st.digests }

// IdleTimeouts returns the queue of idle timeout notifications. The device
// repeats them while an entry stays idle. It is never closed.
func (r *Ready) IdleTimeouts() <-chan *p4v1.IdleTimeoutNotification { return r.st.idle }

// PacketOut sends a packet through the device. There is no acknowledgement: a
// packet that the device refuses is reported on the stream, if at all, and
// counted in Stats.StreamErrors.
func (r *Ready) PacketOut(p *p4v1.PacketOut) error {
	err := r.st.send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Packet{Packet: p}})
	if err == nil {
		r.s.n.packetsOut.Add(1)
	}
	return err
}

// AckDigest tells the device that l has been dealt with, so that it reports its
// data again when it sees it again (section 9.8).
func (r *Ready) AckDigest(l *p4v1.DigestList) error {
	return r.st.send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_DigestAck{
		DigestAck: &p4v1.DigestListAck{DigestId: l.GetDigestId(), ListId: l.GetListId()},
	}})
}
