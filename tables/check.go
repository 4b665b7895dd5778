package tables

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Reasons why a state as a whole is refused.
var (
	ErrFull     = errors.New("does not fit")
	ErrDangling = errors.New("refers to what is not there")
)

// Check joins every reason why a device of this program cannot be given this
// state: what [Schema.Canonical] refuses, keys given twice, tables and groups
// beyond the sizes that the program guarantees, references to nothing. The
// entities themselves may be in any form; Plan wants them canonical.
func (s *Schema) Check(want []Entity) error {
	var errs []error
	seen := make(map[string]struct{}, len(want))
	held := make(map[string]int)
	there := make(map[anchor]struct{})
	canonical := make([]Entity, 0, len(want))
	var buf []anchor
	replicas := 0
	for _, e := range want {
		c, err := s.Canonical(e)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		key := c.Key()
		if _, ok := seen[key]; ok {
			errs = append(errs, fmt.Errorf("%s: %w", key, ErrRepeated))
			continue
		}
		seen[key] = struct{}{}
		canonical = append(canonical, c)
		switch e := c.(type) {
		case Entry:
			if !e.Default {
				held[e.Table]++
			}
		case MulticastGroup:
			held[groupTable]++
			replicas += len(e.Replicas)
		}
		buf = s.provided(buf[:0], c)
		for _, a := range buf {
			there[a] = struct{}{}
		}
	}
	for _, table := range slices.Sorted(maps.Keys(held)) {
		size, name := s.pre.Groups, "multicast groups"
		if t, err := s.Table(table); err == nil {
			size, name = t.Size, t.Name
		}
		if n := held[table]; size > 0 && n > size {
			errs = append(errs, fmt.Errorf("%s: %w: %d, the device holds %d", name, ErrFull, n, size))
		}
	}
	if size := s.pre.Replicas; size > 0 && replicas > size {
		errs = append(errs, fmt.Errorf("multicast replicas: %w: %d, the device holds %d", ErrFull, replicas, size))
	}
	var needs []need
	for _, e := range canonical {
		needs = s.needed(needs[:0], e)
		for _, n := range needs {
			if _, ok := there[n.at]; !ok && !n.soft {
				p := s.refs.projections[n.at[0]]
				errs = append(errs, fmt.Errorf("%s: %w: %s in %s", s.Text(e), ErrDangling, n.at.text(p), p.table))
			}
		}
	}
	return errors.Join(errs...)
}
