// What tells a tenant's flow from others, of either IP version, in metadata:
// a field of a header that is not there has no value that could be relied on.

#ifndef KEYWAY_FLOW_P4_
#define KEYWAY_FLOW_P4_

#include "headers.p4"
#include "metadata.p4"

control TenantFlow(inout headers_t hdr, inout metadata_t meta) {
    apply {
        if (hdr.tenant_ipv4.isValid()) {
            meta.tenant_source = 80w0 ++ 16w0xFFFF ++ hdr.tenant_ipv4.source;
            meta.tenant_destination = 80w0 ++ 16w0xFFFF ++ hdr.tenant_ipv4.destination;
            meta.tenant_protocol = hdr.tenant_ipv4.protocol;
        } else if (hdr.tenant_ipv6.isValid()) {
            meta.tenant_source = hdr.tenant_ipv6.source;
            meta.tenant_destination = hdr.tenant_ipv6.destination;
            meta.tenant_protocol = hdr.tenant_ipv6.next_header;
        }
        if (hdr.tenant_ports.isValid()) {
            meta.tenant_source_port = hdr.tenant_ports.source;
            meta.tenant_destination_port = hdr.tenant_ports.destination;
        }
    }
}

#endif
