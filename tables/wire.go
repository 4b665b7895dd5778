package tables

import (
	"errors"
	"fmt"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/proto/bytestring"
)

// Encode returns e in P4Runtime's form. It refuses what [Schema.Canonical]
// refuses, so nothing that this program does not have reaches a device.
func (s *Schema) Encode(e Entity) (*p4v1.Entity, error) {
	e, err := s.Canonical(e)
	if err != nil {
		return nil, err
	}
	switch e := e.(type) {
	case Entry:
		te, err := s.encodeEntry(&e)
		if err != nil {
			return nil, err
		}
		return &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: te}}, nil
	case MulticastGroup:
		g := &p4v1.MulticastGroupEntry{
			MulticastGroupId: e.ID, Replicas: encodeReplicas(e.Replicas), Metadata: []byte(e.Metadata),
		}
		return encodePRE(&p4v1.PacketReplicationEngineEntry{
			Type: &p4v1.PacketReplicationEngineEntry_MulticastGroupEntry{MulticastGroupEntry: g},
		}), nil
	case CloneSession:
		c := &p4v1.CloneSessionEntry{
			SessionId: e.ID, Replicas: encodeReplicas(e.Replicas), ClassOfService: e.Class, PacketLengthBytes: e.MaxLength,
		}
		return encodePRE(&p4v1.PacketReplicationEngineEntry{
			Type: &p4v1.PacketReplicationEngineEntry_CloneSessionEntry{CloneSessionEntry: c},
		}), nil
	case MeterCell:
		m, err := s.Meter(e.Meter)
		if err != nil {
			return nil, err
		}
		return &p4v1.Entity{Entity: &p4v1.Entity_MeterEntry{MeterEntry: &p4v1.MeterEntry{
			MeterId: m.ID, Index: &p4v1.Index{Index: e.Index}, Config: encodeRates(e.Rates),
		}}}, nil
	case DigestConfig:
		d, err := s.Digest(e.Digest)
		if err != nil {
			return nil, err
		}
		return &p4v1.Entity{Entity: &p4v1.Entity_DigestEntry{DigestEntry: &p4v1.DigestEntry{
			DigestId: d.ID,
			Config: &p4v1.DigestEntry_Config{
				MaxTimeoutNs: e.MaxTimeout.Nanoseconds(), MaxListSize: e.MaxList, AckTimeoutNs: e.AckTimeout.Nanoseconds(),
			},
		}}}, nil
	}
	return nil, fmt.Errorf("entity %T is %w", e, ErrUnsupported)
}

// EncodeBatch returns the updates of b in P4Runtime's form, in order. A
// deletion carries the key alone. The error joins those of all updates.
func (s *Schema) EncodeBatch(b Batch) ([]*p4v1.Update, error) {
	out := make([]*p4v1.Update, len(b))
	var errs []error
	for i, u := range b {
		e, err := s.Encode(u.Entity)
		if err != nil {
			errs = append(errs, fmt.Errorf("%v: %w", u.Op, err))
			continue
		}
		if te := e.GetTableEntry(); te != nil && u.Op == Delete {
			e = &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{
				TableId: te.GetTableId(), Match: te.GetMatch(), Priority: te.GetPriority(),
			}}}
		}
		out[i] = &p4v1.Update{Type: p4v1.Update_Type(u.Op), Entity: e}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, nil
}

// EncodeEntry returns e in P4Runtime's form, or every reason against it.
func (s *Schema) EncodeEntry(e Entry) (*p4v1.TableEntry, error) {
	e, err := s.Entry(e)
	if err != nil {
		return nil, err
	}
	return s.encodeEntry(&e)
}

// encodeEntry encodes a canonical entry: its matches and arguments are known
// and in P4Info's order.
func (s *Schema) encodeEntry(e *Entry) (*p4v1.TableEntry, error) {
	t, err := s.Table(e.Table)
	if err != nil {
		return nil, err
	}
	te := &p4v1.TableEntry{
		TableId:         t.ID,
		Priority:        e.Priority,
		IsDefaultAction: e.Default,
		MeterConfig:     encodeRates(e.Rates),
		IdleTimeoutNs:   e.IdleTimeout.Nanoseconds(),
	}
	if e.Metadata != "" {
		te.Metadata = []byte(e.Metadata)
	}
	if len(e.Matches) > 0 {
		te.Match = make([]*p4v1.FieldMatch, 0, len(e.Matches))
	}
	for i := range e.Matches {
		m := &e.Matches[i]
		f, err := t.Field(m.Field)
		if err != nil {
			return nil, err
		}
		te.Match = append(te.Match, m.encode(f.ID))
	}
	if e.Action.Name == "" {
		return te, nil
	}
	ref, err := t.Action(e.Action.Name)
	if err != nil {
		return nil, err
	}
	a := &p4v1.Action{ActionId: ref.ID}
	for i := range e.Action.Args {
		p, err := ref.Param(e.Action.Args[i].Param)
		if err != nil {
			return nil, err
		}
		a.Params = append(a.Params, &p4v1.Action_Param{ParamId: p.ID, Value: []byte(e.Action.Args[i].Value)})
	}
	te.Action = &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: a}}
	return te, nil
}

