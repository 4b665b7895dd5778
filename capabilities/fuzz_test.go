package capabilities_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/capabilities"
)

// Whatever is accepted as a capability is valid, and is read again as it is written.
func FuzzParseCapability(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := capabilities.ParseCapability("fuzz.yaml", src)
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("accepted, and invalid: %v", err)
		}
		text, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := capabilities.ParseCapability("again.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("-written +read:\n%s", diff)
		}
	})
}

func FuzzParseQuestion(f *testing.F) {
	files, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		// Reading a P4Info takes long where every branch is counted.
		f.Add(bytes.ReplaceAll(src, []byte("program: nve"), []byte("profile: ovs-dpif-netdev")))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, src []byte) {
		q, err := capabilities.ParseQuestion("fuzz.yaml", dir, src)
		if err != nil || len(q.Wanted.Options) > 8 {
			return
		}
		if layout, why := q.Solve(); !why.Satisfied() && len(layout.Options) > 0 {
			t.Errorf("a layout and a conflict: %v, %v", layout, why.Conflict)
		}
	})
}

func FuzzOptionRange(f *testing.F) {
	for _, s := range []string{"0x0102/0x80/1w", "0xff01/*/0-4w", "*/*/0-31w", "ff01/81/2w", "0x0102/0x80/1", "*/*/4-0w"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var r, again capabilities.OptionRange
		if r.UnmarshalText([]byte(s)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%q is %v, which is read as %v, %v", s, r, again, err)
		}
	})
}
