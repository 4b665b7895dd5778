// Code generated from nve.p4info.txtpb by tables/gen. DO NOT EDIT.

package nve

// Tables.
const (
	TableAttachment     = "NveIngress.from_tenant.attachment"
	TableOptionLayout   = "NveIngress.from_underlay.receive_options.options.option_layout"
	TableCriticalMiss   = "NveIngress.from_underlay.receive_options.critical_miss"
	TableTraceWatch     = "NveIngress.from_underlay.path_trace.trace_watch"
	TableLocalAddress   = "NveIngress.from_underlay.local_address"
	TableVirtualNetwork = "NveIngress.from_underlay.virtual_network"
	TableSourceNVE      = "NveIngress.from_underlay.source_nve"
	TableEndpoint       = "NveIngress.forward.endpoint"
	TableLogicalPort    = "NveIngress.forward.logical_port"
	TableFlood          = "NveIngress.forward.flood"
	TableGroupPolicy    = "NveIngress.forward.group_policy"
	TableUnderlayPath   = "NveIngress.forward.underlay_path"
	TableTunnel         = "NveEgress.encapsulate.tunnel"
	TableSendLayout     = "NveEgress.encapsulate.send_layout"
	TableNeighbor       = "NveEgress.encapsulate.neighbor"
	TablePortTag        = "NveEgress.deliver.port_tag"
	TableNode           = "NveEgress.node"

	TableAttachmentID     = 0x02000001
	TableOptionLayoutID   = 0x02000010
	TableCriticalMissID   = 0x02000011
	TableTraceWatchID     = 0x02000030
	TableLocalAddressID   = 0x02000020
	TableVirtualNetworkID = 0x02000021
	TableSourceNVEID      = 0x02000022
	TableEndpointID       = 0x02000040
	TableLogicalPortID    = 0x02000041
	TableFloodID          = 0x02000042
	TableGroupPolicyID    = 0x02000043
	TableUnderlayPathID   = 0x02000044
	TableTunnelID         = 0x02000050
	TableSendLayoutID     = 0x02000051
	TableNeighborID       = 0x02000052
	TablePortTagID        = 0x02000060
	TableNodeID           = 0x02000061
)

// Actions.
const (
	ActionNoAction     = "NoAction"
	ActionAttach       = "NveIngress.from_tenant.attach"
	ActionBind         = "NveIngress.from_underlay.receive_options.options.bind"
	ActionPuntCritical = "NveIngress.from_underlay.receive_options.punt_critical"
	ActionDropCritical = "NveIngress.from_underlay.receive_options.drop_critical"
	ActionCount        = "NveIngress.from_underlay.path_trace.count"
	ActionReport       = "NveIngress.from_underlay.path_trace.report"
	ActionTerminate    = "NveIngress.from_underlay.terminate"
	ActionMember       = "NveIngress.from_underlay.member"
	ActionAllow        = "NveIngress.from_underlay.allow"
	ActionLocal        = "NveIngress.forward.local"
	ActionRemote       = "NveIngress.forward.remote"
	ActionLocalPort    = "NveIngress.forward.local_port"
	ActionReplicate    = "NveIngress.forward.replicate"
	ActionPermit       = "NveIngress.forward.permit"
	ActionDeny         = "NveIngress.forward.deny"
	ActionVia          = "NveIngress.forward.via"
	ActionGeneveIPv4   = "NveEgress.encapsulate.geneve_ipv4"
	ActionGeneveIPv6   = "NveEgress.encapsulate.geneve_ipv6"
	ActionNVGREIPv4    = "NveEgress.encapsulate.nvgre_ipv4"
	ActionNVGREIPv6    = "NveEgress.encapsulate.nvgre_ipv6"
	ActionOptions      = "NveEgress.encapsulate.options"
	ActionResolve      = "NveEgress.encapsulate.resolve"
	ActionTag          = "NveEgress.deliver.tag"
	ActionIdentity     = "NveEgress.identity"

	ActionNoActionID     = 0x01445b37
	ActionAttachID       = 0x01000001
	ActionBindID         = 0x01000010
	ActionPuntCriticalID = 0x01000011
	ActionDropCriticalID = 0x01000012
	ActionCountID        = 0x01000030
	ActionReportID       = 0x01000031
	ActionTerminateID    = 0x01000020
	ActionMemberID       = 0x01000021
	ActionAllowID        = 0x01000022
	ActionLocalID        = 0x01000040
	ActionRemoteID       = 0x01000041
	ActionLocalPortID    = 0x01000042
	ActionReplicateID    = 0x01000043
	ActionPermitID       = 0x01000044
	ActionDenyID         = 0x01000045
	ActionViaID          = 0x01000046
	ActionGeneveIPv4ID   = 0x01000050
	ActionGeneveIPv6ID   = 0x01000051
	ActionNVGREIPv4ID    = 0x01000052
	ActionNVGREIPv6ID    = 0x01000053
	ActionOptionsID      = 0x01000054
	ActionResolveID      = 0x01000055
	ActionTagID          = 0x01000060
	ActionIdentityID     = 0x01000061
)

