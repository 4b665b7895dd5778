package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/testbed/wire"
)

// Options say how a lab is run. The zero value is the default.
type Options struct {
	// PcapDir, if not empty, gets LAB.pcapng with all wires and LAB/WIRE.pcapng for each. It is made if it does not exist.
	PcapDir string
	// Progress is called with each step as soon as it is done.
	Progress func(StepReport)
	// Timeout bounds each step. 0: 20 s.
	Timeout time.Duration
	// Hosts give the endpoints' hosts interfaces. nil: they are on their wires by themselves.
	Hosts Hosts
	// Grace is how long an expectation that is not met may still come true, once all is quiet. 0: 1 s.
	Grace time.Duration
}

const (
	defaultTimeout = 20 * time.Second
	defaultGrace   = time.Second
	graceInterval  = 5 * time.Millisecond
)

// runner is one lab being run.
type runner struct {
	lab     *Lab
	world   World
	options Options
	net     *wire.Network
	seen    *observer
	capture *capture
	hosts   map[string]*host
	nics    map[string]Host
	guests  bool // hosts are not the lab's own
	devices map[string]Device
	targets map[string]intent.Target
	gnmi    map[string]string // addresses
	streams uint32
	pings   uint16

	mu    sync.Mutex
	truth intent.Intent // read by controllers that refresh
	// controllers and views are by the names of authorities.
	controllers map[string]Controller
	views       map[string]intent.Intent
	restarting  sync.Mutex // while a controller is replaced
}

func newRunner(l *Lab, w World, o Options) *runner {
	o.Timeout, o.Grace = cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.Grace, defaultGrace)
	r := &runner{
		lab: l, world: w, options: o, net: wire.New(wire.Options{}), truth: l.Intent,
		hosts: map[string]*host{}, nics: map[string]Host{}, devices: map[string]Device{}, targets: map[string]intent.Target{}, gnmi: map[string]string{},
		controllers: map[string]Controller{}, views: map[string]intent.Intent{},
	}
	r.seen = newObserver(&r.lab.Intent)
	return r
}

// Run runs a lab and reports on every step. A step whose expectations are not met does not end the lab; one that cannot be done, or a context that ends, does,
// and the rest of the steps is reported as not run.
func Run(ctx context.Context, l *Lab, w World, o Options) LabReport {
	start := time.Now()
	r := newRunner(l, w, o)
	report := LabReport{Name: l.Name, Title: l.Title, OK: true}
	add := func(s StepReport) {
		report.OK = report.OK && s.OK
		report.Steps = append(report.Steps, s)
		if o.Progress != nil {
			o.Progress(s)
		}
	}
	s, err := r.bounded(ctx, Step{Name: "bring up"}, r.bringUp)
	add(s)
	for _, step := range l.Scenario {
		if err != nil {
			add(StepReport{Name: step.Name, Detail: "not run"})
			continue
		}
		s, err = r.bounded(ctx, step, func(ctx context.Context, s *StepReport) error { return r.step(ctx, step, s) })
		add(s)
	}
	if err := r.close(); err != nil {
		add(StepReport{Name: "shut down", Detail: err.Error()})
	}
	report.Seconds = time.Since(start).Seconds()
	return report
}

// bounded runs a step within its time. An error ends up in the report too.
func (r *runner) bounded(ctx context.Context, step Step, do func(context.Context, *StepReport) error) (StepReport, error) {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout+step.Wait)
	defer cancel()
	start := time.Now()
	s := StepReport{Name: step.Name}
	err := do(ctx, &s)
	s.Seconds = time.Since(start).Seconds()
	if err != nil {
		s.OK, s.Detail = false, err.Error()
	}
	return s, err
}

