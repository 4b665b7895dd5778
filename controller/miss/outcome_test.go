package miss_test

import (
	"fmt"
	"testing"

	"github.com/keyway-nve/keyway/controller/miss"
)

func TestNames(t *testing.T) {
	tests := []struct {
		value fmt.Stringer
		want  string
	}{
		{miss.SentRedirect, "sent-redirect"},
		{miss.UnreachableHome, "unreachable-home"},
		{miss.NoMessageGeneve, "no-message-geneve"},
		{miss.HeldDuplicate, "held-duplicate"},
		{miss.NeverNotAMiss, "never-not-a-miss"},
		{miss.NeverUnrepresentable, "never-unrepresentable"},
		{miss.Outcome(99), "outcome(99)"},
		{miss.RetargetedProvisional, "retargeted-provisional"},
		{miss.Ignored, "ignored"},
		{miss.RefusedUnknownDevice, "refused-unknown-device"},
		{miss.RefusedChecksum, "refused-checksum"},
		{miss.RefusedNotSpoken, "refused-not-spoken"},
		{miss.RefusedLoop, "refused-loop"},
		{miss.Result(99), "result(99)"},
		{miss.NVGREExt, "nvgre-ext"},
		{miss.NoDestination, "no-destination"},
		{miss.Reason(0), "reason(0)"},
		{miss.Retarget, "retarget"},
	}
	for _, tt := range tests {
		if got := tt.value.String(); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}

// TestStatsStartAtZero: a metric that is there from the start can be told from one that nobody exports.
func TestStatsStartAtZero(t *testing.T) {
	sent, received := make(map[string]bool), make(map[string]bool)
	for o, n := range miss.NewResponder(miss.ResponderOptions{}).Stats().All() {
		sent[o.String()] = n == 0
	}
	for r, n := range miss.NewReceiver(miss.ReceiverOptions{}).Stats().All() {
		received[r.String()] = n == 0
	}
	if len(sent) != len(miss.ResponderStats{}) || len(received) != len(miss.ReceiverStats{}) {
		t.Errorf("%d and %d names, want %d and %d", len(sent), len(received), len(miss.ResponderStats{}), len(miss.ReceiverStats{}))
	}
	for _, zero := range []map[string]bool{sent, received} {
		for name, ok := range zero {
			if !ok {
				t.Errorf("%s does not start at 0", name)
			}
		}
	}
}
