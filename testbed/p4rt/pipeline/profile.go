package pipeline

import (
	"errors"
	"fmt"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/p4rt/info"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// profile is one action profile with its members and groups.
type profile struct {
	*info.Profile
	eng *engine.ActionProfile

	members ledger[uint32, *member]
	groups  ledger[uint32, *group]
	sets    ledger[*actionSet, struct{}] // the groups behind one-shot action sets
	used    int64                        // what groups and sets count for together

	isDown func(port uint32) bool
}

type member struct {
	wire   *p4v1.ActionProfileMember // replaced, never changed
	handle engine.MemberHandle
}

// group is a group of a client, or the one behind an action set.
type group struct {
	wire    *p4v1.ActionProfileGroup // replaced, never changed; nil behind an action set
	handle  engine.GroupHandle
	buckets []bucket
}

// bucket is a member of a group.
type bucket struct {
	handle engine.MemberHandle
	weight int32
	watch  uint32 // port that must be up; 0: none
}

func (p *Pipeline) profile(id uint32) (*profile, error) {
	pr, err := p.Index.Profile(id)
	if err != nil {
		return nil, err
	}
	prof := p.profiles[pr.ID]
	if prof.eng == nil {
		return nil, refusal.New(codes.InvalidArgument, "action profile %s: no table uses it, and it is not in the device config", pr.Name)
	}
	return prof, nil
}

func (pr *profile) member(id uint32) (*member, error) {
	if m, ok := pr.members.get(id); ok {
		return m, nil
	}
	return nil, refusal.New(codes.NotFound, "action profile %s: no member %d", pr.Name, id)
}

func (pr *profile) group(id uint32) (*group, error) {
	if g, ok := pr.groups.get(id); ok {
		return g, nil
	}
	return nil, refusal.New(codes.NotFound, "action profile %s: no group %d", pr.Name, id)
}

// errMixed refuses the second of the two ways to program a selector: its
// tables use one-shot action sets or members and groups, never both (section
// 9.2.3).
func (pr *profile) errMixed() error {
	return refusal.New(codes.InvalidArgument,
		"action profile %s: one-shot action sets cannot be mixed with members and groups", pr.Name)
}

func (p *Pipeline) writeMember(op p4v1.Update_Type, e *p4v1.ActionProfileMember, j *journal) error {
	pr, err := p.profile(e.GetActionProfileId())
	if err != nil {
		return err
	}
	id := e.GetMemberId()
	if id == 0 {
		return refusal.New(codes.InvalidArgument, "action profile %s: member id is 0", pr.Name)
	}
	old, exists := pr.members.get(id)
	if op == p4v1.Update_DELETE {
		if !exists {
			return refusal.New(codes.NotFound, "action profile %s: no member %d", pr.Name, id)
		}
		if err := pr.removeMember(id, old); err != nil {
			return err
		}
		if j != nil {
			j.undo(func() error { return pr.addMember(id, old) })
		}
		return nil
	}
	call, err := pr.Action(e.GetAction())
	if err != nil {
		return err
	}
	n := &member{wire: &p4v1.ActionProfileMember{ActionProfileId: pr.ID, MemberId: id, Action: call.Wire}}
	if op == p4v1.Update_INSERT {
		switch {
		case exists:
			return refusal.New(codes.AlreadyExists, "action profile %s: member %d exists", pr.Name, id)
		case pr.sets.len() > 0:
			return pr.errMixed()
		case !pr.Selector && pr.Size > 0 && int64(pr.members.len()) >= pr.Size:
			return refusal.New(codes.ResourceExhausted, "action profile %s is full with %d members", pr.Name, pr.Size)
		}
		if err := pr.addMember(id, n); err != nil {
			return err
		}
		if j != nil {
			j.undo(func() error { return pr.removeMember(id, n) })
		}
		return nil
	}
	if !exists {
		return refusal.New(codes.NotFound, "action profile %s: no member %d", pr.Name, id)
	}
	n.handle = old.handle
	if j != nil {
		j.undo(func() error { return pr.setMember(id, old) })
	}
	return pr.setMember(id, n)
}

func (pr *profile) engineCall(a *p4v1.Action) (engine.ActionCall, error) {
	c, err := pr.Action(a)
	return engine.ActionCall{Name: c.Name, Args: c.Args}, err
}

func (pr *profile) addMember(id uint32, m *member) error {
	call, err := pr.engineCall(m.wire.GetAction())
	if err != nil {
		return err
	}
	if m.handle, err = pr.eng.AddMember(call); err != nil {
		return code(err)
	}
	pr.members.put(id, m)
	return nil
}

func (pr *profile) removeMember(id uint32, m *member) error {
	if err := pr.eng.DeleteMember(m.handle); err != nil {
		return code(err)
	}
	pr.members.remove(id)
	return nil
}

func (pr *profile) setMember(id uint32, m *member) error {
	call, err := pr.engineCall(m.wire.GetAction())
	if err != nil {
		return err
	}
	if now, ok := pr.members.get(id); ok {
		m.handle = now.handle
	}
	if err := pr.eng.ModifyMember(m.handle, call); err != nil {
		return code(err)
	}
	pr.members.put(id, m)
	return nil
}

func (p *Pipeline) writeGroup(op p4v1.Update_Type, e *p4v1.ActionProfileGroup, j *journal) error {
	pr, err := p.profile(e.GetActionProfileId())
	if err != nil {
		return err
	}
	id := e.GetGroupId()
	switch {
	case id == 0:
		return refusal.New(codes.InvalidArgument, "action profile %s: group id is 0", pr.Name)
	case !pr.Selector:
		return refusal.New(codes.InvalidArgument, "action profile %s is no selector: it has no groups", pr.Name)
	}
	old, exists := pr.groups.get(id)
	if op != p4v1.Update_INSERT && !exists {
		return refusal.New(codes.NotFound, "action profile %s: no group %d", pr.Name, id)
	}
	switch op {
	case p4v1.Update_DELETE:
		if err := pr.removeGroup(id, old); err != nil {
			return err
		}
		if j != nil {
			j.undo(func() error { return pr.addGroup(id, old) })
		}
		return nil
	case p4v1.Update_INSERT:
		if exists {
			return refusal.New(codes.AlreadyExists, "action profile %s: group %d exists", pr.Name, id)
		}
		if pr.sets.len() > 0 {
			return pr.errMixed()
		}
		n, err := pr.newGroup(e, nil)
		if err != nil {
			return err
		}
		if err := pr.addGroup(id, n); err != nil {
			return err
		}
		if j != nil {
			j.undo(func() error { return pr.removeGroup(id, n) })
		}
		return nil
	}
	if e.GetMaxSize() != old.wire.GetMaxSize() {
		return refusal.New(codes.InvalidArgument, "action profile %s: group %d: max_size is %d and cannot become %d",
			pr.Name, id, old.wire.GetMaxSize(), e.GetMaxSize())
	}
	n, err := pr.newGroup(e, old)
	if err != nil {
		return err
	}
	// No entry refers to an empty group, however it came to be.
	if len(n.buckets) == 0 && pr.eng.GroupInUse(old.handle) {
		return refusal.New(codes.Unimplemented, "action profile %s: group %d: entries refer to it, so it cannot become empty", pr.Name, id)
	}
	if j != nil {
		j.undo(func() error { return pr.setGroup(id, old) })
	}
	return pr.setGroup(id, n)
}

// newGroup checks a group (section 9.2.2); old is the one that it replaces.
func (pr *profile) newGroup(e *p4v1.ActionProfileGroup, old *group) (*group, error) {
	g := &group{wire: &p4v1.ActionProfileGroup{
		ActionProfileId: pr.ID,
		GroupId:         e.GetGroupId(),
		MaxSize:         e.GetMaxSize(),
	}}
	var faults []error
	fault := func(c codes.Code, format string, args ...any) {
		faults = append(faults, refusal.New(c, "action profile %s: group %d: "+format,
			append([]any{pr.Name, e.GetGroupId()}, args...)...))
	}
	limit := e.GetMaxSize()
	switch {
	case limit < 0:
		fault(codes.InvalidArgument, "max_size is negative")
	case pr.MaxGroupSize > 0 && limit == 0:
		limit = pr.MaxGroupSize
	case pr.MaxGroupSize > 0 && limit > pr.MaxGroupSize:
		fault(codes.InvalidArgument, "max_size %d is above max_group_size %d", limit, pr.MaxGroupSize)
	}
	seen := make(map[uint32]bool)
	for _, m := range e.GetMembers() {
		mem, ok := pr.members.get(m.GetMemberId())
		if !ok {
			fault(codes.NotFound, "no member %d", m.GetMemberId())
			continue
		}
		if seen[m.GetMemberId()] {
			fault(codes.InvalidArgument, "member %d is there twice", m.GetMemberId())
		}
		seen[m.GetMemberId()] = true
		b := bucket{handle: mem.handle, weight: m.GetWeight()}
		if err := pr.checkWeight(m.GetWeight()); err != nil {
			fault(codes.InvalidArgument, "member %d: %w", m.GetMemberId(), err)
		}
		canonical := &p4v1.ActionProfileGroup_Member{MemberId: m.GetMemberId(), Weight: m.GetWeight()}
		switch w := m.GetWatchKind().(type) {
		case *p4v1.ActionProfileGroup_Member_WatchPort:
			port, err := watchPort(w.WatchPort)
			if err != nil {
				fault(codes.InvalidArgument, "member %d: %w", m.GetMemberId(), err)
				break
			}
			b.watch = port
			canonical.WatchKind = &p4v1.ActionProfileGroup_Member_WatchPort{WatchPort: bytestring.Canonical(w.WatchPort)}
		case *p4v1.ActionProfileGroup_Member_Watch:
			port, err := portNumber(w.Watch)
			if err != nil {
				fault(codes.InvalidArgument, "member %d: watch: %w", m.GetMemberId(), err)
			}
			b.watch = port
			canonical.WatchKind = w
		}
		g.wire.Members = append(g.wire.Members, canonical)
		g.buckets = append(g.buckets, b)
	}
	size := pr.sizeOf(g.buckets)
	if limit > 0 && size > int64(limit) {
		fault(codes.ResourceExhausted, "size %d is above the limit of %d", size, limit)
	}
	total := pr.used + size
	if old != nil {
		total -= pr.sizeOf(old.buckets)
	}
	if pr.Size > 0 && total > pr.Size {
		fault(codes.ResourceExhausted, "all groups together are %d, size is %d", total, pr.Size)
	}
	return g, errors.Join(faults...)
}

// sizeOf is what buckets count for (section 6.4.3): their weights, or
// themselves.
func (pr *profile) sizeOf(buckets []bucket) int64 {
	if pr.SumOfMembers {
		return int64(len(buckets))
	}
	var n int64
	for _, b := range buckets {
		n += int64(max(1, b.weight))
	}
	return n
}

// checkWeight checks the weight of a member or of an action.
func (pr *profile) checkWeight(w int32) error {
	switch {
	case pr.WeightsDisallowed && w != 0:
		return fmt.Errorf("weights are disallowed, got %d", w)
	case !pr.WeightsDisallowed && w <= 0:
		return fmt.Errorf("weight must be above 0, got %d", w)
	case pr.MaxMemberWeight > 0 && w > pr.MaxMemberWeight:
		return fmt.Errorf("weight %d is above max_member_weight %d", w, pr.MaxMemberWeight)
	}
	return nil
}

// watchPort reads the port that a member's liveness depends on. An empty one
// is no port.
func watchPort(b []byte) (uint32, error) {
	if len(b) == 0 {
		return 0, nil
	}
	port, err := portOf(b)
	if err != nil {
		return 0, fmt.Errorf("watch_port: %w", err)
	}
	return port, nil
}

// live returns the members of a group whose watch ports are up, for the
// engine.
func (pr *profile) live(g *group) []engine.WeightedMember {
	var out []engine.WeightedMember
	for _, b := range g.buckets {
		if b.watch == 0 || !pr.isDown(b.watch) {
			out = append(out, engine.WeightedMember{Member: b.handle, Weight: int(max(1, b.weight))})
		}
	}
	return out
}

// whole runs f, which makes an entry refer to a group. The engine refuses that
// for an empty group, as bmv2 does, so one whose members are all down has them
// meanwhile.
func (pr *profile) whole(g *group, f func() error) error {
	live := pr.live(g)
	if len(live) > 0 || len(g.buckets) == 0 {
		return f()
	}
	all := make([]engine.WeightedMember, len(g.buckets))
	for i, b := range g.buckets {
		all[i] = engine.WeightedMember{Member: b.handle, Weight: int(max(1, b.weight))}
	}
	if err := pr.eng.SetGroup(g.handle, all); err != nil {
		return code(err)
	}
	return errors.Join(f(), code(pr.eng.SetGroup(g.handle, live)))
}

func (pr *profile) addGroup(id uint32, g *group) error {
	pr.refresh(g)
	h, err := pr.eng.CreateGroup(pr.live(g))
	if err != nil {
		return code(err)
	}
	g.handle = h
	pr.groups.put(id, g)
	pr.used += pr.sizeOf(g.buckets)
	return nil
}

func (pr *profile) setGroup(id uint32, g *group) error {
	now, _ := pr.groups.get(id)
	g.handle = now.handle
	pr.refresh(g)
	if err := pr.eng.SetGroup(g.handle, pr.live(g)); err != nil {
		return code(err)
	}
	pr.groups.put(id, g)
	pr.used += pr.sizeOf(g.buckets) - pr.sizeOf(now.buckets)
	return nil
}

func (pr *profile) removeGroup(id uint32, g *group) error {
	if err := pr.eng.DeleteGroup(g.handle); err != nil {
		return code(err)
	}
	pr.groups.remove(id)
	pr.used -= pr.sizeOf(g.buckets)
	return nil
}

// refresh looks the members of a group up again: the deletion of one may have
// been undone under another handle.
func (pr *profile) refresh(g *group) {
	for i, m := range g.wire.GetMembers() {
		if now, ok := pr.members.get(m.GetMemberId()); ok {
			g.buckets[i].handle = now.handle
		}
	}
}
