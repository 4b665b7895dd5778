package nvgreext_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/keyway-nve/keyway/proto/nvgreext"
	"github.com/keyway-nve/keyway/testbed/peer"
)

// gopacket writes the frame of Build, from the same trigger: headers, lengths
// and checksums. It knows no Redirected Header option, so the ICMPv6 REDIRECT's
// body is written out here as RFC 4861 §4.5 draws it.
func TestAsGopacket(t *testing.T) {
	for _, tt := range messages {
		if tt.change != nil {
			continue // Build does not write these
		}
		t.Run(tt.name, func(t *testing.T) {
			tr := tt.trigger.bytes(t)
			quote := tr[14:]
			p := params(tt.kind)
			outer4 := &layers.IPv4{Version: 4, TTL: 64, Flags: layers.IPv4DontFragment, Protocol: layers.IPProtocolGRE, SrcIP: receiver4.AsSlice(), DstIP: sender4.AsSlice()}
			inner4 := *outer4
			inner4.TTL, inner4.Protocol = 255, layers.IPProtocolICMPv4
			outer6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolGRE, SrcIP: receiver6.AsSlice(), DstIP: sender6.AsSlice()}
			inner6 := *outer6
			inner6.HopLimit, inner6.NextHeader = 255, layers.IPProtocolICMPv6

			typ, outer, in := layers.EthernetTypeIPv4, gopacket.SerializableLayer(outer4), gopacket.SerializableLayer(&inner4)
			var icmp gopacket.SerializableLayer
			var body []byte
			switch {
			case !tt.trigger.v6 && tt.kind == nvgreext.Redirect:
				to := target4.As4() // in gopacket the gateway is an identifier and a sequence number
				icmp = &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeRedirect, layers.ICMPv4CodeHost),
					Id: uint16(to[0])<<8 | uint16(to[1]), Seq: uint16(to[2])<<8 | uint16(to[3])}
			case !tt.trigger.v6:
				icmp = &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodeHostAdminProhibited)}
			default:
				p = params6(tt.kind)
				typ, outer, in = layers.EthernetTypeIPv6, outer6, &inner6
				six := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeDestinationUnreachable, layers.ICMPv6CodeAdminProhibited)}
				body = make([]byte, 4)
				if tt.kind == nvgreext.Redirect {
					six.TypeCode = layers.CreateICMPv6TypeCode(layers.ICMPv6TypeRedirect, 0)
					body = append(body, target6.AsSlice()...)
					if tt.literal {
						body = target6.AsSlice()
					} else {
						n := (8 + len(quote) + 7) / 8
						body = append(append(body, receiver6.AsSlice()...), 4, byte(n), 0, 0, 0, 0, 0, 0)
						quote = append(slices.Clone(quote), make([]byte, n*8-8-len(quote))...)
					}
				}
				if err := six.SetNetworkLayerForChecksum(&inner6); err != nil {
					t.Fatal(err)
				}
				icmp = six
			}
			p.Literal, p.FlowID = tt.literal, 0x5a
			buf := gopacket.NewSerializeBuffer()
			err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
				&layers.Ethernet{DstMAC: nextHop[:], SrcMAC: ourPort[:], EthernetType: typ}, outer,
				&layers.GRE{KeyPresent: true, Key: 0xffffff5a, Protocol: layers.EthernetTypeTransparentEthernetBridging},
				&layers.Ethernet{DstMAC: senderMAC[:], SrcMAC: recvMAC[:], EthernetType: typ}, in, icmp, gopacket.Payload(append(body, quote...)))
			if err != nil {
				t.Fatal(err)
			}
			list := fields(!tt.trigger.v6, tt.fields...)
			if diff := cmp.Diff(annotate(buf.Bytes(), list), annotate(build(t, p, tr), list)); diff != "" {
				t.Errorf("(-gopacket +ours):\n%s", diff)
			}
		})
	}
}

