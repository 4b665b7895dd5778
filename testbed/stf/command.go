package stf

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/keyway-nve/keyway/testbed/engine"
)

// uint reads argument i.
func (st *Statement) uint(i int) (uint32, error) {
	base, _, d := digits(st.Words[i])
	n, err := strconv.ParseUint(d, base, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", st.Words[i])
	}
	return uint32(n), nil
}

func (st *Statement) uints(from int) ([]uint32, error) {
	var out []uint32
	for i := from; i < len(st.Words); i++ {
		n, err := st.uint(i)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func (b *Bench) command(st *Statement) error {
	switch st.Command {
	case "wait", "no_packet", "mirroring_get", "meter_get_rates":
		return nil // packets run to their end at once; the others only print
	case "remove":
		return b.removeAll(st)
	case "mirroring_add", "mirroring_add_mc", "mirroring_delete":
		return b.mirroring(st)
	case "mc_mgrp_create", "mc_node_create", "mc_node_update", "mc_node_associate":
		return b.multicast(st)
	case "register_read", "register_write", "register_reset":
		return b.register(st)
	case "counter_read", "counter_write":
		return b.counter(st)
	}
	return b.meter(st)
}

func (b *Bench) removeAll(st *Statement) error {
	if !strings.EqualFold(st.Words[0], "all") {
		return fmt.Errorf("remove %s: only all can be removed", st.Words[0])
	}
	for t := range b.Switch.Tables() {
		if t.ConstEntries() {
			continue
		}
		for h := range t.Entries() {
			if err := t.Delete(h); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Bench) mirroring(st *Statement) error {
	n, err := st.uints(0)
	if err != nil {
		return err
	}
	switch st.Command {
	case "mirroring_add":
		return b.Switch.SetCloneSession(n[0], engine.CloneSession{Replicas: []engine.Replica{{Port: n[1]}}})
	case "mirroring_add_mc":
		return b.Switch.SetCloneSession(n[0], engine.CloneSession{Group: n[1]})
	}
	return b.Switch.DeleteCloneSession(n[0])
}

// trees are multicast groups as bmv2's command line makes them, of nodes.
type trees struct {
	nodes  []replicas       // mc_node_create numbers them
	groups map[uint32][]int // nodes of a group
}

type replicas struct {
	instance uint16
	ports    []uint32
}

// grow runs a command and returns the groups as they are then.
func (t *trees) grow(st *Statement) (map[uint32][]engine.Replica, error) {
	n, err := st.uints(0)
	if err != nil {
		return nil, err
	}
	switch st.Command {
	case "mc_mgrp_create":
		t.groups[n[0]] = nil
	case "mc_node_create":
		slices.Sort(n[1:])
		t.nodes = append(t.nodes, replicas{instance: uint16(n[0]), ports: n[1:]})
	case "mc_node_update":
		if int(n[0]) >= len(t.nodes) {
			return nil, fmt.Errorf("no node %d", n[0])
		}
		slices.Sort(n[1:])
		t.nodes[n[0]].ports = n[1:]
	default:
		if int(n[1]) >= len(t.nodes) {
			return nil, fmt.Errorf("no node %d", n[1])
		}
		t.groups[n[0]] = append(t.groups[n[0]], int(n[1]))
	}
	out := make(map[uint32][]engine.Replica, len(t.groups))
	for id, nodes := range t.groups {
		out[id] = nil
		for _, i := range nodes {
			for _, port := range t.nodes[i].ports {
				out[id] = append(out[id], engine.Replica{Port: port, Instance: t.nodes[i].instance})
			}
		}
	}
	return out, nil
}

func (b *Bench) multicast(st *Statement) error {
	groups, err := b.trees.grow(st)
	if err != nil {
		return err
	}
	for id, rs := range groups {
		if err := b.Switch.SetMulticastGroup(id, rs); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bench) register(st *Statement) error {
	r, ok := b.Switch.Register(st.Words[0])
	if !ok {
		return fmt.Errorf("no register %s", st.Words[0])
	}
	if st.Command == "register_reset" {
		for i := range r.Size() {
			if err := r.Write(i, make([]byte, (r.Bits()+7)/8)); err != nil {
				return err
			}
		}
		return nil
	}
	i, err := st.uint(1)
	if err != nil {
		return err
	}
	if st.Command == "register_write" {
		v, err := number(st.Words[2], r.Bits())
		if err != nil {
			return err
		}
		return r.Write(int(i), v)
	}
	v, err := r.Read(int(i))
	if err != nil || len(st.Words) < 3 {
		return err
	}
	// register_read NAME INDEX VALUE holds the register against a value: ours, bmv2's command only prints.
	want, err := number(st.Words[2], r.Bits())
	if err == nil && !slices.Equal(v, want) {
		err = fmt.Errorf("register %s[%d] is %#x, want %s", r.Name(), i, v, st.Words[2])
	}
	return err
}

func (b *Bench) counter(st *Statement) error {
	c, ok := b.Switch.Counter(st.Words[0])
	if !ok {
		return fmt.Errorf("no counter %s", st.Words[0])
	}
	n, err := st.uints(1)
	if err != nil {
		return err
	}
	if st.Command == "counter_read" {
		_, err := c.Read(int(n[0]))
		return err
	}
	return c.Write(int(n[0]), engine.CounterData{Packets: uint64(n[1]), Bytes: uint64(n[2])})
}

// checkCounter holds a counter, or the direct counter of an entry that add named, against a number.
func (b *Bench) checkCounter(st *Statement) error {
	got, err := b.count(st.Words[0], st.Words[1])
	if err != nil {
		return err
	}
	return st.holds(got)
}

// holds tells what is wrong with a counter that check_counter looks at.
func (st *Statement) holds(got engine.CounterData) error {
	if len(st.Words) == 2 {
		return nil
	}
	v := got.Packets
	if strings.EqualFold(st.Words[2], "bytes") {
		v = got.Bytes
	}
	base, _, d := digits(st.Words[4])
	want, err := strconv.ParseUint(d, base, 64)
	if err != nil {
		return fmt.Errorf("%q is no number", st.Words[4])
	}
	holds, known := map[string]bool{"==": v == want, "!=": v != want, "<": v < want, "<=": v <= want, ">": v > want,
		">=": v >= want}[st.Words[3]]
	switch {
	case !known:
		return fmt.Errorf("unknown operator %q", st.Words[3])
	case !holds:
		return fmt.Errorf("counter %s(%s) is %d, want %s %d", st.Words[0], st.Words[1], v, st.Words[3], want)
	}
	return nil
}

func (b *Bench) count(name, index string) (engine.CounterData, error) {
	if ref, ok := b.ids[index]; ok {
		return ref.table.Counter(ref.handle)
	}
	c, ok := b.Switch.Counter(name)
	if !ok {
		return engine.CounterData{}, fmt.Errorf("no counter %s", name)
	}
	base, _, d := digits(index)
	i, err := strconv.ParseUint(d, base, 31)
	if err != nil {
		return engine.CounterData{}, fmt.Errorf("no entry %s", index)
	}
	return c.Read(int(i))
}

// meter sets rates, each RATE:BURST with the rate in units a microsecond as bmv2's command line has it.
func (b *Bench) meter(st *Statement) error {
	m, ok := b.Switch.Meter(st.Words[0])
	if !ok {
		return fmt.Errorf("no meter %s", st.Words[0])
	}
	first, last, rates := 0, m.Size()-1, st.Words[1:]
	if st.Command == "meter_set_rates" {
		i, err := st.uint(1)
		if err != nil {
			return err
		}
		first, last, rates = int(i), int(i), st.Words[2:]
	}
	if len(rates) != 2 {
		return fmt.Errorf("want two rates, have %d", len(rates))
	}
	cir, cburst, err := rate(rates[0])
	if err != nil {
		return err
	}
	pir, pburst, err := rate(rates[1])
	if err != nil {
		return err
	}
	for i := first; i <= last; i++ {
		if err := m.SetConfig(i, &engine.MeterConfig{CIR: cir, CBurst: cburst, PIR: pir, PBurst: pburst}); err != nil {
			return err
		}
	}
	return nil
}

func rate(s string) (second, burst uint64, err error) {
	r, bs, ok := strings.Cut(s, ":")
	f, valid := new(big.Rat).SetString(r)
	if burst, err = strconv.ParseUint(bs, 10, 64); !ok || !valid || err != nil {
		return 0, 0, fmt.Errorf("want RATE:BURST, have %q", s)
	}
	f.Mul(f, big.NewRat(1e6, 1))
	n := new(big.Int).Quo(f.Num(), f.Denom())
	return n.Uint64(), burst, nil
}
