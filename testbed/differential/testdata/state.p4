// Corner: what a switch remembers and tells. Counters, meters and registers, in
// arrays and of entries; digests of odd widths; entries that time out; random
// numbers, of which only the range is told; assert, assume and log_msg. Meters
// have rates that no test reaches or that none keeps to. No index is beyond an
// array, for bmv2 would write there, and no log_msg begins with a value, with
// which bmv2 would end.

#include "include/corner.p4"

header op_t   { bit<8> op; bit<8> index; bit<32> value; }
header wide_t { bit<72> value; }

struct headers_t {
    packet_out_t packet_out;
    op_t         op;
    wide_t       wide;
}

struct learn_t {
    bit<9>  port;
    bit<32> value;
    bit<3>  low;
    bit<72> wide;
}
struct seen_t { bit<8> index; }

struct metadata_t { bit<32> old; bit<2> colour; bit<72> wide; }

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
        transition select(hdr.op.op[7:7]) {
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
    counter(16, CounterType.packets) packets;
    counter(16, CounterType.bytes) bytes;
    counter(16, CounterType.packets_and_bytes) both;
    meter(16, MeterType.packets) packet_meter;
    meter(16, MeterType.bytes) byte_meter;
    register<bit<32>>(16) cells;
    register<bit<72>>(16) wides;
    register<bit<1>>(16) flags;
    register<int<8>>(16) signed;
    direct_counter(CounterType.packets_and_bytes) timed_counter;
    direct_meter<bit<2>>(MeterType.packets) metered_meter;

    action value(bit<32> v) { hdr.op.value = v; }
    action count(bit<4> index) {
        packets.count((bit<32>)index);
        bytes.count((bit<32>)index);
        both.count((bit<32>)index);
    }
    action remember(bit<4> index, bit<32> v) {
        cells.read(meta.old, (bit<32>)index);
        cells.write((bit<32>)index, meta.old + v);
        hdr.op.value = meta.old;
    }
    action learn(bit<3> low) {
        digest<learn_t>(1, { sm.ingress_port, hdr.op.value, low, meta.wide });
    }
    action coloured() {
        metered_meter.read(meta.colour);
        hdr.op.value = (bit<32>)meta.colour;
    }

    table timed {
        key = { hdr.op.index: exact; }
        actions = { value; count; remember; learn; NoAction; }
        counters = timed_counter;
        support_timeout = true;
        size = 64;
    }
    table metered {
        key = { hdr.op.index: exact; }
        actions = { coloured; }
        meters = metered_meter;
        size = 64;
    }
    table anywhere {
        key = { hdr.op.value: ternary; sm.ingress_port: exact; }
        actions = { count; remember; learn; }
        size = 64;
    }

    apply {
        LEAVE
        sm.egress_spec = 2;
        if (!hdr.op.isValid()) {
            return;
        }
        if (hdr.wide.isValid()) {
            meta.wide = hdr.wide.value;
        }
        bit<7> op = hdr.op.op[6:0];
        bit<32> i = (bit<32>)hdr.op.index[3:0];
        if (op == 0)       { timed.apply(); }
        else if (op == 1)  { if (!metered.apply().hit) { hdr.op.value = 9; } }
        else if (op == 2)  { anywhere.apply(); }
        else if (op == 3)  { packet_meter.execute_meter(i, meta.colour); hdr.op.value = (bit<32>)meta.colour; }
        else if (op == 4)  { byte_meter.execute_meter(i, meta.colour); hdr.op.value = (bit<32>)meta.colour; }
        else if (op == 5)  { cells.read(meta.old, i); hdr.op.value = meta.old; }
        else if (op == 6)  { cells.write(i, hdr.op.value); }
        else if (op == 7)  { wides.read(meta.wide, i); if (hdr.wide.isValid()) { hdr.wide.value = meta.wide; } }
        else if (op == 8)  { wides.write(i, meta.wide + 1); }
        else if (op == 9)  { bit<1> flag; flags.read(flag, i); flags.write(i, ~flag); hdr.op.value = (bit<32>)flag; }
        else if (op == 10) {
            int<8> n;
            signed.read(n, i);
            hdr.op.value = (bit<32>)(bit<8>)n;
            signed.write(i, n - 3);
        }
        else if (op == 11) {
            random(meta.old, 32w5, 32w9);
            hdr.op.value = 0;
            if (meta.old >= 5 && meta.old <= 9) { hdr.op.value = 1; }
        }
        else if (op == 12) { random(hdr.op.value, 32w7, 32w7); }
        else if (op == 13) { both.count(i); both.count(i); }
        else if (op == 14) { assert(hdr.op.index != 0 || hdr.op.index == 0); assume(hdr.op.value >= 0); log_msg("cell {} of {}", { hdr.op.index, sm.ingress_port }); log_msg("nothing to tell"); }
        else if (op == 15) { digest<seen_t>(1, { hdr.op.index }); }
        // Two digests of one packet: bmv2 sends the last one.
        else if (op == 16) { digest<seen_t>(1, { 8w0xee }); learn(5); }
    }
}

EGRESS(headers_t, metadata_t) {
    counter(16, CounterType.packets_and_bytes) ports;
    direct_counter(CounterType.packets_and_bytes) way_counter;
    action deliver() { }
    action redden(bit<32> v) { hdr.op.value = v; }
    table ways {
        key = { sm.egress_port: exact; sm.ingress_port: ternary; }
        actions = { deliver; redden; }
        counters = way_counter;
        size = 64;
    }
    apply {
        if (sm.ingress_port != CPU_PORT && hdr.op.isValid()) {
            ports.count((bit<32>)sm.egress_port[3:0]);
            ways.apply();
        }
    }
}

UPDATE(headers_t, metadata_t) { apply { } }

DEPARSER(headers_t) {
    apply {
        packet.emit(hdr.op);
        packet.emit(hdr.wide);
    }
}

SWITCH;
