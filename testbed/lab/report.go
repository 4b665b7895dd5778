package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Report is what came of a run of labs. Its JSON form is stable: fields are added, never changed.
type Report struct {
	OK   bool        `json:"ok"`
	Labs []LabReport `json:"labs"`
}

// NewReport sums up the reports of labs.
func NewReport(labs ...LabReport) Report {
	r := Report{OK: true, Labs: append([]LabReport{}, labs...)}
	for _, l := range labs {
		r.OK = r.OK && l.OK
	}
	return r
}

// LabReport is what came of one lab.
type LabReport struct {
	Name    string       `json:"name"`
	Title   string       `json:"title"`
	OK      bool         `json:"ok"`
	Seconds float64      `json:"seconds"`
	Steps   []StepReport `json:"steps"`
}

// StepReport is what came of one step.
type StepReport struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Detail says in a line what happened or, if the step failed, what did not.
	Detail  string  `json:"detail"`
	Seconds float64 `json:"seconds"`
	// Frames counts all frames that were put on wires, and Lost those that faults took away.
	Frames   uint64          `json:"frames"`
	Lost     uint64          `json:"lost,omitempty"`
	Sent     []FlowReport    `json:"sent,omitempty"`
	Arrived  []FlowReport    `json:"arrived,omitempty"`
	Tunnels  []TunnelReport  `json:"tunnels,omitempty"`
	Messages []MessageReport `json:"messages,omitempty"`
	Checks   []CheckReport   `json:"checks,omitempty"`
}

// FlowReport is frames from one endpoint: to whom they were sent, or where they arrived.
type FlowReport struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Frames uint64 `json:"frames"`
}

// CheckReport is one expectation.
type CheckReport struct {
	// OK says that it was met.
	OK bool `json:"ok"`
	// Unreadable says that it was neither met nor failed, because the target has no way to read what it is about.
	Unreadable bool `json:"unreadable,omitempty"`

	What string `json:"what"`
	Want string `json:"want"`
	Have string `json:"have"`
}

func (t TunnelReport) String() string {
	s := fmt.Sprintf("%s -> %s %s over %s", t.From, t.To, t.Encapsulation, t.Underlay)
	if t.Encapsulation == "geneve" {
		s += " " + optionList(t.Options)
	}
	return fmt.Sprintf("%s x%d", s, t.Packets)
}

func (m MessageReport) String() string {
	s := fmt.Sprintf("%s %s -> %s", strings.ToUpper(m.Kind), m.From, m.To)
	if m.Target != "" {
		s += " target " + m.Target
	}
	return fmt.Sprintf("%s x%d", s, m.Count)
}

// detail sums up a step: what failed, or else what was done and seen.
func detail(s *StepReport, done string) string {
	var parts []string
	for _, c := range s.Checks {
		if !c.OK && !c.Unreadable {
			parts = append(parts, fmt.Sprintf("%s: want %s, have %s", c.What, c.Want, c.Have))
		}
	}
	if parts != nil {
		return strings.Join(parts, "; ")
	}
	if done != "" {
		parts = append(parts, done)
	}
	for _, f := range s.Sent {
		parts = append(parts, fmt.Sprintf("%s -> %s x%d", f.From, f.To, f.Frames))
	}
	for _, m := range s.Messages {
		parts = append(parts, m.String())
	}
	if parts == nil && s.Checks != nil {
		parts = append(parts, fmt.Sprintf("%s met", plural(len(s.Checks), "expectation")))
	}
	return strings.Join(parts, "; ")
}

// WriteJSON writes the report, indented.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// WriteTable writes the report for people: for each step what was sent, where it arrived, which options in which order stood in each
// tunnel, and each expectation.
func (r Report) WriteTable(w io.Writer) error {
	out := &errWriter{w: w}
	failed, unreadable := 0, 0
	for _, l := range r.Labs {
		fmt.Fprintf(out, "%s %s: %s (%.1fs)\n", verdict(l.OK), l.Name, l.Title, l.Seconds)
		for _, s := range l.Steps {
			s.writeTable(out)
			for _, c := range s.Checks {
				if c.Unreadable {
					unreadable++
				}
			}
		}
		fmt.Fprintln(out)
		if !l.OK {
			failed++
		}
	}
	switch {
	case failed > 0:
		fmt.Fprintf(out, "%d of %s failed\n", failed, plural(len(r.Labs), "lab"))
	case unreadable > 0:
		fmt.Fprintf(out, "%s, all expectations met but %d that the target cannot be read for\n", plural(len(r.Labs), "lab"), unreadable)
	default:
		fmt.Fprintf(out, "%s, all expectations met\n", plural(len(r.Labs), "lab"))
	}
	return out.err
}

func verdict(ok bool) string {
	if ok {
		return "ok  "
	}
	return "FAIL"
}

func (s StepReport) writeTable(w io.Writer) {
	fmt.Fprintf(w, "  %s %s\n", verdict(s.OK), s.Name)
	if s.Detail != "" && (len(s.Checks) == 0 || s.OK && len(s.Sent) == 0) {
		fmt.Fprintf(w, "         %s\n", s.Detail)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range s.Sent {
		fmt.Fprintf(t, "         sent\t%s to %s\t%s\n", f.From, f.To, plural(int(f.Frames), "frame"))
	}
	for _, f := range s.Arrived {
		fmt.Fprintf(t, "         arrived\t%s at %s\t%s\n", f.From, f.To, plural(int(f.Frames), "frame"))
	}
	for _, x := range s.Tunnels {
		if !x.leaving {
			continue
		}
		kind := x.Encapsulation + " over " + x.Underlay
		if x.Encapsulation == "geneve" {
			kind += " " + optionList(x.Options)
		}
		fmt.Fprintf(t, "         tunnel\t%s -> %s\t%s\t%s\t%s\n", x.From, x.To, plural(int(x.Packets), "packet"), x.VirtualNetwork, kind)
	}
	for _, m := range s.Messages {
		what := strings.ToUpper(m.Kind)
		if m.Target != "" {
			what += " target " + m.Target
		}
		fmt.Fprintf(t, "         message\t%s -> %s\t%d\t%s\n", m.From, m.To, m.Count, what)
	}
	// errWriter keeps what Flush returns.
	_ = t.Flush()
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range s.Checks {
		word := verdict(c.OK)
		if c.Unreadable {
			word = "n/a "
		}
		fmt.Fprintf(t, "    %s %s\twant %s\thave %s\n", word, c.What, c.Want, c.Have)
	}
	_ = t.Flush()
}

// errWriter remembers the first error, so that not each line has to ask.
type errWriter struct {
	w   io.Writer
	err error
}

func (e *errWriter) Write(b []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	n, err := e.w.Write(b)
	e.err = err
	return n, err
}
