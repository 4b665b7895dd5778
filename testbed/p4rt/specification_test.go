package p4rt_test

import (
	"slices"
	"testing"
)

// rule is one thing that the specification demands of a server, by the section
// that says it.
type rule struct {
	section string
	says    string
	test    func(*testing.T)
}

// TestSpecification has every MUST of the chapters on arbitration (5, 16.2),
// bytestrings (8.1 to 8.3), Write (10, 12), Read (13) and packet I/O (16.1, 16.6).
// Some are tests of their own, which run here once more under the name of the
// rule.
func TestSpecification(t *testing.T) {
	for _, r := range slices.Concat(arbitrationRules, notificationRules, formatRules, writeRules, readRules, streamRules) {
		t.Run(r.section+" "+r.says, r.test)
	}
	for _, n := range notApplicable {
		t.Logf("no test: %s %s: %s", n.section, n.says, n.why)
	}
}

// notApplicable are the demands of those chapters that have no test, and why.
var notApplicable = []struct{ section, says, why string }{
	{"5", "TLS or the like is recommended where server details go over a network",
		"they do not: whoever starts the server gives its address"},
	{"5.1", "device_id must be non-zero",
		"it is what the server is started with, and 0 is bmv2's default"},
	{"8.3", "the server verifies the length of a varbit value",
		"no entity of v1model that a client writes has one"},
	{"8.3", "values of int<W> are sign extended, in what a client sends",
		"only P4Data has such values; TestBytestringExamples and TestDataOfEveryType of package info have them, and all examples of the section"},
	{"12", "the server checks that the role is one of the device, whatever its roles are",
		"roles are made by the clients that name them, so none is unknown that a client has"},
	{"12.2", "UNIMPLEMENTED if a batch cannot be all or none",
		"every batch can"},
	{"13.3", "INTERNAL if a valid read fails",
		"none can: what is read is in memory"},
	{"16.1", "the value of a field with sdn_string is any string",
		"a config with such a type is refused (package comment)"},
	{"16.2", "the highest election id is remembered across in-service upgrades",
		"there are none: a restart is a full one"},
	{"16.5", "messages of architectures",
		"v1model has none; 16.6 has what becomes of one"},
}
