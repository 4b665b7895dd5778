// Package p4fuzz looks for faults in P4Runtime servers. It writes random updates
// of whatever P4Info has, valid ones and mutated ones, reads back what there is,
// and holds every answer against an oracle that knows nothing but the P4Runtime
// specification and P4Info. The method is that of p4_fuzzer in sonic-pins.
//
// [Run] works in episodes. Each begins with VERIFY_AND_COMMIT, which leaves a
// device without entries, and has a number of batches, between which it reads:
// now all that there is, now some of it by filters. What is drawn depends on the
// seed and on P4Info alone, so a seed always does the same; time only ends it. The
// first answer that is wrong ends the run, with a [Failure] that has as few
// requests and updates as still provoke it.
//
// The oracle (oracle.update, oracle.read) says which codes a server may answer
// and what it then holds. Rules are cited by their sections. Where one breaks
// several rules at once, the server may say any of them, because the
// specification does not order them; where it speaks of no code, or leaves
// something to the server, all that it leaves is allowed. How a server is known
// to deviate is a list of [Deviation], each with its reason.
//
// [Arbitrate] does the same for what clients are told on their streams.
package p4fuzz

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Options configure a run. Config must be set.
type Options struct {
	DeviceID uint64
	// Config is what each episode begins with.
	Config *p4v1.ForwardingPipelineConfig
	Seed   uint64
	// For is how long to go on; 0: Episodes end the run.
	For time.Duration
	// Episodes is how many episodes there are at most; 0: any number.
	Episodes int
	// Batches is how many requests an episode has; 0 is 150.
	Batches int
	// Ports are ports that the device has; nil is 1 to 8.
	Ports []uint32
	// PortWidth is how many bits a port has at most; 0 is 9, as in v1model.
	PortWidth int32
	// InOrder says that the server does the updates of a batch in their order.
	// The specification does not want it to (section 12.1), so otherwise no
	// batch has updates that depend on each other.
	InOrder bool
	// OneByOne reads each entity on its own, for servers that fail a batch as a
	// whole, against section 13.3.
	OneByOne bool
	// NoConfigs leaves the program alone during an episode, for servers that do
	// not survive a COMMIT without a saved config.
	NoConfigs bool
	// Deviations of the server that are known.
	Deviations []Deviation
	// Shrink is how long to look for a shorter reproduction; 0 is 15 s.
	Shrink time.Duration
}

func (o *Options) setDefaults() {
	if o.Batches == 0 {
		o.Batches = 150
	}
	if o.Ports == nil {
		o.Ports = []uint32{1, 2, 3, 4, 5, 6, 7, 8}
	}
	if o.PortWidth == 0 {
		o.PortWidth = 9
	}
	if o.Shrink == 0 {
		o.Shrink = 15 * time.Second
	}
}

// run is a run of Run.
type run struct {
	Options
	trial *trial
	mu    []mutation
}

// Run looks for faults in the server behind conn, of whose device it becomes the
// primary with election id 1. The connection has to take trailers of some
// hundred kilobytes (grpc.WithMaxHeaderListSize). The error is a [*Failure] if an
// answer is wrong.
func Run(ctx context.Context, conn grpc.ClientConnInterface, opts Options) (*Report, error) {
	opts.setDefaults()
	if opts.Config.GetP4Info() == nil {
		return nil, errors.New("p4fuzz: no config to begin with")
	}
	dev, err := connect(ctx, conn, opts.DeviceID)
	if err != nil {
		return nil, fmt.Errorf("p4fuzz: %w", err)
	}
	defer dev.close()
	r := &run{Options: opts, mu: mutations(), trial: &trial{
		oracle:     &oracle{program: newProgram(opts.Config.GetP4Info()), s: newState(), ports: opts.Ports, portWidth: opts.PortWidth},
		dev:        dev,
		config:     opts.Config,
		deviations: opts.Deviations,
		report:     newReport(opts.Seed),
		oneByOne:   opts.OneByOne,
	}}
	start := time.Now()
	over := func() bool { return r.For > 0 && time.Since(start) > r.For }
	for n := 0; !over() && (r.Episodes == 0 || n < r.Episodes); n++ {
		if err := r.episode(ctx, n, over); err != nil {
			r.trial.report.Took = time.Since(start)
			return r.trial.report, err
		}
	}
	r.trial.report.Took = time.Since(start)
	return r.trial.report, nil
}

