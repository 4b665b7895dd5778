package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/controller/explain"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/layouts"
	"github.com/keyway-nve/keyway/controller/render"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables"
)

// explainRun is explain on the command line.
type explainRun struct {
	file, lab, vn, output string
	timeout               time.Duration
}

func newExplainCommand() *cobra.Command {
	var o explainRun
	c := &cobra.Command{
		Use:   "explain SENDER RECEIVER --vn VN (-f INTENT | --lab NAME|FILE)",
		Short: "Say what one NVE of a fleet sends to another, and why",
		Long: `Says what one NVE sends to another for a virtual network: the encapsulation, the
layout with the reason for each place, what is left out and whose limit says so,
the table rows at both ends, and the MTU that is left to tenants. It asks the
devices of the intent over gNMI, as the authority does, and settles all pairs,
because a receiver's rows are shared by all its senders. With --lab it says what
is so at the beginning of a lab.

Exit status: 0 explained, 2 bad command line or input file, 3 nothing may be sent
because what is required cannot be.`,
		Example: `  keyway explain leaf dpu --lab geneve-options
  keyway explain leaf1 nic7 --vn blue -f fleet.yaml -o json`,
		Args: usageArgs(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c, args[0], args[1]) },
	}
	c.Flags().StringVarP(&o.file, "file", "f", "", "`FILE` with the intent")
	c.Flags().StringVar(&o.lab, "lab", "", "a shipped lab or a `FILE` with one")
	c.Flags().StringVar(&o.vn, "vn", "", "the virtual `NETWORK`; not needed if there is one only")
	c.Flags().StringVarP(&o.output, "output", "o", "table", "`FORMAT`: table, json or yaml")
	c.Flags().DurationVar(&o.timeout, "timeout", 5*time.Second, "wait `DURATION` for what devices say")
	return c
}

func (o *explainRun) run(c *cobra.Command, sender, receiver string) error {
	write, ok := map[string]func(io.Writer, explain.Pair) error{"table": explainTable, "json": explainJSON, "yaml": explainYAML}[o.output]
	if !ok {
		return usageError(c, fmt.Errorf("output format %q is none of table, json and yaml", o.output))
	}
	if (o.file == "") == (o.lab == "") {
		return usageError(c, errors.New("which fleet? give an intent with -f, or a lab with --lab"))
	}
	schema, program, err := nveProgram()
	if err != nil {
		return err
	}
	var in layouts.Input
	var untold []string
	if o.lab != "" {
		in, err = o.fromLab()
	} else {
		in, untold, err = o.fromIntent(c.Context(), program)
	}
	if err != nil {
		return err
	}
	if o.vn == "" {
		if len(in.Intent.VirtualNetworks) != 1 {
			return usageError(c, errors.New("which virtual network? say it with --vn"))
		}
		o.vn = in.Intent.VirtualNetworks[0].Name
	}
	pair, err := explain.Explain(explain.Input{Intent: in.Intent, Plan: layouts.Settle(in), MTU: in.MTU, Schema: schema}, sender, receiver, o.vn)
	if err != nil {
		return badInput{err}
	}
	pair.Notes = append(pair.Notes, untold...)
	if err := write(c.OutOrStdout(), pair); err != nil {
		return err
	}
	if !pair.Possible {
		return errUnsatisfiable
	}
	return nil
}

// nveProgram is the program that managed NVEs run, and what it allows.
func nveProgram() (*tables.Schema, capabilities.Capability, error) {
	none := capabilities.Capability{}
	program, err := p4.NVE()
	if err != nil {
		return nil, none, err
	}
	schema, err := tables.NewSchema(program.P4Info)
	if err != nil {
		return nil, none, err
	}
	allows, err := capabilities.FromSchema("nve", schema)
	return schema, allows, err
}

func (o *explainRun) fromLab() (layouts.Input, error) {
	l, err := openLab(o.lab)
	if err != nil {
		return layouts.Input{}, badInput{err}
	}
	return l.Layouts()
}

