// One of every entity that P4Runtime knows, for the tests of the server.
//
// A frame is an Ethernet header and a probe header of three numbers. The probe
// chooses what happens to it (mode) and is what the tables look at, so a test
// says with one frame which table is meant to answer.

#include <core.p4>
#include <v1model.p4>

const bit<16> TYPE_PROBE = 0x88b5;
const bit<9> CPU_PORT = 510;

enum bit<8> Mode {
    TABLES = 0,     // run the tables
    MULTICAST = 1,  // to multicast group probe.arg
    CLONE = 2,      // clone to session probe.arg, and bounce
    DIGEST = 3,     // learn the source, and bounce
    PUNT = 4,       // to the CPU with reason probe.arg
    REGISTER = 5    // add 1 to register cell probe.arg, and bounce
}

@controller_header("packet_in")
header packet_in_t {
    bit<9> ingress_port;
    bit<7> pad;
    bit<16> reason;
}

@controller_header("packet_out")
header packet_out_t {
    bit<9> egress_port;
    bit<1> through;  // run the packet through the tables instead of sending it
    bit<6> pad;
}

header ethernet_t {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

header probe_t {
    Mode mode;
    bit<16> arg;
    bit<32> addr;
    bit<9> tag;
    bit<7> pad;
}

struct headers_t {
    packet_in_t packet_in;
    packet_out_t packet_out;
    ethernet_t ethernet;
    probe_t probe;
}

struct metadata_t {
    bit<2> color;
    bit<16> hash;
}

struct learn_t {
    bit<48> src;
    bit<9> port;
    int<7> delta;
}

parser Parse(packet_in packet, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    value_set<bit<16>>(4) probe_types;

    state start {
        transition select(std.ingress_port) {
            CPU_PORT: from_cpu;
            default: ethernet;
        }
    }
    state from_cpu {
        packet.extract(hdr.packet_out);
        transition ethernet;
    }
    state ethernet {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            TYPE_PROBE: probe;
            probe_types: probe;
            default: accept;
        }
    }
    state probe {
        packet.extract(hdr.probe);
        transition accept;
    }
}