// episode begins with an empty device.
func (r *run) episode(ctx context.Context, n int, over func() bool) error {
	t := r.trial
	t.report.Episodes++
	d := &draw{program: t.program, s: t.s, ports: r.Ports, portWidth: r.PortWidth,
		r: rand.New(rand.NewPCG(r.Seed, uint64(n))), oneShots: make(map[uint32]bool)}
	for _, id := range d.containers(group) {
		d.oneShots[id] = d.profiles[id].GetWithSelector() && d.chance(50)
	}
	var steps []Step
	try := func(s Step) error {
		steps = append(steps, s)
		return t.do(ctx, s)
	}
	err := t.begin(ctx)
	if err == nil {
		err = t.readBack(ctx)
	}
	for i := 0; err == nil && i < r.Batches && !over(); i++ {
		if err = try(Step{Write: r.batch(d)}); err == nil && d.chance(25) {
			err = try(Step{Read: r.readRequest(d)})
		}
		if err == nil && !r.NoConfigs && d.chance(2) {
			err = try(Step{Config: d.config(r.Config, r.DeviceID)})
		}
		if err == nil && i%10 == 9 {
			err = try(Step{Read: t.reading(t.everything()...)})
		}
	}
	if err == nil {
		err = try(Step{Read: t.reading(t.everything()...)})
	}
	var p *problem
	if errors.As(err, &p) {
		steps, what := r.shrink(ctx, steps, p.what)
		return &Failure{Seed: r.Seed, Episode: n, Problem: what, Steps: steps}
	}
	return err
}

// batch draws a write.
func (r *run) batch(d *draw) *p4v1.WriteRequest {
	req := &p4v1.WriteRequest{DeviceId: r.DeviceID, ElectionId: proto.CloneOf(&election)}
	used := make(map[string]bool)
	for range 1 + d.r.IntN(one(d, 1, 4, 20)) {
		u, name, kinds := r.update(d)
		avoid := func(x *Deviation) bool { return x.Avoid != nil && x.Avoid(u) }
		if u == nil || !r.InOrder && r.trial.depends(u, used) || r.trial.known(avoid) != nil {
			continue
		}
		kinds[name]++
		req.Updates = append(req.Updates, u)
	}
	r.trial.report.Batches++
	r.trial.report.Updates += len(req.GetUpdates())
	if d.chance(20) {
		req.Atomicity = one(d, p4v1.WriteRequest_ROLLBACK_ON_ERROR, p4v1.WriteRequest_DATAPLANE_ATOMIC)
	}
	if d.chance(3) {
		r.wrong(d, req)
	}
	return req
}

// update draws an update, the name of what it is and where that is counted.
func (r *run) update(d *draw) (*p4v1.Update, string, map[string]int) {
	if d.chance(45) {
		m := r.mu[d.r.IntN(len(r.mu))]
		u := m.draw(d)
		if u == nil {
			return nil, "", nil
		}
		u = proto.CloneOf(u) // it may have parts of the state
		if !m.apply(d, u) {
			return nil, "", nil
		}
		return proto.CloneOf(u), m.name, r.trial.report.Mutated
	}
	all := sources()
	s := all[0]
	for n := d.r.IntN(100); ; s = all[d.r.IntN(len(all))] {
		if n -= s.weight; n < 0 {
			break
		}
	}
	u := s.draw(d)
	if u == nil {
		return nil, "", nil
	}
	return proto.CloneOf(u), s.name, r.trial.report.Valid
}

// wrong makes a request one that is refused as a whole.
func (r *run) wrong(d *draw, req *p4v1.WriteRequest) {
	what := one(d, "wrong device", "wrong role", "wrong election id", "no election id", "unknown atomicity")
	switch what {
	case "wrong device":
		req.DeviceId = one(d, 0, r.DeviceID+1, 1<<64-1)
	case "wrong role":
		req.Role = "of nobody"
	case "wrong election id":
		req.ElectionId = one(d, &p4v1.Uint128{}, &p4v1.Uint128{Low: 2}, &p4v1.Uint128{High: 1, Low: 1})
	case "no election id":
		req.ElectionId = nil
	case "unknown atomicity":
		req.Atomicity = 9
	}
	r.trial.report.Mutated["request: "+what]++
}

func (r *run) readRequest(d *draw) *p4v1.ReadRequest {
	req := &p4v1.ReadRequest{DeviceId: r.DeviceID}
	for range 1 + d.r.IntN(4) {
		req.Entities = append(req.Entities, proto.CloneOf(d.readRequest()))
	}
	if d.chance(2) {
		req.DeviceId++
	}
	return req
}
