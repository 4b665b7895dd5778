// Stacks: an index known only at run time, push and pop by more than one, lastIndex, whole stacks assigned, a stack of
// unions; a value set over two fields; a transition key of more than 64 bits.
#include <core.p4>
#include <v1model.p4>

header op_t   { bit<8> op; bit<8> i; bit<8> v; }
header cell_t { bit<8> v; }
header wide_t { bit<128> a; bit<12> b; bit<4> c; }
header mark_t { bit<8> m; }
header byte_t { bit<8> tag; bit<8> v; }
header word_t { bit<8> tag; bit<16> v; }
header_union any_t { byte_t b; word_t w; }

struct pair_t { bit<12> b; bit<4> c; }

struct headers_t {
    op_t      op;
    mark_t    mark;
    wide_t    wide;
    cell_t[4] cells;
    cell_t[4] copy;
    any_t[3]  unions;
}

struct metadata_t { bit<32> last; }

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    value_set<pair_t>(4) pairs;
    state start {
        pkt.extract(hdr.op);
        transition select(hdr.op.op) {
            0x40: wide;
            0x41: pairs_state;
            0x50: unions;
            default: first;
        }
    }
    state first {
        pkt.extract(hdr.cells.next);
        meta.last = hdr.cells.lastIndex * 3 + 1;
        transition select(meta.last) {
            7: accept;
            default: first;
        }
    }
    state wide {
        pkt.extract(hdr.wide);
        transition select(hdr.wide.a, hdr.wide.b) {
            (0x20010db8000000000000000000000001, 0x123): marked;
            (0x20010db8000000000000000000000000 &&& 0xffffffff000000000000000000000000, 0x200 &&& 0xf00): marked;
            default: accept;
        }
    }
    state pairs_state {
        pkt.extract(hdr.wide);
        transition select(hdr.wide.b, hdr.wide.c) {
            pairs: marked;
            default: accept;
        }
    }
    state marked {
        hdr.mark.setValid();
        hdr.mark.m = 0xaa;
        transition accept;
    }
    state unions {
        transition select(pkt.lookahead<bit<8>>()) {
            1: union_byte;
            2: union_word;
            default: accept;
        }
    }
    state union_byte {
        pkt.extract(hdr.unions.next.b);
        transition unions;
    }
    state union_word {
        pkt.extract(hdr.unions.next.w);
        transition unions;
    }
}

control V(inout headers_t hdr, inout metadata_t meta) { apply { } }

control I(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    apply {
        sm.egress_spec = 2;
        if (hdr.op.op == 1) {
            hdr.op.v = hdr.cells[hdr.op.i].v;
        } else if (hdr.op.op == 2) {
            hdr.cells[hdr.op.i].v = hdr.op.v;
        } else if (hdr.op.op == 3) {
            hdr.cells.push_front(2);
        } else if (hdr.op.op == 4) {
            hdr.cells.pop_front(2);
        } else if (hdr.op.op == 5) {
            hdr.copy = hdr.cells;
            hdr.cells.pop_front(4);
        } else if (hdr.op.op == 6) {
            hdr.cells[hdr.op.i].setInvalid();
        } else if (hdr.op.op == 8) {
            hdr.cells[3] = hdr.cells[hdr.op.i];
        }
        if (hdr.op.op == 0x50 && hdr.unions[1].w.isValid()) {
            hdr.unions[1].b.setValid();
            hdr.unions[1].b.tag = 7;
            hdr.unions[1].b.v = 7;
        }
    }
}

control E(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout metadata_t meta) { apply { } }
control D(packet_out pkt, in headers_t hdr) { apply { pkt.emit(hdr); } }

V1Switch(P(), V(), I(), E(), C(), D()) main;
