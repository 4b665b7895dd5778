package miss_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/proto/nvgreext"
)

// message is an NVGRE-EXT message as somebody sends it: an answer to a trigger, true or not.
type message struct {
	trigger packet
	params  nvgreext.Params
}

// redirect is the message of b to a that vm2 is behind c now.
func redirect() message {
	return message{sent(), nvgreext.Params{
		Kind: nvgreext.Redirect, Target: c4, LinkDst: mac(0xb0), LinkSrc: mac(0xff), SenderMAC: mac(0xa0), ReceiverMAC: mac(0xa1),
	}}
}

// unreachable is the message of b to a that it has no policy for vm2.
func unreachable() message {
	m := redirect()
	m.params.Kind, m.params.Target = nvgreext.Unreachable, netip.Addr{}
	return m
}

func (m message) frame(t testing.TB) []byte {
	t.Helper()
	b, err := nvgreext.Build(nil, m.params, m.trigger.frame(t))
	return must(t, b, err)
}

// got is a message punted by a.
func got(frame []byte) miss.Punt {
	return miss.Punt{Device: "a", Reason: miss.NVGREExt, Port: 1, Frame: frame, At: start}
}

// Offsets in a message over IPv4.
const (
	outerIPAt   = 14
	innerIPAt   = outerIPAt + 20 + 8 + 14
	icmpAt      = innerIPAt + 20
	quoteAt     = icmpAt + 8
	quoteMACsAt = quoteAt + 20 + 8
)

