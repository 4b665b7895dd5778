// Corner: checksums and hashes. Verified and updated, under conditions, with the
// payload and over fields of variable length and of odd widths; every hash that
// v1model has, into ranges that are and are not powers of two.

#include "include/corner.p4"

header kind_t { bit<8> kind; }
header ipv4_t {
    bit<4>  version;
    bit<4>  ihl;
    bit<8>  tos;
    bit<16> length;
    bit<32> id;
    bit<8>  ttl;
    bit<8>  protocol;
    bit<16> sum;
    bit<32> source;
    bit<32> destination;
    varbit<320> options;
}
header udp_t  { bit<16> source; bit<16> destination; bit<16> length; bit<16> sum; }
header odd_t  { bit<3> a; bit<13> b; bit<48> c; bit<7> d; bit<65> e; bit<16> sum; }
header hash_t {
    bit<16> crc16;
    bit<32> crc32;
    bit<16> csum16;
    bit<16> xor16;
    bit<64> identity;
    bit<16> crc16_custom;
    bit<32> crc32_custom;
    bit<32> ranged;
    bit<32> based;
    bit<8>  narrow;
    bit<16> odd;
}
header result_t { bit<8> bad; }

struct headers_t {
    packet_out_t packet_out;
    result_t     result;
    hash_t       hash;
    kind_t       kind;
    ipv4_t       ipv4;
    udp_t        udp;
    odd_t        odd;
}

struct metadata_t { }

PARSER(headers_t, metadata_t) {
    state start {
        transition select(sm.ingress_port) {
            CPU_PORT: from_cpu;
            default: kind;
        }
    }
    state from_cpu {
        packet.extract(hdr.packet_out);
        transition accept;
    }
    state kind {
        packet.extract(hdr.kind);
        transition select(hdr.kind.kind) {
            4: ipv4;
            7: odd;
            default: accept;
        }
    }
    state ipv4 {
        verify(packet.lookahead<bit<8>>()[3:0] >= 5, error.ParserInvalidArgument);
        packet.extract(hdr.ipv4, ((bit<32>)packet.lookahead<bit<8>>()[3:0] - 5) * 32);
        transition select(hdr.ipv4.protocol) {
            17: udp;
            default: accept;
        }
    }
    state udp {
        packet.extract(hdr.udp);
        transition accept;
    }
    state odd {
        packet.extract(hdr.odd);
        transition accept;
    }
}

#define IPV4 { hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.tos, hdr.ipv4.length, hdr.ipv4.id, hdr.ipv4.ttl, \
    hdr.ipv4.protocol, hdr.ipv4.source, hdr.ipv4.destination, hdr.ipv4.options }
#define UDP  { hdr.ipv4.source, hdr.ipv4.destination, 8w0, hdr.ipv4.protocol, hdr.udp.length, \
    hdr.udp.source, hdr.udp.destination, hdr.udp.length }
#define ODD  { hdr.odd.a, hdr.odd.b, hdr.odd.c, hdr.odd.d, hdr.odd.e }

VERIFY(headers_t, metadata_t) {
    apply {
        verify_checksum(hdr.ipv4.isValid(), IPV4, hdr.ipv4.sum, HashAlgorithm.csum16);
        verify_checksum_with_payload(hdr.udp.isValid() && hdr.udp.sum != 0, UDP, hdr.udp.sum, HashAlgorithm.csum16);
        verify_checksum(hdr.odd.isValid(), ODD, hdr.odd.sum, HashAlgorithm.crc16);
    }
}

INGRESS(headers_t, metadata_t) {
    apply {
        LEAVE
        sm.egress_spec = 2;
        hdr.result.setValid();
        hdr.result.bad = (bit<8>)sm.checksum_error;
        if (hdr.ipv4.isValid()) {
            hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
        }
        if (hdr.odd.isValid()) {
            hdr.hash.setValid();
            hash(hdr.hash.crc16, HashAlgorithm.crc16, 16w0, ODD, 32w0x10000);
            hash(hdr.hash.crc32, HashAlgorithm.crc32, 32w0, ODD, 64w0x100000000);
            hash(hdr.hash.csum16, HashAlgorithm.csum16, 16w0, ODD, 32w0x10000);
            hash(hdr.hash.xor16, HashAlgorithm.xor16, 16w0, { hdr.odd.c, hdr.odd.e, hdr.odd.d }, 32w0x10000);
            hash(hdr.hash.identity, HashAlgorithm.identity, 64w0, { hdr.odd.c, hdr.odd.d, 1w1 }, 64w0xffffffffffffffff);
            hash(hdr.hash.crc16_custom, HashAlgorithm.crc16_custom, 16w0, ODD, 32w0x10000);
            hash(hdr.hash.crc32_custom, HashAlgorithm.crc32_custom, 32w0, ODD, 64w0x100000000);
            hash(hdr.hash.ranged, HashAlgorithm.crc32, 32w0, { hdr.odd.b, 3w0 }, 32w1000);
            hash(hdr.hash.based, HashAlgorithm.crc16, 32w100, { hdr.odd.c }, 32w7);
            hash(hdr.hash.narrow, HashAlgorithm.crc32, 8w0, { hdr.odd.c }, 64w0x100000000);
            hash(hdr.hash.odd, HashAlgorithm.crc16, 16w0, { hdr.odd.a, hdr.odd.d, hdr.odd.b[4:0] }, 32w0x10000);
            hdr.odd.b = hdr.odd.b + 1;
        }
    }
}

EGRESS(headers_t, metadata_t) { apply { } }

UPDATE(headers_t, metadata_t) {
    apply {
        update_checksum(hdr.ipv4.isValid(), IPV4, hdr.ipv4.sum, HashAlgorithm.csum16);
        update_checksum_with_payload(hdr.udp.isValid() && hdr.udp.sum != 0, UDP, hdr.udp.sum, HashAlgorithm.csum16);
        update_checksum(hdr.odd.isValid() && hdr.odd.a != 0, ODD, hdr.odd.sum, HashAlgorithm.crc16);
    }
}

DEPARSER(headers_t) {
    apply {
        packet.emit(hdr.result);
        packet.emit(hdr.hash);
        packet.emit(hdr.kind);
        packet.emit(hdr.ipv4);
        packet.emit(hdr.udp);
        packet.emit(hdr.odd);
    }
}

SWITCH;
