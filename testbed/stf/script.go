// Package stf runs STF scripts, the switch-test language of p4c: table entries, packets in, packets expected.
//
//	# IPv4 to port 2, higher priority number wins
//	add ingress.route 10 hdr.ipv4.dst:0x0a00**** set_port(port:2)
//	packet 1 0a000001
//	expect 2 0a0000**$
//
// A packet is hexadecimal digits; spaces do not matter. In an expectation * stands for any digit, a $ at the end for
// the end of the packet, and no digits at all for any packet. Expectations are held against what left each port once
// the script is at its end. The other commands are add, setdefault, remove all, wait, no_packet, check_counter,
// counter_read, counter_write, register_read, register_write, register_reset, meter_set_rates, meter_array_set_rates,
// meter_get_rates, mirroring_add, mirroring_add_mc, mirroring_delete, mirroring_get, mc_mgrp_create, mc_node_create,
// mc_node_update and mc_node_associate, as bmv2's command line has them.
//
// A [Bench] has a switch of the engine of its own. A [Remote] is any switch that speaks P4Runtime, bmv2 too.
package stf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Script is a parsed script.
type Script struct {
	Name       string
	Statements []Statement
}

// Statement is one line.
type Statement struct {
	Line    int
	Command string // in lower case
	Table   string // add, setdefault; the name of the object elsewhere
	// Priority is that of add: the higher one wins, as in P4Runtime. It is -1 when not given.
	Priority int
	Key      []Binding
	Action   string
	Args     []Binding
	ID       string // add ... = ID
	Port     uint32 // packet, expect
	Data     string // packet, expect: hexadecimal digits in lower case, *, $
	Any      bool   // expect without data
	Words    []string
}

// Binding is a name with a value as written: 10, 0x1f, 0b01**, 0x0a000000/8, 1..9.
type Binding struct {
	Name, Value string
}

// Error is a fault of one line.
type Error struct {
	Script string
	Line   int
	Err    error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.Script, e.Line, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Parse reads a script. All faults are joined, each an [*Error].
func Parse(name, src string) (*Script, error) {
	s := &Script{Name: name}
	var errs []error
	for i, line := range strings.Split(src, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		st, err := parseStatement(line)
		if err != nil {
			errs = append(errs, &Error{name, i + 1, err})
			continue
		}
		st.Line = i + 1
		s.Statements = append(s.Statements, st)
	}
	return s, errors.Join(errs...)
}

func parseStatement(line string) (Statement, error) {
	cmd, rest, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	st := Statement{Command: strings.ToLower(cmd), Priority: -1}
	rest = strings.TrimSpace(rest)
	switch st.Command {
	case "packet", "expect":
		return st, st.parsePacket(rest)
	case "add", "setdefault":
		return st, st.parseEntry(rest)
	case "check_counter":
		r := strings.NewReplacer("(", " ", ")", " ", "$", "")
		st.Words = strings.Fields(r.Replace(rest))
		if n := len(st.Words); n != 2 && n != 5 {
			return st, errors.New("want check_counter NAME(INDEX) [packets|bytes OPERATOR NUMBER]")
		}
		return st, nil
	}
	least, known := arguments[st.Command]
	if !known {
		return st, fmt.Errorf("unknown command %q", cmd)
	}
	st.Words = strings.Fields(rest)
	if len(st.Words) < least {
		return st, fmt.Errorf("%s wants at least %d arguments", st.Command, least)
	}
	return st, nil
}

// arguments is the least number of arguments of the commands that are plain words.
var arguments = map[string]int{
	"remove": 1, "wait": 0, "no_packet": 0,
	"counter_read": 2, "counter_write": 4, "register_read": 2, "register_write": 3, "register_reset": 1,
	"meter_set_rates": 4, "meter_array_set_rates": 3, "meter_get_rates": 2,
	"mirroring_add": 2, "mirroring_add_mc": 2, "mirroring_delete": 1, "mirroring_get": 1,
	"mc_mgrp_create": 1, "mc_node_create": 2, "mc_node_update": 2, "mc_node_associate": 2,
}

func (st *Statement) parsePacket(rest string) error {
	port, data, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(port, 10, 32)
	if err != nil {
		return fmt.Errorf("port %q is no number", port)
	}
	st.Port = uint32(n)
	st.Data = strings.ToLower(strings.Join(strings.Fields(data), ""))
	st.Any = st.Data == "" && st.Command == "expect"
	digits := st.Data
	if st.Command == "expect" {
		digits = strings.ReplaceAll(strings.TrimSuffix(digits, "$"), "*", "0")
	} else if len(digits)%2 != 0 {
		return errors.New("odd number of digits")
	}
	for _, c := range digits {
		if !strings.ContainsRune("0123456789abcdef", c) {
			return fmt.Errorf("%q is no hexadecimal digit", c)
		}
	}
	return nil
}

// parseEntry reads TABLE [PRIORITY] [KEY:VALUE ...] ACTION(ARG:VALUE, ...) [= ID].
func (st *Statement) parseEntry(rest string) error {
	open := unquotedIndex(rest, '(')
	end := strings.LastIndexByte(rest, ')')
	if open < 0 || end < open {
		return errors.New("want an action with parentheses")
	}
	if after := strings.TrimSpace(rest[end+1:]); after != "" {
		id, ok := strings.CutPrefix(after, "=")
		if !ok {
			return fmt.Errorf("unexpected %q", after)
		}
		st.ID = strings.TrimPrefix(strings.TrimSpace(id), "$")
	}
	words := splitWords(spaceOut.Replace(rest[:open]))
	if len(words) < 2 {
		return errors.New("want a table and an action")
	}
	st.Table, st.Action = words[0], words[len(words)-1]
	if strings.Contains(st.Action, ":") {
		return fmt.Errorf("%q is no action", st.Action)
	}
	words = words[1 : len(words)-1]
	if len(words) > 0 && !strings.Contains(words[0], ":") {
		n, err := strconv.Atoi(words[0])
		if err != nil {
			return fmt.Errorf("priority %q is no number", words[0])
		}
		st.Priority, words = n, words[1:]
	}
	for _, w := range words {
		b, err := binding(w)
		if err != nil {
			return err
		}
		st.Key = append(st.Key, b)
	}
	for _, w := range strings.Split(rest[open+1:end], ",") {
		if w = strings.TrimSpace(w); w == "" {
			continue
		}
		b, err := binding(w)
		if err != nil {
			return err
		}
		st.Args = append(st.Args, b)
	}
	return nil
}

// splitWords splits at blanks that are not between quotes, and takes the quotes away.
func splitWords(s string) []string {
	var words []string
	var b strings.Builder
	quoted := false
	for _, c := range s + " " {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ' ' && !quoted:
			if b.Len() > 0 {
				words = append(words, b.String())
				b.Reset()
			}
		default:
			b.WriteRune(c)
		}
	}
	return words
}

// unquotedIndex is strings.IndexByte outside of quotes.
func unquotedIndex(s string, c byte) int {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == c && !quoted:
			return i
		}
	}
	return -1
}

// spaceOut takes the blanks away that may stand round a colon.
var spaceOut = strings.NewReplacer(" : ", ":", ": ", ":", " :", ":")

func binding(w string) (Binding, error) {
	i := strings.LastIndexByte(w, ':')
	if i <= 0 || i == len(w)-1 {
		return Binding{}, fmt.Errorf("want NAME:VALUE, have %q", w)
	}
	return Binding{Name: strings.TrimSpace(w[:i]), Value: strings.TrimSpace(w[i+1:])}, nil
}
