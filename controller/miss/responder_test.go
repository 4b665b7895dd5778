package miss_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/nvgreext"
)

// decode reads a message and fails the test if it is not one in the standard form.
func decode(t testing.TB, frame []byte) nvgreext.Message {
	t.Helper()
	var m nvgreext.Message
	if err := m.Decode(frame, 0); err != nil {
		t.Fatalf("% x\n%v", frame, err)
	}
	return m
}

func TestResponderOutcomes(t *testing.T) {
	moved := func(n *network) { n.at[endpoint{vni, vm2}] = "c" }
	place := func(device string) miss.Place { return miss.Place{Device: device, VNI: vni, MAC: vm2} }
	tests := []struct {
		name    string
		reason  miss.Reason
		packet  func(*packet)
		network func(*network)
		options miss.ResponderOptions
		want    miss.Outcome
		target  netip.Addr // of a REDIRECT
		refresh miss.Place
	}{
		{name: "moved", reason: miss.Moved, network: moved, want: miss.SentRedirect, target: c4},
		{name: "moved, last of its VN", reason: miss.UnknownVN, network: moved, want: miss.SentRedirect, target: c4},
		{name: "moved, tables not told", reason: miss.UnknownEndpoint, network: moved, want: miss.SentRedirect, target: c4},
		{name: "absent", reason: miss.UnknownEndpoint, network: func(n *network) { delete(n.at, endpoint{vni, vm2}) },
			want: miss.UnreachableAbsent},
		{name: "no such VN", reason: miss.UnknownVN, packet: func(p *packet) { p.vni = 0x6000 }, want: miss.UnreachableAbsent},
		{name: "ARP for an absent endpoint", reason: miss.UnknownEndpoint,
			packet:  func(p *packet) { p.inner.Type, p.tenantSrc = ethernet.TypeARP, netip.Addr{} },
			network: func(n *network) { delete(n.at, endpoint{vni, vm2}) }, want: miss.UnreachableAbsent},
		{name: "target of the other family", reason: miss.Moved, packet: func(p *packet) { p.src, p.dst = a6, b6 },
			network: func(n *network) { n.at[endpoint{vni, vm2}] = "d" }, want: miss.UnreachableFamily},
		{name: "moved to a device that is gone", reason: miss.Moved,
			network: func(n *network) { n.at[endpoint{vni, vm2}] = "nobody" }, want: miss.UnreachableFamily},
		{name: "sender is no member", reason: miss.UnknownVN,
			network: func(n *network) { moved(n); n.members[vni] = []string{"b", "c"} }, want: miss.UnreachableMembership},
		{name: "moved to the sender", reason: miss.Moved, network: func(n *network) { n.at[endpoint{vni, vm2}] = "a" },
			want: miss.UnreachableHome},
		{name: "peer does not speak REDIRECT", reason: miss.Moved,
			network: func(n *network) { moved(n); n.change("a").NVGREExt.Redirect = false }, want: miss.UnreachableNotRedirect},
		{name: "device does not speak REDIRECT", reason: miss.Moved,
			network: func(n *network) { moved(n); n.change("b").NVGREExt.Redirect = false }, want: miss.UnreachableNotRedirect},
		{name: "peer speaks nothing", reason: miss.Moved,
			network: func(n *network) { moved(n); n.change("a").NVGREExt = intent.NVGREExt{} },
			want:    miss.NoMessageSpoken, refresh: place("a")},
		{name: "peer speaks nothing and is somebody else's", reason: miss.Moved,
			network: func(n *network) {
				moved(n)
				n.change("a").NVGREExt, n.change("a").P4Runtime = intent.NVGREExt{}, intent.Target{}
			}, want: miss.NoMessageSpoken},
		{name: "device speaks nothing", reason: miss.Moved,
			network: func(n *network) { moved(n); n.change("b").NVGREExt = intent.NVGREExt{} },
			want:    miss.NoMessageDisabled, refresh: place("a")},
		{name: "silent", reason: miss.Moved, network: moved, options: miss.ResponderOptions{Silent: true},
			want: miss.NoMessageDisabled, refresh: place("a")},
		{name: "endpoint is here", reason: miss.UnknownEndpoint, want: miss.NoMessageLagging, refresh: place("b")},
		{name: "Geneve, moved", reason: miss.Moved, packet: func(p *packet) { p.geneve = true }, network: moved,
			want: miss.NoMessageGeneve, refresh: place("a")},
		{name: "Geneve over IPv6, no such VN", reason: miss.UnknownVN,
			packet: func(p *packet) { p.geneve, p.src, p.dst, p.vni = true, a6, b6, 7 },
			want:   miss.NoMessageGeneve, refresh: miss.Place{Device: "a", VNI: 7, MAC: vm2}},
		{name: "Geneve, endpoint is here", reason: miss.UnknownEndpoint, packet: func(p *packet) { p.geneve = true },
			want: miss.NoMessageLagging, refresh: place("b")},

		{name: "OAM", reason: miss.OAM, want: miss.NeverNotAMiss},
		{name: "critical option", reason: miss.CriticalOption, want: miss.NeverNotAMiss},
		{name: "NVGRE-EXT", reason: miss.NVGREExt, want: miss.NeverNotAMiss},
		{name: "reason of another program", reason: 99, want: miss.NeverNotAMiss},
		{name: "tenant's own", reason: miss.NoDestination, want: miss.NeverNoDestination},
		{name: "device not in the intent", reason: miss.Moved, network: func(n *network) { n.devices = n.devices[2:] },
			want: miss.NeverUnknownDevice},
		{name: "control VSID", reason: miss.UnknownVN, packet: func(p *packet) { p.vni = 0xFFFFFF }, want: miss.NeverControl},
		{name: "reserved VSID", reason: miss.UnknownVN, packet: func(p *packet) { p.vni = 0xFFF }, want: miss.NeverControl},
		{name: "Geneve control", reason: miss.UnknownVN, packet: func(p *packet) { p.geneve, p.control = true, true },
			want: miss.NeverControl},
		{name: "later fragment", reason: miss.Moved, packet: func(p *packet) { p.fragOffset = 185 }, want: miss.NeverFragment},
		{name: "link multicast", reason: miss.Moved, packet: func(p *packet) { p.link.Dst = ethernet.Broadcast() },
			want: miss.NeverMulticast},
		{name: "outer multicast", reason: miss.Moved, packet: func(p *packet) { p.dst = addr("239.1.1.1") }, want: miss.NeverMulticast},
		{name: "outer broadcast", reason: miss.Moved, packet: func(p *packet) { p.dst = addr("255.255.255.255") },
			want: miss.NeverMulticast},
		{name: "inner broadcast", reason: miss.UnknownVN, packet: func(p *packet) { p.inner.Dst = ethernet.Broadcast() },
			want: miss.NeverInnerMulticast},
		{name: "inner broadcast, Geneve", reason: miss.UnknownVN,
			packet: func(p *packet) { p.geneve, p.inner.Dst = true, ethernet.Broadcast() }, want: miss.NeverInnerMulticast},
		{name: "inner tag", reason: miss.UnknownVN,
			packet: func(p *packet) { p.inner.Tag = ethernet.Tag{TPID: ethernet.TypeVLAN, VID: 5} }, want: miss.NeverInnerTag},
		{name: "source 0.0.0.0", reason: miss.UnknownVN, packet: func(p *packet) { p.src = addr("0.0.0.0") }, want: miss.NeverBadSource},
		{name: "source multicast", reason: miss.UnknownVN, packet: func(p *packet) { p.src = addr("224.0.0.9") },
			want: miss.NeverBadSource},
		{name: "source loopback", reason: miss.UnknownVN, packet: func(p *packet) { p.src = addr("127.0.0.1") },
			want: miss.NeverBadSource},
		{name: "source of class E", reason: miss.UnknownVN, packet: func(p *packet) { p.src = addr("240.0.0.1") },
			want: miss.NeverBadSource},
		{name: "source is the destination", reason: miss.UnknownVN, packet: func(p *packet) { p.src = b4 }, want: miss.NeverBadSource},
		{name: "source is the device's other address", reason: miss.UnknownVN,
			packet: func(p *packet) { p.src = addr("192.0.2.22") },
			network: func(n *network) {
				n.change("b").ProviderAddresses = append(n.change("b").ProviderAddresses, addr("192.0.2.22"))
			}, want: miss.NeverUnknownPeer},
		{name: "source unknown", reason: miss.UnknownVN, packet: func(p *packet) { p.src = addr("198.51.100.1") },
			want: miss.NeverUnknownPeer},
		{name: "destination of another device", reason: miss.UnknownVN, packet: func(p *packet) { p.dst = c4 }, want: miss.NeverNotLocal},
		{name: "runt", reason: miss.UnknownVN, packet: func(p *packet) { p.tenantSrc, p.payload = netip.Addr{}, 19 },
			want: miss.NeverMalformed},
		{name: "no way to the peer", reason: miss.Moved, network: func(n *network) { moved(n); delete(n.ways["b"], a4) },
			want: miss.NeverNoWay},
	}
	seen := make(map[miss.Outcome]bool)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, p := newNetwork(), sent()
			if tt.network != nil {
				tt.network(n)
			}
			if tt.packet != nil {
				tt.packet(&p)
			}
			r := miss.NewResponder(tt.options)
			a := r.Respond(n, punt(t, "b", tt.reason, p))
			if a.Outcome != tt.want {
				t.Fatalf("%v, want %v (%v)", a.Outcome, tt.want, a.Err)
			}
			seen[a.Outcome] = true
			if diff := cmp.Diff(tt.refresh, a.Refresh); diff != "" {
				t.Errorf("refresh (-want +got):\n%s", diff)
			}
			if n := r.Stats()[tt.want]; n != 1 {
				t.Errorf("counted %d times", n)
			}
			if (a.Frame != nil) != a.Outcome.Sent() {
				t.Fatalf("%d bytes of frame", len(a.Frame))
			}
			if a.Frame == nil {
				return
			}
			m := decode(t, a.Frame)
			kind := nvgreext.Unreachable
			if tt.want == miss.SentRedirect {
				kind = nvgreext.Redirect
			}
			if m.Kind != kind || m.Target != tt.target || a.Target != tt.target {
				t.Errorf("%v, target %v and %v; want %v, %v", m.Kind, m.Target, a.Target, kind, tt.target)
			}
			if m.Quote.Flow.DstMAC != p.inner.Dst || m.Quote.Flow.VSID != p.vsid() || a.Port != 1 {
				t.Errorf("quotes %+v, out of port %d", m.Quote.Flow, a.Port)
			}
		})
	}
	// Never counted by one packet alone, or tested apart.
	for _, o := range []miss.Outcome{miss.HeldDuplicate, miss.HeldPeerLimit, miss.HeldGlobalLimit, miss.NeverUnrepresentable} {
		seen[o] = true
	}
	for o, n := range (miss.ResponderStats{}).All() {
		if !seen[o] || n != 0 {
			t.Errorf("no test comes to %v", o)
		}
	}
}

