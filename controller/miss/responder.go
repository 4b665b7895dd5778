package miss

import (
	"net/netip"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/proto/nvgreext"
)

// ResponderOptions are what an operator may set. The zero value is the default.
type ResponderOptions struct {
	Limits Limits
	// Silent sends no message at all (RFC 4443 §3.1 wants that to be possible); senders that the NVA manages are still refreshed.
	Silent bool
	// NodeMAC stands for an NVE whose own MAC the intent does not give. Receivers ignore it. Zero means 02:00:00:00:00:00.
	NodeMAC ethernet.MAC
}

// Answer is what becomes of a punt, and how the NVA came to it.
type Answer struct {
	Outcome Outcome
	// Peer is the device that sent the packet, VNI and MAC are where to. They are zero as far as they did not matter or could
	// not be read.
	Peer string
	VNI  geneve.VNI
	MAC  ethernet.MAC
	// Target is the provider address that a REDIRECT names.
	Target netip.Addr
	// Refresh is the place whose entry the NVA has to write again, since no message will have it done. Its Device is empty if
	// there is none, or none that the NVA manages.
	Refresh Place
	// Frame is the message to send out of Port of the device that punted, or nil.
	Port  uint16
	Frame []byte
	// Err says why a message could not be built, with NeverUnrepresentable.
	Err error
}

// Responder answers misses. It is not safe for concurrent use.
type Responder struct {
	silent  bool
	nodeMAC ethernet.MAC
	said    dedupe[news]
	limiter limiter
	stats   ResponderStats
}

// news is what is not said twice within a window.
type news struct {
	device, peer string
	vni          geneve.VNI
	mac          ethernet.MAC
	class        class
	target       netip.Addr
}

// NewResponder returns a Responder that has answered nothing yet.
func NewResponder(o ResponderOptions) *Responder {
	l := o.Limits.withDefaults()
	if o.NodeMAC.IsZero() {
		o.NodeMAC = ethernet.MAC{0x02}
	}
	return &Responder{silent: o.Silent, nodeMAC: o.NodeMAC, said: newDedupe[news](l), limiter: newLimiter(l)}
}

// Stats returns the counts so far.
func (r *Responder) Stats() ResponderStats { return r.stats }

// Respond decides what is done about a punt, and counts it. The answer holds nothing of the punt's frame.
func (r *Responder) Respond(v View, p Punt) Answer {
	a := r.respond(v, p)
	r.stats[a.Outcome]++
	return a
}

func (r *Responder) respond(v View, p Punt) Answer {
	switch p.Reason {
	case UnknownVN, UnknownEndpoint, Moved:
	case NoDestination:
		return Answer{Outcome: NeverNoDestination}
	default:
		return Answer{Outcome: NeverNotAMiss}
	}
	self, ok := v.Device(p.Device)
	if !ok {
		return Answer{Outcome: NeverUnknownDevice}
	}
	t, why, ok := parseTrigger(p.Frame)
	a := Answer{Outcome: why, VNI: t.vni, MAC: t.mac}
	if !ok {
		return a
	}
	if !owns(&self, t.dst) {
		a.Outcome = NeverNotLocal
		return a
	}
	peer, ok := v.Owner(t.src)
	if !ok || peer.Name == self.Name {
		a.Outcome = NeverUnknownPeer
		return a
	}
	a.Peer = peer.Name
	a.Outcome, a.Target = r.choose(v, &self, &peer, &t)

	var way Way
	if a.Outcome.Sent() {
		if way, ok = v.Way(self.Name, t.src); !ok {
			a.Outcome, a.Target = NeverNoWay, netip.Addr{}
			return a
		}
	}
	if held, ok := r.admit(&self, &a, p); !ok {
		a.Outcome, a.Target = held, netip.Addr{}
		return a
	}
	switch {
	case a.Outcome.Sent():
		r.build(&a, &self, &peer, &t, way, p)
	case a.Outcome == NoMessageLagging:
		a.refresh(&self)
	default:
		a.refresh(&peer)
	}
	return a
}

