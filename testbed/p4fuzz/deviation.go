package p4fuzz

import (
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
)

// Deviation is a known way in which a server does not do as the specification
// says. Its functions may be nil.
type Deviation struct {
	Name   string
	Reason string
	// Avoid reports whether an update is not to be made, because the server would
	// not survive it.
	Avoid func(*p4v1.Update) bool
	// Answer reports whether an answer to an update is this deviation. If the
	// server has taken what is at fault, it is asked what it then holds.
	Answer func(u *p4v1.Update, got codes.Code) bool
	// Partial says that what is refused may be done in part, so that the server
	// has to be asked then, too.
	Partial bool
	// Request reports whether an update is why a whole request was refused, or
	// with nil whether that may be answered to another device or role.
	Request func(u *p4v1.Update, got codes.Code) bool
	// Read is as Answer for one request of a read, or with nil for the read of
	// another device.
	Read func(request *p4v1.Entity, got codes.Code) bool
	// Skip reports whether a request of a read is not to be made.
	Skip func(request *p4v1.Entity) bool
	// Form changes an entity so that what the server reads is like what should
	// be read. Both pass through it.
	Form func(*p4v1.Entity)
}

// Embedded is how the server of testbed/p4rt deviates, because it has to behave
// as bmv2 does. Its package comment has the same list.
func Embedded() []Deviation {
	return []Deviation{
		{
			Name:   "default entries have no direct resources",
			Reason: "bmv2 has counters and meters for the entries of a table only",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				return got == codes.Unimplemented && ofDefault(u.GetEntity())
			},
			Read: func(e *p4v1.Entity, got codes.Code) bool {
				return got == codes.Unimplemented && ofDefault(e)
			},
			Form: func(e *p4v1.Entity) {
				if n := e.GetTableEntry(); n.GetIsDefaultAction() {
					n.CounterData, n.MeterConfig = nil, nil
				}
			},
		},
		{
			Name:   "no entry refers to an empty group",
			Reason: "bmv2 stops when it selects from an empty group",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				g := u.GetEntity().GetActionProfileGroup()
				a := u.GetEntity().GetTableEntry().GetAction()
				set := a.GetActionProfileActionSet()
				return got == codes.Unimplemented && (g != nil && len(g.GetMembers()) == 0 ||
					set != nil && len(set.GetActionProfileActions()) == 0 || a.GetActionProfileGroupId() != 0)
			},
		},
		{
			Name:   "multicast groups end at 32767",
			Reason: "PI keeps the groups above for clone sessions",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				return got == codes.OutOfRange && u.GetEntity().GetPacketReplicationEngineEntry().GetMulticastGroupEntry().GetMulticastGroupId() > 1<<15-1
			},
		},
		{
			Name:   "no excess burst",
			Reason: "the meters of bmv2 have two rates",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				return got == codes.Unimplemented && (u.GetEntity().GetMeterEntry().GetConfig().GetEburst() != 0 ||
					u.GetEntity().GetDirectMeterEntry().GetConfig().GetEburst() != 0 || u.GetEntity().GetTableEntry().GetMeterConfig().GetEburst() != 0)
			},
		},
	}
}

// ofDefault reports whether an entity is, or belongs to, a default entry and has
// to do with its direct resources.
func ofDefault(e *p4v1.Entity) bool {
	n := e.GetTableEntry()
	return n.GetIsDefaultAction() && (n.GetCounterData() != nil || n.GetMeterConfig() != nil || n.GetMeterCounterData() != nil) ||
		e.GetDirectCounterEntry().GetTableEntry().GetIsDefaultAction() || e.GetDirectMeterEntry().GetTableEntry().GetIsDefaultAction()
}
