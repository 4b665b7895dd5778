// Package arbitration decides which P4Runtime client is the primary of each
// role of one device: sections 5 and 16.2 of the P4Runtime specification,
// without streams or goroutines.
package arbitration

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// DefaultMaxClients is how many live clients a role may have.
const DefaultMaxClients = 64

// Scheme judges the configuration of a role, which is agreed upon out of band
// (section 5.2). It is called with a nil config where the client sent none; an
// error refuses the client with INVALID_ARGUMENT.
type Scheme func(role string, config *anypb.Any) (Scope, error)

// Scope is what the members of a role may do. The zero Scope is full access.
type Scope struct {
	// Owns reports whether an entity belongs to the role: whether its primary
	// may write it, reads it under the role's filter, and is notified of it.
	// Nil means every entity.
	Owns func(*p4v1.Entity) bool
	// NoPacketIn and NoPacketOut bar the role from packet I/O.
	NoPacketIn, NoPacketOut bool
}

// Allows reports whether the role owns the entity.
func (s Scope) Allows(e *p4v1.Entity) bool { return s.Owns == nil || s.Owns(e) }

// FullAccess is the scheme of a device that has none: a role with a
// configuration is refused, and one without has full access.
func FullAccess(_ string, config *anypb.Any) (Scope, error) {
	if config != nil {
		return Scope{}, fmt.Errorf("no scheme for role configurations, got %s", config.GetTypeUrl())
	}
	return Scope{}, nil
}

// ID is a 128-bit election id.
type ID struct{ High, Low uint64 }

// Compare orders election ids as the numbers they are.
func (id ID) Compare(other ID) int {
	return cmp.Or(cmp.Compare(id.High, other.High), cmp.Compare(id.Low, other.Low))
}

func (id ID) String() string {
	if id.High == 0 {
		return fmt.Sprintf("%d", id.Low)
	}
	return fmt.Sprintf("%#x:%#016x", id.High, id.Low)
}

func idOf(u *p4v1.Uint128) (ID, bool) {
	return ID{High: u.GetHigh(), Low: u.GetLow()}, u != nil
}

// RoleName returns the name under which a role is known: its name, or for a
// client older than version 1.4 its number. The default role has the empty
// name.
func RoleName(name string, id uint64) string {
	if name == "" && id != 0 {
		return fmt.Sprintf("#%d", id)
	}
	return name
}

// Client is one stream.
type Client struct {
	// Deliver queues a message for the client. It must not block, because it
	// is called for one client on behalf of another.
	Deliver func(*p4v1.StreamMessageResponse)

	role  *role
	wire  *p4v1.Role // as the client named its role, for the answers
	id    ID
	hasID bool
}

type role struct {
	name    string
	clients []*Client // in the order in which they came
	primary *Client
	config  *anypb.Any
	scope   Scope
	highest ID
	seen    bool // highest is valid: there has been a primary
}

// Notice is an advisory message for one client (section 5.4).
type Notice struct {
	To     *Client
	Update *p4v1.MasterArbitrationUpdate
}

// Arbiter holds the roles of one device. It remembers the highest election id
// of each for as long as it lives: only a full restart resets them (section
// 16.2). Its methods may be called at once
// from several goroutines, but a change of primary is a sequence of calls that
// the caller keeps apart from others: see [Arbiter.Update].
type Arbiter struct {
	device     uint64
	maxClients int
	scheme     Scheme

	mu    sync.Mutex
	roles map[string]*role
	order []*role
}

// New returns the arbiter of a device. maxClients 0 is [DefaultMaxClients];
// scheme nil is [FullAccess].
func New(device uint64, maxClients int, scheme Scheme) *Arbiter {
	if maxClients == 0 {
		maxClients = DefaultMaxClients
	}
	if scheme == nil {
		scheme = FullAccess
	}
	return &Arbiter{device: device, maxClients: maxClients, scheme: scheme, roles: map[string]*role{}}
}

// Deliver sends the notice.
func (n Notice) Deliver() {
	n.To.Deliver(&p4v1.StreamMessageResponse{
		Update: &p4v1.StreamMessageResponse_Arbitration{Arbitration: n.Update}})
}

// Handover is the rest of an accepted update, in the order of section 5.3:
// send Others; wait until writes that have begun are done; Confirm; send
// Primary. Until Confirm the role has no primary. Primary is empty when the
// update made no primary, and Confirm may then be left out.
type Handover struct {
	Others, Primary []Notice

	arbiter *Arbiter
	client  *Client
}

// Confirm makes the client of the handover the primary, unless it has left in
// the meantime.
func (h Handover) Confirm() {
	if len(h.Primary) == 0 {
		return
	}
	h.arbiter.mu.Lock()
	defer h.arbiter.mu.Unlock()
	if h.client.role != nil {
		h.client.role.primary = h.client
	}
}

