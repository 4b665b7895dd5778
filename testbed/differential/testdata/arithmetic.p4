// Corner: expressions. A frame is a list of operands; every operator is applied
// to them at every width, signed and not, and the results are put in front.
// What P4 leaves to the target is drawn too where bmv2 is of one mind: shifts
// by more than the width, arithmetic that wraps or saturates, slices of what is
// wider than a machine's word. Division is not there: p4c takes it of constants only.

#include "include/corner.p4"

header operands_t {
    bit<8>   a;
    bit<8>   b;
    int<8>   i;
    int<8>   j;
    bit<1>   p;
    bit<7>   s;     // how far to shift
    bit<9>   m;
    bit<23>  n;
    bit<64>  c;
    bit<64>  d;
    int<65>  k;
    int<65>  l;
    bit<6>   pad;
    bit<128> w;
    bit<128> x;
}

header bytes_t {
    bit<8> add;
    bit<8> sub;
    bit<8> mul;
    bit<8> sat_add;
    bit<8> sat_sub;
    bit<8> and;
    bit<8> or;
    bit<8> xor;
    bit<8> not;
    bit<8> neg;
    bit<8> shl;
    bit<8> shr;
    bit<8> shl_const;
    bit<8> choice;
    bit<8> slices;
    bit<8> nested;
    bit<8> from_signed;
    bit<8> narrowed;
    bit<4> compare;
    bit<4> logic;
}

header signed_t {
    int<8>  add;
    int<8>  sub;
    int<8>  mul;
    int<8>  sat_add;
    int<8>  sat_sub;
    int<8>  and;
    int<8>  not;
    int<8>  neg;
    int<8>  shl;
    int<8>  shr;
    int<8>  from_unsigned;
    int<16> extended;
    bit<16> widened;
    int<4>  narrowed;
    bit<4>  compare;
}

header odd_t {
    bit<1>  p;
    bit<9>  m;
    bit<23> n;
    bit<33> joined;
    bit<14> middle;
}

header words_t {
    bit<64> add;
    bit<64> sub;
    bit<64> mul;
    bit<64> sat_add;
    bit<64> sat_sub;
    bit<64> shl;
    bit<64> shr;
    bit<8>  compare;
    int<65> k_add;
    int<65> k_sat_add;
    int<65> k_sat_sub;
    int<65> k_shr;
    int<65> k_neg;
    bit<3>  k_compare;
}

header wide_t {
    bit<128> add;
    bit<128> sub;
    bit<128> mul;
    bit<128> sat_add;
    bit<128> sat_sub;
    bit<128> shl;
    bit<128> shr;
    bit<128> mix;
    bit<256> joined;
    bit<70>  middle;
    bit<2>   compare;
}

struct headers_t {
    packet_out_t packet_out;
    bytes_t      bytes;
    signed_t     signed;
    odd_t        odd;
    words_t      words;
    wide_t       wide;
    operands_t   args;
}

struct metadata_t { bool flag; bit<8> scratch; }

PARSER(headers_t, metadata_t) {
    state start {
        transition select(sm.ingress_port) {
            CPU_PORT: from_cpu;
            default: operands;
        }
    }
    state from_cpu {
        packet.extract(hdr.packet_out);
        transition accept;
    }
    state operands {
        packet.extract(hdr.args);
        transition accept;
    }
}

VERIFY(headers_t, metadata_t) { apply { } }

