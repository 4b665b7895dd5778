// Copies of packets: clones of both kinds, resubmission, recirculation, multicast, with the metadata they keep;
// truncation, exit, and dropping. The first byte says what is wanted.
#include <core.p4>
#include <v1model.p4>

header op_t    { bit<8> op; bit<8> n; }
header trace_t { bit<8> instance; bit<8> kept; bit<8> lost; bit<16> rid; bit<16> length; bit<7> pad; bit<9> ingress; }
header extra_t { bit<16> data; }

struct headers_t {
    trace_t trace;
    op_t    op;
    extra_t extra;
}

struct metadata_t {
    @field_list(1) bit<8> kept;
    @field_list(2) bit<8> other;
    bit<8> lost;
    bit<8> parsed;
}

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    state start {
        meta.parsed = 0x77;
        pkt.extract(hdr.op);
        transition accept;
    }
}

control V(inout headers_t hdr, inout metadata_t meta) { apply { } }

control I(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    action finish() { exit; }
    apply {
        sm.egress_spec = 2;
        meta.lost = 0x11;
        if (sm.instance_type == 0) {
            meta.kept = 0x22;
            if (hdr.op.op == 1) {
                clone_preserving_field_list(CloneType.I2E, 5, 1);
                hdr.op.n = 0xff;  // the clone has the packet as it came
            } else if (hdr.op.op == 2) {
                resubmit_preserving_field_list(1);
                hdr.op.n = 0xff;
            } else if (hdr.op.op == 5) {
                sm.mcast_grp = 9;
                hdr.op.n = 0xee;
            } else if (hdr.op.op == 6) {
                truncate(3);
            } else if (hdr.op.op == 7) {
                mark_to_drop(sm);
            } else if (hdr.op.op == 8) {
                hdr.op.n = 1;
                finish();
                hdr.op.n = 2;
            } else if (hdr.op.op == 9) {
                sm.mcast_grp = 9;
                mark_to_drop(sm);  // also takes the group back
                sm.egress_spec = 3;
            } else if (hdr.op.op == 10) {
                sm.mcast_grp = 9;
                truncate(3);
            } else if (hdr.op.op == 11) {
                clone_preserving_field_list(CloneType.I2E, 6, 1);
            } else if (hdr.op.op == 12) {
                clone_preserving_field_list(CloneType.I2E, 5, 1);
                mark_to_drop(sm);
            } else if (hdr.op.op == 13) {
                clone_preserving_field_list(CloneType.I2E, 77, 1);  // no such session
            } else if (hdr.op.op == 14) {
                sm.priority = 1;
            }
        }
        if (hdr.op.op == 15) {
            resubmit_preserving_field_list(1);  // for ever
        }
    }
}

control E(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    apply {
        if (hdr.op.op == 3 && sm.instance_type == 0) {
            meta.kept = 0x33;
            meta.other = 0x44;
            hdr.extra.setValid();
            hdr.extra.data = 0xabcd;
            clone_preserving_field_list(CloneType.E2E, 5, 2);
        }
        if (hdr.op.op == 4 && hdr.op.n > 0) {
            hdr.op.n = hdr.op.n - 1;
            hdr.extra.setValid();
            hdr.extra.data = 0x1234;
            recirculate_preserving_field_list(1);
        } else {
            hdr.trace.setValid();
            hdr.trace.instance = (bit<8>)sm.instance_type;
            hdr.trace.kept = meta.kept | meta.other;
            hdr.trace.lost = meta.lost;
            hdr.trace.rid = sm.egress_rid;
            hdr.trace.length = (bit<16>)sm.packet_length;
            hdr.trace.ingress = sm.ingress_port;
        }
        if (hdr.op.op == 16) {
            mark_to_drop(sm);
        }
    }
}

control C(inout headers_t hdr, inout metadata_t meta) { apply { } }

control D(packet_out pkt, in headers_t hdr) {
    apply {
        pkt.emit(hdr.trace);
        pkt.emit(hdr.op);
        pkt.emit(hdr.extra);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
