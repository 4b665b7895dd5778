package embedded_test

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyway-nve/keyway/testbed/lab"
	"github.com/keyway-nve/keyway/testbed/lab/embedded"
	"github.com/keyway-nve/keyway/testbed/peer"
)

// shipped returns all labs; what some of them need that is not ours is looked for
// when they are run.
func shipped() []string { return slices.Concat(lab.Shipped(), lab.WithPeers()) }

// run runs a shipped lab and fails the test for each step that does.
func run(t *testing.T, name, pcaps string) lab.LabReport {
	t.Helper()
	l, err := lab.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Peers) > 0 {
		peer.Require(t, "ovs-vswitchd", "openvswitch-switch")
	}
	world := &embedded.World{Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	report := lab.Run(t.Context(), l, world, lab.Options{PcapDir: pcaps})
	for _, s := range report.Steps {
		if !s.OK {
			t.Errorf("step %q: %s", s.Name, s.Detail)
		}
	}
	if len(report.Steps) != len(l.Scenario)+1 { // and bringing up
		t.Errorf("%d steps were run, the scenario has %d", len(report.Steps), len(l.Scenario))
	}
	return report
}

// wires returns one file that has what the captures of a lab's wires have: a
// pcapng file is made of sections, one behind the other.
func wires(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.pcapng"))
	if err != nil || len(files) == 0 {
		t.Fatalf("captures are %q: %v", files, err)
	}
	var all []byte
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	file := filepath.Join(t.TempDir(), "wires.pcapng")
	if err := os.WriteFile(file, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The shipped labs meet all their expectations on the embedded target, and their
// captures show what they report.
func TestShippedLabs(t *testing.T) {
	for _, name := range shipped() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			report := run(t, name, dir)
			t.Run("in tshark", func(t *testing.T) { dissect(t, name, dir, report) })
		})
	}
}

// dissect has tshark read a lab's captures. In those of the wires nothing is
// malformed, has a wrong checksum or is worth a warning but what the lab has put
// there itself to be refused. In that of the whole lab the options stand in the
// order that the report says.
func dissect(t *testing.T, name, dir string, report lab.LabReport) {
	tshark := peer.Require(t, "tshark", "tshark")
	fields := func(t *testing.T, file, filter string, names ...string) []string {
		t.Helper()
		args := []string{"-n", "-r", file, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
			"-Y", filter, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"}
		for _, n := range names {
			args = append(args, "-e", n)
		}
		out, err := exec.Command(tshark, args...).Output()
		if err != nil {
			t.Fatalf("tshark: %v", err)
		}
		return strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	file := filepath.Join(dir, name+".pcapng")
	ours := `!(frame.comment contains "put here by the lab")`
	if bad := fields(t, wires(t, dir), "(_ws.malformed || _ws.expert.severity >= 0x600000) && "+ours,
		"frame.interface_name", "frame.number", "_ws.expert.message", "_ws.col.Info"); bad[0] != "" {
		t.Errorf("malformed frames or warnings: %q", bad)
	}

	// The NVEs' own wires see each tunnelled packet once.
	l, err := lab.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	types := make(map[string]string) // "class/type" as tshark prints them
	known := slices.Clone(l.Intent.OptionTypes)
	for _, step := range l.Scenario {
		if step.Update != nil {
			known = append(known, step.Update.OptionTypes...)
		}
	}
	for _, o := range known {
		types[fmt.Sprintf("%#04x/%#02x", o.Class, o.Type)] = o.Name
	}
	reported := make(map[string]bool)
	for _, s := range report.Steps {
		for _, x := range s.Tunnels {
			if x.Encapsulation == "geneve" {
				reported[strings.Join(x.Options, " ")] = true
			}
		}
	}
	seen := make(map[string]bool)
	for _, line := range fields(t, file, "geneve && geneve.version == 0 && "+ours, "geneve.option.class", "geneve.option.type") {
		classes, optionTypes, _ := strings.Cut(line, "\t")
		if line == "" {
			continue
		}
		var names []string
		kinds := strings.Split(optionTypes, ",")
		for i, class := range strings.Split(classes, ",") {
			if class != "" {
				names = append(names, types[class+"/"+kinds[i]])
			}
		}
		seen[strings.Join(names, " ")] = true
	}
	for options := range seen {
		if !reported[options] {
			t.Errorf("tshark sees options [%s], which the report does not have", options)
		}
	}
	for options := range reported {
		if !seen[options] {
			t.Errorf("the report has options [%s], which tshark does not see", options)
		}
	}
}
