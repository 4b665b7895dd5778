package p4

// The CPU_PORT and DROP_PORT of include/headers.p4: what a target has to be
// started with.
const (
	CPUPort  = 510
	DropPort = 511
)

// DropReasons are the names of the DROP_* constants of include/metadata.p4,
// the cells of counters drops and egress_drops, by number. Number 0 is none.
func DropReasons() []string {
	return []string{
		1:  "checksum",
		2:  "malformed",
		3:  "not-local",
		4:  "not-a-tunnel",
		5:  "fragment",
		6:  "source",
		7:  "inner-vlan",
		8:  "critical-option",
		9:  "policy",
		10: "ecn",
		11: "attachment",
		12: "no-flood",
		13: "too-big",
		14: "pruned",
		15: "tunnel",
		16: "packet-out",
		17: "ttl",
		18: "no-route",
		19: "acl",
		20: "punt-meter",
	}
}

// PuntReasons are the names of the PUNT_* constants, the cells of counter punts
// and meter punt_meter and the reason in packet_in, by number. Number 0 is none.
func PuntReasons() []string {
	return []string{
		1: "nvgre-ext",
		2: "oam",
		3: "unknown-vn",
		4: "unknown-endpoint",
		5: "moved",
		6: "critical-option",
		7: "no-destination",
	}
}
