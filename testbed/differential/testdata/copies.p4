// Corner: copies of a packet, and packets that go round. Clones in ingress and
// egress, to ports and to groups, with and without the fields that are kept;
// resubmission, recirculation, multicast with instances; truncation; what drops
// take back and what they leave. The first byte says what is done, the second is
// the session, group, length or number of rounds.

#include "include/corner.p4"

header op_t    { bit<8> op; bit<8> n; }
header trace_t {
    bit<8>  instance;
    bit<8>  kept;
    bit<8>  other;
    bit<8>  lost;
    bit<16> rid;
    bit<16> length;
    bit<7>  pad;
    bit<9>  ingress;
    bit<16> egress;
}
header extra_t { bit<16> data; }

struct headers_t {
    packet_out_t packet_out;
    trace_t      trace;
    op_t         op;
    extra_t      extra;
}

struct metadata_t {
    @field_list(1) bit<8> kept;
    @field_list(1, 2) bit<8> other;
    bit<8> lost;
}

PARSER(headers_t, metadata_t) {
    state start {
        transition select(sm.ingress_port) {
            CPU_PORT: from_cpu;
            default: op;
        }
    }
    state from_cpu {
        packet.extract(hdr.packet_out);
        transition accept;
    }
    state op {
        packet.extract(hdr.op);
        transition accept;
    }
}

VERIFY(headers_t, metadata_t) { apply { } }

INGRESS(headers_t, metadata_t) {
    apply {
        LEAVE
        sm.egress_spec = 2;
        if (!hdr.op.isValid()) {
            return;
        }
        meta.lost = 0x11;
        if (sm.instance_type != 0) {
            if (hdr.op.op == 10) {          // clone what was resubmitted
                clone_preserving_field_list(CloneType.I2E, (bit<32>)hdr.op.n, 1);
            } else if (hdr.op.op == 11) {   // resubmit once more
                if (meta.kept < 0x25) {
                    meta.kept = meta.kept + 1;
                    resubmit_preserving_field_list(1);
                }
            }
            return;
        }
        meta.kept = 0x22;
        meta.other = 0x33;
        if (hdr.op.op == 1)       { clone(CloneType.I2E, (bit<32>)hdr.op.n); hdr.op.n = 0xff; }
        else if (hdr.op.op == 2)  { clone_preserving_field_list(CloneType.I2E, (bit<32>)hdr.op.n, 1); hdr.op.n = 0xff; }
        else if (hdr.op.op == 3)  { clone_preserving_field_list(CloneType.I2E, (bit<32>)hdr.op.n, 2); mark_to_drop(sm); }
        else if (hdr.op.op == 4)  { resubmit_preserving_field_list(1); hdr.op.n = 0xff; }
        else if (hdr.op.op == 5)  { resubmit_preserving_field_list(2); mark_to_drop(sm); }
        else if (hdr.op.op == 6)  { sm.mcast_grp = (bit<16>)hdr.op.n; hdr.op.n = 0xee; }
        else if (hdr.op.op == 7)  { sm.mcast_grp = (bit<16>)hdr.op.n; mark_to_drop(sm); }
        else if (hdr.op.op == 8)  { mark_to_drop(sm); sm.mcast_grp = (bit<16>)hdr.op.n; }
        else if (hdr.op.op == 9)  { mark_to_drop(sm); sm.egress_spec = 3; }
        else if (hdr.op.op == 10) { resubmit_preserving_field_list(1); }
        else if (hdr.op.op == 11) { resubmit_preserving_field_list(1); }
        else if (hdr.op.op == 12) { truncate((bit<32>)hdr.op.n); }
        else if (hdr.op.op == 13) { truncate(20); clone_preserving_field_list(CloneType.I2E, (bit<32>)hdr.op.n, 1); }
        else if (hdr.op.op == 14) { sm.mcast_grp = (bit<16>)hdr.op.n; clone_preserving_field_list(CloneType.I2E, (bit<32>)hdr.op.n, 1); }
        else if (hdr.op.op == 15) { sm.mcast_grp = (bit<16>)hdr.op.n; truncate(16); }
        else if (hdr.op.op == 16) { sm.egress_spec = 511; }
        else if (hdr.op.op == 17) { sm.egress_spec = (bit<9>)hdr.op.n; }
        else if (hdr.op.op == 18) { exit; }
        // Two of a kind: the last one counts.
        else if (hdr.op.op == 19) { clone(CloneType.I2E, 1); clone_preserving_field_list(CloneType.I2E, 2, 1); }
        else if (hdr.op.op == 20) { sm.mcast_grp = (bit<16>)hdr.op.n; resubmit_preserving_field_list(1); }
    }
}

EGRESS(headers_t, metadata_t) {
    apply {
        if (sm.ingress_port == CPU_PORT || !hdr.op.isValid()) {
            return;
        }
        if (sm.instance_type == 0) {
            if (hdr.op.op == 32)      { meta.kept = 0x44; clone_preserving_field_list(CloneType.E2E, (bit<32>)hdr.op.n, 1); }
            else if (hdr.op.op == 33) { clone(CloneType.E2E, (bit<32>)hdr.op.n); hdr.op.op = 0x99; }
            else if (hdr.op.op == 34) { meta.other = 0x55; clone_preserving_field_list(CloneType.E2E, (bit<32>)hdr.op.n, 2); mark_to_drop(sm); }
            else if (hdr.op.op == 35) { truncate((bit<32>)hdr.op.n); }
            else if (hdr.op.op == 36) { truncate(12); clone_preserving_field_list(CloneType.E2E, (bit<32>)hdr.op.n, 1); }
            else if (hdr.op.op == 37) { mark_to_drop(sm); }
            else if (hdr.op.op == 38) { sm.egress_spec = 4; }   // too late to go elsewhere
        }
        // Rounds: once more as long as there are some left. A clone of one goes round too.
        if (hdr.op.op == 48 && hdr.op.n > 0 && hdr.op.n < 4) {
            hdr.op.n = hdr.op.n - 1;
            hdr.extra.setValid();
            hdr.extra.data = 0x1234;
            recirculate_preserving_field_list(1);
        } else if (hdr.op.op == 49 && meta.other != 0x77) {
            meta.kept = 0x66;
            meta.other = 0x77;  // bmv2 calls it a normal packet again at the end of ingress
            clone_preserving_field_list(CloneType.E2E, (bit<32>)hdr.op.n, 1);
            recirculate_preserving_field_list(2);
        } else if (hdr.op.op == 50 && sm.instance_type == 0) {
            recirculate_preserving_field_list(1);
            mark_to_drop(sm);
        } else {
            hdr.trace.setValid();
            hdr.trace.instance = (bit<8>)sm.instance_type;
            hdr.trace.kept = meta.kept;
            hdr.trace.other = meta.other;
            hdr.trace.lost = meta.lost;
            hdr.trace.rid = sm.egress_rid;
            hdr.trace.length = (bit<16>)sm.packet_length;
            hdr.trace.pad = 0;
            hdr.trace.ingress = sm.ingress_port;
            hdr.trace.egress = (bit<16>)sm.egress_port;
        }
    }
}

UPDATE(headers_t, metadata_t) { apply { } }

DEPARSER(headers_t) {
    apply {
        packet.emit(hdr.trace);
        packet.emit(hdr.op);
        packet.emit(hdr.extra);
    }
}

SWITCH;
