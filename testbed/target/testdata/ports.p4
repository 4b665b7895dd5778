// Sends a frame to the port that the last byte of its destination address
// stands for, and one that stands for none back to where it came from.

#include <core.p4>
#include <v1model.p4>

header ethernet_t {
    bit<40> dst_high;
    bit<8> dst_low;
    bit<48> src;
    bit<16> type;
}

struct headers_t {
    ethernet_t ethernet;
}

struct metadata_t {}

parser Parse(packet_in packet, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    state start {
        packet.extract(hdr.ethernet);
        transition accept;
    }
}

control NoVerify(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control Forward(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    @id(0x01000001)
    action send(bit<9> port) {
        std.egress_spec = port;
    }
    @id(0x01000002)
    action reflect() {
        std.egress_spec = std.ingress_port;
    }
    @id(0x02000001)
    table out_table {
        key = {
            hdr.ethernet.dst_low: exact @name("dst");
        }
        actions = {
            send;
            @defaultonly reflect;
        }
        const default_action = reflect();
        size = 256;
    }
    apply {
        out_table.apply();
    }
}

control NoEgress(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    apply {}
}

control NoCompute(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control Deparse(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.ethernet);
    }
}

V1Switch(Parse(), NoVerify(), Forward(), NoEgress(), NoCompute(), Deparse()) main;
