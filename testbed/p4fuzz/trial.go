package p4fuzz

import (
	"context"
	"fmt"
	"slices"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// Step is a request of a run: one of its fields.
type Step struct {
	Write  *p4v1.WriteRequest
	Read   *p4v1.ReadRequest
	Config *p4v1.SetForwardingPipelineConfigRequest
}

// problem is an answer that the specification does not allow.
type problem struct{ what string }

func (p *problem) Error() string { return p.what }

func problemf(format string, args ...any) *problem { return &problem{fmt.Sprintf(format, args...)} }

// trial sends requests to a device and holds what it answers against the oracle.
type trial struct {
	*oracle
	dev        *device
	config     *p4v1.ForwardingPipelineConfig
	deviations []Deviation
	report     *Report
	oneByOne   bool
	// stale says that the server has taken what it should not, which is known:
	// only it can say what it holds now.
	stale bool
}

// begin starts from a device without entries.
func (t *trial) begin(ctx context.Context) error {
	if err := t.dev.install(ctx, t.config); err != nil {
		return problemf("VERIFY_AND_COMMIT: %v", err)
	}
	*t.s = *newState()
	for _, id := range t.containers(tableEntry) {
		x := t.tables[id]
		if a := t.initialDefault(x); a != nil {
			e := &p4v1.TableEntry{TableId: id, IsDefaultAction: true, Action: a, IsConst: constDefault(x)}
			if x.counter != nil {
				e.CounterData = &p4v1.CounterData{}
			}
			t.s.put(key{kind: defaultEntry, id: id}, entryEntity(e))
		} else if err := t.adopt(ctx, &p4v1.TableEntry{TableId: id, IsDefaultAction: true}); err != nil {
			return err
		}
		if x.GetHasInitialEntries() {
			if err := t.adopt(ctx, &p4v1.TableEntry{TableId: id}); err != nil {
				return err
			}
		}
	}
	return nil
}

// do sends a request. The error is a problem or that of the context.
func (t *trial) do(ctx context.Context, s Step) error {
	var err error
	switch {
	case s.Write != nil:
		err = t.write(ctx, s.Write)
	case s.Read != nil:
		err = t.read(ctx, s.Read)
	default:
		err = t.configure(ctx, s.Config)
	}
	if err == nil && t.stale {
		t.stale = false
		err = t.adoptAll(ctx)
	}
	return err
}

// request judges what stands outside the updates of a write (section 12).
func (t *trial) request(req *p4v1.WriteRequest) *verdict {
	v := &verdict{}
	switch {
	case req.GetDeviceId() != t.dev.id:
		v.must("12 the device is one of the server", codes.NotFound)
	case req.GetRole() != "":
		v.must("12 the role is one of the device", codes.NotFound)
	case !proto.Equal(req.GetElectionId(), &election):
		v.must("12 only the primary writes", codes.PermissionDenied)
	}
	switch req.GetAtomicity() {
	case p4v1.WriteRequest_CONTINUE_ON_ERROR:
	case p4v1.WriteRequest_ROLLBACK_ON_ERROR, p4v1.WriteRequest_DATAPLANE_ATOMIC:
		v.may("12.2 the mode is optional", codes.Unimplemented)
	default:
		if v.valid() {
			v.must("12.2 the mode is one of three", codes.Unimplemented, codes.InvalidArgument)
		}
	}
	return v
}

func (t *trial) write(ctx context.Context, req *p4v1.WriteRequest) error {
	v := t.request(req)
	rpc, each, err := t.dev.write(ctx, req)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return problemf("%v", err)
	case each == nil:
		t.report.requests(rpc)
		for _, u := range append(req.GetUpdates(), nil) {
			if d := t.known(func(d *Deviation) bool { return d.Request != nil && d.Request(u, rpc) }); d != nil {
				t.report.tolerate(d)
				t.stale = true
				return nil
			}
		}
		if !v.allows(rpc) || v.valid() && rpc == codes.OK {
			return problemf("the request was answered %v; expected %v", rpc, v)
		}
		return nil
	case !v.valid():
		d := t.known(func(d *Deviation) bool { return d.Request != nil && d.Request(nil, codes.OK) })
		if d == nil || req.GetRole() == "" {
			return problemf("the request was taken; expected %v", v)
		}
		t.report.tolerate(d)
	}
	t.report.requests(rpc)
	if req.GetAtomicity() != p4v1.WriteRequest_CONTINUE_ON_ERROR {
		return t.allOrNone(req, rpc, each)
	}
	for i, u := range req.GetUpdates() {
		if err := t.one(i, u, each[i]); err != nil {
			return err
		}
	}
	return nil
}