// Update handles a MasterArbitrationUpdate from a client, by the rules of
// section 5.3. An error ends the client's stream, and the client has then
// left as by [Arbiter.Leave], except that the notices are the caller's to ask
// for. The caller must not begin another Update before it has finished the
// handover of this one.
func (a *Arbiter) Update(c *Client, msg *p4v1.MasterArbitrationUpdate) (Handover, error) {
	a.mu.Lock()
	defer a.mu.Unlock()

	name := RoleName(msg.GetRole().GetName(), msg.GetRole().GetId())
	if c.role != nil {
		if msg.GetDeviceId() != a.device {
			return Handover{}, refusal.New(codes.FailedPrecondition,
				"device id changed from %d to %d on a live stream", a.device, msg.GetDeviceId())
		}
		if name != c.role.name {
			return Handover{}, refusal.New(codes.FailedPrecondition,
				"role changed from %q to %q on a live stream", c.role.name, name)
		}
	} else if msg.GetDeviceId() != a.device {
		return Handover{}, refusal.New(codes.NotFound, "no device %d", msg.GetDeviceId())
	}
	scope, err := a.scheme(name, msg.GetRole().GetConfig())
	if err != nil {
		return Handover{}, refusal.New(codes.InvalidArgument, "role %q: %w", name, err)
	}
	id, hasID := idOf(msg.GetElectionId())
	r := a.roles[name]
	if r == nil {
		r = &role{name: name}
	}
	if hasID {
		for _, other := range r.clients {
			if other != c && other.hasID && other.id == id {
				return Handover{}, refusal.New(codes.InvalidArgument,
					"election id %v of role %q is in use by another client", id, name)
			}
		}
	}
	if c.role == nil {
		if len(r.clients) >= a.maxClients {
			return Handover{}, refusal.New(codes.ResourceExhausted,
				"role %q has %d clients already", name, len(r.clients))
		}
		if a.roles[name] == nil {
			a.roles[name] = r
			a.order = append(a.order, r)
		}
		r.clients = append(r.clients, c)
		c.role = r
	}
	c.wire, c.id, c.hasID = msg.GetRole(), id, hasID

	switch {
	case hasID && (!r.seen || id.Compare(r.highest) >= 0):
		r.highest, r.seen = id, true
		r.config, r.scope = msg.GetRole().GetConfig(), scope
		r.primary = nil // writes wait for Confirm
		h := Handover{arbiter: a, client: c}
		for _, other := range r.clients {
			if n := a.notice(other, c); other == c {
				h.Primary = append(h.Primary, n)
			} else {
				h.Others = append(h.Others, n)
			}
		}
		return h, nil
	case r.primary == c:
		r.primary = nil
		return Handover{Others: a.notices(r)}, nil
	default:
		return Handover{Others: []Notice{a.notice(c, r.primary)}}, nil
	}
}

// Leave forgets a client whose stream has ended, and returns the notices that
// this makes due: some only if it was the primary.
func (a *Arbiter) Leave(c *Client) []Notice {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := c.role
	if r == nil {
		return nil
	}
	c.role = nil
	r.clients = slices.DeleteFunc(r.clients, func(other *Client) bool { return other == c })
	if r.primary != c {
		return nil
	}
	r.primary = nil
	return a.notices(r)
}

func (a *Arbiter) notices(r *role) []Notice {
	var out []Notice
	for _, c := range r.clients {
		out = append(out, a.notice(c, r.primary))
	}
	return out
}

// notice builds the message for one client, given who the primary is or is
// about to be.
func (a *Arbiter) notice(to, primary *Client) Notice {
	r := to.role
	msg := &p4v1.MasterArbitrationUpdate{DeviceId: a.device}
	if to.wire != nil || r.config != nil {
		msg.Role = &p4v1.Role{Name: to.wire.GetName(), Id: to.wire.GetId(), Config: r.config}
	}
	if r.seen {
		msg.ElectionId = &p4v1.Uint128{High: r.highest.High, Low: r.highest.Low}
	}
	switch {
	case primary == nil:
		msg.Status = &spb.Status{Code: int32(codes.NotFound), Message: "there is no primary"}
	case to == primary:
		msg.Status = &spb.Status{Code: int32(codes.OK), Message: "you are the primary"}
	default:
		msg.Status = &spb.Status{Code: int32(codes.AlreadyExists), Message: "another client is the primary"}
	}
	return Notice{To: to, Update: msg}
}

// Authorize reports whether a request with this role and election id comes
// from the role's primary, and returns the role's scope: the first two checks
// of section 12. An unknown role is refused with NOT_FOUND, any client but the
// primary with PERMISSION_DENIED.
func (a *Arbiter) Authorize(name string, electionID *p4v1.Uint128) (Scope, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.roles[name]
	if r == nil {
		if name != "" {
			return Scope{}, refusal.New(codes.NotFound, "no role %q", name)
		}
		return Scope{}, refusal.New(codes.PermissionDenied, "there is no primary")
	}
	if r.primary == nil {
		return Scope{}, refusal.New(codes.PermissionDenied, "role %q has no primary", name)
	}
	id, ok := idOf(electionID)
	if !ok {
		return Scope{}, refusal.New(codes.PermissionDenied, "request without election id")
	}
	if id != r.primary.id {
		return Scope{}, refusal.New(codes.PermissionDenied,
			"election id %v is not that of the primary of role %q", id, name)
	}
	return r.scope, nil
}

// Scope returns the scope of a role, and whether the role is known. The
// default role is always known.
func (a *Arbiter) Scope(name string) (Scope, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.roles[name]
	if r == nil {
		return Scope{}, name == ""
	}
	return r.scope, true
}

// Primary reports whether a client is the primary of its role, with the
// role's scope.
func (a *Arbiter) Primary(c *Client) (Scope, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.role == nil || c.role.primary != c {
		return Scope{}, false
	}
	return c.role.scope, true
}

// Primaries calls f for the primary of each role, with the scope of the role,
// in the order in which the roles were first used.
func (a *Arbiter) Primaries(f func(*Client, Scope)) {
	a.mu.Lock()
	primaries := make([]*Client, 0, 4)
	scopes := make([]Scope, 0, 4)
	for _, r := range a.order {
		if r.primary != nil {
			primaries = append(primaries, r.primary)
			scopes = append(scopes, r.scope)
		}
	}
	a.mu.Unlock()
	for i, c := range primaries {
		f(c, scopes[i])
	}
}