func TestRespondEveryTruncation(t *testing.T) {
	n := newNetwork()
	n.at[endpoint{vni, vm2}] = "c"
	for name, p := range map[string]packet{"IPv4": sent(), "IPv6": sent6(), "Geneve": sentGeneve(), "Geneve over IPv6": sentGeneve6()} {
		frame := p.frame(t)
		for i := range frame {
			r := miss.NewResponder(miss.ResponderOptions{})
			a := r.Respond(n, miss.Punt{Device: "b", Reason: miss.Moved, Frame: frame[:i], At: start})
			// Punted packets may be cut short, but not within their headers; Geneve over UDP says how long it is.
			headers := len(frame) - p.payload
			if p.geneve {
				headers = len(frame)
			}
			if cut := i < headers; (a.Outcome == miss.NeverMalformed) != cut {
				t.Errorf("%s cut to %d of %d bytes: %v", name, i, len(frame), a.Outcome)
			}
		}
	}
}

func TestNotGeneve(t *testing.T) {
	const udpAt, geneveAt = outerIPAt + 20, outerIPAt + 28
	tests := []struct {
		name   string
		change func([]byte)
		want   miss.Outcome
	}{
		{"as it is", func([]byte) {}, miss.NoMessageGeneve},
		{"other UDP port", func(b []byte) { b[udpAt+3]++ }, miss.NeverMalformed},
		{"UDP length too short", func(b []byte) { b[udpAt+4], b[udpAt+5] = 0, 7 }, miss.NeverMalformed},
		{"other protocol inside", func(b []byte) { b[geneveAt+2], b[geneveAt+3] = 0x08, 0x00 }, miss.NeverMalformed},
		{"version", func(b []byte) { b[geneveAt] |= 0x40 }, miss.NeverMalformed},
		{"options longer than the packet", func(b []byte) { b[geneveAt] = 63 }, miss.NeverMalformed},
		{"TCP", func(b []byte) { b[outerIPAt+9] = 6; fixIPv4(b[outerIPAt:]) }, miss.NeverMalformed},
		{"ARP", func(b []byte) { b[13] = 0x06 }, miss.NeverMalformed},
		{"IP version", func(b []byte) { b[outerIPAt] = 0x55 }, miss.NeverMalformed},
		{"link multicast", func(b []byte) { b[0] = 1 }, miss.NeverMulticast},
		{"outer multicast", func(b []byte) { b[outerIPAt+16] = 239; fixIPv4(b[outerIPAt:]) }, miss.NeverMulticast},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNetwork()
			n.at[endpoint{vni, vm2}] = "c"
			in := punt(t, "b", miss.Moved, sentGeneve())
			tt.change(in.Frame)
			if a := miss.NewResponder(miss.ResponderOptions{}).Respond(n, in); a.Outcome != tt.want {
				t.Errorf("%v, want %v", a.Outcome, tt.want)
			}
		})
	}
}

