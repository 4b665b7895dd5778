package miss_test

import (
	"errors"
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/controller/miss"
	"github.com/keyway-nve/keyway/proto/geneve"
)

func TestOverrides(t *testing.T) {
	var o miss.Overrides
	p2, p3 := miss.Place{Device: "a", VNI: vni, MAC: vm2}, miss.Place{Device: "a", VNI: vni, MAC: vm3}
	add := func(p miss.Place, to netip.Addr, until time.Time) {
		t.Helper()
		if err := o.Add(p, miss.Override{From: b4, To: to, Until: until}); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := o.Next(); ok || o.Len() != 0 || o.Confirm(p2) || o.Deny(p2) || o.Expire(start) != nil {
		t.Error("the zero value is not empty")
	}
	add(p3, c4, start.Add(time.Minute))
	add(p2, c4, start.Add(time.Second))
	add(p2, d4, start.Add(30*time.Second)) // it moved on
	if v, ok := o.Lookup(p2); v.To != d4 || !ok {
		t.Errorf("Lookup = %v, %v", v, ok)
	}
	if next, ok := o.Next(); !ok || !next.Equal(start.Add(30*time.Second)) {
		t.Errorf("Next = %v, %v", next, ok)
	}
	if ended := o.Expire(start.Add(30*time.Second - 1)); ended != nil {
		t.Errorf("expired early: %v", ended)
	}
	if diff := cmp.Diff([]miss.Place{p2}, o.Expire(start.Add(30*time.Second))); diff != "" {
		t.Errorf("expired (-want +got):\n%s", diff)
	}
	if _, ok := o.Lookup(p2); ok {
		t.Error("still in force")
	}
	add(p2, c4, time.Time{}) // trusted
	var order []miss.Place
	for p := range o.All() {
		order = append(order, p)
	}
	if diff := cmp.Diff([]miss.Place{p2, p3}, order); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]miss.Place{p3}, o.Expire(start.Add(time.Hour))); diff != "" {
		t.Errorf("expired (-want +got):\n%s", diff)
	}
	if _, ok := o.Next(); ok {
		t.Error("a trusted override has a time")
	}
	if !o.Confirm(p2) || o.Confirm(p2) {
		t.Error("a confirmed override has to end once")
	}
	add(p2, c4, start)
	if !o.Deny(p2) || o.Len() != 0 {
		t.Error("a denied override has to end")
	}
	want := miss.OverrideStats{Added: 4, Replaced: 1, Confirmed: 1, Denied: 1, Expired: 2}
	if diff := cmp.Diff(want, o.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

func TestNextIsTheFirst(t *testing.T) {
	var o miss.Overrides
	for i := range 20 {
		v := miss.Override{To: c4, Until: start.Add(time.Duration(1+(i+7)%20) * time.Second)}
		if i == 3 {
			v.Until = time.Time{} // trusted
		}
		if err := o.Add(miss.Place{MAC: mac(byte(i))}, v); err != nil {
			t.Fatal(err)
		}
	}
	if next, ok := o.Next(); !ok || !next.Equal(start.Add(time.Second)) {
		t.Errorf("%v, %v", next, ok)
	}
}

func TestOverridesAreBounded(t *testing.T) {
	o := miss.Overrides{Limit: 2}
	var err error
	for i := range 10 {
		err = o.Add(miss.Place{MAC: mac(byte(i))}, miss.Override{To: c4, Until: start})
	}
	if !errors.Is(err, miss.ErrOverridesFull) || o.Len() != 2 || o.Stats().Refused != 8 {
		t.Errorf("%d in force, %v, %+v", o.Len(), err, o.Stats())
	}
	if err := o.Add(miss.Place{MAC: mac(1)}, miss.Override{To: d4}); err != nil {
		t.Errorf("no room needed: %v", err)
	}
}

func TestSettle(t *testing.T) {
	p := miss.Place{Device: "a", VNI: vni, MAC: vm2}
	tests := []struct {
		name  string
		at    string // where the intent has the endpoint; nowhere if empty
		to    netip.Addr
		ends  bool
		stats miss.OverrideStats
	}{
		{"not heard", "b", c4, false, miss.OverrideStats{Added: 1}},
		{"confirmed", "c", c4, true, miss.OverrideStats{Added: 1, Confirmed: 1}},
		{"elsewhere", "d", c4, true, miss.OverrideStats{Added: 1, Denied: 1}},
		{"gone", "", c4, true, miss.OverrideStats{Added: 1, Denied: 1}},
		{"gone with its NVE", "", addr("198.51.100.1"), true, miss.OverrideStats{Added: 1, Denied: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNetwork()
			n.at[endpoint{vni, vm2}] = tt.at
			if tt.at == "" {
				delete(n.at, endpoint{vni, vm2})
			}
			var o miss.Overrides
			if err := o.Add(p, miss.Override{From: b4, To: tt.to, Until: start}); err != nil {
				t.Fatal(err)
			}
			ended := o.Settle(n)
			if (len(ended) == 1 && ended[0] == p) != tt.ends || len(maps.Collect(o.All())) == 1 == tt.ends {
				t.Errorf("ended %v", ended)
			}
			if diff := cmp.Diff(tt.stats, o.Stats()); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
		})
	}
}

func TestApply(t *testing.T) {
	p := miss.Place{Device: "a", VNI: vni, MAC: vm2}
	v := miss.Override{From: b4, To: c4, Device: "c", Until: start}
	var o miss.Overrides
	steps := []struct {
		result  miss.Result
		changed bool
		left    int
	}{
		{miss.RefreshedUnreachable, false, 0},
		{miss.RefreshedContradicted, false, 0},
		{miss.RetargetedProvisional, true, 1},
		{miss.RefreshedDrift, false, 1},
		{miss.RefreshedUnreachable, false, 1},
		{miss.RefusedLoop, false, 1},
		{miss.RefreshedContradicted, true, 0},
		{miss.RetargetedTrust, true, 1},
		{miss.RefreshedConfirmed, true, 0},
	}
	for i, s := range steps {
		changed, err := o.Apply(miss.Verdict{Result: s.result, Place: p, Override: v})
		if err != nil || changed != s.changed || o.Len() != s.left {
			t.Errorf("step %d, %v: changed %v, %d left, %v", i, s.result, changed, o.Len(), err)
		}
	}
	o.Limit = 1
	for i := range 2 {
		p.VNI = geneve.VNI(i)
		changed, err := o.Apply(miss.Verdict{Result: miss.RetargetedTrust, Place: p, Override: v})
		if changed != (i == 0) || errors.Is(err, miss.ErrOverridesFull) != (i == 1) {
			t.Errorf("full: changed %v, %v", changed, err)
		}
	}
}
