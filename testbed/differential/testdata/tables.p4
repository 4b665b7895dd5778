// Corner: tables. Every kind of match, alone and together, on fields of 1 to
// 512 bits, on expressions and on validity; priorities and ties; entries that
// are constant or only there at the start; default actions that can be changed
// or not; hit, miss and action_run. The first byte says which table answers.

#include "include/corner.p4"

header key_t {
    bit<8>   which;
    bit<8>   a;
    bit<1>   b;
    bit<9>   c;
    bit<6>   d;
    bit<32>  e;
    bit<48>  f;
    bit<128> g;
}

header wide_t   { bit<512> w; }
header result_t { bit<8> how; bit<8> value; bit<7> small; bit<9> port; bit<128> wide; }

struct headers_t {
    packet_out_t packet_out;
    result_t     result;
    key_t        key;
    wide_t       wide;
}

struct metadata_t { }

PARSER(headers_t, metadata_t) {
    state start {
        transition select(sm.ingress_port) {
            CPU_PORT: from_cpu;
            default: key;
        }
    }
    state from_cpu {
        packet.extract(hdr.packet_out);
        transition accept;
    }
    state key {
        packet.extract(hdr.key);
        transition select(hdr.key.which[7:7]) {
            1: wide;
            default: accept;
        }
    }
    state wide {
        packet.extract(hdr.wide);
        transition accept;
    }
}

VERIFY(headers_t, metadata_t) { apply { } }

INGRESS(headers_t, metadata_t) {
    direct_counter(CounterType.packets) exact_counter;
    direct_counter(CounterType.bytes) lpm_counter;
    direct_counter(CounterType.packets_and_bytes) lpm_exact_counter;
    direct_counter(CounterType.packets_and_bytes) ternary_counter;
    direct_counter(CounterType.packets_and_bytes) mixed_counter;
    direct_counter(CounterType.packets_and_bytes) const_counter;

    action value(bit<8> v) { hdr.result.value = v; }
    action widths(bit<7> small, bit<9> port, bit<128> wide) {
        hdr.result.small = small;
        hdr.result.port = port;
        hdr.result.wide = wide;
    }
    action refuse() { mark_to_drop(sm); }
    action stop() { exit; }
    action nothing() { }

    table exact_table {
        key = { hdr.key.a: exact; hdr.key.b: exact; hdr.key.c: exact; }
        actions = { value; widths; refuse; stop; @defaultonly nothing; }
        counters = exact_counter;
        default_action = nothing();
        size = 64;
    }
    table small_table {  // all that fits in it can be there, and no more
        key = { hdr.key.b: exact; }
        actions = { value; widths; }
        size = 2;
    }
    table lpm_table {
        key = { hdr.key.e: lpm; }
        actions = { value; widths; refuse; }
        counters = lpm_counter;
        const default_action = value(0xdd);
        size = 64;
    }
    table lpm_exact_table {
        key = { hdr.key.d: exact; hdr.key.g: lpm; }
        actions = { value; widths; @tableonly stop; }
        counters = lpm_exact_counter;
        default_action = widths(1, 2, 3);
        size = 64;
    }
    table ternary_table {
        key = { hdr.key.a: ternary; hdr.key.g: ternary; }
        actions = { value; widths; refuse; }
        counters = ternary_counter;
        size = 64;
    }
    table range_table {
        key = { hdr.key.a: range; hdr.key.c: range; hdr.key.f: range; }
        actions = { value; widths; }
        size = 64;
    }
    table optional_table {
        key = { hdr.key.a: optional; hdr.key.b: optional; }
        actions = { value; widths; }
        size = 64;
    }
    table mixed_table {
        key = {
            hdr.key.b: exact;
            hdr.key.e: ternary;
            hdr.key.a: range;
            hdr.key.c: optional;
            hdr.key.d: ternary @name("six");
        }
        actions = { value; widths; refuse; nothing; }
        counters = mixed_counter;
        size = 64;
    }
    table expression_table {
        key = {
            hdr.key.e & 0x00ffff00: ternary @name("middle");
            hdr.key.a + 1: exact @name("next");
            hdr.wide.isValid(): exact @name("wide");
            hdr.key.g[70:60]: exact @name("slice");
        }
        actions = { value; widths; }
        size = 64;
    }
    table wide_table {
        key = { hdr.wide.w: ternary; }
        actions = { value; }
        size = 64;
    }
    table const_table {
        key = { hdr.key.a: ternary; hdr.key.b: exact; }
        actions = { value; widths; refuse; }
        const default_action = value(0xcc);
        counters = const_counter;
        const entries = {
            (0x10 &&& 0xf0, 1): value(1);
            (0x1f, 1): value(2);          // never hit: the first one goes before
            (0x20 &&& 0xf0, 0): widths(5, 6, 0xffffffffffffffffffffffffffffffff);
            (_, 0): refuse();
        }
    }
    table initial_table {
        key = { hdr.key.a: exact; }
        actions = { value; refuse; }
        size = 64;
        entries = {
            0x00: value(1);
            0x01: refuse();
            const 0xff: value(3);
        }
    }
    table keyless_table {
        actions = { value; widths; refuse; }
        default_action = value(0x11);
    }
    table fixed_table {
        actions = { value; }
        const default_action = value(0x22);
    }

    apply {
        LEAVE
        sm.egress_spec = 2;
        hdr.result.setValid();
        hdr.result.how = 0;
        hdr.result.value = 0;
        hdr.result.small = 0;
        hdr.result.port = 0;
        hdr.result.wide = 0;
        if (!hdr.key.isValid()) {
            return;
        }
        bit<4> which = hdr.key.which[3:0];
        if (which == 0) {
            if (exact_table.apply().hit) { hdr.result.how = 1; } else { hdr.result.how = 2; }
        } else if (which == 1) {
            if (small_table.apply().miss) { hdr.result.how = 3; }
        } else if (which == 2) {
            switch (lpm_table.apply().action_run) {
                widths: { hdr.result.how = 4; }
                value:  { hdr.result.how = 5; }
            }
        } else if (which == 3) {
            switch (lpm_exact_table.apply().action_run) {
                widths:  { hdr.result.how = 6; }
                default: { hdr.result.how = 7; }
            }
        } else if (which == 4) {
            if (ternary_table.apply().hit) { hdr.result.how = 8; }
        } else if (which == 5) {
            if (range_table.apply().hit) { hdr.result.how = 9; }
        } else if (which == 6) {
            if (optional_table.apply().hit) { hdr.result.how = 10; }
        } else if (which == 7) {
            if (mixed_table.apply().hit) { hdr.result.how = 11; }
        } else if (which == 8) {
            if (expression_table.apply().hit) { hdr.result.how = 12; }
        } else if (which == 9) {
            if (hdr.wide.isValid() && wide_table.apply().hit) { hdr.result.how = 13; }
        } else if (which == 10) {
            if (const_table.apply().hit) { hdr.result.how = 14; }
        } else if (which == 11) {
            if (initial_table.apply().hit) { hdr.result.how = 15; }
        } else {
            fixed_table.apply();
            if (keyless_table.apply().hit) { hdr.result.how = 16; }
        }
    }
}

EGRESS(headers_t, metadata_t) { apply { } }
UPDATE(headers_t, metadata_t) { apply { } }

DEPARSER(headers_t) {
    apply {
        packet.emit(hdr.result);
        packet.emit(hdr.key);
        packet.emit(hdr.wide);
    }
}

SWITCH;
