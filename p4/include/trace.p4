// Path trace: a sending NVE may put its node id, the flow's hash and the time
// into the options of a tunnel; whoever can read them at their place, the
// receiving NVE or a transit device, reports the flows that are watched. The
// options themselves are never changed on the way (RFC 8926 section 2.2.1).

#ifndef KEYWAY_TRACE_P4_
#define KEYWAY_TRACE_P4_

#include "headers.p4"
#include "metadata.p4"

// One sighting of a traced flow.
struct path_trace_t {
    bit<32> node_id;       // who saw it
    bit<32> origin;        // who sent it
    bit<32> flow_hash;
    bit<32> sent;          // sender's clock, microseconds
    bit<32> received;      // our clock, microseconds
    bit<16> ingress_port;
}

control PathTrace(in metadata_t meta, in standard_metadata_t standard_metadata) {
    @id(0x13000030) direct_counter(CounterType.packets) trace_watch_counter;

    @id(0x01000030)
    action count() {
        trace_watch_counter.count();
    }

    @id(0x01000031)
    action report(@id(1) bit<32> node_id) {
        digest<path_trace_t>(1, {
            node_id,
            meta.fields.origin,
            meta.fields.flow_hash,
            meta.fields.timestamp,
            (bit<32>)standard_metadata.ingress_global_timestamp,
            (bit<16>)standard_metadata.ingress_port
        });
        trace_watch_counter.count();
    }

    @id(0x02000030)
    table trace_watch {
        key = {
            meta.fields.origin:    exact   @id(1) @name("origin");
            meta.fields.flow_hash: ternary @id(2) @name("flow_hash") @format(HEX_STRING);
        }
        actions = {
            count;
            report;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        counters = trace_watch_counter;
        size = 256;
    }

    apply {
        trace_watch.apply();
    }
}

#endif
