package stf

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/status"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/testbed/engine"
)

// Remote is a switch on which scripts run by P4Runtime, so any that speaks it. Commands that P4Runtime has nothing for
// are errors: mirroring_add_mc, and those of registers.
type Remote struct {
	// Client is that of a primary, whose election id is Election.
	Client   p4v1.P4RuntimeClient
	Device   uint64
	Election *p4v1.Uint128
	Info     *p4configv1.P4Info
	// Process lets a frame arrive and returns what leaves before the next one.
	Process func(port uint32, frame []byte) ([]Frame, error)
}

// Frame is a frame that leaves a port.
type Frame struct {
	Port uint32
	Data []byte
}

// Run runs a script to its end and returns everything that was wrong, each an [*Error].
func (r *Remote) Run(ctx context.Context, s *Script) error {
	return play(s, &session{
		Remote: r, ctx: ctx, out: map[uint32][]string{}, ids: map[string]*p4v1.TableEntry{},
		trees: trees{groups: map[uint32][]int{}}, there: map[uint32]bool{},
	})
}

// session is one run of a script.
type session struct {
	*Remote
	ctx   context.Context
	out   map[uint32][]string
	ids   map[string]*p4v1.TableEntry // entries that add named
	trees trees
	there map[uint32]bool // groups that are written
	// members is how many members of profiles were made, each for one entry.
	members uint32
}

func (s *session) process(port uint32, frame []byte) error {
	fs, err := s.Process(port, frame)
	for _, f := range fs {
		s.out[f.Port] = append(s.out[f.Port], hex.EncodeToString(f.Data))
	}
	return err
}

func (s *session) left() map[uint32][]string { return s.out }

func (s *session) do(st *Statement) error {
	switch st.Command {
	case "wait", "no_packet", "mirroring_get", "meter_get_rates":
		return nil // packets run to their end at once; the others only print
	case "add":
		return s.add(st)
	case "setdefault":
		return s.setDefault(st)
	case "remove":
		return s.removeAll(st)
	case "check_counter":
		return s.checkCounter(st)
	case "counter_read", "counter_write":
		return s.counter(st)
	case "mirroring_add", "mirroring_delete":
		return s.mirroring(st)
	case "mc_mgrp_create", "mc_node_create", "mc_node_update", "mc_node_associate":
		return s.multicast(st)
	case "meter_set_rates":
		return s.meter(st)
	}
	return fmt.Errorf("%s: P4Runtime cannot", st.Command)
}

func (s *session) write(kind p4v1.Update_Type, e *p4v1.Entity) error {
	_, err := s.Client.Write(s.ctx, &p4v1.WriteRequest{
		DeviceId: s.Device, ElectionId: s.Election, Updates: []*p4v1.Update{{Type: kind, Entity: e}},
	})
	for _, d := range status.Convert(err).Details() {
		if d, ok := d.(*p4v1.Error); ok {
			return errors.New(d.GetMessage())
		}
	}
	return err
}

