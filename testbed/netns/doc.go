// Package netns makes Linux network namespaces, the veth pairs that join them, and the addresses on them.
//
// A [Namespace] without a name lives as long as something of this process holds it, so nothing is left behind however the process ends. One with a name
// is where ip-netns(8) looks, so that "ip netns exec NAME" enters it. Names outlive a process that is killed; a lock beside each says
// whether its maker still lives, and [New] removes those whose maker does not.
package netns

import (
	"errors"

	"github.com/keyway-nve/keyway/proto/ethernet"
)

var (
	// ErrNotPermitted says that the process may not make namespaces or change what is in them.
	ErrNotPermitted = errors.New("needs root, or CAP_SYS_ADMIN and CAP_NET_ADMIN")
	// ErrUnsupported says that this is not Linux, or a kernel without network namespaces or veth.
	ErrUnsupported = errors.New("network namespaces need Linux, with veth")
	// ErrHeld says that a name is in use: by a process that lives, or by somebody who is not Keyway.
	ErrHeld = errors.New("name is in use")
)

// Interface is one end of a veth pair.
type Interface struct {
	Namespace *Namespace
	// Name has 15 bytes at most.
	Name string
	MAC  ethernet.MAC // the zero value: the kernel's choice
	MTU  int          // of both ends of a pair
}
