package lab

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
)

// judge holds what happened against what was expected, and fills the report.
func (r *runner) judge(ctx context.Context, t *trial, report *StepReport) error {
	x, happened := t.step.Expect, r.seen.seen()
	*report = StepReport{Name: t.step.Name, OK: true, Tunnels: happened.tunnels, Messages: happened.messages, Frames: happened.sent, Lost: happened.lost}
	check := func(ok bool, what, want, have string) {
		report.OK = report.OK && ok
		report.Checks = append(report.Checks, CheckReport{OK: ok, What: what, Want: want, Have: have})
	}
	if t.streams != nil || t.step.Inject != nil {
		r.judgeDelivery(t, report, check)
	}
	for _, p := range t.pings {
		want, have := fmt.Sprintf("%d replies", max(p.Count, 1)), fmt.Sprintf("%d replies", r.hosts[p.From].replied(p.id))
		if !p.resolved {
			have += ", MAC not resolved"
		}
		check(want == have, fmt.Sprintf("%s pings %s", p.From, p.To), want, have)
	}
	for _, e := range x.Tunnels {
		judgeTunnel(e, happened.tunnels, check)
	}
	r.judgeLayouts(t, happened.tunnels, check)
	judgeMessages(x.Messages, happened.messages, check)
	if t.step.Inject == nil {
		for _, m := range slices.Compact(slices.Sorted(slices.Values(happened.malformed))) {
			check(false, "frames on the wires", "none malformed", m)
		}
	}
	devices, authorities, err := r.counters(ctx, x)
	if err != nil {
		return err
	}
	judgeCounters(x.Counters, t.counters, devices, report, check)
	judgeCounters(x.Authorities, t.stats, authorities, report, check)
	report.Detail = detail(report, r.done(t))
	return nil
}

type checkFunc func(ok bool, what, want, have string)

// pair is who sent and who got.
type pair struct{ from, at string }

// arrivals is what one host got of one sender's streams.
type arrivals struct {
	frames, distinct, disordered, duplicates, changed uint64
}

func (a arrivals) String() string {
	s := fmt.Sprint(a.distinct)
	for _, x := range []struct {
		n    uint64
		what string
	}{{a.duplicates, "duplicated"}, {a.disordered, "out of order"}, {a.changed, "changed"}} {
		if x.n > 0 {
			s += fmt.Sprintf(", %d %s", x.n, x.what)
		}
	}
	return s
}

func (r *runner) judgeDelivery(t *trial, report *StepReport, check checkFunc) {
	got, strays := r.arrived(t)
	expected := map[pair]Delivery{}
	if t.step.Expect.Delivered != nil {
		for _, d := range t.step.Expect.Delivered {
			expected[pair{d.From, d.At}] = d
		}
	} else {
		for _, s := range t.streams {
			for _, at := range r.receivers(s) {
				d := expected[pair{s.from, at}]
				d.Count.Min += uint64(s.count)
				d.Count.Max += uint64(s.count)
				expected[pair{s.from, at}] = d
			}
		}
	}
	for _, s := range t.streams {
		report.Sent = append(report.Sent, FlowReport{From: s.from, To: s.to, Frames: uint64(s.count)})
	}
	pairs := maps.Clone(expected)
	for p := range got {
		pairs[p] = expected[p]
	}
	for _, p := range slices.SortedFunc(maps.Keys(pairs), func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.at, b.at))
	}) {
		d, a := pairs[p], got[p]
		ok := d.Count.Holds(a.distinct) && d.Disordered.Holds(a.disordered) && d.Duplicates.Holds(a.duplicates) && a.changed == 0
		want := d.Count.String()
		if d.Disordered.given {
			want += fmt.Sprintf(", %v out of order", d.Disordered)
		}
		if d.Duplicates.given {
			want += fmt.Sprintf(", %v duplicated", d.Duplicates)
		}
		check(ok, fmt.Sprintf("frames of %s at %s", p.from, p.at), want, a.String())
		report.Arrived = append(report.Arrived, FlowReport{From: p.from, To: p.at, Frames: a.frames})
	}
	for _, s := range strays {
		check(false, "other frames at hosts", "none", s)
	}
}

// receivers returns the endpoints that a stream is for.
func (r *runner) receivers(s *stream) []string {
	if s.to != Everyone {
		return []string{s.to}
	}
	from, _ := r.truth.Endpoint(s.from)
	var names []string
	for _, e := range r.truth.Endpoints {
		if e.VirtualNetwork == from.VirtualNetwork && e.Name != from.Name {
			names = append(names, e.Name)
		}
	}
	return names
}

// arrived sorts what all hosts got. A frame that is not of this step's streams is a stray.
func (r *runner) arrived(t *trial) (map[pair]arrivals, []string) {
	streams := map[uint32]*stream{}
	for _, s := range t.streams {
		streams[s.id] = s
	}
	got := map[pair]arrivals{}
	var strays []string
	for _, name := range slices.Sorted(maps.Keys(r.hosts)) {
		last, had := map[uint32]uint32{}, map[[2]uint32]bool{}
		for _, frame := range r.hosts[name].arrivals() {
			id, seq, ok := streamOf(frame)
			s := streams[id]
			if !ok || s == nil {
				strays = append(strays, fmt.Sprintf("%d bytes at %s", len(frame), name))
				continue
			}
			p := pair{s.from, name}
			a := got[p]
			a.frames++
			switch {
			case !bytes.Equal(frame, s.frame(seq)):
				a.changed++
			case had[[2]uint32{id, seq}]:
				a.duplicates++
			default:
				a.distinct++
				had[[2]uint32{id, seq}] = true
			}
			if seq < last[id] {
				a.disordered++
			}
			last[id] = max(last[id], seq)
			got[p] = a
		}
	}
	return got, strays
}

