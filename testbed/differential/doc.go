// Package differential compares the embedded target with bmv2: the same
// programs, entries and packets, drawn at random, must have the same outcome.
// It has tests only. Those of bmv2 need simple_switch_grpc on PATH; what a seed
// draws is always the same:
//
//	go test ./testbed/differential -run BMv2 -v -args -seed 1 -cases 100
//
// # This project's programs
//
// A case is a fabric with its entries as the controller renders them, of which
// one device is there twice. Both get entries, counters, meters and groups that
// may or may not be valid, one in a request, and must answer with the same
// code; then they are read back. Both get packets: what tenants send, what the
// rest of the fabric makes of it, and that again with another meaning, cut off
// or broken. What leaves by which port, packet-ins, digests and all counters
// must be the same, byte by byte. The programs' clock stands still at 0 in both.
//
// # Corner programs
//
// Each program of testdata was written for one corner of v1model; its first
// lines say which. A case draws entries, members, groups and sessions from its
// P4Info and packets from its parser, and changes what entries do between them.
//
// Each has a script too, testdata/*.stf, with what was worked out by hand. It
// runs in the engine, in the embedded target and, where it is, in bmv2.
//
// # As recorded
//
// What bmv2 answered to one case of each program is recorded in
// testdata/*.golden, a step a line. TestAsRecorded has the embedded target take
// the same steps and needs no bmv2. The files are made anew, where it is, by
//
//	go test ./testbed/differential -run BMv2 -args -update -cases 6 -packets 90 -updates 90
//
// which is to be done when a corner program or the project's own have changed;
// those of an older version of the latter are skipped.
//
// # What is not compared
//
// bmv2 has no way to read registers, and is not asked for what it does not
// implement: atomic batches, value sets, wildcard writes. Meters are set to
// rates that no test reaches, since their clock is real, or to bursts without a
// rate. Digests and notifications are compared as sets, since how they are put
// into lists depends on time. Of a random number only the range is known. Which
// member of a group with weights a packet takes is left open by P4Runtime; with
// equal weights it is compared.
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
//   - tells bytes and packets of counters that are of one of them only;
//   - gives back meter rates a little smaller, unless they are binary fractions of
//     a packet a microsecond;
//   - answers UNKNOWN or NOT_FOUND to writes of constant entries, which are
//     PERMISSION_DENIED (section 9.1.4), and does not read them; p4c makes
//     entries that are only initial constant for both;
//   - answers INVALID_ARGUMENT to writes of the default entry of an indirect
//     table, which is constant (section 9.1.3), and reads it without an action;
//   - answers INVALID_ARGUMENT to a member or group that is not there, which is
//     NOT_FOUND (section 9.1.2), and UNKNOWN to the deletion of one in use;
//   - keeps a group, without members, that it refuses for what they weigh;
//   - reads a member as often as it is heavy in some group;
//   - reads a range that is all there is of a field, where it is to be left out;
//   - cannot read entries of a table whose key is taken under a mask, of which it
//     keeps other bits than it was given;
//   - takes an idle timeout and a counter of a default entry, to no effect;
//   - notifies of idle entries without their metadata;
//   - gives an entry without a meter configuration that of another that was
//     deleted before;
//   - does not implement clone sessions that cut packets short;
//   - takes a program whose P4Info has tables, digests or widths that the device
//     config has not, which the embedded target refuses.
//
// In the data plane, where v1model or P4_16 says what is to be done, or leaves
// it open, and nothing that is drawn leads, bmv2
//
//   - reads from a header that is not there what an earlier packet left in it,
//     where the embedded target reads zeros;
//   - reads and writes other memory, or crashes, when a program indexes a register,
//     counter or stack beyond its end;
//   - runs a loop without an end for ever, where the embedded target gives up;
//   - ends when the format of a log_msg begins with a value;
//   - refuses a parser that selects by lastIndex, which p4c writes as an
//     expression; so does the embedded target;
//   - copies and compares headers of a union by numbers that it keeps of fields
//     only where an expression names them, and which are zeros elsewhere;
//   - accepts a packet of which a selection of the parser takes no case, which
//     is NoMatch in P4_16: p4c does not write it, so the embedded target does
//     not know of it either;
//   - drops frames of no bytes before the program sees them.
package differential
