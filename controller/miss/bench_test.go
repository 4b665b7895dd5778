package miss_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/miss"
)

func BenchmarkMissToRedirect(b *testing.B) {
	for name, p := range stories() {
		for _, size := range []int{64, 1400} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				n := newNetwork()
				n.at[endpoint{vni, vm2}] = "c"
				p.payload = size
				in := punt(b, "b", miss.Moved, p)
				r := miss.NewResponder(miss.ResponderOptions{Limits: miss.Limits{Window: 1}})
				b.ReportAllocs()
				for b.Loop() {
					in.At = in.At.Add(time.Second)
					if a := r.Respond(n, in); a.Frame == nil {
						b.Fatal(a.Outcome)
					}
				}
			})
		}
	}
}

// BenchmarkFlood is what a miss costs that is not answered: of an endpoint just told about, and of ever new ones.
func BenchmarkFlood(b *testing.B) {
	for _, distinct := range []bool{false, true} {
		b.Run(fmt.Sprintf("distinct=%v", distinct), func(b *testing.B) {
			n := newNetwork()
			in := punt(b, "b", miss.UnknownEndpoint, sent())
			r := miss.NewResponder(miss.ResponderOptions{})
			delete(n.at, endpoint{vni, vm2})
			var i uint32
			b.ReportAllocs()
			for b.Loop() {
				if i++; distinct {
					binary.BigEndian.PutUint32(in.Frame[quoteMACsAt-quoteAt+outerIPAt+2:], i)
				}
				r.Respond(n, in)
			}
		})
	}
}

func BenchmarkReceiveRedirect(b *testing.B) {
	for name, p := range stories() {
		b.Run(name, func(b *testing.B) {
			n, m := newNetwork(), redirect()
			n.change("a").NVGREExt.Policy = intent.Provisional
			if m.trigger = p; name == "ipv6" {
				m.params.Target = c6
			}
			n.sends[miss.Place{Device: "a", VNI: vni, MAC: vm2}] = p.dst
			in := got(m.frame(b))
			r := miss.NewReceiver(miss.ReceiverOptions{LoopWindow: 1})
			b.ReportAllocs()
			for b.Loop() {
				in.At = in.At.Add(time.Second)
				if d := r.Receive(n, in); d.Action != miss.Retarget {
					b.Fatal(d.Result)
				}
			}
		})
	}
}
