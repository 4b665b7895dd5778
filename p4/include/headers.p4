// Headers on the wire, in the order in which they stand in a frame.
//
//   underlay ethernet [vlan] ipv4|ipv6 ( udp geneve option0..option15 [tail] | nvgre )
//   tenant   ethernet [vlan] [ipv4|ipv6 [ports]] payload
//
// A frame from a tenant port has the second row only.

#ifndef KEYWAY_HEADERS_P4_
#define KEYWAY_HEADERS_P4_

typedef bit<9>   port_t;
typedef bit<48>  mac_t;
typedef bit<24>  vni_t;      // Geneve VNI (RFC 8926 section 3.4) or NVGRE VSID (RFC 7637 section 3.2)
typedef bit<128> pa_t;       // provider address; an IPv4 one is IPv4-mapped (::ffff:0:0/96)
typedef bit<16>  group_t;    // group policy id
typedef bit<16>  layout_t;   // 0: no options bound
typedef bit<16>  tunnel_t;   // 0: not a tunnel
typedef bit<16>  vlan_t;     // 0: untagged

// Ports. The split by number stands for the port metadata that a chip gives
// its parser: what a tenant sends is never parsed as a tunnel
// (RFC 8926 section 6, RFC 7637 section 5).
const port_t CPU_PORT        = 510;
const port_t DROP_PORT       = 511;
const port_t TENANT_PORT_BIT = 0x100;

const bit<16> ETHERTYPE_IPV4 = 0x0800;
const bit<16> ETHERTYPE_VLAN = 0x8100;
const bit<16> ETHERTYPE_QINQ = 0x88A8;
const bit<16> ETHERTYPE_TEB  = 0x6558;
const bit<16> ETHERTYPE_IPV6 = 0x86DD;

const bit<8> PROTOCOL_TCP = 6;
const bit<8> PROTOCOL_UDP = 17;
const bit<8> PROTOCOL_GRE = 47;
const bit<8> PROTOCOL_IPV6_FRAGMENT = 44;

const bit<16> GENEVE_PORT         = 6081;
const bit<32> NVGRE_FLAGS_AND_TEB = 0x20006558;  // K=1, C=S=0, version 0; then the protocol
const vni_t   NVGRE_EXT_VSID      = 0xFFFFFF;

const bit<2> ECN_NOT_ECT = 0;
const bit<2> ECN_ECT_1   = 1;
const bit<2> ECN_ECT_0   = 2;
const bit<2> ECN_CE      = 3;

// The option window: sixteen words, the 64 bytes that RFC 9638 section 6.4
// wants at least. The program knows words, not option types. The words are
// headers by name and not a stack, which p4c would copy to build a table's key.
#define OPTION_WORDS 16

@controller_header("packet_in")
header packet_in_t {
    @id(1) bit<16> ingress_port;
    @id(2) bit<8>  reason;        // PUNT_*
}

@controller_header("packet_out")
header packet_out_t {
    @id(1) bit<16> egress_port;
}

header ethernet_t {
    mac_t   destination;
    mac_t   source;
    bit<16> ether_type;
}

header vlan_tag_t {
    bit<3>  pcp;
    bit<1>  dei;
    bit<12> vid;
    bit<16> ether_type;
}

header ipv4_t {
    bit<4>  version;
    bit<4>  ihl;
    bit<6>  dscp;
    bit<2>  ecn;
    bit<16> total_length;
    bit<16> identification;
    bit<1>  reserved;
    bit<1>  dont_fragment;
    bit<1>  more_fragments;
    bit<13> fragment_offset;
    bit<8>  ttl;
    bit<8>  protocol;
    bit<16> checksum;
    bit<32> source;
    bit<32> destination;
}

header ipv4_options_t {
    varbit<320> data;
}

header ipv6_t {
    bit<4>   version;
    bit<6>   dscp;
    bit<2>   ecn;
    bit<20>  flow_label;
    bit<16>  payload_length;
    bit<8>   next_header;
    bit<8>   hop_limit;
    bit<128> source;
    bit<128> destination;
}

header udp_t {
    bit<16> source_port;
    bit<16> destination_port;
    bit<16> length;
    bit<16> checksum;
}

header geneve_t {
    bit<2>  version;
    bit<6>  opt_len;     // in words, options only
    bit<1>  oam;
    bit<1>  critical;
    bit<6>  reserved;
    bit<16> protocol;
    vni_t   vni;
    bit<8>  reserved2;
}

header option_word_t {
    bit<32> data;
}

// What lies beyond the window: OptLen goes to 63 words.
header option_tail_t {
    varbit<1504> data;
}

header nvgre_t {
    bit<32> flags_and_protocol;
    vni_t   vsid;
    bit<8>  flow_id;
}

// The first four bytes of TCP and UDP.
header l4_ports_t {
    bit<16> source;
    bit<16> destination;
}

struct headers_t {
    packet_in_t     packet_in;
    packet_out_t    packet_out;
    ethernet_t      ethernet;
    vlan_tag_t      vlan;
    ipv4_t          ipv4;
    ipv4_options_t  ipv4_options;
    ipv6_t          ipv6;
    udp_t           udp;
    geneve_t        geneve;
    option_word_t   option0;
    option_word_t   option1;
    option_word_t   option2;
    option_word_t   option3;
    option_word_t   option4;
    option_word_t   option5;
    option_word_t   option6;
    option_word_t   option7;
    option_word_t   option8;
    option_word_t   option9;
    option_word_t   option10;
    option_word_t   option11;
    option_word_t   option12;
    option_word_t   option13;
    option_word_t   option14;
    option_word_t   option15;
    option_tail_t   option_tail;
    nvgre_t         nvgre;
    ethernet_t      tenant_ethernet;
    vlan_tag_t      tenant_vlan;
    ipv4_t          tenant_ipv4;
    ipv6_t          tenant_ipv6;
    l4_ports_t      tenant_ports;
}

#endif