// Counters, indirect and direct.
const (
	CounterSequenceGaps   = "NveIngress.from_underlay.sequence_check.sequence_gaps"
	CounterLatePackets    = "NveIngress.from_underlay.sequence_check.late_packets"
	CounterDrops          = "NveIngress.disposition.drops"
	CounterPunts          = "NveIngress.disposition.punts"
	CounterEgressDrops    = "NveEgress.egress_drops"
	CounterAttachment     = "NveIngress.from_tenant.attachment_counter"
	CounterOptionLayout   = "NveIngress.from_underlay.receive_options.options.option_layout_counter"
	CounterTraceWatch     = "NveIngress.from_underlay.path_trace.trace_watch_counter"
	CounterVirtualNetwork = "NveIngress.from_underlay.virtual_network_counter"
	CounterSourceNVE      = "NveIngress.from_underlay.source_nve_counter"
	CounterEndpoint       = "NveIngress.forward.endpoint_counter"
	CounterFlood          = "NveIngress.forward.flood_counter"
	CounterGroupPolicy    = "NveIngress.forward.group_policy_counter"
	CounterTunnel         = "NveEgress.encapsulate.tunnel_counter"

	CounterSequenceGapsID   = 0x12000003
	CounterLatePacketsID    = 0x12000004
	CounterDropsID          = 0x12000001
	CounterPuntsID          = 0x12000002
	CounterEgressDropsID    = 0x12000005
	CounterAttachmentID     = 0x13000001
	CounterOptionLayoutID   = 0x13000010
	CounterTraceWatchID     = 0x13000030
	CounterVirtualNetworkID = 0x13000020
	CounterSourceNVEID      = 0x13000021
	CounterEndpointID       = 0x13000040
	CounterFloodID          = 0x13000042
	CounterGroupPolicyID    = 0x13000041
	CounterTunnelID         = 0x13000050
)

// Meters, indirect and direct.
const (
	MeterPunt = "NveIngress.disposition.punt_meter"

	MeterPuntID = 0x14000001
)

// Registers.
const (
	RegisterExpectedSequence = "NveIngress.from_underlay.sequence_check.expected_sequence"
	RegisterLostPackets      = "NveIngress.from_underlay.sequence_check.lost_packets"
	RegisterNextSequence     = "NveEgress.encapsulate.next_sequence"

	RegisterExpectedSequenceID = 0x16000001
	RegisterLostPacketsID      = 0x16000002
	RegisterNextSequenceID     = 0x16000050
)

// Digests.
const (
	DigestPathTrace = "path_trace_t"

	DigestPathTraceID = 0x17d42806
)

// Headers of packets to and from the controller.
const (
	HeaderPacketIn  = "packet_in"
	HeaderPacketOut = "packet_out"

	HeaderPacketInID  = 0x04cef263
	HeaderPacketOutID = 0x047d6909
)
