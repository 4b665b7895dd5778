package miss

import "time"

// Rate is a token bucket: Burst tokens at most, PerSecond new ones each second. A zero field means its default.
type Rate struct {
	PerSecond int
	Burst     int
}

// Limits bound what misses can cause. Its zero value is the default. RFC 4443 §2.4(f) wants a token bucket with parameters
// that can be set and gives 10 and 10/s as an example; draft-sridharan-virtualization-nvgre-ext is silent.
type Limits struct {
	// Window is how long the same news for the same peer is not repeated. Zero means a second.
	Window time.Duration
	// Peer bounds what one peer is sent, or can make the NVA do, in each class of messages. Zero means 10/s and 10 at once.
	Peer Rate
	// Global bounds the same for all peers together. Zero means 1000/s and 1000 at once.
	Global Rate
	// Keys bounds the memory: how many pairs of peer and endpoint are remembered. Zero means 16384, some 3 MB.
	Keys int
}

// Default limits.
const (
	DefaultWindow     = time.Second
	defaultPeerRate   = 10
	defaultGlobalRate = 1000
	defaultKeys       = 16384
)

func (l Limits) withDefaults() Limits {
	fill := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	if l.Window <= 0 {
		l.Window = DefaultWindow
	}
	fill(&l.Peer.PerSecond, defaultPeerRate)
	fill(&l.Peer.Burst, defaultPeerRate)
	fill(&l.Global.PerSecond, defaultGlobalRate)
	fill(&l.Global.Burst, defaultGlobalRate)
	fill(&l.Keys, defaultKeys)
	return l
}

// bucket is a token bucket kept as one time: when it will be full. A bucket whose time has passed is full, and so is the zero value.
type bucket struct{ full time.Time }

// take takes a token if there is one.
func (b *bucket) take(now time.Time, r Rate) bool {
	token := r.token()
	from := b.full
	if from.Before(now) {
		from = now
	}
	if from.Sub(now) > time.Duration(r.Burst-1)*token {
		return false
	}
	b.full = from.Add(token)
	return true
}

// giveBack undoes the last take.
func (b *bucket) giveBack(r Rate) { b.full = b.full.Add(-r.token()) }

func (r Rate) token() time.Duration { return max(time.Second/time.Duration(r.PerSecond), 1) }

// class keeps what tenants can cause apart from what they cannot: a tenant that sprays unknown destinations uses up the bucket of
// UNREACHABLE, and the REDIRECTs of endpoints that really moved still go out.
type class uint8

const (
	classRedirect class = iota
	classUnreachable
	classRefresh
	classes
)

type peerClass struct {
	peer  string
	class class
}

// limiter holds the buckets of peers and those of all together.
type limiter struct {
	limits Limits
	peers  recent[peerClass, bucket]
	all    [classes]bucket
}

func newLimiter(l Limits) limiter {
	return limiter{limits: l, peers: newRecent[peerClass, bucket](l.Keys)}
}

// take takes a token of both levels or of none. The answers are of the peer's level and of the global one.
//
// A bucket is forgotten only when it is full again, since that is how a new one starts; a peer for which no room can be made
// that way is over its limit.
func (l *limiter) take(peer string, c class, now time.Time) (peerOK, globalOK bool) {
	key := peerClass{peer, c}
	if l.peers.get(key) == nil && l.peers.full() {
		old, b := l.peers.oldest()
		if b.full.After(now) {
			return false, true
		}
		l.peers.drop(old)
	}
	b := l.peers.put(key)
	if !b.take(now, l.limits.Peer) {
		return false, true
	}
	if !l.all[c].take(now, l.limits.Global) {
		b.giveBack(l.limits.Peer)
		return true, false
	}
	return true, true
}

// dedupe remembers what was said within a window. In a flood of distinct keys it forgets the oldest early: then something is
// said twice, and the buckets bound how often.
type dedupe[K comparable] struct {
	window time.Duration
	said   recent[K, time.Time]
}

func newDedupe[K comparable](l Limits) dedupe[K] {
	return dedupe[K]{window: l.Window, said: newRecent[K, time.Time](l.Keys)}
}

// has reports whether k was said less than the window ago.
func (d *dedupe[K]) has(k K, now time.Time) bool {
	at := d.said.get(k)
	return at != nil && now.Sub(*at) < d.window
}

// say remembers that k is said now.
func (d *dedupe[K]) say(k K, now time.Time) {
	for old, at := d.said.oldest(); at != nil && now.Sub(*at) >= d.window; old, at = d.said.oldest() {
		d.said.drop(old)
	}
	*d.said.put(k) = now
}

// backoff spaces the refreshes of one place further and further apart, from the window up, as long as messages about it keep coming.
type backoff struct {
	next  time.Time
	delay time.Duration
}

// MaxBackoff is the longest time between two refreshes of the same entry that messages ask for, and the silence after which the
// next one is answered at once.
const MaxBackoff = time.Minute

type backoffs struct {
	first  time.Duration
	places recent[Place, backoff]
}

func newBackoffs(l Limits) backoffs {
	return backoffs{first: l.Window, places: newRecent[Place, backoff](l.Keys)}
}

// waits reports whether p was refreshed so short a while ago that it is not refreshed now.
func (s *backoffs) waits(p Place, now time.Time) bool {
	b := s.places.get(p)
	return b != nil && now.Before(b.next)
}

// step notes that p is refreshed now.
func (s *backoffs) step(p Place, now time.Time) {
	b := s.places.put(p)
	if b.delay == 0 || now.Sub(b.next) >= MaxBackoff {
		b.delay = s.first
	} else {
		b.delay = min(2*b.delay, max(MaxBackoff, s.first))
	}
	b.next = now.Add(b.delay)
}
