package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/testbed/target/command"
)

// Exit statuses.
const (
	exitOK          = 0
	exitFailed      = 1 // what was asked for was tried and did not come out
	exitBad         = 2 // bad command line or bad input file
	exitUnsat       = 3 // solve: no layout satisfies all rules
	exitUnsupported = 4 // capabilities get: the device does not support the model
)

// badInput is an error that is the input's fault.
type badInput struct{ error }

func (e badInput) Unwrap() error { return e.error }

// errUnmet is returned by commands that have already said what went wrong.
var errUnmet = errors.New("expectations not met")

// run runs one command line and returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := NewRootCommand(stdin, stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var bad badInput
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errUnmet):
		return exitFailed
	case errors.Is(err, errUnsatisfiable):
		return exitUnsat
	case errors.As(err, &bad):
		fmt.Fprintln(stderr, err)
		return exitBad
	case errors.Is(err, gnmi.ErrUnsupported):
		fmt.Fprintln(stderr, "keyway:", err)
		return exitUnsupported
	}
	fmt.Fprintln(stderr, "keyway:", err)
	return exitFailed
}

// NewRootCommand returns the command line of keyway.
func NewRootCommand(stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "keyway",
		Short: "A control plane for hardware network virtualization edges",
		Long: `Keyway makes hardware NVEs, P4 switches and SmartNICs, exchange exactly the
Geneve options that each of them can match, and repairs moved endpoints and
missing policy with NVGRE-EXT REDIRECT and UNREACHABLE messages.

Exit status: 0 done, 1 tried and failed, 2 bad command line or input file; solve
exits with 3 if no layout satisfies all rules, capabilities get with 4 if the
device does not support the model.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usageError(c, err) })
	root.AddCommand(newLabCommand(), newBenchCommand(), newNVACommand(), newIntentCommand(), newSolveCommand(), newExplainCommand(), newProfilesCommand(), newCapabilitiesCommand(), newAgentCommand(), command.NewCommand(stdout, stderr))
	return root
}

// usageArgs makes an error of a positional argument a bad command line.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError(c, err)
		}
		return nil
	}
}

func usageError(c *cobra.Command, err error) error {
	return badInput{fmt.Errorf("keyway: %w\nrun '%s --help' for what there is", err, c.CommandPath())}
}
