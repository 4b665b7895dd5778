// Corner: indirect actions. A profile that two tables share the kind of, and
// selectors that choose a member by a hash of one field, of several, and of
// fields of odd widths; groups of one member, of many and of members twice as
// heavy; one-shot sets. The first byte says which table answers.

#include "include/corner.p4"

header key_t {
    bit<8>  which;
    bit<8>  a;
    bit<32> b;
    bit<3>  c;
    bit<13> d;
}
header result_t { bit<8> how; bit<32> value; bit<7> pad; bit<9> port; }

struct headers_t {
    packet_out_t packet_out;
    result_t     result;
    key_t        key;
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
        transition accept;
    }
}

VERIFY(headers_t, metadata_t) { apply { } }

INGRESS(headers_t, metadata_t) {
    action_profile(32) profile;
    action_selector(HashAlgorithm.crc16, 32w64, 32w14) ways;
    action_selector(HashAlgorithm.crc32, 32w64, 32w10) paths;
    direct_counter(CounterType.packets_and_bytes) way_counter;

    action value(bit<32> v) { hdr.result.value = v; }
    action port(bit<9> p) { hdr.result.port = p; }
    action refuse() { mark_to_drop(sm); }

    table profiled {
        key = { hdr.key.a: exact; }
        actions = { value; port; refuse; }
        implementation = profile;
        size = 64;
    }
    table way {
        key = { hdr.key.a: exact; hdr.key.b: selector; hdr.key.c: selector; hdr.key.d: selector; }
        actions = { value; port; refuse; }
        implementation = ways;
        counters = way_counter;
        size = 64;
    }
    table path {
        key = { hdr.key.a: ternary; hdr.key.d: selector; }
        actions = { value; port; }
        implementation = paths;
        size = 64;
    }

    apply {
        LEAVE
        sm.egress_spec = 2;
        hdr.result.setValid();
        hdr.result.how = 0;
        hdr.result.value = 0;
        hdr.result.pad = 0;
        hdr.result.port = 0;
        if (!hdr.key.isValid()) {
            return;
        }
        if (hdr.key.which == 0) {
            if (profiled.apply().hit) { hdr.result.how = 1; }
        } else if (hdr.key.which == 1) {
            switch (way.apply().action_run) {
                value: { hdr.result.how = 2; }
                port:  { hdr.result.how = 3; }
            }
        } else if (hdr.key.which == 2) {
            if (path.apply().miss) { hdr.result.how = 4; }
        }
    }
}

EGRESS(headers_t, metadata_t) { apply { } }
UPDATE(headers_t, metadata_t) { apply { } }

DEPARSER(headers_t) {
    apply {
        packet.emit(hdr.result);
        packet.emit(hdr.key);
    }
}

SWITCH;
