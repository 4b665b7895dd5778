package conformance

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/nvgre"
	"github.com/keyway-nve/keyway/proto/udp"
)

// A wireFrame is what an NVE has put into the underlay, read by the codecs.
type wireFrame struct {
	ethernet ethernet.Header
	src, dst netip.Addr
	dscp     uint8
	ecn      uint8
	ttl      uint8
	label    uint32 // IPv6 flow label
	udp      udp.Header
	geneve   *geneve.Header // nil: NVGRE
	nvgre    nvgre.Header
	inner    []byte
}

// readWire reads a frame strictly: every length and checksum has to be right, by
// our codecs and by gopacket's.
func readWire(frame []byte) (w wireFrame, err error) {
	packet, err := w.ethernet.Decode(frame)
	if err != nil {
		return w, err
	}
	var payload []byte
	var protocol ip.Protocol
	switch w.ethernet.Type {
	case ethernet.TypeIPv4:
		var h ip.V4
		rest, err := h.Decode(packet)
		if err != nil {
			return w, err
		}
		if payload, err = h.Payload(rest); err != nil || len(payload) != len(rest) {
			return w, fmt.Errorf("IPv4 length: %d bytes for %d: %w", len(payload), len(rest), err)
		}
		if ip.Checksum(packet[:h.HeaderLen()]) != 0 {
			return w, errors.New("IPv4 checksum")
		}
		if !h.DontFragment || h.MoreFragments || h.FragOffset != 0 {
			return w, errors.New("fragments")
		}
		w.src, w.dst, w.ttl, protocol = h.Src, h.Dst, h.TTL, h.Protocol
		w.dscp, w.ecn = packet[1]>>2, packet[1]&3
	case ethernet.TypeIPv6:
		var h ip.V6
		rest, err := h.Decode(packet)
		if err != nil {
			return w, err
		}
		if payload, err = h.Payload(rest); err != nil || len(payload) != len(rest) {
			return w, fmt.Errorf("IPv6 length: %d bytes for %d: %w", len(payload), len(rest), err)
		}
		w.src, w.dst, w.ttl, w.label, protocol = h.Src, h.Dst, h.HopLimit, h.FlowLabel, h.NextHeader
		w.dscp, w.ecn = packet[0]<<2&0x3c|packet[1]>>6, packet[1]>>4&3
	default:
		return w, fmt.Errorf("ether type %v", w.ethernet.Type)
	}
	if protocol == ip.ProtocolGRE {
		if w.inner, err = w.nvgre.Decode(payload); err != nil {
			return w, err
		}
		return w, errors.Join(nvgre.CheckInner(w.inner), secondOpinion(frame))
	}
	if err := udp.Verify(payload, w.src, w.dst); err != nil {
		return w, err
	}
	rest, err := w.udp.Decode(payload)
	if err != nil || len(rest) != len(payload)-udp.HeaderLen {
		return w, fmt.Errorf("UDP length: %d bytes for %d: %w", len(rest), len(payload), err)
	}
	w.geneve = new(geneve.Header)
	if w.inner, err = w.geneve.Decode(rest); err != nil {
		return w, err
	}
	return w, errors.Join(w.geneve.CheckOptions(), secondOpinion(frame))
}

// secondOpinion is gopacket's of the outer headers.
func secondOpinion(frame []byte) error {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if len(p.Layers()) < 4 {
		return fmt.Errorf("gopacket reads %v", p.Layers())
	}
	for _, l := range p.Layers()[:3] {
		checked, ok := l.(gopacket.LayerWithChecksum)
		if u, isUDP := l.(*layers.UDP); isUDP {
			if err := u.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
				return err
			}
			ok = u.Checksum != 0xffff // gopacket does not know that all ones stand for zero
		}
		if !ok {
			continue
		}
		if err, r := checked.VerifyChecksum(); err != nil || !r.Valid {
			return fmt.Errorf("gopacket: %v checksum %#x, want %#x: %w", l.LayerType(), r.Actual, r.Correct, err)
		}
	}
	return nil
}
