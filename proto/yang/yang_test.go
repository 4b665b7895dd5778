package yang_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyway-nve/keyway/proto/yang"
	"github.com/keyway-nve/keyway/proto/yang/nvecaps"
	"github.com/keyway-nve/keyway/testbed/peer"
)

func TestConstants(t *testing.T) {
	for _, want := range []string{
		"module " + yang.Module + " {",
		"organization\n    \"" + yang.Organization + "\";",
	} {
		if !strings.Contains(yang.Source, want) {
			t.Errorf("the module has no %q", want)
		}
	}
	// The newest revision stands first, and its reference is the version, as OpenConfig has it.
	_, newest, _ := strings.Cut(yang.Source, "\n  revision ")
	newest, _, _ = strings.Cut(newest, "\n  }\n")
	if !strings.Contains(newest, "reference\n      \""+yang.Version+"\";") {
		t.Errorf("the newest revision does not refer to %s:\n%s", yang.Version, newest)
	}
}

// The bindings are of this module, down to the last leaf. That they are what the generator makes today is checked by .ci/run generated.
func TestBindings(t *testing.T) {
	nve := nvecaps.SchemaTree["Root"].Dir["nve-capabilities"]
	if nve == nil {
		t.Fatal("no nve-capabilities in the bindings")
	}
	leaf := nve.Find("directions/direction/order-rules/order-rule/options/option/state/class")
	if leaf == nil || !leaf.IsLeaf() || !leaf.ReadOnly() {
		t.Errorf("have %v, want a leaf of state", leaf)
	}
}

func yanglint(t *testing.T) string {
	t.Helper()
	return peer.Require(t, "yanglint", "libyang2-tools")
}

func TestModuleIsValid(t *testing.T) {
	out, err := exec.Command(yanglint(t), yang.Module+".yang").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// The module that augments integrated-circuit can only be read beside the models of OpenConfig, which are not ours to ship.
func TestAugmentationIsValid(t *testing.T) {
	lint := yanglint(t)
	models := os.Getenv("KEYWAY_OPENCONFIG_MODELS")
	if models == "" {
		t.Skip("KEYWAY_OPENCONFIG_MODELS does not say where github.com/openconfig/public is")
	}
	args := []string{"-f", "info", "-p", "."}
	err := filepath.WalkDir(models, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			args = append(args, "-p", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(lint, append(args, "openconfig/keyway-nve-capabilities-platform.yang")...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "libyang err") {
		t.Errorf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "module keyway-nve-capabilities-platform") && !strings.Contains(string(out), "uses kw-nve:nve-capabilities-top") {
		t.Errorf("yanglint did not read the module:\n%s", out)
	}
}
