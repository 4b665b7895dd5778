package geneve_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/proto/geneve"
)

// unhex reads hexadecimal text with a comment after # on each line.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		text, _, _ := strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(text), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dump returns a hex dump by lines, so that a diff shows the lines that differ.
func dump(b []byte) []string { return strings.Split(hex.Dump(b), "\n") }

// options encodes options of the given types, their data 1, 2, 3...
func options(t testing.TB, types ...geneve.OptionType) geneve.Options {
	t.Helper()
	var b []byte
	for _, typ := range types {
		data := make([]byte, 4*int(typ.Len))
		for i := range data {
			data[i] = byte(i + 1)
		}
		var err error
		if b, err = (geneve.Option{Type: typ, Data: data}).AppendTo(b); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// types lists the types of well-formed options.
func types(t testing.TB, o geneve.Options) (list []geneve.OptionType) {
	t.Helper()
	for opt, err := range o.All() {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, opt.Type)
	}
	return list
}

var (
	group      = geneve.OptionType{Class: 0xff01, Type: 0x01, Len: 1}
	ports      = geneve.OptionType{Class: 0x0102, Type: 0x80, Len: 1} // OVN's logical ports, critical
	bare       = geneve.OptionType{Class: 0xff02, Type: 0x02, Len: 0}
	widest     = geneve.OptionType{Class: 0xff03, Type: 0x03, Len: 31}
	wordy      = geneve.OptionType{Class: 0xff04, Type: 0x04, Len: 30}
	teb        = ethernet.TypeTEB
	experiment = geneve.OptionType{Class: geneve.ExperimentalClass, Type: 0x7f, Len: 0}
)

var goldens = []struct {
	name   string
	hex    string
	header func(testing.TB) geneve.Header
}{
	{"no options", `
		00 00 6558  # Ver 0, OptLen 0, no flags, TEB
		00002a 00   # VNI 42
	`, func(testing.TB) geneve.Header { return geneve.Header{Protocol: teb, VNI: 42} }},
	{"control, greatest VNI, IPv6 payload", `
		00 80 86dd  # O
		ffffff 00   # VNI 2^24-1
	`, func(testing.TB) geneve.Header {
		return geneve.Header{Control: true, Protocol: ethernet.TypeIPv6, VNI: geneve.MaxVNI}
	}},
	{"4 bytes of options", `
		01 00 6558  # OptLen 1
		001000 00
		ff02 02 00  # header only
	`, func(t testing.TB) geneve.Header {
		return geneve.Header{Protocol: teb, VNI: 0x1000, Options: options(t, bare)}
	}},
	{"group and logical ports", `
		04 40 6558          # OptLen 4, C
		00002a 00
		ff01 01 01 01020304
		0102 80 01 01020304 # critical
	`, func(t testing.TB) geneve.Header {
		return geneve.Header{Critical: true, Protocol: teb, VNI: 42, Options: options(t, group, ports)}
	}},
	{"124 bytes of options", `
		1f 00 6558 00002a 00 # OptLen 31
		ff04 04 1e           # 30 words
		0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20
		2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40
		4142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f60
		6162636465666768696a6b6c6d6e6f707172737475767778
	`, func(t testing.TB) geneve.Header {
		return geneve.Header{Protocol: teb, VNI: 42, Options: options(t, wordy)}
	}},
	{"252 bytes of options", `
		3f 00 6558 00002a 00 # OptLen 63
		ff03 03 1f           # 31 words, the longest option
		0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20
		2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40
		4142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f60
		6162636465666768696a6b6c6d6e6f707172737475767778797a7b7c
		ff04 04 1e           # 30 words
		0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20
		2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40
		4142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f60
		6162636465666768696a6b6c6d6e6f707172737475767778
	`, func(t testing.TB) geneve.Header {
		return geneve.Header{Protocol: teb, VNI: 42, Options: options(t, widest, wordy)}
	}},
}

func TestGoldens(t *testing.T) {
	for _, tt := range goldens {
		t.Run(tt.name, func(t *testing.T) {
			want, header := unhex(t, tt.hex), tt.header(t)
			got, err := header.AppendTo([]byte{0xee})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(dump(append([]byte{0xee}, want...)), dump(got)); diff != "" {
				t.Errorf("AppendTo (-want +got):\n%s", diff)
			}
			if header.Len() != len(want) {
				t.Errorf("Len() = %d, want %d", header.Len(), len(want))
			}
			var h geneve.Header
			payload, err := h.Decode(append(want, "payload"...))
			if err != nil || string(payload) != "payload" {
				t.Fatalf("Decode left %q, %v", payload, err)
			}
			if diff := cmp.Diff(header, h); diff != "" {
				t.Errorf("Decode (-want +got):\n%s", diff)
			}
			if err := h.CheckOptions(); err != nil {
				t.Errorf("CheckOptions: %v", err)
			}
		})
	}
}

func TestTruncationAtEveryByte(t *testing.T) {
	for _, tt := range goldens {
		b := unhex(t, tt.hex)
		for n := range b {
			h := geneve.Header{Control: true, VNI: 1, Options: options(t, bare)}
			payload, err := h.Decode(b[:n])
			if !errors.Is(err, geneve.ErrTruncated) || payload != nil {
				t.Errorf("%s: first %d bytes: %v, want ErrTruncated", tt.name, n, err)
			}
			if diff := cmp.Diff(geneve.Header{}, h); diff != "" {
				t.Errorf("%s: first %d bytes left a header behind:\n%s", tt.name, n, diff)
			}
		}
	}
}

func TestReuseOfADecodedValue(t *testing.T) {
	var h geneve.Header
	for _, tt := range slices.Concat(goldens, goldens[:2]) {
		if _, err := h.Decode(unhex(t, tt.hex)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.header(t), h); diff != "" {
			t.Errorf("%s decoded over another header (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestVersionNotZero(t *testing.T) {
	b := unhex(t, goldens[3].hex)
	for v := byte(1); v < 4; v++ {
		b[0] = b[0]&0x3f | v<<6
		h := geneve.Header{VNI: 1}
		if _, err := h.Decode(b); !errors.Is(err, geneve.ErrVersion) || h.VNI != 0 {
			t.Errorf("version %d: %+v, %v; want a zero header and ErrVersion", v, h, err)
		}
	}
}

func TestVNIOver24Bits(t *testing.T) {
	for _, v := range []geneve.VNI{1 << 24, 1<<32 - 1} {
		h := geneve.Header{Protocol: teb, VNI: v}
		if b, err := h.AppendTo([]byte{1}); !errors.Is(err, geneve.ErrVNI) || !bytes.Equal(b, []byte{1}) {
			t.Errorf("VNI %#x: % x, %v; want the input and ErrVNI", uint32(v), b, err)
		}
		if v.IsValid() {
			t.Errorf("VNI %#x is valid", uint32(v))
		}
	}
}

func TestReservedBits(t *testing.T) {
	b := unhex(t, `
		02 7f 6558   # C and all reserved flags
		00002a ff    # reserved octet
		0102 80 e1   # reserved bits of the option, 1 word
		01020304
	`)
	var h geneve.Header
	if _, err := h.Decode(b); err != nil {
		t.Fatal(err)
	}
	if err := h.CheckOptions(); err != nil {
		t.Errorf("reserved bits are not ignored: %v", err)
	}
	if got := types(t, h.Options); !slices.Equal(got, []geneve.OptionType{ports}) {
		t.Errorf("options %v, want %v", got, ports)
	}
	before := bytes.Clone(b)
	got, err := h.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := unhex(t, "02 40 6558 00002a 00 0102 80 01 01020304"); !bytes.Equal(got, want) {
		t.Errorf("reserved bits are not sent as zero (-want +got):\n%s", cmp.Diff(dump(want), dump(got)))
	}
	if !bytes.Equal(b, before) {
		t.Error("encoding changed the packet that the options alias")
	}
}

func TestCriticalBitAgainstCFlag(t *testing.T) {
	tests := []struct {
		name         string
		flag         bool
		opts         []geneve.OptionType
		check, encod error
	}{
		{"C=0, none critical", false, []geneve.OptionType{group, bare}, nil, nil},
		{"C=0, no options", false, nil, nil, nil},
		{"C=1, first critical", true, []geneve.OptionType{ports, group}, nil, nil},
		{"C=1, last critical", true, []geneve.OptionType{group, ports}, nil, nil},
		{"C=0, last critical", false, []geneve.OptionType{group, bare, ports}, geneve.ErrNotFlagged, geneve.ErrNotFlagged},
		{"C=1, none critical", true, []geneve.OptionType{group}, nil, geneve.ErrNotCritical},
		{"C=1, no options", true, nil, nil, geneve.ErrNotCritical},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := geneve.Header{Critical: tt.flag, Protocol: teb, Options: options(t, tt.opts...)}
			if err := h.CheckOptions(); !errors.Is(err, tt.check) {
				t.Errorf("CheckOptions: %v, want %v", err, tt.check)
			}
			b, err := h.AppendTo([]byte{1})
			if !errors.Is(err, tt.encod) || err != nil && !bytes.Equal(b, []byte{1}) {
				t.Errorf("AppendTo: % x, %v; want %v", b, err, tt.encod)
			}
		})
	}
}

func TestOptionLengthsThatLie(t *testing.T) {
	tests := []struct {
		name, options string
		critical      bool
		offset        int
	}{
		{"one word too long", "ff01 01 01", false, 11},
		{"31 words in 4 bytes", "ff01 01 1f", false, 11},
		{"second one too long", "ff02 02 00  ff01 01 02 00000000", false, 15},
		{"critical, not flagged and too long", "0102 80 02 00000000", false, 11},
		{"too long behind one not flagged", "0102 80 00  ff01 01 01", false, 15},
		{"flagged and too long", "0102 80 01", true, 11},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := geneve.Header{Critical: tt.critical, Protocol: teb, Options: unhex(t, tt.options)}
			err := h.CheckOptions()
			e, ok := errors.AsType[*geneve.Error](err)
			if !ok || !errors.Is(err, geneve.ErrOption) || e.Offset != tt.offset || e.Section != "3.5" {
				t.Errorf("CheckOptions: %v, want ErrOption at byte %d, section 3.5", err, tt.offset)
			}
			if errors.Is(err, geneve.ErrNotFlagged) {
				t.Error("a caller that tolerates ErrNotFlagged would tolerate this")
			}
			if b, err := h.AppendTo([]byte{1}); !errors.Is(err, geneve.ErrOption) || !bytes.Equal(b, []byte{1}) {
				t.Errorf("AppendTo: % x, %v; want the input and ErrOption", b, err)
			}
			var last error
			for _, err := range h.Options.All() {
				last = err
			}
			if e, ok := errors.AsType[*geneve.Error](last); !ok || e.Offset != tt.offset-geneve.BaseLen {
				t.Errorf("All ends with %v, want ErrOption at byte %d", last, tt.offset-geneve.BaseLen)
			}
		})
	}
}

func TestOptionsThatDoNotFitOptLen(t *testing.T) {
	for name, n := range map[string]int{"64 words": 256, "5 bytes": 5, "251 bytes": 251} {
		h := geneve.Header{Protocol: teb, Options: make([]byte, n)}
		if b, err := h.AppendTo([]byte{1}); !errors.Is(err, geneve.ErrOptionsLen) || !bytes.Equal(b, []byte{1}) {
			t.Errorf("%s: % x, %v; want the input and ErrOptionsLen", name, b, err)
		}
	}
}
