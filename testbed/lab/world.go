package lab

import (
	"context"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/intent"
)

// World brings what a lab is run with: software targets and NVAs, or anything else that behaves as they do.
type World interface {
	// StartDevice starts a device with the program of its role and nothing in its tables. transmit puts a frame on the wire at one of its ports; it returns at
	// once, copies the frame, and may be called from any goroutine. It is not for frames to the CPU port.
	StartDevice(ctx context.Context, spec DeviceSpec, transmit func(port uint32, frame []byte)) (Device, error)
	// StartController starts the NVA of an authority, which programs nothing until Apply.
	StartController(ctx context.Context, spec ControllerSpec) (Controller, error)
}

// DeviceSpec is a device to be started.
type DeviceSpec struct {
	Name string
	Role intent.Role
	// ID is a P4Runtime device id that no other device of the lab has.
	ID uint64
	// Ports are those that have a wire at some time of the lab, in ascending order.
	Ports []uint32
	// Capability is what the device can do, as far as it is less than what its program can; nil is no less.
	Capability *capabilities.Capability
}

// Device is a running device.
type Device interface {
	// Receive takes a frame that has arrived at a port. The lab calls it from one goroutine.
	Receive(port uint32, frame []byte)
	// Settle returns when every frame that was received until the call has been dealt with: what it causes has been transmitted, or has been handed to
	// the controller.
	Settle(ctx context.Context) error
	// Target is where the device's P4Runtime server is.
	Target() intent.Target
	// GNMI is where its gNMI server is, or "" if controllers are not to ask.
	GNMI() string
	// Advertise has the device say from now on that it can do this, as far as its program can.
	Advertise(capabilities.Capability) error
	// Says returns what the device says by now that it can do, and false if that is nothing.
	Says() (capabilities.Capability, bool)
	// Cut breaks all connections of controllers to the device. They may be made again.
	Cut() error
	// Counters returns the device's counters by name. The labs know drops and punts, the sums over all reasons; drop-R and punt-R for each reason R of
	// the program, such as drop-policy and punt-unknown-vn; and sequence-gaps and lost-packets, the sums over all peers.
	Counters(ctx context.Context) (Counters, error)
	Close() error
}

// Counters are what a device has counted.
type Counters struct {
	Values map[string]uint64 // by name
	// Unreadable names counters of the program that this target has no way to read. What is expected of them can not be judged.
	Unreadable []string
}

// Hosts give the hosts of a lab interfaces of their own between them and their wires.
type Hosts interface {
	// StartHost makes a host's interface. transmit puts a frame on its wire, as that of StartDevice does.
	StartHost(ctx context.Context, spec HostSpec, transmit func(frame []byte)) (Host, error)
}

// HostSpec is a host to be given an interface.
type HostSpec struct {
	Endpoint intent.Endpoint
	// Receive takes what arrives at the interface: the host is the lab's own. nil: it is somebody else's, who is given the endpoint's MAC and
	// addresses.
	Receive func(frame []byte)
}

// Host is a running host's interface.
type Host interface {
	// Send sends a frame from the host.
	Send(frame []byte)
	// Receive takes a frame that has arrived on the wire.
	Receive(frame []byte)
	// Settle is as that of Device.
	Settle(ctx context.Context) error
	Close() error
}

// ControllerSpec is an NVA to be started.
type ControllerSpec struct {
	Name string
	// Refresh returns the truth: what the inventory behind the NVA answers when the NVA asks, in place of waiting to be told.
	Refresh func(ctx context.Context) (intent.Intent, error)
}

// Controller is a running NVA.
type Controller interface {
	// Apply makes an intent the one to be programmed, and returns when the tables of all devices that it manages hold it.
	Apply(ctx context.Context, in intent.Intent) error
	// Settle returns when the controller has dealt with every packet that its devices have punted until the call, its answers sent and its table
	// updates made. What it does later by itself, on a timer, is not waited for.
	Settle(ctx context.Context) error
	// Counters returns what the controller has counted, by name. The labs know redirects-sent, redirects-received, unreachables-sent,
	// unreachables-received, retargets and refreshes.
	Counters(ctx context.Context) (map[string]uint64, error)
	Close() error
}
