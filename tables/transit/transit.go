// Package transit holds typed bindings of p4/transit.p4: keys with a
// constructor for each action, packet metadata and digests.
package transit

//go:generate go run ../gen -p4info ../../p4/transit.p4info.txtpb -package transit
