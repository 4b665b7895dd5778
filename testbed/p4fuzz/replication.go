package p4fuzz

import (
	"fmt"
	"math/big"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
)

// instances is how many replica instances there are: EgressInstance_t is
// bit<16> in v1model.
const instances = 1 << 16

// multicast judges section 9.5.1.
func (o *oracle) multicast(v *verdict, typ p4v1.Update_Type, e *p4v1.MulticastGroupEntry) {
	v.check(e.GetMulticastGroupId() != 0, "9.5.1 a multicast group id is not 0", codes.InvalidArgument)
	if e.GetMulticastGroupId() > 1<<16-1 {
		v.may("9.5.1.1 a group id is one that the target supports", codes.InvalidArgument, codes.OutOfRange)
	}
	k := key{kind: multicastGroup, index: int64(e.GetMulticastGroupId())}
	o.presence(v, typ, k)
	if typ == p4v1.Update_DELETE {
		v.apply = func() { o.s.put(k, nil) }
		return
	}
	n := &p4v1.MulticastGroupEntry{MulticastGroupId: e.GetMulticastGroupId(), Metadata: e.GetMetadata()}
	n.Replicas = o.replicas(v, e.GetReplicas(), true)
	v.apply = func() { o.s.put(k, multicastEntity(n)) }
}

// session judges section 9.5.2.
func (o *oracle) session(v *verdict, typ p4v1.Update_Type, e *p4v1.CloneSessionEntry) {
	v.check(e.GetSessionId() != 0, "9.5.2 a session id is not 0", codes.InvalidArgument)
	if e.GetSessionId() > 1<<15-1 {
		v.may("9.5.2.1 a session id is one that the target supports", codes.InvalidArgument, codes.OutOfRange)
	}
	k := key{kind: cloneSession, index: int64(e.GetSessionId())}
	o.presence(v, typ, k)
	if typ == p4v1.Update_DELETE {
		v.apply = func() { o.s.put(k, nil) }
		return
	}
	if e.GetPacketLengthBytes() < 0 {
		v.may("9.5.2 speaks of no negative length", codes.InvalidArgument, codes.OutOfRange)
	}
	if e.GetClassOfService() != 0 {
		v.may("9.5.2 v1model has no class of service", codes.InvalidArgument, codes.Unimplemented)
	}
	n := &p4v1.CloneSessionEntry{
		SessionId: e.GetSessionId(), ClassOfService: e.GetClassOfService(), PacketLengthBytes: e.GetPacketLengthBytes(),
		Replicas: o.replicas(v, e.GetReplicas(), false),
	}
	v.apply = func() { o.s.put(k, sessionEntity(n)) }
}

// replicas judges replicas and returns them in canonical form.
func (o *oracle) replicas(v *verdict, rs []*p4v1.Replica, multicast bool) []*p4v1.Replica {
	var out []*p4v1.Replica
	pairs := make(map[string]bool)
	pair := func(port *big.Int, instance uint32) {
		p := fmt.Sprint(port, instance)
		if multicast {
			v.check(!pairs[p], "9.5.1 (port, instance) pairs are unique", codes.InvalidArgument)
		} else if pairs[p] {
			v.may("p4runtime.proto: (port, instance) pairs are unique", codes.InvalidArgument)
		}
		pairs[p] = true
		v.check(instance < instances, "9.5.1 and 9.5.2 an instance is one of EgressInstance_t", codes.InvalidArgument)
	}
	for _, r := range rs {
		n := &p4v1.Replica{Instance: r.GetInstance(), PortKind: r.GetPortKind()}
		port := new(big.Int)
		switch x := r.GetPortKind().(type) {
		case *p4v1.Replica_Port:
			o.port(v, x.Port, "9.5.1 and 9.5.2 the port is a singleton port")
			port.SetBytes(x.Port)
			n.PortKind = &p4v1.Replica_Port{Port: shortest(x.Port)}
		case *p4v1.Replica_EgressPort:
			o.port(v, bytesOf(port.SetUint64(uint64(x.EgressPort))), "9.5.1 and 9.5.2 the port is a singleton port")
		default:
			v.must("9.5.1 and 9.5.2 a replica has a port", codes.InvalidArgument)
		}
		pair(port, r.GetInstance())
		for _, b := range r.GetBackupReplicas() {
			v.may("9.5.1 backup replicas are optional", codes.Unimplemented)
			if !multicast {
				v.may("9.5.2 speaks of no backup replicas", codes.InvalidArgument)
			}
			o.port(v, b.GetPort(), "9.5.1 the port of a backup is a singleton port")
			v.check(number(b.GetPort()).Cmp(port) != 0, "9.5.1 a backup has another port than its replica", codes.InvalidArgument)
			pair(number(b.GetPort()), b.GetInstance())
			n.BackupReplicas = append(n.BackupReplicas, &p4v1.BackupReplica{Port: shortest(b.GetPort()), Instance: b.GetInstance()})
		}
		out = append(out, n)
	}
	byText(out)
	return out
}
