package lab

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/proto/ip"
	"github.com/keyway-nve/keyway/proto/nvgre"
	"github.com/keyway-nve/keyway/proto/nvgreext"
	"github.com/keyway-nve/keyway/proto/udp"
	"github.com/keyway-nve/keyway/testbed/wire"
)

// TunnelReport is packets of one kind that were seen on one wire.
type TunnelReport struct {
	Wire           string `json:"wire"`
	From           string `json:"from"`
	To             string `json:"to"`
	VirtualNetwork string `json:"virtualNetwork"`
	Encapsulation  string `json:"encapsulation"`
	Underlay       string `json:"underlay"`
	// Options are the names of the option types in the order of the packet. One that the intent does not name stands as class/type/length.
	Options []string `json:"options"`
	Packets uint64   `json:"packets"`
	// leaving says that the wire is the one on which the packets leave From.
	leaving bool
}

// MessageReport is NVGRE-EXT messages of one kind that one NVE has sent another.
type MessageReport struct {
	Kind   string `json:"kind"`
	From   string `json:"from"`
	To     string `json:"to"`
	Target string `json:"target,omitempty"`
	Count  uint64 `json:"count"`
}

type tunnelKey struct {
	wire, from, to, vn, encapsulation, underlay, options string
	leaving                                              bool
}

type messageKey struct{ kind, from, to, target string }

// observer decodes what crosses the underlay's wires, apart from the programs and controllers under test.
type observer struct {
	mu        sync.Mutex
	in        *intent.Intent
	tunnels   map[tunnelKey]uint64
	messages  map[messageKey]uint64
	malformed []string
	sent      uint64
	lost      uint64
	// last has the last frame from each end of each wire, for replay.
	last map[string][]byte
}

func newObserver(in *intent.Intent) *observer {
	return &observer{in: in, tunnels: map[tunnelKey]uint64{}, messages: map[messageKey]uint64{}, last: map[string][]byte{}}
}

// reset forgets what was seen, and takes names from in from now on.
func (o *observer) reset(in *intent.Intent) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.in, o.malformed, o.sent, o.lost = in, nil, 0, 0
	clear(o.tunnels)
	clear(o.messages)
}

func lastKey(wire, node string) string { return wire + "\x00" + node }

// replay returns the last frame that node has sent on a wire, or nil.
func (o *observer) replay(wire, node string) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last[lastKey(wire, node)]
}

// see is a [wire.Tap].
func (o *observer) see(f wire.Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent++
	if f.Lost {
		o.lost++
	}
	if f.Note != "" {
		return // it is not a device's doing
	}
	o.last[lastKey(f.Wire, f.From.Node)] = f.Data
	if _, ok := o.in.Endpoint(f.Wire); ok {
		return
	}
	if err := o.decode(f); err != nil {
		o.malformed = append(o.malformed, fmt.Sprintf("%s from %v: %v", f.Wire, f.From, err))
	}
}

// errOther is a packet of the underlay that is no tunnel.
var errOther = errors.New("neither Geneve nor NVGRE")

func (o *observer) decode(f wire.Frame) error {
	p, ok := parseFrame(f.Data)
	if !ok {
		return errors.New("bad outer headers")
	}
	k := tunnelKey{wire: f.Wire, from: o.nve(p.src), to: o.nve(p.dst), underlay: "ipv4"}
	if p.src.Is6() {
		k.underlay = "ipv6"
	}
	k.leaving = k.from == f.From.Node
	switch p.protocol {
	case ip.ProtocolUDP:
		return o.geneve(k, p)
	case ip.ProtocolGRE:
		return o.nvgre(k, p, f)
	}
	return errOther
}

