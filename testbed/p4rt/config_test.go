package p4rt_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

const (
	verify    = p4v1.SetForwardingPipelineConfigRequest_VERIFY
	save      = p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_SAVE
	commitNow = p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT
	commit    = p4v1.SetForwardingPipelineConfigRequest_COMMIT
	reconcile = p4v1.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT
)

func (f *fixture) getConfig(kind p4v1.GetForwardingPipelineConfigRequest_ResponseType) *p4v1.ForwardingPipelineConfig {
	f.t.Helper()
	r, err := f.client.GetForwardingPipelineConfig(f.context(), &p4v1.GetForwardingPipelineConfigRequest{
		DeviceId: device, ResponseType: kind})
	if err != nil {
		f.t.Fatal(err)
	}
	return r.GetConfig()
}

// Sections 14 and 15: what is refused before the config is looked at.
func TestSetConfigRefusals(t *testing.T) {
	f := newFixture(t)
	config := entitiesConfig(t)
	set := func(id uint64, role string, election *p4v1.Uint128) codes.Code {
		_, err := f.client.SetForwardingPipelineConfig(f.context(), &p4v1.SetForwardingPipelineConfigRequest{
			DeviceId: id, Role: role, ElectionId: election, Action: commitNow, Config: config})
		return status.Code(err)
	}
	if c := set(device, "", election(1)); c != codes.PermissionDenied {
		t.Errorf("without a primary: %v", c)
	}
	f.open().arbitrate(election(1))
	for _, c := range []struct {
		name string
		got  codes.Code
		want codes.Code
	}{
		{"unknown device", set(8, "", election(1)), codes.NotFound},
		{"unknown role", set(device, "x", election(1)), codes.NotFound},
		{"not the primary", set(device, "", election(2)), codes.PermissionDenied},
		{"no election id", set(device, "", nil), codes.PermissionDenied},
		{"device is checked before the primary", set(8, "", election(2)), codes.NotFound},
		{"VERIFY without config", status.Code(f.setConfig(verify, nil)), codes.InvalidArgument},
		{"VERIFY_AND_SAVE without config", status.Code(f.setConfig(save, nil)), codes.InvalidArgument},
		{"VERIFY_AND_COMMIT without config", status.Code(f.setConfig(commitNow, nil)), codes.InvalidArgument},
		{"RECONCILE_AND_COMMIT without config", status.Code(f.setConfig(reconcile, nil)), codes.InvalidArgument},
		{"COMMIT with config", status.Code(f.setConfig(commit, config)), codes.InvalidArgument},
		{"COMMIT with nothing saved", status.Code(f.setConfig(commit, nil)), codes.NotFound},
		{"action unspecified", status.Code(f.setConfig(0, config)), codes.InvalidArgument},
		{"device config is no program", status.Code(f.setConfig(verify, &p4v1.ForwardingPipelineConfig{
			P4Info: config.GetP4Info(), P4DeviceConfig: []byte("{}")})), codes.InvalidArgument},
		{"no P4Info", status.Code(f.setConfig(verify, &p4v1.ForwardingPipelineConfig{
			P4DeviceConfig: config.GetP4DeviceConfig()})), codes.InvalidArgument},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
	if c := f.getConfig(0); c != nil {
		t.Errorf("a refused config is there: %v", c.GetCookie())
	}
}

// Section 14: P4Info and the device config must be of one program.
func TestConfigThatDoesNotMatchItsProgram(t *testing.T) {
	f := newFixture(t)
	f.open().arbitrate(election(1))
	for _, c := range []struct {
		name   string
		change func(*p4v1.ForwardingPipelineConfig)
	}{
		{"unknown table", func(c *p4v1.ForwardingPipelineConfig) { c.P4Info.Tables[0].Preamble.Name = "x" }},
		{"width of a field", func(c *p4v1.ForwardingPipelineConfig) { c.P4Info.Tables[0].MatchFields[0].Bitwidth = 17 }},
		{"number of fields", func(c *p4v1.ForwardingPipelineConfig) {
			c.P4Info.Tables[2].MatchFields = c.P4Info.Tables[2].MatchFields[:1]
		}},
		{"unknown action", func(c *p4v1.ForwardingPipelineConfig) { c.P4Info.Actions[1].Preamble.Name = "x" }},
		{"width of a parameter", func(c *p4v1.ForwardingPipelineConfig) { c.P4Info.Actions[2].Params[0].Bitwidth = 8 }},
		{"no action profile", func(c *p4v1.ForwardingPipelineConfig) {
			for _, t := range c.P4Info.Tables {
				if t.Preamble.Alias == "profile_table" {
					t.ImplementationId = 0
				}
			}
			c.P4Info.ActionProfiles[0].TableIds = nil
		}},
		{"size of a counter", func(c *p4v1.ForwardingPipelineConfig) { c.P4Info.Counters[0].Size = 5 }},
		{"size of a meter", func(c *p4v1.ForwardingPipelineConfig) { c.P4Info.Meters[0].Size = 5 }},
		{"size of a register", func(c *p4v1.ForwardingPipelineConfig) { c.P4Info.Registers[0].Size = 5 }},
		{"width of a value set", func(c *p4v1.ForwardingPipelineConfig) { c.P4Info.ValueSets[0].Match[0].Bitwidth = 8 }},
	} {
		config := entitiesConfig(t)
		c.change(config)
		if err := f.setConfig(verify, config); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// p4c leaves a profile that no table uses in P4Info, and bmv2 takes the program.
func TestConfigWithUnusedProfile(t *testing.T) {
	f := newFixture(t)
	f.open().arbitrate(election(1))
	config := entitiesConfig(t)
	const id = 0x11abcdef
	config.P4Info.ActionProfiles = append(config.P4Info.ActionProfiles, &p4configv1.ActionProfile{
		Preamble: &p4configv1.Preamble{Id: id, Name: "Forward.unused", Alias: "unused"}, WithSelector: true, Size: 4,
	})
	if err := f.setConfig(p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, config); err != nil {
		t.Fatal(err)
	}
	e := &p4v1.Entity{Entity: &p4v1.Entity_ActionProfileGroup{ActionProfileGroup: &p4v1.ActionProfileGroup{ActionProfileId: id, GroupId: 1, MaxSize: 1}}}
	if got := f.code(&p4v1.Update{Type: p4v1.Update_INSERT, Entity: e}); got != codes.InvalidArgument {
		t.Errorf("a group of it: %v", got)
	}
	if got := f.readCode(e); got != codes.OK && got != codes.NotFound {
		t.Errorf("reading a group of it: %v", got)
	}
}

// Section 15.
func TestGetConfig(t *testing.T) {
	f := newFixture(t)
	if c := f.getConfig(p4v1.GetForwardingPipelineConfigRequest_ALL); c != nil {
		t.Errorf("config before one was set: %v", c)
	}
	if _, err := f.client.GetForwardingPipelineConfig(f.context(), &p4v1.GetForwardingPipelineConfigRequest{DeviceId: 8}); status.Code(err) != codes.NotFound {
		t.Errorf("unknown device: %v", err)
	}
	f, _ = start(t)
	all := entitiesConfig(t)
	for _, c := range []struct {
		kind p4v1.GetForwardingPipelineConfigRequest_ResponseType
		want *p4v1.ForwardingPipelineConfig
	}{
		{p4v1.GetForwardingPipelineConfigRequest_ALL, all},
		{p4v1.GetForwardingPipelineConfigRequest_COOKIE_ONLY, &p4v1.ForwardingPipelineConfig{Cookie: all.Cookie}},
		{p4v1.GetForwardingPipelineConfigRequest_P4INFO_AND_COOKIE, &p4v1.ForwardingPipelineConfig{P4Info: all.P4Info, Cookie: all.Cookie}},
		{p4v1.GetForwardingPipelineConfigRequest_DEVICE_CONFIG_AND_COOKIE, &p4v1.ForwardingPipelineConfig{P4DeviceConfig: all.P4DeviceConfig, Cookie: all.Cookie}},
	} {
		if diff := cmp.Diff(c.want, f.getConfig(c.kind), protocmp.Transform()); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.kind, diff)
		}
	}
	all.Cookie = nil
	if err := f.setConfig(commitNow, all); err != nil {
		t.Fatal(err)
	}
	if c := f.getConfig(p4v1.GetForwardingPipelineConfigRequest_COOKIE_ONLY); c.GetCookie() != nil {
		t.Errorf("cookie that was not set: %v", c)
	}
}

// Section 14, VERIFY: nothing changes.
func TestVerify(t *testing.T) {
	f, _ := start(t)
	f.apply(f.insert(`table_entry { table_id: $exact_table$ match { field_id: 1 exact { value: "\x01" } } action { action { action_id: $forward$ params { param_id: 1 value: "\x05" } } } }`))
	other := entitiesConfig(t)
	other.Cookie.Cookie = 43
	if err := f.setConfig(verify, other); err != nil {
		t.Fatal(err)
	}
	if c := f.getConfig(0).GetCookie().GetCookie(); c != 42 {
		t.Errorf("cookie %d", c)
	}
	if got := f.ports(1, toTables, 1, 0, 0); !slices.Equal(got, []uint32{5}) {
		t.Errorf("ports %v", got)
	}
}

// Section 14, VERIFY_AND_COMMIT: the forwarding state is cleared.
func TestCommitClearsState(t *testing.T) {
	f, _ := start(t)
	f.apply(f.insert(`table_entry { table_id: $exact_table$ match { field_id: 1 exact { value: "\x01" } } action { action { action_id: $forward$ params { param_id: 1 value: "\x05" } } } }`))
	if err := f.setConfig(commitNow, entitiesConfig(t)); err != nil {
		t.Fatal(err)
	}
	if got := f.read(f.entity(`table_entry { table_id: $exact_table$ }`)); len(got) != 0 {
		t.Errorf("entries %v", got)
	}
	if got := f.ports(1, toTables, 1, 0, 0); len(got) != 0 {
		t.Errorf("ports %v", got)
	}
}

// Section 14, VERIFY_AND_SAVE and COMMIT: reads and writes refer to the saved
// config, packets to the old one until COMMIT.
func TestSaveAndCommit(t *testing.T) {
	f, _ := start(t)
	to := func(port string) *p4v1.Update {
		return f.insert(`table_entry { table_id: $exact_table$ match { field_id: 1 exact { value: "\x01" } } action { action { action_id: $forward$ params { param_id: 1 value: "` + port + `" } } } }`)
	}
	f.apply(to(`\x05`))
	other := entitiesConfig(t)
	other.Cookie.Cookie = 43
	if err := f.setConfig(save, other); err != nil {
		t.Fatal(err)
	}
	if c := f.getConfig(0).GetCookie().GetCookie(); c != 43 {
		t.Errorf("cookie %d after VERIFY_AND_SAVE", c)
	}
	if got := f.read(f.entity(`table_entry { table_id: $exact_table$ }`)); len(got) != 0 {
		t.Errorf("entries after VERIFY_AND_SAVE: %v", got)
	}
	f.apply(to(`\x06`))
	if got := f.ports(1, toTables, 1, 0, 0); !slices.Equal(got, []uint32{5}) {
		t.Errorf("ports before COMMIT: %v", got)
	}
	if err := f.setConfig(commit, nil); err != nil {
		t.Fatal(err)
	}
	if got := f.ports(1, toTables, 1, 0, 0); !slices.Equal(got, []uint32{6}) {
		t.Errorf("ports after COMMIT: %v", got)
	}
	if err := f.setConfig(commit, nil); status.Code(err) != codes.NotFound {
		t.Errorf("second COMMIT: %v", err)
	}
}

// Section 14: a saved config is given up for one that is committed at once.
func TestSavedConfigIsGivenUp(t *testing.T) {
	f, _ := start(t)
	f.apply(f.insert(exact(1, forward(5))))
	for _, action := range []p4v1.SetForwardingPipelineConfigRequest_Action{reconcile, commitNow} {
		if err := f.setConfig(save, entitiesConfig(t)); err != nil {
			t.Fatal(err)
		}
		f.apply(f.insert(exact(2, forward(6))))
		if err := f.setConfig(save, entitiesConfig(t)); err != nil { // and once more
			t.Fatal(err)
		}
		if err := f.setConfig(action, entitiesConfig(t)); err != nil {
			t.Fatal(err)
		}
		want := 0
		if action == reconcile {
			want = 1 // that of the data plane
		}
		if got := f.read(f.entity(`table_entry { table_id: $exact_table$ }`)); len(got) != want {
			t.Errorf("%v: entries %v", action, got)
		}
		if err := f.setConfig(commit, nil); status.Code(err) != codes.NotFound {
			t.Errorf("COMMIT after %v: %v", action, err)
		}
	}
}

// PI's wrapper of the device config, which bmv2 still takes.
func TestWrappedDeviceConfig(t *testing.T) {
	f := newFixture(t)
	f.open().arbitrate(election(1))
	config := entitiesConfig(t)
	wrapped := protowire.AppendTag(nil, 1, protowire.VarintType)
	wrapped = protowire.AppendVarint(wrapped, 1)
	wrapped = protowire.AppendTag(wrapped, 3, protowire.BytesType)
	config.P4DeviceConfig = protowire.AppendBytes(wrapped, config.P4DeviceConfig)
	if err := f.setConfig(commitNow, config); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(f.getConfig(0), config) {
		t.Error("the config is not returned as it was set")
	}
}
