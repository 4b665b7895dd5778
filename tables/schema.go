package tables

import (
	"errors"
	"fmt"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
)

// Errors of looking a P4 object up, and of a P4Info that contradicts itself.
var (
	ErrUnknown   = errors.New("unknown")
	ErrAmbiguous = errors.New("ambiguous alias")
	ErrSchema    = errors.New("inconsistent p4info")
)

// Schema is a P4Info by name. It is immutable and safe for concurrent use.
//
// Every lookup takes a fully qualified name ("NveIngress.endpoint"), or an
// alias that no other object of the kind has. What is not there is an error
// that says what was looked for and in which program; it never becomes id 0.
type Schema struct {
	// Name, Version and Arch are those of the P4Info's package.
	Name, Version, Arch string

	tables   index[*Table]
	actions  index[*Action]
	counters index[*Counter]
	meters   index[*Meter]
	regs     index[*Register]
	profiles index[*ActionProfile]
	digests  index[*Digest]
	headers  index[*ControllerHeader]

	pre  PRE
	refs references
}

// Object is what every P4 object has. ID is never 0.
type Object struct {
	ID          uint32
	Name        string // fully qualified
	Alias       string
	Brief       string // @brief documentation, if any
	Annotations Annotations
}

// Annotation returns the arguments of the object's annotation of that name.
func (o *Object) Annotation(name string) (args []string, ok bool) {
	return o.Annotations.Annotation(name)
}

// Described returns the object itself, for code that treats all kinds alike.
func (o *Object) Described() *Object { return o }

// Restriction returns the text of @entry_restriction, "" if there is none.
func (t *Table) Restriction() string { return t.text("entry_restriction") }

func (o *Object) text(annotation string) string {
	for a := range o.Annotations.All(annotation) {
		return a.Text
	}
	return ""
}

// PRE is what P4Info says of the packet replication engine. 0 is no statement.
type PRE struct {
	Groups           int // multicast groups that the device must hold
	Replicas         int // replicas in all groups together
	ReplicasPerGroup int
}

// PRE returns the packet replication engine's guaranteed sizes.
func (s *Schema) PRE() PRE { return s.pre }

// NewSchema reads a P4Info. The error joins every inconsistency found: an id
// of 0 or used twice, a reference to an id or a name that is not there.
func NewSchema(info *p4configv1.P4Info) (*Schema, error) {
	pkg := info.GetPkgInfo()
	s := &Schema{Name: pkg.GetName(), Version: pkg.GetVersion(), Arch: pkg.GetArch()}
	if p := pkg.GetPlatformProperties(); p != nil {
		s.pre = PRE{
			Groups:           int(p.GetMulticastGroupTableSize()),
			Replicas:         int(p.GetMulticastGroupTableTotalReplicas()),
			ReplicasPerGroup: int(p.GetMulticastGroupTableMaxReplicasPerEntry()),
		}
	}
	l := &loader{s: s, info: info}
	l.load()
	if err := errors.Join(l.errs...); err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrSchema, s.Name, err)
	}
	return s, nil
}

// Tables returns all tables in P4Info's order. Do not change the slice.
func (s *Schema) Tables() []*Table { return s.tables.list }

// Table returns the table of that name or alias.
func (s *Schema) Table(name string) (*Table, error) { return s.tables.get(s, name) }

// TableByID returns the table of that id.
func (s *Schema) TableByID(id uint32) (*Table, error) { return s.tables.at(s, id) }

// Actions returns all actions in P4Info's order. Do not change the slice.
func (s *Schema) Actions() []*Action { return s.actions.list }

// Action returns the action of that name or alias.
func (s *Schema) Action(name string) (*Action, error) { return s.actions.get(s, name) }

// ActionByID returns the action of that id.
func (s *Schema) ActionByID(id uint32) (*Action, error) { return s.actions.at(s, id) }

// Counters returns all counters, direct ones too, in P4Info's order.
func (s *Schema) Counters() []*Counter { return s.counters.list }

// Counter returns the counter, direct or not, of that name or alias.
func (s *Schema) Counter(name string) (*Counter, error) { return s.counters.get(s, name) }