func (m *Match) encode(id uint32) *p4v1.FieldMatch {
	fm := &p4v1.FieldMatch{FieldId: id}
	v := []byte(m.Value)
	switch m.Kind {
	case KindExact:
		fm.FieldMatchType = &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: v}}
	case KindLPM:
		fm.FieldMatchType = &p4v1.FieldMatch_Lpm{Lpm: &p4v1.FieldMatch_LPM{Value: v, PrefixLen: int32(m.Prefix)}}
	case KindTernary:
		fm.FieldMatchType = &p4v1.FieldMatch_Ternary_{Ternary: &p4v1.FieldMatch_Ternary{Value: v, Mask: []byte(m.Mask)}}
	case KindRange:
		fm.FieldMatchType = &p4v1.FieldMatch_Range_{Range: &p4v1.FieldMatch_Range{Low: v, High: []byte(m.Mask)}}
	case KindOptional:
		fm.FieldMatchType = &p4v1.FieldMatch_Optional_{Optional: &p4v1.FieldMatch_Optional{Value: v}}
	}
	return fm
}

func encodeRates(r *Rates) *p4v1.MeterConfig {
	if r == nil {
		return nil
	}
	return &p4v1.MeterConfig{
		Cir: r.CIR, Cburst: r.CommittedBurst, Pir: r.PIR, Pburst: r.PeakBurst, Eburst: r.ExcessBurst,
	}
}

func encodePRE(e *p4v1.PacketReplicationEngineEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_PacketReplicationEngineEntry{PacketReplicationEngineEntry: e}}
}

func encodeReplicas(rs []Replica) []*p4v1.Replica {
	out := make([]*p4v1.Replica, len(rs))
	for i, r := range rs {
		out[i] = &p4v1.Replica{
			PortKind: &p4v1.Replica_Port{Port: bytestring.FromUint64(uint64(r.Port))}, Instance: r.Instance,
		}
	}
	return out
}

// Decode returns a P4Runtime entity by name and in canonical form. Counters,
// registers and other entities that are no desired state wrap ErrUnsupported.
func (s *Schema) Decode(e *p4v1.Entity) (Entity, error) {
	switch e := e.GetEntity().(type) {
	case *p4v1.Entity_TableEntry:
		entry, err := s.DecodeEntry(e.TableEntry)
		if err != nil {
			return nil, err
		}
		return entry, nil
	case *p4v1.Entity_PacketReplicationEngineEntry:
		switch t := e.PacketReplicationEngineEntry.GetType().(type) {
		case *p4v1.PacketReplicationEngineEntry_MulticastGroupEntry:
			g := MulticastGroup{
				ID: t.MulticastGroupEntry.GetMulticastGroupId(), Metadata: string(t.MulticastGroupEntry.GetMetadata()),
			}
			var errs []error
			if g.Replicas, errs = decodeReplicas(t.MulticastGroupEntry.GetReplicas()); errs != nil {
				return refused(g, errs)
			}
			return s.Canonical(g)
		case *p4v1.PacketReplicationEngineEntry_CloneSessionEntry:
			c := CloneSession{
				ID:        t.CloneSessionEntry.GetSessionId(),
				Class:     t.CloneSessionEntry.GetClassOfService(),
				MaxLength: t.CloneSessionEntry.GetPacketLengthBytes(),
			}
			var errs []error
			if c.Replicas, errs = decodeReplicas(t.CloneSessionEntry.GetReplicas()); errs != nil {
				return refused(c, errs)
			}
			return s.Canonical(c)
		}
	case *p4v1.Entity_MeterEntry:
		m, err := s.MeterByID(e.MeterEntry.GetMeterId())
		if err != nil {
			return nil, err
		}
		return s.Canonical(MeterCell{
			Meter: m.Name, Index: e.MeterEntry.GetIndex().GetIndex(), Rates: decodeRates(e.MeterEntry.GetConfig()),
		})
	case *p4v1.Entity_DigestEntry:
		d, err := s.DigestByID(e.DigestEntry.GetDigestId())
		if err != nil {
			return nil, err
		}
		c := e.DigestEntry.GetConfig()
		return s.Canonical(DigestConfig{
			Digest: d.Name, MaxTimeout: time.Duration(c.GetMaxTimeoutNs()), MaxList: c.GetMaxListSize(),
			AckTimeout: time.Duration(c.GetAckTimeoutNs()),
		})
	}
	return nil, fmt.Errorf("entity %T is %w", e.GetEntity(), ErrUnsupported)
}

// DecodeEntry returns a P4Runtime table entry by name and in canonical form.
// It accepts what [Schema.Entry] accepts and joins every reason against the
// rest, ids that the program does not have among them. Counter values are left
// behind: they are no part of desired state.
func (s *Schema) DecodeEntry(te *p4v1.TableEntry) (Entry, error) {
	e, err := s.decodeEntry(te)
	if err != nil {
		return Entry{}, err
	}
	return s.Entry(e)
}

