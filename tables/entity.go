package tables

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Entity is a piece of a device's desired state: an [Entry], a
// [MulticastGroup], a [CloneSession], a [MeterCell] or a [DigestConfig].
type Entity interface {
	// Key identifies the entity on its device, in a readable and stable form.
	Key() string
	fmt.Stringer

	// same reports whether o, of the same key, is configured alike.
	same(o Entity) bool
}

// Same reports whether two canonical entities are one and configured alike.
func Same(a, b Entity) bool { return a.Key() == b.Key() && a.same(b) }

func (e Entry) same(o Entity) bool {
	f, ok := o.(Entry)
	return ok && e.equal(&f)
}

// MulticastGroup is a group of the packet replication engine.
type MulticastGroup struct {
	ID       uint32    // never 0, which means no replication
	Replicas []Replica // by port and instance, each pair once
	Metadata string
}

// Replica is one copy of a packet: its port, and the instance number by which
// the egress pipeline tells copies apart.
type Replica struct {
	Port     uint32
	Instance uint32
}

func (r Replica) compare(o Replica) int {
	return cmp.Or(cmp.Compare(r.Port, o.Port), cmp.Compare(r.Instance, o.Instance))
}

// Key implements [Entity].
func (g MulticastGroup) Key() string {
	return "multicast group " + strconv.FormatUint(uint64(g.ID), 10)
}

func (g MulticastGroup) String() string {
	return g.Key() + " -> " + string(appendReplicas(nil, g.Replicas))
}

func (g MulticastGroup) same(o Entity) bool {
	h, ok := o.(MulticastGroup)
	return ok && g.Metadata == h.Metadata && slices.Equal(g.Replicas, h.Replicas)
}

// CloneSession is where clones of a packet go.
type CloneSession struct {
	ID       uint32 // never 0
	Replicas []Replica
	Class    uint32 // class of service
	// MaxLength cuts clones to so many bytes; 0 leaves them whole.
	MaxLength int32
}

// Key implements [Entity].
func (c CloneSession) Key() string { return "clone session " + strconv.FormatUint(uint64(c.ID), 10) }

func (c CloneSession) String() string {
	b := append([]byte(c.Key()), " -> "...)
	b = appendReplicas(b, c.Replicas)
	if c.Class != 0 {
		b = fmt.Appendf(b, " class %d", c.Class)
	}
	if c.MaxLength != 0 {
		b = fmt.Appendf(b, " cut to %d bytes", c.MaxLength)
	}
	return string(b)
}

func (c CloneSession) same(o Entity) bool {
	d, ok := o.(CloneSession)
	return ok && c.Class == d.Class && c.MaxLength == d.MaxLength && slices.Equal(c.Replicas, d.Replicas)
}

func appendReplicas(b []byte, rs []Replica) []byte {
	b = append(b, '{')
	for i, r := range rs {
		if i > 0 {
			b = append(b, ' ')
		}
		b = fmt.Appendf(b, "%d/%d", r.Port, r.Instance)
	}
	return append(b, '}')
}

// Rates configures a meter, in the meter's unit a second (RFC 2698; with one
// rate and an excess burst, RFC 2697).
type Rates struct {
	CIR, CommittedBurst int64
	PIR, PeakBurst      int64
	ExcessBurst         int64
}

// check returns every reason why the meter cannot have these rates.
func (r *Rates) check(m *Meter) (errs []error) {
	if min(r.CIR, r.CommittedBurst, r.PIR, r.PeakBurst, r.ExcessBurst) < 0 {
		errs = append(errs, errors.New("negative rate or burst"))
	}
	if r.CIR > r.PIR {
		errs = append(errs, fmt.Errorf("committed rate %d is above the peak rate %d", r.CIR, r.PIR))
	}
	if r.ExcessBurst != 0 && (!m.OneRate || m.TwoColors) {
		errs = append(errs, fmt.Errorf("excess burst is %w by meter %s", ErrUnsupported, m.Name))
	}
	if m.OneRate && (r.CIR != r.PIR || r.CommittedBurst != r.PeakBurst) {
		errs = append(errs, fmt.Errorf("two rates are %w by meter %s", ErrUnsupported, m.Name))
	}
	return errs
}

func sameRates(r, s *Rates) bool {
	return r == s || r != nil && s != nil && *r == *s
}

// MeterCell is one cell of an indirect meter. Cells always exist: an absent
// one is one without rates, which marks every packet green.
type MeterCell struct {
	Meter string
	Index int64
	Rates *Rates
}

// Key implements [Entity].
func (m MeterCell) Key() string { return m.Meter + "[" + strconv.FormatInt(m.Index, 10) + "]" }

func (m MeterCell) String() string {
	if m.Rates == nil {
		return m.Key() + " -> green"
	}
	r := m.Rates
	return fmt.Sprintf("%s -> cir=%d/%d pir=%d/%d eburst=%d",
		m.Key(), r.CIR, r.CommittedBurst, r.PIR, r.PeakBurst, r.ExcessBurst)
}