control NoVerify(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control Forward(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    direct_counter(CounterType.packets_and_bytes) exact_counter;
    direct_meter<bit<2>>(MeterType.packets) ternary_meter;
    counter(4, CounterType.packets_and_bytes) port_counter;
    meter(4, MeterType.bytes) port_meter;
    register<bit<32>>(4) cells;
    action_profile(4) ways;
    action_selector(HashAlgorithm.crc16, 32w16, 32w16) paths;

    action drop() {
        mark_to_drop(std);
    }
    action forward(bit<9> port) {
        std.egress_spec = port;
    }
    action rewrite(bit<9> port, bit<48> dst) {
        std.egress_spec = port;
        hdr.ethernet.dst = dst;
    }
    action metered(bit<9> port) {
        std.egress_spec = port;
        ternary_meter.read(meta.color);
    }

    @id(0x02000001)
    table exact_table {
        key = {
            hdr.probe.arg: exact @name("arg");
        }
        actions = {
            forward;
            rewrite;
            @tableonly drop;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        counters = exact_counter;
        support_timeout = true;
        size = 1024;
    }
    @id(0x02000002)
    table lpm_table {
        key = {
            hdr.probe.addr: lpm @name("addr");
        }
        actions = {
            forward;
            drop;
            @defaultonly NoAction;
        }
        default_action = NoAction();
        size = 4;
    }
    @id(0x02000003)
    table ternary_table {
        key = {
            hdr.probe.arg: exact @name("arg");
            hdr.probe.addr: ternary @name("addr");
            hdr.probe.tag: optional @name("tag");
        }
        actions = {
            metered;
            forward;
        }
        meters = ternary_meter;
        default_action = forward(9w7);
        size = 64;
    }
    @id(0x02000004)
    table range_table {
        key = {
            hdr.probe.arg: range @name("arg");
        }
        actions = {
            forward;
            NoAction;
        }
        default_action = NoAction();
    }
    @id(0x02000005)
    table const_table {
        key = {
            hdr.probe.arg: ternary @name("arg");
            hdr.probe.addr: ternary @name("addr");
        }
        actions = {
            forward;
            NoAction;
        }
        const entries = {
            (0xc001, _): forward(9w1);
            (0xc000 &&& 0xff00, 0x0a000000 &&& 0xff000000): forward(9w2);
            (0xc003, _): forward(9w3);
        }
        default_action = NoAction();
    }
    @id(0x02000009)
    table const_lpm_table {
        key = {
            hdr.probe.tag: exact @name("tag");
            hdr.probe.addr: lpm @name("addr");
        }
        actions = {
            forward;
            NoAction;
        }
        const entries = {
            (9w1, 0x0b000000 &&& 0xff000000): forward(9w11);
            (9w2, _): forward(9w12);
        }
    }
    @id(0x0200000a)
    table const_range_table {
        key = {
            hdr.probe.tag: range @name("tag");
            hdr.probe.arg: optional @name("arg");
        }
        actions = {
            forward;
            NoAction;
        }
        const entries = {
            (9w10 .. 9w20, 0xc0de): forward(9w13);
            (9w30, _): forward(9w14);
            (_, 0xc0df): forward(9w15);
        }
    }
    @id(0x02000006)
    table profile_table {
        key = {
            hdr.probe.arg: exact @name("arg");
        }
        actions = {
            forward;
            drop;
            @defaultonly NoAction;
        }
        implementation = ways;
        size = 64;
    }
    @id(0x02000007)
    table selector_table {
        key = {
            hdr.probe.arg: exact @name("arg");
            hdr.probe.addr: selector;
        }
        actions = {
            forward;
            drop;
            @defaultonly NoAction;
        }
        implementation = paths;
        size = 64;
    }
    @id(0x02000008)
    table keyless_table {
        actions = {
            forward;
            NoAction;
        }
        default_action = NoAction();
    }

    action bounce() {
        std.egress_spec = std.ingress_port;
    }

    apply {
        if (hdr.packet_out.isValid()) {
            bit<1> through = hdr.packet_out.through;
            std.egress_spec = hdr.packet_out.egress_port;
            hdr.packet_out.setInvalid();
            if (through == 0) {
                exit;
            }
        }
        if (!hdr.probe.isValid()) {
            drop();
            exit;
        }
        port_counter.count((bit<32>)std.ingress_port & 3);
        port_meter.execute_meter((bit<32>)std.ingress_port & 3, meta.color);
        if (hdr.probe.mode == Mode.MULTICAST) {
            std.mcast_grp = hdr.probe.arg;
        } else if (hdr.probe.mode == Mode.CLONE) {
            clone(CloneType.I2E, (bit<32>)hdr.probe.arg);
            bounce();
        } else if (hdr.probe.mode == Mode.DIGEST) {
            learn_t learn;
            learn.src = hdr.ethernet.src;
            learn.port = std.ingress_port;
            learn.delta = (int<7>)(bit<7>)hdr.probe.arg;
            digest<learn_t>(1, learn);
            bounce();
        } else if (hdr.probe.mode == Mode.PUNT) {
            std.egress_spec = CPU_PORT;
            hdr.packet_in.setValid();
            hdr.packet_in.ingress_port = std.ingress_port;
            hdr.packet_in.reason = hdr.probe.arg;
        } else if (hdr.probe.mode == Mode.REGISTER) {
            bit<32> value;
            cells.read(value, (bit<32>)hdr.probe.arg);
            cells.write((bit<32>)hdr.probe.arg, value + 1);
            bounce();
        } else {
            // The last table that hits decides; a probe that none knows is
            // dropped.
            drop();
            keyless_table.apply();
            const_table.apply();
            const_lpm_table.apply();
            const_range_table.apply();
            if (!exact_table.apply().hit) {
                lpm_table.apply();
                range_table.apply();
                profile_table.apply();
                selector_table.apply();
                if (hdr.probe.arg == 0x7e57) {
                    ternary_table.apply();
                }
            }
        }
    }
}

control Mark(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    apply {
        // Shows the instance of a replica.
        if (std.instance_type == 5 || std.instance_type == 1) {
            hdr.ethernet.dst = (bit<48>)std.egress_rid;
        }
    }
}

control NoCompute(inout headers_t hdr, inout metadata_t meta) {
    apply {}
}

control Deparse(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.packet_in);
        packet.emit(hdr.ethernet);
        packet.emit(hdr.probe);
    }
}

V1Switch(Parse(), NoVerify(), Forward(), Mark(), NoCompute(), Deparse()) main;
