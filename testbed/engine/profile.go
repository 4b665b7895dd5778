package engine

import (
	"fmt"
	"iter"
	"slices"

	"github.com/keyway-nve/keyway/testbed/engine/bmjson"
)

type profileDef struct {
	name     string
	size     int
	selector *calculation // nil: members only
	actions  []*action
}

func (d *profileDef) addAction(a *action) {
	if !slices.Contains(d.actions, a) {
		d.actions = append(d.actions, a)
	}
}

func (l *loader) loadProfile(v *bmjson.Value) {
	d := &profileDef{name: v.Get("name").String(), size: v.Get("max_size").Int(0, maxArraySize)}
	if v.Has("selector") {
		sel := v.Get("selector")
		d.selector = l.calculation(sel.Get("algo"), sel.List("input"))
	}
	if _, dup := l.p.profileIndex[d.name]; dup {
		v.Get("name").Faultf("duplicate action profile %q", d.name)
	}
	l.p.profileIndex[d.name] = len(l.p.profiles)
	l.p.profiles = append(l.p.profiles, d)
}

// ActionProfile holds the actions that the entries of one or several tables share.
type ActionProfile struct {
	s       *Switch
	def     *profileDef
	members []*member // by handle; nil: free
	groups  []*memberGroup
}

type member struct {
	act  *action
	args []uint64
	refs int
}

type memberGroup struct {
	members []WeightedMember // by handle
	buckets []*member        // a member as often as it weighs
	refs    int
}

// Name returns the name in the program.
func (a *ActionProfile) Name() string { return a.def.name }

// Actions describes the actions that members can have.
func (a *ActionProfile) Actions() []ActionInfo { return infos(a.def.actions) }

// Size returns the size in the program. As in bmv2 it is not a limit.
func (a *ActionProfile) Size() int { return a.def.size }

// HasSelector reports whether the profile has groups.
func (a *ActionProfile) HasSelector() bool { return a.def.selector != nil }

func (a *ActionProfile) err(err error) error {
	return fmt.Errorf("action profile %s: %w", a.def.name, err)
}

func (a *ActionProfile) reset() { a.members, a.groups = nil, nil }

func (a *ActionProfile) member(h MemberHandle) (*member, error) {
	if int64(h) >= int64(len(a.members)) || a.members[h] == nil {
		return nil, fmt.Errorf("action profile %s: member %d: %w", a.def.name, h, ErrNotFound)
	}
	return a.members[h], nil
}

func (a *ActionProfile) group(h GroupHandle) (*memberGroup, error) {
	if int64(h) >= int64(len(a.groups)) || a.groups[h] == nil {
		return nil, fmt.Errorf("action profile %s: group %d: %w", a.def.name, h, ErrNotFound)
	}
	return a.groups[h], nil
}

// refer counts a reference of a table to a member or group.
func (a *ActionProfile) refer(target Target, table string) error {
	switch h := target.(type) {
	case MemberHandle:
		m, err := a.member(h)
		if err != nil {
			return err
		}
		m.refs++
		return nil
	case GroupHandle:
		if a.def.selector == nil {
			break
		}
		g, err := a.group(h)
		if err != nil {
			return err
		}
		if len(g.members) == 0 {
			return fmt.Errorf("action profile %s: group %d: %w", a.def.name, h, ErrEmptyGroup)
		}
		g.refs++
		return nil
	}
	return fmt.Errorf("table %s: %w", table, ErrTarget)
}

func (a *ActionProfile) release(target Target) {
	switch h := target.(type) {
	case MemberHandle:
		a.members[h].refs--
	case GroupHandle:
		a.groups[h].refs--
	}
}

// choose returns the member that a packet gets; nil for an empty group.
func (a *ActionProfile) choose(target Target, p *packet) *member {
	switch h := target.(type) {
	case MemberHandle:
		return a.members[h]
	case GroupHandle:
		if b := a.groups[h].buckets; len(b) > 0 {
			return b[uint64(uint32(a.def.selector.output(p)))%uint64(len(b))]
		}
	}
	return nil
}

// AddMember adds a member. The error is an [*ActionError].
func (a *ActionProfile) AddMember(c ActionCall) (MemberHandle, error) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	act, args, err := packCall(a.def.name, a.def.actions, c)
	if err != nil {
		return 0, err
	}
	i := slices.Index(a.members, nil)
	if i < 0 {
		i = len(a.members)
		a.members = append(a.members, nil)
	}
	a.members[i] = &member{act: act, args: args}
	return MemberHandle(i), nil
}

