package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/controller/nva"
)

// nvaRun is the authority on the command line.
type nvaRun struct {
	file       string
	once       bool
	timeout    time.Duration
	metrics    string
	gnmi       string
	electionID uint64
	drain      time.Duration
	log        string
}

func newNVACommand() *cobra.Command {
	var o nvaRun
	c := &cobra.Command{
		Use:   "nva FILE",
		Short: "Run the authority: keep the devices of an intent as the intent wants them",
		Long: `Asks the devices of an intent over gNMI what they can do with Geneve options,
settles which of those that are wanted each NVE sends to each other, keeps the
devices as the intent wants them, over P4Runtime, and answers and judges NVGRE-EXT
messages, until it is interrupted. Devices keep forwarding when it ends. On SIGHUP, and when a message makes it doubt its
intent, it reads the file again; a file with mistakes changes nothing.`,
		Example: `  keyway nva fleet.yaml --metrics 127.0.0.1:9100
  keyway nva fleet.yaml --once --timeout 30s`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			o.file = args[0]
			return o.run(c)
		},
	}
	c.Flags().BoolVar(&o.once, "once", false, "end as soon as all devices are in sync")
	c.Flags().DurationVar(&o.timeout, "timeout", time.Minute, "with --once: fail after `DURATION`")
	c.Flags().StringVar(&o.metrics, "metrics", "", "serve Prometheus metrics at http://`ADDR`/metrics")
	c.Flags().StringVar(&o.gnmi, "gnmi", "", "serve at `ADDR` over gNMI what all devices can do")
	c.Flags().Uint64Var(&o.electionID, "election-id", 0, "P4Runtime election `ID`: the highest is primary; 0 goes by the clock, and who has started last is")
	c.Flags().DurationVar(&o.drain, "drain", time.Second, "how long a packet may be under way between two NVEs")
	c.Flags().StringVar(&o.log, "log", "info", "log from `LEVEL` on: debug, info, warn or error")
	return c
}

func (o *nvaRun) run(c *cobra.Command) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.log)); err != nil {
		return usageError(c, err)
	}
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
	in, err := intent.Load(o.file)
	if err != nil {
		return badInput{err}
	}
	serve := gnmi.NewServer(gnmi.ServerOptions{Log: log})
	n, err := nva.New(nva.Options{
		Name:       o.file,
		Serve:      serve,
		ElectionID: o.electionID,
		Drain:      o.drain,
		Log:        log,
		Inventory:  func(context.Context) (intent.Intent, error) { return intent.Load(o.file) },
	})
	if err != nil {
		return err
	}
	defer func() {
		if err := n.Close(); err != nil {
			log.Warn("closing sessions", "err", err)
		}
	}()
	if o.metrics != "" {
		registry := prometheus.NewRegistry()
		registry.MustRegister(nva.NewCollector(n))
		_, stop, err := serveMetrics(o.metrics, registry, log)
		if err != nil {
			return err
		}
		defer stop()
	}
	if o.gnmi != "" {
		stop, err := serveGNMI(o.gnmi, serve, log)
		if err != nil {
			return err
		}
		defer stop()
	}
	if err := n.Set(in); err != nil {
		return err
	}
	if o.once {
		ctx, cancel := context.WithTimeout(c.Context(), o.timeout)
		defer cancel()
		err := n.InSync(ctx)
		return errors.Join(err, o.report(c, n))
	}
	return o.reload(c.Context(), n, log)
}

// reload follows the file until the context ends.
func (o *nvaRun) reload(ctx context.Context, n *nva.NVA, log *slog.Logger) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
		}
		in, err := intent.Load(o.file)
		if err == nil {
			err = n.Set(in)
		}
		if err != nil {
			log.Error("the intent stays as it was", "file", o.file, "err", err)
			continue
		}
		log.Info("intent read again", "file", o.file)
	}
}

// report prints how each device stands.
func (o *nvaRun) report(c *cobra.Command, n *nva.NVA) error {
	t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DEVICE\tSTATE\tWANTED\tHELD\tREASONS")
	for _, d := range n.Devices() {
		fmt.Fprintf(t, "%s\t%v\t%d\t%d\t%s\n", d.Name, d.State, d.Wanted, d.Held, strings.Join(d.Reasons, "; "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := o.reportTold(c, n); err != nil {
		return err
	}
	o.reportPairs(c, n)
	return nil
}

// reportTold prints what devices have said of themselves.
func (o *nvaRun) reportTold(c *cobra.Command, n *nva.NVA) error {
	told := n.Capabilities()
	if len(told) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nASKED\tANSWER\tRECEIVES\tSENDS\tREASON")
	for _, x := range told {
		answer, receives, sends, reason := x.Answer.String(), "", "", ""
		if x.Answer == gnmi.Supported {
			receives, sends = summary(x.Capability.Receive), summary(x.Capability.Send)
		}
		if x.Stale {
			answer += " (stale)"
		}
		if x.Err != nil {
			reason = x.Err.Error()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", x.Device, answer, receives, sends, reason)
	}
	return t.Flush()
}

// reportPairs prints which pairs of NVEs do not have what would be best for them.
func (o *nvaRun) reportPairs(c *cobra.Command, n *nva.NVA) {
	plan := n.Layouts()
	for _, x := range plan.Exceptions() {
		why, _ := plan.Because(x)
		fmt.Fprintf(c.OutOrStdout(), "%v: %v\n", x, why)
	}
}

// serveGNMI serves what is known of all devices, until stop is called.
func serveGNMI(address string, s *gnmi.Server, log *slog.Logger) (stop func(), err error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("gnmi: %w", err)
	}
	g := grpc.NewServer(grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute}))
	gpb.RegisterGNMIServer(g, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := g.Serve(l); err != nil {
			log.Error("gnmi", "err", err)
		}
	}()
	log.Info("gnmi", "address", l.Addr())
	return func() {
		g.Stop()
		<-done
	}, nil
}

// serveMetrics serves what is registered, and what Go counts, until stop is called.
func serveMetrics(address string, registry *prometheus.Registry, log *slog.Logger) (bound net.Addr, stop func(), err error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, nil, fmt.Errorf("metrics: %w", err)
	}
	registry.MustRegister(collectors.NewGoCollector())
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics", "err", err)
		}
	}()
	log.Info("metrics", "address", l.Addr())
	return l.Addr(), func() {
		_ = s.Close() // what it returns is of a listener that is gone
		<-done
	}, nil
}
