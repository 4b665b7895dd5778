// Package bench measures Keyway on the machine that it runs on: packets through
// the P4 programs on the embedded target, P4Runtime writes and reads, and the
// time from a miss to its REDIRECT.
//
// A figure of a shared machine says little by itself; so each comes with its
// ratio to the first of its kind, measured in the same run.
package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// Options say how to measure. The zero value is the default.
type Options struct {
	// Time is how long each case runs; 0 means 1 second.
	Time time.Duration
	// Progress is called with each result as soon as it is there.
	Progress func(Result)
}

// Result is one figure.
type Result struct {
	Kind string `json:"kind"` // of what it may be compared with
	Name string `json:"name"`
	// PerSecond is how many packets, entries or messages a second, and
	// Nanoseconds how long one takes; for a latency, the median.
	PerSecond   float64 `json:"perSecond"`
	Nanoseconds float64 `json:"nanoseconds"`
	// P99 is the 99th percentile of a latency, in nanoseconds.
	P99 float64 `json:"p99,omitempty"`
	// Ratio is PerSecond over that of the first result of the kind.
	Ratio float64 `json:"ratio"`
}

// runner gathers results.
type runner struct {
	o       Options
	results []Result
}

// Run runs all cases.
func Run(ctx context.Context, o Options) ([]Result, error) {
	if o.Time == 0 {
		o.Time = time.Second
	}
	r := &runner{o: o}
	for _, part := range []func(context.Context, *runner) error{packets, entries, misses} {
		if err := part(ctx, r); err != nil {
			return r.results, err
		}
	}
	return r.results, nil
}

func (r *runner) add(x Result) {
	x.Ratio = 1
	if i := slices.IndexFunc(r.results, func(y Result) bool { return y.Kind == x.Kind }); i >= 0 {
		x.Ratio = x.PerSecond / r.results[i].PerSecond
	}
	r.results = append(r.results, x)
	if r.o.Progress != nil {
		r.o.Progress(x)
	}
}

// rate runs do, which does n things, over and over for the time.
func (r *runner) rate(ctx context.Context, kind, name string, n int, do func() error) error {
	const look = 64 // calls between two looks at the clock
	each := 1
	if n == 1 {
		each = look
	}
	done := 0
	start := time.Now()
	var took time.Duration
	for took < r.o.Time {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		for range each {
			if err := do(); err != nil {
				return fmt.Errorf("%s, %s: %w", kind, name, err)
			}
		}
		done += each * n
		took = time.Since(start)
	}
	r.add(Result{
		Kind:        kind,
		Name:        name,
		PerSecond:   float64(done) / took.Seconds(),
		Nanoseconds: float64(took.Nanoseconds()) / float64(done),
	})
	return nil
}

// latency takes samples of how long something takes.
func (r *runner) latency(kind, name string, samples []time.Duration) {
	slices.Sort(samples)
	median := samples[len(samples)/2]
	r.add(Result{
		Kind:        kind,
		Name:        name,
		PerSecond:   1 / median.Seconds(),
		Nanoseconds: float64(median.Nanoseconds()),
		P99:         float64(samples[len(samples)*99/100].Nanoseconds()),
	})
}

// WriteJSON writes results, indented.
func WriteJSON(w io.Writer, results []Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(results)
}

// WriteTable writes results for people.
func WriteTable(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KIND\tCASE\tA SECOND\tEACH\tP99\tRATIO")
	for _, x := range results {
		p99 := ""
		if x.P99 != 0 {
			p99 = duration(x.P99)
		}
		fmt.Fprintf(t, "%s\t%s\t%.0f\t%s\t%s\t%.2f\n", x.Kind, x.Name, x.PerSecond, duration(x.Nanoseconds), p99, x.Ratio)
	}
	return t.Flush()
}

func duration(ns float64) string {
	d := time.Duration(ns)
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= unit {
			return d.Round(unit / 100).String()
		}
	}
	return d.String()
}
