package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/keyway-nve/keyway/testbed/engine"
)

func TestDigest(t *testing.T) {
	var got []engine.Digest
	s := engine.New(load(t, "state"), engine.Options{Digest: func(d engine.Digest) { got = append(got, d) }})
	s.Process(0x101, []byte{11, 7, 0xde, 0xad, 0xbe, 0xef})
	want := []engine.Digest{{Name: "learn_t", Fields: [][]byte{{1, 1}, {0xde, 0xad, 0xbe, 0xef}, {7}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"learn_t"}, s.Digests()); diff != "" {
		t.Error(diff)
	}
}

// TestRandom: values stay within the range, all of them come, and a seed repeats them.
func TestRandom(t *testing.T) {
	run := func(seed uint64) string {
		var b strings.Builder
		s := engine.New(load(t, "state"), engine.Options{Seed: seed, Output: func(_ uint32, f []byte) { b.WriteByte('0' + f[5]) }})
		for range 200 {
			s.Process(1, []byte{10, 0, 0, 0, 0, 0})
		}
		return b.String()
	}
	first := run(1)
	if strings.Trim(first, "56789") != "" {
		t.Errorf("outside of 5..9: %s", first)
	}
	for _, c := range "56789" {
		if !strings.ContainsRune(first, c) {
			t.Errorf("%c never came", c)
		}
	}
	if run(1) != first || run(2) == first {
		t.Error("the seed does not decide")
	}
}

func TestLogAndAssert(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	s := engine.New(load(t, "state"), engine.Options{Log: log})
	s.Process(3, []byte{13, 0, 0, 0, 0, 9})
	s.Process(3, []byte{12, 0, 0, 0, 0, 0})
	want := "level=INFO msg=\"op 9 of port 3\"\n" +
		"level=ERROR msg=\"packet dropped\" reason=\"assert assert(hdr.op.value != 0) failed\" port=3\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	st := s.Stats()
	if diff := cmp.Diff(engine.Stats{Received: 2, Transmitted: 1, Faults: 1, ParserErrors: map[string]uint64{}}, st); diff != "" {
		t.Error(diff)
	}
}

func TestValueSet(t *testing.T) {
	var out []byte
	s := engine.New(load(t, "parser"), engine.Options{Output: func(_ uint32, f []byte) { out = append([]byte(nil), f...) }})
	set, ok := s.ValueSet("P.magic")
	if !ok || set.Bits() != 8 {
		t.Fatal("no value set")
	}
	peeked := func(kind byte) bool {
		s.Process(1, []byte{kind, 0xff})
		return out[3] == 0xbe && out[4] == 0xef
	}
	if peeked(0xee) {
		t.Error("matched before it was set")
	}
	if err := set.Set([][]byte{{0xee}, {1}}); err != nil {
		t.Fatal(err)
	}
	// Values in the set come before the transitions that follow it.
	if !peeked(0xee) || !peeked(1) || peeked(0xef) {
		t.Error("the set does not match")
	}
	if err := set.Set([][]byte{{1, 2}}); !errors.Is(err, engine.ErrWidth) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([][]byte{{0xee}, {1}}, set.Members()); diff != "" {
		t.Error(diff)
	}
	s.Reset()
	if peeked(0xee) {
		t.Error("matched after a reset")
	}
}

// TestValueSetOfTwoFields: members are packed, the key of the parser is padded field by field.
func TestValueSetOfTwoFields(t *testing.T) {
	var out []byte
	s := engine.New(load(t, "stacks"), engine.Options{Output: func(_ uint32, f []byte) { out = append([]byte(nil), f...) }})
	set, ok := s.ValueSet("P.pairs")
	if !ok || set.Bits() != 16 {
		t.Fatal("no value set")
	}
	if err := set.Set([][]byte{{0x12, 0x3a}}); err != nil {
		t.Fatal(err)
	}
	for last, want := range map[byte]int{0x3a: 22, 0x3b: 21} {
		s.Process(1, append([]byte{0x41, 0, 0, 17: 0}, 0, 0x12, last))
		if len(out) != want {
			t.Errorf("%x: left with %x", last, out)
		}
	}
}

func TestParserErrorsAreCounted(t *testing.T) {
	s := engine.New(load(t, "parser"), engine.Options{})
	for _, f := range [][]byte{{}, {1}, {5, 0, 0}, {1, 0, 0, 0, 0}, {4, 9}, {3, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {0}} {
		s.Process(1, f)
	}
	want := engine.Stats{Received: 7, Transmitted: 7, ParserErrors: map[string]uint64{"PacketTooShort": 2, "BadMagic": 1,
		"StackOutOfBounds": 1, "ParserInvalidArgument": 1, "HeaderTooShort": 1}}
	if diff := cmp.Diff(want, s.Stats()); diff != "" {
		t.Error(diff)
	}
}

func TestCopiesAreBounded(t *testing.T) {
	s := engine.New(load(t, "copies"), engine.Options{})
	s.Process(1, []byte{15, 0}) // resubmits for ever
	if st := s.Stats(); st.LoopDrops != 1 || st.Transmitted != 0 {
		t.Errorf("%+v", st)
	}
	if err := s.SetMulticastGroup(9, make([]engine.Replica, 10000)); err != nil {
		t.Fatal(err)
	}
	s.Process(1, []byte{5, 0})
	if st := s.Stats(); st.LoopDrops != 2 || st.Transmitted != 4095 {
		t.Errorf("%+v", st)
	}
}

func TestSessionTruncates(t *testing.T) {
	lengths := map[uint32]int{}
	s := engine.New(load(t, "copies"), engine.Options{Output: func(port uint32, f []byte) { lengths[port] = len(f) }})
	c := engine.CloneSession{Replicas: []engine.Replica{{Port: 7}, {Port: 8, Instance: 3}}, TruncateTo: 12}
	if err := s.SetCloneSession(5, c); err != nil {
		t.Fatal(err)
	}
	s.Process(1, append([]byte{1, 0}, make([]byte, 50)...))
	if diff := cmp.Diff(map[uint32]int{2: 61, 7: 12, 8: 12}, lengths); diff != "" {
		t.Error(diff)
	}
	for _, err := range []error{s.SetCloneSession(1<<15, c), s.SetMulticastGroup(0, nil), s.SetMulticastGroup(1<<16, nil)} {
		if !errors.Is(err, engine.ErrReserved) {
			t.Errorf("got %v", err)
		}
	}
	for _, err := range []error{s.DeleteCloneSession(6), s.DeleteMulticastGroup(6)} {
		if !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	}
	if err := s.DeleteCloneSession(5); err != nil {
		t.Error(err)
	}
}

// TestWiredSwitches: two switches whose outputs are each other's inputs do not lock each other up, nor does a callback
// that changes the switch that calls it.
func TestWiredSwitches(t *testing.T) {
	p := load(t, "copies")
	var a, b *engine.Switch
	left := 200
	var mu sync.Mutex
	hop := func(to **engine.Switch) func(uint32, []byte) {
		return func(_ uint32, _ []byte) {
			mu.Lock()
			left--
			more := left > 0
			mu.Unlock()
			if more {
				if err := (*to).SetMulticastGroup(3, nil); err != nil {
					t.Error(err)
				}
				(*to).Process(1, []byte{0, 0})
			}
		}
	}
	a, b = engine.New(p, engine.Options{Output: hop(&b)}), engine.New(p, engine.Options{Output: hop(&a)})
	var wg sync.WaitGroup
	for _, s := range []*engine.Switch{a, b, a, b} {
		wg.Go(func() { s.Process(1, []byte{0, 0}) })
	}
	wg.Wait()
	if left > 0 {
		t.Errorf("%d hops left", left)
	}
}

func TestArrays(t *testing.T) {
	s := engine.New(load(t, "state"), engine.Options{})
	counter, _ := s.Counter("I.counts")
	meter, _ := s.Meter("I.byte_meter")
	register, _ := s.Register("I.wides")
	if counter.Size() != 4 || meter.Size() != 4 || meter.Unit() != engine.MeterBytes || register.Size() != 2 || register.Bits() != 72 {
		t.Error("wrong shape")
	}
	_, err := counter.Read(4)
	_, _, merr := meter.Config(-1)
	_, rerr := register.Read(2)
	for _, err := range []error{err, merr, rerr, counter.Write(-1, engine.CounterData{}), meter.SetConfig(4, nil), register.Write(9, nil)} {
		if !errors.Is(err, engine.ErrIndex) {
			t.Errorf("got %v", err)
		}
	}
	if err := register.Write(0, []byte{1}); !errors.Is(err, engine.ErrWidth) {
		t.Errorf("got %v", err)
	}
	value := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9}
	if err := register.Write(1, value); err != nil {
		t.Fatal(err)
	}
	if got, err := register.Read(1); err != nil || !bytes.Equal(got, value) {
		t.Errorf("%x, %v", got, err)
	}
	for _, name := range []string{"", "counts", "I.nothing"} {
		if _, ok := s.Counter(name); ok {
			t.Errorf("found counter %q", name)
		}
	}
}

func ExampleSwitch() {
	config, err := os.ReadFile("testdata/match.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	program, err := engine.Load(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	s := engine.New(program, engine.Options{Output: func(port uint32, frame []byte) {
		fmt.Printf("port %d: %x\n", port, frame)
	}})
	route, _ := s.Table("I.lpm_table")
	_, err = route.Insert([]engine.Match{
		{Kind: engine.MatchLPM, Value: []byte{0: 0x20, 15: 0}, PrefixLen: 8},
		{Kind: engine.MatchExact, Value: []byte{0}},
	}, 0, engine.ActionCall{Name: "I.set", Args: [][]byte{{0x12, 0x34}}}, 0)
	if err != nil {
		fmt.Println(err)
	}
	s.Process(1, []byte{2, 0, 0, 0, 0, 0, 0, 0x20, 22: 1})
	// Output: port 2: 0412340200000000000020000000000000000000000000000001
}
