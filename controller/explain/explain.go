// Package explain says what one NVE sends to another for a virtual network, and
// why: encapsulation, layout, what was left out and whose limit says so, what
// stands in the tables of both ends, and the MTU that is left to tenants.
package explain

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/tables"
)

// ErrNoPair is the fault of names that are not of two NVEs that can reach each
// other for a virtual network.
var ErrNoPair = errors.New("no such pair of NVEs")

// Input is what an explanation is made from.
type Input struct {
	Intent *intent.Intent // valid and resolved
	Plan   *layouts.Plan  // of the intent
	MTU    int            // of the underlay, in bytes of an IP packet
	Schema *tables.Schema // of the program that NVEs run
}

// Pair says what one NVE sends to another.
type Pair struct {
	Sender         string     `json:"sender"`
	Receiver       string     `json:"receiver"`
	VirtualNetwork string     `json:"virtualNetwork"`
	VNI            geneve.VNI `json:"vni"`
	Encapsulation  string     `json:"encapsulation"`
	Underlay       string     `json:"underlay"`
	Local          netip.Addr `json:"local"`
	Remote         netip.Addr `json:"remote"`
	// Port is the UDP destination port, 0 for NVGRE.
	Port uint16 `json:"port,omitempty"`
	// Verdict says in one line how the layout came about.
	Verdict string `json:"verdict"`
	// Possible is false if nothing may be sent at all: then Conflict has the rules that cannot hold together, if they are known.
	Possible bool                `json:"possible"`
	Conflict []capabilities.Rule `json:"conflict,omitempty"`
	Layout   []Option            `json:"layout"`
	Bytes    int                 `json:"bytes"` // of all options
	// LeftOut are the options that are wanted and not sent.
	LeftOut []capabilities.LeftOut `json:"leftOut,omitempty"`
	Rows    Rows                   `json:"rows"`
	// Overhead is what a tenant's IP packet grows by, and TenantMTU what may be left of it, in bytes.
	Overhead  int      `json:"overhead"`
	TenantMTU int      `json:"tenantMtu"`
	Notes     []string `json:"notes,omitempty"`
}

// Option is an option of the layout.
type Option struct {
	capabilities.Placed
	Bytes int `json:"bytes"`
	// Because are the rules that bind it to its place; none is the order in which options are wanted.
	Because []capabilities.Rule `json:"because,omitempty"`
}

// Rows are what a layout takes of tables.
type Rows struct {
	// Sender and Receiver are the entries, as text, of devices that run our program.
	Sender   []string `json:"sender,omitempty"`
	Receiver []string `json:"receiver,omitempty"`
	// TCAM is the receiver's row that matches the layout.
	TCAM *TCAMRow `json:"tcam,omitempty"`
	// Held is how many layouts the receiver holds for all its senders, and Room for how many it has room; 0 is not known.
	Held int    `json:"held"`
	Room uint32 `json:"room,omitempty"`
}

// TCAMRow is a row of the option window: what each word is compared with.
type TCAMRow struct {
	OptLen   int        `json:"optLen"` // in words of 4 bytes
	Critical bool       `json:"critical"`
	Words    []TCAMWord `json:"words"`
}

// TCAMWord is the key of one word. A mask of zero matches everything.
type TCAMWord struct {
	Value  string `json:"value"`
	Mask   string `json:"mask"`
	Option string `json:"option"` // whose word it is
}

// Explain explains what sender sends to receiver for a virtual network. The error
// wraps [ErrNoPair].
func Explain(in Input, sender, receiver, vn string) (Pair, error) {
	p := Pair{Sender: sender, Receiver: receiver, VirtualNetwork: vn, Possible: true, Layout: []Option{}}
	if err := in.check(sender, receiver, vn); err != nil {
		return p, err
	}
	path, ok := in.Intent.Path(vn, sender, receiver)
	if !ok {
		return p, fmt.Errorf("%w: %s and %s have no provider addresses of one family", ErrNoPair, sender, receiver)
	}
	network, _ := in.Intent.VirtualNetwork(vn)
	p.VNI, p.Encapsulation, p.Local, p.Remote = network.VNI, path.Encapsulation.String(), path.Local, path.Remote
	family := intent.IPv4
	if !path.Remote.Is4() {
		family = intent.IPv6
	}
	p.Underlay = family.String()
	for _, name := range []string{sender, receiver} {
		if !slices.ContainsFunc(in.Intent.Endpoints, func(e intent.Endpoint) bool { return e.VirtualNetwork == vn && e.Device == name }) {
			p.Notes = append(p.Notes, fmt.Sprintf("%s has no endpoint of %s, so that nothing of it is in its tables by now", name, vn))
		}
	}
	if path.Encapsulation == intent.NVGRE {
		p.Verdict = "NVGRE has no options; nothing has to be settled"
	} else {
		p.Port = geneve.Port
		if err := p.settled(in); err != nil {
			return p, err
		}
	}
	p.Overhead = render.Overhead(path, p.Bytes)
	p.TenantMTU = in.MTU - p.Overhead
	return p, nil
}

