// Corner: what bmv2's JSON offers and p4c does not write, or not any more: the
// arithmetic of P4_14, copies of whole stacks and unions, comparison of headers
// and unions, division at run time, expressions of stacks, and every hash that
// bmv2 registers. Each log_msg whose text begins with ! stands for another
// primitive, and each hash for another algorithm: primitives_test.go has which.
// It also mends the key of a selection by the last union of a stack.

#include "include/corner.p4"

header op_t   { bit<8> op; bit<16> a; bit<16> b; bit<16> c; int<16> s; bit<72> w; bit<4> q; bit<4> r; }
header cell_t { bit<8> v; }
header byte_t { bit<8> tag; bit<8> v; }
header word_t { bit<8> tag; bit<24> v; }
header_union any_t { byte_t b; word_t w; }
header data_t { bit<24> x; bit<5> y; bit<3> z; bit<40> t; }
header hash_t {
    bit<64> h0; bit<64> h1; bit<64> h2; bit<64> h3; bit<64> h4; bit<64> h5; bit<64> h6;
    bit<64> h7; bit<64> h8; bit<64> h9; bit<64> h10; bit<64> h11; bit<64> h12;
}

struct headers_t {
    packet_out_t packet_out;
    hash_t       hash;
    op_t         op;
    data_t       data;
    data_t       twin;
    cell_t[3]    cells;
    cell_t[3]    spare;
    any_t        any;
    any_t        other;
    any_t[2]     anys;
    any_t[2]     spares;
}

struct metadata_t { }

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
        transition select(hdr.op.op) {
            0x20 &&& 0xf0: cells;
            0x30 &&& 0xf0: any;
            0x40 &&& 0xf0: anys;
            0x50 &&& 0xf0: data;
            0x60 &&& 0xf0: data;
            default: accept;
        }
    }
    state cells {
        packet.extract(hdr.cells.next);
        transition select(hdr.cells.last.v) {
            0: accept;
            1: accept;
            default: cells;
        }
    }
    state any {
        transition select(packet.lookahead<bit<8>>()) {
            1: any_byte;
            2: any_word;
            default: accept;
        }
    }
    state any_byte {
        packet.extract(hdr.any.b);
        transition other;
    }
    state any_word {
        packet.extract(hdr.any.w);
        transition other;
    }
    state other {
        transition select(packet.lookahead<bit<8>>()) {
            1: other_byte;
            2: other_word;
            default: accept;
        }
    }
    state other_byte {
        packet.extract(hdr.other.b);
        transition accept;
    }
    state other_word {
        packet.extract(hdr.other.w);
        transition accept;
    }
    state anys {
        transition select(packet.lookahead<bit<8>>()) {
            1: anys_byte;
            2: anys_word;
            default: accept;
        }
    }
    state anys_byte {
        packet.extract(hdr.anys.next.b);
        transition select(hdr.anys.last.b.v) {
            0xff: accept;
            default: anys;
        }
    }
    state anys_word {
        packet.extract(hdr.anys.next.w);
        transition anys;
    }
    state data {
        packet.extract(hdr.data);
        packet.extract(hdr.twin);
        transition accept;
    }
}

VERIFY(headers_t, metadata_t) { apply { } }

#define DATA { hdr.data.x, hdr.data.y, hdr.data.z, hdr.data.t }
#define HASH(to) hash(hdr.hash.to, HashAlgorithm.crc32, 64w0, DATA, 64w0xffffffffffffffff)

INGRESS(headers_t, metadata_t) {
    apply {
        LEAVE
        sm.egress_spec = 2;
        if (!hdr.op.isValid() || sm.parser_error != error.NoError) {
            return;
        }
        if (hdr.op.op == 0x00)      { log_msg("!add"); }
        else if (hdr.op.op == 0x01) { log_msg("!subtract"); }
        else if (hdr.op.op == 0x02) { log_msg("!xor"); }
        else if (hdr.op.op == 0x03) { log_msg("!or"); }
        else if (hdr.op.op == 0x04) { log_msg("!and"); }
        else if (hdr.op.op == 0x05) { log_msg("!left"); }
        else if (hdr.op.op == 0x06) { log_msg("!right"); }
        else if (hdr.op.op == 0x07) { log_msg("!add_to"); }
        else if (hdr.op.op == 0x08) { log_msg("!subtract_from"); }
        else if (hdr.op.op == 0x09) { log_msg("!modify"); }
        else if (hdr.op.op == 0x0a) { log_msg("!nothing"); }
        else if (hdr.op.op == 0x0b) { log_msg("!drop"); }
        else if (hdr.op.op == 0x0c) { if (hdr.op.b != 0) { log_msg("!divide"); } }
        else if (hdr.op.op == 0x0d) { if (hdr.op.b != 0) { log_msg("!rest"); } }
        else if (hdr.op.op == 0x0e) { log_msg("!signed"); }
        else if (hdr.op.op == 0x0f) { log_msg("!saturate"); }
        else if (hdr.op.op == 0x10) { log_msg("!saturate_signed"); }
        else if (hdr.op.op == 0x11) { log_msg("!choose"); }
        else if (hdr.op.op == 0x12) { log_msg("!wide"); }
        else if (hdr.op.op == 0x20) { log_msg("!copy_stack"); }
        else if (hdr.op.op == 0x21) { log_msg("!push"); }
        else if (hdr.op.op == 0x22) { log_msg("!pop"); }
        else if (hdr.op.op == 0x23) { log_msg("!sizes"); }
        else if (hdr.op.op == 0x24) { if (hdr.op.a < 3 && hdr.cells[2].isValid()) { log_msg("!index"); } }
        else if (hdr.op.op == 0x30) { log_msg("!copy_union"); }
        else if (hdr.op.op == 0x31) { log_msg("!valid_union"); }
        else if (hdr.op.op == 0x32) { log_msg("!equal_unions"); }
        else if (hdr.op.op == 0x33) { log_msg("!equal_members"); }
        else if (hdr.op.op == 0x40) { log_msg("!copy_union_stack"); }
        else if (hdr.op.op == 0x41) { log_msg("!push_unions"); }
        else if (hdr.op.op == 0x42) { log_msg("!pop_unions"); }
        else if (hdr.op.op == 0x50) { log_msg("!equal_headers"); }
        else if (hdr.op.op == 0x51) { log_msg("!unequal_headers"); }
        else if (hdr.op.op == 0x52) { log_msg("!remove"); }
        else if (hdr.op.op == 0x53) { log_msg("!remove_and_add"); }
        else if (hdr.op.op == 0x54) { log_msg("!add_what_is_there"); }
        else if (hdr.op.op == 0x55) { log_msg("!copy_header"); }
        else if (hdr.op.op == 0x56) { log_msg("!add_fast"); }
        else if (hdr.op.op[7:4] == 6) {
            hdr.hash.setValid();
            HASH(h0); HASH(h1); HASH(h2); HASH(h3); HASH(h4); HASH(h5); HASH(h6);
            HASH(h7); HASH(h8); HASH(h9); HASH(h10); HASH(h11); HASH(h12);
        }
    }
}

EGRESS(headers_t, metadata_t) { apply { } }
UPDATE(headers_t, metadata_t) { apply { } }

DEPARSER(headers_t) { apply { packet.emit(hdr); } }

SWITCH;
