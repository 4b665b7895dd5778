package conformance

import (
	"fmt"
	"slices"
	"testing"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/nve"
)

// greenFrame is what there sends for green-3, which is in group 10. Only group
// 10 may send to green-1, and who does not say his group may not: so a frame
// arrives exactly if the option was read.
func greenFrame(t testing.TB) []byte { return tenant{from: "green-3", to: "green-1"}.bytes(t) }

// Options that no row knows are skipped by OptLen where C=0 (RFC 8926 3.4).
func TestReceiveSkipsOptions(t *testing.T) {
	d := here(t)
	frame := blueFrame(t)
	var rules []rule
	for n := range 64 {
		rules = append(rules, rule{fmt.Sprintf("%d words with C=0, RFC 8926 3.4", n), 1,
			tunnel{vni: blue, options: unknown(n), inner: frame}.bytes(), leaves(256, frame)})
	}
	one := be("ff11 22 00")
	rules = append(rules, []rule{
		{"16 options of one word", 1, tunnel{vni: blue, options: slices.Repeat(one, 16), inner: frame}.bytes(), leaves(256, frame)},
		{"63 options of one word", 1, tunnel{vni: blue, options: slices.Repeat(one, 63), inner: frame}.bytes(), leaves(256, frame)},
		{"lengths that do not add up, not looked at with C=0, RFC 8926 3.4", 1,
			tunnel{vni: blue, options: be("ff11 22 1f"), inner: frame}.bytes(), leaves(256, frame)},
	}...)
	d.check(t, rules)
}

// C=1 says that something must be understood (RFC 8926 3.4, 3.5.1).
func TestReceiveCritical(t *testing.T) {
	frame := blueFrame(t)
	words := func(n int) []byte { return with(unknown(n), 2, "a2") }
	var frames [][]byte
	for _, n := range []int{1, 2, 16, 17, 40, 63} {
		frames = append(frames, tunnel{vni: blue, flags: critical, options: words(n), inner: frame}.bytes())
	}
	frames = append(frames,
		tunnel{vni: blue, flags: critical, options: be(words(2), contextOption(3, 1), groupOption(20)), inner: frame}.bytes(),
		tunnel{vni: blue, flags: critical, options: contextOption(3, 1), inner: frame}.bytes(),
		tunnel{vni: blue, flags: critical, options: be(groupOption(20), contextOption(3, 1)), inner: frame}.bytes(),
		tunnel{vni: blue, flags: critical, options: be("0102 80 1f 00030001", groupOption(20)), inner: frame}.bytes(),
	)
	for _, action := range []intent.MissAction{intent.MissPunt, intent.MissDrop} {
		t.Run(action.String(), func(t *testing.T) {
			in := edge(t)
			in.Devices[0].UnknownCritical = action
			var rules []rule
			for i, f := range frames {
				name := []string{"1 word", "2 words", "16 words", "17 words", "40 words", "63 words",
					"known options behind an unknown one", "part of a known layout", "a known layout in another order",
					"an option length that lies"}[i]
				want := dropped("critical-option")
				if action == intent.MissPunt {
					want = punted("critical-option", 1, f)
				}
				rules = append(rules, rule{name + ", RFC 8926 3.5.1", 1, f, want})
			}
			start(t, setup{intent: in, device: "here"}).check(t, rules)
		})
	}
}

// A row whose layout has a critical option wants C=1: an option that is critical
// behind a header that says there is none is malformed (RFC 8926 3.5). It is
// skipped with the rest, as C=0 allows.
func TestReceiveCriticalUnflagged(t *testing.T) {
	in := edge(t)
	in.Layouts[2].Options = []string{"context", "group"}
	options := be(contextOption(0, 0), groupOption(10))
	d := start(t, setup{intent: in, device: "here"})
	d.check(t, []rule{
		{"C=1: the row matches, and the group is read", 1,
			tunnel{vni: green, flags: critical, options: options, inner: greenFrame(t)}.bytes(), leaves(259, greenFrame(t))},
		{"C=0: it does not match", 1, tunnel{vni: green, options: options, inner: greenFrame(t)}.bytes(), dropped("policy")},
	})
}

