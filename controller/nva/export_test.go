package nva

import "github.com/keyway-nve/keyway/tables/transit"

// KeepSightings returns what is kept of so many sightings, of which the i-th
// has origin i.
func KeepSightings(n uint32) []Sighting {
	var t traces
	for i := range n {
		t.add(Sighting{PathTrace: transit.PathTrace{Origin: i}})
	}
	return t.newest()
}
