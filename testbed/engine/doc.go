// Package engine runs the JSON that p4c-bm2-ss writes for the v1model architecture, with the semantics of bmv2's
// simple_switch.
//
// A program is compiled once, at [Load], into closures over a flat packet header vector: one or more 64-bit words a
// field. Nothing is looked up by name while a packet is processed, and a packet costs no allocation once the pools
// are warm. A [Program] is immutable and can be shared by any number of [Switch]es, each of which holds the state of
// one: table entries, counters, meters, registers, groups and sessions.
//
// The semantics are those of simple_switch, read from its source, down to the corners: arithmetic has infinite
// precision until a value is copied into a field; the lower priority number wins and ties go to the lowest handle; a
// parser error stops the parser and the packet still enters ingress; clones and resubmitted packets are parsed again.
// Where bmv2 leaves its behaviour to memory it does not own (lookahead past the end of the packet, the last element
// of an empty stack, an index outside of a stack, fields of headers left over from the packet before), the engine
// does what the P4_16 specification says: a parser error in a parser, zero or no effect elsewhere. What would stop
// bmv2 altogether (assert, assume, division by zero) drops the packet and is counted.
package engine
