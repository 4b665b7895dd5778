// The outer IP header, of either version: whether it is one, how long its
// packet is, and its addresses in one form.

#ifndef KEYWAY_OUTER_P4_
#define KEYWAY_OUTER_P4_

#include "headers.p4"
#include "metadata.p4"

// What a host (RFC 1122 section 3.2.1) and a router (RFC 1812 section 5.2.2)
// hold each packet to before they look at anything else in it. What link
// layers pad a packet with is none of it.
control OuterHeader(inout headers_t hdr,
                    inout metadata_t meta,
                    inout standard_metadata_t standard_metadata) {
    apply {
        meta.link_length = (bit<16>)standard_metadata.packet_length - 14;
        if (hdr.vlan.isValid()) {
            meta.link_length = meta.link_length - 4;
        }
        if (standard_metadata.checksum_error == 1) {
            meta.verdict = DROP;
            meta.reason = DROP_CHECKSUM;
        } else if (hdr.ipv4.isValid()) {
            meta.outer_source = 80w0 ++ 16w0xFFFF ++ hdr.ipv4.source;
            meta.outer_destination = 80w0 ++ 16w0xFFFF ++ hdr.ipv4.destination;
            meta.outer_length = hdr.ipv4.total_length;
            if (hdr.ipv4.version != 4 || hdr.ipv4.ihl < 5
                || hdr.ipv4.total_length < (bit<16>)hdr.ipv4.ihl << 2
                || hdr.ipv4.total_length > meta.link_length) {
                meta.verdict = DROP;
                meta.reason = DROP_MALFORMED;
            }
        } else if (hdr.ipv6.isValid()) {
            meta.outer_source = hdr.ipv6.source;
            meta.outer_destination = hdr.ipv6.destination;
            meta.outer_length = hdr.ipv6.payload_length + 40;
            if (hdr.ipv6.version != 6 || hdr.ipv6.payload_length > meta.link_length - 40) {
                meta.verdict = DROP;
                meta.reason = DROP_MALFORMED;
            }
        }
    }
}

#endif
