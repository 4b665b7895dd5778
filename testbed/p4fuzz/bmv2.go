package p4fuzz

import (
	"slices"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// BMv2 is how simple_switch_grpc 1.15.5 deviates, which is to say its P4Runtime
// server, PI. It wants Options.OneByOne and NoConfigs.
func BMv2() []Deviation {
	return []Deviation{
		{
			Name:   "fields newer than P4Runtime 1.3 are ignored",
			Reason: "PI does not know of them",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				e := u.GetEntity()
				newer := e.GetTableEntry().GetIsConst() || e.GetTableEntry().GetMeterCounterData() != nil ||
					e.GetMeterEntry().GetCounterData() != nil || e.GetDirectMeterEntry().GetCounterData() != nil ||
					e.GetMeterEntry().GetConfig().GetEburst() != 0 || e.GetDirectMeterEntry().GetConfig().GetEburst() != 0 || e.GetTableEntry().GetMeterConfig().GetEburst() != 0
				for _, r := range replicasIn(e) {
					newer = newer || len(r.GetBackupReplicas()) > 0
				}
				return newer
			},
			Form: func(e *p4v1.Entity) {
				if e.GetTableEntry() != nil {
					e.GetTableEntry().IsConst = false
				}
				if g := e.GetPacketReplicationEngineEntry().GetMulticastGroupEntry(); g != nil {
					g.Metadata = nil
				}
				for _, r := range replicasIn(e) {
					r.BackupReplicas = nil
				}
			},
		},
		{
			Name:   "registers and value sets are not implemented",
			Reason: "PI has no such functions",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				return got == codes.Unimplemented && (u.GetEntity().GetRegisterEntry() != nil || u.GetEntity().GetValueSetEntry() != nil)
			},
			Skip: func(e *p4v1.Entity) bool { return e.GetRegisterEntry() != nil || e.GetValueSetEntry() != nil },
		},
		{
			Name:   "wildcard writes of arrays are not implemented",
			Reason: "PI says so",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				c, m := u.GetEntity().GetCounterEntry(), u.GetEntity().GetMeterEntry()
				return oneOf(got, codes.Unimplemented, codes.Unknown) && (c != nil && c.GetIndex() == nil || m != nil && m.GetIndex() == nil)
			},
		},
		{
			Name:   "direct resources of all tables, and those of default entries, are not there",
			Reason: "PI has neither",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				return oneOf(got, codes.Unknown, codes.Unimplemented, codes.InvalidArgument, codes.NotFound) && ofDefault(u.GetEntity())
			},
			Skip: func(e *p4v1.Entity) bool {
				c, m := e.GetDirectCounterEntry(), e.GetDirectMeterEntry()
				return c != nil && (c.GetTableEntry().GetTableId() == 0 || c.GetTableEntry().GetIsDefaultAction()) ||
					m != nil && (m.GetTableEntry().GetTableId() == 0 || m.GetTableEntry().GetIsDefaultAction())
			},
		},
		{
			Name:   "an empty bytestring is 0",
			Reason: "PI does not look for it, against section 8.3",
			Answer: func(u *p4v1.Update, _ codes.Code) bool { return hasEmpty(u.ProtoReflect()) },
			Skip:   func(e *p4v1.Entity) bool { return hasEmpty(e.ProtoReflect()) },
		},
		{
			Name:   "what is not set, and what a table without a key cannot have, is answered with UNKNOWN",
			Reason: "PI's default code",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				return got == codes.Unknown && (u.GetEntity().GetEntity() == nil || u.GetEntity().GetExternEntry() != nil ||
					u.GetEntity().GetTableEntry().GetPriority() < 0 || u.GetEntity().GetTableEntry() != nil && len(u.GetEntity().GetTableEntry().GetMatch()) == 0)
			},
			Read: func(e *p4v1.Entity, got codes.Code) bool {
				return got == codes.Unknown && e != nil && (e.GetEntity() == nil || e.GetExternEntry() != nil || e.GetTableEntry().GetPriority() < 0)
			},
		},
		{
			Name:   "priorities below 0 are not looked at",
			Reason: "PI turns priorities round before it checks them",
			Answer: func(u *p4v1.Update, got codes.Code) bool { return u.GetEntity().GetTableEntry().GetPriority() < 0 },
			Skip:   func(e *p4v1.Entity) bool { return e.GetTableEntry().GetPriority() < 0 },
		},
		{
			Name:   "ids of the wrong kind, or none with a match, end the process",
			Reason: "an assertion of PI fails",
			Avoid:  func(u *p4v1.Update) bool { return wrongKind(u.GetEntity()) },
			Skip:   wrongKind,
		},
		{
			Name:   "digests that are configured again end the process at times",
			Reason: "not looked into",
			Avoid:  func(u *p4v1.Update) bool { return u.GetEntity().GetDigestEntry() != nil },
			Skip:   func(e *p4v1.Entity) bool { return e.GetDigestEntry() != nil },
		},
		{
			Name:   "an index beyond an array is answered with UNKNOWN",
			Reason: "bmv2's own error, that PI does not translate",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				return got == codes.Unknown && (u.GetEntity().GetCounterEntry() != nil || u.GetEntity().GetMeterEntry() != nil)
			},
			Read: func(e *p4v1.Entity, got codes.Code) bool {
				return got == codes.Unknown && (e.GetCounterEntry() != nil || e.GetMeterEntry() != nil)
			},
		},
		{
			Name:   "INSERT and DELETE of what is only modified is taken",
			Reason: "PI does not look at the type, against sections 9.3 and 9.4",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				e := u.GetEntity()
				return got == codes.OK && u.GetType() != modify && (e.GetCounterEntry() != nil || e.GetMeterEntry() != nil || e.GetDirectCounterEntry() != nil || e.GetDirectMeterEntry() != nil)
			},
		},
		{
			Name:   "a direct resource of what is not there is INVALID_ARGUMENT",
			Reason: "PI's code, against sections 9.3.1 and 9.4.1",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				return got == codes.InvalidArgument && (u.GetEntity().GetDirectCounterEntry() != nil || u.GetEntity().GetDirectMeterEntry() != nil)
			},
			Read: func(e *p4v1.Entity, got codes.Code) bool {
				return got == codes.InvalidArgument && (e.GetDirectCounterEntry() != nil || e.GetDirectMeterEntry() != nil)
			},
		},
		{
			Name:   "MODIFY wants an action",
			Reason: "PI refuses what section 9.1.2 allows",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				e := u.GetEntity().GetTableEntry()
				return got == codes.InvalidArgument && u.GetType() == modify && e != nil && e.GetAction() == nil
			},
		},
		{
			Name:   "a group that is not there is not read",
			Reason: "of which section 9.5 says nothing",
			Read: func(e *p4v1.Entity, got codes.Code) bool {
				return oneOf(got, codes.NotFound, codes.OutOfRange) && e.GetPacketReplicationEngineEntry() != nil
			},
		},
		{
			Name:   "reads look at no filter but the match",
			Reason: "PI has no others, against section 9.1.6",
			Skip: func(e *p4v1.Entity) bool {
				n := e.GetTableEntry()
				return n != nil && n.GetTableId() == 0 && n.GetIsDefaultAction() || n.GetPriority() != 0 || n.GetControllerMetadata() != 0 || len(n.GetMetadata()) > 0 || n.GetAction() != nil || n.GetTimeSinceLastHit() != nil
			},
		},
		{
			Name:   "clones are not cut off and have no class",
			Reason: "PI's functions for bmv2 do not implement it; a MODIFY notices when the replicas have been written",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				return got == codes.Unknown && u.GetEntity().GetPacketReplicationEngineEntry().GetCloneSessionEntry() != nil
			},
			Avoid: func(u *p4v1.Update) bool {
				c := u.GetEntity().GetPacketReplicationEngineEntry().GetCloneSessionEntry()
				return u.GetType() == modify && (c.GetPacketLengthBytes() != 0 || c.GetClassOfService() != 0)
			},
		},
		{
			Name:   "a meter whose peak is below its rate is refused, and configured",
			Reason: "bmv2 sets the rates one by one",
			Avoid: func(u *p4v1.Update) bool {
				e := u.GetEntity()
				for _, c := range []*p4v1.MeterConfig{e.GetMeterEntry().GetConfig(), e.GetDirectMeterEntry().GetConfig(), e.GetTableEntry().GetMeterConfig()} {
					if c.GetPir() < c.GetCir() || c.GetPir() < 0 || c.GetCburst() < 0 || c.GetCir() < 0 {
						return true
					}
				}
				return false
			},
		},
		{
			Name:   "a parameter that is there twice stands for another that is missing",
			Reason: "PI counts parameters, against section 9.1.2",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				seen, ps := make(map[uint32]bool), u.GetEntity().GetTableEntry().GetAction().GetAction().GetParams()
				for _, x := range ps {
					seen[x.GetParamId()] = true
				}
				return got == codes.OK && len(seen) < len(ps)
			},
		},
		{
			Name:   "a counter is set to 0 by an update without data",
			Reason: "against sections 9.3.1 and 9.3.2",
			Avoid: func(u *p4v1.Update) bool {
				d, c := u.GetEntity().GetDirectCounterEntry(), u.GetEntity().GetCounterEntry()
				return d != nil && d.GetData() == nil || c != nil && c.GetData() == nil
			},
		},
		{
			Name:   "DELETE looks at what it is to ignore",
			Reason: "against section 9.1",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				return got == codes.InvalidArgument && u.GetType() == remove && u.GetEntity().GetTableEntry() != nil
			},
		},
		{
			Name:   "ports and instances of replicas are not checked",
			Reason: "against section 9.5; a port that cannot be may end the process",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				return oneOf(got, codes.OK, codes.Unknown, codes.Unimplemented) && len(replicasIn(u.GetEntity())) > 0
			},
			Partial: true,
			Avoid: func(u *p4v1.Update) bool {
				return slices.ContainsFunc(replicasIn(u.GetEntity()), func(r *p4v1.Replica) bool {
					return r.GetEgressPort() >= 1<<9 || number(r.GetPort()).BitLen() > 9
				})
			},
		},
		{
			Name:   "ports are read as they were written",
			Reason: "and not in canonical form, against section 8.3",
			Form: func(e *p4v1.Entity) {
				for _, r := range replicasIn(e) {
					if p, ok := r.GetPortKind().(*p4v1.Replica_Port); ok {
						p.Port = shortest(p.Port)
					}
				}
			},
		},
		{
			Name:   "replicas by port and by number in one group get lost",
			Reason: "PI compares ports without their kind",
			Form: func(e *p4v1.Entity) {
				if g := e.GetPacketReplicationEngineEntry().GetMulticastGroupEntry(); g != nil && len(replicasIn(e)) > 1 {
					g.Replicas = nil
				}
			},
		},
		{
			Name:   "a device that is not there has no config and no primary, and roles are not looked at",
			Reason: "PI's code, against sections 12 and 13",
			Read:   func(e *p4v1.Entity, got codes.Code) bool { return e == nil && got == codes.FailedPrecondition },
			Request: func(u *p4v1.Update, got codes.Code) bool {
				return u == nil && oneOf(got, codes.OK, codes.PermissionDenied, codes.FailedPrecondition)
			},
		},
		{
			Name:   "a read with a ternary match wants the priority",
			Reason: "PI reads by whole keys, against section 9.1.6",
			Read: func(e *p4v1.Entity, got codes.Code) bool {
				return got == codes.InvalidArgument && len(e.GetTableEntry().GetMatch()) > 0 && e.GetTableEntry().GetPriority() == 0
			},
		},
		{
			Name:   "bursts have 32 bits",
			Reason: "those of bmv2 do",
			Answer: func(u *p4v1.Update, got codes.Code) bool {
				e := u.GetEntity()
				return got == codes.Unimplemented && slices.ContainsFunc([]*p4v1.MeterConfig{e.GetMeterEntry().GetConfig(), e.GetDirectMeterEntry().GetConfig(), e.GetTableEntry().GetMeterConfig()},
					func(c *p4v1.MeterConfig) bool { return max(c.GetCburst(), c.GetPburst()) >= 1<<32 })
			},
		},
		{
			Name:   "meter rates come back a little smaller",
			Reason: "bmv2 keeps them as fractions of a packet a microsecond",
			Form: func(e *p4v1.Entity) {
				for _, c := range []*p4v1.MeterConfig{e.GetMeterEntry().GetConfig(), e.GetDirectMeterEntry().GetConfig(), e.GetTableEntry().GetMeterConfig()} {
					if c != nil {
						c.Cir, c.Cburst, c.Pir, c.Pburst = 1, 1, 1, 1
					}
				}
			},
		},
	}
}

