// What a frame carries through the pipeline besides its headers.

#ifndef KEYWAY_METADATA_P4_
#define KEYWAY_METADATA_P4_

// What becomes of the frame. Zero, FORWARD, lets the next stage go on.
typedef bit<2> verdict_t;
const verdict_t FORWARD = 0;
const verdict_t DROP    = 1;
const verdict_t PUNT    = 2;

typedef bit<8> reason_t;

// Reasons to drop: the index of counter `drops`.
const reason_t DROP_CHECKSUM        = 1;   // IPv4 header or UDP checksum wrong
const reason_t DROP_MALFORMED       = 2;   // truncated, or a length that lies
const reason_t DROP_NOT_LOCAL       = 3;   // outer destination is no provider address of ours
const reason_t DROP_NOT_A_TUNNEL    = 4;   // neither Geneve nor NVGRE with an Ethernet payload
const reason_t DROP_FRAGMENT        = 5;   // tunnels are not reassembled (RFC 7637 section 4.4)
const reason_t DROP_SOURCE          = 6;   // this provider address may not send into this VN
const reason_t DROP_INNER_VLAN      = 7;   // a tag inside a tunnel, or one that would get there (RFC 7637 section 3.3)
const reason_t DROP_CRITICAL_OPTION = 8;   // C=1, no layout row, and configured to drop
const reason_t DROP_POLICY          = 9;   // group policy
const reason_t DROP_ECN             = 10;  // outer CE over a tenant that cannot do ECN (RFC 6040)
const reason_t DROP_ATTACHMENT      = 11;  // port and VLAN belong to no VN
const reason_t DROP_NO_FLOOD        = 12;  // VN without a flood list
const reason_t DROP_TOO_BIG         = 13;  // over the tunnel's MTU; never fragmented
const reason_t DROP_PRUNED          = 14;  // would go back to where it came from
const reason_t DROP_TUNNEL          = 15;  // tunnel or neighbour not programmed
const reason_t DROP_PACKET_OUT      = 16;  // packet-out to a port that cannot be
const reason_t DROP_TTL             = 17;  // transit: TTL or hop limit used up
const reason_t DROP_NO_ROUTE        = 18;  // transit: no route
const reason_t DROP_ACL             = 19;  // transit: inner ACL
const reason_t DROP_PUNT_METER      = 20;  // punt over its rate

// Reasons to punt: the index of meter `punt_meter` and of counter `punts`,
// and packet_in.reason.
const reason_t PUNT_NVGRE_EXT        = 1;  // VSID 0xFFFFFF
const reason_t PUNT_OAM              = 2;  // Geneve O=1 (RFC 8926 section 3.4)
const reason_t PUNT_UNKNOWN_VN       = 3;  // received for a VN that is not here
const reason_t PUNT_UNKNOWN_ENDPOINT = 4;  // received for an endpoint that is not known
const reason_t PUNT_MOVED            = 5;  // received for an endpoint that is behind another NVE
const reason_t PUNT_CRITICAL_OPTION  = 6;  // C=1 and no layout row
const reason_t PUNT_NO_DESTINATION   = 7;  // sent by a tenant to an endpoint that is not known

// Which fields a layout carries, one bit each (option_layout, send_layout).
typedef bit<8> field_set_t;
const field_set_t CARRIES_GROUP         = 0x01;
const field_set_t CARRIES_LOGICAL_PORTS = 0x02;
const field_set_t CARRIES_SEQUENCE      = 0x04;
const field_set_t CARRIES_ORIGIN        = 0x08;
const field_set_t CARRIES_FLOW_HASH     = 0x10;
const field_set_t CARRIES_TIMESTAMP     = 0x20;

// The fields that the option crossbar joins to words of the window.
struct fields_t {
    bit<32> group;          // low 16 bits: group of the sending endpoint
    bit<32> logical_ports;  // 1 reserved, 15 ingress, 16 egress (OVN's split)
    bit<32> sequence;       // of the tunnel
    bit<32> origin;         // node id of the sending NVE
    bit<32> flow_hash;      // of the tenant's 5-tuple
    bit<32> timestamp;      // when it was sent, microseconds
    bit<32> ports;          // 16 ingress port, 16 egress port of the sending NVE
}

struct metadata_t {
    verdict_t   verdict;
    reason_t    reason;
    bool        from_underlay;
    bool        local;               // goes to a tenant port of this NVE
    vni_t       vni;
    vlan_t      vlan;                // tag of a tenant's frame
    group_t     source_group;
    group_t     destination_group;
    bit<16>     logical_source;
    bit<16>     logical_destination;
    bit<16>     peer;                // index of the sending NVE
    tunnel_t    tunnel;
    layout_t    layout;
    field_set_t carries;
    bit<16>     next_hop;
    bit<16>     tenant_length;       // tenant frame without its tag, bytes
    bit<16>     link_length;         // underlay frame behind its link header, bytes
    bit<16>     outer_length;        // of the outer IP packet, as its header says
    bit<1>      zero_udp_checksum;   // the sending NVE may leave it out over IPv6
    bit<1>      udp_checksum;        // fill in the outer UDP checksum
    pa_t        outer_source;
    pa_t        outer_destination;
    pa_t        tenant_source;       // tenant addresses, an IPv4 one mapped
    pa_t        tenant_destination;
    bit<8>      tenant_protocol;
    bit<16>     tenant_source_port;
    bit<16>     tenant_destination_port;
    bit<32>     node_id;
    bit<16>     zero;                // never written (checksum.p4)
    fields_t    fields;
}

#endif
