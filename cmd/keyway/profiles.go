package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/keyway-nve/keyway/capabilities"
)

func newProfilesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "profiles",
		Short: "What products can do with Geneve options, and where that is known from",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newProfilesListCommand(), newProfilesShowCommand(), newProfilesCheckCommand())
	return c
}

func newProfilesListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the profiles that are shipped",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "NAME\tRECEIVES\tSENDS\tPRODUCT")
			for _, name := range capabilities.Profiles() {
				p, err := capabilities.ShippedProfile(name)
				if err != nil {
					return err
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", name, summary(p.Capability.Receive), summary(p.Capability.Send), p.Title)
			}
			return t.Flush()
		},
	}
}

// summary is a direction in a few words, without what differs by family.
func summary(d capabilities.Direction) string {
	if len(d.Options) == 0 {
		return "none"
	}
	parts := []string{fmt.Sprintf("%d types", len(d.Options))}
	if r := d.Options[0]; r.AnyClass && r.AnyType {
		parts[0] = "any"
	} else if len(d.Options) == 1 {
		parts[0] = r.String()
	}
	if n := d.Limits.Options; n > 0 {
		parts = append(parts, fmt.Sprintf("max %d", n))
	}
	if n := d.Limits.Bytes; n > 0 {
		parts = append(parts, fmt.Sprintf("%d bytes", n))
	}
	for _, p := range d.Pools {
		parts = append(parts, fmt.Sprintf("%d words", p.Words))
	}
	for _, r := range d.Order {
		parts = append(parts, r.Kind.String())
	}
	return strings.Join(parts, ", ")
}

func newProfilesShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Print a shipped profile, with its sources, to read or to start one of one's own from",
		Args:  usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			src, err := capabilities.ProfileSource(args[0])
			if err != nil {
				return badInput{err}
			}
			_, err = c.OutOrStdout().Write(src)
			return err
		},
	}
}

func newProfilesCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Say everything that is wrong with a profile, with line and column",
		Args:  usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := capabilities.LoadProfile(args[0])
			if err != nil {
				return badInput{err}
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: %s, with %d sources: valid\n", args[0], p.Capability.Name, len(p.Sources))
			return nil
		},
	}
}
