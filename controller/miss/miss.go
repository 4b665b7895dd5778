// Package miss decides what becomes of packets that a data plane could not forward, and of the NVGRE-EXT messages by which NVEs tell
// each other of that (draft-sridharan-virtualization-nvgre-ext, June 2015).
//
//	NVE b punts: moved, unknown ---> Responder ---> REDIRECT or UNREACHABLE to the sender, NVE a
//	NVE a punts: VSID 0xFFFFFF  ---> Receiver  ---> nothing, refresh, or send elsewhere for a while (Overrides)
//
// The draft warns of compromised NVEs (§4) and names no timer and no limit. So a [Receiver] checks all that the message claims against
// what the NVA knows, and then does as the device's policy says; by default it only looks again at the intent. A [Responder]
// answers only peers that are known and speak the message (RFC 7637 §3.4), never what could start a loop or an avalanche, and keeps
// within [Limits].
//
// A Geneve packet that meets a miss has no such message. It is counted, and the NVA refreshes the sender itself if it manages it.
//
// All of it is data and decisions: time comes in with the punt, frames go out as bytes, there is no goroutine and no clock. Nothing here
// is safe for concurrent use.
package miss

import (
	"net/netip"
	"time"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
)

// Reason is why a data plane punted a packet: the reason field of packet_in (PUNT_* in p4/include/metadata.p4).
type Reason uint8

// The reasons of nve.p4.
const (
	NVGREExt        Reason = iota + 1 // VSID 0xFFFFFF
	OAM                               // Geneve O=1 (RFC 8926 §3.4)
	UnknownVN                         // received for a VN that is not here; the sender is not yet checked
	UnknownEndpoint                   // received for an endpoint that is not known
	Moved                             // received for an endpoint that is behind another NVE
	CriticalOption                    // C=1 and no layout row
	NoDestination                     // sent by a tenant to an endpoint that is not known
)

func (r Reason) String() string {
	return name("reason", []string{"", "nvgre-ext", "oam", "unknown-vn", "unknown-endpoint", "moved", "critical-option", "no-destination"}, uint8(r))
}

// Punt is one packet that a data plane sent to the controller.
type Punt struct {
	Device string
	Reason Reason
	// Port is where the packet came in.
	Port uint16
	// Frame is the packet as it came from the wire: with its outer headers, or for NoDestination the tenant's frame alone.
	Frame []byte
	At    time.Time
}

// View is what the NVA knows of the network. All calls for one punt have to see the same state.
type View interface {
	// Device returns a device by name.
	Device(name string) (intent.Device, bool)
	// Owner returns the device that has a provider address.
	Owner(pa netip.Addr) (intent.Device, bool)
	// Location returns the device that an endpoint is behind.
	Location(vni geneve.VNI, mac ethernet.MAC) (device string, ok bool)
	// Member reports whether a device is an NVE of a virtual network: it may send into it and be sent to.
	Member(vni geneve.VNI, device string) bool
	// Sends returns the provider address to which a device sends for an endpoint as its tables are now, which may be behind the
	// intent, or ahead of it by an [Override].
	Sends(Place) (netip.Addr, bool)
	// Way returns how a device reaches a provider address in the underlay.
	Way(device string, pa netip.Addr) (Way, bool)
}

// Way is the way out of a device towards a provider address.
type Way struct {
	Port    uint16
	Source  ethernet.MAC // of the port
	NextHop ethernet.MAC
}

func family(a netip.Addr) intent.Family {
	if a.Is4() {
		return intent.IPv4
	}
	return intent.IPv6
}

// owns reports whether a provider address is one of the device's.
func owns(d *intent.Device, pa netip.Addr) bool { return d.ProviderAddress(family(pa)) == pa }