// bringUp starts devices, hosts and controllers, and programs the intent.
func (r *runner) bringUp(ctx context.Context, s *StepReport) error {
	for _, w := range r.lab.Topology.Wires {
		if err := r.net.Connect(wire.Wire{Name: w.Name, A: w.Ends[0], B: w.Ends[1]}); err != nil {
			return err
		}
	}
	for i, d := range r.lab.Intent.Devices {
		if r.lab.isPeer(d.Name) {
			continue
		}
		spec := DeviceSpec{Name: d.Name, Role: d.Role, ID: uint64(i + 1), Ports: r.lab.ports(d)}
		if i := slices.IndexFunc(r.lab.Capabilities, func(c capabilities.Capability) bool { return c.Name == d.Name }); i >= 0 {
			spec.Capability = &r.lab.Capabilities[i]
		}
		device, err := r.world.StartDevice(ctx, spec, func(port uint32, frame []byte) {
			// A port without a wire swallows frames, as hardware does; a storm is told by Settle.
			_ = r.net.Send(wire.End{Node: spec.Name, Port: port}, frame)
		})
		if err != nil {
			return fmt.Errorf("device %s: %w", d.Name, err)
		}
		r.devices[d.Name], r.targets[d.Name] = device, device.Target()
		if d.Role == intent.RoleNVE {
			r.gnmi[d.Name] = device.GNMI()
		}
		r.net.Attach(d.Name, device.Receive)
	}
	for _, e := range r.lab.Intent.Endpoints {
		if err := r.startHost(ctx, e); err != nil {
			return fmt.Errorf("host %s: %w", e.Name, err)
		}
		if err := r.plug(e); err != nil {
			return err
		}
	}
	if r.options.PcapDir != "" {
		c, err := newCapture(r.options.PcapDir, r.lab.Name, r.net.Wires())
		if err != nil {
			return err
		}
		r.capture = c
		r.net.Observe(c.frame)
	}
	if !r.guests { // whose frames nothing is expected of
		r.net.Observe(r.seen.see)
	}
	for _, a := range r.lab.Authorities {
		if err := r.startController(ctx, a); err != nil {
			return err
		}
	}
	if err := r.tell(ctx, told(r.lab.Authorities, nil)); err != nil {
		return err
	}
	for _, p := range r.lab.Peers {
		d, _ := r.lab.Intent.Device(p.Device)
		if err := r.startPeer(ctx, d); err != nil {
			return fmt.Errorf("device %s: %w", d.Name, err)
		}
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	s.OK = true
	s.Detail = fmt.Sprintf("%s, %s, %s: in sync", plural(len(r.devices), "device"), plural(len(r.lab.Intent.Endpoints), "host"), plural(len(r.controllers), "controller"))
	return nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// plug connects an endpoint's host to where the endpoint is.
func (r *runner) plug(e intent.Endpoint) error {
	return r.net.Connect(wire.Wire{Name: e.Name, A: wire.End{Node: e.Name}, B: wire.End{Node: e.Device, Port: uint32(e.Port)}})
}

// refresh is what the inventory answers an authority.
func (r *runner) refresh(a Authority) func(context.Context) (intent.Intent, error) {
	return func(context.Context) (intent.Intent, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return viewOf(r.truth, a, r.targets, r.gnmi), nil
	}
}

func (r *runner) setTruth(in intent.Intent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.truth = in
}

// tell gives authorities the truth.
func (r *runner) tell(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := r.show(ctx, name, r.truth); err != nil {
			return err
		}
	}
	return nil
}

// show gives one authority a view. If it restarts meanwhile, it has the view from the start.
func (r *runner) show(ctx context.Context, name string, view intent.Intent) error {
	a := r.authority(name)
	r.mu.Lock()
	r.views[name] = view
	r.mu.Unlock()
	return r.with(name, func(c Controller) error { return c.Apply(ctx, viewOf(view, a, r.targets, r.gnmi)) })
}

// with does something with an authority's NVA, and again if that has ended meanwhile and another stands in its place.
func (r *runner) with(name string, do func(Controller) error) error {
	for {
		c := r.controller(name)
		if c == nil {
			return nil
		}
		err := do(c)
		if err == nil {
			return nil
		}
		if r.controller(name) == c {
			return fmt.Errorf("authority %s: %w", name, err)
		}
	}
}

func (r *runner) authority(name string) Authority {
	i := slices.IndexFunc(r.lab.Authorities, func(a Authority) bool { return a.Name == name })
	return r.lab.Authorities[i]
}

// controller returns the NVA of an authority. If it restarts, that is the one that follows.
func (r *runner) controller(name string) Controller {
	r.restarting.Lock()
	defer r.restarting.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.controllers[name]
}

func (r *runner) startController(ctx context.Context, a Authority) error {
	c, err := r.world.StartController(ctx, ControllerSpec{Name: a.Name, Refresh: r.refresh(a)})
	if err != nil {
		return fmt.Errorf("authority %s: %w", a.Name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.controllers[a.Name] = c
	return nil
}

// restart ends an authority and starts it anew with the view that it had.
func (r *runner) restart(ctx context.Context, name string) error {
	if err := r.replaceController(ctx, name); err != nil {
		return fmt.Errorf("authority %s: %w", name, err)
	}
	r.mu.Lock()
	view := r.views[name]
	r.mu.Unlock()
	return r.show(ctx, name, view)
}

func (r *runner) replaceController(ctx context.Context, name string) error {
	r.restarting.Lock()
	defer r.restarting.Unlock()
	r.mu.Lock()
	old := r.controllers[name]
	r.mu.Unlock()
	if err := old.Close(); err != nil {
		return err
	}
	return r.startController(ctx, r.authority(name))
}

// settle waits until no frame is in flight, no device is busy with one and no controller with a punt, and none has given another something to do.
func (r *runner) settle(ctx context.Context) error {
	for {
		before := r.net.Sent()
		if err := r.net.Settle(ctx); err != nil {
			return err
		}
		if err := r.settleNodes(ctx); err != nil {
			return err
		}
		if err := r.settleControllers(ctx); err != nil {
			return err
		}
		// What controllers have sent out by devices may not be on a wire yet.
		if err := r.settleNodes(ctx); err != nil {
			return err
		}
		if err := r.net.Settle(ctx); err != nil {
			return err
		}
		if r.net.Sent() == before {
			return nil
		}
	}
}

// settleNodes waits until hosts and devices have dealt with the frames that they were handed.
func (r *runner) settleNodes(ctx context.Context) error {
	for name, h := range r.nics {
		if err := h.Settle(ctx); err != nil {
			return fmt.Errorf("host %s: %w", name, err)
		}
	}
	for _, spec := range r.lab.Intent.Devices {
		if err := r.devices[spec.Name].Settle(ctx); err != nil {
			return fmt.Errorf("device %s: %w", spec.Name, err)
		}
	}
	return nil
}

func (r *runner) settleControllers(ctx context.Context) error {
	for _, a := range r.lab.Authorities {
		if err := r.with(a.Name, func(c Controller) error { return c.Settle(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

// close ends everything that was started, controllers first.
func (r *runner) close() error {
	var errs []error
	for _, a := range r.lab.Authorities {
		if c := r.controllers[a.Name]; c != nil {
			if err := c.Close(); err != nil {
				errs = append(errs, fmt.Errorf("authority %s: %w", a.Name, err))
			}
		}
	}
	for _, spec := range r.lab.Intent.Devices {
		if d := r.devices[spec.Name]; d != nil {
			if err := d.Close(); err != nil {
				errs = append(errs, fmt.Errorf("device %s: %w", spec.Name, err))
			}
		}
	}
	for name, h := range r.nics {
		if err := h.Close(); err != nil {
			errs = append(errs, fmt.Errorf("host %s: %w", name, err))
		}
	}
	r.net.Close()
	if r.capture != nil {
		errs = append(errs, r.capture.close())
	}
	return errors.Join(errs...)
}
