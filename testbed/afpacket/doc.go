// Package afpacket sends and receives Ethernet frames on a Linux network interface by AF_PACKET sockets (packet(7)), many at a time: frames are as they are
// on the wire, VLAN tags included, also those for other hosts, and not those that leave the interface.
package afpacket