func (o *observer) geneve(k tunnelKey, p packet) error {
	var u udp.Header
	rest, err := u.Decode(p.payload)
	if err != nil {
		return err
	}
	if u.DstPort != geneve.Port {
		return errOther
	}
	if err := udp.Verify(p.payload, p.src, p.dst); err != nil {
		return err
	}
	var h geneve.Header
	inner, err := h.Decode(rest)
	if err != nil {
		return err
	}
	if err := h.CheckOptions(); err != nil {
		return err
	}
	var names []string
	for opt := range h.Options.All() {
		names = append(names, o.option(opt.Type))
	}
	k.encapsulation, k.vn, k.options = intent.Geneve.String(), o.vn(h.VNI), strings.Join(names, " ")
	if h.Control {
		k.encapsulation = "geneve-oam"
	}
	return o.count(k, inner)
}

func (o *observer) nvgre(k tunnelKey, p packet, f wire.Frame) error {
	var h nvgre.Header
	inner, err := h.Decode(p.payload)
	if err != nil {
		return err
	}
	if h.VSID == nvgre.Control {
		return o.message(k, f)
	}
	if err := nvgre.CheckInner(inner); err != nil {
		return err
	}
	k.encapsulation, k.vn = intent.NVGRE.String(), o.vn(geneve.VNI(h.VSID))
	return o.count(k, inner)
}

func (o *observer) count(k tunnelKey, inner []byte) error {
	var eth ethernet.Header
	if _, err := eth.Decode(inner); err != nil {
		return fmt.Errorf("inner frame: %w", err)
	}
	o.tunnels[k]++
	return nil
}

func (o *observer) message(k tunnelKey, f wire.Frame) error {
	var m nvgreext.Message
	if err := m.Decode(f.Data, 0); err != nil {
		return err
	}
	if !k.leaving {
		return nil
	}
	key := messageKey{kind: strings.ToLower(m.Kind.String()), from: k.from, to: k.to}
	if m.Target.IsValid() {
		key.target = o.nve(m.Target)
	}
	o.messages[key]++
	return nil
}

// nve returns the name of the device with a provider address, or the address.
func (o *observer) nve(a netip.Addr) string {
	for _, d := range o.in.Devices {
		if slices.Contains(d.ProviderAddresses, a) {
			return d.Name
		}
	}
	return a.String()
}

func (o *observer) vn(v geneve.VNI) string {
	for _, n := range o.in.VirtualNetworks {
		if n.VNI == v {
			return n.Name
		}
	}
	return fmt.Sprintf("0x%06x", uint32(v))
}

func (o *observer) option(t geneve.OptionType) string {
	for _, x := range o.in.OptionTypes {
		if x.TLV() == t {
			return x.Name
		}
	}
	return t.String()
}

// seen is what crossed the wires in a step.
type seen struct {
	tunnels   []TunnelReport
	messages  []MessageReport
	malformed []string
	sent      uint64
	lost      uint64
}

func (o *observer) seen() seen {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := seen{malformed: slices.Clone(o.malformed), sent: o.sent, lost: o.lost}
	for k, n := range o.tunnels {
		s.tunnels = append(s.tunnels, TunnelReport{
			Wire: k.wire, From: k.from, To: k.to, VirtualNetwork: k.vn, Encapsulation: k.encapsulation, Underlay: k.underlay,
			Options: append([]string{}, strings.Fields(k.options)...), Packets: n, leaving: k.leaving,
		})
	}
	slices.SortFunc(s.tunnels, func(a, b TunnelReport) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.VirtualNetwork, b.VirtualNetwork),
			-compareBool(a.leaving, b.leaving), cmp.Compare(a.Wire, b.Wire), slices.Compare(a.Options, b.Options),
			cmp.Compare(a.Encapsulation, b.Encapsulation), cmp.Compare(a.Underlay, b.Underlay))
	})
	for _, k := range slices.SortedFunc(maps.Keys(o.messages), func(a, b messageKey) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.kind, b.kind), cmp.Compare(a.target, b.target))
	}) {
		s.messages = append(s.messages, MessageReport{Kind: k.kind, From: k.from, To: k.to, Target: k.target, Count: o.messages[k]})
	}
	return s
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