func TestNodeMACs(t *testing.T) {
	tests := []struct {
		name             string
		options          miss.ResponderOptions
		known            bool
		sender, receiver ethernet.MAC
	}{
		{"known", miss.ResponderOptions{NodeMAC: mac(0x99)}, true, mac(0xa0), mac(0xa1)},
		{"configured", miss.ResponderOptions{NodeMAC: mac(0x99)}, false, mac(0x99), mac(0x99)},
		{"default", miss.ResponderOptions{}, false, mac(0), mac(0)},
	}
	for _, tt := range tests {
		n := newNetwork()
		n.at[endpoint{vni, vm2}] = "c"
		if !tt.known {
			n.change("a").MAC, n.change("b").MAC = ethernet.MAC{}, ethernet.MAC{}
		}
		m := decode(t, miss.NewResponder(tt.options).Respond(n, punt(t, "b", miss.Moved, sent())).Frame)
		if m.SenderMAC != tt.sender || m.ReceiverMAC != tt.receiver {
			t.Errorf("%s: to %v from %v", tt.name, m.SenderMAC, m.ReceiverMAC)
		}
	}
}

func TestTagGoesBack(t *testing.T) {
	n, p := newNetwork(), sent()
	n.at[endpoint{vni, vm2}] = "c"
	p.link.Tag = ethernet.Tag{TPID: ethernet.TypeVLAN, PCP: 3, VID: 100}
	for port, want := range map[uint16]ethernet.Tag{1: p.link.Tag, 2: {}} {
		in := punt(t, "b", miss.Moved, p)
		in.Port = port
		a := miss.NewResponder(miss.ResponderOptions{}).Respond(n, in)
		var h ethernet.Header
		if _, err := h.Decode(a.Frame); err != nil || h.Tag != want {
			t.Errorf("came by port %d, goes by port %d with tag %+v, %v; want %+v", port, a.Port, h.Tag, err, want)
		}
	}
}

