package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/keyway-nve/keyway/testbed/engine"
)

func table(t *testing.T, s *engine.Switch, name string) *engine.Table {
	t.Helper()
	tbl, ok := s.Table(name)
	if !ok {
		t.Fatalf("no table %s", name)
	}
	return tbl
}

func exact(b ...byte) engine.Match { return engine.Match{Kind: engine.MatchExact, Value: b} }

func ternary(value, mask []byte) engine.Match {
	return engine.Match{Kind: engine.MatchTernary, Value: value, Mask: mask}
}

func set(hi, lo byte) engine.ActionCall {
	return engine.ActionCall{Name: "I.set", Args: [][]byte{{hi, lo}}}
}

func TestTableErrors(t *testing.T) {
	s := engine.New(load(t, "match"), engine.Options{})
	tbl := table(t, s, "I.exact_table")
	key := func(last byte) []engine.Match { return []engine.Match{exact(1, 2, 3, last), exact(1, 0x23)} }
	call := engine.ActionCall{Name: "I.counted", Args: [][]byte{{0, 1}}}
	first, err := tbl.Insert(key(0), 0, call, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := tbl.Insert(key(byte(i+1)), 0, call, 0); err != nil {
			t.Fatal(err)
		}
	}
	ternaryTable := table(t, s, "I.ternary_table")
	constant := table(t, s, "I.const_table")
	profile := table(t, s, "I.profile_table")
	var keyErr *engine.KeyError
	var actErr *engine.ActionError
	insert := func(tbl *engine.Table, key []engine.Match, target engine.Target) error {
		_, err := tbl.Insert(key, 0, target, 0)
		return err
	}
	tests := []struct {
		name string
		err  error
		want error // nil: want as
		as   any
	}{
		{"same key", insert(tbl, key(0), call), engine.ErrExists, nil},
		{"table full", insert(tbl, key(9), call), engine.ErrTableFull, nil},
		{"constant entries", insert(constant, []engine.Match{ternary([]byte{0, 0}, []byte{0, 0}), exact(1)}, set(0, 1)), engine.ErrConstEntries, nil},
		{"constant default", constant.SetDefault(set(0, 2)), engine.ErrConstDefault, nil},
		{"too few fields", insert(tbl, key(0)[:1], call), nil, &keyErr},
		{"wrong width", insert(tbl, []engine.Match{exact(1), exact(1, 2)}, call), nil, &keyErr},
		{"wrong kind", insert(tbl, []engine.Match{ternary(make([]byte, 4), make([]byte, 4)), exact(1, 2)}, call), nil, &keyErr},
		{"unknown action", insert(ternaryTable, []engine.Match{ternary(make([]byte, 4), make([]byte, 4)),
			ternary(make([]byte, 16), make([]byte, 16)), {Kind: engine.MatchLPM, Value: []byte{0, 0}}},
			engine.ActionCall{Name: "I.counted"}), nil, &actErr},
		{"argument missing", tbl.Modify(first, engine.ActionCall{Name: "I.counted"}), nil, &actErr},
		{"argument width", tbl.Modify(first, engine.ActionCall{Name: "I.counted", Args: [][]byte{{1}}}), nil, &actErr},
		{"member in a simple table", tbl.Modify(first, engine.MemberHandle(0)), engine.ErrTarget, nil},
		{"action in an indirect table", insert(profile, []engine.Match{exact(0, 0, 0, 0)}, set(0, 1)), engine.ErrTarget, nil},
		{"unknown member", insert(profile, []engine.Match{exact(0, 0, 0, 0)}, engine.MemberHandle(3)), engine.ErrNotFound, nil},
		{"group without selector", insert(profile, []engine.Match{exact(0, 0, 0, 0)}, engine.GroupHandle(0)), engine.ErrTarget, nil},
		{"unknown handle", tbl.Delete(77), engine.ErrNotFound, nil},
		{"no counter", ternaryTable.SetCounter(0, engine.CounterData{}), engine.ErrNoCounter, nil},
		{"no meter", tbl.SetMeterConfig(first, nil), engine.ErrNoMeter, nil},
		{"no timeout", ternaryTable.SetTTL(0, time.Second), engine.ErrNoTimeout, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want != nil && !errors.Is(tt.err, tt.want) || tt.as != nil && !errors.As(tt.err, tt.as) {
				t.Errorf("got %v, want %v", tt.err, tt.want)
			}
		})
	}
}