func judgeTunnel(e TunnelExpectation, tunnels []TunnelReport, check checkFunc) {
	var n uint64
	var others []string
	for _, t := range tunnels {
		if t.From != e.From || t.To != e.To || e.Wire == "" && !t.leaving || e.Wire != "" && t.Wire != e.Wire {
			continue
		}
		fits := (e.VirtualNetwork == "" || e.VirtualNetwork == t.VirtualNetwork) &&
			(e.Encapsulation == 0 || e.Encapsulation.String() == t.Encapsulation) &&
			(e.Underlay == 0 || e.Underlay.String() == t.Underlay) &&
			(e.Options == nil || slices.Equal(e.Options, t.Options))
		if fits {
			n += t.Packets
		} else {
			others = append(others, t.String())
		}
	}
	want := e.Packets.or(1, unbounded)
	have := fmt.Sprint(n)
	if !want.Holds(n) && others != nil {
		have += "; instead " + strings.Join(others, ", ")
	}
	what := []string{e.From, "->", e.To}
	if e.VirtualNetwork != "" {
		what = append(what, e.VirtualNetwork)
	}
	if e.Encapsulation != 0 {
		what = append(what, e.Encapsulation.String())
	}
	if e.Underlay != 0 {
		what = append(what, "over "+e.Underlay.String())
	}
	if e.Options != nil {
		what = append(what, optionList(e.Options))
	}
	if e.Wire != "" {
		what = append(what, "on wire "+e.Wire)
	}
	check(want.Holds(n), "packets "+strings.Join(what, " "), want.String(), have)
}

// judgeLayouts checks that no NVE got options that it was not meant to get, or in another order: what left a sender carries the pair's
// layout as it was settled before the step or after it, or by the view of an authority. And whatever has been settled: nobody got an option that
// he had not said he takes.
func (r *runner) judgeLayouts(t *trial, tunnels []TunnelReport, check checkFunc) {
	var packets uint64
	ok := true
	for _, x := range tunnels {
		if x.Encapsulation != intent.Geneve.String() || !x.leaving {
			continue
		}
		packets += x.Packets
		if t.step.Inject != nil {
			continue
		}
		fits := slices.ContainsFunc(t.plans, func(p *layouts.Plan) bool { return slices.Equal(layoutNames(p, x.From, x.To), x.Options) })
		if !fits {
			ok = false
			check(false, fmt.Sprintf("options from %s to %s", x.From, x.To), optionList(layoutNames(t.plans[0], x.From, x.To)), optionList(x.Options))
		}
		if why := r.untaken(t, x); why != "" {
			ok = false
			check(false, fmt.Sprintf("options from %s to %s", x.From, x.To), "what "+x.To+" takes", why)
		}
	}
	if ok && packets > 0 {
		check(true, "options of Geneve packets", "as the layouts say", fmt.Sprintf("as the layouts say in %d", packets))
	}
}

func layoutNames(p *layouts.Plan, from, to string) []string {
	names := []string{}
	for _, o := range p.Between(from, to).Options {
		names = append(names, o.Name)
	}
	return names
}

func optionList(names []string) string { return "[" + strings.Join(names, " ") + "]" }

func judgeMessages(want []MessageExpectation, have []MessageReport, check checkFunc) {
	used := make([]bool, len(have))
	for _, e := range want {
		var n uint64
		for i, m := range have {
			if m.Kind == e.Kind && m.From == e.From && m.To == e.To && (e.Target == "" || e.Target == m.Target) {
				n += m.Count
				used[i] = true
			}
		}
		count := e.Count.or(1, 1)
		what := fmt.Sprintf("%s %s -> %s", strings.ToUpper(e.Kind), e.From, e.To)
		if e.Target != "" {
			what += " target " + e.Target
		}
		check(count.Holds(n), what, count.String(), fmt.Sprint(n))
	}
	for i, m := range have {
		if !used[i] {
			check(false, "other NVGRE-EXT messages", "none", m.String())
		}
	}
}

func judgeCounters(want map[string]map[string]Count, before, now map[string]Counters, report *StepReport, check checkFunc) {
	for _, owner := range slices.Sorted(maps.Keys(want)) {
		for _, name := range slices.Sorted(maps.Keys(want[owner])) {
			count, what := want[owner][name], fmt.Sprintf("%s: %s", owner, name)
			value, ok := now[owner].Values[name]
			switch {
			case ok:
				rise := value - before[owner].Values[name]
				check(count.Holds(rise), what, count.String(), fmt.Sprint(rise))
			case slices.Contains(now[owner].Unreadable, name):
				report.Checks = append(report.Checks, CheckReport{Unreadable: true, What: what, Want: count.String(), Have: "not readable on this target"})
			default:
				known := slices.Sorted(maps.Keys(now[owner].Values))
				check(false, what, count.String(), "no such counter; known are "+strings.Join(known, ", "))
			}
		}
	}
}
