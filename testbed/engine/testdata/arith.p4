// Arithmetic: bit strings of 8, 64, 65 and 128 bits, signed numbers, saturation, shifts, slices, comparisons.
// op says what is done with the operands of one width.
#include <core.p4>
#include <v1model.p4>

header op_t   { bit<8> op; }
header b8_t   { bit<8> x; bit<8> y; bit<8> z; }
header i8_t   { int<8> x; int<8> y; int<8> z; }
header b64_t  { bit<64> x; bit<64> y; bit<64> z; }
header b128_t { bit<128> x; bit<128> y; bit<128> z; }
header i72_t  { int<72> x; int<72> y; int<72> z; }
header flag_t { bit<8> flag; }

struct headers_t {
    op_t   op;
    b8_t   b8;
    i8_t   i8;
    b64_t  b64;
    b128_t b128;
    i72_t  i72;
    flag_t flag;
    b8_t   other;
}

struct metadata_t { }

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    state start {
        pkt.extract(hdr.op);
        transition select(hdr.op.op[7:5]) {
            0: b8;
            1: i8;
            2: b64;
            3: b128;
            4: i72;
            5: b8_other;
            default: accept;
        }
    }
    state b8   { pkt.extract(hdr.b8);   transition accept; }
    state i8   { pkt.extract(hdr.i8);   transition accept; }
    state b64  { pkt.extract(hdr.b64);  transition accept; }
    state b128 { pkt.extract(hdr.b128); transition accept; }
    state i72  { pkt.extract(hdr.i72);  transition accept; }
    state b8_other { pkt.extract(hdr.b8); pkt.extract(hdr.other); transition accept; }
}

control V(inout headers_t hdr, inout metadata_t meta) { apply { } }

#define OPERATIONS(h, T)                                                        \
    if (op == 0)       { h.z = h.x + h.y; }                                     \
    else if (op == 1)  { h.z = h.x - h.y; }                                     \
    else if (op == 2)  { h.z = h.x * h.y; }                                     \
    else if (op == 3)  { h.z = h.x |+| h.y; }                                   \
    else if (op == 4)  { h.z = h.x |-| h.y; }                                   \
    else if (op == 5)  { h.z = h.x & h.y; }                                     \
    else if (op == 6)  { h.z = h.x | h.y; }                                     \
    else if (op == 7)  { h.z = h.x ^ h.y; }                                     \
    else if (op == 8)  { h.z = ~h.x; }                                          \
    else if (op == 9)  { h.z = -h.x; }                                          \
    else if (op == 10) { if (h.x < h.y)  { h.z = 1; } }                         \
    else if (op == 11) { if (h.x >= h.y) { h.z = 1; } }                         \
    else if (op == 12) { if (h.x == h.y) { h.z = 1; } }                         \
    else if (op == 13) { h.z = h.x > h.y ? h.x : h.y; }                         \
    else if (op == 14) { h.z = (h.x + h.y) >> 1; }                              \
    else if (op == 15) { h.z = h.x << 3; }

control I(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    apply {
        sm.egress_spec = 2;
        bit<5> op = hdr.op.op[4:0];
        if (hdr.other.isValid()) {
            hdr.flag.setValid();
            if (hdr.b8 == hdr.other) { hdr.flag.flag = 1; }
            if (op == 1) { hdr.other = hdr.b8; }
            if (op == 2) { hdr.b8.setInvalid(); hdr.other = hdr.b8; }
        } else if (hdr.b8.isValid()) {
            OPERATIONS(hdr.b8, bit<8>)
            else if (op == 16) { hdr.b8.z = hdr.b8.x >> hdr.b8.y; }
            else if (op == 17) { hdr.b8.z = hdr.b8.x << hdr.b8.y; }
            else if (op == 18) { hdr.b8.z[6:3] = hdr.b8.x[3:0]; }
            else if (op == 19) { hdr.b8.z = hdr.b8.x[3:0] ++ hdr.b8.y[7:4]; }
            else if (op == 20) { hdr.b8.z = (bit<8>)(bit<1>)(hdr.b8.x < hdr.b8.y && (hdr.b8.x != 0 || hdr.b8.y != 5)); }
            else if (op == 21) { hdr.b8.z = (bit<8>)(int<8>)(-5 * 3); }
            else if (op == 22) { hdr.b8.z = hdr.b8.x |+| 200; }
        } else if (hdr.i8.isValid()) {
            OPERATIONS(hdr.i8, int<8>)
            else if (op == 16) { hdr.i8.z = hdr.i8.x >> (bit<8>)hdr.i8.y; }
            else if (op == 17) { hdr.i8.z = (int<8>)(bit<8>)hdr.i8.x; }
            else if (op == 18) { int<16> w = (int<16>)hdr.i8.x; hdr.i8.z = (int<8>)w[15:8]; }
        } else if (hdr.b64.isValid()) {
            OPERATIONS(hdr.b64, bit<64>)
            else if (op == 16) { hdr.b64.z = hdr.b64.x >> (bit<8>)hdr.b64.y; }
            else if (op == 17) { hdr.b64.z = hdr.b64.x << (bit<8>)hdr.b64.y; }
        } else if (hdr.b128.isValid()) {
            OPERATIONS(hdr.b128, bit<128>)
            else if (op == 16) { hdr.b128.z = hdr.b128.x >> (bit<8>)hdr.b128.y; }
            else if (op == 17) { hdr.b128.z = hdr.b128.x << (bit<8>)hdr.b128.y; }
            else if (op == 18) { hdr.b128.z[99:60] = hdr.b128.x[39:0]; }
            else if (op == 19) { hdr.b128.z = (bit<128>)hdr.b128.x[100:37]; }
            else if (op == 20) { hdr.b128.z = hdr.b128.x; }
            else if (op == 21) { if (hdr.b128.x != 0x20010db8000000000000000000000001) { hdr.b128.z = 1; } }
        } else if (hdr.i72.isValid()) {
            OPERATIONS(hdr.i72, int<72>)
        }
    }
}

control E(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout metadata_t meta) { apply { } }
control D(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr); } }

V1Switch(P(), V(), I(), E(), C(), D()) main;
