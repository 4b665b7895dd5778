package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/veth"
)

func newLabCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "lab",
		Short: "Run networks of software targets, real packets through the real P4 programs",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newLabRunCommand(), newLabUpCommand(), newLabListCommand(), newLabShowCommand())
	return c
}

type labRun struct {
	labPlace
	pcap   string
	output string
	wires  string
}

func newLabRunCommand() *cobra.Command {
	var o labRun
	c := &cobra.Command{
		Use:   "run [NAME|FILE]...",
		Short: "Run labs, all that are shipped and need nothing else by default, and report what every packet did",
		Example: `  keyway lab run
  keyway lab run nvgre-move --pcap captures
  keyway lab run --target bmv2
  keyway lab run --wires veth
  keyway lab run ./my-lab.yaml -o json`,
		Args: usageArgs(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	c.Flags().StringVar(&o.pcap, "pcap", "", "write what crosses the wires to `DIR`, as pcapng")
	c.Flags().StringVarP(&o.output, "output", "o", "table", "`FORMAT` of the report: table or json")
	c.Flags().StringVar(&o.wires, "wires", "memory", "`WIRES` to cable it with: memory, or veth pairs between network namespaces, which need root")
	o.labPlace.flags(c)
	return c
}

func (o *labRun) run(c *cobra.Command, names []string) error {
	if o.output != "table" && o.output != "json" {
		return usageError(c, fmt.Errorf("output format %q is neither table nor json", o.output))
	}
	if o.wires != "memory" && o.wires != "veth" {
		return usageError(c, fmt.Errorf("wires %q are neither memory nor veth", o.wires))
	}
	if err := o.check(c); err != nil {
		return err
	}
	if len(names) == 0 {
		names = lab.Shipped()
	}
	var labs []*lab.Lab
	for _, name := range names {
		l, err := openLab(name)
		if err != nil {
			return badInput{err}
		}
		labs = append(labs, l)
	}

	var reports []lab.LabReport
	for _, l := range labs {
		report, err := o.runOne(c, l)
		if err != nil {
			return err
		}
		reports = append(reports, report)
	}
	report := lab.NewReport(reports...)
	write := report.WriteTable
	if o.output == "json" {
		write = report.WriteJSON
	}
	if err := write(c.OutOrStdout()); err != nil {
		return err
	}
	if !report.OK {
		return errUnmet
	}
	return nil
}

// runOne runs one lab.
func (o *labRun) runOne(c *cobra.Command, l *lab.Lab) (report lab.LabReport, err error) {
	options := lab.Options{PcapDir: o.pcap, Progress: progress(c.ErrOrStderr(), l.Name)}
	var panel *veth.Panel
	if o.wires == "veth" {
		if panel, err = veth.NewPanel(veth.Options{Log: o.logger}); err != nil {
			return report, fmt.Errorf("wires veth: %w", err)
		}
		defer func() { err = errors.Join(err, panel.Close()) }()
		options.Hosts = panel
	}
	return lab.Run(c.Context(), l, o.world(panel, ""), options), nil
}

// openLab returns a shipped lab, or else the lab in a file.
func openLab(name string) (*lab.Lab, error) {
	if strings.ContainsRune(name, filepath.Separator) || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") {
		return lab.Load(name)
	}
	return lab.Open(name)
}

// progress says each step as it is done.
func progress(w io.Writer, name string) func(lab.StepReport) {
	return func(s lab.StepReport) {
		word := "ok  "
		if !s.OK {
			word = "FAIL"
		}
		fmt.Fprintf(w, "%s %s: %s\n", word, name, s.Name)
	}
}

func newLabListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the labs that are shipped",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, name := range slices.Concat(lab.Shipped(), lab.WithPeers()) {
				l, err := lab.Open(name)
				if err != nil {
					return err
				}
				fmt.Fprintf(t, "%s\t%s%s\n", name, l.Title, needs(l))
			}
			return t.Flush()
		},
	}
}

// needs says which programs of others a lab wants to be installed.
func needs(l *lab.Lab) string {
	var programs []string
	for _, p := range l.Peers {
		programs = append(programs, p.Program)
	}
	if len(programs) == 0 {
		return ""
	}
	slices.Sort(programs)
	return " (needs " + strings.Join(slices.Compact(programs), ", ") + ")"
}

func newLabShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Print a shipped lab's file, to read or to start a lab of one's own from",
		Args:  usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			src, err := lab.Source(args[0])
			if err != nil {
				return badInput{err}
			}
			_, err = c.OutOrStdout().Write(src)
			return err
		},
	}
}