// CounterByID returns the counter of that id.
func (s *Schema) CounterByID(id uint32) (*Counter, error) { return s.counters.at(s, id) }

// Meters returns all meters, direct ones too, in P4Info's order.
func (s *Schema) Meters() []*Meter { return s.meters.list }

// Meter returns the meter, direct or not, of that name or alias.
func (s *Schema) Meter(name string) (*Meter, error) { return s.meters.get(s, name) }

// MeterByID returns the meter of that id.
func (s *Schema) MeterByID(id uint32) (*Meter, error) { return s.meters.at(s, id) }

// Registers returns all registers in P4Info's order.
func (s *Schema) Registers() []*Register { return s.regs.list }

// Register returns the register of that name or alias.
func (s *Schema) Register(name string) (*Register, error) { return s.regs.get(s, name) }

// ActionProfiles returns all action profiles in P4Info's order.
func (s *Schema) ActionProfiles() []*ActionProfile { return s.profiles.list }

// ActionProfile returns the action profile of that name or alias.
func (s *Schema) ActionProfile(name string) (*ActionProfile, error) { return s.profiles.get(s, name) }

// Digests returns all digests in P4Info's order.
func (s *Schema) Digests() []*Digest { return s.digests.list }

// Digest returns the digest of that name or alias.
func (s *Schema) Digest(name string) (*Digest, error) { return s.digests.get(s, name) }

// DigestByID returns the digest of that id.
func (s *Schema) DigestByID(id uint32) (*Digest, error) { return s.digests.at(s, id) }

// ControllerHeaders returns the headers of packets from and to the controller.
func (s *Schema) ControllerHeaders() []*ControllerHeader { return s.headers.list }

// ControllerHeader returns the header that @controller_header named so:
// "packet_in" or "packet_out".
func (s *Schema) ControllerHeader(name string) (*ControllerHeader, error) {
	return s.headers.get(s, name)
}

// index finds the objects of one kind.
type index[T interface{ Described() *Object }] struct {
	kind    string
	list    []T
	byID    map[uint32]T
	byName  map[string]T
	byAlias map[string][]T
}

func newIndex[T interface{ Described() *Object }](kind string, n int) index[T] {
	return index[T]{
		kind:    kind,
		list:    make([]T, 0, n),
		byID:    make(map[uint32]T, n),
		byName:  make(map[string]T, n),
		byAlias: make(map[string][]T, n),
	}
}

func (x *index[T]) add(v T) error {
	o := v.Described()
	var errs []error
	if o.ID == 0 {
		errs = append(errs, fmt.Errorf("%s %s: id 0", x.kind, o.Name))
	}
	if w, ok := x.byID[o.ID]; ok {
		errs = append(errs, fmt.Errorf("%s %s: id %#x is that of %s", x.kind, o.Name, o.ID, w.Described().Name))
	}
	if _, ok := x.byName[o.Name]; ok || o.Name == "" {
		errs = append(errs, fmt.Errorf("%s id %#x: name %q is empty or used twice", x.kind, o.ID, o.Name))
	}
	x.list = append(x.list, v)
	x.byID[o.ID] = v
	x.byName[o.Name] = v
	x.byAlias[o.Alias] = append(x.byAlias[o.Alias], v)
	return errors.Join(errs...)
}

func (x *index[T]) get(s *Schema, name string) (v T, err error) {
	if v, ok := x.byName[name]; ok {
		return v, nil
	}
	switch as := x.byAlias[name]; {
	case name == "" || len(as) == 0:
		return v, fmt.Errorf("%w %s %q in %s", ErrUnknown, x.kind, name, s.Name)
	case len(as) > 1:
		names := make([]string, len(as))
		for i, a := range as {
			names[i] = a.Described().Name
		}
		return v, fmt.Errorf("%w: %s %q in %s is any of %s", ErrAmbiguous, x.kind, name, s.Name, strings.Join(names, ", "))
	default:
		return as[0], nil
	}
}

func (x *index[T]) at(s *Schema, id uint32) (v T, err error) {
	v, ok := x.byID[id]
	if !ok {
		return v, fmt.Errorf("%w %s id %#x in %s", ErrUnknown, x.kind, id, s.Name)
	}
	return v, nil
}
