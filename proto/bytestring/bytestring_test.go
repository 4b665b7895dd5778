package bytestring_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/proto/bytestring"
)

func TestCanonical(t *testing.T) {
	for _, tt := range []struct {
		name     string
		in, want []byte
	}{
		{"zero", []byte{0}, []byte{0}},
		{"zero, padded", []byte{0, 0, 0}, []byte{0}},
		{"one", []byte{0, 1}, []byte{1}},
		{"inner zero stays", []byte{0, 1, 0}, []byte{1, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := bytestring.Canonical(tt.in)
			if !bytes.Equal(got, tt.want) {
				t.Errorf("Canonical(%x) = %x, want %x", tt.in, got, tt.want)
			}
			if !bytestring.IsCanonical(got) {
				t.Errorf("IsCanonical(%x) = false", got)
			}
		})
	}
	if bytestring.IsCanonical(nil) || bytestring.IsCanonical([]byte{0, 1}) {
		t.Error("IsCanonical accepts an empty or a padded string")
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name  string
		in    []byte
		width int
		want  error
	}{
		{"empty", nil, 8, bytestring.ErrEmpty},
		{"fits", []byte{0x01, 0xff}, 9, nil},
		{"one bit too many", []byte{0x02, 0x00}, 9, bytestring.ErrRange},
		{"padded", []byte{0, 0, 0, 0x7f}, 7, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := bytestring.Check(tt.in, tt.width); !errors.Is(err, tt.want) {
				t.Errorf("Check(%x, %d) = %v, want %v", tt.in, tt.width, err, tt.want)
			}
		})
	}
}

// Fixed and canonical forms hold the same number, whatever padding came in.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 520).Draw(t, "width")
		raw := rapid.SliceOfN(rapid.Byte(), bytestring.Len(width), bytestring.Len(width)).Draw(t, "raw")
		if odd := width % 8; odd != 0 {
			raw[0] &= 1<<odd - 1
		}
		padded := append(make([]byte, rapid.IntRange(0, 3).Draw(t, "pad")), raw...)
		fixed, err := bytestring.AppendFixed([]byte{0xaa}, padded, width)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(fixed[1:], raw) || fixed[0] != 0xaa {
			t.Fatalf("AppendFixed(%x, %d) = %x", padded, width, fixed)
		}
		canon := bytestring.Canonical(padded)
		want := new(big.Int).SetBytes(raw)
		if new(big.Int).SetBytes(canon).Cmp(want) != 0 || bytestring.BitLen(canon) != want.BitLen() {
			t.Fatalf("Canonical(%x) = %x", padded, canon)
		}
	})
}

func TestUint64(t *testing.T) {
	for _, v := range []uint64{0, 1, 0xff, 0x100, 1 << 63} {
		got, err := bytestring.Uint64(bytestring.FromUint64(v))
		if err != nil || got != v {
			t.Errorf("Uint64(FromUint64(%d)) = %d, %v", v, got, err)
		}
	}
	if _, err := bytestring.Uint64(append([]byte{1}, make([]byte, 8)...)); !errors.Is(err, bytestring.ErrRange) {
		t.Errorf("65 bits: %v, want ErrRange", err)
	}
}

func ExampleCanonical() {
	fmt.Printf("%x\n", bytestring.Canonical([]byte{0, 0, 0x17, 0xc1}))
	// Output: 17c1
}
