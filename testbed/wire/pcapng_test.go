package wire_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/keyway-nve/keyway/testbed/peer"
	"github.com/keyway-nve/keyway/testbed/wire"
)

var (
	first  = wire.Wire{Name: "a-b", A: wire.End{Node: "a", Port: 1}, B: wire.End{Node: "b", Port: 1}}
	second = wire.Wire{Name: "b-c", A: wire.End{Node: "b", Port: 2}, B: wire.End{Node: "c", Port: 1}}
)

func capture(t *testing.T) []byte {
	t.Helper()
	var file bytes.Buffer
	c, err := wire.NewCapture(&file, first, second)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1700000000, 123456789)
	arp := append(bytes.Repeat([]byte{0xff}, 6), 2, 0, 0, 0, 0, 1, 8, 6,
		0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2)
	c.Frame(wire.Frame{Wire: "a-b", From: first.A, To: first.B, At: at, Data: arp})
	c.Frame(wire.Frame{Wire: "b-c", From: second.A, To: second.B, At: at.Add(1), Data: append(arp, 0)})
	c.Frame(wire.Frame{Wire: "a-b", From: first.A, To: first.B, At: at, Data: arp, Lost: true})
	c.Frame(wire.Frame{Wire: "other", Data: arp})
	c.Frame(wire.Frame{Wire: "a-b", From: first.B, To: first.A, At: at.Add(2), Data: arp, Note: "injected"})
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// gopacket reads what was written: a second opinion that needs no program.
func TestCapture(t *testing.T) {
	r, err := pcapgo.NewNgReader(bytes.NewReader(capture(t)), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	type packet struct {
		Wire string
		Nano int
		Len  int
	}
	var got []packet
	for {
		data, ci, err := r.ReadPacketData()
		if err != nil {
			break
		}
		i, err := r.Interface(ci.InterfaceIndex)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, packet{i.Name, ci.Timestamp.Nanosecond(), len(data)})
	}
	want := []packet{{"a-b", 123456789, 42}, {"b-c", 123456790, 43}, {"a-b", 123456791, 42}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestCaptureInTshark(t *testing.T) {
	tshark := peer.Require(t, "tshark", "tshark")
	file := filepath.Join(t.TempDir(), "c.pcapng")
	if err := os.WriteFile(file, capture(t), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tshark, "-n", "-r", file, "-T", "fields",
		"-e", "frame.interface_name", "-e", "frame.time_epoch", "-e", "frame.packet_flags_direction", "-e", "frame.len", "-e", "arp.dst.proto_ipv4", "-e", "frame.comment").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a-b\t1700000000.123456789\t0x00000001\t42\t10.0.0.2\t",
		"b-c\t1700000000.123456790\t0x00000001\t43\t10.0.0.2\t",
		"a-b\t1700000000.123456791\t0x00000002\t42\t10.0.0.2\tinjected",
	}
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(string(out)), "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

type full struct{ room int }

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

var errFull = errors.New("disk full")

func TestCaptureErrors(t *testing.T) {
	if _, err := wire.NewCapture(&full{}, first); !errors.Is(err, errFull) {
		t.Errorf("error %v, want errFull", err)
	}
	if _, err := wire.NewCapture(&bytes.Buffer{}, first, first); !errors.Is(err, wire.ErrTaken) {
		t.Errorf("error %v, want ErrTaken", err)
	}
	c, err := wire.NewCapture(&full{room: 200}, first)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c.Frame(wire.Frame{Wire: "a-b", Data: make([]byte, 300)})
	}
	if !errors.Is(c.Err(), errFull) {
		t.Errorf("error %v, want errFull", c.Err())
	}
}
