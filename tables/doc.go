// Package tables is what a P4 program lets a controller configure, by name.
//
// A [Schema] is read from P4Info. An [Entry] or another [Entity] is plain data,
// made canonical and checked against the schema before it can be encoded, so
// a wrong name, a number that is too wide or a missing field never reaches a
// device. [Schema.Plan] turns what a device has into what it should have, in
// an order in which packets keep flowing. [Table.Rows],
// [Table.Conflicts] and [Schema.TCAMRows] reason about what a TCAM makes of it.
//
// The subpackages hold typed bindings, generated from each program's P4Info.
package tables
