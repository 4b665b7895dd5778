package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what commands print into the texts that show it")

// The answers in the guidance are those that its commands give. With -update they are written.
func TestGuidance(t *testing.T) {
	t.Chdir("../..")
	const file = "capabilities/GUIDANCE.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```console\n\\$ keyway ([^\n]*)\n(.*?)```\n")
	shown := 0
	have := block.ReplaceAllFunc(text, func(b []byte) []byte {
		shown++
		args := string(block.FindSubmatch(b)[1])
		var out bytes.Buffer
		if code := run(t.Context(), strings.Fields(args), strings.NewReader(""), &out, &out); code != exitOK {
			fmt.Fprintf(&out, "\n$ echo $?\n%d\n", code)
		}
		return fmt.Appendf(nil, "```console\n$ keyway %s\n%s```\n", args, out.Bytes())
	})
	if shown == 0 {
		t.Error("no commands are shown")
	}
	if bytes.Equal(text, have) {
		return
	}
	if !*update {
		t.Errorf("%s does not show what commands print; go test ./cmd/keyway -run Guidance -update writes it. They print:\n%s", file, have)
		return
	}
	if err := os.WriteFile(file, have, 0o644); err != nil {
		t.Fatal(err)
	}
}
