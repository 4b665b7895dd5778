// Corner: packets to and from the controller, with metadata of odd widths that
// only together are whole bytes. The two bytes by which the harness tells that
// bmv2 is done are told apart by their value.

#include <core.p4>
#include <v1model.p4>

const bit<9> CPU_PORT = 510;

header barrier_t { bit<16> egress_port; }

@controller_header("packet_out")
header packet_out_t {
    @id(1) bit<16> egress_port;
    @id(2) bit<1>  through;     // the pipeline, as if it came from a port
    @id(3) bit<9>  port;
    @id(4) bit<33> tag;
    @id(7) bit<5>  class;
}

@controller_header("packet_in")
header packet_in_t {
    @id(3) bit<9>   port;
    @id(1) bit<5>   reason;
    @id(2) bit<65>  tag;
    @id(9) bit<1>   flag;
    @id(8) bit<128> wide;
}

header frame_t { bit<8> op; bit<9> port; bit<33> tag; bit<6> reason; }

struct headers_t {
    barrier_t    barrier;
    packet_out_t packet_out;
    packet_in_t  packet_in;
    frame_t      frame;
}

struct metadata_t { }

parser Parse(packet_in packet, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    state start {
        transition select(sm.ingress_port) {
            CPU_PORT: from_cpu;
            default: frame;
        }
    }
    state from_cpu {
        transition select(packet.lookahead<bit<16>>()) {
            506: barrier;
            507: barrier;
            508: barrier;
            509: barrier;
            default: controller;
        }
    }
    state barrier {
        packet.extract(hdr.barrier);
        transition accept;
    }
    state controller {
        packet.extract(hdr.packet_out);
        transition frame;
    }
    state frame {
        packet.extract(hdr.frame);
        transition accept;
    }
}

control Verify(inout headers_t hdr, inout metadata_t meta) { apply { } }

control In(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    action punt(bit<5> reason) {
        hdr.packet_in.setValid();
        hdr.packet_in.port = sm.ingress_port;
        hdr.packet_in.reason = reason;
        hdr.packet_in.tag = (hdr.frame.tag ++ 32w0x80000001) << 3;
        hdr.packet_in.flag = hdr.frame.op[0:0];
        hdr.packet_in.wide = (bit<128>)hdr.frame.tag * 0x10000000000000001;
        sm.egress_spec = CPU_PORT;
    }
    action forward(bit<9> port) { sm.egress_spec = port; }
    table punts {
        key = { hdr.frame.reason: exact; }
        actions = { punt; forward; NoAction; }
        size = 64;
    }
    apply {
        sm.egress_spec = 2;
        if (hdr.barrier.isValid()) {
            sm.egress_spec = (bit<9>)hdr.barrier.egress_port;
            hdr.barrier.setInvalid();
            return;
        }
        if (hdr.packet_out.isValid()) {
            sm.egress_spec = (bit<9>)hdr.packet_out.egress_port;
            if (hdr.frame.isValid()) {
                hdr.frame.port = hdr.packet_out.port;
                hdr.frame.tag = hdr.packet_out.tag;
                hdr.frame.reason = hdr.packet_out.through ++ hdr.packet_out.class;
            }
            bit<1> through = hdr.packet_out.through;
            hdr.packet_out.setInvalid();
            if (through == 0) {
                return;
            }
        }
        if (hdr.frame.isValid()) {
            punts.apply();
        }
    }
}

control Out(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) { apply { } }
control Update(inout headers_t hdr, inout metadata_t meta) { apply { } }

control Deparse(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.packet_in);
        packet.emit(hdr.frame);
    }
}

V1Switch(Parse(), Verify(), In(), Out(), Update(), Deparse()) main;
