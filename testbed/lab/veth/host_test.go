package veth

import (
	"encoding/hex"
	"testing"
)

// An access port's tag is put on what comes from the host, and taken off what
// goes there; other tags are other hosts' business.
func TestAccessTag(t *testing.T) {
	const (
		macs     = "020000000001020000000002"
		untagged = macs + "0800" + "45"
		twenty   = macs + "81000014" + "0800" + "45"
		priority = macs + "8100a014" + "0800" + "45"
	)
	for _, tt := range []struct {
		name     string
		tag      accessTag
		from, to string // the host, and what is on the wire
		back     string // what of it arrives at the host
	}{
		{"untagged", 0, untagged, untagged, untagged},
		{"tagged", 20, untagged, twenty, untagged},
		{"too short to be tagged", 20, "0200", "0200", ""},
	} {
		from, err := hex.DecodeString(tt.from)
		if err != nil {
			t.Fatal(err)
		}
		if have := hex.EncodeToString(tt.tag.add(from)); have != tt.to {
			t.Errorf("%s: %s on the wire, want %s", tt.name, have, tt.to)
		}
		on, _ := hex.DecodeString(tt.to)
		if back, _ := tt.tag.remove(on); hex.EncodeToString(back) != tt.back {
			t.Errorf("%s: %x at the host, want %s", tt.name, back, tt.back)
		}
	}
	for _, tt := range []struct {
		name  string
		tag   accessTag
		frame string
		ok    bool
	}{
		{"its own, with a priority", 20, priority, true},
		{"another", 21, twenty, false},
		{"none", 20, untagged, false},
		{"one too many", 0, twenty, false},
	} {
		frame, _ := hex.DecodeString(tt.frame)
		if _, ok := tt.tag.remove(frame); ok != tt.ok {
			t.Errorf("%s: %v, want %v", tt.name, ok, tt.ok)
		}
	}
}
