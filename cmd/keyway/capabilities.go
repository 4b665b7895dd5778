package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/p4rt"
)

// question is whom the capabilities commands ask, and how.
type question struct {
	target  string
	device  uint64 // of P4Runtime
	tls     bool
	ca      string
	timeout time.Duration
}

func (q *question) flags(c *cobra.Command) {
	c.Flags().StringVar(&q.target, "target", "", "the device's `NAME`, for a server of several")
	c.Flags().BoolVar(&q.tls, "tls", false, "use TLS, with the system's certificates")
	c.Flags().StringVar(&q.ca, "ca", "", "use TLS, with the certificates of `FILE`")
	c.Flags().DurationVar(&q.timeout, "timeout", 10*time.Second, "wait `DURATION` for an answer")
}

// secure returns how the connection is secured; nil is plain text.
func (q *question) secure() (*tls.Config, error) {
	if !q.tls && q.ca == "" {
		return nil, nil
	}
	o := &tls.Config{MinVersion: tls.VersionTLS12}
	if q.ca != "" {
		text, err := os.ReadFile(q.ca)
		if err != nil {
			return nil, badInput{err}
		}
		o.RootCAs = x509.NewCertPool()
		if !o.RootCAs.AppendCertsFromPEM(text) {
			return nil, badInput{fmt.Errorf("%s: no certificates", q.ca)}
		}
	}
	return o, nil
}

// askP4Runtime asks the P4Runtime server at an address.
func (q *question) askP4Runtime(ctx context.Context, address string) (capabilities.Capability, error) {
	none := capabilities.Capability{}
	secure, err := q.secure()
	if err != nil {
		return none, err
	}
	s, err := p4rt.Dial(address, p4rt.Options{Name: address, DeviceID: q.device, Timeout: q.timeout, TLS: secure},
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true))) // as gNMI's: one that starts just now is waited for
	if err != nil {
		return none, badInput{err}
	}
	defer s.Close()
	c, err := s.Capabilities(ctx)
	if err != nil {
		return none, err
	}
	if c.Capability == nil {
		return none, fmt.Errorf("%s: %w: it has P4Runtime %s and says nothing more", address, gnmi.ErrUnsupported, cmp.Or(c.APIVersion, "1.0"))
	}
	return *c.Capability, nil
}

// find returns where a device of an intent is asked, and notes as whom.
func (q *question) find(file, device string, p4runtime bool) (address string, err error) {
	in, err := intent.Load(file)
	if err != nil {
		return "", err
	}
	d, ok := in.Device(device)
	switch {
	case !ok:
		return "", fmt.Errorf("%s: no device is named %s", file, device)
	case p4runtime && !d.Managed():
		return "", fmt.Errorf("%s: device %s has no p4runtime address", file, device)
	case p4runtime:
		q.device = d.P4Runtime.DeviceID
		return d.P4Runtime.Address, nil
	case d.GNMI == "":
		return "", fmt.Errorf("%s: device %s has no gnmi address", file, device)
	}
	q.target = d.Name
	return d.GNMI, nil
}

func (q *question) dial(address string) (*gnmi.Client, error) {
	secure, err := q.secure()
	if err != nil {
		return nil, err
	}
	client, err := gnmi.Dial(address, gnmi.ClientOptions{Target: q.target, Timeout: q.timeout, TLS: secure})
	if err != nil {
		return nil, badInput{err}
	}
	return client, nil
}

func newCapabilitiesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "capabilities",
		Short: "What devices say that they can do with Geneve options",
		Args:  usageArgs(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newCapabilitiesGetCommand(), newCapabilitiesWatchCommand())
	return c
}

func newCapabilitiesGetCommand() *cobra.Command {
	var q question
	var output, file string
	var all, p4runtime bool
	c := &cobra.Command{
		Use:   "get ADDR | get DEVICE -f INTENT",
		Short: "Ask the server at an address, or a device of an intent",
		Long: `Asks a device, its agent (keyway agent) or a server of many devices for
capabilities, over gNMI or, with --p4runtime, a device over P4Runtime. As JSON
they are the tree of keyway-nve-capabilities.yang (RFC 7951), as YAML what
profiles have.

Exit status: 0 answered, 1 could not tell, 2 bad command line, 4 the device does
not support the model.`,
		Example: `  keyway capabilities get 192.0.2.1:9339
  keyway capabilities get nva.example:9339 --target leaf1 -o yaml
  keyway capabilities get nva.example:9339 --all -o json
  keyway capabilities get leaf1 -f fleet.yaml
  keyway capabilities get --p4runtime 192.0.2.1:9559 --device-id 1`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			write, ok := capabilityWriters()[output]
			if !ok {
				return usageError(c, fmt.Errorf("output format %q is none of table, json and yaml", output))
			}
			if all && q.target != "" {
				return usageError(c, errors.New("--all and --target exclude each other"))
			}
			switch {
			case file != "" && (all || q.target != ""):
				return usageError(c, errors.New("--all and --target are for an address"))
			case p4runtime && (all || q.target != ""):
				return usageError(c, errors.New("--all and --target are for gNMI"))
			case c.Flags().Changed("device-id") && !p4runtime:
				return usageError(c, errors.New("--device-id is for --p4runtime"))
			}
			if file != "" {
				address, err := q.find(file, args[0], p4runtime)
				if err != nil {
					return badInput{err}
				}
				args[0] = address
			}
			if p4runtime {
				answer, err := q.askP4Runtime(c.Context(), args[0])
				if err != nil {
					return err
				}
				return write.one(answer, c.OutOrStdout())
			}
			client, err := q.dial(args[0])
			if err != nil {
				return err
			}
			defer client.Close()
			if all {
				answers, err := client.AskAll(c.Context())
				if len(answers) > 0 {
					err = errors.Join(write.all(answers, c.OutOrStdout()), err)
				}
				return err
			}
			answer, err := client.Ask(c.Context())
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return write.one(answer, c.OutOrStdout())
		},
	}
	q.flags(c)
	c.Flags().StringVarP(&file, "file", "f", "", "`FILE` with the intent that says where the device is")
	c.Flags().BoolVar(&p4runtime, "p4runtime", false, "ask over P4Runtime: ADDR is a device's P4Runtime server")
	c.Flags().Uint64Var(&q.device, "device-id", 0, "with --p4runtime: the device's `ID`; 0 leaves it to the server")
	c.Flags().BoolVar(&all, "all", false, "ask for all devices of the server")
	c.Flags().StringVarP(&output, "output", "o", "table", "`FORMAT` of the answer: table, json or yaml")
	return c
}

