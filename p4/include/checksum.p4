// Internet checksums of the outer headers. The tenant's own are the tenant's
// business; where the NVE changes a tenant header it updates the checksum in
// place (decapsulation.p4).

#ifndef KEYWAY_CHECKSUM_P4_
#define KEYWAY_CHECKSUM_P4_

#include "headers.p4"
#include "metadata.p4"

// What an outer UDP checksum covers after the pseudo-header, in wire order.
// v1model leaves out the headers that are not there.
#define UDP_DATAGRAM                                                          \
    hdr.udp.source_port, hdr.udp.destination_port, hdr.udp.length,            \
    hdr.geneve.version, hdr.geneve.opt_len, hdr.geneve.oam,                   \
    hdr.geneve.critical, hdr.geneve.reserved, hdr.geneve.protocol,            \
    hdr.geneve.vni, hdr.geneve.reserved2,                                     \
    hdr.option0.data, hdr.option1.data, hdr.option2.data,               \
    hdr.option3.data, hdr.option4.data, hdr.option5.data,               \
    hdr.option6.data, hdr.option7.data, hdr.option8.data,               \
    hdr.option9.data, hdr.option10.data, hdr.option11.data,             \
    hdr.option12.data, hdr.option13.data, hdr.option14.data,            \
    hdr.option15.data, hdr.option_tail.data,                                \
    hdr.tenant_ethernet.destination, hdr.tenant_ethernet.source,              \
    hdr.tenant_ethernet.ether_type,                                           \
    hdr.tenant_vlan.pcp, hdr.tenant_vlan.dei, hdr.tenant_vlan.vid,            \
    hdr.tenant_vlan.ether_type,                                               \
    hdr.tenant_ipv4.version, hdr.tenant_ipv4.ihl, hdr.tenant_ipv4.dscp,       \
    hdr.tenant_ipv4.ecn, hdr.tenant_ipv4.total_length,                        \
    hdr.tenant_ipv4.identification, hdr.tenant_ipv4.reserved,                 \
    hdr.tenant_ipv4.dont_fragment, hdr.tenant_ipv4.more_fragments,            \
    hdr.tenant_ipv4.fragment_offset, hdr.tenant_ipv4.ttl,                     \
    hdr.tenant_ipv4.protocol, hdr.tenant_ipv4.checksum,                       \
    hdr.tenant_ipv4.source, hdr.tenant_ipv4.destination,                      \
    hdr.tenant_ipv6.version, hdr.tenant_ipv6.dscp, hdr.tenant_ipv6.ecn,       \
    hdr.tenant_ipv6.flow_label, hdr.tenant_ipv6.payload_length,               \
    hdr.tenant_ipv6.next_header, hdr.tenant_ipv6.hop_limit,                   \
    hdr.tenant_ipv6.source, hdr.tenant_ipv6.destination,                      \
    hdr.tenant_ports.source, hdr.tenant_ports.destination

#define IPV4_HEADER(ip)                                                       \
    ip.version, ip.ihl, ip.dscp, ip.ecn, ip.total_length, ip.identification,  \
    ip.reserved, ip.dont_fragment, ip.more_fragments, ip.fragment_offset,     \
    ip.ttl, ip.protocol, ip.source, ip.destination

// A checksum is verified by summing over it too: the result is zero whether the
// sender wrote 0 as 0x0000 or, as RFC 768 has it, as 0xFFFF.

control VerifyIPv4Checksum(inout headers_t hdr, inout metadata_t meta) {
    apply {
        verify_checksum(hdr.ipv4.isValid(),
            { IPV4_HEADER(hdr.ipv4), hdr.ipv4.checksum, hdr.ipv4_options.data },
            meta.zero, HashAlgorithm.csum16);
    }
}

// A tunnel endpoint must check an outer UDP checksum that is not zero
// (RFC 8926 section 3.3). Whether zero may stand over IPv6 is for the source
// check to say (section 4.3.1).
control VerifyTunnelChecksums(inout headers_t hdr, inout metadata_t meta) {
    VerifyIPv4Checksum() ipv4;
    apply {
        ipv4.apply(hdr, meta);
        verify_checksum_with_payload(
            hdr.ipv4.isValid() && hdr.udp.isValid() && hdr.udp.checksum != 0,
            { hdr.ipv4.source, hdr.ipv4.destination, 8w0, hdr.ipv4.protocol,
              hdr.udp.length, hdr.udp.checksum, UDP_DATAGRAM },
            meta.zero, HashAlgorithm.csum16);
        verify_checksum_with_payload(
            hdr.ipv6.isValid() && hdr.udp.isValid() && hdr.udp.checksum != 0,
            { hdr.ipv6.source, hdr.ipv6.destination, 16w0, hdr.udp.length,
              24w0, hdr.ipv6.next_header, hdr.udp.checksum, UDP_DATAGRAM },
            meta.zero, HashAlgorithm.csum16);
    }
}

control ComputeTunnelChecksums(inout headers_t hdr, inout metadata_t meta) {
    apply {
        update_checksum(meta.tunnel != 0 && hdr.ipv4.isValid(),
            { IPV4_HEADER(hdr.ipv4) },
            hdr.ipv4.checksum, HashAlgorithm.csum16);
        update_checksum_with_payload(
            meta.udp_checksum == 1 && hdr.ipv4.isValid() && hdr.udp.isValid(),
            { hdr.ipv4.source, hdr.ipv4.destination, 8w0, hdr.ipv4.protocol,
              hdr.udp.length, UDP_DATAGRAM },
            hdr.udp.checksum, HashAlgorithm.csum16);
        update_checksum_with_payload(
            meta.udp_checksum == 1 && hdr.ipv6.isValid() && hdr.udp.isValid(),
            { hdr.ipv6.source, hdr.ipv6.destination, 16w0, hdr.udp.length,
              24w0, hdr.ipv6.next_header, UDP_DATAGRAM },
            hdr.udp.checksum, HashAlgorithm.csum16);
        // A checksum that comes out as zero is sent as all ones (RFC 768): the
        // sum over a zero word is just that.
        update_checksum(
            meta.udp_checksum == 1 && hdr.udp.isValid() && hdr.udp.checksum == 0,
            { 16w0 },
            hdr.udp.checksum, HashAlgorithm.csum16);
    }
}

#endif
