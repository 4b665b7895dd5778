package p4rt_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
)

func forwardAction(port int) string {
	return fmt.Sprintf(`action { action_id: $forward$ params { param_id: 1 value: "\x%02x" } }`, port)
}

func member(profile string, id int, rest string) string {
	return fmt.Sprintf(`action_profile_member { action_profile_id: $%s$ member_id: %d %s }`, profile, id, rest)
}

func group(id int, rest string) string {
	return fmt.Sprintf(`action_profile_group { action_profile_id: $paths$ group_id: %d %s }`, id, rest)
}

func indirect(table string, arg int, rest string) string {
	return fmt.Sprintf(`table_entry { table_id: $%s$ match { field_id: 1 exact { value: "\x%02x" } } %s }`, table, arg, rest)
}

// Section 9.2.1.
func TestMembers(t *testing.T) {
	f, _ := start(t)
	f.apply(f.insert(member("ways", 1, forwardAction(1))), f.insert(member("ways", 2, forwardAction(2))), f.insert(member("paths", 1, forwardAction(7))))
	f.apply(f.insert(indirect("profile_table", 5, `action { action_profile_member_id: 1 }`)))
	if got := f.ports(1, toTables, 5, 0, 0); !slices.Equal(got, []uint32{1}) {
		t.Errorf("ports %v", got)
	}
	f.apply(f.modify(member("ways", 1, forwardAction(9))))
	if got := f.ports(1, toTables, 5, 0, 0); !slices.Equal(got, []uint32{9}) {
		t.Errorf("ports after the member changed: %v", got)
	}
	f.apply(f.modify(indirect("profile_table", 5, `action { action_profile_member_id: 2 }`)))
	if got := f.ports(1, toTables, 5, 0, 0); !slices.Equal(got, []uint32{2}) {
		t.Errorf("ports after the entry changed: %v", got)
	}
	for _, c := range []struct {
		name string
		u    *p4v1.Update
		want codes.Code
	}{
		{"INSERT existing", f.insert(member("ways", 1, forwardAction(1))), codes.AlreadyExists},
		{"INSERT without action", f.insert(member("ways", 3, "")), codes.InvalidArgument},
		{"MODIFY without action", f.modify(member("ways", 1, "")), codes.InvalidArgument},
		{"MODIFY missing", f.modify(member("ways", 3, forwardAction(1))), codes.NotFound},
		{"DELETE missing", f.delete(member("ways", 3, "")), codes.NotFound},
		{"DELETE of one that an entry refers to", f.delete(member("ways", 2, "")), codes.FailedPrecondition},
		{"member id 0", f.insert(member("ways", 0, forwardAction(1))), codes.InvalidArgument},
		{"profile id 0", f.insert(`action_profile_member { member_id: 1 ` + forwardAction(1) + `}`), codes.InvalidArgument},
		{"action of another table", f.insert(member("ways", 3, `action { action_id: $metered$ params { param_id: 1 value: "\x01" } }`)), codes.InvalidArgument},
		{"default only action", f.insert(member("ways", 3, `action { action_id: $NoAction$ }`)), codes.PermissionDenied},
		{"group of a profile without selector", f.insert(`action_profile_group { action_profile_id: $ways$ group_id: 1 }`), codes.InvalidArgument},
		{"group of a profile without selector in an entry", f.insert(indirect("profile_table", 6, `action { action_profile_group_id: 1 }`)), codes.InvalidArgument},
		{"action set of a profile without selector", f.insert(indirect("profile_table", 6, `action { action_profile_action_set { } }`)), codes.InvalidArgument},
	} {
		if got := f.code(c.u); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	f.apply(f.insert(member("ways", 3, forwardAction(1))), f.insert(member("ways", 4, forwardAction(1))))
	if got := f.code(f.insert(member("ways", 5, forwardAction(1)))); got != codes.ResourceExhausted {
		t.Errorf("one too many: %v", got)
	}
	for _, c := range []struct {
		name, request string
		want          int
	}{
		{"all profiles", `action_profile_member { }`, 5},
		{"one profile", member("ways", 0, ""), 4},
		{"one member", member("ways", 2, ""), 1},
		{"a member that is not there", member("ways", 99, ""), 0},
	} {
		if got := f.read(f.entity(c.request)); len(got) != c.want {
			t.Errorf("read %s: %v", c.name, got)
		}
	}
	want := []*p4v1.Entity{f.entity(member("ways", 1, forwardAction(9)))}
	if diff := cmp.Diff(want, f.read(f.entity(member("ways", 1, ""))), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.apply(f.delete(indirect("profile_table", 5, "")))
	f.apply(f.delete(member("ways", 2, `action { action_id: 7 }`))) // all but the key is ignored
}

// Section 9.2.2.
func TestGroups(t *testing.T) {
	f, _ := start(t)
	f.apply(f.insert(member("paths", 1, forwardAction(1))), f.insert(member("paths", 2, forwardAction(2))))
	both := group(1, `max_size: 4 members { member_id: 1 weight: 1 watch_port: "\x01" } members { member_id: 2 weight: 3 }`)
	f.apply(f.insert(both))
	if diff := cmp.Diff([]*p4v1.Entity{f.entity(both)}, f.read(f.entity(group(1, ""))), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.apply(f.insert(indirect("selector_table", 5, `action { action_profile_group_id: 1 }`)))
	count := func() map[uint32]int {
		n := map[uint32]int{}
		for i := range 64 {
			for _, port := range f.ports(9, toTables, 5, uint32(i)*7919, 0) {
				n[port]++
			}
		}
		return n
	}
	if n := count(); n[1] == 0 || n[2] <= n[1] || n[1]+n[2] != 64 {
		t.Errorf("weights 1 and 3 gave %v", n)
	}
	for _, c := range []struct {
		name string
		u    *p4v1.Update
		want codes.Code
	}{
		{"INSERT existing", f.insert(group(1, "max_size: 4")), codes.AlreadyExists},
		{"MODIFY missing", f.modify(group(2, "max_size: 4")), codes.NotFound},
		{"DELETE missing", f.delete(group(2, "")), codes.NotFound},
		{"DELETE of one that an entry refers to", f.delete(group(1, "")), codes.FailedPrecondition},
		{"DELETE of a member in it", f.delete(member("paths", 1, "")), codes.FailedPrecondition},
		{"group id 0", f.insert(group(0, "max_size: 4")), codes.InvalidArgument},
		{"unknown member", f.insert(group(2, "max_size: 4 members { member_id: 9 weight: 1 }")), codes.NotFound},
		{"member twice", f.insert(group(2, "max_size: 4 members { member_id: 1 weight: 1 } members { member_id: 1 weight: 1 }")), codes.InvalidArgument},
		{"weight 0", f.insert(group(2, "max_size: 4 members { member_id: 1 }")), codes.InvalidArgument},
		{"negative weight", f.insert(group(2, "max_size: 4 members { member_id: 1 weight: -1 }")), codes.InvalidArgument},
		{"negative max_size", f.insert(group(2, "max_size: -1")), codes.InvalidArgument},
		{"weights above max_size", f.insert(group(2, "max_size: 4 members { member_id: 1 weight: 5 }")), codes.ResourceExhausted},
		{"weights above the size of the selector", f.insert(group(2, "members { member_id: 1 weight: 13 }")), codes.ResourceExhausted},
		{"max_size changes", f.modify(group(1, "max_size: 5")), codes.InvalidArgument},
		{"watch port out of range", f.insert(group(2, `max_size: 4 members { member_id: 1 weight: 1 watch_port: "\x01\x00\x00\x00\x00" }`)), codes.InvalidArgument},
		{"watch port that cannot be", f.insert(group(2, `max_size: 4 members { member_id: 1 weight: 1 watch_port: "\x02\x00" }`)), codes.InvalidArgument},
		{"watch that cannot be", f.insert(group(2, `max_size: 4 members { member_id: 1 weight: 1 watch: -1 }`)), codes.InvalidArgument},
	} {
		if got := f.code(c.u); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	// A member is out while its watch port is down.
	if err := f.server.SetPort(1, false); err != nil {
		t.Fatal(err)
	}
	if n := count(); n[1] != 0 || n[2] != 64 {
		t.Errorf("port 1 is down: %v", n)
	}
	if diff := cmp.Diff([]*p4v1.Entity{f.entity(both)}, f.read(f.entity(`action_profile_group { }`)), protocmp.Transform()); diff != "" {
		t.Errorf("the port shows in what is read (-want +got):\n%s", diff)
	}
	if err := f.server.SetPort(1, true); err != nil {
		t.Fatal(err)
	}
	if n := count(); n[1] == 0 {
		t.Errorf("port 1 is up again: %v", n)
	}
	f.apply(f.modify(group(1, "max_size: 4 members { member_id: 1 weight: 1 }")))
	if n := count(); n[1] != 64 {
		t.Errorf("one member: %v", n)
	}
	f.apply(f.delete(indirect("selector_table", 5, "")))
	f.apply(f.delete(group(1, "max_size: 99")))
	f.apply(f.delete(member("paths", 1, "")))
}

// An entry may refer to a group whose members are all down.
func TestGroupThatIsDown(t *testing.T) {
	f, _ := start(t)
	if err := f.server.SetPort(1, false); err != nil {
		t.Fatal(err)
	}
	f.apply(f.insert(member("paths", 1, forwardAction(1))))
	f.apply(f.insert(group(1, `max_size: 1 members { member_id: 1 weight: 1 watch_port: "\x01" }`)))
	f.apply(f.insert(indirect("selector_table", 5, `action { action_profile_group_id: 1 }`)))
	if got := f.ports(9, toTables, 5, 0, 0); len(got) != 0 {
		t.Errorf("ports %v", got)
	}
	if err := f.server.SetPort(1, true); err != nil {
		t.Fatal(err)
	}
	if got := f.ports(9, toTables, 5, 0, 0); !slices.Equal(got, []uint32{1}) {
		t.Errorf("ports %v", got)
	}
}

// A group may be empty, but bmv2 lets no entry refer to it.
func TestEmptyGroup(t *testing.T) {
	f, _ := start(t)
	f.apply(f.insert(group(1, "max_size: 4")))
	if got := f.code(f.insert(indirect("selector_table", 5, `action { action_profile_group_id: 1 }`))); got != codes.Unimplemented {
		t.Errorf("entry: %v", got)
	}
	if got := f.code(f.insert(indirect("selector_table", 5, oneShot("")))); got != codes.InvalidArgument { // beside a group
		t.Errorf("action set: %v", got)
	}
	f.apply(f.delete(group(1, "")))
	if got := f.code(f.insert(indirect("selector_table", 5, oneShot("")))); got != codes.Unimplemented {
		t.Errorf("action set: %v", got)
	}
	f.apply(f.insert(member("paths", 1, forwardAction(1)))) // nothing is left of the action set

	// Nor can a group become empty to which an entry refers: it could not be
	// written anew when the pipeline is reconciled.
	f.apply(f.insert(group(1, "max_size: 4 members { member_id: 1 weight: 1 }")))
	f.apply(f.insert(indirect("selector_table", 5, `action { action_profile_group_id: 1 }`)))
	if got := f.code(f.modify(group(1, "max_size: 4"))); got != codes.Unimplemented {
		t.Errorf("group in use: %v", got)
	}
	f.apply(f.delete(indirect("selector_table", 5, "")))
	f.apply(f.modify(group(1, "max_size: 4")))
}

func oneShot(rest string) string {
	return `action { action_profile_action_set { ` + rest + ` } }`
}

func shot(port, weight int) string {
	return fmt.Sprintf(`action_profile_actions { %s weight: %d }`, forwardAction(port), weight)
}

// Section 9.2.3.
func TestOneShot(t *testing.T) {
	f, _ := start(t)
	ports := func() []uint32 {
		var out []uint32
		for i := range 64 {
			out = append(out, f.ports(9, toTables, 5, uint32(i)*7919, 0)...)
		}
		if len(out) != 64 {
			t.Errorf("%d of 64 frames left", len(out))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	// The same action twice stays two actions.
	text := indirect("selector_table", 5, oneShot(shot(1, 1)+shot(2, 2)+shot(2, 2)))
	f.apply(f.insert(text))
	if got := ports(); !slices.Equal(got, []uint32{1, 2}) {
		t.Errorf("ports %v", got)
	}
	if diff := cmp.Diff([]*p4v1.Entity{f.entity(text)}, f.read(f.entity(`table_entry { table_id: $selector_table$ }`)), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := f.read(f.entity(`action_profile_member { }`), f.entity(`action_profile_group { }`)); len(got) != 0 {
		t.Errorf("what is behind an action set is read: %v", got)
	}
	f.apply(f.modify(indirect("selector_table", 5, oneShot(shot(3, 1)))))
	if got := ports(); !slices.Equal(got, []uint32{3}) {
		t.Errorf("ports after MODIFY: %v", got)
	}
	watched := indirect("selector_table", 5, oneShot(`action_profile_actions { `+forwardAction(1)+` weight: 1 watch_port: "\x01" } `+shot(2, 1)))
	f.apply(f.modify(watched))
	if err := f.server.SetPort(1, false); err != nil {
		t.Fatal(err)
	}
	if got := ports(); !slices.Equal(got, []uint32{2}) {
		t.Errorf("ports while 1 is down: %v", got)
	}
	for _, c := range []struct {
		name string
		u    *p4v1.Update
		want codes.Code
	}{
		{"weight 0", f.insert(indirect("selector_table", 6, oneShot(shot(1, 0)))), codes.InvalidArgument},
		{"action of another table", f.insert(indirect("selector_table", 6, oneShot(`action_profile_actions { action { action_id: $metered$ params { param_id: 1 value: "\x01" } } weight: 1 }`))), codes.InvalidArgument},
		{"watch port that cannot be", f.insert(indirect("selector_table", 6, oneShot(`action_profile_actions { `+forwardAction(1)+` weight: 1 watch_port: "\x02\x00" }`))), codes.InvalidArgument},
		{"watch that cannot be", f.insert(indirect("selector_table", 6, oneShot(`action_profile_actions { `+forwardAction(1)+` weight: 1 watch: 512 }`))), codes.InvalidArgument},
		{"random", f.insert(indirect("selector_table", 6, oneShot(`action_selection_mode: RANDOM `+shot(1, 1)))), codes.Unimplemented},
		{"size semantics of members", f.insert(indirect("selector_table", 6, oneShot(`size_semantics: SUM_OF_MEMBERS `+shot(1, 1)))), codes.Unimplemented},
		{"more than the selector holds", f.insert(indirect("selector_table", 6, oneShot(shot(1, 15)))), codes.ResourceExhausted},
		{"mixed with a member", f.insert(member("paths", 1, forwardAction(1))), codes.InvalidArgument},
		{"mixed with a group", f.insert(group(1, "max_size: 1")), codes.InvalidArgument},
		{"existing entry", f.insert(watched), codes.AlreadyExists},
	} {
		if got := f.code(c.u); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	hash := indirect("selector_table", 6, oneShot(`action_selection_mode: HASH size_semantics: SUM_OF_WEIGHTS `+shot(1, 14)))
	f.apply(f.insert(hash))
	if diff := cmp.Diff([]*p4v1.Entity{f.entity(hash)}, f.read(f.entity(indirect("selector_table", 6, ""))), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.apply(f.delete(indirect("selector_table", 5, "")), f.delete(indirect("selector_table", 6, "")))
	// With the action sets gone the other way is open, and then closes this one.
	f.apply(f.insert(member("paths", 1, forwardAction(1))))
	if got := f.code(f.insert(text)); got != codes.InvalidArgument {
		t.Errorf("action set beside a member: %v", got)
	}
}

// Section 9.2.3: an action set takes no place beside the one that it replaces,
// nor beside one that was deleted earlier in its batch.
func TestOneShotTakesTheFreedPlace(t *testing.T) {
	full := func(ways int) string { // of 16
		return indirect("selector_table", 5, oneShot(shot(1, 16-ways)+shot(2, ways)))
	}
	for _, mode := range []p4v1.WriteRequest_Atomicity{p4v1.WriteRequest_CONTINUE_ON_ERROR, p4v1.WriteRequest_ROLLBACK_ON_ERROR} {
		f, _ := start(t)
		f.apply(f.insert(full(1)))
		for _, c := range []struct {
			name  string
			batch []*p4v1.Update
			want  []codes.Code
		}{
			{"replaced", []*p4v1.Update{f.modify(full(2))}, nil},
			{"replaced twice", []*p4v1.Update{f.modify(full(3)), f.modify(full(4))}, nil},
			{"deleted and inserted", []*p4v1.Update{f.delete(full(0)), f.insert(full(5))}, nil},
			{"too large", []*p4v1.Update{f.modify(indirect("selector_table", 5, oneShot(shot(1, 17))))}, []codes.Code{codes.ResourceExhausted}},
			{"deleted, and a member instead", []*p4v1.Update{f.delete(full(0)), f.insert(member("paths", 1, forwardAction(1)))}, nil},
			{"and back", []*p4v1.Update{f.delete(member("paths", 1, "")), f.insert(full(6))}, nil},
		} {
			if got := f.outcomes(mode, c.batch...); !slices.Equal(got, c.want) {
				t.Errorf("%v: %s: %v", mode, c.name, got)
			}
		}
		// What is rolled back is counted as before.
		f.outcomes(p4v1.WriteRequest_ROLLBACK_ON_ERROR, f.delete(full(0)), f.delete(full(0)))
		f.outcomes(p4v1.WriteRequest_ROLLBACK_ON_ERROR, f.modify(full(7)), f.delete(exact(99, "")))
		if got := f.code(f.insert(indirect("selector_table", 6, oneShot(shot(1, 1))))); got != codes.ResourceExhausted {
			t.Errorf("%v: one more: %v", mode, got)
		}
		f.apply(f.modify(full(8)))
		f.apply(f.delete(full(0)))
		f.apply(f.insert(full(9)))
	}
}

// Sections 6.4.3, 9.2.2 and 9.2.3: what P4Info says of sizes and weights.
func TestSelectorLimits(t *testing.T) {
	f, _ := start(t)
	set := func(change func(*p4configv1.ActionProfile)) {
		t.Helper()
		config := entitiesConfig(t)
		for _, p := range config.P4Info.ActionProfiles {
			if p.Preamble.Alias == "paths" {
				change(p)
			}
		}
		if err := f.setConfig(commitNow, config); err != nil {
			t.Fatal(err)
		}
	}
	one, three := member("paths", 1, forwardAction(1)), member("paths", 2, forwardAction(1))
	try := func(name string, u *p4v1.Update, want codes.Code) {
		t.Helper()
		if got := f.code(u); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	members := func(p *p4configv1.ActionProfile) {
		p.Size, p.MaxGroupSize = 3, 2
		p.SelectorSizeSemantics = &p4configv1.ActionProfile_SumOfMembers_{
			SumOfMembers: &p4configv1.ActionProfile_SumOfMembers{MaxMemberWeight: 100}}
	}
	set(members)
	f.apply(f.insert(one), f.insert(three))
	try("weight above max_member_weight", f.insert(group(1, "max_size: 2 members { member_id: 1 weight: 101 }")), codes.InvalidArgument)
	try("max_size above max_group_size", f.insert(group(1, "max_size: 3")), codes.InvalidArgument)
	try("members count, not weights", f.insert(group(1, "max_size: 2 members { member_id: 1 weight: 100 } members { member_id: 2 weight: 100 }")), codes.OK)
	try("members of all groups", f.insert(group(2, "max_size: 2 members { member_id: 1 weight: 1 } members { member_id: 2 weight: 1 }")), codes.ResourceExhausted)
	try("up to the size", f.insert(group(2, "max_size: 2 members { member_id: 1 weight: 1 }")), codes.OK)
	set(members)
	try("actions above max_group_size", f.insert(indirect("selector_table", 5, oneShot(shot(1, 1)+shot(2, 1)+shot(3, 1)))), codes.InvalidArgument)
	try("weight of an action", f.insert(indirect("selector_table", 5, oneShot(shot(1, 101)))), codes.InvalidArgument)
	try("size semantics of weights", f.insert(indirect("selector_table", 5, oneShot("size_semantics: SUM_OF_WEIGHTS "+shot(1, 1)))), codes.Unimplemented)
	try("size semantics of members", f.insert(indirect("selector_table", 5, oneShot("size_semantics: SUM_OF_MEMBERS "+shot(1, 100)+shot(1, 100)))), codes.OK)
	set(func(p *p4configv1.ActionProfile) { p.WeightsDisallowed = true })
	f.apply(f.insert(one))
	try("weight where they are disallowed", f.insert(group(1, "members { member_id: 1 weight: 1 }")), codes.InvalidArgument)
	try("no weight where they are disallowed", f.insert(group(1, "members { member_id: 1 }")), codes.OK)
	set(func(p *p4configv1.ActionProfile) { p.MaxGroupSize = 4 })
	f.apply(f.insert(one))
	try("weights above max_group_size", f.insert(group(1, "max_size: 4 members { member_id: 1 weight: 5 }")), codes.ResourceExhausted)
	// The section wants max_size here, p4runtime.proto does not: it is then
	// max_group_size.
	try("max_size left out", f.insert(group(1, "members { member_id: 1 weight: 4 }")), codes.OK)
	try("weights above max_group_size, max_size left out", f.modify(group(1, "members { member_id: 1 weight: 5 }")), codes.ResourceExhausted)
}
