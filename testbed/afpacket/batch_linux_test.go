package afpacket

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"golang.org/x/sys/unix"
)

// auxdata is a control message with a struct tpacket_auxdata.
func auxdata(status uint32, tci, tpid uint16) []byte {
	data := binary.NativeEndian.AppendUint32(nil, status)
	data = append(data, make([]byte, 12)...) // len, snaplen, mac, net
	data = binary.NativeEndian.AppendUint16(data, tci)
	data = binary.NativeEndian.AppendUint16(data, tpid)
	b := make([]byte, unix.CmsgSpace(len(data)))
	if unix.SizeofPtr == 8 {
		binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(len(data))))
		binary.NativeEndian.PutUint32(b[8:], unix.SOL_PACKET)
		binary.NativeEndian.PutUint32(b[12:], unix.PACKET_AUXDATA)
	} else {
		binary.NativeEndian.PutUint32(b, uint32(unix.CmsgLen(len(data))))
		binary.NativeEndian.PutUint32(b[4:], unix.SOL_PACKET)
		binary.NativeEndian.PutUint32(b[8:], unix.PACKET_AUXDATA)
	}
	copy(b[unix.CmsgLen(0):], data)
	return b
}

func TestUntag(t *testing.T) {
	const frame = "020000000001020000000002" + "0800" + "45"
	other := make([]byte, unix.CmsgSpace(4))
	copy(other, auxdata(0, 0, 0)[:unix.CmsgLen(0)])
	binary.NativeEndian.PutUint32(other, uint32(unix.CmsgLen(4)))
	other[unix.CmsgLen(0)-4]++ // its type is another one
	for _, tt := range []struct {
		name string
		oob  []byte
		want string
	}{
		{"no control message", nil, frame},
		{"untagged", auxdata(0, 0, 0), frame},
		{"tagged", auxdata(unix.TP_STATUS_VLAN_VALID, 0x6014, 0), "020000000001020000000002" + "81006014" + "0800" + "45"},
		{"with a TPID", auxdata(unix.TP_STATUS_VLAN_VALID|unix.TP_STATUS_VLAN_TPID_VALID, 7, 0x88a8), "020000000001020000000002" + "88a80007" + "0800" + "45"},
		{"behind another message", append(other, auxdata(unix.TP_STATUS_VLAN_VALID, 7, 0)...), "020000000001020000000002" + "81000007" + "0800" + "45"},
		{"cut short", auxdata(unix.TP_STATUS_VLAN_VALID, 7, 0)[:20], frame},
	} {
		raw, err := hex.DecodeString(frame)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(untag(append(make([]byte, vlanTag), raw...), tt.oob)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func FuzzUntag(f *testing.F) {
	f.Add([]byte("0123456789ab, a frame"), auxdata(unix.TP_STATUS_VLAN_VALID, 7, 0))
	f.Add([]byte("short"), auxdata(0, 0, 0))
	f.Fuzz(func(t *testing.T, frame, oob []byte) {
		got := untag(append(make([]byte, vlanTag), frame...), bytes.Clone(oob))
		if n := len(got) - len(frame); n != 0 && n != vlanTag {
			t.Errorf("%d bytes became %d", len(frame), len(got))
		}
	})
}
