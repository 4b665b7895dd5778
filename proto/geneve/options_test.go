package geneve_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/proto/geneve"
)

func TestOptionType(t *testing.T) {
	tests := []struct {
		typ      geneve.OptionType
		text     string
		critical bool
		words    int
	}{
		{group, "0xff01/0x01/1w", false, 2},
		{ports, "0x0102/0x80/1w", true, 2},
		{bare, "0xff02/0x02/0w", false, 1},
		{widest, "0xff03/0x03/31w", false, 32},
		{experiment, "0xff00/0x7f/0w", false, 1},
	}
	for _, tt := range tests {
		if got := tt.typ.String(); got != tt.text {
			t.Errorf("String() = %q, want %q", got, tt.text)
		}
		if got, err := geneve.ParseOptionType(tt.text); got != tt.typ || err != nil {
			t.Errorf("ParseOptionType(%q) = %v, %v", tt.text, got, err)
		}
		if tt.typ.Critical() != tt.critical || tt.typ.Words() != tt.words {
			t.Errorf("%v: critical %v, %d words", tt.typ, tt.typ.Critical(), tt.typ.Words())
		}
	}
}

func TestParseOptionTypeRefused(t *testing.T) {
	for _, s := range []string{
		"", "0xff01", "0xff01/0x01", "0xff01/0x01/1", "0xff01/0x01/1w/2w", "0x1ff01/0x01/1w", "0xff01/0x101/1w",
		"0xff01/0x01/32w", "0xff01/0x01/w", "0xff01/0x01/-1w", "/0x01/1w", "0xff01//1w", "0xff01/0x01/0x1w", " 0xff01/0x01/1w",
	} {
		if got, err := geneve.ParseOptionType(s); !errors.Is(err, geneve.ErrOptionType) || got != (geneve.OptionType{}) {
			t.Errorf("ParseOptionType(%q) = %v, %v; want ErrOptionType", s, got, err)
		}
	}
}

func TestOptionTypeText(t *testing.T) {
	const text = `["0xff01/0x01/1w","0x0102/0x80/1w"]`
	var layout []geneve.OptionType
	if err := json.Unmarshal([]byte(text), &layout); err != nil || !slices.Equal(layout, []geneve.OptionType{group, ports}) {
		t.Fatalf("got %v, %v", layout, err)
	}
	if b, err := json.Marshal(layout); err != nil || string(b) != text {
		t.Errorf("got %s, %v; want %s", b, err, text)
	}
	before := layout[0]
	if err := layout[0].UnmarshalText([]byte("?")); !errors.Is(err, geneve.ErrOptionType) || layout[0] != before {
		t.Errorf("UnmarshalText of nonsense: %v, value %v", err, layout[0])
	}
}

// A length in words and one in bytes are easily taken for each other.
func TestOptionDataLength(t *testing.T) {
	tests := []struct {
		name string
		opt  geneve.Option
	}{
		{"6 bytes of data", geneve.Option{Type: geneve.OptionType{Len: 1}, Data: make([]byte, 6)}},
		{"length in bytes", geneve.Option{Type: geneve.OptionType{Len: 4}, Data: make([]byte, 4)}},
		{"no data", geneve.Option{Type: geneve.OptionType{Len: 1}}},
		{"data without length", geneve.Option{Data: make([]byte, 4)}},
		{"128 bytes of data", geneve.Option{Type: geneve.OptionType{Len: 32}, Data: make([]byte, 128)}},
	}
	for _, tt := range tests {
		if b, err := tt.opt.AppendTo([]byte{1}); !errors.Is(err, geneve.ErrOptionData) || !bytes.Equal(b, []byte{1}) {
			t.Errorf("%s: % x, %v; want the input and ErrOptionData", tt.name, b, err)
		}
	}
}