// tshark has to show every message as the ICMP message that it is, inside GRE
// with the key 0xffffffxx, and nothing malformed. It follows RFC 792, RFC 4443
// and RFC 4861, so it is not asked about the forms that differ from them.
func TestAsTshark(t *testing.T) {
	tshark := peer.Require(t, "tshark", "tshark")
	var capture bytes.Buffer
	w := pcapgo.NewWriter(&capture)
	if err := w.WriteFileHeader(1<<16, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	var names, want []string
	add := func(name string, frame []byte, shown string) {
		info := gopacket.CaptureInfo{Timestamp: time.Unix(0, 0), CaptureLength: len(frame), Length: len(frame)}
		if err := w.WritePacket(info, frame); err != nil {
			t.Fatal(err)
		}
		names, want = append(names, name), append(want, name+": "+shown)
	}
	const ( // ICMP type, code and gateway; ICMPv6 type, code and target; GRE key's VSID
		redirect4, unreachable4 = "5;1;192.0.2.3;;;;0xffffff", "3;10;;;;;0xffffff"
		redirect6, unreachable6 = ";;;137;0;2001:db8::3;0xffffff", ";;;1;1;;0xffffff"
	)
	all := goldens(t)
	for _, tt := range messages {
		if tt.form&^(nvgreext.FormHopLimit|nvgreext.FormQuotedChecksum) != 0 {
			continue
		}
		switch {
		case tt.kind == nvgreext.Redirect && !tt.trigger.v6:
			add(tt.name, all[tt.name], redirect4)
		case tt.kind == nvgreext.Redirect:
			add(tt.name, all[tt.name], redirect6)
		case !tt.trigger.v6:
			add(tt.name, all[tt.name], unreachable4)
		default:
			add(tt.name, all[tt.name], unreachable6)
		}
	}
	long, long6 := trigger{inner: inner{payload: 1400}}.bytes(t), trigger{v6: true, inner: inner{payload: 1400}}.bytes(t)
	add("longest IPv4 REDIRECT", build(t, params(nvgreext.Redirect), long), redirect4)
	add("longest IPv6 REDIRECT", build(t, params6(nvgreext.Redirect), long6), redirect6)
	add("longest IPv4 UNREACHABLE", build(t, params(nvgreext.Unreachable), long), unreachable4)
	add("longest IPv6 UNREACHABLE", build(t, params6(nvgreext.Unreachable), long6), unreachable6)

	file := filepath.Join(t.TempDir(), "nvgreext.pcap")
	if err := os.WriteFile(file, capture.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) []string {
		args = append([]string{"-r", file, "-o", "ip.check_checksum:TRUE"}, args...)
		out, err := exec.CommandContext(t.Context(), tshark, args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	}
	// The first value of each field is the message's own; a quoted packet adds more.
	got := run("-T", "fields", "-E", "separator=;", "-E", "occurrence=f", "-e", "icmp.type", "-e", "icmp.code", "-e", "icmp.redir_gw",
		"-e", "icmpv6.type", "-e", "icmpv6.code", "-e", "icmpv6.nd.rd.target_address", "-e", "gre.key")
	for i, line := range got {
		got[i] = names[i] + ": " + line[:max(0, len(line)-2)] // without the FlowID
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("(-tshark +ours):\n%s", diff)
	}
	// tshark 4.0 takes the zeros that pad the Redirected Header option to 8 bytes
	// (RFC 4861 §4.6) for data that it cannot read.
	malformed := slices.DeleteFunc(run("-Y", "_ws.malformed", "-T", "fields", "-e", "frame.number"), func(number string) bool {
		n, err := strconv.Atoi(number)
		return err != nil || names[n-1] == "redirect-ipv6"
	})
	if len(malformed) > 0 {
		t.Errorf("malformed frames: %v", malformed)
	}
	for _, fault := range []string{"icmp.checksum.status != 1", "icmpv6.checksum.status != 1"} {
		if bad := run("-Y", fault); bad[0] != "" {
			t.Errorf("%s:\n%s", fault, strings.Join(bad, "\n"))
		}
	}
}
