package lab

import (
	"context"
	"errors"

	"github.com/keyway-nve/keyway/testbed/wire"
)

// Up brings a lab up for others to use: the hosts are theirs, on interfaces of o.Hosts, and the scenario is not run. When all devices are in sync it
// calls ready, and keeps the lab until ctx ends, which is no error, or ready has returned one.
func Up(ctx context.Context, l *Lab, w World, o Options, ready func() error) error {
	if o.Hosts == nil {
		return errors.New("hosts without interfaces are of no use to others")
	}
	r := newRunner(l, w, o)
	r.guests = true
	s, err := r.bounded(ctx, Step{Name: "bring up"}, r.bringUp)
	if o.Progress != nil {
		o.Progress(s)
	}
	if err == nil {
		err = ready()
	}
	if err == nil {
		<-ctx.Done()
	}
	return errors.Join(err, r.close())
}

// startGuest gives somebody else's host its interface.
func (r *runner) startGuest(ctx context.Context, spec HostSpec) error {
	name := spec.Endpoint.Name
	nic, err := r.options.Hosts.StartHost(ctx, spec, func(frame []byte) { _ = r.net.Send(wire.End{Node: name}, frame) })
	if err != nil {
		return err
	}
	r.nics[name] = nic
	r.net.Attach(name, func(_ uint32, frame []byte) { nic.Receive(frame) })
	return nil
}
