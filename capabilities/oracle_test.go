package capabilities_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/capabilities"
)

// oracle solves by trying every sequence of options against the rules as their documentation has them. It shares no code with Solve.
type oracle struct {
	sender, receiver capabilities.Capability
	path             capabilities.Path
	wanted           capabilities.Wanted
	sequences        []attempt
}

// attempt is a sequence of options, by number, and the rules that it violates.
type attempt struct {
	order    []int
	violates violations
}

// violations are the names of rules; one may be there more than once.
type violations []string

func (v *violations) add(rule string) { *v = append(*v, rule) }

func newOracle(sender, receiver capabilities.Capability, path capabilities.Path, wanted capabilities.Wanted) *oracle {
	o := &oracle{sender: sender, receiver: receiver, path: path, wanted: wanted}
	var extend func([]int)
	extend = func(order []int) {
		o.sequences = append(o.sequences, attempt{slices.Clone(order), o.violations(order)})
		for i := range wanted.Options {
			if !slices.Contains(order, i) {
				extend(append(order, i))
			}
		}
	}
	extend(nil)
	return o
}

// best returns the numbers of the options of the best layout, in order.
func (o *oracle) best() ([]int, bool) {
	var best []int
	found := false
	for _, a := range o.sequences {
		if len(a.violates) == 0 && (!found || o.better(a.order, best)) {
			best, found = a.order, true
		}
	}
	return best, found
}

func (o *oracle) better(a, b []int) bool {
	weight := func(order []int) (n int) {
		for _, i := range order {
			if w := o.wanted.Options[i]; !w.Required {
				n += max(1, int(w.Weight))
			}
		}
		return n
	}
	if x, y := weight(a), weight(b); x != y {
		return x > y
	}
	if x, y := o.words(a), o.words(b); x != y {
		return x < y
	}
	for i := range o.wanted.Options {
		if x, y := slices.Contains(a, i), slices.Contains(b, i); x != y {
			return x
		}
	}
	return slices.Compare(a, b) < 0
}

func (o *oracle) words(order []int) (n int) {
	for _, i := range order {
		n += 1 + int(o.wanted.Options[i].Type.Len)
	}
	return n
}

func (o *oracle) violations(order []int) violations {
	var v violations
	for i, w := range o.wanted.Options {
		if w.Required && o.wanted.Override == nil && !slices.Contains(order, i) {
			v.add(fmt.Sprintf("wanted//wanted.options[%d].required", i))
		}
		if w.First && slices.Index(order, i) > 0 {
			v.add(fmt.Sprintf("wanted//wanted.options[%d].first", i))
		}
	}
	if m := int(o.wanted.MaxBytes); m > 0 && 4*o.words(order) > m {
		v.add("wanted//wanted.maxBytes")
	}
	if o.words(order) > 63 {
		v.add("format//RFC 8926 §3.4")
	}
	for p, i := range order {
		for _, j := range order[:p] {
			a, b := o.wanted.Options[i].Type, o.wanted.Options[j].Type
			if a.Class == b.Class && a.Type == b.Type {
				v.add("format//RFC 8926 §3.5")
			}
		}
	}
	if o.wanted.Override != nil {
		names := []string{}
		for _, i := range order {
			names = append(names, o.wanted.Options[i].Name)
		}
		if !slices.Equal(names, *o.wanted.Override) {
			v.add("wanted//wanted.override")
		}
	}
	o.device(&v, "sender", o.sender.Name, "send", o.sender.Send, order)
	o.device(&v, "receiver", o.receiver.Name, "receive", o.receiver.Receive, order)
	for _, t := range o.path.Transit {
		o.device(&v, "transit", t.Name, "receive", t.Receive, order)
	}
	return v
}

