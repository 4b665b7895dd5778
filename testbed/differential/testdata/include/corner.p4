// What all corner programs share: the way in and out by the CPU port.
//
// A frame that comes from the CPU port leaves where its first two bytes say and
// takes no part in anything else: the harness finds out with such frames when
// bmv2 has dealt with all that came before.

#ifndef KEYWAY_CORNER_P4_
#define KEYWAY_CORNER_P4_

#include <core.p4>
#include <v1model.p4>

const bit<9> CPU_PORT = 510;

@controller_header("packet_out")
header packet_out_t {
    @id(1) bit<16> egress_port;
}

// LEAVE is the packet-out's share of an ingress control.
#define LEAVE                                                   \
    if (hdr.packet_out.isValid()) {                             \
        sm.egress_spec = (bit<9>)hdr.packet_out.egress_port;    \
        hdr.packet_out.setInvalid();                            \
        return;                                                 \
    }

// v1model takes the names Ingress and Egress for itself.
#define PARSER(h, m)  parser Parse(packet_in packet, out h hdr, inout m meta, inout standard_metadata_t sm)
#define VERIFY(h, m)  control Verify(inout h hdr, inout m meta)
#define INGRESS(h, m) control In(inout h hdr, inout m meta, inout standard_metadata_t sm)
#define EGRESS(h, m)  control Out(inout h hdr, inout m meta, inout standard_metadata_t sm)
#define UPDATE(h, m)  control Update(inout h hdr, inout m meta)
#define DEPARSER(h)   control Deparse(packet_out packet, in h hdr)
#define SWITCH        V1Switch(Parse(), Verify(), In(), Out(), Update(), Deparse()) main

#endif
