package p4rt_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/keyway-nve/keyway/testbed/p4rt/pipeline"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// FuzzWrite writes any request to a pipeline, in every mode. Nothing panics,
// no refusal is the server's own fault, what was refused as a whole has left
// nothing behind, and what is there can be read and written back.
func FuzzWrite(f *testing.F) {
	config, err := pipeline.Verify(entitiesConfig(f))
	if err != nil {
		f.Fatal(err)
	}
	x := &fixture{t: f}
	populated := x.population(false)
	seed := func(mode p4v1.WriteRequest_Atomicity, updates ...*p4v1.Update) {
		b, err := proto.Marshal(&p4v1.WriteRequest{Updates: updates, Atomicity: mode})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, oneShots := range []bool{false, true} {
		seed(p4v1.WriteRequest_ROLLBACK_ON_ERROR, x.changes(oneShots)...)
		for _, u := range x.changes(oneShots) {
			seed(p4v1.WriteRequest_CONTINUE_ON_ERROR, u)
			seed(p4v1.WriteRequest_DATAPLANE_ATOMIC, u, u)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		req := &p4v1.WriteRequest{}
		if err := proto.Unmarshal(b, req); err != nil {
			return
		}
		if len(req.GetUpdates()) > 100 {
			return
		}
		p := pipeline.New(config, pipeline.Options{CPUPort: cpuPort})
		defer p.Close()
		for _, err := range p.Write(populated, p4v1.WriteRequest_CONTINUE_ON_ERROR, nil) {
			if err != nil {
				t.Fatal(err)
			}
		}
		before := state(t, p)
		failed := false
		for i, err := range p.Write(req.GetUpdates(), req.GetAtomicity(), nil) {
			failed = failed || err != nil
			if c := refusal.Code(err); c == codes.Internal || c == codes.Unknown {
				t.Errorf("update %d: %v: %v", i, c, err)
			}
		}
		if failed && req.GetAtomicity() != p4v1.WriteRequest_CONTINUE_ON_ERROR {
			if diff := cmp.Diff(before, state(t, p)); diff != "" {
				t.Errorf("a batch that failed has left something (-want +got):\n%s", diff)
			}
		}
		p.Process(1, probe(toTables, 1, 0x0a000000, 0))
		p.Sweep()
		for port := range uint32(4) {
			if err := p.SetPort(port, false); err != nil {
				t.Error(err)
			}
		}
		// Every entity that is read is one that would be accepted.
		if _, err := pipeline.Reconcile(p, other(config), pipeline.Options{CPUPort: cpuPort}); err != nil {
			t.Error(err)
		}
	})
}

// other returns a config of the same program that counts as another one.
func other(c *pipeline.Config) *pipeline.Config {
	n := *c
	n.Wire = proto.CloneOf(c.Wire)
	n.Wire.P4Info.PkgInfo.Version += "+"
	return &n
}

// state reads everything, in an order that does not depend on its history.
func state(t *testing.T, p *pipeline.Pipeline) []string {
	x := &fixture{t: t}
	var out []string
	read := func(e *p4v1.Entity) {
		if err := p.Read(e, func(found *p4v1.Entity) {
			b, err := proto.MarshalOptions{Deterministic: true}.Marshal(found)
			if err != nil {
				t.Error(err)
			}
			out = append(out, string(b))
		}); err != nil {
			t.Error(err)
		}
	}
	for _, text := range wholeState {
		read(x.entity(text))
	}
	for _, table := range p.Index.Tables {
		read(&p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{TableId: table.ID, IsDefaultAction: true}}})
	}
	slices.Sort(out)
	return out
}

// FuzzRead reads by any request. Nothing panics.
func FuzzRead(f *testing.F) {
	config, err := pipeline.Verify(entitiesConfig(f))
	if err != nil {
		f.Fatal(err)
	}
	x := &fixture{t: f}
	p := pipeline.New(config, pipeline.Options{CPUPort: cpuPort})
	defer p.Close()
	p.Write(x.changes(false), p4v1.WriteRequest_CONTINUE_ON_ERROR, nil)
	for _, u := range x.changes(true) {
		b, err := proto.Marshal(u.GetEntity())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e := &p4v1.Entity{}
		if err := proto.Unmarshal(b, e); err != nil {
			return
		}
		if err := p.Read(e, func(*p4v1.Entity) {}); refusal.Code(err) == codes.Internal {
			t.Error(err)
		}
	})
}

// FuzzVerify sets any P4Info on the test program. Nothing panics, and what is
// accepted runs.
func FuzzVerify(f *testing.F) {
	b, err := proto.Marshal(entitiesConfig(f).GetP4Info())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		p4info := &p4configv1.P4Info{}
		if err := proto.Unmarshal(b, p4info); err != nil {
			return
		}
		config, err := pipeline.Verify(&p4v1.ForwardingPipelineConfig{P4Info: p4info, P4DeviceConfig: entitiesJSON})
		if err != nil {
			if c := refusal.Code(err); c != codes.InvalidArgument {
				t.Errorf("%v: %v", c, err)
			}
			return
		}
		p := pipeline.New(config, pipeline.Options{CPUPort: cpuPort})
		defer p.Close()
		state(t, p)
		p.Process(1, probe(toDigest, 1, 0, 0))
	})
}