func (a *Answer) refresh(d *intent.Device) {
	if d.Managed() {
		a.Refresh = Place{d.Name, a.VNI, a.MAC}
	}
}

// choose picks the message for a miss, by what the NVA knows rather than by what the device's tables made of it: when the last
// endpoint of a VN moves away, the device no longer has the VN.
func (r *Responder) choose(v View, self, peer *intent.Device, t *trigger) (Outcome, netip.Addr) {
	at, known := v.Location(t.vni, t.mac)
	switch {
	case known && at == self.Name:
		return NoMessageLagging, netip.Addr{}
	case t.isGeneve:
		return NoMessageGeneve, netip.Addr{}
	case r.silent:
		return NoMessageDisabled, netip.Addr{}
	}
	unreachable := UnreachableAbsent
	if known {
		var target netip.Addr
		if d, ok := v.Device(at); ok {
			target = d.ProviderAddress(family(t.src))
		}
		switch {
		case !v.Member(t.vni, peer.Name):
			unreachable = UnreachableMembership
		case at == peer.Name:
			unreachable = UnreachableHome
		case !target.IsValid():
			unreachable = UnreachableFamily
		case !self.NVGREExt.Redirect || !peer.NVGREExt.Redirect:
			unreachable = UnreachableNotRedirect
		default:
			return SentRedirect, target
		}
	}
	switch {
	case !self.NVGREExt.Unreachable:
		return NoMessageDisabled, netip.Addr{}
	case !peer.NVGREExt.Unreachable:
		return NoMessageSpoken, netip.Addr{}
	}
	return unreachable, netip.Addr{}
}

// admit holds an answer against what was said before and how much. If ok is false, the outcome says why it is held back.
func (r *Responder) admit(self *intent.Device, a *Answer, p Punt) (held Outcome, ok bool) {
	c := classRefresh
	switch {
	case a.Outcome == SentRedirect:
		c = classRedirect
	case a.Outcome.Sent():
		c = classUnreachable
	}
	n := news{self.Name, a.Peer, a.VNI, a.MAC, c, a.Target}
	if r.said.has(n, p.At) {
		return HeldDuplicate, false
	}
	peerOK, globalOK := r.limiter.take(a.Peer, c, p.At)
	switch {
	case !peerOK:
		return HeldPeerLimit, false
	case !globalOK:
		return HeldGlobalLimit, false
	}
	r.said.say(n, p.At)
	return 0, true
}

// A message has at most headRoom bytes more than its trigger, with the headers of an ICMPv6 REDIRECT and a tag, and is at most
// maxMessage bytes long: the least MTU of IPv6 and a tagged Ethernet header.
const (
	headRoom   = 168
	maxMessage = 1280 + ethernet.HeaderLen + ethernet.TagLen
)

func (r *Responder) build(a *Answer, self, peer *intent.Device, t *trigger, w Way, p Punt) {
	params := nvgreext.Params{
		Kind: nvgreext.Unreachable, Target: a.Target,
		LinkSrc: w.Source, LinkDst: w.NextHop,
		SenderMAC: r.node(peer), ReceiverMAC: r.node(self),
	}
	if a.Outcome == SentRedirect {
		params.Kind = nvgreext.Redirect
	}
	if w.Port == p.Port {
		params.Tag = t.Tag // back over the link it came by, in the same VLAN
	}
	frame, err := nvgreext.Build(make([]byte, 0, min(len(p.Frame)+headRoom, maxMessage)), params, p.Frame)
	if err != nil {
		a.Outcome, a.Target, a.Err = NeverUnrepresentable, netip.Addr{}, err
		return
	}
	a.Port, a.Frame = w.Port, frame
}

func (r *Responder) node(d *intent.Device) ethernet.MAC {
	if d.MAC.IsZero() {
		return r.nodeMAC
	}
	return d.MAC
}