func TestResponderHoldsBack(t *testing.T) {
	n := newNetwork()
	n.at[endpoint{vni, vm2}] = "c"
	r := miss.NewResponder(miss.ResponderOptions{Limits: miss.Limits{
		Window: time.Second, Peer: miss.Rate{PerSecond: 2, Burst: 3}, Global: miss.Rate{PerSecond: 2, Burst: 4},
	}})
	at := func(d time.Duration, src netip.Addr, dst ethernet.MAC, reason miss.Reason, want miss.Outcome) {
		t.Helper()
		p := sent()
		p.src, p.inner.Dst = src, dst
		in := punt(t, "b", reason, p)
		in.At = start.Add(d)
		if a := r.Respond(n, in); a.Outcome != want || (a.Frame != nil) != want.Sent() {
			t.Errorf("after %v: %v, want %v", d, a.Outcome, want)
		}
	}
	ms := time.Millisecond
	at(0, a4, vm2, miss.Moved, miss.SentRedirect)
	at(999*ms, a4, vm2, miss.Moved, miss.HeldDuplicate)
	at(1000*ms, a4, vm2, miss.Moved, miss.SentRedirect)
	// Unknown destinations have buckets of their own.
	for i := range 3 {
		at(1001*ms, a4, mac(byte(0x40+i)), miss.UnknownEndpoint, miss.UnreachableAbsent)
	}
	at(1002*ms, a4, mac(0x50), miss.UnknownEndpoint, miss.HeldPeerLimit)
	r.Respond(n, geneveAt(t, 1002*ms)) // and so has what the NVA refreshes itself
	at(1002*ms, c4, mac(0x50), miss.UnknownEndpoint, miss.UnreachableAbsent)
	at(1002*ms, c4, mac(0x51), miss.UnknownEndpoint, miss.HeldGlobalLimit)
	at(1501*ms, a4, mac(0x50), miss.UnknownEndpoint, miss.UnreachableAbsent) // held back is not said
	at(2000*ms, a4, vm2, miss.Moved, miss.SentRedirect)
	// News are not duplicates: the endpoint has moved on, or is gone.
	n.at[endpoint{vni, vm2}] = "d"
	at(2001*ms, a4, vm2, miss.Moved, miss.SentRedirect)
	delete(n.at, endpoint{vni, vm2})
	at(2002*ms, a4, vm2, miss.Moved, miss.UnreachableAbsent)

	want := miss.ResponderStats{miss.SentRedirect: 4, miss.UnreachableAbsent: 6, miss.HeldDuplicate: 1,
		miss.HeldPeerLimit: 1, miss.HeldGlobalLimit: 1, miss.NoMessageGeneve: 1}
	if diff := cmp.Diff(want, r.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

func geneveAt(t *testing.T, after time.Duration) miss.Punt {
	in := punt(t, "b", miss.Moved, sentGeneve())
	in.At = start.Add(after)
	return in
}

func TestUnrepresentable(t *testing.T) {
	n := newNetwork()
	n.at[endpoint{vni, vm2}] = "c"
	n.ways["b"][a4] = miss.Way{Port: 1, Source: mac(1)} // no next hop
	a := miss.NewResponder(miss.ResponderOptions{}).Respond(n, punt(t, "b", miss.Moved, sent()))
	if a.Outcome != miss.NeverUnrepresentable || a.Err == nil || a.Frame != nil {
		t.Errorf("%+v", a)
	}
}