func (in Input) check(sender, receiver, vn string) error {
	var errs []error
	for _, name := range []string{sender, receiver} {
		d, ok := in.Intent.Device(name)
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%w: no device is named %s", ErrNoPair, name))
		case d.Role != intent.RoleNVE:
			errs = append(errs, fmt.Errorf("%w: device %s is a transit device", ErrNoPair, name))
		}
	}
	if sender == receiver {
		errs = append(errs, fmt.Errorf("%w: %s sends nothing to itself", ErrNoPair, sender))
	}
	if _, ok := in.Intent.VirtualNetwork(vn); !ok {
		errs = append(errs, fmt.Errorf("%w: no virtual network is named %s", ErrNoPair, vn))
	}
	return errors.Join(errs...)
}

// settled says what is settled between two NVEs, and why.
func (p *Pair) settled(in Input) error {
	agreed := in.Plan.Between(p.Sender, p.Receiver)
	p.Possible = !agreed.Impossible
	best, why, known := in.Plan.Solve(p.Sender, p.Receiver)
	p.Notes = append(p.Notes, why.Notes...)
	var names []string
	for _, o := range agreed.Options {
		names = append(names, o.Name)
	}
	places, leftOut := why.Places, why.LeftOut
	switch {
	case !known && agreed.Written:
		p.Verdict = fmt.Sprintf("written by the operator, and nobody knows better: nothing is known of %s", join(agreed.Unknown))
	case !known && agreed.Impossible:
		p.Verdict = fmt.Sprintf("nothing is known of %s, so that it is not sent what it could not do without the options that are required", join(agreed.Unknown))
	case !known:
		p.Verdict = fmt.Sprintf("no options: nothing is known of %s", join(agreed.Unknown))
	case agreed.Refused:
		p.Verdict, p.Conflict, places = "no options: the operator's layout cannot be", why.Conflict, nil
	case agreed.Impossible:
		p.Verdict, p.Conflict, places = "nothing is sent: what is required cannot be", why.Conflict, nil
		if agreed.Degraded != nil {
			p.Conflict = []capabilities.Rule{*agreed.Degraded}
		}
	case best.String() != strings.Join(names, " "):
		p.Verdict = fmt.Sprintf("the best that %s has room for beside its other senders", p.Receiver)
		_, as, _ := in.Plan.SolveAs(p.Sender, p.Receiver, names)
		places = without(as.Places)
		leftOut = append(lost(best, names, agreed.Degraded), why.LeftOut...)
	case agreed.Written:
		p.Verdict, leftOut = "written by the operator", nil
	default:
		p.Verdict = "settled from what both ends and the path can do"
	}
	p.LeftOut = leftOut
	word := 0
	for i, o := range agreed.Options {
		x := Option{Placed: capabilities.Placed{Name: o.Name, Type: o.TLV(), Word: word}, Bytes: 4 * o.Size()}
		if i < len(places) {
			x.Because = places[i]
		}
		p.Layout = append(p.Layout, x)
		p.Bytes += x.Bytes
		word += o.Size()
	}
	return p.rows(in, agreed.Options)
}

// lost are the options of the best layout that there is no room for.
func lost(best capabilities.Layout, names []string, why *capabilities.Rule) []capabilities.LeftOut {
	var out []capabilities.LeftOut
	for _, o := range best.Options {
		if !slices.Contains(names, o.Name) && why != nil {
			out = append(out, capabilities.LeftOut{Name: o.Name, Type: o.Type, Because: []capabilities.Rule{*why}})
		}
	}
	return out
}

// without returns rules without those that only repeat the question.
func without(places [][]capabilities.Rule) [][]capabilities.Rule {
	for i := range places {
		places[i] = slices.DeleteFunc(places[i], func(r capabilities.Rule) bool { return r.Leaf == "wanted.override" })
	}
	return places
}

func (p *Pair) rows(in Input, options []intent.OptionType) error {
	p.Rows.Held = in.Plan.Rows(p.Receiver)
	if c, ok := in.Plan.Known(p.Receiver); ok {
		p.Rows.Room = c.Receive.Rows
	}
	if len(options) == 0 {
		return nil
	}
	send, receive, err := render.Layout(options)
	if err != nil {
		return err
	}
	p.Rows.Sender = in.text(p.Sender, send)
	p.Rows.Receiver = in.text(p.Receiver, receive)
	row := &TCAMRow{}
	for _, o := range options {
		row.OptLen += o.Size()
		row.Critical = row.Critical || o.Critical
		h, mask := render.Header(o)
		row.Words = append(row.Words, TCAMWord{hex(h), hex(mask), o.Name})
		for range o.Length {
			row.Words = append(row.Words, TCAMWord{hex(0), hex(0), o.Name})
		}
	}
	p.Rows.TCAM = row
	return nil
}

// text returns the entries of a device that runs our program; what another does is
// its own business.
func (in Input) text(device string, entries []tables.Entity) []string {
	d, _ := in.Intent.Device(device)
	if !d.Managed() {
		return nil
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = in.Schema.Text(e)
	}
	return out
}

func hex(v uint32) string { return fmt.Sprintf("0x%08x", v) }

func join(names []string) string { return strings.Join(names, " and ") }
