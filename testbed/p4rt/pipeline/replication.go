package pipeline

import (
	"errors"
	"fmt"
	"math"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/keyway-nve/keyway/proto/bytestring"
	"github.com/keyway-nve/keyway/testbed/engine"
	"github.com/keyway-nve/keyway/testbed/p4rt/refusal"
)

const (
	maxGroup   = 1<<15 - 1   // the rest of bit<16> mcast_grp is PI's, for clones
	maxSession = 1<<15 - 1   // bmv2's clone session ids
	sdnPortCPU = 0xffff_fffd // SDN_PORT_CPU
	maxPort    = 1<<9 - 1    // v1model's PortId_t
)

// portOf reads the number of a port that there can be.
func portOf(b []byte) (uint32, error) {
	v, err := bytestring.Uint64(b)
	if err == nil && v > maxPort && v != sdnPortCPU {
		err = fmt.Errorf("%d is no port: %w", v, bytestring.ErrRange)
	}
	return uint32(v), err
}

// portNumber is the same for a port in the deprecated form of a number.
func portNumber(n int32) (uint32, error) { return portOf(bytestring.FromUint64(uint64(uint32(n)))) }

func (p *Pipeline) isDown(port uint32) bool { return p.down[port] }

// SetPort tells the pipeline that a port went up or down, which moves replicas
// to their backups and back, and takes members with a watch port out of their
// groups and back in.
func (p *Pipeline) SetPort(port uint32, up bool) error {
	if up == !p.down[port] {
		return nil
	}
	if up {
		delete(p.down, port)
	} else {
		p.down[port] = true
	}
	var faults []error
	for _, pr := range p.profiles {
		for _, g := range pr.groups.all() {
			faults = append(faults, pr.rewatch(g, port))
		}
		for s := range pr.sets.all() {
			faults = append(faults, pr.rewatch(&s.group, port))
		}
	}
	for _, g := range p.groups.all() {
		if backedUp(g.GetReplicas()) {
			faults = append(faults, p.setMulticast(g))
		}
	}
	for _, s := range p.sessions.all() {
		if backedUp(s.GetReplicas()) {
			faults = append(faults, p.setSession(s))
		}
	}
	return errors.Join(faults...)
}

// rewatch gives a group's live members to the engine again if one of them
// watches a port.
func (pr *profile) rewatch(g *group, port uint32) error {
	for _, b := range g.buckets {
		if b.watch == port {
			return code(pr.eng.SetGroup(g.handle, pr.live(g)))
		}
	}
	return nil
}

func backedUp(replicas []*p4v1.Replica) bool {
	for _, r := range replicas {
		if len(r.GetBackupReplicas()) > 0 {
			return true
		}
	}
	return false
}

// place is a port with an instance, the identity of a replica.
type place struct{ port, instance uint32 }

// checkReplicas checks the replicas of a group or of a session (section 9.5)
// and returns their canonical form. unique asks for different places.
func checkReplicas(what string, from []*p4v1.Replica, unique bool) ([]*p4v1.Replica, error) {
	var out []*p4v1.Replica
	var faults []error
	seen := make(map[place]bool)
	check := func(i int, port []byte, instance uint32) uint32 {
		n, err := portOf(port)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("replica %d: port: %w", i, err))
		case n == 0:
			faults = append(faults, fmt.Errorf("replica %d: port is 0", i))
		}
		if instance > math.MaxUint16 {
			faults = append(faults, fmt.Errorf("replica %d: instance %d has more than 16 bits", i, instance))
		}
		at := place{n, instance}
		if unique && seen[at] {
			faults = append(faults, fmt.Errorf("replica %d: port %d with instance %d is there already", i, n, instance))
		}
		seen[at] = true
		return n
	}
	for i, r := range from {
		n := &p4v1.Replica{Instance: r.GetInstance()}
		var port uint32
		switch k := r.GetPortKind().(type) {
		case *p4v1.Replica_Port:
			port = check(i, k.Port, r.GetInstance())
			n.PortKind = &p4v1.Replica_Port{Port: bytestring.Canonical(k.Port)}
		case *p4v1.Replica_EgressPort:
			port = check(i, bytestring.FromUint64(uint64(k.EgressPort)), r.GetInstance())
			n.PortKind = k
		default:
			faults = append(faults, fmt.Errorf("replica %d: no port", i))
			continue
		}
		for _, b := range r.GetBackupReplicas() {
			backup := check(i, b.GetPort(), b.GetInstance())
			if backup == port {
				faults = append(faults, fmt.Errorf("replica %d: backup has the same port %d", i, port))
			}
			n.BackupReplicas = append(n.BackupReplicas, &p4v1.BackupReplica{
				Port: bytestring.Canonical(b.GetPort()), Instance: b.GetInstance()})
		}
		out = append(out, n)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, refusal.New(codes.InvalidArgument, "%s: %w", what, err)
	}
	return out, nil
}

// replicas returns where copies go now: to each replica's port, or to its
// first backup with a port that is up. Where none is up there is no copy.
func (p *Pipeline) replicas(from []*p4v1.Replica) []engine.Replica {
	out := make([]engine.Replica, 0, len(from))
	for _, r := range from {
		port := r.GetEgressPort()
		if b := r.GetPort(); len(b) > 0 {
			port, _ = portOf(b)
		}
		if at := (engine.Replica{Port: p.port(port), Instance: uint16(r.GetInstance())}); !p.down[at.Port] || len(r.GetBackupReplicas()) == 0 {
			out = append(out, at)
			continue
		}
		for _, b := range r.GetBackupReplicas() {
			n, _ := portOf(b.GetPort())
			if n = p.port(n); !p.down[n] {
				out = append(out, engine.Replica{Port: n, Instance: uint16(b.GetInstance())})
				break
			}
		}
	}
	return out
}

