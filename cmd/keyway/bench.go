package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyway-nve/keyway/testbed/bench"
)

func newBenchCommand() *cobra.Command {
	var (
		each   time.Duration
		output string
	)
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure packets, P4Runtime and misses on this machine",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return usageError(c, fmt.Errorf("output format %q is neither table nor json", output))
			}
			if each <= 0 {
				return usageError(c, fmt.Errorf("time %v is not positive", each))
			}
			results, err := bench.Run(c.Context(), bench.Options{
				Time: each,
				Progress: func(r bench.Result) {
					fmt.Fprintf(c.ErrOrStderr(), "%s: %s\n", r.Kind, r.Name)
				},
			})
			if err != nil {
				return err
			}
			if output == "json" {
				return bench.WriteJSON(c.OutOrStdout(), results)
			}
			return bench.WriteTable(c.OutOrStdout(), results)
		},
	}
	c.Flags().DurationVar(&each, "time", time.Second, "run each case for `DURATION`")
	c.Flags().StringVarP(&output, "output", "o", "table", "`FORMAT`: table or json")
	return c
}
