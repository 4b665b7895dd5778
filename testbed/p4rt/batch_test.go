package p4rt_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyway-nve/keyway/testbed/p4rt"
)

// Section 12: the checks before the updates, in their order.
func TestWriteChecks(t *testing.T) {
	f := newFixture(t)
	code := func(req *p4v1.WriteRequest) codes.Code {
		err := f.write(req)
		if d := details(t, err); len(d) > 0 {
			t.Errorf("a failure of the whole RPC has details: %v", d)
		}
		return status.Code(err)
	}
	if got := code(&p4v1.WriteRequest{DeviceId: device, ElectionId: election(1)}); got != codes.PermissionDenied {
		t.Errorf("no primary, no config: %v", got)
	}
	s := f.open()
	s.arbitrate(election(1))
	if got := code(&p4v1.WriteRequest{DeviceId: device, ElectionId: election(1)}); got != codes.FailedPrecondition {
		t.Errorf("no config: %v", got)
	}
	f, _ = start(t)
	for _, c := range []struct {
		name string
		req  *p4v1.WriteRequest
		want codes.Code
	}{
		{"unknown device", &p4v1.WriteRequest{DeviceId: 8, ElectionId: election(1)}, codes.NotFound},
		{"unknown role", &p4v1.WriteRequest{DeviceId: device, Role: "x", ElectionId: election(1)}, codes.NotFound},
		{"not the primary", &p4v1.WriteRequest{DeviceId: device, ElectionId: election(2)}, codes.PermissionDenied},
		{"no election id", &p4v1.WriteRequest{DeviceId: device}, codes.PermissionDenied},
		{"unknown atomicity", &p4v1.WriteRequest{DeviceId: device, ElectionId: election(1), Atomicity: 9}, codes.Unimplemented},
		{"nothing to write", &p4v1.WriteRequest{DeviceId: device, ElectionId: election(1)}, codes.OK},
	} {
		if got := code(c.req); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// outcomes returns the codes of a batch.
func (f *fixture) outcomes(mode p4v1.WriteRequest_Atomicity, updates ...*p4v1.Update) []codes.Code {
	f.t.Helper()
	req := f.request(updates...)
	req.Atomicity = mode
	err := f.write(req)
	if err == nil {
		return nil
	}
	if status.Code(err) != codes.Unknown {
		f.t.Fatalf("the RPC itself failed: %v", err)
	}
	var out []codes.Code
	for _, d := range details(f.t, err) {
		if d.GetCanonicalCode() == 0 && !cmp.Equal(d, &p4v1.Error{}, protocmp.Transform()) {
			f.t.Errorf("success has more than a code: %v", d)
		}
		out = append(out, codes.Code(d.GetCanonicalCode()))
	}
	return out
}

// Section 12.3: one error an update, in order, for the successful ones too.
func TestContinueOnError(t *testing.T) {
	f, _ := start(t)
	got := f.outcomes(p4v1.WriteRequest_CONTINUE_ON_ERROR,
		f.insert(exact(1, forward(1))),
		f.insert(exact(1, forward(1))),
		f.insert(exact(2, forward(1))),
		f.delete(exact(9, "")),
		f.insert(exact(3, "")))
	if diff := cmp.Diff([]codes.Code{codes.OK, codes.AlreadyExists, codes.OK, codes.NotFound, codes.InvalidArgument}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(f.read(f.entity(`table_entry { table_id: $exact_table$ }`))); n != 2 {
		t.Errorf("%d entries", n)
	}
}

// everything reads the whole forwarding state.
func (f *fixture) everything() []*p4v1.Entity {
	f.t.Helper()
	requests := []*p4v1.Entity{f.entity(`table_entry { table_id: $lpm_table$ is_default_action: true }`)}
	for _, text := range wholeState {
		requests = append(requests, f.entity(text))
	}
	return f.read(requests...)
}

// wholeState are requests that read all but default entries.
var wholeState = []string{
	`table_entry { counter_data { } meter_config { } }`,
	`action_profile_member { }`, `action_profile_group { }`, `counter_entry { }`, `meter_entry { }`, `register_entry { }`,
	`value_set_entry { }`, `digest_entry { }`, multicast(0, ""), session(0, ""),
}

func (f *fixture) populate(oneShots bool) {
	f.t.Helper()
	f.apply(f.population(oneShots)...)
}

// population puts one of everything into a pipeline, with action sets if
// oneShots, with groups otherwise.
func (f *fixture) population(oneShots bool) []*p4v1.Update {
	f.t.Helper()
	updates := []*p4v1.Update{
		f.insert(exact(1, `metadata: "a" idle_timeout_ns: 9 counter_data { packet_count: 1 byte_count: 2 } `+forward(1))),
		f.insert(exact(2, forward(2))),
		f.insert(lpm(10, 8, forward(1))),
		f.insert(ternary(10, 5, `meter_config { cir: 1 cburst: 2 pir: 3 pburst: 4 } `+metered(1))),
		f.modify(`table_entry { table_id: $lpm_table$ is_default_action: true metadata: "d" ` + forward(4) + `}`),
		f.insert(member("ways", 1, forwardAction(1))),
		f.insert(member("ways", 2, forwardAction(2))),
		f.insert(indirect("profile_table", 5, `action { action_profile_member_id: 1 }`)),
		f.modify(arrays[0].entry("1", arrays[0].value)),
		f.modify(arrays[1].entry("1", arrays[1].value)),
		f.modify(arrays[2].entry("1", arrays[2].value)),
		f.modify(`value_set_entry { value_set_id: $probe_types$ members { match { field_id: 1 exact { value: "\x07" } } } }`),
		f.insert(`digest_entry { digest_id: $learn_t$ config { max_list_size: 3 max_timeout_ns: 4 ack_timeout_ns: 5 } }`),
		f.insert(multicast(5, `replicas { port: "\x01" instance: 1 }`)),
		f.insert(session(5, `replicas { port: "\x01" instance: 1 }`)),
	}
	if oneShots {
		return append(updates, f.insert(indirect("selector_table", 5, oneShot(shot(1, 1)+shot(2, 2)))))
	}
	return append(updates,
		f.insert(member("paths", 1, forwardAction(1))),
		f.insert(member("paths", 2, forwardAction(1))),
		f.insert(group(1, "max_size: 4 members { member_id: 1 weight: 1 }")),
		f.insert(indirect("selector_table", 5, `action { action_profile_group_id: 1 }`)))
}

// changes touches everything that populate has put there, in every way.
func (f *fixture) changes(oneShots bool) []*p4v1.Update {
	out := []*p4v1.Update{
		f.delete(exact(1, "")),
		f.insert(exact(1, forward(7))),
		f.modify(exact(1, `metadata: "z" `+forward(8))),
		f.modify(exact(2, forward(9))),
		f.delete(exact(2, "")),
		f.insert(exact(3, forward(1))),
		f.modify(exact(3, forward(2))),
		f.delete(exact(3, "")),
		f.insert(exact(4, forward(1))),
		f.modify(ternary(10, 5, metered(2))),
		f.modify(`table_entry { table_id: $lpm_table$ is_default_action: true }`),
		f.modify(indirect("profile_table", 5, `action { action_profile_member_id: 2 }`)),
		f.modify(member("ways", 2, forwardAction(5))),
		f.delete(member("ways", 1, "")),
		f.insert(member("ways", 3, forwardAction(6))),
		f.modify(fmt.Sprintf(`direct_counter_entry { %s data { packet_count: 99 } }`, exact(1, ""))),
		f.modify(fmt.Sprintf(`direct_meter_entry { %s config { cir: 9 pir: 9 } }`, ternary(10, 5, ""))),
		f.modify(arrays[0].entry("", `data { packet_count: 77 }`)),
		f.modify(arrays[1].entry("", "")),
		f.modify(arrays[2].entry("", `data { bitstring: "\x07" }`)),
		f.modify(`value_set_entry { value_set_id: $probe_types$ }`),
		f.modify(`digest_entry { digest_id: $learn_t$ config { max_list_size: 9 } }`),
		f.delete(`digest_entry { digest_id: $learn_t$ }`),
		f.modify(multicast(5, `replicas { port: "\x09" }`)),
		f.delete(multicast(5, "")),
		f.insert(multicast(6, `replicas { port: "\x09" }`)),
		f.modify(session(5, `replicas { port: "\x09" }`)),
		f.delete(session(5, "")),
		f.insert(session(6, `replicas { port: "\x09" }`)),
	}
	if oneShots {
		return append(out,
			f.modify(indirect("selector_table", 5, oneShot(shot(3, 3)))),
			f.insert(indirect("selector_table", 6, oneShot(shot(3, 3)))),
			f.delete(indirect("selector_table", 5, "")))
	}
	return append(out,
		f.modify(group(1, "max_size: 4 members { member_id: 2 weight: 2 }")),
		f.modify(indirect("selector_table", 5, `action { action_profile_member_id: 2 }`)),
		f.delete(group(1, "")),
		f.delete(member("paths", 1, "")),
		f.insert(member("paths", 1, forwardAction(8))),
		f.insert(group(2, "members { member_id: 1 weight: 2 }")))
}

// asSet compares entities without regard to their order, which section 8.2
// leaves open.
var asSet = cmpopts.SortSlices(func(a, b *p4v1.Entity) bool { return a.String() < b.String() })

// Section 12.2: a batch that fails leaves everything as it was.
func TestRollback(t *testing.T) {
	for _, mode := range []p4v1.WriteRequest_Atomicity{p4v1.WriteRequest_ROLLBACK_ON_ERROR, p4v1.WriteRequest_DATAPLANE_ATOMIC} {
		for _, oneShots := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, one shots %v", mode, oneShots), func(t *testing.T) {
				f, _ := start(t)
				f.populate(oneShots)
				ports := func() [][]uint32 {
					out := [][]uint32{
						f.ports(9, toTables, 1, 0, 0), f.ports(9, toTables, 2, 0, 0), f.ports(9, toTables, 5, 0, 0),
						f.ports(9, toTables, ternaryArg, 0x0a000000, 0), f.ports(9, toTables, 99, 0, 0),
						f.ports(9, toGroup, 5, 0, 0), f.ports(9, toSession, 5, 0, 0),
					}
					// Put back what this has counted.
					f.apply(f.modify(exact(1, `metadata: "a" idle_timeout_ns: 9 counter_data { packet_count: 1 byte_count: 2 }`)),
						f.modify(exact(2, "counter_data { }")),
						f.modify(arrays[0].entry("1", arrays[0].value)))
					return out
				}
				wantPorts, want := ports(), f.everything()
				changes := f.changes(oneShots)
				for i, bad := range map[int]*p4v1.Update{
					0:                f.delete(exact(99, "")),
					len(changes) / 2: f.insert(exact(5, "")),
					len(changes):     f.insert(`table_entry { }`),
				} {
					batch := slices.Insert(slices.Clone(changes), i, bad)
					got := f.outcomes(mode, batch...)
					for k, c := range got {
						if k != i && c != codes.Aborted {
							t.Errorf("update %d of a batch that failed at %d: %v", k, i, c)
						}
					}
					if len(got) != len(batch) || got[i] == codes.Aborted || got[i] == codes.OK {
						t.Errorf("outcomes %v", got)
					}
					if diff := cmp.Diff(want, f.everything(), asSet, protocmp.Transform()); diff != "" {
						t.Errorf("failed at %d (-want +got):\n%s", i, diff)
					}
				}
				if diff := cmp.Diff(wantPorts, ports()); diff != "" {
					t.Errorf("packets go elsewhere (-want +got):\n%s", diff)
				}
				if got := f.outcomes(mode, changes...); got != nil {
					t.Errorf("the batch without its fault: %v", got)
				}
				if n := len(f.read(f.entity(`table_entry { table_id: $exact_table$ }`))); n != 2 {
					t.Errorf("%d entries", n)
				}
			})
		}
	}
}

