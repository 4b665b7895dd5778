package engine

import "slices"

// maxPackets bounds the copies that one packet can become, so that a program that resubmits, recirculates or clones
// for ever ends. bmv2 drops when a queue of 1024 is full.
const maxPackets = 4096

// The values of standard_metadata.instance_type.
const (
	instanceNormal       = 0
	instanceIngressClone = 1
	instanceEgressClone  = 2
	instanceRecirculated = 4
	instanceReplicated   = 5
	instanceResubmitted  = 6
)

// batch is what one call of Process sends, delivered when the switch is unlocked.
type batch struct {
	buf     []byte
	frames  []outFrame
	digests []Digest
}

type outFrame struct {
	port       uint32
	start, end int
}

// Process runs a frame that came in at port with all its clones, replicas and recirculations to the end, then calls
// Output and Digest for what it caused, in order. The frame is not kept. What calls from several goroutines cause may
// interleave.
func (s *Switch) Process(port uint32, frame []byte) {
	b := s.batches.Get().(*batch)
	s.mu.Lock()
	s.out, s.made = b, 0
	s.stats.Received++
	p := s.packet()
	p.now = s.now()
	s.receive(p, port, frame)
	s.runIngress(p)
	s.drain()
	s.out = nil
	s.mu.Unlock()

	if s.o.Output != nil {
		for _, f := range b.frames {
			s.o.Output(f.port, b.buf[f.start:f.end:f.end])
		}
	}
	if s.o.Digest != nil {
		for _, d := range b.digests {
			s.o.Digest(d)
		}
	}
	b.buf, b.frames, b.digests = b.buf[:0], b.frames[:0], b.digests[:0]
	s.batches.Put(b)
}

// drain runs what is queued: egress first, then what goes round again.
func (s *Switch) drain() {
	for len(s.egress) > 0 || len(s.again) > 0 {
		if len(s.egress) > 0 {
			for i := 0; i < len(s.egress); i++ {
				s.runEgress(s.egress[i])
			}
			s.egress = s.egress[:0]
			continue
		}
		p := s.again[0]
		s.again = slices.Delete(s.again, 0, 1)
		s.runIngress(p)
	}
	s.idle = append(s.idle, s.kept...)
	s.kept = s.kept[:0]
}

// packet returns a packet as new.
func (s *Switch) packet() *packet {
	s.made++
	if n := len(s.idle); n > 0 {
		p := s.idle[n-1]
		s.idle = s.idle[:n-1]
		p.reset()
		return p
	}
	p := &packet{s: s, w: make([]uint64, s.p.words), vl: make([]byte, s.p.vlBytes), key: make([]uint64, s.p.maxKeyWords)}
	p.reset()
	return p
}

// copyOf returns a new packet for a copy, or nil when there are too many.
func (s *Switch) copyOf(p *packet) *packet {
	if s.made >= maxPackets {
		s.stats.LoopDrops++
		return nil
	}
	q := s.packet()
	q.now, q.port, q.length = p.now, p.port, p.length
	return q
}

func (s *Switch) free(p *packet) {
	if p.owned {
		s.kept = append(s.kept, p)
		return
	}
	p.frame = nil // the caller's
	s.idle = append(s.idle, p)
}

func (p *packet) set(f *field, v uint64) {
	if f != nil {
		p.w[f.slot] = v & f.mask()
	}
}

func (p *packet) get(f *field) uint64 {
	if f == nil {
		return 0
	}
	return p.w[f.slot]
}

func (s *Switch) receive(p *packet, port uint32, frame []byte) {
	std := &s.p.std
	p.frame, p.port, p.length, p.regLength = frame, port, len(frame), len(frame)
	p.set(std.ingressPort, uint64(port))
	p.set(std.packetLength, uint64(len(frame)))
	p.set(std.instanceType, instanceNormal)
	p.set(std.ingressTime, uint64(p.now.Microseconds()))
}

