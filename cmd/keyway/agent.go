package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/p4"
)

// agentRun is the gNMI server beside a device that has none, on the command line.
type agentRun struct {
	name      string
	profile   string
	p4info    string
	listen    string
	cert, key string
	log       string
}

func newAgentCommand() *cobra.Command {
	var o agentRun
	c := &cobra.Command{
		Use:   "agent [--profile NAME|FILE] [--p4info FILE|nve|transit]",
		Short: "Serve gNMI beside a device that has none: what the device can do with options",
		Long: `Serves the capability of one device over gNMI, for devices that do not do that
themselves, such as bmv2 or a bare Tofino: that of its product, that of the
program that it runs, or what both together allow. On SIGHUP it reads the files
again and tells its subscribers what has changed; files with mistakes change
nothing.`,
		Example: `  keyway agent --profile tofino-option-window --p4info nve --name leaf1
  keyway agent --profile my-nic.yaml --listen 127.0.0.1:9339`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c) },
	}
	c.Flags().StringVar(&o.name, "name", "", "`NAME` of the device and gNMI target; without it, that of the profile or the program")
	c.Flags().StringVar(&o.profile, "profile", "", "the product: `NAME` of a shipped profile (keyway profiles list) or a file")
	c.Flags().StringVar(&o.p4info, "p4info", "", "the program: a `FILE` with P4Info as text, or nve or transit, which are shipped")
	c.Flags().StringVar(&o.listen, "listen", fmt.Sprintf(":%d", gnmi.Port), "serve at `ADDR`")
	c.Flags().StringVar(&o.cert, "cert", "", "TLS certificate `FILE`, with --key; without them, plain text")
	c.Flags().StringVar(&o.key, "key", "", "TLS key `FILE`")
	c.Flags().StringVar(&o.log, "log", "info", "log from `LEVEL` on: debug, info, warn or error")
	return c
}

func (o *agentRun) run(c *cobra.Command) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.log)); err != nil {
		return usageError(c, err)
	}
	if o.profile == "" && o.p4info == "" {
		return usageError(c, errors.New("what device? say it with --profile, --p4info or both"))
	}
	if (o.cert == "") != (o.key == "") {
		return usageError(c, errors.New("--cert and --key go together"))
	}
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
	capability, err := o.capability()
	if err != nil {
		return badInput{err}
	}
	target := capability.Name
	server := gnmi.NewServer(gnmi.ServerOptions{Default: target, Log: log})
	if err := server.Put(target, capability); err != nil {
		return badInput{err}
	}
	var options []grpc.ServerOption
	if o.cert != "" {
		cert, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return badInput{err}
		}
		options = append(options, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})))
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "gNMI of %s listening on %s\n", target, l.Addr())
	return o.serve(c.Context(), l, server, target, options, log)
}

// serve serves until the context ends, and reads the files again on SIGHUP.
func (o *agentRun) serve(ctx context.Context, l net.Listener, server *gnmi.Server, target string, options []grpc.ServerOption, log *slog.Logger) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	// A subscriber whose machine has gone is found out: gRPC itself waits two hours.
	g := grpc.NewServer(append(options, grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute}))...)
	gpb.RegisterGNMIServer(g, server)
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			g.Stop()
			return nil
		case <-hup:
		}
		capability, err := o.capability()
		if err == nil {
			err = server.Put(target, capability)
		}
		if err != nil {
			log.Error("the capability stays as it was", "err", err)
			continue
		}
		log.Info("capability read again", "target", target)
	}
}

// capability is what the product and the program both allow.
func (o *agentRun) capability() (capabilities.Capability, error) {
	var c capabilities.Capability
	if o.profile != "" {
		p, err := capabilities.FindProfile(o.profile)
		if err != nil {
			return c, err
		}
		c = p.Capability
	}
	if o.p4info != "" {
		program, err := programCapability(o.p4info)
		if err != nil {
			return c, err
		}
		if o.profile != "" {
			program = capabilities.Intersect(c, program)
		}
		c = program
	}
	if o.name != "" {
		c.Name = o.name
	}
	return c, nil
}

// programCapability is what a shipped program, or the P4Info in a file, says of a device.
func programCapability(name string) (capabilities.Capability, error) {
	var info *p4configv1.P4Info
	switch name {
	case "nve", "transit":
		load := p4.NVE
		if name == "transit" {
			load = p4.Transit
		}
		program, err := load()
		if err != nil {
			return capabilities.Capability{}, err
		}
		info = program.P4Info
	default:
		text, err := os.ReadFile(name)
		if err != nil {
			return capabilities.Capability{}, err
		}
		info = new(p4configv1.P4Info)
		if err := prototext.Unmarshal(text, info); err != nil {
			return capabilities.Capability{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	c, err := capabilities.FromP4Info(name, info)
	if err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}