// The group option is read from each word of the window that it can stand in,
// by entries alone.
func TestReceiveEveryWord(t *testing.T) {
	for n := 2; n <= 16; n++ {
		t.Run(fmt.Sprintf("option data in word %d of %d, RFC 9638 6.4", n-1, n), func(t *testing.T) {
			in := edge(t)
			in.Layouts[2].Options = []string{"group"}
			if n > 2 {
				in.OptionTypes = append(in.OptionTypes, intent.OptionType{
					Name: "filler", Class: 0xff22, Type: 7, Length: uint8(n - 3), Words: make([]intent.Word, n-3),
				})
				in.Layouts[2].Options = []string{"filler", "group"}
			}
			options := func(group uint16, length int) []byte {
				var filler []byte
				if length > 2 {
					filler = be("ff22 07", uint8(length-3))
					for i := range length - 3 {
						filler = be(filler, uint32(0xdddddd00+i))
					}
				}
				return be(filler, groupOption(group))
			}
			send := func(group uint16, length int) []byte {
				return tunnel{vni: green, options: options(group, length), inner: greenFrame(t)}.bytes()
			}
			rules := []rule{
				{"group 10 may", 1, send(10, n), leaves(259, greenFrame(t))},
				{"group 11 may not", 1, send(11, n), dropped("policy")},
				{"a word more is another layout", 1, send(10, max(n+1, 4)), dropped("policy")},
			}
			start(t, setup{intent: in, device: "here"}).check(t, rules)
		})
	}
}

// Any order of options can be received, by entries alone (RFC 8926 4.5.1), and
// only the one that was agreed.
func TestReceiveAnyOrder(t *testing.T) {
	data := map[string][]byte{
		"group": groupOption(10), "context": contextOption(0, 0), "trace": traceOption(9, 8),
	}
	orders := permutations([]string{"group", "context", "trace"})
	for _, order := range orders {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			in := edge(t)
			in.Layouts[2].Options = order
			d := start(t, setup{intent: in, device: "here"})
			for _, other := range orders {
				var options []byte
				for _, o := range other {
					options = append(options, data[o]...)
				}
				f := tunnel{vni: green, flags: critical, options: options, inner: greenFrame(t)}.bytes()
				want := punted("critical-option", 1, f)
				if slices.Equal(order, other) {
					want = leaves(259, greenFrame(t))
				}
				d.check(t, []rule{{fmt.Sprintf("gets %v, RFC 8926 4.5.1", other), 1, f, want}})
			}
		})
	}
}

// permutations returns all orders of names.
func permutations(names []string) (out [][]string) {
	if len(names) == 0 {
		return [][]string{nil}
	}
	for i, first := range names {
		rest := slices.Delete(slices.Clone(names), i, i+1)
		for _, p := range permutations(rest) {
			out = append(out, append([]string{first}, p...))
		}
	}
	return out
}

// The data plane acts on the group option.
func TestReceiveGroupPolicy(t *testing.T) {
	in := edge(t)
	in.Layouts[2].Options = []string{"group"}
	d := start(t, setup{intent: in, device: "here"})
	to := func(vni uint32, group uint16, inner []byte) []byte {
		return tunnel{vni: vni, options: groupOption(group), inner: inner}.bytes()
	}
	d.check(t, []rule{
		{"a pair of groups is permitted, the default denies", 1, to(green, 10, greenFrame(t)), leaves(259, greenFrame(t))},
		{"another group falls to the default", 1, to(green, 20, greenFrame(t)), dropped("policy")},
		{"so does who does not say his group", 1, tunnel{vni: green, inner: greenFrame(t)}.bytes(), dropped("policy")},
		{"a pair of groups is denied, the default permits", 1, to(blue, 66, blueFrame(t)), dropped("policy")},
		{"another group falls to that default", 1, to(blue, 67, blueFrame(t)), leaves(256, blueFrame(t))},
		{"the option's constant bits are not the group's", 1,
			tunnel{vni: green, options: be("ff00 01 01 ffff 000a"), inner: greenFrame(t)}.bytes(), leaves(259, greenFrame(t))},
	})
}

// The endpoint context is where the sender has looked the destination up.
func TestReceiveLogicalPort(t *testing.T) {
	in := edge(t)
	in.Layouts[2].Options = []string{"context"}
	d := start(t, setup{intent: in, device: "here"})
	to := func(logical uint16, inner []byte) []byte {
		return tunnel{vni: blue, flags: critical, options: contextOption(3, logical), inner: inner}.bytes()
	}
	frame := blueFrame(t)
	stranger := with(frame, 0, "0200000000ff")
	tagged := be(frame[:12], "8100 0007", frame[12:])
	d.check(t, []rule{
		{"logical port 1 is port 256", 1, to(1, frame), leaves(256, frame)},
		{"logical port 2 is VLAN 7 on port 257, whatever the MAC", 1, to(2, frame), leaves(257, tagged)},
		{"a MAC that is not known needs none", 1, to(1, stranger), leaves(256, stranger)},
		{"no such logical port: by MAC", 1, to(99, frame), leaves(256, frame)},
		{"logical port 0 says nothing", 1, to(0, frame), leaves(256, frame)},
		{"no such logical port, no such MAC", 1, to(99, stranger), punted("unknown-endpoint", 1, to(99, stranger))},
	})
}

