// Code generated from transit.p4info.txtpb by tables/gen. DO NOT EDIT.

package transit

// Tables.
const (
	TableRoute        = "TransitIngress.route.route"
	TableInnerACL     = "TransitIngress.inner_acl.inner_acl"
	TableOptionLayout = "TransitIngress.options.option_layout"
	TableTraceWatch   = "TransitIngress.transit_options.path_trace.trace_watch"

	TableRouteID        = 0x02000070
	TableInnerACLID     = 0x02000071
	TableOptionLayoutID = 0x02000010
	TableTraceWatchID   = 0x02000030
)

// Actions.
const (
	ActionNoAction = "NoAction"
	ActionForward  = "TransitIngress.route.forward"
	ActionPermit   = "TransitIngress.inner_acl.permit"
	ActionDeny     = "TransitIngress.inner_acl.deny"
	ActionBind     = "TransitIngress.options.bind"
	ActionCount    = "TransitIngress.transit_options.path_trace.count"
	ActionReport   = "TransitIngress.transit_options.path_trace.report"

	ActionNoActionID = 0x01445b37
	ActionForwardID  = 0x01000070
	ActionPermitID   = 0x01000071
	ActionDenyID     = 0x01000072
	ActionBindID     = 0x01000010
	ActionCountID    = 0x01000030
	ActionReportID   = 0x01000031
)

// Counters, indirect and direct.
const (
	CounterDrops        = "TransitIngress.disposition.drops"
	CounterPunts        = "TransitIngress.disposition.punts"
	CounterRoute        = "TransitIngress.route.route_counter"
	CounterInnerACL     = "TransitIngress.inner_acl.inner_acl_counter"
	CounterOptionLayout = "TransitIngress.options.option_layout_counter"
	CounterTraceWatch   = "TransitIngress.transit_options.path_trace.trace_watch_counter"

	CounterDropsID        = 0x12000001
	CounterPuntsID        = 0x12000002
	CounterRouteID        = 0x13000070
	CounterInnerACLID     = 0x13000071
	CounterOptionLayoutID = 0x13000010
	CounterTraceWatchID   = 0x13000030
)

// Meters, indirect and direct.
const (
	MeterPunt = "TransitIngress.disposition.punt_meter"

	MeterPuntID = 0x14000001
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
