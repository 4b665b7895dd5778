package engine

import (
	"errors"
	"fmt"
)

// Decisions that a caller makes on a refused change of state.
var (
	ErrTableFull    = errors.New("table is full")
	ErrExists       = errors.New("entry exists")
	ErrNotFound     = errors.New("no such entry")
	ErrConstEntries = errors.New("entries of the table are constant")
	ErrConstDefault = errors.New("default action of the table is constant")
	ErrNoKey        = errors.New("table has no key")
	ErrTarget       = errors.New("wrong kind of target for the table")
	ErrInUse        = errors.New("still in use")
	ErrEmptyGroup   = errors.New("group is empty")
	ErrIndex        = errors.New("index out of range")
	ErrNoCounter    = errors.New("table has no direct counter")
	ErrNoMeter      = errors.New("table has no direct meter")
	ErrNoTimeout    = errors.New("table does not support idle timeout")
	ErrMeterRates   = errors.New("committed rate exceeds the peak rate")
	ErrWidth        = errors.New("wrong width")
	ErrReserved     = errors.New("number is out of range or reserved")
)

// KeyError says which key field of an entry is wrong.
type KeyError struct {
	Table  string
	Field  string // empty when the number of fields is wrong
	Reason string
}

func (e *KeyError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("table %s: key: %s", e.Table, e.Reason)
	}
	return fmt.Sprintf("table %s: key field %s: %s", e.Table, e.Field, e.Reason)
}

// ActionError says what is wrong with an action call.
type ActionError struct {
	Table  string // the table or action profile
	Action string
	Param  string // empty when the action or the number of its arguments is wrong
	Reason string
}

func (e *ActionError) Error() string {
	if e.Param == "" {
		return fmt.Sprintf("%s: action %s: %s", e.Table, e.Action, e.Reason)
	}
	return fmt.Sprintf("%s: action %s: parameter %s: %s", e.Table, e.Action, e.Param, e.Reason)
}
