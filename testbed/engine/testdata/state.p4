// State and services: counters, meters, registers, random numbers, hashes, digests, assert, log_msg, timestamps.
#include <core.p4>
#include <v1model.p4>

header op_t    { bit<8> op; bit<8> index; bit<32> value; }
header wide_t  { bit<72> value; }

struct headers_t {
    op_t   op;
    wide_t wide;
}

struct learn_t {
    bit<9>  port;
    bit<32> value;
    bit<8>  index;
}

struct metadata_t { bit<32> old; bit<2> colour; }

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    state start {
        pkt.extract(hdr.op);
        transition select(hdr.op.op) {
            8: wide;
            9: wide;
            default: accept;
        }
    }
    state wide {
        pkt.extract(hdr.wide);
        transition accept;
    }
}

control V(inout headers_t hdr, inout metadata_t meta) { apply { } }

control I(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    counter(4, CounterType.packets_and_bytes) counts;
    meter(4, MeterType.packets) packet_meter;
    meter(4, MeterType.bytes) byte_meter;
    register<bit<32>>(8) cells;
    register<bit<72>>(2) wides;

    apply {
        sm.egress_spec = 2;
        bit<32> i = (bit<32>)hdr.op.index;
        if (hdr.op.op == 1) {
            counts.count(i);
        } else if (hdr.op.op == 2) {
            packet_meter.execute_meter(i, meta.colour);
            hdr.op.value = (bit<32>)meta.colour;
        } else if (hdr.op.op == 3) {
            byte_meter.execute_meter(i, meta.colour);
            hdr.op.value = (bit<32>)meta.colour;
        } else if (hdr.op.op == 4) {
            cells.read(meta.old, i);
            cells.write(i, hdr.op.value + meta.old);
            hdr.op.value = meta.old;
        } else if (hdr.op.op == 8) {
            wides.write(i, hdr.wide.value);
        } else if (hdr.op.op == 9) {
            wides.read(hdr.wide.value, i);
        } else if (hdr.op.op == 10) {
            random(hdr.op.value, 5, 9);
        } else if (hdr.op.op == 11) {
            digest<learn_t>(1, { sm.ingress_port, hdr.op.value, hdr.op.index });
        } else if (hdr.op.op == 12) {
            assert(hdr.op.value != 0);
        } else if (hdr.op.op == 13) {
            log_msg("op {} of port {}", { hdr.op.value, sm.ingress_port });
        } else if (hdr.op.op == 14) {
            hdr.op.value = (bit<32>)sm.ingress_global_timestamp;
        } else if (hdr.op.op == 15) {
            if (hdr.op.index == 0) {
                hash(hdr.op.value, HashAlgorithm.crc16, 32w0, { hdr.op.value }, 32w0x10000);
            } else if (hdr.op.index == 1) {
                hash(hdr.op.value, HashAlgorithm.crc32, 32w0, { hdr.op.value }, 64w0x100000000);
            } else if (hdr.op.index == 2) {
                hash(hdr.op.value, HashAlgorithm.csum16, 32w0, { hdr.op.value, 3w5, 5w0 }, 32w0x10000);
            } else if (hdr.op.index == 3) {
                hash(hdr.op.value, HashAlgorithm.identity, 32w100, { hdr.op.value }, 32w7);
            } else if (hdr.op.index == 4) {
                hash(hdr.op.value, HashAlgorithm.xor16, 32w0, { hdr.op.value }, 32w0x10000);
            } else if (hdr.op.index == 5) {
                hash(hdr.op.value, HashAlgorithm.crc16, 32w9, { hdr.op.value }, 32w0);
            }
        }
    }
}

control E(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    apply {
        if (hdr.op.op == 14 && hdr.op.index == 1) {
            hdr.op.value = (bit<32>)sm.egress_global_timestamp;
        }
    }
}

control C(inout headers_t hdr, inout metadata_t meta) { apply { } }
control D(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr); } }

V1Switch(P(), V(), I(), E(), C(), D()) main;
