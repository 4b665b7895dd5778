// One parser for NVE and transit device: outer headers, the option window, the
// tenant's headers. It never rejects: a frame that ends too early goes on with
// the headers that were whole, and the pipeline decides.

#ifndef KEYWAY_PARSER_P4_
#define KEYWAY_PARSER_P4_

#include "headers.p4"
#include "metadata.p4"

// The first words of the window, in order.
#define WORDS_1  packet.extract(hdr.option0);
#define WORDS_2  WORDS_1 packet.extract(hdr.option1);
#define WORDS_3  WORDS_2 packet.extract(hdr.option2);
#define WORDS_4  WORDS_3 packet.extract(hdr.option3);
#define WORDS_5  WORDS_4 packet.extract(hdr.option4);
#define WORDS_6  WORDS_5 packet.extract(hdr.option5);
#define WORDS_7  WORDS_6 packet.extract(hdr.option6);
#define WORDS_8  WORDS_7 packet.extract(hdr.option7);
#define WORDS_9  WORDS_8 packet.extract(hdr.option8);
#define WORDS_10 WORDS_9 packet.extract(hdr.option9);
#define WORDS_11 WORDS_10 packet.extract(hdr.option10);
#define WORDS_12 WORDS_11 packet.extract(hdr.option11);
#define WORDS_13 WORDS_12 packet.extract(hdr.option12);
#define WORDS_14 WORDS_13 packet.extract(hdr.option13);
#define WORDS_15 WORDS_14 packet.extract(hdr.option14);
#define WORDS_16 WORDS_15 packet.extract(hdr.option15);

