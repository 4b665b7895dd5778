package miss_test

import (
	"testing"

	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/nvgreext"
)

func FuzzReceive(f *testing.F) {
	for _, m := range []message{redirect(), unreachable()} {
		f.Add(m.frame(f))
		m.trigger = sent6()
		if m.params.Kind == nvgreext.Redirect {
			m.params.Target = c6
			f.Add(m.frame(f))
			m.params.Literal = true
		}
		f.Add(m.frame(f))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		receiveGarbage(t, frame)
		if len(frame) >= quoteMACsAt { // with right checksums it comes further
			fixIPv4(frame[outerIPAt:])
			fixIPv4(frame[innerIPAt:])
			fixIPv4(frame[quoteAt:])
			fixICMP(frame)
			receiveGarbage(t, frame)
		}
	})
}

func FuzzRespond(f *testing.F) {
	for _, p := range []packet{sent(), sent6(), sentGeneve(), sentGeneve6()} {
		f.Add(p.frame(f))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		n := newNetwork()
		n.at[endpoint{vni, vm2}] = "c"
		a := miss.NewResponder(miss.ResponderOptions{}).Respond(n, miss.Punt{Device: "b", Reason: miss.Moved, Frame: frame, At: start})
		if a.Frame == nil {
			return
		}
		m := decode(t, a.Frame)
		if peer, _ := n.Owner(m.Dst); peer.Name != a.Peer {
			t.Errorf("sent to %v, which is not %s", m.Dst, a.Peer)
		}
		var h ethernet.Header
		if _, err := h.Decode(a.Frame); err != nil || len(a.Frame) > h.Len()+1280 {
			t.Errorf("%d bytes, %v", len(a.Frame), err)
		}
	})
}

func receiveGarbage(t *testing.T, frame []byte) {
	t.Helper()
	d := miss.NewReceiver(miss.ReceiverOptions{Accept: nvgreext.AnyForm}).Receive(newNetwork(), got(frame))
	if d.Action == miss.Drop {
		return
	}
	// Whatever the bytes, what changes is the one flow that a has, told of by where it goes. All else is looked up, for an endpoint
	// of a and a peer that is known.
	if d.Result == miss.RefreshedDrift {
		if d.Place.Device != "a" || d.Place.VNI != vni || d.Peer == "" || d.Peer == "a" {
			t.Errorf("%v of %v by %q", d.Result, d.Place, d.Peer)
		}
		return
	}
	if d.Place != (miss.Place{Device: "a", VNI: vni, MAC: vm2}) || d.Peer != "b" {
		t.Errorf("%v of %v by %q", d.Action, d.Place, d.Peer)
	}
	if d.Action == miss.Retarget && d.Override.To != c4 {
		t.Errorf("retargets to %v", d.Override.To)
	}
}