INGRESS(headers_t, metadata_t) {
    action bytes() {
        hdr.bytes.setValid();
        hdr.bytes.add = hdr.args.a + hdr.args.b;
        hdr.bytes.sub = hdr.args.a - hdr.args.b;
        hdr.bytes.mul = hdr.args.a * hdr.args.b;
        hdr.bytes.sat_add = hdr.args.a |+| hdr.args.b;
        hdr.bytes.sat_sub = hdr.args.a |-| hdr.args.b;
        hdr.bytes.and = hdr.args.a & hdr.args.b;
        hdr.bytes.or = hdr.args.a | hdr.args.b;
        hdr.bytes.xor = hdr.args.a ^ hdr.args.b;
        hdr.bytes.not = ~hdr.args.a;
        hdr.bytes.neg = -hdr.args.a;
        hdr.bytes.shl = hdr.args.a << hdr.args.s;
        hdr.bytes.shr = hdr.args.a >> hdr.args.s;
        hdr.bytes.shl_const = hdr.args.a << 3;
        hdr.bytes.choice = hdr.args.a > hdr.args.b ? hdr.args.a : (hdr.args.p == 1 ? hdr.args.b : 8w77);
        hdr.bytes.slices = hdr.args.a[6:3] ++ hdr.args.b[7:7] ++ hdr.args.m[8:6];
        hdr.bytes.nested = ((hdr.args.a + hdr.args.b) >> 1) + (hdr.args.a - hdr.args.b) * 3;
        hdr.bytes.from_signed = (bit<8>)(hdr.args.i - hdr.args.j);
        hdr.bytes.narrowed = (bit<8>)(hdr.args.n >> 5);
        hdr.bytes.compare = (bit<1>)(hdr.args.a < hdr.args.b) ++ (bit<1>)(hdr.args.a <= hdr.args.b)
            ++ (bit<1>)(hdr.args.a == hdr.args.b) ++ (bit<1>)(hdr.args.a != hdr.args.b);
        hdr.bytes.logic = (bit<1>)(hdr.args.a < hdr.args.b && hdr.args.p == 1) ++ (bit<1>)(hdr.args.a < hdr.args.b || hdr.args.p == 1)
            ++ (bit<1>)(!(hdr.args.a == 0)) ++ hdr.args.p;
    }
    action signed() {
        hdr.signed.setValid();
        hdr.signed.add = hdr.args.i + hdr.args.j;
        hdr.signed.sub = hdr.args.i - hdr.args.j;
        hdr.signed.mul = hdr.args.i * hdr.args.j;
        hdr.signed.sat_add = hdr.args.i |+| hdr.args.j;
        hdr.signed.sat_sub = hdr.args.i |-| hdr.args.j;
        hdr.signed.and = hdr.args.i & hdr.args.j;
        hdr.signed.not = ~hdr.args.i;
        hdr.signed.neg = -hdr.args.i;
        hdr.signed.shl = hdr.args.i << hdr.args.s;
        hdr.signed.shr = hdr.args.i >> hdr.args.s;
        hdr.signed.from_unsigned = (int<8>)hdr.args.a;
        hdr.signed.extended = (int<16>)hdr.args.i;
        hdr.signed.widened = (bit<16>)(bit<8>)hdr.args.i;
        hdr.signed.narrowed = (int<4>)hdr.args.i;
        hdr.signed.compare = (bit<1>)(hdr.args.i < hdr.args.j) ++ (bit<1>)(hdr.args.i >= hdr.args.j) ++ (bit<1>)(hdr.args.i == hdr.args.j)
            ++ (bit<1>)(hdr.args.i > -3);
    }
    action odd() {
        hdr.odd.setValid();
        hdr.odd.p = hdr.args.p + 1;
        hdr.odd.m = hdr.args.m + 511;
        hdr.odd.n = hdr.args.n * 3;
        hdr.odd.joined = hdr.args.m ++ hdr.args.n ++ hdr.args.p;
        hdr.odd.middle = hdr.args.n[18:5];
        hdr.odd.middle[9:4] = hdr.args.a[7:2];
    }
    action words() {
        hdr.words.setValid();
        hdr.words.add = hdr.args.c + hdr.args.d;
        hdr.words.sub = hdr.args.c - hdr.args.d;
        hdr.words.mul = hdr.args.c * hdr.args.d;
        hdr.words.sat_add = hdr.args.c |+| hdr.args.d;
        hdr.words.sat_sub = hdr.args.c |-| hdr.args.d;
        hdr.words.shl = hdr.args.c << hdr.args.s;
        hdr.words.shr = hdr.args.c >> hdr.args.s;
        hdr.words.compare = (bit<8>)((bit<1>)(hdr.args.c < hdr.args.d) ++ (bit<1>)(hdr.args.c == hdr.args.d));
        hdr.words.k_add = hdr.args.k + hdr.args.l;
        hdr.words.k_sat_add = hdr.args.k |+| hdr.args.l;
        hdr.words.k_sat_sub = hdr.args.k |-| hdr.args.l;
        hdr.words.k_shr = hdr.args.k >> hdr.args.s;
        hdr.words.k_neg = -hdr.args.k;
        hdr.words.k_compare = (bit<1>)(hdr.args.k < hdr.args.l) ++ (bit<1>)(hdr.args.k < 0) ++ (bit<1>)(hdr.args.k == hdr.args.l);
    }
    action wide() {
        hdr.wide.setValid();
        hdr.wide.add = hdr.args.w + hdr.args.x;
        hdr.wide.sub = hdr.args.w - hdr.args.x;
        hdr.wide.mul = hdr.args.w * hdr.args.x;
        hdr.wide.sat_add = hdr.args.w |+| hdr.args.x;
        hdr.wide.sat_sub = hdr.args.w |-| hdr.args.x;
        hdr.wide.shl = hdr.args.w << hdr.args.s;
        hdr.wide.shr = hdr.args.w >> hdr.args.s;
        hdr.wide.mix = (hdr.args.w & ~hdr.args.x) | (hdr.args.x ^ (bit<128>)hdr.args.c);
        hdr.wide.joined = hdr.args.x ++ hdr.args.w;
        hdr.wide.middle = hdr.args.w[99:30];
        hdr.wide.middle[66:3] = hdr.args.d;
        hdr.wide.compare = (bit<1>)(hdr.args.w < hdr.args.x) ++ (bit<1>)(hdr.args.w == hdr.args.x);
    }
    apply {
        LEAVE
        sm.egress_spec = 2;
        if (!hdr.args.isValid()) {
            return;
        }
        bytes();
        signed();
        odd();
        words();
        wide();
        // The same where control flow depends on it.
        meta.flag = hdr.args.i < hdr.args.j;
        if (meta.flag && hdr.args.w > hdr.args.x) {
            sm.egress_spec = 3;
        } else if (hdr.args.k < hdr.args.l || hdr.args.a[0:0] == 1) {
            sm.egress_spec = 4;
        }
        switch (hdr.args.m[8:6]) {
            0: { sm.egress_spec = sm.egress_spec + 4; }
            1:
            2: { hdr.args.m = 0; }
            default: { hdr.args.pad = ~hdr.args.pad; }
        }
    }
}

EGRESS(headers_t, metadata_t) { apply { } }
UPDATE(headers_t, metadata_t) { apply { } }

DEPARSER(headers_t) {
    apply {
        packet.emit(hdr.bytes);
        packet.emit(hdr.signed);
        packet.emit(hdr.odd);
        packet.emit(hdr.words);
        packet.emit(hdr.wide);
        packet.emit(hdr.args);
    }
}

SWITCH;
