package hash_test

import (
	"hash/crc64"
	"strings"
	"testing"

	"github.com/keyway-nve/keyway/testbed/engine/hash"
)

// The check values of the CRCs are those of "123456789" in the catalogue of parametrised CRC algorithms; those of xxh64
// come from its reference implementation; those of the checksum from RFC 1071 section 3.
func TestKnownValues(t *testing.T) {
	iso := ^crc64.Update(^uint64(0), crc64.MakeTable(crc64.ISO), []byte("123456789"))
	tests := []struct {
		name, input string
		want        uint64
	}{
		{"crc16", "123456789", 0xbb3d},
		{"crc16_custom", "123456789", 0xbb3d},
		{"crc32", "123456789", 0xcbf43926},
		{"crc32_custom", "123456789", 0xcbf43926},
		{"crcCCITT", "123456789", 0x29b1},
		{"crc8_custom", "123456789", 0xf4},
		{"crc64_custom", "123456789", iso},
		{"csum16", "\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", ^uint64(0xddf2) & 0xffff},
		{"csum16", "\x00\x01\xf2\x03\xf4\xf5\xf6\xf7\x00\x00\x00\x00", ^uint64(0xddf2) & 0xffff},
		{"csum16", "", 0xffff},
		{"csum16", "\x12", 0xedff},
		{"csum16", strings.Repeat("\xff", 1000), 0},
		{"identity", "\x01\x02", 0x0102},
		{"identity", "\x01\x02\x03\x04\x05\x06\x07\x08\x09", 0x0102030405060708},
		{"xor16", "\x12\x34\x56\x78\x9a", 0x1234 ^ 0x5678 ^ 0x9a00},
		{"xor32", "\x12\x34\x56\x78\x9a", 0x12345678 ^ 0x9a000000},
		{"xxh64", "", 0xef46db3751d8e999},
		{"xxh64", "a", 0xd24ec4f1a98c6e5b},
		{"xxh64", "abc", 0x44bc2cf5ad770999},
		{"xxh64", "Nobody inspects the spammish repetition", 0xfbcea83c8a378bf1},
		{"toeplitz", "anything", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := hash.ByName(tt.name)([]byte(tt.input)); got != tt.want {
				t.Errorf("%q: got %#x, want %#x", tt.input, got, tt.want)
			}
		})
	}
	if hash.ByName("md5") != nil {
		t.Error("found what bmv2 does not have")
	}
}
