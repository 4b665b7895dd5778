// Package conformance proves, packet by packet, what the programs of p4/ do on
// the embedded switch: RFC 8926 (Geneve), RFC 7637 (NVGRE), RFC 6040 (ECN in
// tunnels), RFC 768 and RFC 1624 (checksums), and what Keyway adds to them.
//
// It has tests only. Each device is programmed as the product does it: an
// intent, rendered to entities, written by a P4Runtime session. Each case is
// named after the rule that it holds the program to, and says what becomes of
// one frame: the bytes that leave, byte by byte, or the reason why it is dropped
// or punted, by the program's own counters. The same holds for bmv2, where it is
// on PATH:
//
//	go test ./testbed/conformance -args -bmv2
package conformance
