// Code generated from demo.p4info.txtpb by tables/gen. DO NOT EDIT.

package demo

// Tables.
const (
	TableEndpoint     = "Ingress.endpoint"
	TableTunnel       = "Ingress.tunnel"
	TableRoute        = "Ingress.route"
	TableACL          = "Ingress.acl"
	TableOptionLayout = "Ingress.option_layout"
	TableCopy         = "Egress.copy"
	TableFixed        = "Ingress.fixed"
	TableKeyless      = "Ingress.keyless"

	TableEndpointID     = 0x02000001
	TableTunnelID       = 0x02000002
	TableRouteID        = 0x02000003
	TableACLID          = 0x02000004
	TableOptionLayoutID = 0x02000005
	TableCopyID         = 0x02000006
	TableFixedID        = 0x02000007
	TableKeylessID      = 0x02000008
)

// Actions.
const (
	ActionNoAction = "NoAction"
	ActionDrop     = "Ingress.drop"
	ActionRemote   = "Ingress.remote"
	ActionFlood    = "Ingress.flood"
	ActionLocal    = "Ingress.local"
	ActionEncapV4  = "Ingress.encap_v4"
	ActionEncapV6  = "Ingress.encap_v6"
	ActionPermit   = "Ingress.permit"
	ActionDeny     = "Ingress.deny"
	ActionToVRF    = "Ingress.to_vrf"
	ActionBind     = "Ingress.bind"
	ActionToTunnel = "Egress.to_tunnel"

	ActionNoActionID = 0x01000001
	ActionDropID     = 0x01000010
	ActionRemoteID   = 0x01000011
	ActionFloodID    = 0x01000012
	ActionLocalID    = 0x01000013
	ActionEncapV4ID  = 0x01000020
	ActionEncapV6ID  = 0x01000021
	ActionPermitID   = 0x01000030
	ActionDenyID     = 0x01000031
	ActionToVRFID    = 0x01000040
	ActionBindID     = 0x01000041
	ActionToTunnelID = 0x01000042
)

// Counters, indirect and direct.
const (
	CounterDrops        = "Ingress.drops"
	CounterEndpointHits = "Ingress.endpoint_hits"

	CounterDropsID        = 0x12000001
	CounterEndpointHitsID = 0x13000001
)

// Meters, indirect and direct.
const (
	MeterPunt = "Ingress.punt_meter"
	MeterACL  = "Ingress.acl_meter"

	MeterPuntID = 0x14000001
	MeterACLID  = 0x15000001
)

// Registers.
const (
	RegisterLost = "Ingress.lost"

	RegisterLostID = 0x16000001
)

// Digests.
const (
	DigestLearn = "learn_t"

	DigestLearnID = 0x17000001
)

// Headers of packets to and from the controller.
const (
	HeaderPacketIn  = "packet_in"
	HeaderPacketOut = "packet_out"

	HeaderPacketInID  = 0x04000001
	HeaderPacketOutID = 0x04000002
)
