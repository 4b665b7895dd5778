package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/keyway-nve/keyway/proto/ethernet"
)

// AddVeth makes a veth pair, both ends up, and both without offloads: frames leave as they would on a wire, checksums filled in and none longer than the
// MTU. The kernel gives the ends no IPv6 addresses of its own, so an end without an address is silent.
func AddVeth(a, b Interface) error {
	pair := netlink.NewVeth(netlink.NewLinkAttrs())
	pair.Name, pair.MTU, pair.HardwareAddr = a.Name, a.MTU, a.hardware()
	pair.PeerName, pair.PeerMTU, pair.PeerHardwareAddr = b.Name, uint32(b.MTU), b.hardware()
	pair.PeerNamespace = netlink.NsFd(b.Namespace.handle)
	err := a.Namespace.Do(func() error { return netlink.LinkAdd(pair) })
	for _, step := range []func(name string) error{raise, awaitCarrier} {
		for _, end := range []Interface{a, b} {
			if err == nil {
				err = end.Namespace.Do(func() error { return step(end.Name) })
			}
		}
	}
	if err != nil {
		return fmt.Errorf("veth %s to %s: %w", a.Name, b.Name, explain(err))
	}
	return nil
}

func (i Interface) hardware() net.HardwareAddr {
	if i.MAC == (ethernet.MAC{}) {
		return nil
	}
	return i.MAC[:]
}

// raise turns offloads off, and the kernel's own IPv6 addresses, and the interface on.
func raise(name string) error {
	// No checksum to fill in later, no segment to cut or join.
	for _, command := range []uint32{unix.ETHTOOL_STXCSUM, unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_SGRO} {
		if _, err := ethtool(name, command, 0); err != nil {
			return err
		}
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	// EAFNOSUPPORT: the kernel has no IPv6.
	if err := netlink.LinkSetIP6AddrGenMode(link, addrGenModeNone); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
		return err
	}
	return netlink.LinkSetUp(link)
}

// addrGenModeNone is IN6_ADDR_GEN_MODE_NONE of linux/if_link.h.
const addrGenModeNone = 1

// awaitCarrier waits until an interface sends. It drops frames until the kernel's link watch has noticed, by and by, that the other end of the pair is
// up; to be asked for the link's state makes the link watch look at once (linkwatch_sync_dev). Before Linux 6.8 ethtool alone does so.
func awaitCarrier(name string) error {
	for end := time.Now().Add(carrierWithin); ; time.Sleep(carrierPoll) {
		up, err := ethtool(name, unix.ETHTOOL_GLINK, 0)
		switch {
		case err != nil:
			return err
		case up != 0:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("no carrier after %v", carrierWithin)
		}
	}
}

const (
	carrierWithin = 5 * time.Second
	carrierPoll   = time.Millisecond
)

// ethtool sets or gets one value of an interface (linux/ethtool.h, struct ethtool_value).
func ethtool(name string, command, data uint32) (uint32, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	value := struct{ command, data uint32 }{command, data}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // of the union in struct ifreq
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return 0, fmt.Errorf("ethtool command %#x: %w", command, os.NewSyscallError("ioctl", errno))
	}
	return value.data, nil
}

// AddAddress gives an interface an address of its own, at once usable, and says that all of its family is on the same link: a virtual network is one,
// whatever its addresses are.
func (n *Namespace) AddAddress(name string, a netip.Addr) error {
	bits := a.BitLen()
	own := &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, bits)}
	all := &net.IPNet{IP: make(net.IP, bits/8), Mask: net.CIDRMask(0, bits)}
	err := n.Do(func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: own, Flags: unix.IFA_F_NODAD}); err != nil {
			return err
		}
		return netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: all, Scope: netlink.SCOPE_LINK})
	})
	if err != nil {
		return fmt.Errorf("address %v on %s: %w", a, name, explain(err))
	}
	return nil
}
