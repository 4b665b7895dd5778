// A transit device of the underlay: routes by the outer header, looks through
// whatever options a tunnel has to the tenant's headers for an ACL, and reads
// the few options that its own configuration names.
//
//  port --> +-------+   +----------+   +-------------+
//           | Route |-->| InnerAcl |-->| Disposition |--> port
//           +-------+   +----------+   +-------------+
//                \-->  OptionLayout -> PathTrace (reads only)
//
// It never changes, adds or reorders options, never drops because of one, and
// never forwards by O, C or OptLen (RFC 8926 sections 2.2.1 and 3.4).

#include <core.p4>
#include <v1model.p4>

#include "include/headers.p4"
#include "include/metadata.p4"
#include "include/parser.p4"
#include "include/checksum.p4"
#include "include/outer.p4"
#include "include/flow.p4"
#include "include/option_window.p4"
#include "include/trace.p4"
#include "include/disposition.p4"

control Route(inout headers_t hdr,
              inout metadata_t meta,
              inout standard_metadata_t standard_metadata) {
    @id(0x13000070) direct_counter(CounterType.packets_and_bytes) route_counter;

    @id(0x01000070)
    action forward(@id(1) port_t port,
                   @id(2) @format(MAC_ADDRESS) mac_t source,
                   @id(3) @format(MAC_ADDRESS) mac_t destination) {
        standard_metadata.egress_spec = port;
        hdr.ethernet.source = source;
        hdr.ethernet.destination = destination;
        route_counter.count();
    }

    // IPv4 prefixes stand under ::ffff:0:0/96, apart from IPv6's ::/0.
    @id(0x02000070)
    table route {
        key = {
            hdr.ipv4.isValid():     exact @id(2) @name("ipv4");
            meta.outer_destination: lpm   @id(1) @name("destination") @format(IPV6_ADDRESS);
        }
        actions = {
            forward;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        counters = route_counter;
        size = 16384;
    }

    apply {
        bit<8> ttl = 0;
        if (hdr.ipv4.isValid()) {
            ttl = hdr.ipv4.ttl;
        } else if (hdr.ipv6.isValid()) {
            ttl = hdr.ipv6.hop_limit;
        }
        if (!hdr.ipv4.isValid() && !hdr.ipv6.isValid()) {
            meta.verdict = DROP;
            meta.reason = DROP_MALFORMED;
        } else if (ttl <= 1) {
            meta.verdict = DROP;
            meta.reason = DROP_TTL;
        } else if (!route.apply().hit) {
            meta.verdict = DROP;
            meta.reason = DROP_NO_ROUTE;
        } else if (hdr.ipv4.isValid()) {
            // RFC 1624 section 3, equation 3: TTL is the high byte of its word
            // and falls by one, so ~m + m' is 0xFFFF - 0x0100.
            bit<17> sum = (bit<17>)(~hdr.ipv4.checksum) + 0xFEFF;
            hdr.ipv4.checksum = ~(sum[15:0] + (bit<16>)sum[16:16]);
            hdr.ipv4.ttl = ttl - 1;
        } else {
            hdr.ipv6.hop_limit = ttl - 1;
        }
    }
}

control InnerAcl(inout headers_t hdr, inout metadata_t meta) {
    TenantFlow() tenant_flow;

    @id(0x13000071) direct_counter(CounterType.packets_and_bytes) inner_acl_counter;

    @id(0x01000071)
    action permit() {
        inner_acl_counter.count();
    }

    @id(0x01000072)
    action deny() {
        meta.verdict = DROP;
        meta.reason = DROP_ACL;
        inner_acl_counter.count();
    }

    @id(0x02000071)
    table inner_acl {
        key = {
            meta.vni:                        ternary @id(1) @name("vni");
            hdr.tenant_ethernet.source:      ternary @id(2) @name("source_mac") @format(MAC_ADDRESS);
            hdr.tenant_ethernet.destination: ternary @id(3) @name("destination_mac") @format(MAC_ADDRESS);
            hdr.tenant_ethernet.ether_type:  ternary @id(4) @name("ether_type") @format(HEX_STRING);
            meta.tenant_source:              ternary @id(5) @name("source") @format(IPV6_ADDRESS);
            meta.tenant_destination:         ternary @id(6) @name("destination") @format(IPV6_ADDRESS);
            meta.tenant_protocol:            ternary @id(7) @name("protocol");
            meta.tenant_source_port:         ternary @id(8) @name("source_port");
            meta.tenant_destination_port:    ternary @id(9) @name("destination_port");
        }
        actions = {
            permit;
            deny;
        }
        const default_action = permit();
        counters = inner_acl_counter;
        size = 1024;
    }

    apply {
        tenant_flow.apply(hdr, meta);
        inner_acl.apply();
    }
}

// Reads the options that the configuration names, where their layout has them.
// Options that it does not name are passed over, critical or not.
control TransitOptions(inout headers_t hdr,
                       inout metadata_t meta,
                       in standard_metadata_t standard_metadata) {
    ReadField() origin;
    ReadField() flow_hash;
    ReadField() timestamp;
    PathTrace() path_trace;

    apply {
        origin.apply(hdr, meta.layout, meta.fields.origin);
        if (meta.carries & CARRIES_FLOW_HASH != 0) {
            flow_hash.apply(hdr, meta.layout, meta.fields.flow_hash);
        }
        if (meta.carries & CARRIES_TIMESTAMP != 0) {
            timestamp.apply(hdr, meta.layout, meta.fields.timestamp);
        }
        path_trace.apply(meta, standard_metadata);
    }
}

control TransitIngress(inout headers_t hdr,
                       inout metadata_t meta,
                       inout standard_metadata_t standard_metadata) {
    OuterHeader()    outer_header;
    Route()          route;
    InnerAcl()       inner_acl;
    OptionLayout()   options;
    TransitOptions() transit_options;
    Disposition()    disposition;

    apply {
        if (hdr.packet_out.isValid()) {
            standard_metadata.egress_spec = (port_t)hdr.packet_out.egress_port;
            if (hdr.packet_out.egress_port == 0 || hdr.packet_out.egress_port >= (bit<16>)CPU_PORT) {
                meta.verdict = DROP;
                meta.reason = DROP_PACKET_OUT;
            }
            hdr.packet_out.setInvalid();
        } else {
            outer_header.apply(hdr, meta, standard_metadata);
            if (meta.verdict == FORWARD) {
                route.apply(hdr, meta, standard_metadata);
            }
            if (hdr.tenant_ethernet.isValid()) {
                meta.vni = hdr.geneve.isValid() ? hdr.geneve.vni : hdr.nvgre.vsid;
                if (meta.verdict == FORWARD) {
                    inner_acl.apply(hdr, meta);
                }
            }
            if (meta.verdict == FORWARD && hdr.geneve.isValid() && hdr.geneve.opt_len != 0) {
                options.apply(hdr, meta);
                if (meta.carries & CARRIES_ORIGIN != 0) {
                    transit_options.apply(hdr, meta, standard_metadata);
                }
            }
        }
        disposition.apply(hdr, meta, standard_metadata);
    }
}

control TransitEgress(inout headers_t hdr,
                      inout metadata_t meta,
                      inout standard_metadata_t standard_metadata) {
    apply { }
}

control NoChecksum(inout headers_t hdr, inout metadata_t meta) {
    apply { }
}

V1Switch(
    KeywayParser(),
    VerifyIPv4Checksum(),
    TransitIngress(),
    TransitEgress(),
    NoChecksum(),
    KeywayDeparser()
) main;
