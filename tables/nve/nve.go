// Package nve holds typed bindings of p4/nve.p4: keys with a constructor for
// each action, packet metadata and digests.
package nve

//go:generate go run ../gen -p4info ../../p4/nve.p4info.txtpb -package nve
