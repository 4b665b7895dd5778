package manifest_test

import (
	"errors"
	"flag"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/manifest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type port struct {
	Number uint16 `yaml:"number,required"`
	Label  string
}

type labelled struct {
	Title string
}

type everything struct {
	labelled
	Name    string `yaml:"name,required"`
	Count   uint8
	Signed  int8
	Octal   int
	Quoted  int
	Flag    bool
	Ratio   float64
	Wait    time.Duration
	Address netip.Addr
	MAC     ethernet.MAC
	Port    *port
	Ports   []port
	Tags    map[string]int
	Nothing *port
	Hidden  string `yaml:"-"`
	Wanted  string `yaml:"wanted,required"`
}

// Each file in testdata decodes into everything, and its golden file holds what is said about it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := manifest.Parse(filepath.Base(file), src)
			if err == nil {
				doc.Decode(&everything{})
				err = doc.Err()
			}
			got := "no error\n"
			if err != nil {
				got = err.Error() + "\n"
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	doc, err := manifest.Parse("good.yaml", []byte(`---
title: embedded
name: "a name"
count: 0xff
signed: -128
octal: 0o10
flag: true
ratio: 0.5
wait: 150ms
address: "fd00::1"
mac: 02:00:00:00:00:0a
port: {number: 1, label: '7'}
ports: [{number: 0b11}, {number: 65535, label: last}]
tags: {x.y: 1, "2": 2}
wanted: |
  two
  lines
`))
	if err != nil {
		t.Fatal(err)
	}
	var got everything
	doc.Decode(&got)
	if err := doc.Err(); err != nil {
		t.Fatal(err)
	}
	want := everything{
		Name: "a name", Count: 255, Signed: -128, Octal: 8, Flag: true, Ratio: 0.5, Wait: 150 * time.Millisecond,
		Address: netip.MustParseAddr("fd00::1"), MAC: ethernet.MAC{2, 0, 0, 0, 0, 10},
		Port: &port{Number: 1, Label: "7"}, Ports: []port{{Number: 3}, {Number: 65535, Label: "last"}},
		Tags: map[string]int{"x.y": 1, "2": 2}, Wanted: "two\nlines\n",
	}
	want.Title = "embedded"
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(everything{}, labelled{}), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A validator names a path and gets its position, that of the nearest value above it if it is not there, and no second word about a
// value that could not be read in the first place.
func TestErrorf(t *testing.T) {
	doc, err := manifest.Parse("v.yaml", []byte("name: a\nwanted: b\nports:\n  - number: 1\n  - number: x\n    label: l\n"))
	if err != nil {
		t.Fatal(err)
	}
	doc.Decode(&everything{})
	doc.Errorf("ports[1].label", "is %q", "l")
	doc.Errorf("ports[1].number", "is 0")
	doc.Errorf("ports[0].label.deeper", "is not there")
	doc.Errorf("name", "is short")
	doc.Errorf("name", "is short")
	doc.Errorf("", "is odd")
	want := []manifest.Problem{
		{File: "v.yaml", Line: 1, Column: 1, Reason: "is odd"},
		{File: "v.yaml", Line: 1, Column: 7, Path: "name", Reason: "is short"},
		{File: "v.yaml", Line: 4, Column: 5, Path: "ports[0].label.deeper", Reason: "is not there"},
		{File: "v.yaml", Line: 5, Column: 13, Path: "ports[1].number", Reason: `"x" is not a whole number from 0 to 65535`},
		{File: "v.yaml", Line: 6, Column: 12, Path: "ports[1].label", Reason: `is "l"`},
	}
	err = doc.Err()
	if diff := cmp.Diff(want, manifest.Problems(err)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var p manifest.Problem
	if !errors.As(err, &p) || p != want[0] {
		t.Errorf("errors.As found %v, want %v", p, want[0])
	}
	if !doc.Has("ports[0].number") || doc.Has("ports[0].label") {
		t.Error("Has does not tell what the document gives")
	}
}

func TestLoadMissingFile(t *testing.T) {
	if _, err := manifest.Load(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}

func TestTooLarge(t *testing.T) {
	_, err := manifest.Parse("big.yaml", make([]byte, manifest.MaxSize+1))
	if err == nil || !strings.Contains(err.Error(), "more than the") {
		t.Errorf("error %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
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
		doc, err := manifest.Parse("fuzz.yaml", src)
		if err != nil {
			if len(manifest.Problems(err)) == 0 {
				t.Errorf("error without a problem: %v", err)
			}
			return
		}
		doc.Decode(&everything{})
		for _, p := range manifest.Problems(doc.Err()) {
			if p.Line < 1 || p.Column < 1 || p.Reason == "" {
				t.Errorf("problem without position or reason: %+v", p)
			}
		}
	})
}
