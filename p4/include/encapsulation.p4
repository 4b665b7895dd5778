// Egress: into the tunnel, with the options of its layout; or out of a tenant
// port.

#ifndef KEYWAY_ENCAPSULATION_P4_
#define KEYWAY_ENCAPSULATION_P4_

#include "headers.p4"
#include "metadata.p4"
#include "flow.p4"
#include "option_window.p4"

// The options that the layout has, word by word.
control SendOptions(inout headers_t hdr, inout metadata_t meta) {
    PlaceWord() word0;
    PlaceWord() word1;
    PlaceWord() word2;
    PlaceWord() word3;
    PlaceWord() word4;
    PlaceWord() word5;
    PlaceWord() word6;
    PlaceWord() word7;
    PlaceWord() word8;
    PlaceWord() word9;
    PlaceWord() word10;
    PlaceWord() word11;
    PlaceWord() word12;
    PlaceWord() word13;
    PlaceWord() word14;
    PlaceWord() word15;

    apply {
        word0.apply(hdr.option0, meta.fields, meta.layout);
        word1.apply(hdr.option1, meta.fields, meta.layout);
        if (hdr.geneve.opt_len > 2) {
            word2.apply(hdr.option2, meta.fields, meta.layout);
            word3.apply(hdr.option3, meta.fields, meta.layout);
        }
        if (hdr.geneve.opt_len > 4) {
            word4.apply(hdr.option4, meta.fields, meta.layout);
            word5.apply(hdr.option5, meta.fields, meta.layout);
            word6.apply(hdr.option6, meta.fields, meta.layout);
            word7.apply(hdr.option7, meta.fields, meta.layout);
        }
        if (hdr.geneve.opt_len > 8) {
            word8.apply(hdr.option8, meta.fields, meta.layout);
            word9.apply(hdr.option9, meta.fields, meta.layout);
            word10.apply(hdr.option10, meta.fields, meta.layout);
            word11.apply(hdr.option11, meta.fields, meta.layout);
            word12.apply(hdr.option12, meta.fields, meta.layout);
            word13.apply(hdr.option13, meta.fields, meta.layout);
            word14.apply(hdr.option14, meta.fields, meta.layout);
            word15.apply(hdr.option15, meta.fields, meta.layout);
        }
    }
}