// The faults that other Geneve codecs have been seen with, each as its own test.
func TestFaultsOfOtherCodecs(t *testing.T) {
	repeat := func(n int) []geneve.OptionType { return slices.Repeat([]geneve.OptionType{bare}, n) }
	decode := func(t *testing.T, opts []geneve.OptionType, payload string) (geneve.Header, string) {
		t.Helper()
		h := geneve.Header{Protocol: teb, VNI: 1, Options: options(t, opts...)}
		b, err := h.AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		var got geneve.Header
		rest, err := got.Decode(append(b, payload...))
		if err != nil {
			t.Fatal(err)
		}
		return got, string(rest)
	}
	t.Run("one 4-byte option is not dropped", func(t *testing.T) {
		h, _ := decode(t, repeat(1), "")
		if got := types(t, h.Options); len(got) != 1 {
			t.Errorf("%d options", len(got))
		}
	})
	t.Run("five 4-byte options are five", func(t *testing.T) {
		h, _ := decode(t, repeat(5), "")
		if got := types(t, h.Options); len(got) != 5 {
			t.Errorf("%d options", len(got))
		}
	})
	t.Run("64 option words do not run into the version", func(t *testing.T) {
		h := geneve.Header{Protocol: teb, Options: options(t, repeat(64)...)}
		if b, err := h.AppendTo(nil); !errors.Is(err, geneve.ErrOptionsLen) || b != nil {
			t.Errorf("% x, %v; want nothing and ErrOptionsLen", b, err)
		}
	})
	t.Run("two decodes do not pile up", func(t *testing.T) {
		var h geneve.Header
		b := unhex(t, goldens[3].hex)
		for range 2 {
			if _, err := h.Decode(b); err != nil {
				t.Fatal(err)
			}
		}
		if got := types(t, h.Options); !slices.Equal(got, []geneve.OptionType{group, ports}) {
			t.Errorf("options %v", got)
		}
	})
	t.Run("63 option words leave a payload of 7 bytes", func(t *testing.T) {
		h, payload := decode(t, []geneve.OptionType{widest, wordy}, "7 bytes")
		if len(h.Options) != 252 || payload != "7 bytes" {
			t.Errorf("%d bytes of options, payload %q", len(h.Options), payload)
		}
	})
	t.Run("6 bytes of data are not cut to 4", func(t *testing.T) {
		b, err := geneve.Option{Type: group, Data: make([]byte, 6)}.AppendTo(nil)
		if !errors.Is(err, geneve.ErrOptionData) || b != nil {
			t.Errorf("% x, %v; want nothing and ErrOptionData", b, err)
		}
	})
	t.Run("more than 60 bytes of data keep their length", func(t *testing.T) {
		for n := uint8(15); n <= 31; n++ {
			typ := geneve.OptionType{Class: 0xff05, Type: 5, Len: n}
			h, _ := decode(t, []geneve.OptionType{typ, group}, "")
			if got := types(t, h.Options); !slices.Equal(got, []geneve.OptionType{typ, group}) {
				t.Errorf("%d words: options %v", n, got)
			}
		}
	})
	t.Run("O does not stay set", func(t *testing.T) {
		var h geneve.Header
		for _, want := range []bool{true, false} {
			in := geneve.Header{Control: want, Protocol: teb}
			b, err := in.AppendTo(nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.Decode(b); err != nil || h.Control != want {
				t.Errorf("O = %v, want %v (%v)", h.Control, want, err)
			}
		}
	})
}

func TestFind(t *testing.T) {
	o := options(t, bare, group, ports, group)
	o[8] = 0xaa // marks the first group option
	if opt, ok := o.Find(group); !ok || opt.Data[0] != 0xaa {
		t.Errorf("Find(group) = %+v, %v; want the first", opt, ok)
	}
	if opt, ok := o.Find(widest); ok {
		t.Errorf("found %v, which is not there", opt)
	}
	if opt, ok := o.FirstCritical(); !ok || opt.Type != ports {
		t.Errorf("FirstCritical() = %+v, %v", opt, ok)
	}
	if opt, ok := o[:12].FirstCritical(); ok {
		t.Errorf("found %v, which is not critical", opt)
	}
	if _, ok := append(options(t, bare), 0xff, 0x01, 0x80, 0x09).FirstCritical(); ok {
		t.Error("found a critical option behind the end")
	}
	for opt := range o.All() { // a reader may stop early
		if opt.Type != bare {
			t.Errorf("first option %v", opt.Type)
		}
		break
	}
}

func TestOptionDataCannotGrowIntoTheNext(t *testing.T) {
	o := options(t, group, ports)
	first, _, err := o.Next()
	if err != nil {
		t.Fatal(err)
	}
	_ = append(first.Data, 0xee)
	if diff := cmp.Diff(dump(options(t, group, ports)), dump(o)); diff != "" {
		t.Errorf("appending to an option's data changed the next option:\n%s", diff)
	}
}

func FuzzHeader(f *testing.F) {
	for _, tt := range goldens {
		f.Add(unhex(f, tt.hex))
		f.Add(append(unhex(f, tt.hex), "payload"...))
	}
	f.Add([]byte("\x03\x00\x65\x58\x00\x00\x01\x00\xff\x01\x01\x01\x00\x00\x00\x00\x01\x02\x80\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h geneve.Header
		payload, err := h.Decode(b)
		if err != nil {
			return
		}
		if h.Len()+len(payload) != len(b) {
			t.Fatalf("header %d and payload %d of %d bytes", h.Len(), len(payload), len(b))
		}
		check := h.CheckOptions()
		out, err := h.AppendTo(nil)
		switch {
		case errors.Is(err, geneve.ErrNotCritical) && check == nil && h.Critical:
			return
		case (err == nil) != (check == nil):
			t.Fatalf("CheckOptions: %v; AppendTo: %v", check, err)
		case err != nil:
			return
		}
		want := bytes.Clone(b[:h.Len()])
		want[1] &= 0xc0
		want[7] = 0
		for o := want[8:]; len(o) > 0; o = o[4+4*int(o[3]):] {
			o[3] &= 0x1f
		}
		if !bytes.Equal(out, want) {
			t.Errorf("encodes as\n% x, want\n% x", out, want)
		}
	})
}

func FuzzParseOptionType(f *testing.F) {
	f.Add("0xff01/0x81/2w")
	f.Add("ff01/1/0w")
	f.Fuzz(func(t *testing.T, s string) {
		typ, err := geneve.ParseOptionType(s)
		if err != nil {
			return
		}
		if again, err := geneve.ParseOptionType(typ.String()); err != nil || again != typ {
			t.Errorf("%q parsed as %v, which parses as %v, %v", s, typ, again, err)
		}
	})
}

func TestNoAllocs(t *testing.T) {
	buf, in := make([]byte, 0, 512), goldens[3].header(t)
	var h geneve.Header
	data := []byte{1, 2, 3, 4}
	sum := 0
	if n := testing.AllocsPerRun(100, func() {
		out, err := geneve.Option{Type: group, Data: data}.AppendTo(buf)
		if err != nil {
			t.Fatal(err)
		}
		out, err = in.AppendTo(out[:0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Decode(out); err != nil || h.CheckOptions() != nil {
			t.Fatal("decoding what was encoded")
		}
		for opt, err := range h.Options.All() {
			if err == nil {
				sum += opt.Type.Words()
			}
		}
		if _, ok := h.Options.Find(ports); !ok {
			t.Fatal("not found")
		}
	}); n != 0 {
		t.Errorf("encoding, decoding and walking allocate %v times", n)
	}
	if sum == 0 {
		t.Error("no options seen")
	}
}

func BenchmarkAppendTo(b *testing.B) {
	for _, i := range []int{0, 3, 5} {
		h, buf := goldens[i].header(b), make([]byte, 0, 512)
		b.Run(goldens[i].name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = h.AppendTo(buf)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, i := range []int{0, 3, 5} {
		in := unhex(b, goldens[i].hex)
		b.Run(goldens[i].name, func(b *testing.B) {
			var h geneve.Header
			b.ReportAllocs()
			for b.Loop() {
				_, _ = h.Decode(in)
				_ = h.CheckOptions()
			}
		})
	}
}

func BenchmarkAll(b *testing.B) {
	o, words := options(b, group, ports, bare, group), 0
	b.ReportAllocs()
	for b.Loop() {
		for opt := range o.All() {
			words += opt.Type.Words()
		}
	}
}

func ExampleOptions_All() {
	packet := []byte("\x03\x40\x65\x58\x00\x00\x2a\x00" + "\xff\x02\x02\x00" + "\x01\x02\x80\x01\x00\x07\x00\x09" + "frame")
	var h geneve.Header
	payload, err := h.Decode(packet)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("VNI %d, payload %q\n", h.VNI, payload)
	for opt, err := range h.Options.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%v critical=%v data=%x\n", opt.Type, opt.Type.Critical(), opt.Data)
	}
	// Output:
	// VNI 42, payload "frame"
	// 0xff02/0x02/0w critical=false data=
	// 0x0102/0x80/1w critical=true data=00070009
}

func ExampleHeader_AppendTo() {
	group := geneve.OptionType{Class: 0xff01, Type: 0x01, Len: 1}
	opts, err := geneve.Option{Type: group, Data: []byte{0, 0, 0, 7}}.AppendTo(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	h := geneve.Header{Protocol: 0x6558, VNI: 42, Options: opts}
	b, err := h.AppendTo(nil)
	fmt.Printf("% x %v\n", b, err)
	h.VNI = 1 << 24
	_, err = h.AppendTo(nil)
	fmt.Println(err)
	// Output:
	// 02 00 65 58 00 00 2a 00 ff 01 01 01 00 00 00 07 <nil>
	// geneve: byte 4: VNI over 24 bits: 0x1000000 (RFC 8926 §3.4)
}

func ExampleHeader_CheckOptions() {
	h := geneve.Header{Options: geneve.Options("\x01\x02\x80\x01\x00\x07\x00\x09")}
	err := h.CheckOptions()
	fmt.Println(err)
	fmt.Println("nothing else is wrong:", errors.Is(err, geneve.ErrNotFlagged))
	// Output:
	// geneve: byte 8: critical option but C = 0: 0x0102/0x80/1w (RFC 8926 §3.5)
	// nothing else is wrong: true
}
