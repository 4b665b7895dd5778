package p4fuzz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Arbitrate plays games of arbitration with the server behind conn, until it has
// played so many or one goes wrong: clients come to two roles, change their
// election ids, do what ends their streams and leave. All that each is told, and
// who may write, has to be as sections 5 and 16.2 say. Each game is of roles that
// were never used, so the error has all that led to it. The device must have a
// program.
func Arbitrate(ctx context.Context, conn grpc.ClientConnInterface, deviceID, seed uint64, games int) error {
	for n := range games {
		g := &game{
			client: p4v1.NewP4RuntimeClient(conn), device: deviceID,
			r: rand.New(rand.NewPCG(seed, uint64(n))),
		}
		for i := range g.roles {
			g.roles[i].name = fmt.Sprintf("%c of game %d.%d", 'a'+i, seed, n)
		}
		if err := g.play(ctx); err != nil {
			return fmt.Errorf("seed %d, game %d: %w\n%s", seed, n, err, strings.Join(g.log, "\n"))
		}
	}
	return nil
}

// game is one of these games.
type game struct {
	client  p4v1.P4RuntimeClient
	device  uint64
	r       *rand.Rand
	roles   [2]gameRole
	players []*player // whose streams are open
	log     []string
}

// gameRole is a role as section 5.3 has it.
type gameRole struct {
	name    string
	live    []*player
	primary *player
	highest uint64 // 0: there was no primary
}

// player is a client.
type player struct {
	name   string
	stream p4v1.P4Runtime_StreamChannelClient
	cancel context.CancelFunc
	in     chan *p4v1.MasterArbitrationUpdate
	end    chan error
	role   *gameRole // nil before it has arbitrated
	id     uint64    // 0: unset
}

func (g *game) say(format string, args ...any) { g.log = append(g.log, fmt.Sprintf(format, args...)) }

// gameSteps is how many things happen in a game.
const gameSteps = 14

func (g *game) play(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for n := range gameSteps {
		var err error
		switch i := g.r.IntN(10); {
		case i < 4 && len(g.players) < 5 || len(g.players) == 0:
			err = g.open(ctx, fmt.Sprint("client ", n))
		case i < 8:
			err = g.change(g.players[g.r.IntN(len(g.players))])
		default:
			err = g.leave(g.players[g.r.IntN(len(g.players))])
		}
		if err == nil {
			err = g.writes(ctx)
		}
		if err != nil {
			return err
		}
	}
	for len(g.players) > 0 {
		if err := g.leave(g.players[0]); err != nil {
			return err
		}
	}
	return nil
}

// open has a client come.
func (g *game) open(ctx context.Context, name string) error {
	ctx, cancel := context.WithCancel(ctx)
	s, err := g.client.StreamChannel(ctx)
	if err != nil {
		cancel()
		return err
	}
	p := &player{name: name, stream: s, cancel: cancel, in: make(chan *p4v1.MasterArbitrationUpdate, 100), end: make(chan error, 1)}
	go func() {
		for {
			m, err := s.Recv()
			if err != nil {
				close(p.in)
				p.end <- err
				return
			}
			p.in <- m.GetArbitration() // nil for what is none
		}
	}()
	g.players = append(g.players, p)
	return g.change(p)
}

// change has a client send an update, which may be at fault.
func (g *game) change(p *player) error {
	role := p.role
	m := &p4v1.MasterArbitrationUpdate{DeviceId: g.device}
	if role == nil {
		role = &g.roles[g.r.IntN(len(g.roles))]
	}
	fault := codes.OK
	if g.r.IntN(12) == 0 {
		m.DeviceId += 1 + g.r.Uint64N(5)
		fault = codes.NotFound
		if p.role != nil {
			fault = codes.FailedPrecondition
		}
	}
	if g.r.IntN(12) == 0 && p.role != nil {
		if role = &g.roles[0]; role == p.role {
			role = &g.roles[1]
		}
		fault = codes.FailedPrecondition
	}
	m.Role = &p4v1.Role{Name: role.name}
	id := g.r.Uint64N(7) // 0: unset
	if id != 0 {
		m.ElectionId = &p4v1.Uint128{Low: id}
		if fault == codes.OK && slices.ContainsFunc(role.live, func(o *player) bool { return o != p && o.id == id }) {
			fault = codes.InvalidArgument
		}
	}
	g.say("%s: device %d, role %q, election id %d", p.name, m.GetDeviceId(), role.name, id)
	if err := p.stream.Send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Arbitration{Arbitration: m}}); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if fault != codes.OK {
		if err := g.ends(p, fault); err != nil {
			return err
		}
		return g.gone(p)
	}
	if p.role == nil {
		p.role = role
		role.live = append(role.live, p)
	}
	p.id = id
	switch {
	case id != 0 && id >= role.highest: // section 5.3, 1
		role.primary, role.highest = p, id
		return g.told(role, role.live...)
	case role.primary == p: // section 5.3, 2: it has downgraded itself
		role.primary = nil
		return g.told(role, role.live...)
	}
	return g.told(role, p)
}