func (m MeterCell) same(o Entity) bool {
	n, ok := o.(MeterCell)
	return ok && sameRates(m.Rates, n.Rates)
}

// DigestConfig turns a digest on.
type DigestConfig struct {
	Digest     string
	MaxTimeout time.Duration // how long a message may wait for others to join it
	MaxList    int32         // messages in one list
	AckTimeout time.Duration // how long a message is not repeated without an ack
}

// Key implements [Entity].
func (d DigestConfig) Key() string { return "digest " + d.Digest }

func (d DigestConfig) String() string {
	return fmt.Sprintf("%s -> at most %d in %v, ack in %v", d.Key(), d.MaxList, d.MaxTimeout, d.AckTimeout)
}

func (d DigestConfig) same(o Entity) bool { return o == Entity(d) }

// Canonical returns e as the device would return it: names for aliases,
// replicas in order, and for an Entry what [Schema.Entry] does. The error
// joins every reason why this program cannot have e.
func (s *Schema) Canonical(e Entity) (Entity, error) {
	var errs []error
	switch e := e.(type) {
	case Entry:
		e, err := s.Entry(e)
		if err != nil {
			return nil, err
		}
		return e, nil
	case MulticastGroup:
		e.Replicas, errs = replicas(e.Replicas)
		if e.ID == 0 {
			errs = append(errs, errID)
		}
		if n := s.pre.ReplicasPerGroup; n > 0 && len(e.Replicas) > n {
			errs = append(errs, fmt.Errorf("%d replicas: %w, the device holds %d", len(e.Replicas), ErrFull, n))
		}
		return refused(e, errs)
	case CloneSession:
		e.Replicas, errs = replicas(e.Replicas)
		if e.ID == 0 {
			errs = append(errs, errID)
		}
		if e.MaxLength < 0 {
			errs = append(errs, errNegative)
		}
		return refused(e, errs)
	case MeterCell:
		m, err := s.Meter(e.Meter)
		if err != nil {
			return nil, err
		}
		e.Meter = m.Name
		switch {
		case m.Table != nil:
			errs = append(errs, fmt.Errorf("it is direct: its rates belong to entries of %s", m.Table.Name))
		case e.Index < 0 || e.Index >= int64(m.Size):
			errs = append(errs, fmt.Errorf("%w cell: the meter has %d", ErrUnknown, m.Size))
		}
		if e.Rates != nil {
			errs = append(errs, e.Rates.check(m)...)
		}
		return refused(e, errs)
	case DigestConfig:
		d, err := s.Digest(e.Digest)
		if err != nil {
			return nil, err
		}
		e.Digest = d.Name
		if e.MaxTimeout < 0 || e.MaxList < 0 || e.AckTimeout < 0 {
			errs = append(errs, errNegative)
		}
		return refused(e, errs)
	}
	return nil, fmt.Errorf("entity %T is %w", e, ErrUnsupported)
}

var (
	errID       = errors.New("id 0")
	errNegative = errors.New("negative limit")
)

// refused returns e, or its reasons, each with its key in front.
func refused(e Entity, errs []error) (Entity, error) {
	if len(errs) == 0 {
		return e, nil
	}
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s: %w", e.Key(), err)
	}
	return nil, errors.Join(errs...)
}

// replicas returns rs in order, without touching rs, and what is wrong there.
func replicas(rs []Replica) ([]Replica, []error) {
	if len(rs) == 0 {
		return nil, nil
	}
	if !slices.IsSortedFunc(rs, Replica.compare) {
		rs = slices.SortedFunc(slices.Values(rs), Replica.compare)
	}
	var errs []error
	for i := 1; i < len(rs); i++ {
		if rs[i] == rs[i-1] {
			errs = append(errs, fmt.Errorf("replica %d/%d: %w", rs[i].Port, rs[i].Instance, ErrRepeated))
		}
	}
	return rs, errs
}

// Set collects entities and the reasons against those that are refused. A
// binding's result goes straight in: set.Add(nve.Endpoint{...}.Remote(3)).
type Set struct {
	Entities []Entity
	errs     []error
}

// Add adds e, or the reason why there is none.
func (s *Set) Add(e Entity, err error) {
	if err != nil {
		s.errs = append(s.errs, err)
		return
	}
	s.Entities = append(s.Entities, e)
}

// Err returns all reasons that Add was given, joined.
func (s *Set) Err() error { return errors.Join(s.errs...) }

// Text writes e as its String does, with addresses as the program's fields
// call for them.
func (s *Schema) Text(e Entity) string {
	if e, ok := e.(Entry); ok {
		t, err := s.Table(e.Table)
		if err != nil {
			return e.String()
		}
		return string(e.append(nil, t))
	}
	return e.String()
}