// device adds what one device holds against a sequence.
func (o *oracle) device(v *violations, part, name, path string, d capabilities.Direction, order []int) {
	transit := part == "transit"
	prefix := part + "/" + name + "/" + path + "."
	broken := func(leaf string, is bool) {
		if is {
			v.add(prefix + leaf)
		}
	}
	item := func(leaf string, i int, is bool) {
		if is {
			broken(fmt.Sprintf("%s[%d]", leaf, i), true)
		}
	}
	// seen are the options that the device deals with, and starts where they stand.
	var seen []capabilities.WantedOption
	var starts []int
	start := 0
	for _, i := range order {
		w := o.wanted.Options[i]
		known := slices.ContainsFunc(d.Options, func(r capabilities.OptionRange) bool { return r.Contains(w.Type) })
		if !known && !transit {
			broken("options#"+w.Type.String(), true)
		}
		broken("options#", len(d.Options) == 0 && !transit)
		if known || !transit {
			seen = append(seen, w)
			starts = append(starts, start)
		}
		start += 1 + int(w.Type.Len)
	}
	family, own := "ipv4", d.IPv4
	if o.path.Underlay == capabilities.IPv6 {
		family, own = "ipv6", d.IPv6
	}
	for _, of := range []struct {
		leaf string
		capabilities.Limits
	}{{"limits", d.Limits}, {family, own}} {
		leaf, l := of.leaf, of.Limits
		broken(leaf+".options", l.Options > 0 && len(seen) > int(l.Options))
		broken(leaf+".bytes", l.Bytes > 0 && 4*start > int(l.Bytes))
		headers := 14 + 20 + 8 + 8
		if o.path.Underlay == capabilities.IPv6 {
			headers += 20
		}
		if o.path.VLAN {
			headers += 4
		}
		broken(leaf+".parserDepth", l.ParserDepth > 0 && headers+4*start+int(l.InnerBytes) > int(l.ParserDepth))
		for _, w := range seen {
			broken(leaf+".dataWords", !transit && l.DataWords > 0 && w.Type.Len > l.DataWords)
		}
	}
	for i, p := range d.Pools {
		used := 0
		for _, w := range seen {
			used += int(w.Type.Len) + int(p.PerOption)
			for _, x := range w.Words {
				if x.Unread && part == "receiver" {
					used--
				}
			}
		}
		item("pools", i, used > int(p.Words))
	}
	for i, a := range seen {
		for _, b := range seen[:i] {
			broken("classMatch", d.ClassMatch == capabilities.ClassIgnored && a.Type.Type == b.Type.Type)
		}
	}
	for i, r := range d.Order {
		item("order", i, !o.ordered(r, seen, starts))
	}
	o.fields(part, d, seen, starts, broken, item)
}

func (o *oracle) ordered(r capabilities.OrderRule, seen []capabilities.WantedOption, starts []int) bool {
	last := -1
	for i, w := range seen {
		place := slices.IndexFunc(r.Options, func(x capabilities.OptionRange) bool { return x.Contains(w.Type) })
		switch r.Kind {
		case capabilities.List, capabilities.Canonical:
			if place >= 0 && place < last {
				return false
			}
			last = max(last, place)
		case capabilities.Reverse:
			if place >= 0 && last >= 0 && place > last {
				return false
			}
			if place >= 0 {
				last = place
			}
		case capabilities.Slot:
			if place >= 0 && !r.At.Has(starts[i]) {
				return false
			}
		case capabilities.First:
			if (place >= 0 || len(r.Options) == 0) && starts[i] != 0 {
				return false
			}
		}
	}
	return true
}

func (o *oracle) fields(part string, d capabilities.Direction, seen []capabilities.WantedOption, starts []int, broken func(string, bool), item func(string, int, bool)) {
	if len(d.Fields) == 0 {
		return
	}
	for i, w := range seen {
		for j, x := range w.Words {
			field := x.Field
			if field == "" || x.Unread && part == "receiver" {
				continue
			}
			k := slices.IndexFunc(d.Fields, func(f capabilities.FieldWords) bool { return f.Field == field })
			if k < 0 {
				broken("fields#"+field, true)
				continue
			}
			item("fields", k, !d.Fields[k].Words.Has(starts[i]+1+j))
		}
	}
}

// key names a rule of Solve's as the oracle does.
func (o *oracle) key(r capabilities.Rule) string {
	k := r.Part.String() + "/" + r.Device + "/" + r.Leaf
	if strings.HasSuffix(r.Leaf, ".options") && r.Part != capabilities.PartWanted && !strings.Contains(r.Leaf, "limits") && !strings.Contains(r.Leaf, "ipv") {
		_, not, _ := strings.Cut(r.Says, "and not ")
		for _, w := range o.wanted.Options {
			if strings.HasPrefix(not, w.Type.String()) {
				return k + "#" + w.Type.String()
			}
		}
		return k + "#"
	}
	if strings.HasSuffix(r.Leaf, ".fields") {
		return k + "#" + strings.Fields(r.Says)[3] // "has no field group to read"
	}
	return k
}

// sound reports whether every sequence that is asked for violates one of the rules.
func (o *oracle) sound(rules []string, asked func(attempt) bool) bool {
	for _, a := range o.sequences {
		if asked(a) && !slices.ContainsFunc(rules, func(r string) bool { return slices.Contains(a.violates, r) }) {
			return false
		}
	}
	return true
}