control Encapsulate(inout headers_t hdr,
                    inout metadata_t meta,
                    inout standard_metadata_t standard_metadata) {
    TenantFlow()  tenant_flow;
    SendOptions() send_options;

    @id(0x13000050) direct_counter(CounterType.packets_and_bytes) tunnel_counter;
    @id(0x16000050) register<bit<32>>(4096) next_sequence;             // by tunnel

    bit<2>  ecn = ECN_NOT_ECT;
    bit<16> max_frame = 0;

    // ---- headers, from the inside out --------------------------------------

    action add_geneve() {
        hdr.geneve.setValid();
        hdr.geneve.version = 0;
        hdr.geneve.opt_len = 0;
        hdr.geneve.oam = 0;
        hdr.geneve.critical = 0;
        hdr.geneve.reserved = 0;
        hdr.geneve.protocol = ETHERTYPE_TEB;
        hdr.geneve.vni = meta.vni;
        hdr.geneve.reserved2 = 0;
        // Entropy: the source port is a hash of the tenant's flow
        // (RFC 8926 section 3.3), from the dynamic range.
        hdr.udp.setValid();
        hdr.udp.source_port = 2w3 ++ meta.fields.flow_hash[13:0];
        hdr.udp.destination_port = GENEVE_PORT;
        hdr.udp.length = 0;
        hdr.udp.checksum = 0;
    }

    action add_nvgre() {
        hdr.nvgre.setValid();
        hdr.nvgre.flags_and_protocol = NVGRE_FLAGS_AND_TEB;
        hdr.nvgre.vsid = meta.vni;
        hdr.nvgre.flow_id = meta.fields.flow_hash[7:0];
    }

    // DF: neither kind of tunnel fragments (RFC 7637 section 4.4).
    action add_ipv4(bit<8> protocol, bit<32> source, bit<32> destination, bit<6> dscp, bit<8> ttl) {
        hdr.ethernet.setValid();
        hdr.ethernet.ether_type = ETHERTYPE_IPV4;
        hdr.ipv4.setValid();
        hdr.ipv4.version = 4;
        hdr.ipv4.ihl = 5;
        hdr.ipv4.dscp = dscp;
        hdr.ipv4.ecn = ecn;
        hdr.ipv4.total_length = 0;
        hdr.ipv4.identification = 0;
        hdr.ipv4.reserved = 0;
        hdr.ipv4.dont_fragment = 1;
        hdr.ipv4.more_fragments = 0;
        hdr.ipv4.fragment_offset = 0;
        hdr.ipv4.ttl = ttl;
        hdr.ipv4.protocol = protocol;
        hdr.ipv4.checksum = 0;
        hdr.ipv4.source = source;
        hdr.ipv4.destination = destination;
    }

    action add_ipv6(bit<8> next_header, bit<128> source, bit<128> destination, bit<6> dscp, bit<8> hop_limit) {
        hdr.ethernet.setValid();
        hdr.ethernet.ether_type = ETHERTYPE_IPV6;
        hdr.ipv6.setValid();
        hdr.ipv6.version = 6;
        hdr.ipv6.dscp = dscp;
        hdr.ipv6.ecn = ecn;
        hdr.ipv6.flow_label = meta.fields.flow_hash[19:0];
        hdr.ipv6.payload_length = 0;
        hdr.ipv6.next_header = next_header;
        hdr.ipv6.hop_limit = hop_limit;
        hdr.ipv6.source = source;
        hdr.ipv6.destination = destination;
    }

    // ---- tunnel ------------------------------------------------------------
    //
    // max_frame is the longest tenant frame that fits the path with this
    // tunnel's headers and options (RFC 8926 section 4.4.1), in bytes.

    @id(0x01000050)
    action geneve_ipv4(@id(1) @format(IPV4_ADDRESS) bit<32> source,
                       @id(2) @format(IPV4_ADDRESS) bit<32> destination,
                       @id(3) bit<6> dscp,
                       @id(4) bit<8> ttl,
                       @id(5) bit<1> udp_checksum,
                       @id(6) @refers_to("send_layout", "layout") layout_t layout,
                       @id(7) @refers_to("neighbor", "next_hop") bit<16> next_hop,
                       @id(8) bit<16> max_frame_length) {
        add_ipv4(PROTOCOL_UDP, source, destination, dscp, ttl);
        add_geneve();
        meta.udp_checksum = udp_checksum;
        meta.layout = layout;
        meta.next_hop = next_hop;
        max_frame = max_frame_length;
        tunnel_counter.count();
    }

    @id(0x01000051)
    action geneve_ipv6(@id(1) @format(IPV6_ADDRESS) bit<128> source,
                       @id(2) @format(IPV6_ADDRESS) bit<128> destination,
                       @id(3) bit<6> dscp,
                       @id(4) bit<8> hop_limit,
                       @id(5) bit<1> udp_checksum,
                       @id(6) @refers_to("send_layout", "layout") layout_t layout,
                       @id(7) @refers_to("neighbor", "next_hop") bit<16> next_hop,
                       @id(8) bit<16> max_frame_length) {
        add_ipv6(PROTOCOL_UDP, source, destination, dscp, hop_limit);
        add_geneve();
        meta.udp_checksum = udp_checksum;
        meta.layout = layout;
        meta.next_hop = next_hop;
        max_frame = max_frame_length;
        tunnel_counter.count();
    }

    @id(0x01000052)
    action nvgre_ipv4(@id(1) @format(IPV4_ADDRESS) bit<32> source,
                      @id(2) @format(IPV4_ADDRESS) bit<32> destination,
                      @id(3) bit<6> dscp,
                      @id(4) bit<8> ttl,
                      @id(5) @refers_to("neighbor", "next_hop") bit<16> next_hop,
                      @id(6) bit<16> max_frame_length) {
        add_ipv4(PROTOCOL_GRE, source, destination, dscp, ttl);
        add_nvgre();
        meta.next_hop = next_hop;
        max_frame = max_frame_length;
        tunnel_counter.count();
    }

    @id(0x01000053)
    action nvgre_ipv6(@id(1) @format(IPV6_ADDRESS) bit<128> source,
                      @id(2) @format(IPV6_ADDRESS) bit<128> destination,
                      @id(3) bit<6> dscp,
                      @id(4) bit<8> hop_limit,
                      @id(5) @refers_to("neighbor", "next_hop") bit<16> next_hop,
                      @id(6) bit<16> max_frame_length) {
        add_ipv6(PROTOCOL_GRE, source, destination, dscp, hop_limit);
        add_nvgre();
        meta.next_hop = next_hop;
        max_frame = max_frame_length;
        tunnel_counter.count();
    }

    @id(0x02000050)
    @entry_restriction("tunnel < 4096")
    table tunnel {
        key = {
            meta.tunnel: exact @id(1) @name("tunnel")
                @referenced_by("builtin::multicast_group_table", "replica.instance");
        }
        actions = {
            geneve_ipv4;
            geneve_ipv6;
            nvgre_ipv4;
            nvgre_ipv6;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        counters = tunnel_counter;
        size = 4096;
    }

    // ---- layout and next hop -----------------------------------------------

    @id(0x01000054)
    action options(@id(1) bit<6> opt_len, @id(2) bit<1> critical, @id(3) field_set_t carries) {
        hdr.geneve.opt_len = opt_len;
        hdr.geneve.critical = critical;
        meta.carries = carries;
    }

    @id(0x02000051)
    table send_layout {
        key = {
            meta.layout: exact @id(1) @name("layout") @refers_to("place", "layout");
        }
        actions = {
            options;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        size = LAYOUTS;
    }

    @id(0x01000055)
    action resolve(@id(1) @format(MAC_ADDRESS) mac_t source, @id(2) @format(MAC_ADDRESS) mac_t destination) {
        hdr.ethernet.source = source;
        hdr.ethernet.destination = destination;
    }

    @id(0x02000052)
    table neighbor {
        key = {
            meta.next_hop: exact @id(1) @name("next_hop");
        }
        actions = {
            resolve;
            @defaultonly NoAction;
        }
        const default_action = NoAction();
        size = 1024;
    }

    apply {
        // RFC 6040 section 4.1: the outer field is a copy of the inner one.
        if (hdr.tenant_ipv4.isValid()) {
            ecn = hdr.tenant_ipv4.ecn;
        } else if (hdr.tenant_ipv6.isValid()) {
            ecn = hdr.tenant_ipv6.ecn;
        }
        tenant_flow.apply(hdr, meta);
        hash(meta.fields.flow_hash, HashAlgorithm.crc32, 32w0,
             { hdr.tenant_ethernet.destination, hdr.tenant_ethernet.source, hdr.tenant_ethernet.ether_type,
               meta.tenant_source, meta.tenant_destination, meta.tenant_protocol,
               meta.tenant_source_port, meta.tenant_destination_port },
             32w0xFFFFFFFF);

        if (!tunnel.apply().hit || !neighbor.apply().hit) {
            meta.verdict = DROP;
            meta.reason = DROP_TUNNEL;
        } else if (meta.tenant_length > max_frame) {
            meta.verdict = DROP;
            meta.reason = DROP_TOO_BIG;
        } else if (meta.layout != 0 && !send_layout.apply().hit) {
            // Words without the OptLen that counts them would be read as payload.
            meta.verdict = DROP;
            meta.reason = DROP_TUNNEL;
        } else if (meta.layout != 0) {
            if (meta.carries & CARRIES_SEQUENCE != 0) {
                next_sequence.read(meta.fields.sequence, (bit<32>)meta.tunnel[11:0]);
                meta.fields.sequence = meta.fields.sequence + 1;
                next_sequence.write((bit<32>)meta.tunnel[11:0], meta.fields.sequence);
            }
            meta.fields.group = (bit<32>)meta.source_group;
            meta.fields.logical_ports = meta.logical_source ++ meta.logical_destination;
            meta.fields.origin = meta.node_id;
            meta.fields.timestamp = (bit<32>)standard_metadata.egress_global_timestamp;
            meta.fields.ports = 7w0 ++ standard_metadata.ingress_port ++ 7w0 ++ standard_metadata.egress_port;
            send_options.apply(hdr, meta);
        }

        bit<16> length = meta.tenant_length;
        if (hdr.geneve.isValid()) {
            length = length + 16 + ((bit<16>)hdr.geneve.opt_len << 2);
            hdr.udp.length = length;
        } else {
            length = length + 8;
        }
        hdr.ipv4.total_length = length + 20;
        hdr.ipv6.payload_length = length;
    }
}

#endif
