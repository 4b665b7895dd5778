package conformance

import (
	"fmt"
	"testing"
)

// ECN field values (RFC 3168 5).
const (
	notECT = iota
	ect1
	ect0
	ce
)

func ecnName(v uint8) string { return [...]string{"Not-ECT", "ECT(1)", "ECT(0)", "CE"}[v] }

// RFC 6040 4.2, figure 4: what the tenant gets, by what came inside and outside.
// -1 is to drop.
func decapsulated(inner, outer uint8) int {
	return [4][4]int{ //        outer: Not-ECT ECT(1)  ECT(0)  CE
		notECT: {notECT, notECT, notECT, -1},
		ect1:   {ect1, ect1, ect1, ce},
		ect0:   {ect0, ect1, ect0, ce},
		ce:     {ce, ce, ce, ce},
	}[inner][outer]
}

func TestECNReceive(t *testing.T) {
	d := here(t)
	var rules []rule
	for _, gre := range []bool{false, true} {
		for _, outer6 := range []bool{false, true} {
			for _, inner6 := range []bool{false, true} {
				for inner := range uint8(4) {
					for outer := range uint8(4) {
						f := tenant{from: "blue-3", to: "blue-1", v6: inner6, tos: 0xb8 | inner}
						u := tunnel{gre: gre, v6: outer6, vni: blue, tos: 0x28 | outer, inner: f.bytes(t)}
						want := dropped("ecn")
						if merged := decapsulated(inner, outer); merged >= 0 {
							f.tos = 0xb8 | uint8(merged) // with the header checksum that this makes
							want = leaves(256, f.bytes(t))
						}
						at := uint32(1)
						if outer6 {
							at = 2
						}
						rules = append(rules, rule{
							fmt.Sprintf("inner %s, outer %s, NVGRE %v, outer IPv6 %v, inner IPv6 %v, RFC 6040 4.2",
								ecnName(inner), ecnName(outer), gre, outer6, inner6), at, u.bytes(), want})
					}
				}
			}
		}
	}
	arp := tenant{from: "blue-3", to: "blue-1", payload: unhex("0806 0001")}.bytes(t)
	rules = append(rules,
		rule{"CE over a frame without ECN, RFC 6040 4.2", 1, tunnel{vni: blue, tos: ce, inner: arp}.bytes(), dropped("ecn")},
		rule{"ECT(0) over a frame without ECN, RFC 6040 4.2", 1, tunnel{vni: blue, tos: ect0, inner: arp}.bytes(), leaves(256, arp)},
	)
	d.check(t, rules)
}

// The tenant's header checksum follows its ECN field by RFC 1624, whatever it was.
func TestECNChecksum(t *testing.T) {
	d := here(t)
	for id := range 0x10000 {
		if id%257 != 0 && id > 16 {
			continue
		}
		f := tenant{from: "blue-3", to: "blue-1", tos: ect0}.bytes(t)
		f[18], f[19] = byte(id>>8), byte(id)
		reseal(f[14:])
		want := with(f, 15, fmt.Sprintf("%02x", ce))
		reseal(want[14:])
		out := d.frames(1, tunnel{vni: blue, tos: ce, inner: f}.bytes())
		if len(out) != 1 || !sameFrame(t, want, out[0].frame) {
			t.Fatalf("identification %#04x, checksum %x", id, f[24:26])
		}
	}
}

// RFC 6040 4.1, normal mode: the outer field is a copy. DSCP is not copied (Pipe
// model, RFC 8926 4.4.2), and TTL neither.
func TestECNSend(t *testing.T) {
	d := here(t)
	for _, from := range []struct {
		name, from, to string
		port           uint32
	}{
		{"Geneve over IPv4", "blue-1", "blue-3", 256}, {"Geneve over IPv6", "blue-1", "blue-4", 256},
		{"NVGRE over IPv4", "red-1", "red-3", 258}, {"NVGRE over IPv6", "red-1", "red-4", 258},
	} {
		for _, v6 := range []bool{false, true} {
			for ecn := range uint8(4) {
				t.Run(fmt.Sprintf("%s, inner IPv6 %v, %s, RFC 6040 4.1", from.name, v6, ecnName(ecn)), func(t *testing.T) {
					frame := tenant{from: from.from, to: from.to, v6: v6, tos: 0xb8 | ecn}.bytes(t)
					out := d.frames(from.port, frame)
					if len(out) != 1 {
						t.Fatalf("%d frames leave", len(out))
					}
					w, err := readWire(out[0].frame)
					if err != nil {
						t.Fatal(err)
					}
					if w.ecn != ecn || w.dscp != 0 || w.ttl != 64 {
						t.Errorf("ECN %d, DSCP %d, TTL %d; want %d, 0, 64", w.ecn, w.dscp, w.ttl, ecn)
					}
					sameFrame(t, frame, w.inner)
				})
			}
		}
	}
}
