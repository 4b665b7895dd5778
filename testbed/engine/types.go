package engine

import "time"

// Handle identifies one entry of one table. As in bmv2 a new entry takes the lowest free number, which decides ties
// between entries of the same priority.
type Handle uint32

// MatchKind is how a key field of a table is matched. P4's optional match reaches the engine as ternary, with a mask
// of all ones or all zeros, because p4c compiles it so.
type MatchKind uint8

// The match kinds of bmv2's JSON.
const (
	MatchExact MatchKind = iota
	MatchLPM
	MatchTernary
	MatchRange
	MatchValid // validity of a header; Value is one byte, 0 or 1
)

// Match is the value of one key field. Byte slices are big-endian and as wide as the field, rounded up to bytes.
type Match struct {
	Kind      MatchKind
	Value     []byte
	Mask      []byte // ternary only
	High      []byte // range only: the inclusive upper bound; Value is the lower one
	PrefixLen int    // LPM only, in bits
}

// KeyField describes one key field of a table.
type KeyField struct {
	Name string // as the program names it, "hdr.ipv4.dst"
	Kind MatchKind
	Bits int
}

// Param describes one parameter of an action.
type Param struct {
	Name string
	Bits int
}

// ActionInfo describes an action that a table or an action profile accepts.
type ActionInfo struct {
	Name   string
	Params []Param
}

// Target is what an entry does: an [ActionCall] in a simple table, a [MemberHandle] or a [GroupHandle] in a table that
// is bound to an action profile.
type Target interface{ target() }

// ActionCall is an action with its arguments, big-endian and as wide as each parameter, rounded up to bytes.
type ActionCall struct {
	Name string
	Args [][]byte
}

// MemberHandle identifies a member of an action profile.
type MemberHandle uint32

// GroupHandle identifies a group of an action profile.
type GroupHandle uint32

func (ActionCall) target()   {}
func (MemberHandle) target() {}
func (GroupHandle) target()  {}

// Entry is one entry of a table as [Table.Entries] and [Table.Entry] return it. It shares nothing with the table.
type Entry struct {
	Key      []Match
	Priority int32
	Target   Target
	TTL      time.Duration // 0: never times out
	Const    bool          // from the program: cannot be changed
}

// WeightedMember is a member of a group with the number of hash buckets it gets.
type WeightedMember struct {
	Member MemberHandle
	Weight int // at least 1
}

// CounterData is the value of one counter.
type CounterData struct {
	Packets, Bytes uint64
}

// MeterUnit is what a meter counts.
type MeterUnit uint8

// The units of a meter.
const (
	MeterPackets MeterUnit = iota
	MeterBytes
)

// MeterConfig is a two-rate three-colour configuration: rates in units a second, bursts in units. CIR must not exceed
// PIR.
type MeterConfig struct {
	CIR, CBurst, PIR, PBurst uint64
}

// Replica is one copy that the packet replication engine makes: to Port, with egress_rid set to Instance.
type Replica struct {
	Port     uint32
	Instance uint16
}

// CloneSession says where packets cloned to a session go.
type CloneSession struct {
	Replicas   []Replica
	Group      uint32 // a multicast group that gets a copy too; 0 for none
	TruncateTo int    // the longest frame that leaves, in bytes; 0 leaves the length alone
}

// Digest is one sample that a program sent with digest().
type Digest struct {
	Name   string   // the learn list: the name of the struct
	Fields [][]byte // one a member, big-endian, as wide as the member rounded up to bytes
}

// Stats counts what became of packets. As in bmv2 a parser error or a wrong checksum does not drop a packet.
type Stats struct {
	Received       uint64            // frames given to Process
	Transmitted    uint64            // frames given to Output
	IngressDrops   uint64            // dropped at the end of ingress
	EgressDrops    uint64            // dropped at the end of egress
	QueueDrops     uint64            // priority outside of the configured queues
	LoopDrops      uint64            // copies beyond the limit of one Process call
	Faults         uint64            // assert, assume or a division by zero stopped the packet
	ChecksumErrors uint64            // packets whose checksum did not verify
	ParserErrors   map[string]uint64 // by the name of the error
}
