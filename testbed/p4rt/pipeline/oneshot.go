package pipeline

import (
	"errors"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/p4rt/info"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// actionSet is a one-shot action set (section 9.2.3): in the engine a group
// and one member for each of its actions, which clients do not see.
type actionSet struct {
	wire    *p4v1.TableAction
	calls   []engine.ActionCall
	group   group
	members []engine.MemberHandle
}

// plan checks an action set for a table. The engine is not touched.
func (pr *profile) plan(t *info.Table, s *p4v1.ActionProfileActionSet) (*actionSet, error) {
	out := &actionSet{}
	canonical := &p4v1.ActionProfileActionSet{
		ActionSelectionMode: s.GetActionSelectionMode(),
		SizeSemantics:       s.GetSizeSemantics(),
	}
	var faults []error
	fault := func(c codes.Code, format string, args ...any) {
		faults = append(faults, refusal.New(c, "table %s: action set: "+format, append([]any{t.Name}, args...)...))
	}
	if pr.members.len() > 0 || pr.groups.len() > 0 {
		faults = append(faults, pr.errMixed())
	}
	// bmv2's selector hashes always.
	switch s.GetActionSelectionMode() {
	case p4v1.ActionProfileActionSet_DEFAULT_MODE_DETERMINED_BY_ACTION_SELECTOR, p4v1.ActionProfileActionSet_HASH:
	default:
		fault(codes.Unimplemented, "action selection mode %v", s.GetActionSelectionMode())
	}
	switch s.GetSizeSemantics() {
	case p4v1.ActionProfileActionSet_DEFAULT_SIZE_DETERMINED_BY_ACTION_SELECTOR:
	case p4v1.ActionProfileActionSet_SUM_OF_WEIGHTS:
		if pr.SumOfMembers {
			fault(codes.Unimplemented, "size semantics differ from the selector's")
		}
	case p4v1.ActionProfileActionSet_SUM_OF_MEMBERS:
		if !pr.SumOfMembers {
			fault(codes.Unimplemented, "size semantics differ from the selector's")
		}
	default:
		fault(codes.InvalidArgument, "size semantics %v", s.GetSizeSemantics())
	}
	for i, a := range s.GetActionProfileActions() {
		call, err := t.Action(a.GetAction(), false)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		b := bucket{weight: a.GetWeight()}
		if err := pr.checkWeight(a.GetWeight()); err != nil {
			fault(codes.InvalidArgument, "action %d: %w", i, err)
		}
		wire := &p4v1.ActionProfileAction{Action: call.Wire, Weight: a.GetWeight()}
		switch w := a.GetWatchKind().(type) {
		case *p4v1.ActionProfileAction_WatchPort:
			if b.watch, err = watchPort(w.WatchPort); err != nil {
				fault(codes.InvalidArgument, "action %d: %w", i, err)
				break
			}
			wire.WatchKind = &p4v1.ActionProfileAction_WatchPort{WatchPort: bytestring.Canonical(w.WatchPort)}
		case *p4v1.ActionProfileAction_Watch:
			if b.watch, err = portNumber(w.Watch); err != nil {
				fault(codes.InvalidArgument, "action %d: watch: %w", i, err)
			}
			wire.WatchKind = w
		}
		canonical.ActionProfileActions = append(canonical.ActionProfileActions, wire)
		out.calls = append(out.calls, engine.ActionCall{Name: call.Name, Args: call.Args})
		out.group.buckets = append(out.group.buckets, b)
	}
	if size := pr.sizeOf(out.group.buckets); pr.MaxGroupSize > 0 && size > int64(pr.MaxGroupSize) {
		fault(codes.InvalidArgument, "size %d is above max_group_size %d", size, pr.MaxGroupSize)
	}
	out.wire = &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileActionSet{ActionProfileActionSet: canonical}}
	return out, errors.Join(faults...)
}

// realize makes the members and the group of a set, which takes the place of
// another one unless that is nil.
func (pr *profile) realize(s, old *actionSet) error {
	size, used := pr.sizeOf(s.group.buckets), pr.used
	if old != nil {
		used -= pr.sizeOf(old.group.buckets)
	}
	if pr.Size > 0 && used+size > pr.Size {
		return refusal.New(codes.ResourceExhausted, "action profile %s: %d of %d in use, the set needs %d", pr.Name, used, pr.Size, size)
	}
	for i, c := range s.calls {
		h, err := pr.eng.AddMember(c)
		if err != nil {
			return errors.Join(code(err), pr.dropMembers(s))
		}
		s.members = append(s.members, h)
		s.group.buckets[i].handle = h
	}
	h, err := pr.eng.CreateGroup(pr.live(&s.group))
	if err != nil {
		return errors.Join(code(err), pr.dropMembers(s))
	}
	s.group.handle = h
	pr.enlist(s)
	return nil
}

// enlist counts a set among those that entries use.
func (pr *profile) enlist(s *actionSet) {
	pr.sets.put(s, struct{}{})
	pr.used += pr.sizeOf(s.group.buckets)
}

// retire no longer does. What the set has in the engine stays, for as long as
// there is a way back.
func (pr *profile) retire(s *actionSet) {
	pr.sets.remove(s)
	pr.used -= pr.sizeOf(s.group.buckets)
}

// free frees the group and the members of a set that is retired.
func (pr *profile) free(s *actionSet) error {
	if err := pr.eng.DeleteGroup(s.group.handle); err != nil {
		return code(err)
	}
	return pr.dropMembers(s)
}

func (pr *profile) dropMembers(s *actionSet) error {
	var faults []error
	for _, h := range s.members {
		faults = append(faults, code(pr.eng.DeleteMember(h)))
	}
	s.members = nil
	return errors.Join(faults...)
}