// runIngress is simple_switch's ingress thread for one packet.
func (s *Switch) runIngress(p *packet) {
	std := &s.p.std
	length := p.regLength
	s.p.parser.parse(p)
	if p.parserError != s.p.core.noError {
		s.stats.parserErrors[p.parserError]++
	}
	if p.checksumError {
		s.stats.ChecksumErrors++
		p.set(std.checksumError, 1)
	} else {
		p.set(std.checksumError, 0)
	}
	p.set(std.parserError, uint64(p.parserError))
	s.p.ingress.apply(p)
	if p.fault {
		s.stats.Faults++
		s.free(p)
		return
	}
	if p.cloneSession != 0 {
		s.cloneIngress(p, length)
	}
	if p.digest != 0 {
		s.sendDigest(p)
	}
	if p.resubmit != 0 {
		s.resubmit(p, length)
		return
	}
	if g := uint32(p.get(std.mcastGroup)); g != 0 {
		p.set(std.instanceType, instanceReplicated)
		s.multicast(p, s.groups[g], 0)
		s.free(p)
		return
	}
	port := uint32(p.get(std.egressSpec))
	if port == s.dropPort {
		s.stats.IngressDrops++
		s.free(p)
		return
	}
	p.set(std.instanceType, instanceNormal)
	s.enqueue(p, port)
}

// cloneIngress parses the packet as it came once more and sends it to egress with the preserved metadata only.
func (s *Switch) cloneIngress(p *packet, length int) {
	session, list := s.sessions[uint32(p.cloneSession&cloneIDMask)], s.p.fieldLists[p.cloneList]
	p.cloneSession, p.cloneList = 0, 0
	if session.empty() {
		return
	}
	q := s.copyOf(p)
	if q == nil {
		return
	}
	q.frame, q.regLength = p.frame, length
	q.set(s.p.std.ingressPort, uint64(p.port))
	s.p.parser.parse(q)
	q.resetMetadata()
	q.clearRequests()
	q.fault, q.exit = false, false
	list.restore(q, p)
	q.set(s.p.std.instanceType, instanceIngressClone)
	s.sendClone(q, session)
}

func (c *CloneSession) empty() bool { return len(c.Replicas) == 0 && c.Group == 0 }

func (s *Switch) sendClone(q *packet, session CloneSession) {
	if session.Group != 0 {
		s.multicast(q, s.groups[session.Group], session.TruncateTo)
	}
	s.multicast(q, session.Replicas, session.TruncateTo)
	s.free(q)
}

// multicast sends copies of a packet to egress. As in bmv2 a copy is not truncated because the original was.
func (s *Switch) multicast(p *packet, replicas []Replica, truncate int) {
	for _, r := range replicas {
		q := s.copyOf(p)
		if q == nil {
			return
		}
		p.copyHeaders(q)
		if truncate > 0 {
			q.truncate = truncate
		}
		q.set(s.p.std.egressRID, uint64(r.Instance))
		s.enqueue(q, r.Port)
	}
}

func (p *packet) resetMetadata() { clear(p.w[:p.s.p.metaWords]) }

func (s *Switch) sendDigest(p *packet) {
	list := s.p.learnLists[p.digest]
	p.digest = 0
	if list == nil || s.o.Digest == nil {
		return
	}
	d := Digest{Name: list.name, Fields: make([][]byte, len(list.fields))}
	for i, f := range list.fields {
		if f.vl {
			n := int(p.w[f.slot]) / 8
			d.Fields[i] = slices.Clone(p.vl[f.vlOff : f.vlOff+n])
			continue
		}
		d.Fields[i] = appendWords(nil, p.w[f.slot:f.slot+f.words], f.bits)
	}
	s.out.digests = append(s.out.digests, d)
}