func (s *session) read(e *p4v1.Entity) ([]*p4v1.Entity, error) {
	stream, err := s.Client.Read(s.ctx, &p4v1.ReadRequest{DeviceId: s.Device, Entities: []*p4v1.Entity{e}})
	var out []*p4v1.Entity
	for err == nil {
		var resp *p4v1.ReadResponse
		if resp, err = stream.Recv(); err == nil {
			out = append(out, resp.GetEntities()...)
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return out, nil
}

// find returns the thing with a name, or with a name that ends in it.
func find[T interface{ GetPreamble() *p4configv1.Preamble }](what, name string, from []T) (T, error) {
	var found []T
	for _, x := range from {
		switch full := x.GetPreamble().GetName(); {
		case full == name:
			return x, nil
		case strings.HasSuffix(full, name):
			found = append(found, x)
		}
	}
	var none T
	switch len(found) {
	case 0:
		return none, fmt.Errorf("no %s %s", what, name)
	case 1:
		return found[0], nil
	}
	return none, fmt.Errorf("%s %s is ambiguous", what, name)
}

// fields are the key of a table, as the engine has it.
func fields(t *p4configv1.Table) (out []engine.KeyField) {
	for _, f := range t.GetMatchFields() {
		k := engine.KeyField{Name: f.GetName(), Kind: engine.MatchExact, Bits: int(f.GetBitwidth())}
		switch f.GetMatchType() {
		case p4configv1.MatchField_LPM:
			k.Kind = engine.MatchLPM
		case p4configv1.MatchField_TERNARY, p4configv1.MatchField_OPTIONAL:
			k.Kind = engine.MatchTernary
		case p4configv1.MatchField_RANGE:
			k.Kind = engine.MatchRange
		}
		out = append(out, k)
	}
	return out
}

// fieldMatch returns the match of one field, or nil where it does not matter.
func fieldMatch(f *p4configv1.MatchField, m engine.Match) *p4v1.FieldMatch {
	out := &p4v1.FieldMatch{FieldId: f.GetId()}
	value := bytestring.Canonical(m.Value)
	zero := func(b []byte) bool { return !slices.ContainsFunc(b, func(x byte) bool { return x != 0 }) }
	switch f.GetMatchType() {
	case p4configv1.MatchField_LPM:
		if m.PrefixLen == 0 {
			return nil
		}
		out.FieldMatchType = &p4v1.FieldMatch_Lpm{Lpm: &p4v1.FieldMatch_LPM{Value: value, PrefixLen: int32(m.PrefixLen)}}
	case p4configv1.MatchField_TERNARY:
		if zero(m.Mask) {
			return nil
		}
		for i := range m.Value {
			m.Value[i] &= m.Mask[i]
		}
		out.FieldMatchType = &p4v1.FieldMatch_Ternary_{Ternary: &p4v1.FieldMatch_Ternary{Value: bytestring.Canonical(m.Value), Mask: bytestring.Canonical(m.Mask)}}
	case p4configv1.MatchField_OPTIONAL:
		if zero(m.Mask) {
			return nil
		}
		out.FieldMatchType = &p4v1.FieldMatch_Optional_{Optional: &p4v1.FieldMatch_Optional{Value: value}}
	case p4configv1.MatchField_RANGE:
		if zero(m.Value) && slices.Equal(m.High, wild(engine.KeyField{Kind: engine.MatchRange, Bits: int(f.GetBitwidth())}).High) {
			return nil
		}
		out.FieldMatchType = &p4v1.FieldMatch_Range_{Range: &p4v1.FieldMatch_Range{Low: value, High: bytestring.Canonical(m.High)}}
	default:
		out.FieldMatchType = &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: value}}
	}
	return out
}

func (s *session) call(t *p4configv1.Table, st *Statement) (*p4v1.TableAction, error) {
	var of []*p4configv1.Action
	for _, a := range s.Info.GetActions() {
		if slices.ContainsFunc(t.GetActionRefs(), func(r *p4configv1.ActionRef) bool { return r.GetId() == a.GetPreamble().GetId() }) {
			of = append(of, a)
		}
	}
	a, err := find("action", st.Action, of)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", t.GetPreamble().GetName(), err)
	}
	call := &p4v1.Action{ActionId: a.GetPreamble().GetId()}
	var errs []error
	for _, b := range st.Args {
		i := slices.IndexFunc(a.GetParams(), func(p *p4configv1.Action_Param) bool { return p.GetName() == b.Name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("action %s has no parameter %s", st.Action, b.Name))
			continue
		}
		v, err := number(b.Value, int(a.GetParams()[i].GetBitwidth()))
		if err != nil {
			errs = append(errs, fmt.Errorf("parameter %s: %w", b.Name, err))
			continue
		}
		call.Params = append(call.Params, &p4v1.Action_Param{ParamId: a.GetParams()[i].GetId(), Value: bytestring.Canonical(v)})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s.indirect(t, call)
}

