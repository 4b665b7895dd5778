package gnmi

import (
	"errors"
	"io"
	"slices"
	"time"

	"github.com/openconfig/gnmi/coalesce"
	"github.com/openconfig/gnmi/ctree"
	"github.com/openconfig/gnmi/path"
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// minInterval is the shortest time between two samples or heartbeats, and what a sample interval of 0 stands for.
const minInterval = 100 * time.Millisecond

// Subscribe implements the RPC (gNMI specification §3.5). In a subscription that is STREAM, TARGET_DEFINED is ON_CHANGE.
func (s *Server) Subscribe(stream gpb.GNMI_SubscribeServer) error {
	req, err := stream.Recv()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	list := req.GetSubscribe()
	if list == nil {
		return status.Error(codes.InvalidArgument, "the first request is no subscription")
	}
	s.o.Log.Debug("gnmi", "rpc", "Subscribe", "mode", list.GetMode(), "target", list.GetPrefix().GetTarget(), "paths", len(list.GetSubscription()))
	sub, err := s.subscription(stream, list)
	if err != nil {
		return err
	}
	switch list.GetMode() {
	case gpb.SubscriptionList_ONCE:
		return sub.all(list.GetUpdatesOnly())
	case gpb.SubscriptionList_POLL:
		return sub.poll()
	}
	return sub.stream()
}

// subscription is one Subscribe RPC.
type subscription struct {
	s      *Server
	out    gpb.GNMI_SubscribeServer
	list   *gpb.SubscriptionList
	target string
	parts  []part
}

// part is one path of a subscription, and what it stands for in the model.
type part struct {
	*gpb.Subscription
	paths []*gpb.Path
	// sample and heartbeat are the intervals at which leaves are sent unchanged; 0 is never.
	sample, heartbeat time.Duration
}

// subscription checks what is asked for.
func (s *Server) subscription(out gpb.GNMI_SubscribeServer, list *gpb.SubscriptionList) (*subscription, error) {
	if err := checkEncoding(list.GetEncoding()); err != nil {
		return nil, err
	}
	if err := checkModels(list.GetUseModels()); err != nil {
		return nil, err
	}
	if _, ok := gpb.SubscriptionList_Mode_name[int32(list.GetMode())]; !ok {
		return nil, status.Errorf(codes.InvalidArgument, "mode %d is none of STREAM, ONCE and POLL", list.GetMode())
	}
	if len(list.GetSubscription()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "the subscription has no path")
	}
	target, err := s.target(list.GetPrefix())
	if err != nil {
		return nil, err
	}
	sub := &subscription{s: s, out: out, list: list, target: target}
	for _, entry := range list.GetSubscription() {
		p := part{Subscription: entry}
		if p.paths, err = resolve(list.GetPrefix(), entry.GetPath()); err != nil {
			return nil, pathStatus(err)
		}
		if list.GetMode() == gpb.SubscriptionList_STREAM {
			if err := p.intervals(); err != nil {
				return nil, err
			}
		}
		sub.parts = append(sub.parts, p)
	}
	return sub, nil
}

func (p *part) intervals() error {
	p.heartbeat = time.Duration(p.GetHeartbeatInterval())
	switch p.GetMode() {
	case gpb.SubscriptionMode_ON_CHANGE:
	case gpb.SubscriptionMode_TARGET_DEFINED:
		if p.GetSampleInterval() != 0 {
			return status.Error(codes.InvalidArgument, "a sample interval is for SAMPLE, not for TARGET_DEFINED")
		}
	case gpb.SubscriptionMode_SAMPLE:
		p.sample = time.Duration(p.GetSampleInterval())
		if p.sample == 0 {
			p.sample = minInterval
		}
		if p.sample < minInterval {
			return status.Errorf(codes.InvalidArgument, "sample interval %v: want %v at least", p.sample, minInterval)
		}
	default:
		return status.Errorf(codes.InvalidArgument, "subscription mode %d is none of TARGET_DEFINED, ON_CHANGE and SAMPLE", p.GetMode())
	}
	if p.heartbeat < 0 || p.heartbeat > 0 && p.heartbeat < minInterval {
		return status.Errorf(codes.InvalidArgument, "heartbeat interval %v: want %v at least", p.heartbeat, minInterval)
	}
	return nil
}

// all sends all that is subscribed to as it stands at one instant, and that this was all.
func (b *subscription) all(syncOnly bool) error {
	if !syncOnly {
		for _, n := range b.now() {
			if err := b.send(n); err != nil {
				return err
			}
		}
	}
	return b.sync()
}

// now returns the leaves that are subscribed to, each of them once.
func (b *subscription) now() []*gpb.Notification {
	b.s.mu.RLock()
	defer b.s.mu.RUnlock()
	var out []*gpb.Notification
	seen := map[*gpb.Notification]bool{}
	for _, p := range b.parts {
		for _, at := range p.paths {
			for _, n := range b.s.find(b.target, at) {
				if !seen[n] {
					seen[n] = true
					out = append(out, n)
				}
			}
		}
	}
	return out
}

// poll answers each poll. The first answer is to the subscription.
func (b *subscription) poll() error {
	if err := b.all(b.list.GetUpdatesOnly()); err != nil {
		return err
	}
	for {
		req, err := b.out.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if req.GetPoll() == nil {
			return status.Error(codes.InvalidArgument, "want a poll: a stream has one subscription")
		}
		if err := b.all(false); err != nil {
			return err
		}
	}
}

