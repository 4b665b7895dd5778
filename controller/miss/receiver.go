package miss

import (
	"errors"
	"net/netip"
	"time"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/proto/nvgreext"
)

// ReceiverOptions are what an operator may set. The zero value is the default.
type ReceiverOptions struct {
	// Limits bound what messages make the NVA do. Window is the first step of the back-off between refreshes of one place.
	Limits Limits
	// Accept are forms of messages to read beside [nvgreext.Tolerated].
	Accept nvgreext.Form
	// LoopWindow is how long a place is not sent back to an address that a REDIRECT took it away from. Zero means 30 s, as
	// long as a provisional retarget lasts.
	LoopWindow time.Duration
	// StrictReversePath takes messages only from the port by which the device reaches their source. Without it some way to the
	// source is enough, as suits an underlay with several paths (RFC 3704 §2.2, §2.4).
	StrictReversePath bool
	// StrictFlow refuses messages about flows that the NVA does not believe the device to have. Without it the entry is read back,
	// which repairs a write that was lost; who forges such a message gains no more than that.
	StrictFlow bool
}

// Action is what the NVA has to do about a message.
type Action uint8

const (
	// Drop is nothing: the message is refused, ignored, held back, or no news.
	Drop Action = iota
	// Log tells the operator.
	Log
	// Refresh reads the place's entry back and writes it as the newest intent and the overrides have it. What the device sends
	// meanwhile stays as it is.
	Refresh
	// Retarget puts [Verdict.Override] in force for the place.
	Retarget
)

func (a Action) String() string {
	return name("action", []string{"drop", "log", "refresh", "retarget"}, uint8(a))
}

// Verdict is what becomes of a message, and how the NVA came to it.
type Verdict struct {
	Action Action
	Result Result
	// Kind, Form and Peer, the device that sent the message, are known once it is decoded.
	Kind nvgreext.Kind
	Form nvgreext.Form
	Peer string
	// Place is the entry that the message is about, as far as it could be read.
	Place Place
	// Override is what a valid REDIRECT asks for, also where the policy is not to follow it.
	Override Override
	// Err says what is wrong with a message that cannot be decoded.
	Err error
}

// Receiver judges NVGRE-EXT messages. It is not safe for concurrent use.
type Receiver struct {
	options  ReceiverOptions
	limiter  limiter
	backoffs backoffs
	left     recent[Place, trail]
	stats    ReceiverStats
}

// trail is where REDIRECTs took a place away from lately. Of more than four the oldest is forgotten.
type trail struct {
	from [4]netip.Addr
	at   [4]time.Time
	next uint8
}

func (t *trail) add(from netip.Addr, now time.Time) {
	t.from[t.next], t.at[t.next] = from, now
	t.next = (t.next + 1) % uint8(len(t.from))
}

func (t *trail) has(target netip.Addr, now time.Time, window time.Duration) bool {
	for i, a := range t.from {
		if a == target && now.Sub(t.at[i]) < window {
			return true
		}
	}
	return false
}

// NewReceiver returns a Receiver that has seen nothing yet.
func NewReceiver(o ReceiverOptions) *Receiver {
	o.Limits = o.Limits.withDefaults()
	o.Accept |= nvgreext.Tolerated
	if o.LoopWindow <= 0 {
		o.LoopWindow = intent.DefaultHold
	}
	return &Receiver{
		options: o, limiter: newLimiter(o.Limits), backoffs: newBackoffs(o.Limits), left: newRecent[Place, trail](o.Limits.Keys),
	}
}

// Stats returns the counts so far.
func (r *Receiver) Stats() ReceiverStats { return r.stats }

// Receive judges a punt with the reason NVGREExt, and counts it. The verdict holds nothing of the punt's frame.
func (r *Receiver) Receive(v View, p Punt) Verdict {
	d := r.judge(v, p)
	switch d.Result {
	case RetargetedProvisional, RetargetedTrust:
		d.Action = Retarget
	case RefreshedRedirect, RefreshedConfirmed, RefreshedContradicted, RefreshedDrift, RefreshedUnreachable:
		d.Action = Refresh
	case Logged:
		d.Action = Log
	}
	r.stats[d.Result]++
	return d
}

func (r *Receiver) judge(v View, p Punt) (d Verdict) {
	self, ok := v.Device(p.Device)
	switch {
	case p.Reason != NVGREExt:
		d.Result = RefusedNotAMessage
		return d
	case !ok:
		d.Result = RefusedUnknownDevice
		return d
	case self.NVGREExt.Policy == intent.Ignore:
		d.Result = Ignored
		return d
	}
	var m nvgreext.Message
	if err := m.Decode(p.Frame, r.options.Accept); err != nil {
		d.Result, d.Err = undecodable(err), err
		return d
	}
	q := &m.Quote.Flow
	d.Kind, d.Form = m.Kind, m.Form
	d.Place = Place{self.Name, geneve.VNI(q.VSID), q.DstMAC}

	peer, why, ok := r.checkPeer(v, &self, &m, p)
	d.Peer = peer.Name
	if ok {
		why, ok = checkQuote(v, &self, q, d.Place)
	}
	if !ok {
		d.Result = why
		return d
	}
	// Only the NVE to which a flow goes can say where it has to go. If the quote shows that another flow was sent than the NVA
	// believes, the device may hold something else.
	current, sends := v.Sends(d.Place)
	drift := !sends || current != m.Src
	if drift && r.options.StrictFlow {
		d.Result = RefusedQuoteFlow
		return d
	}
	if m.Kind == nvgreext.Redirect {
		target, why, ok := checkTarget(v, &self, d.Place, &m)
		if !ok {
			d.Result = why
			return d
		}
		d.Override = Override{From: current, To: m.Target, Device: target}
	}
	d.Result = r.follow(v, &self, &d, drift, p.At)
	return d
}