// indirect gives each entry of a table with a profile an action of its own.
func (s *session) indirect(t *p4configv1.Table, call *p4v1.Action) (*p4v1.TableAction, error) {
	i := slices.IndexFunc(s.Info.GetActionProfiles(), func(p *p4configv1.ActionProfile) bool { return p.GetPreamble().GetId() == t.GetImplementationId() })
	switch {
	case i < 0:
		return &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: call}}, nil
	case s.Info.GetActionProfiles()[i].GetWithSelector():
		return &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileActionSet{ActionProfileActionSet: &p4v1.ActionProfileActionSet{
			ActionProfileActions: []*p4v1.ActionProfileAction{{Action: call, Weight: 1}},
		}}}, nil
	}
	s.members++
	m := &p4v1.ActionProfileMember{ActionProfileId: t.GetImplementationId(), MemberId: s.members, Action: call}
	err := s.write(p4v1.Update_INSERT, &p4v1.Entity{Entity: &p4v1.Entity_ActionProfileMember{ActionProfileMember: m}})
	return &p4v1.TableAction{Type: &p4v1.TableAction_ActionProfileMemberId{ActionProfileMemberId: s.members}}, err
}

func (s *session) add(st *Statement) error {
	t, err := find("table", st.Table, s.Info.GetTables())
	if err != nil {
		return err
	}
	te := &p4v1.TableEntry{TableId: t.GetPreamble().GetId()}
	key := fields(t)
	matches := make([]engine.Match, len(key))
	for i, k := range key {
		matches[i] = wild(k)
		if k.Kind == engine.MatchTernary || k.Kind == engine.MatchRange {
			te.Priority = int32(max(0, st.Priority)) + 1 // P4Runtime has no priority 0
		}
	}
	var errs []error
	for _, b := range st.Key {
		i := keyField(key, b.Name)
		if i < 0 {
			errs = append(errs, fmt.Errorf("table %s has no key field %s", st.Table, b.Name))
			continue
		}
		if matches[i], err = match(key[i], b.Value); err != nil {
			errs = append(errs, fmt.Errorf("key field %s: %w", b.Name, err))
		}
	}
	if te.Action, err = s.call(t, st); err != nil || len(errs) > 0 {
		return errors.Join(append(errs, err)...)
	}
	for i, f := range t.GetMatchFields() {
		if m := fieldMatch(f, matches[i]); m != nil {
			te.Match = append(te.Match, m)
		}
	}
	if st.ID != "" {
		s.ids[st.ID] = te
	}
	return s.write(p4v1.Update_INSERT, &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: te}})
}

func (s *session) setDefault(st *Statement) error {
	t, err := find("table", st.Table, s.Info.GetTables())
	if err != nil {
		return err
	}
	te := &p4v1.TableEntry{TableId: t.GetPreamble().GetId(), IsDefaultAction: true}
	if te.Action, err = s.call(t, st); err != nil {
		return err
	}
	return s.write(p4v1.Update_MODIFY, &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: te}})
}

func (s *session) removeAll(st *Statement) error {
	if !strings.EqualFold(st.Words[0], "all") {
		return fmt.Errorf("remove %s: only all can be removed", st.Words[0])
	}
	es, err := s.read(&p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{}}})
	for _, e := range es {
		te := e.GetTableEntry()
		if !te.GetIsConst() && !te.GetIsDefaultAction() && err == nil {
			err = s.write(p4v1.Update_DELETE, e)
		}
	}
	return err
}

func (s *session) checkCounter(st *Statement) error {
	var ask p4v1.Entity
	if te := s.ids[st.Words[1]]; te != nil {
		key := &p4v1.TableEntry{TableId: te.GetTableId(), Match: te.GetMatch(), Priority: te.GetPriority()}
		ask.Entity = &p4v1.Entity_DirectCounterEntry{DirectCounterEntry: &p4v1.DirectCounterEntry{TableEntry: key}}
	} else {
		e, err := s.cell(st)
		if err != nil {
			return err
		}
		ask.Entity = &p4v1.Entity_CounterEntry{CounterEntry: e}
	}
	es, err := s.read(&ask)
	if err != nil {
		return err
	}
	if len(es) != 1 {
		return fmt.Errorf("counter %s(%s): %d are there", st.Words[0], st.Words[1], len(es))
	}
	d := es[0].GetCounterEntry().GetData()
	if d == nil {
		d = es[0].GetDirectCounterEntry().GetData()
	}
	return st.holds(engine.CounterData{Packets: uint64(d.GetPacketCount()), Bytes: uint64(d.GetByteCount())})
}

