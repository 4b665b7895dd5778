package nvgreext_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/nvgreext"
)

// punted is an NVGRE packet as a switch hands it to its controller: from the
// NVE 192.0.2.1 to ours, 192.0.2.2, with a packet of VSID 0x004242 for 10.0.0.2.
const punted = "020000000012" + "020000000011" + "0800" +
	"4500003e" + "00004000" + "3f2fb78d" + "c0000201" + "c0000202" +
	"20006558" + "00424277" +
	"0200000000b1" + "0200000000a1" + "0800" +
	"45000014" + "00000000" + "40fd65eb" + "0a000001" + "0a000002"

func Example() {
	frame, err := hex.DecodeString(punted)
	if err != nil {
		fmt.Println(err)
		return
	}
	// 10.0.0.2 has moved to the NVE 192.0.2.3.
	message, err := nvgreext.Build(nil, nvgreext.Params{
		Kind:        nvgreext.Redirect,
		Target:      netip.MustParseAddr("192.0.2.3"),
		LinkDst:     ethernet.MAC{2, 0, 0, 0, 0, 0x11},
		LinkSrc:     ethernet.MAC{2, 0, 0, 0, 0, 0x12},
		SenderMAC:   ethernet.MAC{2, 0, 0, 0, 0, 1},
		ReceiverMAC: ethernet.MAC{2, 0, 0, 0, 0, 2},
	}, frame)
	if err != nil {
		fmt.Println(err)
		return
	}
	var m nvgreext.Message
	if err := m.Decode(message, nvgreext.Tolerated); err != nil {
		fmt.Println(err)
		return
	}
	flow := m.Quote.Flow
	fmt.Printf("%v to %v: %v %v, VSID %v, is at %v\n", m.Src, m.Dst, m.Kind, flow.DstCA, flow.VSID, m.Target)

	// A message is never answered.
	_, err = nvgreext.Build(nil, nvgreext.Params{Kind: nvgreext.Unreachable}, message)
	fmt.Println(err)

	// Nor is one with a wrong bit believed.
	message[len(message)-1] ^= 1
	err = m.Decode(message, nvgreext.Tolerated)
	fmt.Println(err, errors.Is(err, nvgreext.ErrChecksum))
	// Output:
	// 192.0.2.2 to 192.0.2.1: REDIRECT 10.0.0.2, VSID 0x004242, is at 192.0.2.3
	// nvgreext: trigger must not be answered: control VSID
	// nvgreext: byte 78: ICMP checksum: wrong checksum true
}

func ExampleParseTrigger() {
	frame, err := hex.DecodeString(punted)
	if err != nil {
		fmt.Println(err)
		return
	}
	t, why := nvgreext.ParseTrigger(frame)
	fmt.Printf("%v to %v, VSID %v, for %v: refuse for %v\n", t.SrcPA, t.DstPA, t.VSID, t.DstMAC, why)
	copy(frame[42:], "\xff\xff\xff\xff\xff\xff")
	_, why = nvgreext.ParseTrigger(frame[:70])
	for reason := range why.All() {
		fmt.Println("refuse for", reason)
	}
	// Output:
	// 192.0.2.1 to 192.0.2.2, VSID 0x004242, for 02:00:00:00:00:b1: refuse for none
	// refuse for runt
	// refuse for inner multicast
}
