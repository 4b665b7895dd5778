package p4rt

import (
	"cmp"
	"fmt"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
)

// ElectionID is P4Runtime's 128-bit election id. The client with the highest id
// that a device has ever seen for a role is that role's primary (specification,
// section 5, "Client Arbitration").
//
// The zero value stands for "unset": a client without an id is never primary.
// The specification lets the id 0 be told from an unset one; a controller has
// no use for that id, so this package cannot send it.
type ElectionID struct{ High, Low uint64 }

// Compare returns -1, 0 or +1 as e is below, equal to or above o.
func (e ElectionID) Compare(o ElectionID) int {
	return cmp.Or(cmp.Compare(e.High, o.High), cmp.Compare(e.Low, o.Low))
}

// IsZero reports whether e is unset.
func (e ElectionID) IsZero() bool { return e == ElectionID{} }

// Next returns the id one above e. The highest id of all is followed by unset.
func (e ElectionID) Next() ElectionID {
	e.Low++
	if e.Low == 0 {
		e.High++
	}
	return e
}

// String returns the id in decimal while it fits 64 bits, else as HIGH:LOW, and
// "unset" for the zero value.
func (e ElectionID) String() string {
	switch {
	case e.IsZero():
		return "unset"
	case e.High == 0:
		return fmt.Sprint(e.Low)
	}
	return fmt.Sprintf("%d:%d", e.High, e.Low)
}

func (e ElectionID) proto() *p4v1.Uint128 {
	if e.IsZero() {
		return nil
	}
	return &p4v1.Uint128{High: e.High, Low: e.Low}
}

func electionID(u *p4v1.Uint128) ElectionID {
	return ElectionID{u.GetHigh(), u.GetLow()}
}