func newCapabilitiesWatchCommand() *cobra.Command {
	var q question
	c := &cobra.Command{
		Use:   "watch ADDR",
		Short: "Follow what the gNMI server at an address says, until interrupted",
		Long: `Prints a line for each change: the answer (supported, unsupported, untold), the
directions in short, and for an answer that the device does not confirm now that
it is stale, with the reason.`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := q.dial(args[0])
			if err != nil {
				return err
			}
			defer client.Close()
			err = client.Watch(c.Context(), func(s gnmi.State) {
				line := time.Now().Format(time.TimeOnly) + " " + s.Answer.String()
				if s.Answer == gnmi.Supported {
					line += fmt.Sprintf(" %s: receives %s; sends %s", s.Capability.Name, summary(s.Capability.Receive), summary(s.Capability.Send))
				}
				if s.Stale {
					line += " (stale)"
				}
				if s.Err != nil {
					line += ": " + s.Err.Error()
				}
				fmt.Fprintln(c.OutOrStdout(), line)
			})
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		},
	}
	q.flags(c)
	return c
}

// capabilityWriter prints one capability, or those of several targets.
type capabilityWriter struct {
	one func(capabilities.Capability, io.Writer) error
	all func(map[string]capabilities.Capability, io.Writer) error
}

func capabilityWriters() map[string]capabilityWriter {
	return map[string]capabilityWriter{
		"table": {tableOfOne, tableOfAll},
		"json": {func(c capabilities.Capability, w io.Writer) error { return written(w)(gnmi.Marshal(c)) }, func(m map[string]capabilities.Capability, w io.Writer) error {
			out := map[string]json.RawMessage{}
			for target, c := range m {
				b, err := gnmi.Marshal(c)
				if err != nil {
					return err
				}
				out[target] = b
			}
			return written(w)(json.MarshalIndent(out, "", "  "))
		}},
		"yaml": {func(c capabilities.Capability, w io.Writer) error { return written(w)(c.YAML()) }, func(m map[string]capabilities.Capability, w io.Writer) error {
			return written(w)(yaml.MarshalWithOptions(m, yaml.IndentSequence(true)))
		}},
	}
}

// written returns a function that writes a text, with an end of line, if it could be made.
func written(w io.Writer) func([]byte, error) error {
	return func(b []byte, err error) error {
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, strings.TrimSuffix(string(b), "\n"))
		return err
	}
}

func tableOfAll(m map[string]capabilities.Capability, w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TARGET\tROLE\tRECEIVES\tSENDS")
	for _, target := range slices.Sorted(maps.Keys(m)) {
		c := m[target]
		fmt.Fprintf(t, "%s\t%v\t%s\t%s\n", target, c.Role, summary(c.Receive), summary(c.Send))
	}
	return t.Flush()
}

// tableOfOne prints a capability as paths of its YAML form and their values: what the device makes no statement on is not there.
func tableOfOne(c capabilities.Capability, w io.Writer) error {
	text, err := c.YAML()
	if err != nil {
		return err
	}
	var doc yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(text, &doc, yaml.UseOrderedMap()); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows(t, "", doc)
	return t.Flush()
}

func rows(w io.Writer, at string, v any) {
	switch v := v.(type) {
	case yaml.MapSlice:
		for _, item := range v {
			rows(w, strings.TrimPrefix(fmt.Sprintf("%s.%v", at, item.Key), "."), item.Value)
		}
	case []any:
		if slices.ContainsFunc(v, func(e any) bool { _, ok := e.(yaml.MapSlice); return ok }) {
			for i, e := range v {
				rows(w, fmt.Sprintf("%s[%d]", at, i), e)
			}
			return
		}
		var parts []string
		for _, e := range v {
			parts = append(parts, fmt.Sprint(e))
		}
		fmt.Fprintf(w, "%s\t%s\n", at, strings.Join(parts, ", "))
	default:
		fmt.Fprintf(w, "%s\t%v\n", at, v)
	}
}
