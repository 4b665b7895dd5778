package pipeline

import (
	"sync"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/testbed/p4rt/info"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

// maxDigests bounds a digest list whose max_list_size is 0: "no limit"
// (section 9.8), but a message must stay below what gRPC clients take.
const maxDigests = 1024

// digest buffers the messages of one digest (section 9.8). Packets fill it
// while clients change it, so it has a lock of its own.
type digest struct {
	*info.Digest
	send func(*p4v1.DigestList)
	log  func(msg string, args ...any)

	mu     sync.Mutex
	config *p4v1.DigestEntry_Config // nil: not enabled; replaced, never changed
	buffer []*p4v1.P4Data
	held   map[string]bool     // the messages in the buffer
	sent   map[string]sentList // messages sent and not acknowledged
	lists  map[uint64][]string // what each list had
	next   uint64
	timer  *time.Timer
}

// sentList is the list that a message went out with.
type sentList struct {
	id uint64
	at time.Time
}

func newDigest(d *info.Digest, opts Options) *digest {
	return &digest{Digest: d, send: opts.Digest, log: opts.Log.Error}
}

// learn takes a message from the data plane.
func (d *digest) learn(fields [][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.config == nil {
		return
	}
	var key []byte
	for _, f := range fields {
		key = append(key, f...)
	}
	now := time.Now()
	if d.held[string(key)] {
		return
	}
	if s, ok := d.sent[string(key)]; ok {
		if now.Sub(s.at) < time.Duration(d.config.GetAckTimeoutNs()) {
			return
		}
		d.acknowledge(s.id)
	}
	data, rest, err := d.Type.Data(fields)
	if err != nil || len(rest) > 0 {
		d.log("digest does not fit its type", "digest", d.Name, "values", len(fields))
		return
	}
	d.buffer = append(d.buffer, data)
	d.held[string(key)] = true
	limit := int(d.config.GetMaxListSize())
	if limit == 0 || limit > maxDigests {
		limit = maxDigests
	}
	switch {
	case len(d.buffer) >= limit, d.config.GetMaxTimeoutNs() == 0:
		d.flush(now)
	case len(d.buffer) == 1:
		d.timer = time.AfterFunc(time.Duration(d.config.GetMaxTimeoutNs()), func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.flush(time.Now())
		})
	}
}

// flush sends what is in the buffer.
func (d *digest) flush(now time.Time) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if len(d.buffer) == 0 {
		return
	}
	d.next++
	list := &p4v1.DigestList{DigestId: d.ID, ListId: d.next, Data: d.buffer, Timestamp: now.UnixNano()}
	// Lists that nobody acknowledged in time would otherwise pile up.
	for id, keys := range d.lists {
		if now.Sub(d.sent[keys[0]].at) >= time.Duration(d.config.GetAckTimeoutNs()) {
			d.acknowledge(id)
		}
	}
	if d.config.GetAckTimeoutNs() > 0 {
		for key := range d.held {
			d.sent[key] = sentList{d.next, now}
			d.lists[d.next] = append(d.lists[d.next], key)
		}
	}
	d.buffer = nil
	clear(d.held)
	if d.send != nil {
		d.send(list)
	}
}

// acknowledge forgets what a list had, so that it may be sent again.
func (d *digest) acknowledge(list uint64) {
	for _, key := range d.lists[list] {
		delete(d.sent, key)
	}
	delete(d.lists, list)
}

// configure sets the configuration; nil disables the digest and forgets what
// it holds.
func (d *digest) configure(c *p4v1.DigestEntry_Config) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c == nil || d.config == nil {
		if d.timer != nil {
			d.timer.Stop()
			d.timer = nil
		}
		d.buffer, d.held = nil, make(map[string]bool)
		d.sent, d.lists = make(map[string]sentList), make(map[uint64][]string)
	}
	d.config = c
}

func (d *digest) disable() { d.configure(nil) }

func (d *digest) configured() *p4v1.DigestEntry_Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.config
}

// AckDigest handles a DigestListAck. It may be called at any time. A digest
// that P4Info does not have is INVALID_ARGUMENT (section 16.6); a list that is
// not known, or no longer, is none.
func (p *Pipeline) AckDigest(a *p4v1.DigestListAck) error {
	info, err := p.Index.Digest(a.GetDigestId())
	if err != nil {
		return err
	}
	d := p.digests[info.ID]
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acknowledge(a.GetListId())
	return nil
}

func (p *Pipeline) writeDigest(op p4v1.Update_Type, e *p4v1.DigestEntry, j *journal) error {
	info, err := p.Index.Digest(e.GetDigestId())
	if err != nil {
		return err
	}
	d := p.digests[info.ID]
	old := d.configured()
	var n *p4v1.DigestEntry_Config
	if op != p4v1.Update_DELETE {
		if n = e.GetConfig(); n == nil {
			n = &p4v1.DigestEntry_Config{}
		}
		if n.GetMaxTimeoutNs() < 0 || n.GetMaxListSize() < 0 || n.GetAckTimeoutNs() < 0 {
			return refusal.New(codes.InvalidArgument, "digest %s: configuration with a negative value", d.Name)
		}
	}
	if err := present(op, old != nil, "digest configuration of", d.ID); err != nil {
		return err
	}
	if j != nil {
		j.undo(func() error { d.configure(old); return nil })
	}
	d.configure(n)
	return nil
}
