package p4rt

import (
	"fmt"
	"sync/atomic"
)

// Phase is how far a session has come with its device.
type Phase int

const (
	// PhaseConnecting: there is no stream, or no answer to our arbitration yet.
	PhaseConnecting Phase = iota
	// PhaseStandby: the stream is up and another client is primary, or none is.
	PhaseStandby
	// PhasePreparing: we are primary and settle the device's pipeline.
	PhasePreparing
	// PhaseReady: primary, with the pipeline in place; the ready func is
	// running.
	PhaseReady
)

var phaseNames = [...]string{"connecting", "standby", "preparing", "ready"}

// String returns the phase in lower case.
func (p Phase) String() string {
	if p < 0 || int(p) >= len(phaseNames) {
		return fmt.Sprintf("Phase(%d)", int(p))
	}
	return phaseNames[p]
}

// State is what a session knows of its device at one moment.
type State struct {
	Phase Phase
	// Err is why the session is not further: the fault of the last attempt at a
	// stream or a pipeline, or ErrNotPrimary. It is nil in PhaseReady.
	Err error
	// Highest is the highest election id that the device says it has seen for
	// our role; unset before its first answer and while there never was any.
	Highest ElectionID
	// Vacant is set in PhaseStandby when no client is primary.
	Vacant bool
}

// Stats counts what a session has done since it was made.
type Stats struct {
	Streams        uint64 // streams opened
	Terms          uint64 // times the ready func was started
	Pipelines      uint64 // pipelines set on the device
	Requests       uint64 // Write requests
	Updates        uint64 // updates in them
	UpdatesFailed  uint64 // updates that the device refused
	EntitiesRead   uint64
	PacketsIn      uint64
	PacketsOut     uint64
	Digests        uint64 // digest lists
	IdleTimeouts   uint64 // idle timeout notifications
	StreamErrors   uint64 // errors that the device reported on the stream
	PacketsDropped uint64 // packets in that found the queue full or no term
	DigestsDropped uint64 // digest lists, as above: not acknowledged, so sent again
	IdleDropped    uint64 // idle timeout notifications, as above
}

// counters is Stats while it is being counted.
type counters struct {
	streams, terms, pipelines                   atomic.Uint64
	requests, updates, updatesFailed, read      atomic.Uint64
	packetsIn, packetsOut, digests, idle        atomic.Uint64
	streamErrors                                atomic.Uint64
	packetsDropped, digestsDropped, idleDropped atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		Streams:        c.streams.Load(),
		Terms:          c.terms.Load(),
		Pipelines:      c.pipelines.Load(),
		Requests:       c.requests.Load(),
		Updates:        c.updates.Load(),
		UpdatesFailed:  c.updatesFailed.Load(),
		EntitiesRead:   c.read.Load(),
		PacketsIn:      c.packetsIn.Load(),
		PacketsOut:     c.packetsOut.Load(),
		Digests:        c.digests.Load(),
		IdleTimeouts:   c.idle.Load(),
		StreamErrors:   c.streamErrors.Load(),
		PacketsDropped: c.packetsDropped.Load(),
		DigestsDropped: c.digestsDropped.Load(),
		IdleDropped:    c.idleDropped.Load(),
	}
}