// Section 12.2: with DATAPLANE_ATOMIC no packet sees a batch half done. Each
// batch moves the one entry that forwards from a table to another; in between
// there is none, and a packet would be lost.
func TestDataplaneAtomic(t *testing.T) {
	var left atomic.Int64
	f, _ := start(t, func(o *p4rt.Options) {
		o.Output = func(uint32, []byte) { left.Add(1) }
	})
	here := lpm(10, 8, forward(1))
	there := `table_entry { table_id: $range_table$ match { field_id: 1 range { low: "\x05" high: "\x06" } } priority: 1 ` + forward(2) + `}`
	f.apply(f.insert(here))
	var sent int64
	var sender sync.WaitGroup
	done := make(chan struct{})
	sender.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				f.server.Process(9, probe(toTables, 5, 0x0a000000, 0))
				sent++
			}
		}
	})
	for range 200 {
		req := f.request(f.delete(here), f.insert(there))
		req.Atomicity = p4v1.WriteRequest_DATAPLANE_ATOMIC
		if err := f.write(req); err != nil {
			t.Fatal(err)
		}
		here, there = there, here
	}
	close(done)
	sender.Wait()
	if n := left.Load(); n != sent {
		t.Errorf("%d of %d packets left", n, sent)
	}
}

// Sections 5.2 and 12: updates and reads under a role go by what it owns.
func TestRoleOwnsEntities(t *testing.T) {
	f, _ := start(t, roleOfTables)
	s := f.open()
	s.sendArbitration(&p4v1.MasterArbitrationUpdate{DeviceId: device, ElectionId: election(5), Role: tablesRole(t)})
	if got := codes.Code(s.next().GetArbitration().GetStatus().GetCode()); got != codes.OK {
		t.Fatal(got)
	}
	f.apply(f.insert(multicast(1, "")))
	write := func(u *p4v1.Update) []codes.Code {
		req := f.request(u)
		req.Role, req.ElectionId = "tables", election(5)
		var out []codes.Code
		for _, d := range details(t, f.write(req)) {
			out = append(out, codes.Code(d.GetCanonicalCode()))
		}
		return out
	}
	if got := write(f.insert(exact(1, forward(1)))); got != nil {
		t.Errorf("its own: %v", got)
	}
	if got := write(f.insert(multicast(2, ""))); !slices.Equal(got, []codes.Code{codes.PermissionDenied}) {
		t.Errorf("of others: %v", got)
	}
	got, err := f.tryRead(&p4v1.ReadRequest{DeviceId: device, Role: "tables", Entities: []*p4v1.Entity{
		f.entity(`table_entry { table_id: $exact_table$ }`), f.entity(multicast(0, ""))}})
	if err != nil || len(got) != 1 {
		t.Errorf("read under the role: %v, %v", got, err)
	}
	if _, err := f.tryRead(&p4v1.ReadRequest{DeviceId: device, Role: "x"}); status.Code(err) != codes.NotFound {
		t.Errorf("read under an unknown role: %v", err)
	}
}
