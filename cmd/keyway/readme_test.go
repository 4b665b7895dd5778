package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every command that README shows in a sh block works as it stands there.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i, block := range strings.Split(string(text), "\n```") {
		if i%2 == 1 && strings.HasPrefix(block, "sh\n") {
			lines = append(lines, strings.Split(strings.TrimSpace(strings.TrimPrefix(block, "sh\n")), "\n")...)
		}
	}
	ran := 0
	for _, line := range lines {
		args, ok := strings.CutPrefix(line, "go run ./cmd/keyway ")
		if !ok {
			if line != "go test ./..." { // which is what runs this
				t.Errorf("README shows %q, and this test does not know how to run it", line)
			}
			continue
		}
		ran++
		t.Run(args, func(t *testing.T) {
			t.Chdir(t.TempDir())
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), strings.Fields(args), strings.NewReader(""), &stdout, &stderr); code != exitOK {
				t.Errorf("exit status %d\n%s%s", code, stdout.Bytes(), stderr.Bytes())
			}
			if strings.Contains(args, "--pcap captures") {
				if files, err := filepath.Glob("captures/*.pcapng"); err != nil || len(files) == 0 {
					t.Errorf("no captures: %v, %v", files, err)
				}
			}
		})
	}
	if ran == 0 {
		t.Error("README shows no command")
	}
}
