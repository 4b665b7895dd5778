package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keyway-nve/keyway/controller/intent"
)

func newIntentCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "intent",
		Short: "Work with intents: what an operator wants of the network",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:   "check FILE",
		Short: "Say everything that is wrong with an intent, with line and column",
		Args:  usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := intent.Load(args[0])
			if err != nil {
				return badInput{err}
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: %d devices, %d virtual networks, %d endpoints, %d layouts: valid\n",
				args[0], len(in.Devices), len(in.VirtualNetworks), len(in.Endpoints), len(in.Layouts))
			return nil
		},
	})
	return c
}
