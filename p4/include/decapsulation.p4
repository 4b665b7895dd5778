// From an underlay port: is this a tunnel that ends here, of a VN that is
// here, from an NVE that may send into it; what do its options say.

#ifndef KEYWAY_DECAPSULATION_P4_
#define KEYWAY_DECAPSULATION_P4_

#include "headers.p4"
#include "metadata.p4"
#include "option_window.p4"
#include "trace.p4"

// Loss on a tunnel, from the sequence numbers that its sender puts into the
// options. A number a little behind the expected one is late, one somewhat ahead
// tells of a loss; one from elsewhere is that of a sender that has started anew,
// and is followed.
control SequenceCheck(in metadata_t meta) {
    @id(0x16000001) register<bit<33>>(4096) expected_sequence;  // by peer; high bit: heard of
    @id(0x16000002) register<bit<32>>(4096) lost_packets;       // by peer
    @id(0x12000003) counter(4096, CounterType.packets) sequence_gaps;
    @id(0x12000004) counter(4096, CounterType.packets) late_packets;

    apply {
        // Within the arrays, whatever the entry says: bmv2 does not check.
        bit<32> index = (bit<32>)meta.peer[11:0];
        bit<33> expected;
        bit<32> lost;
        expected_sequence.read(expected, index);
        bit<32> gap = meta.fields.sequence - expected[31:0];
        if (expected[32:32] == 1 && gap[31:16] == 0xFFFF) {
            late_packets.count(index);
        } else {
            if (expected[32:32] == 1 && gap != 0 && gap[31:24] == 0) {
                lost_packets.read(lost, index);
                lost_packets.write(index, lost + gap);
                sequence_gaps.count(index);
            }
            expected_sequence.write(index, 1w1 ++ (meta.fields.sequence + 1));
        }
    }
}

