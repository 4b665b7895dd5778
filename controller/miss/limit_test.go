package miss

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/proto/geneve"
)

func instant(t *rapid.T, now *time.Time) time.Time {
	*now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "dt")))
	return *now
}

// TestBucketIsATokenBucket holds the bucket, which is one time, against one that counts tokens.
func TestBucketIsATokenBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{PerSecond: rapid.IntRange(1, 2000).Draw(t, "rate"), Burst: rapid.IntRange(1, 20).Draw(t, "burst")}
		token := time.Second / time.Duration(r.PerSecond)
		full := time.Duration(r.Burst) * token
		level, last, now := full, time.Unix(0, 0), time.Unix(0, 0)
		var b bucket
		for range rapid.IntRange(1, 100).Draw(t, "n") {
			if rapid.Bool().Draw(t, "wait") {
				instant(t, &now)
			}
			level, last = min(full, level+now.Sub(last)), now
			want := level >= token
			if want {
				level -= token
			}
			if got := b.take(now, r); got != want {
				t.Fatalf("take at %v = %v with %v of %v", now, got, level, token)
			}
			if want && rapid.Bool().Draw(t, "give back") {
				b.giveBack(r)
				level += token
			}
			if full != level && !b.full.After(now) {
				t.Fatalf("counts as full with %v of %v", level, full)
			}
		}
	})
}

// TestFloodCannotRefillBuckets has more peers than there is room for: however they take turns, none gets more than its rate.
func TestFloodCannotRefillBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLimiter(Limits{Peer: Rate{PerSecond: 5, Burst: 3}, Global: Rate{PerSecond: 1000, Burst: 1000},
			Keys: rapid.IntRange(1, 4).Draw(t, "keys")})
		taken := make(map[string][]time.Time)
		now := time.Unix(0, 0)
		for range rapid.IntRange(1, 200).Draw(t, "n") {
			if rapid.IntRange(0, 9).Draw(t, "wait") == 0 {
				instant(t, &now)
			}
			peer := string(rune('a' + rapid.IntRange(0, 9).Draw(t, "peer")))
			if ok, _ := l.take(peer, classRedirect, now); ok {
				taken[peer] = append(taken[peer], now)
			}
			if n := l.peers.len(); n > l.limits.Keys || len(l.peers.slots) > l.limits.Keys+1 {
				t.Fatalf("%d peers in %d slots, limit %d", n, len(l.peers.slots), l.limits.Keys)
			}
		}
		for peer, at := range taken {
			for i := range at {
				for j := i; j < len(at); j++ {
					if most := 3 + int(at[j].Sub(at[i])*5/time.Second); j-i+1 > most {
						t.Fatalf("%s took %d within %v, most is %d", peer, j-i+1, at[j].Sub(at[i]), most)
					}
				}
			}
		}
	})
}

func TestGlobalLimitCostsThePeerNothing(t *testing.T) {
	l := newLimiter(Limits{Peer: Rate{PerSecond: 1, Burst: 1}, Global: Rate{PerSecond: 1, Burst: 1}, Keys: 8})
	now := time.Unix(0, 0)
	l.take("a", classRedirect, now)
	if peer, global := l.take("b", classRedirect, now); !peer || global {
		t.Fatalf("took %v, %v", peer, global)
	}
	if peer, global := l.take("b", classRedirect, now.Add(time.Second)); !peer || !global {
		t.Errorf("the refused one was counted: %v, %v", peer, global)
	}
}

// TestDedupe holds dedupe against a list of all that was said. With room for every key it is exact; without, it forgets the oldest.
func TestDedupe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.IntRange(1, 12).Draw(t, "keys")
		d := newDedupe[int](Limits{Window: time.Second, Keys: keys})
		said := make(map[int]time.Time)
		now := time.Unix(0, 0)
		for range rapid.IntRange(1, 200).Draw(t, "n") {
			if rapid.Bool().Draw(t, "wait") {
				now = now.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "ms")) * time.Millisecond)
			}
			k := rapid.IntRange(0, 9).Draw(t, "key")
			at, ok := said[k]
			want := ok && now.Sub(at) < time.Second
			got := d.has(k, now)
			if got != want && (got || keys >= 10) {
				t.Fatalf("has(%d) = %v, want %v", k, got, want)
			}
			if !got {
				d.say(k, now)
				said[k] = now
			}
			if d.said.len() > keys || len(d.said.slots) > keys+1 {
				t.Fatalf("%d keys in %d slots, limit %d", d.said.len(), len(d.said.slots), keys)
			}
		}
	})
}

func TestFloodKeepsMemory(t *testing.T) {
	const limit = 100
	d := newDedupe[int](Limits{Window: time.Hour, Keys: limit})
	b := newBackoffs(Limits{Window: time.Second, Keys: limit})
	now := time.Unix(0, 0)
	for i := range 100_000 {
		d.say(i, now)
		b.step(Place{VNI: geneve.VNI(i)}, now)
	}
	if d.said.len() != limit || cap(d.said.slots) > 2*limit+2 || b.places.len() != limit || cap(b.places.slots) > 2*limit+2 {
		t.Errorf("%d and %d keys, room for %d and %d", d.said.len(), b.places.len(), cap(d.said.slots), cap(b.places.slots))
	}
	if !d.has(99_999, now) || d.has(0, now) {
		t.Error("the newest have to stay")
	}
	if n := testing.AllocsPerRun(1000, func() { now = now.Add(1); d.say(int(now.UnixNano()), now) }); n != 0 {
		t.Errorf("%v allocations for a key in a full table", n)
	}
}

func TestRecent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 6).Draw(t, "limit")
		r := newRecent[int, int](limit)
		var order []int // the oldest first
		values := make(map[int]int)
		remove := func(k int) { order = slices.DeleteFunc(order, func(o int) bool { return o == k }); delete(values, k) }
		for i := range rapid.IntRange(1, 100).Draw(t, "n") {
			k := rapid.IntRange(0, 9).Draw(t, "key")
			if rapid.IntRange(0, 3).Draw(t, "op") == 0 {
				r.drop(k)
				remove(k)
			} else {
				v := r.put(k)
				if *v != values[k] {
					t.Fatalf("put(%d) has %d, want %d", k, *v, values[k])
				}
				*v = i + 1
				order = append(slices.DeleteFunc(order, func(o int) bool { return o == k }), k)
				values[k] = i + 1
				if len(order) > limit {
					remove(order[0])
				}
			}
			for k := range 10 {
				if v := r.get(k); (v != nil) != slices.Contains(order, k) || v != nil && *v != values[k] {
					t.Fatalf("get(%d) = %v, want %d of %v", k, v, values[k], order)
				}
			}
			if k, v := r.oldest(); (v == nil) != (len(order) == 0) || v != nil && k != order[0] {
				t.Fatalf("oldest is %d, want the first of %v", k, order)
			}
		}
	})
}

func TestZeroLimitsAreDefaults(t *testing.T) {
	want := Limits{Window: time.Second, Peer: Rate{10, 10}, Global: Rate{1000, 1000}, Keys: 16384}
	for _, l := range []Limits{{}, {Window: -1, Peer: Rate{-1, 0}, Keys: -5}} {
		if got := l.withDefaults(); got != want {
			t.Errorf("%+v", got)
		}
	}
	set := Limits{Window: 2, Peer: Rate{3, 4}, Global: Rate{5, 6}, Keys: 7}
	if got := set.withDefaults(); got != set {
		t.Errorf("%+v", got)
	}
}
