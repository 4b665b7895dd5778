// The network virtualization edge: Geneve (RFC 8926) and NVGRE (RFC 7637) over
// IPv4 and IPv6, with the option crossbar (include/option_window.p4).
//
//             ingress                                              egress
//  tenant     +-------------+
//  port  ---->| FromTenant  |--+  +---------+  +-------------+   +-------------+
//             +-------------+  +->| Forward |->| Disposition |-->| Encapsulate |--> underlay
//  underlay   +--------------+ |  +---------+  +-------------+   +-------------+
//  port  ---->| FromUnderlay |-+   endpoint     forward          | Deliver     |--> tenant
//             +--------------+     flood        drop, count      +-------------+
//              VN, source NVE,     policy       punt, meter -------------------> CPU
//              options
//  CPU   ------ packet_out ----------------------------------------------------> any port

#include <core.p4>
#include <v1model.p4>

#include "include/headers.p4"
#include "include/metadata.p4"
#include "include/parser.p4"
#include "include/checksum.p4"
#include "include/outer.p4"
#include "include/attachment.p4"
#include "include/decapsulation.p4"
#include "include/forwarding.p4"
#include "include/disposition.p4"
#include "include/encapsulation.p4"

control NveIngress(inout headers_t hdr,
                   inout metadata_t meta,
                   inout standard_metadata_t standard_metadata) {
    OuterHeader()  outer_header;
    FromTenant()   from_tenant;
    RemoveTag()    remove_tag;
    FromUnderlay() from_underlay;
    Forward()      forward;
    Decapsulate()  decapsulate;
    Disposition()  disposition;

    apply {
        if (hdr.packet_out.isValid()) {
            standard_metadata.egress_spec = (port_t)hdr.packet_out.egress_port;
            if (hdr.packet_out.egress_port == 0 || hdr.packet_out.egress_port >= (bit<16>)CPU_PORT) {
                meta.verdict = DROP;
                meta.reason = DROP_PACKET_OUT;
            }
            hdr.packet_out.setInvalid();
        } else {
            if (standard_metadata.ingress_port & TENANT_PORT_BIT != 0) {
                from_tenant.apply(hdr, meta, standard_metadata);
            } else {
                meta.from_underlay = true;
                outer_header.apply(hdr, meta, standard_metadata);
                if (meta.verdict == FORWARD) {
                    from_underlay.apply(hdr, meta, standard_metadata);
                }
            }
            if (meta.verdict == FORWARD) {
                forward.apply(hdr, meta, standard_metadata);
            }
            if (meta.verdict == FORWARD) {
                if (meta.from_underlay) {
                    decapsulate.apply(hdr, meta);
                } else {
                    remove_tag.apply(hdr);
                }
            }
        }
        disposition.apply(hdr, meta, standard_metadata);
    }
}

// Out of a tenant port, with the tag that the VN has there.
control Deliver(inout headers_t hdr,
                inout metadata_t meta,
                inout standard_metadata_t standard_metadata) {
    @id(0x01000060)
    action tag(@id(1) vlan_t vlan) {
        hdr.tenant_vlan.setValid();
        hdr.tenant_vlan.pcp = 0;
        hdr.tenant_vlan.dei = 0;
        hdr.tenant_vlan.vid = (bit<12>)vlan;
        hdr.tenant_vlan.ether_type = hdr.tenant_ethernet.ether_type;
        hdr.tenant_ethernet.ether_type = ETHERTYPE_VLAN;
    }

    @id(0x02000060)
    table port_tag {
        key = {
            standard_metadata.egress_port: exact @id(1) @name("port");
            meta.vni:                      exact @id(2) @name("vni") @refers_to("virtual_network", "vni");
        }
        actions = {
            tag;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        size = 4096;
    }

    apply {
        // No frame goes back to where it came from (IEEE 802.1Q section 8.6.1).
        if (standard_metadata.egress_port == standard_metadata.ingress_port) {
            meta.verdict = DROP;
            meta.reason = DROP_PRUNED;
        } else {
            port_tag.apply();
        }
    }
}

control NveEgress(inout headers_t hdr,
                  inout metadata_t meta,
                  inout standard_metadata_t standard_metadata) {
    Encapsulate() encapsulate;
    Deliver()     deliver;

    @id(0x12000005) counter(32, CounterType.packets_and_bytes) egress_drops;  // by DROP_*

    @id(0x01000061)
    action identity(@id(1) bit<32> node_id) {
        meta.node_id = node_id;
    }

    // Who this NVE is, for the options that tell it. Set by its default action.
    @id(0x02000061)
    table node {
        actions = {
            identity;
        }
        default_action = identity(0);
    }

    apply {
        // A replica's instance is its tunnel; replicas for local ports have none.
        if (standard_metadata.egress_rid != 0) {
            meta.tunnel = standard_metadata.egress_rid;
        }
        if (meta.tunnel != 0) {
            node.apply();
            encapsulate.apply(hdr, meta, standard_metadata);
        } else if (hdr.tenant_ethernet.isValid() && !hdr.packet_in.isValid()) {
            deliver.apply(hdr, meta, standard_metadata);
        }
        if (meta.verdict == DROP) {
            egress_drops.count((bit<32>)meta.reason);
            mark_to_drop(standard_metadata);
        }
    }
}

V1Switch(
    KeywayParser(),
    VerifyTunnelChecksums(),
    NveIngress(),
    NveEgress(),
    ComputeTunnelChecksums(),
    KeywayDeparser()
) main;