func (s *Switch) resubmit(p *packet, length int) {
	list := s.p.fieldLists[p.resubmit]
	if q := s.copyOf(p); q != nil {
		q.frame, q.regLength = p.frame, length
		list.restore(q, p)
		q.set(s.p.std.instanceType, instanceResubmitted)
		q.set(s.p.std.packetLength, uint64(length))
		s.again = append(s.again, q)
	}
	s.free(p)
}

// enqueue hands the packet to egress. Queues are never full: a packet spends no time in them.
func (s *Switch) enqueue(p *packet, port uint32) {
	std := &s.p.std
	prio := p.get(std.priority)
	if prio >= s.queues {
		s.stats.QueueDrops++
		s.free(p)
		return
	}
	p.egress = port
	p.set(std.enqTime, uint64(p.now.Microseconds()))
	p.set(std.enqDepth, 0)
	s.egress = append(s.egress, p)
}

// runEgress is simple_switch's egress thread for one packet.
func (s *Switch) runEgress(p *packet) {
	std := &s.p.std
	p.set(std.egressTime, uint64(p.now.Microseconds()))
	p.set(std.deqTime, 0)
	p.set(std.deqDepth, 0)
	p.set(std.queueID, p.get(std.priority))
	p.set(std.egressPort, uint64(p.egress))
	p.set(std.egressSpec, uint64(s.dropPort)+1) // anything but the drop port
	p.set(std.packetLength, uint64(p.regLength))
	s.p.egress.apply(p)
	if p.fault {
		s.stats.Faults++
		s.free(p)
		return
	}
	if p.cloneSession != 0 {
		s.cloneEgress(p)
	}
	if uint32(p.get(std.egressSpec)) == s.dropPort {
		s.stats.EgressDrops++
		s.free(p)
		return
	}
	s.deparse(p)
}

func (s *Switch) cloneEgress(p *packet) {
	session, list := s.sessions[uint32(p.cloneSession&cloneIDMask)], s.p.fieldLists[p.cloneList]
	p.cloneSession, p.cloneList = 0, 0
	if session.empty() {
		return
	}
	q := s.copyOf(p)
	if q == nil {
		return
	}
	p.copyHeaders(q)
	q.resetMetadata()
	list.restore(q, p)
	q.set(s.p.std.instanceType, instanceEgressClone)
	s.sendClone(q, session)
}

// deparse sends the packet out, or round again.
func (s *Switch) deparse(p *packet) {
	d := s.p.deparser
	for _, c := range d.update {
		c.update(p)
	}
	execute(d.code, p)
	if p.fault {
		s.stats.Faults++
		s.free(p)
		return
	}
	if p.recirculate != 0 {
		s.recirculate(p)
		return
	}
	out := s.out
	start := len(out.buf)
	out.buf = p.appendTo(out.buf)
	end := start + min(p.truncate, len(out.buf)-start)
	out.buf = out.buf[:end]
	out.frames = append(out.frames, outFrame{port: p.egress, start: start, end: end})
	s.stats.Transmitted++
	s.free(p)
}

// appendTo appends the valid headers and the payload.
func (p *packet) appendTo(b []byte) []byte {
	for _, h := range p.s.p.deparser.order {
		if p.isValid(h) {
			b = p.appendHeader(b, h)
		}
	}
	return append(b, p.frame[p.pos:]...)
}

// recirculate lets the deparsed packet enter again, at its old port, with the preserved metadata only. As in bmv2 it
// is not truncated.
func (s *Switch) recirculate(p *packet) {
	list := s.p.fieldLists[p.recirculate]
	if q := s.copyOf(p); q != nil {
		q.store = p.appendTo(q.store[:0])
		q.owned = true
		q.frame, q.length, q.regLength = q.store, len(q.store), len(q.store)
		list.restore(q, p)
		q.set(s.p.std.instanceType, instanceRecirculated)
		q.set(s.p.std.packetLength, uint64(len(q.store)))
		s.again = append(s.again, q)
	}
	s.free(p)
}
