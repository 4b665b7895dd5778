package netns

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/keyway-nve/keyway/proto/ethernet"
)

// AddVeth makes a veth pair, both ends up, and both without offloads: frames leave as they would on a wire, checksums filled in and none longer than the
// MTU. The kernel gives the ends no IPv6 addresses of its own, so an end without an address is silent.
func AddVeth(a, b Interface) error {
	err := a.Namespace.Do(func() error {
		r := newRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, ifInfo(0, 0, 0))
		a.describe(r)
		r.nest(unix.IFLA_LINKINFO, func() {
			r.text(unix.IFLA_INFO_KIND, "veth")
			r.nest(unix.IFLA_INFO_DATA, func() {
				r.nest(vethInfoPeer, func() {
					r.b = append(r.b, ifInfo(0, 0, 0)...)
					b.describe(r)
					r.uint32(unix.IFLA_NET_NS_FD, uint32(b.Namespace.file.Fd()))
				})
			})
		})
		return r.do()
	})
	for _, end := range []Interface{a, b} {
		if err == nil {
			err = end.Namespace.Do(func() error { return setLink(end.Name, link{up: true, raw: true}) })
		}
	}
	for _, end := range []Interface{a, b} {
		if err == nil {
			err = end.Namespace.Do(func() error { return awaitCarrier(end.Name) })
		}
	}
	if err != nil {
		return fmt.Errorf("veth %s to %s: %w", a.Name, b.Name, explain(err))
	}
	return nil
}

// awaitCarrier waits until an interface sends. It drops frames until the kernel's link watch has noticed, by and by, that the other end of the pair is
// up; to be asked for the link's state makes the link watch look at once (linkwatch_sync_dev).
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

// vethInfoPeer is VETH_INFO_PEER of linux/veth.h.
const vethInfoPeer = 1

func (i Interface) describe(r *request) {
	r.text(unix.IFLA_IFNAME, i.Name)
	r.uint32(unix.IFLA_MTU, uint32(i.MTU))
	if i.MAC != (ethernet.MAC{}) {
		r.attr(unix.IFLA_ADDRESS, i.MAC[:])
	}
}

// ifInfo returns a struct ifinfomsg.
func ifInfo(index int, flags, change uint32) []byte {
	b := make([]byte, 4, unix.SizeofIfInfomsg)
	b = binary.NativeEndian.AppendUint32(b, uint32(index))
	b = binary.NativeEndian.AppendUint32(b, flags)
	return binary.NativeEndian.AppendUint32(b, change)
}

// link is what an interface is to be.
type link struct {
	up bool
	// raw turns offloads off, and IPv6's own addresses.
	raw bool
}

// setLink changes an interface of the calling thread's namespace.
func setLink(name string, l link) error {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	if l.raw {
		if err := withoutOffloads(name); err != nil {
			return err
		}
		if err := withoutOwnIPv6(ifi.Index); err != nil {
			return err
		}
	}
	var flags uint32
	if l.up {
		flags = unix.IFF_UP
	}
	return newRequest(unix.RTM_NEWLINK, 0, ifInfo(ifi.Index, flags, unix.IFF_UP)).do()
}

// addrGenModeNone is IN6_ADDR_GEN_MODE_NONE of linux/if_link.h.
const addrGenModeNone = 1

// withoutOwnIPv6 keeps the kernel from making link-local addresses. A kernel without IPv6 has no need of it.
func withoutOwnIPv6(index int) error {
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		return nil
	}
	r := newRequest(unix.RTM_NEWLINK, 0, ifInfo(index, 0, 0))
	r.nest(unix.IFLA_AF_SPEC, func() {
		r.nest(unix.AF_INET6, func() { r.attr(unix.IFLA_INET6_ADDR_GEN_MODE, []byte{addrGenModeNone}) })
	})
	return r.do()
}

// withoutOffloads leaves the interface nothing to do later: no checksum to fill in, no segment to cut or join.
func withoutOffloads(name string) error {
	for _, command := range []uint32{unix.ETHTOOL_STXCSUM, unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO, unix.ETHTOOL_SGRO} {
		if _, err := ethtool(name, command, 0); err != nil {
			return err
		}
	}
	return nil
}

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
	err := n.Do(func() error {
		ifi, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		family := byte(unix.AF_INET)
		if a.Is6() {
			family = unix.AF_INET6
		}
		// struct ifaddrmsg
		r := newRequest(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE,
			binary.NativeEndian.AppendUint32([]byte{family, byte(a.BitLen()), unix.IFA_F_NODAD, unix.RT_SCOPE_UNIVERSE}, uint32(ifi.Index)))
		r.attr(unix.IFA_LOCAL, a.AsSlice())
		r.attr(unix.IFA_ADDRESS, a.AsSlice())
		if err := r.do(); err != nil {
			return err
		}
		// struct rtmsg
		r = newRequest(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE,
			[]byte{family, 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RT_SCOPE_LINK, unix.RTN_UNICAST, 0, 0, 0, 0})
		r.uint32(unix.RTA_OIF, uint32(ifi.Index))
		return r.do()
	})
	if err != nil {
		return fmt.Errorf("address %v on %s: %w", a, name, explain(err))
	}
	return nil
}
