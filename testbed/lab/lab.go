// Package lab runs labs: a small network of P4 devices, hosts and wires, one or more NVAs that program it, and a scenario of steps with
// expectations that are checked against what really crossed the wires.
//
// A lab is one YAML file that a network engineer can read from top to bottom: the intent, as the NVA gets it; the topology, which
// is what is cabled; the authorities, which are the NVAs and the devices that each of them programs; and the scenario. [Parse] checks
// the whole file, the scenario included, before anything starts, and reports all that is wrong with it by line and column. [Run] runs it in a
// [World], which brings the devices and controllers.
//
// # Truth and views
//
// Labs are about what happens when somebody's knowledge is old. There is one truth, the intent as the steps have changed it
// so far, and each authority has its view: the truth at the moment when it was last told. A step that moves an endpoint says who is told. An
// authority that asks (because an NVGRE-EXT message made it doubt) is always given the truth.
package lab

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/testbed/wire"
)

// Lab is a lab as its file describes it. Names of endpoints are also the names of their hosts.
type Lab struct {
	Name string `yaml:"name,required"`
	// Title says in one line what the lab shows.
	Title string `yaml:"title,required"`
	// Intent is the truth at the beginning. Its devices have no P4Runtime targets, and their ports no neighbours: the first
	// are the business of the World, the second follow from the wires.
	Intent   intent.Intent `yaml:"intent,required"`
	Topology Topology      `yaml:"topology,required"`
	// Capabilities are what NVEs can do, as far as it is less than what their programs can. They say so over gNMI. One that is not listed
	// can do what its program can.
	Capabilities []capabilities.Capability
	// Peers are the NVEs that are not ours.
	Peers       []Peer
	Authorities []Authority
	Scenario    []Step `yaml:"scenario,required"`
}

// Topology is what is cabled. Hosts are not written down: each endpoint of the intent is one, on a wire of its name.
type Topology struct {
	Wires []Wire `yaml:"wires,required"`
}

// Wire joins two underlay ports.
type Wire struct {
	Name string     `yaml:"name,required"`
	Ends []wire.End `yaml:"ends,required"`
}

// Authority is an NVA and the devices that it programs. A lab without authorities has one, called nva, for all devices but peers.
type Authority struct {
	Name    string   `yaml:"name,required"`
	Devices []string `yaml:"devices,required"`
}

// Step is one thing done and what is expected of it. At most one of the fields between Name and Disturb is given.
type Step struct {
	Name   string `yaml:"name,required"`
	Send   []Send
	Ping   []Ping
	Inject []Inject
	Move   *Move
	Forget *Forget
	Tell   *Tell
	Update *Update
	// Advertise has NVEs say from now on that this is what they can do, in place of what they have said.
	Advertise []capabilities.Capability
	Fault     *Fault
	Wait      time.Duration
	// Disturb is what goes wrong while the rest of the step is done.
	Disturb *Disturb
	// While is traffic that goes on from before the step's action until all has settled after it, a frame every fifth of a millisecond. Its
	// frames are expected as if they were sent by Send: it shows what a change costs those who talk while it is made.
	While  []Send
	Expect Expect
}

// Everyone as the receiver of a Send stands for the broadcast address.
const Everyone = "everyone"

// Each as the sender and the receiver of a Send stands for every endpoint and each other one of its virtual network.
const Each = "each"

// Send sends UDP datagrams from one endpoint to another, or to everyone in its virtual network. Each carries a stream and a sequence number, so
// that loss, duplication, reordering and changes are seen.
type Send struct {
	From  string `yaml:"from,required"`
	To    string `yaml:"to,required"`
	Count int    // 0: 1
	// Size is the length of the datagram's payload in bytes. 0: 100.
	Size int
	// Settle waits until everything is quiet after each frame, so that the next one meets what it has caused.
	Settle bool
}

// Ping resolves the receiver's MAC by ARP or Neighbor Discovery and sends ICMP echo requests, each of which is expected to be answered.
type Ping struct {
	From  string `yaml:"from,required"`
	To    string `yaml:"to,required"`
	Count int    // 0: 1
}

// Inject puts a frame on a wire as if it came from the device at one of its ends: either given in hexadecimal, or the last frame that really came from
// there, cut and patched.
type Inject struct {
	Wire  string `yaml:"wire,required"`
	From  string `yaml:"from,required"`
	Count int    // 0: 1
	Frame Hex
	// Cut is the number of bytes that are left of a replayed frame; 0 leaves all.
	Cut   int
	Patch []Patch
}

// Patch overwrites bytes of a replayed frame.
type Patch struct {
	At    int `yaml:"at"`
	Bytes Hex `yaml:"bytes,required"`
}

// Move plugs an endpoint into another port, live. Tell lists the authorities that learn of it; without the field, all do.
type Move struct {
	Endpoint string   `yaml:"endpoint,required"`
	To       wire.End `yaml:"to,required"`
	Tell     []string
}

// Forget takes an endpoint out of the views of authorities, as if its removal had reached them and its new place had not. The truth keeps it.
type Forget struct {
	Endpoint    string   `yaml:"endpoint,required"`
	Authorities []string `yaml:"authorities,required"`
}

// Tell brings the views of authorities up to the truth.
type Tell struct {
	Authorities []string `yaml:"authorities,required"`
}

