package info

import (
	"errors"
	"fmt"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// Call is an action with its arguments.
type Call struct {
	*Action
	// Args are the arguments in P4Info order, as wide as their parameters.
	Args [][]byte
	// Wire is the canonical form.
	Wire *p4v1.Action
}

// Action checks an action of an entry of the table, or of its default entry
// (section 9.1.2). An action that is not of the table, or arguments that are
// not those of the action, are refused with INVALID_ARGUMENT; an action out of
// its scope with PERMISSION_DENIED.
func (t *Table) Action(a *p4v1.Action, isDefault bool) (Call, error) {
	ref, ok := t.actions[a.GetActionId()]
	if !ok {
		return Call{}, refusal.New(codes.InvalidArgument, "table %s: no action with id %#08x", t.Name, a.GetActionId())
	}
	switch {
	case isDefault && ref.Scope == p4configv1.ActionRef_TABLE_ONLY:
		return Call{}, refusal.New(codes.PermissionDenied, "table %s: action %s cannot be the default action", t.Name, ref.Name)
	case !isDefault && ref.Scope == p4configv1.ActionRef_DEFAULT_ONLY:
		return Call{}, refusal.New(codes.PermissionDenied, "table %s: action %s can only be the default action", t.Name, ref.Name)
	}
	c, err := ref.call(a)
	if err != nil {
		return Call{}, refusal.New(codes.InvalidArgument, "table %s: %w", t.Name, err)
	}
	return c, nil
}

// Action checks an action of a member (section 9.2.1): one of the actions of
// the tables that the profile implements.
func (p *Profile) Action(a *p4v1.Action) (Call, error) {
	if a == nil {
		return Call{}, refusal.New(codes.InvalidArgument, "action profile %s: no action", p.Name)
	}
	if len(p.Tables) == 0 {
		return Call{}, refusal.New(codes.InvalidArgument, "action profile %s implements no table", p.Name)
	}
	return p.Tables[0].Action(a, false)
}

func (a *Action) call(from *p4v1.Action) (Call, error) {
	c := Call{
		Action: a,
		Args:   make([][]byte, len(a.Params)),
		Wire:   &p4v1.Action{ActionId: a.ID},
	}
	var faults []error
	buf := make([]byte, 0, a.size)
	for _, p := range from.GetParams() {
		i, ok := a.pos[p.GetParamId()]
		if !ok {
			faults = append(faults, fmt.Errorf("action %s has no parameter with id %d", a.Name, p.GetParamId()))
			continue
		}
		if c.Args[i] != nil {
			faults = append(faults, fmt.Errorf("action %s: parameter %s is given twice", a.Name, a.Params[i].Name))
			continue
		}
		at := len(buf)
		b, err := bytestring.AppendFixed(buf, p.GetValue(), a.Params[i].Width)
		if err != nil {
			faults = append(faults, fmt.Errorf("action %s: parameter %s: %w", a.Name, a.Params[i].Name, err))
			c.Args[i] = []byte{}
			continue
		}
		buf = b
		c.Args[i] = buf[at:len(buf):len(buf)]
	}
	if len(a.Params) > 0 {
		c.Wire.Params = make([]*p4v1.Action_Param, len(a.Params))
	}
	for i, p := range a.Params {
		if c.Args[i] == nil {
			faults = append(faults, fmt.Errorf("action %s: parameter %s is missing", a.Name, p.Name))
			continue
		}
		if len(c.Args[i]) > 0 {
			c.Wire.Params[i] = &p4v1.Action_Param{ParamId: p.ID, Value: bytestring.Canonical(c.Args[i])}
		}
	}
	return c, errors.Join(faults...)
}

// Call returns a call with arguments as wide as the parameters or narrower.
func (a *Action) Call(args [][]byte) (Call, error) {
	if len(args) != len(a.Params) {
		return Call{}, fmt.Errorf("action %s has %d parameters, got %d arguments", a.Name, len(a.Params), len(args))
	}
	wire := &p4v1.Action{ActionId: a.ID}
	for i, p := range a.Params {
		wire.Params = append(wire.Params, &p4v1.Action_Param{ParamId: p.ID, Value: args[i]})
	}
	return a.call(wire)
}

// Named returns the action of the table with a name, or false.
func (t *Table) Named(name string) (ActionRef, bool) {
	for _, r := range t.Actions {
		if r.Name == name {
			return r, true
		}
	}
	return ActionRef{}, false
}

// HasAction reports whether an identifier is that of an action of the table.
func (t *Table) HasAction(id uint32) bool {
	_, ok := t.actions[id]
	return ok
}