func (o *oracle) minimal(rules []string, asked func(attempt) bool) bool {
	for i := range rules {
		if o.sound(slices.Delete(slices.Clone(rules), i, i+1), asked) {
			return false
		}
	}
	return true
}

// check compares Solve's answer with the oracle's.
func (o *oracle) check(t *testing.T) (satisfied bool) {
	t.Helper()
	layout, why := capabilities.Solve(o.sender, o.receiver, o.path, o.wanted)
	again, whyAgain := capabilities.Solve(o.sender, o.receiver, o.path, o.wanted)
	if !cmp.Equal(layout, again) || !cmp.Equal(why, whyAgain) {
		t.Error("two answers to one question")
	}
	best, ok := o.best()
	if ok != why.Satisfied() {
		t.Errorf("there is a layout: %v, %v; Solve says %v %v", ok, best, why.Satisfied(), why.Conflict)
		return ok
	}
	if !ok {
		rules := o.keys(why.Conflict)
		all := func(attempt) bool { return true }
		if !o.sound(rules, all) {
			t.Errorf("not in conflict: %q", rules)
		}
		if !o.minimal(rules, all) {
			t.Errorf("not a minimal conflict: %q", rules)
		}
		return false
	}
	var have, want []string
	for _, p := range layout.Options {
		have = append(have, p.Name)
	}
	for _, i := range best {
		want = append(want, o.wanted.Options[i].Name)
	}
	if !slices.Equal(have, want) {
		t.Errorf("have %v, want %v", have, want)
		return true
	}
	o.checkLeftOut(t, best, why.LeftOut)
	return true
}

func (o *oracle) keys(rules []capabilities.Rule) []string {
	var out []string
	for _, r := range rules {
		out = append(out, o.key(r))
	}
	return out
}

func (o *oracle) checkLeftOut(t *testing.T, best []int, leftOut []capabilities.LeftOut) {
	t.Helper()
	number := func(name string) int {
		return slices.IndexFunc(o.wanted.Options, func(w capabilities.WantedOption) bool { return w.Name == name })
	}
	if len(best)+len(leftOut) != len(o.wanted.Options) {
		t.Errorf("%d options are in, %d left out, of %d", len(best), len(leftOut), len(o.wanted.Options))
	}
	for _, out := range leftOut {
		has := func(with []string) func(attempt) bool {
			return func(a attempt) bool {
				return slices.Contains(a.order, number(out.Name)) &&
					!slices.ContainsFunc(with, func(name string) bool { return !slices.Contains(a.order, number(name)) })
			}
		}
		rules := o.keys(out.Because)
		if len(rules) == 0 || !o.sound(rules, has(out.With)) {
			t.Errorf("%s with %v does not violate %q", out.Name, out.With, rules)
		}
		each := !slices.ContainsFunc(rules, func(r string) bool { return !o.sound([]string{r}, has(out.With)) })
		if !each && !o.minimal(rules, has(out.With)) {
			t.Errorf("%s with %v: not all of %q are needed", out.Name, out.With, rules)
		}
		for i, name := range out.With {
			if !slices.Contains(best, number(name)) {
				t.Errorf("%s is not with %s, which is not there", out.Name, name)
			}
			fewer := slices.Delete(slices.Clone(out.With), i, i+1)
			if o.sound(rules, has(fewer)) {
				t.Errorf("%s is not with %v, and %s has nothing to do with that", out.Name, out.With, name)
			}
		}
	}
}

// Solve agrees with the oracle on random questions, also in what it says where there is no layout.
func TestSolveAgainstOracle(t *testing.T) {
	const cases = 12000
	satisfied, leftOut := 0, 0
	for seed := range uint64(cases) {
		o := randomQuestion(rand.New(rand.NewPCG(seed, 1)))
		if o.check(t) {
			satisfied++
		}
		if _, why := capabilities.Solve(o.sender, o.receiver, o.path, o.wanted); len(why.LeftOut) > 0 {
			leftOut++
		}
		if t.Failed() {
			sender, _ := o.sender.YAML()
			receiver, _ := o.receiver.YAML()
			t.Fatalf("seed %d\n%s\n%s\n%+v\n%+v", seed, sender, receiver, o.path, o.wanted)
		}
	}
	t.Logf("%d questions: %d with a layout, %d without; %d with options left out", cases, satisfied, cases-satisfied, leftOut)
	if satisfied < cases/5 || satisfied > cases*4/5 || leftOut < cases/5 {
		t.Errorf("the questions are too much alike: %d of %d have a layout, in %d options are left out", satisfied, cases, leftOut)
	}
}