// Marks in the queue of a stream, between leaves.
type (
	synced struct{}
	// due is a part whose sample or heartbeat is due.
	due struct {
		part      int
		heartbeat bool
	}
)

// queued is the client of the match package that puts leaves into a queue.
type queued struct{ *coalesce.Queue }

func (q *queued) Update(l any) { _, _ = q.Insert(l) } // a queue is only closed at the end of its stream

func (b *subscription) stream() error {
	ctx := b.out.Context()
	q := coalesce.NewQueue()
	defer q.Close()
	refused := make(chan error, 1)
	go b.refuse(q, refused)
	since, stop := b.follow(&queued{q})
	defer stop()
	sent := slices.Repeat([]int64{since}, len(b.parts)) // when a part was last sent as a whole
	for i, p := range b.parts {
		for _, t := range []struct {
			every time.Duration
			due
		}{{p.sample, due{part: i}}, {p.heartbeat, due{part: i, heartbeat: true}}} {
			if t.every > 0 {
				timer := time.NewTicker(t.every)
				defer timer.Stop()
				go tick(ctx.Done(), timer.C, q, t.due)
			}
		}
	}
	for {
		item, _, err := q.Next(ctx)
		if coalesce.IsClosedQueue(err) {
			return <-refused
		}
		if err != nil {
			return status.FromContextError(err).Err()
		}
		switch item := item.(type) {
		case *ctree.Leaf:
			n, ok := item.Value().(*gpb.Notification)
			if !ok {
				continue
			}
			if err := b.send(n); err != nil {
				return err
			}
			if gone(n) && b.target != "*" {
				return status.Errorf(codes.NotFound, "%v any more: %q", ErrNoTarget, b.target)
			}
		case synced:
			if err := b.sync(); err != nil {
				return err
			}
		case due:
			if err := b.resend(item, sent); err != nil {
				return err
			}
		}
	}
}

// follow has the queue filled with the leaves as they are and then as they change, until stop is called. What changes after since is not
// among the former.
func (b *subscription) follow(q *queued) (since int64, stop func()) {
	b.s.mu.RLock()
	defer b.s.mu.RUnlock()
	var stops []func()
	for _, p := range b.parts {
		for _, at := range p.paths {
			if p.sample == 0 {
				query := append([]string{b.target}, path.ToStrings(at, false)...)
				stops = append(stops, b.s.match.AddQuery(query, q))
			}
			if !b.list.GetUpdatesOnly() {
				for _, l := range b.s.leaves(b.target, at) {
					q.Update(l.Leaf)
				}
			}
		}
	}
	q.Update(synced{})
	return b.s.last, func() {
		for _, s := range stops {
			s()
		}
	}
}

// refuse waits for a second request, which a stream must not have, and closes the queue then.
func (b *subscription) refuse(q *coalesce.Queue, refused chan<- error) {
	_, err := b.out.Recv()
	if err != nil {
		return // the client has said all, which is no end of the stream; or the stream's context tells
	}
	refused <- status.Error(codes.InvalidArgument, "a stream has one subscription, and nothing after it")
	q.Close()
}

func tick(done <-chan struct{}, c <-chan time.Time, q *coalesce.Queue, d due) {
	for {
		select {
		case <-done:
			return
		case <-c:
			if _, err := q.Insert(d); err != nil {
				return
			}
		}
	}
}

// resend sends a part again. A sample that leaves out what is redundant has only what is newer than the last.
func (b *subscription) resend(d due, sent []int64) error {
	p := b.parts[d.part]
	b.s.mu.RLock()
	var ns []*gpb.Notification
	for _, at := range p.paths {
		ns = append(ns, b.s.find(b.target, at)...)
	}
	newest := b.s.last
	b.s.mu.RUnlock()
	for _, n := range ns {
		if p.GetSuppressRedundant() && !d.heartbeat && n.GetTimestamp() <= sent[d.part] {
			continue
		}
		if err := b.send(n); err != nil {
			return err
		}
	}
	sent[d.part] = newest
	return nil
}

// gone reports whether a notification is that of a target that was removed.
func gone(n *gpb.Notification) bool {
	d := n.GetDelete()
	return len(d) == 1 && len(d[0].GetElem()) == 1 && d[0].Elem[0].GetName() == "*"
}

// send sends a leaf of the cache, which many subscriptions share, in the form that this one wants.
func (b *subscription) send(n *gpb.Notification) error {
	out := &gpb.Notification{Timestamp: n.GetTimestamp(), Prefix: prefixFor(b.list.GetPrefix(), n.GetPrefix().GetTarget()), Delete: n.GetDelete()}
	if gone(n) {
		out.Delete = []*gpb.Path{{}}
	}
	for _, u := range n.GetUpdate() {
		v, err := encoded(u.GetVal(), b.list.GetEncoding())
		if err != nil {
			return err
		}
		out.Update = append(out.Update, &gpb.Update{Path: u.GetPath(), Val: v})
	}
	return b.out.Send(&gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_Update{Update: out}})
}

func (b *subscription) sync() error {
	return b.out.Send(&gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_SyncResponse{SyncResponse: true}})
}