// one holds the outcome of one update against the oracle.
func (t *trial) one(i int, u *p4v1.Update, got codes.Code) error {
	v := t.update(u)
	t.report.answers(got)
	if !v.allows(got) {
		d := t.known(func(d *Deviation) bool { return d.Answer != nil && d.Answer(u, got) })
		if d == nil {
			return problemf("update %d was answered %v; expected %v\n%s", i, got, v, text(u))
		}
		t.report.tolerate(d)
		t.stale = t.stale || got == codes.OK || d.Partial
		return nil
	}
	if got == codes.OK && v.apply != nil {
		v.apply()
	}
	return nil
}

// allOrNone holds the outcomes of a batch of which all updates take effect or
// none (section 12.2). Of those that did not fail themselves in a batch that
// failed it says no more than that they did not succeed.
func (t *trial) allOrNone(req *p4v1.WriteRequest, rpc codes.Code, each []codes.Code) error {
	t.s.mark()
	explained := false
	for i, u := range req.GetUpdates() {
		v := t.update(u)
		t.report.answers(each[i])
		if rpc != codes.OK && each[i] == codes.OK {
			t.s.rollback()
			return problemf("update %d of a batch that failed as a whole was answered OK\n%s", i, text(u))
		}
		if d := t.known(func(d *Deviation) bool { return d.Answer != nil && d.Answer(u, each[i]) }); d != nil && !v.allows(each[i]) {
			t.report.tolerate(d)
			explained, t.stale = true, t.stale || each[i] == codes.OK
		} else if v.allows(each[i]) {
			explained = true
		} else if each[i] != codes.Aborted {
			t.s.rollback()
			return problemf("update %d was answered %v; expected %v\n%s", i, each[i], v, text(u))
		} else if explained {
			continue // what comes after the failure was not tried
		} else if !v.valid() {
			t.s.rollback()
			return problemf("update %d is at fault, and was answered %v; expected %v\n%s", i, each[i], v, text(u))
		}
		if v.apply != nil && v.valid() {
			v.apply()
		}
	}
	if rpc != codes.OK {
		t.s.rollback()
		if !explained {
			return problemf("a batch failed as a whole, and no update of it was at fault")
		}
	}
	return nil
}

func (t *trial) known(is func(*Deviation) bool) *Deviation {
	for i := range t.deviations {
		if is(&t.deviations[i]) {
			return &t.deviations[i]
		}
	}
	return nil
}