control FromUnderlay(inout headers_t hdr,
                     inout metadata_t meta,
                     inout standard_metadata_t standard_metadata) {
    ReceiveOptions() receive_options;
    SequenceCheck()  sequence_check;
    PathTrace()      path_trace;

    @id(0x13000020) direct_counter(CounterType.packets_and_bytes) virtual_network_counter;
    @id(0x13000021) direct_counter(CounterType.packets_and_bytes) source_nve_counter;

    @id(0x01000020)
    action terminate() {
    }

    @id(0x02000020)
    table local_address {
        key = {
            meta.outer_destination: exact @id(1) @name("address") @format(IPV6_ADDRESS);
        }
        actions = {
            @tableonly terminate;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        size = 64;
    }

    @id(0x01000021)
    action member() {
        virtual_network_counter.count();
    }

    @id(0x02000021)
    @entry_restriction("vni != 0xFFFFFF")
    table virtual_network {
        key = {
            meta.vni: exact @id(1) @name("vni");
        }
        actions = {
            member;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        counters = virtual_network_counter;
        size = 4096;
    }

    @id(0x01000022)
    @action_restriction("peer < 4096")
    action allow(@id(1) bit<16> peer, @id(2) bit<1> zero_udp_checksum) {
        meta.peer = peer;
        meta.zero_udp_checksum = zero_udp_checksum;
        source_nve_counter.count();
    }

    // Which provider addresses may send into a VN: a tunnel is not proof of
    // membership.
    @id(0x02000022)
    table source_nve {
        key = {
            meta.vni:          exact @id(1) @name("vni") @refers_to("virtual_network", "vni");
            meta.outer_source: exact @id(2) @name("address") @format(IPV6_ADDRESS);
        }
        actions = {
            allow;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        counters = source_nve_counter;
        size = 16384;
    }

    apply {
        bit<16> ip_payload_length = meta.outer_length - 40;
        if (hdr.ipv4.isValid()) {
            ip_payload_length = meta.outer_length - ((bit<16>)hdr.ipv4.ihl << 2);
        }
        if (hdr.geneve.isValid()) {
            meta.vni = hdr.geneve.vni;
        } else {
            meta.vni = hdr.nvgre.vsid;
        }
        // What O=1 announces is not a tenant's, whatever its protocol is.
        bool for_endpoint = hdr.geneve.isValid() && hdr.geneve.oam == 1;

        // A tunnel that ends here?
        if ((hdr.ipv4.isValid() && (hdr.ipv4.more_fragments == 1 || hdr.ipv4.fragment_offset != 0))
            || (hdr.ipv6.isValid() && hdr.ipv6.next_header == PROTOCOL_IPV6_FRAGMENT)) {
            meta.verdict = DROP;
            meta.reason = DROP_FRAGMENT;
        } else if (!hdr.nvgre.isValid() && !hdr.geneve.isValid()) {
            meta.verdict = DROP;
            meta.reason = DROP_NOT_A_TUNNEL;
        } else if (!local_address.apply().hit) {
            meta.verdict = DROP;
            meta.reason = DROP_NOT_LOCAL;
        } else if (meta.outer_length != meta.link_length
                   || (hdr.udp.isValid() && hdr.udp.length != ip_payload_length)
                   || (hdr.geneve.isValid() && hdr.udp.length < 16 + ((bit<16>)hdr.geneve.opt_len << 2))) {
            // No tunnelled frame is so short that Ethernet pads it: the length
            // that IP gives is the length that came.
            meta.verdict = DROP;
            meta.reason = DROP_MALFORMED;
        } else if (hdr.geneve.isValid() && !for_endpoint && hdr.geneve.protocol != ETHERTYPE_TEB) {
            meta.verdict = DROP;
            meta.reason = DROP_NOT_A_TUNNEL;
        } else if (!for_endpoint && !hdr.tenant_ethernet.isValid()) {
            meta.verdict = DROP;
            meta.reason = DROP_MALFORMED;
        } else {
            // From whom, into what, with which options?
            bool allowed = source_nve.apply().hit;
            if (hdr.ipv6.isValid() && hdr.udp.isValid() && hdr.udp.checksum == 0 && meta.zero_udp_checksum == 0) {
                // RFC 8926 section 4.3.1: only where both ends agreed.
                meta.verdict = DROP;
                meta.reason = DROP_CHECKSUM;
            } else if (for_endpoint) {
                meta.verdict = PUNT;
                meta.reason = PUNT_OAM;
            } else if (hdr.nvgre.isValid() && hdr.nvgre.vsid == NVGRE_EXT_VSID) {
                meta.verdict = PUNT;
                meta.reason = PUNT_NVGRE_EXT;
            } else if (!virtual_network.apply().hit) {
                meta.verdict = PUNT;
                meta.reason = PUNT_UNKNOWN_VN;
            } else if (!allowed) {
                meta.verdict = DROP;
                meta.reason = DROP_SOURCE;
            } else if (hdr.tenant_ethernet.ether_type == ETHERTYPE_VLAN || hdr.tenant_ethernet.ether_type == ETHERTYPE_QINQ) {
                meta.verdict = DROP;
                meta.reason = DROP_INNER_VLAN;
            } else if (hdr.geneve.isValid() && hdr.geneve.opt_len != 0) {
                receive_options.apply(hdr, meta);
                if (meta.carries & CARRIES_SEQUENCE != 0) {
                    sequence_check.apply(meta);
                }
                if (meta.carries & CARRIES_ORIGIN != 0) {
                    path_trace.apply(meta, standard_metadata);
                }
            }
        }
    }
}

// Takes the tunnel off. The outer ECN field comes in by RFC 6040 section 4.2;
// DSCP and TTL do not (Pipe model, RFC 8926 section 4.4.2).
control Decapsulate(inout headers_t hdr, inout metadata_t meta) {
    apply {
        bit<2> outer = ECN_NOT_ECT;
        bit<2> inner = ECN_NOT_ECT;
        bit<2> merged;
        if (hdr.ipv4.isValid()) {
            outer = hdr.ipv4.ecn;
        } else if (hdr.ipv6.isValid()) {
            outer = hdr.ipv6.ecn;
        }
        if (hdr.tenant_ipv4.isValid()) {
            inner = hdr.tenant_ipv4.ecn;
        } else if (hdr.tenant_ipv6.isValid()) {
            inner = hdr.tenant_ipv6.ecn;
        }
        merged = inner;
        if (outer == ECN_CE || (outer == ECN_ECT_1 && inner == ECN_ECT_0)) {
            merged = outer;
        }
        if (outer == ECN_CE && inner == ECN_NOT_ECT) {
            meta.verdict = DROP;
            meta.reason = DROP_ECN;
        } else if (merged != inner) {
            if (hdr.tenant_ipv4.isValid()) {
                // RFC 1624 section 3, equation 3, on the word that ECN is in:
                // HC' = ~(~HC + ~m + m').
                bit<18> sum = (bit<18>)(~hdr.tenant_ipv4.checksum);
                sum = sum + (bit<18>)(~(14w0 ++ inner));
                sum = sum + (bit<18>)(14w0 ++ merged);
                sum = (bit<18>)sum[15:0] + (bit<18>)sum[17:16];
                sum = (bit<18>)sum[15:0] + (bit<18>)sum[17:16];
                hdr.tenant_ipv4.checksum = ~sum[15:0];
                hdr.tenant_ipv4.ecn = merged;
            } else {
                hdr.tenant_ipv6.ecn = merged;
            }
        }
        hdr.ethernet.setInvalid();
        hdr.vlan.setInvalid();
        hdr.ipv4.setInvalid();
        hdr.ipv4_options.setInvalid();
        hdr.ipv6.setInvalid();
        hdr.udp.setInvalid();
        hdr.geneve.setInvalid();
        hdr.option0.setInvalid();
        hdr.option1.setInvalid();
        hdr.option2.setInvalid();
        hdr.option3.setInvalid();
        hdr.option4.setInvalid();
        hdr.option5.setInvalid();
        hdr.option6.setInvalid();
        hdr.option7.setInvalid();
        hdr.option8.setInvalid();
        hdr.option9.setInvalid();
        hdr.option10.setInvalid();
        hdr.option11.setInvalid();
        hdr.option12.setInvalid();
        hdr.option13.setInvalid();
        hdr.option14.setInvalid();
        hdr.option15.setInvalid();
        hdr.option_tail.setInvalid();
        hdr.nvgre.setInvalid();
    }
}

#endif