// Disturb is trouble between controllers and devices, which tenants are not to notice.
type Disturb struct {
	// After is how long the step is under way by then.
	After time.Duration
	// Cut are devices whose connections to controllers break: P4Runtime and gNMI. They may be made again at once.
	Cut []string
	// Restart are authorities that end, and start anew with nothing but the view that they had.
	Restart []string
}

// Update changes the intent: entries replace those of the same name, pair or groups, or are added. Tell is as in Move.
type Update struct {
	VirtualNetworks []intent.VirtualNetwork
	OptionTypes     []intent.OptionType
	GroupPolicies   []intent.GroupPolicy
	Tunnels         []intent.Tunnel
	Layouts         []intent.Layout
	// Wanted replaces all that was wanted.
	Wanted *intent.Wanted
	Tell   []string
}

// Fault makes a wire lose, duplicate or delay frames by their number, counted from this step on, until a later Fault of the same wire.
type Fault struct {
	Wire            string `yaml:"wire,required"`
	Down            bool
	Lose, Duplicate []uint64
	Delay           []uint64
}

// Expect is what must be so when all has settled. What it does not name has a rule too: frames that were sent arrive once, in order, unchanged and
// nowhere else; no NVGRE-EXT message is on the wires; no tunnel is malformed; and each Geneve packet carries
// the options of its pair's layout in their order.
type Expect struct {
	// Delivered replaces the rule for frames that were sent; an empty list means that none arrives.
	Delivered []Delivery
	Tunnels   []TunnelExpectation
	Messages  []MessageExpectation
	// Quiet has no device drop or punt anything.
	Quiet bool
	// Counters and Authorities hold, by device or authority and counter, how much it rises.
	Counters    map[string]map[string]Count
	Authorities map[string]map[string]Count
}

// Delivery is what arrives at an endpoint of the frames of one sender.
type Delivery struct {
	At   string `yaml:"at,required"`
	From string `yaml:"from,required"`
	// Count is of different frames. Disordered and Duplicates are expected to be 0.
	Count      Count `yaml:"count,required"`
	Disordered Count
	Duplicates Count
}

// TunnelExpectation is what leaves one NVE for another.
type TunnelExpectation struct {
	From string `yaml:"from,required"`
	To   string `yaml:"to,required"`
	// Wire restricts it to the packets that are seen on that wire, in place of the one on which they leave the sender.
	Wire           string
	VirtualNetwork string
	Encapsulation  intent.Encapsulation
	Underlay       intent.Family
	// Options, if given, are the names of all options in their order.
	Options []string
	// Packets is 1+ if not given.
	Packets Count
}

// MessageExpectation is an NVGRE-EXT message that one NVE sends another.
type MessageExpectation struct {
	Kind string `yaml:"kind,required"` // redirect or unreachable
	From string `yaml:"from,required"`
	To   string `yaml:"to,required"`
	// Target is the NVE that a redirect names.
	Target string
	// Count is 1 if not given.
	Count Count
}

// Count is a number that is expected: exactly, at least, or within bounds. The zero value expects 0.
type Count struct {
	Min, Max uint64
	given    bool
}

const unbounded = ^uint64(0)

// UnmarshalText accepts "3", "1+" (at least one) and "2-5".
func (c *Count) UnmarshalText(b []byte) error {
	low, high, ranged := strings.Cut(string(b), "-")
	low, open := strings.CutSuffix(low, "+")
	minimum, err := strconv.ParseUint(low, 10, 63)
	out := Count{Min: minimum, Max: minimum, given: true}
	switch {
	case ranged && !open && err == nil:
		out.Max, err = strconv.ParseUint(high, 10, 63)
	case open && !ranged:
		out.Max = unbounded
	case ranged:
		err = strconv.ErrSyntax
	}
	if err != nil || out.Max < out.Min {
		return fmt.Errorf("%q is not a count such as 3, 1+ or 2-5", b)
	}
	*c = out
	return nil
}

// String returns the form that UnmarshalText reads.
func (c Count) String() string {
	switch c.Max {
	case c.Min:
		return strconv.FormatUint(c.Min, 10)
	case unbounded:
		return fmt.Sprintf("%d+", c.Min)
	}
	return fmt.Sprintf("%d-%d", c.Min, c.Max)
}

// Holds reports whether n is as expected.
func (c Count) Holds(n uint64) bool { return n >= c.Min && n <= c.Max }

// or returns c, or what is expected if nothing was given.
func (c Count) or(low, high uint64) Count {
	if c.given {
		return c
	}
	return Count{Min: low, Max: high}
}

// Hex is bytes written in hexadecimal, with white space between them as one likes.
type Hex []byte

// UnmarshalText accepts pairs of hexadecimal digits.
func (h *Hex) UnmarshalText(b []byte) error {
	digits := bytes.Join(bytes.Fields(b), nil)
	out := make(Hex, 0, len(digits)/2)
	for i := 0; i < len(digits); i += 2 {
		n, err := strconv.ParseUint(string(digits[i:min(i+2, len(digits))]), 16, 8)
		if err != nil || i+1 == len(digits) {
			return fmt.Errorf("%q is not hexadecimal bytes", b)
		}
		out = append(out, byte(n))
	}
	*h = out
	return nil
}