// read reads, and compares with what there should be.
func (t *trial) read(ctx context.Context, req *p4v1.ReadRequest) error {
	skip := func(e *p4v1.Entity) bool {
		return t.known(func(d *Deviation) bool { return d.Skip != nil && d.Skip(e) }) != nil
	}
	if !t.oneByOne {
		if slices.ContainsFunc(req.GetEntities(), skip) {
			req = proto.CloneOf(req)
			req.Entities = slices.DeleteFunc(req.Entities, skip)
		}
		return t.readBatch(ctx, req)
	}
	for _, e := range req.GetEntities() {
		if skip(e) {
			continue
		}
		if err := t.readBatch(ctx, &p4v1.ReadRequest{DeviceId: req.GetDeviceId(), Entities: []*p4v1.Entity{e}}); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) readBatch(ctx context.Context, req *p4v1.ReadRequest) error {
	got, rpc, each, err := t.dev.read(ctx, req)
	if each == nil && t.oneByOne && req.GetDeviceId() == t.dev.id {
		each = []codes.Code{rpc}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return problemf("%v", err)
	case req.GetDeviceId() != t.dev.id:
		if d := t.known(func(d *Deviation) bool { return d.Read != nil && d.Read(nil, rpc) }); d != nil {
			t.report.tolerate(d)
		} else if rpc != codes.NotFound || each != nil {
			return problemf("a read of another device was answered %v; expected %v (13)", rpc, codes.NotFound)
		}
		return nil
	case each == nil:
		return problemf("a read was answered %v as a whole: %s", rpc, text(req))
	}
	t.report.read(len(got))
	want := make(map[string]int)
	for i, e := range req.GetEntities() {
		v, entities := t.oracle.read(e)
		if !v.allows(each[i]) {
			d := t.known(func(d *Deviation) bool { return d.Read != nil && d.Read(e, each[i]) })
			if d == nil {
				return problemf("request %d of a read was answered %v; expected %v\n%s", i, each[i], v, text(e))
			}
			t.report.tolerate(d)
			if each[i] == codes.OK || t.oneByOne {
				return nil // nobody knows what belongs to it
			}
			continue
		}
		if each[i] != codes.OK {
			continue
		}
		for _, x := range entities {
			want[t.form(x)]++
		}
	}
	return t.compare(want, got, req)
}

// compare holds entities that were read against those that should be there.
func (t *trial) compare(want map[string]int, got []*p4v1.Entity, req *p4v1.ReadRequest) error {
	for _, e := range got {
		want[t.form(e)]--
	}
	var faults []string
	for form, n := range want {
		e := &p4v1.Entity{}
		if n == 0 {
			continue
		}
		if err := proto.Unmarshal([]byte(form), e); err != nil {
			return err
		}
		if n > 0 {
			faults = append(faults, "not read: "+text(e))
		} else {
			faults = append(faults, "read, but not there: "+text(e))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	slices.Sort(faults)
	return problemf("what is read is not what was written:\n%s\nread by %.400s", strings.Join(faults[:min(len(faults), 8)], "\n"), text(req))
}

// form returns an entity in the one form that all have that mean the same.
func (t *trial) form(e *p4v1.Entity) string {
	e = proto.CloneOf(e)
	switch x := e.GetEntity().(type) {
	case *p4v1.Entity_TableEntry:
		n := x.TableEntry
		if n.GetTimeSinceLastHit() != nil {
			n.TimeSinceLastHit = &p4v1.TableEntry_IdleTimeout{}
		}
		n.MeterConfig = noDefault(n.GetMeterConfig())
		t.inUnit(n.GetTableId(), n.GetCounterData())
		for _, a := range n.GetAction().GetActionProfileActionSet().GetActionProfileActions() {
			if w, ok := a.GetWatchKind().(*p4v1.ActionProfileAction_WatchPort); ok && len(w.WatchPort) == 0 {
				a.WatchKind = nil
			}
		}
	case *p4v1.Entity_ActionProfileGroup:
		for _, m := range x.ActionProfileGroup.GetMembers() {
			if w, ok := m.GetWatchKind().(*p4v1.ActionProfileGroup_Member_WatchPort); ok && len(w.WatchPort) == 0 {
				m.WatchKind = nil
			}
		}
	case *p4v1.Entity_DirectCounterEntry:
		x.DirectCounterEntry.TableEntry = keyOnly(x.DirectCounterEntry.GetTableEntry())
		t.inUnit(x.DirectCounterEntry.GetTableEntry().GetTableId(), x.DirectCounterEntry.GetData())
	case *p4v1.Entity_DirectMeterEntry:
		x.DirectMeterEntry.TableEntry = keyOnly(x.DirectMeterEntry.GetTableEntry())
		x.DirectMeterEntry.Config = noDefault(x.DirectMeterEntry.GetConfig())
	case *p4v1.Entity_CounterEntry:
		unit(t.counters[x.CounterEntry.GetCounterId()].GetSpec(), x.CounterEntry.GetData())
	case *p4v1.Entity_MeterEntry:
		x.MeterEntry.Config = noDefault(x.MeterEntry.GetConfig())
	case *p4v1.Entity_DigestEntry:
		if x.DigestEntry.GetConfig() == nil { // section 9.8 does not tell it from one of zeros
			x.DigestEntry.Config = &p4v1.DigestEntry_Config{}
		}
	}
	for _, d := range t.deviations {
		if d.Form != nil {
			d.Form(e)
		}
	}
	inOrder(e)
	return wire(e)
}

// noDefault makes the configuration of a meter that never was configured one of
// nothing (section 9.1.7).
func noDefault(c *p4v1.MeterConfig) *p4v1.MeterConfig {
	if proto.Equal(c, &p4v1.MeterConfig{}) {
		return nil
	}
	return c
}

func (t *trial) inUnit(table uint32, d *p4v1.CounterData) {
	if x := t.tables[table]; x != nil && x.counter != nil {
		unit(x.counter.GetSpec(), d)
	}
}

// unit drops what a counter does not count. Section 9.3 does not say what
// becomes of it.
func unit(spec *p4configv1.CounterSpec, d *p4v1.CounterData) {
	switch {
	case d == nil:
	case spec.GetUnit() == p4configv1.CounterSpec_PACKETS:
		d.ByteCount = 0
	case spec.GetUnit() == p4configv1.CounterSpec_BYTES:
		d.PacketCount = 0
	}
}

func text(m proto.Message) string {
	return prototext.MarshalOptions{Multiline: false}.Format(m)
}