// port translates the SDN port that stands for the CPU (section 18.1.1); all
// other ports go by their own number, as in bmv2.
func (p *Pipeline) port(n uint32) uint32 {
	if n == sdnPortCPU && p.opts.CPUPort != 0 {
		return p.opts.CPUPort
	}
	return n
}

func (p *Pipeline) writeReplication(op p4v1.Update_Type, e *p4v1.PacketReplicationEngineEntry, j *journal) error {
	switch v := e.GetType().(type) {
	case *p4v1.PacketReplicationEngineEntry_MulticastGroupEntry:
		return p.writeMulticast(op, v.MulticastGroupEntry, j)
	case *p4v1.PacketReplicationEngineEntry_CloneSessionEntry:
		return p.writeSession(op, v.CloneSessionEntry, j)
	}
	return refusal.New(codes.InvalidArgument, "packet replication entry without type")
}

func (p *Pipeline) writeMulticast(op p4v1.Update_Type, e *p4v1.MulticastGroupEntry, j *journal) error {
	id := e.GetMulticastGroupId()
	switch {
	case id == 0:
		return refusal.New(codes.InvalidArgument, "multicast group id 0 is no group")
	case id > maxGroup:
		return refusal.New(codes.OutOfRange, "multicast group id %d is not in 1..%d", id, maxGroup)
	}
	old, exists := p.groups.get(id)
	n := &p4v1.MulticastGroupEntry{MulticastGroupId: id, Metadata: e.GetMetadata()}
	if op != p4v1.Update_DELETE {
		var err error
		if n.Replicas, err = checkReplicas(fmt.Sprint("multicast group ", id), e.GetReplicas(), true); err != nil {
			return err
		}
	}
	if err := present(op, exists, "multicast group", id); err != nil {
		return err
	}
	if j != nil {
		j.undo(func() error {
			if exists {
				return p.setMulticast(old)
			}
			return p.deleteMulticast(id)
		})
	}
	if op == p4v1.Update_DELETE {
		return p.deleteMulticast(id)
	}
	return p.setMulticast(n)
}

// present checks that an entity is there for MODIFY and DELETE and is not for
// INSERT.
func present(op p4v1.Update_Type, exists bool, what string, id uint32) error {
	switch {
	case op == p4v1.Update_INSERT && exists:
		return refusal.New(codes.AlreadyExists, "%s %d exists", what, id)
	case op != p4v1.Update_INSERT && !exists:
		return refusal.New(codes.NotFound, "no %s %d", what, id)
	}
	return nil
}

func (p *Pipeline) setMulticast(g *p4v1.MulticastGroupEntry) error {
	if err := p.sw.SetMulticastGroup(g.GetMulticastGroupId(), p.replicas(g.GetReplicas())); err != nil {
		return code(err)
	}
	p.groups.put(g.GetMulticastGroupId(), g)
	return nil
}

func (p *Pipeline) deleteMulticast(id uint32) error {
	p.groups.remove(id)
	return code(p.sw.DeleteMulticastGroup(id))
}

func (p *Pipeline) writeSession(op p4v1.Update_Type, e *p4v1.CloneSessionEntry, j *journal) error {
	id := e.GetSessionId()
	if id == 0 || id > maxSession {
		return refusal.New(codes.InvalidArgument, "clone session id %d is not in 1..%d", id, maxSession)
	}
	old, exists := p.sessions.get(id)
	n := &p4v1.CloneSessionEntry{SessionId: id, PacketLengthBytes: e.GetPacketLengthBytes()}
	if op != p4v1.Update_DELETE {
		var err error
		if n.Replicas, err = checkReplicas(fmt.Sprint("clone session ", id), e.GetReplicas(), false); err != nil {
			return err
		}
		if e.GetPacketLengthBytes() < 0 {
			return refusal.New(codes.InvalidArgument, "clone session %d: packet_length_bytes is negative", id)
		}
		if e.GetClassOfService() != 0 {
			return refusal.New(codes.Unimplemented, "clone session %d: bmv2's sessions have no class of service", id)
		}
	}
	if err := present(op, exists, "clone session", id); err != nil {
		return err
	}
	if j != nil {
		j.undo(func() error {
			if exists {
				return p.setSession(old)
			}
			return p.deleteSession(id)
		})
	}
	if op == p4v1.Update_DELETE {
		return p.deleteSession(id)
	}
	return p.setSession(n)
}

func (p *Pipeline) setSession(s *p4v1.CloneSessionEntry) error {
	err := p.sw.SetCloneSession(s.GetSessionId(), engine.CloneSession{
		Replicas:   p.replicas(s.GetReplicas()),
		TruncateTo: int(s.GetPacketLengthBytes()),
	})
	if err != nil {
		return code(err)
	}
	p.sessions.put(s.GetSessionId(), s)
	return nil
}

func (p *Pipeline) deleteSession(id uint32) error {
	p.sessions.remove(id)
	return code(p.sw.DeleteCloneSession(id))
}
