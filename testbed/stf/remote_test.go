package stf

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyway-nve/keyway/testbed/target"
)

// remote starts a switch that runs a program of testbed/differential.
func remote(t *testing.T, name string) *Remote {
	t.Helper()
	const at = "../differential/testdata/"
	config, err := os.ReadFile(at + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(at + name + ".p4info.txtpb")
	if err != nil {
		t.Fatal(err)
	}
	r := &Remote{Device: 1, Election: &p4v1.Uint128{Low: 1}, Info: new(p4configv1.P4Info)}
	if err := prototext.Unmarshal(text, r.Info); err != nil {
		t.Fatal(err)
	}
	var out []Frame
	sw, err := target.New(target.Options{DeviceID: 1, CPUPort: 510, Output: func(port uint32, frame []byte) {
		out = append(out, Frame{port, bytes.Clone(frame)})
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := sw.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sw.Close() })
	conn, err := sw.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	r.Process = func(port uint32, frame []byte) ([]Frame, error) {
		out = nil
		sw.Inject(port, frame)
		return out, nil
	}
	r.Client = p4v1.NewP4RuntimeClient(conn)
	stream, err := r.Client.StreamChannel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Arbitration{
		Arbitration: &p4v1.MasterArbitrationUpdate{DeviceId: r.Device, ElectionId: r.Election},
	}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Client.SetForwardingPipelineConfig(t.Context(), &p4v1.SetForwardingPipelineConfigRequest{
		DeviceId: r.Device, ElectionId: r.Election, Action: p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT,
		Config: &p4v1.ForwardingPipelineConfig{P4Info: r.Info, P4DeviceConfig: config},
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRemoteFinds: what a script expects and does not happen is reported with its line, as by a bench. That scripts
// run as they do on one is tested with the programs of testbed/differential.
func TestRemoteFinds(t *testing.T) {
	zeros := " 00000000 000000000000 00000000000000000000000000000000"
	tests := []struct {
		name, program, src string
		want               []string
	}{
		{"all as expected", "tables", "add optional_table 1 hdr.key.a:0x05 value(v:4)\npacket 1 06 05 0000" + zeros + "\nexpect 2 0a 04", nil},
		{"another byte", "tables", "packet 1 06 05 0000" + zeros + "\nexpect 2 0a 04", []string{"s:2: port 2: packets differ", "want 0a04",
			"have " + strings.Repeat("00", 20) + "06050000" + strings.ReplaceAll(zeros, " ", "")}},
		{"no packet", "tables", "expect 2 00", []string{"s:1: port 2: no packet, want 00"}},
		{"unknown names", "tables", "add no_table a:1 value()\nadd exact_table a:1 value(v:1)\nadd small_table c:1 value(v:1)\n" +
			"add small_table b:1 nothing()\nadd small_table b:1 value(x:1)\nadd small_table b:1 value(v:0x100)\nadd small_table b:2 value(v:1)\n" +
			"setdefault lpm_table value(v:1)\nregister_read r 0\nmirroring_add_mc 1 1\nremove some",
			[]string{"s:1: no table no_table", "s:2: table exact_table is ambiguous", "s:3: table small_table has no key field c",
				"s:4: table In.small_table: no action nothing", "s:5: action value has no parameter x",
				"s:6: parameter v: 0x100 does not fit in 8 bits", "s:7: key field b: 2 does not fit in 1 bits",
				"s:8: table In.lpm_table: the default entry is constant", "s:9: register_read: P4Runtime cannot",
				"s:10: mirroring_add_mc: P4Runtime cannot", "s:11: remove some: only all can be removed"}},
		{"counter", "state", "add timed hdr.op.index:5 count(index:3) = five\npacket 1 00 05 00000000\nexpect 2 00\n" +
			"check_counter In.both(3) packets == 2\ncheck_counter In.both(3)\ncheck_counter timed_counter($five) bytes > 6\n" +
			"check_counter none(1)\ncounter_write In.both 99 1 1",
			[]string{"s:4: counter In.both(3) is 1, want == 2", "s:6: counter timed_counter(five) is 6, want > 6",
				"s:7: no counter none", "s:8: counter In.both: index 99, size is 16"}},
		{"remove all", "tables", "add optional_table 1 hdr.key.a:0x05 value(v:4)\nremove all\npacket 1 06 05 0000" + zeros + "\nexpect 2 00 00", nil},
		{"groups", "copies", "mc_mgrp_create 7\nmc_node_create 3 6\nmc_node_associate 7 0\nmc_node_update 0 8\nmirroring_add 5 9\nmirroring_delete 5\n" +
			"packet 1 06 07\nexpect 8\npacket 1 01 05\nexpect 2\nmc_node_update 1 1",
			[]string{"s:11: no node 1"}},
		{"meters", "state", "meter_set_rates In.packet_meter 4 0:1 0:2 0:3\nmeter_set_rates In.packet_meter 4 1 2\nmeter_set_rates nothing 4 0:1 0:2",
			[]string{"s:1: want two rates, have 3", `s:2: want RATE:BURST, have "1"`, "s:3: no meter nothing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse("s", tt.src)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			if err := remote(t, tt.program).Run(t.Context(), s); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
