// Corner: the parser. Errors of every kind, and what was extracted before them;
// lookahead and advance, also beyond the end; stacks that overflow; fields of
// variable length, also of lengths that are no bytes; selection under masks, in
// ranges and by value sets. The first byte says which way is taken, and the
// frame comes back with what the parser found.

#include "include/corner.p4"

error { BadMagic, BadSum }

header kind_t    { bit<8> kind; }
header item_t    { bit<1> last; bit<7> value; }
header bits_t    { bit<3> a; bit<13> b; bit<48> c; bit<7> d; bit<65> e; }
header options_t { bit<8> length; varbit<128> data; }
header wide_t    { bit<128> a; bit<12> b; bit<4> c; }
header pair_t    { bit<16> x; bit<16> y; }
header result_t {
    bit<8>  error_code;
    bit<8>  items;
    bit<8>  sum;
    bit<16> peeked;
    bit<32> last;
    bit<32> length;
}

struct headers_t {
    packet_out_t packet_out;
    result_t     result;
    kind_t       kind;
    item_t[4]    items;
    bits_t       bits;
    options_t    options;
    options_t    copy;
    wide_t       wide;
    pair_t       pair;
    pair_t       other;
}

struct metadata_t {
    bit<16> peeked;
    bit<32> last;
}

PARSER(headers_t, metadata_t) {
    value_set<bit<8>>(4) kinds;

    state start {
        meta.peeked = 0;
        meta.last = 0;
        transition select(sm.ingress_port) {
            CPU_PORT: from_cpu;
            default: kind;
        }
    }
    state from_cpu {
        packet.extract(hdr.packet_out);
        transition accept;
    }
    state kind {
        packet.extract(hdr.kind);
        transition select(hdr.kind.kind) {
            kinds: pair;
            0: items;
            1: items_counted;
            2: bits;
            3: options;
            4: options_bits;
            5: skip;
            6: skip_far;
            7: check;
            8: look;
            9: look_far;
            10: no_match;
            11: masked;
            12: ranges;
            13: pair_twice;
            14: stuck;
            15: wide;
            16: look_wide;
            0x40 &&& 0xc0: pair;
            default: accept;
        }
    }
    // Until an item says that it is the last, or there is no room for another.
    state items {
        packet.extract(hdr.items.next);
        transition select(hdr.items.last.last) {
            0: items;
            1: items_end;
        }
    }
    state items_end {
        meta.last = hdr.items.lastIndex;
        transition accept;
    }
    state items_counted {
        packet.extract(hdr.items.next);
        meta.last = meta.last + 1;
        transition select(meta.last, hdr.items.last.value) {
            (4, _): accept;
            (_, 0x7f): pair;
            (_, _): items_counted;
        }
    }
    state bits {
        packet.extract(hdr.bits);
        transition accept;
    }
    state options {
        packet.extract(hdr.options, (bit<32>)packet.lookahead<bit<8>>() * 8);
        transition pair;
    }
    state options_bits {
        packet.extract(hdr.options, (bit<32>)packet.lookahead<bit<8>>());
        transition accept;
    }
    state skip {
        packet.advance((bit<32>)packet.lookahead<bit<8>>() * 8);
        transition pair;
    }
    state skip_far {
        packet.advance(800);
        transition accept;
    }
    state check {
        meta.peeked = packet.lookahead<bit<16>>();
        verify(meta.peeked != 0xdead, error.BadMagic);
        packet.extract(hdr.pair);
        verify(hdr.pair.x + hdr.pair.y != 0, error.BadSum);
        packet.extract(hdr.other);
        transition accept;
    }
    state look {
        transition select(packet.lookahead<bit<12>>()) {
            0x123: pair;
            0x200 &&& 0xf00: items;
            default: accept;
        }
    }
    state look_far {
        meta.peeked = packet.lookahead<bit<48>>()[15:0];
        transition pair;
    }
    state no_match {
        packet.extract(hdr.pair);
        transition select(hdr.pair.x) {
            1: pair_other;
        }
    }
    state pair_other {
        packet.extract(hdr.other);
        transition accept;
    }
    state masked {
        packet.extract(hdr.pair);
        transition select(hdr.pair.x, hdr.pair.y) {
            (0x1200 &&& 0xff00, 0x0034 &&& 0x00ff): pair_other;
            (_, 0xffff): items;
            (0x8000 &&& 0x8000, _): bits;
            default: accept;
        }
    }
    state ranges {
        packet.extract(hdr.pair);
        transition select(hdr.pair.x) {
            0x0010 .. 0x0021: pair_other;
            0x8000 .. 0x8fff: items;
            default: accept;
        }
    }
    // The second extraction of a header takes the place of the first.
    state pair_twice {
        packet.extract(hdr.pair);
        packet.extract(hdr.pair);
        transition accept;
    }
    state pair {
        packet.extract(hdr.pair);
        transition accept;
    }
    // Keys of more than a machine's word.
    state wide {
        packet.extract(hdr.wide);
        transition select(hdr.wide.a, hdr.wide.b) {
            (0x20010db8000000000000000000000001, 0x123): pair;
            (0x20010db8000000000000000000000000 &&& 0xffffffff000000000000000000000000, 0x200 &&& 0xf00): items;
            (_, 0xfff): bits;
            default: accept;
        }
    }
    state look_wide {
        transition select(packet.lookahead<bit<72>>()) {
            0x010203040506070809: pair;
            0x110000000000000000 &&& 0xff00000000000000ff: wide;
            default: accept;
        }
    }
    // No way out but an error.
    state stuck {
        packet.extract(hdr.items.next);
        transition stuck;
    }
}

