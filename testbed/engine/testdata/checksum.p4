// Checksums: verified after parsing, updated before deparsing, over headers alone and with the payload.
#include <core.p4>
#include <v1model.p4>

header head_t { bit<8> kind; bit<4> hi; bit<12> lo; bit<16> sum; }
header body_t { bit<16> sum; bit<24> data; }
header out_t  { bit<8> bad; }

struct headers_t {
    out_t  result;
    head_t head;
    body_t body;
}

struct metadata_t { }

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    state start {
        pkt.extract(hdr.head);
        transition select(hdr.head.kind) {
            2: body;
            3: body;
            default: accept;
        }
    }
    state body {
        pkt.extract(hdr.body);
        transition accept;
    }
}

control V(inout headers_t hdr, inout metadata_t meta) {
    apply {
        verify_checksum(hdr.head.kind == 1, { hdr.head.kind, hdr.head.hi, hdr.head.lo, 8w0 }, hdr.head.sum,
            HashAlgorithm.csum16);
        verify_checksum_with_payload(hdr.head.kind == 2, { hdr.head.hi, hdr.head.lo, hdr.body.data }, hdr.body.sum,
            HashAlgorithm.csum16);
    }
}

control I(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    apply {
        sm.egress_spec = 2;
        hdr.result.setValid();
        hdr.result.bad = (bit<8>)sm.checksum_error;
        hdr.head.lo = hdr.head.lo + 1;
    }
}

control E(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) { apply { } }

control C(inout headers_t hdr, inout metadata_t meta) {
    apply {
        update_checksum(hdr.head.kind == 1, { hdr.head.kind, hdr.head.hi, hdr.head.lo, 8w0 }, hdr.head.sum,
            HashAlgorithm.csum16);
        update_checksum_with_payload(hdr.body.isValid(), { hdr.head.hi, hdr.head.lo, hdr.body.data }, hdr.body.sum,
            HashAlgorithm.csum16);
        update_checksum(hdr.head.kind == 4, { hdr.head.lo, hdr.body.data, hdr.head.hi }, hdr.head.sum,
            HashAlgorithm.crc16);
    }
}

control D(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr); } }

V1Switch(P(), V(), I(), E(), C(), D()) main;
