package netns

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// answer is an NLMSG_ERROR as the kernel sends it.
func answer(errno unix.Errno, flags uint16, asked []byte, text string) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN)
	binary.NativeEndian.PutUint16(b[4:], unix.NLMSG_ERROR)
	binary.NativeEndian.PutUint16(b[6:], flags)
	b = binary.NativeEndian.AppendUint32(b, uint32(-int32(errno)))
	b = append(b, asked...)
	if text != "" {
		r := &request{b}
		r.text(unix.NLMSGERR_ATTR_MSG, text)
		b = r.b
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}

func TestAcknowledged(t *testing.T) {
	r := newRequest(unix.RTM_NEWLINK, 0, ifInfo(1, 0, 0))
	binary.NativeEndian.PutUint32(r.b, uint32(len(r.b)))
	for _, tt := range []struct {
		name string
		b    []byte
		want string // "": no error
	}{
		{"done", answer(0, unix.NLM_F_CAPPED, r.b[:unix.NLMSG_HDRLEN], ""), ""},
		{"refused", answer(unix.EEXIST, 0, r.b, ""), "rtnetlink: file exists"},
		{"refused in words", answer(unix.EINVAL, 0, r.b, "no such thing"), "rtnetlink: invalid argument: no such thing"},
		{"refused in words, capped", answer(unix.EINVAL, unix.NLM_F_CAPPED, r.b[:unix.NLMSG_HDRLEN], "no such thing"), "rtnetlink: invalid argument: no such thing"},
		{"something else", make([]byte, 40), "rtnetlink answered 40 bytes that are no acknowledgement"},
		{"nothing", nil, "rtnetlink answered 0 bytes that are no acknowledgement"},
	} {
		err := acknowledged(tt.b)
		if have := errString(err); have != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, have, tt.want)
		}
	}
}

func errString(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func FuzzAcknowledged(f *testing.F) {
	f.Add(answer(unix.EINVAL, unix.NLM_F_CAPPED, make([]byte, unix.NLMSG_HDRLEN), "no such thing"))
	f.Add(answer(0, 0, make([]byte, unix.NLMSG_HDRLEN), ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := acknowledged(b); err != nil && !strings.HasPrefix(err.Error(), "rtnetlink") {
			t.Error(err)
		}
	})
}

// The message that makes a veth pair, byte by byte, as linux/rtnetlink.h and
// linux/if_link.h lay it out.
func TestNested(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are those of a little-endian machine")
	}
	r := newRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, ifInfo(0, 0, 0))
	r.text(unix.IFLA_IFNAME, "a0")
	r.nest(unix.IFLA_LINKINFO, func() {
		r.text(unix.IFLA_INFO_KIND, "veth")
		r.nest(unix.IFLA_INFO_DATA, func() {
			r.nest(vethInfoPeer, func() { r.b = append(r.b, ifInfo(0, 0, 0)...) })
		})
	})
	const want = "" +
		"00000000" + "1000" + "0506" + "00000000" + "00000000" + // header, its length still to come
		"00000000000000000000000000000000" + // struct ifinfomsg
		"0700" + "0300" + "61300000" + // IFLA_IFNAME
		"2800" + "1200" + // IFLA_LINKINFO
		"0900" + "0100" + "7665746800000000" + // IFLA_INFO_KIND
		"1800" + "0200" + // IFLA_INFO_DATA
		"1400" + "0100" + "00000000000000000000000000000000" // VETH_INFO_PEER
	if have := hex.EncodeToString(r.b); have != want {
		t.Errorf("have %s\nwant %s", have, want)
	}
}
