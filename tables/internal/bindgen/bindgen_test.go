package bindgen_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyway-nve/keyway/tables/internal/bindgen"
)

func readInfo(t testing.TB, path string) *p4configv1.P4Info {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info := new(p4configv1.P4Info)
	if err := prototext.Unmarshal(text, info); err != nil {
		t.Fatal(err)
	}
	return info
}

// TestCommitted holds the committed bindings against what the generator writes
// today; `go generate ./tables/...` brings them up to date.
func TestCommitted(t *testing.T) {
	for _, tc := range []struct{ name, p4info, dir string }{
		{"demo", "../../testdata/demo.p4info.txtpb", "demo"},
		{"nve", "../../../p4/nve.p4info.txtpb", "../../nve"},
		{"transit", "../../../p4/transit.p4info.txtpb", "../../transit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files, err := bindgen.Generate(readInfo(t, tc.p4info), bindgen.Options{
				Package: tc.name, Source: filepath.Base(tc.p4info),
			})
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range files {
				got, err := os.ReadFile(filepath.Join(tc.dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Errorf("%s is out of date (-generated +committed):\n%s", name, diff)
				}
			}
		})
	}
}

func TestNameClash(t *testing.T) {
	info := readInfo(t, "../../testdata/demo.p4info.txtpb")
	info.Digests[0].Preamble.Alias = "packet_in"
	_, err := bindgen.Generate(info, bindgen.Options{Package: "demo", Source: "demo"})
	if err == nil || !strings.Contains(err.Error(), "packet_in and learn_t would both be PacketIn") {
		t.Errorf("got %v", err)
	}
}
