package p4fuzz

import (
	"cmp"
	"slices"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"
)

// kind is a kind of entity that a device holds.
type kind uint8

const (
	tableEntry kind = iota
	defaultEntry
	member
	group
	multicastGroup
	cloneSession
	counterCell
	meterCell
	registerCell
	// What all cells of an array are that were not written one by one since.
	counterArray
	meterArray
	registerArray
	valueSet
	digest
)

// key names an entity: what section 9 calls its key.
type key struct {
	kind  kind
	id    uint32 // of the table, profile, array, value set or digest
	index int64  // priority, member, group, session or index of a cell
	match string // of a table entry, canonical
}

// container is where entities of a kind are.
type container struct {
	kind kind
	id   uint32
}

func (k key) container() container { return container{k.kind, k.id} }

// state is what a device holds. Entities in it are canonical, have all their
// direct resources, and are not changed but replaced.
type state struct {
	entities map[key]*p4v1.Entity
	// lists have the keys of each container in an order that depends only on
	// what was written.
	lists map[container][]key
	at    map[key]int
	undo  []change
}

// change is what a key had before.
type change struct {
	key key
	was *p4v1.Entity
}

func newState() *state {
	return &state{
		entities: make(map[key]*p4v1.Entity),
		lists:    make(map[container][]key),
		at:       make(map[key]int),
	}
}

func (s *state) get(k key) *p4v1.Entity { return s.entities[k] }

func (s *state) count(c container) int { return len(s.lists[c]) }

// put sets or, with nil, removes an entity.
func (s *state) put(k key, e *p4v1.Entity) {
	s.undo = append(s.undo, change{k, s.entities[k]})
	s.replace(k, e)
}

func (s *state) replace(k key, e *p4v1.Entity) {
	c := k.container()
	i, there := s.at[k]
	switch {
	case e != nil && !there:
		s.at[k] = len(s.lists[c])
		s.lists[c] = append(s.lists[c], k)
	case e == nil && there:
		l := s.lists[c]
		last := l[len(l)-1]
		l[i] = last
		s.at[last] = i
		s.lists[c] = l[:len(l)-1]
		delete(s.at, k)
	}
	if e == nil {
		delete(s.entities, k)
	} else {
		s.entities[k] = e
	}
}

// mark begins what rollback takes back.
func (s *state) mark() { s.undo = s.undo[:0] }

func (s *state) rollback() {
	for _, c := range slices.Backward(s.undo) {
		s.replace(c.key, c.was)
	}
	s.mark()
}

// matchString returns what tells keys apart. The fields are canonical and
// sorted.
func matchString(ms []*p4v1.FieldMatch) string {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&p4v1.TableEntry{Match: ms})
	if err != nil {
		return err.Error() // not UTF-8 cannot be: bytes only
	}
	return string(b)
}

// Entities of each kind.

func entryEntity(e *p4v1.TableEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: e}}
}

func memberEntity(e *p4v1.ActionProfileMember) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_ActionProfileMember{ActionProfileMember: e}}
}

func groupEntity(e *p4v1.ActionProfileGroup) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_ActionProfileGroup{ActionProfileGroup: e}}
}

func multicastEntity(e *p4v1.MulticastGroupEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_PacketReplicationEngineEntry{PacketReplicationEngineEntry: &p4v1.PacketReplicationEngineEntry{
		Type: &p4v1.PacketReplicationEngineEntry_MulticastGroupEntry{MulticastGroupEntry: e}}}}
}

func sessionEntity(e *p4v1.CloneSessionEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_PacketReplicationEngineEntry{PacketReplicationEngineEntry: &p4v1.PacketReplicationEngineEntry{
		Type: &p4v1.PacketReplicationEngineEntry_CloneSessionEntry{CloneSessionEntry: e}}}}
}

func counterEntity(e *p4v1.CounterEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_CounterEntry{CounterEntry: e}}
}

func meterEntity(e *p4v1.MeterEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_MeterEntry{MeterEntry: e}}
}

func registerEntity(e *p4v1.RegisterEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_RegisterEntry{RegisterEntry: e}}
}

func directCounterEntity(e *p4v1.DirectCounterEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_DirectCounterEntry{DirectCounterEntry: e}}
}

func directMeterEntity(e *p4v1.DirectMeterEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_DirectMeterEntry{DirectMeterEntry: e}}
}

func valueSetEntity(e *p4v1.ValueSetEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_ValueSetEntry{ValueSetEntry: e}}
}

func digestEntity(e *p4v1.DigestEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_DigestEntry{DigestEntry: e}}
}

// inOrder sorts what section 8.2 lets a server return in any order.
func inOrder(e *p4v1.Entity) {
	switch x := e.GetEntity().(type) {
	case *p4v1.Entity_TableEntry:
		orderEntry(x.TableEntry)
	case *p4v1.Entity_DirectCounterEntry:
		orderEntry(x.DirectCounterEntry.GetTableEntry())
	case *p4v1.Entity_DirectMeterEntry:
		orderEntry(x.DirectMeterEntry.GetTableEntry())
	case *p4v1.Entity_ActionProfileMember:
		orderAction(x.ActionProfileMember.GetAction())
	case *p4v1.Entity_ActionProfileGroup:
		slices.SortFunc(x.ActionProfileGroup.Members, func(a, b *p4v1.ActionProfileGroup_Member) int {
			return cmp.Compare(a.GetMemberId(), b.GetMemberId())
		})
	case *p4v1.Entity_PacketReplicationEngineEntry:
		byText(x.PacketReplicationEngineEntry.GetMulticastGroupEntry().GetReplicas())
		byText(x.PacketReplicationEngineEntry.GetCloneSessionEntry().GetReplicas())
	case *p4v1.Entity_ValueSetEntry:
		for _, m := range x.ValueSetEntry.GetMembers() {
			orderMatch(m.GetMatch())
		}
		byText(x.ValueSetEntry.GetMembers())
	}
}

func orderEntry(e *p4v1.TableEntry) {
	orderMatch(e.GetMatch())
	orderAction(e.GetAction().GetAction())
	set := e.GetAction().GetActionProfileActionSet().GetActionProfileActions()
	for _, a := range set {
		orderAction(a.GetAction())
	}
	byText(set)
}

func orderMatch(ms []*p4v1.FieldMatch) {
	slices.SortFunc(ms, func(a, b *p4v1.FieldMatch) int { return cmp.Compare(a.GetFieldId(), b.GetFieldId()) })
}

func orderAction(a *p4v1.Action) {
	slices.SortFunc(a.GetParams(), func(a, b *p4v1.Action_Param) int { return cmp.Compare(a.GetParamId(), b.GetParamId()) })
}

func byText[M proto.Message](ms []M) {
	if len(ms) < 2 {
		return
	}
	slices.SortFunc(ms, func(a, b M) int { return cmp.Compare(wire(a), wire(b)) })
}

// wire returns a message as bytes that are the same for equal messages.
func wire(m proto.Message) string {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