// cell is the cell of a counter that a command begins with.
func (s *session) cell(st *Statement) (*p4v1.CounterEntry, error) {
	c, err := find("counter", st.Words[0], s.Info.GetCounters())
	if err != nil {
		return nil, err
	}
	i, err := st.uint(1)
	return &p4v1.CounterEntry{CounterId: c.GetPreamble().GetId(), Index: &p4v1.Index{Index: int64(i)}}, err
}

func (s *session) counter(st *Statement) error {
	e, err := s.cell(st)
	if err != nil || st.Command == "counter_read" {
		return err
	}
	n, err := st.uints(2)
	if err != nil {
		return err
	}
	e.Data = &p4v1.CounterData{PacketCount: int64(n[0]), ByteCount: int64(n[1])}
	return s.write(p4v1.Update_MODIFY, &p4v1.Entity{Entity: &p4v1.Entity_CounterEntry{CounterEntry: e}})
}

func (s *session) mirroring(st *Statement) error {
	n, err := st.uints(0)
	if err != nil {
		return err
	}
	kind, e := p4v1.Update_DELETE, &p4v1.CloneSessionEntry{SessionId: n[0]}
	if st.Command == "mirroring_add" {
		kind, e.Replicas = p4v1.Update_INSERT, replicate([]engine.Replica{{Port: n[1]}})
	}
	return s.write(kind, engineEntity(&p4v1.PacketReplicationEngineEntry{Type: &p4v1.PacketReplicationEngineEntry_CloneSessionEntry{CloneSessionEntry: e}}))
}

func (s *session) multicast(st *Statement) error {
	groups, err := s.trees.grow(st)
	if err != nil {
		return err
	}
	for id, rs := range groups {
		kind := p4v1.Update_INSERT
		if s.there[id] {
			kind = p4v1.Update_MODIFY
		}
		g := &p4v1.MulticastGroupEntry{MulticastGroupId: id, Replicas: replicate(rs)}
		if err := s.write(kind, engineEntity(&p4v1.PacketReplicationEngineEntry{Type: &p4v1.PacketReplicationEngineEntry_MulticastGroupEntry{MulticastGroupEntry: g}})); err != nil {
			return err
		}
		s.there[id] = true
	}
	return nil
}

func engineEntity(e *p4v1.PacketReplicationEngineEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_PacketReplicationEngineEntry{PacketReplicationEngineEntry: e}}
}

func replicate(rs []engine.Replica) (out []*p4v1.Replica) {
	for _, r := range rs {
		out = append(out, &p4v1.Replica{Instance: uint32(r.Instance), PortKind: &p4v1.Replica_EgressPort{EgressPort: r.Port}})
	}
	return out
}

func (s *session) meter(st *Statement) error {
	m, err := find("meter", st.Words[0], s.Info.GetMeters())
	if err != nil {
		return err
	}
	i, err := st.uint(1)
	if err != nil {
		return err
	}
	if len(st.Words) != 4 {
		return errors.New("want two rates, have " + strconv.Itoa(len(st.Words)-2))
	}
	e := &p4v1.MeterEntry{MeterId: m.GetPreamble().GetId(), Index: &p4v1.Index{Index: int64(i)}, Config: &p4v1.MeterConfig{}}
	cir, cburst, err := rate(st.Words[2])
	if err != nil {
		return err
	}
	pir, pburst, err := rate(st.Words[3])
	if err != nil {
		return err
	}
	e.Config.Cir, e.Config.Cburst, e.Config.Pir, e.Config.Pburst = int64(cir), int64(cburst), int64(pir), int64(pburst)
	return s.write(p4v1.Update_MODIFY, &p4v1.Entity{Entity: &p4v1.Entity_MeterEntry{MeterEntry: e}})
}