// undecodable returns the result that stands for an error of nvgreext.
func undecodable(err error) Result {
	for _, e := range []struct {
		is     error
		result Result
	}{
		{nvgreext.ErrNotMessage, RefusedNotAMessage},
		{nvgreext.ErrChecksum, RefusedChecksum},
		{nvgreext.ErrInner, RefusedInner},
		{nvgreext.ErrForm, RefusedForm},
		{nvgreext.ErrQuotePeer, RefusedQuoteDestination},
	} {
		if errors.Is(err, e.is) {
			return e.result
		}
	}
	return RefusedMalformed
}

// checkPeer holds a message's addresses against what the NVA knows: it came from another NVE that speaks it, by a way that leads there, to
// this device.
func (r *Receiver) checkPeer(v View, self *intent.Device, m *nvgreext.Message, p Punt) (intent.Device, Result, bool) {
	if !owns(self, m.Dst) {
		return intent.Device{}, RefusedNotLocal, false
	}
	peer, ok := v.Owner(m.Src)
	if !ok || peer.Name == self.Name {
		return intent.Device{}, RefusedPeer, false
	}
	way, ok := v.Way(self.Name, m.Src)
	if !ok || r.options.StrictReversePath && way.Port != p.Port {
		return peer, RefusedReversePath, false
	}
	speaks := func(d *intent.Device) bool {
		return m.Kind == nvgreext.Redirect && d.NVGREExt.Redirect || m.Kind == nvgreext.Unreachable && d.NVGREExt.Unreachable
	}
	if !speaks(self) || !speaks(&peer) {
		return peer, RefusedNotSpoken, false
	}
	return peer, 0, true
}

// checkQuote holds the quoted packet against what the device can have sent. [nvgreext.Message.Decode] has found that it went to the
// message's source.
func checkQuote(v View, self *intent.Device, q *nvgreext.Flow, p Place) (Result, bool) {
	if !owns(self, q.SrcPA) {
		return RefusedQuoteSource, false
	}
	if !q.VSID.IsTenant() || !v.Member(p.VNI, self.Name) {
		return RefusedQuoteVN, false
	}
	if at, ok := v.Location(p.VNI, q.SrcMAC); !ok || at != self.Name {
		return RefusedQuoteEndpoint, false
	}
	return 0, true
}

// checkTarget holds a REDIRECT's target against the NVEs that may have the endpoint, and returns its name.
func checkTarget(v View, self *intent.Device, p Place, m *nvgreext.Message) (string, Result, bool) {
	d, ok := v.Owner(m.Target)
	switch {
	case ok && d.Name == self.Name:
		return "", RefusedTargetSelf, false
	case m.Target == m.Src:
		return "", RefusedTargetPeer, false
	case !ok || !v.Member(p.VNI, d.Name):
		return "", RefusedTarget, false
	}
	return d.Name, 0, true
}

// follow decides about a message that has passed all checks, and how often. Neither kind of message ever deletes anything.
func (r *Receiver) follow(v View, self *intent.Device, d *Verdict, drift bool, now time.Time) Result {
	result := r.decide(v, self, d, drift, now)
	switch result {
	case RefusedLoop:
		return result
	case RetargetedProvisional, RetargetedTrust:
	default:
		if r.backoffs.waits(d.Place, now) {
			return HeldBackoff
		}
	}
	c := classUnreachable
	switch {
	case drift:
		c = classRefresh
	case d.Kind == nvgreext.Redirect:
		c = classRedirect
	}
	switch peerOK, globalOK := r.limiter.take(d.Peer, c, now); {
	case !peerOK:
		return HeldPeer
	case !globalOK:
		return HeldGlobal
	}
	r.backoffs.step(d.Place, now)
	if d.Kind == nvgreext.Redirect && !drift {
		r.left.put(d.Place).add(d.Override.From, now)
	}
	return result
}

// decide goes by what the NVA knows, and where it knows nothing by the device's policy.
func (r *Receiver) decide(v View, self *intent.Device, d *Verdict, drift bool, now time.Time) Result {
	switch {
	case self.NVGREExt.Policy == intent.LogOnly:
		return Logged
	case drift:
		return RefreshedDrift
	case d.Kind == nvgreext.Unreachable:
		return RefreshedUnreachable
	}
	opinion := agrees(v, d.Place, d.Override.From, d.Override.To)
	if opinion == confirmed {
		return RefreshedConfirmed
	}
	if t := r.left.get(d.Place); t != nil && t.has(d.Override.To, now, r.options.LoopWindow) {
		return RefusedLoop
	}
	if opinion == denied {
		return RefreshedContradicted
	}
	switch self.NVGREExt.Policy {
	case intent.Provisional:
		d.Override.Until = now.Add(self.NVGREExt.HoldTime())
		return RetargetedProvisional
	case intent.Trust:
		return RetargetedTrust
	}
	return RefreshedRedirect
}