// TestSpoofing has a message that a would follow, and for each rule of validation the one change that has to stop it.
func TestSpoofing(t *testing.T) {
	tests := []struct {
		name    string
		network func(*network)
		message func(*message)
		frame   func([]byte)
		punt    func(*miss.Punt)
		options miss.ReceiverOptions
		want    miss.Result
	}{
		{name: "true", want: miss.RetargetedProvisional},
		{name: "true, UNREACHABLE", message: func(m *message) { *m = unreachable() }, want: miss.RefreshedUnreachable},
		{name: "true, IPv6",
			message: func(m *message) { m.trigger, m.params.Target = sent6(), c6 },
			network: func(n *network) { n.sends[miss.Place{Device: "a", VNI: vni, MAC: vm2}] = b6 },
			want:    miss.RetargetedProvisional},
		{name: "true, as the draft draws it",
			message: func(m *message) { m.trigger, m.params.Target, m.params.Literal = sent6(), c6, true },
			network: func(n *network) { n.sends[miss.Place{Device: "a", VNI: vni, MAC: vm2}] = b6 },
			want:    miss.RetargetedProvisional},

		{name: "1 reason of the punt", punt: func(p *miss.Punt) { p.Reason = miss.Moved }, want: miss.RefusedNotAMessage},
		{name: "1 device not in the intent", punt: func(p *miss.Punt) { p.Device = "nobody" }, want: miss.RefusedUnknownDevice},
		{name: "1 VSID of a tenant", frame: func(b []byte) { b[outerIPAt+20+4] = 0 }, want: miss.RefusedNotAMessage},
		{name: "1 GRE with a sequence number", frame: func(b []byte) { b[outerIPAt+20] = 0x30 }, want: miss.RefusedNotAMessage},
		{name: "1 source unknown", network: func(n *network) { n.change("b").ProviderAddresses = nil }, want: miss.RefusedPeer},
		{name: "1 source is another address of ours",
			message: func(m *message) { m.trigger.dst = addr("192.0.2.11") },
			network: func(n *network) {
				n.change("a").ProviderAddresses = append(n.change("a").ProviderAddresses, addr("192.0.2.11"))
			}, want: miss.RefusedPeer},
		{name: "1 no way to the source", network: func(n *network) { delete(n.ways["a"], b4) }, want: miss.RefusedReversePath},
		{name: "1 another way to the source, strict", punt: func(p *miss.Punt) { p.Port = 2 },
			options: miss.ReceiverOptions{StrictReversePath: true}, want: miss.RefusedReversePath},
		{name: "1 the way to the source, strict", options: miss.ReceiverOptions{StrictReversePath: true}, want: miss.RetargetedProvisional},
		{name: "1 another way to the source, loose", punt: func(p *miss.Punt) { p.Port = 2 }, want: miss.RetargetedProvisional},
		{name: "1 destination of another device", message: func(m *message) { m.trigger.src = d4 }, want: miss.RefusedNotLocal},

		{name: "2 inner addresses", frame: func(b []byte) {
			copy(b[innerIPAt+12:], d4.AsSlice())
			fixIPv4(b[innerIPAt:])
		}, want: miss.RefusedInner},
		{name: "2 outer header checksum", frame: func(b []byte) { b[outerIPAt+8]-- }, want: miss.RefusedChecksum},
		{name: "2 inner header checksum", frame: func(b []byte) { b[innerIPAt+8]-- }, want: miss.RefusedChecksum},
		{name: "2 ICMP checksum", frame: func(b []byte) { b[icmpAt+7]++ }, want: miss.RefusedChecksum},
		{name: "2 inner length", frame: func(b []byte) { b[innerIPAt+3]--; fixIPv4(b[innerIPAt:]) }, want: miss.RefusedMalformed},
		{name: "2 type of an echo", frame: func(b []byte) { b[icmpAt] = 8; fixICMP(b) }, want: miss.RefusedMalformed},
		{name: "2 code of another redirect", frame: func(b []byte) { b[icmpAt+1] = 0; fixICMP(b) }, want: miss.RefusedMalformed},
		{name: "2 code of UNREACHABLE", frame: func(b []byte) { b[icmpAt+1] = 10; fixICMP(b) }, want: miss.RefusedForm},
		{name: "2 code of UNREACHABLE, accepted", frame: func(b []byte) { b[icmpAt+1] = 10; fixICMP(b) },
			options: miss.ReceiverOptions{Accept: nvgreext.FormLenientCode}, want: miss.RetargetedProvisional},

		{name: "3 quote from another NVE", frame: func(b []byte) {
			copy(b[quoteAt+12:], d4.AsSlice())
			fixIPv4(b[quoteAt:])
			fixICMP(b)
		}, want: miss.RefusedQuoteSource},
		{name: "3 quote to another NVE", frame: func(b []byte) {
			copy(b[quoteAt+16:], d4.AsSlice())
			fixIPv4(b[quoteAt:])
			fixICMP(b)
		}, want: miss.RefusedQuoteDestination},
		{name: "3 quote of other GRE", frame: func(b []byte) { b[quoteAt+20] = 0; fixICMP(b) }, want: miss.RefusedMalformed},
		{name: "3 quote of UDP", frame: func(b []byte) { b[quoteAt+9] = 17; fixIPv4(b[quoteAt:]); fixICMP(b) }, want: miss.RefusedMalformed},
		{name: "3 quote of a message", frame: func(b []byte) { copy(b[quoteAt+24:], "\xff\xff\xff"); fixICMP(b) }, want: miss.RefusedMalformed},
		{name: "3 quote in a VN that is not ours", network: func(n *network) { n.members[vni] = []string{"b", "c"} }, want: miss.RefusedQuoteVN},
		{name: "3 quote in a reserved VSID",
			message: func(m *message) { m.trigger.vni = 0xFFF },
			network: func(n *network) {
				n.members[0xFFF] = n.members[vni]
				n.at[endpoint{0xFFF, vm1}], n.at[endpoint{0xFFF, vm2}] = "a", "b"
				n.sends[miss.Place{Device: "a", VNI: 0xFFF, MAC: vm2}] = b4
			}, want: miss.RefusedQuoteVN},
		{name: "3 quote from an endpoint elsewhere", network: func(n *network) { n.at[endpoint{vni, vm1}] = "c" },
			want: miss.RefusedQuoteEndpoint},
		{name: "3 quote from an endpoint that nobody knows", frame: func(b []byte) { b[quoteMACsAt+11]++; fixICMP(b) },
			want: miss.RefusedQuoteEndpoint},
		{name: "3 quote of a flow to elsewhere",
			network: func(n *network) { n.sends[miss.Place{Device: "a", VNI: vni, MAC: vm2}] = a6 }, want: miss.RefreshedDrift},
		{name: "3 quote of a flow that is not",
			network: func(n *network) { delete(n.sends, miss.Place{Device: "a", VNI: vni, MAC: vm2}) }, want: miss.RefreshedDrift},
		{name: "3 UNREACHABLE of a flow that is not", message: func(m *message) { *m = unreachable() },
			network: func(n *network) { delete(n.sends, miss.Place{Device: "a", VNI: vni, MAC: vm2}) }, want: miss.RefreshedDrift},
		{name: "3 quote of the flow, strict", options: miss.ReceiverOptions{StrictFlow: true}, want: miss.RetargetedProvisional},
		{name: "3 quote of a flow to elsewhere, strict", options: miss.ReceiverOptions{StrictFlow: true},
			network: func(n *network) { n.sends[miss.Place{Device: "a", VNI: vni, MAC: vm2}] = c4 }, want: miss.RefusedQuoteFlow},
		{name: "3 quote of a flow that is not, strict", options: miss.ReceiverOptions{StrictFlow: true},
			message: func(m *message) { *m = unreachable() },
			network: func(n *network) { delete(n.sends, miss.Place{Device: "a", VNI: vni, MAC: vm2}) }, want: miss.RefusedQuoteFlow},

		{name: "4 target is nobody's", message: func(m *message) { m.params.Target = addr("198.51.100.66") }, want: miss.RefusedTarget},
		{name: "4 target is not in the VN", message: func(m *message) { m.params.Target = d4 }, want: miss.RefusedTarget},
		{name: "4 target is a group", frame: func(b []byte) { copy(b[icmpAt+4:], "\xef\x01\x01\x01"); fixICMP(b) },
			want: miss.RefusedMalformed},
		{name: "4 target is the device", message: func(m *message) { m.params.Target = a4 }, want: miss.RefusedTargetSelf},
		{name: "4 target is the peer", frame: func(b []byte) { copy(b[icmpAt+4:], b4.AsSlice()); fixICMP(b) },
			want: miss.RefusedTargetPeer},
		{name: "4 target is current", network: func(n *network) { n.sends[miss.Place{Device: "a", VNI: vni, MAC: vm2}] = c4 },
			want: miss.RefreshedDrift},

		{name: "device does not speak REDIRECT", network: func(n *network) { n.change("a").NVGREExt.Redirect = false },
			want: miss.RefusedNotSpoken},
		{name: "peer does not speak REDIRECT", network: func(n *network) { n.change("b").NVGREExt.Redirect = false },
			want: miss.RefusedNotSpoken},
		{name: "device does not speak UNREACHABLE", message: func(m *message) { *m = unreachable() },
			network: func(n *network) { n.change("a").NVGREExt.Unreachable = false }, want: miss.RefusedNotSpoken},
		{name: "peer does not speak UNREACHABLE", message: func(m *message) { *m = unreachable() },
			network: func(n *network) { n.change("b").NVGREExt.Unreachable = false }, want: miss.RefusedNotSpoken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, m := newNetwork(), redirect()
			if tt.network != nil {
				tt.network(n)
			}
			if tt.message != nil {
				tt.message(&m)
			}
			p := got(m.frame(t))
			if tt.frame != nil {
				tt.frame(p.Frame)
			}
			if tt.punt != nil {
				tt.punt(&p)
			}
			r := miss.NewReceiver(tt.options)
			d := r.Receive(n, p)
			if d.Result != tt.want {
				t.Fatalf("%v (%v), want %v", d.Result, d.Err, tt.want)
			}
			if acts := tt.want <= miss.RefreshedUnreachable; (d.Action == miss.Retarget || d.Action == miss.Refresh) != acts {
				t.Errorf("action %v", d.Action)
			}
			if got := r.Stats()[tt.want]; got != 1 {
				t.Errorf("counted %d times", got)
			}
		})
	}
}

