// From a tenant port: which VN, which group.

#ifndef KEYWAY_ATTACHMENT_P4_
#define KEYWAY_ATTACHMENT_P4_

#include "headers.p4"
#include "metadata.p4"

control FromTenant(inout headers_t hdr,
                   inout metadata_t meta,
                   inout standard_metadata_t standard_metadata) {
    @id(0x13000001) direct_counter(CounterType.packets_and_bytes) attachment_counter;

    @id(0x01000001)
    action attach(@id(1) @refers_to("virtual_network", "vni") vni_t vni,
                  @id(2) group_t group,
                  @id(3) bit<16> logical_port) {
        meta.vni = vni;
        meta.source_group = group;
        meta.logical_source = logical_port;
        attachment_counter.count();
    }

    @id(0x02000001)
    table attachment {
        key = {
            standard_metadata.ingress_port: exact @id(1) @name("port");
            meta.vlan:                exact @id(2) @name("vlan");
        }
        actions = {
            attach;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        counters = attachment_counter;
        size = 4096;
    }

    apply {
        meta.tenant_length = (bit<16>)standard_metadata.packet_length;
        if (hdr.tenant_vlan.isValid()) {
            meta.vlan = (vlan_t)hdr.tenant_vlan.vid;
            meta.tenant_length = meta.tenant_length - 4;
        }
        if (!hdr.tenant_ethernet.isValid()
            || (hdr.tenant_ethernet.ether_type == ETHERTYPE_VLAN && !hdr.tenant_vlan.isValid())) {
            meta.verdict = DROP;
            meta.reason = DROP_MALFORMED;
        } else if (hdr.tenant_ethernet.ether_type == ETHERTYPE_QINQ
                   || (hdr.tenant_vlan.isValid()
                       && (hdr.tenant_vlan.ether_type == ETHERTYPE_VLAN || hdr.tenant_vlan.ether_type == ETHERTYPE_QINQ))) {
            // One customer tag names a VN; what another would mean there, no
            // tunnel may carry.
            meta.verdict = DROP;
            meta.reason = DROP_INNER_VLAN;
        } else if (!attachment.apply().hit) {
            meta.verdict = DROP;
            meta.reason = DROP_ATTACHMENT;
        }
    }
}

// The VN is the tag's meaning: the tag itself ends here (RFC 7637 section 3.3;
// for Geneve RFC 8926 section 4.7 leaves it to configuration). A frame that is
// punted keeps it.
control RemoveTag(inout headers_t hdr) {
    apply {
        if (hdr.tenant_vlan.isValid()) {
            hdr.tenant_ethernet.ether_type = hdr.tenant_vlan.ether_type;
            hdr.tenant_vlan.setInvalid();
        }
    }
}

#endif
