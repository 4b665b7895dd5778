// Package command is the command line of the embedded target: that of bmv2's
// simple_switch_grpc, so that scripts written for it work unchanged.
package command

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/testbed/target"
)

// JSONVersion is the version of bmv2's JSON format that programs may have.
const JSONVersion = "2.24"

// Version is what --version prints: bmv2's version whose behaviour this is.
const Version = "1.15.5-keyway"

// NewCommand returns the command "target". It runs until its context ends.
func NewCommand(stdout, stderr io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use:   "target [general options] [program.json] [-- target options]",
		Short: "Run one switch, with the command line of bmv2's simple_switch_grpc",
		Example: `  keyway target --no-p4 --device-id 1 -i 1@veth1 -i 2@veth3 -- --grpc-server-addr 127.0.0.1:9559 --cpu-port 510
  keyway target --no-p4 -- --grpc-server-addr 127.0.0.1:9559 --dp-grpc-server-addr 127.0.0.1:9560`,
		SilenceUsage:  true,
		SilenceErrors: true,
		// bmv2's options are not cobra's: their order and "--" have a meaning.
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			o, err := parse(args)
			switch {
			case errors.Is(err, pflag.ErrHelp):
				usage(stdout, c, o)
				return nil
			case err != nil:
				return err
			case o.version:
				fmt.Fprintln(stdout, Version)
				return nil
			case o.jsonVersion:
				fmt.Fprintln(stdout, JSONVersion)
				return nil
			}
			return run(c.Context(), o, stdout, stderr)
		},
	}
	c.SetOut(stdout)
	c.SetErr(stderr)
	c.SetHelpFunc(func(c *cobra.Command, _ []string) {
		o := &options{}
		o.general, o.own = o.generalFlags(), o.targetFlags()
		usage(stdout, c, o)
	})
	return c
}

func usage(w io.Writer, c *cobra.Command, o *options) {
	fmt.Fprintf(w, "%s\n\nUsage:\n  %s\n\nExamples:\n%s\n\nGeneral options:\n%s\nTarget options, after \"--\":\n%s",
		c.Short, c.UseLine(), c.Example, o.general.FlagUsages(), o.own.FlagUsages())
}

// run starts a target and waits for the end of ctx.
func run(ctx context.Context, o *options, stdout, stderr io.Writer) (err error) {
	log, closeLog, err := o.logger(stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLog()) }()
	for _, name := range o.ignored {
		fmt.Fprintf(stderr, "warning: %s has no effect on this target\n", name)
	}
	opts := target.Options{
		DeviceID:         o.deviceID,
		CPUPort:          o.cpuPort,
		DropPort:         o.dropPort,
		PriorityQueues:   int(o.priorityQueues),
		Address:          o.grpcAddress,
		DataplaneAddress: o.dataplaneAddress,
		GNMIAddress:      o.gnmiAddress,
		Name:             o.gnmiName,
		Log:              log,
	}
	if o.gnmiProfile != "" {
		p, err := capabilities.FindProfile(o.gnmiProfile)
		if err != nil {
			return err
		}
		opts.Profile = &p.Capability
	}
	if o.json != "" {
		if opts.Program, err = os.ReadFile(o.json); err != nil {
			return err
		}
	}
	if o.tls {
		creds, err := o.credentials()
		if err != nil {
			return err
		}
		opts.Server = append(opts.Server, grpc.Creds(creds))
	}
	if n := o.dumpPackets; n > 0 {
		opts.Dump = func(direction string, port uint32, frame []byte) {
			log.Info(direction, "port", port, "length", len(frame), "data", hex.EncodeToString(frame[:min(uint64(len(frame)), n)]))
		}
	}
	sw, err := target.New(opts)
	if err != nil {
		return err
	}
	if err := sw.Start(); err != nil {
		return err
	}
	var files []*os.File
	defer func() {
		err = errors.Join(err, sw.Close())
		closeAll(files)
	}()
	if o.dataplaneAddress == "" { // otherwise bmv2 has no interfaces either
		if files, err = o.attach(sw, stdout); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "Server listening on %s\n", sw.Address())
	if a := sw.DataplaneAddress(); a != nil {
		fmt.Fprintf(stdout, "Packet service listening on %s\n", a)
	}
	if a := sw.GNMIAddress(); a != nil {
		fmt.Fprintf(stdout, "gNMI listening on %s\n", a)
	}
	<-ctx.Done()
	return nil
}

// attach gives ports their interfaces, with the files that capture them.
func (o *options) attach(sw *target.Target, stdout io.Writer) ([]*os.File, error) {
	var files []*os.File
	capture := func(name string) (*target.Pcap, error) {
		if o.pcap == "" {
			return nil, nil
		}
		f, err := os.Create(filepath.Join(o.pcap, name))
		if err != nil {
			return nil, err
		}
		files = append(files, f)
		return target.NewPcap(f), nil
	}
	for _, a := range o.ports {
		fmt.Fprintf(stdout, "Adding interface %s as port %d\n", a.name, a.port)
		in, err := capture(a.name + "_in.pcap")
		if err != nil {
			return files, err
		}
		out, err := capture(a.name + "_out.pcap")
		if err != nil {
			return files, err
		}
		if err := sw.AttachInterface(a.port, a.name, in, out); err != nil {
			return files, err
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // each frame has been flushed
	}
}

// levels are bmv2's names of log levels.
var levels = map[string]slog.Level{
	"trace": slog.LevelDebug - 4,
	"debug": slog.LevelDebug,
	"info":  slog.LevelInfo,
	"warn":  slog.LevelWarn,
	"error": slog.LevelError,
	"off":   slog.LevelError + 100,
}

// logger returns where messages go: nowhere, unless a destination was named.
func (o *options) logger(stdout io.Writer) (*slog.Logger, func() error, error) {
	none := func() error { return nil }
	handler := func(w io.Writer) *slog.Logger {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: levels[o.logLevel]}))
	}
	switch {
	case o.logConsole:
		return handler(stdout), none, nil
	case o.logFile != "":
		// Written through, so --log-flush has nothing to add.
		f, err := os.OpenFile(o.logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return nil, nil, err
		}
		return handler(f), f.Close, nil
	}
	return slog.New(slog.DiscardHandler), none, nil
}

// credentials reads the files of the TLS options.
func (o *options) credentials() (credentials.TransportCredentials, error) {
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if o.caCert != "" {
		pem, err := os.ReadFile(o.caCert)
		if err != nil {
			return nil, err
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate", o.caCert)
		}
	}
	if o.clientAuth {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return credentials.NewTLS(c), nil
}
