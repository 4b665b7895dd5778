package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables/nve"
)

// A rule is what has to become of one frame.
type rule struct {
	name  string // the rule, and the section that makes it
	port  uint32 // where the frame arrives
	frame []byte
	want  outcome
}

// outcome is what became of a frame, in lines that people can compare.
type outcome []string

// leaves is a frame that leaves by a port.
func leaves(port uint32, frame []byte) outcome {
	return append(outcome{fmt.Sprintf("leaves by port %d, %d bytes", port, len(frame))}, dump(frame)...)
}

// dropped is a frame that leaves nowhere, and is counted.
func dropped(reason string) outcome { return outcome{"dropped: " + reason} }

// punted is a frame that the controller gets to see whole.
func punted(reason string, port uint16, frame []byte) outcome {
	return append(outcome{fmt.Sprintf("punted: %s, from port %d, %d bytes", reason, port, len(frame))}, dump(frame)...)
}

func also(all ...outcome) outcome {
	var out outcome
	for _, o := range all {
		out = append(out, o...)
	}
	return out
}

// dump writes bytes as a table that shows a difference at its offset.
func dump(b []byte) (lines []string) {
	for at := 0; at < len(b); at += 16 {
		lines = append(lines, fmt.Sprintf("%04x  % x", at, b[at:min(at+16, len(b))]))
	}
	return lines
}

// check holds the device to each rule, in order.
func (d *dut) check(t *testing.T, rules []rule) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Helper()
			if diff := cmp.Diff(r.want, d.process(r.port, r.frame)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// process injects a frame and returns all that becomes of it.
func (d *dut) process(port uint32, frame []byte) outcome {
	d.t.Helper()
	if !d.counted {
		d.last, d.counted = d.counts(), true
	}
	out := d.frames(port, frame)
	return d.outcome(out)
}

// outcome is what became of a frame: what left, and what was counted since the
// last time.
func (d *dut) outcome(out []sent) outcome {
	d.t.Helper()
	before, after := d.last, d.counts()
	d.last, d.counted = after, true
	var got outcome
	for _, s := range out {
		got = append(got, leaves(s.port, s.frame)...)
		if d.role == intent.RoleNVE && s.port < 256 {
			if _, err := readWire(s.frame); err != nil {
				d.t.Errorf("a frame that is not sound leaves by port %d: %v\n%s", s.port, err, strings.Join(dump(s.frame), "\n"))
			}
		}
	}
	for i, reason := range p4.DropReasons() {
		for range after.drops[i] - before.drops[i] {
			got = append(got, dropped(reason)...)
		}
	}
	for i, reason := range p4.PuntReasons() {
		for range after.punts[i] - before.punts[i] {
			got = append(got, d.punt(reason)...)
		}
	}
	return got
}

// counts are the program's counters of what it did not forward, by reason.
type counts struct{ drops, punts [32]uint64 }

func (d *dut) counts() (c counts) {
	d.t.Helper()
	ids := []uint32{nve.CounterDropsID, nve.CounterPuntsID}
	if d.role == intent.RoleNVE {
		ids = append(ids, nve.CounterEgressDropsID)
	}
	for id, cells := range d.cells(ids...) {
		for i, n := range cells {
			if id == nve.CounterPuntsID {
				c.punts[i] += n
			} else {
				c.drops[i] += n
			}
		}
	}
	return c
}

// punt takes the packet-in that the counter says was sent.
func (d *dut) punt(counted string) outcome {
	d.t.Helper()
	select {
	case p := <-d.punts:
		var in nve.PacketIn
		if err := in.Decode(p.GetMetadata()); err != nil {
			d.t.Fatal(err)
		}
		reason := p4.PuntReasons()[in.Reason]
		if reason != counted {
			reason = fmt.Sprintf("%s, counted as %s", reason, counted)
		}
		return punted(reason, in.IngressPort, p.GetPayload())
	case <-time.After(patience):
		return outcome{"punted: " + counted + ", and no packet-in came"}
	}
}

// isOutcome reports whether o is a drop or punt for one of the reasons.
func (o outcome) isOneOf(reasons ...string) bool {
	for _, r := range reasons {
		if len(o) > 0 && (o[0] == "dropped: "+r || strings.HasPrefix(o[0], "punted: "+r+",")) {
			return true
		}
	}
	return false
}

// sameFrame reports whether two ways to write a frame agree.
func sameFrame(t *testing.T, want, got []byte) bool {
	t.Helper()
	diff := cmp.Diff(dump(want), dump(got))
	if diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	return diff == ""
}