// ModifyMember changes the action of a member for everything that refers to it.
func (a *ActionProfile) ModifyMember(h MemberHandle, c ActionCall) error {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	m, err := a.member(h)
	if err != nil {
		return err
	}
	act, args, err := packCall(a.def.name, a.def.actions, c)
	if err == nil {
		m.act, m.args = act, args
	}
	return err
}

// DeleteMember removes a member, or returns [ErrInUse] while an entry or a group refers to it.
func (a *ActionProfile) DeleteMember(h MemberHandle) error {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	m, err := a.member(h)
	if err != nil {
		return err
	}
	if m.refs > 0 {
		return fmt.Errorf("action profile %s: member %d: %w", a.def.name, h, ErrInUse)
	}
	a.members[h] = nil
	return nil
}

// Members iterates over a snapshot of the members by handle.
func (a *ActionProfile) Members() iter.Seq2[MemberHandle, ActionCall] {
	return func(yield func(MemberHandle, ActionCall) bool) {
		a.s.mu.Lock()
		calls := make(map[MemberHandle]ActionCall, len(a.members))
		n := len(a.members)
		for i, m := range a.members {
			if m != nil {
				calls[MemberHandle(i)] = m.act.call(m.args)
			}
		}
		a.s.mu.Unlock()
		for i := range n {
			if c, ok := calls[MemberHandle(i)]; ok && !yield(MemberHandle(i), c) {
				return
			}
		}
	}
}

// CreateGroup adds a group. The error is [ErrTarget] if the profile has no selector, or [ErrNotFound] for a member.
func (a *ActionProfile) CreateGroup(members []WeightedMember) (GroupHandle, error) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if a.def.selector == nil {
		return 0, a.err(ErrTarget)
	}
	g := &memberGroup{}
	if err := a.fill(g, members); err != nil {
		return 0, err
	}
	i := slices.Index(a.groups, nil)
	if i < 0 {
		i = len(a.groups)
		a.groups = append(a.groups, nil)
	}
	a.groups[i] = g
	return GroupHandle(i), nil
}

// SetGroup replaces the members of a group, or changes nothing on an error.
func (a *ActionProfile) SetGroup(h GroupHandle, members []WeightedMember) error {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	g, err := a.group(h)
	if err != nil {
		return err
	}
	return a.fill(g, members)
}

// maxBuckets bounds what the weights of a group add up to.
const maxBuckets = 1 << 16

func (a *ActionProfile) fill(g *memberGroup, members []WeightedMember) error {
	members = slices.Clone(members)
	slices.SortFunc(members, func(x, y WeightedMember) int { return int(x.Member) - int(y.Member) })
	total := 0
	for i, wm := range members {
		if _, err := a.member(wm.Member); err != nil {
			return err
		}
		if i > 0 && members[i-1].Member == wm.Member {
			return fmt.Errorf("action profile %s: member %d twice in a group: %w", a.def.name, wm.Member, ErrExists)
		}
		if total += wm.Weight; wm.Weight < 1 || total > maxBuckets {
			return fmt.Errorf("action profile %s: weight %d of member %d: %w", a.def.name, wm.Weight, wm.Member, ErrReserved)
		}
	}
	for _, wm := range g.members {
		a.members[wm.Member].refs--
	}
	g.members, g.buckets = members, nil
	for _, wm := range members {
		m := a.members[wm.Member]
		m.refs++
		for range wm.Weight {
			g.buckets = append(g.buckets, m)
		}
	}
	return nil
}

// GroupInUse reports whether an entry refers to a group.
func (a *ActionProfile) GroupInUse(h GroupHandle) bool {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	g, err := a.group(h)
	return err == nil && g.refs > 0
}

// DeleteGroup removes a group, or returns [ErrInUse] while an entry refers to it. Its members stay.
func (a *ActionProfile) DeleteGroup(h GroupHandle) error {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	g, err := a.group(h)
	if err != nil {
		return err
	}
	if g.refs > 0 {
		return fmt.Errorf("action profile %s: group %d: %w", a.def.name, h, ErrInUse)
	}
	for _, wm := range g.members {
		a.members[wm.Member].refs--
	}
	a.groups[h] = nil
	return nil
}

// Groups iterates over a snapshot of the groups by handle.
func (a *ActionProfile) Groups() iter.Seq2[GroupHandle, []WeightedMember] {
	return func(yield func(GroupHandle, []WeightedMember) bool) {
		a.s.mu.Lock()
		groups := make([][]WeightedMember, len(a.groups))
		live := make([]bool, len(a.groups))
		for i, g := range a.groups {
			if g != nil {
				groups[i], live[i] = slices.Clone(g.members), true
			}
		}
		a.s.mu.Unlock()
		for i, g := range groups {
			if live[i] && !yield(GroupHandle(i), g) {
				return
			}
		}
	}
}
