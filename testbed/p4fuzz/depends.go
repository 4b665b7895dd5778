package p4fuzz

import (
	"fmt"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
)

// depends reports whether an update touches what updates of the same batch do,
// and notes what it touches. What is at fault may touch anything of its kind.
func (o *oracle) depends(u *p4v1.Update, used map[string]bool) bool {
	var touched string
	entry := func(e *p4v1.TableEntry) string {
		t := o.tables[e.GetTableId()]
		switch {
		case t == nil:
			return ""
		case t.profile != nil:
			return fmt.Sprint("profile ", t.GetImplementationId())
		case e.GetIsDefaultAction():
			return fmt.Sprint("default of ", t.id)
		case int64(o.s.count(container{tableEntry, t.id}))+64 >= t.GetSize():
			return fmt.Sprint("table ", t.id)
		}
		k, _ := o.key(&verdict{}, t, e)
		return fmt.Sprint(k)
	}
	switch e := u.GetEntity().GetEntity().(type) {
	case *p4v1.Entity_TableEntry:
		touched = entry(e.TableEntry)
	case *p4v1.Entity_DirectCounterEntry:
		touched = entry(e.DirectCounterEntry.GetTableEntry())
	case *p4v1.Entity_DirectMeterEntry:
		touched = entry(e.DirectMeterEntry.GetTableEntry())
	case *p4v1.Entity_ActionProfileMember:
		touched = fmt.Sprint("profile ", e.ActionProfileMember.GetActionProfileId())
	case *p4v1.Entity_ActionProfileGroup:
		touched = fmt.Sprint("profile ", e.ActionProfileGroup.GetActionProfileId())
	case *p4v1.Entity_CounterEntry:
		touched = fmt.Sprint("array ", e.CounterEntry.GetCounterId())
	case *p4v1.Entity_MeterEntry:
		touched = fmt.Sprint("array ", e.MeterEntry.GetMeterId())
	case *p4v1.Entity_RegisterEntry:
		touched = fmt.Sprint("array ", e.RegisterEntry.GetRegisterId())
	case *p4v1.Entity_ValueSetEntry:
		touched = fmt.Sprint("value set ", e.ValueSetEntry.GetValueSetId())
	case *p4v1.Entity_DigestEntry:
		touched = fmt.Sprint("digest ", e.DigestEntry.GetDigestId())
	case *p4v1.Entity_PacketReplicationEngineEntry:
		touched = fmt.Sprint("group ", e.PacketReplicationEngineEntry.GetMulticastGroupEntry().GetMulticastGroupId(),
			" session ", e.PacketReplicationEngineEntry.GetCloneSessionEntry().GetSessionId())
	}
	if touched == "" {
		return false
	}
	if used[touched] {
		return true
	}
	used[touched] = true
	return false
}
