// The end of ingress: forward, drop and count, or punt through a meter.

#ifndef KEYWAY_DISPOSITION_P4_
#define KEYWAY_DISPOSITION_P4_

#include "headers.p4"
#include "metadata.p4"

control Disposition(inout headers_t hdr,
                    inout metadata_t meta,
                    inout standard_metadata_t standard_metadata) {
    @id(0x12000001) counter(32, CounterType.packets_and_bytes) drops;  // by DROP_*
    @id(0x12000002) counter(16, CounterType.packets_and_bytes) punts;  // by PUNT_*
    @id(0x14000001) meter(16, MeterType.packets) punt_meter;           // by PUNT_*

    apply {
        if (meta.verdict == PUNT) {
            bit<2> colour;
            punt_meter.execute_meter((bit<32>)meta.reason, colour);
            if (colour == 2) {
                meta.verdict = DROP;
                meta.reason = DROP_PUNT_METER;
            } else {
                punts.count((bit<32>)meta.reason);
                hdr.packet_in.setValid();
                hdr.packet_in.ingress_port = (bit<16>)standard_metadata.ingress_port;
                hdr.packet_in.reason = meta.reason;
                meta.tunnel = 0;
                standard_metadata.mcast_grp = 0;
                standard_metadata.egress_spec = CPU_PORT;
            }
        }
        if (meta.verdict == DROP) {
            drops.count((bit<32>)meta.reason);
            mark_to_drop(standard_metadata);
        }
    }
}

#endif