VERIFY(headers_t, metadata_t) { apply { } }

INGRESS(headers_t, metadata_t) {
    apply {
        LEAVE
        sm.egress_spec = 2;
        hdr.result.setValid();
        hdr.result.error_code = 255;
        if (sm.parser_error == error.NoError)                    { hdr.result.error_code = 0; }
        else if (sm.parser_error == error.PacketTooShort)        { hdr.result.error_code = 1; }
        else if (sm.parser_error == error.NoMatch)               { hdr.result.error_code = 2; }
        else if (sm.parser_error == error.StackOutOfBounds)      { hdr.result.error_code = 3; }
        else if (sm.parser_error == error.HeaderTooShort)        { hdr.result.error_code = 4; }
        else if (sm.parser_error == error.ParserTimeout)         { hdr.result.error_code = 5; }
        else if (sm.parser_error == error.ParserInvalidArgument) { hdr.result.error_code = 6; }
        else if (sm.parser_error == error.BadMagic)              { hdr.result.error_code = 7; }
        else if (sm.parser_error == error.BadSum)                { hdr.result.error_code = 8; }
        hdr.result.items = 0;
        hdr.result.sum = 0;
        if (hdr.items[0].isValid()) { hdr.result.items = 1; hdr.result.sum = (bit<8>)hdr.items[0].value; }
        if (hdr.items[1].isValid()) { hdr.result.items = 2; hdr.result.sum = hdr.result.sum + (bit<8>)hdr.items[1].value; }
        if (hdr.items[2].isValid()) { hdr.result.items = 3; hdr.result.sum = hdr.result.sum + (bit<8>)hdr.items[2].value; }
        if (hdr.items[3].isValid()) { hdr.result.items = 4; hdr.result.sum = hdr.result.sum + (bit<8>)hdr.items[3].value; }
        hdr.result.peeked = meta.peeked;
        hdr.result.last = meta.last;
        hdr.result.length = sm.packet_length;
        if (hdr.bits.isValid()) {
            hdr.bits.a = ~hdr.bits.a;
            hdr.bits.b = hdr.bits.b + 1;
            hdr.bits.c = hdr.bits.c << 4;
            hdr.bits.e = hdr.bits.e + 1;
        }
        if (hdr.options.isValid() && sm.ingress_port == 3) {
            hdr.copy.setValid();
            hdr.copy.length = 0xee;
            hdr.copy.data = hdr.options.data;
        } else if (hdr.options.isValid()) {
            hdr.copy = hdr.options;
        }
    }
}

EGRESS(headers_t, metadata_t) { apply { } }
UPDATE(headers_t, metadata_t) { apply { } }

DEPARSER(headers_t) {
    apply {
        packet.emit(hdr.result);
        packet.emit(hdr.kind);
        packet.emit(hdr.items);
        packet.emit(hdr.bits);
        packet.emit(hdr.options);
        packet.emit(hdr.copy);
        packet.emit(hdr.wide);
        packet.emit(hdr.pair);
        packet.emit(hdr.other);
    }
}

SWITCH;
