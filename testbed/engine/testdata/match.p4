// Every way to match: exact, LPM, ternary, range, optional, on wide and on invalid fields, constant entries, action
// profile and selector, hit and miss, switch on the action.
#include <core.p4>
#include <v1model.p4>

header key_t {
    bit<8>   table_id;
    bit<32>  a;
    bit<12>  b;
    bit<4>   c;
    bit<128> d;
}
header more_t   { bit<16> e; }
header result_t { bit<8> how; bit<16> value; }

struct headers_t {
    result_t result;
    key_t    key;
    more_t   more;
}

struct metadata_t { bit<16> value; }

parser P(packet_in pkt, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    state start {
        pkt.extract(hdr.key);
        transition select(hdr.key.c) {
            1: more;
            default: accept;
        }
    }
    state more {
        pkt.extract(hdr.more);
        transition accept;
    }
}

control V(inout headers_t hdr, inout metadata_t meta) { apply { } }

control I(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) {
    direct_counter(CounterType.packets_and_bytes) exact_counter;
    direct_meter<bit<16>>(MeterType.packets) exact_meter;
    action_profile(16) profile;
    @mode("fair") action_selector(HashAlgorithm.crc16, 16, 16) selector;

    action set(bit<16> value) {
        hdr.result.value = value;
    }
    action counted(bit<16> value) {
        exact_counter.count();
        hdr.result.value = value;
    }
    action coloured() {
        exact_meter.read(hdr.result.value);
    }
    action wide(bit<128> value) {
        hdr.key.d = value;
    }
    action refuse() {
        mark_to_drop(sm);
    }

    table exact_table {
        key = { hdr.key.a: exact; hdr.key.b: exact; }
        actions = { counted; refuse; NoAction; }
        counters = exact_counter;
        size = 4;
        support_timeout = true;
    }
    table metered_table {
        key = { hdr.key.a: exact; }
        actions = { coloured; }
        meters = exact_meter;
        size = 16;
    }
    table lpm_table {
        key = { hdr.key.d: lpm; hdr.key.c: exact; }
        actions = { set; wide; }
        default_action = set(0xffff);
    }
    table ternary_table {
        key = { hdr.key.a: ternary; hdr.key.d: ternary; hdr.key.b: lpm; }
        actions = { set; NoAction; }
    }
    table range_table {
        key = { hdr.key.a: range; hdr.key.b: ternary; hdr.key.d: range; }
        actions = { set; }
    }
    table optional_table {
        key = { hdr.key.a: optional; hdr.more.e: optional; hdr.more.isValid(): exact; }
        actions = { set; }
    }
    table const_table {
        key = { hdr.key.b: ternary; hdr.key.c: exact; }
        actions = { set; refuse; }
        const default_action = set(9);
        const entries = {
            (0x100 &&& 0xf00, 0): set(1);
            (0x120 &&& 0xff0, 0): set(2);
            (_, 2): refuse();
            (0x7ff, 3): set(4);
        }
    }
    table profile_table {
        key = { hdr.key.a: exact; }
        actions = { set; refuse; }
        implementation = profile;
    }
    table selector_table {
        key = { hdr.key.a: lpm; hdr.key.b: selector; hdr.key.d: selector; }
        actions = { set; wide; }
        implementation = selector;
    }
    table masked_table {
        key = { hdr.key.a & 0x00ffff00: exact; }
        actions = { set; }
    }

    apply {
        sm.egress_spec = 2;
        hdr.result.setValid();
        hdr.result.how = 0;
        hdr.result.value = 0;
        if (hdr.key.table_id == 1) {
            if (exact_table.apply().hit) { hdr.result.how = 1; } else { hdr.result.how = 2; }
        } else if (hdr.key.table_id == 2) {
            switch (lpm_table.apply().action_run) {
                wide: { hdr.result.how = 3; }
                set:  { hdr.result.how = 4; }
            }
        } else if (hdr.key.table_id == 3) {
            ternary_table.apply();
        } else if (hdr.key.table_id == 4) {
            range_table.apply();
        } else if (hdr.key.table_id == 5) {
            optional_table.apply();
        } else if (hdr.key.table_id == 6) {
            const_table.apply();
        } else if (hdr.key.table_id == 7) {
            if (profile_table.apply().miss) { hdr.result.how = 5; }
        } else if (hdr.key.table_id == 8) {
            switch (selector_table.apply().action_run) {
                wide: { hdr.result.how = 6; }
                default: { hdr.result.how = 7; }
            }
        } else if (hdr.key.table_id == 9) {
            masked_table.apply();
        } else if (hdr.key.table_id == 10) {
            metered_table.apply();
        }
    }
}

control E(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t sm) { apply { } }
control C(inout headers_t hdr, inout metadata_t meta) { apply { } }

control D(packet_out pkt, in headers_t hdr) {
    apply {
        pkt.emit(hdr.result);
        pkt.emit(hdr.key);
        pkt.emit(hdr.more);
    }
}

V1Switch(P(), V(), I(), E(), C(), D()) main;