func TestEntriesReadBack(t *testing.T) {
	s := engine.New(load(t, "match"), engine.Options{})
	tests := []struct {
		table string
		entry engine.Entry
	}{
		{"I.exact_table", engine.Entry{Key: []engine.Match{exact(1, 2, 3, 4), exact(0x0f, 0xff)},
			Target: engine.ActionCall{Name: "I.counted", Args: [][]byte{{0xab, 0xcd}}}, TTL: time.Minute}},
		{"I.lpm_table", engine.Entry{Key: []engine.Match{
			{Kind: engine.MatchLPM, Value: []byte{0x20, 1, 0xd, 0xb8, 15: 0}, PrefixLen: 29}, exact(5)},
			Target: engine.ActionCall{Name: "I.wide", Args: [][]byte{{1, 2, 3, 15: 16}}}}},
		{"I.ternary_table", engine.Entry{Key: []engine.Match{ternary([]byte{1, 0, 0, 0}, []byte{0xff, 0, 0, 0}),
			ternary([]byte{0x80, 15: 1}, []byte{0xf0, 15: 1}), {Kind: engine.MatchLPM, Value: []byte{0x0f, 0}, PrefixLen: 4}},
			Priority: -7, Target: set(1, 2)}},
		{"I.range_table", engine.Entry{Key: []engine.Match{
			{Kind: engine.MatchRange, Value: []byte{0, 0, 0, 1}, High: []byte{1, 0, 0, 0}},
			ternary([]byte{0, 0x10}, []byte{0, 0xf0}),
			{Kind: engine.MatchRange, Value: []byte{7: 1, 15: 0}, High: []byte{0: 0xff, 15: 0}}},
			Priority: 3, Target: set(0, 9)}},
	}
	for _, tt := range tests {
		t.Run(tt.table, func(t *testing.T) {
			tbl := table(t, s, tt.table)
			h, err := tbl.Insert(tt.entry.Key, tt.entry.Priority, tt.entry.Target, tt.entry.TTL)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tbl.Entry(h)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.entry, got); diff != "" {
				t.Error(diff)
			}
			if f, ok := tbl.Find(tt.entry.Key, tt.entry.Priority); !ok || f != h {
				t.Errorf("found %v %v, want %v", f, ok, h)
			}
			n := 0
			for hh, e := range tbl.Entries() {
				if n++; hh != h || !cmp.Equal(e, got) {
					t.Errorf("entry %d is %+v", hh, e)
				}
			}
			if n != 1 || tbl.Len() != 1 {
				t.Errorf("%d entries, length %d", n, tbl.Len())
			}
			if err := tbl.Delete(h); err != nil {
				t.Fatal(err)
			}
			if _, ok := tbl.Find(tt.entry.Key, tt.entry.Priority); ok || tbl.Len() != 0 {
				t.Error("still there")
			}
		})
	}
}

// matchFrame is a frame of testdata/match.p4.
func matchFrame(table byte, a uint32) []byte {
	f := make([]byte, 23)
	f[0], f[1], f[2], f[3], f[4] = table, byte(a>>24), byte(a>>16), byte(a>>8), byte(a)
	return f
}

// result runs a frame and returns what the program wrote.
func result(t *testing.T, s *engine.Switch, out *[]byte, frame []byte) (how byte, value uint16) {
	t.Helper()
	*out = nil
	s.Process(1, frame)
	if len(*out) < 3 {
		t.Fatalf("frame %x: left with %x", frame, *out)
	}
	return (*out)[0], uint16((*out)[1])<<8 | uint16((*out)[2])
}

func matchSwitch(t *testing.T, o engine.Options) (*engine.Switch, *[]byte) {
	out := new([]byte)
	o.Output = func(_ uint32, frame []byte) { *out = append([]byte(nil), frame...) }
	return engine.New(load(t, "match"), o), out
}

