// Package differential compares the embedded target with bmv2: the same
// programs, entries and packets, drawn at random, must have the same outcome.
// It has tests only, which need simple_switch_grpc on PATH. What a seed draws is
// always the same:
//
//	go test ./testbed/differential -run BMv2 -v -args -seed 1 -cases 100
//
// A case is a fabric with its entries as the controller renders them, of which
// one device is there twice. Both get entries, counters, meters and groups that
// may or may not be valid, one in a request, and must answer with the same
// code; then they are read back. Both get packets: what tenants send, what the
// rest of the fabric makes of it, and that again with another meaning, cut off
// or broken. What leaves by which port, packet-ins, digests and all counters
// must be the same, byte by byte. The programs' clock stands still at 0 in both.
//
// # What is not compared
//
// bmv2 has no way to read registers, and is not asked for what it does not
// implement: atomic batches, value sets, wildcard writes. Meters are set to
// rates that no test reaches, since their clock is real. Digests are compared as
// sets, since how they are put into lists depends on time.
//
// # Where bmv2 is on its own
//
// Sections are those of the P4Runtime specification. The embedded target keeps
// to them; bmv2, which is to say PI,
//
//   - takes an empty bytestring as 0, where it is to be refused (section 8.3);
//   - answers UNKNOWN to an update or read without an entity and to a negative
//     priority, which are INVALID_ARGUMENT, and to an index beyond a counter or
//     meter, which is OUT_OF_RANGE (sections 9.3, 9.4);
//   - takes INSERT and DELETE of a counter as MODIFY;
//   - looks whether a group is there before it finds that a replica is in it twice;
//   - loses replicas of a group that names some by port and some by egress_port,
//     unless the ports of an instance happen to ascend;
//   - answers INVALID_ARGUMENT to a direct counter of an entry that is not there,
//     which is NOT_FOUND;
//   - refuses MODIFY of an entry without an action, which section 9.1 leaves open
//     and the embedded target takes as keeping it;
//   - answers NOT_FOUND or OUT_OF_RANGE to the read of a group that is not there,
//     of which section 9.5 says nothing and the embedded target reads none;
//   - looks at no filter of a read but the match;
//   - sends packet-outs whose metadata is not there, not known or there twice;
//   - does not tell is_const, of which its version of P4Runtime does not know;
//   - tells the bytes of counters that are of packets only;
//   - gives back meter rates a little smaller, unless they are binary fractions of
//     a packet a microsecond;
//   - reads from a header that is not there what an earlier packet left in it,
//     which P4 leaves open and where the embedded target reads zeros; so no row
//     that is drawn leads there, as none that the controller writes does;
//   - crashes when a program indexes a register beyond its end, so no entry that
//     is drawn leads there.
package differential
