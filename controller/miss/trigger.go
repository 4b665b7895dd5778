package miss

import (
	"net/netip"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/nvgreext"
	"github.com/keyway-nve/keyway/proto/udp"
)

// trigger is a tunnelled packet that met a miss.
type trigger struct {
	nvgreext.Trigger              // not with Geneve
	src, dst         netip.Addr   // outer
	vni              geneve.VNI   // or VSID
	mac              ethernet.MAC // inner destination
	isGeneve         bool
}

// parseTrigger reads a frame from the underlay. If ok is false, it is never to be answered, and the outcome says why.
func parseTrigger(frame []byte) (t trigger, why Outcome, ok bool) {
	parsed, refused := nvgreext.ParseTrigger(frame)
	if refused&nvgreext.NotNVGRE != 0 {
		return parseGeneve(frame)
	}
	t = trigger{Trigger: parsed, src: parsed.SrcPA, dst: parsed.DstPA, vni: geneve.VNI(parsed.VSID), mac: parsed.DstMAC}
	if refused != 0 {
		return t, refusal(refused), false
	}
	if !parsed.VSID.IsTenant() {
		return t, NeverControl, false
	}
	return t, 0, true
}

// refusal returns the outcome that stands for a set of reasons: what says most of the frame's purpose goes first.
func refusal(why nvgreext.Refusal) Outcome {
	for _, r := range []struct {
		any nvgreext.Refusal
		is  Outcome
	}{
		{nvgreext.ControlVSID, NeverControl},
		{nvgreext.Fragment, NeverFragment},
		{nvgreext.LinkMulticast | nvgreext.OuterDestination, NeverMulticast},
		{nvgreext.InnerMulticast, NeverInnerMulticast},
		{nvgreext.OuterSource, NeverBadSource},
		{nvgreext.InnerTag, NeverInnerTag},
	} {
		if why&r.any != 0 {
			return r.is
		}
	}
	return NeverMalformed
}

// parseGeneve reads as much of a Geneve packet as it takes to know whose tables are behind.
func parseGeneve(frame []byte) (t trigger, why Outcome, ok bool) {
	t.isGeneve = true
	var link, inner ethernet.Header
	var u udp.Header
	var g geneve.Header
	b, err := link.Decode(frame)
	if err != nil {
		return t, NeverMalformed, false
	}
	if b, ok = t.outer(b, link.Type); !ok {
		return t, NeverMalformed, false
	}
	if b, err = u.Decode(b); err != nil || u.DstPort != geneve.Port {
		return t, NeverMalformed, false
	}
	if b, err = g.Decode(b); err != nil || g.Protocol != ethernet.TypeTEB {
		return t, NeverMalformed, false
	}
	if _, err = inner.Decode(b); err != nil {
		return t, NeverMalformed, false
	}
	t.vni, t.mac = g.VNI, inner.Dst
	switch {
	case g.Control:
		return t, NeverControl, false
	case link.Dst.IsMulticast() || t.dst.IsMulticast():
		return t, NeverMulticast, false
	case inner.Dst.IsMulticast():
		return t, NeverInnerMulticast, false
	}
	return t, 0, true
}

// outer reads the outer IP header and returns the UDP datagram in it.
func (t *trigger) outer(b []byte, e ethernet.EtherType) (datagram []byte, ok bool) {
	var proto ip.Protocol
	var err error
	switch e {
	case ethernet.TypeIPv4:
		var h ip.V4
		if b, err = h.Decode(b); err == nil {
			b, err = h.Payload(b)
		}
		t.src, t.dst, proto = h.Src, h.Dst, h.Protocol
	case ethernet.TypeIPv6:
		var h ip.V6
		if b, err = h.Decode(b); err == nil {
			b, err = h.Payload(b)
		}
		t.src, t.dst, proto = h.Src, h.Dst, h.NextHeader
	default:
		return nil, false
	}
	return b, err == nil && proto == ip.ProtocolUDP
}
