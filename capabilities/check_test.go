package capabilities_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/proto/geneve"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares have with the golden file, or writes that.
func golden(t *testing.T, file, have string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), have); diff != "" {
		t.Errorf("%s -want +have:\n%s", file, diff)
	}
}

// Every contradiction is named at once, with line and column.
func TestCheck(t *testing.T) {
	files, err := filepath.Glob("testdata/check/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = capabilities.ParseCapability(name, src)
			if err == nil {
				t.Fatal("accepted")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", err.Error()+"\n")
		})
	}
}

func TestValidate(t *testing.T) {
	nve := capabilities.Capability{
		Name: "tor1", Role: capabilities.RoleNVE,
		Encapsulations: []capabilities.Encapsulation{{Kind: capabilities.Geneve}},
		Receive:        capabilities.Direction{Options: []capabilities.OptionRange{capabilities.EveryOption(15)}},
	}
	if err := nve.Validate(); err != nil {
		t.Errorf("refused: %v", err)
	}
	nve.Receive.Limits.Bytes = 13
	nve.Receive.Pools = []capabilities.Pool{{}}
	want := "capability tor1: receive.limits.bytes: 13 is not a length of options: a multiple of 4, 4 to 252\n" +
		"capability tor1: receive.pools[0].words: a pool of no words takes no options"
	if err := nve.Validate(); err == nil || err.Error() != want {
		t.Errorf("have %v\nwant %s", err, want)
	}
}

func TestOptionRange(t *testing.T) {
	for _, c := range []struct {
		text string
		in   []string
		out  []string
	}{
		{"0x0102/0x80/1w", []string{"0x0102/0x80/1w"}, []string{"0x0102/0x00/1w", "0x0102/0x80/0w", "0x0103/0x80/1w"}},
		{"0x014b/0x81/2-5w", []string{"0x014b/0x81/2w", "0x014b/0x81/5w"}, []string{"0x014b/0x81/1w", "0x014b/0x81/6w"}},
		{"0x0104/*/0-31w", []string{"0x0104/0x00/0w", "0x0104/0xff/31w"}, []string{"0x0105/0x00/0w"}},
		{"*/*/0-31w", []string{"0xffff/0xff/31w"}, nil},
	} {
		var r capabilities.OptionRange
		if err := r.UnmarshalText([]byte(c.text)); err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if r.String() != c.text {
			t.Errorf("%s is written %s", c.text, r)
		}
		for _, want := range []bool{true, false} {
			for _, text := range map[bool][]string{true: c.in, false: c.out}[want] {
				o, err := geneve.ParseOptionType(text)
				if err != nil {
					t.Fatal(err)
				}
				if r.Contains(o) != want {
					t.Errorf("%s contains %s: %v", c.text, text, !want)
				}
			}
		}
	}
}

func TestWordSet(t *testing.T) {
	for text, want := range map[string]capabilities.WordSet{
		"none": 0, "0": 1, "0-13": 0x3fff, "0,2-3,63": 1<<63 | 0b1101, "0-63": ^capabilities.WordSet(0),
	} {
		var s capabilities.WordSet
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: have %#x, %v, want %#x", text, uint64(s), err, uint64(want))
		}
		if s.String() != text {
			t.Errorf("%s is written %s", text, s)
		}
	}
	for _, text := range []string{"", "64", "1-", "-1", "3-2", "0,,1"} {
		var s capabilities.WordSet
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, s)
		}
	}
}
