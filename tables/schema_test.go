package tables_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyway-nve/keyway/tables"
)

var update = flag.Bool("update", false, "rewrite golden files")

func demoInfo(t testing.TB) *p4configv1.P4Info {
	t.Helper()
	text, err := os.ReadFile("testdata/demo.p4info.txtpb")
	if err != nil {
		t.Fatal(err)
	}
	info := new(p4configv1.P4Info)
	if err := prototext.Unmarshal(text, info); err != nil {
		t.Fatal(err)
	}
	return info
}

func demo(t testing.TB) *tables.Schema {
	t.Helper()
	s, err := tables.NewSchema(demoInfo(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestLookup(t *testing.T) {
	s := demo(t)
	for _, tc := range []struct {
		name string
		get  func() (tables.Object, error)
		want string // the name found, or the error's text
	}{
		{"table by name", found(s.Table, "Ingress.endpoint"), "Ingress.endpoint"},
		{"table by alias", found(s.Table, "word2.place"), "Egress.word2.place"},
		{"table unknown", found(s.Table, "endpont"), `unknown table "endpont" in demo`},
		{"table of no name", found(s.Table, ""), `unknown table "" in demo`},
		{"table by id", found(s.TableByID, 0x02000002), "Ingress.tunnel"},
		{"table by id 0", found(s.TableByID, 0), "unknown table id 0x0 in demo"},
		{"action", found(s.Action, "remote"), "Ingress.remote"},
		{"action by a table's id", found(s.ActionByID, 0x02000002), "unknown action id 0x2000002 in demo"},
		{"counter", found(s.Counter, "drops"), "Ingress.drops"},
		{"direct counter", found(s.Counter, "endpoint_hits"), "Ingress.endpoint_hits"},
		{"meter", found(s.Meter, "punt_meter"), "Ingress.punt_meter"},
		{"register", found(s.Register, "lost"), "Ingress.lost"},
		{"digest", found(s.Digest, "learn_t"), "learn_t"},
		{"packet in", found(s.ControllerHeader, "packet_in"), "packet_in"},
		{"action profile", found(s.ActionProfile, "none"), `unknown action profile "none" in demo`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, err := tc.get()
			got := o.Name
			if err != nil {
				got = err.Error()
				if !errors.Is(err, tables.ErrUnknown) || o.ID != 0 {
					t.Errorf("object %v, error %v", o, err)
				}
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func found[K any, T interface{ Described() *tables.Object }](get func(K) (T, error), key K) func() (tables.Object, error) {
	return func() (tables.Object, error) {
		x, err := get(key)
		if err != nil {
			return tables.Object{}, err
		}
		return *x.Described(), nil
	}
}

func TestAliasOfSeveral(t *testing.T) {
	info := demoInfo(t)
	for _, x := range info.GetTables()[:2] {
		x.Preamble.Alias = "shared"
	}
	for _, a := range info.GetActions() { // references go by alias too
		for _, p := range a.GetParams() {
			p.Annotations = nil
		}
	}
	s, err := tables.NewSchema(info)
	if err == nil {
		_, err = s.Table("shared")
	}
	if !errors.Is(err, tables.ErrAmbiguous) || !strings.Contains(err.Error(), "Ingress.endpoint, Ingress.tunnel") {
		t.Errorf("got %v", err)
	}
}

func TestAnnotations(t *testing.T) {
	info := demoInfo(t)
	p := info.GetTables()[0].Preamble
	p.Annotations = []string{
		"@brief", "@empty()", "@list(a , b.c ,(d, e), \"f, g\")", `@text("say \"hi\",\n\tall")`, "@list(again)", "@odd(a,)",
		"@open(x", "  @blank ( one two ) ",
	}
	p.StructuredAnnotations = []*p4configv1.StructuredAnnotation{
		{Name: "exprs", Body: &p4configv1.StructuredAnnotation_ExpressionList{ExpressionList: &p4configv1.ExpressionList{
			Expressions: []*p4configv1.Expression{
				{Value: &p4configv1.Expression_StringValue{StringValue: "x"}},
				{Value: &p4configv1.Expression_Int64Value{Int64Value: -4}},
				{Value: &p4configv1.Expression_BoolValue{BoolValue: true}},
				{},
			},
		}}},
		{Name: "pairs", Body: &p4configv1.StructuredAnnotation_KvPairList{KvPairList: &p4configv1.KeyValuePairList{
			KvPairs: []*p4configv1.KeyValuePair{{Key: "k", Value: &p4configv1.Expression{Value: &p4configv1.Expression_Int64Value{Int64Value: 7}}}},
		}}},
	}
	s, err := tables.NewSchema(info)
	if err != nil {
		t.Fatal(err)
	}
	table, err := s.Table("endpoint")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		args []string
		ok   bool
	}{
		{"brief", nil, true},
		{"empty", nil, true},
		{"list", []string{"a", "b.c", "(d,e)", "f, g"}, true},
		{"text", []string{"say \"hi\",\n\tall"}, true},
		{"odd", []string{"a", ""}, true},
		{"open", []string{"x"}, true},
		{"blank", []string{"onetwo"}, true},
		{"exprs", []string{"x", "-4", "true", ""}, true},
		{"pairs", []string{"k=7"}, true},
		{"none", nil, false},
	} {
		args, ok := table.Annotation(tc.name)
		if diff := cmp.Diff(tc.args, args); ok != tc.ok || diff != "" {
			t.Errorf("@%s: %v (-want +got):\n%s", tc.name, ok, diff)
		}
	}
	n := 0
	for range table.Annotations.All("list") {
		n++
	}
	if n != 2 {
		t.Errorf("@list occurs %d times, want 2", n)
	}
	table, err = s.Table("acl")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(table.Restriction()); got != "// A port needs a protocol.\n    l4_port::mask != 0 -> proto::mask != 0;" {
		t.Errorf("restriction %q", got)
	}
}

func TestReferences(t *testing.T) {
	var out strings.Builder
	for _, r := range demo(t).References() {
		fmt.Fprint(&out, r)
		if r.Soft {
			fmt.Fprint(&out, " (order only)")
		}
		fmt.Fprintln(&out)
	}
	golden(t, "references.golden", out.String())
}

func TestInconsistent(t *testing.T) {
	info := demoInfo(t)
	info.Tables[0].Preamble.Id = 0
	info.Tables[1].Preamble.Id = info.Tables[2].Preamble.Id
	info.Tables[3].Preamble.Name = info.Tables[2].Preamble.Name
	info.Tables[4].MatchFields[0].Id = 0
	info.Tables[5].ActionRefs[0].Id = 0x1ffffff
	info.Tables[6].ImplementationId = 0x11000001
	info.Tables[7].InitialDefaultAction = &p4configv1.TableActionCall{ActionId: 0x1000010}
	info.DirectCounters[0].DirectTableId = 9
	for _, a := range info.GetActions() {
		for _, p := range a.GetParams() {
			switch p.GetName() {
			case "group":
				p.Annotations = []string{"@refers_to(builtin::multicast_group_table, group)"}
			case "layout_id":
				p.Annotations = []string{"@refers_to(extract)"}
			case "vrf":
				p.Annotations = []string{"@refers_to(route, dst_ip)", "@refers_to(copy, id)"}
			}
		}
	}
	_, err := tables.NewSchema(info)
	if !errors.Is(err, tables.ErrSchema) {
		t.Errorf("got %v", err)
	}
	golden(t, "inconsistent.golden", fmt.Sprintln(err))
}
