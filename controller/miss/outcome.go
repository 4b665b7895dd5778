package miss

import (
	"fmt"
	"iter"
)

// name is the text of an enumeration's value.
func name(kind string, names []string, i uint8) string {
	if int(i) < len(names) && names[i] != "" {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", kind, i)
}

// Outcome is what a Responder did with a punt, or why it did not.
type Outcome uint8

const (
	// A message is sent.

	SentRedirect           Outcome = iota
	UnreachableAbsent              // nobody knows the endpoint
	UnreachableFamily              // the target has no provider address of the trigger's family, and ICMP cannot name another
	UnreachableMembership          // the sender is no member of the VN, and is not told where its endpoints are
	UnreachableNotRedirect         // moved, but one of the two does not speak REDIRECT
	UnreachableHome                // the endpoint is behind the sender itself

	// No message can be sent. The NVA refreshes the device at fault if it manages it.

	NoMessageGeneve   // no message exists for Geneve
	NoMessageSpoken   // the peer is not known to speak it (RFC 7637 §3.4)
	NoMessageDisabled // the device, or the operator, does not send it
	NoMessageLagging  // the endpoint is here: the tables of the device that punted are behind

	// Held back.

	HeldDuplicate   // said within the window
	HeldPeerLimit   // the peer's bucket is empty
	HeldGlobalLimit // the bucket of all peers is empty

	// Never answered (RFC 1122 §3.2.2, RFC 1812 §4.3.2.7, RFC 4443 §2.4(e)).

	NeverNotAMiss        // the reason is no miss
	NeverNoDestination   // a tenant's own frame: there is no peer to tell
	NeverUnknownDevice   // the punting device is not in the intent
	NeverMalformed       // not a tunnelled frame, or too short to quote
	NeverControl         // itself a control message, or a reserved VSID
	NeverFragment        // not the first fragment
	NeverMulticast       // sent to all, in the underlay
	NeverInnerMulticast  // sent to all, by the tenant
	NeverInnerTag        // 802.1Q inside NVGRE is to be dropped (RFC 7637 §3.3)
	NeverBadSource       // the outer source is no host
	NeverNotLocal        // the outer destination is not the device's
	NeverUnknownPeer     // the outer source is nobody's, or the device's own
	NeverNoWay           // the underlay has no way to the peer
	NeverUnrepresentable // the message could not be built

	outcomes
)

func outcomeNames() [outcomes]string {
	return [...]string{
		SentRedirect:           "sent-redirect",
		UnreachableAbsent:      "unreachable-absent",
		UnreachableFamily:      "unreachable-family",
		UnreachableMembership:  "unreachable-membership",
		UnreachableNotRedirect: "unreachable-not-redirect",
		UnreachableHome:        "unreachable-home",
		NoMessageGeneve:        "no-message-geneve",
		NoMessageSpoken:        "no-message-spoken",
		NoMessageDisabled:      "no-message-disabled",
		NoMessageLagging:       "no-message-lagging",
		HeldDuplicate:          "held-duplicate",
		HeldPeerLimit:          "held-peer-limit",
		HeldGlobalLimit:        "held-global-limit",
		NeverNotAMiss:          "never-not-a-miss",
		NeverNoDestination:     "never-no-destination",
		NeverUnknownDevice:     "never-unknown-device",
		NeverMalformed:         "never-malformed",
		NeverControl:           "never-control",
		NeverFragment:          "never-fragment",
		NeverMulticast:         "never-multicast",
		NeverInnerMulticast:    "never-inner-multicast",
		NeverInnerTag:          "never-inner-tag",
		NeverBadSource:         "never-bad-source",
		NeverNotLocal:          "never-not-local",
		NeverUnknownPeer:       "never-unknown-peer",
		NeverNoWay:             "never-no-way",
		NeverUnrepresentable:   "never-unrepresentable",
	}
}

func (o Outcome) String() string {
	names := outcomeNames()
	return name("outcome", names[:], uint8(o))
}

// Sent reports whether the outcome is a message.
func (o Outcome) Sent() bool { return o <= UnreachableHome }

// Result is what a Receiver did with a message, or why it did not.
type Result uint8

const (
	// Acted on.

	RetargetedProvisional Result = iota
	RetargetedTrust
	RefreshedRedirect     // the policy is to refresh only, and the intent has not heard of the move
	RefreshedConfirmed    // the intent says the same: the device's tables are behind
	RefreshedContradicted // the intent says something else again
	RefreshedDrift        // the quote shows another flow than the device ought to have
	RefreshedUnreachable

	// Valid, and not acted on.

	Logged      // the policy
	HeldBackoff // refreshed or retargeted a short while ago
	HeldPeer    // the peer's bucket is empty
	HeldGlobal  // the bucket of all peers is empty

	// Not looked at.

	Ignored // the policy

	// Refused: the message.

	RefusedUnknownDevice // the punting device is not in the intent
	RefusedNotAMessage   // the reason of the punt is another, or the frame is no NVGRE-EXT
	RefusedMalformed     // a length that lies, a type or a quote that cannot be
	RefusedForm          // a reading of the draft that is not accepted
	RefusedChecksum
	RefusedInner       // the inner headers do not say what the outer ones say
	RefusedPeer        // the source is nobody's address, or the device's own
	RefusedReversePath // it came in where the source is not
	RefusedNotLocal    // the destination is not the device's
	RefusedNotSpoken   // the device, or the peer, does not speak it

	// Refused: the packet that it quotes.

	RefusedQuoteSource      // not from an address of the device
	RefusedQuoteDestination // not to the source of the message
	RefusedQuoteVN          // no VN of the device
	RefusedQuoteEndpoint    // its sender is no endpoint of the device
	RefusedQuoteFlow        // the device does not send there (StrictFlow)

	// Refused: the target.

	RefusedTarget     // no NVE of this VN
	RefusedTargetSelf // the device itself
	RefusedTargetPeer // the NVE that sends the message, where the flow goes already
	RefusedLoop       // where another REDIRECT took it away from within the window

	results
)

func resultNames() [results]string {
	return [...]string{
		RetargetedProvisional:   "retargeted-provisional",
		RetargetedTrust:         "retargeted-trust",
		RefreshedRedirect:       "refreshed-redirect",
		RefreshedConfirmed:      "refreshed-confirmed",
		RefreshedContradicted:   "refreshed-contradicted",
		RefreshedDrift:          "refreshed-drift",
		RefreshedUnreachable:    "refreshed-unreachable",
		Logged:                  "logged",
		HeldBackoff:             "held-backoff",
		HeldPeer:                "held-peer-limit",
		HeldGlobal:              "held-global-limit",
		Ignored:                 "ignored",
		RefusedUnknownDevice:    "refused-unknown-device",
		RefusedNotAMessage:      "refused-not-a-message",
		RefusedMalformed:        "refused-malformed",
		RefusedForm:             "refused-form",
		RefusedChecksum:         "refused-checksum",
		RefusedInner:            "refused-inner",
		RefusedPeer:             "refused-peer",
		RefusedReversePath:      "refused-reverse-path",
		RefusedNotLocal:         "refused-not-local",
		RefusedNotSpoken:        "refused-not-spoken",
		RefusedQuoteSource:      "refused-quote-source",
		RefusedQuoteDestination: "refused-quote-destination",
		RefusedQuoteVN:          "refused-quote-vn",
		RefusedQuoteEndpoint:    "refused-quote-endpoint",
		RefusedQuoteFlow:        "refused-quote-flow",
		RefusedTarget:           "refused-target",
		RefusedTargetSelf:       "refused-target-self",
		RefusedTargetPeer:       "refused-target-peer",
		RefusedLoop:             "refused-loop",
	}
}

func (r Result) String() string {
	names := resultNames()
	return name("result", names[:], uint8(r))
}

// ResponderStats count punts by outcome.
type ResponderStats [outcomes]uint64

// All yields every outcome with its count, also those that never came.
func (s ResponderStats) All() iter.Seq2[Outcome, uint64] { return counts[Outcome](s[:]) }

// ReceiverStats count messages by result.
type ReceiverStats [results]uint64

// All yields every result with its count, also those that never came.
func (s ReceiverStats) All() iter.Seq2[Result, uint64] { return counts[Result](s[:]) }

func counts[T ~uint8](n []uint64) iter.Seq2[T, uint64] {
	return func(yield func(T, uint64) bool) {
		for i, c := range n {
			if !yield(T(i), c) {
				return
			}
		}
	}
}
