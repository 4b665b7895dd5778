// Corners of the parser: lookahead, a stack, a union, a varbit, advance, verify and a value set.
// The first byte says which; what was parsed comes back in `result`.
#include <core.p4>
#include <v1model.p4>

error { BadMagic }

header kind_t    { bit<8> kind; }
header result_t  { bit<8> error_code; bit<8> sum; bit<8> count; bit<16> peeked; bit<8> length; }
header item_t    { bit<1> last; bit<7> value; }
header odd_t     { bit<3> a; bit<13> b; bit<48> c; bit<7> d; bit<65> e; }
header options_t { bit<8> length; varbit<64> data; }
header short_t   { bit<8> tag; bit<8> v; }
header long_t    { bit<8> tag; bit<24> v; }
header_union choice_t { short_t s; long_t l; }

struct headers_t {
    kind_t    kind;
    result_t  result;
    item_t[3] items;
    odd_t     odd;
    options_t options;
    options_t copy;
    choice_t  choice;
}

struct metadata_t {
    bit<16> peeked;
    bit<8>  skip;
}

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    value_set<bit<8>>(4) magic;

    state start {
        pkt.extract(hdr.kind);
        transition select(hdr.kind.kind) {
            magic: magic_kind;
            1: items;
            2: odd;
            3: options;
            4: skip;
            5: check;
            6: choose;
            7: peek;
            0x80 &&& 0xf0: items;
            default: accept;
        }
    }
    state magic_kind {
        meta.peeked = 0xbeef;
        transition accept;
    }
    state items {
        pkt.extract(hdr.items.next);
        transition select(hdr.items.last.last) {
            0: items;
            1: accept;
        }
    }
    state odd {
        pkt.extract(hdr.odd);
        transition accept;
    }
    state options {
        pkt.extract(hdr.options, (bit<32>)pkt.lookahead<bit<8>>() * 8);
        transition accept;
    }
    state skip {
        meta.skip = pkt.lookahead<bit<8>>();
        pkt.advance((bit<32>)meta.skip);
        transition accept;
    }
    state check {
        meta.peeked = pkt.lookahead<bit<16>>();
        verify(meta.peeked == 0xcafe, error.BadMagic);
        pkt.extract(hdr.items.next);
        transition accept;
    }
    state choose {
        transition select(pkt.lookahead<bit<8>>()) {
            1: choose_short;
            2: choose_long;
        }
    }
    state choose_short {
        pkt.extract(hdr.choice.s);
        transition accept;
    }
    state choose_long {
        pkt.extract(hdr.choice.l);
        transition accept;
    }
    state peek {
        transition select(pkt.lookahead<bit<12>>(), hdr.kind.kind) {
            (0xabc, 7): peeked;
            (0x100 &&& 0xf00, _): items;
            default: accept;
        }
    }
    state peeked {
        meta.peeked = (bit<16>)pkt.lookahead<bit<12>>();
        transition accept;
    }
}

control V(inout headers_t hdr, inout metadata_t meta) { apply { } }

control I(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    apply {
        sm.egress_spec = 2;
        hdr.result.setValid();
        hdr.result.error_code = 255;
        if (sm.parser_error == error.NoError)                    { hdr.result.error_code = 0; }
        else if (sm.parser_error == error.PacketTooShort)        { hdr.result.error_code = 1; }
        else if (sm.parser_error == error.StackOutOfBounds)      { hdr.result.error_code = 2; }
        else if (sm.parser_error == error.HeaderTooShort)        { hdr.result.error_code = 3; }
        else if (sm.parser_error == error.ParserInvalidArgument) { hdr.result.error_code = 4; }
        else if (sm.parser_error == error.BadMagic)              { hdr.result.error_code = 5; }
        hdr.result.sum = 0;
        hdr.result.count = 0;
        if (hdr.items[0].isValid()) {
            hdr.result.count = hdr.result.count + 1;
            hdr.result.sum = hdr.result.sum + (bit<8>)hdr.items[0].value;
        }
        if (hdr.items[1].isValid()) {
            hdr.result.count = hdr.result.count + 1;
            hdr.result.sum = hdr.result.sum + (bit<8>)hdr.items[1].value;
        }
        if (hdr.items[2].isValid()) {
            hdr.result.count = hdr.result.count + 1;
            hdr.result.sum = hdr.result.sum + (bit<8>)hdr.items[2].value;
        }
        hdr.result.peeked = meta.peeked;
        if (hdr.choice.s.isValid()) {
            hdr.result.sum = hdr.choice.s.v;
        } else if (hdr.choice.l.isValid()) {
            hdr.result.sum = hdr.choice.l.v[7:0];
            hdr.choice.s.setValid();  // makes the other one invalid
            hdr.choice.s.tag = 9;
            hdr.choice.s.v = 9;
        }
        if (hdr.odd.isValid()) {
            hdr.odd.a = ~hdr.odd.a;
            hdr.odd.b = hdr.odd.b + 1;
            hdr.odd.c = hdr.odd.c << 4;
            hdr.odd.e = hdr.odd.e + 1;
        }
        if (hdr.options.isValid()) {
            hdr.copy = hdr.options;
        }
        if (sm.ingress_port == 3) {
            hdr.items.push_front(1);
            hdr.items[0].setValid();
            hdr.items[0].last = 1;
            hdr.items[0].value = 0x55;
        }
        if (sm.ingress_port == 4) {
            hdr.items.pop_front(1);
        }
    }
}

control E(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    apply { hdr.result.length = (bit<8>)sm.packet_length; }
}

control C(inout headers_t hdr, inout metadata_t meta) { apply { } }

control D(packet_out pkt, in headers_t hdr) {
    apply {
        pkt.emit(hdr.result);
        pkt.emit(hdr.kind);
        pkt.emit(hdr.items);
        pkt.emit(hdr.odd);
        pkt.emit(hdr.options);
        pkt.emit(hdr.copy);
        pkt.emit(hdr.choice);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
