package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/keyway-nve/keyway/capabilities"
)

// errUnsatisfiable is returned by solve when it has said which rules cannot hold together.
var errUnsatisfiable = errors.New("no layout satisfies all rules")

func newSolveCommand() *cobra.Command {
	var file, output string
	c := &cobra.Command{
		Use:   "solve -f FILE",
		Short: "Say which options one NVE sends to another, in which order, and why",
		Long: `Solve reads a sender, a receiver, the path between them and the options that are
wanted, and prints the layout with a reason for each place and for each option
that is left out. It needs no network.

Exit status: 0 there is a layout, 2 bad command line or input file, 3 no layout
satisfies all rules.`,
		Example: `  keyway solve -f capabilities/examples/cisco-vic.yaml
  keyway solve -f pair.yaml -o json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if file == "" {
				return usageError(c, errors.New("which file? give one with -f"))
			}
			write, ok := answerWriters()[output]
			if !ok {
				return usageError(c, fmt.Errorf("output format %q is none of table, json and yaml", output))
			}
			q, err := capabilities.LoadQuestion(file)
			if err != nil {
				return badInput{err}
			}
			layout, why := q.Solve()
			a := answer{Sender: q.Sender.Name, Receiver: q.Receiver.Name, Satisfied: why.Satisfied(), Layout: []place{}, Bytes: layout.Bytes(), Explanation: why}
			for i, o := range layout.Options {
				a.Layout = append(a.Layout, place{Placed: o, Bytes: 4 * o.Type.Words(), Rules: why.Places[i]})
			}
			if err := write(a, c.OutOrStdout()); err != nil {
				return err
			}
			if !a.Satisfied {
				return errUnsatisfiable
			}
			return nil
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "`FILE` with sender, receiver, path and wanted options")
	c.Flags().StringVarP(&output, "output", "o", "table", "`FORMAT` of the answer: table, json or yaml")
	return c
}

// answer is what solve prints.
type answer struct {
	Sender    string  `json:"sender"`
	Receiver  string  `json:"receiver"`
	Satisfied bool    `json:"satisfied"`
	Layout    []place `json:"layout"`
	Bytes     int     `json:"bytes"`
	capabilities.Explanation
}

// place is an option of the layout with the rules that bind it to its place.
type place struct {
	capabilities.Placed
	Bytes int                 `json:"bytes"`
	Rules []capabilities.Rule `json:"rules,omitempty"`
}

func answerWriters() map[string]func(answer, io.Writer) error {
	return map[string]func(answer, io.Writer) error{"table": answer.table, "json": answer.json, "yaml": answer.yaml}
}

func (a answer) json(w io.Writer) error { return writeJSON(w, a) }

func (a answer) yaml(w io.Writer) error { return writeYAML(w, a) }

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writeYAML writes what writeJSON does, as YAML.
func writeYAML(w io.Writer, v any) error {
	var text strings.Builder
	if err := writeJSON(&text, v); err != nil {
		return err
	}
	b, err := yaml.JSONToYAML([]byte(text.String()))
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

func (a answer) table(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s to %s: %v over %v", a.Sender, a.Receiver, a.Encapsulation, a.Underlay)
	if a.Port != 0 {
		fmt.Fprintf(&b, ", UDP port %d", a.Port)
	}
	b.WriteString("\n")
	if !a.Satisfied {
		b.WriteString("\nNo layout. These rules cannot all hold; without any one of them the others can:\n")
		for _, r := range a.Conflict {
			fmt.Fprintf(&b, "  - %v\n", r)
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
	a.layout(&b)
	a.leftOut(&b)
	fmt.Fprintf(&b, "\n%d bytes of options; the tunnel adds %d bytes to a tenant's IP packet", a.Bytes, a.Overhead)
	if a.TenantMTU != 0 {
		fmt.Fprintf(&b, ", and leaves an MTU of %d", a.TenantMTU)
	}
	b.WriteString(".\n")
	for _, n := range a.Notes {
		fmt.Fprintf(&b, "Note: %s.\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (a answer) layout(b *strings.Builder) {
	if len(a.Layout) == 0 {
		b.WriteString("\nNo options are sent.\n")
		return
	}
	b.WriteString("\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WORD\tOPTION\tTYPE\tBYTES\tPLACE")
	for _, o := range a.Layout {
		why := []string{"no rule; the order in which it is wanted"}
		if len(o.Rules) > 0 {
			why = nil
			for _, r := range o.Rules {
				why = append(why, r.String())
			}
		}
		for j, line := range why {
			if j == 0 {
				fmt.Fprintf(t, "%d\t%s\t%v\t%d\t%s\n", o.Word, o.Name, o.Type, o.Bytes, line)
			} else {
				fmt.Fprintf(t, "\t\t\t\t%s\n", line)
			}
		}
	}
	t.Flush() // to a strings.Builder, which does not fail
}

func (a answer) leftOut(b *strings.Builder) {
	if len(a.LeftOut) == 0 {
		return
	}
	b.WriteString("\nLeft out:\n")
	for _, o := range a.LeftOut {
		fmt.Fprintf(b, "  %s %v, weight %d", o.Name, o.Type, o.Weight)
		if len(o.With) > 0 {
			fmt.Fprintf(b, ", beside %s", strings.Join(o.With, ", "))
		}
		b.WriteString("\n")
		for _, r := range o.Because {
			fmt.Fprintf(b, "    - %v\n", r)
		}
	}
}