// DecodeKey is DecodeEntry for an entry that need not have an action, such as
// one in an idle timeout notification. What it returns has no action.
func (s *Schema) DecodeKey(te *p4v1.TableEntry) (Entry, error) {
	e, err := s.decodeEntry(te)
	if err != nil {
		return Entry{}, err
	}
	return s.key(e)
}

func (s *Schema) decodeEntry(te *p4v1.TableEntry) (Entry, error) {
	t, err := s.TableByID(te.GetTableId())
	if err != nil {
		return Entry{}, err
	}
	e := Entry{
		Table:       t.Name,
		Priority:    te.GetPriority(),
		Default:     te.GetIsDefaultAction(),
		Rates:       decodeRates(te.GetMeterConfig()),
		IdleTimeout: time.Duration(te.GetIdleTimeoutNs()),
		Metadata:    string(te.GetMetadata()),
		// Servers before P4Runtime 1.4 leave is_const unset.
		Const: te.GetIsConst() || t.Const && !te.GetIsDefaultAction() || t.ConstDefault && te.GetIsDefaultAction(),
	}
	var errs []error
	if len(te.GetMatch()) > 0 {
		e.Matches = make([]Match, 0, len(te.GetMatch()))
	}
	for _, fm := range te.GetMatch() {
		f, err := t.fieldByID(fm.GetFieldId())
		if err != nil {
			errs = append(errs, &EntryError{Table: t.Name, Err: err})
			continue
		}
		e.Matches = append(e.Matches, decodeMatch(f.Name, fm))
	}
	switch a := te.GetAction().GetType().(type) {
	case nil:
	case *p4v1.TableAction_Action:
		var faults []error
		e.Action, faults = decodeAction(t, a.Action)
		for _, err := range faults {
			errs = append(errs, &EntryError{Table: t.Name, Err: err})
		}
	default:
		errs = append(errs, &EntryError{Table: t.Name, Where: "action", Err: fmt.Errorf("%T is %w", a, ErrUnsupported)})
	}
	if len(errs) > 0 {
		return Entry{}, errors.Join(errs...)
	}
	return e, nil
}

func decodeMatch(field string, fm *p4v1.FieldMatch) Match {
	switch m := fm.GetFieldMatchType().(type) {
	case *p4v1.FieldMatch_Exact_:
		return Exact(field, Value(m.Exact.GetValue()))
	case *p4v1.FieldMatch_Lpm:
		return LPM(field, Value(m.Lpm.GetValue()), int(m.Lpm.GetPrefixLen()))
	case *p4v1.FieldMatch_Ternary_:
		return Ternary(field, Value(m.Ternary.GetValue()), Value(m.Ternary.GetMask()))
	case *p4v1.FieldMatch_Range_:
		return Range(field, Value(m.Range.GetLow()), Value(m.Range.GetHigh()))
	case *p4v1.FieldMatch_Optional_:
		return Optional(field, Value(m.Optional.GetValue()))
	}
	return Match{Field: field, Kind: KindOther}
}

func decodeAction(t *Table, a *p4v1.Action) (Call, []error) {
	ref, err := t.actionByID(a.GetActionId())
	if err != nil {
		return Call{}, []error{err}
	}
	call := Call{Name: ref.Name}
	var errs []error
	if len(a.GetParams()) > 0 {
		call.Args = make([]Arg, 0, len(a.GetParams()))
	}
	for _, p := range a.GetParams() {
		param, err := ref.paramByID(p.GetParamId())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		call.Args = append(call.Args, Arg{Param: param.Name, Value: Value(p.GetValue())})
	}
	return call, errs
}

func decodeRates(c *p4v1.MeterConfig) *Rates {
	if c == nil {
		return nil
	}
	return &Rates{
		CIR: c.GetCir(), CommittedBurst: c.GetCburst(), PIR: c.GetPir(), PeakBurst: c.GetPburst(), ExcessBurst: c.GetEburst(),
	}
}

// decodeReplicas takes ports of either form: bytes, or before P4Runtime 1.4 a
// number. Backup replicas are refused: what was read must compare with what
// was wanted, and no device here has them.
func decodeReplicas(rs []*p4v1.Replica) ([]Replica, []error) {
	out := make([]Replica, len(rs))
	var errs []error
	for i, r := range rs {
		out[i] = Replica{Port: r.GetEgressPort(), Instance: r.GetInstance()} //nolint:staticcheck // older servers send it
		if b := r.GetPort(); b != nil {
			port, err := bytestring.Uint64(b)
			if err == nil && port > 1<<32-1 {
				err = bytestring.ErrRange
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("replica %d: port: %w", i, err))
			}
			out[i].Port = uint32(port)
		}
		if len(r.GetBackupReplicas()) > 0 {
			errs = append(errs, fmt.Errorf("replica %d: backup replicas are %w", i, ErrUnsupported))
		}
	}
	return out, errs
}
