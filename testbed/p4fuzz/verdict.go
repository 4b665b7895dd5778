package p4fuzz

import (
	"fmt"
	"slices"
	"strings"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
)

// fault is one reason to refuse an update or a read, by a rule of the
// specification, with the codes that may say so.
type fault struct {
	rule  string
	codes []codes.Code
}

// verdict is what the specification lets a server answer.
type verdict struct {
	// faults are what is wrong. The code must be that of one of them: which one
	// is checked first is the server's choice.
	faults []fault
	// leave is what a server may refuse although nothing is wrong: what is
	// optional, or what the specification does not speak of.
	leave []fault
	// apply changes the state as the update does. Nil: it changes nothing.
	apply func()
}

// must adds a fault.
func (v *verdict) must(rule string, c ...codes.Code) { v.faults = append(v.faults, fault{rule, c}) }

// may adds what may be refused.
func (v *verdict) may(rule string, c ...codes.Code) { v.leave = append(v.leave, fault{rule, c}) }

// check is must, if something is wrong.
func (v *verdict) check(ok bool, rule string, c ...codes.Code) {
	if !ok {
		v.must(rule, c...)
	}
}

func (v *verdict) valid() bool { return len(v.faults) == 0 }

// allows reports whether an answer is one that the specification lets a server
// give.
func (v *verdict) allows(got codes.Code) bool {
	if got == codes.OK {
		return v.valid()
	}
	for _, f := range append(slices.Clone(v.faults), v.leave...) {
		if slices.Contains(f.codes, got) {
			return true
		}
	}
	return false
}

// String says what is allowed and why.
func (v *verdict) String() string {
	var out []string
	if v.valid() {
		out = append(out, "OK")
	}
	for _, f := range v.faults {
		out = append(out, f.String())
	}
	for _, f := range v.leave {
		out = append(out, f.String()+", which a server may say")
	}
	return strings.Join(out, "; ")
}

func (f fault) String() string {
	var names []string
	for _, c := range f.codes {
		names = append(names, c.String())
	}
	return fmt.Sprintf("%s (%s)", strings.Join(names, " or "), f.rule)
}

// badValue are the codes of bytestrings in keys, actions and ports: section 8.3
// says OUT_OF_RANGE, sections 9.1.1 and 9.1.2 INVALID_ARGUMENT.
var badValue = []codes.Code{codes.InvalidArgument, codes.OutOfRange}

// badID are the codes of ids that P4Info does not have, for which the
// specification names none.
var badID = []codes.Code{codes.InvalidArgument, codes.NotFound}

// oracle judges by the specification and what a device holds.
type oracle struct {
	*program
	s *state
	// ports has the ports that certainly exist, portWidth the bits of others
	// that may.
	ports     []uint32
	portWidth int32
}

// update judges an update. Section 12 lets INVALID_ARGUMENT be said of what is
// malformed, unless another code is more to the point.
func (o *oracle) update(u *p4v1.Update) *verdict {
	v := &verdict{}
	switch u.GetType() {
	case p4v1.Update_INSERT, p4v1.Update_MODIFY, p4v1.Update_DELETE:
	default:
		v.must("12 an update has a type", codes.InvalidArgument, codes.Unimplemented)
	}
	switch e := u.GetEntity().GetEntity().(type) {
	case *p4v1.Entity_TableEntry:
		o.entry(v, u.GetType(), e.TableEntry)
	case *p4v1.Entity_ActionProfileMember:
		o.member(v, u.GetType(), e.ActionProfileMember)
	case *p4v1.Entity_ActionProfileGroup:
		o.group(v, u.GetType(), e.ActionProfileGroup)
	case *p4v1.Entity_CounterEntry:
		o.counterEntry(v, u.GetType(), e.CounterEntry)
	case *p4v1.Entity_DirectCounterEntry:
		o.directCounter(v, u.GetType(), e.DirectCounterEntry)
	case *p4v1.Entity_MeterEntry:
		o.meterEntry(v, u.GetType(), e.MeterEntry)
	case *p4v1.Entity_DirectMeterEntry:
		o.directMeter(v, u.GetType(), e.DirectMeterEntry)
	case *p4v1.Entity_RegisterEntry:
		o.registerEntry(v, u.GetType(), e.RegisterEntry)
	case *p4v1.Entity_ValueSetEntry:
		o.valueSet(v, u.GetType(), e.ValueSetEntry)
	case *p4v1.Entity_DigestEntry:
		o.digest(v, u.GetType(), e.DigestEntry)
	case *p4v1.Entity_PacketReplicationEngineEntry:
		switch e := e.PacketReplicationEngineEntry.GetType().(type) {
		case *p4v1.PacketReplicationEngineEntry_MulticastGroupEntry:
			o.multicast(v, u.GetType(), e.MulticastGroupEntry)
		case *p4v1.PacketReplicationEngineEntry_CloneSessionEntry:
			o.session(v, u.GetType(), e.CloneSessionEntry)
		default:
			v.must("9.5 the entry of the replication engine is set", codes.InvalidArgument)
		}
	case *p4v1.Entity_ExternEntry:
		v.must("9.9 v1model has no such externs", codes.InvalidArgument, codes.NotFound, codes.Unimplemented)
	default:
		v.must("12 the entity is set", codes.InvalidArgument)
	}
	return v
}

// presence checks what sections 12 and 9 say of every kind of entity: INSERT
// makes a new one, MODIFY and DELETE want one that is there.
func (o *oracle) presence(v *verdict, t p4v1.Update_Type, k key) *p4v1.Entity {
	old := o.s.get(k)
	switch t {
	case p4v1.Update_INSERT:
		v.check(old == nil, "12 INSERT of what exists", codes.AlreadyExists)
	case p4v1.Update_MODIFY, p4v1.Update_DELETE:
		v.check(old != nil, "12 MODIFY or DELETE of what does not exist", codes.NotFound)
	}
	return old
}
