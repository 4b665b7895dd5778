package engine_test

import (
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/keyway-nve/keyway/testbed/engine"
)

func TestActionProfile(t *testing.T) {
	s, out := matchSwitch(t, engine.Options{})
	profile, ok := s.ActionProfile("I.profile")
	if !ok || profile.HasSelector() {
		t.Fatal("no profile, or with selector")
	}
	tbl := table(t, s, "I.profile_table")
	m, err := profile.AddMember(set(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	h, err := tbl.Insert([]engine.Match{exact(0, 0, 0, 5)}, 0, m, 0)
	if err != nil {
		t.Fatal(err)
	}
	if how, v := result(t, s, out, matchFrame(7, 5)); how != 0 || v != 1 {
		t.Errorf("got %d %d", how, v)
	}
	if err := profile.ModifyMember(m, set(0, 2)); err != nil {
		t.Fatal(err)
	}
	if _, v := result(t, s, out, matchFrame(7, 5)); v != 2 {
		t.Errorf("modified member gives %d", v)
	}
	if err := profile.DeleteMember(m); !errors.Is(err, engine.ErrInUse) {
		t.Errorf("got %v", err)
	}
	if _, err := profile.CreateGroup(nil); !errors.Is(err, engine.ErrTarget) {
		t.Errorf("got %v", err)
	}
	if e, err := tbl.Entry(h); err != nil || e.Target != m {
		t.Errorf("entry %+v, %v", e, err)
	}
	if err := tbl.SetDefault(m); err != nil {
		t.Fatal(err)
	}
	if how, v := result(t, s, out, matchFrame(7, 6)); how != 5 || v != 2 {
		t.Errorf("default member gives %d %d", how, v)
	}
	for _, step := range []func() error{func() error { return tbl.Delete(h) }, tbl.ResetDefault,
		func() error { return profile.DeleteMember(m) }} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if len(maps.Collect(profile.Members())) != 0 {
		t.Error("a member is left")
	}
}

func TestSelector(t *testing.T) {
	s, out := matchSwitch(t, engine.Options{})
	profile, _ := s.ActionProfile("I.selector")
	tbl := table(t, s, "I.selector_table")
	var members []engine.WeightedMember
	for i := range 4 {
		m, err := profile.AddMember(set(0, byte(10+i)))
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, engine.WeightedMember{Member: m, Weight: 1})
	}
	members[3].Weight = 5
	g, err := profile.CreateGroup(members)
	if err != nil {
		t.Fatal(err)
	}
	key := []engine.Match{{Kind: engine.MatchLPM, Value: []byte{10, 0, 0, 0}, PrefixLen: 8}}
	h, err := tbl.Insert(key, 0, g, 0)
	if err != nil {
		t.Fatal(err)
	}
	count := map[uint16]int{}
	for i := range 800 {
		f := matchFrame(8, 0x0a000000+uint32(i))
		f[22] = byte(i) // the hash is over d, not a
		f[21] = byte(i >> 8)
		how, v := result(t, s, out, f)
		if how != 7 {
			t.Fatalf("took the wrong branch: %d", how)
		}
		if _, again := result(t, s, out, f); again != v {
			t.Fatal("the same packet went elsewhere")
		}
		count[v]++
	}
	for v, n := range count {
		want := 100
		if v == 13 {
			want = 500
		}
		if n < want*7/10 || n > want*13/10 {
			t.Errorf("member %d got %d packets, want about %d", v, n, want)
		}
	}
	if diff := cmp.Diff(map[engine.GroupHandle][]engine.WeightedMember{g: members}, maps.Collect(profile.Groups())); diff != "" {
		t.Error(diff)
	}
	wantErr := func(name string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	wantErr("group in use", profile.DeleteGroup(g), engine.ErrInUse)
	wantErr("member in a group", profile.DeleteMember(members[0].Member), engine.ErrInUse)
	wantErr("member twice", profile.SetGroup(g, append(members, members[0])), engine.ErrExists)
	wantErr("weight", profile.SetGroup(g, []engine.WeightedMember{{Member: members[0].Member}}), engine.ErrReserved)
	wantErr("unknown member", profile.SetGroup(g, []engine.WeightedMember{{Member: 99, Weight: 1}}), engine.ErrNotFound)

	// A group that loses its members does nothing; an empty one cannot be referred to anew.
	if err := profile.SetGroup(g, nil); err != nil {
		t.Fatal(err)
	}
	if _, v := result(t, s, out, matchFrame(8, 0x0a000000)); v != 0 {
		t.Errorf("an empty group gives %d", v)
	}
	wantErr("empty group", tbl.SetDefault(g), engine.ErrEmptyGroup)
	if err := profile.DeleteMember(members[0].Member); err != nil {
		t.Error(err)
	}
	if err := tbl.Modify(h, members[1].Member); err != nil {
		t.Fatal(err)
	}
	if _, v := result(t, s, out, matchFrame(8, 0x0a000000)); v != 11 {
		t.Errorf("a member gives %d", v)
	}
	if err := profile.DeleteGroup(g); err != nil {
		t.Error(err)
	}
}
