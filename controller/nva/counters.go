package nva

import "github.com/keyway-nve/keyway/controller/miss"

// counts are what the NVA counts beside the miss handling.
type counts struct {
	redirects      uint64 // received, and such as they should be
	unreachables   uint64
	refreshes      uint64
	unsent         uint64
	malformedPunts uint64
}

// Counters returns what has been counted, by name: each outcome of a miss as
// miss-OUTCOME, each result of a message as message-RESULT, and their sums.
func (n *NVA) Counters() map[string]uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := map[string]uint64{
		"redirects-received":    n.n.redirects,
		"unreachables-received": n.n.unreachables,
		"refreshes":             n.n.refreshes,
		"packet-outs-lost":      n.n.unsent,
		"malformed-punts":       n.n.malformedPunts,
		"path-traces":           n.traces.total,
		"overrides":             uint64(n.overrides.Len()),
	}
	for o, v := range n.responder.Stats().All() {
		out["miss-"+o.String()] = v
		if o == miss.SentRedirect {
			out["redirects-sent"] += v
		} else if o.Sent() {
			out["unreachables-sent"] += v
		}
	}
	for r, v := range n.receiver.Stats().All() {
		out["message-"+r.String()] = v
		switch r {
		case miss.RetargetedProvisional, miss.RetargetedTrust:
			out["retargets"] += v
		}
	}
	return out
}
