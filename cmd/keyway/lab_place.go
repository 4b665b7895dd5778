package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/bmv2"
	"github.com/keyway-nve/keyway/testbed/lab/embedded"
	"github.com/keyway-nve/keyway/testbed/lab/veth"
	"github.com/keyway-nve/keyway/testbed/simpleswitch"
)

// labPlace is where labs are run: on which switches.
type labPlace struct {
	target string
	bmv2   string
	log    string

	logger  *slog.Logger
	program simpleswitch.Program // of target bmv2
}

func (o *labPlace) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.target, "target", "embedded", "`TARGET` to run on: embedded, or bmv2, a simple_switch_grpc process for each device")
	c.Flags().StringVar(&o.bmv2, "bmv2", "", "simple_switch_grpc to run with --target bmv2, if not the one on PATH: its `PATH`")
	c.Flags().StringVar(&o.log, "log", "", "log targets and controllers to standard error from `LEVEL` on: debug, info, warn or error")
}

// check reads the flags, before anything is started.
func (o *labPlace) check(c *cobra.Command) error {
	o.logger = slog.New(slog.DiscardHandler)
	if o.log != "" {
		var level slog.Level
		if err := level.UnmarshalText([]byte(o.log)); err != nil {
			return usageError(c, err)
		}
		o.logger = slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
	}
	if o.bmv2 != "" && o.target != "bmv2" {
		return usageError(c, errors.New("--bmv2 is for --target bmv2"))
	}
	switch o.target {
	case "embedded":
		return nil
	case "bmv2":
		var err error
		o.program, err = simpleswitch.Find(c.Context(), o.bmv2)
		return err
	}
	return usageError(c, fmt.Errorf("target %q is neither embedded nor bmv2", o.target))
}

// world returns what one lab is run in. Without a panel its wires are in memory. listen is where the devices' P4Runtime servers listen for others
// too; empty: nowhere.
func (o *labPlace) world(panel *veth.Panel, listen string) lab.World {
	switch {
	case o.target == "bmv2":
		return &bmv2.World{Program: o.program, Panel: panel, Log: o.logger}
	case panel != nil:
		return &veth.World{World: &embedded.World{Listen: listen, Log: o.logger}, Panel: panel}
	}
	return &embedded.World{Log: o.logger}
}