func TestPolicies(t *testing.T) {
	place := miss.Place{Device: "a", VNI: vni, MAC: vm2}
	override := miss.Override{From: b4, To: c4, Device: "c"}
	at := func(device string) func(*network) { return func(n *network) { n.at[endpoint{vni, vm2}] = device } }
	tests := []struct {
		name    string
		policy  intent.PolicyMode
		hold    time.Duration
		knows   func(*network)
		message message
		want    miss.Verdict
	}{
		{name: "ignore", policy: intent.Ignore, message: redirect(), want: miss.Verdict{Result: miss.Ignored}},
		{name: "ignore UNREACHABLE", policy: intent.Ignore, message: unreachable(), want: miss.Verdict{Result: miss.Ignored}},
		{name: "log only", policy: intent.LogOnly, message: redirect(), knows: at("c"),
			want: miss.Verdict{Action: miss.Log, Result: miss.Logged, Override: override}},
		{name: "log only UNREACHABLE", policy: intent.LogOnly, message: unreachable(),
			want: miss.Verdict{Action: miss.Log, Result: miss.Logged}},
		{name: "refresh only, not heard", policy: intent.RefreshOnly, message: redirect(),
			want: miss.Verdict{Action: miss.Refresh, Result: miss.RefreshedRedirect, Override: override}},
		{name: "refresh only, confirmed", policy: intent.RefreshOnly, message: redirect(), knows: at("c"),
			want: miss.Verdict{Action: miss.Refresh, Result: miss.RefreshedConfirmed, Override: override}},
		{name: "provisional, not heard", policy: intent.Provisional, message: redirect(),
			want: miss.Verdict{Action: miss.Retarget, Result: miss.RetargetedProvisional,
				Override: miss.Override{From: b4, To: c4, Device: "c", Until: start.Add(intent.DefaultHold)}}},
		{name: "provisional for 5 s", policy: intent.Provisional, hold: 5 * time.Second, message: redirect(),
			want: miss.Verdict{Action: miss.Retarget, Result: miss.RetargetedProvisional,
				Override: miss.Override{From: b4, To: c4, Device: "c", Until: start.Add(5 * time.Second)}}},
		{name: "provisional, confirmed", policy: intent.Provisional, message: redirect(), knows: at("c"),
			want: miss.Verdict{Action: miss.Refresh, Result: miss.RefreshedConfirmed, Override: override}},
		{name: "provisional, elsewhere", policy: intent.Provisional, message: redirect(), knows: at("d"),
			want: miss.Verdict{Action: miss.Refresh, Result: miss.RefreshedContradicted, Override: override}},
		{name: "provisional, gone", policy: intent.Provisional, message: redirect(),
			knows: func(n *network) { delete(n.at, endpoint{vni, vm2}) },
			want:  miss.Verdict{Action: miss.Refresh, Result: miss.RefreshedContradicted, Override: override}},
		{name: "provisional UNREACHABLE", policy: intent.Provisional, message: unreachable(),
			want: miss.Verdict{Action: miss.Refresh, Result: miss.RefreshedUnreachable}},
		{name: "trust, not heard", policy: intent.Trust, message: redirect(),
			want: miss.Verdict{Action: miss.Retarget, Result: miss.RetargetedTrust, Override: override}},
		{name: "trust, elsewhere", policy: intent.Trust, message: redirect(), knows: at("a"),
			want: miss.Verdict{Action: miss.Refresh, Result: miss.RefreshedContradicted, Override: override}},
		{name: "trust UNREACHABLE", policy: intent.Trust, message: unreachable(),
			want: miss.Verdict{Action: miss.Refresh, Result: miss.RefreshedUnreachable}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNetwork()
			n.change("a").NVGREExt.Policy, n.change("a").NVGREExt.Hold = tt.policy, tt.hold
			if tt.knows != nil {
				tt.knows(n)
			}
			if tt.policy != intent.Ignore {
				tt.want.Kind, tt.want.Peer, tt.want.Place = tt.message.params.Kind, "b", place
			}
			d := miss.NewReceiver(miss.ReceiverOptions{}).Receive(n, got(tt.message.frame(t)))
			if diff := cmp.Diff(tt.want, d, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestLoop sends a flow round: each of b and c says that vm2 is at the other, and the NVA knows no better.
func TestLoop(t *testing.T) {
	n := newNetwork()
	n.members[vni] = append(n.members[vni], "d")
	place := miss.Place{Device: "a", VNI: vni, MAC: vm2}
	r := miss.NewReceiver(miss.ReceiverOptions{})
	say := func(after time.Duration, from, to netip.Addr, want miss.Result) {
		t.Helper()
		m := redirect()
		m.trigger.dst, m.params.Target = from, to
		p := got(m.frame(t))
		p.At = start.Add(after)
		owner, _ := n.Owner(n.sends[place])
		n.at[endpoint{vni, vm2}] = owner.Name
		d := r.Receive(n, p)
		if d.Result != want {
			t.Errorf("after %v: %v, want %v", after, d.Result, want)
		}
		if d.Action == miss.Retarget {
			n.sends[place] = d.Override.To
		}
	}
	say(0, b4, c4, miss.RetargetedProvisional)
	say(10*time.Millisecond, b4, c4, miss.HeldBackoff) // sent before a had changed
	say(20*time.Millisecond, c4, b4, miss.RefusedLoop)
	say(2*time.Second, b4, c4, miss.RefreshedDrift) // a ought to have changed
	say(3*time.Second, c4, d4, miss.RetargetedProvisional)
	say(4*time.Second, d4, b4, miss.RefusedLoop)
	say(30*time.Second, d4, b4, miss.RetargetedProvisional) // out of the window it is a move back
	say(31*time.Second, b4, c4, miss.RefusedLoop)
}

// TestIntentEndsLoop: what the NVA knows wins over the guard.
func TestIntentEndsLoop(t *testing.T) {
	n := newNetwork()
	place := miss.Place{Device: "a", VNI: vni, MAC: vm2}
	r := miss.NewReceiver(miss.ReceiverOptions{})
	var o miss.Overrides
	lie := r.Receive(n, got(redirect().frame(t))) // b says c, and the NVA has b
	if changed, err := o.Apply(lie); !changed || err != nil || lie.Result != miss.RetargetedProvisional {
		t.Fatalf("%v, %v", lie.Result, err)
	}
	n.sends[place] = c4
	m := redirect()
	m.trigger.dst, m.params.Target = c4, b4
	p := got(m.frame(t))
	p.At = start.Add(time.Second)
	back := r.Receive(n, p)
	if changed, err := o.Apply(back); !changed || err != nil || back.Result != miss.RefreshedConfirmed || o.Len() != 0 {
		t.Fatalf("%v, %v", back.Result, err)
	}
	n.sends[place] = b4
	p = got(redirect().frame(t))
	p.At = start.Add(2 * time.Second)
	if d := r.Receive(n, p); d.Result != miss.RefusedLoop {
		t.Errorf("told again: %v", d.Result)
	}
}

// TestDriftIsNoLoop: what the NVA only believed is no place that a REDIRECT took the flow away from.
func TestDriftIsNoLoop(t *testing.T) {
	n := newNetwork()
	place := miss.Place{Device: "a", VNI: vni, MAC: vm2}
	r := miss.NewReceiver(miss.ReceiverOptions{})
	n.sends[place] = c4
	if d := r.Receive(n, got(redirect().frame(t))); d.Result != miss.RefreshedDrift {
		t.Fatal(d.Result)
	}
	n.sends[place] = b4
	if d := r.Receive(n, got(redirect().frame(t))); d.Result != miss.RetargetedProvisional {
		t.Error(d.Result)
	}
}

func TestBackoff(t *testing.T) {
	n := newNetwork()
	r := miss.NewReceiver(miss.ReceiverOptions{})
	frame := unreachable().frame(t)
	var refreshed []time.Duration
	for after := time.Duration(0); after < 5*time.Minute; after += 100 * time.Millisecond {
		p := got(frame)
		p.At = start.Add(after)
		if r.Receive(n, p).Action == miss.Refresh {
			refreshed = append(refreshed, after/time.Second)
		}
	}
	want := []time.Duration{0, 1, 3, 7, 15, 31, 63, 123, 183, 243}
	if diff := cmp.Diff(want, refreshed); diff != "" {
		t.Errorf("refreshed after seconds (-want +got):\n%s", diff)
	}
	p := got(frame)
	p.At = start.Add(303*time.Second + miss.MaxBackoff)
	r.Receive(n, p)
	p.At = p.At.Add(time.Second)
	if d := r.Receive(n, p); d.Action != miss.Refresh {
		t.Errorf("after silence the back-off did not start again: %v", d.Result)
	}
}

func TestReceiverLimits(t *testing.T) {
	n := newNetwork()
	r := miss.NewReceiver(miss.ReceiverOptions{Limits: miss.Limits{
		Peer: miss.Rate{PerSecond: 1, Burst: 2}, Global: miss.Rate{PerSecond: 1, Burst: 3},
	}})
	say := func(peer netip.Addr, vm byte, m message, want miss.Result) {
		t.Helper()
		m.trigger.dst, m.trigger.inner.Dst = peer, mac(vm)
		n.sends[miss.Place{Device: "a", VNI: vni, MAC: mac(vm)}] = peer
		if d := r.Receive(n, got(m.frame(t))); d.Result != want {
			t.Errorf("%v: %v, want %v", peer, d.Result, want)
		}
	}
	say(b4, 1, unreachable(), miss.RefreshedUnreachable)
	say(b4, 2, unreachable(), miss.RefreshedUnreachable)
	say(b4, 3, unreachable(), miss.HeldPeer)
	say(c4, 4, unreachable(), miss.RefreshedUnreachable)
	say(c4, 5, unreachable(), miss.HeldGlobal)
	n.at[endpoint{vni, mac(6)}] = "b"
	say(b4, 6, redirect(), miss.RetargetedProvisional) // REDIRECTs have buckets of their own
}

func TestReceiveEveryTruncation(t *testing.T) {
	n := newNetwork()
	for _, m := range []message{redirect(), unreachable()} {
		frame := m.frame(t)
		for i := range frame {
			r := miss.NewReceiver(miss.ReceiverOptions{})
			if d := r.Receive(n, got(frame[:i])); d.Action != miss.Drop || d.Err == nil {
				t.Errorf("%v cut to %d bytes: %v", m.params.Kind, i, d.Result)
			}
		}
	}
	p := got(append(redirect().frame(t), make([]byte, 20)...)) // link padding
	if d := miss.NewReceiver(miss.ReceiverOptions{}).Receive(n, p); d.Action != miss.Retarget {
		t.Errorf("padded: %v", d.Result)
	}
}
