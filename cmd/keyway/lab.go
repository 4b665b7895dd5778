package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/bmv2"
	"github.com/keyway-nve/keyway/testbed/lab/embedded"
	"github.com/keyway-nve/keyway/testbed/simpleswitch"
)

func newLabCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "lab",
		Short: "Run networks of software targets, real packets through the real P4 programs",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newLabRunCommand(), newLabListCommand(), newLabShowCommand())
	return c
}

type labRun struct {
	pcap   string
	output string
	log    string
	target string
	bmv2   string
}

func newLabRunCommand() *cobra.Command {
	var o labRun
	c := &cobra.Command{
		Use:   "run [NAME|FILE]...",
		Short: "Run labs, all that are shipped by default, and report what every packet did",
		Example: `  keyway lab run
  keyway lab run nvgre-move --pcap captures
  keyway lab run --target bmv2
  keyway lab run ./my-lab.yaml -o json`,
		Args: usageArgs(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args) },
	}
	c.Flags().StringVar(&o.pcap, "pcap", "", "write what crosses the wires to `DIR`, as pcapng")
	c.Flags().StringVarP(&o.output, "output", "o", "table", "`FORMAT` of the report: table or json")
	c.Flags().StringVar(&o.target, "target", "embedded", "`TARGET` to run on: embedded, or bmv2, a simple_switch_grpc process for each device")
	c.Flags().StringVar(&o.bmv2, "bmv2", "", "simple_switch_grpc to run with --target bmv2, if not the one on PATH: its `PATH`")
	c.Flags().StringVar(&o.log, "log", "", "log targets and controllers to standard error from `LEVEL` on: debug, info, warn or error")
	return c
}

func (o *labRun) run(c *cobra.Command, names []string) error {
	if o.output != "table" && o.output != "json" {
		return usageError(c, fmt.Errorf("output format %q is neither table nor json", o.output))
	}
	log := slog.New(slog.DiscardHandler)
	if o.log != "" {
		var level slog.Level
		if err := level.UnmarshalText([]byte(o.log)); err != nil {
			return usageError(c, err)
		}
		log = slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
	}
	newWorld, err := o.worlds(c, log)
	if err != nil {
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
		report := lab.Run(c.Context(), l, newWorld(), lab.Options{
			PcapDir:  o.pcap,
			Progress: progress(c.ErrOrStderr(), l.Name),
		})
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

// worlds returns what makes a world for each lab.
func (o *labRun) worlds(c *cobra.Command, log *slog.Logger) (func() lab.World, error) {
	if o.bmv2 != "" && o.target != "bmv2" {
		return nil, usageError(c, errors.New("--bmv2 is for --target bmv2"))
	}
	switch o.target {
	case "embedded":
		return func() lab.World { return &embedded.World{Log: log} }, nil
	case "bmv2":
		program, err := simpleswitch.Find(c.Context(), o.bmv2)
		if err != nil {
			return nil, err
		}
		return func() lab.World { return &bmv2.World{Program: program, Log: log} }, nil
	}
	return nil, usageError(c, fmt.Errorf("target %q is neither embedded nor bmv2", o.target))
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
			for _, name := range lab.Shipped() {
				l, err := lab.Open(name)
				if err != nil {
					return err
				}
				fmt.Fprintf(t, "%s\t%s\n", name, l.Title)
			}
			return t.Flush()
		},
	}
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