// Sequence numbers: serial arithmetic as in RFC 1982.
func TestReceiveSequence(t *testing.T) {
	const far = 1 << 30
	tests := []struct {
		name                string
		numbers             []uint32
		lost, gaps, lateOne uint64
	}{
		{"one after the other", []uint32{1, 2, 3, 4}, 0, 0, 0},
		{"the first may be any", []uint32{77, 78}, 0, 0, 0},
		{"the first may be 0", []uint32{0, 1, 2}, 0, 0, 0},
		{"one lost", []uint32{1, 2, 4, 5}, 1, 1, 0},
		{"runs lost", []uint32{1, 11, 21}, 18, 2, 0},
		{"two swapped", []uint32{1, 2, 4, 3, 5}, 1, 1, 1},
		{"a repeat is late", []uint32{1, 2, 2, 3}, 0, 0, 1},
		{"the number wraps", []uint32{0xfffffffe, 0xffffffff, 0, 1}, 0, 0, 0},
		{"lost at the wrap", []uint32{0xfffffffe, 0, 1}, 1, 1, 0},
		{"lost across the wrap", []uint32{0xfffffffd, 2, 3}, 4, 1, 0},
		{"lost 0 itself", []uint32{0xffffffff, 1}, 1, 1, 0},
		{"late across the wrap", []uint32{0xffffffff, 1, 0, 2}, 1, 1, 1},
		{"a sender that starts anew is followed", []uint32{far, far + 1, 1, 2, 4}, 1, 1, 0},
		{"and one that goes on far ahead", []uint32{1, 2, far, far + 2}, 1, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := edge(t)
			in.Layouts[2].Options = []string{"sequence"}
			d := start(t, setup{intent: in, device: "here"})
			var rules []rule
			for _, n := range tt.numbers {
				rules = append(rules, rule{fmt.Sprintf("%d is delivered", n), 1,
					tunnel{vni: blue, options: sequenceOption(n), inner: blueFrame(t)}.bytes(), leaves(256, blueFrame(t))})
			}
			d.check(t, rules)
			peer := d.peer(blue, "10.0.0.2")
			c := d.cells(nve.RegisterLostPacketsID, nve.CounterSequenceGapsID, nve.CounterLatePacketsID)
			lost, gaps, late := c[nve.RegisterLostPacketsID][peer], c[nve.CounterSequenceGapsID][peer], c[nve.CounterLatePacketsID][peer]
			if lost != tt.lost || gaps != tt.gaps || late != tt.lateOne {
				t.Errorf("%d lost in %d gaps, %d late; want %d in %d, %d", lost, gaps, late, tt.lost, tt.gaps, tt.lateOne)
			}
		})
	}
}

// An NVE reports the traced flows that it is told to watch.
func TestReceivePathTrace(t *testing.T) {
	in := edge(t)
	in.Layouts[2].Options = []string{"trace", "group"}
	s := setup{intent: in, device: "here"}
	s.more = []tables.Entity{
		tables.DigestConfig{Digest: nve.DigestPathTrace, MaxList: 1, AckTimeout: 1},
		must(t)(nve.TraceWatchKey{Origin: 7, FlowHash: tables.Masked[uint32]{Value: 0xab00, Mask: 0xff00}, Priority: 1}.Report(42)),
	}
	d := start(t, s)
	send := func(origin, hash uint32) []byte {
		return tunnel{vni: green, options: be(traceOption(origin, hash), groupOption(10)), inner: greenFrame(t)}.bytes()
	}
	d.check(t, []rule{
		{"a flow that is not watched", 1, send(7, 0x1100), leaves(259, greenFrame(t))},
		{"an origin that is not watched", 1, send(8, 0xab00), leaves(259, greenFrame(t))},
		{"a flow that is watched", 1, send(7, 0x12ab34), leaves(259, greenFrame(t))},
	})
	got := d.trace()
	if want := (nve.PathTrace{NodeID: 42, Origin: 7, FlowHash: 0x12ab34, Sent: 0x11223344, Received: got.Received, IngressPort: 1}); got != want {
		t.Errorf("trace %+v, want %+v", got, want)
	}
}