// TestTies: of entries with the same priority the lowest handle wins, and a freed handle is the next to be used, so
// that the newest entry can win over older ones.
func TestTies(t *testing.T) {
	s, out := matchSwitch(t, engine.Options{})
	tbl := table(t, s, "I.ternary_table")
	insert := func(n byte, mask byte, prio int32) engine.Handle {
		h, err := tbl.Insert([]engine.Match{ternary([]byte{0, 0, 0, 0}, []byte{0, 0, 0, mask}),
			ternary(make([]byte, 16), make([]byte, 16)), {Kind: engine.MatchLPM, Value: []byte{0, 0}}}, prio, set(0, n), 0)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	want := func(n uint16) {
		t.Helper()
		if _, v := result(t, s, out, matchFrame(3, 0)); v != n {
			t.Errorf("entry %d won, want %d", v, n)
		}
	}
	first := insert(1, 0x01, 5)
	insert(2, 0x02, 5)
	insert(3, 0x04, 5)
	want(1)
	if err := tbl.Delete(first); err != nil {
		t.Fatal(err)
	}
	want(2)
	if h := insert(4, 0x08, 5); h != first {
		t.Errorf("handle %d, want %d", h, first)
	}
	want(4)
	insert(5, 0x10, 4)
	want(5)
	insert(6, 0x10, 3) // the same match with another priority is another entry
	want(6)
}

func TestModifyAndReset(t *testing.T) {
	s, out := matchSwitch(t, engine.Options{})
	tbl := table(t, s, "I.lpm_table")
	h, err := tbl.Insert([]engine.Match{{Kind: engine.MatchLPM, Value: make([]byte, 16)}, exact(0)}, 0, set(0, 1), 0)
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name  string
		do    func() error
		how   byte
		value uint16
	}{
		{"inserted", func() error { return nil }, 4, 1},
		{"modified", func() error { return tbl.Modify(h, set(0, 2)) }, 4, 2},
		{"other action", func() error {
			return tbl.Modify(h, engine.ActionCall{Name: "I.wide", Args: [][]byte{make([]byte, 16)}})
		}, 3, 0},
		{"deleted", func() error { return tbl.Delete(h) }, 4, 0xffff},
		{"default set", func() error { return tbl.SetDefault(set(0, 3)) }, 4, 3},
		{"default reset", tbl.ResetDefault, 4, 0xffff},
		{"default set again", func() error { return tbl.SetDefault(set(0, 3)) }, 4, 3},
		{"switch reset", func() error { s.Reset(); return nil }, 4, 0xffff},
	}
	for _, st := range steps {
		if err := st.do(); err != nil {
			t.Fatal(st.name, err)
		}
		if how, v := result(t, s, out, matchFrame(2, 0)); how != st.how || v != st.value {
			t.Errorf("%s: got %d %#x, want %d %#x", st.name, how, v, st.how, st.value)
		}
	}
	if target, constant := table(t, s, "I.const_table").Default(); !cmp.Equal(target, engine.Target(set(0, 9))) || !constant {
		t.Errorf("default %v, constant %v", target, constant)
	}
}

func TestIdleTimeout(t *testing.T) {
	now := time.Duration(0)
	var idle []engine.Handle
	s, out := matchSwitch(t, engine.Options{
		Now:         func() time.Duration { return now },
		IdleTimeout: func(table string, h engine.Handle) { idle = append(idle, h) },
	})
	tbl := table(t, s, "I.exact_table")
	call := engine.ActionCall{Name: "I.counted", Args: [][]byte{{0, 1}}}
	h, err := tbl.Insert([]engine.Match{exact(1, 2, 3, 4), exact(0, 0)}, 0, call, 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tbl.Insert([]engine.Match{exact(9, 9, 9, 9), exact(0, 0)}, 0, call, 0); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		at   time.Duration
		hit  bool
		want int // notifications so far
	}{
		{2 * time.Second, false, 0}, {3 * time.Second, false, 1}, {4 * time.Second, false, 1}, {6 * time.Second, false, 2},
		{7 * time.Second, true, 2}, {9 * time.Second, false, 2}, {10 * time.Second, false, 3},
	}
	for _, st := range steps {
		now = st.at
		if st.hit {
			result(t, s, out, matchFrame(1, 0x01020304))
		}
		s.Sweep()
		if len(idle) != st.want {
			t.Errorf("at %v: %d notifications, want %d", st.at, len(idle), st.want)
		}
	}
	if at, err := tbl.LastHit(h); err != nil || at != 7*time.Second {
		t.Errorf("last hit %v, %v", at, err)
	}
	if c, err := tbl.Counter(h); err != nil || c != (engine.CounterData{Packets: 1, Bytes: 23}) {
		t.Errorf("counter %+v, %v", c, err)
	}
}

func TestDirectMeter(t *testing.T) {
	now := time.Duration(0)
	s, out := matchSwitch(t, engine.Options{Now: func() time.Duration { return now }})
	tbl := table(t, s, "I.metered_table")
	h, err := tbl.Insert([]engine.Match{exact(0, 0, 0, 0)}, 0, engine.ActionCall{Name: "I.coloured"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := tbl.SetMeterConfig(h, &engine.MeterConfig{CIR: 2, PIR: 1}); !errors.Is(err, engine.ErrMeterRates) {
		t.Errorf("got %v", err)
	}
	cfg := engine.MeterConfig{CIR: 1, CBurst: 1, PIR: 2, PBurst: 2}
	if err := tbl.SetMeterConfig(h, &cfg); err != nil {
		t.Fatal(err)
	}
	// Green, yellow, red; a second later the buckets have one and two tokens again.
	for i, want := range []uint16{0, 1, 2, 2} {
		if _, v := result(t, s, out, matchFrame(10, 0)); v != want {
			t.Errorf("packet %d is %d, want %d", i, v, want)
		}
	}
	now = time.Second
	for i, want := range []uint16{0, 1, 2} {
		if _, v := result(t, s, out, matchFrame(10, 0)); v != want {
			t.Errorf("a second later packet %d is %d, want %d", i, v, want)
		}
	}
	if got, on, err := tbl.MeterConfig(h); err != nil || !on || got != cfg {
		t.Errorf("configuration %+v %v %v", got, on, err)
	}
}
