package bench_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/keyway-nve/keyway/testbed/bench"
)

// Every case runs, and both forms of the report have it. Nothing is asserted
// of how long anything takes.
func TestRun(t *testing.T) {
	results, err := bench.Run(t.Context(), bench.Options{Time: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, r := range results {
		kinds[r.Kind]++
		if r.PerSecond <= 0 || r.Nanoseconds <= 0 || r.Ratio <= 0 {
			t.Errorf("%+v", r)
		}
		if kinds[r.Kind] == 1 && r.Ratio != 1 {
			t.Errorf("the first of %s has ratio %v", r.Kind, r.Ratio)
		}
	}
	for kind, want := range map[string]int{"packets": 8, "P4Runtime write": 3, "P4Runtime read": 3, "miss to REDIRECT": 1} {
		if kinds[kind] != want {
			t.Errorf("%d results of %s, want %d", kinds[kind], kind, want)
		}
	}
	var table, text bytes.Buffer
	if err := bench.WriteTable(&table, results); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(table.String(), "\n"); n != len(results)+1 {
		t.Errorf("%d lines for %d results", n, len(results))
	}
	if err := bench.WriteJSON(&text, results); err != nil {
		t.Fatal(err)
	}
	var back []bench.Result
	if err := json.Unmarshal(text.Bytes(), &back); err != nil || len(back) != len(results) {
		t.Errorf("JSON: %d results, %v", len(back), err)
	}
}