parser KeywayParser(packet_in packet,
                    out headers_t hdr,
                    inout metadata_t meta,
                    inout standard_metadata_t standard_metadata) {
    state start {
        transition select(standard_metadata.ingress_port) {
            CPU_PORT:                            from_controller;
            TENANT_PORT_BIT &&& TENANT_PORT_BIT: tenant;
            default:                             underlay;
        }
    }

    state from_controller {
        packet.extract(hdr.packet_out);
        transition accept;
    }

    // ---- underlay ----------------------------------------------------------

    state underlay {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.ether_type) {
            ETHERTYPE_VLAN: vlan;
            ETHERTYPE_IPV4: ipv4;
            ETHERTYPE_IPV6: ipv6;
            default:        accept;
        }
    }

    state vlan {
        packet.extract(hdr.vlan);
        transition select(hdr.vlan.ether_type) {
            ETHERTYPE_IPV4: ipv4;
            ETHERTYPE_IPV6: ipv6;
            default:        accept;
        }
    }

    state ipv4 {
        packet.extract(hdr.ipv4);
        transition select(hdr.ipv4.ihl) {
            5:          ipv4_payload;
            6 &&& 0xE:  ipv4_options;
            8 &&& 0x8:  ipv4_options;
            default:    accept;        // shorter than its fixed part
        }
    }

    state ipv4_options {
        packet.extract(hdr.ipv4_options, ((bit<32>)hdr.ipv4.ihl - 5) << 5);
        transition ipv4_payload;
    }

    state ipv4_payload {
        transition select(hdr.ipv4.more_fragments, hdr.ipv4.fragment_offset, hdr.ipv4.protocol) {
            (0, 0, PROTOCOL_UDP): udp;
            (0, 0, PROTOCOL_GRE): gre;
            default:              accept;
        }
    }

    state ipv6 {
        packet.extract(hdr.ipv6);
        transition select(hdr.ipv6.next_header) {
            PROTOCOL_UDP: udp;
            PROTOCOL_GRE: gre;
            default:      accept;
        }
    }

    // A Geneve version other than 0 is opaque UDP (RFC 8926 section 3.4).
    state udp {
        packet.extract(hdr.udp);
        transition select(hdr.udp.destination_port) {
            GENEVE_PORT: geneve_version;
            default:     accept;
        }
    }

    state geneve_version {
        transition select(packet.lookahead<bit<2>>()) {
            0:       geneve;
            default: accept;
        }
    }

    // RFC 7637 section 3.2: K=1, C=S=0, version 0, Transparent Ethernet Bridging.
    state gre {
        transition select(packet.lookahead<bit<32>>()) {
            NVGRE_FLAGS_AND_TEB: nvgre;
            default:             accept;
        }
    }

    state nvgre {
        packet.extract(hdr.nvgre);
        transition tenant;
    }

    // ---- the option window: one jump on OptLen -----------------------------

    state geneve {
        packet.extract(hdr.geneve);
        transition select(hdr.geneve.opt_len) {
            0:  options_done;
            1:  words_1;
            2:  words_2;
            3:  words_3;
            4:  words_4;
            5:  words_5;
            6:  words_6;
            7:  words_7;
            8:  words_8;
            9:  words_9;
            10: words_10;
            11: words_11;
            12: words_12;
            13: words_13;
            14: words_14;
            15: words_15;
            16: words_16;
            default: words_and_tail;
        }
    }

    state words_1  { WORDS_1  transition options_done; }
    state words_2  { WORDS_2  transition options_done; }
    state words_3  { WORDS_3  transition options_done; }
    state words_4  { WORDS_4  transition options_done; }
    state words_5  { WORDS_5  transition options_done; }
    state words_6  { WORDS_6  transition options_done; }
    state words_7  { WORDS_7  transition options_done; }
    state words_8  { WORDS_8  transition options_done; }
    state words_9  { WORDS_9  transition options_done; }
    state words_10 { WORDS_10 transition options_done; }
    state words_11 { WORDS_11 transition options_done; }
    state words_12 { WORDS_12 transition options_done; }
    state words_13 { WORDS_13 transition options_done; }
    state words_14 { WORDS_14 transition options_done; }
    state words_15 { WORDS_15 transition options_done; }
    state words_16 { WORDS_16 transition options_done; }

    state words_and_tail {
        WORDS_16
        packet.extract(hdr.option_tail, ((bit<32>)hdr.geneve.opt_len - OPTION_WORDS) << 5);
        transition options_done;
    }

    state options_done {
        transition select(hdr.geneve.protocol) {
            ETHERTYPE_TEB: tenant;
            default:       accept;
        }
    }

    // ---- tenant ------------------------------------------------------------

    state tenant {
        packet.extract(hdr.tenant_ethernet);
        transition select(hdr.tenant_ethernet.ether_type) {
            ETHERTYPE_VLAN: tenant_vlan;
            ETHERTYPE_QINQ: tenant_vlan;
            ETHERTYPE_IPV4: tenant_ipv4;
            ETHERTYPE_IPV6: tenant_ipv6;
            default:        accept;
        }
    }

    state tenant_vlan {
        packet.extract(hdr.tenant_vlan);
        transition select(hdr.tenant_vlan.ether_type) {
            ETHERTYPE_IPV4: tenant_ipv4;
            ETHERTYPE_IPV6: tenant_ipv6;
            default:        accept;
        }
    }

    state tenant_ipv4 {
        packet.extract(hdr.tenant_ipv4);
        transition select(hdr.tenant_ipv4.ihl, hdr.tenant_ipv4.more_fragments,
                          hdr.tenant_ipv4.fragment_offset, hdr.tenant_ipv4.protocol) {
            (5, 0, 0, PROTOCOL_TCP): tenant_ports;
            (5, 0, 0, PROTOCOL_UDP): tenant_ports;
            default:                 accept;
        }
    }

    state tenant_ipv6 {
        packet.extract(hdr.tenant_ipv6);
        transition select(hdr.tenant_ipv6.next_header) {
            PROTOCOL_TCP: tenant_ports;
            PROTOCOL_UDP: tenant_ports;
            default:      accept;
        }
    }

    state tenant_ports {
        packet.extract(hdr.tenant_ports);
        transition accept;
    }
}

control KeywayDeparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr);
    }
}

#endif
