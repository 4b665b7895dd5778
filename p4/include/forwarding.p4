// Where the tenant's frame goes: a port of this NVE, a tunnel to another, all
// of a VN; and whether its group may.

#ifndef KEYWAY_FORWARDING_P4_
#define KEYWAY_FORWARDING_P4_

#include "headers.p4"
#include "metadata.p4"

control Forward(inout headers_t hdr,
                inout metadata_t meta,
                inout standard_metadata_t standard_metadata) {
    @id(0x13000040) direct_counter(CounterType.packets_and_bytes) endpoint_counter;
    @id(0x13000041) direct_counter(CounterType.packets_and_bytes) group_policy_counter;
    @id(0x13000042) direct_counter(CounterType.packets_and_bytes) flood_counter;

    // ---- destination -------------------------------------------------------

    @id(0x01000040)
    action local(@id(1) port_t port, @id(2) group_t group) {
        meta.local = true;
        meta.destination_group = group;
        standard_metadata.egress_spec = port;
        endpoint_counter.count();
    }

    @id(0x01000041)
    action remote(@id(1) @refers_to("underlay_path", "tunnel") tunnel_t tunnel,
                  @id(2) bit<16> logical_port) {
        meta.tunnel = tunnel;
        meta.logical_destination = logical_port;
        endpoint_counter.count();
    }

    // A row that is here twice, on the receiving NVE of a tunnel, is a
    // destination; one that is remote there is an endpoint that has moved.
    @id(0x02000040)
    table endpoint {
        key = {
            meta.vni:                        exact @id(1) @name("vni") @refers_to("virtual_network", "vni");
            hdr.tenant_ethernet.destination: exact @id(2) @name("mac") @format(MAC_ADDRESS);
        }
        actions = {
            local;
            remote;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        counters = endpoint_counter;
        size = 65536;
    }

    @id(0x01000042)
    action local_port(@id(1) port_t port, @id(2) group_t group) {
        meta.local = true;
        meta.destination_group = group;
        standard_metadata.egress_spec = port;
    }

    // With the endpoint context in the options the sender has looked the
    // destination up already (OVN's egress logical port).
    @id(0x02000041)
    table logical_port {
        key = {
            meta.vni:                 exact @id(1) @name("vni") @refers_to("virtual_network", "vni");
            meta.logical_destination: exact @id(2) @name("logical_port");
        }
        actions = {
            local_port;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        size = 65536;
    }

    @id(0x01000043)
    action replicate(@id(1) @refers_to("builtin::multicast_group_table", "multicast_group_id") bit<16> multicast_group) {
        standard_metadata.mcast_grp = multicast_group;
        flood_counter.count();
    }

    // Broadcast, unknown and multicast frames: one unicast copy for each NVE,
    // since each may want another layout (RFC 9638 section 6.7). What came
    // through a tunnel is replicated to local ports only.
    @id(0x02000042)
    table flood {
        key = {
            meta.vni:           exact @id(1) @name("vni") @refers_to("virtual_network", "vni");
            meta.from_underlay: exact @id(2) @name("from_underlay");
        }
        actions = {
            replicate;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        counters = flood_counter;
        size = 8192;
    }

    // ---- policy ------------------------------------------------------------

    @id(0x01000044)
    action permit() {
        group_policy_counter.count();
    }

    @id(0x01000045)
    action deny() {
        meta.verdict = DROP;
        meta.reason = DROP_POLICY;
        group_policy_counter.count();
    }

    // Source group 0 is "not told": the layout carries no group.
    @id(0x02000043)
    table group_policy {
        key = {
            meta.vni:               exact   @id(1) @name("vni") @refers_to("virtual_network", "vni");
            meta.source_group:      ternary @id(2) @name("source_group");
            meta.destination_group: ternary @id(3) @name("destination_group");
        }
        actions = {
            permit;
            deny;
        }
        const default_action = permit();
        counters = group_policy_counter;
        size = 4096;
    }

    // ---- towards another NVE -----------------------------------------------

    @id(0x01000046)
    action via(@id(1) port_t port) {
        standard_metadata.egress_spec = port;
    }

    @id(0x02000044)
    table underlay_path {
        key = {
            meta.tunnel: exact @id(1) @name("tunnel") @refers_to("tunnel", "tunnel");
        }
        actions = {
            via;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        size = 4096;
    }

    apply {
        if (meta.carries & CARRIES_LOGICAL_PORTS != 0 && logical_port.apply().hit) {
            // found by what the sender said
        } else if (hdr.tenant_ethernet.destination[40:40] == 1) {
            if (!flood.apply().hit) {
                meta.verdict = DROP;
                meta.reason = DROP_NO_FLOOD;
            }
        } else if (!endpoint.apply().hit) {
            meta.verdict = PUNT;
            meta.reason = meta.from_underlay ? PUNT_UNKNOWN_ENDPOINT : PUNT_NO_DESTINATION;
        } else if (!meta.local) {
            if (meta.from_underlay) {
                meta.verdict = PUNT;
                meta.reason = PUNT_MOVED;
            } else if (!underlay_path.apply().hit) {
                meta.verdict = DROP;
                meta.reason = DROP_TUNNEL;
            }
        }
        if (meta.local) {
            group_policy.apply();
        }
    }
}

#endif
