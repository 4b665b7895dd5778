package stf

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// device is what a script runs on.
type device interface {
	// process lets a frame arrive and returns when all that it causes has left.
	process(port uint32, frame []byte) error
	// do runs a command that is no packet and no expectation.
	do(st *Statement) error
	// left is what left each port so far, in hexadecimal digits.
	left() map[uint32][]string
}

func play(s *Script, d device) error {
	var errs []error
	fail := func(st *Statement, err error) {
		if err != nil {
			errs = append(errs, &Error{s.Name, st.Line, err})
		}
	}
	expected := map[uint32][]*Statement{}
	named := map[uint32]bool{} // as in bmv2's runner only these ports have an interface
	for i := range s.Statements {
		st := &s.Statements[i]
		switch st.Command {
		case "packet":
			named[st.Port] = true
			frame, err := hex.DecodeString(st.Data)
			if err == nil {
				err = d.process(st.Port, frame)
			}
			fail(st, err)
		case "expect":
			named[st.Port] = true
			expected[st.Port] = append(expected[st.Port], st)
		default:
			fail(st, d.do(st))
		}
	}
	out := d.left()
	for port, want := range expected {
		compare(port, want, out[port], fail)
	}
	for port, got := range out {
		if named[port] && expected[port] == nil {
			errs = append(errs, &Error{s.Name, 0, fmt.Errorf("port %d: unexpected packets: %s", port, strings.Join(got, " "))})
		}
	}
	slices.SortStableFunc(errs, func(x, y error) int { return lineOf(x) - lineOf(y) })
	return errors.Join(errs...)
}

func lineOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Line
	}
	return 0
}

func compare(port uint32, want []*Statement, got []string, fail func(*Statement, error)) {
	if slices.ContainsFunc(want, func(st *Statement) bool { return st.Any }) {
		if len(got) == 0 {
			fail(want[0], fmt.Errorf("port %d: no packet", port))
		}
		return
	}
	for i, st := range want {
		if i >= len(got) {
			fail(st, fmt.Errorf("port %d: no packet, want %s", port, st.Data))
			continue
		}
		if !samePacket(st.Data, got[i]) {
			fail(st, fmt.Errorf("port %d: packets differ\nwant %s\nhave %s", port, st.Data, got[i]))
		}
	}
	if len(got) > len(want) {
		fail(want[len(want)-1], fmt.Errorf("port %d: unexpected packets: %s", port, strings.Join(got[len(want):], " ")))
	}
}

// samePacket holds the packet against the expectation, which may be shorter unless it ends in $.
func samePacket(want, got string) bool {
	want, exact := strings.CutSuffix(want, "$")
	if len(got) < len(want) || exact && len(got) != len(want) {
		return false
	}
	for i := range len(want) {
		if want[i] != '*' && want[i] != got[i] {
			return false
		}
	}
	return true
}