// fromIntent asks the devices of an intent. It also returns what is to be said of those that do not answer.
func (o *explainRun) fromIntent(ctx context.Context, program capabilities.Capability) (layouts.Input, []string, error) {
	in, err := intent.Load(o.file)
	if err != nil {
		return layouts.Input{}, nil, badInput{err}
	}
	told, untold := askFleet(ctx, &in, o.timeout)
	return layouts.Input{Intent: &in, Program: program, Told: told, MTU: render.Options{}.MTU()}, untold, nil
}

// asksAtATime bounds the connections that are made at once.
const asksAtATime = 64

// askFleet asks all devices that can be asked.
func askFleet(ctx context.Context, in *intent.Intent, timeout time.Duration) (told map[string]capabilities.Capability, untold []string) {
	told = make(map[string]capabilities.Capability)
	said := make([]string, len(in.Devices))
	var mu sync.Mutex
	var wg sync.WaitGroup
	free := make(chan struct{}, asksAtATime)
	for i, d := range in.Devices {
		if d.GNMI == "" {
			continue
		}
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			c, err := askDevice(ctx, d, timeout)
			if err != nil {
				said[i] = fmt.Sprintf("%s at %s: %v", d.Name, d.GNMI, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			told[d.Name] = c
		})
	}
	wg.Wait()
	for _, s := range said {
		if s != "" {
			untold = append(untold, s)
		}
	}
	return told, untold
}

func askDevice(ctx context.Context, d intent.Device, timeout time.Duration) (capabilities.Capability, error) {
	client, err := gnmi.Dial(d.GNMI, gnmi.ClientOptions{Target: d.Name, Timeout: timeout})
	if err != nil {
		return capabilities.Capability{}, err
	}
	defer client.Close()
	return client.Ask(ctx)
}

func explainJSON(w io.Writer, p explain.Pair) error { return writeJSON(w, p) }

func explainYAML(w io.Writer, p explain.Pair) error { return writeYAML(w, p) }

func explainTable(w io.Writer, p explain.Pair) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s to %s, virtual network %s (VNI %d): %s over %s, %v to %v", p.Sender, p.Receiver, p.VirtualNetwork, p.VNI, p.Encapsulation, p.Underlay, p.Local, p.Remote)
	if p.Port != 0 {
		fmt.Fprintf(&b, ", UDP port %d", p.Port)
	}
	fmt.Fprintf(&b, "\n%s.\n", upperFirst(p.Verdict))
	if len(p.Conflict) > 0 {
		b.WriteString("\nThese rules cannot all hold:\n")
		for _, r := range p.Conflict {
			fmt.Fprintf(&b, "  - %v\n", r)
		}
	}
	a := answer{Explanation: capabilities.Explanation{LeftOut: p.LeftOut}}
	for _, o := range p.Layout {
		a.Layout = append(a.Layout, place{Placed: o.Placed, Bytes: o.Bytes, Rules: o.Because})
	}
	if p.Possible && p.Port != 0 {
		a.layout(&b)
	}
	a.leftOut(&b)
	explainRows(&b, p)
	if p.Possible {
		fmt.Fprintf(&b, "\n%d bytes of options; the tunnel adds %d bytes to a tenant's IP packet, and leaves an MTU of %d.\n", p.Bytes, p.Overhead, p.TenantMTU)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "Note: %s.\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func explainRows(b *strings.Builder, p explain.Pair) {
	if row := p.Rows.TCAM; row != nil {
		c := "any"
		if row.Critical {
			c = "1"
		}
		fmt.Fprintf(b, "\nTCAM row at %s: OptLen %d, C %s; one of %d for all senders", p.Receiver, row.OptLen, c, p.Rows.Held)
		if p.Rows.Room != 0 {
			fmt.Fprintf(b, ", room for %d", p.Rows.Room)
		}
		b.WriteString("\n")
		t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "WORD\tVALUE\tMASK\tOF")
		for i, x := range row.Words {
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", i, x.Value, x.Mask, x.Option)
		}
		t.Flush() // to a strings.Builder, which does not fail
	}
	for _, end := range []struct {
		name    string
		entries []string
	}{{p.Sender, p.Rows.Sender}, {p.Receiver, p.Rows.Receiver}} {
		if len(end.entries) == 0 {
			continue
		}
		fmt.Fprintf(b, "\nEntries of the layout at %s:\n", end.name)
		for _, e := range end.entries {
			fmt.Fprintf(b, "  %s\n", e)
		}
	}
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
