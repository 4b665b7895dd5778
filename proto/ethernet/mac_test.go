package ethernet_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/keyway-nve/keyway/proto/ethernet"
)

func TestParseMAC(t *testing.T) {
	want := ethernet.MAC{0x02, 0x00, 0x5e, 0x10, 0xab, 0xff}
	for _, s := range []string{"02:00:5e:10:ab:ff", "02-00-5E-10-AB-FF"} {
		got, err := ethernet.ParseMAC(s)
		if err != nil || got != want {
			t.Errorf("ParseMAC(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "02:00:5e:10:ab", "02:00:5e:10:ab:ff:00", "02:00:5e:10:ab:fg", "02:00-5e:10:ab:ff",
		"02:00:5e:10:ab-ff", "0200.5e10.abff.00", "2:0:5e:10:ab:ff", "02x00x5ex10xabxff", " 2:00:5e:10:ab:ff",
	} {
		if got, err := ethernet.ParseMAC(s); !errors.Is(err, ethernet.ErrMAC) || !got.IsZero() {
			t.Errorf("ParseMAC(%q) = %v, %v; want zero, ErrMAC", s, got, err)
		}
	}
}

func TestMACKinds(t *testing.T) {
	tests := []struct {
		mac                  string
		multicast, broadcast bool
	}{
		{"00:00:00:00:00:00", false, false},
		{"02:00:5e:10:00:01", false, false},
		{"01:00:5e:00:00:01", true, false},
		{"33:33:00:00:00:01", true, false},
		{"ff:ff:ff:ff:ff:ff", true, true},
	}
	for _, tt := range tests {
		m, err := ethernet.ParseMAC(tt.mac)
		if err != nil {
			t.Fatal(err)
		}
		if m.IsMulticast() != tt.multicast || m.IsBroadcast() != tt.broadcast || m.IsZero() != (m == ethernet.MAC{}) {
			t.Errorf("%v: multicast %v, broadcast %v, zero %v", m, m.IsMulticast(), m.IsBroadcast(), m.IsZero())
		}
	}
}

func TestMACText(t *testing.T) {
	type host struct {
		MAC  ethernet.MAC
		Seen map[ethernet.MAC]int
	}
	const text = `{"MAC":"02:00:5e:10:00:01","Seen":{"ff:ff:ff:ff:ff:ff":3}}`
	var h host
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(h)
	if err != nil || string(b) != text {
		t.Errorf("got %s, %v; want %s", b, err, text)
	}
	before := h.MAC
	if err := h.MAC.UnmarshalText([]byte("nonsense")); !errors.Is(err, ethernet.ErrMAC) || h.MAC != before {
		t.Errorf("UnmarshalText of nonsense: %v, value %v", err, h.MAC)
	}
}

func TestMACCompare(t *testing.T) {
	a, b := ethernet.MAC{0, 0, 0, 0, 0, 2}, ethernet.MAC{0, 0, 0, 0, 1, 0}
	if a.Compare(b) != -1 || b.Compare(a) != 1 || a.Compare(a) != 0 {
		t.Error("Compare does not order by octets")
	}
}

func FuzzParseMAC(f *testing.F) {
	f.Add("02:00:5e:10:ab:ff")
	f.Add("02-00-5E-10-AB-FF")
	f.Add("02:00:5e:10:ab:f")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ethernet.ParseMAC(s)
		if err != nil {
			return
		}
		if again, err := ethernet.ParseMAC(m.String()); err != nil || again != m {
			t.Errorf("%q parsed as %v, which parses as %v, %v", s, m, again, err)
		}
	})
}

func ExampleParseMAC() {
	m, err := ethernet.ParseMAC("02-00-5E-10-00-01")
	fmt.Println(m, m.IsMulticast(), err)
	_, err = ethernet.ParseMAC("02:00:5e")
	fmt.Println(err)
	// Output:
	// 02:00:5e:10:00:01 false <nil>
	// not a MAC address: "02:00:5e"
}
