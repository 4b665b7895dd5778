package p4_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/keyway-nve/keyway/p4"
)

// The ports in Go are those in P4.
func TestPorts(t *testing.T) {
	text, err := os.ReadFile("include/headers.p4")
	if err != nil {
		t.Fatal(err)
	}
	for name, port := range map[string]int{"CPU_PORT": p4.CPUPort, "DROP_PORT": p4.DropPort} {
		re := regexp.MustCompile(`(?m)^const port_t ` + name + ` *= (\d+);`)
		m := re.FindStringSubmatch(string(text))
		if m == nil || m[1] != strconv.Itoa(port) {
			t.Errorf("%s: Go has %d, P4 %q", name, port, m)
		}
	}
}

// The names in Go are those in P4.
func TestReasons(t *testing.T) {
	text, err := os.ReadFile("include/metadata.p4")
	if err != nil {
		t.Fatal(err)
	}
	for prefix, names := range map[string][]string{"DROP": p4.DropReasons(), "PUNT": p4.PuntReasons()} {
		found := 1 // number 0 is none
		re := regexp.MustCompile(`(?m)^const reason_t ` + prefix + `_(\w+) *= (\d+);`)
		for _, m := range re.FindAllStringSubmatch(string(text), -1) {
			found++
			n, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(strings.ToLower(m[1]), "_", "-")
			if n >= len(names) || names[n] != want {
				t.Errorf("%s_%s = %d: Go has %q for it, want %q", prefix, m[1], n, names[min(n, len(names)-1)], want)
			}
		}
		if found != len(names) {
			t.Errorf("%s: %d reasons in P4, %d names in Go", prefix, found-1, len(names)-1)
		}
	}
}