// leave has a client close its stream.
func (g *game) leave(p *player) error {
	g.say("%s leaves", p.name)
	if err := p.stream.CloseSend(); err != nil {
		return err
	}
	if err := g.ends(p, codes.OK); err != nil {
		return err
	}
	return g.gone(p)
}

// gone forgets a client, of which all others are told if it was the primary
// (section 5).
func (g *game) gone(p *player) error {
	p.cancel()
	g.players = slices.DeleteFunc(g.players, func(o *player) bool { return o == p })
	r := p.role
	if r == nil {
		return nil
	}
	r.live = slices.DeleteFunc(r.live, func(o *player) bool { return o == p })
	if r.primary != p {
		return nil
	}
	r.primary = nil
	return g.told(r, r.live...)
}

// ends waits for the end of a stream.
func (g *game) ends(p *player, want codes.Code) error {
	select {
	case m, more := <-p.in:
		if more {
			return fmt.Errorf("%s was told %v; its stream was to end with %v", p.name, m, want)
		}
	case <-time.After(within):
		return fmt.Errorf("the stream of %s goes on; it was to end with %v", p.name, want)
	}
	err := <-p.end
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if got := status.Code(err); got != want {
		return fmt.Errorf("the stream of %s ended with %v (%v), want %v", p.name, got, err, want)
	}
	return nil
}

// told checks that clients are told how things are (section 5.4). What others
// are told without a reason shows when they are told the next time.
func (g *game) told(r *gameRole, to ...*player) error {
	for _, p := range to {
		want := codes.NotFound
		switch {
		case p == r.primary:
			want = codes.OK
		case r.primary != nil:
			want = codes.AlreadyExists
		}
		select {
		case m, more := <-p.in:
			got := codes.Code(m.GetStatus().GetCode())
			switch {
			case !more:
				return fmt.Errorf("the stream of %s ended: %w", p.name, <-p.end)
			case m == nil:
				return fmt.Errorf("%s got a message that is not of arbitration", p.name)
			case got != want, m.GetElectionId().GetLow() != r.highest, (m.GetElectionId() == nil) != (r.highest == 0),
				m.GetDeviceId() != g.device, m.GetRole().GetName() != r.name:
				return fmt.Errorf("%s was told %v; expected %v and election id %d (5.4)", p.name, m, want, r.highest)
			}
		case <-time.After(within):
			return fmt.Errorf("%s was told nothing; expected %v and election id %d (5.4)", p.name, want, r.highest)
		}
	}
	return nil
}

// writes checks who may write (section 12): the primary of a role by its own
// election id.
func (g *game) writes(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for i := range g.roles {
		r := &g.roles[i]
		for id := range uint64(7) {
			if id != r.highest && g.r.IntN(4) > 0 {
				continue
			}
			req := &p4v1.WriteRequest{DeviceId: g.device, Role: r.name, ElectionId: &p4v1.Uint128{Low: id}}
			if id == 0 {
				req.ElectionId = nil
			}
			_, err := g.client.Write(ctx, req)
			got, want := status.Code(err), []codes.Code{codes.PermissionDenied}
			switch {
			case r.primary != nil && r.primary.id == id:
				want = []codes.Code{codes.OK}
			case r.highest == 0: // nobody may have named the role yet
				want = append(want, codes.NotFound)
			}
			if !slices.Contains(want, got) {
				return fmt.Errorf("a write under role %q with election id %d was answered %v; expected %v (12)", r.name, id, got, want)
			}
		}
	}
	return nil
}
