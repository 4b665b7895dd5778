// Corner: headers. What makes them valid and invalid, copies of headers, of
// structs, of stacks and of unions; push and pop by more than there is; an index
// that is known only at run time; comparison of whole headers; a header that is
// made valid twice; emission in another order than extraction.

#include "include/corner.p4"

header op_t   { bit<8> op; bit<8> n; }
header cell_t { bit<8> v; bit<4> hi; bit<4> lo; }
header big_t  { bit<72> a; bit<8> b; }
header byte_t { bit<8> tag; bit<8> v; }
header word_t { bit<8> tag; bit<24> v; }
header_union any_t { byte_t b; word_t w; }
header trace_t { bit<8> seen; bit<8> v; }

struct two_t { bit<16> x; bit<7> y; }

struct headers_t {
    packet_out_t packet_out;
    trace_t      trace;
    op_t         op;
    cell_t[5]    cells;
    cell_t[5]    spare;
    big_t        big;
    big_t        twin;
    any_t        any;
    any_t        other;
}

struct metadata_t { two_t one; two_t two; }

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
        transition select(hdr.op.op[7:6]) {
            0: cells;
            1: big;
            2: any;
            default: accept;
        }
    }
    // A frame is cut where its last cell ends: what is left over is payload.
    state cells {
        transition select(packet.lookahead<bit<8>>()) {
            0: accept;
            default: cell;
        }
    }
    state cell {
        packet.extract(hdr.cells.next);
        transition cells;
    }
    state big {
        packet.extract(hdr.big);
        transition select(hdr.op.op[5:5]) {
            1: twin;
            default: accept;
        }
    }
    state twin {
        packet.extract(hdr.twin);
        transition accept;
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
        transition accept;
    }
    state any_word {
        packet.extract(hdr.any.w);
        transition accept;
    }
}

VERIFY(headers_t, metadata_t) { apply { } }

INGRESS(headers_t, metadata_t) {
    apply {
        LEAVE
        sm.egress_spec = 2;
        hdr.trace.setValid();
        hdr.trace.seen = 0;
        hdr.trace.v = 0;
        if (!hdr.op.isValid()) {
            return;
        }
        bit<6> op = hdr.op.op[5:0];
        if (hdr.op.op[7:6] == 0) {
            if (op == 1)       { hdr.cells.push_front(1); hdr.cells[0].setValid(); hdr.cells[0] = { 0xa1, 2, 3 }; }
            else if (op == 2)  { hdr.cells.push_front(3); }
            else if (op == 3)  { hdr.cells.push_front(5); }
            else if (op == 4)  { hdr.cells.pop_front(1); }
            else if (op == 5)  { hdr.cells.pop_front(4); }
            else if (op == 6)  { hdr.cells.pop_front(5); }
            else if (op == 7)  { hdr.cells.push_front(2); hdr.cells.pop_front(1); }
            else if (op == 8)  { hdr.cells.pop_front(2); hdr.cells.push_front(2); }
            else if (op == 9)  { hdr.spare = hdr.cells; hdr.cells.pop_front(5); }
            else if (op == 10) { hdr.cells[1].setInvalid(); }
            else if (op == 11) { hdr.cells[4] = hdr.cells[0]; hdr.cells[0].setInvalid(); }
            else if (op == 12) { if (hdr.cells[0].isValid() && hdr.cells[1].isValid() && hdr.cells[0] == hdr.cells[1]) { hdr.trace.v = 1; } }
            else if (op == 13) { hdr.cells[0].setInvalid(); hdr.cells[0].setValid(); hdr.cells[0] = { 0xa2, 4, 5 }; }
            // A run-time index within the stack, of cells that are there.
            else if (op == 14) { if (hdr.op.n < 5 && hdr.cells[4].isValid()) { hdr.trace.v = hdr.cells[hdr.op.n].v; } }
            else if (op == 15) { if (hdr.op.n < 5 && hdr.cells[4].isValid()) { hdr.cells[hdr.op.n].v = 0xee; } }
            else if (op == 16) { if (hdr.op.n < 5) { hdr.cells[hdr.op.n].setInvalid(); } }
            else if (op == 17) { if (hdr.op.n < 5 && hdr.cells[4].isValid()) { hdr.spare[0] = hdr.cells[hdr.op.n]; } }
            if (hdr.cells[0].isValid()) { hdr.trace.seen[0:0] = 1; }
            if (hdr.cells[1].isValid()) { hdr.trace.seen[1:1] = 1; }
            if (hdr.cells[2].isValid()) { hdr.trace.seen[2:2] = 1; }
            if (hdr.cells[3].isValid()) { hdr.trace.seen[3:3] = 1; }
            if (hdr.cells[4].isValid()) { hdr.trace.seen[4:4] = 1; }
        } else if (hdr.op.op[7:6] == 1 && sm.parser_error == error.NoError) {
            if (op == 1)       { hdr.twin = hdr.big; hdr.big.a = hdr.big.a + 1; }
            else if (op == 2)  { hdr.big = hdr.twin; }  // there is none: big is not there any more
            else if (op == 3)  { hdr.twin.setValid(); hdr.twin.a = hdr.big.a << 1; hdr.twin.b = ~hdr.big.b; }
            else if (op == 4)  { hdr.big.setInvalid(); }
            else if (op == 32) { if (hdr.big.isValid() && hdr.twin.isValid() && hdr.big == hdr.twin) { hdr.trace.v = 1; } else { hdr.trace.v = 2; } }
            else if (op == 33) { hdr.big = hdr.twin; hdr.twin.setInvalid(); }
            else if (op == 34) { hdr.twin = { hdr.big.a, 0x42 }; }
            else if (op == 35) {
                meta.one = { (bit<16>)hdr.big.b, 5 };
                meta.two = meta.one;
                if (meta.one == meta.two) { hdr.trace.v = (bit<8>)meta.two.x ^ (bit<8>)meta.two.y; }
            }
            if (hdr.big.isValid())  { hdr.trace.seen[0:0] = 1; }
            if (hdr.twin.isValid()) { hdr.trace.seen[1:1] = 1; }
        } else if (hdr.op.op[7:6] == 2) {
            if (op == 1)       { hdr.other = hdr.any; }
            else if (op == 2)  { hdr.any.w.setValid(); hdr.any.w.tag = 2; hdr.any.w.v = 0x010203; }
            else if (op == 3)  { hdr.any.b.setValid(); hdr.any.b.tag = 1; hdr.any.b.v = 0x7f; }
            else if (op == 4)  { hdr.any.b.setInvalid(); hdr.any.w.setInvalid(); }
            else if (op == 5)  { hdr.other = hdr.any; hdr.any.b.setInvalid(); hdr.any.w.setInvalid(); }
            if (hdr.any.b.isValid())   { hdr.trace.seen[0:0] = 1; }
            if (hdr.any.w.isValid())   { hdr.trace.seen[1:1] = 1; }
            if (hdr.other.b.isValid()) { hdr.trace.seen[2:2] = 1; }
            if (hdr.other.w.isValid()) { hdr.trace.seen[3:3] = 1; }
        }
    }
}

EGRESS(headers_t, metadata_t) { apply { } }
UPDATE(headers_t, metadata_t) { apply { } }

DEPARSER(headers_t) {
    apply {
        packet.emit(hdr.trace);
        packet.emit(hdr.op);
        packet.emit(hdr.twin);
        packet.emit(hdr.big);
        packet.emit(hdr.cells);
        packet.emit(hdr.spare);
        packet.emit(hdr.any);
        packet.emit(hdr.other);
    }
}

SWITCH;
