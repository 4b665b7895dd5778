package p4fuzz

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

// Report says what a run has done.
type Report struct {
	Seed     uint64
	Took     time.Duration
	Episodes int // each from a device without entries
	Batches  int
	Updates  int
	Reads    int // ReadRequests
	Entities int // that were read and compared
	// Configs has how many SetForwardingPipelineConfig requests, that are to leave
	// all entities as they are, were answered with a code.
	Configs map[codes.Code]int
	// Requests has how many WriteRequests were answered with a code, Answers how
	// many updates.
	Requests, Answers map[codes.Code]int
	// Valid has how many updates of each kind were drawn to be valid, Mutated
	// those of each mutation.
	Valid, Mutated map[string]int
	// Tolerated has how often each deviation was met.
	Tolerated map[string]int
}

func newReport(seed uint64) *Report {
	return &Report{
		Seed:    seed,
		Configs: make(map[codes.Code]int), Requests: make(map[codes.Code]int), Answers: make(map[codes.Code]int),
		Valid: make(map[string]int), Mutated: make(map[string]int), Tolerated: make(map[string]int),
	}
}

func (r *Report) requests(c codes.Code) { r.Requests[c]++ }
func (r *Report) answers(c codes.Code)  { r.Answers[c]++ }
func (r *Report) tolerate(d *Deviation) { r.Tolerated[d.Name]++ }
func (r *Report) read(entities int)     { r.Reads++; r.Entities += entities }

// String is a table of it all.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d updates in %d batches and %d episodes, %d entities in %d reads, in %v (%.0f updates/s)\n",
		r.Seed, r.Updates, r.Batches, r.Episodes, r.Entities, r.Reads, r.Took.Round(time.Millisecond), float64(r.Updates)/max(r.Took.Seconds(), 1e-9))
	section(&b, "configs answered", r.Configs)
	section(&b, "write requests answered", r.Requests)
	section(&b, "updates answered", r.Answers)
	section(&b, "valid updates", r.Valid)
	section(&b, "mutated updates", r.Mutated)
	section(&b, "tolerated", r.Tolerated)
	return b.String()
}

func section[K comparable](b *strings.Builder, name string, m map[K]int) {
	if len(m) == 0 {
		return
	}
	names := make(map[string]int, len(m))
	for k, n := range m {
		names[fmt.Sprint(k)] = n
	}
	fmt.Fprintf(b, "%s:\n", name)
	for _, k := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(b, "%9d %s\n", names[k], k)
	}
}

// Failure is an answer that the specification does not allow, with the shortest
// way to it that was found.
type Failure struct {
	Seed    uint64
	Episode int
	Problem string
	// Steps lead from a device that has just got its program to the problem.
	Steps []Step
}

// Error says what is wrong and how to make it happen again.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, episode %d: %s\nto reproduce, on a device that has just got its program:\n", f.Seed, f.Episode, f.Problem)
	for i, s := range f.Steps {
		switch {
		case s.Write != nil:
			fmt.Fprintf(&b, "%d. write %s\n", i+1, text(s.Write))
		case s.Read != nil:
			fmt.Fprintf(&b, "%d. read %s\n", i+1, text(s.Read))
		default:
			c := s.Config.GetConfig()
			fmt.Fprintf(&b, "%d. %v with election id %v and a config of %d bytes for version %q\n", i+1, s.Config.GetAction(), s.Config.GetElectionId(),
				len(c.GetP4DeviceConfig()), c.GetP4Info().GetPkgInfo().GetVersion())
		}
	}
	return b.String()
}
