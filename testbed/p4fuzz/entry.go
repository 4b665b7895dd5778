package p4fuzz

import (
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// entry judges a table entry (section 9.1).
func (o *oracle) entry(v *verdict, typ p4v1.Update_Type, e *p4v1.TableEntry) {
	t := o.tables[e.GetTableId()]
	if t == nil {
		v.must("8.1.1 and 9.1 the table is one of P4Info", badID...)
		return
	}
	v.check(!e.GetIsConst(), "9.1 is_const is false in a write", codes.InvalidArgument)
	if e.GetIsDefaultAction() {
		o.defaultEntry(v, typ, t, e)
		return
	}
	if len(t.GetMatchFields()) == 0 {
		v.must("9.1 a table without a key takes no entries", append([]codes.Code{codes.InvalidArgument}, missing(typ)...)...)
		return
	}
	k, ms := o.key(v, t, e)
	old := o.presence(v, typ, k)
	if t.GetIsConstTable() || old.GetTableEntry().GetIsConst() {
		o.constEntry(v, typ, k, old, t, e)
		return
	}
	if typ == p4v1.Update_DELETE {
		v.apply = func() { o.s.put(k, nil) }
		return
	}
	n := &p4v1.TableEntry{
		TableId: t.id, Match: ms, Priority: e.GetPriority(),
		ControllerMetadata: e.GetControllerMetadata(), Metadata: e.GetMetadata(), IdleTimeoutNs: e.GetIdleTimeoutNs(),
	}
	o.timeout(v, t, e)
	switch {
	case e.GetAction() != nil:
		n.Action = o.tableAction(v, t, e.GetAction(), k)
	case typ == p4v1.Update_INSERT:
		v.must("9.1.2 INSERT has an action", codes.InvalidArgument)
	default:
		n.Action = old.GetTableEntry().GetAction()
	}
	o.directData(v, t, e, old.GetTableEntry(), n)
	if typ == p4v1.Update_INSERT && int64(o.s.count(k.container())) >= t.GetSize() {
		v.may("9.1 the table is full", codes.ResourceExhausted)
	}
	v.apply = func() { o.s.put(k, entryEntity(n)) }
}

// missing is what MODIFY and DELETE of what is not there may say.
func missing(typ p4v1.Update_Type) []codes.Code {
	if typ == p4v1.Update_INSERT {
		return nil
	}
	return []codes.Code{codes.NotFound}
}

// timeout judges the fields of section 9.1.8.
func (o *oracle) timeout(v *verdict, t *table, e *p4v1.TableEntry) {
	if t.GetIdleTimeoutBehavior() == 0 {
		v.check(e.GetIdleTimeoutNs() == 0, "9.1.8 the table has no idle timeout", codes.InvalidArgument)
		v.check(e.GetTimeSinceLastHit() == nil, "9.1.8 the table has no idle timeout", codes.InvalidArgument)
		return
	}
	if e.GetTimeSinceLastHit() != nil {
		v.may("9.1.8 time_since_last_hit is unset in a write", codes.InvalidArgument)
	}
	if e.GetIdleTimeoutNs() < 0 {
		v.may("9.1.8 speaks of no negative timeout", codes.InvalidArgument, codes.OutOfRange)
	}
}

// directData judges the direct resources in an entry (section 9.1.7) and puts
// into n what there is after the write.
func (o *oracle) directData(v *verdict, t *table, e, old, n *p4v1.TableEntry) {
	if e.GetMeterConfig() != nil {
		v.check(t.meter != nil, "9.1.7 the table has no direct meter", codes.InvalidArgument)
	}
	if e.GetCounterData() != nil {
		v.check(t.counter != nil, "9.1.7 the table has no direct counter", codes.InvalidArgument)
		countable(v, e.GetCounterData())
	}
	if e.GetMeterCounterData() != nil {
		v.check(t.meter != nil, "9.1.7 the table has no direct meter", codes.InvalidArgument)
		colours(v, e.GetMeterCounterData())
	}
	if t.meter != nil {
		if e.GetMeterConfig() != nil {
			meterConfig(v, t.meter.GetSpec(), e.GetMeterConfig())
			// P4Info does not say which actions execute the meter.
			v.may("9.1.7 the action does not execute the direct resource", codes.InvalidArgument)
		}
		n.MeterConfig = e.GetMeterConfig()
	}
	if t.counter != nil {
		switch {
		case e.GetCounterData() != nil:
			n.CounterData = e.GetCounterData()
		case old.GetCounterData() != nil:
			n.CounterData = old.GetCounterData()
		default:
			n.CounterData = &p4v1.CounterData{}
		}
	}
}

// constEntry judges updates of constant tables and entries (sections 9.1.4 and
// 9.1.5): only their direct resources can be modified.
func (o *oracle) constEntry(v *verdict, typ p4v1.Update_Type, k key, old *p4v1.Entity, t *table, e *p4v1.TableEntry) {
	const rule = "9.1.4 only direct resources of constant entries are modified"
	if typ == p4v1.Update_INSERT || typ == p4v1.Update_DELETE {
		v.must(rule, codes.PermissionDenied)
	}
	if typ == p4v1.Update_DELETE {
		return
	}
	if e.GetAction() != nil {
		v.must("9.1.4 a constant entry takes no action, not even its own", codes.PermissionDenied)
		o.tableAction(v, t, e.GetAction(), k)
	} else if typ == p4v1.Update_INSERT {
		v.must("9.1.2 INSERT has an action", codes.InvalidArgument)
	}
	changes := e.GetControllerMetadata() != 0 || len(e.GetMetadata()) > 0 || e.GetIdleTimeoutNs() != 0
	v.check(!changes, rule, codes.PermissionDenied)
	o.timeout(v, t, e)
	if t.counter == nil && t.meter == nil || e.GetMeterConfig() == nil && e.GetCounterData() == nil {
		v.may(rule+", and there are none", codes.PermissionDenied)
	}
	n := &p4v1.TableEntry{}
	if old != nil {
		n = proto.CloneOf(old.GetTableEntry())
	}
	n.MeterConfig, n.CounterData = nil, nil
	o.directData(v, t, e, old.GetTableEntry(), n)
	v.apply = func() { o.s.put(k, entryEntity(n)) }
}

// defaultEntry judges updates of a default entry (section 9.1.3).
func (o *oracle) defaultEntry(v *verdict, typ p4v1.Update_Type, t *table, e *p4v1.TableEntry) {
	v.check(len(e.GetMatch()) == 0, "9.1.3 the default entry has no match", codes.InvalidArgument)
	v.check(e.GetPriority() == 0, "9.1.3 the default entry has no priority", codes.InvalidArgument)
	v.check(typ == p4v1.Update_MODIFY || typ == p4v1.Update_UNSPECIFIED, "9.1.3 the default entry is neither inserted nor deleted", codes.InvalidArgument)
	v.check(e.GetIdleTimeoutNs() == 0 && e.GetTimeSinceLastHit() == nil, "9.1.8 the default entry has no idle timeout", codes.InvalidArgument)
	k := key{kind: defaultEntry, id: t.id}
	old := o.s.get(k).GetTableEntry()
	constant := constDefault(t)
	v.check(!constant, "9.1.3 the default entry is constant", codes.PermissionDenied)
	n := &p4v1.TableEntry{TableId: t.id, IsDefaultAction: true}
	if e.GetAction() == nil {
		// All is reset, whatever else the update has.
		if e.GetControllerMetadata() != 0 || len(e.GetMetadata()) > 0 || e.GetMeterConfig() != nil || e.GetCounterData() != nil {
			v.may("9.1.3 a default entry that is reset has nothing of its own", codes.InvalidArgument)
		}
		n.Action = o.initialDefault(t)
		o.directData(v, t, &p4v1.TableEntry{MeterCounterData: e.GetMeterCounterData()}, nil, n)
		if e.GetMeterConfig() != nil || e.GetCounterData() != nil {
			o.directData(v, t, e, nil, &p4v1.TableEntry{})
		}
		v.apply = func() { o.s.put(k, entryEntity(n)) }
		return
	}
	n.ControllerMetadata, n.Metadata = e.GetControllerMetadata(), e.GetMetadata()
	n.Action = o.tableAction(v, t, e.GetAction(), k)
	o.directData(v, t, e, old, n)
	v.apply = func() { o.s.put(k, entryEntity(n)) }
}

// initialDefault is the default action of the program, as P4Info has it.
func (o *oracle) initialDefault(t *table) *p4v1.TableAction {
	d := t.GetInitialDefaultAction()
	if d == nil {
		return nil
	}
	a := &p4v1.Action{ActionId: d.GetActionId()}
	for _, x := range d.GetArguments() {
		a.Params = append(a.Params, &p4v1.Action_Param{ParamId: x.GetParamId(), Value: shortest(x.GetValue())})
	}
	orderAction(a)
	return &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: a}}
}

// constDefault reports whether the default entry of a table is constant: that of
// an indirect table always is, and it is NoAction.
func constDefault(t *table) bool { return t.GetConstDefaultActionId() != 0 || t.profile != nil }