// wrongKind reports whether an id is not of the kind of its object, by its first
// byte (section 6.3).
func wrongKind(e *p4v1.Entity) bool {
	table := func(t *p4v1.TableEntry) bool {
		return t.GetTableId()>>24 != 2 && (t.GetTableId() != 0 || len(t.GetMatch()) > 0)
	}
	return table(e.GetTableEntry()) || table(e.GetDirectCounterEntry().GetTableEntry()) || table(e.GetDirectMeterEntry().GetTableEntry())
}

// replicasIn returns the replicas of a multicast group or clone session.
func replicasIn(e *p4v1.Entity) []*p4v1.Replica {
	x := e.GetPacketReplicationEngineEntry()
	return append(x.GetMulticastGroupEntry().GetReplicas(), x.GetCloneSessionEntry().GetReplicas()...)
}

// oneOf reports whether a code is one of some.
func oneOf(got codes.Code, of ...codes.Code) bool { return slices.Contains(of, got) }

// hasEmpty reports whether a bytestring of a value is empty: all but metadata
// are such.
func hasEmpty(m protoreflect.Message) bool {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.Kind() == protoreflect.BytesKind && f.Name() != "metadata" && !f.IsList():
			if len(m.Get(f).Bytes()) == 0 && (f.ContainingOneof() == nil || m.Has(f)) {
				return true
			}
		case f.Message() == nil || f.Message().FullName() == "google.protobuf.Any":
		case f.IsList():
			for l, i := m.Get(f).List(), 0; i < l.Len(); i++ {
				if hasEmpty(l.Get(i).Message()) {
					return true
				}
			}
		case m.Has(f) && hasEmpty(m.Get(f).Message()):
			return true
		}
	}
	return false
}
