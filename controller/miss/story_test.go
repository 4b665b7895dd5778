package miss_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/controller/miss"
)

// story is a whole conversation of a and b, whose two NVAs do not hear of things at the same time.
type story struct {
	t         testing.TB
	text      strings.Builder
	now       time.Time
	trigger   packet
	nvaA      *network // what the NVA of a knows
	nvaB      *network
	responder *miss.Responder
	receiver  *miss.Receiver
	overrides miss.Overrides
	last      []byte
}

func newStory(t testing.TB, trigger packet) *story {
	s := &story{t: t, now: start, trigger: trigger, nvaA: newNetwork(), nvaB: newNetwork(),
		responder: miss.NewResponder(miss.ResponderOptions{}), receiver: miss.NewReceiver(miss.ReceiverOptions{})}
	s.nvaA.sends[s.place()] = trigger.dst
	return s
}

func (s *story) place() miss.Place { return miss.Place{Device: "a", VNI: vni, MAC: vm2} }

func (s *story) say(format string, args ...any) {
	fmt.Fprintf(&s.text, "%7.3f  %s\n", s.now.Sub(start).Seconds(), fmt.Sprintf(format, args...))
}

func (s *story) wait(d time.Duration) { s.now = s.now.Add(d) }

// send has vm1 send to vm2 while the frame meets a miss at b; it returns the message that b sends, if any.
func (s *story) send(r miss.Reason) []byte {
	p := punt(s.t, "b", r, s.trigger)
	p.At = s.now
	a := s.responder.Respond(s.nvaB, p)
	s.say("b punts %v from a, VNI %#x to %v: %v %v", r, a.VNI, a.MAC, a.Outcome, target(a.Target))
	if a.Frame != nil {
		s.say("b sends to a out of port %d, %d bytes", a.Port, len(a.Frame))
		if bytes.Equal(a.Frame, s.last) {
			s.text.WriteString("the same bytes\n")
		} else {
			s.text.WriteString(hex.Dump(a.Frame))
		}
		s.last = a.Frame
	}
	return a.Frame
}

// arrive has a message come to a.
func (s *story) arrive(frame []byte) miss.Verdict {
	d := s.receiver.Receive(s.nvaA, miss.Punt{Device: "a", Reason: miss.NVGREExt, Port: 1, Frame: frame, At: s.now})
	s.say("a punts %v of %s, form %v: %v, %v %v", d.Kind, d.Peer, d.Form, d.Result, d.Action, target(d.Override.To))
	if _, err := s.overrides.Apply(d); err != nil {
		s.t.Fatal(err)
	}
	if d.Action == miss.Retarget {
		s.nvaA.sends[d.Place] = d.Override.To
		s.say("a sends to %v until %v", d.Override.To, d.Override.Until.Sub(start))
	}
	return d
}

func target(a netip.Addr) string {
	if a.IsValid() {
		return a.String()
	}
	return "-"
}

var update = flag.Bool("update", false, "write the golden files")

func (s *story) check(name string) {
	s.t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(s.text.String()), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(s.text.String(), "\n")); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func stories() map[string]packet { return map[string]packet{"ipv4": sent(), "ipv6": sent6()} }

// TestMoveStory: vm2 has moved from b to c, and only the NVA of b has heard of it.
func TestMoveStory(t *testing.T) {
	for name, trigger := range stories() {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, trigger)
			s.nvaB.at[endpoint{vni, vm2}] = "c"
			first := s.send(miss.Moved)
			s.wait(2 * time.Millisecond)
			s.send(miss.Moved) // under way before a could know
			s.arrive(first)
			s.wait(3 * time.Millisecond)
			s.arrive(first)
			s.wait(30 * time.Second)
			s.say("nothing confirmed it: %d overrides expire", len(s.overrides.Expire(s.now)))
			s.nvaA.sends[s.place()] = trigger.dst
			s.arrive(s.send(miss.Moved))
			s.wait(5 * time.Second)
			s.nvaA.at[endpoint{vni, vm2}] = "c"
			s.say("the NVA of a hears of the move: %d overrides settle", len(s.overrides.Settle(s.nvaA)))
			s.say("%d overrides in force, %+v", s.overrides.Len(), s.overrides.Stats())
			s.wait(time.Second)
			s.nvaA.sends[s.place()] = trigger.dst
			s.say("a is set up anew and sends to b again")
			s.arrive(s.send(miss.Moved))
			s.check("move-" + name)
		})
	}
}

// TestMissingPolicyStory: vm2 is gone, and only the NVA of b has heard of it.
func TestMissingPolicyStory(t *testing.T) {
	for name, trigger := range stories() {
		t.Run(name, func(t *testing.T) {
			s := newStory(t, trigger)
			delete(s.nvaB.at, endpoint{vni, vm2})
			s.arrive(s.send(miss.UnknownEndpoint))
			s.wait(500 * time.Millisecond)
			s.send(miss.UnknownEndpoint)
			s.wait(500 * time.Millisecond)
			s.arrive(s.send(miss.UnknownEndpoint))
			s.wait(time.Second)
			s.arrive(s.send(miss.UnknownVN))
			s.wait(time.Second)
			late := s.send(miss.UnknownVN)
			delete(s.nvaA.at, endpoint{vni, vm2})
			delete(s.nvaA.sends, s.place())
			s.say("the NVA of a hears that vm2 is gone")
			s.arrive(late)
			s.check("missing-policy-" + name)
		})
	}
}
