package nva_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyway-nve/keyway/controller/nva"
)

// Every outcome has its series before anything has happened, and the registry
// finds nothing wrong with them.
func TestMetricsAreThereFromTheStart(t *testing.T) {
	n, err := nva.New(nva.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(nva.NewCollector(n)); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, f := range families {
		series[f.GetName()] = len(f.GetMetric())
	}
	if series["keyway_misses_total"] < 10 || series["keyway_nvgre_ext_messages_total"] < 10 {
		t.Errorf("series %v", series)
	}
}
